"""The rules for ``.gitlab-ci.yml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import rules
from .findings import Finding
from .project import Project
from .rules import finding
from .yaml import Node, load

FILE: Final = ".gitlab-ci.yml"
_TEMPLATE: Final = "/actions/gitlab/publish.yml"
_KEYWORDS: Final = frozenset(
    {"default", "include", "stages", "variables", "workflow", "image", "services", "cache", "spec", "pages"}
)
_AUDIENCES: Final = {"PYPI_ID_TOKEN": "pypi", "TESTPYPI_ID_TOKEN": "testpypi"}


class Job(rules.Job):
    """One job, with the jobs that it extends."""

    __slots__ = ()

    def get(self, *path: str) -> Node:
        return self.node.get(*path)

    @property
    def script(self) -> str:
        return "\n".join(one.text for key in ("before_script", "script") for one in self.get(key).scalars())


def jobs(root: Node) -> list[Job]:
    """The jobs that run; hidden ones count if others extend them."""
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


def publishing(root: Node) -> list[Job]:
    """The jobs that publish, with those that the template of this project adds: these have only its inputs."""
    return [*filter(_publishes, jobs(root)), *map(_from_template, filter(_is_template, includes(root)))]


def _publishes(job: Job) -> bool:
    return bool(rules.PUBLISHES.search(job.script))


def _is_template(include: Node) -> bool:
    return include.get("remote").text.endswith(_TEMPLATE)


def _from_template(include: Node) -> Job:
    return Job(include.get("inputs", "job").text or "publish", include.get("inputs"))


def read(root: Path) -> Node:
    """The pipeline of the project in *root*, with the files of the project that it includes.

    Raises:
        SettingsError: a file is not valid YAML.
        OSError: a file cannot be read.
    """
    if not (root / FILE).is_file():
        return Node(1, file=FILE)
    files = {FILE: load(root / FILE, FILE)}
    waiting = [*files.values()]
    for node in waiting:
        for one in includes(node):
            local = (one.get("local").text or one.text).lstrip("/")
            path = root / local
            inside = "://" not in local and path.resolve().is_relative_to(root.resolve()) and path.is_file()
            if local not in files and inside:
                files[local] = load(path, local)
                waiting.append(files[local])
    members = {name: node for file in reversed(waiting) for name, node in (file.members or {}).items()}
    if included := [one for file in waiting if file.has("include") for one in includes(file)]:
        members["include"] = Node(1, items=included, file=FILE)
    return Node(1, members=members, file=FILE)


def check(project: Project, root: Node) -> Iterator[Finding]:
    """Check the pipeline of *project*, as `read` returns it."""
    for job in jobs(root):
        if project.counts_commits and rules.BUILDS.search(job.script):
            depth = job.get("variables", "GIT_DEPTH").text or root.get("variables", "GIT_DEPTH").text
            if depth != "0":
                yield finding("error", "shallow-pipeline", job.node, job=job.name)
        if _publishes(job):
            yield from _publishing(project, job)
    for one in includes(root) if publishing(root) else ():
        if _is_template(one):
            yield from rules.publisher(project, "gitlab", FILE, [_from_template(one)], one)
        url = one.get("remote").text or one.text
        if "://" in url and not one.has("integrity"):
            yield finding("danger", "include-without-integrity", one, url=url)
    for node in root.scalars():
        if found := rules.TOKENS.search(node.text):
            yield finding("warning", "stored-token", node, name=found[0])


def _publishing(project: Project, job: Job) -> Iterator[Finding]:
    tokens = job.get("id_tokens")
    if not tokens.members:
        yield finding("error", "no-id-tokens", job.node, job=job.name)
    for name, node in (tokens.members or {}).items():
        audience = node.get("aud")
        if name in _AUDIENCES and audience.text != _AUDIENCES[name]:
            expected = _AUDIENCES[name]
            yield finding("error", "other-audience", audience, name=name, found=audience.text, expected=expected)
    if not job.environment:
        yield finding("warning", "no-environment", job.node, job=job.name)
    yield from rules.publisher(project, "gitlab", FILE, [job], job.node)
    if not any(job.get(key).items or job.get(key).members or job.get(key).text for key in ("rules", "only")):
        yield finding("danger", "publishes-from-every-branch", job.node, job=job.name)
    if rules.BUILDS.search(job.script):
        yield finding("warning", "build-with-identity", job.node, job=job.name)
    yield from rules.installs(job, job.script, job.node)
    if job.get("cache").members or job.get("cache").items:
        yield finding("danger", "cache-with-identity", job.node, job=job.name)
