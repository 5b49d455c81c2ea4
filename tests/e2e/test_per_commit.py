"""A release for every commit of a real history, as its jobs would make them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import httpx
import pytest
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from hatch_trusted_publish.rehearsal.installing import find_uv
from tests.support.repositories import Repository, isolate, write_pyproject

from .world import PUBLISHERS, Ci, Index, Job, Run

pytestmark = pytest.mark.slow

PLUGIN = Path(__file__).parents[2]
TABLE = 'source = "vcs-public"\ndev-number = "commit-time"'
READING = ["GET /simple/sample/ 200", "GET /.well-known/pytp?discover=%2Flegacy%2F 404", "GET /_/oidc/audience 200"]
RELEASE = [*READING, "POST /_/oidc/mint-token 200", *["POST /legacy/ 200"] * 2, "POST /_/oidc/burn-token 202"]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Return this machine's environment, which names its package sources; it is hidden from everything else."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "HATCH_"))}
    isolate(monkeypatch, tmp_path)
    return environ


class History:
    """Thirty commits: two branches that are merged, one that is squashed, and tags."""

    def __init__(self, root: Path, plugin: str) -> None:
        self.repository = Repository(root, TABLE)
        write_pyproject(root, TABLE, plugin)
        self.versions: dict[str, str] = {}
        """Of each commit."""
        self._grow()

    def _grow(self) -> None:
        git = self.repository.git
        self._commits(2, "0.1.dev")
        self._commits(1, "1.0.0")
        self._commits(2, "1.0.1.dev")
        git("checkout", "--quiet", "-b", "feature")
        self._commits(2, "1.0.1.dev")
        git("checkout", "--quiet", "main")
        self._commits(2, "1.0.1.dev")
        git("checkout", "--quiet", "feature")
        self._merge("main", "1.0.1.dev")
        self._commits(1, "1.0.1.dev")
        git("checkout", "--quiet", "-b", "maintenance", "v1.0.0")
        self._commits(1, "1.0.1.dev")
        self._commits(1, "1.0.1")
        git("checkout", "--quiet", "main")
        self._merge("feature", "1.0.1.dev")
        self._commits(1, "1.1.0rc1")
        self._commits(1, "1.1.0rc2.dev")
        git("checkout", "--quiet", "-b", "work")
        self._commits(3, "1.1.0rc2.dev")
        git("checkout", "--quiet", "main")
        self._commits(1, "1.1.0rc2.dev")
        git("merge", "--quiet", "--squash", "--strategy-option=theirs", "work")
        self._commits(1, "1.1.0rc2.dev")
        self._commits(1, "1.1.0")
        self._commits(2, "1.1.1.dev")
        git("checkout", "--quiet", "maintenance")
        self._commits(2, "1.0.2.dev")
        git("checkout", "--quiet", "main")
        self._merge("maintenance", "1.1.1.dev")
        self._commits(2, "1.1.1.dev")
        self._commits(1, "1.2.0")

    def _commits(self, count: int, version: str) -> None:
        for _ in range(count):
            self.repository.commit(*([] if version.endswith("dev") else [f"v{version}"]))
            self._note(version)

    def _merge(self, branch: str, version: str) -> None:
        self.repository.merge(branch)
        self._note(version)

    def _note(self, version: str) -> None:
        sha, seconds = self.repository.git("show", "--no-patch", "--format=%H %ct").split()
        when = datetime.fromtimestamp(int(seconds), UTC)
        self.versions[sha] = f"{version}{when:%Y%m%d%H%M%S}" if version.endswith("dev") else version

    def along(self, branch: str) -> list[str]:
        """Return the versions of a branch, from its start."""
        shas = self.repository.git("rev-list", "--first-parent", "--reverse", branch).split()
        return [self.versions[sha] for sha in shas]

    def checkout(self, sha: str, directory: Path) -> Path:
        """Return a job's own full clone."""
        clone = self.repository.clone(directory)
        self.repository.git("-C", str(clone), "checkout", "--quiet", "--detach", sha)
        return clone


@dataclass(frozen=True)
class Done:
    """The result of one job."""

    files: dict[str, str]
    """With their SHA-256."""
    published: Run


def files_of(version: str) -> list[str]:
    return [f"sample-{version}-py2.py3-none-any.whl", f"sample-{version}.tar.gz"]


def digests(dist: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(dist.iterdir())}


def run_job(history: History, sha: str, directory: Path, ci: Ci, index: Index, umask: int, zone: str) -> Done:
    """Check out the commit, build it, and run the publisher."""
    directory.mkdir(parents=True)
    job = Job(directory, history.checkout(sha, directory / "clone"))
    job.environ |= ci.github | {"TZ": zone}
    # Other permissions, as on another machine.
    for path in (job.root, *job.root.glob("*.py")):
        path.chmod(path.stat().st_mode & ~umask)
    build = [sys.executable, "-m", "hatchling", "build"]
    subprocess.run(build, cwd=job.root, env=job.environ, check=True, capture_output=True, umask=umask)
    published = job.publish("-r", index.upload_url)
    return Done(digests(job.dist), published)


def run_jobs(history: History, directory: Path, ci: Ci, index: Index, umask: int, zone: str) -> dict[str, Done]:
    """Run the job of each commit, two at a time."""
    with ThreadPoolExecutor(2) as pool:
        jobs = {
            sha: pool.submit(run_job, history, sha, directory / str(number), ci, index, umask, zone)
            for number, sha in enumerate(history.versions)
        }
        return {sha: job.result() for sha, job in jobs.items()}


