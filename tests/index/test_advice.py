"""What to do about each refusal, by everything that was recorded from PyPI."""

from __future__ import annotations

import json

import pytest

from hatch_trusted_publish.index import advice
from tests.support.recordings import ENTRIES, brief_refusals

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
