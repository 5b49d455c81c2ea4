"""A job's claims, compared with the publishers that the recorded index had."""

from __future__ import annotations

from typing import Any, Final

import pytest

from hatch_trusted_publish.errors import LONGEST_FACT, Message
from hatch_trusted_publish.identity.publishers import (
    PROVIDERS,
    claim,
    compare,
    form_url,
    obstacles,
    presented,
    public_claims,
    publisher_of,
    publishing_as,
)
from hatch_trusted_publish.index.endpoints import Index, Repository, find_index
from hatch_trusted_publish.settings.options import PUBLISHER_FIELDS
from hatch_trusted_publish.settings.repositories import UPLOAD_URLS
from tests.support.recordings import JOBS, MINTS, PUBLISHERS, REFUSED

PYPI, TESTPYPI = (find_index(Repository(name, url)) for name, url in UPLOAD_URLS.items())
OWN: Final = find_index(Repository("own", "https://index.example/legacy/"))
SELF_MANAGED: Final = {
    **JOBS["gitlab"],
    "iss": "https://gitlab.corp.example",
    "ci_config_ref_uri": "gitlab.corp.example/octo-group/gl-sample//.gitlab-ci.yml@refs/heads/main",
}
AT_FAULT: Final = {
    "mint/invalid-publisher-owner": ["owner"],
    "mint/invalid-publisher-repo-case": ["repository"],
    "mint/invalid-publisher-workflow": ["workflow"],
    "mint/invalid-publisher-environment": ["environment"],
    "mint/invalid-publisher-environment-wrong": ["environment"],
    "mint/invalid-publisher-reusable-workflow": ["foreign-workflow"],
    "mint/invalid-publisher-pull-request-target": ["pull-request-target"],
    "mint/invalid-publisher-gitlab-namespace": ["namespace"],
    "mint/invalid-publisher-gitlab-ci-file": ["workflow"],
    "mint/invalid-publisher-gitlab-environment": ["environment"],
    "mint/invalid-publisher-google-email": ["email"],
    "mint/invalid-publisher-activestate-project": ["project"],
    "mint/failed-attempt-keeps-jti-1": ["workflow"],
    "mint/invalid-publisher-owner-case": ["owner"],
    "mint/invalid-publisher-repo": ["repository"],
    "mint/invalid-publisher-reusable-workflow-other-name": ["foreign-workflow"],
    "mint/invalid-publisher-gitlab-namespace-case": ["namespace"],
    "mint/invalid-publisher-gitlab-project": ["project"],
    "mint/invalid-publisher-gitlab-environment-wrong": ["environment"],
    "mint/invalid-publisher-gitlab-environment-case": ["environment"],
    "mint/invalid-publisher-google-email-unverified": ["unverified-email"],
    "mint/invalid-publisher-activestate-builder": ["foreign-builder"],
}
"""Recorded exchange → the publisher's fields that the job does not match; all other exchanges match."""
BEYOND_THE_FIELDS: Final = {
    "mint/invalid-publisher-owner-id": "repository_owner_id",
    "mint/invalid-publisher-missing-ref": "ref",
    "mint/invalid-publisher-missing-jti": "jti",
    "mint/invalid-pending-publisher-again": "",
}
"""Recorded ``invalid-publisher`` → the claim at fault that no field covers; or the publisher was deleted."""


def _at_fault(found: list[Message]) -> list[str]:
    return [one.facts.get("setting", one.code) for one in found]


def test_the_tables_match_the_recordings() -> None:
    """Each row has its exchange, and each rejected publisher its row."""
    refused = {name for name, mint in REFUSED.items() if mint.errors[0]["code"] == "invalid-publisher"}
    assert refused == AT_FAULT.keys() | BEYOND_THE_FIELDS.keys()
    assert 40 < len(MINTS)


def test_fields_at_fault() -> None:
    """Only the field that differs is named; identities that PyPI accepted match their publisher."""
    assert {name: AT_FAULT.get(name, []) for name in MINTS} == {
        name: _at_fault(compare(mint.publisher, mint.claims)) for name, mint in MINTS.items()
    }


@pytest.mark.parametrize(
    ("kind", "publisher"),
    [
        pytest.param("github", {**PUBLISHERS["github"], "environment": "PyPI"}, id="environment's case"),
        pytest.param("github", {"provider": "github", "owner": "octo-org"}, id="owner only"),
        pytest.param("github", {"provider": "github"}, id="only the required fields"),
        pytest.param("google", {**PUBLISHERS["google"], "sub": "111222333444555666777"}, id="sub"),
        pytest.param("gitlab", {"provider": "gitlab", "workflow": ".gitlab-ci.yml"}, id="GitLab's file only"),
    ],
)
def test_match(kind: str, publisher: dict[str, str]) -> None:
    """Fields that a publisher does not have are not compared."""
    assert [] == compare(publisher, JOBS[kind])


