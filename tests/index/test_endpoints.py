"""The endpoints of an index."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.index.endpoints import (
    Endpoints,
    Index,
    Repository,
    find_index,
    pypi_endpoints,
    rehearsal_index,
)

COMPANY = find_index(Repository("company", "https://index.example/team/legacy/"))
MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
TEST = find_index(Repository("test", "https://test.pypi.org/legacy/"))


@pytest.mark.parametrize(
    ("index", "upload_url", "host", "audience"),
    [
        (MAIN, "https://upload.pypi.org/legacy/", "pypi.org", "pypi"),
        (TEST, "https://test.pypi.org/legacy/", "test.pypi.org", "testpypi"),
    ],
    ids=["PyPI", "TestPyPI"],
)
def test_pypi(index: Index, upload_url: str, host: str, audience: str) -> None:
    """PyPI takes uploads on one host, and lists and exchanges on another; TestPyPI does all of it on one."""
    expected = Index(
        name=index.name,
        upload_url=upload_url,
        simple_url=f"https://{host}/simple/",
        audience=audience,
        endpoints=Endpoints(
            audience=f"https://{host}/_/oidc/audience",
            mint=f"https://{host}/_/oidc/mint-token",
            burn=f"https://{host}/_/oidc/burn-token",
        ),
        project_url=f"https://{host}/project/",
        pypi_rules=True,
        attestations=True,
    )
    assert expected == index


def test_another_index() -> None:
    """Any other index has only its upload URL; the search for its endpoints is still to come."""
    expected = Index(
        name="company",
        upload_url="https://index.example/team/legacy/",
        simple_url="https://index.example/team/simple/",
    )
    assert expected == COMPANY


def test_every_key_of_an_index() -> None:
    """The index's table sets every endpoint, on another host, too."""
    found = find_index(
        Repository(
            name="company",
            url="https://index.example/legacy/",
            audience="https://sso.example/packages",
            audience_endpoint="https://sso.example/audience",
            token_mint_endpoint="https://sso.example/mint",
            simple_url="https://mirror.example/simple",
            local_versions=True,
            attestations=True,
            listing="none",
        )
    )
    expected = Index(
        name="company",
        upload_url="https://index.example/legacy/",
        simple_url="https://mirror.example/simple/",
        audience="https://sso.example/packages",
        endpoints=Endpoints("https://sso.example/audience", "https://sso.example/mint"),
        local_versions=True,
        attestations=True,
        listed=False,
    )
    assert expected == found


def test_rehearsal_index() -> None:
    """The embedded index plays PyPI, on a loopback address."""
    expected = Index(
        name="rehearsal",
        upload_url="http://127.0.0.1:8080/legacy/",
        simple_url="http://127.0.0.1:8080/simple/",
        audience="pypi",
        endpoints=Endpoints(
            "http://127.0.0.1:8080/_/oidc/audience",
            "http://127.0.0.1:8080/_/oidc/mint-token",
            "http://127.0.0.1:8080/_/oidc/burn-token",
        ),
        pypi_rules=True,
        attestations=True,
        trust_config="{}",
    )
    assert expected == rehearsal_index("http://127.0.0.1:8080/legacy/", "http://127.0.0.1:8080/simple/", "pypi", "{}")


@pytest.mark.parametrize(
    ("simple_url", "upload_url"),
    [
        ("https://h.example/simple/", "https://h.example/legacy/"),
        ("https://h.example/simple/", "https://h.example/legacy"),
        ("https://h.example/simple/", "https://h.example/"),
        ("https://h.example/simple/", "https://h.example"),
        ("https://h.example/x/simple/", "https://h.example/x/legacy/"),
        ("https://h.example/x/y/simple/", "https://h.example/x/y/upload"),
        ("https://h.example:8443/simple/", "https://h.example:8443/legacy/"),
        ("http://[::1]:8080/root/simple/", "http://[::1]:8080/root/dev/"),
    ],
)
def test_simple_url(simple_url: str, upload_url: str) -> None:
    """The simple API is expected next to the upload URL."""
    assert simple_url == find_index(Repository("company", upload_url)).simple_url


@pytest.mark.parametrize(
    ("burn", "mint"),
    [
        ("https://h.example/_/oidc/burn-token", "https://h.example/_/oidc/mint-token"),
        (None, "https://h.example/_/oidc/mint-token/"),
        (None, "https://h.example/mint-token"),
        (None, "https://h.example/team/_/oidc/mint-token"),
        (None, "https://h.example/mint"),
    ],
)
def test_burn_endpoint(burn: str | None, mint: str) -> None:
    """Tokens are burned next to PyPI's own path for minting, and never at a guessed URL."""
    configured = Repository(
        "company", "https://h.example/legacy/", audience_endpoint="https://h.example/audience", token_mint_endpoint=mint
    )
    assert Endpoints("https://h.example/audience", mint, burn) == find_index(configured).endpoints


@pytest.mark.parametrize(
    "half",
    [
        Repository("company", "https://h.example/legacy/", audience_endpoint="https://h.example/audience"),
        Repository("company", "https://h.example/legacy/", token_mint_endpoint="https://h.example/mint"),
    ],
)
def test_half_of_the_endpoints(half: Repository) -> None:
    """One endpoint alone does not end the search."""
    assert find_index(half).endpoints is None


def test_pypi_endpoints() -> None:
    """PyPI's own paths are tried at the root of the upload host, with its port."""
    index = find_index(Repository("company", "https://h.example:8443/team/legacy/"))
    expected = Endpoints(
        "https://h.example:8443/_/oidc/audience",
        "https://h.example:8443/_/oidc/mint-token",
        "https://h.example:8443/_/oidc/burn-token",
    )
    assert expected == pypi_endpoints(index.upload_url)


@pytest.mark.parametrize(
    ("url", "index", "project"),
    [
        ("https://pypi.org/simple/sample-project/", MAIN, "sample-project"),
        ("https://test.pypi.org/simple/sample/", TEST, "sample"),
        ("https://index.example/team/simple/sample/", COMPANY, "sample"),
    ],
)
def test_listing_url(url: str, index: Index, project: str) -> None:
    """The listing URL is that of the simple API (PEP 503)."""
    assert url == index.listing_url(project)


@pytest.mark.parametrize(
    ("url", "index", "version"),
    [
        ("https://pypi.org/project/sample/1.0/", MAIN, "1.0"),
        ("https://pypi.org/project/sample/1%211.0rc1/", MAIN, "1!1.0rc1"),
        ("https://test.pypi.org/project/sample/2.0.dev3/", TEST, "2.0.dev3"),
        ("https://index.example/team/simple/sample/", COMPANY, "1.0+local"),
    ],
)
def test_release_url(url: str, index: Index, version: str) -> None:
    """A release is shown by its page; for an index without such pages, by its list of files."""
    assert url == index.release_url("sample", version)


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (MAIN, ("PyPI", "repos.main", "https://status.python.org")),
        (TEST, ("TestPyPI", "repos.test", "https://status.python.org")),
        (COMPANY, ("company", "repos.company", None)),
        (
            find_index(Repository("https://h.example/", "https://h.example/")),
            ("https://h.example/", "repos.NAME", None),
        ),
    ],
)
def test_names(index: Index, expected: tuple[str, str, str | None]) -> None:
    """An index is shown by its well-known name, and has a table unless it is a URL."""
    assert expected == (index.title, index.table, index.status_page)
