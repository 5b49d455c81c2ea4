"""Whether a checkout has the history that its version is counted from."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which

import pytest

from hatch_trusted_publish.errors import clean
from hatch_trusted_publish.versions import history
from tests.support.repositories import Repository, git, isolate, write_lines

NO_CI: dict[str, str] = {}
BY_HAND = "Run `git fetch --unshallow --tags` (`git fetch --tags` in a full clone), or clone without --depth"
NO_COMMITS = "this is a shallow clone without the commits since the last tag, so a version would be a guess"
NO_TAGS = "this clone has no tags though its remote may have some, so a version would be a guess"
REQUIRED = "`history` is `require`"
NO_DATE = (
    '`dev-number = "commit-time"` needs the date of a commit, and none is known here. Build from a checkout, or use '
    "`distance`"
)


@dataclass(frozen=True)
class State:
    """As much of setuptools-scm's ``ScmVersion`` as is read."""

    tag: str = "0.0"
    distance: int = 1


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    """Two commits, a tag, and two commits more."""
    origin = Repository(tmp_path / "origin")
    origin.commit()
    origin.commit("v1.0")
    origin.commits(2)
    return origin


def is_shallow(root: Path) -> bool:
    return git(root, "rev-parse", "--is-shallow-repository") == "true"


def described(root: Path) -> str:
    """The tag and the distance that git finds."""
    return git(root, "describe", "--tags", "--long").rpartition("-")[0]


def refusal(root: Path, state: State, mode: str, environ: dict[str, str] = NO_CI, seconds: float = 60) -> str:
    with pytest.raises(history.Incomplete) as refused:
        history.mend(root, state, mode, environ, seconds)
    return str(refused.value)


def complaint(root: Path, *arguments: str) -> str:
    """What git says of a command that fails."""
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode
    return clean(done.stderr, 200)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("1", True), ("woodpecker", True), ("", False), ("0", False), ("false", False), ("FALSE", False)],
)
def test_in_ci(value: str, expected: bool) -> None:
    """CIs set ``CI`` to many words; a person can say that this is none."""
    assert expected == history.in_ci({"CI": value})


def test_in_no_ci() -> None:
    """Without the variable this is no CI."""
    assert not history.in_ci({})


