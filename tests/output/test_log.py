"""A run, told while it happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from hatch_trusted_publish.errors import ExchangeError, Message, UploadError
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.output.console import Console
from hatch_trusted_publish.output.log import SILENCE, RunLog
from hatch_trusted_publish.output.progress import Line
from hatch_trusted_publish.secret import Secret
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution

MAIN = Index(
    "main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", project_url="https://pypi.org/project/"
)
HEADER = "info a-b 1.0 → main (https://upload.pypi.org/legacy/)"
URL = "success https://pypi.org/project/a-b/1.0/"
WHEEL, SDIST, OLD = (
    a_distribution("a_b-1.0-py3-none-any.whl"),
    a_distribution("a_b-1.0.tar.gz"),
    a_distribution("a_b-1.0-cp313-none-any.whl"),
)
FOLDED = [
    "folded 2 files to upload, 38 B",
    "  dist/a_b-1.0-py3-none-any.whl (24 B)",
    "  dist/a_b-1.0.tar.gz (14 B)",
]


class Said(Console):
    """A console that remembers what was said."""

    def __init__(self, *, can_redraw: bool = False) -> None:
        self._can_redraw = can_redraw
        self.said: list[str] = []
        self.broken = False

    @property
    def can_redraw(self) -> bool:
        return self._can_redraw

    def info(self, text: str) -> None:
        if self.broken:
            raise BrokenPipeError
        self.said.append(f"info {text}")

    def success(self, text: str) -> None:
        self.said.append(f"success {text}")

    def warn(self, text: str) -> None:
        self.said.append(f"warn {text}")

    def error(self, text: str) -> None:
        self.said.append(f"error {text}")

    def mask(self, secret: Secret) -> None:
        self.said.append(f"mask {secret.reveal()}")

    def folded(self, title: str, lines: Iterable[str]) -> None:
        self.said += [f"folded {title}", *(f"  {line}" for line in lines)]

    def redraw(self, lines: Callable[[int, int | None], list[Line]]) -> None:
        self.lines = lines
        self.said += ["redraw", *self._rows()]

    def refresh(self) -> None:
        self.said.append("refresh")

    def close(self) -> None:
        self.said += ["close", *(self._rows() if self._can_redraw else [])]

    def _rows(self) -> list[str]:
        return [f"  {line}" for _, line in self.lines(80, None)]


class World:
    """A run of which is told, and what was said."""

    def __init__(self, *items: Outcome, index: Index = MAIN, can_redraw: bool = False, **settings: Any) -> None:
        self.console = Said(can_redraw=can_redraw)
        self.now = 0.0
        self.kept = 0
        self.plan = Plan(index, items, (Message("beware"),))
        self.done = Run()
        chosen = Settings(Repository("main", ""), **settings)
        self.log = RunLog(self.console, chosen, self.done, self._keep, lambda: self.now)

    def _keep(self) -> None:
        self.kept += 1

    def planned(self) -> None:
        self.done.follow(self.plan)
        self.log.planned(self.plan)

    def ended(self, outcome: Outcome) -> None:
        self.done.record(outcome)
        self.log.end(outcome)

    @property
    def said(self) -> list[str]:
        """What was said since somebody asked."""
        said, self.console.said = self.console.said, []
        return said


UPLOADS = (Outcome(WHEEL), Outcome(SDIST))


def test_a_release_in_a_log() -> None:
    """First the plan, then a line a file, then how much it was and where it is; all is kept on the way."""
    world = World(*UPLOADS, Outcome(OLD, "there"))
    world.planned()
    assert ["warn beware", HEADER, *FOLDED, "info dist/a_b-1.0-cp313-none-any.whl ... already there"] == world.said
    assert 1 == world.kept
    world.log.mask(Secret("t"))
    world.log.begun(WHEEL)
    world.now += 1.5
    world.ended(Outcome(WHEEL, "uploaded"))
    world.log.begun(SDIST)
    world.now += 0.5
    world.ended(Outcome(SDIST, "there"))
    ends = ["success dist/a_b-1.0-py3-none-any.whl ... success", "success dist/a_b-1.0.tar.gz ... already there"]
    assert ["mask t", "refresh", ends[0], "refresh", ends[1]] == world.said
    world.log.finished()
    world.log.close()
    assert ["info Uploaded 1 file, 24 B, in 2.0 s (12 B/s).", URL, "close"] == world.said
    assert 3 == world.kept


def test_a_release_on_a_terminal() -> None:
    """The table is the plan and the story at once, and stays when the last file has ended."""
    world = World(*UPLOADS, Outcome(OLD, "there"), can_redraw=True)
    world.planned()
    rows = [
        "  dist/a_b-1.0-py3-none-any.whl        24 B  waiting",
        "  dist/a_b-1.0.tar.gz                  14 B  waiting",
        "  dist/a_b-1.0-cp313-none-any.whl      26 B  already there",
        "  total                                38 B  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌   0%",
    ]
    assert ["warn beware", HEADER, "redraw", *rows] == world.said
    for one in (WHEEL, SDIST):
        world.log.begun(one)
        world.log.sent(one, 10)
        world.now += SILENCE
        world.log.sent(one, 14)
        world.ended(Outcome(one, "uploaded"))
    said = world.said
    assert ["refresh", "refresh", "refresh", "close"] == [line for line in said if not line.startswith(" ")]
    assert ["success", "success", "already there"] == [line.rpartition("  ")[2] for line in said[-3:]]
    world.log.finished()
    assert ["info Uploaded 2 files, 38 B, in 2:00 min (0 B/s).", URL] == world.said


def test_a_failure_on_a_terminal() -> None:
    """A run that ends early leaves a table that says what was not tried."""
    world = World(*UPLOADS, can_redraw=True)
    world.planned()
    world.log.begun(WHEEL)
    world.ended(Outcome(WHEEL, "failed"))
    assert "close" not in world.said
    world.log.close()
    assert ["failed", "not tried"] == [line.rpartition("  ")[2] for line in world.said[1:]]


def test_failures_in_a_log() -> None:
    """A file that is not on the index, or perhaps not, has a line that is shown to those who want errors alone."""
    world = World(*UPLOADS)
    world.planned()
    assert world.said
    for one, result in ((WHEEL, "failed"), (SDIST, "unknown")):
        world.log.begun(one)
        world.ended(Outcome(one, result))  # type: ignore[arg-type]
    assert [
        "refresh",
        "error dist/a_b-1.0-py3-none-any.whl ... failed",
        "refresh",
        "error dist/a_b-1.0.tar.gz ... sent, but no clear reply came",
    ] == world.said


def test_silence() -> None:
    """Once a minute a log is told how far it has come: some CIs end a job that says nothing."""
    world = World(*UPLOADS)
    world.planned()
    world.log.begun(WHEEL)
    assert world.said
    for count in range(1, 10):
        world.now += SILENCE / 3
        world.log.sent(WHEEL, count)
    assert [
        "info 3 B of 38 B, 0 B/s, 11:40 left",
        "info 6 B of 38 B, 0 B/s, 10:40 left",
        "info 9 B of 38 B, 0 B/s, 9:40 left",
    ] == world.said


def test_a_log_that_is_gone() -> None:
    """It is not the upload that is broken then."""
    world = World(*UPLOADS)
    world.planned()
    world.log.begun(WHEEL)
    world.console.broken = True
    world.now += SILENCE
    world.log.sent(WHEEL, 9)
    with pytest.raises(BrokenPipeError):
        world.log.say("something else")


@pytest.mark.parametrize("can_redraw", [False, True], ids=["log", "terminal"])
@pytest.mark.parametrize(
    ("dry_run", "more", "end"),
    [
        ("yes", [], ["info A dry run: nothing was uploaded."]),
        (
            "mint",
            ["info Asking for an upload token, to burn it: a pending publisher's project is created by that."],
            ["info The index took the identity of this job. A dry run: nothing was uploaded."],
        ),
    ],
)
def test_a_dry_run(dry_run: str, more: list[str], end: list[str], can_redraw: bool) -> None:
    """A dry run says what would happen to each file, and draws nothing."""
    world = World(*UPLOADS, Outcome(OLD, "differs"), dry_run=dry_run, can_redraw=can_redraw)
    world.planned()
    world.log.finished()
    lines = [
        "info dist/a_b-1.0-py3-none-any.whl ... would be uploaded",
        "info dist/a_b-1.0.tar.gz ... would be uploaded",
        "info dist/a_b-1.0-cp313-none-any.whl ... other bytes there, left as they are",
    ]
    assert ["warn beware", HEADER, *lines, *more, *end] == world.said


@pytest.mark.parametrize("can_redraw", [False, True], ids=["log", "terminal"])
def test_nothing_left(can_redraw: bool) -> None:
    """Where nothing is left to upload, that is said, and where the release is."""
    world = World(Outcome(OLD, "there"), can_redraw=can_redraw)
    world.planned()
    world.log.finished()
    there = "info dist/a_b-1.0-cp313-none-any.whl ... already there"
    assert ["warn beware", HEADER, there, "info Nothing was left to upload.", URL] == world.said


def test_a_name_that_is_a_command() -> None:
    """The name of an index is foreign text: a table of a pull request may have it."""
    world = World(Outcome(OLD, "there"), index=Index("a\n::error::b", "https://h/", "https://h/simple/"))
    world.planned()
    assert "info a-b 1.0 → a : :error: :b (https://h/)" == world.said[1]


@pytest.mark.parametrize(("name", "says"), [("rehearsal", True), ("main", False)])
def test_a_publisher_that_is_not_compared(name: str, says: bool) -> None:
    """A table that a rehearsal leaves alone is told of."""
    world = World(Outcome(OLD, "there"), index=Index(name, "https://h/", "https://h/simple/"), publisher={})
    world.planned()
    line = "info The table `publisher` is not compared: a rehearsal plays a publisher of its own."
    assert says == (line in world.said)


def test_context() -> None:
    """Once something was sent, an error says what is on the index; one of several parts stays so."""
    world = World(*UPLOADS)
    world.planned()
    before = ExchangeError("no")
    assert before is world.log.in_context(before)
    world.done.record(Outcome(WHEEL, "uploaded"))
    standing = "On the index: a_b-1.0-py3-none-any.whl. Not there: a_b-1.0.tar.gz (not tried)."
    after = world.log.in_context(UploadError("no"))
    assert (UploadError, f"no\n{standing}") == (type(after), str(after))
    assert f"no\n\nwhy\n\n{standing}" == str(world.log.in_context(UploadError("no\n\nwhy")))
