"""Which URLs a request may go to, and which audience an index may ask for.

Rules (PEP 807, and docs/explanation/security.md):

- HTTPS only. Plain HTTP is for loopback addresses and ``localhost``.
- Hosts are compared without ports, in lower case, as IDNA A-labels. A string with a user part, a
  backslash or a control character names no host: two readers could take it for two hosts.
- A URL that an index supplies has the host of its upload URL.
- An index may ask for the audience that is configured for it, or for its own host. The audiences of
  PyPI, TestPyPI and Sigstore belong to them alone.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from typing import Final
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..errors import ExchangeError, Message
from ..http.loopback import is_loopback
from .endpoints import Index

LONGEST_AUDIENCE: Final = 1000
"""Characters; normalizing a longer text takes time."""
_LONGEST_HOST: Final = 253
LONGEST_URL: Final = 2000
_RESERVED_AUDIENCES: Final = {"pypi", "testpypi", "sigstore"}


def url_problem(url: str) -> Message | None:
    """Return why no request may go to *url*; ``None`` if one may."""
    shown = shown_url(url)
    if not _is_plain(url):
        return Message("url-with-odd-characters", url=shown)
    try:
        parts = urlsplit(url)
        host = host_of(url)
        _ = parts.port
    except ValueError:
        return Message("malformed-url" if url.isascii() else "ambiguous-url", url=shown)
    if "@" in parts.netloc:
        return Message("url-with-user", url=shown)
    if parts.scheme not in {"https", "http"} or not host:
        return Message("no-https-url", url=shown)
    if parts.scheme == "http" and not is_loopback(host):
        return Message("plain-http", url=shown)
    if "?" in url or "#" in url:
        return Message("url-with-query", url=shown)
    return None


def shown_url(url: str) -> str:
    """*url* for a message: a user part or query may hold a password or token."""
    _, user, rest = url.rpartition("@")
    return ("//***@" if user else "") + re.sub(r"([?#]).+", r"\1…", rest, flags=re.DOTALL)


def public_url(url: str, page: str = "") -> str | None:
    """A URL on a *page* of an index, without user part, query and fragment; ``None`` if it is not a web address."""
    if len(url) > LONGEST_URL or not url.isascii() or not _is_plain(url):
        return None
    try:
        scheme, netloc, path, _, _ = urlsplit(urljoin(page, url))
    except ValueError:
        return None
    return urlunsplit((scheme, netloc.rpartition("@")[2], path, "", "")) if scheme in {"https", "http"} else None


def host_of(url: str) -> str:
    """The host of *url* in the form in which hosts are compared.

    Raises:
        ValueError: it has no such form (an open bracket, a label that is too long).
    """
    host = urlsplit(url).hostname or ""
    if host.isascii():
        return host
    if len(host) > _LONGEST_HOST:
        raise ValueError
    label = host.encode("idna")
    # "ß" is "ss" to IDNA 2003, which Python has, and a letter to IDNA 2008, which httpx uses: one host
    # would be compared and another one connected to.
    if label.decode("idna") != host:
        raise ValueError
    return label.decode().lower()


def is_on_host_of(url: str, other: str) -> bool:
    """Return whether a request may go to *url*, and *url* is on the host of *other*."""
    return url_problem(url) is None and host_of(url) == host_of(other)


def is_reserved(audience: str) -> bool:
    """Return whether *audience* belongs to PyPI, TestPyPI or Sigstore, in any spelling."""
    # In capitals first: GitLab's variable is named by them, and a dotless i becomes an I there.
    folded = unicodedata.normalize("NFKC", audience[:LONGEST_AUDIENCE]).strip().upper().lower()
    return folded in _RESERVED_AUDIENCES


def names_host(audience: str, url: str) -> bool:
    """Return whether *audience* is the host of *url*, or a URL on that host."""
    if not _is_plain(audience) or "@" in audience:
        return False
    try:
        return host_of(url) in {host_of(audience), host_of(f"//{audience}")}
    except ValueError:
        return False


def trusted_endpoint(index: Index, key: str, url: object) -> str:
    """Return the URL that *index* supplied as its *key*, if it is on the index's own host.

    Raises:
        ExchangeError: it is not.
    """
    problem: Message | None = Message("no-endpoint")
    if isinstance(url, str):
        problem = url_problem(url)
        if problem is None and host_of(url) != host_of(index.upload_url):
            problem = Message("endpoint-on-another-host", url=shown_url(url), host=host_of(index.upload_url))
        if problem is None:
            return url
    raise ExchangeError("untrusted-endpoint", index=index.title, key=key, problem=problem, table=index.table)


def trusted_audience(index: Index, audience: str) -> str:
    """Return the *audience* that *index* asked for, if it is the index's own to ask for.

    Raises:
        ExchangeError: an identity token for this audience could be used elsewhere.
    """
    facts = {"index": index.title, "audience": audience}
    if index.audience is not None:
        if audience == index.audience:
            return audience
        code = "wrong-audience-of-pypi" if index.project_url else "unexpected-audience"
        raise ExchangeError(code, **facts, expected=index.audience, table=index.table)
    if is_reserved(audience):
        raise ExchangeError("reserved-audience", **facts)
    if names_host(audience, index.upload_url):
        return audience
    line = shlex.join(["-r", index.upload_url, "-o", f"audience={audience[:200]}"])
    raise ExchangeError("foreign-audience", **facts, host=host_of(index.upload_url), line=line, table=index.table)


def _is_plain(text: str) -> bool:
    """Return whether every URL parser reads *text* alike: some drop tabs, or take a backslash for a slash."""
    return text.isprintable() and not set(" \\") & set(text)
