"""The URLs of an index."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import quote, urljoin, urlsplit

from ..http.certificates import Certificates
from ..secret import Secret

_TITLES: Final = {"main": "PyPI", "test": "TestPyPI", "rehearsal": "the rehearsal index"}
_PYPI: Final = {"main": ("pypi.org", "pypi"), "test": ("test.pypi.org", "testpypi")}
"""Host of the web pages and audience, as PyPI documents them."""
_AUDIENCE_PATH: Final = "/_/oidc/audience"
_MINT_PATH: Final = "/_/oidc/mint-token"


@dataclass(frozen=True, slots=True)
class Repository:
    """The configuration of one index; `find_index` adds what is known about it."""

    name: str
    url: str
    """For uploads; empty for the rehearsal index, which is started for the run."""
    audience: str | None = None
    audience_endpoint: str | None = None
    token_mint_endpoint: str | None = None
    simple_url: str | None = None
    local_versions: bool = False
    attestations: bool = False
    listing: Literal["none"] | None = None
    """``none``: the list of files cannot be read."""
    certificates: Certificates = field(default_factory=Certificates)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The endpoints of the exchange."""

    audience: str
    mint: str
    burn: str | None = None
    single_use: bool = False
    """Each upload needs its own token (PEP 807, ``single-use-token``)."""


@dataclass(frozen=True, slots=True)
class Index:
    """One index: the URLs for uploads, lists and the exchange of identities, and its rules."""

    name: str
    """As the user types it: ``main``, ``test``, ``rehearsal``, a name in ``repos``, a URL."""
    upload_url: str
    simple_url: str
    audience: str | None = None
    """The only audience to accept; without one, only the index's own host."""
    endpoints: Endpoints | None = None
    """The endpoints of the exchange, if they are known without a search."""
    project_url: str | None = None
    """The web pages, if they are known: ``{project_url}NAME/VERSION/``."""
    local_versions: bool = False
    pypi_rules: bool = False
    """Whether PyPI's own rules hold, which are checked before anything is uploaded."""
    attestations: bool = False
    """Whether it accepts attestations (PEP 740)."""
    listed: bool = True
    """Whether its list of files can be read; without that, nothing is compared."""
    token: Secret | None = None
    """An upload token for reading its list, if the index requires one."""
    trust_config: str | None = None
    """Another Sigstore than the public one to sign with, as `sigstore.models.ClientTrustConfig` in JSON."""

    @property
    def title(self) -> str:
        """The name to show."""
        return _TITLES.get(self.name, self.name)

    @property
    def table(self) -> str:
        """The table of its settings."""
        return "repos.NAME" if "://" in self.name else f"repos.{self.name}"

    @property
    def status_page(self) -> str | None:
        """Return the URL of PyPI's status page."""
        return "https://status.python.org" if self.name in _PYPI else None

    def listing_url(self, project: str) -> str:
        """The page of *project*, a normalized name, in the simple API (PEP 503)."""
        return urljoin(self.simple_url, quote(project) + "/")

    def release_url(self, project: str, version: str) -> str:
        """Return the web page of a release, or its simple page if no web page is known."""
        if self.project_url is None:
            return self.listing_url(project)
        return f"{self.project_url}{quote(project)}/{quote(version)}/"


def find_index(repository: Repository) -> Index:
    """The index that *repository* names."""
    name, upload_url = repository.name, repository.url
    if name in _PYPI:
        host, audience = _PYPI[name]
        return _pypi(name, upload_url, f"https://{host}/simple/", audience, f"https://{host}/project/")
    endpoints = None
    if repository.audience_endpoint is not None and repository.token_mint_endpoint is not None:
        endpoints = _endpoints(repository.audience_endpoint, repository.token_mint_endpoint)
    return Index(
        name,
        upload_url,
        f"{(repository.simple_url or _simple_url(upload_url)).removesuffix('/')}/",
        repository.audience,
        endpoints,
        local_versions=repository.local_versions,
        attestations=repository.attestations,
        listed=repository.listing is None,
    )


def rehearsal_index(upload_url: str, simple_url: str, audience: str, trust_config: str) -> Index:
    """The embedded index, which plays PyPI."""
    return replace(_pypi("rehearsal", upload_url, simple_url, audience), trust_config=trust_config)


def _pypi(name: str, upload_url: str, simple_url: str, audience: str, project_url: str | None = None) -> Index:
    endpoints = pypi_endpoints(simple_url)
    return Index(name, upload_url, simple_url, audience, endpoints, project_url, pypi_rules=True, attestations=True)


def pypi_endpoints(url: str) -> Endpoints:
    """PyPI's own paths, on the host of *url*."""
    return _endpoints(urljoin(url, _AUDIENCE_PATH), urljoin(url, _MINT_PATH))


def _endpoints(audience: str, mint: str) -> Endpoints:
    # Only next to PyPI's own mint endpoint is one that burns tokens.
    burn = urljoin(mint, "burn-token") if urlsplit(mint).path == _MINT_PATH else None
    return Endpoints(audience, mint, burn)


def _simple_url(upload_url: str) -> str:
    """``https://h/x/legacy/`` → ``https://h/x/simple/``; ``https://h/`` → ``https://h/simple/``."""
    has_path = urlsplit(upload_url).path.strip("/")
    return urljoin(upload_url.rstrip("/") if has_path else upload_url, "simple/")
