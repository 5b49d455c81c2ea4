"""The token exchange: the requests, and the meaning of each recorded reply of PyPI."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import ExchangeError, IndexReadError, Message, TrustedPublishError, UploadError
from hatch_trusted_publish.http.messages import Reply, Request, message
from hatch_trusted_publish.index import mint_api as protocol
from hatch_trusted_publish.index.endpoints import Endpoints, Repository, find_index
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.index.simple_api import read_listing
from hatch_trusted_publish.index.upload_api import read_upload
from hatch_trusted_publish.secret import Secret
from tests.support.helpers import a_distribution
from tests.support.recordings import ENTRIES, brief_refusals, to

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
OWN = find_index(Repository("own", "https://index.test/x/legacy/"))
NOW = 1_000_000.0
PAGE = "https://status.python.org"
UNREAD = a_distribution("x-1-py3-none-any.whl")

AUDIENCES = {
    "audience/ok": "pypi",
    "audience/disabled": "exchange-failed",
    "audience/wrong-method-post": "exchange-failed",
    "audience/trailing-slash": "exchange-failed",
    "audience/trailing-slash/accept-json": "exchange-failed",
    "split-hosts/audience-on-web-host": "pypi",
    "split-hosts/audience-on-upload-host": "exchange-failed",
}
MINTED = {
    "mint/ok": 1795150911.0,
    "mint/ok-gitlab": 1795150913.0,
    "mint/ok-google": 1795150913.0,
    "mint/ok-activestate": 1795150913.0,
    "mint/ok-pending-publisher": 1795150914.0,
    "mint/ok-read-only-mode": 1795150914.0,
    "split-hosts/mint-on-web-host": 1795150923.0,
}
FAILED = {"mint/trailing-slash", "split-hosts/mint-on-upload-host", "mint/500-reused-jti-with-pending-publisher"}
OTHER_CODES = {
    "mint/invalid-payload-unknown-issuer": "unknown-issuer",
    "mint/invalid-payload-gitlab-self-managed": "unknown-issuer",
    "mint/invalid-payload-pending-prohibited-name": "pending-name-refused",
    "mint/invalid-payload-pending-similar-name": "pending-name-refused",
    "mint/invalid-payload-pending-stdlib-name": "pending-name-refused",
    "mint/invalid-payload-pending-registration-off": "not-enabled",
}
"""Recordings whose description says more than PyPI's code; all others are reported by that code."""


def refused(read: Callable[[], object]) -> Message:
    """Return the message of the error that *read* raises."""
    with pytest.raises(ExchangeError) as caught:
        read()
    return caught.value.message


def refusal(code: str, index: str, said: list[str]) -> Message:
    """Return a rejected exchange, before `identity.hints` adds to it."""
    facts = {"index": index, "said": said}
    return Message(code, reason=Message("refused-identity", **facts), more=None, **facts)


def code_or_value(read: Callable[[], object]) -> object:
    try:
        return read()
    except ExchangeError as error:
        return error.message.code


def test_recorded_audiences() -> None:
    """PyPI's reply about its audience yields the audience, or an error."""
    assert AUDIENCES == {
        name: code_or_value(partial(protocol.read_audience, ENTRIES[name].reply, MAIN))
        for name in to("/_/oidc/audience")
    }


def test_recorded_tokens() -> None:
    """PyPI's minted token becomes an upload token with an expiry time."""
    found = {name: protocol.read_mint(ENTRIES[name].reply, MAIN, NOW) for name in MINTED}
    sent = {name: json.loads(ENTRIES[name].reply.body)["token"] for name in MINTED}
    assert MINTED == {name: token.expires for name, token in found.items()}
    assert sent == {name: token.secret.reveal() for name, token in found.items()}


def test_recorded_refusals() -> None:
    """PyPI's rejection is an error with PyPI's code and words, or with a more specific code."""
    expected = {name: expected_refusal(name) for name in to("/_/oidc/mint") if name not in MINTED}
    assert expected == {name: refused(partial(protocol.read_mint, ENTRIES[name].reply, MAIN, NOW)) for name in expected}
    replies = {
        name: Reply(422, json.dumps({"errors": [{"code": code, "description": said}]}).encode())
        for name, code, said in brief_refusals()
    }
    assert {name: OTHER_CODES.get(name, code) for name, code, _ in brief_refusals()} == {
        name: refused(partial(protocol.read_mint, reply, MAIN, NOW)).code for name, reply in replies.items()
    }
    assert set() == {*MINTED, *FAILED, *OTHER_CODES} - {*to("/_/oidc/mint"), *replies}


