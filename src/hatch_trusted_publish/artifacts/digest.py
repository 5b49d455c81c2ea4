"""One digest for a set of files: the files that were tested are the files that are published."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def digest_of(files: Iterable[tuple[str, str]]) -> str:
    """Return the digest of *files*, each with its name and its SHA-256 sum: the SHA-256 sum of these lines, sorted."""
    lines = sorted(f"{name} {sha256}\n" for name, sha256 in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
