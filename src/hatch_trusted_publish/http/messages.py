"""Requests and replies as values, and the two ways to read the body of a reply.

Rules:

- JSON is read strictly: a key given twice, NaN, or bytes that are not UTF-8 make it invalid,
  since two readers could read it in two ways. So does half a surrogate pair, which cannot be printed.
- What a server says in words goes through `Reply.said`.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from ..artifacts.content import CHUNK
from ..artifacts.distribution import Distribution
from ..errors import Message, clean
from ..secret import Secret, redacted
from .retries import SMALL_REQUEST

SMALL_REPLY: Final = 1024 * 1024
"""Bytes; a small question has no longer reply."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: a POST if it has a body."""

    purpose: Message
    """Its purpose, to follow "while": ``reading the files of sample on PyPI``."""
    url: str
    token: Secret | None = None
    """The body, as ``{"token": …}``."""
    upload: Upload | None = None
    """The body, as a form with a file."""
    bearer: Secret | None = None
    """A credential for the header ``Authorization``."""
    basic: Secret | None = None
    """An upload token for the same header."""
    accept: str = "application/json"
    tries: int = SMALL_REQUEST
    largest_reply: int = SMALL_REPLY
    quiet: bool = False
    """Whether retries are not reported: the result may not be needed."""
    last: bool = False
    """Whether it is sent after the run was stopped, too."""

    @property
    def is_plain(self) -> bool:
        """Return whether nothing encrypts it."""
        return urlsplit(self.url).scheme == "http"

    @property
    def hostname(self) -> str:
        """The host without the port."""
        return urlsplit(self.url).hostname or ""

    @property
    def host(self) -> str:
        """The host and port."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    @property
    def has_body(self) -> bool:
        """Return whether it is a POST."""
        return self.token is not None or self.upload is not None

    @property
    def secrets(self) -> list[Secret]:
        """Everything in it that a reply must not show to the user."""
        return [one for one in (self.token, self.bearer, self.basic) if one is not None]

    def headers(self) -> dict[str, str]:
        """Return its own headers, with the credentials."""
        headers = {"Accept": self.accept, "Cache-Control": "no-cache"}  # an older list of files is no answer
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer.reveal()}"
        if self.basic is not None:
            headers["Authorization"] = f"Basic {b64encode(f'__token__:{self.basic.reveal()}'.encode()).decode()}"
        if self.token is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(_json(self.token)))}
        if self.upload is not None:
            headers |= {
                "Content-Type": f"multipart/form-data; boundary={self.upload.boundary}",
                "Content-Length": str(self.upload.length),
            }
        return headers

    def chunks(self) -> Generator[bytes]:
        """Yield the body.

        Raises:
            DistributionError: the file to upload has changed, or is gone.
        """
        if self.token is not None:
            yield _json(self.token)
        if self.upload is not None:
            yield from self.upload.chunks()


def _json(token: Secret) -> bytes:
    return json.dumps({"token": token.reveal()}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with a file in it (RFC 7578): `head`, the file's bytes, a tail with its digest.

    A digest after the bytes needs no second reading. PyPI, pypiserver and devpi check it all the
    same (tests/e2e/test_other_indexes.py, and recorded of PyPI).
    """

    distribution: Distribution
    boundary: str
    head: bytes
    sent: Callable[[int], None] = lambda _: None
    """Called with the number of bytes of the file that are on their way: 0 at the start of each try."""

    @property
    def length(self) -> int:
        """In bytes: it is known before the digest is."""
        return len(self.head) + self.distribution.size + len(self._tail("0" * 64))

    def chunks(self) -> Generator[bytes]:
        """Yield the whole form.

        Raises:
            DistributionError: the file has changed, or is gone.
        """
        count = 0
        self.sent(count)
        for start in range(0, len(self.head), CHUNK):
            yield self.head[start : start + CHUNK]
        for chunk in self.distribution.content.chunks():
            yield chunk
            count += len(chunk)
            self.sent(count)
        yield self._tail(self.distribution.sha256)

    def _tail(self, sha256: str) -> bytes:
        return b"\r\n%b--%b--\r\n" % (form_field(self.boundary, "sha256_digest", sha256), self.boundary.encode())


def form_field(boundary: str, name: str, value: str) -> bytes:
    """Return one field of a form."""
    start = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return b"%b%b\r\n" % (start.encode(), value.encode(errors="replace"))


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a server."""

    status: int
    body: bytes = field(repr=False)
    """The one of a mint request holds the upload token, so no traceback with locals shows it."""
    media_type: str = ""
    reason: str = ""
    location: str = ""
    """The target of a redirect, to be shown; it is never followed."""
    retry_after: str = ""
    secrets: Iterable[Secret] = field(default=(), compare=False)
    """The secrets that the run has sent so far, which a server may repeat."""
    after_lost: bool = False
    """Whether an earlier try was sent too, and its reply lost."""

    def said(self, text: object) -> str:
        """Return a text of this reply on one safe line, without secrets and without a full stop."""
        return clean(redacted(str(text), self.secrets)).removesuffix(".")


class _StrictDecoder(json.JSONDecoder):
    def __init__(self) -> None:
        super().__init__(object_pairs_hook=_once, parse_constant=_refuse)

    def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
        value, end = super().raw_decode(s, idx)
        json.dumps(value, ensure_ascii=False).encode()  # a ValueError for half a surrogate pair
        return value, end


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError
    return read


def _refuse(_: str) -> NoReturn:
    raise ValueError


STRICT_JSON: Final = _StrictDecoder()


def json_object(reply: Reply) -> dict[str, object]:
    """Return the object in a reply; an empty one if the body is something else, or can be read in two ways."""
    try:
        return strict_object(reply.body)
    except ValueError:
        return {}


def strict_object(data: bytes) -> dict[str, object]:
    """Return the object in *data*.

    Raises:
        ValueError: it is not an object, or can be read in two ways.
    """
    try:
        value = STRICT_JSON.decode(data.decode())
    except RecursionError:
        raise ValueError from None
    if not isinstance(value, dict):
        raise ValueError
    return value


def message(reply: Reply) -> str:
    """Return the server's words: PyPI's code in JSON, plain text, or the reason phrase."""
    answer = json_object(reply)
    texts = (answer.get(key) for key in ("code", "detail", "message", "title"))
    said = next((text for text in texts if isinstance(text, str) and text), "")
    if not answer and reply.media_type == "text/plain":
        said = reply.body.decode(errors="replace")
    said = re.sub(rf"^{reply.status}(?!\S)", "", said.strip()).strip()
    return reply.said(said or reply.reason)