def expected_refusal(name: str) -> Message:
    reply = ENTRIES[name].reply
    if name in FAILED:
        reason = Message("exchange-reply", index="PyPI", status=reply.status, said=message(reply))
        return Message("exchange-failed", index="PyPI", reason=reason, page=PAGE)
    [error] = json.loads(reply.body)["errors"]
    said = [f"{error['code']}: {reply.said(error['description'])}"]
    return refusal(OTHER_CODES.get(name, error["code"]), index="PyPI", said=said)


def test_all_errors_of_a_refusal() -> None:
    """PyPI can give several reasons: all are shown, and the first known one gives the code."""
    errors = [{"code": code, "description": "d."} for code in ("new-code", "invalid-token", "not-enabled")]
    found = refused(lambda: protocol.read_mint(Reply(422, json.dumps({"errors": errors}).encode()), OWN, NOW))
    expected = refusal("invalid-token", index="own", said=["new-code: d", "invalid-token: d", "not-enabled: d"])
    assert expected == found


def test_an_unknown_refusal() -> None:
    """A code that no recording has is quoted."""
    body = b'{"errors": [{"code": "new-code", "description": "unknown trusted publishing issuer"}]}'
    found = refused(lambda: protocol.read_mint(Reply(422, body), OWN, NOW))
    assert refusal("identity-refused", index="own", said=["new-code: unknown trusted publishing issuer"]) == found


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b'{"token": "t", "expires": 17}'), 17.0, id="number"),
        pytest.param(Reply(200, b'{"token": "t", "expires": 1.5e3}'), 1500.0, id="float"),
        pytest.param(Reply(200, b'{"token": "t"}'), NOW + 900, id="PEP 807: no expires"),
    ],
)
def test_mint_expires(reply: Reply, expected: float) -> None:
    """A token expires when the index says so, else after 900 seconds."""
    token = protocol.read_mint(reply, MAIN, NOW)
    assert ("t", expected) == (token.secret.reveal(), token.expires)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"success": true}', id="no token"),
        pytest.param(b'{"token": 17}', id="number"),
        pytest.param(b'{"token": ""}', id="blank"),
        pytest.param(b'{"token": "a b"}', id="space"),
        pytest.param(b'{"token": "a\\nb"}', id="line break"),
        pytest.param(b'{"token": "a\\nb\\n"}', id="line break at the end"),
        pytest.param(b'{"token": "\\u00fc"}', id="umlaut"),
        pytest.param(b'{"token": "\\u0000"}', id="NUL"),
        pytest.param(b'{"token": "' + b"x" * 16385 + b'"}', id="too long"),
        pytest.param(b'{"token": "t", "token": "u"}', id="twice"),
        pytest.param(b'{"token": "t", "expires": "soon"}', id="expires in words"),
        pytest.param(b'{"token": "t", "expires": null}', id="expires null"),
        pytest.param(b'{"token": "t", "expires": -1}', id="expires below zero"),
        pytest.param(b'{"token": "t", "expires": 1e999}', id="expires is infinite"),
        pytest.param(b'{"token": "t", "expires": 1' + b"0" * 400 + b"}", id="expires with 400 digits"),
    ],
)
def test_mint_without_a_usable_token(body: bytes) -> None:
    """A 200 whose token cannot be sent, or could break out of a header, is an error without that token."""
    with pytest.raises(ExchangeError) as caught:
        protocol.read_mint(Reply(200, body, "application/json"), MAIN, NOW)
    expected = Message("no-upload-token", reason=Message("reply-without-token", index="PyPI"))
    assert (expected, None) == (caught.value.message, caught.value.__context__)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(Reply(422, b'{"errors": []}', reason="Nope"), "Nope", id="no errors"),
        pytest.param(Reply(422, b'{"errors": "x"}'), "", id="errors a string"),
        pytest.param(Reply(422, b'{"errors": ["x"], "message": "m."}'), "m", id="errors of strings"),
        pytest.param(Reply(422, b'{"errors": [{"code": 1, "description": "d"}]}'), "", id="code 1"),
        pytest.param(Reply(422, b'{"errors": [{"code": "c"}]}'), "", id="no description"),
        pytest.param(Reply(422, b'{"errors": 7}'), "", id="errors a number"),
        pytest.param(Reply(307, b"", reason="Temporary Redirect"), "Temporary Redirect", id="redirect"),
        pytest.param(Reply(403, b'{"detail": "no"}'), "no", id="RFC 9457"),
    ],
)
def test_mint_refused_in_other_ways(reply: Reply, said: str) -> None:
    """A rejection that is not in PyPI's form is reported with its status and any words it has."""
    reason = Message("exchange-reply", index="PyPI", status=reply.status, said=said)
    expected = Message("exchange-failed", index="PyPI", reason=reason, page=PAGE)
    assert expected == refused(lambda: protocol.read_mint(reply, MAIN, NOW))


