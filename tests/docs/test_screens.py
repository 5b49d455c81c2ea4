"""The screens in the docs are what the real Hatch shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import demo
import pytest
from capture import CASES, PAGE, Screen, capture, shown, steady

SCREENS: Final = sorted((PAGE.parents[1] / "screens").glob("*.txt"))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_screen(name: str) -> None:
    """A run today prints the page's screen, except for times, rates, ports and tokens."""
    assert (SCREENS[0].with_name(f"{name}.txt")).read_text("utf-8") == capture(CASES[name])


def test_all_are_kept() -> None:
    """Each case has its file, and each file its case."""
    assert {*CASES} == {path.stem for path in SCREENS}


@pytest.mark.slow
def test_the_recording() -> None:
    """A run today leaves the recorded screens. Uploads end in any order."""
    kept, new = (
        {name: sorted(text.splitlines()) for name, text in demo.ends(scenes).items()}
        for scenes in (demo.read(), demo.record())
    )
    assert kept == new


def test_the_recording_is_public() -> None:
    """The recording contains no local path and no token."""
    text = demo.RECORDING.read_text("utf-8")
    assert [] == re.findall(r"/(?:tmp|home|Users|root)\b|eyJ|pypi-[A-Za-z0-9]{8}|::add-mask", text)


@pytest.mark.parametrize("path", SCREENS, ids=lambda path: path.stem)
def test_all_are_shown(path: Path) -> None:
    """The page shows each file unchanged, under a link to it."""
    assert shown(path.stem, path.read_text("utf-8")) in PAGE.read_text("utf-8")


def test_steady() -> None:
    """Replaced values keep their width, so that columns stay aligned."""
    text = (
        "dist/a.tar.gz                  1.0 MB  ━━━╌╌╌╌╌╌╌╌╌╌╌╌  20%\n"
        "total, 7.7 kB/s, 1:02:03 left  1.0 MB  ###############  99%\n"
        "7.7 kB/s            ━━━╌╌╌╌╌╌╌╌╌╌╌╌  20%\n"
        "http://127.0.0.1:4711/simple/\n::add-mask::ey\n::add-mask::pypi\nx\n::add-mask::ey\n::add-mask::pypi\ny\n"
    )
    expected = (
        "dist/a.tar.gz                  1.0 MB  ━━━━━━━━━╌╌╌╌╌╌  60%\n"
        "total, 24.0 MB/s, 0:01 left    1.0 MB  #########------  60%\n"
        "0:01 left           ━━━━━━━━━╌╌╌╌╌╌  60%\n"
        "http://127.0.0.1:60931/simple/\n::add-mask::***\n::add-mask::***\nx\ny\n"
    )
    assert expected == steady(text)


def test_screen() -> None:
    """A screen shows what a terminal would: lines are wrapped, overwritten, and cleared."""
    screen = Screen(6)
    screen.write("\x1b[1mone\x1b[0m\ntwo\r\x1b[2K\x1b[1A\x1b[2KONE\nabcdefgh\r\x1b[?25lX\x1b[K")
    assert "ONE\nabcdef\nX\n" == str(screen)
