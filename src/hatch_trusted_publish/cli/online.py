"""The state of a project on PyPI and TestPyPI, for `init` and `check --online`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from packaging.utils import canonicalize_name

from ..errors import IndexReadError, Message, NetworkError
from ..http.certificates import Certificates
from ..http.client import Client
from ..index.endpoints import Index
from ..index.simple_api import Listing, ask_listing, read_listing
from ..upload.plan import CLOSED
from .findings import Finding

_SECONDS: Final = 10.0


def listing_of(index: Index, project: str) -> Listing:
    """Ask *index* for the files of *project*.

    Raises:
        IndexReadError, NetworkError: it is not known.
    """
    name = canonicalize_name(project)
    with Client(Certificates(), _SECONDS, "hatch-trusted-publish") as client:
        return read_listing(client.send(ask_listing(index, name)), index, name)


def exists(index: Index, project: str) -> bool | None:
    """Return whether *index* has *project*; ``None`` if that could not be found out."""
    try:
        return listing_of(index, project).exists
    except (IndexReadError, NetworkError):
        return None


def check(index: Index, project: str) -> Iterator[Finding]:
    """Yield what matters on *index* for the next release of *project*."""
    try:
        listing = listing_of(index, project)
    except (IndexReadError, NetworkError) as error:
        yield Finding("warning", error.message)
        return
    if not listing.exists:
        yield Finding("warning", Message("project-is-new", project=project, index=index.title))
    if code := CLOSED.get(listing.status):
        yield Finding("error", Message(code, project=project, index=index.title))
    if listing.files and not any(one.provenance for one in listing.files.values()):
        yield Finding("warning", Message("no-attestations-yet", project=project, index=index.title))
