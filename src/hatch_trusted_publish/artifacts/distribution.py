"""One wheel or sdist → `Distribution`. The only module that reads artifacts.

Rules:

- Nothing is unpacked (`archive`).
- What the file name says and what the core metadata say must agree (PyPI takes the
  metadata from the upload form, and the name from the file).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final, Literal, cast

from packaging.metadata import parse_email
from packaging.utils import InvalidName, NormalizedName, canonicalize_name
from packaging.version import Version

from ..errors import DistributionError, PlanError, clean
from . import filenames
from .archive import BROKEN_ARCHIVE, sdist_metadata, wheel_metadata
from .content import Content, refused

FORM_FIELDS: Final = {
    "metadata_version": "metadata_version",
    "name": "name",
    "version": "version",
    "summary": "summary",
    "description": "description",
    "description_content_type": "description_content_type",
    "keywords": "keywords",
    "home_page": "home_page",
    "download_url": "download_url",
    "author": "author",
    "author_email": "author_email",
    "maintainer": "maintainer",
    "maintainer_email": "maintainer_email",
    "license": "license",
    "license_expression": "license_expression",
    "license_files": "license_file",
    "classifiers": "classifiers",
    "platforms": "platform",
    "supported_platforms": "supported_platform",
    "requires_python": "requires_python",
    "requires_dist": "requires_dist",
    "requires_external": "requires_external",
    "provides_extra": "provides_extra",
    "provides_dist": "provides_dist",
    "obsoletes_dist": "obsoletes_dist",
    "requires": "requires",
    "provides": "provides",
    "obsoletes": "obsoletes",
    "project_urls": "project_urls",
    "import_names": "import_name",
    "import_namespaces": "import_namespace",
    "dynamic": "dynamic",
}
"""Core metadata up to version 2.5: `packaging.metadata.RawMetadata`'s key → PyPI's upload form (docs.pypi.org/api/upload)."""
_HEADERS: Final = {
    {"classifiers": "classifier", "project_urls": "project-url"}.get(field, field.replace("_", "-"))
    for field in FORM_FIELDS.values()
}
_MOST_FIELDS: Final = 100
"""There are fewer than forty; parse_email looks through all lines for each."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """A wheel or sdist that was read, as it was then."""

    path: Path
    shown: str
    """The path as it is told to people: relative to the project where it can be, and inert."""
    filetype: Literal["bdist_wheel", "sdist"]
    name: NormalizedName
    version: Version
    metadata: Mapping[str, object]
    """`packaging.metadata.RawMetadata`: core metadata by their attribute names."""
    python_tag: str
    """``py2.py3`` and the like of a wheel, ``source`` of an sdist (the upload's ``pyversion``)."""
    platform_tags: frozenset[str]
    content: Content = field(repr=False, compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        return self.path.name

    @property
    def sha256(self) -> str:
        """In hexadecimal; computed when it is first asked for."""
        return self.content.sha256()

    @property
    def size(self) -> int:
        """In bytes."""
        return self.content.size

    @classmethod
    def read(cls, path: Path, shown: str, untracked: AbstractSet[str] = frozenset()) -> Distribution:
        """Read and check one file.

        Args:
            path: of the file.
            shown: how people are told of it.
            untracked: files of the project that an sdist should not hold, without a word at least.

        Raises:
            DistributionError: it is not the wheel or sdist that its name says, or is unreadable.
        """
        shown = clean(shown)
        is_wheel = path.name.endswith(".whl")
        try:
            in_name = filenames.parse(path.name)
            with path.open("rb") as file:
                content = Content(file, path, shown)
                text, held = (wheel_metadata(file, path.name), []) if is_wheel else sdist_metadata(file, untracked)
        except DistributionError as error:
            raise refused(shown, str(error)) from error
        except BROKEN_ARCHIVE as error:
            kind = "zip" if is_wheel else "gzipped tar"
            said = clean(str(error) or type(error).__name__, 100)
            raise refused(shown, f"is not a sound {kind} file ({said})") from error
        except OSError as error:
            reason = f"cannot be read: {clean(error.strerror)}"
            raise refused(shown, reason, "Check the file and its permissions, or build it again.") from error
        try:
            metadata, warnings = _parse(text)
            name, version = _name_and_version(metadata)
            filenames.check(path.name, in_name, name, version)
            if held:
                warnings.append(
                    f"holds files that Git does not track: {', '.join(clean(one, 60) for one in held[:20])}"
                )
        except DistributionError as error:
            raise refused(shown, str(error)) from error
        return cls(
            path=path,
            shown=shown,
            filetype="bdist_wheel" if is_wheel else "sdist",
            name=name,
            version=version,
            metadata=metadata,
            python_tag=path.name.removesuffix(".whl").split("-")[-3] if is_wheel else "source",
            platform_tags=frozenset(tag.platform for tag in in_name.tags),
            content=content,
            warnings=tuple(f"{shown}: {warning}" for warning in warnings),
        )


def _parse(text: bytes) -> tuple[Mapping[str, object], list[str]]:
    """Core metadata, and what should be said about them."""
    head = re.split(rb"\r?\n\r?\n", text, maxsplit=1)[0]
    if found := re.search(rb"(?im)^content-(type|transfer-encoding)(?=\s*:)", head):
        # parse_email reads an e-mail: it would decode the description, or (before packaging 26.3) stop at an assertion.
        msg = f"has the field {found[0].decode()}, which is one of e-mails and not of core metadata"
        raise DistributionError(msg)
    names = {line.partition(b":")[0].lower() for line in head.splitlines() if not line[:1].isspace()}
    if len(names) > _MOST_FIELDS:
        msg = f"has core metadata with more than {_MOST_FIELDS} different fields"
        raise DistributionError(msg)
    raw, unparsed = parse_email(text)
    metadata = cast("Mapping[str, object]", raw)
    warnings = []
    broken = sorted(field for field in unparsed if field in _HEADERS)
    if broken:
        msg = f"has core metadata that cannot be read: {', '.join(broken)} (given twice, or not in UTF-8)"
        raise DistributionError(msg)
    if lost := sorted(clean(field, 60) for field in unparsed):
        version = clean(metadata.get("metadata_version", "unknown"), 20)
        warnings.append(
            f"metadata version {version} has fields that are not known here and are not sent: {', '.join(lost[:20])}; "
            "a newer `packaging` may know them"
        )
    return metadata, warnings


def _name_and_version(metadata: Mapping[str, object]) -> tuple[NormalizedName, Version]:
    name, version = metadata.get("name"), metadata.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or "metadata_version" not in metadata:
        msg = "has core metadata without Metadata-Version, Name or Version"
        raise DistributionError(msg)
    try:
        normalized = canonicalize_name(name, validate=True)
    except InvalidName as error:
        msg = f"has the name {clean(name, 60)!r} in its metadata, which is not one (PEP 508)"
        raise DistributionError(msg) from error
    try:
        return normalized, Version(version)
    except ValueError as error:  # also of numbers with more digits than Python reads
        msg = f"has the version {clean(version, 60)!r} in its metadata, which is not one (PEP 440)"
        raise DistributionError(msg) from error


def find(artifacts: Sequence[str], root: Path) -> list[tuple[Path, str]]:
    """The wheels and sdists that *artifacts* name, with the path to show of each.

    A folder stands for the wheels and sdists in it; ``dist`` is the default. What else lies in a
    folder is left alone; a file named outright must be one of the two.

    Raises:
        PlanError: a path that is not there, or of another kind; or nothing was found.
    """
    found: dict[Path, str] = {}
    problems = []
    for artifact in artifacts or ["dist"]:
        path = root / artifact
        try:
            path.stat()
            if path.is_dir():
                found |= {file: shown_path(file, root) for file in sorted(path.iterdir()) if _is_wanted(file)}
            elif _is_wanted(path):
                found[path] = shown_path(path, root)
            else:
                problems.append(f"{clean(artifact)}: is neither a wheel (.whl) nor an sdist (.tar.gz)")
        except FileNotFoundError:
            missing = not path.is_symlink()
            what = "there is no such file or folder" if missing else "is a symbolic link that leads nowhere"
            problems.append(f"{clean(artifact)}: {what}")
        except OSError as error:
            problems.append(f"{clean(artifact)}: {clean(error.strerror)}")
    if not found and not problems:
        problems.append(f"no wheel (.whl) and no sdist (.tar.gz) in {', '.join(map(clean, artifacts)) or 'dist'}")
    if problems and found:
        raise PlanError("Not all that was named can be published; nothing was sent:", problems)
    if problems:
        raise PlanError("There is nothing to publish yet (run `hatch build`, or name what to publish):", problems)
    return list({os.path.realpath(path): (path, shown) for path, shown in found.items()}.values())


def _is_wanted(path: Path) -> bool:
    # A link that leads nowhere is kept, to be told about; opening a pipe would wait for ever.
    return path.name.endswith((".whl", ".tar.gz")) and (path.is_file() or not path.exists())


def shown_path(path: PurePath, root: PurePath) -> str:
    """How people, and a report's readers on any system, are told of *path*: from *root* on, where it lies in it."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
