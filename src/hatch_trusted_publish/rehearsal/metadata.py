"""The core metadata in an upload form, judged as PyPI does. Pure.

Not judged here: classifiers (the list is a package of its own), whether the description
renders, and all of an address but its `@`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from typing import Final, TypeAlias, cast, get_type_hints

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata

Form: TypeAlias = Sequence[tuple[str, str]]

_SEE: Final = "See https://packaging.python.org/specifications/core-metadata for more information."
_LOCAL: Final = (
    "See https://packaging.python.org/en/latest/specifications/version-specifiers/"
    "#local-version-identifiers for more information."
)
# The form keeps the singular of the metadata file for these, and only for these.
_SINGULAR: Final = {
    "platforms": "platform",
    "supported_platforms": "supported_platform",
    "license_files": "license_file",
    "import_names": "import_name",
    "import_namespaces": "import_namespace",
}
_FIELDS: Final = {_SINGULAR.get(name, name): (name, kind) for name, kind in get_type_hints(RawMetadata).items()}
_FIRST: Final = ("metadata-version", "name", "version")
_LONGEST_SUMMARY: Final = 512
_LONGEST_LABEL: Final = 32


def read(form: Form) -> Metadata | str:
    """The metadata in the form, or the one complaint that PyPI would answer with."""
    raw: dict[str, object] = {}
    errors: list[tuple[str, str]] = []
    for name in dict(form):
        if name not in _FIELDS:
            continue
        key, kind = _FIELDS[name]
        values = [value for each, value in form if each == name]
        if key == "project_urls":
            urls = [_split(value) for value in values]
            raw[key] = dict(urls)
            single = len(dict(urls)) == len(urls)
        elif key == "keywords":
            raw[key] = [word.strip() for word in values[0].split(",")]
            single = len(values) == 1
        else:
            raw[key] = values[0] if kind is str else values
            single = kind is not str or len(values) == 1
        if not single:
            errors.append((name, f"{name!r} has invalid data"))
    if not errors:
        # A copy: `Metadata` takes the values out of the mapping that it is given.
        errors = _standard(raw)
    if not errors:
        errors = list(_own(Metadata.from_raw(cast("RawMetadata", dict(raw)), validate=False)))
    if errors:
        return _shown(errors)
    return Metadata.from_raw(cast("RawMetadata", raw))


def _split(value: str) -> tuple[str, str]:
    label, _, url = value.partition(",")
    return label.strip(), url.strip()


def _standard(raw: dict[str, object]) -> list[tuple[str, str]]:
    """What `packaging` objects to: PyPI uses it as well, so the words are the same."""
    try:
        Metadata.from_raw(cast("RawMetadata", dict(raw)))
    except ExceptionGroup as group:
        return [(error.field, str(error)) for error in group.exceptions if isinstance(error, InvalidMetadata)]
    return []


def _own(metadata: Metadata) -> Iterator[tuple[str, str]]:
    """What PyPI objects to on top of that."""
    if metadata.version.local:
        text = str(metadata.version)
        yield "version", f"The use of local versions in {text!r} is not allowed. {_LOCAL}"
    if len(metadata.summary or "") > _LONGEST_SUMMARY:
        yield "summary", f"'summary' field must be {_LONGEST_SUMMARY} characters or less"
    for field, value in (
        ("author-email", metadata.author_email),
        ("maintainer-email", metadata.maintainer_email),
    ):
        address = parseaddr(value or "")[1]
        if address and "@" not in address:
            problem = "An email address must have an @-sign"
            yield field, f"{address!r} is not a valid email address: {problem}"
    for label in metadata.project_urls or ():
        if len(label) > _LONGEST_LABEL:
            yield "project-url", f"{label!r} must be {_LONGEST_LABEL} characters or less"
    for requirement in metadata.requires_dist or ():
        if requirement.url is not None:
            yield "requires-dist", f"Can't have direct dependency: {requirement}"
    if metadata.license and metadata.license_expression:
        remedy = "Only License-Expression should be present"
        yield "license", f"License is deprecated when License-Expression is present. {remedy}"


def _shown(errors: Sequence[tuple[str, str]]) -> str:
    """The first error, by PyPI's order of the fields."""
    rank = {name: place for place, name in enumerate(_FIRST)}
    text = min(errors, key=lambda error: (rank.get(error[0], len(rank)), error[0]))[1]
    return text if text.endswith(_LOCAL) else f"{text}. {_SEE}"
