"""The commands `init` and `check`: arguments in, exit code out."""

from __future__ import annotations

import difflib
import os
import subprocess  # nosec B404 # Hatch, by its name and arguments
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import indent
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from ..errors import Message, SettingsError
from ..index.endpoints import Repository, find_index
from ..index.origins import shown_url
from ..settings.repositories import UPLOAD_URLS
from . import init as setup
from .check import check as find
from .findings import Finding, Level, as_annotation, as_json, in_order
from .online import check as find_online
from .online import exists
from .project import read

_TITLES: Final[dict[Level, str]] = {
    "error": "A release would fail",
    "danger": "Someone else could publish",
    "warning": "Worth a look",
}
_STYLES: Final[dict[Level, str]] = {"error": "bold red", "danger": "bold red", "warning": "bold yellow"}
_ENVIRONMENTS: Final = {"github": "environment-on-github", "gitlab": "environment-on-gitlab"}
_APPROVERS: Final = {"me": "approved-by-me", "others": "approved-by-others"}


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code.

    Raises:
        TrustedPublishError: it could not be done.
    """
    try:
        return int(commands.main(list(arguments), "hatch-trusted-publish", standalone_mode=False) or 0)
    except click.ClickException as error:  # a mistake in the arguments
        error.show()
        return error.exit_code
    except click.Abort:
        return 1
    except OSError as error:
        raise SettingsError("not-written", reason=Message("quoted", text=error)) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hatch-trusted-publish")
def commands() -> None:
    """Set a project up for trusted publishing, and check the set-up."""


@commands.command()
@click.option(
    "--yes",
    is_flag=True,
    help="Ask nothing: take the default of each question, and leave existing workflows as they are.",
)
@click.option("--offline", is_flag=True, help="Do not ask PyPI whether the project exists.")
def init(*, yes: bool, offline: bool) -> int:
    """Write the release workflow, and show what to fill in on PyPI.

    Reads pyproject.toml and the Git remote of the current directory. An existing file is changed only after
    you have seen the difference. A second run changes nothing.
    """
    project = read(Path.cwd())
    if project.forge is None:
        raise SettingsError("unknown-forge" if project.remote else "no-remote", remote=shown_url(project.remote))
    project.check_settings()
    answers, approver = setup.Answers(), "me"
    if not yes:
        every_commit = click.confirm("Publish every commit of the default branch to TestPyPI as well?", default=False)
        answers = setup.Answers(
            every_commit, click.prompt("Name of the environment that releases to PyPI", default="pypi")
        )
        approver = click.prompt("Who approves a release?", type=click.Choice(["me", "others", "nobody"]), default="me")
    place, existing = project.forge, setup.publishing(project, project.forge)
    environments = setup.environments_of(answers, existing)
    table = project.publisher or setup.publisher(place, answers, existing)
    wanted = setup.changes(project, place, answers, existing)
    planned = [one for one in wanted if _agreed(one, project.root, yes=yes)]
    setup.write(planned)
    for one in planned:
        click.echo(f"Wrote {one.path.relative_to(project.root).as_posix()}")
    if not planned:
        click.echo(str(Message("nothing-to-write")))
    for name, environment in environments.items():
        _show_form(project.name, name, {**table, "environment": environment}, offline=offline)
    for name, environment in environments.items():
        if setup.is_known(environment):
            refs = (
                Message("version-tags")
                if name == "main"
                else Message("default-branch", branch=setup.default_branch(project.root))
            )
            message = Message(_ENVIRONMENTS[place.provider], environment=environment, url=place.url, refs=refs)
            click.echo(f"\n{message}")
    if approver in _APPROVERS:
        click.echo(str(Message(_APPROVERS[approver])))
    click.echo(f"\n{Message('next-rehearsal', version=project.data['project'].get('version', '1.0.0'))}")
    if not yes and click.confirm("Rehearse now?", default=True):
        for command in (["hatch", "build", "--clean"], ["hatch", "publish", "-p", "trusted", "-r", "rehearsal"]):
            if code := subprocess.run(command, check=False).returncode:  # nosec B603 # Hatch, by its name
                return code
    return 0


@commands.command()
@click.option("--online", is_flag=True, help="Ask PyPI about the project as well.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings as well.")
@click.option("--json", "machine", is_flag=True, help="Print the findings as JSON.")
def check(*, online: bool, strict: bool, machine: bool) -> int:
    """Find what would go wrong on the day of a release.

    Reads the workflows and the metadata of the current directory. Runs nothing of the project and needs no
    network. Exit code 1: a release would fail, or someone else could publish.
    """
    project = read(Path.cwd())
    found = find(project)
    if online:
        found = in_order([*found, *find_online(find_index(Repository("main", UPLOAD_URLS["main"])), project.name)])
    if machine:
        click.echo(as_json(found))
    elif os.environ.get("GITHUB_ACTIONS") == "true" and found:
        click.echo("\n".join(map(as_annotation, found)))
    else:
        _show(found)
    return 1 if any(strict or one.level != "warning" for one in found) else 0


def _show(found: Sequence[Finding]) -> None:
    console = Console(highlight=False, markup=False, soft_wrap=True)
    for level, group in groupby(found, key=lambda one: one.level):
        console.print(f"\n{_TITLES[level]}", style=_STYLES[level])
        for one in group:
            console.print(f"  {one.place or 'project'}", style="bold")
            console.print(indent(one.message.coded, "    "))
    console.print(f"\n{Message('checked', findings=len(found)) if found else Message('checked-clean')}")


def _agreed(change: setup.Change, root: Path, *, yes: bool) -> bool:
    """Return whether a file may be written: a new one always, an existing one after its difference was shown."""
    if change.before is None:
        return True
    name = change.path.relative_to(root).as_posix()
    difference = difflib.unified_diff(change.before.splitlines(), change.after.splitlines(), name, name, lineterm="")
    click.echo("\n".join(difference))
    # Only a table is added to pyproject.toml without asking.
    return name == "pyproject.toml" if yes else click.confirm(f"Change {name}?", default=True)


def _show_form(project: str, name: str, table: Mapping[str, str], *, offline: bool) -> None:
    """Show the form of the index *name*, filled in, and its URL."""
    index = find_index(Repository(name, UPLOAD_URLS[name]))
    known = None if offline else exists(index, project)
    code = "form-unknown" if known is None else "form-of-project" if known else "form-of-new-project"
    click.echo(f"\n{Message(code, index=index.title, project=project, **setup.pages(index, project, table))}")
    shown = Table(show_header=False, box=None, padding=(0, 2))
    for label, value in setup.form(table, project):
        shown.add_row(label, value)
    Console(highlight=False, markup=False).print(shown)
