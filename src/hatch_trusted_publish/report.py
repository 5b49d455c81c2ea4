"""Outcomes → what is said of them, in words and in JSON."""

from __future__ import annotations

from .outcome import Outcome, Release
from .plan import Item, Plan

_WORDS = {
    "uploaded": "success",
    "there": "already there",
    "differs": "other bytes there, left as they are",
    "failed": "failed",
    "unknown": "sent, but no clear reply came",
    "not tried": "not tried",
}


def planned_line(item: Item) -> str:
    """One file, when nothing is to be uploaded for real."""
    will = {"upload": "would be uploaded", "there": "already there", "differs": _WORDS["differs"]}
    return f"{item.distribution.shown} ... {will[item.action]}"


def word(outcome: Outcome) -> str:
    """What stands behind a file's ``...``."""
    return _WORDS[outcome.result]


def release_urls(plan: Plan) -> list[str]:
    """Where the releases can be looked at."""
    return [plan.index.release_url(name, str(version)) for name, version in plan.releases]


def standing(release: Release) -> str:
    """After a failure: what is on the index and what is not."""
    outcomes = release.outcomes()
    there = [one.distribution.filename for one in outcomes if one.result in {"uploaded", "there"}]
    unknown = [f"{one.distribution.filename} ({word(one)})" for one in outcomes if one.result == "unknown"]
    missing = [
        f"{one.distribution.filename} ({word(one)})"
        for one in outcomes
        if one.result not in {"uploaded", "there", "unknown"}
    ]
    said = f"On the index: {', '.join(there) or 'none of the files'}. Not there: {', '.join(missing) or 'none'}."
    return f"{said} Perhaps there: {', '.join(unknown)}." if unknown else said


def as_json(release: Release, error: str | None, *, dry_run: bool) -> dict[str, object]:
    """The report, for a file: no secret is in reach here."""
    plan = release.plan
    return {
        "index": None if plan is None else {"name": plan.index.name, "upload-url": plan.index.upload_url},
        "dry-run": dry_run,
        "releases": []
        if plan is None
        else [
            {"name": name, "version": str(version), "url": plan.index.release_url(name, str(version))}
            for name, version in plan.releases
        ],
        "files": [
            {
                "filename": outcome.distribution.filename,
                "path": outcome.distribution.shown,
                "size": outcome.distribution.size,
                "sha256": outcome.distribution.content.known_sha256,
                "outcome": outcome.result,
                "reason": outcome.reason,
            }
            for outcome in release.outcomes()
        ],
        "error": error,
    }
