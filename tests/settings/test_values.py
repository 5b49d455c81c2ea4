"""One value of an option or a table."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pytest

from hatch_trusted_publish.settings import values
from hatch_trusted_publish.settings.values import Parser, Wrong


def deep(levels: int) -> object:
    """A table in a table in a table, as dotted keys of TOML can make it."""
    table: object = {}
    for _ in range(levels):
        table = {"a": table}
    return table


def test_helpers_own_premise() -> None:
    """A table can be too deep, and a number too long, for Python to write it out."""
    with pytest.raises(RecursionError):
        repr(deep(100_000))
    with pytest.raises(ValueError, match="Exceeds the limit"):
        repr(1 << 20_000)


@pytest.mark.parametrize(
    ("expected", "parse", "value"),
    [
        *((True, values.boolean, value) for value in (True, "true", "")),
        *((False, values.boolean, value) for value in (False, "false")),
        ("main", values.text, "main"),
        ("test", values.text, " test\n"),
        ("a b", values.text, "a b"),
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
    """A value is taken from TOML with its type and from ``-o`` as a text, where that can be."""
    read: Any = parse(value)
    assert expected == read
    assert isinstance(expected, bool) is isinstance(read, bool)


BOOLEAN = "must be true or false, not "
ONE_OF = "must be one of identical, skip, not "
WITH_TRUE = "must be one of false, true, mint, not "
WHOLE = "must be a whole number from 1 to 16, not "
NUMBER = "must be a number from 0.5 to 3600, not "
TABLE = "must be a table of a TOML file, not "


@pytest.mark.parametrize(
    ("problem", "parse", "value"),
    [
        (BOOLEAN + "'yes'", values.boolean, "yes"),
        (BOOLEAN + "'True'", values.boolean, "True"),
        (BOOLEAN + "1", values.boolean, 1),
        (BOOLEAN + "0.0", values.boolean, 0.0),
        (BOOLEAN + "[]", values.boolean, []),
        ("needs a value", values.text, ""),
        ("needs a value", values.text, " \n"),
        ("must be a text, not 5", values.text, 5),
        ("must be a text, not true", values.text, True),
        ("must be a text, not ['a']", values.text, ["a"]),
        (ONE_OF + "'Skip'", values.one_of("identical", "skip"), "Skip"),
        (ONE_OF + "''", values.one_of("identical", "skip"), ""),
        (ONE_OF + "true", values.one_of("identical", "skip"), True),
        (ONE_OF + "{'skip': 1}", values.one_of("identical", "skip"), {"skip": 1}),
        (WITH_TRUE + "1", values.one_of(False, True, "mint"), 1),
        (WITH_TRUE + "0", values.one_of(False, True, "mint"), 0),
        (WITH_TRUE + "'burn'", values.one_of(False, True, "mint"), "burn"),
        (WHOLE + "0", values.number(int, 1, 16), 0),
        (WHOLE + "17", values.number(int, 1, 16), 17),
        (WHOLE + "'17'", values.number(int, 1, 16), "17"),
        (WHOLE + "4.0", values.number(int, 1, 16), 4.0),
        (WHOLE + "'4.0'", values.number(int, 1, 16), "4.0"),
        (WHOLE + "true", values.number(int, 1, 16), True),
        (WHOLE + "''", values.number(int, 1, 16), ""),
        (WHOLE + "[1]", values.number(int, 1, 16), [1]),
        (WHOLE + f"'{'9' * 79}…'", values.number(int, 1, 16), "9" * 5000),
        (NUMBER + "0.25", values.number(float, 0.5, 3600), 0.25),
        (NUMBER + "3600.5", values.number(float, 0.5, 3600), 3600.5),
        (NUMBER + "nan", values.number(float, 0.5, 3600), math.nan),
        (NUMBER + "'nan'", values.number(float, 0.5, 3600), "nan"),
        (NUMBER + "inf", values.number(float, 0.5, 3600), math.inf),
        (NUMBER + "'1e999'", values.number(float, 0.5, 3600), "1e999"),
        (NUMBER + "'30s'", values.number(float, 0.5, 3600), "30s"),
        (TABLE + "'a'", values.table, "a"),
        (TABLE + "[{'a': 1}]", values.table, [{"a": 1}]),
    ],
)
def test_bad(problem: str, parse: Parser, value: object) -> None:
    """What is wrong is told with what is allowed and what was written."""
    with pytest.raises(Wrong) as caught:
        parse(value)
    assert problem == str(caught.value)


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
        ("[': :set-env: :']", ["::set-env::"]),
        ("this int", 1 << 20_000),
        ("this dict", deep(100_000)),
    ],
    ids=lambda value: "" if isinstance(value, (dict, int)) else None,
)
def test_shown(expected: str, value: object) -> None:
    """Whatever was written is shown on one short, inert line, as TOML spells it where that differs."""
    assert expected == values.shown(value)
