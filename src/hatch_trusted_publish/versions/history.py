"""Whether a checkout has the history that its version is counted from, and how the rest is fetched.

Rules:

- A shallow clone will do if it holds the nearest tag and every commit since, and each of these
  descends from the tag: then the count is the one of a full clone. Of a commit that was merged in
  from before the tag it cannot tell whether the tag contains it.
- Nothing here waits for a password, or without end.
- Git is told where the repository is, as setuptools-scm does it: so both see the same, also where
  another user owns the folder (in containers of CIs).
"""

from __future__ import annotations

import os
import re
import signal
import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from packaging.version import InvalidVersion, Version

from ..errors import clean

FETCH_SECONDS: Final = 300.0
"""For one fetch: a large history takes minutes, a dead server for ever."""
FUTURE_SECONDS: Final = 3600.0
"""How far a commit's time may lie ahead: clocks differ, by less than this."""
_NO_TAG: Final = "0.0"
"""What setuptools-scm takes for the tag where git describes none."""
_ARCHIVAL: Final = ".git_archival.txt"
"""Written by ``git archive``, where .gitattributes say ``export-subst`` (setuptools-scm's documentation)."""
_QUIET: Final = {"GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "LC_ALL": "C"}


class Incomplete(Exception):
    """Why there is no version to be had, with what to do."""


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether ``CI`` is set, as the CIs set it."""
    return environ.get("CI", "").lower() not in {"", "0", "false"}


def mend(root: Path, state: Any, mode: str, environ: Mapping[str, str], seconds: float = FETCH_SECONDS) -> bool:
    """See to it that the history behind *state* is there; whether something was fetched for that.

    Args:
        root: a folder in the checkout.
        state: setuptools-scm's ``ScmVersion``.
        mode: ``fetch``, ``require`` or ``any``.
        environ: tells which CI's remedy to name.
        seconds: for one fetch.

    Raises:
        Incomplete: it is not there, and could not be mended.
    """
    if _archival(root):
        return False
    if str(state.tag) == _NO_TAG and (found := problem(root)):
        raise Incomplete(found)
    if mode == "any" or (lacking := _lacking(root, state)) is None:
        return False
    remotes = _git(root, "remote").splitlines()
    remote = "origin" if "origin" in remotes or not remotes else remotes[0]
    try:
        if mode == "fetch":
            unshallow = ["--unshallow"] if lacking == "commits" else []
            _slowly(root, seconds, "fetch", "--tags", "--no-recurse-submodules", *unshallow, remote)
            if not _is_shallow(root):
                return True
            why = "the remote is shallow itself"
        elif lacking == "tags" and not _slowly(root, seconds, "ls-remote", "--tags", remote):
            return False
        else:
            why = "`history` is `require`"
    except Incomplete as failure:
        why = f"Git could not mend that: {failure}"
    raise Incomplete(f"{_WHAT[lacking]} ({why}). {_remedy(environ)}")


_WHAT: Final = {
    "commits": "this is a shallow clone without the commits since the last tag, so a version would be a guess",
    "tags": "this clone has no tags though its remote may have some, so a version would be a guess",
}


def _remedy(environ: Mapping[str, str]) -> str:
    if environ.get("GITHUB_ACTIONS"):
        return "Add `fetch-depth: 0` under `with:` of actions/checkout in this job"
    if environ.get("GITLAB_CI"):
        return 'Add `GIT_DEPTH: "0"` under `variables:` of this job in .gitlab-ci.yml'
    return "Run `git fetch --unshallow --tags` (`git fetch --tags` in a full clone), or clone without --depth"


def _lacking(root: Path, state: Any) -> str | None:
    """What the clone lacks: ``commits``, ``tags`` or nothing."""
    if _is_shallow(root):
        return None if _has_all_since_tag(root, state) else "commits"
    if str(state.tag) == _NO_TAG and not _git(root, "tag", "--list") and _git(root, "remote"):
        return "tags"
    return None


def _is_shallow(root: Path) -> bool:
    """As git decides it, which is asked only where ``.git`` is a file: most builds shall start no process for this."""
    checkout = _checkout(root)
    if checkout is not None and (checkout / ".git").is_dir():
        return (checkout / ".git" / "shallow").is_file()
    return _git(root, "rev-parse", "--is-shallow-repository") == "true"


def _has_all_since_tag(root: Path, state: Any) -> bool:
    """Whether all commits since a tag that *state* can have been counted from descend from it."""
    for tag in _git(root, "tag", "--merged", "HEAD").splitlines():
        since = f"refs/tags/{tag}..HEAD"
        # A commit at the cut has no parents here, so it descends from none.
        descending = _git(root, "rev-list", "--count", "--ancestry-path", since)
        if str(state.distance) == descending == _git(root, "rev-list", "--count", since):
            return True
    return False


def higher_tag(root: Path, state: Any) -> str | None:
    """A tag of a higher version than the nearest one, from which *state* is counted, on another line to HEAD.

    A maintenance branch that was merged back brings in a tag that is nearer and lower than that of
    the branch itself: counted from it, the next versions would come before those that are out. A
    higher tag that the nearest one descends from was given up by whoever set the lower one. Only
    tags that are spelled like the nearest one count: others may be of another project.
    """
    names = [_Tag.parse(name) for name in _git(root, "tag", "--list").splitlines()]
    higher = sorted((tag for tag in names if tag is not None and tag.version > state.tag), reverse=True)
    nearest = _Tag.parse(_git(root, "describe", "--tags", "--abbrev=0", "--match", "*[0-9]*")) if higher else None
    if nearest is None:
        return None
    for tag in higher:
        is_alike = tag.prefix == nearest.prefix
        if is_alike and _is_before(root, tag.name, "HEAD") and not _is_before(root, tag.name, nearest.name):
            return tag.name
    return None


def _is_before(root: Path, tag: str, descendant: str) -> bool:
    return _run(root, "merge-base", "--is-ancestor", f"refs/tags/{tag}", descendant).returncode == 0


class _Tag(NamedTuple):
    """A tag that spells a version."""

    version: Version
    name: str
    prefix: str

    @classmethod
    def parse(cls, name: str) -> _Tag | None:
        digit = re.search(r"\d", name)
        start = digit.start() if digit else 0
        try:
            # With or without a v, it is the same project.
            return cls(Version(name[start:]), name, name[:start].removesuffix("v"))
        except InvalidVersion:
            return None


def changed_files(root: Path) -> list[str]:
    """Tracked files that differ from HEAD."""
    listed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return [line.strip().partition(" ")[2].strip() for line in listed.splitlines()]


def _archival(root: Path) -> Path | None:
    """The file that says of which commit this is, if *root* lies in what ``git archive`` made and in no checkout."""
    for folder in (root, *root.parents):
        if (folder / ".git").exists():
            return None
        if (folder / _ARCHIVAL).is_file():
            return folder / _ARCHIVAL
    return None


def commit_time(root: Path) -> str:
    """The committer date of HEAD, or of an archive's commit, as ``YYYYMMDDHHMMSS`` in UTC: the same on every machine.

    Raises:
        Incomplete: there is none, or it lies in the future.
    """
    if archival := _archival(root):
        said = re.search(r"^node-date: (\S+)$", archival.read_text("utf-8", "replace"), re.MULTILINE)
        written = said[1] if said else ""
    else:
        written = _git(root, "-c", "log.showSignature=false", "log", "-1", "--format=%cI", "HEAD")
    try:
        when = datetime.fromisoformat(written)
        if when.tzinfo is None:  # it would be read in this machine's time zone
            raise ValueError
        when = when.astimezone(UTC)
    except ValueError:
        msg = (
            '`dev-number = "commit-time"` needs the date of a commit, and none is known here. Build from a checkout, or '
            "use `distance`"
        )
        raise Incomplete(msg) from None
    if when.timestamp() > time.time() + FUTURE_SECONDS:
        msg = (
            f"the committer date of this commit, {when:%Y-%m-%d %H:%M} UTC, lies in the future: releases of later commits "
            "would come before it. Set the clock of the machine that commits (or of this one), and make the commit anew with "
            "`git commit --amend --no-edit`"
        )
        raise Incomplete(msg)
    return f"{when:%Y%m%d%H%M%S}"


def problem(root: Path) -> str | None:
    """Why no version can come from the checkout around *root*; ``None`` if one can, or there is none."""
    if not is_repository(root):
        return None
    try:
        # All commits, then the index: setuptools-scm takes a failure of either for a history without tags.
        done = _run(root, "rev-list", "--count", "HEAD")
        if done.returncode == 0:
            done = _run(root, "describe", "--always", "--dirty")
    except FileNotFoundError:
        return "Git is not installed, or not on the PATH. Install it; the version comes from it"
    if done.returncode == 0 or (_git(root, "symbolic-ref", "HEAD") and not _git(root, "rev-parse", "--verify", "HEAD")):
        return None  # or no commit yet
    return f"Git cannot read this repository ({clean(done.stderr, 200)}). Mend what it says, or clone anew"


def is_repository(root: Path) -> bool:
    """Whether *root* lies in a checkout of Git's."""
    return _checkout(root) is not None


def _checkout(root: Path) -> Path | None:
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)


