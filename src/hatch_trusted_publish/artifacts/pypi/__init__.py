"""The files that PyPI rejects, with PyPI's own words.

The rules are those of PyPI's server (pypi/warehouse, August 2026): `tests/pypi-verdicts.json` shows what it said to
143 files. They run in a rehearsal, and before a release to PyPI or TestPyPI, so that the last file's README does not
cost half a release.
"""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """One reason to reject a file."""

    code: str
    """The code of the message with the remedy."""
    said: str
    """PyPI's words."""
    is_certain: bool = True
    """Whether PyPI still says so: PyPI may have added values since this program was released."""
    detail: str = ""
    """Details that PyPI knows and does not report."""
