from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import stamina

from hatch_trusted_publish.errors import (
    ExchangeError,
    IdentityError,
    NetworkError,
    TrustedPublishError,
    UploadError,
)
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity import token_cache as kept
from hatch_trusted_publish.identity.ambient import Ambient
from hatch_trusted_publish.identity.exchange import LONGEST_LIFE, SHORTEST_LIFE, Exchange, find_terms
from hatch_trusted_publish.identity.publishers import Expected
from hatch_trusted_publish.index.endpoints import Index, find_index
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.secret import Secret
from tests.support.scripted import Answer, Asked, Fault, Scripted

DISCOVERY = f"GET /.well-known/pytp?discover={quote_plus('/legacy/')}"
AUDIENCE, MINT, BURN = "GET /_/oidc/audience", "POST /_/oidc/mint-token", "POST /_/oidc/burn-token"
OWN_AUDIENCE = Answer.of({"audience": "127.0.0.1"})
MINTED = Answer.of({"token": "pypi-1", "expires": 1})
REUSED = Answer.of({"errors": [{"code": "invalid-reuse-token", "description": "used"}]}, 422)
ONCE = "Some CI gives this job one identity token, and an index takes each once: run the job again for another."
SPENT = f"own may have taken the identity token, but its reply was lost. {ONCE}"
AGAIN = (
    "That is on the index's side; nothing is lost. Run the same command again later, and look at "
    "https://status.python.org if the index is PyPI."
)
NOTHING_SAID = "What Some CI said of this job:\n  iss: MISSING\n  sub: MISSING"
CUT = "While exchanging the identity at own: the connection broke (RemoteProtocolError)"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy, and no waiting between tries."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


class Ci:
    """A CI that counts the identity tokens that it gives."""

    def __init__(self, *, renewable: bool = True, **claims: object) -> None:
        self.asked: list[str] = []
        self.claims = claims
        self.ambient = Ambient("Some CI", renewable, self._fetch)

    def _fetch(self, audience: str) -> str:
        self.asked.append(audience)
        return self.token(len(self.asked) if self.ambient.renewable else 1, audience, **self.claims)

    @staticmethod
    def token(number: int, audience: str = "127.0.0.1", **claims: object) -> str:
        said = json.dumps({"aud": audience, "n": number, **claims}).encode()
        return f"e30.{base64.urlsafe_b64encode(said).decode().rstrip('=')}.x"


def _client(timeout: float = 20.0) -> Client:
    return Client(Certificates(), timeout, "tests/1.0")


def _index(server: Scripted, **repository: str) -> Index:
    return find_index(Repository("own", f"{server.url}/legacy/", **repository))  # type: ignore[arg-type]


def _exchange(
    index: Index,
    ambient: Ambient,
    client: Client,
    mask: Callable[[Secret], None],
    publisher: Mapping[str, str] | None = None,
    keep_in: Path | None = None,
) -> Exchange:
    """The exchange of one run, once the index has said its terms."""
    return Exchange(index, find_terms(index, client), ambient, client, mask, Expected(["sample"], publisher), keep_in)


def _nothing(_: Secret) -> None:
    pass


def _script(**answers: Answer | list[Answer]) -> dict[str, Answer | list[Answer]]:
    lines = {"discovery": DISCOVERY, "audience": AUDIENCE, "mint": MINT, "burn": BURN}
    return {AUDIENCE: OWN_AUDIENCE, MINT: MINTED, **{lines[name]: answer for name, answer in answers.items()}}


def _identities(server: Scripted) -> list[str]:
    return [json.loads(body)["token"] for body in server.bodies(MINT)]


def _refused(kind: type[TrustedPublishError], run: Callable[[], object]) -> TrustedPublishError:
    with pytest.raises(kind) as raised:
        run()
    return raised.value


def test_the_whole_exchange() -> None:
    """Where, for what audience, identity for token, token burned: in this order, the identity last."""
    ci = Ci()
    with Scripted(_script(burn=Answer(202))) as server, _client() as client:
        exchange = _exchange(_index(server), ci.ambient, client, _nothing)
        before = [*ci.asked, *exchange.claims()]
        exchange.prepare()
        tokens = [exchange.token(), exchange.token()]
        problem = exchange.burn()

    assert "127.0.0.1" == exchange.claims()["aud"]
    assert [DISCOVERY, AUDIENCE, MINT, BURN] == server.lines
    assert ([], ["127.0.0.1"], ["pypi-1"] * 2, None) == (
        before,
        ci.asked,
        [token.secret.reveal() for token in tokens],
        problem,
    )
    assert ([Ci.token(1)], [{"token": "pypi-1"}]) == (
        _identities(server),
        [json.loads(body) for body in server.bodies(BURN)],
    )