def _git(root: Path, *arguments: str) -> str:
    """What a quick command prints; nothing if it fails."""
    try:
        done = _run(root, *arguments)
    except OSError:
        return ""
    return done.stdout.strip("\n") if done.returncode == 0 else ""


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # nosec B603 # git, in no shell
        _command(root, *arguments),
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, **_QUIET},
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _command(root: Path, *arguments: str) -> list[str]:
    return ["git", "-C", str(_checkout(root) or root), "--git-dir", ".git", *arguments]


def _slowly(root: Path, seconds: float, *arguments: str) -> str:
    """What a command that uses the network prints.

    Git's helpers (ssh, git-remote-https) outlive a killed git and keep its pipes open, so the
    whole process group is ended.

    Raises:
        Incomplete: it failed, or did not end; with the reason alone.
    """
    with subprocess.Popen(  # nosec B603 # git, in no shell
        _command(root, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={"GIT_SSH_COMMAND": "ssh -oBatchMode=yes", **os.environ, **_QUIET},
        start_new_session=True,
    ) as process:
        try:
            said, complaint = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError, AttributeError):  # Windows has no process groups
                os.killpg(process.pid, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]
            process.kill()
            raise Incomplete(f"no end after {seconds:g} seconds") from None
    if process.returncode != 0:
        raise Incomplete(clean(complaint, 200) or f"exit code {process.returncode}")
    return said
