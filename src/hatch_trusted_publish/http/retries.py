"""When something is tried again, and how long is waited before.

stamina does the work; here is the one schedule for all of it: from 0.5 s, doubling, with
jitter, to 20 s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

T = TypeVar("T")

SMALL_REQUEST: Final = 4
"""Tries of a small request."""
UPLOAD: Final = 5
"""Tries of an upload."""
_tellers: Final[list[Callable[[str], None]]] = []
_aside: Final = threading.local()


def call(tries: int, on: Callable[[Exception], bool | float], once: Callable[[], T]) -> T:
    """Call *once* up to *tries* times; *on* says of an exception whether, or after how many seconds, it is tried again."""
    try:
        return once()
    except Exception as error:  # noqa: BLE001 - `on` judges it
        failed = [error]
    import stamina  # not above: most runs try nothing again, and each would wait for this import
    from stamina.instrumentation import set_on_retry_hooks

    if _tellers:
        set_on_retry_hooks([_tell])

    def again() -> T:
        if failed:
            raise failed.pop()
        return once()

    caller = stamina.RetryingCaller(attempts=tries, timeout=None, wait_initial=0.5, wait_max=20.0, wait_jitter=0.5)
    return caller(on, again)


def announce(say: Callable[[str], None]) -> None:
    """Tell each retry by *say*, and no longer by the `logging` that stamina has as its default."""
    _tellers[:] = [say]


def _tell(details: RetryDetails) -> None:
    if not getattr(_aside, "quiet", False):
        what = getattr(details.caused_by, "what", "") or details.caused_by
        _tellers[0](f"{what}; trying again in {details.wait_for:.1f} s")


@contextmanager
def quiet() -> Iterator[None]:
    """Tell nothing of this thread's retries: nobody may need what it asks for."""
    _aside.quiet = True
    try:
        yield
    finally:
        _aside.quiet = False
