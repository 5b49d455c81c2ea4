"""What the project in the working folder says of itself now, without running its code.

The job that publishes holds an identity: whatever a repository can make it execute could use
that. So a version is computed here only where reading does it: a static one, ``regex``, ``vcs``
and ``vcs-public``; and of these not where their options name code or commands.
"""

from __future__ import annotations

import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from ..errors import clean


@dataclass(frozen=True, slots=True)
class Project:
    """What the project in the working folder says of itself now."""

    name: NormalizedName | None = None
    version: Version | None = None
    unknown: str | None = None
    """Why the version cannot be known without running the project's code."""


_SAFE_SCM_OPTIONS: Final = frozenset(
    {
        "root",
        "tag_regex",
        "fallback_version",
        "parentdir_prefix_version",
        "search_parent_directories",
        "normalize",
        "version_scheme",
        "local_scheme",
        "version_file",
        "version_file_template",
        "write_to",
        "write_to_template",
    }
)
"""Options of setuptools-scm that cannot make it run anything (the two schemes: if they are in `_SAFE_SCHEMES`)."""
_SAFE_SCHEMES: Final = frozenset(
    {
        "calver-by-date",
        "dirty-tag",
        "guess-next-dev",
        "no-guess-dev",
        "no-local-version",
        "no-local-version-strict",
        "node-and-date",
        "node-and-timestamp",
        "only-version",
        "post-release",
        "python-simplified-semver",
        "release-branch-semver",
        "semver-pep440",
        "semver-pep440-release-branch",
    }
)
"""setuptools-scm's own schemes. It imports every other name as a module, with or without a colon in it."""


def read_project(root: Path) -> Project:
    """Name and version of the project in *root*, as far as they can be known."""
    if not (root / "pyproject.toml").is_file():
        return Project(unknown="there is no pyproject.toml here")
    from hatchling.metadata.core import ProjectMetadata

    try:
        metadata: ProjectMetadata[Any] = ProjectMetadata(str(root), None)
        name = canonicalize_name(metadata.name)
    except Exception as error:  # noqa: BLE001 - hatchling raises what it likes on a broken pyproject.toml
        return Project(unknown=f"pyproject.toml cannot be read ({clean(error).removesuffix('.')})")
    try:
        version = _version(metadata, root)
    except _Unknown as reason:
        return Project(name, unknown=str(reason))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - nor do version sources name what they raise
        return Project(name, unknown=f"it cannot be computed here ({clean(error).removesuffix('.')})")
    return Project(name, version)


class _Unknown(Exception):
    """Why the version is not computed."""


def _version(metadata: Any, root: Path) -> Version:
    """The version; hatchling has put that of a PKG-INFO in its place by now."""
    if "version" in metadata.core_raw_metadata:
        return Version(metadata.core_raw_metadata["version"])
    backend = metadata.build.build_backend or "setuptools.build_meta"
    if backend not in {"hatchling.build", "hatchling.ouroboros"}:
        msg = f"it is dynamic, and {clean(backend, 60)!r} would have to run to compute it"
        raise _Unknown(msg)
    config: dict[str, Any] = metadata.hatch.version.config
    source = metadata.hatch.version.source_name
    if source == "regex":
        from hatchling.version.source.regex import RegexSource

        return Version(RegexSource(str(root), config).get_version_data()["version"])
    if source in {"vcs", "vcs-public"}:
        return _vcs_version(source, config, root)
    msg = f"its source, {clean(source, 60)!r}, is none that is read without running the project's code or build"
    raise _Unknown(msg)


def _vcs_version(source: str, config: dict[str, Any], root: Path) -> Version:
    options = config.get("raw-options", {})
    if reason := _danger(options, root) or _guess(root / options.get("root", ".")):
        raise _Unknown(reason)
    if source == "vcs":
        from hatch_vcs.version_source import VCSVersionSource as Source
    else:
        from .source import PublicVersionSource as Source
    # A version file is the build's to write: publishing changes nothing in the working folder.
    options = {key: value for key, value in options.items() if not key.startswith(("write_to", "version_file"))}
    options["root"] = str(root / options.get("root", "."))
    return Version(Source(str(root), {**config, "raw-options": options}).get_version_data()["version"])


def _danger(options: object, root: Path) -> str | None:
    """How setuptools-scm could be made to run something that the repository brings."""
    if not isinstance(options, Mapping) or not options.keys() <= _SAFE_SCM_OPTIONS:
        return "its raw-options could run a command"
    for key in ("version_scheme", "local_scheme"):
        schemes = options.get(key, [])
        if not _SAFE_SCHEMES.issuperset(schemes if isinstance(schemes, list) else [schemes]):
            return "its raw-options name code of the project"
    for start in (root.resolve(), (root / options.get("root", ".")).resolve()):
        for folder in (start, *start.parents):
            # A repository of Git's can hold these as files, and what their configuration names would be run.
            if found := [name for name in (".hg", ".jj") if (folder / name).exists()]:
                return f"there is a {found[0]} folder, whose configuration could run a command"
    return None


def _guess(root: Path) -> str | None:
    """Why a version that is counted from the history would be a guess; here, nothing is fetched to complete it."""
    if _git(root, "rev-parse", "--is-shallow-repository") == "true":
        return "this is a shallow clone, in which a version would be a guess"
    if _git(root, "rev-parse", "--is-inside-work-tree") == "true" and not _git(root, "tag", "--list"):
        return "this clone has no tags, so a version would be a guess"
    return None


def untracked_files(root: Path) -> frozenset[str]:
    """The files below *root* that Git neither tracks nor ignores, relative to it."""
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    above = root.resolve().relative_to(_checkout(root)).as_posix()
    prefix = "" if above == "." else f"{above}/"
    return frozenset(name.removeprefix(prefix) for name in listed if name and name.startswith(prefix))


def _checkout(root: Path) -> Path:
    start = root.resolve()
    return next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), start)


def _git(root: Path, *arguments: str) -> str:
    """What git says; nothing where there is no git or no repository.

    It is told where the repository is: else it would not look into one that another user owns.
    """
    command = ["git", "-C", str(_checkout(root)), "--git-dir", ".git", *arguments]
    try:
        answer = subprocess.run(  # nosec B603 # git, in no shell
            command, capture_output=True, encoding="utf-8", errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()
