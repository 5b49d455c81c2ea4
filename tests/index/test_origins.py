"""Where a request may go, and which audience an index may ask for."""

from __future__ import annotations

import unicodedata

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import ExchangeError, Message
from hatch_trusted_publish.identity.ambient import gitlab_variable
from hatch_trusted_publish.index.endpoints import Index, Repository, find_index, rehearsal_index
from hatch_trusted_publish.index.origins import (
    host_of,
    is_reserved,
    public_url,
    shown_url,
    trusted_audience,
    trusted_endpoint,
    url_problem,
)

COMPANY = find_index(Repository("company", "https://index.example/team/legacy/"))
MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
TEST = find_index(Repository("test", "https://test.pypi.org/legacy/"))

HARD_PIECES = [
    *("https://", "http://", "HTTPS://", "https:", "//", "/", "@", ":", "[", "]", "\\", "\t", "\n", " ", "?", "#", ";"),
    *("index.example", "evil.example", "localhost", "127.0.0.1", "::1", "fe80::1%eth0", "v1.a", "xn--", "xn--ypi-zed"),
    *(
        "443",
        "99999",
        "٣",
        "user",
        "..",
        ".",
        "%2e",
        "%40",
        "^",
        "ß",
        "ς",
        "é",
        "e\u0301",
        "İ",
        "\u0131",
        "\u212a",
        "。",
    ),
    *("\uff0e", "\uff20", "\uff0f", "℀", "\u200d", "\u202e", "\ud800", "\u0440ypi", "a" * 64, "ü" * 60),
]
URLS = (
    st.text(max_size=40)
    | st.lists(st.sampled_from(HARD_PIECES), max_size=8).map("".join)
    | st.lists(st.sampled_from(HARD_PIECES), max_size=6).map(lambda pieces: "https://" + "".join(pieces))
)

