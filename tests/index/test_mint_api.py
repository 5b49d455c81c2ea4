from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import (
    ExchangeError,
    IndexReadError,
    Message,
    TrustedPublishError,
    TrustError,
    UploadError,
)
from hatch_trusted_publish.http.messages import Reply, Request
from hatch_trusted_publish.index import simple_api as simple
from hatch_trusted_publish.index import upload_api as protocol
from hatch_trusted_publish.index.endpoints import Endpoints, find_index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.index.upload_api import UploadToken
from hatch_trusted_publish.secret import Secret
from tests.support.helpers import a_distribution, make_wheel
from tests.support.recordings import ENTRIES, brief_refusals, to

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
OWN = find_index(Repository("own", "https://index.test/x/legacy/"))
NOW = 1_000_000.0
UNREAD = a_distribution("x-1-py3-none-any.whl")
"""Of no file: what an index says of it does not depend on one."""

AGAIN = (
    "That is on the index's side; nothing is lost. Run the same command again later, and look at "
    "https://status.python.org if the index is PyPI."
)
NO_EXCHANGE = (
    "If this index has it elsewhere, name `audience-endpoint` and `token-mint-endpoint` in the index's table in "
    "`tool.hatch.publish.trusted.repos`; if it has none, this publisher cannot be used with it."
)
NOT_READ = (
    "What the CI gave is not a token that this index can read. If it came by `identity-variable`, check what the job "
    "puts there."
)
NOT_ACCEPTED = (
    "main refused the identity: invalid-token (malformed or invalid token). The token's signature, audience or time was "
    "not accepted. Run the job again; if it persists, the clock of the runner may be wrong, or `identity-variable` may "
    "hold a token made for another index."
)
NO_PUBLISHER = (
    "main refused the identity: invalid-publisher (valid token, but no corresponding publisher (Publisher with matching "
    "claims was not found)). No publisher on the index matches what the CI says of this job. Compare, letter by letter, "
    "the project name, the owner, the repository, the workflow's file name and the environment of the publisher in the "
    "project's settings on the index with those of this job: an environment that the publisher names has to be the one of "
    "the job."
)
NO_NAME = (
    "The index will not create the project that its pending publisher names. Choose another name there and in "
    "pyproject.toml, or ask the index's support."
)
FILE = "dist/sample-1.0-py3-none-any.whl"
CORRECT = "Correct what the index objects to, build again and run the same command."
CORE = "See https://packaging.python.org/specifications/core-metadata for more information"
NO_UPLOADS = (
    "The index takes no uploads at this address, and none is sent on to another: it carries a token. Correct `repo`, or "
    "`url` in the index's table in `tool.hatch.publish.trusted.repos`."
)
NOT_TAKEN = (
    "The index did not take the upload token that it had just given. Look there whether the project still has its trusted "
    "publisher, and run the same command again."
)
READ_ONLY = (
    f"main refused {FILE} with 403: Invalid or non-existent authentication information. See "
    "https://pypi.test/help/#invalid-auth for more information. The index did not know the token that it had just given. "
    "PyPI does that while it is read-only for maintenance: run the same command again later."
)
FOREIGN = (
    f"main refused {FILE} with 403: Invalid API Token: OIDC scoped token is not valid for project 'otherproject', "
    "project-scoped token is not valid for project: 'otherproject', OIDC scoped token is not valid for project "
    "'otherproject', project-scoped token is not valid for project: 'otherproject'. The trusted publisher belongs to a "
    "project of another name. Compare the name in pyproject.toml with the project that has the publisher: `-`, `_` and "
    "`.` count as the same, all else does not."
)
SAMPLE = {
    "sampleproject-1.0.0-py3-none-any.whl": "21c6f28c049c356646cae4f58517d46b5f250b1a5c063ac5ed9e8be56489c07e",
    "sampleproject-1.0.0.tar.gz": "dd2964d5bbb603cba53f2e9835a06d9f76d6a96fc27194c1e34f3d3f5a1cb879",
}