class TestMend:
    """The history is there, is fetched, or is missed."""

    @pytest.mark.parametrize("mode", ["fetch", "require", "any"])
    def test_full_clone(self, origin: Repository, tmp_path: Path, mode: str) -> None:
        """Nothing is fetched for a full clone with tags: its remote is gone."""
        clone = origin.clone(tmp_path / "clone")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        assert not history.mend(clone, State("1.0", 2), mode, NO_CI)

    def test_shallow_is_fetched(self, origin: Repository, tmp_path: Path) -> None:
        """A clone of depth 1 becomes a full one, with tags."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        assert history.mend(clone, State(), "fetch", NO_CI)
        assert described(clone) == "v1.0-2"
        assert not is_shallow(clone)

    def test_tags_of_a_shallow_clone_are_fetched(self, origin: Repository, tmp_path: Path) -> None:
        """Also a clone that was told to take no tags gets them, as CIs make it."""
        clone = origin.clone(tmp_path / "clone", "--depth=1", "--no-tags")
        assert history.mend(clone, State(), "fetch", NO_CI)
        assert described(clone) == "v1.0-2"

    def test_shallow_is_taken_as_it_is(self, origin: Repository, tmp_path: Path) -> None:
        """``any`` changes nothing."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        assert not history.mend(clone, State(), "any", NO_CI)
        assert is_shallow(clone)

    @pytest.mark.parametrize(
        ("environ", "remedy"),
        [
            ({"GITHUB_ACTIONS": "true"}, "Add `fetch-depth: 0` under `with:` of actions/checkout in this job"),
            ({"GITLAB_CI": "true"}, 'Add `GIT_DEPTH: "0"` under `variables:` of this job in .gitlab-ci.yml'),
            (NO_CI, BY_HAND),
        ],
        ids=["github", "gitlab", "by-hand"],
    )
    def test_shallow_is_refused(self, origin: Repository, tmp_path: Path, environ: dict[str, str], remedy: str) -> None:
        """``require`` fetches nothing, and names the remedy of the CI at hand."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        assert f"{NO_COMMITS} ({REQUIRED}). {remedy}" == refusal(clone, State(), "require", environ)
        assert is_shallow(clone)

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    @pytest.mark.parametrize(("depth", "distance"), [(3, 2), (4, 2)], ids=["tag-at-the-cut", "tag-above-it"])
    def test_deep_enough(self, origin: Repository, tmp_path: Path, mode: str, depth: int, distance: int) -> None:
        """A shallow clone with the tag and all commits since is left as it is, without asking its remote."""
        origin.commit("v1.1rc1") if depth == 4 else None
        origin.commits(2 if depth == 4 else 0)
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        assert is_shallow(clone)
        assert not history.mend(clone, State("1.0", distance), mode, NO_CI)

    def test_tagged_commit(self, origin: Repository, tmp_path: Path) -> None:
        """The commit with the tag alone is enough for a release."""
        clone = origin.clone(tmp_path / "clone", "--depth=1", "--branch=v1.0")
        assert is_shallow(clone)
        assert not history.mend(clone, State("1.0", 0), "require", NO_CI)

    @pytest.mark.parametrize("depth", [2, 3, 4])
    def test_merge_beyond_the_cut(self, origin: Repository, tmp_path: Path, depth: int) -> None:
        """The tag is there, but not all commits that a merge brought in since: that is no count."""
        origin.git("checkout", "--quiet", "-b", "side", "v1.0~1")
        origin.commits(5)
        origin.git("checkout", "--quiet", "--detach", "v1.0")
        origin.merge("side")
        assert described(origin.root) == "v1.0-6"
        origin.git("checkout", "--quiet", "-B", "main")
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        assert f"v1.0-{depth}" == described(clone)
        assert f"{NO_COMMITS} ({REQUIRED}). {BY_HAND}" == refusal(clone, State("1.0", depth), "require")
        assert history.mend(clone, State("1.0", depth), "fetch", NO_CI)
        assert described(clone) == "v1.0-6"

    @pytest.mark.parametrize("depth", [4, 5])
    def test_merge_from_before_the_tag(self, tmp_path: Path, depth: int) -> None:
        """A commit that the tag contains, but that the clone sees by the merge alone, would be counted."""
        origin = Repository(tmp_path / "origin")
        origin.commit()
        origin.git("branch", "side")
        origin.commits(4)
        origin.git("tag", "v1.0")
        origin.git("checkout", "--quiet", "side")
        origin.commit()
        origin.git("checkout", "--quiet", "main")
        origin.merge("side")
        assert described(origin.root) == "v1.0-2"
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        assert described(clone) == "v1.0-3"
        assert f"{NO_COMMITS} ({REQUIRED}). {BY_HAND}" == refusal(clone, State("1.0", 3), "require")
        assert history.mend(clone, State("1.0", 3), "fetch", NO_CI)
        assert described(clone) == "v1.0-2"

    def test_worktree(self, origin: Repository, tmp_path: Path) -> None:
        """A worktree of a shallow clone, where ``.git`` is a file, is as shallow, and mended the same way."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        worktree = tmp_path / "worktree"
        git(clone, "worktree", "add", "--quiet", str(worktree))
        assert (worktree / ".git").is_file()
        assert f"{NO_COMMITS} ({REQUIRED}). {BY_HAND}" == refusal(worktree, State(), "require")
        assert history.mend(worktree, State(), "fetch", NO_CI)
        assert described(worktree) == "v1.0-2"

    def test_submodule(self, origin: Repository, tmp_path: Path) -> None:
        """A shallow submodule is mended, and what contains it is not touched."""
        around = Repository(tmp_path / "around")
        around.git("submodule", "--quiet", "add", "--depth=1", origin.root.as_uri(), "inside")
        around.commit()
        inside = around.root / "inside"
        assert (inside / ".git").is_file()
        assert history.mend(inside, State(), "fetch", NO_CI)
        assert described(inside) == "v1.0-2"

    def test_folder_in_the_repository(self, origin: Repository, tmp_path: Path) -> None:
        """A project below the root is as shallow as its repository."""
        (origin.root / "package").mkdir()
        (origin.root / "package" / "file").touch()
        origin.commit()
        package = origin.clone(tmp_path / "clone", "--depth=1") / "package"
        assert f"{NO_COMMITS} ({REQUIRED}). {BY_HAND}" == refusal(package, State(), "require")

    def test_folder_of_another_user(self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where git distrusts the owner of the folder, as in containers, a shallow clone is seen all the same."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
        assert complaint(clone, "status").startswith("fatal: detected dubious ownership")
        assert f"{NO_COMMITS} ({REQUIRED}). {BY_HAND}" == refusal(clone, State(), "require")

    def test_tags_are_fetched(self, origin: Repository, tmp_path: Path) -> None:
        """A full clone without tags gets those of its remote."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        assert history.mend(clone, State(distance=4), "fetch", NO_CI)
        assert described(clone) == "v1.0-2"

    def test_tags_are_required(self, origin: Repository, tmp_path: Path) -> None:
        """A remote with tags is asked, and nothing is taken from it."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        assert f"{NO_TAGS} ({REQUIRED}). {BY_HAND}" == refusal(clone, State(distance=4), "require")
        assert git(clone, "tag") == ""

    @pytest.mark.parametrize(("mode", "fetched"), [("fetch", True), ("require", False)])
    def test_no_tag_anywhere(self, tmp_path: Path, mode: str, fetched: bool) -> None:
        """A repository that truly has no tag yet is fine."""
        origin = Repository(tmp_path / "origin")
        origin.commit()
        clone = origin.clone(tmp_path / "clone")
        assert fetched == history.mend(clone, State(), mode, NO_CI)

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    def test_no_remote(self, tmp_path: Path, mode: str) -> None:
        """Without a remote there is nothing to miss."""
        repository = Repository(tmp_path / "alone")
        repository.commit()
        assert not history.mend(repository.root, State(), mode, NO_CI)

    def test_remote_by_another_name(self, origin: Repository, tmp_path: Path) -> None:
        """The only remote is used, whatever its name."""
        clone = origin.clone(tmp_path / "clone", "--depth=1", "--origin=upstream")
        assert history.mend(clone, State(), "fetch", NO_CI)
        assert described(clone) == "v1.0-2"

    def test_shallow_without_a_remote(self, origin: Repository, tmp_path: Path) -> None:
        """What cannot be fetched from anywhere is refused."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        git(clone, "remote", "remove", "origin")
        said = complaint(clone, "fetch", "--unshallow", "origin")
        assert f"{NO_COMMITS} (Git could not mend that: {said}). {BY_HAND}" == refusal(clone, State(), "fetch")

    @pytest.mark.parametrize(("mode", "command"), [("fetch", "fetch"), ("require", "ls-remote")])
    def test_remote_is_gone(self, origin: Repository, tmp_path: Path, mode: str, command: str) -> None:
        """Git's own words tell what is wrong with the remote."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        said = complaint(clone, command, "origin")
        expected = f"{NO_TAGS} (Git could not mend that: {said}). {BY_HAND}"
        assert expected == refusal(clone, State(distance=4), mode)

    def test_remote_is_shallow(self, origin: Repository, tmp_path: Path) -> None:
        """A remote cannot give what it lacks itself."""
        remote = origin.clone(tmp_path / "remote", "--depth=2")
        clone = tmp_path / "clone"
        git(tmp_path, "clone", "--quiet", "--depth=1", remote.as_uri(), str(clone))
        assert f"{NO_COMMITS} (the remote is shallow itself). {BY_HAND}" == refusal(clone, State(), "fetch")

    def test_remote_asks_for_a_password(self, origin: Repository, tmp_path: Path, locked: str) -> None:
        """Nobody is asked for a password."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        git(clone, "remote", "set-url", "origin", locked)
        said = f"fatal: could not read Username for '{locked.rpartition('/')[0]}': terminal prompts disabled"
        said = clean(said)
        assert f"{NO_COMMITS} (Git could not mend that: {said}). {BY_HAND}" == refusal(clone, State(), "fetch")

    def test_remote_hangs(self, origin: Repository, tmp_path: Path) -> None:
        """A remote that never answers is given up, and git's helpers with it."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        with socket.create_server(("127.0.0.1", 0)) as server:
            git(clone, "remote", "set-url", "origin", f"http://127.0.0.1:{server.getsockname()[1]}/x.git")
            said = refusal(clone, State(), "fetch", seconds=2)
            server.settimeout(20)
            connection = server.accept()[0]
            connection.settimeout(20)
            with closing(connection), connection.makefile("rb") as stream:
                # The end of the stream comes only once all of git's processes are gone.
                assert stream.read().startswith(b"GET /x.git/info/refs?service=git-upload-pack HTTP/1.1\r\n")
        assert f"{NO_COMMITS} (Git could not mend that: no end after 2 seconds). {BY_HAND}" == said

    def test_command_that_fails_silently(
        self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A failure without a word is told by its code."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        program = tmp_path / "git"
        write_lines(program, ["#!/bin/sh", 'case "$*" in *" fetch "*) exit 3 ;; esac', f'exec {which("git")} "$@"'])
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert f"{NO_COMMITS} (Git could not mend that: exit code 3). {BY_HAND}" == refusal(clone, State(), "fetch")

    def test_broken_repository(self, origin: Repository) -> None:
        """What setuptools-scm takes for a history without tags may be one that git cannot read."""
        (origin.root / ".git" / "index").write_bytes(b"garbage")
        said = complaint(origin.root, "--git-dir=.git", "describe", "--always", "--dirty")
        expected = f"Git cannot read this repository ({said}). Mend what it says, or clone anew"
        assert expected == refusal(origin.root, State(), "any")

    def test_mercurial(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where git is not used, it need not be there, and nothing is said of history."""
        (tmp_path / ".hg").mkdir()
        monkeypatch.setenv("PATH", "")
        assert not history.mend(tmp_path, State("1.0", 3), "require", NO_CI)
        with pytest.raises(history.Incomplete) as refused:
            history.commit_time(tmp_path)
        assert str(refused.value) == NO_DATE

    def test_archive(self, tmp_path: Path) -> None:
        """An archive is complete by what is written in it, with or without git."""
        write_lines(tmp_path / ".git_archival.txt", ["node: 1234"])
        assert not history.mend(tmp_path, State(), "require", NO_CI)


@pytest.fixture
def locked() -> Iterator[str]:
    """The URL of a repository that wants a password."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/project.git"
        server.shutdown()
        thread.join()


class TestCommitTime:
    """The committer's date, the same on every machine."""

    @pytest.mark.parametrize(
        ("when", "expected"),
        [
            ("2024-05-06T07:08:09+00:00", "20240506070809"),
            ("2024-05-06T23:30:00-05:00", "20240507043000"),
            ("2024-01-01T00:30:00+14:00", "20231231103000"),
            ("2024-07-01T05:30:00+05:30", "20240701000000"),
        ],
        ids=["utc", "new-york", "kiribati", "india"],
    )
    @pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
    def test_time_zones(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str, expected: str, zone: str
    ) -> None:
        """Neither the zone of who committed nor that of this machine matters."""
        repository = Repository(tmp_path / "repository")
        repository.commit(when=when)
        monkeypatch.setenv("TZ", zone)
        assert expected == history.commit_time(repository.root)
        assert expected == history.commit_time(repository.clone(tmp_path / "other"))

    def test_committer(self, tmp_path: Path) -> None:
        """The author's date, which a rebase keeps, is not it."""
        repository = Repository(tmp_path / "repository")
        repository.commit()
        date = "2024-06-01T00:00:00Z"
        repository.git(
            "commit", "--quiet", "--amend", "--no-edit", "--date=2020-01-01T00:00:00Z", GIT_COMMITTER_DATE=date
        )
        assert history.commit_time(repository.root) == "20240601000000"

    def test_signed_commits(self, tmp_path: Path) -> None:
        """Git's setting to show signatures adds nothing."""
        repository = Repository(tmp_path / "repository")
        repository.commit()
        repository.git("config", "log.showSignature", "true")
        assert history.commit_time(repository.root) == "20240101000000"

    def test_order(self, tmp_path: Path) -> None:
        """Later commits of a branch have higher numbers."""
        repository = Repository(tmp_path / "repository")
        numbers = []
        for _ in range(4):
            repository.commit()
            numbers.append(int(history.commit_time(repository.root)))
        assert sorted(set(numbers)) == numbers

    @pytest.mark.parametrize(
        ("written", "expected"),
        [("2024-05-06T23:30:00-05:00", "20240507043000"), ("2024-05-06T07:08:09Z", "20240506070809")],
    )
    @pytest.mark.parametrize("folder", [".", "package"])
    def test_archive(self, tmp_path: Path, written: str, expected: str, folder: str) -> None:
        """An archive tells the date of its commit, to a project below its root too."""
        write_lines(
            tmp_path / ".git_archival.txt", ["node: 1234", f"node-date: {written}", "describe-name: v1.0-1-g1234"]
        )
        assert expected == history.commit_time(tmp_path / folder)

    @pytest.mark.parametrize(
        "line",
        [
            "node: 1234",
            "node-date: $Format:%cI$",
            "node-date: 2024-05-06T07:08:09",
            "node-date: 2024-05-06 07:08:09 +0200",
        ],
        ids=["none", "not-filled-in", "no-zone", "another-format"],
    )
    def test_archive_without_a_date(self, tmp_path: Path, line: str) -> None:
        """A date that means something else on another machine is none."""
        write_lines(tmp_path / ".git_archival.txt", [line])
        with pytest.raises(history.Incomplete) as refused:
            history.commit_time(tmp_path)
        assert str(refused.value) == NO_DATE

    def test_archival_file_in_a_checkout(self, tmp_path: Path) -> None:
        """In a checkout the file is a template: the commit's own date counts."""
        repository = Repository(tmp_path / "repository")
        write_lines(repository.root / ".git_archival.txt", ["node-date: 2024-05-06T07:08:09Z"])
        repository.commit()
        assert history.commit_time(repository.root) == "20240101000000"

    def test_no_commit(self, tmp_path: Path) -> None:
        """A repository without commits has no date."""
        with pytest.raises(history.Incomplete) as refused:
            history.commit_time(Repository(tmp_path / "repository").root)
        assert str(refused.value) == NO_DATE

    def test_future(self, tmp_path: Path) -> None:
        """A clock that ran ahead would spoil the order of all later releases."""
        repository = Repository(tmp_path / "repository")
        repository.commit(when="2090-01-02T03:04:05+02:00")
        with pytest.raises(history.Incomplete) as refused:
            history.commit_time(repository.root)
        expected = (
            "the committer date of this commit, 2090-01-02 01:04 UTC, lies in the future: releases of later commits would "
            "come before it. Set the clock of the machine that commits (or of this one), and make the commit anew with `git "
            "commit --amend --no-edit`"
        )
        assert expected == str(refused.value)


class TestChangedFiles:
    """What is named where a tagged tree is not clean."""

    def test_kinds(self, tmp_path: Path) -> None:
        """All kinds of changes to tracked files are named, and untracked ones are not."""
        repository = Repository(tmp_path / "repository")
        names = ["changed", "staged", "both", "gone", "removed", "old", "two words"]
        for name in names:
            (repository.root / name).write_text(f"{name}\n" * 9, "utf-8")
        repository.commit()
        assert history.changed_files(repository.root) == []
        for name in ("changed", "staged", "both", "two words"):
            (repository.root / name).write_text("x", "utf-8")
        repository.git("add", "staged", "both")
        (repository.root / "both").write_text("y", "utf-8")
        (repository.root / "gone").unlink()
        repository.git("rm", "--quiet", "removed")
        repository.git("mv", "old", "new")
        (repository.root / "untracked").touch()
        expected = ['"two words"', "both", "changed", "gone", "old -> new", "removed", "staged"]
        assert expected == sorted(history.changed_files(repository.root))


class TestProblem:
    """Why a repository cannot give a version."""

    def test_none(self, origin: Repository) -> None:
        """A sound repository has none, in folders below its root too."""
        assert history.problem(origin.root) is None
        assert history.problem(origin.root / "package") is None

    def test_no_repository(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where there is no repository of Git's, nothing can be wrong with it: Mercurial's need no git."""
        monkeypatch.setenv("PATH", "")
        assert history.problem(tmp_path) is None

    def test_no_commit(self, tmp_path: Path) -> None:
        """A repository without commits is not broken."""
        assert history.problem(Repository(tmp_path / "repository").root) is None

    def test_no_git(self, origin: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Git has to be there."""
        monkeypatch.setenv("PATH", str(tmp_path))
        expected = "Git is not installed, or not on the PATH. Install it; the version comes from it"
        assert expected == history.problem(origin.root)

    def test_missing_commit(self, origin: Repository) -> None:
        """A commit whose object is lost is found, however old it is."""
        lost = origin.git("rev-parse", "HEAD~3")
        (origin.root / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
        said = complaint(origin.root, "rev-list", "--count", "HEAD")
        expected = f"Git cannot read this repository ({said}). Mend what it says, or clone anew"
        assert expected == history.problem(origin.root)

    def test_unreadable_head(self, origin: Repository) -> None:
        """A folder that git no longer takes for a repository is a broken one."""
        (origin.root / ".git" / "HEAD").write_bytes(b"garbage")
        expected = (
            "Git cannot read this repository (fatal: not a git repository: '.git'). Mend what it says, or clone anew"
        )
        assert expected == history.problem(origin.root)


@pytest.mark.parametrize(("folder", "expected"), [("repository/package", True), ("elsewhere", False)])
def test_is_repository(tmp_path: Path, folder: str, expected: bool) -> None:
    """A folder belongs to the repository around it."""
    Repository(tmp_path / "repository")
    assert expected == history.is_repository(tmp_path / folder)
