from __future__ import annotations

import base64
import json
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
import stamina

from hatch_trusted_publish.errors import (
    ExchangeError,
    IdentityError,
    Interrupted,
    Message,
    NetworkError,
    TrustedPublishError,
    UploadError,
)
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity import exchange as exchange_module
from hatch_trusted_publish.identity import token_cache
from hatch_trusted_publish.identity.ambient import Ambient
from hatch_trusted_publish.identity.exchange import LONGEST_LIFE, SHORTEST_LIFE, Exchange, find_terms
from hatch_trusted_publish.identity.publishers import Expected
from hatch_trusted_publish.index.endpoints import Repository, find_index
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.secret import Secret
from tests.support.events import Recorder
from tests.support.scripted import Answer, Asked, Fault, Scripted

DISCOVERY = f"GET /.well-known/pytp?discover={quote_plus('/legacy/')}"
AUDIENCE, MINT, BURN = "GET /_/oidc/audience", "POST /_/oidc/mint-token", "POST /_/oidc/burn-token"
OWN_AUDIENCE = Answer.of({"audience": "127.0.0.1"})
MINTED = Answer.of({"token": "pypi-1", "expires": 1})
REUSED = Answer.of({"errors": [{"code": "invalid-reuse-token", "description": "used"}]}, 422)
OFF = Answer.of({"errors": [{"code": "not-enabled", "description": "off"}]}, 422)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy, and no waiting between tries."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


class Ci:
    """A CI that counts its identity tokens."""

    def __init__(self, *, renewable: bool = True, **claims: object) -> None:
        self.asked: list[str] = []
        self.claims = claims
        self.ambient = Ambient("Some CI", self._fetch, renewable)

    def _fetch(self, audience: str) -> str:
        self.asked.append(audience)
        return self.token(len(self.asked) if self.ambient.renewable else 1, audience, **self.claims)

    @staticmethod
    def token(number: int, audience: str = "127.0.0.1", **claims: object) -> str:
        said = json.dumps({"aud": audience, "n": number, **claims}).encode()
        return f"e30.{base64.urlsafe_b64encode(said).decode().rstrip('=')}.x"


def one_identity(**claims: object) -> Ci:
    """A CI with one identity token per job."""
    return Ci(renewable=False, **claims)


@dataclass
class Parties:
    """The parties of an exchange."""

    server: Scripted
    client: Client
    events: Recorder
    exchange: Exchange

    def identities(self) -> list[str]:
        """The identity tokens that were sent."""
        return [json.loads(body)["token"] for body in self.server.bodies(MINT)]

    def burned(self) -> list[str]:
        """The upload tokens that were burned."""
        return [json.loads(body)["token"] for body in self.server.bodies(BURN)]


Script = Mapping[str, Answer | list[Answer]] | Callable[[Asked], Answer]


@contextmanager
def exchanging(
    script: Script,
    ci: Ci,
    *,
    publisher: Mapping[str, str] | None = None,
    keep_in: Path | None = None,
    timeout: float = 20.0,
    path: str = "/legacy/",
    configured: Mapping[str, str] | None = None,
) -> Iterator[Parties]:
    """Return one run's exchange, once the index has named its audience. ``URL`` in *configured* is the server's."""
    with Scripted(script) as server, Client(Certificates(), timeout, "tests/1.0") as client:
        options = {key: value.replace("URL", server.url) for key, value in (configured or {}).items()}
        index = find_index(Repository("own", f"{server.url}{path}", **options))  # type: ignore[arg-type]
        events, terms = Recorder(), find_terms(index, client)
        expected = Expected(["sample"], publisher)
        yield Parties(server, client, events, Exchange(terms, ci.ambient, expected, client, events, keep_in))


def scripted(**answers: Answer | list[Answer]) -> dict[str, Answer | list[Answer]]:
    """Return the script of an index without PEP 807."""
    lines = {"audience": AUDIENCE, "mint": MINT, "burn": BURN}
    return {AUDIENCE: OWN_AUDIENCE, MINT: MINTED, **{lines[name]: answer for name, answer in answers.items()}}


