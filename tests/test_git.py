"""How Git is called."""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from pathlib import Path
from shutil import which

import pytest

from hatch_trusted_publish import git
from tests.support.helpers import in_ascii
from tests.support.repositories import Repository, booby_trap, give_away, write_lines

pytestmark = pytest.mark.usefixtures("isolated")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repository")
    repository.commit("v1.0")
    return repository


def test_answers(repository: Repository) -> None:
    """Git's output is returned without white space around it; after a failure, the result is empty."""
    assert "v1.0" == git.ask(repository.root, "tag", "--list")
    assert "" == git.ask(repository.root, "rev-parse", "--verify", "nothing")
    failed = git.run(repository.root, "rev-parse", "--verify", "nothing")
    assert (128, "", "fatal: Needed a single revision\n") == (failed.returncode, failed.stdout, failed.stderr)


def test_no_git(repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Git the result is an exit code, not an exception."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.NOT_FOUND == git.run(repository.root, "tag").returncode
    assert "" == git.ask(repository.root, "tag")


def test_any_language_and_encoding(repository: Repository) -> None:
    """Git's output is read as UTF-8, whatever the encoding of this machine."""
    (repository.root / "ü").touch()
    code = (
        "import pathlib, sys\n"
        "from hatch_trusted_publish import git\n"
        "print(ascii(git.ask(pathlib.Path(sys.argv[1]), 'ls-files', '--others', '-z')))"
    )
    assert "'\\xfc\\x00'\n" == in_ascii(code, repository.root)


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file to which a fake Git writes its environment."""
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    write_lines(program, ["#!/bin/sh", f'exec {which("env")} -0 > "{tmp_path}/environ"'])
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return tmp_path / "environ"


def test_environment(shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git gets no identity token and no other repository, and cannot prompt for a password."""
    identities = ("PYPI_ID_TOKEN", "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    for name in (*identities, "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "OTHER"):
        monkeypatch.setenv(name, "value")
    git.run(tmp_path, "status")
    seen = dict(line.split("=", 1) for line in shown.read_text("utf-8").split("\0") if line)

    assert [] == [*filter(seen.__contains__, (*identities, "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"))]
    expected = {"OTHER": "value", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "none", "LC_ALL": "C"}
    assert expected == {name: seen[name] for name in expected}


def test_environment_with_a_network(shown: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For network access, the user's settings apply."""
    git.run(tmp_path, "fetch", network=True)
    assert b"GIT_SSH_COMMAND=ssh -oBatchMode=yes\0" in shown.read_bytes()
    assert b"GIT_ALLOW_PROTOCOL" not in shown.read_bytes()
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    git.run(tmp_path, "fetch", network=True)
    assert b"GIT_SSH_COMMAND=ssh -i key\0" in shown.read_bytes()


READING = [
    ["ls-files", "--others", "--exclude-standard", "-z"],
    ["describe", "--tags", "--long"],
    ["log", "-1", "--format=%cI"],
    ["for-each-ref", "refs/tags"],
    ["rev-parse", "--show-toplevel", "HEAD"],
]


@pytest.mark.parametrize("command", READING, ids=lambda command: str(command[0]))
def test_nothing_runs(repository: Repository, tmp_path: Path, command: list[str]) -> None:
    """The Git commands of a publishing job run nothing that the configuration of a repository names."""
    trace = booby_trap(repository.root, tmp_path / "traps")
    (repository.root / "sample.py").write_text("changed\n", "utf-8")

    assert 0 == git.run(repository.root, *command).returncode
    assert not trace.exists()
    subprocess.run(["git", "status"], cwd=repository.root, capture_output=True, check=False)
    assert trace.exists()  # the trap works


def test_nothing_is_fetched(repository: Repository, tmp_path: Path) -> None:
    """Objects missing in a partial clone are not fetched: the remote could be any command."""
    repository.git("config", "uploadpack.allowFilter", "true")
    clone = repository.clone(tmp_path / "clone", "--no-checkout", "--filter=blob:none")
    failed = git.run(clone, "cat-file", "-p", "HEAD:sample.py")
    assert (128, "") == (failed.returncode, failed.stdout)


@pytest.mark.parametrize("kind", ["another user's", "bare"])
def test_refused(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Git decides: it reads no repository of another user, and no directory that only resembles one."""
    root = repository.root
    if kind == "bare":
        root = repository.root / "inside"
        (repository.root / ".git").rename(root)
        repository.git("init", "--quiet")
    else:
        give_away(monkeypatch, root)
    assert "" == git.ask(root, "log", "-1")


def test_no_end(tmp_path: Path, repository: Repository) -> None:
    """A command that takes too long is stopped, with the helpers it started."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        done = git.run(repository.root, "ls-remote", url, network=True, seconds=2)
        assert done.returncode < 0
        assert done.stderr.endswith("timed out after 2 seconds")
        server.settimeout(20)
        connection = server.accept()[0]
        connection.settimeout(20)
        with closing(connection), connection.makefile("rb") as stream:
            # The stream ends only when all processes have ended.
            assert stream.read().startswith(b"GET /x.git/info/refs?service=git-upload-pack HTTP/1.1\r\n")


def test_interrupted(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C stops Git, too."""
    started: list[subprocess.Popen[str]] = []

    def interrupt(process: subprocess.Popen[str], **_: object) -> None:
        started.append(process)
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(subprocess.Popen, "communicate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            git.run(repository.root, "ls-remote", f"http://127.0.0.1:{server.getsockname()[1]}/", network=True)
    assert [True] == [process.returncode is not None for process in started]
