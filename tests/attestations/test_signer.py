"""Sigstore in every kind of success and failure; its signatures are verified as PyPI verifies them."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from traceback import walk_tb
from types import FrameType

import pypi_attestations
import pytest
from pypi_attestations import GitHubPublisher, GitLabPublisher, GooglePublisher

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.files import PUBLISH
from hatch_trusted_publish.attestations.signer import AT_ONCE, FULCIO, KEYS, REKOR, sign
from hatch_trusted_publish.errors import AttestationError, DistributionError, IdentityError, Message
from hatch_trusted_publish.identity.ambient import Ambient
from hatch_trusted_publish.rehearsal.authority import CERTIFY, LOG
from tests.e2e.world import PROJECT, SERVICE_ACCOUNT, identity_token
from tests.support.events import Recorder
from tests.support.helpers import Kept, a_distribution
from tests.support.scripted import Answer, Asked, Scripted
from tests.support.sigstores import Publisher, Sigstore, Verifying

NAMES = ["sample-1.0-py3-none-any.whl", "sample-1.0.tar.gz", "sample-1.0-py2-none-any.whl"]
REPOSITORY = f"octo-org/{PROJECT}"
GITHUB = GitHubPublisher(repository=REPOSITORY, workflow="release.yml")
GITLAB = GitLabPublisher(repository=REPOSITORY, workflow_filepath=".gitlab-ci.yml")
GOOGLE = GooglePublisher(email=SERVICE_ACCOUNT)
ONCE = ["POST " + CERTIFY, "POST " + LOG]


@pytest.fixture(autouse=True)
def _at_home(quiet: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate the tests from this machine's own configuration."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))


@dataclass
class Signed:
    """The result of signing."""

    attestations: dict[str, str] = field(default_factory=dict)
    events: Recorder = field(default_factory=Recorder)
    problem: Message | None = None
    error: AttestationError | None = None


def files(count: int = 1) -> list[Distribution]:
    return [a_distribution(name) for name in NAMES[:count]]


def signed(
    trust_config: str | None, distributions: list[Distribution], ci: Ambient | None = None, seconds: float = 30.0
) -> Signed:
    """Sign, and return the result."""
    found = Signed()
    ci = ci or Ambient("GitHub Actions", partial(identity_token, "github"), attests=True)
    try:
        for distribution, text in sign(distributions, ci, trust_config, seconds, found.events):
            found.attestations[distribution.filename] = text
    except AttestationError as error:
        found.problem, found.error = error.message, error
    return found


@pytest.mark.parametrize(
    ("ci", "publisher"),
    [("github", GITHUB), ("gitlab", GITLAB), ("google", GOOGLE)],
    ids=["github", "gitlab", "google"],
)
def test_signed_and_verified(ci: str, publisher: Publisher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A signature made with an identity verifies for its publisher; one key serves all files; the token is masked."""
    tokens = []

    def fetch(audience: str) -> str:
        tokens.append(identity_token(ci, audience))
        return tokens[-1]

    sigstore = Sigstore()
    with Scripted(sigstore) as server:
        trust_config = sigstore.trust_config(server.url)
        found = signed(trust_config, files(3), Ambient("Some CI", fetch, attests=True))

    assert (None, NAMES, tokens) == (found.problem, sorted(found.attestations, key=NAMES.index), found.events.masked)
    assert [*ONCE, ONCE[1], ONCE[1]] == server.lines
    verifying = Verifying(monkeypatch, tmp_path)
    verifying.trust(trust_config)
    for one in files(3):
        text = found.attestations[one.filename]
        assert PUBLISH == verifying.predicate(text, publisher, one.filename, one.sha256)
    # The token goes to Fulcio alone.
    assert [CERTIFY] == [asked.target for asked in server.asked if tokens[0] in str(asked)]


def _tampered(text: str) -> str:
    attestation = json.loads(text)
    signature = bytearray(base64.b64decode(attestation["envelope"]["signature"]))
    signature[-1] ^= 1
    attestation["envelope"]["signature"] = base64.b64encode(signature).decode()
    return json.dumps(attestation)


@dataclass(frozen=True)
class Wrong:
    """A value that changed after signing."""

    publisher: Publisher
    ci: str = "github"
    name: str = NAMES[0]
    digest: str = ""
    tampered: bool = False
    trusted: bool = True


