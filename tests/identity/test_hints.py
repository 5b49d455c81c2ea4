"""The whole messages of a refusal: what somebody reads at night."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from hatch_trusted_publish.identity.hints import mismatches, other_project, refusal
from hatch_trusted_publish.identity.publishers import Expected, compare, publisher_of
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.settings.options import Flags, parse

from .test_publishers import GITHUB, ON_RECORD, OWN, PYPI, REFUSED, TESTPYPI, claims_of, code_of

SAMPLE = Expected(["sampleproject"])
COMPARED = Expected(["sampleproject"], GITHUB)
TWO = Expected(["one", "two"])
GITHUB_JOB = claims_of(REFUSED["mint/invalid-reuse-token"])
GITLAB_JOB = claims_of(REFUSED["mint/invalid-publisher-gitlab-environment-case"]) | {"environment": "release"}
MESSAGES = [
    pytest.param(
        "mint/invalid-publisher-owner-id",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 999
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: pypi
  event_name: push
  ref: refs/tags/v1.0.0

What may be wrong, the likeliest first:
  1. the publisher names another environment than pypi
  2. the publisher names another workflow file than release.yml
  3. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  4. octo-org/sampleproject was renamed or moved, and the publisher has its old name
  5. the owner's account was made anew (its id is 999 now): add the publisher again
  6. the publisher's owner or repository differs in upper and lower case, or has `-` for `_`

The form that adds exactly this publisher (for a new project: https://pypi.org/manage/account/publishing/):
  https://pypi.org/manage/project/sampleproject/settings/publishing/?provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=pypi

To have this compared before each release, add to pyproject.toml:

  [tool.hatch.publish.trusted.publisher]
  provider = "github"
  owner = "octo-org"
  repository = "sampleproject"
  workflow = "release.yml"
  environment = "pypi"
""",
        id="owner-id",
    ),
    pytest.param(
        "mint/invalid-publisher-environment",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: MISSING
  event_name: push
  ref: refs/tags/v1.0.0

What may be wrong, the likeliest first:
  1. the publisher names an environment, and this job has none: add it to the job, or take it out there
  2. the publisher names another workflow file than release.yml
  3. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  4. octo-org/sampleproject was renamed or moved, and the publisher has its old name
  5. the owner's account was made anew (its id is 65 now): add the publisher again
  6. the publisher's owner or repository differs in upper and lower case, or has `-` for `_`

The form that adds exactly this publisher (for a new project: https://pypi.org/manage/account/publishing/):
  https://pypi.org/manage/project/sampleproject/settings/publishing/?provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=

To have this compared before each release, add to pyproject.toml:

  [tool.hatch.publish.trusted.publisher]
  provider = "github"
  owner = "octo-org"
  repository = "sampleproject"
  workflow = "release.yml"
""",
        id="no environment",
    ),
    pytest.param(
        "mint/invalid-publisher-environment-wrong",
        PYPI,
        COMPARED,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: staging
  event_name: push
  ref: refs/tags/v1.0.0

What may be wrong, the likeliest first:
  1. the publisher names another environment than staging
  2. the publisher names another workflow file than release.yml
  3. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  4. octo-org/sampleproject was renamed or moved, and the publisher has its old name
  5. the owner's account was made anew (its id is 65 now): add the publisher again
  6. the publisher's owner or repository differs in upper and lower case, or has `-` for `_`

The form that adds exactly this publisher (for a new project: https://pypi.org/manage/account/publishing/):
  https://pypi.org/manage/project/sampleproject/settings/publishing/?provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=staging
""",
        id="other environment, compared before",
    ),
    pytest.param(
        "mint/invalid-publisher-reusable-workflow",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/shared-workflows/.github/workflows/release.yml@refs/heads/main
  environment: pypi
  event_name: push
  ref: refs/tags/v1.0.0

What may be wrong, the likeliest first:
  1. workflow (octo-org/shared-workflows/.github/workflows/release.yml@refs/heads/main): a reusable workflow of another repository never matches: move the job into a file of the repository that publishes
  2. the publisher names another environment than pypi
  3. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  4. octo-org/sampleproject was renamed or moved, and the publisher has its old name
  5. the owner's account was made anew (its id is 65 now): add the publisher again
  6. the publisher's owner or repository differs in upper and lower case, or has `-` for `_`
""",  # noqa: E501
        id="reusable workflow",
    ),
    pytest.param(
        "mint/invalid-publisher-pull-request-target",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: pypi
  event_name: pull_request_target
  ref: refs/tags/v1.0.0

What may be wrong, the likeliest first:
  1. event (pull_request_target): a fork can steer such a run: publish from a push, a tag or a release
  2. the publisher names another environment than pypi
  3. the publisher names another workflow file than release.yml
  4. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  5. octo-org/sampleproject was renamed or moved, and the publisher has its old name
  6. the owner's account was made anew (its id is 65 now): add the publisher again
  7. the publisher's owner or repository differs in upper and lower case, or has `-` for `_`
""",
        id="pull_request_target",
    ),
    pytest.param(
        "mint/invalid-publisher-gitlab-ci-file",
        TESTPYPI,
        SAMPLE,
        """\
What the CI said of this job:
  project_path: octo-group/gl-sample
  ci_config_ref_uri: gitlab.com/octo-group/gl-sample//ci/release.yml@refs/heads/main
  environment: release
  ref_path: refs/heads/main

What may be wrong, the likeliest first:
  1. the publisher names another environment than release
  2. the publisher names another workflow file than ci/release.yml
  3. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  4. octo-group/gl-sample was renamed or moved, and the publisher has its old name
  5. the publisher's namespace, project or environment differs in upper and lower case: GitLab's own way is octo-group/gl-sample

The form that adds exactly this publisher (for a new project: https://test.pypi.org/manage/account/publishing/):
  https://test.pypi.org/manage/project/sampleproject/settings/publishing/?provider=gitlab&namespace=octo-group&project=gl-sample&workflow_filepath=ci%2Frelease.yml&environment=release

To have this compared before each release, add to pyproject.toml:

  [tool.hatch.publish.trusted.publisher]
  provider = "gitlab"
  namespace = "octo-group"
  project = "gl-sample"
  workflow = "ci/release.yml"
  environment = "release"
""",
        id="GitLab on TestPyPI",
    ),
    pytest.param(
        "mint/invalid-publisher-gitlab-namespace-case",
        OWN,
        COMPARED,
        """\
What the CI said of this job:
  project_path: Octo-Group/gl-sample
  ci_config_ref_uri: gitlab.com/Octo-Group/gl-sample//.gitlab-ci.yml@refs/heads/main
  environment: release
  ref_path: refs/heads/main

What may be wrong, the likeliest first:
  1. the publisher's namespace, project or environment differs in upper and lower case: GitLab's own way is Octo-Group/gl-sample
  2. the publisher names another environment than release
  3. the publisher names another workflow file than .gitlab-ci.yml
  4. sampleproject has no publisher on this index yet
  5. Octo-Group/gl-sample was renamed or moved, and the publisher has its old name
""",
        id="GitLab's case",
    ),
    pytest.param(
        "mint/invalid-publisher-google-email",
        PYPI,
        TWO,
        """\
What the CI said of this job:
  email: other@sample.iam.gserviceaccount.com
  email_verified: true
  sub: 111222333444555666777

What may be wrong, the likeliest first:
  1. the publisher names another service account than other@sample.iam.gserviceaccount.com
  2. one or two has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round
  3. the publisher has a subject, and it is not 111222333444555666777

The form that adds exactly this publisher (for a new project: https://pypi.org/manage/account/publishing/):
  https://pypi.org/manage/project/one/settings/publishing/?provider=google&email=other%40sample.iam.gserviceaccount.com&sub=111222333444555666777
  https://pypi.org/manage/project/two/settings/publishing/?provider=google&email=other%40sample.iam.gserviceaccount.com&sub=111222333444555666777

To have this compared before each release, add to pyproject.toml:

  [tool.hatch.publish.trusted.publisher]
  provider = "google"
  email = "other@sample.iam.gserviceaccount.com"
  sub = "111222333444555666777"
""",
        id="Google",
    ),
    pytest.param(
        "mint/invalid-publisher-google-email-unverified",
        OWN,
        SAMPLE,
        """\
What the CI said of this job:
  email: publisher@sample.iam.gserviceaccount.com
  email_verified: false
  sub: 111222333444555666777

What may be wrong, the likeliest first:
  1. email_verified (false): use a service account whose address Google has verified
  2. the publisher names another service account than publisher@sample.iam.gserviceaccount.com
  3. sampleproject has no publisher on this index yet
  4. the publisher has a subject, and it is not 111222333444555666777
""",
        id="unverified address",
    ),
    pytest.param(
        "mint/invalid-publisher-activestate-project",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  organization: octo-org
  project: as-other
  actor: actor
  builder: pypi-publisher

What may be wrong, the likeliest first:
  1. the publisher names another organization, project or actor
  2. sampleproject has no publisher on this index yet: one on TestPyPI is none on PyPI, nor the other way round

The form that adds exactly this publisher (for a new project: https://pypi.org/manage/account/publishing/):
  https://pypi.org/manage/project/sampleproject/settings/publishing/?provider=activestate&organization=octo-org&project=as-other&actor=actor

To have this compared before each release, add to pyproject.toml:

  [tool.hatch.publish.trusted.publisher]
  provider = "activestate"
  organization = "octo-org"
  project = "as-other"
  actor = "actor"
""",
        id="ActiveState",
    ),
    pytest.param(
        "mint/invalid-pending-publisher",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/taken
  repository_owner_id: 65
  job_workflow_ref: octo-org/taken/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: MISSING
  event_name: push
  ref: refs/tags/v1.0.0

The form that adds exactly this publisher (for a new project: https://pypi.org/manage/account/publishing/):
  https://pypi.org/manage/project/sampleproject/settings/publishing/?provider=github&owner=octo-org&repository=taken&workflow_filename=release.yml&environment=
""",
        id="pending publisher",
    ),
    pytest.param(
        "mint/invalid-pending-publisher",
        OWN,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/taken
  repository_owner_id: 65
  job_workflow_ref: octo-org/taken/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: MISSING
  event_name: push
  ref: refs/tags/v1.0.0
""",
        id="pending publisher elsewhere",
    ),
    pytest.param(
        "mint/invalid-payload-pending-prohibited-name",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/prohibited
  repository_owner_id: 65
  job_workflow_ref: octo-org/prohibited/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: MISSING
  event_name: push
  ref: refs/tags/v1.0.0
""",
        id="name not allowed",
    ),
    pytest.param(
        "mint/invalid-payload-unknown-issuer",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  iss: https://issuer.example
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: pypi
  event_name: push
  ref: refs/tags/v1.0.0
""",
        id="unknown issuer",
    ),
    pytest.param(
        "mint/not-enabled-github",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: pypi
  event_name: push
  ref: refs/tags/v1.0.0
""",
        id="not enabled",
    ),
    pytest.param(
        "mint/invalid-token-aud-list",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  iss: https://token.actions.githubusercontent.com
  aud: (neither a text nor a number)
  iat: 1795150007
  nbf: MISSING
  exp: 1795150312
""",
        id="audience",
    ),
    pytest.param(
        "mint/invalid-reuse-token",
        PYPI,
        SAMPLE,
        """\
What the CI said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: pypi
  event_name: push
  ref: refs/tags/v1.0.0
""",
        id="used before",
    ),
]


def line(text: str) -> str:
    """The text as it is printed."""
    return f"{text}\n"


@pytest.mark.parametrize(("name", "index", "expected", "message"), MESSAGES)
def test_refusal(name: str, index: Index, expected: Expected, message: str) -> None:
    """What the CI said; where it helps, what may be wrong, the form and the table."""
    code, said = code_of(REFUSED[name])
    assert message == line(refusal(claims_of(REFUSED[name]), "the CI", index, expected, code, said))


def test_refusal_of_another_ci() -> None:
    """A CI that PyPI does not know is told by its issuer; there is no table to paste."""
    message = """\
What CircleCI said of this job:
  iss: https://oidc.circleci.com
  sub: org/1

What may be wrong, the likeliest first:
  1. this index has no publishers for identities of https://oidc.circleci.com
  2. sampleproject has no publisher on this index yet
"""
    claims = {"iss": "https://oidc.circleci.com", "sub": "org/1"}
    assert message == line(refusal(claims, "CircleCI", OWN, SAMPLE, "invalid-publisher", "no"))


def test_other_project() -> None:
    """A token for another project: the name comes first, and each project has a form."""
    message = """\
What GitHub Actions said of this job:
  repository: octo-org/sampleproject
  repository_owner_id: 65
  job_workflow_ref: octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0
  environment: pypi
  event_name: push
  ref: refs/tags/v1.0.0

What may be wrong, the likeliest first:
  1. the publisher belongs to a project of another name than one or two: `-`, `_` and `.` count as the same, all else does not
  2. one or two has no publisher of its own: add one in its settings on the index
  3. the name in pyproject.toml was misspelled, or has changed

The form that adds exactly this publisher (for a new project: https://test.pypi.org/manage/account/publishing/):
  https://test.pypi.org/manage/project/one/settings/publishing/?provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=pypi
  https://test.pypi.org/manage/project/two/settings/publishing/?provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=pypi

To have this compared before each release, add to pyproject.toml:

  [tool.hatch.publish.trusted.publisher]
  provider = "github"
  owner = "octo-org"
  repository = "sampleproject"
  workflow = "release.yml"
  environment = "pypi"
"""
    assert message == line(other_project(GITHUB_JOB, "GitHub Actions", TESTPYPI, TWO))


def test_other_project_elsewhere() -> None:
    """Another index has no form that is known; a table that is there is not asked for."""
    message = """\
What GitLab CI/CD said of this job:
  project_path: octo-group/gl-sample
  ci_config_ref_uri: gitlab.com/octo-group/gl-sample//.gitlab-ci.yml@refs/heads/main
  environment: release
  ref_path: refs/heads/main

What may be wrong, the likeliest first:
  1. the publisher belongs to a project of another name than sampleproject: `-`, `_` and `.` count as the same, all else does not
  2. sampleproject has no publisher of its own: add one in its settings on the index
  3. the name in pyproject.toml was misspelled, or has changed
"""
    assert message == line(other_project(GITLAB_JOB, "GitLab CI/CD", OWN, COMPARED))


def test_mismatches() -> None:
    """A small table, and which side to change."""
    message = """\
This job is not the one that the table `publisher` describes; its identity was not sent, nothing was minted:

  setting      expected       GitHub Actions says
  repository   sampleproject  old
  workflow     release.yml    octo-org/shared/.github/workflows/r.yml@refs/heads/main
  environment  pypi           MISSING

What to change:
  - repository: run the job from there, or, if it was renamed or moved, correct the publisher
  - workflow: a reusable workflow of another repository never matches: move the job into a file of the repository that publishes
  - environment: the job has none: add it to the job, or take it out of the publisher
"""
    job = {
        **GITHUB_JOB,
        "environment": None,
        "repository": "octo-org/old",
        "job_workflow_ref": "octo-org/shared/.github/workflows/r.yml@refs/heads/main",
    }
    assert message == line(mismatches(compare(ON_RECORD["github"], job), "GitHub Actions"))


def test_mismatch_of_the_provider() -> None:
    """In another CI nothing else is compared."""
    message = """\
This job is not the one that the table `publisher` describes; its identity was not sent, nothing was minted:

  setting   expected  GitHub Actions says
  provider  gitlab    github

What to change:
  - provider: run the job in that CI, or correct the publisher
"""
    assert message == line(mismatches(compare(ON_RECORD["gitlab"], GITHUB_JOB), "GitHub Actions"))


@pytest.mark.parametrize("name", [name for name in REFUSED if code_of(REFUSED[name])[0] == "invalid-publisher"])
def test_the_table_can_be_pasted(name: str) -> None:
    """It is TOML, the settings take it, and the job meets it."""
    claims = claims_of(REFUSED[name])
    text = refusal(claims, "the CI", OWN, SAMPLE, "invalid-publisher", "")
    pasted = text.partition("add to pyproject.toml:")[2]
    # It is left out where no publisher would do.
    own = publisher_of(claims)
    assert bool(pasted) == (not compare(own, claims))
    table: dict[str, Any] = tomllib.loads(pasted) or {"tool": {"hatch": {"publish": {"trusted": {"publisher": own}}}}}
    trusted = table["tool"]["hatch"]["publish"]["trusted"]
    assert own == parse({}, Flags(), trusted, {}).publisher


def test_the_table_holds_what_is_not_ascii() -> None:
    """TOML has no escapes for pairs of surrogates, so the characters stand as they are."""
    claims = {**GITHUB_JOB, "environment": '\U0001f680 "é\\'}
    pasted = refusal(claims, "the CI", OWN, SAMPLE, "invalid-publisher", "").partition("add to pyproject.toml:")[2]
    publisher = tomllib.loads(pasted)["tool"]["hatch"]["publish"]["trusted"]["publisher"]
    assert '\U0001f680 "é\\' == publisher["environment"]
