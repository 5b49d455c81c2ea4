"""A rejected exchange: PyPI's recorded reply and the explanation of it."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import ExchangeError, Message
from hatch_trusted_publish.http.messages import Reply
from hatch_trusted_publish.identity.ambient import Ambient
from hatch_trusted_publish.identity.hints import Refused, other_project, refusal
from hatch_trusted_publish.identity.publishers import Claims, Expected, claim, compare, presented, publisher_of
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.index.mint_api import read_mint
from hatch_trusted_publish.settings.options import Flags, parse
from tests.support.recordings import JOBS, PUBLISHERS, REFUSED

from .test_publishers import OWN, PYPI, SELF_MANAGED, TESTPYPI

CI: Final = Ambient("the CI", str)
SAMPLE: Final = Expected(["sampleproject"])
NEW: Final = Expected(["sampleproject"], new=["sampleproject"])
GITHUB: Final = [
    "another-environment",
    "another-workflow",
    "no-publisher",
    "renamed-repository",
    "another-case",
    "recreated-owner",
]
GITLAB: Final = ["another-environment", "another-workflow", "no-publisher", "renamed-repository", "another-case"]
FORM, TABLE, PENDING = "form", "table", "pending"


def refused(reply: Reply, index: Index = PYPI) -> Message:
    """Return the explanation of a reply that an index sent."""
    with pytest.raises(ExchangeError) as caught:
        read_mint(reply, index, 0.0)
    return caught.value.message


def causes(message: Message | None) -> list[Message]:
    """Return the possible causes, in order."""
    assert message is not None
    found = message.facts["causes"]
    return [] if found is None else list(found.facts["causes"])


def offered(message: Message | None) -> list[str]:
    """Return what can be pasted."""
    assert message is not None
    return [name for name in (PENDING, FORM, TABLE) if message.facts[name] is not None]


@pytest.mark.parametrize(
    ("name", "index", "expected", "codes", "offers"),
    [
        pytest.param("invalid-publisher-owner-id", PYPI, SAMPLE, GITHUB, [FORM, TABLE], id="no cause found"),
        pytest.param(
            "invalid-publisher-environment",
            PYPI,
            SAMPLE,
            ["job-without-environment", *GITHUB[1:]],
            [],
            id="the job has no environment: that comes first, and every form has one",
        ),
        pytest.param(
            "invalid-publisher-gitlab-environment",
            PYPI,
            SAMPLE,
            ["job-without-environment", *GITLAB[1:]],
            [],
            id="a GitLab job has no environment",
        ),
        pytest.param(
            "invalid-publisher-environment-wrong",
            PYPI,
            replace(SAMPLE, publisher=PUBLISHERS["github"]),
            GITHUB,
            [FORM],
            id="compared before: the table exists",
        ),
        pytest.param(
            "invalid-publisher-environment-wrong",
            PYPI,
            replace(SAMPLE, pyproject=False),
            GITHUB,
            [FORM],
            id="no pyproject.toml: no table",
        ),
        pytest.param(
            "invalid-publisher-owner",
            PYPI,
            NEW,
            ["new-project", *GITHUB[:2], *GITHUB[3:]],
            [PENDING, TABLE],
            id="the project is new: its pending publisher leads",
        ),
        pytest.param(
            "invalid-publisher-environment",
            PYPI,
            NEW,
            ["job-without-environment", "new-project", "another-workflow", *GITHUB[3:]],
            [PENDING],
            id="the project is new, the job has no environment",
        ),
        pytest.param(
            "invalid-publisher-owner",
            PYPI,
            Expected(["one", "two"], new=["two"]),
            ["new-project", *GITHUB],
            [PENDING, FORM, TABLE],
            id="one of two projects is new",
        ),
        pytest.param(
            "invalid-publisher-reusable-workflow",
            PYPI,
            SAMPLE,
            ["foreign-workflow", "another-environment", *GITHUB[2:]],
            [],
            id="reusable workflow of another repository: nothing to add would help",
        ),
        pytest.param(
            "invalid-publisher-reusable-workflow",
            PYPI,
            NEW,
            ["foreign-workflow", "new-project", "another-environment", *GITHUB[3:]],
            [],
            id="reusable workflow, new project",
        ),
        pytest.param(
            "invalid-publisher-pull-request-target",
            PYPI,
            SAMPLE,
            ["pull-request-target", *GITHUB],
            [],
            id="pull_request_target",
        ),
        pytest.param(
            "invalid-publisher-missing-ref",
            PYPI,
            SAMPLE,
            ["missing-claim", *GITHUB],
            [],
            id="a missing claim leads",
        ),
        pytest.param("invalid-publisher-gitlab-ci-file", TESTPYPI, SAMPLE, GITLAB, [FORM, TABLE], id="GitLab"),
        pytest.param(
            "invalid-publisher-gitlab-ci-file",
            OWN,
            NEW,
            ["new-project", *GITLAB[:2], *GITLAB[3:]],
            [PENDING, TABLE],
            id="GitLab, elsewhere",
        ),
        pytest.param(
            "invalid-publisher-google-email",
            PYPI,
            SAMPLE,
            ["another-account", "no-publisher", "another-subject"],
            [FORM, TABLE],
            id="Google",
        ),
        pytest.param(
            "invalid-publisher-google-email-unverified",
            OWN,
            SAMPLE,
            ["unverified-email", "another-account", "no-publisher", "another-subject"],
            [],
            id="Google, unverified address",
        ),
        pytest.param(
            "invalid-publisher-activestate-project",
            PYPI,
            SAMPLE,
            ["another-actor", "no-publisher"],
            [FORM, TABLE],
            id="ActiveState",
        ),
        pytest.param("invalid-pending-publisher", PYPI, SAMPLE, [], [FORM], id="pending publisher"),
        pytest.param("invalid-pending-publisher", OWN, SAMPLE, [], [], id="pending publisher elsewhere"),
        pytest.param("invalid-payload-pending-prohibited-name", PYPI, SAMPLE, [], [], id="name not allowed"),
        pytest.param("invalid-payload-unknown-issuer", PYPI, SAMPLE, [], [], id="unknown issuer"),
        pytest.param("not-enabled-github", PYPI, SAMPLE, [], [], id="not enabled"),
        pytest.param("invalid-token-aud-list", PYPI, SAMPLE, [], [], id="invalid token"),
        pytest.param("invalid-reuse-token", PYPI, SAMPLE, [], [], id="used before"),
    ],
)
def test_refusal(name: str, index: Index, expected: Expected, codes: list[str], offers: list[str]) -> None:
    """The causes are in order, followed by what can be pasted."""
    mint = REFUSED[f"mint/{name}"]
    message = refusal(Refused(CI, mint.claims, index, expected), refused(mint.reply, index))
    assert (codes, offers) == ([one.code for one in causes(message)], offered(message))


def test_own_workflow_at_another_ref() -> None:
    """It is reported as such, with PyPI's own words."""
    said = "The job_workflow_ref claim does not match, expecting one of ['a@refs/tags/v1'], got 'a@refs/heads/main'"
    at_main = f"{str(JOBS['github']['job_workflow_ref']).partition('@')[0]}@refs/heads/main"
    message = refusal(
        Refused(CI, {**JOBS["github"], "job_workflow_ref": at_main}, PYPI, SAMPLE),
        Message("invalid-publisher", said=[f"invalid-publisher: {said}"]),
    )
    assert Message("workflow-at-another-ref", workflow=at_main, ref="refs/tags/v1.0.0") == causes(message)[0]
    assert [] == offered(message)