def with_discovery(mint: Answer | list[Answer] = MINTED, /, **more: object) -> Callable[[Asked], Answer]:
    """Return the script of an index with PEP 807."""
    mints = iter(mint if isinstance(mint, list) else [mint] * 99)

    def answer(asked: Asked) -> Answer:
        if asked.line == DISCOVERY:
            url = f"http://{asked.headers['host']}"
            found = {"audience-endpoint": f"{url}/a", "token-mint-endpoint": f"{url}/m", **more}
            return Answer.of(found, media_type="application/vnd.pypi.pytp.v1+json")
        return next(mints) if asked.line == "POST /m" else {"GET /a": OWN_AUDIENCE}.get(asked.line, Answer(404))

    return answer


def refused(kind: type[TrustedPublishError], run: Callable[[], object]) -> Message:
    """Return the message of the error that *run* ends with."""
    with pytest.raises(kind) as caught:
        run()
    return caught.value.message


# The exchange


def test_the_whole_exchange() -> None:
    """Endpoints, audience, identity, upload token, burning: in this order, the identity as late as possible."""
    ci = Ci()
    with exchanging(scripted(burn=Answer(202)), ci) as run:
        before = [*ci.asked, *run.exchange.claims()]
        tokens = [run.exchange.prepare().secret.reveal(), run.exchange.prepare().secret.reveal()]
        tokens += [run.exchange.token().secret.reveal() for _ in range(2)]
        run.exchange.burn()

    assert "127.0.0.1" == run.exchange.claims()["aud"]
    assert [DISCOVERY, AUDIENCE, MINT, BURN] == run.server.lines
    assert ([], ["127.0.0.1"], ["pypi-1"] * 4) == (before, ci.asked, tokens)
    assert ([Ci.token(1)], ["pypi-1"]) == (run.identities(), run.burned())
    assert ([Ci.token(1), "pypi-1"], [], []) == (run.events.masked, run.events.notes, run.events.warnings)


def test_configured_endpoints_end_the_search() -> None:
    """Configured endpoints are used without a search; there is nothing to burn next to them."""
    script = {"GET /a": OWN_AUDIENCE, "POST /m": MINTED}
    with exchanging(script, Ci(), configured={"audience_endpoint": "URL/a", "token_mint_endpoint": "URL/m"}) as run:
        run.exchange.token()
        run.exchange.burn()

    assert (["GET /a", "POST /m"], []) == (run.server.lines, run.events.warnings)


def test_endpoints_by_discovery() -> None:
    """PEP 807's endpoints are used; an index that has them is not asked to burn."""
    with exchanging(with_discovery(), Ci()) as run:
        tokens = [run.exchange.token().secret.reveal() for _ in range(2)]
        run.exchange.burn()

    assert ([DISCOVERY, "GET /a", "POST /m"], ["pypi-1"] * 2) == (run.server.lines, tokens)
    assert "application/vnd.pypi.pytp.v1+json" == run.server.asked[0].headers["accept"]


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
    """On an index without PEP 807, PyPI's own paths are used."""
    with exchanging({**scripted(), DISCOVERY: answer}, Ci()) as run:
        assert [DISCOVERY, AUDIENCE] == run.server.lines


@pytest.mark.parametrize(
    ("script", "configured"),
    [
        pytest.param(
            with_discovery(MINTED, **{"token-mint-endpoint": "https://evil.test/mint"}), {}, id="another host"
        ),
        pytest.param(scripted(audience=Answer.of({"audience": "pypi"})), {}, id="PyPI's audience"),
        pytest.param(scripted(audience=Answer.of({"audience": "SigStore "})), {}, id="Sigstore's audience"),
        pytest.param(scripted(audience=Answer.of({"audience": "https://other.test"})), {}, id="another audience"),
        pytest.param(scripted(audience=Answer.of({"audience": "x127.0.0.1"})), {}, id="almost its own"),
        pytest.param(scripted(), {"audience": "mine"}, id="not the configured audience"),
        pytest.param({}, {}, id="no audience"),
    ],
)
def test_terms_that_are_not_trusted(script: Script, configured: dict[str, str]) -> None:
    """An index that names another service's audience gets no identity, and nothing is minted."""
    ci = Ci()
    with pytest.raises(ExchangeError), exchanging(script, ci, configured=configured):
        pass

    assert [] == ci.asked


@pytest.mark.parametrize("audience", ["127.0.0.1", "http://127.0.0.1:1/x", "mine"])
def test_an_audience_that_is_its_own(audience: str) -> None:
    """The identity is requested for the host's name, a URL on it, or the configured audience."""
    ci = Ci()
    configured = {"audience": audience} if audience == "mine" else {}
    with exchanging(scripted(audience=Answer.of({"audience": audience})), ci, configured=configured) as run:
        run.exchange.token()

    assert [audience] == ci.asked


