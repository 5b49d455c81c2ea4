"""The number of uploads at once: the engine finds out how many the index can handle.

Rules (as in TCP; measured on PyPI, docs/explanation/design.md):

- One try is in flight at first. A round is as many tries as may be in flight. After a round in which
  every try ended well, the limit doubles, up to `concurrency`.
- A try that ends in a 429, a 5xx, a cut or a time-out halves the limit, once for all that were in flight
  with it. From then on, the limit grows by one after each good round.
- ``Retry-After`` pauses every try. After a pause the limit is one again, so that no burst follows.
- No file is started while as many as the limit are under way: a file that is tried again goes first.
- Only the main thread reports and decides. The others upload. They are left behind when the run is
  stopped, since one of them may be waiting for a server that never answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue

from ..artifacts.distribution import Distribution
from ..errors import NetworkError
from ..threads import LOOK, later, look
from .outcome import Outcome


class Gate:
    """The number of tries that may be in flight, for several threads."""

    def __init__(
        self, most: int, clock: Callable[[], float] = time.monotonic, rest: Callable[[float], None] = time.sleep
    ) -> None:
        """
        Args:
            rest: waits for the end of a pause.
        """
        self.limit = 1
        self._most, self._clock, self._rest = most, clock, rest
        self._doubles = True
        self._next = 0
        """The number of the next try."""
        self._round = 0
        """The number of the first try of this round."""
        self._busy: set[int] = set()
        self._resumes = clock()
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a place and take it for one try. An exception says that the try ended badly."""
        number = self._take()
        try:
            yield
        except BaseException as error:
            self._ended_badly(number, error.wait if isinstance(error, NetworkError) else None)
            raise
        self._ended_well(number)

    def _take(self) -> int:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: len(self._busy) < self.limit)
                pause = self._resumes - self._clock()
                if pause <= 0:
                    self._busy.add(self._next)
                    self._next += 1
                    return self._next - 1
            self._rest(pause)

    def _ended_well(self, number: int) -> None:
        with self._changed:
            self._busy.discard(number)
            end = self._round + self.limit
            if min(self._busy, default=self._next) >= end:
                self.limit = min(self.limit + (self.limit if self._doubles else 1), self._most)
                self._round = self._next
            self._changed.notify_all()

    def _ended_badly(self, number: int, wait: float | None) -> None:
        with self._changed:
            self._busy.discard(number)
            if number >= self._round:
                self.limit = max(self.limit // 2, 1)
                self._doubles, self._round = False, self._next
            if wait:
                self.limit = 1
                self._resumes = max(self._resumes, self._clock() + wait)
            self._changed.notify_all()


def run(
    distributions: Iterable[Distribution],
    upload: Callable[[Distribution], Outcome],
    at_once: Callable[[], int],
    started: Callable[[Distribution], None],
    ended: Callable[[Outcome], None],
) -> bool:
    """Upload *distributions* in their order. Return whether the run goes on after them.

    After an error that is not about one file, no other file is started, and those under way are waited for.

    Args:
        upload: called in other threads.
        at_once: how many files may be under way now.
        started: called here when the turn of a file has come.
        ended: called here with each outcome.
    """
    ends: SimpleQueue[Future[Outcome]] = SimpleQueue()
    waiting = iter(distributions)
    under_way = 0
    goes_on = True
    while True:
        while goes_on and under_way < at_once() and (distribution := next(waiting, None)) is not None:
            started(distribution)
            later(partial(upload, distribution)).add_done_callback(ends.put)
            under_way += 1
        if not under_way:
            return goes_on
        outcome = _next(ends)
        under_way -= 1
        goes_on = goes_on and (outcome.error is None or outcome.error.scope == "file")
        ended(outcome)


def _next(ends: SimpleQueue[Future[Outcome]]) -> Outcome:
    while True:
        look()
        with suppress(Empty):
            return ends.get(timeout=LOOK).result()
