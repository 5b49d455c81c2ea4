"""Outcomes → what is said of them, in words and in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from ..identity import publishers as claims
from ..upload.outcome import Outcome, Plan, Run

_WORDS = {
    "uploaded": "success",
    "there": "already there",
    "differs": "other bytes there, left as they are",
    "failed": "failed",
    "unknown": "sent, but no clear reply came",
    "not tried": "not tried",
}
_PUBLIC_CLAIMS: Final = {
    "github": (
        *("repository", "repository_owner", "workflow_ref", "job_workflow_ref", "ref", "sha", "environment"),
        *("event_name", "run_id", "run_attempt"),
    ),
    "gitlab": (
        *("project_path", "ci_config_ref_uri", "ref", "ref_path", "ref_type", "sha", "environment"),
        *("pipeline_source", "pipeline_id", "job_id"),
    ),
    "google": ("email", "email_verified"),
    "activestate": ("organization", "project", "actor"),
}
"""What a report may tell of a job, besides ``iss`` and ``sub``; no other claim gets there."""


def planned_line(outcome: Outcome) -> str:
    """One file, when nothing is to be uploaded for real."""
    return f"{outcome.distribution.shown} ... {planned_word(outcome.result)}"


def planned_word(result: str) -> str:
    """What would become of a file."""
    return _WORDS[result] if result in {"there", "differs"} else "would be uploaded"


def word(outcome: Outcome) -> str:
    """What stands behind a file's ``...``."""
    return _WORDS[outcome.result]


def release_urls(plan: Plan) -> list[str]:
    """Where the releases can be looked at."""
    return [plan.index.release_url(name, str(version)) for name, version in plan.releases]


def standing(release: Run) -> str:
    """After a failure: what is on the index and what is not."""
    outcomes = release.outcomes.values()
    there = [one.distribution.filename for one in outcomes if one.result in {"uploaded", "there"}]
    unknown = [f"{one.distribution.filename} ({word(one)})" for one in outcomes if one.result == "unknown"]
    missing = [
        f"{one.distribution.filename} ({word(one)})"
        for one in outcomes
        if one.result not in {"uploaded", "there", "unknown"}
    ]
    said = f"On the index: {', '.join(there) or 'none of the files'}. Not there: {', '.join(missing) or 'none'}."
    return f"{said} Perhaps there: {', '.join(unknown)}." if unknown else said


def public_claims(said: Mapping[str, object]) -> dict[str, str]:
    """Of what the CI says of a job, what anybody may know, inert."""
    names = ("iss", "sub", *_PUBLIC_CLAIMS.get(claims.provider_of(said) or "", ()))
    told = {name: claims.claim(said, name) for name in names}
    return {name: value for name, value in told.items() if value != claims.MISSING}


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(plan: Plan, release: Run, error: str | None, *, dry_run: bool) -> dict[str, object]:
    """The report, for a file, by docs/report.schema.json: no secret is in reach here."""
    return {
        "index": {"name": plan.index.name, "upload-url": plan.index.upload_url},
        "dry-run": dry_run,
        "began": _utc(release.began),
        "ended": _utc(release.ended),
        "releases": [
            {"name": name, "version": str(version), "url": plan.index.release_url(name, str(version))}
            for name, version in plan.releases
        ],
        "files": [
            {
                "filename": outcome.distribution.filename,
                "path": outcome.distribution.shown,
                "size": outcome.distribution.size,
                "sha256": outcome.distribution.content.known_sha256,
                "url": outcome.url or None,
                "outcome": outcome.result,
                "reason": outcome.reason,
                "seconds": None if outcome.seconds is None else round(outcome.seconds, 3),
                "attestations": list(outcome.attestations),
            }
            for outcome in release.outcomes.values()
        ],
        "identity": public_claims(release.claims()) or None,
        "error": error,
    }
