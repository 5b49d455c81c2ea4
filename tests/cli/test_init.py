"""The files that `init` writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hatch_trusted_publish.cli import init, project
from hatch_trusted_publish.cli.check import check
from hatch_trusted_publish.cli.init import Answers, changes, form, pages, publishing, write
from hatch_trusted_publish.errors import SettingsError
from hatch_trusted_publish.index.endpoints import Repository, find_index
from tests.support.repositories import git

BIN = Path(sys.executable).parent
STATIC = '[project]\nname = "sample"\nversion = "1.0"  # by hand\n'
DYNAMIC = """[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"
[project]
name = "sample"
dynamic = ["version"]
[tool.hatch.version]
source = "vcs"
"""
REMOTES = {"github": "git@github.com:octo-org/sample.git", "gitlab": "https://gitlab.com/a/b/sample.git"}
CHOICES = [Answers(), Answers(every_commit=True, environment="release")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch", "trunk")
    tmp_path.joinpath("pyproject.toml").write_text(DYNAMIC, "utf-8")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "Start")
    git(tmp_path, "tag", "v1.0")
    return tmp_path


def set_up(root: Path, provider: str, answers: Answers) -> list[str]:
    """Write the files that `init` creates, and return their names."""
    if not git(root, "remote").strip():
        git(root, "remote", "add", "origin", REMOTES[provider])
    found = project.read(root)
    assert found.forge is not None
    planned = changes(found, found.forge, answers, publishing(found, found.forge))
    write(planned)
    return [one.path.relative_to(root).as_posix() for one in planned]


@pytest.mark.parametrize("answers", CHOICES, ids=["PyPI", "every commit"])
@pytest.mark.parametrize(
    ("provider", "files"),
    [
        ("github", [".github/workflows/release.yml", "pyproject.toml"]),
        ("gitlab", [".gitlab/publish.yml", ".gitlab-ci.yml", "pyproject.toml"]),
    ],
)
def test_files(root: Path, provider: str, files: list[str], answers: Answers) -> None:
    """A second run changes nothing, and `check` finds nothing, with zizmor if it is installed."""
    assert files == set_up(root, provider, answers)
    assert [] == set_up(root, provider, answers)
    found = check(project.read(root))
    assert [] == [one.message.code for one in found]
    assert {} != project.read(root).publisher


@pytest.mark.parametrize("answers", CHOICES, ids=["PyPI", "every commit"])
@pytest.mark.parametrize(("provider", "schema"), [("github", "github-workflows"), ("gitlab", "gitlab-ci")])
def test_valid(root: Path, provider: str, schema: str, answers: Answers) -> None:
    """The files are valid for the schema of their CI, and for zizmor's pedantic rules."""
    written = [root / name for name in set_up(root, provider, answers) if name.endswith(".yml")]
    subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *written], check=True
    )
    if provider == "github":
        pedantic = [
            str(BIN / "zizmor"),
            "--offline",
            "--no-progress",
            "--no-config",
            "--persona=pedantic",
            "--strict-collection",
        ]
        subprocess.run([*pedantic, *map(str, written)], check=True)


def test_versions_from_git(root: Path) -> None:
    """To publish each commit, a static version is replaced by the history's; comments stay."""
    root.joinpath("pyproject.toml").write_text(f"# Ours\n{STATIC}", "utf-8")
    set_up(root, "github", CHOICES[1])
    found = project.read(root)
    assert (True, "vcs-public") == (found.counts_commits, found.data["tool"]["hatch"]["version"]["source"])
    assert ["hatchling", "hatch-trusted-publish"] == found.data["build-system"]["requires"]
    assert "# Ours\n" in root.joinpath("pyproject.toml").read_text("utf-8")
    assert [] == set_up(root, "github", CHOICES[1])


def test_what_is_there_stays(root: Path) -> None:
    """An existing publishing workflow and an existing table are left unchanged."""
    directory = root / ".github" / "workflows"
    directory.mkdir(parents=True)
    directory.joinpath("cd.yml").write_text("jobs: {a: {steps: [{run: twine upload dist/*}]}}", "utf-8")
    with root.joinpath("pyproject.toml").open("a", encoding="utf-8") as file:
        file.write('[tool.hatch.publish.trusted.publisher]\nprovider = "github"\n')
    assert [] == set_up(root, "github", Answers())