def test_configured_endpoints_end_the_search() -> None:
    """Endpoints that the person named are asked at once; there is nothing to burn beside them."""
    script = {"GET /a": OWN_AUDIENCE, "POST /m": MINTED}
    with Scripted(script) as server, _client() as client:
        index = _index(server, audience_endpoint=f"{server.url}/a", token_mint_endpoint=f"{server.url}/m")
        exchange = _exchange(index, Ci().ambient, client, _nothing)
        exchange.token()
        problem = exchange.burn()

    assert (["GET /a", "POST /m"], None) == (server.lines, problem)


def _found(server: Scripted, **more: object) -> Answer:
    endpoints = {"audience-endpoint": f"{server.url}/a", "token-mint-endpoint": f"{server.url}/m", **more}
    return Answer.of(endpoints, media_type="application/vnd.pypi.pytp.v1+json")


def test_endpoints_by_discovery() -> None:
    """PEP 807's endpoints are used; an index that has them is not asked to burn."""
    script: dict[str, Answer] = {"GET /a": OWN_AUDIENCE, "POST /m": MINTED}
    with Scripted(script) as server, _client() as client:
        script[DISCOVERY] = _found(server)
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        tokens = [exchange.token(), exchange.token()]
        problem = exchange.burn()

    assert ([DISCOVERY, "GET /a", "POST /m"], None) == (server.lines, problem)
    assert ["pypi-1"] * 2 == [token.secret.reveal() for token in tokens]
    assert "application/vnd.pypi.pytp.v1+json" == server.asked[0].headers["accept"]


def test_single_use_tokens() -> None:
    """An index that takes each token once gets one for each file, and none for nothing."""
    script: dict[str, Answer | list[Answer]] = {
        "GET /a": OWN_AUDIENCE,
        "POST /m": [Answer.of({"token": "one"}), Answer.of({"token": "two"})],
    }
    ci = Ci()
    with Scripted(script) as server, _client() as client:
        script[DISCOVERY] = _found(server, features=["single-use-token"])
        exchange = _exchange(_index(server), ci.ambient, client, _nothing)
        exchange.prepare()
        tokens = [exchange.token().secret.reveal(), exchange.token().secret.reveal()]
        problem = exchange.burn()

    assert (["one", "two"], 2, None) == (tokens, len(ci.asked), problem)
    assert [DISCOVERY, "GET /a", "POST /m", "POST /m"] == server.lines


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(404, b"{}"), id="404"),
        pytest.param(Answer(200, b"<html>", "text/html"), id="page"),
        pytest.param(Answer(302, headers={"Location": "https://elsewhere.test/"}), id="redirect"),
        pytest.param(Answer(401), id="401"),
    ],
)
def test_without_discovery(answer: Answer) -> None:
    """An index that does not speak PEP 807 is asked by PyPI's own paths."""
    with Scripted(_script(discovery=answer)) as server, _client() as client:
        _exchange(_index(server), Ci().ambient, client, _nothing)

    assert [DISCOVERY, AUDIENCE] == server.lines


def test_discovery_of_another_host() -> None:
    """Endpoints elsewhere are refused, and no identity is asked for."""
    ci = Ci()
    script: dict[str, Answer] = {}
    with Scripted(script) as server, _client() as client:
        script[DISCOVERY] = _found(server, **{"token-mint-endpoint": "https://evil.test/mint"})
        error = _refused(ExchangeError, lambda: _exchange(_index(server), ci.ambient, client, _nothing))

    assert (
        "The index own supplied a token mint endpoint that must not be used: 'https://evil.test/mint' is on another host "
        f"than {server.url}/legacy/. This is on the index's side, no identity was asked for. If you know a right address, "
        "name it by `audience-endpoint` and `token-mint-endpoint` in the index's table in "
        "`tool.hatch.publish.trusted.repos`."
    ) == str(error)
    assert ([DISCOVERY], []) == (server.lines, ci.asked)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer.of({"audience": "pypi"}), id="PyPI's"),
        pytest.param(Answer.of({"audience": "SigStore "}), id="Sigstore's"),
        pytest.param(Answer.of({"audience": "https://other.test"}), id="another host's"),
        pytest.param(Answer.of({"audience": "x127.0.0.1"}), id="almost its own"),
    ],
)
@pytest.mark.parametrize("configured", [{}, {"audience": "mine"}], ids=["host", "configured"])
def test_an_audience_that_is_not_its_own(answer: Answer, configured: dict[str, str]) -> None:
    """An index that asks for another service's identity gets none, and nothing is minted."""
    ci = Ci()
    with Scripted(_script(audience=answer)) as server, _client() as client:
        _refused(ExchangeError, lambda: _exchange(_index(server, **configured), ci.ambient, client, _nothing))

    assert ([DISCOVERY, AUDIENCE], []) == (server.lines, ci.asked)


