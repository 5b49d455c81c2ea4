"""The rehearsed CI's claims about the repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hatch_trusted_publish.rehearsal.checkout import Checkout, look, parsed


def _git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    command = ["git", "-C", str(root), *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on `trunk`."""
    _git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    _git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://github.com/o/r.git", ("o", "r")),
        ("https://github.com/o/r/", ("o", "r")),
        ("https://someone:secret@github.com/o/r", ("o", "r")),
        ("https://github.com:443/o/r.py", ("o", "r.py")),
        ("git@github.com:o/r.git", ("o", "r")),
        ("ssh://git@gitlab.example.com:2222/o/r.git", ("o", "r")),
        ("https://gitlab.com/a/b/c.git", None),
        ("https://git.example.com/o/r", None),
        ("https://notgithub.com/o/r", None),
        ("https://github.com/r", None),
        ("https://github.com/o/r r", None),
        ("https://github.com/o/r?x=secret", ("o", "r")),
        ("http://github.com/o/r", ("o", "r")),
        ("https://[github/o/r", None),
        ("/srv/github/o/r.git", None),
        ("../github", None),
        (r"C:\github\o\r.git", None),
        ("C:/github/o/r.git", None),
        (r"\\github\o\r.git", None),
        ("//github/o/r.git", None),
        ("file:///C:/github/o/r.git", None),
        ("", None),
    ],
)
def test_owner_and_repository_of_a_remote(url: str, expected: tuple[str, str] | None) -> None:
    """HTTP and SSH remotes of any GitHub or GitLab are read; credentials are dropped."""
    assert parsed(url, groups=False) == expected


def test_groups() -> None:
    """On GitLab a namespace has any depth."""
    assert parsed("https://gitlab.com/a/b/c.git", groups=True) == ("a/b", "c")


def test_no_repository(tmp_path: Path) -> None:
    """A directory outside any repository still gets an identity."""
    found = look(tmp_path, "sample", groups=False)
    assert found == Checkout("octo-org", "sample")
    assert (found.path, found.ref, found.ref_type, found.ref_name) == (
        "octo-org/sample",
        "refs/heads/main",
        "branch",
        "main",
    )


def test_branch_and_tag(repository: Path) -> None:
    """A tag on the commit takes precedence over the branch."""
    _git(repository, "remote", "add", "origin", "https://x:secret@github.com/o/r.git")
    sha = _git(repository, "rev-parse", "HEAD")

    assert look(repository, "sample", groups=False) == Checkout("o", "r", "refs/heads/trunk", sha)
    _git(repository, "tag", "v1.0")
    found = look(repository, "sample", groups=False)
    assert found == Checkout("o", "r", "refs/tags/v1.0", sha)
    assert (found.ref_type, found.ref_name) == ("tag", "v1.0")


def test_another_repository_in_the_environment(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of a Git hook, which name the repository it runs for, are ignored."""
    other = tmp_path_factory.mktemp("other")
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert look(other, "sample", groups=False) == Checkout("octo-org", "sample")


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Git there is no remote."""
    monkeypatch.setenv("PATH", "")
    assert look(repository, "sample", groups=True) == Checkout("octo-org", "sample")
