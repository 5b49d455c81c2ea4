"""The progress of the uploads: a row for each file, and a total. Pure, except for its clock.

Rules:

- `Progress.sent`, which the uploading threads call, is one assignment: it never waits for a screen.
- No line is longer than the width, and there are no more lines than the height.
- What all names have in common is shown once, where they do not fit. The middle of a name is cut, as
  wheels of one release differ at both ends.
"""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ..errors import Message
from ..events import Result

if TYPE_CHECKING:  # `upload` needs the extra `publish`, and the console has to say so
    from ..upload.outcome import Outcome

Kind: TypeAlias = Literal["info", "success", "warning", "error"]
Line: TypeAlias = tuple[Kind, str]

OUTCOMES: Final[Mapping[Result, tuple[Kind, Message]]] = {
    "uploaded": ("success", Message("uploaded")),
    "there": ("success", Message("already-there")),
    "differs": ("warning", Message("left-as-it-is")),
    "failed": ("error", Message("failed")),
    "unknown": ("error", Message("no-clear-reply")),
    "not tried": ("error", Message("not-tried")),
}
"""The look of each result in the log, on the screen and in the job summary."""


@dataclass(slots=True)
class _Row:
    name: str
    size: int
    result: Result
    is_under_way: bool = False
    sent: int = 0


class Progress:
    """The uploads of one plan."""

    def __init__(
        self, planned: Sequence[Outcome], index: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            planned: every file; those with ``not tried`` are to be uploaded.
            index: its name for people.
        """
        self._index, self._clock = index, clock
        self._rows = {
            one.distribution.filename: _Row(one.distribution.shown, one.distribution.size, one.result)
            for one in planned
        }
        self._uploads = [row for row in self._rows.values() if row.result == "not tried"]
        self._open = len(self._uploads)
        self._began, self._ended = math.inf, 0.0
        self._names = cache(self._names_within)

    def started(self, filename: str) -> None:
        self._began = min(self._began, self._clock())
        self._rows[filename].is_under_way = True

    def sent(self, filename: str, count: int) -> None:
        self._rows[filename].sent = count

    def ended(self, filename: str, result: Result) -> None:
        row = self._rows[filename]
        row.result, row.is_under_way = result, False
        self._ended = self._clock()
        self._open -= 1

    def stop(self) -> None:
        """End the uploads in flight: no reply to them will be read."""
        self._open = 0
        for row in self._uploads:
            if row.is_under_way:
                row.result = "unknown"

    @property
    def is_over(self) -> bool:
        return self._open == 0

    def outcome(self, filename: str) -> Message:
        """Return the line of one file."""
        row = self._rows[filename]
        return Message("file-outcome", file=row.name, outcome=OUTCOMES[row.result][1])

    def total(self) -> Message:
        """Return the total that was uploaded, and its rate."""
        sizes = [row.size for row in self._uploads if row.result == "uploaded"]
        if not sizes:
            return Message("nothing-uploaded")
        seconds = self._ended - self._began
        took = f"{seconds:.1f} s" if seconds < 60 else f"{_minutes(seconds)} min"
        return Message(
            "uploaded-in-all",
            files=files(len(sizes)),
            size=bytes_(sum(sizes)),
            took=took,
            rate=_rate(sum(sizes), seconds),
        )

    def so_far(self) -> Message:
        """Return the total progress in words, for a log without a table."""
        sent, size, rate, left = self._now()
        return Message("uploaded-so-far", sent=bytes_(sent), size=bytes_(size), rate=rate, left=left)

    def lines(self, width: int, height: int | None = None) -> list[Line]:
        """The rows and the total.

        Args:
            width: characters of a line, at least 40.
            height: lines at most, at least 4; what is under way goes first.
        """
        last = 20 if width < 120 else 40
        sized = width >= 60
        room = width - last - (12 if sized else 2)
        prefix, names = self._names(room)
        # The total needs some room to show its rate and time.
        first = min(max(28, *map(len, names)), room)

        def line(name: str, size: int, state: str) -> str:
            return f"{name:<{first}}  {f'{bytes_(size):>8}  ' if sized else ''}{state}"

        head: list[Line] = [("info", f"{prefix}…"[:width])] if prefix else []
        foot: list[Line] = []
        if not self.is_over:
            sent, size, rate, left = self._now()
            labels = (", ".join(filter(None, parts)) for parts in (("total", rate, left), (rate, left), (left,)))
            label = next((label for label in labels if 0 < len(label) <= first), "total")
            foot = [("info", line(label, size, _bar(sent, size, last)))]
        rows = [*zip(names, self._rows.values(), strict=True)]
        most = len(rows) if height is None else height - len(head) - len(foot)
        if len(rows) > most:
            by_interest = sorted(rows, key=lambda row: (not row[1].is_under_way, row[1].result != "not tried"))
            chosen = {id(row) for _, row in by_interest[: most - 1]}
            foot.insert(0, ("info", str(Message("and-more", count=len(rows) - most + 1))))
            rows = [row for row in rows if id(row[1]) in chosen]
        states = [self._state(row, last) for _, row in rows]
        body = [(kind, line(name, row.size, state)) for (name, row), (kind, state) in zip(rows, states, strict=True)]
        return [*head, *body, *foot]

    def _state(self, row: _Row, width: int) -> Line:
        if row.result != "not tried" or self.is_over:
            kind, word = OUTCOMES[row.result]
            return kind, str(word)
        if not row.is_under_way:
            return "info", str(Message("waiting"))
        if row.sent >= row.size:
            return "info", str(Message("waiting-for-index", index=self._index))
        return "info", _bar(row.sent, row.size, width)

    def _now(self) -> tuple[int, int, str, str]:
        """Bytes uploaded so far, bytes in all, the rate and the time that is left."""
        sent, size = sum(row.sent for row in self._uploads), sum(row.size for row in self._uploads)
        seconds = self._clock() - self._began
        if not sent or seconds <= 0:
            return sent, size, "", ""
        left = sum(row.size - row.sent for row in self._uploads if row.result == "not tried") * seconds / sent
        return sent, size, _rate(sent, seconds), str(Message("time-left", time=_minutes(left))) if left >= 0.5 else ""

    def _names_within(self, width: int) -> tuple[str, list[str]]:
        """Return the common start of all names, if they are too long, and the names in at most *width* characters."""
        names = [row.name for row in self._rows.values()]
        if max(map(len, names)) <= width:
            return "", names
        prefix = "" if len(names) == 1 else os.path.commonprefix(names)  # noqa: RUF071 - not only whole components
        if any(name[len(prefix) :][:1].isalnum() for name in names):
            prefix = re.sub(r"[^\W_]+$", "", prefix)  # no half a word
        rests = [f"…{name[len(prefix) :]}" if prefix else name for name in names]
        # Cut where most names stay different, close to the middle.
        heads = sorted(range(1, width - 1), key=lambda head: abs(2 * head - width))
        best = max(heads, key=lambda head: len({_cut(rest, head, width) for rest in rests}))
        return prefix, [_cut(rest, best, width) for rest in rests]


def files(count: int) -> Message:
    """``1 file``, ``2 files``."""
    return Message("one-file") if count == 1 else Message("several-files", count=count)


def bytes_(count: float) -> str:
    """``14 B``, ``14.2 kB``, in at most eight characters."""
    unit = 0
    while count >= (999.95 if unit else 1000) and unit < 4:
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


def _cut(name: str, head: int, width: int) -> str:
    return name if len(name) <= width else f"{name[:head]}…{name[head + 1 - width :]}"
