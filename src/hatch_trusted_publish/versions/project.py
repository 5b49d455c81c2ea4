"""Name and version of the project in the working directory, without running its code.

The job that publishes holds an identity, which anything that a repository can make it run could use. Rules:

- A version is read (static, ``regex``) or counted from the history (``vcs``, ``vcs-public``), and only where
  no option names code or a command. Otherwise it is not compared, and the log says why.
- Only regular files of the project are read, and what is found in one is shown only if it is a version.
- setuptools-scm is not let near the repository: it would run what the configuration of that names. It gets
  what ``git describe`` says in the form of an archive.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import InvalidVersion, Version

from .. import git
from ..errors import Message, VersionError
from . import history


@dataclass(frozen=True, slots=True)
class Project:
    """Name and version as far as they are known."""

    name: NormalizedName | None = None
    version: Version | None = None
    unknown: Message | None = None
    """Why the version is not known."""

    def has(self, version: Version) -> bool:
        """Return whether *version* may be the project's; a local segment counts only if the project's has one."""
        return self.version in (None, version, Version(version.public))


LONGEST_FILE: Final = 1024 * 1024
_SAFE: Final = {
    *("fallback_version", "local_scheme", "normalize", "parentdir_prefix_version", "root", "search_parent_directories"),
    *("version_file", "version_file_template", "version_scheme", "write_to", "write_to_template"),
}
"""Options of setuptools-scm that do not make it run anything, or are not passed on."""
_SCHEMES: Final = re.compile(
    "(guess-next|no-guess)-dev|only-version|post-release|python-simplified-semver|semver-pep440"
)
"""setuptools-scm's own schemes that need neither a branch nor a date. It imports any other name as a module."""


def read_project(root: Path) -> Project:
    """Return name and version of the project in *root*."""
    if not (root / "pyproject.toml").is_file():
        return Project(unknown=Message("no-pyproject"))
    from hatchling.metadata.core import ProjectMetadata

    name = None
    try:
        metadata: ProjectMetadata[Any] = ProjectMetadata(str(root), None)
        if "project" not in metadata.config:
            return Project(unknown=Message("no-project-table"))
        name = canonicalize_name(metadata.name)
        return Project(name, Version(_version(metadata, root)))
    except VersionError as error:
        return Project(name, unknown=error.message)
    except InvalidVersion:
        return Project(name, unknown=Message("no-valid-version"))
    except Exception as error:  # noqa: BLE001 - hatchling, setuptools-scm and hatch-vcs raise anything
        return Project(name, unknown=Message("version-unreadable", said=error))


def untracked_files(root: Path) -> frozenset[str]:
    """Return the files below *root* that Git neither tracks nor ignores, relative to it."""
    listed = git.run(root, "ls-files", "--others", "--exclude-standard", "-z").stdout
    return frozenset(filter(None, listed.split("\0")))


def _version(metadata: Any, root: Path) -> str:
    """Return the version; in an unpacked sdist, hatchling has filled in that of PKG-INFO."""
    if "version" in metadata.core_raw_metadata:
        return str(metadata.core_raw_metadata["version"])
    backend = metadata.build.build_backend or "setuptools.build_meta"
    is_hatchling = backend in {"hatchling.build", "hatchling.ouroboros"}
    match metadata.hatch.version.source_name if is_hatchling else backend:
        case "regex":
            return _read(root, metadata.hatch.version.config)
        case "vcs" | "vcs-public" as source:
            return _count(root, metadata.hatch.version.config, source)
        case other:
            raise VersionError("version-needs-code", by=other)


def _read(root: Path, config: dict[str, Any]) -> str:
    from hatchling.version.core import DEFAULT_PATTERN

    if config.get("pattern"):
        raise VersionError("unsafe-version-options", options=["pattern"])
    path = config.get("path", "")
    file = (root / path).resolve()
    if not (file.is_file() and file.is_relative_to(root.resolve()) and file.stat().st_size <= LONGEST_FILE):
        raise VersionError("bad-version-file", path=path)
    found = re.search(DEFAULT_PATTERN, file.read_text("utf-8"), re.MULTILINE)
    return found["version"] if found else ""


def _count(root: Path, config: dict[str, Any], source: str) -> str:
    from .source import PublicVersionSource

    options = config.get("raw-options", {})
    unsafe = options.keys() - _SAFE | config.keys() & {"tag-pattern"}
    if unsafe or not _SCHEMES.fullmatch(options.get("version_scheme", "guess-next-dev")):
        raise VersionError("unsafe-version-options", options=sorted(unsafe or {"version_scheme"}))
    repository = root / options.get("root", ".")
    top = history.working_tree(repository)
    with TemporaryDirectory() as place:
        Path(place, "pyproject.toml").touch()  # setuptools-scm before 10 has no fallback without it
        if top is not None and (options.get("search_parent_directories") or top.samefile(repository)):
            date, described = git.ask(repository, "log", "-1", "--format=%cI"), _describe(repository, source)
            Path(place, history.ARCHIVAL).write_text(f"node-date: {date}\ndescribe-name: {described}\n", "utf-8")
        passed = {key: options[key] for key in options.keys() & {"fallback_version", "version_scheme"}}
        counted: dict[str, Any] = {key: config[key] for key in config.keys() & {"dev-number", "fallback-version"}}
        counted["raw-options"] = {**passed, "root": place, "fallback_root": place}
        return Version(PublicVersionSource(place, counted).version()).public


def _describe(repository: Path, source: str) -> str:
    """Return the tag, distance and commit that the version is counted from. Nothing is fetched for it."""
    described = history.describe(repository)
    distance = int(described.split("-")[-2]) if described else None
    if found := history.missing(repository, distance) or (None if described else "no-tags"):
        raise history.incomplete(found)
    if source == "vcs-public" and (tag := history.higher_tag(repository, Version("0.dev0"))):
        described = history.describe(repository, tag)
    return described