WRONG = {
    "repository": Wrong(GitHubPublisher(repository="octo-org/other", workflow="release.yml")),
    "owner": Wrong(GitHubPublisher(repository=f"other/{PROJECT}", workflow="release.yml")),
    "workflow": Wrong(GitHubPublisher(repository=REPOSITORY, workflow="other.yml")),
    "provider": Wrong(GITLAB),
    "gitlab repository": Wrong(GitLabPublisher(repository="o/r", workflow_filepath=".gitlab-ci.yml"), "gitlab"),
    "gitlab workflow": Wrong(GitLabPublisher(repository=REPOSITORY, workflow_filepath="ci.yml"), "gitlab"),
    "gitlab provider": Wrong(GITHUB, "gitlab"),
    "digest": Wrong(GITHUB, digest="0" * 64),
    "name": Wrong(GITHUB, name="sample-1.1-py3-none-any.whl"),
    "signature": Wrong(GITHUB, tampered=True),
    "keys": Wrong(GITHUB, trusted=False),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_what_does_not_verify(wrong: Wrong, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another repository, workflow, CI, digest, name or signature, and the public Sigstore's keys: all rejected."""
    sigstore = Sigstore()
    [file] = files()
    with Scripted(sigstore) as server:
        trust_config = sigstore.trust_config(server.url)
        ci = Ambient("Some CI", partial(identity_token, wrong.ci), attests=True)
        text = signed(trust_config, [file], ci).attestations[file.filename]
    verifying = Verifying(monkeypatch, tmp_path)
    if wrong.trusted:
        verifying.trust(trust_config)
        right: dict[str, Publisher] = {"github": GITHUB, "gitlab": GITLAB}
        assert PUBLISH == verifying.predicate(text, right[wrong.ci], file.filename, file.sha256)

    with pytest.raises(pypi_attestations.AttestationError):
        verifying.predicate(
            _tampered(text) if wrong.tampered else text, wrong.publisher, wrong.name, wrong.digest or file.sha256
        )


@dataclass(frozen=True)
class Row:
    """One way in which Sigstore fails one file, and the expected report."""

    name: str
    path: str
    answer: Answer
    code: str
    facts: dict[str, object]
    tries: int = 1


def _rows() -> Iterator[Row]:
    said = Answer.of({"code": 3, "message": "no such\n::issuer"}, 400)
    unavailable = Answer(503, b"<html>", "text/html")
    for path in (CERTIFY, LOG):
        yield Row("no reply", path, Answer(fault="no reply"), "signing-unreachable", {}, 4)
        yield Row("503", path, unavailable, "signing-refused", {"status": 503, "said": ""}, 4)
        yield Row("429", path, Answer(429), "signing-refused", {"status": 429, "said": ""}, 4)
        yield Row("4xx without a body", path, Answer(403), "signing-refused", {"status": 403, "said": ""})
        yield Row("4xx with a list", path, Answer.of([], 400), "signing-refused", {"status": 400, "said": ""})
        yield Row("4xx with a reason", path, said, "signing-refused", {"status": 400, "said": "no such\n::issuer"})
        yield Row("not JSON", path, Answer(200, b"<html>"), "signing-error", {"kind": "JSONDecodeError"})
    yield Row("another object", CERTIFY, Answer.of({}), "signing-error", {"kind": "FulcioClientError"})
    yield Row("another object", LOG, Answer.of({}, 201), "signing-error", {"kind": "ValueError"})


@pytest.mark.parametrize("row", list(_rows()), ids=lambda row: f"{row.path}-{row.name}")
def test_fault(row: Row) -> None:
    """Each fault of the two services has its own report; temporary faults are retried, others are not."""
    sigstore = Sigstore({row.path: row.answer})
    with Scripted(sigstore) as server:
        found = signed(sigstore.trust_config(server.url), files())

    assert found.problem is not None
    expected = {"service": FULCIO if row.path == CERTIFY else REKOR, **row.facts}
    if row.code == "signing-unreachable":
        expected["host"] = f"127.0.0.1:{server.port}"
    assert (row.code, {**found.problem.facts, **expected}) == (found.problem.code, found.problem.facts)
    assert {} == found.attestations
    before = [] if row.path == CERTIFY else ONCE[:1]
    assert [*before, *[f"POST {row.path}"] * row.tries] == server.lines


@pytest.mark.parametrize(("service", "who"), [("caUrls", FULCIO), ("rekorTlogUrls", REKOR)])
def test_a_refused_connection(service: str, who: str) -> None:
    """A service that refuses connections is reported with its host."""
    sigstore = Sigstore()
    with Scripted(sigstore) as gone:
        pass
    with Scripted(sigstore) as server:
        found = signed(sigstore.trust_config(server.url, **{service: gone.url}), files())

    assert Message("signing-unreachable", service=who, host=f"127.0.0.1:{gone.port}") == found.problem


@pytest.mark.slow
@pytest.mark.parametrize(("path", "who"), [(CERTIFY, FULCIO), (LOG, REKOR)])
def test_silence(path: str, who: str) -> None:
    """The wait for a service that never answers ends at the time limit."""
    sigstore = Sigstore({path: Answer(fault="silence")})
    with Scripted(sigstore) as server:
        found = signed(sigstore.trust_config(server.url), files(), seconds=2.0)

    assert (Message("signing-too-slow", service=who), {}) == (found.problem, found.attestations)


def test_a_silent_ci() -> None:
    """The same time limit covers requesting the identity from the CI."""
    answer = threading.Event()

    def fetch(_: str) -> str:
        answer.wait(30)
        return ""

    found = signed("{}", files(), Ambient("Some CI", fetch, attests=True), seconds=0.1)
    answer.set()

    assert Message("signing-too-slow", service="Some CI") == found.problem


def test_faults_that_pass() -> None:
    """A service with a temporary fault is retried, and the file is signed."""
    sigstore = Sigstore({path: [Answer(503), Answer(fault="no reply")] for path in (CERTIFY, LOG)})
    with Scripted(sigstore) as server:
        found = signed(sigstore.trust_config(server.url), files())

    assert (None, NAMES[:1]) == (found.problem, list(found.attestations))
    assert [CERTIFY] * 3 + [LOG] * 3 == [asked.target for asked in server.asked]


def test_one_file_of_three() -> None:
    """Every file that can be signed is returned, even after one that cannot; the error comes last."""
    sigstore = Sigstore()
    entries = iter(range(9))

    def script(asked: Asked) -> Answer:
        refused = LOG == asked.target and 1 == next(entries)
        return Answer(400) if refused else sigstore(asked)

    with Scripted(script) as server:
        found = signed(sigstore.trust_config(server.url), files(3))

    refused = Message("signing-refused", service=REKOR, status=400, said="")
    assert (refused, 2) == (found.problem, len(found.attestations))


def test_many_files() -> None:
    """However many files there are, at most eight are signed at a time, and each has its own time."""
    many = [a_distribution(f"sample-1.0-py3-none-win{number}.whl") for number in range(20)]
    sigstore = Sigstore()
    inside, seen, lock = 0, [], threading.Lock()

    def script(asked: Asked) -> Answer:
        nonlocal inside
        with lock:
            inside += asked.target == LOG
            seen.append(inside)
        answer = sigstore(asked)
        with lock:
            inside -= asked.target == LOG
        return answer

    with Scripted(script) as server:
        found = signed(sigstore.trust_config(server.url), many)

    assert (None, 20, True) == (found.problem, len(found.attestations), max(seen) <= AT_ONCE)


def test_a_certificate_that_has_expired() -> None:
    """A certificate that can no longer be signed with is reported with the likely reason."""
    sigstore = Sigstore(life=timedelta(seconds=-5))
    with Scripted(sigstore) as server:
        found = signed(sigstore.trust_config(server.url), files())

    assert (Message("signing-certificate-expired"), ONCE[:1]) == (found.problem, server.lines)


def test_a_certificate_that_ends_soon() -> None:
    """With under two minutes left, the next file gets a new certificate."""
    sigstore = Sigstore(life=timedelta(seconds=110))
    with Scripted(sigstore) as server:
        found = signed(sigstore.trust_config(server.url), files(2))

    assert (None, NAMES[:2], ONCE * 2) == (found.problem, list(found.attestations), server.lines)


def test_a_certificate_of_another_sigstore() -> None:
    """A certificate that is in no log of the trusted Sigstore is not used."""
    with Scripted(Sigstore()) as server:
        found = signed(Sigstore().trust_config(server.url), files())

    assert found.problem is not None
    assert (FULCIO, "VerificationError") == (found.problem.facts["service"], found.problem.facts["kind"])
    assert ONCE[:1] == server.lines


def test_an_identity_that_has_expired() -> None:
    """An expired token is not sent."""
    claims = {"iss": "https://gitlab.com", "sub": "x", "aud": "sigstore", "iat": 0, "exp": 1}
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    sigstore = Sigstore()
    with Scripted(sigstore) as server:
        ci = Ambient("GitLab CI/CD", lambda _: f"eyJhbGciOiJSUzI1NiJ9.{encoded}.x", renewable=False, attests=True)
        found = signed(sigstore.trust_config(server.url), files(), ci)

    assert found.problem is not None
    assert (FULCIO, "IdentityError") == (found.problem.facts["service"], found.problem.facts["kind"])
    assert [] == server.lines


def frames(error: BaseException | None) -> Iterator[FrameType]:
    """Return everything a traceback with variables would show, except for this file's frames."""
    while error is not None:
        for frame, _ in walk_tb(error.__traceback__):
            if frame.f_code.co_filename != __file__:
                yield frame
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("path", [CERTIFY, LOG])
def test_a_service_that_repeats_the_token(path: str) -> None:
    """The identity token is in no message, even if a service repeats it."""
    token = identity_token("github", "sigstore")
    ci = Ambient("GitHub Actions", lambda _: token, attests=True)
    answers = [Answer.of({"message": f"what is {token}?"}, 400), Answer(200, token.encode())]
    for answer in answers:
        sigstore = Sigstore({path: answer})
        with Scripted(sigstore) as server:
            found = signed(sigstore.trust_config(server.url), files(), ci)
        assert found.problem
        assert not [part for part in token.split(".") if part[:20] in str(found.problem)]
        assert not [frame for frame in frames(found.error) if token in repr(frame.f_locals)]


def test_an_identity_that_is_refused() -> None:
    """The CI's own error is raised unchanged."""

    def fetch(_: str) -> str:
        raise IdentityError("no-ci")

    with pytest.raises(IdentityError, match="no-ci"):
        signed("{}", files(), Ambient("Some CI", fetch, attests=True))


def test_a_configuration_without_services() -> None:
    """A configuration without services is reported, and no request is sent."""
    found = signed("{}", files())

    assert found.problem is not None
    assert (KEYS, "ValidationError") == (found.problem.facts["service"], found.problem.facts["kind"])


def test_keys_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The public Sigstore's keys are fetched first; a failure is retried, then reported."""
    with Scripted({}) as gone:
        pass
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, gone.url)
    found = signed(None, files())

    assert found.problem is not None
    assert (KEYS, "TUFError") == (found.problem.facts["service"], found.problem.facts["kind"])


def test_keys_that_never_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit covers fetching the keys, too."""
    with Scripted(lambda _: Answer(fault="silence")) as silent:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, silent.url)
        found = signed(None, files(), seconds=1.0)

    assert Message("signing-too-slow", service=KEYS) == found.problem


@pytest.mark.slow
def test_nothing_is_logged_too_late() -> None:
    """Files that are still queued at the time limit are not signed: an entry in the log is permanent."""
    many = [a_distribution(f"sample-1.0-py3-none-win{number}.whl") for number in range(12)]
    sigstore = Sigstore()
    entries = iter(range(99))
    go_on = threading.Event()

    def script(asked: Asked) -> Answer:
        if LOG == asked.target and 0 < next(entries):
            go_on.wait(30)
        return sigstore(asked)

    with Scripted(script) as server:
        found = signed(sigstore.trust_config(server.url), many, seconds=2.0)
        go_on.set()
        for thread in threading.enumerate():
            if "(run)" in thread.name:
                thread.join(30)

    assert Message("signing-too-slow", service=REKOR) == found.problem
    # The first, and as many as were in flight at a time.
    assert 1 + 2 * AT_ONCE >= server.lines.count(ONCE[1])


def test_a_broken_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that cannot be imported is reported by its name."""
    monkeypatch.setitem(sys.modules, "sigstore.sign", None)
    found = signed("{}", files())

    assert found.problem is not None
    assert "sigstore.sign" in found.problem.facts["said"]


class Changed(Kept):
    """Bytes that have changed."""

    def sha256(self) -> str:
        raise DistributionError("file-changed", file="x")


def test_a_file_that_has_changed() -> None:
    """A file that has changed since the checks ends the run, whatever the setting: the fault is not in signing."""
    sigstore = Sigstore()
    with Scripted(sigstore) as server, pytest.raises(DistributionError, match="file-changed"):
        signed(sigstore.trust_config(server.url), [replace(files()[0], content=Changed(b""))])
