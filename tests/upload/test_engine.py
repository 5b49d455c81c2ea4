"""Parallel uploads, and fewer of them when the index struggles."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import NetworkError, UploadError
from hatch_trusted_publish.upload.engine import Gate, _next, run
from hatch_trusted_publish.upload.outcome import Outcome
from tests.support.helpers import a_distribution

FILES = [a_distribution(f"sample-1.{number}-py3-none-any.whl") for number in range(12)]
LONG = 30.0
"""Seconds before a test that hangs is stopped."""


class TryFailed(NetworkError):
    """A try that failed."""

    def __init__(self, wait: float | None = None) -> None:
        super().__init__("bad-status", was_sent=False, can_pass=True)
        self.wait = wait


class Clock:
    """A clock that advances by each rest."""

    now = 100.0

    def __init__(self) -> None:
        self.rests: list[float] = []

    def __call__(self) -> float:
        return self.now

    def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds


def one_try(gate: Gate, sign: str) -> int:
    """Return the limit after a try that succeeded (``+``), failed (``-``), or was asked to wait (``w``)."""
    with suppress(TryFailed), gate.slot():
        if sign != "+":
            raise TryFailed(3.0 if sign == "w" else None)
    return gate.limit


def grown(most: int, limit: int) -> Gate:
    """Return a gate whose limit has grown to *limit* through successful tries."""
    gate = Gate(most)
    while gate.limit < limit:
        one_try(gate, "+")
    return gate


# The gate


@pytest.mark.parametrize(
    ("most", "tries", "expected"),
    [
        pytest.param(8, "+ ++ ++++ ++++++++", "2 24 4448 88888888", id="doubles after each round, up to the maximum"),
        pytest.param(5, "+ ++ ++++ +", "2 24 4445 5", id="no further than the maximum"),
        pytest.param(1, "+-+w", "1111", id="one at a time"),
        pytest.param(8, "+ ++ ++++ ---- -", "2 24 4448 4211 1", id="halves, down to one"),
        pytest.param(5, "+ ++ ++++ -", "2 24 4445 2", id="halves an odd number"),
        pytest.param(8, "+ ++ - ++ +++ ++++", "2 24 2 23 334 4445", id="grows by one afterwards"),
        pytest.param(8, "+ ++ +++- ++", "2 24 4442 23", id="a failed try spoils the round"),
        pytest.param(8, "+ ++ w + ++", "2 24 1 2 23", id="starts again after a pause"),
    ],
)
def test_limit(most: int, tries: str, expected: str) -> None:
    """The limit grows with each successful round and drops with each failed try."""
    clock = Clock()
    gate = Gate(most, clock, clock.rest)

    assert [int(digit) for digit in expected.replace(" ", "")] == [one_try(gate, one) for one in tries.replace(" ", "")]


@given(st.integers(1, 16), st.text("+-w", max_size=60))
@settings(deadline=None, max_examples=100)
def test_limit_is_kept(most: int, tries: str) -> None:
    """The limit always stays between one try and the maximum."""
    clock = Clock()
    gate = Gate(most, clock, clock.rest)

    assert all(1 <= one_try(gate, sign) <= most for sign in tries)


def test_failures_together_count_once() -> None:
    """An index that rejects all eight tries in flight has rejected one load, not eight."""
    gate = grown(8, 8)
    slots = [gate.slot() for _ in range(8)]
    for slot in slots:
        slot.__enter__()
    for slot in slots:
        assert not slot.__exit__(TryFailed, TryFailed(), None)

    assert 4 == gate.limit


def test_a_try_that_hangs_holds_the_growth() -> None:
    """While a try of the round is in flight, the limit does not grow."""
    gate = grown(8, 2)
    hangs = gate.slot()
    hangs.__enter__()
    together = [one_try(gate, "+") for _ in range(5)]

    assert not hangs.__exit__(TryFailed, TryFailed(), None)
    assert ([2] * 5, 1) == (together, gate.limit)


def test_a_pause_holds_for_all() -> None:
    """A try that arrives during a pause waits for its end, even if the pause is prolonged meanwhile."""
    clock = Clock()
    gate = Gate(8, clock, clock.rest)
    one_try(gate, "w")
    with suppress(TryFailed), gate.slot():
        clock.now += 1
        raise TryFailed(0.5)

    assert ([3.0], 1) == (clock.rests, gate.limit)
    assert 2 == one_try(gate, "+")
    assert [3.0, 0.5] == clock.rests


def test_as_many_as_the_limit() -> None:
    """As many tries enter at once as the limit allows; the next one waits until one leaves."""
    gate = grown(2, 2)
    entered = threading.Event()

    def enter() -> None:
        with gate.slot():
            entered.set()

    third = threading.Thread(target=enter, daemon=True)
    with gate.slot():
        with gate.slot():
            third.start()
            before = entered.wait(0.05)
        after = entered.wait(LONG)
    third.join()

    assert (False, True) == (before, after)


def test_an_interruption_frees_its_place() -> None:
    """An exception that is not an `Exception` releases its place, too."""
    gate = Gate(1)
    with pytest.raises(KeyboardInterrupt), gate.slot():
        raise KeyboardInterrupt

    assert 1 == one_try(gate, "+")


@given(st.integers(1, 6), st.lists(st.sampled_from("+-"), min_size=1, max_size=24))
@settings(deadline=None, max_examples=25)
def test_many_threads(most: int, tries: list[str]) -> None:
    """Threads come and go in any order; each enters, and never more than the maximum at a time."""
    gate = Gate(most)
    lock = threading.Lock()
    inside, seen = 0, []

    def enter(sign: str) -> None:
        nonlocal inside
        with suppress(TryFailed), gate.slot():
            with lock:
                inside += 1
                seen.append(inside)
            with lock:
                inside -= 1
            if sign == "-":
                raise TryFailed

    threads = [threading.Thread(target=enter, args=[sign], daemon=True) for sign in tries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)

    assert (len(tries), True) == (len(seen), max(seen) <= most)


# The run


def ended_by(distribution: Distribution, *, ends: bool = True) -> Outcome:
    return Outcome(distribution, "failed", UploadError("no", scope="run" if ends else "file"))


class Story:
    """What a run reports, in the thread that runs it."""

    def __init__(self) -> None:
        self.reported: list[str] = []
        self.here = threading.current_thread()

    def begun(self, distribution: Distribution) -> None:
        assert self.here is threading.current_thread()
        self.reported.append(f"begin {distribution.version.minor}")

    def ended(self, outcome: Outcome) -> None:
        assert self.here is threading.current_thread()
        self.reported.append(f"end {outcome.distribution.version.minor} {outcome.result}")


def numbers(reported: Sequence[str], what: str) -> list[int]:
    return [int(line.split()[1]) for line in reported if line.startswith(what)]


def test_nothing_to_do() -> None:
    """A run without files ends at once."""
    story = Story()

    assert (True, []) == (
        run([], lambda one: Outcome(one, "uploaded"), lambda: 4, story.begun, story.ended),
        story.reported,
    )


def test_one_after_another() -> None:
    """One at a time, each file starts and ends before the next one, in order."""
    story = Story()
    goes_on = run(FILES[:3], lambda one: Outcome(one, "uploaded"), lambda: 1, story.begun, story.ended)

    assert (
        True,
        ["begin 0", "end 0 uploaded", "begin 1", "end 1 uploaded", "begin 2", "end 2 uploaded"],
    ) == (goes_on, story.reported)


def test_at_once() -> None:
    """Four files are in flight at a time: each ends only when all four have started."""
    story, four = Story(), threading.Barrier(4)

    def upload(distribution: Distribution) -> Outcome:
        four.wait(LONG)
        return Outcome(distribution, "uploaded")

    goes_on = run(FILES[:8], upload, lambda: 4, story.begun, story.ended)

    assert (True, list(range(8)), list(range(8))) == (
        goes_on,
        numbers(story.reported, "begin"),
        sorted(numbers(story.reported, "end")),
    )
    assert [f"begin {number}" for number in range(4)] == story.reported[:4]


def test_other_threads() -> None:
    """Uploads run in threads that the interpreter does not wait for."""
    threads: list[threading.Thread] = []

    def upload(distribution: Distribution) -> Outcome:
        threads.append(threading.current_thread())
        return Outcome(distribution, "uploaded")

    story = Story()
    run(FILES[:2], upload, lambda: 1, story.begun, story.ended)

    assert [True, True] == [thread.daemon and thread is not story.here for thread in threads]


def test_an_end() -> None:
    """After an outcome that ends the run, no file starts; those in flight finish and are reported."""
    story, first_is_reported = Story(), threading.Event()

    def upload(distribution: Distribution) -> Outcome:
        if distribution is FILES[0]:
            return ended_by(distribution)
        first_is_reported.wait(LONG)
        return Outcome(distribution, "uploaded")

    def ended(outcome: Outcome) -> None:
        story.ended(outcome)
        first_is_reported.set()

    goes_on = run(FILES, upload, lambda: 3, story.begun, ended)

    assert (False, ["begin 0", "begin 1", "begin 2", "end 0 failed"]) == (goes_on, story.reported[:4])
    assert ["end 1 uploaded", "end 2 uploaded"] == sorted(story.reported[4:])


def test_a_second_end() -> None:
    """A run that is ending does not continue, whatever happens to another file in flight."""
    story = Story()
    goes_on = run(
        FILES[:2],
        lambda one: ended_by(one) if one is FILES[0] else ended_by(one, ends=False),
        lambda: 2,
        story.begun,
        story.ended,
    )

    assert (False, ["begin 0", "begin 1"]) == (goes_on, story.reported[:2])


def test_an_error_about_one_file() -> None:
    """An error that does not end the run is an outcome like any other."""
    story = Story()
    goes_on = run(FILES[:2], lambda one: ended_by(one, ends=False), lambda: 1, story.begun, story.ended)

    assert (True, ["begin 0", "end 0 failed", "begin 1", "end 1 failed"]) == (goes_on, story.reported)


def test_the_next_file_may_depend_on_outcomes() -> None:
    """One at a time, the next file may depend on the outcome of the one before."""
    story = Story()
    reported: list[list[str]] = []

    def files() -> Iterator[Distribution]:
        for one in FILES[:3]:
            reported.append(list(story.reported))
            yield one

    run(files(), lambda one: Outcome(one, "uploaded"), lambda: 1, story.begun, story.ended)

    assert [[], ["begin 0", "end 0 uploaded"], ["begin 0", "end 0 uploaded", "begin 1", "end 1 uploaded"]] == reported


@pytest.mark.parametrize("where", ["begun", "ended"])
def test_a_run_that_is_stopped(where: str) -> None:
    """Stopping the run does not wait for an upload that never ends."""
    story, never = Story(), threading.Event()

    def upload(distribution: Distribution) -> Outcome:
        if distribution is FILES[0]:
            never.wait(LONG)
        return Outcome(distribution, "uploaded")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    def begun(distribution: Distribution) -> None:
        story.begun(distribution)
        if where == "begun" and distribution is FILES[1]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(FILES[:3], upload, lambda: 2, begun, stop)
    never.set()

    assert ["begin 0", "begin 1"] == story.reported


@given(st.lists(st.sampled_from(["well", "badly", "the end"]), max_size=12), st.integers(1, 6))
@settings(deadline=None, max_examples=60)
def test_any_outcomes(outcomes: list[str], at_once: int) -> None:
    """Whatever the outcomes: in order, each once, never too many at a time, nothing after the end."""
    story = Story()
    fate = dict(zip((one.filename for one in FILES), outcomes, strict=False))

    def upload(distribution: Distribution) -> Outcome:
        what = fate[distribution.filename]
        if what == "well":
            return Outcome(distribution, "uploaded")
        return ended_by(distribution, ends=what == "the end")

    files: Iterable[Distribution] = FILES[: len(outcomes)]
    goes_on = run(files, upload, lambda: at_once, story.begun, story.ended)
    begun, ended = numbers(story.reported, "begin"), numbers(story.reported, "end")
    under_way = [
        len(numbers(story.reported[:place], "begin")) - len(numbers(story.reported[:place], "end"))
        for place in range(len(story.reported) + 1)
    ]
    the_end = [f"end {number} failed" for number, what in enumerate(outcomes) if what == "the end"]
    first_end = min(
        (story.reported.index(line) for line in the_end if line in story.reported), default=len(story.reported)
    )

    assert list(range(len(begun))) == begun
    assert begun == sorted(ended)
    assert (0, True) == (under_way[-1], max(under_way) <= at_once)
    assert [] == numbers(story.reported[first_end:], "begin")
    assert goes_on == (first_end == len(story.reported))
    assert len(outcomes) == len(begun) or not goes_on


def test_the_limit_is_asked_for_again() -> None:
    """The number of files in flight can change with each outcome."""
    story = Story()
    limits = iter([1, 1, 2, 2, 2, 2, 2, 2])
    limit = [1]

    def ended(outcome: Outcome) -> None:
        story.ended(outcome)
        limit[0] = next(limits)

    run(FILES[:5], lambda one: Outcome(one, "uploaded"), lambda: limit[0], story.begun, ended)

    assert ["begin 0", "end 0 uploaded", "begin 1", "end 1 uploaded", "begin 2", "end 2 uploaded"] == story.reported[:6]
    assert ["begin 3", "begin 4"] == story.reported[6:8]


def test_an_error_of_this_program() -> None:
    """An exception in another thread is raised from the run unchanged."""

    def upload(_: Distribution) -> Outcome:
        raise ZeroDivisionError

    story = Story()
    with pytest.raises(ZeroDivisionError):
        run(FILES[:1], upload, lambda: 1, story.begun, story.ended)


class Slow(SimpleQueue["Future[Outcome]"]):
    """A queue whose item arrives at the second look."""

    looks = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Future[Outcome]:
        self.looks += 1
        if self.looks == 1:
            raise Empty
        return super().get(block, timeout)


def test_the_main_thread_looks_again() -> None:
    """The main thread waits in short intervals, between which Python can handle a signal."""
    ends, outcome = Slow(), Outcome(FILES[0], "uploaded")
    future: Future[Outcome] = Future()
    future.set_result(outcome)
    ends.put(future)

    assert (outcome, 2) == (_next(ends), ends.looks)
