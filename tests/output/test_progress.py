"""How far the uploads have come: a row for each file, and a total."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.output.progress import Progress, bytes_, files
from hatch_trusted_publish.upload.outcome import Outcome
from tests.support.helpers import Kept, a_distribution


class OfSize(Kept):
    """Bytes that nobody reads."""

    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def size(self) -> int:
        return self._size


class Clock:
    """Seconds that pass when somebody says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def of_size(filename: str, size: int) -> Distribution:
    return replace(a_distribution(filename), content=OfSize(size))


FIRST = of_size("sample-1.0-py3-none-any.whl", 500)
SECOND = of_size("sample-1.0-py3-none-win32.whl", 2_000_000)
SDIST = of_size("sample-1.0.tar.gz", 6_000_000)
THERE = of_size("sample-1.0-cp313-none-any.whl", 750)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    """One file is there; the first of three others has been uploaded in a second, and the second has come half way."""
    progress = Progress([Outcome(THERE, "there"), *(Outcome(one) for one in (FIRST, SECOND, SDIST))], clock)
    progress.begun(FIRST)
    clock.now += 1.0
    progress.end(Outcome(FIRST, "uploaded"))
    progress.begun(SECOND)
    clock.now += 1.0
    progress.sent(SECOND, 1_000_000)
    return progress


def shown(progress: Progress, width: int, height: int | None = None) -> list[str]:
    return [line for _, line in progress.lines(width, height)]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        pytest.param(
            80,
            [
                "dist/sample-1.0-cp313-none-any.whl     750 B  already there",
                "dist/sample-1.0-py3-none-any.whl       500 B  success",
                "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ━━━━━━━╌╌╌╌╌╌╌╌  50%",
                "dist/sample-1.0.tar.gz                6.0 MB  waiting",
                "total, 500.2 kB/s, 0:14 left          8.0 MB  ━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  12%",
            ],
            id="80",
        ),
        pytest.param(
            40,
            [
                "..none-any.whl     750 B  already there",
                "..none-any.whl     500 B  success",
                "..ne-win32.whl    2.0 MB  ━━━━╌╌╌╌╌  50%",
                "..e-1.0.tar.gz    6.0 MB  waiting",
                "0:14 left         8.0 MB  ━╌╌╌╌╌╌╌╌  12%",
            ],
            id="40",
        ),
        pytest.param(
            200,
            [
                "dist/sample-1.0-cp313-none-any.whl     750 B  already there",
                "dist/sample-1.0-py3-none-any.whl       500 B  success",
                "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ━━━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  50%",
                "dist/sample-1.0.tar.gz                6.0 MB  waiting",
                "total, 500.2 kB/s, 0:14 left          8.0 MB  ━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  12%",
            ],
            id="200",
        ),
        pytest.param(
            50,
            [
                "..1.0-cp313-none-any.whl     750 B  already there",
                "..e-1.0-py3-none-any.whl     500 B  success",
                "..1.0-py3-none-win32.whl    2.0 MB  ━━━━╌╌╌╌╌  50%",
                "dist/sample-1.0.tar.gz      6.0 MB  waiting",
                "500.2 kB/s, 0:14            8.0 MB  ━╌╌╌╌╌╌╌╌  12%",
            ],
            id="50",
        ),
    ],
)
def test_lines(progress: Progress, width: int, expected: list[str]) -> None:
    """Each file has its row, and the total its rate and the time that is left, as far as there is room."""
    assert expected == shown(progress, width)


def test_kinds(progress: Progress) -> None:
    """What went well, what did not and what goes on can be told apart by colour too."""
    progress.end(Outcome(SECOND, "failed"))
    assert ["success", "success", "error", "info", "info"] == [kind for kind, _ in progress.lines(80)]


def test_few_lines(progress: Progress) -> None:
    """Where there is little room, what is under way goes first, then what waits."""
    expected = [
        "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ━━━━━━━╌╌╌╌╌╌╌╌  50%",
        "dist/sample-1.0.tar.gz                6.0 MB  waiting",
        "and 2 files more",
        "total, 500.2 kB/s, 0:14 left          8.0 MB  ━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  12%",
    ]
    assert expected == shown(progress, 80, 4)
    assert 5 == len(shown(progress, 80, 5))


