"""Requests and replies, as values; and the two ways to read a reply's body.

Rules:

- JSON is read strictly: a key given twice, NaN or bytes that are no UTF-8 make it no answer,
  since two readers could take it for two things.
- What an index says in words goes through `errors.clean`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from ..artifacts.distribution import Distribution
from ..errors import Message, clean
from ..secret import Secret
from .retries import SMALL_REQUEST

SMALL_REPLY: Final = 1024 * 1024
"""Bytes; a longer reply to a small question is no answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    purpose: Message
    """What it is for, to follow "while": ``reading the files of sample on PyPI``."""
    url: str
    secret_json: Mapping[str, Secret] | None = None
    """The body of a POST, in JSON."""
    upload: Upload | None = None
    """The body of a POST, as a form with a file."""
    bearer: Secret | None = None
    """The credential of a GET, in the header ``Authorization``."""
    basic: Secret | None = None
    """An upload token for a GET."""
    accept: str = "application/json"
    tries: int = SMALL_REQUEST
    largest_reply: int = SMALL_REPLY

    @property
    def secrets(self) -> list[Secret]:
        """Everything in it that a reply must not repeat to the user."""
        token = None if self.upload is None else self.upload.token
        return [one for one in (*(self.secret_json or {}).values(), self.bearer, self.basic, token) if one is not None]


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with a file in it (RFC 7578): `head`, the file's bytes, `tail` with its digest.

    A digest behind the bytes needs no second reading; PyPI, pypiserver and devpi check it all the
    same (tests/e2e/test_other_indexes.py, and recorded of PyPI).
    """

    distribution: Distribution
    token: Secret
    boundary: str
    head: bytes
    sent: Callable[[int], None] = lambda _: None
    """Is told how many bytes of the file are on their way: 0 at the begin of each try."""

    @property
    def length(self) -> int:
        """Of the whole, in bytes: it is known before the digest is."""
        return len(self.head) + self.distribution.size + len(self._tail("0" * 64))

    def chunks(self) -> Generator[bytes]:
        """The whole, from the start.

        Raises:
            DistributionError: the file has changed, or is gone.
        """
        count = 0
        self.sent(count)
        yield self.head
        for chunk in self.distribution.content.chunks():
            yield chunk
            count += len(chunk)
            self.sent(count)
        yield self._tail(self.distribution.sha256)

    def _tail(self, sha256: str) -> bytes:
        return f"\r\n{form_field(self.boundary, 'sha256_digest', sha256)}--{self.boundary}--\r\n".encode()


def form_field(boundary: str, name: str, value: str) -> str:
    """One part of a form that is no file."""
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    body: bytes = field(repr=False)
    """Of a mint reply it holds the upload token, so no traceback with locals shows it."""
    media_type: str = ""
    reason: str = ""
    location: str = ""
    """Where a redirect points; it is never followed."""
    secrets: tuple[Secret, ...] = ()
    """What this request held and those before it, and an index may repeat in its reply."""
    after_lost: bool = False
    """Whether an earlier try was sent too, and its reply lost."""

    def said(self, text: object, limit: int = 300) -> str:
        """A text of this reply, inert, without the request's secrets and without a full stop."""
        shown = str(text)
        for secret in self.secrets:
            shown = shown.replace(secret.reveal(), "***")
        return clean(shown, limit).removesuffix(".")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    read = dict(pairs)
    if len(read) != len(pairs):
        raise ValueError
    return read


def _refuse(_: str) -> NoReturn:
    raise ValueError


STRICT_JSON: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)


def json_object(reply: Reply) -> dict[str, object]:
    """The object in a reply.

    Raises:
        ValueError: there is none, or it can be read in two ways.
    """
    return strict_object(reply.body)


def strict_object(data: bytes) -> dict[str, object]:
    """The object in *data*.

    Raises:
        ValueError: there is none, or it can be read in two ways.
    """
    try:
        value = STRICT_JSON.decode(data.decode())
    except RecursionError:
        raise ValueError from None
    if not isinstance(value, dict):
        raise ValueError
    return value


def message(reply: Reply) -> str:
    """What the index says in words, inert and without a full stop: PyPI's code in JSON, plain text, the reason phrase."""
    said = ""
    try:
        answer = json_object(reply)
    except ValueError:
        if reply.media_type == "text/plain":
            said = reply.body.decode(errors="replace")
    else:
        texts = (answer.get(key) for key in ("code", "detail", "message", "title"))
        said = next((text for text in texts if isinstance(text, str) and text), "")
    said = re.sub(rf"^{reply.status}(?!\S)", "", said.strip()).strip()
    return reply.said(said or reply.reason)
