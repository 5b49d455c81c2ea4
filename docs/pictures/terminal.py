"""Draws what docs/screens/demo.json has recorded: one moment of a command, or all commands as a film.

A film shows its last frame where nothing moves: without CSS, and for readers who prefer reduced motion.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, TypeAlias
from xml.etree.ElementTree import Element

from drawing import MARGIN, MONO, WIDTH, Picture, Theme, element

Line: TypeAlias = tuple[str, str]
"""The style of a line, as the parameters of its escape (``1;31``), and its text. Hatch prints all text in bold."""

SCENES: Final[dict[str, Any]] = json.loads(Path(__file__).parents[1].joinpath("screens/demo.json").read_text("utf-8"))
COLUMNS: Final = 50
ROW: Final = 19
TYPED, TITLE = "typed", "title"
"""The styles of what the film adds."""
LONGEST_WAIT: Final = 1.2
"""Seconds after which a film goes on, although the command took longer."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A screen that is shown for some seconds."""

    seconds: float
    title: str
    lines: Sequence[Line]


def screen(theme: Theme, scene: str, title: str, *, under_way: bool = False) -> Picture:
    """The end of a command, or the middle of its uploads, below its command line."""
    ends = [lines for _, lines in SCENES[scene]["frames"] if not under_way or any("╌" in text for _, text in lines)]
    lines = [(TYPED, f"$ {SCENES[scene]['command']}"), *ends[len(ends) // 2 if under_way else -1]]
    shown = [*_wrapped(lines)]
    picture = _window(theme, title, "\n".join(text for _, text in lines).strip(), len(shown))
    for row, line in enumerate([(TITLE, title.center(COLUMNS)), *shown]):
        picture.include(_text(theme, line, _baseline(row)))
    return picture


def film(theme: Theme, title: str, scenes: Sequence[tuple[str, str, float]], rows: int = 24) -> Picture:
    """Return all of *scenes*, each with a title and the seconds to read its end, on a terminal with this many rows."""
    frames = [frame for scene in scenes for frame in _frames(*scene)]
    sentences = (f"{heading}: {SCENES[scene]['command']}" for scene, heading, _ in scenes)
    picture = _window(theme, title, f"A terminal in which these commands run. {'. '.join(sentences)}.", rows)
    height = picture.height
    picture.add("style", _motion(frames, height))
    known, definitions = dict[Line, str](), picture.add("defs")
    # An inner document shows only what is within it.
    strip = element("g", class_="film", transform=f"translate(0 {-height * (len(frames) - 1)})")
    picture.add("svg", width=WIDTH, height=height).append(strip)
    for number, frame in enumerate(frames):
        place = element("g", transform=f"translate(0 {height * number})")
        strip.append(place)
        shown = [*_wrapped(frame.lines)][-rows:]
        for row, line in enumerate([(TITLE, frame.title.center(COLUMNS)), *shown]):
            if line not in known:
                known[line] = f"l{len(known)}"
                definitions.append(_text(theme, line, 0, id=known[line]))
            place.append(element("use", href=f"#{known[line]}", y=_baseline(row)))
    return picture


def _frames(scene: str, title: str, pause: float) -> Iterator[Frame]:
    """Yield how a command is typed, how its output appears, and its end."""
    typed = f"$ {SCENES[scene]['command']}"
    for end in range(2, len(typed), 2):
        yield Frame(0.08, title, [(TYPED, f"{typed[:end]}▌")])
    recorded = [(0.0, []), *SCENES[scene]["frames"]]
    for (began, before), (ended, lines) in pairwise(recorded):
        yield Frame(min(ended - began, LONGEST_WAIT), title, [(TYPED, typed), *before])
        # Much text arrives at once: let it scroll by.
        for end in range(len(before) + 4, len(lines) - 2, 2):
            yield Frame(0.1, title, [(TYPED, typed), *lines[:end]])
    yield Frame(pause, title, [(TYPED, typed), *recorded[-1][1]])


def _motion(frames: Sequence[Frame], height: int) -> str:
    total, before, steps = sum(frame.seconds for frame in frames), 0.0, []
    for number, frame in enumerate(frames):
        steps.append(f"{100 * before / total:.2f}%{{transform:translateY({-height * number}px)}}")
        before += frame.seconds
    return (
        f".film{{animation:film {total:.1f}s step-end infinite}}"
        "svg:hover .film{animation-play-state:paused}"
        "@media (prefers-reduced-motion:reduce){.film{animation:none}}"
        f"@keyframes film{{{''.join(steps)}}}"
    )


def _window(theme: Theme, title: str, description: str, rows: int) -> Picture:
    picture = Picture(theme, title, description)
    picture.height = _baseline(rows) + MARGIN
    picture.line((0, 35), (WIDTH, 35), theme.line)
    for number in range(3):
        picture.add("circle", cx=MARGIN + 5 + 16 * number, cy=18, r=4.5, fill=theme.line)
    return picture


def _baseline(row: int) -> int:
    """Where a row is; the first is the title."""
    return 42 + ROW * row if row else 22


def _text(theme: Theme, line: Line, y: int, **more: object) -> Element:
    style, text = line
    colors = {TITLE: theme.muted, TYPED: theme.accent, "1;31": theme.bad, "1;33": theme.warn, "1;36": theme.good}
    cell = (WIDTH - 2 * MARGIN) / COLUMNS
    font = {"font_family": MONO, "font_size": 12.6, "fill": colors.get(style, theme.text)}
    # Whatever the font, columns stay columns.
    place = {"x": MARGIN, "y": y, "textLength": cell * len(text), "xml:space": "preserve"}
    return element("text", text, **font, **place, **more)


def _wrapped(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield *lines* in pieces that fit, broken between words, without the empty ones at the end."""
    texts = [*lines]
    while texts and not texts[-1][1]:
        texts.pop()
    for style, text in texts:
        indent = " " * (len(text) - len(text.lstrip()))
        pieces = textwrap.wrap(text, COLUMNS, subsequent_indent=indent, break_on_hyphens=False)
        for piece in [text] if len(text) <= COLUMNS else pieces:
            yield style, piece
