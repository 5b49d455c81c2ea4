"""YAML as a tree with line numbers."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.cli.yaml import LARGEST, Node, load
from hatch_trusted_publish.errors import SettingsError


def parsed(tmp_path: Path, text: str | bytes) -> Node:
    path = tmp_path / "x.yml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(path, "x.yml")


def test_tree(tmp_path: Path) -> None:
    """Scalars are strings, whatever YAML 1.1 makes of them; each node knows its line."""
    root = parsed(tmp_path, "on:\n  push:\n    tags: [v*, 3.10]\nempty:\nbase: &b {x: yes}\ncopy: *b\n")
    assert (3, ["v*", "3.10"]) == (
        root.get("on", "push", "tags").line,
        [one.text for one in root.get("on", "push", "tags").items],
    )
    assert "yes" == root.get("copy", "x").text
    assert (True, "") == (root.has("empty"), root.get("empty").text)
    assert (4, "x.yml", "") == (
        root.get("empty", "none").line,
        root.get("nothing").file,
        root.get("nothing", "below").text,
    )


@pytest.mark.parametrize(
    ("expected", "text"), [(["push"], "on: push"), (["a", "b"], "on: [a, b]"), (["a"], "on: {a: }"), ([], "on:")]
)
def test_pairs(expected: list[str], text: str, tmp_path: Path) -> None:
    """A list of names can be written in three ways."""
    assert expected == [name for name, _ in parsed(tmp_path, text).get("on").pairs()]


@pytest.mark.parametrize(
    ("code", "line", "text"),
    [
        pytest.param("yaml-invalid", 2, "a: 1\n\tb: 2", id="tab"),
        pytest.param("yaml-invalid", 2, "a: 1\na: 2", id="key twice"),
        pytest.param("yaml-invalid", 1, b"\xff\xfe\x00", id="not UTF-8"),
        pytest.param("yaml-invalid", 1, "a: \x00", id="control character"),
        pytest.param("yaml-invalid", 1, "[" * 5000, id="too deep"),
        pytest.param("yaml-invalid", 1, "a: &a [*a]", id="alias of itself"),
        pytest.param("yaml-too-large", None, b"#" * (LARGEST + 1), id="too large"),
        pytest.param(
            "yaml-invalid",
            1,
            "a: &a [x,x,x,x,x,x,x,x]\n"
            + "".join(f"{n}: &{n} [{','.join([f'*{p}'] * 8)}]\n" for p, n in zip("abcdef", "bcdefg", strict=True)),
            id="billion laughs",
        ),
    ],
)
def test_refused(code: str, line: int | None, text: str | bytes, tmp_path: Path) -> None:
    """YAML that is ambiguous or has no end is refused with its place."""
    with pytest.raises(SettingsError) as caught:
        parsed(tmp_path, text)
    assert (code, "x.yml") == (caught.value.message.code, caught.value.message.facts["file"])
    assert line in {None, caught.value.message.facts.get("line")}


@settings(max_examples=100, deadline=None)
@given(st.text() | st.text("ab:-[]{}&*!|>'\" \n\t#"))
def test_any_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Any string is a tree or refused."""
    with suppress(SettingsError):
        assert isinstance(parsed(tmp_path_factory.mktemp("y"), text.encode(errors="replace")), Node)
