"""What the name of a wheel or sdist says, and how it has to be spelled."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.tags import Tag
from packaging.utils import (
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from ..errors import DistributionError, clean


class Said(NamedTuple):
    """What a file's name says; an sdist's has no tags."""

    name: NormalizedName
    version: Version
    tags: frozenset[Tag] = frozenset()


def parse(filename: str) -> Said:
    """Read the name of a file.

    Raises:
        DistributionError: it is not one of a wheel or sdist; to follow the path in a sentence.
    """
    if not re.fullmatch(r"[\w.+!-]+", filename, re.ASCII):
        # It becomes part of the upload's form: a quote or a line break would end its field there.
        msg = "has a name with characters that are in none of a wheel or sdist"
        raise DistributionError(msg)
    try:
        if filename.endswith(".whl"):
            name, version, _, tags = parse_wheel_filename(filename)
            return Said(name, version, tags)
        return Said(*parse_sdist_filename(filename))
    except ValueError as error:  # packaging's own, or that of a number with more digits than Python reads
        msg = f"has a name that is not one of a wheel or sdist ({clean(error, 160)})"
        raise DistributionError(msg) from error


def check(filename: str, said: Said, name: NormalizedName, version: Version) -> None:
    """Compare the name with the core metadata, and its spelling with the specifications.

    Raises:
        DistributionError: as `parse`.
    """
    if (said.name, said.version) != (name, version):
        msg = f"says {said.name} {said.version} in its name and {name} {version} in its metadata"
        raise DistributionError(msg)
    stem = name.replace("-", "_")
    if not filename.endswith(".whl") and filename != f"{stem}-{version}.tar.gz":
        msg = f"has a name that is not normalized: it should be {stem}-{version}.tar.gz (PEP 625)"
        raise DistributionError(msg)
    if filename.split("-", maxsplit=1)[0] != stem:
        msg = f"has a name that is not normalized: it should begin with {stem}- (PEP 427)"
        raise DistributionError(msg)
