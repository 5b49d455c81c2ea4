"""What to do about each refusal of an index, by the texts recorded from PyPI."""

from __future__ import annotations

from typing import Final

TRY_AGAIN: Final = (
    "That is on the index's side; nothing is lost. Run the same command again later, and look at "
    "https://status.python.org if the index is PyPI."
)
NO_EXCHANGE: Final = (
    "If this index has it elsewhere, name `audience-endpoint` and `token-mint-endpoint` in the index's table in "
    "`tool.hatch.publish.trusted.repos`; if it has none, this publisher cannot be used with it."
)

_MINT: Final = (
    (
        "invalid-payload",
        "unknown trusted publishing issuer",
        "This index does not take identities from this CI. PyPI takes those of github.com, gitlab.com, Google Cloud and ActiveState; a self-managed GitLab has to be registered there first.",
    ),
    ("invalid-payload", "temporarily disabled", TRY_AGAIN),
    (
        "invalid-payload",
        "The name '",
        "The index will not create the project that its pending publisher names. Choose another name there and in pyproject.toml, or ask the index's support.",
    ),
    (
        "invalid-payload",
        "",
        "What the CI gave is not a token that this index can read. If it came by `identity-variable`, check what the job puts there.",
    ),
    ("not-enabled", "", "The index has switched trusted publishing off, for this CI or for all. " + TRY_AGAIN),
    (
        "invalid-token",
        "",
        "The token's signature, audience or time was not accepted. Run the job again; if it persists, the clock of the runner may be wrong, or `identity-variable` may hold a token made for another index.",
    ),
    (
        "invalid-pending-publisher",
        "",
        "Somebody has created the project since the pending publisher was added, and the index has deleted that. If the project is yours, add the publisher in the project's own settings; else choose another name.",
    ),
    (
        "invalid-publisher",
        "via 'pull_request_target'",
        "A workflow started by `pull_request_target` can be steered by a fork, so the index refuses it. Publish from a push, a tag or a release.",
    ),
    (
        "invalid-publisher",
        "The job_workflow_ref claim",
        "A publishing job must be in the repository's own workflow file: a reusable workflow of another repository never matches. Move the job into the file that the publisher on the index names.",
    ),
    (
        "invalid-publisher",
        "",
        "No publisher on the index matches what the CI says of this job. Compare, letter by letter, the project name, the owner, the repository, the workflow's file name and the environment of the publisher in the project's settings on the index with those of this job: an environment that the publisher names has to be the one of the job.",
    ),
    (
        "invalid-reuse-token",
        "",
        "This identity token was used before, and each works once. Run the job again for a fresh one. On GitLab a job has one token for each `id_tokens` entry: publish once a job, with all files in one command, or set `keep-token`.",
    ),
)
"""Code, a part of the description, what to do. The first that fits counts."""


def for_mint(code: str, said: str) -> str:
    """What to do about a refused exchange."""
    return next((advice for known, part, advice in _MINT if code == known and part in said), TRY_AGAIN)
