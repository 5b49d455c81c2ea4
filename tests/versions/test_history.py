"""Whether a checkout has the history from which its version is counted."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import which

import pytest
from packaging.version import Version

from hatch_trusted_publish.errors import Message, VersionError
from hatch_trusted_publish.versions import history
from tests.support.repositories import Repository, booby_trap, count_processes, git, give_away, write_lines

BY_HAND, ON_GITHUB, ON_GITLAB = map(
    Message, ("full-history-by-hand", "full-history-on-github", "full-history-on-gitlab")
)
REQUIRED, SHALLOW_REMOTE = Message("history-required"), Message("shallow-remote")


pytestmark = pytest.mark.usefixtures("isolated")


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    """Return a repository with two commits, a tag, and two more commits."""
    origin = Repository(tmp_path / "origin")
    origin.commit()
    origin.commit("v1.0")
    origin.commits(2)
    return origin


def is_shallow(root: Path) -> bool:
    return git(root, "rev-parse", "--is-shallow-repository") == "true"


def described(root: Path) -> str:
    """Return the tag and the distance that Git finds."""
    return git(root, "describe", "--tags", "--long").rpartition("-")[0]


def incomplete(code: str, why: Message | None, remedy: Message = BY_HAND) -> Message:
    return Message(code, version="", why=why, remedy=remedy)


def failed(said: str) -> Message:
    return Message("fetch-failed", said=said)


def filled(root: Path, distance: int | None, mode: str = "fetch") -> bool:
    """Return whether the clone had a gap that was filled."""
    found = history.missing(root, distance)
    return found is not None and history.fetch_or_refuse(root, found, mode)


def refusal(root: Path, distance: int | None, mode: str, seconds: float = 60) -> Message:
    found = history.missing(root, distance)
    assert found is not None
    with pytest.raises(VersionError) as refused:
        history.fetch_or_refuse(root, found, mode, seconds)
    return refused.value.message


def complaint(root: Path, *arguments: str) -> str:
    """Return Git's error message for a command that fails."""
    environ = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode
    return done.stderr.strip()


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("1", True), ("woodpecker", True), ("", False), ("0", False), ("false", False), ("FALSE", False)],
)
def test_in_ci(monkeypatch: pytest.MonkeyPatch, value: str, expected: bool) -> None:
    """CIs set ``CI`` to many words, and you can switch it off; without it, this is not a CI."""
    assert not history.in_ci()
    monkeypatch.setenv("CI", value)
    assert expected == history.in_ci()