@pytest.mark.parametrize("audience", ["127.0.0.1", "http://127.0.0.1:1/x", "mine"])
def test_an_audience_that_is_its_own(audience: str) -> None:
    """The host's own name, a URL on it, or the configured audience is what the identity is made for."""
    ci = Ci()
    configured = {"audience": audience} if audience == "mine" else {}
    with Scripted(_script(audience=Answer.of({"audience": audience}))) as server, _client() as client:
        _exchange(_index(server, **configured), ci.ambient, client, _nothing).token()

    assert [audience] == ci.asked


def test_no_audience() -> None:
    """An index without trusted publishing is told of, before an identity is asked for."""
    ci = Ci()
    with Scripted({}) as server, _client() as client:
        error = _refused(ExchangeError, lambda: _exchange(_index(server), ci.ambient, client, _nothing))

    assert (
        (
            "own has no trusted publishing at the address where it was looked for. If this index has it elsewhere, name "
            "`audience-endpoint` and `token-mint-endpoint` in the index's table in `tool.hatch.publish.trusted.repos`; if it "
            "has none, this publisher cannot be used with it."
        ),
        [],
    ) == (str(error), ci.asked)


def test_secrets_are_masked_before_they_are_used() -> None:
    """The identity is masked before it is sent, the upload token before it is handed out; each fresh one anew."""
    masked: list[tuple[str, int]] = []
    script = _script(mint=[Answer(fault="no reply"), MINTED])
    with Scripted(script) as server, _client() as client:

        def mask(secret: Secret) -> None:
            masked.append((secret.reveal(), len(server.bodies(MINT))))

        _exchange(_index(server), Ci().ambient, client, mask).token()

    assert [(Ci.token(1), 0), (Ci.token(2), 1), ("pypi-1", 2)] == masked


# Replies that were lost


@pytest.mark.parametrize("fault", ["no reply", "cut", "silence"])
def test_a_lost_reply_with_a_ci_that_gives_more(fault: Fault) -> None:
    """A reply was lost, so the token may be used: the next try has a fresh one."""
    lost = Answer(body=b"x" * 50, fault=fault)
    with Scripted(_script(mint=[lost, lost, MINTED])) as server, _client(0.4) as client:
        token = _exchange(_index(server), Ci().ambient, client, _nothing).token()

    assert ("pypi-1", [Ci.token(1), Ci.token(2), Ci.token(3)]) == (token.secret.reveal(), _identities(server))


def test_all_replies_lost_with_a_ci_that_gives_more() -> None:
    """When no try got a reply, the network is what is told of."""
    with Scripted(_script(mint=Answer(fault="no reply"))) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        error = _refused(NetworkError, exchange.prepare)

    network = (
        "The network, a proxy or the index may be at fault. Run the same command again; what is on the index by now is"
    )
    assert (f"{CUT}. {network} not sent again.", [Ci.token(number) for number in (1, 2, 3, 4)]) == (
        str(error),
        _identities(server),
    )


@pytest.mark.parametrize(
    ("answers", "sent", "because"),
    [
        pytest.param([Answer(fault="no reply")], 4, CUT, id="no reply at all"),
        pytest.param(
            [Answer(fault="no reply"), REUSED],
            2,
            "own refused the identity: invalid-reuse-token (used)",
            id="used by the try before",
        ),
        pytest.param(
            [Answer(fault="cut", body=b"x" * 50), Answer(500)],
            4,
            "own answered 500 to the identity: Scripted",
            id="500 of a used token with a pending publisher",
        ),
    ],
)
def test_a_lost_reply_with_a_ci_that_gives_one(answers: list[Answer], sent: int, because: str) -> None:
    """A job's only token may be spent: the message says so, and why."""
    ci = Ci(renewable=False)
    with Scripted(_script(mint=answers)) as server, _client() as client:
        error = _refused(ExchangeError, _exchange(_index(server), ci.ambient, client, _nothing).prepare)

    assert (f"{SPENT} ({because})", [Ci.token(1)] * sent) == (str(error), _identities(server))


def test_a_lost_reply_that_is_made_good() -> None:
    """Where the index did not act on the lost request, the same token works at the next try."""
    ci = Ci(renewable=False)
    with Scripted(_script(mint=[Answer(fault="no reply"), MINTED])) as server, _client() as client:
        token = _exchange(_index(server), ci.ambient, client, _nothing).token()

    assert ("pypi-1", [Ci.token(1)] * 2) == (token.secret.reveal(), _identities(server))


