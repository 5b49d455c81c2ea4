"""The troubleshooting page has a section for each error and warning, and for nothing else."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.support.helpers import CATALOGUE

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "troubleshooting.md"
SOURCE: Final = ROOT / "src" / "hatch_trusted_publish"
OURS, HATCHS = PAGE.read_text("utf-8").split("\n## Hatch itself\n")
SECTIONS: Final = re.findall(r"^### (\S+)\n\n(.*?)(?=^##|\Z)", OURS, re.MULTILINE | re.DOTALL)
LONGEST_QUOTE: Final = 6
"""The most consecutive words that a section may share with its message: the page explains, without repeating."""


WITHOUT_CODE: Final = frozenset(
    {
        "options-help",
        # why a URL or a reply is refused
        "ambiguous-url",
        "endpoint-on-another-host",
        "exchange-reply",
        "listing-reply",
        "malformed-url",
        "no-endpoint",
        "no-list-of-files",
        "no-provenance",
        "plain-http",
        "url-with-odd-characters",
        "url-with-query",
        "url-with-user",
        # why the index's list is not complete
        "attestations-elsewhere",
        "attestations-not-listed",
        "attestations-not-shown",
        "lists-no-hash",
        "no-reply-in-time",
        # why a file is not signed, or an attestation not used
        "attestation-of-another-file",
        "attestation-of-no-file",
        "attestation-too-large",
        "attestation-unreadable",
        "attestations",
        "attestations-from-elsewhere",
        "attestations-not-accepted",
        "malformed-attestation",
        "reusable-workflow",
        "second-attestation",
        "signing-certificate-expired",
        "signing-error",
        "signing-refused",
        "signing-too-slow",
        "signing-unreachable",
        "unknown-predicate",
        # why a version is not known, or not compared
        "bad-version-file",
        "fetch-failed",
        "full-history-by-hand",
        "full-history-on-github",
        "full-history-on-gitlab",
        "history-required",
        "shallow-remote",
        "version-needs-code",
        "version-not-compared",
        # what happened to a request
        "bad-body",
        "bad-certificate",
        "bad-status",
        "broken-connection",
        "no-connection",
        "no-response",
        "other-machine",
        "retrying",
        # why no publisher matches a job
        "another-account",
        "another-actor",
        "another-case",
        "another-environment",
        "another-name",
        "another-subject",
        "another-workflow",
        "foreign-builder",
        "foreign-ci-file",
        "foreign-issuer",
        "foreign-workflow",
        "job-without-environment",
        "mismatch",
        "missing-claim",
        "new-project",
        "no-publisher",
        "pull-request-target",
        "recreated-owner",
        "renamed-repository",
        "token-lost-its-publisher",
        "unverified-email",
        "workflow-at-another-ref",
        "burn-refused",
        "no-burning",
        "unsafe-version-options",
        # what `init` and `check` report
        "approved-by-me",
        "approved-by-others",
        "checked",
        "checked-clean",
        "environment-on-github",
        "environment-on-gitlab",
        "form-of-new-project",
        "form-of-project",
        "form-unknown",
        "next-rehearsal",
        "nothing-to-write",
        # what a run reports
        "installed",
        "not-installed",
        "command-is-job",
        "cut-short",
        "nothing-uploaded",
        "on-the-index",
        "perhaps-on-the-index",
        "not-on-the-index",
        "testpypi-advice",
        "uploaded-in-all",
    }
)
"""Sentences that the log shows without their code: parts of other messages, and reports of a successful run."""
WITH_CODE: Final = frozenset({"zizmor-finding"})
"""Codes in the log whose sentence is not ours."""


def uses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield each code in a module with its use.

    ``note`` is an argument of ``events.note``, ``part`` a fact of another message, and ``shown`` anything else.
    """
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in CATALOGUE):
            continue
        step: ast.AST = node
        while isinstance(parents.get(step), ast.IfExp | ast.BoolOp):
            step = parents[step]
        message = parents.get(step)
        if not (isinstance(message, ast.Call) and getattr(message.func, "id", "") == "Message"):
            yield node.value, "shown"
            continue
        step = message
        while isinstance(parents.get(step), ast.IfExp | ast.BoolOp):
            step = parents[step]
        match parents.get(step):
            case ast.Call(func=ast.Attribute(attr="note")):
                yield node.value, "note"
            case ast.keyword():
                yield node.value, "part"
            case _:
                yield node.value, "shown"