AUDIENCES = {
    "audience/ok": "pypi",
    "audience/disabled": f"main was asked for its audience and answered 403: Trusted publishing functionality not enabled. {AGAIN}",
    "audience/wrong-method-post": (
        "main was asked for its audience and answered 405: Method Not Allowed The method POST is not allowed for this "
        f"resource. {AGAIN}"
    ),
    "audience/trailing-slash": f"main has no trusted publishing at the address where it was looked for. {NO_EXCHANGE}",
    "audience/trailing-slash/accept-json": (
        f"main has no trusted publishing at the address where it was looked for. {NO_EXCHANGE}"
    ),
    "split-hosts/audience-on-web-host": "pypi",
    "split-hosts/audience-on-upload-host": (
        f"main has no trusted publishing at the address where it was looked for. {NO_EXCHANGE}"
    ),
}
MINTS: dict[str, float | str] = {
    "mint/ok": 1795150911.0,
    "mint/ok-gitlab": 1795150913.0,
    "mint/ok-google": 1795150913.0,
    "mint/ok-activestate": 1795150913.0,
    "mint/ok-pending-publisher": 1795150914.0,
    "mint/ok-read-only-mode": 1795150914.0,
    "split-hosts/mint-on-web-host": 1795150923.0,
    "mint/trailing-slash": f"main answered 404 to the identity: Not Found. {NO_EXCHANGE}",
    "split-hosts/mint-on-upload-host": f"main answered 404 to the identity: Not Found. {NO_EXCHANGE}",
    "mint/invalid-payload-not-json": (
        "main refused the identity: invalid-payload (1 validation error for TokenPayload Invalid JSON: expected ident at "
        "line 1 column 2 [type=json_invalid, input_value=b'nope', input_type=bytes] For further information visit "
        f"https://errors.pydantic.dev/2.13/v/json_invalid). {NOT_READ}"
    ),
    "mint/invalid-payload-missing-token": (
        "main refused the identity: invalid-payload (1 validation error for TokenPayload token Field required "
        "[type=missing, input_value={}, input_type=dict] For further information visit "
        f"https://errors.pydantic.dev/2.13/v/missing). {NOT_READ}"
    ),
    "mint/invalid-payload-malformed-jwt": f"main refused the identity: invalid-payload (malformed JWT). {NOT_READ}",
    "mint/invalid-payload-unknown-issuer": (
        "main refused the identity: invalid-payload (unknown trusted publishing issuer). This index does not take "
        "identities from this CI. PyPI takes those of github.com, gitlab.com, Google Cloud and ActiveState; a "
        "self-managed GitLab has to be registered there first."
    ),
    "mint/not-enabled-github": (
        "main refused the identity: not-enabled (github trusted publishing functionality not enabled). The index has "
        f"switched trusted publishing off, for this CI or for all. {AGAIN}"
    ),
    "mint/invalid-token-expired": NOT_ACCEPTED,
    "mint/invalid-token-bad-signature": NOT_ACCEPTED,
    "mint/invalid-token-wrong-aud": NOT_ACCEPTED,
    "mint/invalid-token-aud-list": NOT_ACCEPTED,
    "mint/invalid-reuse-token": (
        "main refused the identity: invalid-reuse-token (invalid token: already used). This identity token was used "
        "before, and each works once. Run the job again for a fresh one. On GitLab a job has one token for each "
        "`id_tokens` entry: publish once a job, with all files in one command, or set `keep-token`."
    ),
    "mint/invalid-publisher-owner": NO_PUBLISHER,
    "mint/invalid-publisher-owner-id": NO_PUBLISHER,
    "mint/invalid-publisher-repo-case": NO_PUBLISHER,
    "mint/invalid-publisher-workflow": NO_PUBLISHER,
    "mint/invalid-publisher-environment": NO_PUBLISHER,
    "mint/invalid-publisher-environment-wrong": NO_PUBLISHER,
    "mint/invalid-publisher-gitlab-namespace": NO_PUBLISHER,
    "mint/invalid-publisher-gitlab-ci-file": NO_PUBLISHER,
    "mint/invalid-publisher-gitlab-environment": NO_PUBLISHER,
    "mint/invalid-publisher-google-email": NO_PUBLISHER,
    "mint/invalid-publisher-activestate-project": NO_PUBLISHER,
    "mint/invalid-publisher-reusable-workflow": (
        "main refused the identity: invalid-publisher (valid token, but no corresponding publisher (The "
        "job_workflow_ref claim does not match, expecting one of "
        "['octo-org/sampleproject/.github/workflows/release.yml@8f1c2d3e4b5a69788796a5b4c3d2e1f001234567', "
        "'octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0'], got 'octo-org/shared-w…). A "
        "publishing job must be in the repository's own workflow file: a reusable workflow of another repository never "
        "matches. Move the job into the file that the publisher on the index names."
    ),
    "mint/invalid-publisher-pull-request-target": (
        "main refused the identity: invalid-publisher (valid token, but no corresponding publisher (Publishing from a "
        "workflow invoked via 'pull_request_target' is not supported.)). A workflow started by `pull_request_target` can "
        "be steered by a fork, so the index refuses it. Publish from a push, a tag or a release."
    ),
    "mint/invalid-pending-publisher": (
        "main refused the identity: invalid-pending-publisher (valid token, but project already exists). Somebody has "
        "created the project since the pending publisher was added, and the index has deleted that. If the project is "
        "yours, add the publisher in the project's own settings; else choose another name."
    ),
    "mint/invalid-payload-pending-prohibited-name": (
        "main refused the identity: invalid-payload (The name 'prohibited-name' isn't allowed. See "
        f"https://pypi.test/help/#project-name for more information). {NO_NAME}"
    ),
    "mint/invalid-payload-pending-similar-name": (
        "main refused the identity: invalid-payload (The name 'similar-name' is too similar to an existing project. See "
        f"https://pypi.test/help/#project-name for more information). {NO_NAME}"
    ),
    "mint/500-reused-jti-with-pending-publisher": f"main answered 500 to the identity: Internal Server Error. {AGAIN}",
}
LISTINGS = {
    "read/simple-json-created-by-mint": {},
    "read/simple-json": SAMPLE,
    "read/simple-html": SAMPLE,
    "read/simple-404": {},
    "read/simple-archived": {
        "archived_project-1.0.0-py3-none-any.whl": "33d313dbb7adcf8099bf6a4a93b1d92837a70d9cbb943dd5da5468e7beb209b4"
    },
    "read/simple-quarantined": {},
    "split-hosts/simple-on-upload-host": {},
}
NOT_READ_HERE = {"read/json-release", "read/provenance", "read/provenance-404"}
"""Of parts of PyPI that are not asked."""


