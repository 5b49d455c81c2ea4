"""Several uploads at once, and fewer when the index struggles.

Rules (measured on PyPI, docs/explanation/design.md):

- The first file of a release that does not exist yet goes alone: PyPI answers parallel first
  uploads with 500, and a project that is refused should cost one file.
- Each try that ends in a 429, a 5xx or a cut connection halves what may be in flight; each that
  is answered lets one more in again.
- Only this thread tells of files and decides. The others upload, and are left behind when the run
  is stopped: one of them may be waiting for a server that never answers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from ..artifacts.distribution import Distribution
from ..threads import LOOK, look
from .outcome import Outcome


class Gate:
    """How many tries may be in flight."""

    def __init__(self, most: int) -> None:
        """
        Args:
            most: never more than these; it begins with as many.
        """
        self._most = self.limit = most
        self._busy = 0
        self._changed = threading.Condition()

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a place, and take it for one try; an exception says that the try went badly."""
        with self._changed:
            self._changed.wait_for(lambda: self._busy < self.limit)
            self._busy += 1
        went_well = False
        try:
            yield
            went_well = True
        finally:
            with self._changed:
                self.limit = min(self.limit + 1, self._most) if went_well else max(self.limit // 2, 1)
                self._busy -= 1
                self._changed.notify_all()


def run(
    distributions: Iterable[Distribution],
    upload: Callable[[Distribution], Outcome],
    at_once: int,
    begun: Callable[[Distribution], None],
    ended: Callable[[Outcome], None],
) -> bool:
    """Upload *distributions* in their order; whether the run goes on after them.

    Args:
        distributions: the files, in order.
        upload: called in other threads; it raises nothing.
        at_once: so many are under way at a time.
        begun: called here when a file's turn has come.
        ended: called here with each outcome. After one that ends the run no other file is begun,
            and those under way are waited for.
    """
    ends: SimpleQueue[Outcome] = SimpleQueue()
    waiting = iter(distributions)
    under_way = 0
    goes_on = True
    while True:
        while goes_on and under_way < at_once and (distribution := next(waiting, None)) is not None:
            begun(distribution)
            threading.Thread(target=_put, args=(ends, upload, distribution), daemon=True).start()
            under_way += 1
        if not under_way:
            return goes_on
        outcome = _next(ends)
        under_way -= 1
        goes_on = goes_on and (outcome.error is None or outcome.error.scope == "file")
        ended(outcome)


def _next(ends: SimpleQueue[Outcome]) -> Outcome:
    while True:
        look()
        with suppress(Empty):
            return ends.get(timeout=LOOK)


def _put(ends: SimpleQueue[Outcome], upload: Callable[[Distribution], Outcome], distribution: Distribution) -> None:
    ends.put(upload(distribution))
