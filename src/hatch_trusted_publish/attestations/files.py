"""Attestations that lie beside the files (PEP 740). They are checked without the extra: sending them needs no signing.

Rules:

- What is malformed never leaves: PyPI answers it with lines that break the reply itself (recorded).
- An attestation is of one file, by its name and SHA-256, and each file has one of a predicate at most.
  PyPI knows two predicates.
- A file beside that belongs to nothing is a mistake: it was left there by another build.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

from ..artifacts.distribution import Distribution
from ..errors import clean
from ..files import write_atomic
from ..http.messages import strict_object

T = TypeVar("T")

PUBLISH: Final = "https://docs.pypi.org/attestations/publish/v1"
PREDICATES: Final = {PUBLISH: "publish", "https://slsa.dev/provenance/v1": "SLSA provenance"}
"""What PyPI takes, and how people are told of it."""
LARGEST: Final = 1024 * 1024
"""Bytes of one attestation; they have about 10,000."""
_MOST_BRACKETS: Final = 100
"""PyPI's parser gives up on what is nested 200 deep; an attestation has a dozen brackets in all."""
_STATEMENT: Final = "https://in-toto.io/Statement/v1"
_BELONGS: Final = r"(.+?\.(?:whl|tar\.gz))\..*attestation"
"""Compiled where there is something to match: importing this is part of every run."""
_WAY_OUT: Final = "Delete it, or leave all attestations out with `-o attestations=false`"


Attestations = dict[str, dict[str, str]]
"""File name → predicate → attestation, in JSON and in ASCII."""


class _Unfit(Exception):
    """What is wrong with one file."""


def find(distributions: Sequence[Distribution]) -> tuple[Attestations, list[str]]:
    """The attestations beside *distributions*, and what is wrong with those that are none."""
    found: Attestations = {one.filename: {} for one in distributions}
    problems = []
    folders = {one.path.parent: one.shown.removesuffix(one.filename) for one in distributions}
    named = {one.path: one for one in distributions}
    for folder, shown in folders.items():
        for path in sorted(folder.glob("*.attestation")):
            belongs = re.fullmatch(_BELONGS, path.name)
            file = folder / belongs[1] if belongs else None
            try:
                if file in named:
                    _add(found[file.name], path, named[file])
                elif file is None or not file.exists():  # a file that is there and not named is of another run
                    problems.append(f"{shown}{clean(path.name)}: there is no file here that it could be of. {_WAY_OUT}")
            except _Unfit as unfit:
                problems.append(f"{shown}{clean(path.name)}: {unfit}. {_WAY_OUT}")
    return found, problems


def _add(known: dict[str, str], path: Path, distribution: Distribution) -> None:
    predicate, text = _parsed(_read(path), distribution)
    if predicate in known:
        msg = f"is a second {PREDICATES[predicate]} attestation of this file, and PyPI takes one"
        raise _Unfit(msg)
    known[predicate] = text


def _read(path: Path) -> bytes:
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            msg = "is not a plain file"
            raise _Unfit(msg)
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        msg = f"cannot be read: {clean(error.strerror)}"
        raise _Unfit(msg) from error
    if len(data) > LARGEST:
        msg = f"has more than {LARGEST:,} bytes, so it is no attestation"
        raise _Unfit(msg)
    return data


def _parsed(data: bytes, distribution: Distribution) -> tuple[str, str]:
    """Predicate and JSON of the attestation in *data*, if an index would take it for *distribution*."""
    try:
        if data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
            raise ValueError
        value = strict_object(data)
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
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
        msg = "is no attestation of the form that PEP 740 has"
        raise _Unfit(msg) from error
    if predicate not in PREDICATES:
        msg = (
            f"has the predicate {clean(predicate, 100)!r}; PyPI takes {' and '.join(PREDICATES.values())} attestations"
        )
        raise _Unfit(msg)
    if (name, digest) != (distribution.filename, distribution.sha256):
        msg = (
            f"is of another file ({clean(name, 120)}, sha256 {clean(digest, 12)}) than the one here (sha256 "
            f"{distribution.sha256[:11]}…)"
        )
        raise _Unfit(msg)
    return predicate, text


def _member(value: object, name: str, kind: type[T]) -> T:
    """What *value* has under *name*, which must not be empty."""
    member = value[name] if isinstance(value, dict) else None
    if type(member) is not kind or not member:
        raise ValueError
    return member


def field(attestations: Sequence[str]) -> str:
    """The upload's field ``attestations``; empty where there are none, since an empty list is refused."""
    return f"[{','.join(attestations)}]" if attestations else ""


def keep(attestation: str, distribution: Distribution) -> None:
    """Write a publish attestation beside its file, whole or not at all.

    Raises:
        OSError: it cannot be written there.
    """
    write_atomic(distribution.path.with_name(f"{distribution.filename}.publish.attestation"), f"{attestation}\n")