def test_facts_of_causes() -> None:
    """A cause has the values it is about."""
    mint = REFUSED["mint/invalid-publisher-owner-id"]
    path, page = "octo-org/sampleproject", "https://pypi.org/manage/account/publishing/"
    found = causes(refusal(Refused(CI, mint.claims, PYPI, Expected(["one", "two"], new=["two"])), refused(mint.reply)))
    assert [
        Message("new-project", projects=["two"], index="PyPI", page=page),
        Message("another-environment", environment="pypi"),
        Message("another-workflow", workflow="release.yml"),
        Message("no-publisher", projects=["one"], index="PyPI"),
        Message("renamed-repository", path=path),
        Message("another-case", path=path),
        Message("recreated-owner", owner_id="999"),
    ] == found
    claims = JOBS["activestate"]
    found = causes(refusal(Refused(CI, claims, OWN, NEW), Message("invalid-publisher", said=[])))
    assert [
        Message("new-project", projects=["sampleproject"], index="own", page=None),
        Message("another-actor", actor="actor", actor_id="aid"),
    ] == found
    missing = causes(
        refusal(Refused(CI, claims, OWN, SAMPLE), Message("invalid-publisher", said=["Missing claim 'ref_path'"]))
    )
    assert Message("missing-claim", claim="ref_path", ci="the CI") == missing[0]


