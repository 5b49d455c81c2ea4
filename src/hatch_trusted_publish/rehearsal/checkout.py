"""What the rehearsed job runs on: repository, ref and commit, from Git where it knows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

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
    """Return owner and repository of a remote that looks like GitHub or GitLab.

    The host is looked at and dropped, and so is whatever stands before it: that may be a
    password.
    """
    if not re.match(r"(https|ssh)://", url):
        # git@host:owner/repository.git
        url = re.sub(r"\A([^/:]+):(?!/)", r"ssh://\1/", url)
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in ("https", "ssh") or not re.search(r"\bgit(hub|lab)\b", host):
        return None
    path = re.fullmatch(r"/((?:[\w.-]+/)*[\w.-]+)/([\w.-]+?)(?:\.git)?/?", parts.path, re.ASCII)
    if path is None or ("/" in path[1] and not groups):
        return None
    return path[1], path[2]
