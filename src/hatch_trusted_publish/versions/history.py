"""The history that a version is counted from: whether it is complete, which tag counts, when the commit was made.

Rules:

- A shallow clone is enough if it has the nearest tag and every commit since, and each of these descends from
  the tag: then the count is that of a full clone. For a commit that a merge brought in from before the tag,
  the clone cannot tell whether the tag contains it.
- However long the history is and however many tags it has, each question takes a constant number of processes.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from .. import git
from ..errors import Message, VersionError

FUTURE_SECONDS: Final = 3600.0
"""The most that the time of a commit may be ahead: clocks differ, but by less than this."""
ARCHIVAL: Final = ".git_archival.txt"
"""Written by ``git archive`` where .gitattributes says ``export-subst`` (see setuptools-scm's documentation)."""
_DUBIOUS: Final = re.compile(r"(?:dubious ownership in|unsafe) repository (?:at )?\(?'(.*?)'")
_REMEDIES: Final = {"GITHUB_ACTIONS": "full-history-on-github", "GITLAB_CI": "full-history-on-gitlab"}


def in_ci() -> bool:
    """Return whether ``CI`` is set, as CIs set it."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def working_tree(root: Path) -> Path | None:
    """Return the top of the working tree that *root* is in, as Git finds it.

    Raises:
        VersionError: there is no Git, or Git refuses to read the repository because another user owns it.
    """
    done = git.run(root, "rev-parse", "--show-toplevel")
    if done.returncode == git.NOT_FOUND:
        raise VersionError("no-git")
    if refused := _DUBIOUS.search(done.stderr):
        import shlex  # every build imports this module

        said, directory = done.stderr.partition("\n")[0], shlex.quote(refused[1])
        raise VersionError("dubious-ownership", said=said, directory=directory)
    return Path(done.stdout.removesuffix("\n")) if done.returncode == 0 else None


def check(root: Path) -> None:
    """Check that Git can read the repository in *root*.

    Raises:
        VersionError: it cannot. setuptools-scm would take that for a history without tags.
    """
    for command in (["rev-list", "--count", "--all"], ["ls-files", "--unmerged"]):
        done = git.run(root, *command)
        if done.returncode != 0:
            raise VersionError("broken-repository", said=done.stderr.strip())


def missing(root: Path, distance: int | None) -> str | None:
    """Return what the clone lacks for counting a version, as the code of the message about it.

    Args:
        distance: the number of commits since the nearest tag, as it was counted; ``None`` without a tag.
    """
    if _is_shallow(root):
        return None if distance is not None and _has_all_since_tag(root, distance) else "shallow-clone"
    if distance is None and git.ask(root, "remote") and not _tags(root):
        return "no-tags"
    return None


def fetch_or_refuse(root: Path, found: str, mode: str, seconds: float = 300) -> bool:
    """Fetch what the clone lacks, or refuse to count; return whether anything was fetched.

    Args:
        mode: ``fetch``, or ``require``, which only asks whether the remote has tags.
        seconds: for one command: a large history takes minutes, a dead server never answers.

    Raises:
        VersionError: the history stays incomplete.
    """
    fetches, why = mode == "fetch", Message("history-required")
    if fetches or found == "no-tags":
        unshallow = ["--unshallow"] if found == "shallow-clone" else []
        command = ["fetch", "--no-recurse-submodules", *unshallow] if fetches else ["ls-remote"]
        done = git.run(root, *command, "--tags", network=True, seconds=seconds)
        if done.returncode != 0:
            why = Message("fetch-failed", said=done.stderr.strip() or f"exit code {done.returncode}")
        elif fetches and _is_shallow(root):
            why = Message("shallow-remote")
        elif fetches or not done.stdout:
            return fetches
    raise incomplete(found, why=why)


def incomplete(found: str, *, version: str = "", why: Message | None = None) -> VersionError:
    """Return the refusal of an incomplete history, with the remedy for the CI at hand."""
    remedy = next((code for name, code in _REMEDIES.items() if os.environ.get(name)), "full-history-by-hand")
    return VersionError(found, version=version, why=why, remedy=Message(remedy))


def describe(root: Path, tag: str | None = None) -> str:
    """Return tag, distance and commit, from the nearest tag or from *tag*; nothing without a tag."""
    # By default, the tags that setuptools-scm takes for versions.
    return git.ask(root, "describe", "--tags", "--long", f"--match={exactly(tag) if tag else '*[0-9]*'}")


def exactly(tag: str) -> str:
    """Return a pattern for Git that only this tag matches."""
    return re.sub(r"([*?\[\\])", r"\\\1", tag)


def higher_tag(root: Path, above: Version) -> str | None:
    """Return the tag *above* a version that counts instead of the nearest one.

    A maintenance branch that was merged back brings in a tag that is nearer and lower than that of the main
    branch: counted from it, the next versions would sort before released ones. The highest tag counts, unless
    the nearest one descends from it: a lower tag set later is intentional. Of several tags on the nearest
    commit, the highest counts as well. Tags that are not spelled like the nearest one may be of other projects.
    """
    higher = [tag for tag in map(_parsed, _tags(root)) if tag is not None and tag[0] > above]
    nearest = _parsed(_nearest(root)) if higher else None
    if nearest is None:
        return None
    ref = f"refs/tags/{nearest[1]}"
    counting = _tags(root, "--merged=HEAD") - (_tags(root, f"--merged={ref}") - _tags(root, f"--points-at={ref}^{{}}"))
    best = max([nearest, *(tag for tag in higher if tag[1] in counting and tag[2] == nearest[2])])
    return None if best[0] == nearest[0] else best[1]


def _parsed(name: str) -> tuple[Version, str, str] | None:
    """Return the version that a tag spells, the tag, and what is before the version in it."""
    start = next((place for place, character in enumerate(name) if character.isdigit()), 0)
    try:
        # With or without a v, it is the same project.
        return Version(name[start:]), name, name[:start].removesuffix("v")
    except InvalidVersion:
        return None


def changed_files(root: Path) -> list[str]:
    """Return the tracked files that differ from HEAD."""
    return [line[3:] for line in git.run(root, "status", "--porcelain", "--untracked-files=no").stdout.splitlines()]


def is_archive(root: Path) -> bool:
    """Return whether *root* was made by ``git archive`` and says which commit it is."""
    return (root / ARCHIVAL).is_file() and not (root / ".git").exists()


def commit_times(root: Path) -> list[datetime]:
    """Return the committer date of HEAD and those of its parents; of an archive, only the first is known.

    Raises:
        VersionError: no date is known, or the commit is from the future.
    """
    if is_archive(root):
        text = (root / ARCHIVAL).read_text("utf-8", "replace")
        written = re.findall(r"^node-date: (\S+(?:Z|[+-]\d\d:\d\d))$", text, re.MULTILINE)
    else:
        written = git.ask(root, "log", "--no-walk=unsorted", "--format=%cI", "HEAD", "HEAD^@").splitlines()
    times = []
    with suppress(ValueError):
        times = [datetime.fromisoformat(text).astimezone(UTC) for text in written]
    if not times:
        raise VersionError("no-commit-date")
    if times[0].timestamp() > time.time() + FUTURE_SECONDS:
        raise VersionError("commit-from-the-future", time=f"{times[0]:%Y-%m-%d %H:%M}")
    return times


def _is_shallow(root: Path) -> bool:
    if (root / ".git").is_dir():  # most builds need no process for this
        return (root / ".git" / "shallow").is_file()
    return git.ask(root, "rev-parse", "--is-shallow-repository") == "true"


def _has_all_since_tag(root: Path, distance: int) -> bool:
    since = f"refs/tags/{_nearest(root)}..HEAD"
    # A commit at the cut has no parents here, so it descends from nothing.
    descending = git.ask(root, "rev-list", "--count", "--ancestry-path", since)
    return str(distance) == descending == git.ask(root, "rev-list", "--count", since)


def _nearest(root: Path) -> str:
    return describe(root).rsplit("-", 2)[0]


def _tags(root: Path, *filters: str) -> set[str]:
    return set(git.ask(root, "for-each-ref", "--format=%(refname:strip=2)", *filters, "refs/tags").splitlines())