@pytest.mark.parametrize(
    ("expected", "environment"),
    [
        pytest.param({"environment": "release"}, "release", id="environment"),
        pytest.param({}, "", id="no environment"),
        pytest.param({}, "${{ matrix.place }}", id="expression"),
    ],
)
def test_the_table_for_what_is_there(root: Path, expected: dict[str, str], environment: str) -> None:
    """The table names the file and the environment of the existing publishing job."""
    directory = root / ".github" / "workflows"
    directory.mkdir(parents=True)
    directory.joinpath("cd.yml").write_text(
        f"jobs: {{a: {{environment: '{environment}', steps: [{{run: twine upload dist/*}}]}}}}", "utf-8"
    )
    assert ["pyproject.toml"] == set_up(root, "github", Answers())
    table = project.read(root).publisher
    assert {
        "provider": "github",
        "owner": "octo-org",
        "repository": "sample",
        "workflow": "cd.yml",
        **expected,
    } == table
    index = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
    shown = {**table, "environment": environment}
    assert ("environment=" in pages(index, "sample", shown)["url"]) == bool(expected)
    assert ("Environment name", environment) == form(shown, "sample")[-1]


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        pytest.param(
            [".gitlab/publish.yml", ".gitlab-ci.yml", "pyproject.toml"], "test: {script: [x]}\n", id="own jobs"
        ),
        pytest.param([".gitlab/publish.yml", "pyproject.toml"], "include: [{local: ci.yml}]\n", id="own includes"),
        pytest.param(["pyproject.toml"], "x: {script: [twine upload dist/*]}\n", id="publishes"),
        pytest.param(
            ["pyproject.toml"], "include: [{remote: https://x.org/actions/gitlab/publish.yml}]\n", id="the template"
        ),
    ],
)
def test_an_existing_pipeline(root: Path, expected: list[str], text: str) -> None:
    """An existing pipeline is kept; its own list of includes is not edited."""
    root.joinpath(".gitlab-ci.yml").write_text(text, "utf-8")
    assert expected == set_up(root, "gitlab", Answers())
    assert root.joinpath(".gitlab-ci.yml").read_text("utf-8").startswith(text)


def test_pyproject_that_cannot_be_edited(root: Path) -> None:
    """A table that is written in a way that cannot be extended is refused before anything is written."""
    root.joinpath("pyproject.toml").write_text(f"{STATIC}[tool]\nhatch.publish = 1\n", "utf-8")
    with pytest.raises(SettingsError) as caught:
        set_up(root, "github", Answers())
    assert "pyproject-not-edited" == caught.value.message.code
    assert not (root / ".github").exists()


def test_all_or_none(root: Path) -> None:
    """If one file cannot be written, the ones before it are restored."""
    new, old, blocked = root / "new" / "a", root / "old", root / "blocked"
    old.write_text("before", "utf-8")
    blocked.mkdir()
    planned = [init.Change(new, None, "x"), init.Change(old, "before", "after"), init.Change(blocked, None, "x")]
    with pytest.raises(OSError, match="regular"):
        write(planned)
    assert (False, "before") == (new.exists(), old.read_text("utf-8"))


def test_default_branch(root: Path) -> None:
    """The branch is the remote's default, else the one that is checked out, else a guess."""
    assert "trunk" == init.default_branch(root)
    git(root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/devel")
    assert "devel" == init.default_branch(root)
    assert "main" == init.default_branch(root.parent)


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_form(root: Path, provider: str) -> None:
    """PyPI's form is shown field by field, with its links."""
    set_up(root, provider, Answers())
    table = project.read(root).publisher
    fields = form(table, "sample")
    assert ("PyPI Project Name", "sample") == fields[0]
    assert ("Environment name", "pypi") == fields[-1]
    found = pages(find_index(Repository("main", "https://upload.pypi.org/legacy/")), "sample", table)
    assert found["url"].startswith(f"https://pypi.org/manage/project/sample/settings/publishing/?provider={provider}&")
    assert "https://pypi.org/manage/account/publishing/" == found["account"]