def test_a_ci_without_a_token() -> None:
    """The CI's own error is raised unchanged, and nothing is sent to the mint endpoint."""

    def fetch(_: str) -> str:
        raise IdentityError("no-ci")

    ci = Ci()
    ci.ambient = Ambient("Some CI", fetch)
    with exchanging(scripted(), ci) as run:
        assert Message("no-ci") == refused(IdentityError, run.exchange.prepare)

    assert [DISCOVERY, AUDIENCE] == run.server.lines


# Masks


def test_secrets_are_masked_before_they_are_used() -> None:
    """The identity is masked before it is sent, the upload token before it is returned; each new one, too."""
    masked: list[tuple[str, int]] = []
    with exchanging(scripted(mint=[Answer(fault="no reply"), MINTED]), Ci()) as run:
        run.events.mask = lambda secret: masked.append((secret.reveal(), len(run.identities())))  # type: ignore[method-assign]
        run.exchange.token()

    assert [(Ci.token(1), 0), (Ci.token(2), 1), ("pypi-1", 2)] == masked


@pytest.mark.parametrize(("broken", "burned"), [(1, []), (2, ["pypi-1"])])
def test_output_that_breaks(broken: int, burned: list[str]) -> None:
    """A token that cannot be masked is not used: the identity is not sent, the upload token is burned."""
    with exchanging(scripted(burn=Answer(202)), Ci()) as run:
        mask = run.events.mask

        def breaks(secret: Secret) -> None:
            mask(secret)
            if len(run.events.masked) == broken:
                raise Interrupted("no-mask", reason="Broken pipe")

        run.events.mask = breaks  # type: ignore[method-assign]
        error = refused(Interrupted, run.exchange.prepare)
        run.exchange.burn()

    assert ("no-mask", burned) == (error.code, run.burned())
    assert len(burned) == len(run.identities())


# Replies that were lost


@pytest.mark.parametrize("fault", ["no reply", "cut", "silence"])
def test_a_lost_reply_with_more_identities(fault: Fault) -> None:
    """If a reply is lost, the token may be used: the next try has a new one."""
    lost = Answer(body=b"x" * 50, fault=fault)
    with exchanging(scripted(mint=[lost, lost, MINTED]), Ci(), timeout=0.4) as run:
        token = run.exchange.token()

    assert ("pypi-1", [Ci.token(number) for number in (1, 2, 3)]) == (token.secret.reveal(), run.identities())


def test_all_replies_lost_with_more_identities() -> None:
    """If no try gets a reply, the error is about the network."""
    with exchanging(scripted(mint=Answer(fault="no reply")), Ci()) as run, pytest.raises(NetworkError):
        run.exchange.prepare()

    assert [Ci.token(number) for number in (1, 2, 3, 4)] == run.identities()


@pytest.mark.parametrize(
    ("answers", "sent"),
    [
        pytest.param([Answer(fault="no reply")], 4, id="no reply at all"),
        pytest.param([Answer(fault="no reply"), REUSED], 2, id="used by the try before"),
        pytest.param(
            [Answer(fault="cut", body=b"x" * 50), Answer(500)], 4, id="500 of a used token with a pending publisher"
        ),
        pytest.param([Answer.of({"success": True})], 1, id="a reply without a token"),
    ],
)
def test_a_lost_reply_with_one_identity(answers: list[Answer], sent: int) -> None:
    """If a job's only token may be used, the error says so, and why."""
    with exchanging(scripted(mint=answers), one_identity()) as run:
        error = refused(ExchangeError, run.exchange.prepare)

    assert ("identity-token-spent", "own", "Some CI") == (error.code, error.facts["index"], error.facts["ci"])
    assert [Ci.token(1)] * sent == run.identities()


def test_a_lost_reply_that_did_no_harm() -> None:
    """If the index did not process the lost request, the same token works at the next try."""
    with exchanging(scripted(mint=[Answer(fault="no reply"), MINTED]), one_identity()) as run:
        token = run.exchange.token()

    assert ("pypi-1", [Ci.token(1)] * 2) == (token.secret.reveal(), run.identities())


