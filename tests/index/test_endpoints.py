"""Where the parts of an index are, and which identities may go there."""

from __future__ import annotations

import unicodedata

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import TrustError
from hatch_trusted_publish.identity.ambient import gitlab_variable
from hatch_trusted_publish.index.endpoints import (
    Endpoints,
    Index,
    discovery_url,
    find_index,
    pypi_style_endpoints,
    rehearsal_index,
    trusted_audience,
    trusted_endpoint,
)
from hatch_trusted_publish.index.origins import host_of, url_problem
from hatch_trusted_publish.index.repository import Repository

COMPANY = find_index(Repository("company", "https://index.example/team/legacy/"))
MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
TEST = find_index(Repository("test", "https://test.pypi.org/legacy/"))


def test_pypi() -> None:
    """PyPI takes uploads on one host, and lists and exchanges on another: all of it is documented."""
    expected = Index(
        name="main",
        upload_url="https://upload.pypi.org/legacy/",
        simple_url="https://pypi.org/simple/",
        audience="pypi",
        endpoints=Endpoints(
            audience="https://pypi.org/_/oidc/audience",
            mint="https://pypi.org/_/oidc/mint-token",
            burn="https://pypi.org/_/oidc/burn-token",
        ),
        project_url="https://pypi.org/project/",
        pypi_rules=True,
        attestations=True,
    )
    assert expected == MAIN


def test_testpypi() -> None:
    """TestPyPI does everything on one host."""
    expected = Index(
        name="test",
        upload_url="https://test.pypi.org/legacy/",
        simple_url="https://test.pypi.org/simple/",
        audience="testpypi",
        endpoints=Endpoints(
            audience="https://test.pypi.org/_/oidc/audience",
            mint="https://test.pypi.org/_/oidc/mint-token",
            burn="https://test.pypi.org/_/oidc/burn-token",
        ),
        project_url="https://test.pypi.org/project/",
        pypi_rules=True,
        attestations=True,
    )
    assert expected == TEST


def test_another_index() -> None:
    """Of any other index nothing is known but what the person says: the search for its endpoints is to come."""
    expected = Index(
        name="company",
        upload_url="https://index.example/team/legacy/",
        simple_url="https://index.example/team/simple/",
    )
    assert expected == COMPANY


