"""When a call is retried, and how long the wait before it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
import stamina

from hatch_trusted_publish.errors import IdentityError, Message
from hatch_trusted_publish.http.retries import SMALL_REQUEST, UPLOAD, Budget, call


class Flaky(Exception):
    """A failure."""


class Seen(BaseException):
    """Ends a test where the waiting would start."""


class Service:
    """Fails a number of times, and succeeds from then on."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            msg = f"failure {self.calls}"
            raise Flaky(msg)
        return f"done by call {self.calls}"


def test_tries() -> None:
    """The numbers are those of docs/explanation/design.md."""
    small, upload = 4, 5
    assert (small, upload) == (SMALL_REQUEST, UPLOAD)


@pytest.mark.parametrize("failures", range(SMALL_REQUEST))
def test_works_in_the_end(failures: int) -> None:
    """A call that fails fewer times than it is tried succeeds, without an extra call."""
    assert f"done by call {failures + 1}" == call(SMALL_REQUEST, lambda _: True, Service(failures))


@pytest.mark.parametrize("tries", [1, SMALL_REQUEST, UPLOAD])
def test_gives_up(tries: int) -> None:
    """After the last try its own exception is raised."""
    service = Service(99)
    with pytest.raises(Flaky) as caught:
        call(tries, lambda _: True, service)
    assert (f"failure {tries}", tries) == (str(caught.value), service.calls)


def test_some_failures_are_final() -> None:
    """A permanent failure is not retried."""
    service = Service(99)
    with pytest.raises(Flaky):
        call(UPLOAD, lambda error: "failure 1" in str(error), service)
    assert service.calls == 2


def wait_after(failures: int, answer: bool | float = True) -> float:
    """Return the wait in seconds after a number of failures; earlier waits are skipped."""
    waits: list[float] = []

    def note(message: Message) -> None:
        waits.append(message.facts["seconds"])
        if len(waits) == failures:
            raise Seen

    service = Service(99)
    with stamina.set_testing(False), pytest.raises(Seen):
        call(failures + 1, lambda _: 0.0 if service.calls < failures else answer, service, note)
    return waits[-1]


@pytest.mark.parametrize(
    ("failures", "low", "high"), [(1, 0.5, 1.0), (2, 1.0, 1.5), (3, 2.0, 2.5), (4, 4.0, 4.5), (7, 20.0, 20.0)]
)
def test_schedule(failures: int, low: float, high: float) -> None:
    """From half a second, doubling, with up to half a second of jitter, to 20 seconds."""
    assert low <= wait_after(failures) <= high


@pytest.mark.parametrize("seconds", [0.5, 120.0])
def test_a_wait_that_was_asked_for(seconds: float) -> None:
    """The wait that the server asks for is used as it is, even above the schedule's 20 seconds."""
    assert seconds == wait_after(1, seconds)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (IdentityError("no-ci", reason=Message("because")), Message("because")),
        (IdentityError("no-ci"), Message("no-ci")),
        (Flaky("no"), "no"),
    ],
)
def test_retries_are_reported(error: Exception, reason: Message | str) -> None:
    """Each retry is reported with its cause before the wait; the last failure is not."""
    notes: list[Message] = []

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        call(3, lambda _: True, fail, notes.append)
    assert [Message("retrying", reason=reason, seconds=0.0)] * 2 == notes


def test_a_budget() -> None:
    """All threads together share the retries of the budget; after its end, no call is retried."""
    budget = Budget(100)
    taken: list[bool] = []
    threads = [threading.Thread(target=_take, args=(budget, 60, taken.append)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = Budget(100)
    ended.end()
    ended.refill()

    assert (100, False) == (sum(taken), ended.take())


def test_a_good_reply_refills_the_budget() -> None:
    """A server that replies in between is not down."""
    budget = Budget(2)

    assert [True, True, False] == [budget.take() for _ in range(3)]
    budget.refill()
    assert [True, True, False] == [budget.take() for _ in range(3)]


def _take(budget: Budget, times: int, keep: Callable[[bool], None]) -> None:
    for _ in range(times):
        keep(budget.take())
