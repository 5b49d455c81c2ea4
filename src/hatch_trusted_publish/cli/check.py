"""`hatch-trusted-publish check`: what would go wrong on the day of a release. Nothing of the project runs."""

from __future__ import annotations

import json
import shutil
import subprocess  # nosec B404 # zizmor, by its name and arguments
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..errors import Message, SettingsError
from . import github, gitlab, metadata, workflow
from .findings import Finding, in_order
from .project import Project

_ZIZMOR_SECONDS: Final = 60


def check(project: Project) -> list[Finding]:
    """Check the workflows and files of *project*. Needs no network."""
    found: list[Finding] = []
    for rules in (_settings, _pipelines, metadata.check):
        try:
            found += rules(project)
        except SettingsError as error:  # a file that is not valid YAML
            place = error.message.facts
            found.append(Finding("error", error.message, str(place.get("file", "")), int(place.get("line", 1))))
        except OSError as error:
            message = Message(
                "unreadable", file=error.filename or "", reason=Message("quoted", text=error.strerror or "")
            )
            found.append(Finding("error", message))
    return in_order(found)


def _settings(project: Project) -> Iterator[Finding]:
    try:
        project.check_settings()
    except SettingsError as error:
        yield from (Finding("error", one, "pyproject.toml") for one in error.problems)


def _pipelines(project: Project) -> Iterator[Finding]:
    publishes = False
    for one in workflow.read(project.root):
        publishes |= bool(one.publishing)
        if one.publishing or any(job.may_request_identity for job in one.jobs) or one.grants_identity:
            for rule in github.RULES:
                yield from rule(project, one)
            yield from _zizmor(project.root, one.file)
        else:
            yield from github.stored_tokens(project, one)
    pipeline = gitlab.read(project.root)
    yield from gitlab.check(project, pipeline)
    if not publishes and not gitlab.publishing(pipeline):
        yield Finding("warning", Message("no-publishing-job"))


def _zizmor(root: Path, file: str) -> Iterator[Finding]:
    """Return the findings of zizmor, if it is installed."""
    command = shutil.which("zizmor")
    if command is None:
        return
    arguments = [command, "--offline", "--no-progress", "--no-exit-codes", "--format=json", file]
    try:
        done = subprocess.run(  # nosec B603 # zizmor reads the file, and runs nothing of it
            arguments, cwd=root, capture_output=True, timeout=_ZIZMOR_SECONDS, check=True
        )
        for one in json.loads(done.stdout):
            line = one["locations"][0]["concrete"]["location"]["start_point"]["row"] + 1
            message = Message("zizmor-finding", rule=one["ident"], text=one["desc"], url=one["url"])
            yield Finding("warning", message, file, line)
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        yield Finding("warning", Message("zizmor-failed"), file, 1)
