"""Which requests are tried again, and when: one schedule for all of them, by stamina."""

from __future__ import annotations

import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime
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
LONGEST_WAIT: Final = 120.0
"""Seconds of ``Retry-After`` that are waited; for longer, no job should stand idle."""
_A_YEAR: Final = 365 * 24 * 60 * 60


class Budget:
    """The retries that a run has left until the next good reply, for all of its threads."""

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
        """Use up all retries."""
        with self._lock:
            self._full = self._left = 0


def can_pass(status: int) -> bool:
    """Return whether another try may get another status: a time-out, 429 (too many requests), or a failure of the server."""
    return status in {408, 429} or status >= 500


def retry_after(header: str, now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait (RFC 9110, 10.2.3); ``None`` if it says nothing."""
    seconds: float
    try:
        seconds = int(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return float(min(max(0, seconds), _A_YEAR))


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
