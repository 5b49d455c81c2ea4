"""Core metadata that PyPI rejects, by the libraries that PyPI itself uses.

Only `packaging` is always installed. What another library would check is skipped without it (`skipped`).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, cast, get_type_hints

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from ..metadata import FORM_FIELDS, Fields
from . import Refusal

LIBRARIES: Final = ("trove_classifiers", "email_validator", "rfc3986", "readme_renderer")
NEWEST_METADATA: Final = Version("2.5")
LARGEST_README: Final = 256 * 1024
"""Characters. A larger README is left to PyPI: rendering it can take minutes and hundreds of megabytes."""
_SEE: Final = "See https://packaging.python.org/specifications/core-metadata for more information."
_LOCAL: Final = (
    "See https://packaging.python.org/en/latest/specifications/version-specifiers/"
    "#local-version-identifiers for more information."
)
_FIRST: Final = ("metadata-version", "name", "version")
_LONGEST_SUMMARY: Final = 512
_LONGEST_LABEL: Final = 32


def skipped() -> list[str]:
    """Return the libraries that are missing, so that a part of the rules is not checked."""
    missing = [name.replace("_", "-") for name in LIBRARIES if find_spec(name) is None]
    if "readme-renderer" not in missing and _renderer("markdown") is None:
        missing.append("readme-renderer[md]")
    return missing


def refusals(fields: Fields) -> list[Refusal]:
    """Return PyPI's words about the fields of an upload form, in PyPI's order: it shows only the first."""
    raw, errors = _raw(fields)
    errors = errors or _by_packaging(raw) or list(_by_pypi(Metadata.from_raw(cast("RawMetadata", raw.copy()))))
    rank = {name: place for place, name in enumerate(_FIRST)}
    errors.sort(key=lambda error: (rank.get(error[0], len(rank)), error[0]))
    return [*(refusal for _, refusal in errors), *_description(raw)]


def _raw(fields: Fields) -> tuple[dict[str, object], list[tuple[str, Refusal]]]:
    """Return the form as core metadata for `packaging`, and the problems with its shape."""
    raw: dict[str, object] = {}
    errors = []
    kinds = get_type_hints(RawMetadata)
    for key, name in FORM_FIELDS.items():
        values = [value for field, value in fields if field == name]
        # PyPI takes an empty value, and the UNKNOWN of old tools, for none.
        if values in ([], [""]) or values[-1].strip() == "UNKNOWN":
            continue
        is_single = len(values) == 1
        if key == "project_urls":
            urls = {label.strip(): url.strip() for label, _, url in (value.partition(",") for value in values)}
            raw[key] = urls
            is_single = len(urls) == len(values)
        elif key == "keywords":
            raw[key] = [word.strip() for word in values[0].split(",")]
        elif kinds[key] is str:
            raw[key] = values[0]
        else:
            raw[key] = values
            is_single = True
        if not is_single:
            errors.append(_error(name, f"{name!r} has invalid data"))
    return raw, errors


def _error(field: str, said: str, code: str = "bad-metadata", *, is_certain: bool = True) -> tuple[str, Refusal]:
    return field, Refusal(code, f"{said}{'' if said.endswith('.') else '.'} {_SEE}", is_certain)


def _by_packaging(raw: Mapping[str, object]) -> list[tuple[str, Refusal]]:
    version = str(raw.get("metadata_version"))
    try:
        Metadata.from_raw(cast("RawMetadata", {**raw}))
    except ExceptionGroup as group:  # all mistakes together
        errors = [(error.field, str(error)) for error in group.exceptions if isinstance(error, InvalidMetadata)]
    else:
        errors = [("metadata-version", f"{version!r} is not a valid metadata version")] if _is_newer(version) else []
    codes = ["old-metadata" if "introduced in metadata version" in said else "bad-metadata" for _, said in errors]
    is_certain = not _is_newer(version)
    return [_error(*error, code, is_certain=is_certain) for error, code in zip(errors, codes, strict=True)]


def _is_newer(version: str) -> bool:
    """Return whether a metadata version is newer than the rules here."""
    try:
        return Version(version) > NEWEST_METADATA
    except InvalidVersion:
        return False


def _by_pypi(metadata: Metadata) -> Iterator[tuple[str, Refusal]]:
    if metadata.version.local:
        said = f"The use of local versions in {str(metadata.version)!r} is not allowed. {_LOCAL}"
        yield "version", Refusal("local-version", said)
    if len(metadata.summary or "") > _LONGEST_SUMMARY:
        yield _error("summary", f"'summary' field must be {_LONGEST_SUMMARY} characters or less")
    if metadata.license and metadata.license_expression:
        said = "License is deprecated when License-Expression is present. Only License-Expression should be present"
        yield _error("license", said, "two-licenses")
    if "dynamic" in (metadata.dynamic or []):
        yield _error("dynamic", "Dynamic field 'dynamic' is not a valid dynamic field")
    yield from _classifiers(metadata.classifiers or [])
    for field, value in (("author-email", metadata.author_email), ("maintainer-email", metadata.maintainer_email)):
        yield from _email(field, parseaddr(value or "")[1])
    for field, url in (("home-page", metadata.home_page), ("download-url", metadata.download_url)):
        if url is not None and not _is_url(url):
            yield _error(field, f"{url!r} is not a valid url")
    for label, url in (metadata.project_urls or {}).items():
        if said := _project_url(label, url):
            yield _error("project-url", said)
    for requirement in metadata.requires_dist or []:
        if requirement.url is not None:
            yield _error("requires-dist", f"Can't have direct dependency: {requirement}", "direct-url")
    for field, texts in (("provides-dist", metadata.provides_dist), ("obsoletes-dist", metadata.obsoletes_dist)):
        for text in texts or []:
            yield from _legacy_requirement(field, text)


def _classifiers(classifiers: Sequence[str]) -> Iterator[tuple[str, Refusal]]:
    if (library := _library("trove_classifiers")) is None:
        return
    deprecated = library.deprecated_classifiers
    for name in sorted({*classifiers} - library.classifiers - deprecated.keys()):
        yield _error("classifier", f"{name!r} is not a valid classifier", "unknown-classifier")
    for name in sorted(deprecated.keys() & {*classifiers}):
        remedy = f", use one of {deprecated[name]} instead." if deprecated[name] else "."
        yield _error("classifier", f"The classifier {name!r} has been deprecated{remedy}", "bad-classifier")


def _email(field: str, address: str) -> Iterator[tuple[str, Refusal]]:
    if address and (library := _library("email_validator")) is not None:
        try:
            library.validate_email(address, check_deliverability=False)
        except library.EmailNotValidError as error:
            yield _error(field, f"{address!r} is not a valid email address: {error}")


def _project_url(label: str, url: str) -> str:
    if not label:
        return "Must have a label"
    if len(label) > _LONGEST_LABEL:
        return f"{label!r} must be {_LONGEST_LABEL} characters or less"
    if not url:
        return "Must have a URL"
    return "" if _is_url(url) else f"{url!r} is not a valid url"


def _is_url(url: str) -> bool:
    if (library := _library("rfc3986")) is None:
        return True
    validator = library.validators.Validator().allow_schemes("http", "https").require_presence_of("scheme")
    validator.check_validity_of("scheme", "host", "port", "path", "query")
    try:
        validator.validate(library.uri_reference(url).normalize())
    except library.exceptions.RFC3986Exception:
        return False
    return True


def _legacy_requirement(field: str, text: str) -> Iterator[tuple[str, Refusal]]:
    try:
        if Requirement(text).url is not None:
            yield _error(field, f"Can't have direct dependency: {text!r}")
    except InvalidRequirement as error:
        # PyPI's own answer is broken: these words have several lines, and it puts them into the status line.
        yield _error(field, f"{text!r} is invalid: {str(error).splitlines()[0]}")


def _description(raw: Mapping[str, object]) -> Iterator[Refusal]:
    text, content_type = str(raw.get("description", "")), raw.get("description_content_type")
    header = EmailMessage()
    header["content-type"] = content_type or "text/x-rst"
    kind = {"text/markdown": "markdown", "text/x-rst": "rst"}.get(header.get_content_type())
    if kind is None or not 0 < len(text) <= LARGEST_README or (renderer := _renderer(kind)) is None:
        return
    problems = io.StringIO()
    try:
        rendered = renderer.render(text, stream=problems, **header["content-type"].params)
    except Exception:  # noqa: BLE001 - docutils raises anything, and PyPI answers 500
        rendered = None
    if rendered is None:
        how = f"for {content_type!r}" if content_type else "in the default format of reStructuredText"
        see = "See https://pypi.org/help/#description-content-type for more information."
        detail = problems.getvalue().partition("\n")[0].replace("<string>:", "line ")
        yield Refusal("bad-description", f"The description failed to render {how}. {see}", detail=detail)


def _renderer(kind: str) -> Any:
    with warnings.catch_warnings(action="ignore"):  # Markdown is an extra of it
        library = _library(f"readme_renderer.{kind}")
    return library if kind == "rst" or getattr(library, "variants", None) else None


def _library(name: str) -> Any:
    """Import a library that may not be installed: the import takes time, and few files need each."""
    try:
        return import_module(name)
    except ImportError:
        return None