def test_all_that_can_be_said_of_an_index() -> None:
    """What stands in the index's table is taken, with another host for the endpoints too."""
    found = find_index(
        Repository(
            name="company",
            url="https://index.example/legacy/",
            audience="https://sso.example/packages",
            audience_endpoint="https://sso.example/audience",
            mint_endpoint="https://sso.example/mint",
            simple_url="https://mirror.example/simple",
            local_versions=True,
            attestations=True,
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
    """An index is read beside where it takes uploads."""
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
    """Tokens are burned beside PyPI's own path for minting, and nowhere that was guessed."""
    configured = Repository(
        "company", "https://h.example/legacy/", audience_endpoint="https://h.example/audience", mint_endpoint=mint
    )
    assert Endpoints("https://h.example/audience", mint, burn) == find_index(configured).endpoints


@pytest.mark.parametrize(
    "half",
    [
        Repository("company", "https://h.example/legacy/", audience_endpoint="https://h.example/audience"),
        Repository("company", "https://h.example/legacy/", mint_endpoint="https://h.example/mint"),
    ],
)
def test_half_of_the_endpoints(half: Repository) -> None:
    """One endpoint alone does not end the search."""
    assert find_index(half).endpoints is None


def test_pypi_style_endpoints() -> None:
    """PyPI's own paths are tried at the root of the upload host, with its port."""
    index = find_index(Repository("company", "https://h.example:8443/team/legacy/"))
    expected = Endpoints(
        "https://h.example:8443/_/oidc/audience",
        "https://h.example:8443/_/oidc/mint-token",
        "https://h.example:8443/_/oidc/burn-token",
    )
    assert expected == pypi_style_endpoints(index)


@pytest.mark.parametrize(
    ("url", "upload_url"),
    [
        ("https://h.example/.well-known/pytp?discover=%2Flegacy%2F", "https://h.example/legacy/"),
        ("https://h.example:8443/.well-known/pytp?discover=%2Fa%2Fb", "https://h.example:8443/a/b"),
        ("https://h.example/.well-known/pytp?discover=", "https://h.example"),
        ("https://h.example/.well-known/pytp?discover=%2F", "https://h.example/"),
        ("https://h.example/.well-known/pytp?discover=%2Fa%26b%3Dc%2520d%2F", "https://h.example/a&b=c%20d/"),
        ("http://[::1]:8080/.well-known/pytp?discover=%2Fx%2F", "http://[::1]:8080/x/"),
    ],
)
def test_discovery_url(url: str, upload_url: str) -> None:
    """PEP 807: scheme and authority of the upload URL, and its path as the question."""
    assert url == discovery_url(find_index(Repository("company", upload_url)))


@pytest.mark.parametrize(
    ("url", "index", "project"),
    [
        ("https://pypi.org/simple/sample-project/", MAIN, "sample-project"),
        ("https://test.pypi.org/simple/sample/", TEST, "sample"),
        ("https://index.example/team/simple/sample/", COMPANY, "sample"),
    ],
)
def test_listing_url(url: str, index: Index, project: str) -> None:
    """What an index holds is asked of its simple API (PEP 503)."""
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
    """A release is looked at on its page; where no index has such pages, in the list of files."""
    assert url == index.release_url("sample", version)


@pytest.mark.parametrize(
    ("url", "upload_url"),
    [
        ("https://index.example/_/mint", "https://index.example/legacy/"),
        ("https://INDEX.example:8443/_/mint", "https://index.example/legacy/"),
        ("https://index.example/_/mint", "https://index.example:8443/legacy/"),
        ("https://xn--bcher-kva.example/mint", "https://bücher.example/legacy/"),
        ("http://127.0.0.1:9090/mint", "http://127.0.0.1:8080/legacy/"),
        ("https://localhost/mint", "http://localhost:8080/legacy/"),
    ],
)
def test_trusted_endpoint(url: str, upload_url: str) -> None:
    """An endpoint on the index's own host is taken as it is."""
    assert url == trusted_endpoint(find_index(Repository("company", upload_url)), url, "a token mint endpoint")


@pytest.mark.parametrize(
    ("problem", "url"),
    [
        pytest.param("it is missing", None, id="missing"),
        pytest.param("it is not a text", ["https://index.example/mint"], id="list"),
        pytest.param("it is not a text", 5, id="number"),
        pytest.param("'' is not a URL that begins with https://", "", id="empty"),
        pytest.param("'/mint' is not a URL that begins with https://", "/mint", id="relative"),
        pytest.param(
            "'https://evil.example/mint' is on another host than https://index.example/team/legacy/",
            "https://evil.example/mint",
            id="another-host",
        ),
        pytest.param(
            "'https://sub.index.example/mint' is on another host than https://index.example/team/legacy/",
            "https://sub.index.example/mint",
            id="below-the-host",
        ),
        pytest.param(
            "'https://index.example.evil.example/mint' is on another host than https://index.example/team/legacy/",
            "https://index.example.evil.example/mint",
            id="begins-like-the-host",
        ),
        pytest.param(
            "'https://\u0456ndex.example/mint' is on another host than https://index.example/team/legacy/",
            "https://\u0456ndex.example/mint",
            id="look-alike",
        ),
        pytest.param(
            "'http://index.example/mint' is refused: http:// would show the upload token to the network, use https://",
            "http://index.example/mint",
            id="downgrade",
        ),
        pytest.param(
            "'http://127.0.0.1/mint' is on another host than https://index.example/team/legacy/",
            "http://127.0.0.1/mint",
            id="this-machine",
        ),
        pytest.param(
            "a URL with a user name or password in it is refused: trusted publishing needs neither, "
            "remove the part before the @",
            "https://index.example@evil.example/mint",
            id="user-that-looks-like-the-host",
        ),
        pytest.param(
            "'https://evil.example\\\\.index.example/mint' is not a URL: it holds white space, control characters "
            "or a backslash",
            "https://evil.example\\.index.example/mint",
            id="backslash",
        ),
        pytest.param(
            "'https://index.example ?[2J: :error: :/mint' is not a URL: it holds white space, control characters "
            "or a backslash",
            "https://index.example\n\x1b[2J::error::/mint",
            id="commands-for-the-log",
        ),
    ],
)
def test_foreign_endpoint(problem: str, url: object) -> None:
    """An endpoint that could lead the identity elsewhere is refused, with the reason and the line to add."""
    with pytest.raises(TrustError) as caught:
        trusted_endpoint(COMPANY, url, "a token mint endpoint")
    expected = (
        f"The index company supplied a token mint endpoint that must not be used: {problem}. This is on the index's side, "
        "no identity was asked for. If you know a right address, name it by `audience-endpoint` and `token-mint-endpoint` "
        "in the index's table in `tool.hatch.publish.trusted.repos`."
    )
    assert expected == str(caught.value)


HOSTS = st.sampled_from(["index.example", "INDEX.EXAMPLE", "evil.example", "pypi", "strasse.example", "localhost"])
ENDPOINTS = st.text(max_size=30) | st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "//", "https:/", "HTTPS://"]),
    st.sampled_from(["", "index.example@", "evil.example\\", "evil.example#", "[", "\t", "straße.", "index.example。"]),
    HOSTS | st.sampled_from(["straße.example", "[::1]", "index.example.", "index.e\u03c7ample", ""]),
    st.sampled_from(["", ":443", ":", ":a", ".evil.example", "@evil.example"]),
    st.sampled_from(["", "/", "//evil.example/", "/a@b/", "\\@evil.example"]),
    st.sampled_from(["", "mint", "?x", "\n", " "]),
)


