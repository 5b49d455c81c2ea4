"""The body of a reply, in bounded memory: httpx would unpack all that has come at once, and as often as a header says."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from ..errors import NetworkError
from .messages import Request

PACKED: Final = 8 * 1024
"""Bytes that are unpacked at once, to a thousand times as many at most."""


class DecodingError(Exception):
    """A body is not packed as its header says, or in a way that was not asked for."""


def whole(pieces: Iterable[bytes], coding: str, request: Request) -> bytes:
    """The body in *pieces* of `PACKED` bytes, unpacked.

    Args:
        coding: what the header ``Content-Encoding`` says.
        request: what this is the reply to.

    Raises:
        DecodingError: it cannot be unpacked.
        NetworkError: it is longer than a reply to *request* can be.
    """
    coding = coding.strip().lower()
    if coding not in {"gzip", "identity", ""}:
        raise DecodingError
    body = bytearray()
    for piece in _unpacked(pieces) if coding == "gzip" else pieces:
        body += piece
        if len(body) > request.largest_reply:
            msg = (
                f"While {request.purpose}: the reply is longer than {request.largest_reply:,} bytes, so it is none. "
                "That is on the index's side."
            )
            raise NetworkError(msg)
    return bytes(body)


def _unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for piece in pieces:
        try:
            yield stream.decompress(piece)
        except zlib.error as error:
            raise DecodingError from error
        if stream.eof:  # what follows would be kept in memory
            return
    raise DecodingError