def _mismatch(setting: str, expected: str, found: str | None) -> Message:
    shown = Message("no-claim") if found is None else found
    return Message("mismatch", setting=setting, expected=expected, found=shown)


FILE = "octo-org/sampleproject/.github/workflows/release.yml"


@pytest.mark.parametrize(
    ("kind", "changed", "expected"),
    [
        pytest.param(
            "github",
            {"iss": "https://gitlab.com"},
            _mismatch("provider", "github", "gitlab"),
            id="other CI",
        ),
        pytest.param(
            "google",
            {"iss": "https://ci.example"},
            _mismatch("provider", "google", "https://ci.example"),
            id="unknown CI",
        ),
        pytest.param(
            "github",
            {"job_workflow_ref": None},
            Message("foreign-workflow", workflow="", repository="octo-org/sampleproject"),
            id="no workflow",
        ),
        pytest.param(
            "github",
            {"job_workflow_ref": f"{FILE}@refs/heads/main"},
            Message("workflow-at-another-ref", workflow=f"{FILE}@refs/heads/main", ref="refs/tags/v1.0.0"),
            id="own workflow at another ref",
        ),
        pytest.param(
            "gitlab",
            {"ci_config_ref_uri": None},
            Message("foreign-ci-file", file="", project="octo-group/gl-sample"),
            id="no file",
        ),
        pytest.param(
            "gitlab",
            {"ci_config_ref_uri": "gitlab.com/octo-group/ci//.gitlab-ci.yml@x"},
            Message(
                "foreign-ci-file",
                file="gitlab.com/octo-group/ci//.gitlab-ci.yml@x",
                project="octo-group/gl-sample",
            ),
            id="other project's file",
        ),
        pytest.param(
            "gitlab",
            {"ci_config_ref_uri": "gitlab.com/octo-group/gl-sample//ci.yml@x"},
            _mismatch("workflow", ".gitlab-ci.yml", "ci.yml"),
            id="other file",
        ),
        pytest.param(
            "gitlab",
            {
                "project_path": "Octo-Group/gl-sample",
                "ci_config_ref_uri": "gitlab.com/Octo-Group/gl-sample//.gitlab-ci.yml@x",
            },
            _mismatch("namespace", "octo-group", "Octo-Group"),
            id="GitLab's case",
        ),
        pytest.param(
            "github",
            {
                "repository": "octo-org/new",
                "job_workflow_ref": "octo-org/new/.github/workflows/release.yml@refs/tags/v1.0.0",
            },
            _mismatch("repository", "sampleproject", "new"),
            id="renamed",
        ),
        pytest.param(
            "github",
            {"environment": "staging"},
            _mismatch("environment", "pypi", "staging"),
            id="other environment",
        ),
        pytest.param(
            "github",
            {"environment": ["pypi"]},
            _mismatch("environment", "pypi", None),
            id="not a string",
        ),
        pytest.param(
            "google",
            {"email_verified": None},
            Message("unverified-email", email="publisher@sample.iam.gserviceaccount.com"),
            id="not verified",
        ),
        pytest.param("activestate", {"builder": "other"}, Message("foreign-builder", builder="other"), id="builder"),
    ],
)
def test_mismatch(kind: str, changed: dict[str, object], expected: Message) -> None:
    """A mismatch has the expected value, the job's value, and what to do."""
    assert [expected] == compare(PUBLISHERS[kind], {**JOBS[kind], **changed})


@pytest.mark.parametrize("at", ["refs/tags/v1.0.0", "8f1c2d3e4b5a69788796a5b4c3d2e1f001234567"])
def test_own_reusable_workflow_at_the_ref_of_the_run(at: str) -> None:
    """PyPI accepts the run's ref and its commit."""
    assert [] == [*obstacles({**JOBS["github"], "job_workflow_ref": f"{FILE}@{at}"})]


@pytest.mark.parametrize(("kind", "publisher"), PUBLISHERS.items())
def test_publisher_of(kind: str, publisher: dict[str, str]) -> None:
    """The publisher made from a job has the keys of the settings, and matches the job."""
    found = publisher_of(JOBS[kind])
    assert publisher == {key: found[key] for key in publisher}
    assert found.keys() <= {"provider", *PUBLISHER_FIELDS[kind]}
    assert set(PROVIDERS[kind].name) <= found.keys()
    assert [] == compare(found, JOBS[kind])


def test_every_provider_has_a_table() -> None:
    """The providers of the settings are the known ones."""
    assert {*PUBLISHER_FIELDS, ""} == PROVIDERS.keys()