LIKELY_URLS = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["https://", "HTTPS://", "http://"]),
    st.text("aAxn-.1ßéÉς\u0131İ\u212a。ü漢\u0440", min_size=1, max_size=12)
    | st.sampled_from(["[::1]", "[2001:DB8::1]", "127.0.0.1", "localhost"]),
    st.sampled_from(["", ":", ":443", ":80", ":8443"]),
    st.sampled_from(["", "/", "/legacy/", "/a@b:c/", "//c", "/%2e%2e/", "/é"]),
)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://index.example/legacy/", id="https"),
        pytest.param("https://index.example", id="no-path"),
        pytest.param("HTTPS://INDEX.EXAMPLE/", id="capitals"),
        pytest.param("https://index.example:8443/legacy/", id="port"),
        pytest.param("https://index.example:/legacy/", id="empty-port"),
        pytest.param("https://index.example/@team/legacy/", id="at-sign-in-the-path"),
        pytest.param("https://[2001:db8::1]:8443/", id="ipv6"),
        pytest.param("https://bücher.example/", id="non-latin-letters"),
        pytest.param("https://xn--bcher-kva.example/", id="a-label"),
        pytest.param("http://localhost/", id="http-localhost"),
        pytest.param("http://LOCALHOST:8080/", id="http-localhost-in-capitals"),
        pytest.param("http://127.0.0.1:3141/root/dev/", id="http-ipv4-loopback"),
        pytest.param("http://127.8.9.10/", id="http-elsewhere-in-127"),
        pytest.param("http://[::1]:8080/", id="http-ipv6-loopback"),
    ],
)
def test_url_is_fine(url: str) -> None:
    """HTTPS may go anywhere, HTTP only to this machine."""
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("code", "url"),
    [
        pytest.param("url-with-user", "https://user:hunter2@index.example/", id="user-and-password"),
        pytest.param("url-with-user", "https://user@index.example/", id="user"),
        pytest.param("url-with-user", "https://@index.example/", id="empty-user"),
        pytest.param("url-with-user", "https://upload.pypi.org@evil.example/legacy/", id="user-that-looks-like-a-host"),
        pytest.param("url-with-user", "http://localhost@evil.example/", id="user-that-looks-like-loopback"),
        pytest.param("url-with-user", "https://u:p@ss@index.example/", id="password-with-an-at-sign"),
        pytest.param("plain-http", "http://index.example/", id="http"),
        pytest.param("plain-http", "HTTP://index.example/", id="http-in-capitals"),
        pytest.param("plain-http", "http://10.0.0.1/", id="http-in-a-private-network"),
        pytest.param("plain-http", "http://index.localhost/", id="http-under-localhost"),
        pytest.param("plain-http", "http://0.0.0.0/", id="http-any-address"),
        pytest.param("plain-http", "http://localhost.example/", id="http-like-localhost"),
        pytest.param("plain-http", "http://notlocalhost/", id="http-ends-in-localhost"),
        pytest.param("plain-http", "http://127.0.0.1.example/", id="http-like-loopback"),
        pytest.param("plain-http", "http://2130706433/", id="http-loopback-as-a-number"),
        pytest.param("plain-http", "http://0x7f.1/", id="http-loopback-in-hex"),
        pytest.param("plain-http", "http://[2001:db8::1]/", id="http-ipv6"),
        pytest.param("url-with-query", "https://index.example/?a=b", id="query"),
        pytest.param("url-with-query", "https://index.example/?", id="empty-query"),
        pytest.param("url-with-query", "https://index.example/#a", id="fragment"),
        pytest.param("url-with-query", "https://index.example#", id="empty-fragment"),
        pytest.param("url-with-odd-characters", "https://in dex.example/", id="space"),
        pytest.param("url-with-odd-characters", "https://index.example/\ta", id="tab"),
        pytest.param("url-with-odd-characters", "https://index\n.example/", id="line-end"),
        pytest.param("url-with-odd-characters", "https://index.example\0/", id="null"),
        pytest.param("url-with-odd-characters", "https://index\u200b.example/", id="zero-width"),
        pytest.param("url-with-odd-characters", "\u202ehttps://index.example", id="right-to-left"),
        pytest.param(
            "url-with-odd-characters",
            "https://index.example\\@evil.example/",
            id="backslash",
        ),
        pytest.param("url-with-odd-characters", "https:\\\\index.example", id="only-backslashes"),
        pytest.param("url-with-odd-characters", "https://user:hun ter2@index.example/", id="no-leak"),
        pytest.param("no-https-url", "", id="empty"),
        pytest.param("no-https-url", "index.example/legacy/", id="no-scheme"),
        pytest.param("no-https-url", "//index.example/", id="scheme-left-out"),
        pytest.param("no-https-url", "https:///legacy/", id="no-host"),
        pytest.param("no-https-url", "https://:443/", id="port-alone"),
        pytest.param("no-https-url", "https:index.example", id="no-slashes"),
        pytest.param("no-https-url", "ftp://index.example/", id="ftp"),
        pytest.param("no-https-url", "file:///etc/passwd", id="file"),
        pytest.param("no-https-url", "javascript:alert(1)", id="javascript"),
        pytest.param("malformed-url", "https://index.example:a/", id="port-of-letters"),
        pytest.param("malformed-url", "https://index.example:99999/", id="port-too-high"),
        pytest.param("malformed-url", "https://[::1/", id="ipv6-left-open"),
        pytest.param("malformed-url", "https://[index.example]/", id="name-in-brackets"),
        pytest.param("ambiguous-url", "https://straße.example/", id="sharp-s"),
        pytest.param("ambiguous-url", "https://βόλος.example/", id="final-sigma"),
        pytest.param("ambiguous-url", "https://index。example/", id="ideographic-full-stop"),
        pytest.param("ambiguous-url", "https://\uff50ypi.org/", id="full-width-letter"),
        pytest.param("ambiguous-url", f"https://{'ü' * 60}.example/", id="label-too-long"),
        pytest.param("ambiguous-url", "https://index.example\uff0fa", id="full-width-slash"),
        pytest.param("url-with-query", "https://index.example/a@b/?c", id="at-sign-in-the-path-and-a-query"),
    ],
)
def test_url_problem(code: str, url: str) -> None:
    """A URL that no request may use is refused with the reason; the message omits what may be a secret."""
    assert Message(code, url=shown_url(url)) == url_problem(url)


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("https://index.example/", "https://index.example/"),
        ("//***@index.example/", "https://user:hunter2@index.example/"),
        ("//***@index.example/", "user:hunter2@index.example/"),
        ("//***@index.example/", "https://user:hunt@er2@index.example/"),
        ("https://index.example/?…", "https://index.example/?token=sesame"),
        ("https://index.example/#…", "https://index.example/#sesame?a"),
        ("https://index.example/?", "https://index.example/?"),
        ("//***@index.example/?…", "https://user:a?b@index.example/?token=sesame\nb"),
    ],
)
def test_shown_url(shown: str, url: str) -> None:
    """A message never shows the part before an at sign, or after a ? or #."""
    assert shown == shown_url(url)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("index.example", "https://index.example/legacy/"),
        ("index.example", "https://INDEX.Example:8443"),
        ("index.example", "//index.example"),
        ("xn--bcher-kva.example", "https://bücher.example/"),
        ("xn--bcher-kva.example", "https://BÜCHER.example/"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example/"),
        ("xn--ypi-zed.org", "https://\u0440ypi.org/"),  # the first letter is Cyrillic
        ("::1", "http://[::1]:8080/"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("", "no host"),
        ("", ""),
    ],
)
def test_host_of(host: str, url: str) -> None:
    """Hosts are compared without ports, in lower case, as A-labels, so a look-alike differs visibly."""
    assert host == host_of(url)


