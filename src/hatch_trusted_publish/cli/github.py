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
from . import rules
from .findings import Finding, Level
from .project import Project
from .rules import finding
from .workflow import Job, Workflow
from .yaml import Node

Rule: TypeAlias = Callable[[Project, Workflow], Iterator[Finding]]
_TRIGGERS: Final = frozenset({"pull_request_target", "workflow_run", "issue_comment", "issues", "discussion_comment"})
_FOREIGN: Final = re.compile(
    r"\$\{\{[^}]*\b(?:github\.head_ref|github\.event\.(?:"
    r"[\w.*\[\]]*(?:title|body|message|name|email|label|ref|head_ref|default_branch|page_name)\b))[^}]*\}\}"
)
"""Expressions whose value someone without write access can choose."""
_PINNED: Final = re.compile(r"@[0-9a-f]{40}$|@sha256:[0-9a-f]{64}$")


def _holders(workflow: Workflow) -> list[Job]:
    """The jobs that can get an identity token."""
    return [
        job
        for job in workflow.jobs
        if job.may_request_identity or (workflow.grants_identity and not job.node.has("permissions"))
    ]


def publisher(project: Project, workflow: Workflow) -> Iterator[Finding]:
    """The table ``publisher`` against the workflow."""
    top = Node(1, file=workflow.file)
    yield from rules.publisher(project, "github", workflow.name, workflow.publishing, top)


def identity(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """``id-token: write`` in the job that publishes, and nowhere else."""
    if workflow.grants_identity:
        yield finding("danger", "identity-for-every-job", workflow.node.get("permissions"))
    holders = _holders(workflow)
    for job in workflow.publishing:
        if job not in holders and not rules.TOKENS.search(" ".join(one.text for one in job.node.scalars())):
            yield finding("error", "no-identity-permission", job.node, job=job.name)


def history(project: Project, workflow: Workflow) -> Iterator[Finding]:
    """A version that is counted from the history needs all of it."""
    for job in workflow.jobs if project.counts_commits else ():
        builds = any(
            rules.BUILDS.search(step.run) or "build-and-inspect-python-package" in step.uses for step in job.steps
        )
        for step in job.steps if builds else ():
            if step.uses.startswith("actions/checkout@") and step.node.get("with", "fetch-depth").text != "0":
                yield finding("error", "shallow-checkout", step.node, job=job.name)


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
            yield finding("error", "tag-filter", tag, filter=tag.text, pattern=pattern)


def reusable(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """PyPI matches the file that holds the publishing job, and it must be the repository's own."""
    for job in workflow.jobs:
        uses = job.node.get("uses")
        if uses.text and not uses.text.startswith("./") and job.may_request_identity:
            yield finding("error", "foreign-reusable-workflow", uses, called=uses.text)
    trigger = workflow.triggers.get("workflow_call")
    if trigger is not None and workflow.publishing:
        yield finding("warning", "reusable-publishing-workflow", trigger)


def triggers(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Events that a stranger can cause, with the rights of the repository."""
    for name, node in workflow.triggers.items():
        if name in _TRIGGERS and (_holders(workflow) or workflow.publishing):
            yield finding("danger", "dangerous-trigger", node, trigger=name)


def foreign_text(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Text of strangers in scripts."""
    for job in workflow.jobs:
        for step in job.steps:
            script = step.node.get("run")
            if "actions/github-script@" in step.uses:
                script = step.node.get("with", "script")
            for found in _FOREIGN.finditer(script.text):
                yield finding("danger", "foreign-text", script, expression=found[0], job=job.name)


def company(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Yield what should not run next to an identity."""
    for job in _holders(workflow):
        for step in job.steps:
            if rules.BUILDS.search(step.run):
                yield finding("warning", "build-with-identity", step.node, job=job.name)
            yield from rules.installs(job, step.run, step.node)
            with_cache = (
                step.node.get("with", "cache").text not in {"", "false"}
                or step.node.get("with", "enable-cache").text == "true"
            )
            if step.uses.startswith("actions/cache") or with_cache:
                yield finding("danger", "cache-with-identity", step.node, job=job.name)
            if step.uses and not step.uses.startswith("./") and not _PINNED.search(step.uses):
                level: Level = "warning" if step.uses.startswith(("actions/", "github/")) else "danger"
                name = step.uses.partition("@")[0]
                yield finding(level, "unpinned-action", step.node, action=step.uses, job=job.name, name=name)


def environment(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """Without an environment, anyone who can push a branch can publish from it."""
    manual = "workflow_dispatch" in workflow.triggers
    for job in workflow.publishing:
        if not job.environment and job in _holders(workflow):
            yield finding("danger" if manual else "warning", "no-environment", job.node, job=job.name)


def stored_tokens(_: Project, workflow: Workflow) -> Iterator[Finding]:
    """API tokens that trusted publishing makes unnecessary."""
    holders = [
        workflow.node,
        *(job.node for job in workflow.jobs),
        *(one.node for job in workflow.jobs for one in job.steps),
    ]
    variables = [(node.line, name) for holder in holders for name, node in holder.get("env").pairs()]
    values = [(node.line, node.text) for node in workflow.node.scalars()]
    found = {(line, match[0]) for line, text in (*variables, *values) if (match := rules.TOKENS.search(text))}
    for line, name in found:
        yield Finding("warning", Message("stored-token", name=name), workflow.file, line)


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
