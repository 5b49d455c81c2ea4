"""What every step of one run works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..events import Events
from ..http.client import Client
from ..index.endpoints import Index
from ..settings.options import Settings
from .outcome import Plan, Run


class Log(Events, Protocol):
    """Where a run reports: its plan, then what becomes of it."""

    def planned(self, plan: Plan) -> None: ...


@dataclass(frozen=True, slots=True)
class Job:
    """One run: what was asked for, where it goes, and its record."""

    settings: Settings
    index: Index
    client: Client
    events: Log
    run: Run
    root: Path = Path()
    """The project's directory."""
