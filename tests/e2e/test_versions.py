"""Versions by real git and hatchling: what hatch-vcs gives, and what ``vcs-public`` gives."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import version as metadata_version
from pathlib import Path

import pytest
from packaging.version import Version

from hatch_trusted_publish.errors import clean
from tests.support.repositories import Repository, git, isolate, write_lines, write_pyproject

PLUGIN = Path(__file__).parents[2]
VCS = 'source = "vcs"\nraw-options = { local_scheme = "no-local-version" }'
PUBLIC = 'source = "vcs-public"'
KEPT = f'{PUBLIC}\nlocal-version = "keep"'
IN_CI = {"CI": "true"}


@dataclass(frozen=True)
class Ran:
    """How a command ended; white space around what it printed is left out."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    """A tag after three commits, and two commits since."""
    origin = Repository(tmp_path / "origin")
    origin.commits(2)
    origin.commit("v1.0")
    origin.commits(2)
    return origin


def choose(root: Path, table: str) -> None:
    """Set ``[tool.hatch.version]`` in a checkout, which does not count as a change."""
    write_pyproject(root, table)
    git(root, "update-index", "--skip-worktree", "pyproject.toml")


def run(root: Path, *command: str, **environ: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout.strip(), done.stderr.strip())


def version(root: Path, **environ: str) -> str:
    """What ``hatchling version`` says, which says nothing else."""
    ran = run(root, "hatchling", "version", **environ)
    assert Ran(0, ran.out, "") == ran
    return ran.out


def refusal(root: Path, **environ: str) -> str:
    """The one paragraph that ends ``hatchling version``; setuptools-scm may have warned before it."""
    ran = run(root, "hatchling", "version", **environ)
    assert Ran(1, "", ran.err) == ran
    assert "Traceback" not in ran.err
    return ran.err.splitlines()[-1]


def build(root: Path, target: str, **environ: str) -> str:
    """The name of the file that ``hatchling build`` makes."""
    shutil.rmtree(root / "dist", ignore_errors=True)
    ran = run(root, "hatchling", "build", "--target", target, **environ)
    assert Ran(0, "", ran.err) == ran
    [made] = (root / "dist").iterdir()
    return made.name


class TestTable:
    """Each row of what goes wrong with hatch-vcs."""

    @pytest.mark.parametrize("depth", [1, 2])
    def test_shallow_clone(self, origin: Repository, tmp_path: Path, depth: int) -> None:
        """A version that counts from nowhere, with a warning that nobody sees; or the right one."""
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        choose(clone, VCS)
        ran = run(clone, "hatchling", "version", **IN_CI)
        assert Ran(0, f"0.1.dev{depth}", ran.err) == ran
        assert "is shallow and may cause errors" in ran.err
        choose(clone, f'{PUBLIC}\nhistory = "require"')
        expected = (
            "vcs-public: this is a shallow clone without the commits since the last tag, so a version would be a guess "
            "(`history` is `require`). Add `fetch-depth: 0` under `with:` of actions/checkout in this job."
        )
        assert expected == refusal(clone, GITHUB_ACTIONS="true", **IN_CI)
        choose(clone, PUBLIC)
        assert version(clone, **IN_CI) == "1.1.dev2"

    def test_clone_without_tags(self, origin: Repository, tmp_path: Path) -> None:
        """The same, without even a warning."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        choose(clone, VCS)
        assert version(clone, **IN_CI) == "0.1.dev5"
        choose(clone, PUBLIC)
        assert version(clone, **IN_CI) == "1.1.dev2"

    def test_shallow_worktree(self, origin: Repository, tmp_path: Path) -> None:
        """A worktree passes setuptools-scm's own check."""
        worktree = tmp_path / "worktree"
        git(origin.clone(tmp_path / "clone", "--depth=1"), "worktree", "add", "--quiet", str(worktree))
        choose(worktree, VCS)
        assert version(worktree, **IN_CI) == "0.1.dev1"
        choose(worktree, PUBLIC)
        assert version(worktree, **IN_CI) == "1.1.dev2"

    def test_changed_tag(self, origin: Repository) -> None:
        """A release that a step of the job touched is not silently the next one."""
        origin.git("checkout", "--quiet", "v1.0")
        (origin.root / "sample.py").write_text("changed\n", "utf-8")
        choose(origin.root, VCS)
        assert build(origin.root, "wheel", **IN_CI) == "sample-1.1.dev0-py2.py3-none-any.whl"
        choose(origin.root, PUBLIC)
        what = "this commit has the tag of 1.0, but tracked files were changed since (sample.py)"
        expected = (
            f"vcs-public: {what}: the version would silently be 1.1.dev0. See to it that no step before the build changes "
            "them (`git diff` shows how they differ), or leave them out of Git."
        )
        assert expected == refusal(origin.root, **IN_CI)
        warned = Ran(0, "1.1.dev0", f"vcs-public: warning: {what}: the version is 1.1.dev0")
        assert warned == run(origin.root, "hatchling", "version")

    @pytest.mark.parametrize(
        ("key", "environ", "told", "public"),
        [
            ("", {"SETUPTOOLS_SCM_PRETEND_VERSION": "2.0+dirty"}, "2.0+dirty", "2.0"),
            ('fallback-version = "3.0+loc"', {}, "3.0+loc", "3.0"),
        ],
        ids=["pretended", "fallback"],
    )
    def test_past_the_schemes(self, tmp_path: Path, key: str, environ: dict[str, str], told: str, public: str) -> None:
        """A local segment that no scheme sees does not reach the file's name."""
        folder = tmp_path / "folder"
        folder.mkdir()
        (folder / "sample.py").touch()
        write_pyproject(folder, f"{VCS}\n{key}")
        assert f"sample-{told}-py2.py3-none-any.whl" == build(folder, "wheel", **environ)
        write_pyproject(folder, f"{PUBLIC}\n{key}")
        assert f"sample-{public}-py2.py3-none-any.whl" == build(folder, "wheel", **environ)

    def test_from_outside(self, origin: Repository) -> None:
        """Nobody can make hatch-vcs drop the local segment by a variable; here the release job can."""
        choose(origin.root, 'source = "vcs"')
        kept = version(origin.root, SETUPTOOLS_SCM_OVERRIDES_FOR_SAMPLE='{local_scheme = "no-local-version"}')
        assert kept.startswith("1.1.dev2+g")
        choose(origin.root, KEPT)
        assert kept == version(origin.root)
        assert version(origin.root, HATCH_TRUSTED_PUBLISH_LOCAL_VERSION="drop") == "1.1.dev2"

    def test_two_branches(self, origin: Repository) -> None:
        """Two branches at the same distance do not collide, and a job that is run again makes the same."""
        origin.git("checkout", "--quiet", "-b", "other", "v1.0")
        origin.commits(2)
        by_time = f'{PUBLIC}\ndev-number = "commit-time"'
        versions = {}
        for branch in ("main", "other"):
            origin.git("checkout", "--quiet", branch)
            for table in (VCS, by_time):
                choose(origin.root, table)
                versions[table, branch] = version(origin.root)
            assert versions[by_time, branch] == version(origin.root, TZ="Asia/Tokyo")
            origin.git("update-index", "--no-skip-worktree", "pyproject.toml")
            origin.git("checkout", "--quiet", "pyproject.toml")
        expected = {
            (VCS, "main"): "1.1.dev2",
            (VCS, "other"): "1.1.dev2",
            (by_time, "main"): "1.1.dev20240101000400",
            (by_time, "other"): "1.1.dev20240101000600",
        }
        assert expected == versions

    def test_archive(self, origin: Repository, tmp_path: Path) -> None:
        """An archive without the file that names its commit ends in a paragraph."""
        folder = unpacked_archive(origin, tmp_path)
        write_pyproject(folder, VCS)
        ran = run(folder, "hatchling", "version")
        assert Ran(1, "", ran.err) == ran
        assert "LookupError: setuptools-scm was unable to detect version" in ran.err
        write_pyproject(folder, PUBLIC)
        expected = (
            "vcs-public: this folder is no Git checkout, and holds no PKG-INFO of an sdist and no .git_archival.txt of an "
            "archive. Build from a clone or an sdist; a `fallback-version` in [tool.hatch.version] would be used here, if you "
            "want that."
        )
        assert expected == refusal(folder)

    def test_archive_with_its_commit(self, origin: Repository, tmp_path: Path) -> None:
        """An archive with it has the version of its commit, by both."""
        lines = [
            "node: $Format:%H$",
            "node-date: $Format:%cI$",
            "describe-name: $Format:%(describe:tags=true,match=*[0-9]*)$",
        ]
        write_lines(origin.root / ".git_archival.txt", lines)
        write_lines(origin.root / ".gitattributes", [".git_archival.txt export-subst"])
        origin.commit()
        folder = unpacked_archive(origin, tmp_path)
        write_pyproject(folder, VCS)
        assert version(folder) == "1.1.dev3"
        write_pyproject(folder, PUBLIC)
        assert version(folder, **IN_CI) == "1.1.dev3"
        write_pyproject(folder, f'{PUBLIC}\ndev-number = "commit-time"')
        assert version(folder) == "1.1.dev20240101000500"

    @pytest.mark.parametrize("table", [VCS, PUBLIC], ids=["vcs", "vcs-public"])
    def test_unpacked_sdist(self, origin: Repository, tmp_path: Path, table: str) -> None:
        """An sdist has its own version, also inside another repository, and whatever variables say."""
        origin.git("checkout", "--quiet", "v1.0")
        choose(origin.root, table)
        name = build(origin.root, "sdist")
        assert name == "sample-1.0.tar.gz"
        around = Repository(tmp_path / "around")
        around.commit("v7.0")
        with tarfile.open(origin.root / "dist" / name) as archive:
            archive.extractall(around.root, filter="data")
        unpacked = around.root / "sample-1.0"
        assert build(unpacked, "wheel", SETUPTOOLS_SCM_PRETEND_VERSION="9.0") == "sample-1.0-py2.py3-none-any.whl"
        assert version(unpacked, **IN_CI) == "1.0"

    @pytest.mark.parametrize(
        "table",
        [
            'source = "vcs"\nraw-options = { local_scheme = "no-local-version", normalize = false }',
            f"{PUBLIC}\nraw-options = {{ normalize = false }}",
        ],
        ids=["vcs", "vcs-public"],
    )
    def test_as_written(self, origin: Repository, table: str) -> None:
        """METADATA has a version as it is written (by hatchling from 1.33 on), the file's name has it normalized."""
        origin.commit("2026.08.10")
        choose(origin.root, table)
        name = build(origin.root, "wheel")
        assert name == "sample-2026.8.10-py2.py3-none-any.whl"
        with zipfile.ZipFile(origin.root / "dist" / name) as wheel:
            metadata = wheel.read("sample-2026.8.10.dist-info/METADATA").decode()
        written = "2026.8.10" if Version(metadata_version("hatchling")) < Version("1.33") else "2026.08.10"
        assert f"Version: {written}" in metadata.splitlines()


