"""Work in other threads, which the end of the run does not wait for."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import Future

import pytest

from hatch_trusted_publish.threads import GRACE, _Interruption, interrupt, later, pause, wait


def test_a_result() -> None:
    """The future has the result, from a thread that the interpreter does not wait for."""
    thread = later(threading.current_thread).result()

    assert (True, False) == (thread.daemon, thread is threading.current_thread())


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_exception(error: BaseException) -> None:
    """Any exception of the work is raised where its result is requested."""

    def work() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        later(work).result()

    assert error is raised.value


def test_an_exception_that_is_not_requested() -> None:
    """An exception that is not requested is silent: the result may not be needed."""
    ended = threading.Event()

    def work() -> None:
        ended.set()
        msg = "not requested"
        raise ValueError(msg)

    future = later(work)

    assert "not requested" == str(future.exception())
    assert ended.is_set()


def test_in_parallel() -> None:
    """Works run in parallel: each of these ends only when both have started."""
    both = threading.Barrier(2)
    futures = [later(both.wait), later(both.wait)]

    assert [0, 1] == sorted(future.result() for future in futures)


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start as if no signal had arrived."""
    monkeypatch.setattr("hatch_trusted_publish.threads._interruption", _Interruption())


@pytest.mark.usefixtures("_quiet")
def test_an_interruption_that_was_dropped() -> None:
    """If Python has dropped the exception of the handler, the next look raises it, once."""
    with contextlib.suppress(KeyboardInterrupt):
        interrupt(2, None)
    with pytest.raises(KeyboardInterrupt):
        wait(Future[str](), 0.0)
    with pytest.raises(TimeoutError):
        wait(Future[str](), 0.0)


@pytest.mark.usefixtures("_quiet")
def test_two_quick_interruptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second does not interrupt the clean-up after the first; a later one is raised."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    with pytest.raises(KeyboardInterrupt):
        interrupt(2, None)
    now += GRACE / 2
    interrupt(15, None)
    now += GRACE
    with pytest.raises(KeyboardInterrupt):
        interrupt(2, None)


class Looked(Future[str]):
    """A future that is done when it is looked at for the second time."""

    looks = 0

    def done(self) -> bool:
        self.looks += 1
        return self.looks > 1


def test_wait_looks_again() -> None:
    """The main thread waits in short intervals, between which Python can handle a signal."""
    future = Looked()
    future.set_result("there")

    assert ("there", 2) == (wait(future), future.looks)


def test_wait_for_an_exception() -> None:
    """An exception of the work ends the wait."""

    def work() -> None:
        msg = "no"
        raise ValueError(msg)

    with pytest.raises(ValueError, match="no"):
        wait(later(work))


def test_wait_has_an_end() -> None:
    """A wait with a time limit reports that no result arrived; an existing result is returned."""
    never: Future[str] = Future()
    done: Future[str] = Future()
    done.set_result("there")

    for seconds in (0.01, -1.0):
        with pytest.raises(TimeoutError):
            wait(never, seconds)
    assert "there" == wait(done, 0.0)


def test_pause() -> None:
    """A pause ends on its own."""
    before = time.monotonic()
    pause(0.01)
    assert time.monotonic() - before >= 0.01
