"""PyPI's words for a body or a field of the wrong shape, which are those of pydantic. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

_HELP: Final = "https://errors.pydantic.dev/2.13/v/"
_LONGEST: Final = 50


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with *value*."""

    kind: str
    message: str
    value: object
    location: str = ""

    def __str__(self) -> str:
        shown = repr(self.value)
        # Cut as pydantic does: a token in the wrong field is not returned whole.
        if len(shown) > _LONGEST:
            shown = f"{shown[:25]}...{shown[-24:]}"
        head = f"\n{self.location}" if self.location else ""
        return (
            f"{head}\n  {self.message} [type={self.kind}, input_value={shown}, "
            f"input_type={type(self.value).__name__}]"
            f"\n    For further information visit {_HELP}{self.kind}"
        )


def complaint(model: str, *problems: Problem) -> str:
    """Return the words for one or several problems of *model*."""
    many = "" if len(problems) == 1 else "s"
    return f"{len(problems)} validation error{many} for {model}" + "".join(map(str, problems))


def parsed(text: bytes | str) -> object | Problem:
    """Parse JSON, or return the problem with it."""
    try:
        result: object = json.loads(text)
    except (ValueError, RecursionError):
        return Problem("json_invalid", f"Invalid JSON: {_where(text)}", text)
    return result


def _where(text: bytes | str) -> str:
    """Return the words for the first character, which is all that the recordings show."""
    if not text:
        return "EOF while parsing a value at line 1 column 0"
    first = text[:1] if isinstance(text, str) else chr(text[0])
    # The first letter of null, true and false starts a word that does not go on as it should.
    return f"expected {'ident at line 1 column 2' if first in 'nft' else 'value at line 1 column 1'}"