@given(URLS)
@settings(deadline=None, max_examples=300)
def test_total(url: str) -> None:
    """Any string has an answer; only the host may raise a ValueError instead."""
    problem = url_problem(url)
    try:
        host = host_of(url)
    except ValueError:
        assert problem is not None
    else:
        assert host.isascii()
        assert problem is not None or host


@given(URLS | LIKELY_URLS)
@example("https://straße.example/")
@example("https://index.example\u3002evil.example/")
@example("https://bücher.example:8443/")
@example("http://[::1]:80/")
@settings(deadline=None, max_examples=400)
def test_one_reading(url: str) -> None:
    """The rules compare the host that httpx connects to, unless httpx rejects the URL."""
    if url_problem(url) is not None:
        return
    host = host_of(url)
    try:
        asked = httpx.URL(url)
    except httpx.InvalidURL:
        return
    compared = httpx.URL(f"https://[{host}]/" if ":" in host else f"https://{host}/")
    assert compared.raw_host.lower() == asked.raw_host.lower()


@given(
    st.text("abcPYI0123456789-_.~!%ü", min_size=1, max_size=20),
    st.text("abc:/?#[]\\ .", max_size=20),
    st.sampled_from(["https://", "http://", "", "ssh://"]),
)
@settings(deadline=None, max_examples=200)
def test_password_is_never_shown(password: str, junk: str, scheme: str) -> None:
    """However broken a URL is, the message omits the part before its last at sign."""
    password = f"hunter2{password}"
    problem = url_problem(f"{scheme}user:{password}{junk}@index.example/")
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize(
    ("expected", "audience"),
    [
        *((True, audience) for audience in ("pypi", "testpypi", "sigstore", "PyPI", "TESTPYPI", "SigStore")),
        (True, " pypi\n"),
        (True, "\uff50\uff59\uff50\uff49"),  # full width
        (True, "pyp\u0131"),  # an i without a dot: PYPI_ID_TOKEN is GitLab's variable for it
        (True, "\u017figstore"),  # a long s
        (False, ""),
        (False, "mypypi"),
        (False, "pypi.example"),
        (False, "https://pypi"),
        (False, "py pi"),
    ],
)
def test_is_reserved(expected: bool, audience: str) -> None:
    """The audiences of PyPI, TestPyPI and Sigstore are recognized in any spelling."""
    assert expected is is_reserved(audience)


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
    """An endpoint on the index's own host is used as it is."""
    assert url == trusted_endpoint(find_index(Repository("company", upload_url)), "token-mint-endpoint", url)


