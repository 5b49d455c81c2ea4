"""Versions by real Git and hatchling: those of hatch-vcs, and those of ``vcs-public``."""

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

from tests.support.repositories import Repository, booby_trap, git, give_away, isolate, write_lines, write_pyproject

from .world import MEASURED, Index, Job

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[2]
VCS = 'source = "vcs"\nraw-options = { local_scheme = "no-local-version" }'
PUBLIC = 'source = "vcs-public"'
KEPT = f'{PUBLIC}\nlocal-version = "keep"'
IN_CI = {"CI": "true"}


@dataclass(frozen=True)
class Ran:
    """How a command ended; white space around its output is left out."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    isolate(monkeypatch, tmp_path)


@pytest.fixture
def origin(tmp_path: Path) -> Repository:
    """Return a repository with a tag after three commits, and two commits since."""
    origin = Repository(tmp_path / "origin")
    origin.commits(2)
    origin.commit("v1.0")
    origin.commits(2)
    return origin


def choose(root: Path, table: str) -> None:
    """Set ``[tool.hatch.version]`` in a checkout, in a way that does not count as a change."""
    write_pyproject(root, table)
    git(root, "update-index", "--skip-worktree", "pyproject.toml")


def run(root: Path, *command: str, **environ: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=root,
        env={name: value for name, value in os.environ.items() if name not in MEASURED} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout.strip(), done.stderr.strip())


def version(root: Path, **environ: str) -> str:
    """Return the output of ``hatchling version``, which is the version alone."""
    ran = run(root, "hatchling", "version", **environ)
    assert Ran(0, ran.out, "") == ran
    return ran.out


def refusal(root: Path, **environ: str) -> str:
    """Return the code of the paragraph that ends ``hatchling version``; setuptools-scm may have warned before it."""
    ran = run(root, "hatchling", "version", **environ)
    assert Ran(1, "", ran.err) == ran
    assert "Traceback" not in ran.err
    assert "vcs-public: " in ran.err
    return code(ran.err)


def code(text: str) -> str:
    """Return the code that a message ends with."""
    assert text.endswith("]"), text
    return text.rpartition("[")[2].removesuffix("]")


def build(root: Path, target: str, **environ: str) -> str:
    """Return the name of the file that ``hatchling build`` creates."""
    shutil.rmtree(root / "dist", ignore_errors=True)
    ran = run(root, "hatchling", "build", "--target", target, **environ)
    assert Ran(0, "", ran.err) == ran
    [made] = (root / "dist").iterdir()
    return made.name


class TestTable:
    """Each known problem of hatch-vcs."""

    @pytest.mark.parametrize("depth", [1, 2])
    def test_shallow_clone(self, origin: Repository, tmp_path: Path, depth: int) -> None:
        """The version is wrong, with a warning that is easily missed; or it is the right one."""
        clone = origin.clone(tmp_path / "clone", f"--depth={depth}")
        choose(clone, VCS)
        ran = run(clone, "hatchling", "version", **IN_CI)
        assert Ran(0, f"0.1.dev{depth}", ran.err) == ran
        assert "is shallow and may cause errors" in ran.err
        choose(clone, f'{PUBLIC}\nhistory = "require"')
        assert "shallow-clone" == refusal(clone, GITHUB_ACTIONS="true", **IN_CI)
        choose(clone, PUBLIC)
        ran = run(clone, "hatchling", "version")
        assert (0, f"0.1.dev{depth}", 1, "shallow-clone") == (ran.code, ran.out, ran.err.count("\n") + 1, code(ran.err))
        choose(clone, PUBLIC)
        assert version(clone, **IN_CI) == "1.1.dev2"

    def test_clone_without_tags(self, origin: Repository, tmp_path: Path) -> None:
        """The same, without even a warning."""
        clone = origin.clone(tmp_path / "clone", "--no-tags")
        choose(clone, VCS)
        assert version(clone, **IN_CI) == "0.1.dev5"
        choose(clone, PUBLIC)
        ran = run(clone, "hatchling", "version")
        assert (0, "0.1.dev5", 1, "no-tags") == (ran.code, ran.out, ran.err.count("\n") + 1, code(ran.err))
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
        """A release whose files a step of the job changed does not silently become the next one."""
        origin.git("checkout", "--quiet", "v1.0")
        (origin.root / "sample.py").write_text("changed\n", "utf-8")
        choose(origin.root, VCS)
        assert build(origin.root, "wheel", **IN_CI) == "sample-1.1.dev0-py2.py3-none-any.whl"
        choose(origin.root, PUBLIC)
        assert "changed-tag" == refusal(origin.root, **IN_CI)
        warned = run(origin.root, "hatchling", "version")
        assert (0, "1.1.dev0", "changed-tag") == (warned.code, warned.out, code(warned.err))

    def test_two_tags_on_a_commit(self, origin: Repository) -> None:
        """GitHub's page sets a lightweight tag for the release, next to the annotated one of the candidate."""
        origin.commit("v2.0")
        origin.git("tag", "--annotate", "--message=x", "v2.0rc1")
        choose(origin.root, VCS)
        assert version(origin.root) == "2.0rc1"
        choose(origin.root, PUBLIC)
        assert version(origin.root) == "2.0"

    @pytest.mark.parametrize(
        ("key", "environ", "kept", "public"),
        [
            ("", {"SETUPTOOLS_SCM_PRETEND_VERSION": "2.0+dirty"}, "2.0+dirty", "2.0"),
            ('fallback-version = "3.0+loc"', {}, "3.0+loc", "3.0"),
        ],
        ids=["pretended", "fallback"],
    )
    def test_past_the_schemes(self, tmp_path: Path, key: str, environ: dict[str, str], kept: str, public: str) -> None:
        """A local segment that bypasses the schemes does not reach the file name."""
        directory = tmp_path / "directory"
        directory.mkdir()
        (directory / "sample.py").touch()
        write_pyproject(directory, f"{VCS}\n{key}")
        assert f"sample-{kept}-py2.py3-none-any.whl" == build(directory, "wheel", **environ)
        write_pyproject(directory, f"{PUBLIC}\n{key}")
        assert f"sample-{public}-py2.py3-none-any.whl" == build(directory, "wheel", **environ)

    def test_from_outside(self, origin: Repository) -> None:
        """No variable makes hatch-vcs drop the local segment; here the release job can set one."""
        choose(origin.root, 'source = "vcs"')
        kept = version(origin.root, SETUPTOOLS_SCM_OVERRIDES_FOR_SAMPLE='{local_scheme = "no-local-version"}')
        assert kept.startswith("1.1.dev2+g")
        choose(origin.root, KEPT)
        assert kept == version(origin.root)
        assert version(origin.root, HATCH_TRUSTED_PUBLISH_LOCAL_VERSION="drop") == "1.1.dev2"

    def test_two_branches(self, origin: Repository) -> None:
        """Two branches at the same distance do not collide, and a job that is run again builds the same version."""
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
        directory = unpacked_archive(origin, tmp_path)
        write_pyproject(directory, VCS)
        ran = run(directory, "hatchling", "version")
        assert Ran(1, "", ran.err) == ran
        assert "LookupError: setuptools-scm was unable to detect version" in ran.err
        write_pyproject(directory, PUBLIC)
        assert "no-repository" == refusal(directory)

    def test_archive_with_its_commit(self, origin: Repository, tmp_path: Path) -> None:
        """An archive with that file has the version of its commit, with either source."""
        lines = [
            "node: $Format:%H$",
            "node-date: $Format:%cI$",
            "describe-name: $Format:%(describe:tags=true,match=*[0-9]*)$",
        ]
        write_lines(origin.root / ".git_archival.txt", lines)
        write_lines(origin.root / ".gitattributes", [".git_archival.txt export-subst"])
        origin.commit()
        directory = unpacked_archive(origin, tmp_path)
        write_pyproject(directory, VCS)
        assert version(directory) == "1.1.dev3"
        write_pyproject(directory, PUBLIC)
        assert version(directory, **IN_CI) == "1.1.dev3"
        write_pyproject(directory, f'{PUBLIC}\ndev-number = "commit-time"')
        assert version(directory) == "1.1.dev20240101000500"

    @pytest.mark.parametrize("table", [VCS, PUBLIC], ids=["vcs", "vcs-public"])
    def test_unpacked_sdist(self, origin: Repository, tmp_path: Path, table: str) -> None:
        """An sdist has its own version, even inside another repository, and whatever the variables."""
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
        """METADATA has a version as written (by hatchling from 1.33 on), the file name has it normalized."""
        origin.commit("2026.08.10")
        choose(origin.root, table)
        name = build(origin.root, "wheel")
        assert name == "sample-2026.8.10-py2.py3-none-any.whl"
        with zipfile.ZipFile(origin.root / "dist" / name) as wheel:
            metadata = wheel.read("sample-2026.8.10.dist-info/METADATA").decode()
        written = "2026.8.10" if Version(metadata_version("hatchling")) < Version("1.33") else "2026.08.10"
        assert f"Version: {written}" in metadata.splitlines()


