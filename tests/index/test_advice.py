"""What to do about each refusal, by everything that was recorded from PyPI."""

from __future__ import annotations

import json

import pytest

from hatch_trusted_publish.index import advice
from tests.support.recordings import ENTRIES, brief_refusals, brief_uploads

AGAIN = (
    "That is on the index's side; nothing is lost. Run the same command again later, and look at "
    "https://status.python.org if the index is PyPI."
)
ISSUER = (
    "This index does not take identities from this CI. PyPI takes those of github.com, gitlab.com, Google Cloud and "
    "ActiveState; a self-managed GitLab has to be registered there first."
)
NAME = (
    "The index will not create the project that its pending publisher names. Choose another name there and in "
    "pyproject.toml, or ask the index's support."
)
NO_TOKEN = (
    "What the CI gave is not a token that this index can read. If it came by `identity-variable`, check what the job "
    "puts there."
)
OFF = f"The index has switched trusted publishing off, for this CI or for all. {AGAIN}"
TOKEN = (
    "The token's signature, audience or time was not accepted. Run the job again; if it persists, the clock of the "
    "runner may be wrong, or `identity-variable` may hold a token made for another index."
)
PENDING = (
    "Somebody has created the project since the pending publisher was added, and the index has deleted that. If the "
    "project is yours, add the publisher in the project's own settings; else choose another name."
)
TARGET = (
    "A workflow started by `pull_request_target` can be steered by a fork, so the index refuses it. Publish from a "
    "push, a tag or a release."
)
REUSABLE = (
    "A publishing job must be in the repository's own workflow file: a reusable workflow of another repository never "
    "matches. Move the job into the file that the publisher on the index names."
)
PUBLISHER = (
    "No publisher on the index matches what the CI says of this job. Compare, letter by letter, the project name, the "
    "owner, the repository, the workflow's file name and the environment of the publisher in the project's settings on "
    "the index with those of this job: an environment that the publisher names has to be the one of the job."
)
USED = (
    "This identity token was used before, and each works once. Run the job again for a fresh one. On GitLab a job has "
    "one token for each `id_tokens` entry: publish once a job, with all files in one command, or set `keep-token`."
)

BY_CODE = {
    "not-enabled": OFF,
    "invalid-token": TOKEN,
    "invalid-pending-publisher": PENDING,
    "invalid-publisher": PUBLISHER,
    "invalid-reuse-token": USED,
    "invalid-payload": NO_TOKEN,
}
MINT_EXCEPTIONS = {
    "mint/invalid-payload-unknown-issuer": ISSUER,
    "mint/invalid-payload-gitlab-self-managed": ISSUER,
    "mint/invalid-payload-pending-prohibited-name": NAME,
    "mint/invalid-payload-pending-similar-name": NAME,
    "mint/invalid-payload-pending-stdlib-name": NAME,
    "mint/invalid-payload-pending-registration-off": AGAIN,
    "mint/invalid-publisher-pull-request-target": TARGET,
    "mint/invalid-publisher-reusable-workflow": REUSABLE,
    "mint/invalid-publisher-reusable-workflow-other-name": PUBLISHER,
}
"""Recordings whose text says more than their code."""


def recorded_refusals() -> list[tuple[str, str, str]]:
    """Each recorded refusal of an identity: id, code and description."""
    found = list(brief_refusals())
    for name, entry in ENTRIES.items():
        if entry.reply.status == 422:
            first = json.loads(entry.reply.body)["errors"][0]
            found.append((name, first["code"], first["description"]))
    return found


@pytest.mark.parametrize(
    ("name", "code", "said"), [pytest.param(*refusal, id=refusal[0]) for refusal in recorded_refusals()]
)
def test_mint(name: str, code: str, said: str) -> None:
    """Each recorded refusal of an identity has the advice for its reason."""
    assert MINT_EXCEPTIONS.get(name, BY_CODE[code]) == advice.for_mint(code, said)


def test_mint_exceptions_are_recorded() -> None:
    """The table names recordings that exist, and all codes are among them."""
    recorded = {name: code for name, code, _ in recorded_refusals()}
    assert not MINT_EXCEPTIONS.keys() - recorded.keys()
    assert BY_CODE.keys() == set(recorded.values())


@pytest.mark.parametrize("code", ["", "invalid", "invalid-publisher-2"])
def test_mint_unknown(code: str) -> None:
    """What no recording has is the index's to explain."""
    expected = AGAIN
    assert expected == advice.for_mint(code, "unknown trusted publishing issuer")