def test_a_ci_without_publishers() -> None:
    """A CI that PyPI does not know is named by its issuer; there is nothing to paste."""
    claims = {"iss": "https://oidc.circleci.com", "sub": "org/1"}
    message = refusal(Refused(CI, claims, PYPI, NEW), Message("invalid-publisher", said=["no"]))
    assert message is not None
    assert claims == message.facts["claims"]
    assert Message("foreign-issuer", issuer="https://oidc.circleci.com", index="PyPI") in causes(message)
    assert [] == offered(message)


def test_pending_publisher() -> None:
    """A new project's values have an environment, even if the job has none yet."""
    values = {"provider": "github", "owner": "octo-org", "repository": "sampleproject", "workflow": "release.yml"}
    for environment in ("pypi", ""):
        job = Refused(CI, {**JOBS["github"], "environment": environment}, PYPI, NEW)
        message = refusal(job, Message("invalid-publisher", said=[]))
        assert message is not None
        shown = environment or Message("environment-of-your-choice")
        expected = Message("pending-publisher", projects=["sampleproject"], values={**values, "environment": shown})
        assert expected == message.facts["pending"]


def test_form_of_a_self_managed_gitlab() -> None:
    """The form has the issuer, which PyPI needs."""
    message = refusal(Refused(CI, SELF_MANAGED, PYPI, SAMPLE), Message("invalid-publisher", said=[]))
    assert message is not None
    (url,) = message.facts["form"].facts["urls"]
    assert url.endswith("&issuer_url=https%3A%2F%2Fgitlab.corp.example")


def test_claims() -> None:
    """Each rejection that is about the identity shows the claims that PyPI compares."""
    for mint in REFUSED.values():
        message = refusal(Refused(CI, mint.claims, PYPI, SAMPLE), refused(mint.reply))
        assert message is not None
        if mint.errors[0]["code"] != "invalid-token":
            assert presented(mint.claims) == message.facts["claims"]


def test_claims_of_an_invalid_token() -> None:
    """The claims that make a token itself invalid are shown instead."""
    mint = REFUSED["mint/invalid-token-aud-list"]
    message = refusal(Refused(CI, mint.claims, PYPI, SAMPLE), refused(mint.reply))
    assert message is not None
    assert ["iss", "aud", "iat", "nbf", "exp"] == [*message.facts["claims"]]


@pytest.mark.parametrize("reply", [Reply(200, b"{}"), Reply(500, b""), Reply(404, b"")], ids=["no token", "500", "404"])
def test_a_failure_that_is_not_about_the_identity(reply: Reply) -> None:
    """A failure of the index does not show the job's claims."""
    assert refusal(Refused(CI, JOBS["github"], OWN, SAMPLE), refused(reply, OWN)) is None


