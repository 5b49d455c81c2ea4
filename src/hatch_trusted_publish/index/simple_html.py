"""The links of a project page in HTML (PEP 503): name in the path, hash in the fragment."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote, urlsplit

_MOST_ATTRIBUTES: Final = 100


class Links(HTMLParser):
    """Reads one page."""

    def __init__(self, add: Callable[[str, str | None, str, str | None], None]) -> None:
        """
        Args:
            add: called with the name, SHA-256, URL and provenance of each file.
        """
        super().__init__()
        self._add = add
        self.status: str | None = None
        """PEP 792."""
        self.is_html = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.is_html = True
        if len(attrs) > _MOST_ATTRIBUTES:
            raise ValueError
        found = dict(attrs)
        if tag == "meta" and found.get("name") == "pypi:project-status":
            self.status = found.get("content")
        link = urlsplit(found.get("href") or "")
        name = unquote(link.path.rpartition("/")[2])
        if tag == "a" and name:
            algorithm, _, digest = link.fragment.partition("=")
            self._add(name, digest if algorithm == "sha256" else None, link.geturl(), found.get("data-provenance"))
