"""Versions of random histories.

These hold for a clean full clone whose tags are versions. The version is public, equals hatch-vcs's
with ``no-local-version``, and

- on a tagged commit is the version of the tag that ``git describe`` picks (a local segment aside);
- after it is higher than that tag, and lower than the next release;
- without a tag is ``0.1.devN``;
- is refused where hatch-vcs raises: after a ``.devN`` tag with an N other than 0.

A reachable tag that is higher than the one that ``git describe`` picks counts instead of it, unless the
latter descends from it: a tag of the same commit, or of a branch into which a maintenance branch was merged.
hatch-vcs's version would sort before that tag; this one is equal to it or sorts after it.
"""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hatch_vcs.version_source import VCSVersionSource
from hypothesis import event, given, settings
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from hatch_trusted_publish.versions.source import PublicVersionSource
from tests.support.repositories import FIRST_COMMIT, isolate

ZONES = ("+0000", "-0500", "+0530", "+1400")
Made = tuple[str, Version] | None


@pytest.fixture(scope="module", autouse=True)
def _isolated() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(monkeypatch, Path(tempfile.gettempdir()))
        yield


@dataclass(frozen=True)
class Commit:
    """A commit by the indexes of its parents."""

    parents: tuple[int, ...]
    zone: str


@dataclass(frozen=True)
class Tag:
    """A tag by the index of its commit."""

    name: str
    commit: int
    is_annotated: bool


@dataclass(frozen=True)
class History:
    """The commits and tags; the commits are a minute apart."""

    commits: tuple[Commit, ...]
    tags: tuple[Tag, ...]
    head: int
    is_detached: bool

    def stream(self) -> str:
        """Return input for ``git fast-import``; each commit has a branch, and no files."""
        lines = []
        for index, commit in enumerate(self.commits):
            lines += [f"commit refs/heads/b{index}", f"mark :{index + 1}", self._person("committer", index), "data 0"]
            for word, parent in zip(("from", "merge"), commit.parents, strict=False):
                lines.append(f"{word} :{parent + 1}")
        for tag in self.tags:
            if tag.is_annotated:
                lines += [f"tag {tag.name}", f"from :{tag.commit + 1}", self._person("tagger", tag.commit), "data 0"]
            else:
                lines += [f"reset refs/tags/{tag.name}", f"from :{tag.commit + 1}"]
        return "".join(f"{line}\n" for line in lines)

    def before(self, index: int) -> set[int]:
        """Return a commit's index and those of all its ancestors."""
        found, waiting = set(), [index]
        while waiting:
            found.add(commit := waiting.pop())
            waiting.extend(self.commits[commit].parents)
        return found

    def _person(self, role: str, index: int) -> str:
        return f"{role} Ada <ada@example.org> {self.time(index):.0f} {self.commits[index].zone}"

    @staticmethod
    def time(index: int) -> float:
        return FIRST_COMMIT.timestamp() + index * 60

    @contextmanager
    def checked_out(self) -> Iterator[Path]:
        """Create a repository with this history: each commit's tree is the empty directory."""
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            run(root, "init", "--quiet")
            run(root, "fast-import", "--quiet", "--force", given=self.stream())
            head = root / ".git" / "HEAD"
            branch = f"refs/heads/b{self.head}"
            head.write_text((root / ".git" / branch).read_text() if self.is_detached else f"ref: {branch}\n")
            yield root


def run(root: Path, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, input=given, capture_output=True, text=True, check=False)
    return done.stdout.strip()


@st.composite
def version_texts(draw: st.DrawFn) -> str:
    """Versions as people write them in tags."""
    epoch = draw(st.sampled_from(["", "", "", "1!"]))
    release = draw(st.sampled_from(["0.1", "1.0", "1.0.0", "1.1", "1.2.3", "2", "2.0", "2024.1", "2024.08.10"]))
    pre = draw(st.sampled_from(["", "", "a1", "b2", "rc1", "-rc.1", ".beta3", "rc"]))
    post = draw(st.sampled_from(["", "", "", ".post1"]))
    dev = draw(st.sampled_from(["", "", "", ".dev0", ".dev3"]))
    local = draw(st.sampled_from(["", "", "", "+build7"]))
    return epoch + release + pre + post + dev + local


@st.composite
def histories(draw: st.DrawFn, prefixes: tuple[str, ...]) -> History:
    """Commits with branches and merges, and tags with *prefixes*."""
    size = draw(st.integers(1, 9))
    commits = []
    for index in range(size):
        # Mostly the commit before, so that there are branches with several commits.
        first = draw(st.one_of(st.just(index - 1), st.integers(0, max(index - 1, 0))))
        second = draw(st.one_of(st.none(), st.integers(0, max(index - 1, 0))))
        parents = {first: None} if second is None else {first: None, second: None}
        commits.append(Commit(tuple(parents) if index else (), draw(st.sampled_from(ZONES))))
    fewest = draw(st.sampled_from([0, 1, 2]))
    names = draw(
        st.lists(
            st.tuples(st.sampled_from(prefixes), version_texts()).map("".join), min_size=fewest, max_size=4, unique=True
        )
    )
    tags = [Tag(name, draw(st.integers(0, size - 1)), draw(st.booleans())) for name in names]
    head = draw(st.one_of(st.just(size - 1), st.integers(0, size - 1)))
    return History(tuple(commits), tuple(tags), head, draw(st.booleans()))


