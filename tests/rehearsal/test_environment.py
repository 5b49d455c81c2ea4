"""The variables of a rehearsed run."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.rehearsal import environment
from hatch_trusted_publish.rehearsal.checkout import Checkout

CHECKOUT = Checkout("o", "r", "refs/tags/v1", "abc")


def test_github() -> None:
    """The variables are those that the runner sets and `id` reads."""
    assert environment.github(CHECKOUT, "http://127.0.0.1:1/t?a=b", "secret") == {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1/t?a=b",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "secret",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_REPOSITORY_OWNER": "o",
        "GITHUB_REF": "refs/tags/v1",
        "GITHUB_REF_NAME": "v1",
        "GITHUB_REF_TYPE": "tag",
        "GITHUB_SHA": "abc",
        "GITHUB_WORKFLOW": "Release",
        "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/release.yml@refs/tags/v1",
    }


def test_gitlab() -> None:
    """Each token's variable is named after its audience."""
    changes = environment.gitlab(CHECKOUT, {"rehearsal": "secret", "sigstore": "other"})
    assert changes["GITLAB_CI"] == "true"
    assert (changes["REHEARSAL_ID_TOKEN"], changes["SIGSTORE_ID_TOKEN"]) == ("secret", "other")
    assert changes["CI_PROJECT_PATH"] == "o/r"


def test_no_real_ci_is_seen() -> None:
    """The tokens of the real CI are not requested, and its files not written: neither known nor unknown ones."""
    present = {"GITHUB_NEW": "1", "ANY_ID_TOKEN": "1", "CI_JOB_TOKEN": "1", "HOME": "/", "CI": "true"}
    changes = environment.changes(present, environment.gitlab(CHECKOUT, {"rehearsal": "secret"}))
    unset = {name for name, value in changes.items() if value is None}
    assert {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ANY_ID_TOKEN",
        "BUILDKITE",
        "CIRCLECI",
        "CI_JOB_TOKEN",
        "GITHUB_ACTIONS",
        "GITHUB_EVENT_NAME",
        "GITHUB_EVENT_PATH",
        "GITHUB_NEW",
        "GITHUB_OUTPUT",
        "GITHUB_STEP_SUMMARY",
        "GOOGLE_SERVICE_ACCOUNT_NAME",
        "PYPI_ID_TOKEN",
    } <= unset
    assert not {"HOME", "CI", "GITLAB_CI", "REHEARSAL_ID_TOKEN", "CI_PROJECT_PATH"} & unset


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "a.example, localhost"}, "a.example,localhost,127.0.0.1"),
        ({"NO_PROXY": "a.example", "no_proxy": "b.example,"}, "b.example,127.0.0.1,localhost"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_loopback_needs_no_proxy(present: dict[str, str], expected: str) -> None:
    """Listed hosts stay listed; a `*` counts only alone."""
    changes = environment.changes(present, {})
    assert changes["NO_PROXY"] == changes["no_proxy"] == expected


def test_real_identities() -> None:
    """The variables through which a job could have a real identity are listed, so that you are warned."""
    present = {"PYPI_ID_TOKEN": "x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "GITHUB_ACTIONS": "true", "HOME": "/"}

    assert ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "PYPI_ID_TOKEN"] == environment.identities(present)
