"""The project, version and tags in the name of a wheel or sdist."""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.utils import NormalizedName, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from ..errors import DistributionError


class FileName(NamedTuple):
    """A parsed file name."""

    name: NormalizedName
    version: Version


def parse(filename: str, shown: str) -> FileName:
    """Read the name of the file that users see as *shown*.

    Raises:
        DistributionError: it is not the name of a wheel or sdist.
    """
    if not re.fullmatch(r"[\w.+!-]+", filename, re.ASCII):
        # The name goes into the upload form, where a quote or line break would end its field.
        raise DistributionError("unsafe-file-name", file=shown)
    try:
        if filename.endswith(".whl"):
            return FileName(*parse_wheel_filename(filename)[:2])
        return FileName(*parse_sdist_filename(filename))
    except ValueError as error:  # also Python's own, for a number with too many digits
        raise DistributionError("invalid-file-name", file=shown, said=error) from error


def normalized(filename: str, name: NormalizedName, version: Version) -> str:
    """Return the name that the file must have on PyPI (PEP 427, PEP 625)."""
    stem = name.replace("-", "_")
    if filename.endswith(".whl"):
        return f"{stem}-{filename.partition('-')[2]}"
    return f"{stem}-{version}.tar.gz"


def dist_info(filename: str) -> str:
    """Return the directory of a wheel's metadata, by the wheel's file name."""
    return "-".join(filename.split("-")[:2]) + ".dist-info"