def test_presented() -> None:
    """Only the compared claims are shown, with the missing ones; the issuer too if the index may not know it."""
    assert {"email": "a@b.example", "email_verified": "false", "sub": Message("no-claim")} == presented(
        {"iss": "https://accounts.google.com", "email": "a@b.example", "email_verified": False, "sub": ""}
    )
    assert {"iss": "https://ci.example", "sub": "7"} == presented({"iss": "https://ci.example", "sub": 7, "x": "y"})
    assert ["iss", "project_path"] == [*presented(SELF_MANAGED)][:2]
    assert "actor_id" in presented(JOBS["activestate"])


def test_claim_that_is_not_a_string() -> None:
    """A nested claim is not written out: it could be nested too deeply."""
    deep: object = "end"
    for _ in range(100_000):
        deep = [deep]
    assert "list" == claim({"aud": deep}, "aud")


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param({}, {}, id="empty"),
        pytest.param(
            {"iss": "https://ci.example", "sub": "7", "x": "y"}, {"iss": "https://ci.example", "sub": "7"}, id="unknown"
        ),
        pytest.param(
            {"iss": "https://git.example", "ci_config_ref_uri": "u", "project_path": "p", "user_email": "a@b"},
            {"iss": "https://git.example", "project_path": "p", "ci_config_ref_uri": "u"},
            id="self-managed GitLab",
        ),
        pytest.param(
            {**JOBS["google"], "azp": "x"},
            {
                "iss": "https://accounts.google.com",
                "sub": "111222333444555666777",
                "email": "publisher@sample.iam.gserviceaccount.com",
                "email_verified": "true",
            },
            id="Google",
        ),
    ],
)
def test_public_claims(claims: dict[str, object], expected: dict[str, str]) -> None:
    """The report shows the provider's public claims, and no others."""
    assert expected == public_claims(claims)


def _as(who: str, **more: str) -> Message:
    return Message("publishing-as", who=who, **{"workflow": "", "environment": "", "actor": "", "issuer": "", **more})


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (JOBS["github"], _as("octo-org/sampleproject", workflow="release.yml", environment="pypi")),
        (JOBS["gitlab"], _as("octo-group/gl-sample", workflow=".gitlab-ci.yml", environment="release")),
        (JOBS["google"], _as("publisher@sample.iam.gserviceaccount.com")),
        (JOBS["activestate"], _as("octo-org/as-sample", actor="actor")),
        ({"iss": "https://ci.example", "sub": "org/1"}, _as("org/1", issuer="https://ci.example")),
    ],
    ids=["GitHub", "GitLab", "Google", "ActiveState", "unknown"],
)
def test_publishing_as(claims: dict[str, object], expected: Message) -> None:
    """The publisher is shown with the fields of its provider."""
    assert expected == publishing_as(claims)


@pytest.mark.parametrize(
    ("index", "claims", "query"),
    [
        (
            PYPI,
            JOBS["github"],
            "provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=pypi",
        ),
        (
            TESTPYPI,
            JOBS["gitlab"],
            "provider=gitlab&namespace=octo-group&project=gl-sample&workflow_filepath=.gitlab-ci.yml&environment=release",
        ),
        (
            PYPI,
            SELF_MANAGED,
            (
                "provider=gitlab&namespace=octo-group&project=gl-sample&workflow_filepath=.gitlab-ci.yml"
                "&environment=release&issuer_url=https%3A%2F%2Fgitlab.corp.example"
            ),
        ),
        (
            PYPI,
            JOBS["google"],
            "provider=google&email=publisher%40sample.iam.gserviceaccount.com&sub=111222333444555666777",
        ),
        (PYPI, JOBS["activestate"], "provider=activestate&organization=octo-org&project=as-sample&actor=actor"),
    ],
    ids=["GitHub", "GitLab", "self-managed GitLab", "Google", "ActiveState"],
)
def test_form(index: Index, claims: dict[str, object], query: str) -> None:
    """PyPI and TestPyPI have a form that its URL fills in."""
    host = "pypi.org" if index is PYPI else "test.pypi.org"
    expected = f"https://{host}/manage/project/sample-project/settings/publishing/?{query}"
    assert expected == form_url(index, "sample-project", publisher_of(claims), claim(claims, "iss"))


@pytest.mark.parametrize(
    ("index", "claims"),
    [
        pytest.param(OWN, JOBS["github"], id="other index"),
        pytest.param(PYPI, {"iss": "https://ci.example"}, id="other CI"),
        pytest.param(PYPI, {**JOBS["github"], "environment": "x" * LONGEST_FACT}, id="too long to be shown in full"),
    ],
)
def test_no_form(index: Index, claims: dict[str, Any]) -> None:
    """For an unknown form there is no link."""
    assert form_url(index, "sample", publisher_of(claims), claim(claims, "iss")) is None
