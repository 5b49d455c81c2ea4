"""The simple API: the files of a project (PEP 503, 691, 792) and their attestations (PEP 740).

Rules:

- A page is read in pieces, and little is kept of each: PyPI has pages of 27 MB, and a hostile one
  read at once could take a gigabyte.
- Everything is counted and bounded before it is looked at.
- A reply that is neither a list of files nor a 404 is an error, never "no files".
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..errors import IndexReadError, Message
from ..http.messages import SMALL_REPLY, STRICT_JSON, Reply, Request, json_object
from ..secret import repeats
from .endpoints import Index
from .origins import LONGEST_URL, host_of, public_url, shown_url

LISTING_REPLY: Final = 48 * 1024 * 1024
"""Bytes; the largest project pages of PyPI have 27 MB."""
MOST_FILES: Final = 100_000
"""Of one project; the largest on PyPI has less than half of them."""
_PIECE: Final = 32 * 1024
"""Bytes about one file; PyPI needs less than a thousand."""
_MOST_KEYS: Final = 100
_MOST_TAGS: Final = 5 * MOST_FILES
_SPACE: Final = re.compile(rb"[ \t\r\n]*")
_SHA256: Final = re.compile("[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file of a listing, with the index's data about it."""

    sha256: str | None = None
    said_url: str | None = None
    said_provenance: str | None = None
    page: str = ""
    """The URL that the others are relative to. Few of them are ever needed."""

    @property
    def url(self) -> str | None:
        """Return the URL of its download."""
        return public_url(self.said_url, self.page) if self.said_url else None

    @property
    def provenance(self) -> str | None:
        """Return the URL of its attestations (PEP 740)."""
        return public_url(self.said_provenance, self.page) if self.said_provenance else None


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one project on an index."""

    files: Mapping[str, Listed] = field(default_factory=dict)
    """By file name."""
    status: str = "active"
    """PEP 792: also ``archived``, ``quarantined`` or ``deprecated``."""
    exists: bool = True
    """Whether the project exists: a pending publisher's does not yet."""


def ask_listing(index: Index, project: str) -> Request:
    """Ask for the files of *project*, a normalized name (PEP 691, PEP 503)."""
    return Request(
        purpose=Message("reading-listing", project=project, index=index.title),
        url=index.listing_url(project),
        basic=index.token,
        accept="application/vnd.pypi.simple.v1+json, text/html;q=0.1",
        largest_reply=LISTING_REPLY,
    )


def read_listing(reply: Reply, index: Index, project: str) -> Listing:
    """Return the files of *project* on the index.

    Raises:
        IndexReadError: the reply does not say. ``listing-needs-token``: it may with an upload token.
    """
    if reply.status == 404:
        return Listing(exists=False)
    facts = {"index": index.title, "project": project, "url": index.listing_url(project)}
    reason = Message("listing-reply", **facts, status=reply.status, location=shown_url(reply.location))
    if reply.status == 200:
        reason = Message("no-list-of-files", **facts, type=reply.media_type)
        # The last is html.parser's.
        with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError):
            read = _json_listing if reply.media_type.endswith("json") else _html_listing
            listing = read(reply.body, index.listing_url(project))
            said = (f"{name} {one.said_url} {one.said_provenance}" for name, one in listing.files.items())
            if not repeats(said, reply.secrets):
                return listing
    if index.status_page is not None:
        raise IndexReadError("listing-failed", **facts, reason=reason, page=index.status_page)
    code = "listing-unreadable"
    if reply.status in {401, 403}:
        # The token is for the host that minted it.
        own_host = host_of(index.simple_url) == host_of(index.upload_url)
        code = "listing-needs-token" if own_host and index.token is None else "listing-forbidden"
    raise IndexReadError(code, **facts, reason=reason, table=index.table)


def ask_provenance(index: Index, filename: str, url: str) -> Request:
    """Ask for the attestations that the index has of a file."""
    purpose = Message("reading-attestations", file=filename, index=index.title)
    return Request(purpose, url, accept="application/vnd.pypi.integrity.v1+json")


