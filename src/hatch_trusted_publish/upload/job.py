"""The settings, index and tools that every step of one run shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from packaging.utils import NormalizedName

from ..artifacts.distribution import Distribution
from ..events import Events
from ..http.client import Client
from ..index.endpoints import Index
from ..index.simple_api import Listing, ask_listing, read_listing
from ..settings.options import Settings
from ..threads import later, wait
from .listings import Held, held
from .outcome import Plan, Run


class Log(Events, Protocol):
    """The receiver of the plan of a run and of its events."""

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

    def listing(self, project: NormalizedName) -> Listing:
        """Return what the index lists for *project* now; nothing if it cannot be asked (``listing = "none"``).

        Raises:
            IndexReadError, NetworkError: it is not known what the index holds.
        """
        if not self.index.listed:
            return Listing()
        return read_listing(self.client.send(ask_listing(self.index, project)), self.index, project)

    def listings(self, distributions: Iterable[Distribution]) -> dict[NormalizedName, Held]:
        """Return what the index holds of each project. One list is read after the other, to keep only one in memory.

        Raises:
            IndexReadError, NetworkError: as `listing`.
        """
        files: dict[NormalizedName, list[str]] = {}
        for one in distributions:
            files.setdefault(one.name, []).append(one.filename)
        return {name: wait(later(partial(self._held, name, filenames))) for name, filenames in files.items()}

    def _held(self, project: NormalizedName, filenames: Iterable[str]) -> Held:
        return held(self.listing(project), filenames)
