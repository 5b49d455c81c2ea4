"""The part of an index's list that a run needs: PyPI has lists of 27 MB, and a run may have many projects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from packaging.version import Version

from ..index.simple_api import Listed, Listing


@dataclass(frozen=True, slots=True)
class Held:
    """The files that an index has of one project."""

    files: Mapping[str, Listed] = field(default_factory=dict)
    """Those under the names of the run's files."""
    status: str = "active"
    """PEP 792."""
    exists: bool = True
    versions: frozenset[Version] = frozenset()
    provenance: tuple[Version, str] | None = None
    """The newest version and the URL of its attestations, if it has some."""


def held(listing: Listing, filenames: Iterable[str]) -> Held:
    """Return what a run of files with these names needs of *listing*."""
    versions: dict[str, Version] = {}
    for filename in listing.files:
        text = _version_in(filename)
        with suppress(ValueError):  # other kinds of files, and numbers with more digits than Python reads
            versions[text] = versions.get(text) or Version(text)
    newest = max(versions.values(), default=None)
    urls = (one.provenance for name, one in listing.files.items() if versions.get(_version_in(name)) == newest)
    url = None if newest is None else next(filter(None, urls), None)
    return Held(
        {name: listing.files[name] for name in filenames if name in listing.files},
        listing.status,
        listing.exists,
        frozenset(versions.values()),
        (newest, url) if newest is not None and url is not None else None,
    )


def _version_in(filename: str) -> str:
    """Return the version in the name of a wheel or an sdist; empty for other names."""
    if filename.endswith(".whl"):
        return "".join(filename.split("-")[1:2])
    return filename.removesuffix(".tar.gz").rpartition("-")[2] if filename.endswith(".tar.gz") else ""
