"""One value of an option or a table → a typed one, or what is wrong with it.

All values of ``-o`` are texts, those of TOML have types: each parser takes both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import clean


class Wrong(Exception):
    """What is wrong with one value."""


Parser = Callable[[object], Any]


def _said(value: object) -> object:
    """A text of ``-o`` that spells a boolean, as one."""
    return {"": True, "true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def boolean(value: object) -> bool:
    """``true`` or ``false``; of a text, also the bare ``-o name``."""
    said = _said(value)
    if isinstance(said, bool):
        return said
    msg = f"must be true or false, not {shown(value)}"
    raise Wrong(msg)


def text(value: object) -> str:
    """A text that is not blank, without the line end that a CI's variable may have."""
    if isinstance(value, str) and value.strip():
        return value.strip()
    msg = "needs a value" if isinstance(value, str) else f"must be a text, not {shown(value)}"
    raise Wrong(msg)


def one_of(*values: str | bool) -> Parser:
    """One of *values*."""

    def parse(value: object) -> object:
        said = _said(value) if True in values else value
        # 1 == True: the type counts as well.
        if any(said == known and type(said) is type(known) for known in values):
            return said
        allowed = ", ".join(str(known).lower() for known in values)
        msg = f"must be one of {allowed}, not {shown(value)}"
        raise Wrong(msg)

    return parse


def number(kind: type[int | float], low: float, high: float) -> Parser:
    """A number from *low* to *high*, both included."""

    def parse(value: object) -> float:
        try:
            said = kind(value) if isinstance(value, str) else value
        except ValueError:
            said = None
        if isinstance(said, bool) or not isinstance(said, (int, kind)) or not low <= said <= high:
            what = "whole number" if kind is int else "number"
            msg = f"must be a {what} from {low:g} to {high:g}, not {shown(value)}"
            raise Wrong(msg)
        return said

    return parse


def table(value: object) -> Mapping[str, object]:
    """A table, which ``-o`` cannot write."""
    if isinstance(value, Mapping):
        return value
    msg = f"must be a table of a TOML file, not {shown(value)}"
    raise Wrong(msg)


def shown(value: object) -> str:
    """What the person wrote, for a message."""
    if isinstance(value, str):
        return repr(clean(value, 80))
    try:
        written = str(value).lower() if isinstance(value, bool) else repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, a table as deep
        written = f"this {type(value).__name__}"
    return clean(written, 80)
