"""Which publisher an identity token belongs to, where the recordings do not cover it."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.rehearsal.publishers import (
    BY_ISSUER,
    NOT_FOUND,
    ActiveState,
    GitHub,
    GitLab,
    Google,
    Mismatch,
    Publisher,
    find,
)

from .world import CLAIMS, GOOGLE, SAMPLE

GITHUB_CLAIMS = {**CLAIMS, "jti": "1"}


def test_the_publisher_with_the_environment_goes_first() -> None:
    """Of two publishers that both match, the narrower one is used, in any order."""
    wide = GitHub("octo-org", "65", "sampleproject", "release.yml")

    assert find(GitHub, GITHUB_CLAIMS, [wide, SAMPLE]) == SAMPLE
    assert find(GitHub, GITHUB_CLAIMS, [SAMPLE, wide]) == SAMPLE
    assert find(GitHub, {**GITHUB_CLAIMS, "environment": "other"}, [SAMPLE, wide]) == wide


def test_a_configured_subject_goes_first() -> None:
    """The same for Google's accounts, whose numbers change when a name is used again."""
    narrow = Google(GOOGLE.email, "111")
    claims = {"email": GOOGLE.email, "email_verified": True, "sub": "111"}

    assert find(Google, claims, [GOOGLE, narrow]) == narrow
    assert find(Google, {**claims, "sub": "222"}, [GOOGLE, narrow]) == GOOGLE


@pytest.mark.parametrize("claim", ["repository", "repository_owner", "job_workflow_ref"])
@pytest.mark.parametrize("value", [None, 1, ["octo-org"], ""])
def test_a_claim_of_another_type_matches_nothing(claim: str, value: object) -> None:
    """Claims are JSON: any of them can be of any type."""
    assert find(GitHub, {**GITHUB_CLAIMS, claim: value}, [SAMPLE]) == Mismatch(NOT_FOUND)


def test_publishers_of_another_provider_are_passed_over() -> None:
    """The issuer decides which publishers are compared."""
    assert find(GitHub, GITHUB_CLAIMS, [GOOGLE]) == Mismatch(NOT_FOUND)
    assert {kind.label for kind in BY_ISSUER.values()} == {"github", "gitlab", "google", "activestate"}


@pytest.mark.parametrize(
    ("publisher", "described"),
    [
        (
            SAMPLE,
            {
                "kind": "GitHub",
                "repository": "octo-org/sampleproject",
                "workflow": "release.yml",
                "environment": "pypi",
            },
        ),
        (
            GitLab("a/b", "c", ".gitlab-ci.yml"),
            {
                "kind": "GitLab",
                "repository": "a/b/c",
                "workflow_filepath": ".gitlab-ci.yml",
                "environment": None,
            },
        ),
        (GOOGLE, {"kind": "Google", "email": GOOGLE.email}),
        (ActiveState("a", "b", "c"), {"kind": "ActiveState", "organization": "a", "project": "b"}),
    ],
)
def test_described(publisher: Publisher, described: dict[str, object]) -> None:
    """The description of each kind of publisher in a provenance object."""
    assert publisher.described() == described