@given(HOSTS.map(lambda host: f"https://{host}/legacy/"), ENDPOINTS)
@example("https://strasse.example/legacy/", "https://straße.example/mint")
@settings(deadline=None, max_examples=300)
def test_endpoint_is_on_the_upload_host(upload_url: str, url: str) -> None:
    """Whatever an index answers: what is accepted leads httpx to the host of the upload URL, or nowhere."""
    index = find_index(Repository("company", upload_url))
    try:
        accepted = trusted_endpoint(index, url, "an audience endpoint")
    except TrustError:
        # Nothing that is right is refused.
        assert url_problem(url) is not None or host_of(url) != host_of(upload_url)
        return
    assert url == accepted
    try:
        asked = httpx.URL(accepted)
    except httpx.InvalidURL:
        return
    assert asked.raw_host == httpx.URL(upload_url).raw_host


@pytest.mark.parametrize(
    ("index", "audience"),
    [
        (MAIN, "pypi"),
        (TEST, "testpypi"),
        (rehearsal_index("http://127.0.0.1:8080/legacy/", "http://127.0.0.1:8080/simple/", "pypi", "{}"), "pypi"),
        (COMPANY, "index.example"),
        (COMPANY, "INDEX.example"),
        (COMPANY, "index.example:8443"),
        (COMPANY, "https://index.example"),
        (COMPANY, "https://index.example/team/"),
        (COMPANY, "//index.example/team/"),
        (find_index(Repository("c", "https://bücher.example/")), "https://xn--bcher-kva.example"),
        (find_index(Repository("c", "https://xn--bcher-kva.example/")), "bücher.example"),
        (find_index(Repository("c", "http://[::1]:8080/")), "http://[::1]:8080/"),
        (find_index(Repository("c", "https://index.example/", audience="packages")), "packages"),
        (find_index(Repository("c", "https://index.example/", audience="https://sso.example")), "https://sso.example"),
    ],
)
def test_trusted_audience(index: Index, audience: str) -> None:
    """An index may ask for what was expected of it, or for its own name."""
    assert audience == trusted_audience(index, audience)


CHANGED = (
    "If its operator has changed it, change `audience` in the index's table in `tool.hatch.publish.trusted.repos`."
)
NEVER = "PyPI has never answered that: check the network between here and there, and try again later."
OTHERS = (
    "that is the audience of another service, where the identity could be used in your name. "
    "No identity was asked for. Do not publish to this index before its operator has explained that."
)


def not_its_own(line: str, host: str = "index.example") -> str:
    return (
        f"it does not name the index's own host, {host}. No identity was asked for. If its operator confirms it, "
        f"add `audience = {line}` to the index's table in `tool.hatch.publish.trusted.repos`."
    )


def expected_of_it(audience: str, remedy: str) -> str:
    return f"the audience to be expected of it is '{audience}'. No identity was asked for. {remedy}"


CONFIGURED = find_index(Repository("company", "https://index.example/", audience="packages"))