@pytest.fixture(name="wheel")
def _wheel(tmp_path: Path) -> Distribution:
    return Distribution.read(make_wheel(tmp_path), FILE)


def test_every_recording_is_read() -> None:
    """Each exchange that was recorded is in one of the tables, or said not to be."""
    assert ENTRIES.keys() == {*AUDIENCES, *MINTS, *to("/legacy"), *LISTINGS, *NOT_READ_HERE}


@pytest.mark.parametrize("name", to("/_/oidc/audience"))
def test_recorded_audience(name: str) -> None:
    """What PyPI says of its audience is the audience, or an error."""
    try:
        outcome = protocol.read_audience(ENTRIES[name].reply, MAIN)
    except ExchangeError as error:
        outcome = str(error)

    assert AUDIENCES[name] == outcome


@pytest.mark.parametrize("name", to("/_/oidc/mint"))
def test_recorded_mint(name: str) -> None:
    """What PyPI says to an identity is a token with its end, or an error with its code and what to do."""
    reply, expected = ENTRIES[name].reply, MINTS[name]
    if isinstance(expected, str):
        code = re.search(r"refused the identity: (\S+)", expected)
        with pytest.raises(ExchangeError) as raised:
            protocol.read_mint(reply, MAIN, NOW)
        assert (expected, code[1] if code else "") == (str(raised.value), raised.value.code)
        return

    token = protocol.read_mint(reply, MAIN, NOW)

    assert (json.loads(reply.body)["token"], expected) == (token.secret.reveal(), token.expires)


