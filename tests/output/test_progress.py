"""The progress of the uploads: a row for each file, and a total."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.output.progress import OUTCOMES, Progress, bytes_, files
from hatch_trusted_publish.upload.outcome import Outcome
from tests.support.helpers import Kept, a_distribution


class OfSize(Kept):
    """Bytes that are never read."""

    def __init__(self, size: int) -> None:
        self._size = size

    @property
    def size(self) -> int:
        return self._size


class Clock:
    """A clock that the test advances."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def of_size(filename: str, size: int) -> Distribution:
    return replace(a_distribution(filename), content=OfSize(size))


FIRST = of_size("sample-1.0-py3-none-any.whl", 500)
SECOND = of_size("sample-1.0-py3-none-win32.whl", 2_000_000)
SDIST = of_size("sample-1.0.tar.gz", 6_000_000)
THERE = of_size("sample-1.0-cp313-none-any.whl", 750)
WAITING, NOT_TRIED = str(Message("waiting")), str(OUTCOMES["not tried"][1])
LEFT = str(Message("time-left", time="0:14"))
UPLOADED, ON_INDEX = str(OUTCOMES["uploaded"][1]), str(OUTCOMES["there"][1])


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


@pytest.fixture
def progress(clock: Clock) -> Progress:
    """One file exists; of three others, the first was uploaded in a second, and the second is half uploaded."""
    planned = [Outcome(THERE, "there"), *(Outcome(one) for one in (FIRST, SECOND, SDIST))]
    progress = Progress(planned, "PyPI", clock)
    progress.started(FIRST.filename)
    progress.sent(FIRST.filename, 500)
    clock.now += 1.0
    progress.ended(FIRST.filename, "uploaded")
    progress.started(SECOND.filename)
    clock.now += 1.0
    progress.sent(SECOND.filename, 1_000_000)
    return progress


def shown(progress: Progress, width: int, height: int | None = None) -> list[str]:
    return [line for _, line in progress.lines(width, height)]


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        pytest.param(
            80,
            [
                f"dist/sample-1.0-cp313-none-any.whl     750 B  {ON_INDEX}",
                f"dist/sample-1.0-py3-none-any.whl       500 B  {UPLOADED}",
                "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ━━━━━━━╌╌╌╌╌╌╌╌  50%",
                f"dist/sample-1.0.tar.gz                6.0 MB  {WAITING}",
                f"{'total, 500.2 kB/s, ' + LEFT:<34}    8.0 MB  ━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  12%",
            ],
            id="80",
        ),
        pytest.param(
            40,
            [
                "dist/sample-1.0…",
                f"…-cp313-n…-any.whl  {ON_INDEX}",
                f"…-py3-none-any.whl  {UPLOADED}",
                "…-py3-non…in32.whl  ━━━━━━━╌╌╌╌╌╌╌╌  50%",
                f"….tar.gz            {WAITING}",
                f"{LEFT:<18}  ━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  12%",
            ],
            id="40",
        ),
        pytest.param(
            200,
            [
                f"dist/sample-1.0-cp313-none-any.whl     750 B  {ON_INDEX}",
                f"dist/sample-1.0-py3-none-any.whl       500 B  {UPLOADED}",
                "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ━━━━━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  50%",
                f"dist/sample-1.0.tar.gz                6.0 MB  {WAITING}",
                f"{'total, 500.2 kB/s, ' + LEFT:<34}    8.0 MB  ━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  12%",
            ],
            id="200",
        ),
    ],
)
def test_lines(progress: Progress, width: int, expected: list[str]) -> None:
    """Each file has its row, and the total has rate and time left, if the width allows."""
    assert expected == shown(progress, width)


PLATFORMS = (
    *("macosx_10_12_x86_64", "macosx_11_0_arm64", "manylinux_2_17_aarch64.manylinux2014_aarch64"),
    *("manylinux_2_17_x86_64.manylinux2014_x86_64", "musllinux_1_1_x86_64", "win_amd64"),
)
PYTHONS = ("cp310", "cp311", "cp312", "cp313", "cp313t")


def test_many_wheels(clock: Clock) -> None:
    """In 80 columns, 30 wheels of one project differ, and their common part is shown once."""
    tags = [f"{python}-{python}-{platform}" for python in PYTHONS for platform in PLATFORMS]
    wheels = [of_size(f"pydantic_core-2.33.2-{tag}.whl", 2_000_000) for tag in tags]
    head, *rows, _ = shown(Progress([Outcome(one) for one in wheels], "PyPI", clock), 80)
    assert "dist/pydantic_core-2.33.2-…" == head
    assert 30 == len({row.partition(" ")[0] for row in rows})
    assert [] == [row for row in rows if "pydantic" in row]


def test_one_long_name(clock: Clock) -> None:
    """The middle of a single name is cut."""
    progress = Progress([Outcome(of_size(f"{'a' * 90}-1.0.tar.gz", 1))], "PyPI", clock)
    assert "dist/aaaaaaaaaaaaaaaaaaa…aaaaaaaaaaaa-1.0.tar.gz" == shown(progress, 80)[0].partition(" ")[0]


def test_kinds(progress: Progress) -> None:
    """Colours distinguish success, failure and progress."""
    progress.ended(SECOND.filename, "failed")
    assert ["success", "success", "error", "info", "info"] == [kind for kind, _ in progress.lines(80)]


def test_few_lines(progress: Progress) -> None:
    """With little height, uploads come first, then the files that wait."""
    rows = shown(progress, 80)
    assert [rows[2], rows[3], str(Message("and-more", count=2)), rows[4]] == shown(progress, 80, 4)
    assert rows == shown(progress, 80, 5)