@pytest.mark.parametrize("renewable", [True, False])
@pytest.mark.parametrize(
    ("answers", "code", "details"),
    [
        pytest.param([REUSED], "invalid-reuse-token", True, id="used before this run"),
        pytest.param([Answer(503), OFF], "not-enabled", True, id="another reason at the second try"),
        pytest.param([Answer(403, b'{"detail": "no."}')], "exchange-failed", False, id="no code"),
    ],
)
def test_a_refusal_is_not_a_lost_reply(answers: list[Answer], code: str, details: bool, renewable: bool) -> None:
    """A rejection for another reason is reported as such, with the job's claims."""
    with exchanging(scripted(mint=answers), Ci(renewable=renewable)) as run:
        error = refused(ExchangeError, run.exchange.prepare)

    assert (code, details) == (error.code, error.facts.get("more") is not None)


def test_an_index_that_is_down_has_not_lost_a_reply() -> None:
    """If the mint endpoint cannot be reached, a job's only token is still unused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/m"
    with (
        exchanging(
            {"GET /a": OWN_AUDIENCE},
            one_identity(),
            configured={"audience_endpoint": "URL/a", "token_mint_endpoint": closed},
        ) as run,
        pytest.raises(NetworkError) as caught,
    ):
        run.exchange.prepare()

    assert not caught.value.was_sent


def test_a_long_wait_is_not_a_lost_reply() -> None:
    """If the index asks to come back later, a job's only token is still unused."""
    later = Answer(429, headers={"Retry-After": "7200"})
    with exchanging(scripted(mint=later), one_identity()) as run, pytest.raises(NetworkError) as caught:
        run.exchange.prepare()

    assert not caught.value.was_sent


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
    """An identity that does not match the table is masked, but never sent; it is requested once."""
    with exchanging(scripted(), Ci(**JOB), publisher={**PUBLISHER, "workflow": "publish.yml"}) as run:
        errors = [refused(ExchangeError, work) for work in (run.exchange.prepare, run.exchange.token)]
        run.exchange.burn()

    assert ["publisher-mismatch"] * 2 == [error.code for error in errors]
    assert ["workflow"] == [one.facts["setting"] for one in errors[0].facts["mismatches"]]
    assert ([DISCOVERY, AUDIENCE], [Ci.token(1, **JOB)]) == (run.server.lines, run.events.masked)


def test_a_job_that_is_the_publisher() -> None:
    """A matching identity is exchanged; a field that the table does not have is not compared."""
    with exchanging(scripted(), Ci(**JOB), publisher=PUBLISHER) as run:
        assert "pypi-1" == run.exchange.token().secret.reveal()


def test_every_error_of_a_reply() -> None:
    """All errors of one reply are reported, with what the run knows about the job."""
    errors = [{"code": "invalid-publisher", "description": "no"}, {"code": "invalid-payload", "description": "odd"}]
    with exchanging(scripted(mint=Answer.of({"errors": errors}, 422)), Ci(**JOB)) as run:
        error = refused(ExchangeError, run.exchange.prepare)

    assert ("invalid-publisher", ["invalid-publisher: no", "invalid-payload: odd"]) == (error.code, error.facts["said"])
    assert "octo-org/sampleproject" == error.facts["more"].facts["claims"]["repository"]


def test_another_project() -> None:
    """The claims accompany an upload token that is not for a project."""
    with exchanging(scripted(), Ci(**JOB)) as run:
        run.exchange.prepare()
        message = run.exchange.explain_other_project(["other"])

    assert "octo-org/sampleproject" == message.facts["claims"]["repository"]


# Renewal


def minted(number: int, life: float | None = None) -> Answer:
    """Return a token that is valid for *life* seconds."""
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
        pytest.param(None, 800, True, 1, id="no expiry: 900 s"),
        pytest.param(None, 1000, True, 2, id="no expiry, not for this file"),
        pytest.param(-5, 800, True, 1, id="index's clock is ahead: 900 s"),
        pytest.param(-5, 1000, True, 2, id="index's clock is ahead, not for this file"),
        pytest.param(LONGEST_LIFE + 1000, 1000, True, 2, id="index's clock is far behind: 900 s"),
        pytest.param(LONGEST_LIFE - 1000, 1000, True, 1, id="a long life"),
    ],
)
def test_renewed_in_time(life: float | None, seconds: float, renewable: bool, expected: int) -> None:
    """A token that would expire during the next file is replaced first, if the CI issues more identities."""
    ci = Ci(renewable=renewable)
    with exchanging(scripted(mint=[minted(1, life), minted(2, 86000)]), ci) as run:
        run.exchange.prepare()
        token = run.exchange.token(seconds)
        again = run.exchange.token(seconds)

    assert (f"pypi-{expected}", expected, expected) == (token.secret.reveal(), len(ci.asked), len(run.identities()))
    assert (token is again, renewable) == (True, run.exchange.renewable)


