"""Git repositories for tests of versions: the same steps produce the same commits on every machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

FIRST_COMMIT = datetime(2024, 1, 1, tzinfo=UTC)
_FOREIGN = ("GIT_", "SETUPTOOLS_SCM_", "VCS_VERSIONING_", "HATCH_", "GITHUB_", "GITLAB_")
"""Variables that the machine running the tests may have set, and that a version depends on."""
_FOREIGN_NAMES = ("CI", "SOURCE_DATE_EPOCH", "TZ")


def isolate(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Hide the settings of the machine and of its CI, and any repository around *directory*."""
    for name in os.environ:
        if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    author = {"NAME": "Ada", "EMAIL": "ada@example.org"}
    settings = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in author.items()}
    settings |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    settings |= {"GIT_CEILING_DIRECTORIES": str(directory)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


def git(root: Path, *arguments: str, **environ: str) -> str:
    """Return what Git prints in *root*."""
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class Repository:
    """A repository with a project whose commits are a minute apart."""

    def __init__(self, root: Path, table: str = 'source = "vcs-public"') -> None:
        """Create the repository, with no commit yet.

        Args:
            root: the directory to create.
            table: the content of ``[tool.hatch.version]``.
        """
        root.mkdir(parents=True)
        self.root = root
        self._when = FIRST_COMMIT
        self.git("init", "--quiet", "--initial-branch=main")
        write_project(root, table)

    def git(self, *arguments: str, **environ: str) -> str:
        return git(self.root, *arguments, **environ)

    def commit(self, *tags: str, when: str = "") -> str:
        """Commit all files with a change, tag the commit, and return its hash."""
        (self.root / "sample.py").write_text(f'"""Changed at {self._when}."""\n', "utf-8")
        self.git("add", "--all")
        self._dated("commit", "--quiet", "--message=Change", when=when)
        for tag in tags:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")

    def commits(self, count: int) -> None:
        for _ in range(count):
            self.commit()

    def merge(self, branch: str) -> None:
        """Merge *branch*; both branches may have changed the same file."""
        self._dated("merge", "--quiet", "--no-ff", "--strategy-option=ours", "--message=Merge", branch)

    def clone(self, target: Path, *options: str) -> Path:
        """Clone over the protocol that servers use, as a CI does."""
        git(self.root, "clone", "--quiet", *options, self.root.as_uri(), str(target))
        return target

    def _dated(self, *arguments: str, when: str = "") -> None:
        date = when or self._when.isoformat()
        self.git(*arguments, GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        self._when += timedelta(minutes=1)


def give_away(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    """Make Git treat *repository* as owned by another user."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.chown(repository / ".git", 12345, 12345)
    else:
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # Git's own test hook for this


def booby_trap(repository: Path, directory: Path) -> Path:
    """Make every command that the configuration of *repository* can name write to a file, and return that file."""
    directory.mkdir()
    trace, command = directory / "trace", directory / "trap"
    write_lines(command, ["#!/bin/sh", f'echo "$0 $@" >> "{trace}"', "exit 1"])
    command.chmod(0o755)
    settings = {
        "core.fsmonitor": command,
        "core.hooksPath": directory,
        "core.sshCommand": command,
        "gpg.program": command,
        "log.showSignature": "true",
        "filter.trap.clean": command,
        "filter.trap.process": command,
        "diff.trap.textconv": command,
        "diff.external": command,
    }
    for name, value in settings.items():
        git(repository, "config", name, str(value))
    (repository / ".git" / "info").mkdir(exist_ok=True)
    write_lines(repository / ".git" / "info" / "attributes", ["* filter=trap diff=trap"])
    return trace


def count_processes(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Path:
    """Make each Git process write a line to a file, and return that file."""
    log = directory / "processes"
    program = directory / "counting" / "git"
    program.parent.mkdir()
    write_lines(program, ["#!/bin/sh", f'echo "$@" >> "{log}"', f'exec {shutil.which("git")} "$@"'])
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    return log


def write_project(root: Path, table: str) -> None:
    """Write a project with one module and a dynamic version."""
    write_pyproject(root, table)
    write_lines(root / "sample.py", ['"""Nothing yet."""'])
    write_lines(root / ".gitignore", ["/dist/"])


def write_pyproject(root: Path, table: str, plugin: str = "hatch-trusted-publish") -> None:
    """Write its ``pyproject.toml`` alone.

    Args:
        root: the project's directory.
        table: the content of ``[tool.hatch.version]``.
        plugin: a build requirement in addition to hatchling.
    """
    lines = [
        "[build-system]",
        f'requires = ["hatchling", "{plugin}"]',
        'build-backend = "hatchling.build"',
        "[project]",
        'name = "sample"',
        'dynamic = ["version"]',
        "[tool.hatch.version]",
        table,
    ]
    write_lines(root / "pyproject.toml", lines)


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
