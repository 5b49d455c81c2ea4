"""When a request is tried again: one schedule for all of them, by stamina."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

import stamina
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from ..errors import Message, TrustedPublishError

T = TypeVar("T")
Note: TypeAlias = Callable[[Message], None]

SMALL_REQUEST: Final = 4
"""Tries of a small request."""
UPLOAD: Final = 5
"""Tries of an upload."""


class Budget:
    """How many retries a run has left until the next good reply, for all of its threads."""

    def __init__(self, retries: int) -> None:
        self._full = self._left = retries
        self._lock = threading.Lock()

    def refill(self) -> None:
        """Start again: the server is well enough to reply."""
        with self._lock:
            self._left = self._full

    def take(self) -> bool:
        """Take one, if one is left."""
        with self._lock:
            self._left -= 1
            return self._left >= 0

    def end(self) -> None:
        """Leave none."""
        with self._lock:
            self._full = self._left = 0


def call(tries: int, on: Callable[[Exception], bool | float], once: Callable[[], T], note: Note | None = None) -> T:
    """Call *once* up to *tries* times, from 0.5 s apart, doubling, with jitter, to 20 s.

    Args:
        on: returns whether an exception allows another try, or after how many seconds.
        note: reports each retry before the wait.
    """

    @stamina.retry(on=on, attempts=tries, timeout=None, wait_initial=0.5, wait_max=20.0, wait_jitter=0.5)
    def attempt(_: Note | None) -> T:
        return once()

    return attempt(note)


def _report(details: RetryDetails) -> None:
    error = details.caused_by
    reason = error.reason if isinstance(error, TrustedPublishError) else str(error)
    match details.args:  # of `attempt`
        case [note] if callable(note):
            note(Message("retrying", reason=reason, seconds=details.wait_for))


set_on_retry_hooks([_report])
