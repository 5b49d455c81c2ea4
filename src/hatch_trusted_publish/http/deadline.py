"""A deadline for the whole of a request, under httpx: it has time-outs for single steps alone."""

from __future__ import annotations

import ssl
import threading
import time
from typing import Any, Final

import httpcore

PART: Final = 64 * 1024
"""Bytes that are sent under one look at the clock."""


class _Deadline(threading.local):
    at = float("inf")
    """When the request of this thread has to be over, by the monotonic clock."""

    def left(self, timeout: float | None, late: type[Exception]) -> float:
        """Seconds for the next step of a request."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise late
        return left if timeout is None else min(timeout, left)


deadline: Final = _Deadline()


class Deadlined(httpcore.NetworkBackend):
    """The network, with a deadline."""

    def __init__(self, backend: httpcore.NetworkBackend) -> None:
        self._backend = backend

    def connect_tcp(  # type: ignore[override]  # the rest is handed on as it is
        self, host: str, port: int, timeout: float | None = None, **rest: Any
    ) -> httpcore.NetworkStream:
        left = deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._backend.connect_tcp(host, port, left, **rest))


class _Stream(httpcore.NetworkStream):
    """One connection, with a deadline."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.close = stream.close  # type: ignore[method-assign]
        self.get_extra_info = stream.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # httpcore copies what is left of *buffer* after each 16 KiB that TLS takes: of a view, nothing is
        # copied. A part is small enough that its few steps, each with this time-out, end soon after the deadline.
        view = memoryview(buffer)
        for start in range(0, len(view), PART):
            part = view[start : start + PART]
            self._stream.write(part, deadline.left(timeout, httpcore.WriteTimeout))  # type: ignore[arg-type]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = deadline.left(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left))
