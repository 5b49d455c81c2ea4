"""An `Events` that records what is reported."""

from __future__ import annotations

from dataclasses import dataclass, field

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.secret import Secret
from hatch_trusted_publish.upload.outcome import Plan


@dataclass
class Recorder:
    """Everything that a run reported, in order."""

    notes: list[Message] = field(default_factory=list)
    warnings: list[Message] = field(default_factory=list)
    masked: list[str] = field(default_factory=list, repr=False)
    begun: list[str] = field(default_factory=list)
    counts: list[tuple[str, int]] = field(default_factory=list)
    results: list[tuple[str, Result]] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)

    def note(self, message: Message) -> None:
        self.notes.append(message)

    def warn(self, message: Message) -> None:
        self.warnings.append(message)

    def mask(self, secret: Secret) -> None:
        self.masked.append(secret.reveal())

    def started(self, filename: str) -> None:
        self.begun.append(filename)

    def sent(self, filename: str, count: int) -> None:
        self.counts.append((filename, count))

    def ended(self, filename: str, result: Result) -> None:
        self.results.append((filename, result))

    def planned(self, plan: Plan) -> None:
        self.plans.append(plan)
