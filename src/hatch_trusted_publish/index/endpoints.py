"""One index: where its parts are, and which identities may go there.

Rules (PEP 807, and docs/explanation/security.md):

- A URL that a server supplies has the host of the upload URL.
- An audience is accepted from its own index alone: one that answers another service's
  audience could replay the identity there.
- The mint request goes to the host that was asked for the audience.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus, urljoin, urlsplit

from ..errors import TrustError, clean
from .origins import host_of, reserved_audience, shown_url, url_problem
from .repository import Repository


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the exchange happens (PEP 807, or PyPI's own paths)."""

    audience: str
    mint: str
    burn: str | None = None
    single_use: bool = False
    """Each upload needs a token of its own (PEP 807, ``single-use-token``)."""


@dataclass(frozen=True, slots=True)
class Index:
    """Where one index takes uploads, lists files and exchanges identities."""

    name: str
    """What the person calls it: ``main``, ``test``, ``rehearsal``, a name in ``repos``, a URL."""
    upload_url: str
    simple_url: str
    audience: str | None = None
    """The only audience to accept; without one, only the host's own name will do."""
    endpoints: Endpoints | None = None
    """Where the exchange happens, if no search is needed."""
    project_url: str | None = None
    """The pages for people, where there are known ones: ``{project_url}NAME/VERSION/``."""
    local_versions: bool = False
    pypi_rules: bool = False
    """Whether PyPI's own rules hold, which are known before anything is sent."""
    attestations: bool = False
    """Whether it takes attestations (PEP 740)."""
    trust_config: str | None = None
    """Another Sigstore than the public one to sign for it, as `sigstore.models.ClientTrustConfig` in JSON."""

    @property
    def title(self) -> str:
        """The name to show."""
        return _TITLES.get(self.name) or shown_url(self.name)

    @property
    def status_page(self) -> str | None:
        """Where PyPI reports its outages."""
        return "https://status.python.org" if self.name in _PYPI_HOSTS else None

    def listing_url(self, project: str) -> str:
        """The simple API's page of *project*, a normalized name (PEP 503)."""
        return urljoin(self.simple_url, quote(project) + "/")

    def release_url(self, project: str, version: str) -> str:
        """Where a person looks at a release; the simple page where there is no such place."""
        if self.project_url is None:
            return self.listing_url(project)
        return f"{self.project_url}{quote(project)}/{quote(version)}/"


_TITLES: Final = {"main": "PyPI", "test": "TestPyPI", "rehearsal": "the rehearsal index"}
_PYPI_HOSTS: Final = {"main": ("pypi.org", "pypi"), "test": ("test.pypi.org", "testpypi")}
"""Host of the web pages and audience, as PyPI documents them."""
_AUDIENCE_PATH: Final = "/_/oidc/audience"
_MINT_PATH: Final = "/_/oidc/mint-token"


def find_index(repository: Repository) -> Index:
    """The index that *repository* names."""
    if repository.name in _PYPI_HOSTS:
        host, audience = _PYPI_HOSTS[repository.name]
        return Index(
            repository.name,
            repository.url,
            f"https://{host}/simple/",
            audience=audience,
            endpoints=_pypi_style(f"https://{host}/"),
            project_url=f"https://{host}/project/",
            pypi_rules=True,
            attestations=True,
        )
    simple_url = repository.simple_url or _simple_url_beside(repository.url)
    configured = None
    if repository.audience_endpoint is not None and repository.mint_endpoint is not None:
        configured = _endpoints(repository.audience_endpoint, repository.mint_endpoint)
    return Index(
        repository.name,
        repository.url,
        simple_url if simple_url.endswith("/") else f"{simple_url}/",
        audience=repository.audience,
        endpoints=configured,
        local_versions=repository.local_versions,
        attestations=repository.attestations,
    )


def rehearsal_index(upload_url: str, simple_url: str, audience: str, trust_config: str) -> Index:
    """The embedded index, which plays PyPI."""
    return Index(
        "rehearsal",
        upload_url,
        simple_url,
        audience,
        _pypi_style(upload_url),
        pypi_rules=True,
        attestations=True,
        trust_config=trust_config,
    )


def _simple_url_beside(upload_url: str) -> str:
    """``https://h/x/legacy/`` → ``https://h/x/simple/``; ``https://h/`` → ``https://h/simple/``."""
    has_path = urlsplit(upload_url).path.strip("/")
    return urljoin(upload_url.rstrip("/") if has_path else upload_url, "simple/")


def pypi_style_endpoints(index: Index) -> Endpoints:
    """PyPI's own paths, on the host of *index*."""
    return _pypi_style(index.upload_url)


def _pypi_style(url: str) -> Endpoints:
    return _endpoints(urljoin(url, _AUDIENCE_PATH), urljoin(url, _MINT_PATH))


def _endpoints(audience: str, mint: str) -> Endpoints:
    # Only PyPI's own mint endpoint has one to burn tokens beside it.
    burn = urljoin(mint, "burn-token") if urlsplit(mint).path == _MINT_PATH else None
    return Endpoints(audience, mint, burn)


def discovery_url(index: Index) -> str:
    """Where PEP 807 is asked for the endpoints of *index*."""
    return urljoin(index.upload_url, f"/.well-known/pytp?discover={quote_plus(urlsplit(index.upload_url).path)}")


def trusted_endpoint(index: Index, url: object, what: str) -> str:
    """A URL that the index supplied, once it is known to be the index's own.

    Raises:
        TrustError: it is elsewhere, or no URL at all.
    """
    if not isinstance(url, str):
        problem = "it is missing" if url is None else "it is not a text"
    elif (found := url_problem(url)) is not None:
        problem = found
    elif host_of(url) != host_of(index.upload_url):
        problem = f"{clean(url)!r} is on another host than {index.upload_url}"
    else:
        return url
    msg = (
        f"The index {clean(index.name)} supplied {what} that must not be used: {problem}. This is on the index's "
        "side, no identity was asked for. If you know a right address, name it by `audience-endpoint` and "
        "`token-mint-endpoint` in the index's table in `tool.hatch.publish.trusted.repos`."
    )
    raise TrustError(msg)


def trusted_audience(index: Index, audience: str) -> str:
    """The audience that *index* answered, once it is known to be its own to ask for.

    Raises:
        TrustError: an identity token made for this audience could be used elsewhere.
    """
    shown = clean(audience, 200)
    if index.audience is not None:
        if audience == index.audience:
            return audience
        reason = f"the audience to be expected of it is {index.audience!r}"
        remedy = (
            "PyPI has never answered that: check the network between here and there, and try again later."
            if index.project_url
            else "If its operator has changed it, change `audience` in the index's table in `tool.hatch.publish.trusted.repos`."
        )
    elif reserved_audience(audience):
        reason = "that is the audience of another service, where the identity could be used in your name"
        remedy = "Do not publish to this index before its operator has explained that."
    elif _names_host(audience, host_of(index.upload_url)):
        return audience
    else:
        reason = f"it does not name the index's own host, {host_of(index.upload_url)}"
        remedy = (
            f"If its operator confirms it, add `audience = {json.dumps(shown, ensure_ascii=False)}` to the index's table "
            "in `tool.hatch.publish.trusted.repos`."
        )
    msg = (
        f"The index {clean(index.name)} asks for an identity token with the audience {shown!r}, but {reason}. "
        f"No identity was asked for. {remedy}"
    )
    raise TrustError(msg)


def _names_host(audience: str, host: str) -> bool:
    """Whether *audience* is the host, or a URL on it."""
    try:
        return host in {host_of(audience), host_of(f"//{audience}")}
    except ValueError:
        return False
