"""The checkout of the rehearsed job: repository, ref and commit, from Git if it knows them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .. import git

_OWNER: Final = "octo-org"
_REF: Final = "refs/heads/main"
_SHA: Final = "8f1c2d3e4b5a69788796a5b4c3d2e1f001234567"


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository at one commit."""

    owner: str
    name: str
    ref: str = _REF
    sha: str = _SHA

    @property
    def path(self) -> str:
        """Owner and repository."""
        return f"{self.owner}/{self.name}"

    @property
    def ref_type(self) -> str:
        """`tag` or `branch`."""
        return "tag" if self.ref.startswith("refs/tags/") else "branch"

    @property
    def ref_name(self) -> str:
        """The ref without `refs/heads/` or `refs/tags/`."""
        return self.ref.split("/", 2)[2]


def look(root: Path, project: str, *, groups: bool) -> Checkout:
    """Return what Git says about *root*. With *groups*, the owner may be a path, as on GitLab."""
    owner, name = parsed(git.ask(root, "remote", "get-url", "origin"), groups=groups) or (
        _OWNER,
        project,
    )
    tag = git.ask(root, "describe", "--tags", "--exact-match", "HEAD")
    branch = git.ask(root, "symbolic-ref", "--quiet", "HEAD")
    sha = git.ask(root, "rev-parse", "--verify", "--quiet", "HEAD")
    return Checkout(owner, name, f"refs/tags/{tag}" if tag else branch or _REF, sha or _SHA)


def parsed(url: str, *, groups: bool) -> tuple[str, str] | None:
    """Return owner and repository of a remote that looks like GitHub or GitLab."""
    host, owner, name = git.parse_remote(url) or ("", "", "")
    return (owner, name) if re.search(r"\bgit(hub|lab)\b", host) and (groups or "/" not in owner) else None
