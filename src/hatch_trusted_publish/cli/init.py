"""`hatch-trusted-publish init`: decide which files set a project up, and write all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from .. import git
from ..errors import Message, SettingsError
from ..files import write_atomic
from ..identity.publishers import PROVIDERS, form_url, pending_form_url
from ..index.endpoints import Index
from . import gitlab, workflow
from .forge import Forge
from .project import Project

_TEMPLATES: Final = Path(__file__).with_name("templates")
_TABLE: Final = ("tool", "hatch", "publish", "trusted", "publisher")
_INCLUDE: Final = "include:\n  - local: .gitlab/publish.yml\n"


@dataclass(frozen=True, slots=True)
class Answers:
    """The choices of the user."""

    every_commit: bool = False
    """Publish each commit of the default branch to TestPyPI as well."""
    environment: str = "pypi"


@dataclass(frozen=True, slots=True)
class Change:
    """One file to write."""

    path: Path
    before: str | None
    """``None`` for a new file."""
    after: str


@dataclass(frozen=True, slots=True)
class Publishing:
    """A job that publishes already."""

    file: str
    """As in PyPI's form."""
    environment: str


def publishing(project: Project, forge: Forge) -> Publishing | None:
    """Return the first job of *project* that publishes.

    Raises:
        SettingsError, OSError: a file cannot be read.
    """
    if forge.provider == "github":
        found = [(one.name, job.environment) for one in workflow.read(project.root) for job in one.publishing]
    else:
        found = [(gitlab.FILE, job.environment) for job in gitlab.publishing(gitlab.read(project.root))]
    return Publishing(*found[0]) if found else None


def publisher(forge: Forge, answers: Answers, existing: Publishing | None = None) -> dict[str, str]:
    """Return the trusted publisher, as the table ``publisher`` writes it."""
    place = dict(zip(PROVIDERS[forge.provider].name, (forge.namespace, forge.repository), strict=True))
    new = "release.yml" if forge.provider == "github" else gitlab.FILE
    place["workflow"] = existing.file if existing else new
    environments = environments_of(answers, existing)
    # With two indexes, each has an environment of its own, and one table cannot name both.
    named = len(environments) == 1 and is_known(environments["main"])
    return {"provider": forge.provider, **place, **({"environment": environments["main"]} if named else {})}


def environments_of(answers: Answers, existing: Publishing | None) -> dict[str, str]:
    """Return the environment of the job that publishes to each index."""
    if existing is not None:
        return {"main": existing.environment}
    return {"main": answers.environment} | ({"test": "testpypi"} if answers.every_commit else {})


def is_known(environment: str) -> bool:
    """Return whether there is an environment, and its name is not left to an expression or a variable."""
    return bool(environment) and "$" not in environment


def changes(project: Project, forge: Forge, answers: Answers, existing: Publishing | None) -> list[Change]:
    """Return the files that are missing or incomplete; nothing for a project that is set up.

    Raises:
        SettingsError: ``pyproject.toml`` cannot be edited.
        OSError: a file cannot be read.
    """
    return [
        one
        for one in (*_pipeline(project, forge, answers, existing), _pyproject(project, forge, answers, existing))
        if one.before != one.after
    ]


def write(planned: Sequence[Change]) -> None:
    """Write all of the files, or none.

    Raises:
        OSError: one of them cannot be written. Those that were written are restored.
    """
    done: list[Change] = []
    try:
        for one in planned:
            one.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(one.path, one.after)
            done.append(one)
    except OSError:
        for one in done:
            if one.before is None:
                one.path.unlink(missing_ok=True)
            else:
                write_atomic(one.path, one.before)
        raise


def _pipeline(project: Project, forge: Forge, answers: Answers, existing: Publishing | None) -> Iterator[Change]:
    if existing is not None:
        return
    name = f"{forge.provider}{'-every-commit' if answers.every_commit else ''}.yml"
    text = _TEMPLATES.joinpath(name).read_text("utf-8").replace("@environment@", answers.environment)
    text = text.replace("@branch@", default_branch(project.root))
    if forge.provider == "github":
        yield _change(project.root / ".github" / "workflows" / "release.yml", text)
        return
    yield _change(project.root / ".gitlab" / "publish.yml", text)
    main = _change(project.root / gitlab.FILE, _INCLUDE)
    if main.before is None:
        yield main
    elif not gitlab.read(project.root).has("include"):
        yield Change(main.path, main.before, f"{main.before.rstrip()}\n\n{_INCLUDE}")


def _pyproject(project: Project, forge: Forge, answers: Answers, existing: Publishing | None) -> Change:
    path = project.root / "pyproject.toml"
    before = path.read_text("utf-8")
    try:
        document = tomlkit.parse(before)
        if not project.publisher:
            _section(document, *_TABLE).update(publisher(forge, answers, existing))
        if answers.every_commit and "version" in project.data["project"]:
            _versions_from_git(document)
    except (TOMLKitError, TypeError, AttributeError) as error:
        raise SettingsError("pyproject-not-edited", reason=Message("quoted", text=error)) from None
    return Change(path, before, tomlkit.dumps(document))


def _versions_from_git(document: tomlkit.TOMLDocument) -> None:
    table: Any = document["project"]
    table.remove("version")
    table["dynamic"] = [*table.get("dynamic", []), "version"]
    _section(document, "tool", "hatch", "version").update({"source": "vcs-public"})
    system: Any = document.setdefault("build-system", {"requires": ["hatchling"], "build-backend": "hatchling.build"})
    system["requires"].append("hatch-trusted-publish")


def _section(document: Any, *path: str) -> Any:
    """The table under *path*; those that are missing are added, the last with a header of its own."""
    node = document
    for key in path:
        if key not in node:
            node[key] = tomlkit.table(is_super_table=key != path[-1])
        node = node[key]
    return node


def _change(path: Path, after: str) -> Change:
    return Change(path, path.read_text("utf-8") if path.is_file() else None, after)


def default_branch(root: Path) -> str:
    """Return the default branch of the remote, or else the branch that is checked out."""
    remote = git.ask(root, "symbolic-ref", "--short", "refs/remotes/origin/HEAD").partition("/")[2]
    return remote or git.ask(root, "symbolic-ref", "--short", "HEAD") or "main"


def form(table: Mapping[str, str], project: str) -> list[tuple[str, str]]:
    """The fields of PyPI's form with their values, in the form's order."""
    labels = {
        "owner": "Owner",
        "repository": "Repository name",
        "namespace": "Namespace",
        "project": "Project name",
        "workflow": "Workflow name" if table["provider"] == "github" else "Top-level pipeline file path",
        "environment": "Environment name",
    }
    return [
        ("PyPI Project Name", project),
        *((label, table.get(key, "")) for key, label in labels.items() if key in table),
    ]


def pages(index: Index, project: str, table: Mapping[str, str]) -> dict[str, str]:
    """Return the URLs of the forms: that of the project, filled in, and that for new projects."""
    known = {key: value for key, value in table.items() if key != "environment" or is_known(value)}
    return {"url": form_url(index, project, known) or "", "account": pending_form_url(index) or ""}