def test_other_project() -> None:
    """If the token is for another project, the name comes first, and each project has a form."""
    message = other_project(Refused(CI, JOBS["github"], TESTPYPI, SAMPLE), ["one", "two"])
    no_publisher = Message("no-publisher", projects=["one", "two"], index="TestPyPI")
    assert [Message("another-name"), no_publisher] == causes(message)
    assert 2 == len(message.facts["form"].facts["urls"])
    assert [FORM, TABLE] == offered(message)


@pytest.mark.parametrize("claims", [*JOBS.values(), {**JOBS["github"], "environment": '\U0001f680 "é\\'}])
def test_the_table_can_be_pasted(claims: dict[str, object]) -> None:
    """It is TOML, the settings accept it, and the job matches it."""
    message = other_project(Refused(CI, claims, OWN, SAMPLE), ["sampleproject"])
    table: dict[str, Any] = tomllib.loads(str(message.facts["table"]).partition("pyproject.toml:")[2])
    publisher = parse({}, Flags(), table["tool"]["hatch"]["publish"]["trusted"], {}).publisher
    assert publisher_of(claims) == publisher
    assert [] == compare(publisher, claims)


NASTY: Final = (
    *("", "\x1b[31m", "\n::error::x", "\u202e", "\ud800", "\r", "\u2028", "octo/x", "@", "//"),
    *("{x}", "{0.__class__}", "a" * 999),
)
TEXT: Final = st.lists(st.sampled_from(NASTY) | st.text(max_size=5), max_size=4).map("".join)
VALUE: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
CLAIM: Final = st.sampled_from(sorted({key for claims in JOBS.values() for key in claims}))
CODES: Final = sorted({refused(mint.reply).code for mint in REFUSED.values()})


def assert_safe(claims: Claims, publisher: Mapping[str, str], index: Index, refusals: Sequence[Message]) -> None:
    """Check that no character of a claim starts a line, or is obeyed by a terminal."""
    mismatch = ExchangeError("publisher-mismatch", ci="the CI", mismatches=compare(publisher, claims))
    job = Refused(CI, claims, index, Expected(["sample", "other"], new=["other"]))
    for text in [str(mismatch), str(other_project(job, ["sample"])), *(str(refusal(job, one)) for one in refusals)]:
        lines = text.split("\n")
        assert lines == text.splitlines()
        assert [] == [char for line in lines for char in line if unicodedata.category(char).startswith("C")]
        assert [] == [line for line in lines if line.startswith(("::", "##"))]
        assert len(text) < 30_000


@pytest.mark.parametrize("kind", PUBLISHERS)
def test_one_hostile_claim(kind: str) -> None:
    """Each claim in turn is hostile, at its start or its end."""
    for (name, value), nasty in product(JOBS[kind].items(), NASTY):
        for changed in (nasty, f"{value}{nasty}", [nasty]):
            claims = {**JOBS[kind], name: changed}
            assert_safe(claims, PUBLISHERS[kind], PYPI, [Message("invalid-publisher", said=[nasty])])


@given(
    base=st.sampled_from([{}, *JOBS.values()]),
    changed=st.dictionaries(CLAIM, VALUE | TEXT, max_size=6),
    dropped=st.sets(CLAIM, max_size=3),
    publisher=st.sampled_from(list(PUBLISHERS.values())),
    code=st.sampled_from(CODES),
    index=st.sampled_from([PYPI, OWN]),
    said=TEXT,
)
@settings(deadline=None, max_examples=300)
def test_hostile_claims(
    base: dict[str, object],
    changed: dict[str, object],
    dropped: set[str],
    publisher: dict[str, str],
    code: str,
    index: Index,
    said: str,
) -> None:
    """Whatever the claims: no error, no control characters, no line that a CI would obey."""
    claims = {key: value for key, value in {**base, **changed}.items() if key not in dropped}
    assert_safe(claims, publisher, index, [Message(code, said=[said])])


def test_claim_in_a_message() -> None:
    """A claim is shown in full, up to the length limit of any value."""
    assert "x" * 900 == claim({"ref": "x" * 900}, "ref")