def test_mint_is_not_misled() -> None:
    """A workflow's file that is called as a reason is not taken for it."""
    said = (
        "valid token, but no corresponding publisher (The job_workflow_ref claim does not match, expecting one of "
        "['o/r/.github/workflows/pull_request_target.yml@main'], got 'o/s/.github/workflows/r.yml@main')"
    )
    expected = REUSABLE
    assert expected == advice.for_mint("invalid-publisher", said)


CORRECT = "Correct what the index objects to, build again and run the same command."
REFUSED = (
    "The index did not take the upload token that it had just given. Look there whether the project still has its "
    "trusted publisher, and run the same command again."
)
UNKNOWN_TOKEN = (
    "The index did not know the token that it had just given. PyPI does that while it is read-only for maintenance: "
    "run the same command again later."
)
OTHER_PROJECT = (
    "The trusted publisher belongs to a project of another name. Compare the name in pyproject.toml with the project "
    "that has the publisher: `-`, `_` and `.` count as the same, all else does not."
)
EXPIRED = "The upload token ran out. Run the same command again: what was uploaded is not sent again."
CLOSED = "The project may be archived or under quarantine: look at its page on the index."
NO_PROJECT = (
    "The project does not exist under this name. A pending publisher creates the project that it names when it is first "
    "used: compare its project name with the name in pyproject.toml."
)
DELETED = "A file of this name was deleted, and a name is never given twice. Publish a new version."
OLD = "The release is closed for new files. Publish a new version."
SDIST = "The release has an sdist already. Publish a new version."
CHANGED = "The file has changed on its way, or while it was read. Run the same command again."
README = "`twine check --strict` shows where the README cannot be rendered. Correct it and build again."
CLASSIFIERS = "Correct `classifiers` in [project] and build again; https://pypi.org/classifiers/ lists them."
TOO_LARGE = "The index has a limit for a file's size, which its support may raise for a project."
TOO_MANY = "The index asks for fewer requests. Run the same command again in an hour."
TOO_LARGE_FOR_ALL = "The index, or a proxy before it, has a limit for a file's size."
NO_UPLOADS = (
    "The index takes no uploads at this address, and none is sent on to another: it carries a token. Correct `repo`, or "
    "`url` in the index's table in `tool.hatch.publish.trusted.repos`."
)

UPLOADS = {
    "upload/403-read-only": AGAIN,
    "upload/403-new-uploads-disabled": AGAIN,
    "upload/403-archived-project": CLOSED,
    "upload/403-quarantined-project": CLOSED,
    "upload/400-filename-previously-used": DELETED,
    "upload/400-release-too-old": OLD,
    "upload/400-second-sdist": SDIST,
    "upload/400-digest-mismatch": CHANGED,
    "upload/400-digest-mismatch-existing": CHANGED,
    "upload/400-digest-mismatch-md5": CHANGED,
    "upload/400-description-rst": README,
    "upload/400-description-no-content-type": README,
    "upload/400-classifier-unknown": CLASSIFIERS,
    "upload/400-classifier-deprecated": CLASSIFIERS,
    "upload/400-file-too-large": TOO_LARGE,
    "upload/429-too-many-new-projects": TOO_MANY,
    "upload/405-no-action": NO_UPLOADS,
    "upload/410-action-submit": NO_UPLOADS,
    "upload-auth/400-new-project": NO_PROJECT,
    "upload-auth/403-none": UNKNOWN_TOKEN,
    "upload-auth/403-none/accept-any": UNKNOWN_TOKEN,
    "upload-auth/403-junk": UNKNOWN_TOKEN,
    "upload-auth/403-junk-pypi-prefix": UNKNOWN_TOKEN,
    "upload-auth/403-token-minted-while-read-only": UNKNOWN_TOKEN,
    "upload-auth/403-wrong-project": OTHER_PROJECT,
    "upload-auth/403-wrong-project/accept-any": OTHER_PROJECT,
    "upload-auth/403-expired-wrong-project": OTHER_PROJECT,
    "upload-auth/403-expired": EXPIRED,
    "upload-auth/403-expired-attenuated": EXPIRED,
    "upload-auth/403-user-no-role": CLOSED,
    "upload-auth/403-bad-signature": REFUSED,
    "upload-auth/403-username-password": REFUSED,
    "upload-auth/403-username-not-__token__": REFUSED,
    "upload-auth/403-api-token-wrong-project": REFUSED,
    "upload-auth/403-user-without-2fa": REFUSED,
}
"""Recordings for which more can be said than to do as the index says."""


