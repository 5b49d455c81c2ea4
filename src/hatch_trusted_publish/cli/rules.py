"""The steps of a job, and the rules that hold on every forge."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ..errors import Message
from ..identity.publishers import PROVIDERS
from .findings import Finding, Level
from .project import Project
from .yaml import Node

PUBLISHES: Final = re.compile(
    r"\b(?:hatch|uv|pdm|poetry|flit)(?:\s+-\S+)*\s+publish\b|\btwine\s+upload\b", re.IGNORECASE
)
BUILDS: Final = re.compile(
    r"\b(?:hatch|uv|pdm|poetry|flit)(?:\s+-\S+)*\s+build\b|python\S*\s+-m\s+build\b|\bsetup\.py\b|pip3?\s+wheel\b|cibuildwheel"
)
INSTALLS: Final = re.compile(
    r"\b(?:(?:pip3?|uv\s+pip|npm)\s+install|(?:pipx|uv\s+tool)\s+(?:install|inject|run))\b[^\n]*|\buvx\b[^\n]*"
)
TOKENS: Final = re.compile(
    r"secrets\.[A-Z0-9_]*PYPI[A-Z0-9_]*|\b(?:TWINE_PASSWORD|UV_PUBLISH_(?:TOKEN|PASSWORD)|HATCH_INDEX_AUTH|FLIT_PASSWORD"
    r"|PDM_PUBLISH_PASSWORD|POETRY_PYPI_TOKEN_\w+)\b"
)


@dataclass(frozen=True, slots=True)
class Job:
    """One job of a CI."""

    name: str
    node: Node

    @property
    def environment(self) -> str:
        """The name of the environment; empty without one."""
        return self.node.get("environment").text or self.node.get("environment", "name").text


def finding(level: Level, code: str, node: Node, **facts: object) -> Finding:
    """Return a finding at *node*."""
    return Finding(level, Message(code, **facts), node.file, node.line)


def publisher(project: Project, provider: str, file: str, jobs: Sequence[Job], top: Node) -> Iterator[Finding]:
    """The table ``publisher`` against the jobs that publish.

    Args:
        file: that PyPI's form asks for.
        top: where to report what is not about one job.
    """
    said = project.publisher
    if said.get("provider") != provider:
        return
    if said.get("workflow", file) != file:
        yield finding("error", "other-workflow-file", top, configured=said["workflow"], file=file)
    configured = str(said.get("environment", ""))
    compared = str.casefold if provider == "github" else str
    for job in jobs:
        # The content of a variable or an expression is not known here.
        if configured and "$" not in job.environment and compared(configured) != compared(job.environment):
            found = job.environment or "none"
            yield finding("error", "other-environment", job.node, configured=configured, found=found, job=job.name)
    if project.forge is not None and project.forge.provider == provider:
        hosted = f"{project.forge.namespace}/{project.forge.repository}"
        named = "/".join(str(said.get(key)) for key in PROVIDERS[provider].name)
        if named != hosted:
            yield finding("error", "other-repository", top, configured=named, found=hosted)


def installs(job: Job, script: str, node: Node) -> Iterator[Finding]:
    """Require a hash for everything that a publishing job installs."""
    for found in INSTALLS.finditer(script.replace("\\\n", " ")):
        if "--require-hashes" not in found[0] and "--no-index" not in found[0]:
            yield finding("warning", "install-without-hashes", node, command=found[0].strip(), job=job.name)