ELSEWHERE = "endpoint-on-another-host"


@pytest.mark.parametrize(
    ("problem", "url"),
    [
        pytest.param("no-endpoint", None, id="missing"),
        pytest.param("no-endpoint", ["https://index.example/mint"], id="list"),
        pytest.param("no-endpoint", 5, id="number"),
        pytest.param("no-https-url", "", id="empty"),
        pytest.param("no-https-url", "/mint", id="relative"),
        pytest.param(ELSEWHERE, "https://evil.example/mint", id="another-host"),
        pytest.param(ELSEWHERE, "https://sub.index.example/mint", id="below-the-host"),
        pytest.param(ELSEWHERE, "https://index.example.evil.example/mint", id="starts-like-the-host"),
        pytest.param(ELSEWHERE, "https://\u0456ndex.example/mint", id="look-alike"),
        pytest.param(ELSEWHERE, "http://127.0.0.1/mint", id="this-machine"),
        pytest.param("plain-http", "http://index.example/mint", id="downgrade"),
        pytest.param("url-with-user", "https://index.example@evil.example/mint", id="user-that-looks-like-the-host"),
        pytest.param("url-with-odd-characters", "https://evil.example\\.index.example/mint", id="backslash"),
        pytest.param("url-with-odd-characters", "https://index.example\n\x1b[2J::error::/mint", id="commands"),
    ],
)
def test_foreign_endpoint(problem: str, url: object) -> None:
    """An endpoint that could lead the identity elsewhere is refused, with its key, the reason and the table."""
    with pytest.raises(ExchangeError) as caught:
        trusted_endpoint(COMPANY, "token-mint-endpoint", url)
    facts = caught.value.message.facts
    assert ("untrusted-endpoint", problem) == (caught.value.message.code, facts["problem"].code)
    assert ("company", "token-mint-endpoint", "repos.company") == (facts["index"], facts["key"], facts["table"])


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
    """Whatever an index answers: httpx connects to the host of the upload URL, or the endpoint is refused."""
    index = find_index(Repository("company", upload_url))
    try:
        accepted = trusted_endpoint(index, "audience-endpoint", url)
    except ExchangeError:
        # Correct endpoints are not refused.
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
    """An index may ask for the configured audience, or for its own name."""
    assert audience == trusted_audience(index, audience)


CONFIGURED = find_index(Repository("company", "https://index.example/", audience="packages"))