@pytest.mark.parametrize(
    ("shown", "why", "index", "audience"),
    [
        pytest.param("testpypi", expected_of_it("pypi", NEVER), MAIN, "testpypi", id="pypi-answers-another"),
        pytest.param("PyPI", expected_of_it("pypi", NEVER), MAIN, "PyPI", id="pypi-in-capitals"),
        pytest.param("pypi", expected_of_it("testpypi", NEVER), TEST, "pypi", id="testpypi-answers-another"),
        pytest.param("upload.pypi.org", expected_of_it("pypi", NEVER), MAIN, "upload.pypi.org", id="pypi-answers-host"),
        pytest.param("package", expected_of_it("packages", CHANGED), CONFIGURED, "package", id="not-the-configured"),
        pytest.param("packages", expected_of_it("packages", CHANGED), CONFIGURED, "packages ", id="white-space"),
        pytest.param(
            "index.example", expected_of_it("packages", CHANGED), CONFIGURED, "index.example", id="host-but-configured"
        ),
        pytest.param("pypi", expected_of_it("packages", CHANGED), CONFIGURED, "pypi", id="reserved-but-configured"),
        pytest.param("pypi", OTHERS, COMPANY, "pypi", id="pypis"),
        pytest.param("testpypi", OTHERS, COMPANY, "testpypi", id="testpypis"),
        pytest.param("sigstore", OTHERS, COMPANY, "sigstore", id="sigstores"),
        pytest.param("PyPI", OTHERS, COMPANY, " PyPI\n", id="pypis-in-another-spelling"),
        pytest.param("pypi", OTHERS, find_index(Repository("company", "https://pypi/")), "pypi", id="host-called-pypi"),
        pytest.param("packages", not_its_own('"packages"'), COMPANY, "packages", id="any-text"),
        pytest.param(
            "https://evil.example", not_its_own('"https://evil.example"'), COMPANY, "https://evil.example", id="foreign"
        ),
        pytest.param(
            "sub.index.example", not_its_own('"sub.index.example"'), COMPANY, "sub.index.example", id="below-the-host"
        ),
        pytest.param("https://[: :1", not_its_own('"https://[: :1"'), COMPANY, "https://[::1", id="no-url"),
        pytest.param(
            "https://\u0456ndex.example",
            not_its_own('"https://\u0456ndex.example"'),
            COMPANY,
            "https://\u0456ndex.example",
            id="look-alike",
        ),
        pytest.param(
            "https://straße.example",
            not_its_own('"https://straße.example"', "strasse.example"),
            find_index(Repository("company", "https://strasse.example/")),
            "https://straße.example",
            id="two-readings",
        ),
        pytest.param(
            'a" ?[2J: :error: :',
            not_its_own('"a\\" ?[2J: :error: :"'),
            COMPANY,
            'a"\n\x1b[2J::error::',
            id="commands-for-the-log",
        ),
        pytest.param("a" * 199 + "…", not_its_own(f'"{"a" * 199}…"'), COMPANY, "a" * 1000, id="long"),
    ],
)
def test_foreign_audience(shown: str, why: str, index: Index, audience: str) -> None:
    """An audience that another service may take is refused, with the reason and the way out."""
    with pytest.raises(TrustError) as caught:
        trusted_audience(index, audience)
    expected = f"The index {index.name} asks for an identity token with the audience {shown!r}, but {why}"
    assert expected == str(caught.value)


RESERVED_LIKE = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", " ", "//", "https://", "\t", "\u200b", "@", "\ufeff", "."]),
    st.sampled_from(["pypi", "testpypi", "sigstore"]).flatmap(
        lambda name: st.tuples(*(st.sampled_from(spellings(char)) for char in name)).map("".join)
    ),
    st.sampled_from(["", " ", "\n", "/", ":443", "\0", ".", "#", "?"]),
)


def spellings(char: str) -> list[str]:
    """A letter, and what some reader or other takes for it."""
    full_width = chr(ord(char) - ord("a") + 0xFF41)
    return [
        char,
        char.upper(),
        full_width,
        {"i": "\u0131", "s": "\u017f", "y": "\u0443", "p": "\u0440"}.get(char, char),
    ]


@given(
    st.sampled_from(["index.example", "pypi", "testpypi", "sigstore", "pyp\u0131", "PYPI:8443"]),
    RESERVED_LIKE | st.text(max_size=20),
)
@example("pypi", "PYPI")
@example("pyp\u0131", "pyp\u0131")
@settings(deadline=None, max_examples=400)
def test_no_reserved_audience(host: str, audience: str) -> None:
    """No spelling of PyPI's, TestPyPI's or Sigstore's audience gets past, not even for a host of that name."""
    index = find_index(Repository("company", f"https://{host}/legacy/"))
    try:
        accepted = trusted_audience(index, audience)
    except TrustError:
        return
    assert unicodedata.normalize("NFKC", accepted).strip().upper() not in {"PYPI", "TESTPYPI", "SIGSTORE"}
    # GitLab's token for PyPI stands in a variable that is named after the audience.
    assert gitlab_variable(accepted) not in {"PYPI_ID_TOKEN", "TESTPYPI_ID_TOKEN", "SIGSTORE_ID_TOKEN"}