def test_seconds_left() -> None:
    """A token's lifetime starts when it is minted."""
    with exchanging(scripted(mint=minted(1, 500)), Ci()) as run:
        before = run.exchange.seconds_left()
        run.exchange.prepare()
        left = run.exchange.seconds_left()

    assert (0, True) == (before, 0 < left <= 500)


def all_at_once(count: int, work: Callable[[], UploadToken]) -> list[str]:
    """Return the results of several threads that start together."""
    start = threading.Barrier(count)
    got: list[str] = []

    def run() -> None:
        start.wait(30)
        try:
            got.append(work().secret.reveal())
        except TrustedPublishError as error:
            got.append(error.message.code)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return got


def test_renewed_once_for_all_threads() -> None:
    """Several threads with a token that is about to expire share one replacement."""
    with exchanging(scripted(mint=[minted(1, 30), minted(2), minted(3)]), Ci()) as run:
        run.exchange.prepare()
        got = all_at_once(8, run.exchange.token)

    assert (["pypi-2"] * 8, 2) == (got, len(run.identities()))


def test_replaced_once_for_all_threads() -> None:
    """The same with a token that the index reports as expired; a newer one is not replaced."""
    with exchanging(scripted(mint=[minted(1), minted(2), minted(3)]), Ci()) as run:
        first = run.exchange.token()
        got = all_at_once(8, lambda: run.exchange.token(expired=first))
        second = run.exchange.token()
        third = run.exchange.token(expired=second)

    assert (["pypi-2"] * 8, "pypi-2", "pypi-3") == (got, second.secret.reveal(), third.secret.reveal())
    assert 3 == len(run.identities())


def test_a_renewal_that_fails() -> None:
    """One request is made: all waiting threads get the same error, and so do later ones."""
    with exchanging(scripted(mint=[minted(1, 30), OFF, minted(3)]), Ci()) as run:
        run.exchange.prepare()
        got = all_at_once(4, run.exchange.token)
        later = refused(ExchangeError, run.exchange.token)

    assert (["not-enabled"] * 4, "not-enabled", 2) == (got, later.code, len(run.identities()))


@pytest.mark.parametrize("renewable", [True, False])
def test_single_use_tokens_are_returned_once(renewable: bool) -> None:
    """No two callers get the same single-use token, and none is minted in vain."""
    script = with_discovery([minted(number) for number in range(1, 9)], features=["single-use-token"])
    with exchanging(script, Ci(renewable=renewable)) as run:
        run.exchange.prepare()
        first = run.exchange.token()
        got = [run.exchange.token(expired=first).secret.reveal(), run.exchange.token().secret.reveal()]
        got += all_at_once(4, run.exchange.token)
        left = run.exchange.seconds_left()

    assert ["pypi-1", *(f"pypi-{number}" for number in range(2, 8))] == [first.secret.reveal(), *sorted(got)]
    assert (7, float("inf")) == (run.server.lines.count("POST /m"), left)


# Refused tokens


def _refusal(code: str, scope: Any) -> UploadError:
    return UploadError(code, scope=scope, reason=Message("interrupted"))


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize(
    ("code", "cause"), [("token-expired", None), ("token-unknown", Message("token-lost-its-publisher"))]
)
def test_a_refused_token(tmp_path: Path, code: str, cause: Message | None, keeps: bool) -> None:
    """A job with one identity has to be run again, and the error says only that; a kept token is deleted."""
    with exchanging(scripted(burn=Answer(202)), one_identity(), keep_in=tmp_path if keeps else None) as run:
        run.exchange.prepare()
        run.exchange.refused(_refusal("file-refused", "file"))
        before = len(list(tmp_path.iterdir()))
        errors = [refused(UploadError, lambda: run.exchange.refused(_refusal(code, "token"))) for _ in range(2)]

    expected = Message("upload-token-of-job-refused", reason=Message("interrupted"), cause=cause, ci="Some CI")
    assert ([expected] * 2, int(keeps), []) == (errors, before, list(tmp_path.iterdir()))


def test_a_refused_token_that_can_be_replaced() -> None:
    """If the CI issues more identities, a rejection stays unchanged."""
    with exchanging(scripted(), Ci()) as run:
        run.exchange.refused(_refusal("token-expired", "token"))

    assert [DISCOVERY, AUDIENCE] == run.server.lines


