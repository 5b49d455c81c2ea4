"""What the user configured of one index."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..http.client import Certificates


@dataclass(frozen=True, slots=True)
class Repository:
    """What the person said of one index; `index` knows the rest."""

    name: str
    url: str
    """Of uploads; empty for the rehearsal index, which is started for the run."""
    audience: str | None = None
    audience_endpoint: str | None = None
    mint_endpoint: str | None = None
    simple_url: str | None = None
    local_versions: bool = False
    attestations: bool = False
    certificates: Certificates = field(default_factory=Certificates)
