"""How far the uploads have come: a row for each file, and a total. Pure, but for its clock.

Rules:

- What a thread that uploads tells costs an assignment: it must not wait for a screen.
- No line is longer than it may be, and there are no more lines than there may be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ..artifacts.distribution import Distribution
from ..upload.outcome import Outcome

Kind: TypeAlias = Literal["info", "success", "warning", "error"]
Line: TypeAlias = tuple[Kind, str]

_WAITING: Final = "waiting"
_STATES: Final[dict[str, Line]] = {
    "uploaded": ("success", "success"),
    "there": ("success", "already there"),
    "differs": ("warning", "left as it is"),
    "failed": ("error", "failed"),
    "unknown": ("error", "no clear reply"),
    "not tried": ("error", "not tried"),
}
"""Short ones: they have to fit into 40 columns together with a name."""


@dataclass(slots=True)
class _Row:
    name: str
    size: int
    state: str
    kind: Kind
    sent: int = 0

    @property
    def under_way(self) -> bool:
        return not self.state


class Progress:
    """The uploads of one plan."""

    def __init__(self, outcomes: Sequence[Outcome], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rows: dict[str, _Row] = {}
        for one in outcomes:
            kind, state = _STATES[one.result]
            if one.result == "not tried":
                kind, state = "info", _WAITING
            self._rows[one.distribution.filename] = _Row(one.distribution.shown, one.distribution.size, state, kind)
        self._to_send = [self._rows[one.distribution.filename] for one in outcomes if one.result == "not tried"]
        self._uploaded: list[_Row] = []
        self._began = self._ended = 0.0

    def begun(self, distribution: Distribution) -> None:
        """Its turn has come."""
        if all(row.state == _WAITING for row in self._to_send):
            self._began = self._clock()
        self._rows[distribution.filename].state = ""

    def sent(self, distribution: Distribution, count: int) -> None:
        """So many bytes of it are on their way; called by the threads that upload."""
        self._rows[distribution.filename].sent = count

    def end(self, outcome: Outcome) -> None:
        """It has come to its end."""
        row = self._rows[outcome.distribution.filename]
        row.kind, row.state = _STATES[outcome.result]
        self._ended = self._clock()
        if outcome.result == "uploaded":
            row.sent = row.size
            self._uploaded.append(row)

    def stop(self) -> None:
        """What still waits will not be tried."""
        for row in self._to_send:
            if row.state == _WAITING:
                row.kind, row.state = _STATES["not tried"]

    @property
    def over(self) -> bool:
        """Whether all have come to their ends."""
        return not any(row.under_way or row.state == _WAITING for row in self._to_send)

    def total(self) -> str:
        """What was uploaded in all, and how fast; nothing if nothing was."""
        if not self._uploaded:
            return ""
        size, seconds = sum(row.size for row in self._uploaded), self._ended - self._began
        took = f"{seconds:.1f} s" if seconds < 60 else f"{_minutes(seconds)} min"
        return f"Uploaded {files(len(self._uploaded))}, {bytes_(size)}, in {took} ({_rate(size, seconds)})."

    def line(self) -> str:
        """How far all of it has come, for a log without a table."""
        sent, size, rate, left = self._now()
        return ", ".join(filter(None, (f"{bytes_(sent)} of {bytes_(size)}", rate, left)))

    def lines(self, width: int, height: int | None = None) -> list[Line]:
        """The rows and the total.

        Args:
            width: characters of a line, at least 40.
            height: at most so many lines, at least 4; what is under way goes first.
        """
        rows = [*self._rows.values()]
        if height is not None and len(rows) >= height:
            by_interest = sorted(rows, key=lambda row: (not row.under_way, row.state != _WAITING))
            chosen = {id(row) for row in by_interest[: height - 2]}
            rows = [row for row in rows if id(row) in chosen]
        last = 14 if width < 60 else 20 if width < 120 else 40
        # The total needs some room to tell its rate and time.
        first = min(max(28, *(len(row.name) for row in rows)), width - last - 12)
        lines = [
            (row.kind, _line(row.name, first, row.size, row.state or _bar(row.sent, row.size, last))) for row in rows
        ]
        if hidden := len(self._rows) - len(rows):
            lines.append(("info", f"and {files(hidden)} more"))
        if not self.over:
            sent, size, rate, left = self._now()
            told = (f"total, {rate}, {left}", f"{rate}, {left.removesuffix(' left')}", left) if rate else ()
            label = next((text for text in told if len(text) <= first), "total")
            lines.append(("info", _line(label, first, size, _bar(sent, size, last))))
        return lines

    def _now(self) -> tuple[int, int, str, str]:
        """Bytes on their way, bytes in all, the rate and the time that is left."""
        sent = sum(row.sent for row in self._to_send)
        size = sum(row.size for row in self._to_send)
        seconds = self._clock() - self._began
        if not sent or seconds <= 0:
            return sent, size, "", ""
        left = sum(row.size - row.sent for row in self._to_send if row.under_way or row.state == _WAITING)
        return sent, size, _rate(sent, seconds), f"{_minutes(left * seconds / sent)} left"


def files(count: int) -> str:
    """``1 file``, ``2 files``."""
    return f"{count} file{'' if count == 1 else 's'}"


def bytes_(count: float) -> str:
    """``14 B``, ``14.2 kB``, in at most eight characters."""
    unit = 0
    while count >= (999.95 if unit else 1000):
        count /= 1000
        unit += 1
    return f"{count:.{min(unit, 1)}f} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}"


def _rate(count: int, seconds: float) -> str:
    return f"{bytes_(count / max(seconds, 0.001))}/s"


def _minutes(seconds: float) -> str:
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"


def _bar(sent: int, size: int, width: int) -> str:
    share = min(sent / max(size, 1), 1.0)
    full = int(share * (width - 5))
    return f"{'━' * full}{'╌' * (width - 5 - full)} {int(share * 100):>3}%"


def _line(name: str, width: int, size: int, state: str) -> str:
    # Wheels of one release differ at the ends of their names.
    shown = name if len(name) <= width else f"..{name[2 - width :]}"
    return f"{shown:<{width}}  {bytes_(size):>8}  {state}"