def test_before_the_first(clock: Clock) -> None:
    """Before anything was sent, nothing is known of rate and time."""
    progress = Progress([Outcome(FIRST)], clock)
    progress.begun(FIRST)
    expected = [
        "dist/sample-1.0-py3-none-any.whl     500 B  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%",
        "total                                500 B  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%",
    ]
    assert expected == shown(progress, 80)
    progress.sent(FIRST, 500)  # and no time has passed
    assert ("500 B of 500 B", False) == (progress.line(), progress.over)


def test_a_line(progress: Progress) -> None:
    """A log without a table has the total in words."""
    assert "1.0 MB of 8.0 MB, 500.2 kB/s, 0:14 left" == progress.line()


def test_another_try(progress: Progress) -> None:
    """A file that is sent again begins at its begin."""
    progress.sent(SECOND, 0)
    assert "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%" == shown(progress, 80)[2]


def test_the_end(progress: Progress, clock: Clock) -> None:
    """At the end there is no total any more, and one sentence that says how much and how fast."""
    assert not progress.over
    progress.end(Outcome(SECOND, "unknown"))
    progress.begun(SDIST)
    clock.now += 118.0
    progress.end(Outcome(SDIST, "uploaded"))
    states = [line.rpartition("  ")[2] for line in shown(progress, 80)]
    assert (["already there", "success", "no clear reply", "success"], True) == (states, progress.over)
    assert "Uploaded 2 files, 6.0 MB, in 2:00 min (50.0 kB/s)." == progress.total()


def test_a_short_end(clock: Clock) -> None:
    """What took less than a minute is told to a tenth of a second, and what took no time has a rate as well."""
    progress = Progress([Outcome(FIRST)], clock)
    assert "" == progress.total()
    progress.begun(FIRST)
    progress.end(Outcome(FIRST, "uploaded"))
    assert "Uploaded 1 file, 500 B, in 0.0 s (500.0 kB/s)." == progress.total()


def test_stopped(progress: Progress) -> None:
    """When the run ends early, what waits is not tried; what is under way keeps its bar."""
    progress.stop()
    ends = [line.rpartition("  ")[2].strip() for line in shown(progress, 80)]
    assert ["already there", "success", "50%", "not tried", "12%"] == [end.rpartition("╌ ")[2].strip() for end in ends]


def test_an_empty_file(clock: Clock) -> None:
    """Nothing of nothing is no fault."""
    progress = Progress([Outcome(of_size("sample-2.0.tar.gz", 0))], clock)
    assert "dist/sample-2.0.tar.gz             0 B  waiting" == shown(progress, 80)[0]


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (24_000_000, "24.0 MB"),
        (3_100_000_000, "3.1 GB"),
        (5_000_000_000_000, "5.0 TB"),
    ],
)
def test_bytes(count: int, expected: str) -> None:
    """Sizes are in decimal units, as indexes tell them."""
    assert expected == bytes_(count)


def test_files() -> None:
    """One file is not several."""
    assert ["0 files", "1 file", "2 files"] == [files(count) for count in range(3)]


@settings(deadline=None, max_examples=200)
@given(
    sizes=st.lists(st.integers(0, 10**14), min_size=1, max_size=30),
    width=st.integers(40, 250),
    height=st.integers(4, 40),
    sent=st.lists(st.integers(0, 10**14), max_size=30),
    seconds=st.floats(0, 1e6),
    ended=st.integers(0, 30),
)
def test_no_line_is_too_long(
    sizes: list[int], width: int, height: int, sent: list[int], seconds: float, ended: int
) -> None:
    """Whatever happens, the lines fit on the screen."""
    clock = Clock()
    files_ = [of_size(f"sample-1.{number}-py3-none-any.whl", size) for number, size in enumerate(sizes)]
    progress = Progress([Outcome(one) for one in files_], clock)
    for one, count in zip(files_, sent, strict=False):
        progress.begun(one)
        progress.sent(one, count)
    clock.now += seconds
    for one in files_[:ended]:
        progress.end(Outcome(one, "uploaded"))
    lines = shown(progress, width, height)
    assert [] == [line for line in lines if len(line) > width]
    assert height >= len(lines)
