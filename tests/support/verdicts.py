"""The verdicts of a real PyPI server on 143 files (pypi-verdicts.md)."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final


@dataclass(frozen=True)
class Verdict:
    """One file, and the response to its upload."""

    case: str
    filename: str
    reason: str | None
    """PyPI's words; empty if it accepted the file."""
    content: bytes = field(repr=False)

    def write(self, directory: Path) -> Path:
        """Write the file to a directory."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / self.filename
        path.write_bytes(self.content)
        return path


BROKEN_REPLY: Final = {
    "provides-dist-bad": "'foo >=' is invalid: Expected semicolon (after name with no version specifier) or end. "
    "See https://packaging.python.org/specifications/core-metadata for more information.",
}
"""PyPI answered with a 502, since its words contained a line break; these are the words."""
STRICTER: Final = {
    "zip-two-distinfo": ("repeated-metadata", "pip refuses a wheel with two .dist-info directories"),
}
"""Files that PyPI accepts and this program rejects because no installer accepts them: the code and the reason."""


def _read() -> list[Verdict]:
    recorded = json.loads(Path(__file__).parents[1].joinpath("pypi-verdicts.json").read_text("utf-8"))
    return [
        Verdict(
            entry["case"],
            entry["filename"],
            None if entry["status"] == 200 else BROKEN_REPLY.get(entry["case"], entry["reason"]),
            base64.b64decode(entry["content"]),
        )
        for entry in recorded["files"]
    ]


VERDICTS: Final = _read()


def as_recorded(said: str) -> str:
    """Return the words as recorded: without characters a status line cannot have, and with sets in no order."""
    shown = said.encode("latin-1", "replace").decode("ascii", "ignore")
    return "".join(sorted(shown)) if "must be one of" in shown else shown
