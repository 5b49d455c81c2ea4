"""One run, reported while it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.events import Events, Result
from hatch_trusted_publish.index.endpoints import Index, Repository
from hatch_trusted_publish.output.console import Console
from hatch_trusted_publish.output.log import SILENCE, RunLog
from hatch_trusted_publish.output.progress import OUTCOMES, Kind, Line, files
from hatch_trusted_publish.output.records import Records
from hatch_trusted_publish.secret import Secret
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution

PYPI: Final = Index(
    "PyPI", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", project_url="https://pypi.org/project/"
)
TARGET: Final = str(
    Message("release-target", project="a-b", version="1.0", index="PyPI", url="https://upload.pypi.org/legacy/")
)
URL: Final = ("success", "https://pypi.org/project/a-b/1.0/")
WHEEL, SDIST, OLD = (
    a_distribution("a_b-1.0-py3-none-any.whl"),
    a_distribution("a_b-1.0.tar.gz"),
    a_distribution("a_b-1.0-cp313-none-any.whl"),
)
UPLOADS: Final = (Outcome(WHEEL), Outcome(SDIST))
BEWARE: Final = Message("testpypi-advice")


class Said(Console):
    """A console that records what it shows."""

    def __init__(self, *, can_redraw: bool) -> None:
        self._can_redraw = can_redraw
        self.said: list[tuple[str, str]] = []

    @property
    def can_redraw(self) -> bool:
        return self._can_redraw

    def show(self, kind: Kind, text: str) -> None:
        self.said.append((kind, text))

    def mask(self, secret: Secret) -> None:
        self.said.append(("mask", secret.reveal()))

    def folded(self, title: str, lines: Iterable[str]) -> None:
        self.said += [("folded", title), *(("folded", line) for line in lines)]

    def redraw(self, lines: Callable[[int, int | None], list[Line]]) -> None:
        self.lines = lines
        self.said += [("row", line) for _, line in lines(80, None)]

    def close(self) -> None:
        self.said += [("row", line) for _, line in self.lines(80, None)] if self._can_redraw else []


class Recorded(Records):
    """Records that count how often they are kept."""

    def __init__(self) -> None:
        self.count = 0
        self.problem: Message | None = None

    def keep(self) -> Message | None:
        self.count += 1
        return self.problem


class World:
    """A run, and its output."""

    def __init__(self, *outcomes: Outcome, index: Index = PYPI, can_redraw: bool = False, **chosen: Any) -> None:
        self.console = Said(can_redraw=can_redraw)
        self.records = Recorded()
        self.now = 0.0
        self.plan = Plan(index, outcomes, (BEWARE,))
        self.run = Run(self.plan)
        settings = Settings(Repository("PyPI", ""), **chosen)
        self.log = RunLog(self.console, settings, self.run, self.records, lambda: self.now)

    @property
    def said(self) -> list[tuple[str, str]]:
        """Return the output since the last call."""
        said, self.console.said = self.console.said, []
        return said


def line(file: str, result: Result) -> str:
    return str(Message("file-outcome", file=f"dist/{file}", outcome=OUTCOMES[result][1]))


def test_it_is_events() -> None:
    """The engine reports through this class."""
    log: Events = World().log
    assert log


def test_a_release_in_a_log() -> None:
    """The log has the plan, a line for each file, then the total and the URL."""
    world = World(*UPLOADS, Outcome(OLD, "there"))
    world.log.planned(world.plan)
    sizes = {WHEEL.shown: "24 B", SDIST.shown: "14 B"}
    assert [
        ("warning", BEWARE.coded),
        ("info", TARGET),
        ("folded", str(Message("files-to-upload", files=files(2), size="38 B"))),
        *(("folded", str(Message("file-to-upload", file=file, size=size))) for file, size in sizes.items()),
        ("info", line(OLD.filename, "there")),
    ] == world.said
    world.log.mask(Secret("t"))
    for one, result in ((WHEEL, "uploaded"), (SDIST, "there")):
        world.log.started(one.filename)
        world.now += 1.0
        world.log.ended(one.filename, result)  # type: ignore[arg-type]
    assert [
        ("mask", "t"),
        ("success", line(WHEEL.filename, "uploaded")),
        ("success", line(SDIST.filename, "there")),
    ] == world.said
    world.log.finished()
    world.log.close()
    total = Message("uploaded-in-all", files=files(1), size="24 B", took="2.0 s", rate="12 B/s")
    assert [("info", str(total)), URL] == world.said
    assert 3 == world.records.count


def test_a_release_on_a_terminal() -> None:
    """The table is plan and progress in one, and stays when the last file has ended."""
    world = World(*UPLOADS, Outcome(OLD, "there"), can_redraw=True)
    world.log.planned(world.plan)
    assert ["warning", "info", "row", "row", "row", "row"] == [kind for kind, _ in world.said]
    for one in (WHEEL, SDIST):
        world.log.started(one.filename)
        world.now += SILENCE
        world.log.sent(one.filename, 10)
        world.log.ended(one.filename, "uploaded")
    rows = [text.rpartition("  ")[2] for kind, text in world.said if kind == "row"]
    assert [str(OUTCOMES[result][1]) for result in ("uploaded", "uploaded", "there")] == rows
    world.log.finished()
    assert URL == world.said[-1]


def test_an_early_end_on_a_terminal() -> None:
    """A run that ends early leaves a table that says so."""
    world = World(*UPLOADS, Outcome(OLD), can_redraw=True)
    world.log.planned(world.plan)
    world.log.started(WHEEL.filename)
    world.log.ended(WHEEL.filename, "failed")
    world.log.started(SDIST.filename)
    assert world.said
    world.log.close()
    rows = [text.rpartition("  ")[2] for _, text in world.said]
    assert [str(OUTCOMES[result][1]) for result in ("failed", "unknown", "not tried")] == rows


@pytest.mark.parametrize("result", ["failed", "unknown", "differs", "not tried"])
def test_failures_in_a_log(result: Result) -> None:
    """The line of a file that is not on the index, or may not be, is an error."""
    world = World(*UPLOADS)
    world.log.planned(world.plan)
    world.log.started(WHEEL.filename)
    world.log.ended(WHEEL.filename, result)
    assert ("error", line(WHEEL.filename, result)) == world.said[-1]


def test_silence() -> None:
    """Once a minute a log shows the progress: some CIs stop a job that prints nothing."""
    world = World(*UPLOADS)
    world.log.planned(world.plan)
    world.log.started(WHEEL.filename)
    assert world.said
    for count in range(1, 10):
        world.now += SILENCE / 3
        world.log.sent(WHEEL.filename, count)
    lefts = {3: "11:40", 6: "10:40", 9: "9:40"}
    assert [
        (
            "info",
            str(
                Message(
                    "uploaded-so-far",
                    sent=f"{count} B",
                    size="38 B",
                    rate="0 B/s",
                    left=Message("time-left", time=left),
                )
            ),
        )
        for count, left in lefts.items()
    ] == world.said


@pytest.mark.parametrize("can_redraw", [False, True], ids=["log", "terminal"])
@pytest.mark.parametrize(
    ("dry_run", "start", "end"),
    [
        ("yes", [], Message("dry-run-ended")),
        ("mint", [("info", str(Message("mint-starts")))], Message("mint-ended", index="PyPI")),
    ],
)
def test_a_dry_run(dry_run: str, start: list[tuple[str, str]], end: Message, can_redraw: bool) -> None:
    """A dry run lists what would happen to each file, and draws no table."""
    world = World(Outcome(WHEEL), Outcome(OLD, "differs"), dry_run=dry_run, can_redraw=can_redraw)
    world.log.planned(world.plan)
    world.log.finished()
    would = Message("file-outcome", file=WHEEL.shown, outcome=Message("would-be-uploaded"))
    lines = [("info", str(would)), ("info", line(OLD.filename, "differs"))]
    assert [("warning", BEWARE.coded), ("info", TARGET), *lines, *start, ("info", str(end))] == world.said


@pytest.mark.parametrize("can_redraw", [False, True], ids=["log", "terminal"])
def test_nothing_left(can_redraw: bool) -> None:
    """If no file is left to upload, the log says so, with the URL of the release."""
    world = World(Outcome(OLD, "there"), can_redraw=can_redraw)
    world.log.planned(world.plan)
    world.log.finished()
    end = [("info", line(OLD.filename, "there")), ("info", str(Message("nothing-uploaded"))), URL]
    assert end == world.said[2:]


def test_a_publisher_that_is_not_compared() -> None:
    """The log says that a rehearsal does not use the table `publisher`."""
    expected = ("info", str(Message("publisher-not-compared")))
    for name, publisher in (("rehearsal", {}), ("rehearsal", None), ("PyPI", {})):
        world = World(index=Index(name, "https://h/", "https://h/simple/"), publisher=publisher)
        world.log.planned(world.plan)
        assert (name == "rehearsal" and publisher is not None) == (expected in world.said)


def test_a_record_that_cannot_be_written(tmp_path: Path) -> None:
    """It is a warning."""
    world = World(*UPLOADS)
    world.records.problem = Message("record-not-written", path=tmp_path, reason="why")
    world.log.planned(world.plan)
    assert ("warning", world.records.problem.coded) == world.said[0]
