"""When something is tried again, and how long is waited before."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
import stamina
from stamina.instrumentation import set_on_retry_hooks

from hatch_trusted_publish.http.retries import SMALL_REQUEST, UPLOAD, announce, call, quiet


class Flaky(Exception):
    """What goes wrong."""


class Seen(BaseException):
    """Ends a test where the waiting would begin."""


class Service:
    """Fails a number of times, and works from then on."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            msg = f"failure {self.calls}"
            raise Flaky(msg)
        return f"done by call {self.calls}"


@pytest.fixture(autouse=True)
def hooks() -> Iterator[None]:
    """Put stamina back as it was: its hooks are one for the whole process."""
    set_on_retry_hooks([])
    yield
    set_on_retry_hooks(None)


def test_tries() -> None:
    """The numbers are those of docs/explanation/design.md."""
    small, upload = 4, 5
    assert (small, upload) == (SMALL_REQUEST, UPLOAD)


@pytest.mark.parametrize("failures", range(SMALL_REQUEST))
def test_works_in_the_end(failures: int) -> None:
    """Failures that are fewer than the tries are made up for, with no call too many."""
    service = Service(failures)
    with stamina.set_testing(True, attempts=99, cap=True):
        result = call(SMALL_REQUEST, lambda _: True, service)
    assert f"done by call {failures + 1}" == result


@pytest.mark.parametrize("tries", [1, SMALL_REQUEST, UPLOAD])
def test_gives_up(tries: int) -> None:
    """After the last try its own exception comes out."""
    service = Service(99)
    with stamina.set_testing(True, attempts=99, cap=True), pytest.raises(Flaky) as caught:
        call(tries, lambda _: True, service)
    assert f"failure {tries}" == str(caught.value)
    assert tries == service.calls


def test_some_failures_are_final() -> None:
    """What cannot pass is not tried again."""
    service = Service(99)
    with stamina.set_testing(True, attempts=99, cap=True), pytest.raises(Flaky) as caught:
        call(UPLOAD, lambda error: "failure 1" in str(error), service)
    expected = "failure 2"
    assert expected == str(caught.value)


def wait_after(failures: int, answer: bool | float = True) -> float:
    """The seconds that would be waited after a number of failures, where those before were not waited for."""
    waits: list[str] = []

    def say(text: str) -> None:
        waits.append(text)
        if len(waits) == failures:
            raise Seen

    announce(say)
    service = Service(99)
    with pytest.raises(Seen):
        call(failures + 1, lambda _: 0.0 if service.calls < failures else answer, service)
    beginning, _, seconds = waits[-1].removesuffix(" s").rpartition(" ")
    assert f"failure {failures}; trying again in" == beginning
    return float(seconds)


@pytest.mark.parametrize(
    ("failures", "low", "high"), [(1, 0.5, 1.0), (2, 1.0, 1.5), (3, 2.0, 2.5), (4, 4.0, 4.5), (7, 20.0, 20.0)]
)
def test_schedule(failures: int, low: float, high: float) -> None:
    """From half a second, doubling, with up to half a second of jitter, to 20 seconds."""
    assert low <= wait_after(failures) <= high


@pytest.mark.parametrize("seconds", [0.5, 120.0])
def test_a_wait_that_was_asked_for(seconds: float) -> None:
    """Seconds that the other side names are waited as they are, longer than the schedule's 20 as well."""
    assert seconds == wait_after(1, seconds)


def test_announce() -> None:
    """Each retry is told before the wait, and the last failure is not."""
    said: list[str] = []
    announce(said.append)
    with stamina.set_testing(True, attempts=99, cap=True), pytest.raises(Flaky):
        call(3, lambda _: True, Service(99))
    expected = ["failure 1; trying again in 0.0 s", "failure 2; trying again in 0.0 s"]
    assert expected == said


class Told(Flaky):
    """A failure that has a shorter text for this."""

    what = "what happened"


def test_announce_what_happened() -> None:
    """Of an error that says what happened apart from what to do, the line has the first alone."""
    said: list[str] = []
    announce(said.append)

    def fail() -> str:
        msg = "what happened. What to do."
        raise Told(msg)

    with stamina.set_testing(True, attempts=99, cap=True), pytest.raises(Told):
        call(2, lambda _: True, fail)
    expected = ["what happened; trying again in 0.0 s"]
    assert expected == said


def test_quiet() -> None:
    """In a thread whose result nobody may need, retries are not told; in others, and after it, they are."""
    said: list[str] = []
    announce(said.append)

    def fail(message: str) -> None:
        def once() -> str:
            raise Flaky(message)

        with contextlib.suppress(Flaky):
            call(2, lambda _: True, once)

    with stamina.set_testing(True, attempts=99, cap=True):
        with contextlib.suppress(KeyError), quiet():
            fail("in quiet")
            other = threading.Thread(target=fail, args=("in another thread",))
            other.start()
            other.join()
            raise KeyError
        fail("after it")
    expected = ["in another thread; trying again in 0.0 s", "after it; trying again in 0.0 s"]
    assert expected == said