# Kept for the next command of the job


def kept_run(
    script: Script, directory: Path, ci: Ci, *, path: str = "/legacy/", publisher: Mapping[str, str] | None = None
) -> tuple[str, Parties]:
    """Run one command of a job; return its token, and what it did."""
    with exchanging(script, ci, keep_in=directory, path=path, publisher=publisher) as run:
        run.exchange.prepare()
        token = run.exchange.token().secret.reveal()
        run.exchange.burn()
    return token, run


@pytest.fixture
def _same_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's servers count as one index, whatever their ports."""
    place = token_cache.place

    def at(directory: Path, identity: Secret, url: str) -> Path:
        return place(directory, identity, url.rpartition(":")[2].partition("/")[2])

    monkeypatch.setattr(token_cache, "place", at)


@pytest.mark.usefixtures("_same_url")
def test_kept_for_the_next_command(tmp_path: Path) -> None:
    """A job's second command uses the token of the first: it exchanges and burns nothing, and masks both tokens."""
    first, before = kept_run(scripted(mint=minted(1, 600)), tmp_path, one_identity())
    second, after = kept_run(scripted(mint=REUSED), tmp_path, one_identity())

    assert ["pypi-1"] * 2 == [first, second]
    assert ([DISCOVERY, AUDIENCE, MINT], [DISCOVERY, AUDIENCE]) == (before.server.lines, after.server.lines)
    assert [Ci.token(1), "pypi-1"] == after.events.masked
    assert 0 < after.exchange.seconds_left() <= 600


@pytest.mark.parametrize("life", [500.0, None, -5.0, LONGEST_LIFE * 2])
@pytest.mark.usefixtures("_same_url")
def test_a_kept_token_lives_as_long_as_it_did(tmp_path: Path, life: float | None) -> None:
    """Its expiry is stored by this machine's clock, whatever the index's clock says."""
    runs = [kept_run(scripted(mint=minted(1, life)), tmp_path, one_identity())[1] for _ in range(2)]

    first, second = (run.exchange.seconds_left() for run in runs)
    assert (500.0 if life == 500.0 else 900.0) >= max(first, second) > 0
    assert (1, 0) == (len(runs[0].identities()), len(runs[1].identities()))


@pytest.mark.parametrize(
    ("other", "path"),
    [pytest.param({"jti": "2"}, "/legacy/", id="another job"), pytest.param({}, "/other/", id="another index")],
)
@pytest.mark.usefixtures("_same_url")
def test_kept_for_nothing_else(tmp_path: Path, other: dict[str, str], path: str) -> None:
    """Another job, and another index on the same host, do not get a kept token."""
    kept_run(scripted(mint=minted(1)), tmp_path, one_identity())
    second, _ = kept_run(scripted(mint=minted(2)), tmp_path, one_identity(**other), path=path)

    assert "pypi-2" == second


@pytest.mark.parametrize(
    ("script", "ci"),
    [
        pytest.param(scripted(), Ci(), id="a CI with more identities"),
        pytest.param(with_discovery(features=["single-use-token"]), one_identity(), id="a single-use token"),
    ],
)
def test_what_is_not_kept(tmp_path: Path, script: Script, ci: Ci) -> None:
    """A token that the next command cannot use, or does not need, is not kept."""
    kept_run(script, tmp_path, ci)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("life", [-1.0, SHORTEST_LIFE - 5])
def test_a_kept_token_that_has_expired(tmp_path: Path, life: float) -> None:
    """No upload starts with it, and nothing is exchanged: the identity is used."""
    with exchanging(scripted(), one_identity(), keep_in=tmp_path) as run:
        expired = UploadToken(Secret("pypi-1"), time.time() + life)
        token_cache.keep(token_cache.place(tmp_path, Secret(Ci.token(1)), f"{run.server.url}/legacy/"), expired)
        error = refused(ExchangeError, run.exchange.prepare)

    assert (Message("kept-token-expired", ci="Some CI"), [DISCOVERY, AUDIENCE]) == (error, run.server.lines)
    assert (life > 0) == bool(list(tmp_path.iterdir()))


