"""A run → JSON, and its account of the files after a failure. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from ..errors import Message
from ..events import Result
from ..identity.publishers import public_claims
from ..upload.outcome import Plan, Run

ON_THE_INDEX: Final[frozenset[Result]] = frozenset({"uploaded", "there"})


def release_urls(plan: Plan) -> list[str]:
    """Return the page of each release."""
    return [plan.index.release_url(name, str(version)) for name, version in plan.releases]


def standing(run: Run) -> list[Message]:
    """Return which files are on the index after a failure, and which are not; nothing if no upload started."""
    found: dict[str, list[str]] = {"on-the-index": [], "perhaps-on-the-index": [], "not-on-the-index": []}
    for name, outcome in run.outcomes.items() if run.has_started else ():
        there = outcome.result in ON_THE_INDEX
        code = (
            "on-the-index" if there else "perhaps-on-the-index" if outcome.result == "unknown" else "not-on-the-index"
        )
        found[code].append(name)
    return [Message(code, files=names) for code, names in found.items() if names]


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(plan: Plan, run: Run, error: str | None, *, dry_run: bool) -> dict[str, object]:
    """Return the report, as docs/report.schema.json describes it. It has no access to secrets."""
    return {
        "index": {"name": plan.index.name, "upload-url": plan.index.upload_url},
        "dry-run": dry_run,
        "began": _utc(run.began),
        "ended": _utc(run.ended),
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
            for outcome in run.outcomes.values()
        ],
        "identity": public_claims(run.claims()) or None,
        "error": error,
    }