def read_provenance(reply: Reply) -> list[Mapping[str, Any]]:
    """Return the bundles of a provenance object (PEP 740), each with its list of attestations.

    Raises:
        IndexReadError: the reply is something else.
    """
    try:
        bundles: Any = json_object(reply)["attestation_bundles"] if reply.status == 200 else None
        if all(isinstance(one["attestations"], list) for one in bundles):
            return list(bundles)
    except (LookupError, TypeError):
        pass
    raise IndexReadError("no-provenance", status=reply.status)


class _Files:
    """Collects the files of a page."""

    def __init__(self, page: str) -> None:
        self._page = page
        self._count = 0
        self.files: dict[str, Listed] = {}

    def add(self, name: object, digest: object, url: object, provenance: object) -> None:
        self._count += 1
        if self._count > MOST_FILES:
            raise ValueError
        if not isinstance(name, str) or not isinstance(digest, str | None):
            raise TypeError
        if name.isascii() and len(name) < 256:  # no other name could be uploaded
            sha256 = digest.lower() if digest and _SHA256.fullmatch(digest) else None
            self.files[name] = Listed(sha256, _link(url), _link(provenance), self._page)


def _link(url: object) -> str | None:
    return url if isinstance(url, str) and len(url) < LONGEST_URL and url.isascii() else None


def _status(found: object) -> str:
    return found if isinstance(found, str) and found in {"archived", "quarantined", "deprecated"} else "active"


class _Json:
    """A JSON text of which one value is parsed at a time."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def sign(self) -> bytes:
        """The next byte that is not white space; empty at the end."""
        self._skip()
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def value(self, most: int) -> Any:
        """The next value, of at most *most* bytes."""
        self._skip()
        # A character that is cut off at the end of the piece is not part of the value.
        piece = self._text[self._at : self._at + most].decode(errors="surrogateescape")
        value, end = STRICT_JSON.raw_decode(piece)
        self._at += len(piece[:end].encode())  # a ValueError for bytes that are not UTF-8
        return value

    def members(self, first: bytes, last: bytes) -> Iterator[None]:
        """Yield before each member of an object or array; the caller reads it."""
        if self.sign() != first:
            raise ValueError
        if (sign := self.sign()) != last:
            self._at -= 1
            sign = b","
        while sign == b",":
            yield
            sign = self.sign()
        if sign != last:
            raise ValueError

    def _skip(self) -> None:
        self._at = cast("re.Match[bytes]", _SPACE.match(self._text, self._at)).end()


def _json_listing(body: bytes, page: str) -> Listing:
    text, found, status = _Json(body), _Files(page), "active"
    keys: list[object] = []
    for _ in text.members(b"{", b"}"):
        key = text.value(_PIECE)
        keys.append(key)
        if not isinstance(key, str) or len(keys) > _MOST_KEYS or text.sign() != b":":
            raise ValueError
        if key != "files":
            value = text.value(SMALL_REPLY)
            if key == "project-status" and isinstance(value, dict):
                status = _status(value.get("status"))
            continue
        for _ in text.members(b"[", b"]"):
            file = text.value(_PIECE)
            found.add(file["filename"], file["hashes"].get("sha256"), file.get("url"), file.get("provenance"))
    if keys.count("files") != 1 or len(set(keys)) != len(keys) or text.sign():
        raise ValueError
    return Listing(found.files, status)


def _html_listing(body: bytes, page: str) -> Listing:
    from .simple_html import Links  # PyPI answers in JSON, and the parser of HTML takes time to import

    if body.count(b"<") > _MOST_TAGS:
        raise ValueError
    found = _Files(page)
    links = Links(found.add)
    pieces = (body[at : at + _PIECE] for at in range(0, len(body), _PIECE))
    for piece in codecs.iterdecode(pieces, "utf-8"):
        links.feed(piece)
        if len(links.rawdata) > 4 * _PIECE:  # a tag, comment or script without an end
            raise ValueError
    if not links.is_html:
        raise ValueError
    return Listing(found.files, _status(links.status))
