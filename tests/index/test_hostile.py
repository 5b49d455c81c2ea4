"""Whatever an index or a CI sends at any step of a release: a documented error, and plain text in the log."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import Message, TrustedPublishError
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity.ambient import detect
from hatch_trusted_publish.index.endpoints import Repository, find_index
from hatch_trusted_publish.release import release
from hatch_trusted_publish.settings.options import PUBLISHER_FIELDS, Settings
from hatch_trusted_publish.upload.job import Job
from hatch_trusted_publish.upload.outcome import Run
from hatch_trusted_publish.versions.project import Project
from tests.support.helpers import make_wheel
from tests.support.scripted import Answer, Scripted

pytestmark = pytest.mark.slow

SIMPLE: Final = "application/vnd.pypi.simple.v1+json"
HONEST: Final = {
    "GET /simple/sample/": Answer.of({"files": []}, media_type=SIMPLE),
    "GET /.well-known/pytp?discover=%2Flegacy%2F": Answer(404),
    "GET /_/oidc/audience": Answer.of({"audience": "127.0.0.1"}),
    "POST /_/oidc/mint-token": Answer.of({"token": "pypi-sesame"}),
    "POST /legacy/": Answer(),
    "POST /_/oidc/burn-token": Answer(202),
}
STEPS: Final = tuple(HONEST)
NASTY: Final = st.sampled_from(
    [
        "\x1b[31m",
        "\n::error::x",
        "::set-env name=a::b",
        "##[error]",
        "\u202e",
        "\r",
        "\u2028",
        "\x00",
        "\ud800",
        "a" * 999,
    ]
)
TEXT: Final = st.lists(NASTY | st.text(max_size=5), max_size=4).map("".join)
KEYS: Final = st.sampled_from(
    [
        "files",
        "filename",
        "hashes",
        "sha256",
        "audience",
        "audience-endpoint",
        "token-mint-endpoint",
        "features",
        "token",
        "expires",
        "errors",
        "code",
        "description",
        "detail",
        "message",
        "title",
    ]
)
CODES: Final = st.sampled_from(["invalid-publisher", "invalid-pending-publisher", "invalid-token", "not-enabled"])
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | CODES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXT, inner, max_size=4),
    max_leaves=10,
)
"""With NaN in it, which is not JSON."""
ERRORS: Final = st.fixed_dictionaries(
    {"errors": st.lists(st.fixed_dictionaries({"code": CODES | TEXT, "description": TEXT}), max_size=2)}
)
BODIES: Final = (
    st.binary(max_size=60)
    | (JSON | ERRORS).map(json.dumps).map(str.encode)
    | TEXT.map(lambda text: text.encode(errors="replace"))
)
IN_HEADER: Final = st.text(st.characters(max_codepoint=255), max_size=12)
REPLIES: Final = st.builds(
    Answer,
    st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503]) | st.integers(0, 999),
    BODIES,
    st.sampled_from([SIMPLE, "application/json", "text/plain", "text/html", ""]) | IN_HEADER,
    st.dictionaries(
        st.sampled_from(["Location", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Retry-After"]),
        st.sampled_from(["gzip", "chunked", "0", "7", "https://evil.example/"]) | IN_HEADER,
        max_size=2,
    ),
    st.sampled_from(["", "no reply", "cut", "early"]),
    IN_HEADER,
    st.just(b"") | st.binary(max_size=80) | st.binary(max_size=60).map(b"HTTP/1.1 200 ".__add__),
)


class Transcript:
    """A log of any kind: everything that is reported, in words."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *facts: self.texts.extend(str(text) for text in facts if isinstance(text, str | Message))


def jwt(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2ln"


@pytest.fixture(scope="module")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    path: Path = make_wheel(tmp_path_factory.mktemp("hostile"))
    return Distribution.read(path, f"dist/{path.name}")


@pytest.fixture(scope="module")
def index() -> Iterator[tuple[str, dict[str, Answer]]]:
    """A client and an index with any replies; retries do not wait."""
    script: dict[str, Answer] = {}
    with Scripted(script) as server, stamina.set_testing(True, attempts=2, cap=True):
        yield server.url, script


def release_with(
    url: str, distribution: Distribution, token: str, publisher: Mapping[str, str] | None = None
) -> tuple[str, list[str]]:
    """Release, and return the code that it ended with, and everything that was shown."""
    repository = Repository("own", f"{url}/legacy/")
    done, log = Run(), Transcript()
    anything: Any = log
    error, code = "", ""
    with Client(repository.certificates, 20.0, "tests/1.0") as client:
        try:
            release(
                Job(replace(Settings(repository), publisher=publisher), find_index(repository), client, anything, done),
                [distribution],
                Project(),
                lambda: detect({"MINE": token}, "MINE", client, 5.0),
            )
        except TrustedPublishError as failure:
            error, code = str(failure), failure.message.code
    return code, [error, *log.texts, *(outcome.reason for outcome in done.outcomes.values())]


def obeyed(texts: list[str]) -> list[str]:
    """Return lines that a terminal or GitHub would obey; `Console` escapes what other CIs obey inside a line."""
    lines = [line for text in texts for line in text.split("\n")]
    return [line for line in lines if not line.isprintable() or line.lstrip().startswith("::")]


@given(st.sampled_from(STEPS), REPLIES)
@settings(deadline=None, max_examples=150)
def test_any_reply_at_any_step(
    index: tuple[str, dict[str, Answer]], distribution: Distribution, step: str, reply: Answer
) -> None:
    """Any bytes instead of a reply: the release succeeds or ends with a documented error, in plain text."""
    url, script = index
    script.update(HONEST | {step: reply})
    _, texts = release_with(url, distribution, jwt({"aud": "127.0.0.1"}))
    assert [] == obeyed(texts)


@given(
    st.dictionaries(
        st.sampled_from(
            ["iss", "sub", "repository", "repository_owner_id", "job_workflow_ref", "environment", "event_name", "ref"]
        )
        | st.sampled_from(
            ["project_path", "ci_config_ref_uri", "ref_path", "email", "email_verified", "organization", "actor"]
        ),
        JSON
        | st.sampled_from(["https://token.actions.githubusercontent.com", "https://gitlab.com", "octo/x", "octo/x/y"]),
    ),
    st.sampled_from([None, *PUBLISHER_FIELDS]),
    ERRORS,
)
@settings(deadline=None, max_examples=100)
def test_any_claims(
    index: tuple[str, dict[str, Answer]],
    distribution: Distribution,
    claims: dict[str, object],
    provider: str | None,
    refusal: object,
) -> None:
    """Whatever the claims of a job, and however the index rejects it: everything reported is plain text."""
    url, script = index
    script.update(HONEST | {"POST /_/oidc/mint-token": Answer.of(refusal, 422)})
    publisher = provider and {"provider": provider, **dict.fromkeys(PUBLISHER_FIELDS[provider], "octo")}
    code, texts = release_with(url, distribution, jwt(claims | {"aud": "127.0.0.1"}), publisher or None)
    assert code
    assert [] == obeyed(texts)


@given(JSON)
@settings(deadline=None, max_examples=40)
def test_any_audience_of_a_token(
    index: tuple[str, dict[str, Answer]], distribution: Distribution, made_for: object
) -> None:
    """A token for another audience is reported in plain text, and not sent."""
    url, script = index
    script.update(HONEST)
    code, texts = release_with(url, distribution, jwt({"aud": made_for}))
    assert "token-for-another-audience" == code
    assert [] == obeyed(texts)