@pytest.mark.parametrize("name", to("/simple/"))
def test_recorded_listing(name: str) -> None:
    """What PyPI lists, in JSON and in HTML, is read."""
    listing = simple.read_listing(ENTRIES[name].reply, MAIN, "sampleproject")
    assert LISTINGS[name] == {filename: held.sha256 for filename, held in listing.items()}


@pytest.mark.parametrize(("name", "code", "said"), brief_refusals())
def test_recorded_refusal_in_brief(name: str, code: str, said: str) -> None:
    """Each further error that was recorded keeps its code, and its text is told on one line."""
    body = json.dumps({"message": "Token request failed", "errors": [{"code": code, "description": said}]})
    with pytest.raises(ExchangeError) as raised:
        protocol.read_mint(Reply(422, body.encode(), "application/json"), MAIN, NOW)

    first = " ".join(said.split())[:60]
    assert (code, True) == (
        raised.value.code,
        str(raised.value).startswith(f"main refused the identity: {code} ({first}"),
    )


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b'{"token": "t", "expires": 17}'), UploadToken(Secret("t"), 17.0), id="number"),
        pytest.param(Reply(200, b'{"token": "t", "expires": 1.5e3}'), UploadToken(Secret("t"), 1500.0), id="float"),
        pytest.param(Reply(200, b'{"token": "t"}'), UploadToken(Secret("t"), NOW + 900), id="PEP 807: no expires"),
    ],
)
def test_mint_expires(reply: Reply, expected: UploadToken) -> None:
    """A token ends when the index says so, else after 900 seconds."""
    token = protocol.read_mint(reply, MAIN, NOW)

    assert (expected.secret.reveal(), expected.expires) == (token.secret.reveal(), token.expires)


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
        pytest.param(b'{"token": "t", "expires": 1e999}', id="expires without end"),
        pytest.param(b'{"token": "t", "expires": 1' + b"0" * 400 + b"}", id="expires with 400 digits"),
    ],
)
def test_mint_without_a_usable_token(body: bytes) -> None:
    """A 200 whose token could not be sent, or could break out of a header, is an error."""
    with pytest.raises(ExchangeError) as raised:
        protocol.read_mint(Reply(200, body, "application/json"), MAIN, NOW)

    assert (f"main took the identity, but gave no usable upload token for it. {AGAIN}", "", None) == (
        str(raised.value),
        raised.value.code,
        raised.value.__context__,
    )


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(
            Reply(422, b'{"errors": []}', reason="Nope"), "answered 422 to the identity: Nope", id="no errors"
        ),
        pytest.param(Reply(422, b'{"errors": "x"}'), "answered 422 to the identity", id="errors a text"),
        pytest.param(
            Reply(422, b'{"errors": ["x"], "message": "m."}'), "answered 422 to the identity: m", id="errors of texts"
        ),
        pytest.param(
            Reply(422, b'{"errors": [{"code": 1, "description": "d"}]}'), "answered 422 to the identity", id="code 1"
        ),
        pytest.param(Reply(422, b'{"errors": [{"code": "c"}]}'), "answered 422 to the identity", id="no description"),
        pytest.param(
            Reply(422, b'{"errors": [{"code": "new-code", "description": "d."}]}'),
            "refused the identity: new-code (d)",
            id="unknown code",
        ),
        pytest.param(
            Reply(307, b"", reason="Temporary Redirect"),
            "answered 307 to the identity: Temporary Redirect",
            id="redirect",
        ),
        pytest.param(Reply(403, b'{"detail": "no"}'), "answered 403 to the identity: no", id="RFC 9457"),
    ],
)
def test_mint_refused_in_other_ways(reply: Reply, problem: str) -> None:
    """A refusal that is not PyPI's own form is told with its status and what there is of words."""
    with pytest.raises(ExchangeError) as raised:
        protocol.read_mint(reply, MAIN, NOW)

    assert f"main {problem}. {AGAIN}" == str(raised.value)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b'{"audience": "https://index.test/"}'), "https://index.test/", id="ok"),
        pytest.param(
            Reply(200, b'{"audience": ""}'), f"own was asked for its audience and gave none. {AGAIN}", id="blank"
        ),
        pytest.param(
            Reply(200, b'{"audience": ["pypi"]}'), f"own was asked for its audience and gave none. {AGAIN}", id="list"
        ),
        pytest.param(Reply(200, b"<html>"), f"own was asked for its audience and gave none. {AGAIN}", id="HTML"),
        pytest.param(Reply(500, b""), f"own was asked for its audience and answered 500. {AGAIN}", id="500"),
    ],
)
def test_read_audience(reply: Reply, expected: str) -> None:
    """An audience is a text that is not blank; all else is the index's fault."""
    try:
        outcome = protocol.read_audience(reply, OWN)
    except ExchangeError as error:
        outcome = str(error)

    assert expected == outcome


