"""Fixtures for the end-to-end tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .world import SDIST, WHEEL, Ci, Index, Job, make_checkout, served


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with a tag, and the files that `hatch build` makes of it, in its own environment."""
    directory = tmp_path_factory.mktemp("built")
    root = directory / "project"
    make_checkout(root)
    # The build's environment is installed from this machine's package sources: their settings are kept.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "HATCH_"))}
    environ |= {f"HATCH_{name}": str(directory / name.lower()) for name in ("CONFIG", "DATA_DIR", "CACHE_DIR")}
    (directory / "config").touch()
    done = subprocess.run(
        [sys.executable, "-m", "hatch", "build"], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    assert [WHEEL, SDIST] == sorted(path.name for path in (root / "dist").glob("*")), done.stderr
    return root


@pytest.fixture
def job(tmp_path: Path, checkout: Path) -> Iterator[Job]:
    """Return a job with files to publish; at the end, check all its reports against the schema."""
    job = Job(tmp_path, checkout)
    yield job
    job.check_reports()


@pytest.fixture
def ci() -> Iterator[Ci]:
    """The token services of the CIs."""
    ci = Ci()
    with served(ci):
        yield ci


@pytest.fixture
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """An index like PyPI, with a publisher for the sample project."""
    index = Index(tmp_path_factory.mktemp("index") / "files")
    with served(index):
        yield index


@pytest.fixture
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    """A private index that accepts the identities of any CI."""
    index = Index(tmp_path_factory.mktemp("private") / "files", private=True)
    with served(index):
        yield index
