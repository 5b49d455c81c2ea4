"""One digest for a set of files."""

from __future__ import annotations

import hashlib

from hatch_trusted_publish.artifacts.digest import digest_of

LINES = b"00  a-1.0-py3-none-any.whl\nff  a-1.0.tar.gz\n"


def test_digest_of() -> None:
    """The digest is the SHA-256 sum of the sorted lines, whatever the order of the files."""
    expected = hashlib.sha256(LINES).hexdigest()
    assert expected == digest_of([("a-1.0.tar.gz", "ff"), ("a-1.0-py3-none-any.whl", "00")])
    assert expected != digest_of([("a-1.0.tar.gz", "00"), ("a-1.0-py3-none-any.whl", "ff")])
