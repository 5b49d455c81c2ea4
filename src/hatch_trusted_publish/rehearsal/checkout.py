"""What the rehearsed job would run on: repository, ref and commit, from git where it knows."""

from __future__ import annotations

import os
import re
import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_SECONDS: Final = 10
_OWNER: Final = "octo-org"
_REF: Final = "refs/heads/main"
_SHA: Final = "8f1c2d3e4b5a69788796a5b4c3d2e1f001234567"
# As a git hook sets them, they would lead away from the folder that is asked about.
_ELSEWHERE: Final = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"})


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
    """What git says of *root*; with *groups* the owner may be a path, as on GitLab."""
    owner, name = parsed(_git(root, "remote", "get-url", "origin"), groups=groups) or (
        _OWNER,
        project,
    )
    tag = _git(root, "describe", "--tags", "--exact-match", "HEAD")
    branch = _git(root, "symbolic-ref", "--quiet", "HEAD")
    sha = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    return Checkout(owner, name, f"refs/tags/{tag}" if tag else branch or _REF, sha or _SHA)


def parsed(url: str, *, groups: bool) -> tuple[str, str] | None:
    """Owner and repository of a remote on something that looks like GitHub or GitLab.

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


def _git(root: Path, *arguments: str) -> str:
    """One line from git, or nothing: no git, no repository and no such thing are all fine."""
    env = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(  # nosec B603 B607 # git, in no shell
            ["git", "-C", os.fspath(root), *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
