"""The simple API: what an index holds of a project (PEP 503, PEP 691), and of its attestations (PEP 740)."""

from __future__ import annotations

from html.parser import HTMLParser
from types import NoneType
from typing import Any, Final
from urllib.parse import unquote, urljoin, urlsplit

from .errors import IndexReadError, clean
from .index import Index
from .messages import Reply, Request, json_object
from .plan import Listed, Listing

LISTING_REPLY: Final = 128 * 1024 * 1024
"""Bytes; the largest project pages of PyPI are a fifth of this."""


def ask_listing(index: Index, project: str) -> Request:
    """What the index holds of *project*, a normalized name (PEP 691, PEP 503)."""
    return Request(
        what=f"asking {clean(index.name)} what it holds of {project}",
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
            page = index.listing_url(project)
            if reply.media_type.endswith("json"):
                return _json_listing(json_object(reply), page)
            return _html_listing(reply.body.decode(), page)
        except (ValueError, LookupError, TypeError, AttributeError, AssertionError):  # the last is html.parser's
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
        what=f"asking {clean(index.name)} for the attestations of {filename}",
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


def _json_listing(listing: dict[str, Any], page: str) -> Listing:
    files: dict[str, Listed] = {}
    if not isinstance(listing["files"], list):
        raise TypeError  # an empty object or text would be "nothing there" as well
    for file in listing["files"]:
        name, digest = file["filename"], file["hashes"].get("sha256")
        urls = file.get("url"), file.get("provenance")
        if not isinstance(name, str) or not all(isinstance(text, (str, NoneType)) for text in (digest, *urls)):
            raise TypeError
        files[name] = Listed(digest, *(url and urljoin(page, url) for url in urls))
    return files


def _html_listing(text: str, page: str) -> Listing:
    parser = _Links(page)
    parser.feed(text)
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
        told = dict(attrs)
        link = urlsplit(told.get("href") or "")
        name = unquote(link.path.rpartition("/")[2])
        if tag == "a" and name:
            algorithm, _, digest = link.fragment.partition("=")
            url = urljoin(self._page, link._replace(fragment="").geturl())
            self.files[name] = Listed(digest if algorithm == "sha256" else None, url, told.get("data-provenance"))
