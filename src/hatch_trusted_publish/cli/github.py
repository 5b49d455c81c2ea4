"""The rules for GitHub's workflows. Each rule is a function of the project and a workflow that publishes.

Rules:

- What runs in a job that may request an identity can publish: it runs nothing that was not pinned.
- What a stranger can write (the title of an issue, the name of a branch) never becomes part of a script.
- Incidents: Ultralytics, December 2024 (``pull_request_target``, text in a script, shared cache);
  tj-actions, March 2025 (a tag that moved); elementary-data, 2026 (a comment that became a command).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from ..errors import Message
from .findings import Finding, Level
from .project import Project
from .workflow import Job, Step, Workflow

Rule: TypeAlias = Callable[[Project, Workflow], Iterator[Finding]]
_TRIGGERS: Final = frozenset({"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion_comment"})
_FOREIGN: Final = re.compile(
    r"\$\{\{[^}]*\b(?:github\.head_ref|github\.event\.(?:"
    r"[\w.*\[\]]*(?:title|body|message|name|email|label|ref|head_ref|default_branch|page_name)\b))[^}]*\}\}"
)
"""Expressions whose value someone without write access can choose."""
BUILDS: Final = re.compile(
    r"\b(?:hatch|uv|pdm|poetry|flit)(?:\s+-\S+)*\s+build\b|python\S*\s+-m\s+build\b|\bsetup\.py\b|pip3?\s+wheel\b|cibuildwheel"
)
INSTALLS: Final = re.compile(
    r"\b(?:pip3?|uv\s+pip|pipx|uv\s+tool)\s+(?:install|inject)\b[^\n]*|\buvx\b[^\n]*|\bnpm\s+install\b[^\n]*"
)
_PINNED: Final = re.compile(r"@[0-9a-f]{40}$|@sha256:[0-9a-f]{64}$")
TOKENS: Final = re.compile(
    r"secrets\.[A-Z0-9_]*PYPI[A-Z0-9_]*|\b(?:TWINE_PASSWORD|UV_PUBLISH_(?:TOKEN|PASSWORD)|HATCH_INDEX_AUTH|FLIT_PASSWORD"
    r"|PDM_PUBLISH_PASSWORD|POETRY_PYPI_TOKEN_\w+)\b"
)


def _found(level: Level, code: str, workflow: Workflow, line: int, **facts: object) -> Finding:
    return Finding(level, Message(code, **facts), workflow.file, line)


def _holders(workflow: Workflow) -> list[Job]:
    """The jobs that can get an identity token."""
    return [
        job
        for job in workflow.jobs
        if job.may_request_identity or (workflow.grants_identity and not job.node.has("permissions"))
    ]


def publisher(project: Project, workflow: Workflow) -> Iterator[Finding]:
    """The table ``publisher`` against the workflow."""
    said = project.publisher
    if said.get("provider") != "github":
        return
    if (file := said.get("workflow")) and file != workflow.name:
        yield _found("error", "other-workflow-file", workflow, 1, configured=file, file=workflow.name)
    for job in workflow.publishing:
        configured = str(said.get("environment", ""))
        if "${{" not in job.environment and configured.casefold() != job.environment.casefold() and configured:
            found = job.environment or "none"
            yield _found(
                "error", "other-environment", workflow, job.line, configured=configured, found=found, job=job.name
            )
    if project.forge is not None and project.forge.provider == "github":
        hosted = f"{project.forge.namespace}/{project.forge.repository}"
        configured = f"{said.get('owner')}/{said.get('repository')}"
        if configured != hosted:
            yield _found("error", "other-repository", workflow, 1, configured=configured, found=hosted)


def identity(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """``id-token: write`` in the job that publishes, and nowhere else."""
    if workflow.grants_identity:
        line = workflow.node.get("permissions").line
        yield _found("danger", "identity-for-every-job", workflow, line)
    holders = _holders(workflow)
    for job in workflow.publishing:
        if job not in holders and not TOKENS.search(" ".join(one.text for one in job.node.scalars())):
            yield _found("error", "no-identity-permission", workflow, job.line, job=job.name)


def history(project: Project, workflow: Workflow) -> Iterator[Finding]:
    """A version that is counted from the history needs all of it."""
    for job in workflow.jobs if project.counts_commits else ():
        builds = any(BUILDS.search(step.run) or "build-and-inspect-python-package" in step.uses for step in job.steps)
        for step in job.steps if builds else ():
            if step.uses.startswith("actions/checkout@") and step.node.get("with", "fetch-depth").text != "0":
                yield _found("error", "shallow-checkout", workflow, step.line, job=job.name)


def tags(project: Project, workflow: Workflow) -> Iterator[Finding]:
    """The tags that start the workflow against the tags that are versions."""
    pattern = project.tag_pattern
    for tag in workflow.triggers["push"].get("tags").items if pattern and "push" in workflow.triggers else ():
        start = re.sub(r"\[[^\]]*\][+*]?", "1", tag.text).replace("**", "*")
        samples = (start.replace("*", version, 1).replace("*", "") for version in ("1.2.3", "v1.2.3"))
        try:
            matches = any(re.search(pattern, sample) for sample in samples)
        except re.error:
            return
        if not matches:
            yield _found("error", "tag-filter", workflow, tag.line, filter=tag.text, pattern=pattern)


def reusable(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """PyPI matches the file that holds the publishing job, and it must be the repository's own."""
    for job in workflow.jobs:
        uses = job.node.get("uses")
        if uses.text and not uses.text.startswith("./") and job.may_request_identity:
            yield _found("error", "foreign-reusable-workflow", workflow, uses.line, called=uses.text)
    trigger = workflow.triggers.get("workflow_call")
    if trigger is not None and workflow.publishing:
        yield _found("warning", "reusable-publishing-workflow", workflow, trigger.line)


