"""The planned outcome of each file, and the actual one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from packaging.utils import NormalizedName
from packaging.version import Version

from ..artifacts.distribution import Distribution
from ..errors import Message, TrustedPublishError
from ..events import Result
from ..index.endpoints import Index
from .listings import Held


@dataclass(frozen=True, slots=True)
class Outcome:
    """One file. In a plan, ``not tried`` is a file to upload."""

    distribution: Distribution
    result: Result = "not tried"
    problem: Message | TrustedPublishError | None = None
    """Why it is not uploaded. An error ends the run, or is raised at its end."""
    seconds: float | None = None
    """From its start to its end, with all tries."""
    url: str | None = None
    """The URL at which the index serves the file, if known."""
    attestations: tuple[str, ...] = ()
    """The predicates of the attestations that were uploaded with it (PEP 740)."""

    @property
    def error(self) -> TrustedPublishError | None:
        return self.problem if isinstance(self.problem, TrustedPublishError) else None

    @property
    def reason(self) -> str:
        """The problem in words; empty without one."""
        return "" if self.problem is None else str(self.problem)


@dataclass(frozen=True, slots=True)
class Plan:
    """The decision of a run for each file."""

    index: Index
    outcomes: tuple[Outcome, ...]
    warnings: tuple[Message, ...] = ()
    held: Mapping[NormalizedName, Held] = field(default_factory=dict)
    """The files that the index had of each project before the run."""

    @property
    def uploads(self) -> tuple[Distribution, ...]:
        return tuple(one.distribution for one in self.outcomes if one.result == "not tried")

    @property
    def releases(self) -> tuple[tuple[NormalizedName, Version], ...]:
        """Each project and version, once."""
        return tuple(dict.fromkeys((one.distribution.name, one.distribution.version) for one in self.outcomes))

    @property
    def new(self) -> list[NormalizedName]:
        """The projects that do not exist yet."""
        return [name for name, one in self.held.items() if not one.exists]

    @property
    def newest(self) -> dict[NormalizedName, tuple[Version, str]]:
        """Of each project whose newest release has attestations: that version, and the URL of the attestations."""
        return {name: one.provenance for name, one in self.held.items() if one.provenance is not None}


@dataclass(slots=True)
class Run:
    """One run as far as it has come. It is true at any moment, also after a failure. Only the main thread changes it."""

    plan: Plan | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By file name, in the order of the plan."""
    claims: Callable[[], Mapping[str, object]] = dict
    """Return the claims of this job's identity; empty before one was requested."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None

    def __post_init__(self) -> None:
        if self.plan is not None:
            self.follow(self.plan)

    def follow(self, plan: Plan) -> None:
        """Start from *plan*; what is recorded of its files already stays."""
        self.plan = plan
        self.outcomes = {one.distribution.filename: one for one in plan.outcomes} | self.outcomes

    def record(self, outcome: Outcome) -> None:
        self.outcomes[outcome.distribution.filename] = outcome

    @property
    def has_started(self) -> bool:
        """Return whether the upload of any file was started."""
        return self.plan is not None and tuple(self.outcomes.values()) != self.plan.outcomes