@pytest.mark.usefixtures("_same_url")
def test_a_kept_token_for_a_job_that_is_not_the_publisher(tmp_path: Path) -> None:
    """The comparison comes first, even if no exchange is needed."""
    kept_run(scripted(), tmp_path, one_identity())
    with pytest.raises(ExchangeError) as caught:
        kept_run(scripted(), tmp_path, one_identity(), publisher=PUBLISHER)

    assert "publisher-mismatch" == caught.value.message.code


@pytest.mark.parametrize("burn", [Answer(202), Answer(500)])
def test_a_token_that_cannot_be_kept(tmp_path: Path, burn: Answer) -> None:
    """The release continues; the token is burned, and a warning says that the next command will not have it."""
    token, run = kept_run(scripted(burn=burn), tmp_path / "gone", one_identity())

    unkept = Message("token-not-kept", problem="No such file or directory")
    unburned = [Message("token-not-burned", problem=Message("burn-refused", status=500))] if burn.status == 500 else []
    assert ("pypi-1", [unkept, *unburned], ["pypi-1"]) == (token, run.events.warnings, run.burned())


# The end


@pytest.mark.parametrize("answer", [Answer(200), Answer(202), Answer(204)])
def test_burned(answer: Answer) -> None:
    """A burned token is not reported."""
    with exchanging(scripted(burn=answer), Ci()) as run:
        run.exchange.prepare()
        run.exchange.burn(tell=True)

    assert (["pypi-1"], [], []) == (run.burned(), run.events.warnings, run.events.notes)


@pytest.mark.parametrize("tell", [True, False])
@pytest.mark.parametrize("script", [scripted(), with_discovery()], ids=["404", "no such endpoint"])
def test_an_index_that_cannot_burn(script: Script, tell: bool) -> None:
    """This is reported where you asked for a burned token, as in a dry run that mints."""
    with exchanging(script, Ci()) as run:
        run.exchange.prepare()
        run.exchange.burn(tell=tell)

    assert ([Message("no-burning", index="own")] * tell, []) == (run.events.notes, run.events.warnings)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(Answer(403), 403, id="403"),
        pytest.param(Answer(500), 500, id="500"),
        pytest.param(Answer(302, headers={"Location": "/x"}), 302, id="redirect"),
        pytest.param(Answer(fault="no reply"), None, id="no reply"),
    ],
)
def test_not_burned(answer: Answer, status: int | None) -> None:
    """A token that could not be burned is a warning and not an error, after one try."""
    with exchanging(scripted(burn=answer), Ci()) as run:
        run.exchange.prepare()
        run.exchange.burn()

    (warning,) = run.events.warnings
    assert ("token-not-burned", status) == (warning.code, warning.facts["problem"].facts.get("status"))
    assert [DISCOVERY, AUDIENCE, MINT, BURN] == run.server.lines


def test_nothing_to_burn() -> None:
    """Without a token there is nothing to burn."""
    with exchanging(scripted(), Ci()) as run:
        run.exchange.burn(tell=True)

    assert ([DISCOVERY, AUDIENCE], []) == (run.server.lines, run.events.notes)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        pytest.param([Answer(202)], None, id="burned"),
        pytest.param([Answer(500), Answer(202)], 500, id="not the newest"),
        pytest.param([Answer(202), Answer(403)], 403, id="not the old one"),
        pytest.param([Answer(500), Answer(403)], 500, id="neither"),
    ],
)
def test_each_valid_token_is_burned(answers: list[Answer], status: int | None) -> None:
    """After a renewal the old token may be valid: both are burned, the newest first, with at most one warning."""
    with exchanging(scripted(mint=[minted(1, 500), minted(2, 900)], burn=answers), Ci()) as run:
        run.exchange.prepare()
        run.exchange.token(600)
        run.exchange.burn()

    expected = [Message("token-not-burned", problem=Message("burn-refused", status=status))] if status else []
    assert (["pypi-2", "pypi-1"], expected) == (run.burned(), run.events.warnings)


def test_an_expired_token_is_not_burned() -> None:
    """A token that the index reports as expired is not burned; nor is one whose time is over."""
    script = scripted(mint=[minted(1, 500), minted(2, 500), minted(3)], burn=Answer(202))
    with exchanging(script, Ci()) as run:
        second = run.exchange.token(expired=run.exchange.token())
        run.exchange.token(600)
        object.__setattr__(second, "expires", time.time() - 1)  # no test waits for the expiry
        run.exchange.burn()

    assert ["pypi-3"] == run.burned()


