"""What the plugin can print is on the troubleshooting page, and what that page shows can be printed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = next((ROOT / "docs").rglob("troubleshooting.md"))
MODULES: Final = [
    path
    for path in sorted((ROOT / "src").rglob("*.py"))
    # The others of the rehearsal are its index: what PyPI would say is not ours.
    if path.parent.name != "rehearsal" or "RehearsalError" in path.read_text("utf-8")
]
FEWEST_WORDS: Final = 2
"""A text with fewer is a name, or a part of a longer one."""
SHORTEST: Final = 9
"""Letters of a fragment: a shorter one would be found in any text."""
NO_MESSAGES: Final = {
    "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))": "code",
    '--… Content-Disposition: form-data; name="…" …': "goes to the index",
    '--… Content-Disposition: form-data; name="content"; filename="…" Content-Type: application/octet-stream': "goes there",
    "already exists": "comes from the index, and is never repeated",
    "non-existent authentication | signatures do not match": "come from the index",
    "Google Compute Engine": "comes from the machine",
    "SLSA provenance": "a kind of attestation",
    "info | and … more": "stands for rows of the table",
    "Dry run": "a heading of the job summary",
    "## … of … to …": "the same",
    "## … of … to … failed": "the same",
    "GitHub Actions": "a name",
    "Google Cloud": "a name",
    "no message": "stands for what the CI's command says",
    "an audience endpoint": "a part of `supplied … that must not be used`",
    "a token mint endpoint": "the same",
    "has no …": "too short for a fragment; beside `has more than one …`",
    "tag-pattern | … | a string": "a part of `in [tool.hatch.version] must be`",
    "fallback-version | … | a string": "the same",
    "raw-options | … | a table": "the same",
    "a secret is not written anywhere": "raised at whoever changes this code",
}
"""Texts that nobody is shown by themselves, and what they are."""


def texts(node: ast.AST, rest: list[ast.AST]) -> list[str]:
    """What a string in the code can come out as, with ``…`` for what is only known in a run.

    A tuple counts as one text: the tables of `advice` have what an index says beside what to do.

    Args:
        rest: gets the parts that have to be looked into by themselves.
    """
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(chosen) for chosen in product(*(texts(part, rest) for part in parts))]
        case ast.FormattedValue(value=value):
            return texts(value, rest)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            rest.append(test)
            return texts(body, rest) + texts(orelse, rest)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return ["".join(chosen) for chosen in product(texts(left, rest), texts(right, rest))]
        case ast.Tuple(elts=items) if not any(isinstance(item, ast.Tuple) for item in items):
            return [" | ".join(chosen) for chosen in product(*(texts(item, rest) for item in items))]
    rest.append(node)
    return ["…"]


def messages(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string below *node* that is no docstring and has some words in a row."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        rest: list[ast.AST] = []
        for text in texts(child, rest):
            if max(map(words, text.split(" | "))) >= FEWEST_WORDS:
                yield getattr(child, "lineno", 0), folded(text)
        for part in rest:
            yield from messages(part)


def words(text: str) -> int:
    return len(re.findall(r"(?<!\S)[`(]?[A-Za-z][A-Za-z'-]*(?=[\s`).,:;?]|$)", text))


def folded(text: str) -> str:
    return " ".join(text.split())


def holds(text: str, part: str) -> bool:
    """Whether *part* occurs in *text*, with anything for each ``…`` of its own."""
    return re.search(".*?".join(map(re.escape, part.split("…"))), text) is not None


def fragments(section: str) -> Iterator[str]:
    """What the tables of a section show in their columns of what is seen."""
    for line in section.splitlines():
        if line.startswith("| "):
            seen = line.removeprefix("| ").partition(" | ")[0]
            yield from (folded(found[2]) for found in re.finditer(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", seen))


def missing(said: Sequence[tuple[str, str]], seen: Sequence[str]) -> list[str]:
    """What the code *said*, of which nothing is *seen* on the page."""
    return [
        f"{place}: {text}"
        for place, text in said
        if text not in NO_MESSAGES and not any(holds(text, part) or holds(part, text) for part in seen)
    ]


SAID: Final = [
    (f"{path.relative_to(ROOT)}:{line}", text)
    for path in MODULES
    for line, text in messages(ast.parse(path.read_text("utf-8")))
]
OURS, HATCHS = PAGE.read_text("utf-8").split("\n## Hatch itself\n")
SEEN: Final = list(fragments(OURS))


def test_every_message_is_on_the_page() -> None:
    """Whatever the plugin prints can be looked up: what is listed here needs a row, or a reason in `NO_MESSAGES`."""
    lost = missing(SAID, SEEN)
    assert [] == lost, "\n".join(lost)


def test_every_row_is_in_the_code() -> None:
    """The page explains nothing that is printed no more."""
    lost = [part for part in SEEN if not any(holds(text, part) for _, text in SAID)]
    assert [] == lost, "\n".join(lost)


def test_rows_of_hatch_are_in_hatch() -> None:
    """What the page says that Hatch says, this Hatch says."""
    code = ""
    for package, module in (("hatch", "cli/publish/__init__.py"), ("hatchling", "metadata/core.py")):
        spec = find_spec(package)
        assert spec is not None
        code += (Path(*spec.submodule_search_locations or ()) / module).read_text("utf-8")
    seen = [part.rpartition(": ")[0] for part in fragments(HATCHS)]
    assert seen
    assert [] == [part for part in seen if part not in code]


def test_fragments_are_long_enough() -> None:
    """No row is so short that it would be found in any message."""
    assert [] == [part for part in SEEN if len(part.replace("…", "").strip()) < SHORTEST]


def test_exceptions_are_in_the_code() -> None:
    """No text is left out of the page that is not there any more."""
    assert set() == NO_MESSAGES.keys() - {text for _, text in SAID}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise X("the index is on fire")', ["the index is on fire"]),
        ('msg = f"{name!r} is on  fire, all {count:,} times"', ["… is on fire, all … times"]),
        ('problems.append("the index " "is on fire")', ["the index is on fire"]),
        ('say("on fire" if hot else f"as cold as {x}")', ["on fire", "as cold as …"]),
        ('say("it is on fire. " + TRY_AGAIN)', ["it is on fire. …"]),
        ('say(clean(said or "no message at all"))', ["no message at all"]),
        ("say(f'{clean(a, \"not said\")} is here')", ["… is here", "not said"]),
        ('T = ((400, "on fire", "Put it out."), (401, "", ELSE))', ["… | on fire | Put it out."]),
        ('def f():\n    """Set it on fire."""\n    return ["name", "other-name"]', []),
    ],
    ids=["raise", "placeholder", "joined", "either", "sum", "inside", "nested", "table", "none"],
)
def test_messages_are_found(code: str, found: list[str]) -> None:
    """A message in the code is found wherever it stands, and one that is not on the page is told with its place."""
    texts_ = [text for _, text in messages(ast.parse(code))]
    assert found == texts_
    assert [f"x.py:1: {text}" for text in found] == missing([("x.py:1", text) for text in found], SEEN)
