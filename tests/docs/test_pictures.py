"""The pictures in the docs are what their scripts draw, and everyone can read them."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import draw
import pytest
from drawing import THEMES, Theme

FILES: Final = draw.files()
SVG: Final = "{http://www.w3.org/2000/svg}"


def luminance(color: str) -> float:
    """Return the relative luminance of a color, as WCAG 2 defines it."""
    shares = (int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_picture(path: Path) -> None:
    """The file is what the script draws. It has a title and a description, and loads nothing."""
    text = path.read_text("utf-8")
    assert FILES[path] == text
    svg = ET.fromstring(text)
    assert all(svg.findtext(f"{SVG}{tag}") for tag in ("title", "desc"))
    loaded = [value for one in svg.iter() for value in one.attrib.values() if re.search(r"//|url\(", value)]
    assert [] == loaded
    assert [] == [style.text for style in svg.iter(f"{SVG}style") if re.search(r"//|url|@import", style.text or "")]


def test_all_are_drawn() -> None:
    """Each file belongs to a picture."""
    assert {*FILES} == {*draw.HERE.glob("*.svg")}


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_the_film(theme: Theme) -> None:
    """The film is small, and readers who prefer reduced motion see its end."""
    path = draw.HERE / f"demo-{theme.name}.svg"
    assert path.stat().st_size < 150_000
    film = ET.fromstring(path.read_text("utf-8")).find(f"{SVG}svg/{SVG}g")
    assert film is not None
    assert film.get("transform") == film[-1].get("transform", "").replace("(0 ", "(0 -")
    assert "@media (prefers-reduced-motion:reduce){.film{animation:none}}" in FILES[path]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_contrast(theme: Theme) -> None:
    """Text has the contrast that WCAG AA requires, also on filled shapes."""
    inks = (theme.text, theme.muted, theme.accent, theme.good, theme.bad, theme.warn)
    pairs = product(inks, (theme.page, theme.card))
    assert [] == [pair for pair in pairs if contrast(*pair) < 4.5]