def test_an_index_without_an_exchange() -> None:
    """A 404 of an index that is not PyPI names the settings to check."""
    reason = Message("exchange-reply", index="own", status=404, said="")
    expected = Message("no-exchange", index="own", reason=reason, table="repos.own")
    assert expected == refused(lambda: protocol.read_mint(Reply(404, b""), OWN, NOW))
    assert expected == refused(lambda: protocol.read_audience(Reply(404, b""), OWN))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b'{"audience": "https://index.test/"}'), "https://index.test/", id="ok"),
        pytest.param(Reply(200, b'{"audience": ""}'), "no-audience", id="blank"),
        pytest.param(Reply(200, b'{"audience": ["pypi"]}'), "no-audience", id="list"),
        pytest.param(Reply(200, b"<html>"), "no-audience", id="HTML"),
        pytest.param(Reply(200, json.dumps({"audience": "\ufdfa" * 1001}).encode()), "no-audience", id="long"),
        pytest.param(Reply(500, b""), "exchange-failed", id="500"),
    ],
)
def test_read_audience(reply: Reply, expected: str) -> None:
    """An audience is a string of bounded length that is not blank."""
    assert expected == code_or_value(lambda: protocol.read_audience(reply, OWN))


def discovery(**changed: object) -> Reply:
    found = {"audience-endpoint": "https://index.test/a", "token-mint-endpoint": "https://index.test:8443/m", **changed}
    return Reply(200, json.dumps(found).encode(), "application/vnd.pypi.pytp.v1+json")


BOTH = Endpoints("https://index.test/a", "https://index.test:8443/m")
SINGLE = Endpoints("https://index.test/a", "https://index.test:8443/m", single_use=True)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(discovery(), BOTH, id="both"),
        pytest.param(discovery(features=["single-use-token"]), SINGLE, id="single use"),
        pytest.param(
            discovery(**{"default-features": ["single-use-token"], "features": ["x"]}), SINGLE, id="single by default"
        ),
        pytest.param(discovery(features=["single-use-token", "multi-use-token"]), BOTH, id="either use"),
        pytest.param(Reply(404, b"", "text/html"), None, id="404"),
        pytest.param(Reply(403, b"{}", "application/problem+json"), None, id="403"),
        pytest.param(Reply(301, b"", "text/html", location="https://elsewhere/"), None, id="redirect"),
        pytest.param(Reply(200, b"<html>", "text/html"), None, id="login page"),
        pytest.param(Reply(200, b"", ""), None, id="empty"),
        pytest.param(Reply(503, b""), "exchange-failed", id="503"),
        pytest.param(Reply(408, b""), "exchange-failed", id="408"),
        pytest.param(Reply(429, b""), "exchange-failed", id="429"),
        pytest.param(Reply(200, b"[]", "application/json"), "malformed-discovery", id="list"),
        pytest.param(Reply(200, b"{", "application/json"), "malformed-discovery", id="not JSON"),
        pytest.param(discovery(features="single-use-token"), "malformed-discovery", id="features a string"),
        pytest.param(discovery(features=[1]), "malformed-discovery", id="features of numbers"),
        pytest.param(discovery(**{"default-features": {}}), "malformed-discovery", id="default features an object"),
    ],
)
def test_discovery(reply: Reply, expected: Endpoints | str | None) -> None:
    """PEP 807's reply is read; other indexes are tried with PyPI's paths; a malformed reply is an error."""
    assert expected == code_or_value(lambda: protocol.read_discovery(reply, OWN))


