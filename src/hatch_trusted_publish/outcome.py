"""What became of each file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .distribution import Distribution
from .errors import TrustedPublishError
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
    url: str | None = None
    """Where the index has it, as far as the index was asked."""

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

    def outcomes(self) -> list[Outcome]:
        """Each file of the plan, in its order."""
        if self.plan is None:
            return []
        return [
            self.results.get(item.distribution.filename)
            or Outcome(item.distribution, "not tried" if item.action == "upload" else item.action, url=item.url)
            for item in self.plan.items
        ]
