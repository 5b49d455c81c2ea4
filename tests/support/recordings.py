"""The exchanges recorded from PyPI (pypi-recordings.md), as values of this package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hatch_trusted_publish.http.messages import Reply

_RECORDED: Final = json.loads(Path(__file__).parents[1].joinpath("pypi-recordings.json").read_text("utf-8"))


@dataclass(frozen=True)
class Recorded:
    """One exchange."""

    path: str
    form: list[tuple[str, Any]]
    """The fields of an upload in order; an object describes the file."""
    reply: Reply


def _entry(entry: dict[str, Any]) -> Recorded:
    request, response = entry["request"], entry["response"]
    headers = response["headers"]
    return Recorded(
        request["path"],
        [(name, value) for name, value in request.get("form", [])],
        Reply(
            response["status"],
            response["body"].encode(),
            headers.get("content-type", "").partition(";")[0],
            response["reason"],
            headers.get("location", ""),
        ),
    )


ENTRIES: Final = {entry["id"]: _entry(entry) for entry in _RECORDED["entries"]}


def to(path: str) -> list[str]:
    """Return the ids of the exchanges whose path starts with *path*."""
    return [name for name, entry in ENTRIES.items() if entry.path.startswith(path)]


def brief_refusals() -> list[Any]:
    """Return the briefly described mint errors: id, code and description."""
    return [(entry["id"], entry["code"], entry["description"]) for entry in _RECORDED["brief"] if "code" in entry]


def brief_uploads() -> list[Any]:
    """Return the briefly described uploads: id, status and reason."""
    return [
        (entry["id"], entry["status"], entry.get("reason", ""))
        for entry in _RECORDED["brief"]
        if entry["id"].startswith(("upload", "attestations")) and "path" not in entry
    ]


# Mints: the claims of a job, and the publishers on record

_GITHUB: Final = {"provider": "github", "owner": "octo-org", "repository": "sampleproject", "workflow": "release.yml"}
PUBLISHERS: Final[Mapping[str, dict[str, str]]] = {
    "github": {**_GITHUB, "environment": "pypi"},
    "gitlab": {
        "provider": "gitlab",
        "namespace": "octo-group",
        "project": "gl-sample",
        "workflow": ".gitlab-ci.yml",
        "environment": "release",
    },
    "google": {"provider": "google", "email": "publisher@sample.iam.gserviceaccount.com"},
    "activestate": {"provider": "activestate", "organization": "octo-org", "project": "as-sample", "actor": "actor"},
}
"""The publishers of the recorded index, by provider."""
_WITHOUT_ENVIRONMENT: Final = {
    *("noenv-project", "brand-new", "taken", "prohibited", "similar", "stdlib", "regoff", "ro-new"),
    *("archived-project", "quarantined-project"),
}
"""Repositories whose publisher on record, pending or not, has no environment."""
JOBS: Final[Mapping[str, dict[str, object]]] = {
    kind: next(entry["request"]["claims"] for entry in _RECORDED["entries"] if entry["id"] == name)
    for kind, name in {
        "github": "mint/ok",
        "gitlab": "mint/ok-gitlab",
        "google": "mint/ok-google",
        "activestate": "mint/ok-activestate",
    }.items()
}
"""The claims of a job that each provider's publisher matches."""


@dataclass(frozen=True)
class Mint:
    """One exchange of an identity token."""

    claims: Mapping[str, object]
    publisher: Mapping[str, str]
    """The publisher on record that it was meant to match."""
    reply: Reply

    @property
    def errors(self) -> list[dict[str, str]]:
        """Return PyPI's error codes and descriptions if it rejected the token."""
        return json.loads(self.reply.body).get("errors", []) if self.reply.status == 422 else []


def _mint(entry: Mapping[str, Any]) -> Mint:
    name = entry["id"]
    kind = next((kind for kind in ("gitlab", "google", "activestate") if kind in name), "github")
    if "request" in entry:
        claims, reply = dict(entry["request"]["claims"]), ENTRIES[name].reply
    else:
        claims = _brief_claims(kind, entry.get("claims_changed", {}))
        body = {"errors": [{key: entry.get(key, "") for key in ("code", "description")}]}
        reply = Reply(entry["status"], json.dumps(body).encode(), "application/json")
    repository = str(claims.get("repository", "")).partition("/")[2]
    publisher = {**_GITHUB, "repository": repository} if repository in _WITHOUT_ENVIRONMENT else PUBLISHERS[kind]
    return Mint(claims, publisher, reply)


def _brief_claims(kind: str, changed: Mapping[str, object]) -> dict[str, object]:
    """Return the claims described by what was changed; claims that merely repeat the change are not recorded."""
    claims = dict(JOBS[kind])
    path = changed.get("repository", changed.get("project_path"))
    if path and kind == "gitlab":
        claims["ci_config_ref_uri"] = f"gitlab.com/{path}//.gitlab-ci.yml@refs/heads/main"
    elif path:
        claims["job_workflow_ref"] = f"{path}/.github/workflows/release.yml@refs/tags/v1.0.0"
    return {key: value for key, value in {**claims, **changed}.items() if value is not None}


MINTS: Final = {
    entry["id"]: _mint(entry)
    for entry in (*_RECORDED["entries"], *_RECORDED["brief"])
    if entry["id"].startswith("mint/")
    and "path" not in entry
    and "body_sent" not in entry
    # Strings that were not tokens have no claims.
    and ("request" not in entry or "claims" in entry["request"])
}
"""Every recorded exchange of an identity token that has claims."""
REFUSED: Final = {name: mint for name, mint in MINTS.items() if mint.errors}
