"""Where anything may be sent at all, and whose an audience is.

Rules (PEP 807, and docs/explanation/security.md):

- HTTPS only, loopback excepted ("potentially trustworthy origin").
- Hosts are compared without ports, in lower case, as IDNA A-labels.
- The audiences of PyPI, TestPyPI and Sigstore are nobody else's.
"""

from __future__ import annotations

import unicodedata
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from ..errors import clean

RESERVED_AUDIENCES: Final = frozenset({"pypi", "testpypi", "sigstore"})
"""Audiences of services that hold something worth stealing."""


def url_problem(url: str) -> str | None:
    """Why nothing may be sent to *url*; ``None`` if it is fine."""
    # urlsplit drops tabs and new lines, and some parsers take a backslash for a slash:
    # two readings of one URL are a way around every check that follows.
    shown = shown_url(url)
    if not url.isprintable() or " " in url or "\\" in url:
        return f"{shown!r} is not a URL: it holds white space, control characters or a backslash"
    try:
        parts = urlsplit(url)
        host = host_of(url)
        _ = parts.port
    except ValueError:
        way_out = "" if url.isascii() else " that is read in one way only: write its host in the ASCII form, xn--…"
        return f"{shown!r} is not a URL{way_out}"
    if "@" in parts.netloc:
        return "a URL with a user name or password in it is refused: trusted publishing needs neither, remove the part before the @"
    if parts.scheme not in {"https", "http"} or not host:
        return f"{shown!r} is not a URL that begins with https://"
    if parts.scheme == "http" and not is_loopback(host):
        return f"{shown!r} is refused: http:// would show the upload token to the network, use https://"
    if "?" in url or "#" in url:
        return f"{shown!r} is refused: the URL of an index has no ? or # part"
    return None


def shown_url(url: str) -> str:
    """*url* for a message, without the user name and password that may be in it."""
    return clean(url if "@" not in url else "//***@" + url.rpartition("@")[2])


def host_of(url: str) -> str:
    """The host of *url* in the form in which hosts are compared.

    Raises:
        ValueError: there is no telling (an IPv6 address left open, a label too long).
    """
    host = urlsplit(url).hostname or ""
    if host.isascii():
        return host
    label = host.encode("idna")
    # "ß" is "ss" to IDNA 2003, which Python has, and a letter to IDNA 2008, by which httpx connects:
    # a host that is compared as one and asked as another is a way around the rule.
    if label.decode("idna") != host:
        raise ValueError
    return label.decode().lower()


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine (W3C Secure Contexts, as PEP 807 cites it)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def reserved_audience(audience: str) -> bool:
    """Whether *audience* belongs to PyPI, TestPyPI or Sigstore, in any spelling."""
    # In capitals first: GitLab's variable is named by them, and a dotless i becomes an I there.
    return unicodedata.normalize("NFKC", audience).strip().upper().lower() in RESERVED_AUDIENCES
