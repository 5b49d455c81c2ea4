"""The project in a directory: what its files say, without running any of its code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .. import git
from ..errors import Message, SettingsError
from ..settings.options import Flags, parse
from .forge import Forge, parse_remote

_VCS: Final = ("vcs", "vcs-public")


@dataclass(frozen=True, slots=True)
class Project:
    """One project."""

    root: Path
    data: Mapping[str, Any]
    """``pyproject.toml``."""
    name: str
    forge: Forge | None
    """The forge that hosts it, by its Git remote."""
    remote: str
    """The URL of that remote; empty without one."""

    @property
    def publisher(self) -> Mapping[str, Any]:
        """The table ``[tool.hatch.publish.trusted.publisher]``."""
        return _table(self._settings, "publisher")

    def check_settings(self) -> None:
        """Check ``[tool.hatch.publish.trusted]`` as a release does.

        Raises:
            SettingsError: every mistake.
        """
        parse({}, Flags(), self._settings, {})

    @property
    def _settings(self) -> Mapping[str, Any]:
        return _table(self.data, "tool", "hatch", "publish", "trusted")

    @property
    def counts_commits(self) -> bool:
        """Return whether the version comes from the history of the repository."""
        if "version" not in self.data["project"].get("dynamic", ()):
            return False
        system, source = _table(self.data, "build-system"), self._version.get("source")
        from_scm = _table(self.data, "tool", "setuptools_scm") or "setuptools_scm" in str(system)
        return bool(from_scm) or (system.get("build-backend") == "hatchling.build" and source in _VCS)

    @property
    def tag_pattern(self) -> str:
        return str(self._version.get("tag-pattern", ""))

    @property
    def _version(self) -> Mapping[str, Any]:
        return _table(self.data, "tool", "hatch", "version")


def read(root: Path) -> Project:
    """Read the project in *root*.

    Raises:
        SettingsError: there is no readable ``pyproject.toml`` with a ``[project]`` table and a name.
    """
    path = root / "pyproject.toml"
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError("not-a-project", directory=root) from None
    except (OSError, ValueError) as error:
        raise SettingsError("pyproject-unreadable", reason=Message("quoted", text=error)) from None
    name = _table(data, "project").get("name")
    if not isinstance(name, str):
        raise SettingsError("project-table-missing")
    remotes = git.ask(root, "remote").split()
    remote = git.ask(root, "remote", "get-url", "origin" if "origin" in remotes else remotes[0]) if remotes else ""
    return Project(root, data, name, parse_remote(remote), remote)


def _table(data: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for key in path:
        found = data.get(key)
        data = found if isinstance(found, Mapping) else {}
    return data
