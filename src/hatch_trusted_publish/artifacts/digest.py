"""One digest for a set of files: the files that were tested are the files that are published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """Return the digest of *files*, each with its name and its SHA-256 sum.

    It is what ``sha256sum * | sha256sum`` prints in their directory, in the locale C.
    """
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()
