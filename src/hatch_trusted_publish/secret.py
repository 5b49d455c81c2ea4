"""A value that must never be shown, and its removal from foreign text."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final, NoReturn, final

_SHORTEST_TOKEN: Final = 16
"""Letters and digits: the password of a proxy may be a word that is also the name of a file."""
_IGNORED: Final = re.compile("[^0-9A-Za-z]+")
_SHORTEST_ENCODED: Final = 6
"""Characters; fewer of Base64 appear in any text."""


@final
class Secret:
    """A token whose text is only available from `reveal`.

    Tracebacks with locals, logs, f-strings and reports all use ``repr`` or ``str``: both are
    redacted. A secret cannot be pickled, and comparing it needs `reveal`.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        """Return the text: for the wire and for the CI's mask command, nowhere else."""
        return self.__text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        msg = "a secret is not written anywhere"
        raise TypeError(msg)


def redacted(text: str, secrets: Iterable[Secret]) -> str:
    """Return *text* with ``***`` in place of each of *secrets*.

    Only ASCII letters and digits are compared. So a secret that is broken over lines is found, and
    one in either alphabet of Base64, alone or inside a longer text (``__token__:...``).
    """
    places = [place for place, char in enumerate(text) if _counts(char)]
    compared = "".join(text[place] for place in places)
    hidden = bytearray(len(text))
    for form in {form for secret in secrets for form in _forms(secret.reveal()) if form}:
        at = compared.find(form)
        while at >= 0:
            first, after = places[at], places[at + len(form) - 1] + 1
            hidden[first:after] = b"\1" * (after - first)
            at = compared.find(form, at + len(form))
    runs = groupby(zip(hidden, text, strict=True), key=itemgetter(0))
    return "".join("***" if is_secret else "".join(char for _, char in run) for is_secret, run in runs)


def repeats(texts: Iterable[str], secrets: Iterable[Secret]) -> bool:
    """Return whether one of *texts* holds one of *secrets*, in a form that `redacted` finds."""
    forms = {form for secret in secrets for form in _forms(secret.reveal()) if len(form) >= _SHORTEST_TOKEN}
    compared = (_IGNORED.sub("", text) for text in texts)
    return bool(forms) and any(form in text for text in compared for form in forms)


def _counts(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _forms(text: str) -> Iterator[str]:
    """Yield the forms that *text* takes among the letters and digits of another string."""
    yield "".join(filter(_counts, text))
    data = text.encode()
    for before in range(3):  # Base64 takes three bytes at a time: what comes before decides the form
        encoded = b64encode(bytes(before) + data).decode()
        own = encoded[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        letters = "".join(filter(_counts, own))
        if len(letters) >= _SHORTEST_ENCODED:
            yield letters