def listed(index: Index) -> dict[str, str]:
    """Return the files that the index lists, with their SHA-256."""
    headers = {"Accept": "application/vnd.pypi.simple.v1+json"}
    listing = httpx.get(f"{index.url}/simple/sample/", headers=headers, trust_env=False).json()
    return {file["filename"]: file["hashes"]["sha256"] for file in listing["files"]}


def installed(index: Index, directory: Path, command: list[str], requirement: str) -> tuple[str, str]:
    """Return version and content of the release that an installer gets from this index alone."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(directory), "PIP_CONFIG_FILE": os.devnull}
    options = ["--quiet", "--no-deps", "--target", str(directory), "--index-url", f"{index.url}/simple/"]
    done = subprocess.run([*command, *options, requirement], env=environ, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    [metadata] = directory.glob("*.dist-info/METADATA")
    [version] = [
        line.partition(": ")[2] for line in metadata.read_text("utf-8").splitlines() if line.startswith("Version: ")
    ]
    return version, (directory / "sample.py").read_text("utf-8")


def hatch_built(history: History, shas: list[str], directory: Path, outside: dict[str, str]) -> list[dict[str, str]]:
    """Build these commits with `hatch build`, in its own environment with the built plugin."""
    clone = history.repository.clone(directory / "clone")
    environ = outside | {f"HATCH_{name}": str(directory / name.lower()) for name in ("CONFIG", "DATA_DIR", "CACHE_DIR")}
    (directory / "config").touch()
    made = []
    for sha in shas:
        history.repository.git("-C", str(clone), "checkout", "--quiet", "--detach", sha)
        done = subprocess.run(
            [sys.executable, "-m", "hatch", "build", "--clean"],
            cwd=clone,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stderr
        made.append(digests(clone / "dist"))
    return made


def built_plugin(directory: Path) -> str:
    """Return the requirement for the plugin as built here."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(build, cwd=PLUGIN, check=True, capture_output=True)
    [wheel] = directory.iterdir()
    return f"hatch-trusted-publish @ {wheel.as_uri()}"


def test_a_release_for_every_commit(tmp_path: Path, outside: dict[str, str], ci: Ci, index: Index) -> None:
    """Each of thirty commits has its own installable version; a second run of its job changes nothing."""
    history = History(tmp_path / "origin", built_plugin(tmp_path / "plugin"))
    versions = history.versions
    assert (30, 30) == (len(versions), len(set(map(Version, versions.values()))))
    index.store.add_project("sample", PUBLISHERS[0])

    first = run_jobs(history, tmp_path / "first", ci, index, umask=0o022, zone="UTC")
    for sha in versions:
        assert (0, []) == (first[sha].published.code, first[sha].published.codes)
    assert Counter(RELEASE * 30) == Counter(index.requests)
    assert (30, 30) == (len(set(ci.issued)), len(set(index.store.minted)))

    files = listed(index)
    assert {name: digest for done in first.values() for name, digest in done.files.items()} == files
    assert {name for version in versions.values() for name in files_of(version)} == files.keys()
    wheels = {parse_wheel_filename(name)[1] for name in files if name.endswith(".whl")}
    sdists = {parse_sdist_filename(name)[1] for name in files if name.endswith(".tar.gz")}
    assert set(map(Version, versions.values())) == wheels == sdists
    assert {None} == {version.local for version in wheels}
    for branch, length in {"main": 19, "feature": 9, "work": 13, "maintenance": 7}.items():
        along = list(map(Version, history.along(branch)))
        assert length == len(along)
        assert all(earlier < later for earlier, later in pairwise(along))

    index.forget()
    ci.forget()
    again = run_jobs(history, tmp_path / "again", ci, index, umask=0o077, zone="Asia/Tokyo")
    for sha in versions:
        assert (first[sha].files, 0, []) == (again[sha].files, again[sha].published.code, again[sha].published.codes)
    assert {"GET"} == {line.split()[0] for line in index.requests}
    assert 30 == index.requests.count("GET /simple/sample/ 200")
    assert [] == ci.issued
    assert files == listed(index)

    few = [sha for number, sha in enumerate(versions) if number in {1, 2, 18}]
    assert [first[sha].files for sha in few] == hatch_built(history, few, tmp_path, outside)

    pip = [sys.executable, "-m", "pip", "install", "--no-cache-dir"]
    uv = [find_uv() or "uv", "pip", "install", "--no-config", "--no-cache", "--python", sys.executable]
    content = {version: history.repository.git("show", f"{sha}:sample.py") + "\n" for sha, version in versions.items()}
    for number, (command, branch) in enumerate([(pip, "feature"), (uv, "work"), (pip, "maintenance"), (uv, "main")]):
        version = history.along(branch)[-1]
        target = tmp_path / "installed" / str(number)
        assert (version, content[version]) == installed(index, target, command, f"sample=={version}")
    # Without the final release that ends the history, the newest is the last commit before it.
    newest, before = history.along("main")[-1], history.along("main")[-2]
    for tool, command in {"pip": [*pip, "--pre"], "uv": [*uv, "--prerelease", "allow"]}.items():
        target = tmp_path / "newest" / tool
        assert (before, content[before]) == installed(index, target, command, f"sample<{newest}")
    assert (newest, content[newest]) == installed(index, tmp_path / "newest" / "final", pip, "sample")