@pytest.mark.parametrize("renewable", [True, False])
@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param(
            [REUSED],
            "own refused the identity: invalid-reuse-token (used). This identity token was used before, and each works "
            "once. Run the job again for a fresh one. On GitLab a job has one token for each `id_tokens` entry: publish "
            f"once a job, with all files in one command, or set `keep-token`.\n\n{NOTHING_SAID}",
            id="used before this run",
        ),
        pytest.param(
            [Answer(503), Answer.of({"errors": [{"code": "not-enabled", "description": "off"}]}, 422)],
            "own refused the identity: not-enabled (off). The index has switched trusted publishing off, for this CI or for "
            f"all. {AGAIN}\n\n{NOTHING_SAID}",
            id="another reason at the second try",
        ),
        pytest.param(
            [Answer(403, b'{"detail": "no."}')], f"own answered 403 to the identity: no. {AGAIN}", id="no code"
        ),
    ],
)
def test_a_refusal_is_not_a_lost_reply(answers: list[Answer], expected: str, renewable: bool) -> None:
    """What the index refused for a reason of its own is told as that."""
    ci = Ci(renewable=renewable)
    with Scripted(_script(mint=answers)) as server, _client() as client:
        error = _refused(ExchangeError, _exchange(_index(server), ci.ambient, client, _nothing).prepare)

    assert expected == str(error)