def is_sentence(template: str) -> bool:
    """Return whether this can stand alone, and not only within another message."""
    return re.search(r"[\w)}`]\.(\s|\{|$)|\{problem\}$", template) is not None


def expected() -> set[str]:
    """Return the codes that end a message in the log. The heading of a list has none; its problems have their own."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCE.rglob("*.py"):
        for code, use in uses(ast.parse(path.read_text("utf-8"))):
            found[code].add(use)
    shown = {code for code, used in found.items() if "shown" in used}
    sentences = {code for code in shown if is_sentence(text := CATALOGUE[code]) and "{problems}" not in text}
    return sentences - WITHOUT_CODE | WITH_CODE


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"\{[^}]*\}|`[^`]*`", " | ", text.lower()))


def test_each_code_has_a_section() -> None:
    """A search for a code of an error or a warning finds its section."""
    assert [] == sorted(expected() - {code for code, _ in SECTIONS})


def test_each_section_has_a_code() -> None:
    """The page explains no code that the program cannot show, and none twice."""
    assert [] == sorted({code for code, _ in SECTIONS} - expected())
    assert [] == [code for code, count in Counter(code for code, _ in SECTIONS).items() if count > 1]


def test_exceptions() -> None:
    """Each exception is still a message."""
    assert [] == sorted((WITHOUT_CODE | WITH_CODE) - CATALOGUE.keys())


def quotes(text: str) -> set[str]:
    """Return each row of words that is too long to be repeated."""
    found = words(text)
    return {" ".join(found[i : i + LONGEST_QUOTE]) for i in range(len(found) - LONGEST_QUOTE + 1)}


def test_sections() -> None:
    """A section says more than its message, and does not repeat it."""
    assert [] == [code for code, text in SECTIONS if not text.strip()]
    repeated = {code: quotes(text) & quotes(CATALOGUE[code]) for code, text in SECTIONS}
    assert {} == {code: rows for code, rows in repeated.items() if rows}


def test_rows_of_hatch_are_in_hatch() -> None:
    """Each message that the page attributes to Hatch is in Hatch."""
    code = ""
    modules = (("hatch", "cli/publish/__init__.py"), ("hatch", "cli/__init__.py"), ("hatchling", "metadata/core.py"))
    for package, module in modules:
        spec = find_spec(package)
        assert spec is not None
        code += (Path(*spec.submodule_search_locations or ()) / module).read_text("utf-8")
    seen = [found.rpartition(": ")[0] or found for found in re.findall(r"^\| `([^`]+)`", HATCHS, re.MULTILINE)]
    assert seen
    assert [] == [part for part in seen if part not in code]


@pytest.mark.parametrize(
    ("line", "use"),
    [
        ('events.note(Message("file-exists", file="x"))', "note"),
        ('events.note(Message("file-exists" if a else "x"))', "note"),
        ('events.warn(Message("file-exists"))', "shown"),
        ('raise PlanError("file-exists")', "shown"),
        ('raise PlanError("x", reason=Message("file-exists"))', "part"),
        ('return Message("file-exists")', "shown"),
        ('TABLE = {"x": "file-exists"}', "shown"),
    ],
    ids=["note", "choice", "warning", "error", "part", "returned", "table"],
)
def test_uses_are_found(line: str, use: str) -> None:
    """The search finds how the code uses a message."""
    assert [("file-exists", use)] == list(uses(ast.parse(line)))
