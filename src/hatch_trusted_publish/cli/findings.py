"""The findings of `check`, shown for people, as JSON and as annotations of GitHub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ..errors import Message, clean
from ..output.console import escaped

Level: TypeAlias = Literal["error", "danger", "warning"]
"""``error``: a release would fail. ``danger``: someone else could publish. ``warning``: it could be better."""
_LEVELS: Final[Sequence[Level]] = ("error", "danger", "warning")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to change."""

    level: Level
    message: Message
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        return clean(self.file) + (f":{self.line}" if self.line else "")


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """By level, then by place; each once."""
    once = {(_LEVELS.index(one.level), one.file, one.line, one.message.coded): one for one in findings}
    return [one for _, one in sorted(once.items())]


def as_json(findings: Sequence[Finding]) -> str:
    """All findings, for another program."""
    return json.dumps(
        [
            {
                "level": one.level,
                "code": one.message.code,
                "message": str(one.message),
                "file": one.file or None,
                "line": one.line or None,
            }
            for one in findings
        ],
        indent=2,
    )


def as_annotation(finding: Finding) -> str:
    """One workflow command of GitHub."""
    command = "warning" if finding.level == "warning" else "error"
    file = escaped(clean(finding.file)).replace(":", "%3A").replace(",", "%2C")
    place = f" file={file},line={max(finding.line, 1)}" if file else ""
    return f"::{command}{place}::{escaped(finding.message.coded)}"
