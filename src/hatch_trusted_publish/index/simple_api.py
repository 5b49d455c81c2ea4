"""The simple API: what an index holds of a project (PEP 503, PEP 691), and of its attestations (PEP 740).

Rules:

- A page is read in pieces, and little is kept of each: parsed as a whole, one of 27 MB, as PyPI
  has them, could be made to take a gigabyte.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from types import NoneType
from typing import Any, Final, cast
from urllib.parse import unquote, urljoin, urlsplit

from ..errors import IndexReadError, Message, clean
from ..http.messages import SMALL_REPLY, STRICT_JSON, Reply, Request, json_object
from .endpoints import Index


@dataclass(frozen=True, slots=True)
class Listed:
    """What an index says of one file."""

    sha256: str | None = None
    url: str | None = None
    """Where it can be downloaded; as the index says it."""
    provenance: str | None = None
    """Where its attestations are (PEP 740); as the index says it."""


Listing = Mapping[str, Listed]
"""What an index holds of one project, by file name."""


LISTING_REPLY: Final = 48 * 1024 * 1024
"""Bytes; the largest project pages of PyPI have 27 MB."""
MOST_FILES: Final = 100_000
"""Of one project; the largest of PyPI has less than half of them."""
_PIECE: Final = 32 * 1024
"""Bytes of what is said of one file; PyPI needs less than a thousand."""
_MOST_KEYS: Final = 100
_MOST_TAGS: Final = 5 * MOST_FILES
_SPACE: Final = re.compile(rb"[ \t\r\n]*")


def ask_listing(index: Index, project: str) -> Request:
    """What the index holds of *project*, a normalized name (PEP 691, PEP 503)."""
    return Request(
        purpose=Message("reading-listing", project=project, index=index.title),
        url=index.listing_url(project),
        accept="application/vnd.pypi.simple.v1+json, text/html;q=0.1",
        largest_reply=LISTING_REPLY,
    )


def read_listing(reply: Reply, index: Index, project: str) -> Listing:
    """What the index holds of *project*; nothing of an unknown one.

    Raises:
        IndexReadError: it is not known what the index holds.
    """
    if reply.status == 404:
        return {}
    problem = f"answered {reply.status}"
    if reply.status == 200:
        try:
            read = _json_listing if reply.media_type.endswith("json") else _html_listing
            return read(reply.body, index.listing_url(project))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError):
            # The last is html.parser's.
            problem = f"answered with something that is no list of files ({clean(reply.media_type, 60)})"
    if reply.location:
        problem += f" and pointed to {clean(reply.location, 120)}, where nothing of yours need be"
    msg = (
        f"{clean(index.name)} was asked what it holds of {project} ({index.listing_url(project)}) and {problem}. "
        "It is not known which files are there, so the run ends. If that address is not the index's simple "
        "API, set `simple-url` in its table in `tool.hatch.publish.trusted.repos`; else run the same command again later."
    )
    raise IndexReadError(msg)


def ask_provenance(index: Index, filename: str, url: str) -> Request:
    """The attestations that the index has of a file."""
    return Request(
        purpose=Message("reading-attestations", file=filename, index=index.title),
        url=url,
        accept="application/vnd.pypi.integrity.v1+json",
    )


def read_provenance(reply: Reply) -> list[object]:
    """Every attestation in a provenance object (PEP 740).

    Raises:
        IndexReadError: it is none.
    """
    try:
        if reply.status == 200:
            bundles: Any = json_object(reply)["attestation_bundles"]
            return [one for bundle in bundles for one in bundle["attestations"]]
    except (ValueError, LookupError, TypeError):
        pass
    msg = f"it was asked for attestations and answered {reply.status}, with none"
    raise IndexReadError(msg)


def _keep(files: dict[str, Listed], page: str, name: object, digest: object, urls: tuple[object, object]) -> None:
    if not isinstance(name, str) or not isinstance(digest, (str, NoneType)):
        raise TypeError
    if len(files) == MOST_FILES or len(digest or "") > 128:
        raise ValueError
    if name.isascii() and len(name) < 256:  # else it is none that could be uploaded
        files[name] = Listed(digest, *(urljoin(page, url) if isinstance(url, str) else None for url in urls))


class _Json:
    """A text in JSON, of which one value is parsed at a time."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._at = 0

    def sign(self) -> bytes:
        """The next byte that is no white space; none at the end."""
        self._skip()
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def value(self, most: int) -> object:
        """The next value, of *most* bytes."""
        self._skip()
        # Where this ends in the middle of a character, that is not part of the value.
        piece = self._text[self._at : self._at + most].decode(errors="surrogateescape")
        value, end = STRICT_JSON.raw_decode(piece)
        self._at += len(piece[:end].encode())  # a ValueError for what is no UTF-8
        return value

    def members(self, begin: bytes, end: bytes) -> Iterator[None]:
        """Once for each member of an object or array: it is the next to be read then."""
        if self.sign() != begin:
            raise ValueError
        if (sign := self.sign()) != end:
            self._at -= 1
            sign = b","
        while sign == b",":
            yield
            sign = self.sign()
        if sign != end:
            raise ValueError

    def _skip(self) -> None:
        self._at = cast("re.Match[bytes]", _SPACE.match(self._text, self._at)).end()


def _json_listing(body: bytes, page: str) -> Listing:
    text = _Json(body)
    files: dict[str, Listed] = {}
    keys: list[object] = []
    for _ in text.members(b"{", b"}"):
        keys.append(text.value(_PIECE))
        if not isinstance(keys[-1], str) or len(keys) > _MOST_KEYS or text.sign() != b":":
            raise ValueError
        if keys[-1] != "files":
            text.value(SMALL_REPLY)
            continue
        for _ in text.members(b"[", b"]"):
            file: Any = text.value(_PIECE)
            urls = file.get("url"), file.get("provenance")
            _keep(files, page, file["filename"], file["hashes"].get("sha256"), urls)
    if keys.count("files") != 1 or len(set(keys)) != len(keys) or text.sign():
        raise ValueError
    return files


def _html_listing(body: bytes, page: str) -> Listing:
    if body.count(b"<") > _MOST_TAGS:  # each takes its time
        raise ValueError
    parser = _Links(page)
    pieces = (body[at : at + _PIECE] for at in range(0, len(body), _PIECE))
    for piece in codecs.iterdecode(pieces, "utf-8"):
        parser.feed(piece)
        if len(parser.rawdata) > 4 * _PIECE:  # of a tag, comment or script without an end
            raise ValueError
    if not parser.is_html:
        raise ValueError
    return parser.files


class _Links(HTMLParser):
    """The anchors of a project page (PEP 503): name in the path, hash in the fragment."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page
        self.files: dict[str, Listed] = {}
        self.is_html = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_html = True
        if len(attrs) > _MOST_KEYS:  # each takes its time, too
            raise ValueError
        told = dict(attrs)
        link = urlsplit(told.get("href") or "")
        name = unquote(link.path.rpartition("/")[2])
        if tag == "a" and name:
            algorithm, _, digest = link.fragment.partition("=")
            urls = link._replace(fragment="").geturl(), told.get("data-provenance")
            _keep(self.files, self._page, name, digest if algorithm == "sha256" else None, urls)
