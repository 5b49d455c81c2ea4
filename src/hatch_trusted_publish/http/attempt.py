"""One try of a request: what the thread that makes it shares with the one that waits for it.

Rules:

- A try that was given up stops at its next piece, in either direction. A body that was not begun
  before does not leave this machine, nor does the token in it.
- Nothing of a request gets into an error: it holds tokens.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event

import httpx

from ..errors import Message, NetworkError
from ..secret import Secret, redacted
from .body import BodyError
from .certificates import words
from .messages import Request


@dataclass(slots=True)
class Attempt:
    """One try."""

    request: Request
    proxy: httpx.Proxy | None
    seconds: float
    after_lost: bool
    """Whether an earlier try was sent, and its reply lost."""
    was_sent: bool = False
    """Whether the body was begun: the index may act on it."""
    given_up: Event = field(default_factory=Event)

    def body(self) -> Generator[bytes]:
        """Yield the request's body."""
        with closing(self.request.chunks()) as chunks:
            for chunk in chunks:
                self.was_sent = True  # first: the thread that gives up reads it afterwards
                self._look()
                yield chunk
                self._look()

    def watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the pieces of a reply."""
        for piece in pieces:
            self._look()
            yield piece

    def _look(self) -> None:
        if self.given_up.is_set():
            raise TimeoutError

    def give_up(self) -> NetworkError:
        """Make the try stop as soon as it can, and return the error."""
        self.given_up.set()
        return self.failed("timed-out", "no-response", seconds=self.seconds)

    def failed(self, code: str, reason: str, *, can_pass: bool = True, **facts: object) -> NetworkError:
        """Return the error with this code, for a *reason* that is the code of another message."""
        was_sent = self.was_sent or self.after_lost
        return NetworkError(code, was_sent=was_sent, can_pass=can_pass, reason=self.happened(reason, **facts), **facts)

    def happened(self, code: str, **facts: object) -> Message:
        """Return the message with this code, and where it happened."""
        proxy = "" if self.proxy is None else self.proxy.url.netloc.decode()
        return Message(code, purpose=self.request.purpose, host=self.request.host, proxy=proxy, **facts)

    def failure(self, error: Exception, trusted: str, secrets: Iterable[Secret]) -> NetworkError:
        """Return the error for an exception of httpx.

        Args:
            trusted: what names the trusted CAs, if they are not the usual ones.
            secrets: what a proxy may repeat.
        """
        cause: BaseException = error
        while not isinstance(cause, OSError) and (deeper := cause.__cause__ or cause.__context__) is not None:
            cause = deeper
        said = words(cause)
        match error, cause:
            case BodyError(), _:
                return self.failed(
                    "unreadable-response", "bad-body", can_pass=False, largest=self.request.largest_reply
                )
            case _, ssl.SSLCertVerificationError():
                return self.failed(
                    "untrusted-certificate", "bad-certificate", can_pass=False, said=said, trusted=trusted
                )
            case httpx.TimeoutException(), _:
                return self.give_up()
            case httpx.ProxyError(), _:
                return self.failed("proxy-failed", "no-connection", said=redacted(str(error), secrets))
            case httpx.ConnectError(), _ if self.proxy is not None:
                return self.failed("proxy-failed", "no-connection", said=said)
            case _, socket.gaierror():
                return self.failed("host-not-found", "no-connection", said=said)
            case httpx.ConnectError(), _:
                return self.failed("connection-refused", "no-connection", said=said)
        can_pass = isinstance(error, httpx.TransportError)
        return self.failed("connection-lost", "broken-connection", can_pass=can_pass, said=said)
