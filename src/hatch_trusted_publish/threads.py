"""Work in other threads, which are left behind when the run ends."""

from __future__ import annotations

import concurrent.futures
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")

LOOK: Final = 0.2
"""Seconds between two looks of the main thread at whether it was interrupted."""
GRACE: Final = 5.0
"""Seconds in which an interrupted run has burned its token."""


def later(work: Callable[[], T]) -> Future[T]:
    """Start *work* in its own thread; the future has its result or exception.

    No pool: the interpreter waits for a pool's threads, and one may be waiting for a server that
    never answers.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is requested
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


@dataclass(slots=True)
class _Interruption:
    is_pending: bool = False
    ends: float = -math.inf
    """When another signal is heard again."""


_interruption: Final = _Interruption()


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End the run; the handler of signals.

    Another signal in the next seconds is ignored, or a second Ctrl-C would keep the first from burning the token.
    Python drops what is raised while it tidies up (in a `__del__`, in a callback of its collector), so it
    is written down too, for the next `look`.
    """
    if time.monotonic() < _interruption.ends:
        return
    _interruption.is_pending, _interruption.ends = True, time.monotonic() + GRACE
    raise KeyboardInterrupt


def look() -> None:
    """Raise an interruption that was dropped."""
    if _interruption.is_pending:
        _interruption.is_pending = False
        raise KeyboardInterrupt


def heard() -> None:
    """Forget an interruption that was raised: what waits from now on tidies up."""
    _interruption.is_pending = False


def wait(future: Future[T], seconds: float = math.inf) -> T:
    """The result of *future*, for the main thread, which a signal has to reach meanwhile.

    The system may hand a signal to any thread, and Python's handler runs in the main one alone,
    when that comes back from a wait: so no wait is long.

    Raises:
        TimeoutError: no result came within *seconds*.
    """
    ends = time.monotonic() + seconds
    while not future.done():
        look()
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        concurrent.futures.wait([future], min(left, LOOK))
    return future.result()


def pause(seconds: float) -> None:
    """Do nothing for *seconds*, with the same looks."""
    with suppress(TimeoutError):
        wait(Future[None](), seconds)
