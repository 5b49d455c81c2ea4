"""Where anything may be sent, and whose an audience is."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.index.origins import host_of, is_loopback, reserved_audience, shown_url, url_problem

CREDENTIALS = (
    "a URL with a user name or password in it is refused: trusted publishing needs neither, "
    "remove the part before the @"
)


def not_printable(shown: str) -> str:
    return f"{shown!r} is not a URL: it holds white space, control characters or a backslash"


def no_url(shown: str) -> str:
    return f"{shown!r} is not a URL"


def two_readings(shown: str) -> str:
    return f"{shown!r} is not a URL that is read in one way only: write its host in the ASCII form, xn--…"


def not_https(shown: str) -> str:
    return f"{shown!r} is not a URL that begins with https://"


def in_the_clear(shown: str) -> str:
    return f"{shown!r} is refused: http:// would show the upload token to the network, use https://"


def has_query(shown: str) -> str:
    return f"{shown!r} is refused: the URL of an index has no ? or # part"


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
        pytest.param("https://bücher.example/", id="other-letters"),
        pytest.param("https://xn--bcher-kva.example/", id="a-label"),
        pytest.param("http://localhost/", id="http-localhost"),
        pytest.param("http://LOCALHOST:8080/", id="http-localhost-in-capitals"),
        pytest.param("http://index.localhost/", id="http-under-localhost"),
        pytest.param("http://127.0.0.1:3141/root/dev/", id="http-ipv4-loopback"),
        pytest.param("http://127.8.9.10/", id="http-elsewhere-in-127"),
        pytest.param("http://[::1]:8080/", id="http-ipv6-loopback"),
    ],
)
def test_url_is_fine(url: str) -> None:
    """HTTPS goes anywhere, HTTP no further than this machine."""
    assert url_problem(url) is None


@pytest.mark.parametrize(
    ("problem", "url"),
    [
        pytest.param(CREDENTIALS, "https://user:hunter2@index.example/", id="user-and-password"),
        pytest.param(CREDENTIALS, "https://user@index.example/", id="user"),
        pytest.param(CREDENTIALS, "https://@index.example/", id="empty-user"),
        pytest.param(CREDENTIALS, "https://upload.pypi.org@evil.example/legacy/", id="user-that-looks-like-a-host"),
        pytest.param(CREDENTIALS, "http://localhost@evil.example/", id="user-that-looks-like-loopback"),
        pytest.param(CREDENTIALS, "https://u:p@ss@index.example/", id="password-with-an-at-sign"),
        pytest.param(in_the_clear("http://index.example/"), "http://index.example/", id="http"),
        pytest.param(in_the_clear("HTTP://index.example/"), "HTTP://index.example/", id="http-in-capitals"),
        pytest.param(in_the_clear("http://10.0.0.1/"), "http://10.0.0.1/", id="http-in-a-private-network"),
        pytest.param(in_the_clear("http://0.0.0.0/"), "http://0.0.0.0/", id="http-any-address"),
        pytest.param(in_the_clear("http://localhost.example/"), "http://localhost.example/", id="http-like-localhost"),
        pytest.param(in_the_clear("http://notlocalhost/"), "http://notlocalhost/", id="http-ends-in-localhost"),
        pytest.param(in_the_clear("http://127.0.0.1.example/"), "http://127.0.0.1.example/", id="http-like-loopback"),
        pytest.param(in_the_clear("http://2130706433/"), "http://2130706433/", id="http-loopback-as-a-number"),
        pytest.param(in_the_clear("http://0x7f.1/"), "http://0x7f.1/", id="http-loopback-in-hex"),
        pytest.param(in_the_clear("http://[2001:db8: :1]/"), "http://[2001:db8::1]/", id="http-ipv6"),
        pytest.param(has_query("https://index.example/?a=b"), "https://index.example/?a=b", id="query"),
        pytest.param(has_query("https://index.example/?"), "https://index.example/?", id="empty-query"),
        pytest.param(has_query("https://index.example/#a"), "https://index.example/#a", id="fragment"),
        pytest.param(has_query("https://index.example#"), "https://index.example#", id="empty-fragment"),
        pytest.param(not_printable("https://in dex.example/"), "https://in dex.example/", id="space"),
        pytest.param(not_printable("https://index.example/ a"), "https://index.example/\ta", id="tab"),
        pytest.param(not_printable("https://index .example/"), "https://index\n.example/", id="line-end"),
        pytest.param(not_printable("https://index.example?/"), "https://index.example\0/", id="null"),
        pytest.param(not_printable("https://index?.example/"), "https://index\u200b.example/", id="no-width"),
        pytest.param(not_printable("?https://index.example"), "\u202ehttps://index.example", id="right-to-left"),
        pytest.param(
            not_printable("//***@evil.example/"),
            "https://index.example\\@evil.example/",
            id="backslash",
        ),
        pytest.param(not_printable("https:\\\\index.example"), "https:\\\\index.example", id="only-backslashes"),
        pytest.param(not_printable("//***@index.example/"), "https://user:hun ter2@index.example/", id="no-leak"),
        pytest.param(not_https(""), "", id="empty"),
        pytest.param(not_https("index.example/legacy/"), "index.example/legacy/", id="no-scheme"),
        pytest.param(not_https("//index.example/"), "//index.example/", id="scheme-left-out"),
        pytest.param(not_https("https:///legacy/"), "https:///legacy/", id="no-host"),
        pytest.param(not_https("https://:443/"), "https://:443/", id="port-alone"),
        pytest.param(not_https("https:index.example"), "https:index.example", id="no-slashes"),
        pytest.param(not_https("ftp://index.example/"), "ftp://index.example/", id="ftp"),
        pytest.param(not_https("file:///etc/passwd"), "file:///etc/passwd", id="file"),
        pytest.param(not_https("javascript:alert(1)"), "javascript:alert(1)", id="javascript"),
        pytest.param(no_url("https://index.example:a/"), "https://index.example:a/", id="port-of-letters"),
        pytest.param(no_url("https://index.example:99999/"), "https://index.example:99999/", id="port-too-high"),
        pytest.param(no_url("https://[: :1/"), "https://[::1/", id="ipv6-left-open"),
        pytest.param(no_url("https://[index.example]/"), "https://[index.example]/", id="name-in-brackets"),
        pytest.param(two_readings("https://straße.example/"), "https://straße.example/", id="sharp-s"),
        pytest.param(two_readings("https://βόλος.example/"), "https://βόλος.example/", id="final-sigma"),
        pytest.param(two_readings("https://index。example/"), "https://index。example/", id="ideographic-full-stop"),
        pytest.param(two_readings("https://\uff50ypi.org/"), "https://\uff50ypi.org/", id="full-width-letter"),
        pytest.param(two_readings(f"https://{'ü' * 60}.example/"), f"https://{'ü' * 60}.example/", id="label-too-long"),
        pytest.param(
            two_readings("https://index.example\uff0fa"), "https://index.example\uff0fa", id="full-width-slash"
        ),
        pytest.param(has_query("//***@b/?c"), "https://index.example/a@b/?c", id="at-sign-in-the-path-and-a-query"),
    ],
)
def test_url_problem(problem: str, url: str) -> None:
    """What nothing may be sent to is refused with the reason, and a password in it is not repeated."""
    assert problem == url_problem(url)


@pytest.mark.parametrize(
    ("shown", "url"),
    [
        ("https://index.example/", "https://index.example/"),
        ("//***@index.example/", "https://user:hunter2@index.example/"),
        ("//***@index.example/", "user:hunter2@index.example/"),
        ("//***@index.example/", "https://user:hunt@er2@index.example/"),
        ("https://index.example/?[31m", "https://index.example/\x1b[31m"),
    ],
)
def test_shown_url(shown: str, url: str) -> None:
    """A message never shows what stands before an at sign."""
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
    """Hosts are compared without ports, in lower case, as A-labels: a look-alike shows what it is."""
    assert host == host_of(url)


@given(URLS)
@settings(deadline=None, max_examples=300)
def test_total(url: str) -> None:
    """Any text is judged; the host alone may have no answer, as a ValueError."""
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
    """The host that the rules compare is the one that httpx connects to, or httpx refuses the URL."""
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
def test_password_is_never_told(password: str, junk: str, scheme: str) -> None:
    """However broken a URL is, what stands before its last at sign is not in the message."""
    password = f"hunter2{password}"
    told = url_problem(f"{scheme}user:{password}{junk}@index.example/")
    assert told is None or "hunter2" not in told


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        (True, "localhost"),
        (True, "a.b.localhost"),
        (True, "127.0.0.1"),
        (True, "127.255.255.254"),
        (True, "::1"),
        (True, "0:0:0:0:0:0:0:1"),
        (False, "localhost.example"),
        (False, "mylocalhost"),
        (False, "128.0.0.1"),
        (False, "0.0.0.0"),
        (False, "::"),
        (False, "127.1"),
        (False, "index.example"),
        (False, ""),
    ],
)
def test_loopback(expected: bool, host: str) -> None:
    """This machine is known by its names and addresses, and by nothing that resembles them."""
    assert expected is is_loopback(host)


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
def test_reserved_audience(expected: bool, audience: str) -> None:
    """The audiences of PyPI, TestPyPI and Sigstore are known in any spelling."""
    assert expected is reserved_audience(audience)
