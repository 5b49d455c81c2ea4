"""Core metadata → the fields of the upload form, which is what PyPI reads."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, TypeAlias, cast

from packaging.metadata import RawMetadata, parse_email
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from ..errors import DistributionError, Message

Fields: TypeAlias = Sequence[tuple[str, str]]
"""Names and values of an upload form, in order; a name may occur several times."""

LARGEST_HEADERS: Final = 1024**2
"""Bytes of the fields before the description. The parser takes up to fifty times as many."""
LARGEST_KEPT: Final = 16 * 1024
"""Bytes of packed fields: a release can have thousands of files, each with a README of megabytes."""
_LARGEST_PACKED: Final = 1024**2
"""Characters; packing takes many times as much memory."""
MOST_FIELDS: Final = 100
"""Different fields. There are fewer than forty, and `parse_email` searches all lines for each."""
FORM_FIELDS: Final = {key: key for key in RawMetadata.__annotations__} | {
    "import_names": "import_name",
    "import_namespaces": "import_namespace",
    "license_files": "license_file",
    "platforms": "platform",
    "supported_platforms": "supported_platform",
}
"""Keys of `RawMetadata` → fields of the upload form (docs.pypi.org/api/upload)."""
_HEADERS: Final = {
    {"classifiers": "classifier", "project_urls": "project-url"}.get(key, name.replace("_", "-"))
    for key, name in FORM_FIELDS.items()
}
_LINE: Final = rb"[^\r\n]*(?:\r\n?|\n|\Z)"
_HEAD: Final = re.compile(rb"(?:(?:[!-9;-~]*:|[ \t])" + _LINE + rb")*+")  # `*+` takes no memory per line


@dataclass(frozen=True, slots=True)
class CoreMetadata:
    """The core metadata of a file. Large fields are not kept."""

    name: NormalizedName
    version: Version
    digest: bytes = field(repr=False)
    """The same for the same fields."""
    _packed: bytes | None = field(repr=False)

    @classmethod
    def of(cls, fields: Fields, shown: str) -> CoreMetadata:
        """Check name and version.

        Raises:
            DistributionError: a required field is missing or invalid.
        """
        said = dict(fields)
        if not {"metadata_version", "name", "version"} <= said.keys():
            raise DistributionError("incomplete-metadata", file=shown)
        name, version = said["name"], said["version"]
        try:
            return cls(canonicalize_name(name, validate=True), Version(version), _digest(fields), _packed(fields))
        except InvalidName as error:
            raise DistributionError("invalid-name", file=shown, found=name[:60]) from error
        except ValueError as error:  # also Python's own, for a number with too many digits
            raise DistributionError("invalid-version", file=shown, found=version[:60]) from error

    @property
    def fields(self) -> Fields | None:
        """The part of the upload form that describes the release; nothing if it is large."""
        if self._packed is None:
            return None
        return [(name, value) for name, value in json.loads(zlib.decompress(self._packed))]


def parse(text: bytes, shown: str) -> tuple[Fields, list[Message]]:
    """Read METADATA or PKG-INFO. Return the part of the upload form that it makes, and warnings.

    Raises:
        DistributionError: a field is missing, invalid, given twice or not in UTF-8.
    """
    head = cast("re.Match[bytes]", _HEAD.match(text))[0]
    # The parser reads e-mails: it would decode the description, or (before packaging 26.3) fail with an assertion.
    if found := re.search(rb"(?im)^content-(type|transfer-encoding)(?=:)", head):
        raise DistributionError("email-field", file=shown, field=found[0].decode())
    names = {line.partition(b":")[0].lower() for line in head.splitlines() if not line[:1].isspace()}
    if len(names) > MOST_FIELDS or len(head) > LARGEST_HEADERS:
        raise DistributionError("too-many-fields", file=shown, most=MOST_FIELDS, limit=LARGEST_HEADERS // 1024**2)
    parsed, unparsed = parse_email(head)
    raw = cast("dict[str, object]", parsed)
    warnings = []
    if body := re.sub(rb"\A(\r\n?|\n)", b"", text[len(head) :], count=1):
        if "description" in raw or not _is_utf8(body):
            unparsed["description"] = []
        else:
            raw["description"] = body.decode()
    if kind := parsed.get("description_content_type"):
        raw["description_content_type"] = "".join(kind.splitlines())  # PyPI breaks at a folded line
    if "project-url" in unparsed and _is_utf8(head):
        # A label is given twice. PyPI accepts such a file, but not a form with both.
        raw["project_urls"] = dict(pair.partition(",")[::2] for pair in unparsed.pop("project-url"))
        warnings.append(Message("repeated-url-label", file=shown))
    if broken := sorted(_HEADERS.intersection(unparsed)):
        raise DistributionError("unreadable-fields", file=shown, fields=broken)
    if unparsed:
        warnings.append(Message("unknown-fields", file=shown, fields=[one[:60] for one in sorted(unparsed)]))
    return [*form(raw)], warnings


def _digest(fields: Fields) -> bytes:
    digest = hashlib.sha256()
    for text in chain.from_iterable(fields):
        digest.update(f"{len(text)} ".encode())
        digest.update(text.encode())
    return digest.digest()


def _packed(fields: Fields) -> bytes | None:
    """Return *fields*, compressed; nothing if they are too large to be kept."""
    if sum(len(value) for _, value in fields) > _LARGEST_PACKED:
        return None
    packed = zlib.compress(json.dumps(fields, ensure_ascii=False).encode(), 1)
    return packed if len(packed) <= LARGEST_KEPT else None


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def form(raw: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield the fields of the upload form for what `parse_email` returns."""
    for key, name in FORM_FIELDS.items():
        match raw.get(key):
            case str() as value:
                yield name, value
            case Mapping() as urls:
                yield from ((name, f"{label.strip()}, {url.strip()}") for label, url in urls.items())
            case list() as values if key == "keywords":
                yield name, ",".join(values)
            case list() as values:
                yield from ((name, value) for value in values)
