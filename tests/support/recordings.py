"""The exchanges recorded from PyPI (pypi-recordings.md), as values of this package."""

from __future__ import annotations

import json
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
    """The fields of an upload in their order; the file is described by an object."""
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
    """The ids of the exchanges whose path begins with *path*."""
    return [name for name, entry in ENTRIES.items() if entry.path.startswith(path)]


def brief_refusals() -> list[Any]:
    """The briefly described mint errors: id, code and description."""
    return [(entry["id"], entry["code"], entry["description"]) for entry in _RECORDED["brief"] if "code" in entry]


def brief_uploads() -> list[Any]:
    """The briefly described uploads: id, status and reason."""
    return [
        (entry["id"], entry["status"], entry.get("reason", ""))
        for entry in _RECORDED["brief"]
        if entry["id"].startswith(("upload", "attestations")) and "path" not in entry
    ]