def _discovery(**changed: object) -> Reply:
    found = {
        "audience-endpoint": "https://index.test/a",
        "token-mint-endpoint": "https://index.test:8443/m",
        **changed,
    }
    return Reply(200, json.dumps(found).encode(), "application/vnd.pypi.pytp.v1+json")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(_discovery(), Endpoints("https://index.test/a", "https://index.test:8443/m"), id="both"),
        pytest.param(
            _discovery(features=["single-use-token"]),
            Endpoints("https://index.test/a", "https://index.test:8443/m", single_use=True),
            id="single use",
        ),
        pytest.param(
            _discovery(**{"default-features": ["single-use-token"], "features": ["x"]}),
            Endpoints("https://index.test/a", "https://index.test:8443/m", single_use=True),
            id="single use by default",
        ),
        pytest.param(
            _discovery(features=["single-use-token", "multi-use-token"]),
            Endpoints("https://index.test/a", "https://index.test:8443/m"),
            id="either use",
        ),
        pytest.param(Reply(404, b"", "text/html"), None, id="404"),
        pytest.param(Reply(403, b"{}", "application/problem+json"), None, id="403"),
        pytest.param(Reply(301, b"", "text/html", location="https://elsewhere/"), None, id="redirect"),
        pytest.param(Reply(200, b"<html>", "text/html"), None, id="a page for people"),
        pytest.param(Reply(200, b"", ""), None, id="nothing"),
    ],
)
def test_discovery(reply: Reply, expected: Endpoints | None) -> None:
    """PEP 807's answer is read; an index that does not speak it is asked by PyPI's paths."""
    assert expected == protocol.read_discovery(reply, OWN)


NOT_PEP_807 = f"own says where it exchanges identities, but not in the way of PEP 807. {AGAIN}"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            Reply(503, b""), f"own was asked where it exchanges identities and answered 503. {AGAIN}", id="503"
        ),
        pytest.param(
            Reply(408, b""), f"own was asked where it exchanges identities and answered 408. {AGAIN}", id="408"
        ),
        pytest.param(
            Reply(429, b""), f"own was asked where it exchanges identities and answered 429. {AGAIN}", id="429"
        ),
        pytest.param(Reply(200, b"[]", "application/json"), NOT_PEP_807, id="list"),
        pytest.param(Reply(200, b"{", "application/json"), NOT_PEP_807, id="no JSON"),
        pytest.param(_discovery(features="single-use-token"), NOT_PEP_807, id="features a text"),
        pytest.param(_discovery(features=[1]), NOT_PEP_807, id="features of numbers"),
        pytest.param(_discovery(**{"default-features": {}}), NOT_PEP_807, id="default features an object"),
    ],
)
def test_discovery_at_fault(reply: Reply, expected: str) -> None:
    """An index that speaks PEP 807 wrongly is told of, not guessed at."""
    with pytest.raises(ExchangeError) as raised:
        protocol.read_discovery(reply, OWN)

    assert expected == str(raised.value)


