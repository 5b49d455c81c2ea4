"""How this run changes a project's publisher."""

from __future__ import annotations

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_trusted_publish.attestations.files import PUBLISH, Attestations
from hatch_trusted_publish.attestations.provenance import Newest, changes, own_publisher, publishers_of
from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.index.endpoints import Index
from tests.support.helpers import a_distribution
from tests.support.recordings import ENTRIES
from tests.support.scripted import Answer, Scripted

pytestmark = pytest.mark.usefixtures("quiet")

SAMPLE = canonicalize_name("sample")
FILES = [a_distribution("sample-1.0-py3-none-any.whl"), a_distribution("sample-1.0.tar.gz")]
OTHER = a_distribution("other-1.0.tar.gz")
NEWEST: Newest = {SAMPLE: (Version("0.9"), "https://pypi.org/integrity/x")}
GITHUB = {
    "iss": "https://token.actions.githubusercontent.com",
    "repository": "Octo-Org/sample",
    "repository_owner": "Octo-Org",
    "job_workflow_ref": "Octo-Org/sample/.github/workflows/release.yml@refs/tags/v1.0",
    "workflow_ref": "Octo-Org/sample/.github/workflows/release.yml@refs/tags/v1.0",
}
GITLAB = {
    "iss": "https://gitlab.com",
    "project_path": "octo-org/sub/sample",
    "ci_config_ref_uri": "gitlab.com/octo-org/sub/sample//.gitlab-ci.yml@refs/tags/v1.0",
}
GOOGLE = {"iss": "https://accounts.google.com", "email": "me@example.iam.gserviceaccount.com", "sub": "1"}
OURS = "GitHub octo-org/sample release.yml"
SIGNED: Attestations = {one.filename: {PUBLISH: "{}"} for one in FILES}
LOST = Message("provenance-lost", project="sample", version=Version("0.9"), files=[one.shown for one in FILES])


def other(*before: str) -> Message:
    now = "GitHub Octo-Org/sample release.yml"
    return Message("other-publisher", project="sample", version=Version("0.9"), before=before, now=now)


@pytest.mark.parametrize(
    ("attestations", "before", "expected"),
    [
        pytest.param(SIGNED, (OURS,), [], id="the same publisher"),
        pytest.param(SIGNED, ("GitHub a/b c.yml", OURS), [], id="one of two"),
        pytest.param(SIGNED, (), [], id="unknown"),
        pytest.param(
            SIGNED, ("GitHub evil/sample release.yml",), [other("GitHub evil/sample release.yml")], id="other"
        ),
        pytest.param({}, (OURS,), [LOST], id="not signed"),
        pytest.param({}, ("GitHub evil/sample release.yml",), [LOST], id="not signed, and another before"),
        pytest.param({FILES[0].filename: {"other": "{}"}}, (OURS,), [LOST], id="only another predicate"),
        pytest.param(
            {FILES[0].filename: {PUBLISH: "{}"}},
            ("GitLab a/b c.yml",),
            [
                Message("provenance-lost", project="sample", version=Version("0.9"), files=[FILES[1].shown]),
                other("GitLab a/b c.yml"),
            ],
            id="one signed",
        ),
    ],
)
def test_changes(attestations: Attestations, before: tuple[str, ...], expected: list[Message]) -> None:
    """A release without attestations after one with them is reported; so is another publisher."""
    publishers = {SAMPLE: before} if before else {}

    assert expected == [*changes(NEWEST, publishers, [*FILES, OTHER], attestations, GITHUB)]


def test_nothing_to_lose() -> None:
    """A project whose newest release has no attestations is not reported."""
    assert [] == [*changes({}, {}, FILES, {}, GITHUB)]
    assert [] == [*changes(NEWEST, {}, [OTHER], {}, GITHUB)]


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (GITHUB, "GitHub Octo-Org/sample release.yml"),
        (GITLAB, "GitLab octo-org/sub/sample .gitlab-ci.yml"),
        (GOOGLE, "Google me@example.iam.gserviceaccount.com"),
        ({}, ""),
    ],
    ids=["github", "gitlab", "google", "nothing"],
)
def test_own_publisher(claims: dict[str, object], expected: str) -> None:
    """A job is described as PyPI describes its publisher in a provenance object."""
    assert expected == own_publisher(claims)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(
            Answer.of({"attestation_bundles": [{"publisher": {"kind": "Google", "email": "a@b"}, "attestations": []}]}),
            {SAMPLE: ["Google a@b"]},
            id="Google",
        ),
        pytest.param(Answer(200, ENTRIES["read/provenance"].reply.body), None, id="recorded"),
        pytest.param(Answer(404), {}, id="404"),
        pytest.param(Answer(200, b"{}"), {}, id="malformed"),
        pytest.param(Answer(fault="no reply"), {}, id="no reply"),
    ],
)
def test_publishers_of(answer: Answer, expected: dict[str, list[str]] | None) -> None:
    """The index's reply is read; a missing one does not stop a release."""
    with Scripted({"GET /integrity": answer}) as server, Client(Certificates(), 20.0, "tests/1.0") as client:
        index = Index("own", f"{server.url}/legacy/", f"{server.url}/simple/")
        found = publishers_of(index, client, {SAMPLE: (Version("1.0"), f"{server.url}/integrity")})

    assert ["GET /integrity"] == server.lines
    if expected is None:
        assert [True] == [one.startswith("GitHub ") for one in found[SAMPLE]]
    else:
        assert expected == found


def test_another_host_is_not_asked() -> None:
    """A URL on another host than the index's list is not opened."""
    with Scripted({}) as server, Client(Certificates(), 20.0, "tests/1.0") as client:
        index = Index("own", "https://example.com/legacy/", "https://example.com/simple/")
        assert {} == publishers_of(index, client, {SAMPLE: (Version("1.0"), f"{server.url}/integrity")})
    assert [] == server.lines
