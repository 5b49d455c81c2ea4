"""Pages, code, tests and messages avoid the words that CONTRIBUTING.md's style rules replace."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
TEXTS: Final = (
    *sorted(ROOT.glob("*.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".json", ".yml", ".yaml", ".py"}),
    *sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in {".py", ".toml", ".yml"}),
    *sorted(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)),
    *sorted(path for path in (ROOT / "benchmarks").iterdir() if path.suffix in {".md", ".py"}),
)
INSTEAD: Final = {
    r"anew": "again",
    r"mend(s|ed|ing)?": "fix",
    r"belongs? into": "belongs in, goes in",
    r"begins of": "starts of",
    r"for ever": "permanently",
    r"(is|are) (?-i:none)": "is not a ..., does not exist",  # `is None` is Python
    r"(is|are) told": "report, show",
    r"told of": "reported",
    r"stands? against": "the problem is",
    r"in one run": "together",
    r"way out": "remedy, workaround",
    r"by now": "already",
    r"beside": "next to, with",
    r"somebody": "someone, or name them",
    r"whoever": "anyone who, or name them",
    r"folders?": "directory",
    r"nothing was sent": "nothing was uploaded",
    r"authority of (your|its) own": "private CA",
}
"""Each word to avoid, as a pattern, and what to write instead."""
AVOIDED: Final = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.IGNORECASE)


def found(path: Path) -> list[str]:
    """Return each word to avoid with its place."""
    lines = path.read_text("utf-8").splitlines()
    return [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for number, line in enumerate(lines, 1)
        for match in AVOIDED.finditer(line)
    ]


def test_words() -> None:
    """No file has a word to avoid; `INSTEAD` has the replacement."""
    assert [] == [place for path in TEXTS for place in found(path)]


def test_words_are_found() -> None:
    """Words count in any case and form, and parts of other words do not."""
    text = "Mended anew. Besides, an amendment to this is told of beside it."
    assert ["Mended", "anew", "is told", "beside"] == [match[0] for match in AVOIDED.finditer(text)]