def version_by(source: type[VCSVersionSource], root: Path, **config: Any) -> str | None:
    """Return the version by *source*, or ``None`` if it raises."""
    named = {key.replace("_", "-"): value for key, value in config.items()}
    with warnings.catch_warnings():
        # setuptools-scm's: that it drops a local segment, that options of hatch-vcs are deprecated.
        warnings.simplefilter("ignore")
        try:
            version: str = source(str(root), named).get_version_data()["version"]
        except (ValueError, SystemExit):
            return None
    return version


def overtaken(history: History, nearest: str, to_version: Callable[[str], str]) -> Tag | None:
    """Return the highest tag that counts instead of the *nearest* one, if there is one."""
    [picked] = [tag for tag in history.tags if tag.name == nearest]
    older = history.before(picked.commit) - {picked.commit}
    counting = [tag for tag in history.tags if tag.commit in history.before(history.head) - older]
    versions = {tag: version for tag in counting if (version := parsed(to_version(tag.name)))}
    highest = max(versions, key=lambda tag: versions[tag])
    return highest if versions[highest] > Version(to_version(nearest)) else None


def parsed(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def check(history: History, match: str, to_version: Callable[[str], str], **config: Any) -> None:
    """Check everything that holds for one history, with the tags that *match*."""
    options = config.pop("raw_options", {})
    with history.checked_out() as root:
        described = run(root, "describe", "--tags", "--long", "--match", match).rsplit("-", 2)
        version = version_by(PublicVersionSource, root, raw_options=options, **config)
        by_hatch_vcs = version_by(
            VCSVersionSource, root, raw_options={**options, "local_scheme": "no-local-version"}, **config
        )
        timed = version_by(PublicVersionSource, root, raw_options=options, dev_number="commit-time", **config)
        kept = version_by(PublicVersionSource, root, raw_options=options, local_version="keep", **config)
        kept_by_hatch_vcs = version_by(VCSVersionSource, root, raw_options=options, **config)
    higher = overtaken(history, described[0], to_version) if len(described) == 3 and not options else None
    if version is None:
        event("refused")
        assert timed is None
        if by_hatch_vcs is None:
            assert (".dev3" in described[0], described[1] != "0") == (True, True)
        else:
            assert higher is not None
            assert (".dev3" in higher.name, higher.commit != history.head) == (True, True)
        return
    if higher is not None:
        event("counted from a higher tag")
        assert timed is not None
        expected = Version(Version(to_version(higher.name)).public)
        if higher.commit == history.head:
            assert (expected, expected) == (Version(version), Version(timed))
        else:
            assert expected < Version(version)
            assert expected < Version(timed)
        return
    assert kept_by_hatch_vcs == kept
    assert by_hatch_vcs is not None
    assert by_hatch_vcs.partition("+")[0] == version
    assert kept is not None
    assert kept.partition("+")[0] == version
    assert timed is not None
    found, found_by_time = Version(version), Version(timed)
    assert (found.local, found_by_time.local) == (None, None)
    now = int(datetime.fromtimestamp(history.time(history.head), UTC).strftime("%Y%m%d%H%M%S"))
    if len(described) < 3:
        event("no tag")
        assert version.rstrip("0123456789") == "0.1.dev"
        assert Version(f"0.1.dev{now}") == found_by_time
        return
    tag = Version(Version(to_version(described[0])).public)
    if described[1] == "0":
        event("tagged")
        assert (tag, tag) == (found, found_by_time)
        return
    event("after a tag")
    assert tag < found < Version(version.partition(".dev")[0])
    assert int(described[1]) == found.dev
    assert now == found_by_time.dev
    assert tag < found_by_time < Version(version.partition(".dev")[0])


def without_v(tag: str) -> str:
    return tag.removeprefix("v")


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(histories(prefixes=("v", "")))
def test_one_project(history: History) -> None:
    """The tags are those of one project, with and without a ``v``."""
    check(history, "*[0-9]*", without_v)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(histories(prefixes=("pkg-a/v", "pkg-b/v", "nightly-")))
def test_one_project_of_several(history: History) -> None:
    """A pattern selects the tags of this project among those of others."""
    describe = ["git", "describe", "--dirty", "--tags", "--long", "--match", "pkg-a/*"]
    check(
        history,
        "pkg-a/*",
        lambda tag: tag.removeprefix("pkg-a/v"),
        tag_pattern=r"^pkg-a/v(?P<version>[^+]+)(\+.*)?$",
        raw_options={"git_describe_command": describe},
    )
