"""The body of a response, in bounded memory: httpx would decompress everything that arrived at once."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

_PACKED: Final = 8 * 1024
"""Bytes that are decompressed at once, to a thousand times as many at most."""


class BodyError(Exception):
    """A body that is too large, or not compressed as its header says."""


def whole(pieces: Iterable[bytes], coding: str, largest: int) -> bytes:
    """Return the body in *pieces*, decompressed.

    Args:
        coding: the header ``Content-Encoding``.
        largest: bytes.

    Raises:
        BodyError: it cannot be decompressed, or is larger.
    """
    coding = coding.strip().lower()
    if coding not in {"gzip", "identity", ""}:
        raise BodyError
    body = io.BytesIO()  # `getvalue` makes no copy
    for piece in _decompressed(pieces) if coding == "gzip" else pieces:
        if body.tell() + len(piece) > largest:
            raise BodyError
        body.write(piece)
    return body.getvalue()


def _decompressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for piece in pieces:
        for start in range(0, len(piece), _PACKED):
            try:
                yield stream.decompress(piece[start : start + _PACKED])
            except zlib.error as error:
                raise BodyError from error
            if stream.eof:  # what follows would be kept in memory
                return
    raise BodyError
