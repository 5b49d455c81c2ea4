"""Attestations next to the files (PEP 740), checked before anything is uploaded.

Rules:

- What is malformed is never uploaded: PyPI answers it with lines that break the reply itself (recorded).
- An attestation is of one file, by its name and SHA-256. A file has at most one of each predicate,
  and PyPI knows two predicates.
- An attestation that belongs to no file is a mistake: another build left it there.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from ..artifacts.content import open_file
from ..artifacts.distribution import Distribution
from ..errors import AttestationError, Message
from ..files import write_atomic
from ..http.messages import strict_object

T = TypeVar("T")

PUBLISH: Final = "https://docs.pypi.org/attestations/publish/v1"
PREDICATES: Final = {PUBLISH: "publish", "https://slsa.dev/provenance/v1": "SLSA provenance"}
"""The predicates that PyPI accepts, and their names."""
LARGEST: Final = 1024 * 1024
"""Bytes of one attestation; usual ones have 10,000."""
_MOST_BRACKETS: Final = 100
"""PyPI's parser fails on 200 nested brackets; an attestation has a dozen."""
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_BELONGS: Final = r"(.+?\.(?:whl|tar\.gz))\..*attestation"
"""Compiled only if there is an attestation: this module is imported in every run."""

Attestations = dict[str, dict[str, str]]
"""File name → predicate → attestation, in JSON and in ASCII."""


def find(distributions: Sequence[Distribution]) -> tuple[Attestations, list[Message]]:
    """Return the attestations next to *distributions*, and the problems of those that cannot be used."""
    found: Attestations = {one.filename: {} for one in distributions}
    problems = []
    directories = {one.path.parent: one.shown.removesuffix(one.filename) for one in distributions}
    named = {one.path: one for one in distributions}
    for directory, shown in directories.items():
        for path in sorted(directory.glob("*.attestation")):
            belongs = re.fullmatch(_BELONGS, path.name)
            file = directory / belongs[1] if belongs else None
            try:
                if file in named:
                    _add(found[file.name], path, named[file])
                elif file is None or not file.exists():  # a file that is not named is of another run
                    raise AttestationError("attestation-of-no-file")
            except AttestationError as error:
                problems.append(Message("unusable-attestation", file=f"{shown}{path.name}", reason=error.message))
    return found, problems


def _add(known: dict[str, str], path: Path, distribution: Distribution) -> None:
    predicate, text = _parsed(_read(path), distribution)
    if predicate in known:
        raise AttestationError("second-attestation", predicate=PREDICATES[predicate])
    known[predicate] = text


def _read(path: Path) -> bytes:
    try:
        with open_file(path) as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise AttestationError("attestation-unreadable", said=error.strerror) from error
    if len(data) > LARGEST:
        raise AttestationError("attestation-too-large", limit=LARGEST)
    return data


def _parsed(data: bytes, distribution: Distribution) -> tuple[str, str]:
    """Return predicate and JSON of the attestation in *data*, if PyPI would accept it for *distribution*."""
    try:
        if data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
            raise ValueError
        value = strict_object(data)
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if _member(value, "version", int) != 1:
            raise ValueError
        material, envelope = _member(value, "verification_material", dict), _member(value, "envelope", dict)
        entries = _member(material, "transparency_entries", list)
        if not all(isinstance(entry, dict) for entry in entries):
            raise ValueError
        for holder, name in ((material, "certificate"), (envelope, "signature"), (envelope, "statement")):
            content = base64.b64decode(_member(holder, name, str), validate=True)
        statement = strict_object(content)
        predicate = _member(statement, "predicateType", str)
        [subject] = _member(statement, "subject", list)
        name, digest = _member(subject, "name", str), _member(_member(subject, "digest", dict), "sha256", str)
        if _member(statement, "_type", str) != _STATEMENT:
            raise ValueError
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise AttestationError("malformed-attestation") from error
    if predicate not in PREDICATES:
        raise AttestationError("unknown-predicate", predicate=predicate[:100])
    if (name, digest) != (distribution.filename, distribution.sha256):
        here = distribution.sha256[:11]
        raise AttestationError("attestation-of-another-file", name=name[:120], there=digest[:11], here=here)
    return predicate, text


def _member(value: object, name: str, kind: type[T]) -> T:
    """Return the member *name* of *value*, which must not be empty."""
    member = value[name] if isinstance(value, dict) else None
    if type(member) is not kind or not member:
        raise ValueError
    return member


def field(attestations: Sequence[str]) -> str:
    """Return the form field ``attestations``: empty without attestations, since PyPI refuses an empty list."""
    return f"[{','.join(attestations)}]" if attestations else ""


def keep(attestation: str, distribution: Distribution) -> Path:
    """Write a publish attestation next to its file.

    Raises:
        OSError: it cannot be written there.
    """
    path = distribution.path.with_name(f"{distribution.filename}.publish.attestation")
    write_atomic(path, f"{attestation}\n")
    return path
