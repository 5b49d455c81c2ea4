"""The values of options and tables → typed values, or what is wrong with them.

Each parser takes the full key and the value. A value of ``-o`` is always a string; one of TOML has its type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any, Final, TypeAlias

from ..errors import Message, SettingsError, clean

Parser: TypeAlias = Callable[[str, object], Any]
LONGEST: Final = 1000
"""Characters of a string."""
_LONGEST_NAME: Final = 255
"""Bytes of one name in a path, on every common system."""


def read_table(
    table: Mapping[str, object], keys: Mapping[str, Parser], prefix: str, problems: list[Message]
) -> dict[str, Any]:
    """Return the known keys of *table* with their values, and add every mistake to *problems*."""
    parsed: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{prefix}{name}"
        if name in keys:
            try:
                parsed[name] = keys[name](key, value)
            except SettingsError as error:
                problems.append(error.message)
        elif name in {"user", "auth"}:
            problems.append(Message("no-passwords", key=key))
        elif close := get_close_matches(name[:100], keys, n=1):
            problems.append(Message("misspelled-key", key=key, close=close[0]))
        else:
            problems.append(Message("unknown-key", key=key, keys=[*keys]))
    return parsed


def boolean(key: str, value: object) -> bool:
    """``true`` or ``false``; as an option also ``-o name`` without a value."""
    spelled = _spelled(value)
    if isinstance(spelled, bool):
        return spelled
    raise SettingsError("not-a-boolean", key=key, value=shown(value))


def string(key: str, value: object) -> str:
    """A string that is not blank, without the line end that a variable of a CI may have."""
    if not isinstance(value, str):
        raise SettingsError("not-a-string", key=key, value=shown(value))
    text = value.strip()
    if not text:
        raise SettingsError("empty-value", key=key)
    if len(text) > LONGEST or not text.isprintable():
        raise SettingsError("unusable-value", key=key, value=shown(value))
    return text


def path(key: str, value: object) -> str:
    """A path that the system can open."""
    text = string(key, value)
    if any(len(part.encode()) > _LONGEST_NAME for part in PurePath(text).parts):
        raise SettingsError("unusable-value", key=key, value=shown(value))
    return text


def digest(key: str, value: object) -> str:
    """A SHA-256 sum in hexadecimal form."""
    text = string(key, value).lower()
    if re.fullmatch("[0-9a-f]{64}", text):
        return text
    raise SettingsError("not-a-digest", key=key, value=shown(value))


def one_of(*values: str | bool) -> Parser:
    """One of *values*."""

    def parse(key: str, value: object) -> object:
        spelled = _spelled(value) if True in values else value
        # 1 == True: compare the type, too.
        if any(spelled == known and type(spelled) is type(known) for known in values):
            return spelled
        raise SettingsError("not-one-of", key=key, allowed=[str(one).lower() for one in values], value=shown(value))

    return parse


def number(kind: type[int | float], low: float, high: float) -> Parser:
    """A number from *low* to *high*, both included."""
    code = "not-an-integer" if kind is int else "not-a-number"

    def parse(key: str, value: object) -> float:
        try:
            found = kind(value) if isinstance(value, str) else value
        except ValueError:
            found = None
        if isinstance(found, bool) or not isinstance(found, int | kind) or not low <= found <= high:
            raise SettingsError(code, key=key, low=low, high=high, value=shown(value))
        return found

    return parse


def table(key: str, value: object) -> Mapping[str, object]:
    """A table, which ``-o`` cannot express."""
    if isinstance(value, Mapping):
        return value
    raise SettingsError("not-a-table", key=key, value=shown(value))


def shown(value: object) -> str:
    """Return the configured value, as TOML spells it if that differs."""
    if isinstance(value, str):
        return repr(clean(value, 80))
    try:
        written = str(value).lower() if isinstance(value, bool) else repr(value)
    except (ValueError, RecursionError):  # a number with thousands of digits, a table that is as deep
        written = f"this {type(value).__name__}"
    return clean(written, 80)


def _spelled(value: object) -> object:
    """A string of ``-o`` that spells a boolean, as that boolean."""
    return {"": True, "true": True, "false": False}.get(value, value) if isinstance(value, str) else value
