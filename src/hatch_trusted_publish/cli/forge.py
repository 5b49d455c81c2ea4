"""The forge that hosts a project, by the URL of its Git remote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .. import git

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
    """Return the repository behind the URL of a remote; ``None`` for a forge that is neither GitHub nor GitLab."""
    host, namespace, repository = git.parse_remote(url) or ("", "", "")
    if host in {"github.com", "ssh.github.com"} and "/" not in namespace:
        return Forge("github", "github.com", namespace, repository)
    if host.startswith("gitlab."):
        return Forge("gitlab", host, namespace, repository)
    return None