class TestWorkingTree:
    """Git shows which repository a directory is in, and whether it may be read."""

    def test_found(self, origin: Repository, tmp_path: Path) -> None:
        """A directory belongs to the repository around it."""
        package = origin.root / "package"
        package.mkdir()
        assert (origin.root, origin.root) == (history.working_tree(origin.root), history.working_tree(package))
        assert history.working_tree(tmp_path) is None

    @pytest.mark.parametrize("place", [".", "package"])
    def test_of_another_user(
        self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        """A repository that Git distrusts is not read, and the command that trusts it is shown."""
        trace = booby_trap(origin.root, tmp_path / "traps")
        give_away(monkeypatch, origin.root)
        (origin.root / "package").mkdir()
        with pytest.raises(VersionError) as refused:
            history.working_tree(origin.root / place)
        said = f"fatal: detected dubious ownership in repository at '{origin.root}'"
        expected = Message("dubious-ownership", said=said, directory=str(origin.root))
        assert expected == refused.value.message
        assert not trace.exists()

    def test_no_git(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Git is required."""
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(VersionError) as refused:
            history.working_tree(tmp_path)
        assert Message("no-git") == refused.value.message


class TestGap:
    """The history is complete, is fetched, or is missing."""

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    def test_full_clone(self, origin: Repository, tmp_path: Path, mode: str) -> None:
        """Nothing is fetched for a full clone with tags: its remote is gone."""
        clone = origin.clone(tmp_path / "clone")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        assert not filled(clone, 2, mode)

    def test_shallow_is_fetched(self, origin: Repository, tmp_path: Path) -> None:
        """A clone of depth 1 becomes a full one, with tags."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        assert filled(clone, None)
        assert described(clone) == "v1.0-2"
        assert not is_shallow(clone)

    def test_tags_of_a_shallow_clone_are_fetched(self, origin: Repository, tmp_path: Path) -> None:
        """A clone made without tags, as CIs make it, gets them, too."""
        clone = origin.clone(tmp_path / "clone", "--depth=1", "--no-tags")
        assert filled(clone, None)
        assert described(clone) == "v1.0-2"

    @pytest.mark.parametrize(
        ("variable", "remedy"),
        [("GITHUB_ACTIONS", ON_GITHUB), ("GITLAB_CI", ON_GITLAB), ("OTHER", BY_HAND)],
        ids=["github", "gitlab", "by-hand"],
    )
    def test_shallow_is_refused(
        self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, remedy: Message
    ) -> None:
        """``require`` fetches nothing, and shows the remedy for the CI in use."""
        monkeypatch.setenv(variable, "true")
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        assert incomplete("shallow-clone", REQUIRED, remedy) == refusal(clone, None, "require")
        assert is_shallow(clone)

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    @pytest.mark.parametrize(("depth", "distance"), [(3, 2), (4, 2)], ids=["tag-at-the-cut", "tag-above-it"])
    def test_deep_enough(self, origin: Repository, tmp_path: Path, mode: str, depth: int, distance: int) -> None:
        """A shallow clone with the tag and all commits since is left unchanged, without contacting its remote."""
        origin.commit("v1.1rc1") if depth == 4 else None
        origin.commits(2 if depth == 4 else 0)
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        assert is_shallow(clone)
        assert not filled(clone, distance, mode)

    def test_tagged_commit(self, origin: Repository, tmp_path: Path) -> None:
        """The tagged commit alone is enough for a release."""
        clone = origin.clone(tmp_path / "clone", "--depth=1", "--branch=v1.0")
        assert is_shallow(clone)
        assert not filled(clone, 0, "require")

    @pytest.mark.parametrize("depth", [2, 3, 4])
    def test_merge_beyond_the_cut(self, origin: Repository, tmp_path: Path, depth: int) -> None:
        """The tag is there, but not all commits that a merge brought in since, so the count would be wrong."""
        origin.git("checkout", "--quiet", "-b", "side", "v1.0~1")
        origin.commits(5)
        origin.git("checkout", "--quiet", "--detach", "v1.0")
        origin.merge("side")
        assert described(origin.root) == "v1.0-6"
        origin.git("checkout", "--quiet", "-B", "main")
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        assert f"v1.0-{depth}" == described(clone)
        assert incomplete("shallow-clone", REQUIRED) == refusal(clone, depth, "require")
        assert filled(clone, depth)
        assert described(clone) == "v1.0-6"

    @pytest.mark.parametrize("depth", [4, 5])
    def test_merge_from_before_the_tag(self, tmp_path: Path, depth: int) -> None:
        """A commit that the tag contains, but that the clone reaches only through the merge, would be counted."""
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
        assert incomplete("shallow-clone", REQUIRED) == refusal(clone, 3, "require")
        assert filled(clone, 3)
        assert described(clone) == "v1.0-2"

    def test_worktree(self, origin: Repository, tmp_path: Path) -> None:
        """A worktree of a shallow clone, where ``.git`` is a file, is as shallow, and filled the same way."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        worktree = tmp_path / "worktree"
        git(clone, "worktree", "add", "--quiet", str(worktree))
        assert (worktree / ".git").is_file()
        assert incomplete("shallow-clone", REQUIRED) == refusal(worktree, None, "require")
        assert filled(worktree, None)
        assert described(worktree) == "v1.0-2"

    def test_submodule(self, origin: Repository, tmp_path: Path) -> None:
        """A shallow submodule is filled, and the repository that contains it is not touched."""
        around = Repository(tmp_path / "around")
        around.git("submodule", "--quiet", "add", "--depth=1", origin.root.as_uri(), "inside")
        around.commit()
        inside = around.root / "inside"
        assert (inside / ".git").is_file()
        assert filled(inside, None)
        assert described(inside) == "v1.0-2"

    def test_directory_in_the_repository(self, origin: Repository, tmp_path: Path) -> None:
        """A project below the root is as shallow as its repository."""
        (origin.root / "package").mkdir()
        (origin.root / "package" / "file").touch()
        origin.commit()
        package = origin.clone(tmp_path / "clone", "--depth=1") / "package"
        assert incomplete("shallow-clone", REQUIRED) == refusal(package, None, "require")

    def test_tags_are_fetched(self, origin: Repository, tmp_path: Path) -> None:
        """A full clone without tags gets those of its remote."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        assert filled(clone, None)
        assert described(clone) == "v1.0-2"

    def test_tags_are_required(self, origin: Repository, tmp_path: Path) -> None:
        """The remote's tags are listed, and nothing is fetched from it."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        assert incomplete("no-tags", REQUIRED) == refusal(clone, None, "require")
        assert git(clone, "tag") == ""

    @pytest.mark.parametrize(("mode", "fetched"), [("fetch", True), ("require", False)])
    def test_no_tag_anywhere(self, tmp_path: Path, mode: str, fetched: bool) -> None:
        """A repository that has no tag anywhere is fine."""
        origin = Repository(tmp_path / "origin")
        origin.commit()
        clone = origin.clone(tmp_path / "clone")
        assert fetched == filled(clone, None, mode)

    @pytest.mark.parametrize("mode", ["fetch", "require"])
    def test_no_remote(self, tmp_path: Path, mode: str) -> None:
        """Without a remote no tag can be missing."""
        repository = Repository(tmp_path / "alone")
        repository.commit()
        assert not filled(repository.root, None, mode)

    @pytest.mark.parametrize("options", [[], ["--detach"]])
    def test_remote_by_another_name(self, origin: Repository, tmp_path: Path, options: list[str]) -> None:
        """The only remote is used, whatever its name."""
        clone = origin.clone(tmp_path / "clone", "--depth=1", "--origin=upstream")
        git(clone, "checkout", "--quiet", *options)
        assert filled(clone, None)
        assert described(clone) == "v1.0-2"

    def test_shallow_without_a_remote(self, origin: Repository, tmp_path: Path) -> None:
        """Without a remote, nothing can be fetched."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        git(clone, "remote", "remove", "origin")
        assert "shallow-clone" == refusal(clone, None, "fetch").code

    @pytest.mark.parametrize(("mode", "command"), [("fetch", "fetch"), ("require", "ls-remote")])
    def test_remote_is_gone(self, origin: Repository, tmp_path: Path, mode: str, command: str) -> None:
        """The error has Git's own words about the remote."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        said = complaint(clone, command, "origin")
        expected = incomplete("no-tags", failed(said))
        assert expected == refusal(clone, None, mode)

    def test_remote_is_shallow(self, origin: Repository, tmp_path: Path) -> None:
        """A shallow remote cannot supply the commits it lacks."""
        remote = origin.clone(tmp_path / "remote", "--depth=2")
        clone = tmp_path / "clone"
        git(tmp_path, "clone", "--quiet", "--depth=1", remote.as_uri(), str(clone))
        assert incomplete("shallow-clone", SHALLOW_REMOTE) == refusal(clone, None, "fetch")

    def test_remote_asks_for_a_password(self, origin: Repository, tmp_path: Path, locked: str) -> None:
        """Git does not prompt for a password."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        git(clone, "remote", "set-url", "origin", locked)
        said = f"fatal: could not read Username for '{locked.rpartition('/')[0]}': terminal prompts disabled"
        assert incomplete("shallow-clone", failed(said)) == refusal(clone, None, "fetch")

    def test_remote_hangs(self, origin: Repository, tmp_path: Path) -> None:
        """A remote that never answers is abandoned."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        with socket.create_server(("127.0.0.1", 0)) as server:
            git(clone, "remote", "set-url", "origin", f"http://127.0.0.1:{server.getsockname()[1]}/x.git")
            said = refusal(clone, None, "fetch", seconds=0.5)
        why = said.facts["why"]
        assert ("fetch-failed", True) == (why.code, why.facts["said"].endswith("timed out after 0.5 seconds"))

    def test_command_that_fails_silently(
        self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A failure without any output is reported by its exit code."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        program = tmp_path / "git"
        write_lines(program, ["#!/bin/sh", 'case "$*" in *" fetch "*) exit 3 ;; esac', f'exec {which("git")} "$@"'])
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        assert incomplete("shallow-clone", failed("exit code 3")) == refusal(clone, None, "fetch")


@pytest.fixture
def locked() -> Iterator[str]:
    """Return the URL of a repository that requires a password."""

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


def number(root: Path) -> str:
    return f"{history.commit_times(root)[0]:%Y%m%d%H%M%S}"


def no_number(root: Path) -> Message:
    with pytest.raises(VersionError) as refused:
        history.commit_times(root)
    return refused.value.message


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
        """Neither the committer's time zone nor this machine's matters."""
        repository = Repository(tmp_path / "repository")
        repository.commit(when=when)
        monkeypatch.setenv("TZ", zone)
        assert expected == number(repository.root)
        assert expected == number(repository.clone(tmp_path / "other"))

    def test_committer(self, tmp_path: Path) -> None:
        """The author's date, which a rebase keeps, is not used."""
        repository = Repository(tmp_path / "repository")
        repository.commit()
        date = "2024-06-01T00:00:00Z"
        repository.git(
            "commit", "--quiet", "--amend", "--no-edit", "--date=2020-01-01T00:00:00Z", GIT_COMMITTER_DATE=date
        )
        assert number(repository.root) == "20240601000000"

    def test_signed_commits(self, tmp_path: Path) -> None:
        """Git's setting to show signatures adds nothing."""
        repository = Repository(tmp_path / "repository")
        repository.commit()
        repository.git("config", "log.showSignature", "true")
        assert number(repository.root) == "20240101000000"

    def test_order(self, tmp_path: Path) -> None:
        """Later commits of a branch have higher numbers."""
        repository = Repository(tmp_path / "repository")
        numbers = []
        for _ in range(4):
            repository.commit()
            numbers.append(int(number(repository.root)))
        assert sorted(set(numbers)) == numbers

    @pytest.mark.parametrize(
        ("written", "expected"),
        [("2024-05-06T23:30:00-05:00", "20240507043000"), ("2024-05-06T07:08:09Z", "20240506070809")],
    )
    def test_archive(self, tmp_path: Path, written: str, expected: str) -> None:
        """An archive has the date of its commit."""
        write_lines(
            tmp_path / ".git_archival.txt", ["node: 1234", f"node-date: {written}", "describe-name: v1.0-1-g1234"]
        )
        assert expected == number(tmp_path)

    @pytest.mark.parametrize(
        "line",
        [
            "node: 1234",
            "node-date: $Format:%cI$",
            "node-date: 2024-05-06T07:08:09",
            "node-date: 2024-05-06 07:08:09 +0200",
            "node-date: todayZ",
        ],
        ids=["none", "not-filled-in", "no-zone", "another-format", "no-date"],
    )
    def test_archive_without_a_date(self, tmp_path: Path, line: str) -> None:
        """A date whose meaning depends on the machine is not used."""
        write_lines(tmp_path / ".git_archival.txt", [line])
        assert Message("no-commit-date") == no_number(tmp_path)

    def test_archival_file_in_a_checkout(self, tmp_path: Path) -> None:
        """In a checkout the file is a template: the commit's own date counts."""
        repository = Repository(tmp_path / "repository")
        write_lines(repository.root / ".git_archival.txt", ["node-date: 2024-05-06T07:08:09Z"])
        repository.commit()
        assert number(repository.root) == "20240101000000"

    def test_no_commit(self, tmp_path: Path) -> None:
        """Neither a repository without commits nor a directory outside any repository has a date."""
        assert Message("no-commit-date") == no_number(tmp_path)
        assert Message("no-commit-date") == no_number(Repository(tmp_path / "repository").root)

    def test_future(self, tmp_path: Path) -> None:
        """A date in the future is an error: it would spoil the order of all later releases."""
        repository = Repository(tmp_path / "repository")
        repository.commit(when="2090-01-02T03:04:05+02:00")
        assert Message("commit-from-the-future", time="2090-01-02 01:04") == no_number(repository.root)

    def test_parents(self, tmp_path: Path) -> None:
        """The dates of all parents follow, so that a clock that went back is noticed."""
        repository = Repository(tmp_path / "repository")
        repository.commit()
        repository.git("checkout", "--quiet", "-b", "side")
        repository.commit()
        repository.git("checkout", "--quiet", "main")
        repository.commit()
        repository.merge("side")
        assert [3, 2, 1] == [when.minute for when in history.commit_times(repository.root)]


class TestChangedFiles:
    """The changed files of a tagged tree."""

    def test_kinds(self, tmp_path: Path) -> None:
        """All kinds of changes to tracked files are listed; untracked files are not."""
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


class TestCheck:
    """Whether Git can read a repository."""

    def test_valid(self, origin: Repository, tmp_path: Path) -> None:
        """A repository is valid with commits and without."""
        history.check(origin.root)
        history.check(Repository(tmp_path / "new").root)

    @pytest.mark.parametrize("part", ["commit", "old commit", "index", "HEAD"])
    def test_broken(self, origin: Repository, part: str) -> None:
        """A repository that setuptools-scm mistakes for a history without tags is refused with Git's words."""
        if part.endswith("commit"):
            lost = origin.git("rev-parse", "HEAD" if part == "commit" else "HEAD~3")
            (origin.root / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
        else:
            (origin.root / ".git" / part).write_bytes(b"garbage")
        command = ["ls-files"] if part == "index" else ["rev-list", "--all"]
        with pytest.raises(VersionError) as refused:
            history.check(origin.root)
        assert Message("broken-repository", said=complaint(origin.root, *command)) == refused.value.message


@pytest.fixture
def merged_back(tmp_path: Path) -> Repository:
    """Return a branch with 1.1.0, into which a maintenance branch with a later 1.0.1 was merged."""
    repository = Repository(tmp_path / "merged")
    repository.commit("v1.0.0")
    repository.git("branch", "maintenance")
    repository.commit("v1.1.0")
    repository.commits(2)
    repository.git("checkout", "--quiet", "maintenance")
    repository.commit("v1.0.1")
    repository.git("checkout", "--quiet", "main")
    repository.merge("maintenance")
    return repository


class TestHigherTag:
    """The tag that counts instead of the nearest one."""

    ANY = Version("0.dev0")

    def test_merged_back(self, merged_back: Repository) -> None:
        """A maintenance release that was merged back is nearer, and does not count."""
        assert "v1.0.1-4" == described(merged_back.root)
        assert "v1.1.0" == history.higher_tag(merged_back.root, self.ANY)
        assert "v1.1.0" == history.higher_tag(merged_back.root, Version("1.0.1"))

    @pytest.mark.parametrize("tag", ["other-9", "v2.0/x", "nightly", "other/v3.0"])
    def test_of_others(self, merged_back: Repository, tag: str) -> None:
        """A higher tag of another project, or one that is not a version, does not count."""
        merged_back.git("tag", tag, "v1.1.0")
        assert "v1.1.0" == history.higher_tag(merged_back.root, self.ANY)

    def test_nearest_of_others(self, merged_back: Repository) -> None:
        """If the nearest tag is not a version, there is nothing to compare."""
        merged_back.git("tag", "nightly-7x")
        assert history.higher_tag(merged_back.root, self.ANY) is None

    def test_elsewhere(self, origin: Repository) -> None:
        """A tag that HEAD does not descend from does not count."""
        origin.git("checkout", "--quiet", "-b", "next")
        origin.commit("v2.0")
        origin.git("checkout", "--quiet", "main")
        assert history.higher_tag(origin.root, self.ANY) is None

    def test_given_up(self, origin: Repository) -> None:
        """A tag 1.1 after a mistaken 20.0 is intentional."""
        origin.commit("v20.0")
        origin.commit("v1.1")
        origin.commit()
        assert history.higher_tag(origin.root, self.ANY) is None

    @pytest.mark.parametrize("since", [0, 1])
    @pytest.mark.parametrize(("annotated", "light"), [("v2.0rc1", "v2.0"), ("v2.0", "v2.0rc1"), ("2.0rc1", "v2.0")])
    def test_of_one_commit(self, origin: Repository, annotated: str, light: str, since: int) -> None:
        """Of the tags of one commit, the highest counts, whatever its kind and spelling."""
        origin.commit(light)
        origin.git("tag", "--annotate", "--message=x", annotated)
        origin.commits(since)
        assert f"{annotated}-{since}" == described(origin.root)
        assert (None if annotated == "v2.0" else light) == history.higher_tag(origin.root, self.ANY)

    def test_name_with_special_characters(self, origin: Repository) -> None:
        """A tag is described by its literal name, not as a pattern."""
        tag = "a{b}!-v3.0"
        origin.commit(tag)
        origin.commit()
        assert f"{tag}-1" == history.describe(origin.root, tag).rpartition("-")[0]
        assert (r"\*\?\[\\]", "v1.0") == (history.exactly(r"*?[\]"), history.exactly("v1.0"))

    @pytest.mark.parametrize("config", ["column.ui", "tag.sort"])
    def test_configuration(self, merged_back: Repository, config: str) -> None:
        """The user's settings for tag lists have no effect."""
        merged_back.git("config", config, {"column.ui": "always", "tag.sort": "-version:refname"}[config])
        assert "v1.1.0" == history.higher_tag(merged_back.root, self.ANY)

    @pytest.mark.parametrize("count", [3, 400])
    def test_processes(
        self, merged_back: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
    ) -> None:
        """The number of processes does not depend on the number of tags, wherever these are."""
        elsewhere = merged_back.git("commit-tree", "-m", "x", "HEAD^{tree}")
        low, high = (merged_back.git("rev-parse", tag) for tag in ("v1.0.1", "v1.1.0"))
        places = {f"v9.{number}": elsewhere for number in range(count)}
        places |= {f"v0.{number}": low for number in range(count)}
        places |= {f"v1.1.{number}": high for number in range(1, count)}
        tags = "".join(f"create refs/tags/{name} {place}\n" for name, place in places.items())
        subprocess.run(["git", "update-ref", "--stdin"], cwd=merged_back.root, input=tags, text=True, check=True)
        log = count_processes(monkeypatch, tmp_path)
        assert f"v1.1.{count - 1}" == history.higher_tag(merged_back.root, self.ANY)
        assert 5 == len(log.read_text("utf-8").splitlines())