@pytest.mark.parametrize("key", ["audience-endpoint", "token-mint-endpoint"])
@pytest.mark.parametrize("url", [None, 7, "https://evil.test/x", "http://index.test/x", "//index.test/x"])
def test_discovery_of_foreign_endpoints(key: str, url: object) -> None:
    """An endpoint that is on another host, has no TLS, or is not a URL is rejected by its key."""
    found = refused(lambda: protocol.read_discovery(discovery(**{key: url}), OWN))
    assert ("untrusted-endpoint", key) == (found.code, found.facts["key"])


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
def test_ask_discovery(url: str, upload_url: str) -> None:
    """PEP 807: scheme and authority of the upload URL, its path as the query, and a media type of its own."""
    request = protocol.ask_discovery(find_index(Repository("company", upload_url)))
    assert (url, "application/vnd.pypi.pytp.v1+json") == (request.url, request.accept)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(protocol.ask_audience(MAIN, BOTH), ("asking-audience", BOTH.audience, 4, ""), id="audience"),
        pytest.param(protocol.ask_mint(MAIN, BOTH, Secret("id")), ("minting", BOTH.mint, 4, "id"), id="mint"),
        pytest.param(
            protocol.ask_burn(MAIN, "https://pypi.org/b", UploadToken(Secret("up"), 1)),
            ("burning", "https://pypi.org/b", 1, "up"),
            id="burn",
        ),
    ],
)
def test_small_requests(request_: Request, expected: tuple[str, str, int, str]) -> None:
    """Each small request has this method, URL and number of tries."""
    sent = "" if request_.token is None else request_.token.reveal()
    assert expected == (request_.purpose.code, request_.url, request_.tries, sent)


SECRET = (Secret("sesame"),)


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(
            lambda: protocol.read_mint(Reply(403, b"bad sesame", "text/plain", secrets=SECRET), OWN, NOW), id="mint"
        ),
        pytest.param(
            lambda: protocol.read_mint(
                Reply(422, b'{"errors": [{"code": "sesame", "description": "no sesame."}]}', secrets=SECRET), OWN, NOW
            ),
            id="mint, by its code",
        ),
        pytest.param(
            lambda: read_upload(Reply(400, b'{"code": "400 no sesame"}', secrets=SECRET), UNREAD, OWN), id="upload"
        ),
    ],
)
def test_a_secret_that_is_repeated(read: Callable[[], object]) -> None:
    """An index that repeats a token in its rejection does not get it into an error."""
    with pytest.raises(TrustedPublishError) as caught:
        read()
    assert "sesame" not in repr(caught.value.message)
    assert "***" in str(caught.value)


JSON_BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["audience", "token", "expires", "errors", "code", "description", "message", "features"])
            | st.sampled_from(["default-features", "audience-endpoint", "token-mint-endpoint", "title", "detail"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("read", "documented"),
    [
        pytest.param(lambda reply: protocol.read_audience(reply, OWN), ExchangeError, id="audience"),
        pytest.param(lambda reply: protocol.read_mint(reply, OWN, NOW), ExchangeError, id="mint"),
        pytest.param(lambda reply: protocol.read_discovery(reply, OWN), ExchangeError, id="discovery"),
        pytest.param(lambda reply: read_upload(reply, UNREAD, OWN), UploadError, id="upload"),
        pytest.param(lambda reply: read_listing(reply, OWN, "sample"), IndexReadError, id="listing"),
    ],
)
@given(
    st.sampled_from([200, 201, 301, 400, 404, 409, 422, 429, 500, 599]),
    st.binary(max_size=100) | JSON_BODIES.map(json.dumps).map(str.encode),
    st.sampled_from(["application/json", "application/vnd.pypi.pytp.v1+json", "text/plain", "text/html", ""]),
    st.text(max_size=10),
)
@settings(max_examples=150, deadline=None)
def test_any_reply_is_a_value_or_a_documented_error(
    read: Callable[[Reply], object],
    documented: type[TrustedPublishError],
    status: int,
    body: bytes,
    media_type: str,
    reason: str,
) -> None:
    """Whatever an index answers, each reader returns its value or raises its own error, whose words are printable."""
    raised: Exception | None = None
    try:
        read(Reply(status, body, media_type, reason))
    except TrustedPublishError as error:
        raised = error
    assert raised is None or (isinstance(raised, documented) and str(raised).isprintable())