@pytest.mark.parametrize("key", ["audience-endpoint", "token-mint-endpoint"])
@pytest.mark.parametrize("url", [None, 7, "https://evil.test/x", "http://index.test/x", "//index.test/x"])
def test_discovery_of_foreign_endpoints(key: str, url: object) -> None:
    """An endpoint on another host, without TLS, or that is no URL, is refused."""
    with pytest.raises(TrustError):
        protocol.read_discovery(_discovery(**{key: url}), OWN)


JSON_BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["audience", "token", "expires", "errors", "code", "description", "message", "features"])
            | st.sampled_from(["default-features", "audience-endpoint", "token-mint-endpoint", "title", "detail"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("read", "documented"),
    [
        pytest.param(lambda reply: protocol.read_audience(reply, OWN), {ExchangeError}, id="audience"),
        pytest.param(lambda reply: protocol.read_mint(reply, OWN, NOW), {ExchangeError}, id="mint"),
        pytest.param(lambda reply: protocol.read_discovery(reply, OWN), {ExchangeError, TrustError}, id="discovery"),
        pytest.param(lambda reply: protocol.read_upload(reply, UNREAD, OWN), {UploadError}, id="upload"),
        pytest.param(lambda reply: simple.read_listing(reply, OWN, "sample"), {IndexReadError}, id="listing"),
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
    documented: set[type[Exception]],
    status: int,
    body: bytes,
    media_type: str,
    reason: str,
) -> None:
    """Whatever an index answers, each reader gives its value or one of its own errors, on one line."""
    told = None
    try:
        read(Reply(status, body, media_type, reason))
    except TrustedPublishError as error:
        told = error

    assert told is None or (type(told) in documented and str(told).isprintable())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            protocol.ask_discovery(OWN),
            (
                Message("asking-endpoints", index="own"),
                "https://index.test/.well-known/pytp?discover=%2Fx%2Flegacy%2F",
                4,
            ),
            id="discovery",
        ),
        pytest.param(
            protocol.ask_audience(MAIN, Endpoints("https://pypi.org/a", "https://pypi.org/m")),
            (Message("asking-audience", index="PyPI"), "https://pypi.org/a", 4),
            id="audience",
        ),
        pytest.param(
            protocol.ask_mint(MAIN, Endpoints("https://pypi.org/a", "https://pypi.org/m"), Secret("id")),
            (Message("minting", index="PyPI"), "https://pypi.org/m", 4),
            id="mint",
        ),
        pytest.param(
            protocol.ask_burn(MAIN, "https://pypi.org/b", UploadToken(Secret("up"), 1)),
            (Message("burning", index="PyPI"), "https://pypi.org/b", 1),
            id="burn",
        ),
    ],
)
def test_small_requests(request_: Request, expected: tuple[Message, str, int]) -> None:
    """What is asked, where, and how often."""
    assert expected == (request_.purpose, request_.url, request_.tries)


def test_discovery_asks_for_its_media_type() -> None:
    """PEP 807 has a media type of its own."""
    assert protocol.ask_discovery(OWN).accept == "application/vnd.pypi.pytp.v1+json"


SECRET = (Secret("sesame"),)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param(
            lambda: protocol.read_mint(Reply(403, b"bad sesame", "text/plain", secrets=SECRET), OWN, NOW),
            f"own answered 403 to the identity: bad ***. {AGAIN}",
            id="mint",
        ),
        pytest.param(
            lambda: protocol.read_mint(
                Reply(422, b'{"errors": [{"code": "sesame", "description": "no sesame."}]}', secrets=SECRET), OWN, NOW
            ),
            f"own refused the identity: *** (no ***). {AGAIN}",
            id="mint, by its code",
        ),
        pytest.param(
            lambda: protocol.read_upload(Reply(400, b'{"code": "400 no sesame"}', secrets=SECRET), UNREAD, OWN),
            f"own refused dist/x-1-py3-none-any.whl with 400: no ***. {CORRECT}",
            id="upload",
        ),
    ],
)
def test_a_secret_that_is_repeated(read: Callable[[], object], expected: str) -> None:
    """An index that repeats a token in its refusal does not get it into a log."""
    with pytest.raises(TrustedPublishError) as raised:
        read()

    assert expected == str(raised.value)