def triggers(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Events that a stranger can cause, with the rights of the repository."""
    for name, node in workflow.triggers.items():
        if name in _TRIGGERS and (_holders(workflow) or workflow.publishing):
            yield _found("danger", "dangerous-trigger", workflow, node.line, trigger=name)


def foreign_text(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Text of strangers in scripts."""
    for job in workflow.jobs:
        for step in job.steps:
            script = step.node.get("run")
            if "actions/github-script@" in step.uses:
                script = step.node.get("with", "script")
            for found in _FOREIGN.finditer(script.text):
                yield _found("danger", "foreign-text", workflow, script.line, expression=found[0], job=job.name)


def company(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """What should not run next to an identity."""
    for job in _holders(workflow):
        for step in job.steps:
            if BUILDS.search(step.run):
                yield _found("warning", "build-with-identity", workflow, step.line, job=job.name)
            yield from _unpinned_installs(workflow, job, step)
            with_cache = (
                step.node.get("with", "cache").text not in {"", "false"}
                or step.node.get("with", "enable-cache").text == "true"
            )
            if step.uses.startswith("actions/cache") or with_cache:
                yield _found("danger", "cache-with-identity", workflow, step.line, job=job.name)
            if step.uses and not step.uses.startswith("./") and not _PINNED.search(step.uses):
                level: Level = "warning" if step.uses.startswith(("actions/", "github/")) else "danger"
                name = step.uses.partition("@")[0]
                yield _found(level, "unpinned-action", workflow, step.line, action=step.uses, job=job.name, name=name)


def _unpinned_installs(workflow: Workflow, job: Job, step: Step) -> Iterator[Finding]:
    for found in INSTALLS.finditer(step.run.replace("\\\n", " ")):
        if "--require-hashes" not in found[0] and "--no-index" not in found[0]:
            yield _found(
                "warning", "install-without-hashes", workflow, step.line, command=found[0].strip(), job=job.name
            )


def environment(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Without an environment, whoever can push a branch can publish from it."""
    manual = "workflow_dispatch" in workflow.triggers
    for job in workflow.publishing:
        if not job.environment and job in _holders(workflow):
            yield _found("danger" if manual else "warning", "no-environment", workflow, job.line, job=job.name)


def stored_tokens(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """API tokens that trusted publishing makes unnecessary."""
    holders = [
        workflow.node,
        *(job.node for job in workflow.jobs),
        *(one.node for job in workflow.jobs for one in job.steps),
    ]
    variables = [(node.line, name) for holder in holders for name, node in holder.get("env").pairs()]
    values = [(node.line, node.text) for node in workflow.node.scalars()]
    found = {(line, match[0]) for line, text in (*variables, *values) if (match := TOKENS.search(text))}
    for line, name in found:
        yield _found("warning", "stored-token", workflow, line, name=name)


RULES: Final[tuple[Rule, ...]] = (
    publisher,
    identity,
    history,
    tags,
    reusable,
    triggers,
    foreign_text,
    company,
    environment,
    stored_tokens,
)
