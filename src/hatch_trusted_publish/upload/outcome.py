"""What became of each file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from ..artifacts.distribution import Distribution
from ..errors import TrustedPublishError
from .plan import Plan


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    distribution: Distribution
    result: Literal["uploaded", "there", "differs", "failed", "unknown", "not tried"]
    """``unknown``: it was sent, and no reply came that says what became of it."""
    reason: str = ""
    error: TrustedPublishError | None = None
    """What stood against it."""
    seconds: float | None = None
    """From its turn to its end, with all tries; of a file that was sent."""
    url: str | None = None
    """Where the index hands it out, if that is known."""
    attestations: tuple[str, ...] = ()
    """The predicates of the attestations that went with it (PEP 740)."""

    @property
    def ends_the_run(self) -> bool:
        """Whether the other files need not be tried."""
        return self.error is not None and self.error.ends_the_run


@dataclass(slots=True)
class Release:
    """One run, as far as it has come: truthful at any moment, also when it is cut short."""

    plan: Plan | None = None
    results: dict[str, Outcome] = field(default_factory=dict)
    """By file name, for files that were sent."""
    claims: Callable[[], Mapping[str, object]] = dict
    """What the CI said of this job, by now; empty if it was not asked."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

    def outcomes(self) -> list[Outcome]:
        """Each file of the plan, in its order."""
        if self.plan is None:
            return []
        return [
            self.results.get(item.distribution.filename)
            or Outcome(item.distribution, "not tried" if item.action == "upload" else item.action, url=item.url)
            for item in self.plan.items
        ]