def test_everything_is_burned_within_the_last_words() -> None:
    """When the run is stopped, burning all tokens together has the seconds that are left."""
    script = scripted(mint=[minted(1, 500), minted(2, 900)], burn=Answer(fault="silence"))
    with exchanging(script, Ci()) as run:
        run.exchange.prepare()
        run.exchange.token(600)
        run.client.hurry(0.3)
        run.exchange.burn()

    # No time was left for the second one.
    assert (["pypi-2"], ["token-not-burned"]) == (run.burned(), [one.code for one in run.events.warnings])


class Held:
    """An index that holds its second mint until it gets the request *until*, or until the test releases it."""

    def __init__(self, until: str = "") -> None:
        self._until = until
        self._mints = 0
        self.held, self.free = threading.Event(), threading.Event()

    def __call__(self, asked: Asked) -> Answer:
        if asked.line == self._until:
            self.free.set()
        if asked.line == MINT:
            self._mints += 1
            if self._mints == 2:
                self.held.set()
                self.free.wait(30)
            return minted(self._mints)
        return {AUDIENCE: OWN_AUDIENCE, BURN: Answer(202)}.get(asked.line, Answer(404))


def test_a_mint_that_is_under_way_is_burned() -> None:
    """A run that is stopped during a mint burns its token at once, and the new one when it arrives."""
    index = Held(until=BURN)
    with exchanging(index, Ci()) as run:
        run.exchange.prepare()
        renewal = threading.Thread(target=run.exchange.token, args=(10000.0,), daemon=True)
        renewal.start()
        index.held.wait(30)
        run.exchange.burn()
        renewal.join(30)
        later = refused(Interrupted, lambda: run.exchange.token(10000.0))

    assert (["pypi-1", "pypi-2"], []) == (run.burned(), run.events.warnings)
    assert (Message("interrupted"), 2) == (later, len(run.identities()))


def test_a_mint_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped run waits for the mint within its time limit; then a token may be left, which is reported."""
    monkeypatch.setattr(exchange_module, "LAST_WORDS", 0.05)
    index = Held()
    with exchanging(index, Ci()) as run:
        run.exchange.prepare()
        renewal = threading.Thread(target=run.exchange.token, args=(10000.0,), daemon=True)
        renewal.start()
        index.held.wait(30)
        run.exchange.burn()
        index.free.set()
        renewal.join(30)

    problem = Message("no-reply-in-time")
    assert (["pypi-1"], [Message("token-not-burned", problem=problem)]) == (run.burned(), run.events.warnings)


class HeldCi(Ci):
    """A CI that holds its second identity token until the test releases it."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.free = threading.Event(), threading.Event()

    def _fetch(self, audience: str) -> str:
        if self.asked:
            self.held.set()
            self.free.wait(30)
        return super()._fetch(audience)


def test_an_identity_that_does_not_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped run reports no upload token that the index was not asked for."""
    monkeypatch.setattr(exchange_module, "LAST_WORDS", 0.05)
    ci, stopped = HeldCi(), list[Message]()
    with exchanging(scripted(burn=Answer(202)), ci) as run:
        run.exchange.prepare()
        ask = partial(refused, NetworkError, lambda: run.exchange.token(10000.0))
        renewal = threading.Thread(target=lambda: stopped.append(ask()), daemon=True)
        renewal.start()
        ci.held.wait(30)
        run.exchange.burn()
        ci.free.set()
        renewal.join(30)

    assert (["pypi-1"], []) == (run.burned(), run.events.warnings)
    assert ["run-stopped"] == [one.code for one in stopped]


@pytest.mark.parametrize("ends", [True, False], ids=["in time", "never"])
def test_stopped_while_a_token_is_burned(ends: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C the index has one second to reply."""
    monkeypatch.setattr(exchange_module, "LAST_WORDS", 30 if ends else 0.05)
    free = threading.Event()

    def answer(asked: Asked) -> Answer:
        if asked.line == BURN:
            signal.raise_signal(signal.SIGINT)
            free.wait(0 if ends else 30)
        found = scripted(burn=Answer(202)).get(asked.line, Answer(404))
        assert isinstance(found, Answer)
        return found

    with exchanging(answer, Ci()) as run:
        run.exchange.prepare()
        with pytest.raises(KeyboardInterrupt):
            run.exchange.burn()
        free.set()

    problem = Message("no-reply-in-time")
    assert ([] if ends else [Message("token-not-burned", problem=problem)]) == run.events.warnings
    assert ["pypi-1"] == run.burned()
