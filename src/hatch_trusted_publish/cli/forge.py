"""The forge that hosts a project, by the URL of its Git remote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Provider: TypeAlias = Literal["github", "gitlab"]


@dataclass(frozen=True, slots=True)
class Forge:
    """One repository on a forge."""

    provider: Provider
    host: str
    namespace: str
    """The owner on GitHub; the group with its subgroups on GitLab."""
    repository: str

    @property
    def url(self) -> str:
        return f"https://{self.host}/{self.namespace}/{self.repository}"


def parse_remote(url: str) -> Forge | None:
    """Return the repository behind the URL of a remote; ``None`` for a forge that is neither GitHub nor GitLab.

    Understands ``https://host/a/b.git``, ``ssh://git@host:22/a/b.git`` and ``git@host:a/b.git``.
    """
    found = re.fullmatch(
        r"(?:[a-z+]+://(?:[^@/\s]+@)?(?P<host>[\w.-]+)(?::\d+)?/|(?:[^@/\s]+@)?(?P<scp>[\w.-]+):)"
        r"(?P<path>[\w./~-]+?)(?:\.git)?/?",
        url.strip(),
    )
    if found is None:
        return None
    host = (found["host"] or found["scp"]).lower()
    namespace, _, repository = found["path"].strip("/").rpartition("/")
    provider: Provider | None = None
    if host in {"github.com", "ssh.github.com"}:
        provider, host = "github", "github.com"
    elif host == "gitlab.com" or host.startswith("gitlab."):
        provider = "gitlab"
    if provider is None or not namespace or not repository or (provider == "github" and "/" in namespace):
        return None
    return Forge(provider, host, namespace, repository)
