"""All rules for one file: read this first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Final, TypeAlias

from packaging.version import Version

from ...errors import DistributionError
from ..content import open_file
from ..distribution import Distribution
from ..metadata import Fields
from . import Refusal, archives, metadata, names

Refusals: TypeAlias = Mapping[Refusal, Sequence[Distribution]]
"""Each reason to reject a file, with all the files that it holds for."""

LARGEST_FILE: Final = 100 * 1024**2
"""Bytes that PyPI accepts, unless the project has a higher limit."""


def file_refusals(filename: str, file: BinaryIO, fields: Fields, project: str) -> Iterator[Refusal]:
    """Yield PyPI's words about a file, apart from its core metadata, in PyPI's order."""
    version = next(value for name, value in fields if name == "version")
    licenses = [value for name, value in fields if name == "license_file"]
    yield from names.refusals(filename, project, Version(version))
    yield from (Refusal("bad-archive", said) for said in archives.refusals(file, filename, licenses))


def refusals(distributions: Iterable[Distribution]) -> Refusals:
    """Return what PyPI will say to these files.

    Raises:
        DistributionError: one can no longer be read.
    """
    found: dict[Refusal, list[Distribution]] = {}
    known: dict[bytes, list[Refusal]] = {}
    for distribution in distributions:
        digest, fields = distribution.metadata.digest, distribution.fields
        if digest not in known:  # most files of a release have the same
            known[digest] = metadata.refusals(fields)
        if any(one.code == "old-metadata" for one in known[digest]):  # a newer backend puts them elsewhere
            fields = [pair for pair in fields if pair[0] != "license_file"]
        try:
            with open_file(distribution.path) as file:
                of_file = list(file_refusals(distribution.filename, file, fields, distribution.name))
        except OSError as error:
            raise DistributionError("file-gone", file=distribution.shown, said=error.strerror) from error
        for refusal in (*known[digest], *of_file):
            found.setdefault(refusal, []).append(distribution)
    return found
