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

_NOT_TAKEN: Final = (
    "The index did not take the upload token that it had just given. Look there whether the project still has its "
    "trusted publisher, and run the same command again."
)
_NO_UPLOADS: Final = (
    "The index takes no uploads at this address, and none is sent on to another: it carries a token. Correct `repo`, "
    "or `url` in the index's table in `tool.hatch.publish.trusted.repos`."
)
_CLASSIFIERS: Final = "Correct `classifiers` in [project] and build again; https://pypi.org/classifiers/ lists them."
_UPLOAD: Final = (
    (
        403,
        "OIDC scoped token is not valid for project",
        "The trusted publisher belongs to a project of another name. Compare the name in pyproject.toml with the project that has the publisher: `-`, `_` and `.` count as the same, all else does not.",
    ),
    (
        403,
        "token is expired",
        "The upload token ran out. Run the same command again: what was uploaded is not sent again.",
    ),
    (
        403,
        "Invalid or non-existent authentication",
        "The index did not know the token that it had just given. PyPI does that while it is read-only for maintenance: run the same command again later.",
    ),
    (403, "Read-only mode", TRY_AGAIN),
    (403, "temporarily disabled", TRY_AGAIN),
    (
        403,
        "allowed to upload to project",
        "The project may be archived or under quarantine: look at its page on the index.",
    ),
    (403, "", _NOT_TAKEN),
    (401, "", _NOT_TAKEN),
    (
        400,
        "Non-user identities cannot create new projects",
        "The project does not exist under this name. A pending publisher creates the project that it names when it is first used: compare its project name with the name in pyproject.toml.",
    ),
    (
        400,
        "previously used",
        "A file of this name was deleted, and a name is never given twice. Publish a new version.",
    ),
    (400, "older than 14 days", "The release is closed for new files. Publish a new version."),
    (400, "Only one sdist", "The release has an sdist already. Publish a new version."),
    (
        400,
        "digest supplied does not match",
        "The file has changed on its way, or while it was read. Run the same command again.",
    ),
    (
        400,
        "description failed to render",
        "`twine check --strict` shows where the README cannot be rendered. Correct it and build again.",
    ),
    (400, "a valid classifier", _CLASSIFIERS),
    (400, "The classifier '", _CLASSIFIERS),
    (400, "too large", "The index has a limit for a file's size, which its support may raise for a project."),
    (429, "", "The index asks for fewer requests. Run the same command again in an hour."),
    (413, "", "The index, or a proxy before it, has a limit for a file's size."),
    (404, "", _NO_UPLOADS),
    (405, "", _NO_UPLOADS),
    (410, "", _NO_UPLOADS),
    (408, "", TRY_AGAIN),
)
"""Status, a part of the text, what to do."""


def for_mint(code: str, said: str) -> str:
    """What to do about a refused exchange."""
    return next((advice for known, part, advice in _MINT if code == known and part in said), TRY_AGAIN)


def for_upload(status: int, said: str) -> str:
    """What to do about a refused file."""
    found = next((advice for known, part, advice in _UPLOAD if status == known and part.lower() in said.lower()), None)
    if found is not None:
        return found
    if status >= 500:
        return TRY_AGAIN
    return _NO_UPLOADS if status < 400 else "Correct what the index objects to, build again and run the same command."


_ABOUT_THE_PROJECT: Final = ("Non-user identities", "older than 14 days", "isn't allowed", "too similar")


_ABOUT_THE_TOKEN: Final = ("non-existent authentication", "signatures do not match")


def is_about_the_project(said: str) -> bool:
    """Whether a refusal of one file would be one of its siblings as well."""
    return any(part in said for part in _ABOUT_THE_PROJECT)


def is_of_the_token(status: int, said: str) -> bool:
    """Whether a file was refused since the index does not know the upload token."""
    return status == 401 or (status == 403 and any(part in said for part in _ABOUT_THE_TOKEN))


def is_of_another_project(status: int, said: str) -> bool:
    """Whether a file was refused since the publisher belongs to another project than it does."""
    by_token = status == 403 and "OIDC scoped token is not valid for project" in said
    return by_token or (status == 400 and "Non-user identities cannot create new projects" in said)