def unpacked_archive(repository: Repository, tmp_path: Path) -> Path:
    """Unpack ``git archive``'s archive of HEAD."""
    directory = tmp_path / "archive"
    repository.git("archive", "--output", str(tmp_path / "archive.tar"), "HEAD")
    with tarfile.open(tmp_path / "archive.tar") as archive:
        archive.extractall(directory, filter="data")
    return directory


class TestBuilds:
    """Both files, with both front ends."""

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
        """Hatch installs the built plugin into its own environment."""
        for name in ("CONFIG", "DATA_DIR", "CACHE_DIR"):
            monkeypatch.setenv(f"HATCH_{name}", str(tmp_path / name.lower()))
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
        """Git is missing."""
        assert "no-git" == refusal(origin.root, PATH=str(tmp_path))

    def test_corrupt_repository(self, origin: Repository) -> None:
        """The object of the commit is damaged."""
        shutil.rmtree(origin.root / ".git" / "objects")
        (origin.root / ".git" / "objects").mkdir()
        assert "broken-repository" == refusal(origin.root)

    @pytest.mark.parametrize("environ", [{}, IN_CI], ids=["laptop", "CI"])
    def test_repository_of_another_user(
        self, origin: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
    ) -> None:
        """hatch-vcs runs commands of another user's configuration; here Git refuses to."""
        trace = booby_trap(origin.root, tmp_path / "traps")
        give_away(monkeypatch, origin.root)
        write_pyproject(origin.root, VCS)
        run(origin.root, "hatchling", "version", **environ)
        assert trace.exists()
        trace.unlink()
        write_pyproject(origin.root, PUBLIC)
        assert "dubious-ownership" == refusal(origin.root, **environ)
        assert not trace.exists()

    @pytest.mark.parametrize("place", [".", "package"])
    def test_publishing_from_a_repository_of_another_user(
        self, job: Job, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
    ) -> None:
        """In the job that holds the identity, no command of another user's repository runs."""
        trace = booby_trap(job.root, tmp_path / "traps")
        give_away(monkeypatch, job.root)
        if place == "package":
            (job.root / place).mkdir()
            shutil.copy(job.root / "pyproject.toml", job.root / place)
            shutil.copytree(job.dist, job.root / place / "dist")
            job.root /= place
        distrust = {name: value for name, value in os.environ.items() if name.startswith("GIT_TEST_")}
        run = job.publish("-r", index.upload_url, "-o", "dry-run", **distrust)
        assert 0 == run.code
        assert "safe.directory" in run.err
        assert not trace.exists()

    def test_tag_that_is_not_a_version(self, origin: Repository) -> None:
        """setuptools-scm's words about it depend on its version."""
        origin.commit("nightly-x9")
        assert "no-version" == refusal(origin.root)

    def test_remote_is_gone(self, origin: Repository, tmp_path: Path) -> None:
        """Missing history cannot be fetched."""
        clone = origin.clone(tmp_path / "clone", "--depth=1")
        git(clone, "remote", "set-url", "origin", str(tmp_path / "gone"))
        assert "shallow-clone" == refusal(clone, GITLAB_CI="true", **IN_CI)

    @pytest.mark.parametrize(
        ("table", "expected"),
        [
            (f'{PUBLIC}\nlocal-version = "strip"', "bad-version-key"),
            (f"{PUBLIC}\nraw-options = 5", "no-version"),
            (f'{KEPT}\nraw-options = {{ local_scheme = "no-local-version" }}', "contradicting-local-scheme"),
            (f'{PUBLIC}\nlocal_version = "keep"', "unknown-version-keys"),
        ],
        ids=["value", "type", "contradiction", "unknown"],
    )
    def test_options(self, origin: Repository, table: str, expected: str) -> None:
        """A mistake in the table stops the build."""
        choose(origin.root, table)
        assert expected == refusal(origin.root)

    def test_future(self, origin: Repository) -> None:
        """The clock was ahead."""
        origin.commit(when="2090-01-02T03:04:05Z")
        choose(origin.root, f'{PUBLIC}\ndev-number = "commit-time"')
        assert "commit-from-the-future" == refusal(origin.root)

    @pytest.mark.parametrize("wanted", ["minor", "2.0"])
    def test_new_version(self, origin: Repository, wanted: str) -> None:
        """Only a tag creates a new version."""
        ran = run(origin.root, "hatchling", "version", wanted)
        assert (1, "version-comes-from-tags") == (ran.code, code(ran.err))
