"""What the user configured for one index."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..http.certificates import Certificates


@dataclass(frozen=True, slots=True)
class Repository:
    """The settings of one index; `endpoints.find_index` adds what is known about it."""

    name: str
    url: str
    """For uploads; empty for the rehearsal index, which is started for the run."""
    audience: str | None = None
    audience_endpoint: str | None = None
    token_mint_endpoint: str | None = None
    simple_url: str | None = None
    local_versions: bool = False
    attestations: bool = False
    listing: Literal["none"] | None = None
    """``none``: it cannot be asked for its files."""
    certificates: Certificates = field(default_factory=Certificates)
