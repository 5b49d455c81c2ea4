"""The shape and number of PEP 740 attestations; nothing here checks a signature. Pure."""

from __future__ import annotations

from typing import Final, TypeAlias

from .publishers import ActiveState, Publisher
from .validation import Problem, complaint, parsed

Attestation: TypeAlias = dict[str, object]

_INTRO: Final = "Invalid attestations supplied during upload: "
_MEMBERS: Final = ("version", "verification_material", "envelope")
_MOST: Final = 2


def read(text: str, publisher: Publisher) -> list[Attestation] | str:
    """The attestations in the form field, or why they are refused."""
    if isinstance(publisher, ActiveState):
        return f"{_INTRO}Attestations are not currently supported with ActiveState publishers"
    value = parsed(text)
    if isinstance(value, Problem):
        return _malformed(value)
    if not isinstance(value, list):
        return _malformed(Problem("list_type", "Input should be a valid array", value))
    if not value:
        return f"{_INTRO}Malformed attestations: an empty attestation set is not permitted"
    if problems := [problem for place, item in enumerate(value) for problem in _check(place, item)]:
        return _malformed(*problems)
    if len(value) > _MOST:
        return f"{_INTRO}A maximum of {_MOST} attestations per file are supported"
    return value


def _check(place: int, item: object) -> list[Problem]:
    if not isinstance(item, dict):
        return [Problem("model_type", "Input should be an object", item, str(place))]
    return [
        Problem("missing", "Field required", item, f"{place}.{member}") for member in _MEMBERS if member not in item
    ]


def _malformed(*problems: Problem) -> str:
    return f"{_INTRO}Malformed attestations: {complaint('list[Attestation]', *problems)}"