@pytest.mark.parametrize(
    ("code", "index", "audience"),
    [
        pytest.param("wrong-audience-of-pypi", MAIN, "testpypi", id="pypi-answers-another"),
        pytest.param("wrong-audience-of-pypi", MAIN, "PyPI", id="pypi-in-capitals"),
        pytest.param("wrong-audience-of-pypi", TEST, "pypi", id="testpypi-answers-another"),
        pytest.param("wrong-audience-of-pypi", MAIN, "upload.pypi.org", id="pypi-answers-host"),
        pytest.param("unexpected-audience", CONFIGURED, "package", id="not-the-configured"),
        pytest.param("unexpected-audience", CONFIGURED, "packages ", id="white-space"),
        pytest.param("unexpected-audience", CONFIGURED, "index.example", id="host-but-configured"),
        pytest.param("unexpected-audience", CONFIGURED, "pypi", id="reserved-but-configured"),
        pytest.param("reserved-audience", COMPANY, "pypi", id="pypis"),
        pytest.param("reserved-audience", COMPANY, "testpypi", id="testpypis"),
        pytest.param("reserved-audience", COMPANY, "sigstore", id="sigstores"),
        pytest.param("reserved-audience", COMPANY, " PyPI\n", id="pypis-in-another-spelling"),
        pytest.param("reserved-audience", find_index(Repository("c", "https://pypi/")), "pypi", id="host-called-pypi"),
        pytest.param("foreign-audience", COMPANY, "packages", id="any-string"),
        pytest.param("foreign-audience", COMPANY, "https://evil.example", id="foreign"),
        pytest.param("foreign-audience", COMPANY, "sub.index.example", id="below-the-host"),
        pytest.param("foreign-audience", COMPANY, "https://[::1", id="malformed"),
        pytest.param("foreign-audience", COMPANY, "https://\u0456ndex.example", id="look-alike"),
        pytest.param("foreign-audience", COMPANY, "https://evil.example\\@index.example/", id="backslash"),
        pytest.param("foreign-audience", COMPANY, "https://evil.example@index.example/", id="user"),
        pytest.param("foreign-audience", COMPANY, "https://index.example\t/", id="tab"),
        pytest.param("foreign-audience", COMPANY, "\ufdfa" * 100_000, id="one-ligature-many-times"),
        pytest.param(
            "foreign-audience",
            find_index(Repository("company", "https://strasse.example/")),
            "https://straße.example",
            id="two-readings",
        ),
    ],
)
def test_foreign_audience(code: str, index: Index, audience: str) -> None:
    """An audience that another service may accept is refused."""
    with pytest.raises(ExchangeError) as caught:
        trusted_audience(index, audience)
    facts = caught.value.message.facts
    assert (code, index.title, audience) == (caught.value.message.code, facts["index"], facts["audience"])


def test_the_line_for_a_foreign_audience() -> None:
    """The line to add to the workflow is quoted, of bounded length, and ready to paste."""
    with pytest.raises(ExchangeError) as caught:
        trusted_audience(COMPANY, "$(a)" + "c" * 1000)
    facts = caught.value.message.facts
    line = f"-r https://index.example/team/legacy/ -o 'audience=$(a){'c' * 196}'"
    assert (line, "index.example", "repos.company") == (facts["line"], facts["host"], facts["table"])


@pytest.mark.parametrize(
    ("expected", "url"),
    [
        ("https://h.example/a.whl", "https://h.example/a.whl"),
        ("https://h.example:8443/a.whl", "https://user:sesame@h.example:8443/a.whl?token=sesame#sesame"),
        ("http://h.example/a.whl", "http://h.example/a.whl"),
        (None, "ftp://h.example/a.whl"),
        (None, "a.whl"),
        (None, "https://h.example/\U0001f600"),
        (None, "https://h.example/\ud800"),
        (None, "https://h.example/a b"),
        (None, "https://h.example/" + "a" * 2000),
        (None, "https://[x"),
    ],
)
def test_public_url(expected: str | None, url: str) -> None:
    """A URL from an index is kept without what may be a secret, and only if it is plain ASCII."""
    assert expected == public_url(url)


RESERVED_LIKE = st.builds(
    "{}{}{}".format,
    st.sampled_from(["", " ", "//", "https://", "\t", "\u200b", "@", "\ufeff", "."]),
    st.sampled_from(["pypi", "testpypi", "sigstore"]).flatmap(
        lambda name: st.tuples(*(st.sampled_from(spellings(char)) for char in name)).map("".join)
    ),
    st.sampled_from(["", " ", "\n", "/", ":443", "\0", ".", "#", "?"]),
)


def spellings(char: str) -> list[str]:
    """Return a letter and its look-alikes, as some readers normalize them."""
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
    """No spelling of PyPI's, TestPyPI's or Sigstore's audience passes, not even for a host of that name."""
    index = find_index(Repository("company", f"https://{host}/legacy/"))
    try:
        accepted = trusted_audience(index, audience)
    except ExchangeError:
        return
    assert unicodedata.normalize("NFKC", accepted).strip().upper() not in {"PYPI", "TESTPYPI", "SIGSTORE"}
    # GitLab's variable with the token for PyPI is named after the audience.
    assert gitlab_variable(accepted) not in {"PYPI_ID_TOKEN", "TESTPYPI_ID_TOKEN", "SIGSTORE_ID_TOKEN"}
