"""One value of an option or a table."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from hatch_trusted_publish.errors import Message, SettingsError
from hatch_trusted_publish.settings import values
from hatch_trusted_publish.settings.values import Parser


def deep(levels: int) -> object:
    """Return a table in a table in a table, as dotted keys of TOML can make it."""
    table: object = {}
    for _ in range(levels):
        table = {"a": table}
    return table


def test_premise() -> None:
    """A table can be too deep, and a number too long, for Python to write it out."""
    with pytest.raises(RecursionError):
        repr(deep(100_000))
    with pytest.raises(ValueError, match="Exceeds the limit"):
        repr(1 << 20_000)


DIGEST = "0a" * 32


@pytest.mark.parametrize(
    ("expected", "parse", "value"),
    [
        *((True, values.boolean, value) for value in (True, "true", "")),
        *((False, values.boolean, value) for value in (False, "false")),
        ("main", values.string, "main"),
        ("test", values.string, " test\n"),
        ("a b", values.string, "a b"),
        ("a" * 1000, values.string, "a" * 1000),
        ("out/" + "a" * 255, values.path, "out/" + "a" * 255),
        (DIGEST, values.digest, DIGEST.upper()),
        *((value, values.one_of("identical", "skip"), value) for value in ("identical", "skip")),
        *((True, values.one_of(False, True, "mint"), value) for value in (True, "true", "")),
        *((False, values.one_of(False, True, "mint"), value) for value in (False, "false")),
        ("mint", values.one_of(False, True, "mint"), "mint"),
        *((4, values.number(int, 1, 16), value) for value in (4, "4")),
        (1, values.number(int, 1, 16), 1),
        (16, values.number(int, 1, 16), 16),
        *((2.5, values.number(float, 1, 10), value) for value in (2.5, "2.5")),
        *((2, values.number(float, 1, 10), value) for value in (2, "2")),
        ({"a": 1}, values.table, {"a": 1}),
        ({}, values.table, {}),
    ],
)
def test_good(expected: object, parse: Parser, value: object) -> None:
    """A value is read from TOML with its type, and from ``-o`` as a string where possible."""
    read: Any = parse("-o key", value)
    assert expected == read
    assert isinstance(expected, bool) is isinstance(read, bool)


@pytest.mark.parametrize(
    ("code", "parse", "values_"),
    [
        ("not-a-boolean", values.boolean, ["yes", "True", 1, 0.0, []]),
        ("not-a-string", values.string, [5, True, ["a"]]),
        ("empty-value", values.string, ["", " \n"]),
        ("unusable-value", values.string, ["a\0b", "a\nb", "\ud800", "a" * 1001]),
        ("unusable-value", values.path, ["a\0b", "out/" + "a" * 256, "ü" * 128]),
        ("not-a-digest", values.digest, ["0a", DIGEST + "0", "g" * 64]),
        ("not-one-of", values.one_of("identical", "skip"), ["Skip", "", True, {"skip": 1}]),
        ("not-one-of", values.one_of(False, True, "mint"), [1, 0, "burn"]),
        ("not-an-integer", values.number(int, 1, 16), [0, 17, "17", 4.0, "4.0", True, "", [1], "9" * 5000]),
        ("not-a-number", values.number(float, 0.5, 60), [0.25, 60.5, math.nan, "nan", math.inf, "1e999", "30s"]),
        ("not-a-table", values.table, ["a", [{"a": 1}]]),
    ],
)
def test_bad(code: str, parse: Parser, values_: list[object]) -> None:
    """A mistake is reported with its key and its value."""
    for value in values_:
        with pytest.raises(SettingsError) as caught:
            parse("-o key", value)
        facts = caught.value.message.facts
        assert (code, "-o key") == (caught.value.message.code, facts["key"])
        assert code == "empty-value" or values.shown(value) == facts["value"]


def test_facts() -> None:
    """A mistake says what would be correct."""
    with pytest.raises(SettingsError) as caught:
        values.one_of(False, True, "mint")("-o dry-run", "burn")
    assert Message("not-one-of", key="-o dry-run", allowed=["false", "true", "mint"], value="'burn'") == (
        caught.value.message
    )
    with pytest.raises(SettingsError) as caught:
        values.number(int, 1, 16)("-o concurrency", 17)
    assert Message("not-an-integer", key="-o concurrency", low=1, high=16, value="17") == caught.value.message


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("'a b'", " a\nb "),
        ("'?[31m'", "\x1b[31m"),
        (f"'{'a' * 79}…'", "a" * 81),
        ("true", True),
        ("false", False),
        ("None", None),
        ("30", 30),
        ("datetime.date(2026, 11, 20)", dt.date(2026, 11, 20)),
        ("['::set-env::']", ["::set-env::"]),
        ("this int", 1 << 20_000),
        ("this dict", deep(100_000)),
    ],
    ids=lambda value: "" if isinstance(value, (dict, int)) else None,
)
def test_shown(expected: str, value: object) -> None:
    """Any value is shown on one short, safe line, as TOML spells it if that differs."""
    assert expected == values.shown(value)


def test_read_table() -> None:
    """The known keys are read; every mistake is reported with its full key."""
    problems: list[Message] = []
    keys = {"timeout": values.number(int, 1, 2), "report": values.path}
    table = {"timeout": 9, "report": "a", "tiemout": 1, "user": "me", "auth": "hunter2", "zzz": 1}
    assert {"report": "a"} == values.read_table(table, keys, "-o ", problems)
    assert [
        Message("not-an-integer", key="-o timeout", low=1, high=2, value="9"),
        Message("misspelled-key", key="-o tiemout", close="timeout"),
        Message("no-passwords", key="-o user"),
        Message("no-passwords", key="-o auth"),
        Message("unknown-key", key="-o zzz", keys=["timeout", "report"]),
    ] == problems