def test_before_the_first_byte(clock: Clock) -> None:
    """Rate and time are not known yet."""
    progress = Progress([Outcome(FIRST)], "PyPI", clock)
    progress.started(FIRST.filename)
    expected = [
        "dist/sample-1.0-py3-none-any.whl     500 B  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%",
        "total                                500 B  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%",
    ]
    assert expected == shown(progress, 80)
    progress.sent(FIRST.filename, 400)  # and no time has passed
    assert Message("uploaded-so-far", sent="400 B", size="500 B", rate="", left="") == progress.so_far()


@pytest.mark.parametrize(("index", "width"), [("PyPI", 40), ("TestPyPI", 40), ("TestPyPI", 80)])
def test_a_finished_body(index: str, width: int, clock: Clock) -> None:
    """Once every byte is sent, a row waits for the index, and shows no time left."""
    progress = Progress([Outcome(FIRST)], index, clock)
    progress.started(FIRST.filename)
    clock.now += 1.0
    progress.sent(FIRST.filename, 500)
    row, total = shown(progress, width)[-2:]
    assert row.endswith(f"  {Message('waiting-for-index', index=index)}")
    assert ("500 B/s", "100%") == (total.split("  ")[0].split(", ")[-1], total[-4:])


def test_so_far(progress: Progress) -> None:
    """A log without a table has the total in words."""
    assert Message("uploaded-so-far", sent="1.0 MB", size="8.0 MB", rate="500.2 kB/s", left=LEFT) == progress.so_far()


def test_another_try(progress: Progress) -> None:
    """A file that is uploaded again starts at 0 %."""
    progress.sent(SECOND.filename, 0)
    assert "dist/sample-1.0-py3-none-win32.whl    2.0 MB  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%" == shown(progress, 80)[2]


def states(progress: Progress) -> list[str]:
    return [line.rpartition("  ")[2] for line in shown(progress, 80)]


def test_the_end(progress: Progress, clock: Clock) -> None:
    """At the end one sentence replaces the total, with the size uploaded and the rate."""
    assert not progress.is_over
    progress.ended(SECOND.filename, "unknown")
    progress.started(SDIST.filename)
    clock.now += 118.0
    progress.ended(SDIST.filename, "uploaded")
    assert ([ON_INDEX, UPLOADED, str(OUTCOMES["unknown"][1]), UPLOADED], True) == (states(progress), progress.is_over)
    expected = Message("uploaded-in-all", files=files(2), size="6.0 MB", took="2:00 min", rate="50.0 kB/s")
    assert expected == progress.total()
    assert Message("file-outcome", file=SDIST.shown, outcome=OUTCOMES["uploaded"][1]) == progress.outcome(
        SDIST.filename
    )


def test_a_short_end(clock: Clock) -> None:
    """Less than a minute is shown to a tenth of a second; zero seconds have a rate, too."""
    progress = Progress([Outcome(FIRST)], "PyPI", clock)
    assert Message("nothing-uploaded") == progress.total()
    progress.started(FIRST.filename)
    progress.ended(FIRST.filename, "uploaded")
    expected = Message("uploaded-in-all", files=files(1), size="500 B", took="0.0 s", rate="500.0 kB/s")
    assert expected == progress.total()


def test_stopped(progress: Progress) -> None:
    """After an early end no row moves or has time left: waiting files were not tried, uploads have no reply."""
    progress.stop()
    assert [ON_INDEX, UPLOADED, str(OUTCOMES["unknown"][1]), NOT_TRIED] == states(progress)


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
        (5_000_000_000_000_000, "5000.0 TB"),
    ],
)
def test_bytes(count: int, expected: str) -> None:
    """Sizes are in decimal units, as indexes show them."""
    assert expected == bytes_(count)


def test_words() -> None:
    """Each result has its own short word."""
    words = {str(word) for _, word in OUTCOMES.values()}
    assert ({*get_args(Result)}, len(OUTCOMES)) == ({*OUTCOMES}, len(words))
    assert [] == [word for word in words if len(word) > 16]


@settings(deadline=None, max_examples=200)
@given(
    names=st.lists(
        st.from_regex(r"[a-z]{1,60}-[0-9]\.[0-9]{1,30}(-py3-none-any\.whl|\.tar\.gz)", fullmatch=True),
        min_size=1,
        max_size=30,
        unique=True,
    ),
    width=st.integers(40, 250),
    height=st.integers(4, 40),
    sent=st.lists(st.integers(0, 10**14), max_size=30),
    seconds=st.floats(0, 1e6),
    ended=st.integers(0, 30),
)
@example(names=["a-1.0-py3-none-any.whl"], width=40, height=4, sent=[10**14], seconds=1e6, ended=0)
def test_no_line_is_too_long(
    names: list[str], width: int, height: int, sent: list[int], seconds: float, ended: int
) -> None:
    """Whatever happens, the lines fit on the screen."""
    clock = Clock()
    files_ = [of_size(name, 10**14 // (number + 1)) for number, name in enumerate(names)]
    progress = Progress([Outcome(one) for one in files_], "TestPyPI", clock)
    for one, count in zip(files_, sent, strict=False):
        progress.started(one.filename)
        progress.sent(one.filename, count)
    clock.now += seconds
    for one in files_[:ended]:
        progress.ended(one.filename, "uploaded")
    lines = shown(progress, width, height)
    assert [] == [line for line in lines if len(line) > width]
    assert height >= len(lines)