def test_nobody_there_is_not_a_lost_reply() -> None:
    """When the mint endpoint cannot be reached, a job's only token is still good."""
    ci = Ci(renewable=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/m"
    with Scripted({"GET /a": OWN_AUDIENCE}) as server, _client() as client:
        index = _index(server, audience_endpoint=f"{server.url}/a", token_mint_endpoint=closed)
        error = _refused(NetworkError, _exchange(index, ci.ambient, client, _nothing).prepare)

    assert str(error).startswith("While exchanging the identity at own: no connection could be made (")


def test_a_long_wait_is_not_a_lost_reply() -> None:
    """An index that asks to come back later has not taken a job's only token."""
    ci = Ci(renewable=False)
    later = Answer(429, headers={"Retry-After": "7200"})
    with Scripted(_script(mint=later)) as server, _client() as client:
        error = _refused(NetworkError, _exchange(_index(server), ci.ambient, client, _nothing).prepare)

    assert str(error).startswith("While exchanging the identity at own: the index answered 429 and asks to wait until ")


def test_a_ci_that_gives_none() -> None:
    """The CI's own error comes through, and nothing is sent to the mint endpoint."""

    def none(_: str) -> str:
        msg = "no token today"
        raise IdentityError(msg)

    with Scripted(_script()) as server, _client() as client:
        exchange = _exchange(_index(server), Ambient("Some CI", True, none), client, _nothing)
        error = _refused(IdentityError, exchange.prepare)

    assert ("no token today", [DISCOVERY, AUDIENCE]) == (str(error), server.lines)


# The publisher


JOB: dict[str, Any] = {
    "iss": "https://token.actions.githubusercontent.com",
    "repository": "octo-org/sampleproject",
    "repository_owner_id": "65",
    "job_workflow_ref": "octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1",
    "environment": "pypi",
    "event_name": "push",
    "ref": "refs/tags/v1",
}
PUBLISHER = {"provider": "github", "owner": "octo-org", "repository": "sampleproject", "workflow": "release.yml"}


def test_a_job_that_is_not_the_publisher() -> None:
    """An identity that does not meet the configured publisher is masked, but never sent; it is asked for once."""
    ci, masked = Ci(**JOB), list[str]()
    with Scripted(_script()) as server, _client() as client:
        exchange = _exchange(
            _index(server),
            ci.ambient,
            client,
            lambda secret: masked.append(secret.reveal()),
            {**PUBLISHER, "workflow": "publish.yml"},
        )
        errors = [str(_refused(ExchangeError, work)) for work in (exchange.prepare, exchange.token)]
        problem = exchange.burn()

    expected = (
        "This job is not the one that the table `publisher` describes; its identity was not sent, nothing was minted:\n"
        "\n"
        "  setting   expected     Some CI says\n"
        "  workflow  publish.yml  release.yml\n"
        "\n"
        "What to change:\n"
        "  - workflow: move the job into that file, or correct the publisher"
    )
    assert ([expected] * 2, None) == (errors, problem)
    assert ([DISCOVERY, AUDIENCE], [Ci.token(1, **JOB)]) == (server.lines, masked)


def test_a_job_that_is_the_publisher() -> None:
    """What matches is exchanged; a field that the table does not have is not compared."""
    with Scripted(_script()) as server, _client() as client:
        exchange = _exchange(_index(server), Ci(**JOB).ambient, client, _nothing, PUBLISHER)
        token = exchange.token().secret.reveal()

    assert "pypi-1" == token


@pytest.mark.parametrize("publisher", [None, PUBLISHER], ids=["without a table", "with a table"])
def test_no_publisher_on_the_index(publisher: Mapping[str, str] | None) -> None:
    """The whole explanation; the table to paste is told only to those who have none."""
    none = Answer.of({"errors": [{"code": "invalid-publisher", "description": "no corresponding publisher"}]}, 422)
    with Scripted(_script(mint=none)) as server, _client() as client:
        exchange = _exchange(_index(server), Ci(**JOB).ambient, client, _nothing, publisher)
        error = _refused(ExchangeError, exchange.prepare)

    head, said, causes, *rest = str(error).split("\n\n")
    assert head.startswith("own refused the identity: invalid-publisher (no corresponding publisher). No publisher on")
    assert said.startswith("What Some CI said of this job:\n  repository: octo-org/sampleproject\n")
    assert causes.startswith("What may be wrong, the likeliest first:\n  1. the publisher names another environment")
    assert (
        []
        if publisher
        else [
            "To have this compared before each release, add to pyproject.toml:",
            (
                "  [tool.hatch.publish.trusted.publisher]\n"
                '  provider = "github"\n'
                '  owner = "octo-org"\n'
                '  repository = "sampleproject"\n'
                '  workflow = "release.yml"\n'
                '  environment = "pypi"'
            ),
        ]
    ) == rest
    assert isinstance(error, ExchangeError)
    assert "invalid-publisher" == error.message.code


# Renewal


def _minted(number: int, life: float | None = None) -> Answer:
    """A token that is good for *life* seconds."""
    expires = {} if life is None else {"expires": time.time() + life}
    return Answer.of({"token": f"pypi-{number}", **expires})


@pytest.mark.parametrize(
    ("life", "seconds", "renewable", "expected"),
    [
        pytest.param(600, 0, True, 1, id="lasts"),
        pytest.param(600, 500, True, 1, id="lasts for this file"),
        pytest.param(600, 700, True, 2, id="not for this file"),
        pytest.param(SHORTEST_LIFE - 1, 0, True, 2, id="ends soon"),
        pytest.param(SHORTEST_LIFE - 1, 0, False, 1, id="ends soon, and is the only one"),
        pytest.param(600, 700, False, 1, id="not for this file, and is the only one"),
        pytest.param(None, 800, True, 1, id="says nothing: 900 s"),
        pytest.param(None, 1000, True, 2, id="says nothing, not for this file"),
        pytest.param(-5, 800, True, 1, id="a clock that is ahead: 900 s"),
        pytest.param(-5, 1000, True, 2, id="a clock that is ahead, not for this file"),
        pytest.param(LONGEST_LIFE + 1000, 1000, True, 2, id="a clock that is far behind: 900 s"),
        pytest.param(LONGEST_LIFE - 1000, 1000, True, 1, id="a long life"),
    ],
)
def test_renewed_in_time(life: float | None, seconds: float, renewable: bool, expected: int) -> None:
    """A token that would not outlive the next file is replaced before it is used, where the CI gives another identity."""
    ci = Ci(renewable=renewable)
    with Scripted(_script(mint=[_minted(1, life), _minted(2, 86000)])) as server, _client() as client:
        exchange = _exchange(_index(server), ci.ambient, client, _nothing)
        exchange.prepare()
        token = exchange.token(seconds)
        again = exchange.token(seconds)

    assert (f"pypi-{expected}", expected, expected) == (token.secret.reveal(), len(ci.asked), len(server.bodies(MINT)))
    assert (token is again, renewable) == (True, exchange.renewable)


def test_seconds_left() -> None:
    """How long the token lives is counted from its minting."""
    with Scripted(_script(mint=_minted(1, 500))) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        before = exchange.seconds_left()
        exchange.prepare()
        left = exchange.seconds_left()

    assert (True, True) == (before < 0, 0 < left <= 500)


def _all_at_once(count: int, work: Callable[[], UploadToken]) -> list[str]:
    """What so many threads get that begin together."""
    start = threading.Barrier(count)
    got: list[str] = []

    def run() -> None:
        start.wait(30)
        try:
            got.append(work().secret.reveal())
        except TrustedPublishError as error:
            got.append(str(error))

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return got


def test_renewed_once_for_all_threads() -> None:
    """Several threads that meet a token that ends soon get the one that takes its place."""
    with Scripted(_script(mint=[_minted(1, 30), _minted(2), _minted(3)])) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        got = _all_at_once(8, exchange.token)

    assert (["pypi-2"] * 8, 2) == (got, len(server.bodies(MINT)))


def test_replaced_once_for_all_threads() -> None:
    """So it is with a token that the index calls expired; a newer one is not replaced again."""
    with Scripted(_script(mint=[_minted(1), _minted(2), _minted(3)])) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        first = exchange.token()
        got = _all_at_once(8, lambda: exchange.replace(first))
        second = exchange.token()
        third = exchange.replace(second)

    assert (["pypi-2"] * 8, "pypi-2", "pypi-3") == (got, second.secret.reveal(), third.secret.reveal())
    assert 3 == len(server.bodies(MINT))


def test_a_renewal_that_fails() -> None:
    """The index is asked once: all threads that wait get the same error, and so do those that come later."""
    off = Answer.of({"errors": [{"code": "not-enabled", "description": "off"}]}, 422)
    with Scripted(_script(mint=[_minted(1, 30), off, _minted(3)])) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        got = _all_at_once(4, exchange.token)
        later = _refused(ExchangeError, exchange.token)

    off_for_all = "The index has switched trusted publishing off, for this CI or for all."
    expected = f"own refused the identity: not-enabled (off). {off_for_all} {AGAIN}\n\n{NOTHING_SAID}"
    assert ([expected] * 4, expected, 2) == (got, str(later), len(server.bodies(MINT)))


def test_single_use_tokens_are_given_once() -> None:
    """Whatever asks for one, and however: no two get the same single-use token."""
    script: dict[str, Answer | list[Answer]] = {
        "GET /a": OWN_AUDIENCE,
        "POST /m": [_minted(number) for number in range(1, 9)],
    }
    with Scripted(script) as server, _client() as client:
        script[DISCOVERY] = _found(server, features=["single-use-token"])
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        first = exchange.token()
        got = [exchange.replace(first).secret.reveal(), exchange.token().secret.reveal()]
        got += _all_at_once(4, exchange.token)

    assert ["pypi-1", *(f"pypi-{number}" for number in range(2, 8))] == [first.secret.reveal(), *sorted(got)]


def _burned(server: Scripted) -> list[str]:
    return [json.loads(body)["token"] for body in server.bodies(BURN)]


@pytest.mark.parametrize(
    ("answers", "because"),
    [
        pytest.param([Answer(202)], None, id="burned"),
        pytest.param([Answer(500), Answer(202)], "the index answered 500", id="not the newest"),
        pytest.param([Answer(202), Answer(403)], "the index answered 403", id="not the old one"),
        pytest.param([Answer(500), Answer(403)], "the index answered 500", id="none"),
    ],
)
def test_each_token_that_has_not_ended_is_burned(answers: list[Answer], because: str | None) -> None:
    """After a renewal the old token may live on: both are burned, the newest first, and at most one line tells of it."""
    script = _script(mint=[_minted(1, 500), _minted(2, 900)], burn=answers)
    with Scripted(script) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        exchange.token(600)
        problem = exchange.burn()

    expected = because and f"The upload token was not burned; it ends by itself within 15 minutes. ({because})"
    assert (["pypi-2", "pypi-1"], expected) == (_burned(server), problem)


def test_what_has_ended_is_not_burned() -> None:
    """A token that the index calls expired is left alone, and so is one whose time is over."""
    script = _script(mint=[_minted(1, 500), _minted(2, 500), _minted(3)], burn=Answer(202))
    with Scripted(script) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        second = exchange.replace(exchange.token())
        third = exchange.token(600)
        object.__setattr__(second, "expires", time.time() - 1)  # nobody waits for that here
        exchange.burn()

    assert (["pypi-3"], "pypi-3") == (_burned(server), third.secret.reveal())


def test_all_is_burned_within_the_last_words() -> None:
    """When somebody has stopped the run, the burning of all tokens together has the seconds that are given."""
    script = _script(mint=[_minted(1, 500), _minted(2, 900)], burn=Answer(fault="silence"))
    with Scripted(script) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        exchange.token(600)
        client.hurry(0.3)
        problem = exchange.burn()

    late = "(While burning the upload token at own: no whole reply came in time)"
    assert f"The upload token was not burned; it ends by itself within 15 minutes. {late}" == problem
    # For the second one no time was left.
    assert ["pypi-2"] == _burned(server)


def test_burning_does_not_wait_for_a_renewal() -> None:
    """When somebody stops the run while a thread asks for a token, the old one is burned at once."""
    held, free = threading.Event(), threading.Event()

    def answer(asked: Asked) -> Answer:
        if asked.line == MINT and len(server.bodies(MINT)) == 1:
            held.set()
            free.wait(30)
        return {AUDIENCE: OWN_AUDIENCE, MINT: MINTED, BURN: Answer(202)}.get(asked.line, Answer(404))

    with Scripted(answer) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        renewal = threading.Thread(target=exchange.token, args=(10000.0,), daemon=True)
        renewal.start()
        held.wait(30)
        problem = exchange.burn()
        burned = len(server.bodies(BURN))
        free.set()
        renewal.join(30)

    assert (None, 1) == (problem, burned)


# Kept for the next command of the job


def _kept_run(server: Scripted, folder: Path, ci: Ci, masked: list[str]) -> tuple[str, str | None]:
    """One command of a job: the token that it uses, and what it says of the burning."""
    with _client() as client:
        exchange = _exchange(
            _index(server), ci.ambient, client, lambda secret: masked.append(secret.reveal()), None, folder
        )
        exchange.prepare()
        return exchange.token().secret.reveal(), exchange.burn()


def test_kept_for_the_next_command(tmp_path: Path) -> None:
    """A job's second command uses the token of the first: it exchanges and burns nothing, and masks both tokens."""
    masked: list[str] = []
    with Scripted(_script(mint=[_minted(1, 600), REUSED])) as server:
        first = _kept_run(server, tmp_path, Ci(renewable=False), masked)
        after = len(masked)
        second = _kept_run(server, tmp_path, Ci(renewable=False), masked)

    assert [("pypi-1", None)] * 2 == [first, second]
    assert [DISCOVERY, AUDIENCE, MINT, DISCOVERY, AUDIENCE] == server.lines
    assert [Ci.token(1), "pypi-1"] == masked[after:]


@pytest.mark.parametrize("life", [500.0, None, -5.0, LONGEST_LIFE * 2])
def test_a_kept_token_lives_as_long_as_it_did(tmp_path: Path, life: float | None) -> None:
    """Its end is kept by this machine's clock, whatever the index's says."""
    left = []
    with Scripted(_script(mint=_minted(1, life))) as server:
        for _ in range(2):
            with _client() as client:
                exchange = _exchange(_index(server), Ci(renewable=False).ambient, client, _nothing, keep_in=tmp_path)
                exchange.prepare()
                left.append(exchange.seconds_left())

    first, second = left
    assert (500.0 if life == 500.0 else 900.0) >= first >= second > 0
    assert 1 == len(server.bodies(MINT))


@pytest.mark.parametrize(
    ("other", "url"),
    [pytest.param({"jti": "2"}, "/legacy/", id="another job"), pytest.param({}, "/other/", id="another index")],
)
def test_kept_for_nobody_else(tmp_path: Path, other: dict[str, str], url: str) -> None:
    """Another job, and another index of the same host, get no token that was kept."""
    tokens = []
    with Scripted(_script(mint=[_minted(1), _minted(2)])) as server:
        for claims, path in (({}, "/legacy/"), (other, url)):
            index = find_index(Repository("own", f"{server.url}{path}"))
            with _client() as client:
                ambient = Ci(renewable=False, **claims).ambient
                exchange = _exchange(index, ambient, client, _nothing, keep_in=tmp_path)
                tokens.append(exchange.token().secret.reveal())

    assert ["pypi-1", "pypi-2"] == tokens


def test_what_is_not_kept(tmp_path: Path) -> None:
    """A CI that gives fresh identities needs no kept token, and a single-use token is of no use to the next command."""
    script: dict[str, Answer | list[Answer]] = {
        "GET /a": OWN_AUDIENCE,
        "POST /m": MINTED,
        **_script(burn=Answer(202)),
    }
    with Scripted(script) as server:
        _kept_run(server, tmp_path, Ci(), [])
        script[DISCOVERY] = _found(server, features=["single-use-token"])
        _kept_run(server, tmp_path, Ci(renewable=False), [])

    assert ([], ["pypi-1"]) == (list(tmp_path.iterdir()), _burned(server))


@pytest.mark.parametrize("life", [-1.0, SHORTEST_LIFE - 5])
def test_a_kept_token_that_has_ended(tmp_path: Path, life: float) -> None:
    """It is not begun with, and nothing is exchanged: the identity is spent."""
    with Scripted(_script()) as server, _client() as client:
        index, ci = _index(server), Ci(renewable=False)
        ended = UploadToken(Secret("pypi-1"), time.time() + life)
        kept.keep(kept.place(tmp_path, Secret(Ci.token(1)), index.upload_url), ended)
        exchange = _exchange(index, ci.ambient, client, _nothing, keep_in=tmp_path)
        error = _refused(ExchangeError, exchange.prepare)

    assert (f"The upload token that was kept for this job has ended. {ONCE}", [DISCOVERY, AUDIENCE]) == (
        str(error),
        server.lines,
    )
    assert (life > 0) == bool(list(tmp_path.iterdir()))


def test_a_kept_token_for_a_job_that_is_not_the_publisher(tmp_path: Path) -> None:
    """The comparison comes first, also where nothing has to be exchanged."""
    with Scripted(_script()) as server:
        _kept_run(server, tmp_path, Ci(renewable=False), [])
        with _client() as client:
            ci = Ci(renewable=False)
            exchange = _exchange(_index(server), ci.ambient, client, _nothing, PUBLISHER, tmp_path)
            error = _refused(ExchangeError, exchange.prepare)

    assert str(error).startswith("This job is not the one that the table `publisher` describes;")


def test_a_token_that_cannot_be_kept(tmp_path: Path) -> None:
    """The release goes on; the token is burned, and it is said that the next command will not have it."""
    with Scripted(_script(burn=[Answer(202), Answer(500)])) as server:
        said = [_kept_run(server, tmp_path / "gone", Ci(renewable=False), []) for _ in range(2)]

    unkept = "The upload token could not be kept for the next command of this job (No such file or directory)."
    unburned = "The upload token was not burned; it ends by itself within 15 minutes. (the index answered 500)"
    assert [("pypi-1", unkept), ("pypi-1", f"{unburned} {unkept}")] == said
    assert ["pypi-1"] * 2 == _burned(server)


def _refusal(*, token_refused: bool) -> UploadError:
    return UploadError("own refused it.", scope="token" if token_refused else "run")


@pytest.mark.parametrize("keeps", [True, False])
def test_a_refused_token(tmp_path: Path, keeps: bool) -> None:
    """Where the CI has no other identity for the job, the error says so, and the token is kept no longer."""
    with Scripted(_script(burn=Answer(202))) as server, _client() as client:
        keep_in = tmp_path if keeps else None
        exchange = _exchange(_index(server), Ci(renewable=False).ambient, client, _nothing, keep_in=keep_in)
        exchange.prepare()
        exchange.refused(_refusal(token_refused=False))
        before = len(list(tmp_path.iterdir()))
        errors = [_refused(UploadError, lambda: exchange.refused(_refusal(token_refused=True))) for _ in range(2)]
        exchange.burn()

    assert [f"own refused it. {ONCE}"] * 2 == [str(error) for error in errors]
    assert (int(keeps), []) == (before, list(tmp_path.iterdir()))


def test_a_refused_token_that_can_be_replaced() -> None:
    """Where the CI gives fresh identities, a refusal is what it says."""
    with Scripted(_script()) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.refused(_refusal(token_refused=True))

    assert [DISCOVERY, AUDIENCE] == server.lines


# The end


@pytest.mark.parametrize("answer", [Answer(200), Answer(202), Answer(204), Answer(404)])
def test_burned(answer: Answer) -> None:
    """A burned token, and an index that has no such thing, are nothing to tell."""
    with Scripted(_script(burn=answer)) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()

        assert exchange.burn() is None

    assert [BURN] == server.lines[-1:]


@pytest.mark.parametrize(
    ("answer", "because"),
    [
        pytest.param(Answer(403), "the index answered 403", id="403"),
        pytest.param(Answer(500), "the index answered 500", id="500"),
        pytest.param(Answer(302, headers={"Location": "/x"}), "the index answered 302", id="redirect"),
        pytest.param(
            Answer(fault="no reply"),
            "While burning the upload token at own: the connection broke (RemoteProtocolError)",
            id="no reply",
        ),
    ],
)
def test_not_burned(answer: Answer, because: str) -> None:
    """A token that could not be burned is a remark and no error, after one try."""
    with Scripted(_script(burn=answer)) as server, _client() as client:
        exchange = _exchange(_index(server), Ci().ambient, client, _nothing)
        exchange.prepare()
        problem = exchange.burn()

    assert (
        f"The upload token was not burned; it ends by itself within 15 minutes. ({because})",
        [DISCOVERY, AUDIENCE, MINT, BURN],
    ) == (problem, server.lines)


def test_nothing_to_burn() -> None:
    """Without a token there is nothing to burn."""
    with Scripted(_script()) as server, _client() as client:
        assert _exchange(_index(server), Ci().ambient, client, _nothing).burn() is None

    assert [DISCOVERY, AUDIENCE] == server.lines
