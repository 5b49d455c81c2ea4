"""The words of the messages, asserted here and nowhere else.

After a change of messages.toml: ``pytest tests/test_wording.py --snapshot-update``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter

from syrupy.assertion import SnapshotAssertion

import hatch_trusted_publish
from hatch_trusted_publish.errors import Message, words
from tests.support.helpers import CATALOGUE

SOURCE = Path(hatch_trusted_publish.__file__).parent


class _Name:
    """A fact that shows its own name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __format__(self, spec: str) -> str:
        return f"{spec[1:] if spec.startswith('?') else ''}<{self._name}>"


def _facts(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None}


def _calls() -> Iterator[tuple[str, ast.Call, str]]:
    """Return each place in the code that makes a message in the catalogue: place, call, code."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            callee = node.func
            name = callee.id if isinstance(callee, ast.Name) else getattr(callee, "attr", "")
            if name != "Message" and not name.endswith("Error") and name != "Interrupted":
                continue
            codes = [one.value for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)]
            for code in codes if isinstance(node.args[0], ast.Constant | ast.IfExp) else ():
                if isinstance(code, str) and " " not in code:
                    yield f"{path.relative_to(SOURCE)}:{node.lineno}", node, code


def test_wording(snapshot: SnapshotAssertion) -> None:
    """The snapshot has every message, with each fact shown by its name."""
    shown = {code: text.format_map({name: _Name(name) for name in _facts(text)}) for code, text in CATALOGUE.items()}
    assert snapshot == shown


def test_facts() -> None:
    """Each message gets the facts that its words need."""
    wrong = []
    for place, call, code in _calls():
        given = {keyword.arg for keyword in call.keywords}
        if code not in CATALOGUE:
            wrong.append(f"{place}: no message {code}")
        elif None not in given and (
            missing := _facts(CATALOGUE[code]) - given - ({"problems"} if len(call.args) > 1 else set())
        ):
            wrong.append(f"{place}: {code} lacks {', '.join(sorted(missing))}")
    assert [] == wrong


def test_all_are_used() -> None:
    """Every message of the catalogue is used."""
    written = {
        node.value
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set() == CATALOGUE.keys() - written


def test_words() -> None:
    """Each entry is found on its own."""
    assert {code: words(code) for code in CATALOGUE} == CATALOGUE


def test_codes() -> None:
    """A code is a few words in kebab-case, and belongs to one message."""
    import re
    import tomllib

    rooms = tomllib.loads((SOURCE / "messages.toml").read_text("utf-8"))
    codes = [code for room in rooms.values() for code in room]
    assert len(codes) == len(set(codes))
    assert [] == [code for code in codes if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", code)]


def test_rendering_is_complete() -> None:
    """A message of the catalogue ends with its code, so that a search for it finds its page."""
    assert str(Message("interrupted")) + " [interrupted]" == Message("interrupted").coded
