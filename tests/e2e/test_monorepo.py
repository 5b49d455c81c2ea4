"""The page for several packages in one repository, followed to the letter."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import pytest

from hatch_trusted_publish.artifacts.digest import digest_of
from hatch_trusted_publish.errors import Message
from tests.support.pages import ROOT, Shell, blocks_of

from .test_pages import github, tasks
from .world import PUBLISHERS, Ci, Index, clean_environ, git

pytestmark = pytest.mark.slow

PAGE: Final = ROOT / "docs" / "how-to" / "monorepo.md"
REHEARSE, TOGETHER = (block.text for block in blocks_of(PAGE) if not block.language)
CORE = ["example_core-1.0.0-py2.py3-none-any.whl", "example_core-1.0.0.tar.gz"]
WEB = ["example_web-2.0.1.dev1-py2.py3-none-any.whl", "example_web-2.0.1.dev1.tar.gz"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a shell at the tag core-v1.0.0, one commit after web-v2.0.0."""
    shell = Shell(tmp_path, clean_environ(tmp_path / "home"))
    [block] = [block for block in blocks_of(PAGE) if block.language == "toml"]
    root = shell.directory
    for name in ("core", "web"):
        package = root / "packages" / name / "src" / f"example_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text('"""A package."""\n', "utf-8")
        (root / "packages" / name / "pyproject.toml").write_text(block.text.replace("core", name), "utf-8")
    (root / ".gitignore").write_text("dist/\n", "utf-8")
    git(root, "init", "--quiet", "--initial-branch=main")
    for tag in ("web-v2.0.0", "core-v1.0.0"):
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--allow-empty", "--message", tag)
        git(root, "tag", tag)
    return shell


@pytest.fixture
def two(shell: Shell, ci: Ci, index: Index) -> Index:
    """An index that has both projects, with the same publisher."""
    for name in ("example-core", "example-web"):
        index.store.add_project(name, *PUBLISHERS)
    shell.environ |= ci.github | {"HATCH_INDEX_REPO": index.upload_url}
    return index


def test_rehearsal(shell: Shell) -> None:
    """One package is counted from its own tags, and rehearsed from its own directory."""
    code, said = shell.type(REHEARSE)
    assert 0 == code
    assert str(Message("unsafe-version-options", options=["git_describe_command", "tag-pattern"])) in said
    assert "example-core 1.0.0" in said


def test_one_package_a_run(shell: Shell, two: Index) -> None:
    """The workflow builds the package that the tag names; only its files are published."""
    job, publish = tasks(PAGE, github, "\njobs:")
    [build] = [line for line in job.script.splitlines() if "hatch build" in line]
    shell.environ["GITHUB_REF_NAME"] = "core-v1.0.0"
    assert 0 == shell.type(build)[0]
    # The output of the build job.
    built = (shell.directory / "dist").iterdir()
    digest = digest_of((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in built)
    shell.environ |= dict.fromkeys(publish.environ, digest)
    code, said = shell.type(publish.script)
    assert 0 == code, said
    assert CORE == two.files


def test_all_packages_at_once(shell: Shell, two: Index) -> None:
    """Two builds share a directory, and one command publishes both."""
    code, said = shell.type(TOGETHER)
    assert 0 == code, said
    assert [*CORE, *WEB] == two.files


def test_not_by_accident(shell: Shell, two: Index) -> None:
    """Without `several` the same files are refused."""
    code, said = shell.type(TOGETHER.replace(" -o several", ""))
    assert 1 == code
    assert "[several-releases]" in said
    assert [] == two.files