def recorded_uploads() -> list[tuple[str, int, str]]:
    """Each recorded refusal of a file: id, status and reason."""
    replies = [(name, entry.reply.status, entry.reply.reason) for name, entry in ENTRIES.items()]
    found = [*replies, *brief_uploads()]
    return [each for each in found if each[1] >= 400 and each[0].startswith(("upload", "attestations", "concurrency"))]


@pytest.mark.parametrize(
    ("name", "status", "said"), [pytest.param(*refusal, id=refusal[0]) for refusal in recorded_uploads()]
)
def test_upload(name: str, status: int, said: str) -> None:
    """Each recorded refusal of a file has the advice for its reason."""
    assert UPLOADS.get(name, AGAIN if status >= 500 else CORRECT) == advice.for_upload(status, said)


def test_uploads_are_recorded() -> None:
    """The table names recordings that exist."""
    assert not UPLOADS.keys() - {name for name, _, _ in recorded_uploads()}


@pytest.mark.parametrize(
    ("expected", "status", "said"),
    [
        pytest.param(NO_UPLOADS, 301, "Moved Permanently", id="redirect"),
        pytest.param(NO_UPLOADS, 308, "", id="redirect-of-a-post"),
        pytest.param(REFUSED, 401, "Unauthorized", id="no-such-user"),
        pytest.param(REFUSED, 403, "", id="forbidden"),
        pytest.param(NO_UPLOADS, 404, "Not Found", id="not-found"),
        pytest.param(AGAIN, 408, "Request Timeout", id="too-slow"),
        pytest.param(TOO_LARGE_FOR_ALL, 413, "Request Entity Too Large", id="proxy"),
        pytest.param(CORRECT, 400, "", id="no-reason"),
        pytest.param(CORRECT, 422, "too large", id="a-reason-of-another-status"),
        pytest.param(CORRECT, 400, "The name 'text-classifier' is too similar to another", id="name-like-a-reason"),
        pytest.param(AGAIN, 500, "Internal Server Error", id="error"),
        pytest.param(AGAIN, 503, "Uploads are disabled", id="down"),
        pytest.param(README, 400, "THE DESCRIPTION FAILED TO RENDER", id="in-capitals"),
    ],
)
def test_upload_elsewhere(expected: str, status: int, said: str) -> None:
    """What other indexes answer, or a proxy before one, is told apart by its status."""
    assert expected == advice.for_upload(status, said)


ABOUT_THE_PROJECT = {
    "upload/400-release-too-old",
    "upload-auth/400-new-project",
    "upload/400-name-prohibited",
    "upload/400-name-too-similar",
}


@pytest.mark.parametrize(
    ("name", "said"),
    [pytest.param(name, said, id=name) for name, status, said in recorded_uploads() if status in {400, 413}],
)
def test_is_about_the_project(name: str, said: str) -> None:
    """Of the recorded refusals of a file, these would be those of its siblings as well."""
    assert (name in ABOUT_THE_PROJECT) == advice.is_about_the_project(said)


def test_those_about_the_project_are_recorded() -> None:
    """The table names recordings that exist."""
    assert not ABOUT_THE_PROJECT - {name for name, _, _ in recorded_uploads()}


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (403, "Invalid API Token: OIDC scoped token is not valid for project 'x'", True),
        (400, "Non-user identities cannot create new projects. This was probably", True),
        (400, "OIDC scoped token is not valid for project 'x'", False),
        (403, "Non-user identities cannot create new projects", False),
        (403, "token is expired", False),
        (400, "", False),
    ],
)
def test_is_of_another_project(status: int, said: str, expected: bool) -> None:
    """What PyPI says of a token that is good for another project, with the status that goes with it."""
    assert expected == advice.is_of_another_project(status, said)


def test_is_of_the_token() -> None:
    """Of the recorded refusals, these say that the index does not know the token (any more)."""
    names = ("junk", "junk-pypi-prefix", "none", "none/accept-any", "bad-signature", "token-minted-while-read-only")
    expected = {f"upload-auth/403-{name}" for name in names}
    assert expected == {name for name, status, said in recorded_uploads() if advice.is_of_the_token(status, said)}


@pytest.mark.parametrize(("status", "said", "expected"), [(401, "", True), (400, "signatures do not match", False)])
def test_is_of_the_token_elsewhere(status: int, said: str, expected: bool) -> None:
    """A 401 is always about the token; the texts count with the status that goes with them."""
    assert expected == advice.is_of_the_token(status, said)
