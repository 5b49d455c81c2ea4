"""The rules for ``.gitlab-ci.yml``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import Message
from .findings import Finding, Level
from .github import BUILDS, INSTALLS, TOKENS
from .project import Project
from .workflow import PUBLISHES
from .yaml import Node, load

FILE: Final = ".gitlab-ci.yml"
_TEMPLATE: Final = "/actions/gitlab/publish.yml"
_KEYWORDS: Final = frozenset(
    {"default", "include", "stages", "variables", "workflow", "image", "services", "cache", "spec", "pages"}
)
_AUDIENCES: Final = {"PYPI_ID_TOKEN": "pypi", "TESTPYPI_ID_TOKEN": "testpypi"}


@dataclass(frozen=True, slots=True)
class Job:
    """One job, with what it extends."""

    name: str
    node: Node

    def get(self, *path: str) -> Node:
        return self.node.get(*path)

    @property
    def script(self) -> str:
        return "\n".join(one.text for key in ("before_script", "script") for one in self.get(key).scalars())


def jobs(root: Node) -> list[Job]:
    """The jobs that run; hidden ones count where others extend them."""
    members = root.members or {}

    def merged(name: str, seen: tuple[str, ...] = ()) -> dict[str, Node]:
        node = members.get(name, Node(1))
        found: dict[str, Node] = {}
        for parent, _ in node.get("extends").pairs():
            if parent not in seen:
                found |= merged(parent, (*seen, name))
        return found | dict(node.members or {})

    return [
        Job(name, Node(node.line, members=merged(name), file=node.file))
        for name, node in members.items()
        if node.members is not None and name not in _KEYWORDS and not name.startswith(".")
    ]


def includes(root: Node) -> list[Node]:
    """The entries of `include`, which can be one or several."""
    return [*root.get("include").items] or [root.get("include")]


def publishes(root: Node) -> bool:
    """Whether a job publishes, or the template of this project adds one that does."""
    return any(PUBLISHES.search(job.script) for job in jobs(root)) or any(
        one.get("remote").text.endswith(_TEMPLATE) for one in includes(root)
    )


def read(root: Path) -> Node:
    """The pipeline of the project in *root*, with the files of the project that it includes.

    Raises:
        SettingsError: a file is not valid YAML.
        OSError: a file cannot be read.
    """
    if not (root / FILE).is_file():
        return Node(1, file=FILE)
    node = load(root / FILE, FILE)
    members = dict(node.members or {})
    for one in includes(node):
        local = (one.get("local").text or one.text).lstrip("/")
        path = root / local
        if local and "://" not in local and path.resolve().is_relative_to(root.resolve()) and path.is_file():
            members = dict(load(path, local).members or {}) | members
    return Node(1, members=members, file=FILE)


def check(project: Project) -> Iterator[Finding]:
    """Everything about the pipeline of *project*; nothing if it has no ``.gitlab-ci.yml``.

    Raises:
        SettingsError: the file is not valid YAML.
        OSError: it cannot be read.
    """
    root = read(project.root)
    for job in jobs(root):
        if project.counts_commits and BUILDS.search(job.script):
            depth = job.get("variables", "GIT_DEPTH").text or root.get("variables", "GIT_DEPTH").text
            if depth != "0":
                yield _found("error", "shallow-pipeline", job, job=job.name)
        if PUBLISHES.search(job.script):
            yield from _publishing(project, job)
    for one in includes(root) if publishes(root) else ():
        url = one.get("remote").text or one.text
        if "://" in url and not one.has("integrity"):
            yield Finding("danger", Message("include-without-integrity", url=url), one.file, one.line)
    for node in root.scalars():
        if found := TOKENS.search(node.text):
            yield Finding("warning", Message("stored-token", name=found[0]), node.file, node.line)


def _publishing(project: Project, job: Job) -> Iterator[Finding]:
    said = project.publisher
    tokens = job.get("id_tokens")
    if not tokens.members:
        yield _found("error", "no-id-tokens", job, job=job.name)
    for name, node in (tokens.members or {}).items():
        audience = node.get("aud")
        if name in _AUDIENCES and audience.text != _AUDIENCES[name]:
            message = Message("other-audience", name=name, found=audience.text, expected=_AUDIENCES[name])
            yield Finding("error", message, audience.file, audience.line)
    environment = job.get("environment").text or job.get("environment", "name").text
    if not environment:
        yield _found("warning", "no-environment", job, job=job.name)
    if said.get("provider") == "gitlab":
        configured = str(said.get("environment", ""))
        if configured and "$" not in environment and configured != environment:
            yield _found(
                "error", "other-environment", job, configured=configured, found=environment or "none", job=job.name
            )
        if said.get("workflow", FILE) != FILE:
            yield _found("error", "other-workflow-file", job, configured=said["workflow"], file=FILE)
        if project.forge is not None and project.forge.provider == "gitlab":
            hosted, named = (
                f"{project.forge.namespace}/{project.forge.repository}",
                f"{said.get('namespace')}/{said.get('project')}",
            )
            if hosted != named:
                yield _found("error", "other-repository", job, configured=named, found=hosted)
    if not any(job.get(key).items or job.get(key).members or job.get(key).text for key in ("rules", "only")):
        yield _found("danger", "publishes-from-every-branch", job, job=job.name)
    if BUILDS.search(job.script):
        yield _found("warning", "build-with-identity", job, job=job.name)
    for found in INSTALLS.finditer(job.script):
        if "--require-hashes" not in found[0] and "--no-index" not in found[0]:
            yield _found("warning", "install-without-hashes", job, command=found[0].strip(), job=job.name)
    if job.get("cache").members or job.get("cache").items:
        yield _found("danger", "cache-with-identity", job, job=job.name)


def _found(level: Level, code: str, at: Job, **facts: object) -> Finding:
    return Finding(level, Message(code, **facts), at.node.file, at.node.line)
