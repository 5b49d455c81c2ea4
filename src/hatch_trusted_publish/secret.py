"""A value that must never be seen."""

from __future__ import annotations

from typing import NoReturn, final


@final
class Secret:
    """A token whose text comes out by `reveal` alone.

    Tracebacks with locals, logs, f-strings and reports all go through ``repr`` or ``str``:
    both are redacted. It cannot be pickled, and comparing it needs `reveal`.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """The text itself: for the wire and for the CI's mask command, nowhere else."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        msg = "a secret is not written anywhere"
        raise TypeError(msg)
