"""The body of a reply, packed or not."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.http.body import BodyError, whole

LARGEST = 1000
PIECE = 64 * 1024


def pieces(data: bytes, size: int = PIECE) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(st.binary(max_size=1000), st.sampled_from(["gzip", " GZIP ", "identity", ""]), st.integers(1, 50))
@settings(deadline=None, max_examples=100)
def test_comes_whole(data: bytes, coding: str, size: int) -> None:
    """The body is what was sent, however it was packed and split."""
    sent = gzip.compress(data) if "zip" in coding.lower() else data
    assert data == whole(pieces(sent, size), coding, LARGEST)


@pytest.mark.parametrize("coding", ["", "gzip"])
def test_too_long(coding: str) -> None:
    """A body one byte longer than the limit is an error."""
    data = b"x" * 1001
    with pytest.raises(BodyError):
        whole(pieces(gzip.compress(data) if coding else data), coding, LARGEST)


@pytest.mark.parametrize(
    ("data", "coding"),
    [
        pytest.param(b"no gzip", "gzip", id="not packed"),
        pytest.param(gzip.compress(b"abc")[:-1], "gzip", id="cut"),
        pytest.param(b"", "gzip", id="empty"),
        pytest.param(gzip.compress(gzip.compress(b"abc")), "gzip, gzip", id="twice"),
        pytest.param(zlib.compress(b"abc"), "deflate", id="other encoding"),
        pytest.param(b"abc", "\x1b[2J", id="escapes"),
    ],
)
def test_packed_wrongly(data: bytes, coding: str) -> None:
    """A body that cannot be unpacked, or has an encoding that was not requested, is an error."""
    with pytest.raises(BodyError):
        whole(pieces(data), coding, LARGEST)


def test_what_follows_is_not_kept() -> None:
    """A stream that continues after the packed body takes no memory: it is not even read."""
    left: list[bytes] = [b"x" * 100] * 3
    stream = iter([gzip.compress(b"abc"), *left])
    assert b"abc" == whole(stream, "gzip", LARGEST)
    assert left == list(stream)


def test_a_bomb() -> None:
    """Only a small part is unpacked of a body a hundred thousand times too long."""
    packer = zlib.compressobj(9, wbits=31)
    bomb: Iterable[bytes] = [packer.compress(bytes(2**20)) for _ in range(100)]
    packed = b"".join(bomb)
    tracemalloc.start()
    try:
        with pytest.raises(BodyError):
            whole(pieces(packed), "gzip", LARGEST)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**25
