"""GitHub's workflow files: triggers, jobs and steps, and the purpose of a job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from . import rules
from .yaml import Node, load

_PUBLISHING_ACTIONS: Final = re.compile(r"pypa/gh-action-pypi-publish@|/actions/publish@|^\./actions/publish$")


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a job."""

    node: Node

    @property
    def uses(self) -> str:
        return self.node.get("uses").text

    @property
    def run(self) -> str:
        return self.node.get("run").text

    @property
    def publishes(self) -> bool:
        return bool(rules.PUBLISHES.search(self.run) or _PUBLISHING_ACTIONS.search(self.uses))


class Job(rules.Job):
    """One job of a workflow."""

    __slots__ = ()

    @property
    def steps(self) -> list[Step]:
        return [Step(one) for one in self.node.get("steps").items]

    @property
    def publishes(self) -> bool:
        return any(step.publishes for step in self.steps)

    @property
    def may_request_identity(self) -> bool:
        return _grants_identity(self.node)


@dataclass(frozen=True, slots=True)
class Workflow:
    """One file in ``.github/workflows``."""

    file: str
    """The path to show, from the root of the project."""
    node: Node

    @property
    def name(self) -> str:
        """The file name: PyPI's form asks for it."""
        return self.file.rpartition("/")[2]

    @property
    def jobs(self) -> list[Job]:
        return [Job(name, node) for name, node in (self.node.get("jobs").members or {}).items()]

    @property
    def triggers(self) -> dict[str, Node]:
        return dict(self.node.get("on").pairs())

    @property
    def grants_identity(self) -> bool:
        """Return whether every job may request an identity token."""
        return _grants_identity(self.node)

    @property
    def publishing(self) -> list[Job]:
        return [job for job in self.jobs if job.publishes]


def _grants_identity(node: Node) -> bool:
    permissions = node.get("permissions")
    return permissions.text == "write-all" or permissions.get("id-token").text == "write"


def read(root: Path) -> Iterator[Workflow]:
    """The workflows of the project in *root*, by name.

    Raises:
        SettingsError: one of them is not valid YAML.
        OSError: the directory or a file cannot be read.
    """
    directory = root / ".github" / "workflows"
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        if path.suffix in {".yml", ".yaml"} and path.is_file():
            shown = path.relative_to(root).as_posix()
            yield Workflow(shown, load(path, shown))