def unpacked_archive(repository: Repository, tmp_path: Path) -> Path:
    """What ``git archive`` makes of HEAD."""
    folder = tmp_path / "archive"
    repository.git("archive", "--output", str(tmp_path / "archive.tar"), "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder


class TestBuilds:
    """Both files, by both front ends."""

    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            (PUBLIC, {"sample-1.1.dev2-py2.py3-none-any.whl", "sample-1.1.dev2.tar.gz"}),
            (
                f'{PUBLIC}\ndev-number = "commit-time"',
                {"sample-1.1.dev20240101000400-py2.py3-none-any.whl", "sample-1.1.dev20240101000400.tar.gz"},
            ),
        ],
        ids=["distance", "commit-time"],
    )
    def test_hatchling(self, origin: Repository, table: str, expected: set[str]) -> None:
        """hatchling itself, as pip calls it."""
        choose(origin.root, table)
        assert expected == {build(origin.root, "wheel"), build(origin.root, "sdist")}

    def test_build_hook(self, origin: Repository) -> None:
        """hatch-vcs's build hook writes the public version to its file."""
        choose(origin.root, f'{PUBLIC}\n[tool.hatch.build.hooks.vcs]\nversion-file = "_version.py"')
        build(origin.root, "wheel")
        written = (origin.root / "_version.py").read_text("utf-8")
        assert "1.1.dev2" in written
        assert "+g" not in written

    def test_hatch(self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Hatch, which installs the built plugin into an environment of its own."""
        for name in ("CONFIG", "DATA_DIR", "CACHE_DIR"):
            monkeypatch.setenv(f"HATCH_{name}", str(tmp_path / name.lower()))
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            monkeypatch.delenv(name)
        (tmp_path / "config").touch()
        ran = run(PLUGIN, "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path / "plugin"))
        assert Ran(0, "", ran.err) == ran
        [wheel] = (tmp_path / "plugin").iterdir()
        write_pyproject(origin.root, PUBLIC, f"hatch-trusted-publish @ {wheel.as_uri()}")
        origin.git("update-index", "--skip-worktree", "pyproject.toml")
        ran = run(origin.root, "hatch", "version", HATCH_QUIET="1")
        assert Ran(0, "1.1.dev2", ran.err) == ran
        ran = run(origin.root, "hatch", "build")
        assert Ran(0, ran.out, ran.err) == ran
        expected = ["sample-1.1.dev2-py2.py3-none-any.whl", "sample-1.1.dev2.tar.gz"]
        assert expected == sorted(path.name for path in (origin.root / "dist").iterdir())


class TestBadInput:
    """One paragraph each, and never a traceback."""

    def test_no_git(self, origin: Repository, tmp_path: Path) -> None:
        """Git is not there."""
        expected = "vcs-public: Git is not installed, or not on the PATH. Install it; the version comes from it."
        assert expected == refusal(origin.root, PATH=str(tmp_path))

    def test_corrupt_repository(self, origin: Repository) -> None:
        """The object of the commit is damaged."""
        shutil.rmtree(origin.root / ".git" / "objects")
        (origin.root / ".git" / "objects").mkdir()
        expected = (
            "vcs-public: Git cannot read this repository (fatal: bad object HEAD). Mend what it says, or clone anew."
        )
        assert expected == refusal(origin.root)

    def test_folder_of_another_user(self, origin: Repository, tmp_path: Path) -> None:
        """Git's distrust of a folder's owner, usual in containers, stops hatch-vcs as little as this."""
        distrust = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
        choose(origin.root, VCS)
        assert "1.1.dev2" == version(origin.root, **distrust)
        choose(origin.root, f'{PUBLIC}\ndev-number = "commit-time"')
        assert "1.1.dev20240101000400" == version(origin.root, **distrust, **IN_CI)
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        choose(clone, f'{PUBLIC}\nhistory = "require"')
        expected = (
            "vcs-public: this is a shallow clone without the commits since the last tag, so a version would be a guess "
            "(`history` is `require`). Run `git fetch --unshallow --tags` (`git fetch --tags` in a full clone), or clone "
            "without --depth."
        )
        assert expected == refusal(clone, **distrust)

    def test_tag_that_is_no_version(self, origin: Repository) -> None:
        """What setuptools-scm says of it differs by its version."""
        origin.commit("nightly-x9")
        said = refusal(origin.root)
        assert said.startswith("vcs-public: setuptools-scm found no version (")
        advice = (
            "). If a tag is not meant to be one, say by `tag-pattern` in [tool.hatch.version] which are; if the repository's "
            "root is above this folder, name it by `raw-options.root`."
        )
        assert said.endswith(advice)

    def test_remote_is_gone(self, origin: Repository, tmp_path: Path) -> None:
        """What is missing cannot be fetched."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        environ = {**os.environ, "LC_ALL": "C"}
        fetch = ["git", "fetch", "--unshallow"]
        done = subprocess.run(fetch, cwd=clone, env=environ, capture_output=True, text=True, check=False)
        expected = (
            "vcs-public: this is a shallow clone without the commits since the last tag, so a version would be a guess (Git "
            f'could not mend that: {clean(done.stderr, 200)}). Add `GIT_DEPTH: "0"` under `variables:` of this job in '
            ".gitlab-ci.yml."
        )
        assert expected == refusal(clone, GITLAB_CI="true", **IN_CI)

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            (
                f'{PUBLIC}\nlocal-version = "strip"',
                "`local-version` in [tool.hatch.version] must be one of drop, keep, not 'strip'",
            ),
            (f"{PUBLIC}\nraw-options = 5", "`raw-options` in [tool.hatch.version] must be a table, not '5'"),
            (
                f'{KEPT}\nraw-options = {{ local_scheme = "no-local-version" }}',
                (
                    "`raw-options.local_scheme` (no-local-version) contradicts `local-version` (keep) in [tool.hatch.version]. "
                    "Remove the former; `local-version` decides"
                ),
            ),
            (
                f'{PUBLIC}\nlocal_version = "keep"',
                (
                    "[tool.hatch.version] has keys that nothing reads: local_version. There are dev-number, fallback-version, "
                    "history, local-version, raw-options, scheme, source, tag-pattern, validate-bump"
                ),
            ),
        ],
        ids=["value", "type", "contradiction", "unknown"],
    )
    def test_options(self, origin: Repository, table: str, said: str) -> None:
        """A mistake in the table stops the build."""
        choose(origin.root, table)
        assert f"vcs-public: {said}." == refusal(origin.root)

    def test_future(self, origin: Repository) -> None:
        """A clock ran ahead."""
        origin.commit(when="2090-01-02T03:04:05Z")
        choose(origin.root, f'{PUBLIC}\ndev-number = "commit-time"')
        expected = (
            "vcs-public: the committer date of this commit, 2090-01-02 03:04 UTC, lies in the future: releases of later "
            "commits would come before it. Set the clock of the machine that commits (or of this one), and make the commit "
            "anew with `git commit --amend --no-edit`."
        )
        assert expected == refusal(origin.root)
