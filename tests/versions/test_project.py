"""What a project says of itself, without running its code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_trusted_publish.versions.project import Project, read_project, untracked_files
from tests.support.helpers import in_ascii
from tests.support.repositories import Repository, git, isolate, write_lines

NAME = canonicalize_name("sample")
HATCHLING = ["[build-system]", 'requires = ["hatchling"]', 'build-backend = "hatchling.build"']
SETUPTOOLS = ["[build-system]", 'requires = ["setuptools"]', 'build-backend = "setuptools.build_meta"']
NAMED = ["[project]", 'name = "Sample"']
DYNAMIC = [*NAMED, 'dynamic = ["version"]', "[tool.hatch.version]"]
COULD_RUN = "its raw-options could run a command"
NAMES_CODE = "its raw-options name code of the project"
NOT_READ = "is none that is read without running the project's code or build"


@pytest.fixture(autouse=True)
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Path]:
    """A place where everything that a repository could make run leaves a trace: at the end of each test, there is none."""
    isolate(monkeypatch, tmp_path)
    trace = tmp_path / "trace"
    trace.mkdir()
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("hg", "jj", "evil-command"):
        write_lines(commands / name, ["#!/bin/sh", f"echo $0 $@ >> {trace}/commands", "exit 1"])
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    root = tmp_path / "project"
    # As with `python -m hatch`, or a PYTHONPATH with an empty part.
    monkeypatch.syspath_prepend(str(root))
    before = set(sys.modules)
    yield trace
    assert sorted(path.name for path in trace.iterdir()) == []
    assert [name for name in sys.modules.keys() - before if name.startswith("evil")] == []


def make(tmp_path: Path, *lines: str, files: dict[str, str] | None = None) -> Path:
    """A project with this pyproject.toml, in which every piece of Python is a trap."""
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    write_lines(root / "pyproject.toml", lines)
    for name in ("setup.py", "hatch_build.py", "evil.py", "version.py"):
        ran = f"open({str(tmp_path / 'trace' / name)!r}, 'w').close()"
        write_lines(root / name, [ran, "__version__ = '4.5'", "def get_version(*_, **__): return '6.6'"])
    for name, text in (files or {}).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    return root


@pytest.mark.parametrize(
    ("lines", "version"),
    [
        pytest.param([*HATCHLING, *NAMED, 'version = "1.2"'], "1.2", id="static"),
        pytest.param([*HATCHLING, *NAMED, 'version = "2026.08.10"'], "2026.8.10", id="static, not normalized"),
        pytest.param([*SETUPTOOLS, *NAMED, 'version = "1.2"'], "1.2", id="static, another backend"),
        pytest.param([*NAMED, 'version = "1.2"'], "1.2", id="static, no backend"),
        pytest.param([*HATCHLING, *DYNAMIC, 'path = "version.py"'], "4.5", id="regex by default"),
        pytest.param([*HATCHLING, *DYNAMIC, 'source = "regex"', 'path = "version.py"'], "4.5", id="regex"),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'path = "version.py"', "pattern = \"return '(?P<version>[^']+)'\""],
            "6.6",
            id="regex with a pattern",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs"', 'fallback-version = "3.0+loc"'], "3.0+loc", id="fallback of vcs"
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs-public"', 'fallback-version = "3.0+loc"'],
            "3.0",
            id="fallback of vcs-public",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs"', "raw-options = { parentdir_prefix_version = 'pro' }"],
            None,
            id="name of the folder that says nothing",
        ),
    ],
)
def test_readable(tmp_path: Path, lines: list[str], version: str | None) -> None:
    """A version that only has to be read is known, whatever else lies around."""
    project = read_project(make(tmp_path, *lines))

    assert (NAME, version) == (project.name, None if project.version is None else str(project.version))
    assert (project.unknown is None) == (version is not None)


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        pytest.param(
            [*SETUPTOOLS, *NAMED, 'dynamic = ["version"]'],
            "it is dynamic, and 'setuptools.build_meta' would have to run to compute it",
            id="setuptools",
        ),
        pytest.param(
            [*NAMED, 'dynamic = ["version"]'],
            "it is dynamic, and 'setuptools.build_meta' would have to run to compute it",
            id="no backend",
        ),
        pytest.param(
            ["[build-system]", 'build-backend = "\\u001b[2J"', *NAMED, 'dynamic = ["version"]'],
            "it is dynamic, and '?[2J' would have to run to compute it",
            id="hostile backend",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "code"', 'path = "version.py"'],
            f"its source, 'code', {NOT_READ}",
            id="code",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "env"', 'variable = "HOME"'], f"its source, 'env', {NOT_READ}", id="env"
        ),
        pytest.param([*HATCHLING, *DYNAMIC, 'source = "custom"'], f"its source, 'custom', {NOT_READ}", id="custom"),
        pytest.param([*HATCHLING, *DYNAMIC, 'source = "evil"'], f"its source, 'evil', {NOT_READ}", id="a plugin's"),
        pytest.param(
            [*HATCHLING, *DYNAMIC],
            "it cannot be computed here (option `path` must be specified)",
            id="regex without a path",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'path = "nowhere.py"'],
            "it cannot be computed here (file does not exist: nowhere.py)",
            id="regex without a file",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, "source = 1"],
            "it cannot be computed here (Field `tool.hatch.version.source` must be a string)",
            id="source of another type",
        ),
        pytest.param(
            [*HATCHLING, *NAMED, 'version = "one"'],
            "it cannot be computed here (Invalid version: 'one')",
            id="no version",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs-public"', "fallback-version = 1"],
            "it cannot be computed here (vcs-public: `fallback-version` in [tool.hatch.version] must be a string, not '1')",
            id="bad option of vcs-public",
        ),
        *[
            pytest.param(
                [*HATCHLING, *DYNAMIC, 'source = "vcs"', 'fallback-version = "1.0"', f"raw-options = {options}"],
                unknown,
                id=options,
            )
            for options, unknown in {
                '{ git_describe_command = "evil-command" }': COULD_RUN,
                '{ parse = "evil:get_version" }': COULD_RUN,
                '{ version_cls = "evil.get_version" }': COULD_RUN,
                '{ scm = { git = { describe_command = "evil-command" } } }': COULD_RUN,
                '{ fallback_root = ".." }': COULD_RUN,
                '["evil-command"]': COULD_RUN,
                '{ version_scheme = "evil:get_version" }': NAMES_CODE,
                '{ version_scheme = "evil" }': NAMES_CODE,
                '{ local_scheme = "evil:get_version" }': NAMES_CODE,
                '{ local_scheme = ["no-local-version", "evil"] }': NAMES_CODE,
            }.items()
        ],
    ],
)
def test_unknown(tmp_path: Path, lines: list[str], unknown: str) -> None:
    """What would run code, or cannot be read, is left unknown with the reason; the name is known all the same."""
    assert Project(NAME, unknown=unknown) == read_project(make(tmp_path, *lines))


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        pytest.param(
            ["[project"], "Expected ']' at the end of a table declaration (at line 1, column 9)", id="no TOML"
        ),
        pytest.param(["[tool.x]"], "Missing `project` metadata table in configuration", id="no [project]"),
        pytest.param(["project = 1"], "The `project` configuration must be a table", id="no table"),
        pytest.param(["[project]"], "Missing required field `project.name`", id="no name"),
    ],
)
def test_broken(tmp_path: Path, lines: list[str], unknown: str) -> None:
    """Of a pyproject.toml that cannot be read, nothing is known but why."""
    assert Project(unknown=f"pyproject.toml cannot be read ({unknown})") == read_project(make(tmp_path, *lines))


def test_no_project(tmp_path: Path) -> None:
    """A folder without pyproject.toml says nothing, and neither does the one above."""
    write_lines(tmp_path / "pyproject.toml", [*NAMED, 'version = "1.0"'])
    (tmp_path / "project").mkdir()

    assert Project(unknown="there is no pyproject.toml here") == read_project(tmp_path / "project")


def test_hatch_toml(tmp_path: Path) -> None:
    """hatch.toml is read as well, as hatchling does it."""
    files = {"hatch.toml": '[version]\npath = "version.py"\n'}
    root = make(tmp_path, *HATCHLING, *NAMED, 'dynamic = ["version"]', files=files)

    assert Project(NAME, Version("4.5")) == read_project(root)


def test_unpacked_sdist(tmp_path: Path) -> None:
    """In an unpacked sdist, its PKG-INFO wins over every source, also over one that would run code."""
    files = {"PKG-INFO": "Metadata-Version: 2.4\nName: sample\nVersion: 7.8\n"}

    for source in ("vcs", "vcs-public", "code"):
        root = make(tmp_path, *HATCHLING, *DYNAMIC, f'source = "{source}"', files=files)
        assert Project(NAME, Version("7.8")) == read_project(root)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository two commits after a tag."""
    repository = Repository(tmp_path / "project")
    repository.commit("v1.0")
    repository.commits(2)
    return repository


@pytest.mark.parametrize(
    ("table", "version"),
    [
        (['source = "vcs-public"'], "1.1.dev2"),
        (['source = "vcs"', 'raw-options = { local_scheme = "no-local-version" }'], "1.1.dev2"),
        (
            [
                'source = "vcs"',
                'raw-options = { local_scheme = ["no-local-version"], version_scheme = "post-release" }',
            ],
            "1.0.post2",
        ),
        (['source = "vcs-public"', 'raw-options = { version_scheme = "no-guess-dev" }'], "1.0.post1.dev2"),
        (['source = "vcs-public"', 'raw-options = { root = "." , search_parent_directories = true }'], "1.1.dev2"),
    ],
)
def test_repository(repository: Repository, table: list[str], version: str) -> None:
    """A version is counted from the history, with the schemes of setuptools-scm."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, *table])
    repository.git("commit", "--quiet", "--all", "--amend", "--no-edit")

    assert Project(NAME, Version(version)) == read_project(repository.root)


def test_local_version(repository: Repository) -> None:
    """hatch-vcs keeps the local segment, and so does what is compared with its files."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, 'source = "vcs"'])
    repository.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    commit = repository.git("rev-parse", "HEAD")
    version = read_project(repository.root).version

    assert version is not None
    assert (version.public, version.local) == ("1.1.dev2", f"g{commit}"[: len(version.local or "")])


def test_nothing_is_written(repository: Repository) -> None:
    """Files that a build would write are not: publishing changes nothing in the working folder."""
    options = ['version_file = "_version.py"', 'write_to = "_written.py"', 'write_to_template = "{version}"']
    table = [*HATCHLING, *DYNAMIC, 'source = "vcs-public"', f"raw-options = {{ {', '.join(options)} }}"]
    write_lines(repository.root / "pyproject.toml", table)
    repository.commit("v2.0")

    assert Project(NAME, Version("2.0")) == read_project(repository.root)
    assert repository.git("status", "--porcelain", "--ignored") == ""


def test_changed_tag(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """What vcs-public refuses in a CI is no error here, but the reason why nothing is compared."""
    repository.commit("v2.0")
    write_lines(repository.root / "sample.py", ["changed"])
    monkeypatch.setenv("CI", "true")
    project = read_project(repository.root)

    assert project.version is None
    assert str(project.unknown).startswith(
        "it cannot be computed here (vcs-public: this commit has the tag of 2.0, but "
    )


@pytest.mark.parametrize("owner", ["0", "1"], ids=["own", "another user's"])
@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
@pytest.mark.parametrize(
    ("options", "unknown"),
    [
        ("--depth=1", "this is a shallow clone, in which a version would be a guess"),
        ("--no-tags", "this clone has no tags, so a version would be a guess"),
    ],
)
def test_incomplete_clone(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: str,
    source: str,
    options: str,
    unknown: str,
) -> None:
    """Without the history that a version is counted from there is none, and nothing is fetched for it, in a CI neither."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, f'source = "{source}"'])
    repository.commit()
    clone = repository.clone(tmp_path / "clone", options)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", owner)  # git's own way to play that
    before = sorted((clone / ".git").rglob("*"))

    assert Project(NAME, unknown=unknown) == read_project(clone)
    assert before == sorted((clone / ".git").rglob("*"))


def test_incomplete_clone_elsewhere(repository: Repository, tmp_path: Path) -> None:
    """It counts how complete the repository is that the options name."""
    clone = repository.clone(repository.root / "vendored", "--depth=1")
    options = 'raw-options = { root = "vendored" }'
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, 'source = "vcs"', options])

    assert clone.is_dir()
    assert Project(NAME, unknown="this is a shallow clone, in which a version would be a guess") == read_project(
        repository.root
    )


def test_without_git(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no git, nothing is computed."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    project = read_project(repository.root)

    assert (project.name, project.version) == (NAME, None)
    assert str(project.unknown).startswith("it cannot be computed here (vcs-public: Git is not installed")


def test_subfolder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project below the repository's root names it relative to itself, wherever the command was typed."""
    repository = Repository(tmp_path / "project")
    below = repository.root / "packages" / "sample"
    below.mkdir(parents=True)
    write_lines(
        below / "pyproject.toml", [*HATCHLING, *DYNAMIC, 'source = "vcs-public"', 'raw-options = { root = "../.." }']
    )
    repository.commit("v3.0")
    monkeypatch.chdir(tmp_path)

    assert Project(NAME, Version("3.0")) == read_project(below)


@pytest.mark.parametrize("marker", [".hg", ".jj"])
@pytest.mark.parametrize("place", ["project", ".", "vendored"])
def test_other_repositories(repository: Repository, tmp_path: Path, place: str, marker: str) -> None:
    """A folder of another version control's, which Git would bring along, makes nothing run."""
    folder = repository.root / "vendored" if place == "vendored" else tmp_path / place
    (folder / marker).mkdir(parents=True)
    write_lines(folder / marker / "hgrc", ["[extensions]", "evil = ../evil.py"])
    options = 'raw-options = { root = "vendored" }' if place == "vendored" else ""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, 'source = "vcs"', options])
    unknown = f"there is a {marker} folder, whose configuration could run a command"

    assert Project(NAME, unknown=unknown) == read_project(repository.root)


@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
def test_nothing_runs(repository: Repository, tmp_path: Path, source: str) -> None:
    """What else in a repository names code or commands is not heard; the fixture `trap` looks for traces."""
    lines = [
        *["[build-system]", "requires = []", 'build-backend = "hatchling.build"', 'backend-path = ["."]'],
        *[*NAMED, 'dynamic = ["version", "description"]'],
        *["[tool.hatch.version]", f'source = "{source}"'],
        *["[tool.hatch.metadata.hooks.custom]", 'path = "evil.py"'],
        *["[tool.hatch.build.hooks.vcs]", 'version-file = "_version.py"'],
        *["[tool.hatch.build.hooks.custom]", 'path = "evil.py"'],
        *["[tool.setuptools_scm]", 'parse = "evil:get_version"', 'git_describe_command = "evil-command"'],
        *["[tool.vcs-versioning]", 'parse = "evil:get_version"', 'git_describe_command = "evil-command"'],
    ]
    root = make(
        tmp_path, *lines, files={".gitattributes": "* filter=evil diff=evil\n", "hatchling/build.py": "1 / 0\n"}
    )
    repository.commit("v4.0")

    assert Project(NAME, Version("4.0")) == read_project(root)


VALUES = st.sampled_from(
    [
        *[
            '"evil"',
            '"evil:get_version"',
            '"evil-command"',
            '["evil"]',
            '["evil-command", "x"]',
            "{ evil = 1 }",
            "1",
            "true",
        ],
        *[
            '"."',
            '".."',
            '"vcs"',
            '"code"',
            '"no-local-version"',
            '"guess-next-dev"',
            '"1.0"',
            '"version.py"',
            '"fetch"',
        ],
    ]
)
OPTIONS = [
    *["root", "version_scheme", "local_scheme", "write_to", "write_to_template", "version_file", "relative_to", "scm"],
    *["tag_regex", "parentdir_prefix_version", "fallback_version", "fallback_root", "parse", "git_describe_command"],
    *["dist_name", "version_cls", "normalize", "search_parent_directories"],
]
KEYS = [
    "path",
    "pattern",
    "tag-pattern",
    "fallback-version",
    "scheme",
    "local-version",
    "history",
    "search-paths",
    "expression",
]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["regex", "vcs", "vcs-public", "code", "env"]),
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=2),
    st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=2),
)
def test_any_table(tmp_path: Path, source: str, table: dict[str, str], options: dict[str, str]) -> None:
    """Whatever [tool.hatch.version] says, there is a version or a reason, and nothing was run or written."""
    raw_options = ", ".join(f"{key} = {value}" for key, value in options.items())
    lines = [
        f'source = "{source}"',
        f"raw-options = {{ {raw_options} }}",
        *[f"{key} = {value}" for key, value in table.items()],
    ]
    root = make(tmp_path, *HATCHLING, *DYNAMIC, *lines)
    if not (root / ".git").exists():
        git(root, "init", "--quiet")
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message=x")
        git(root, "tag", "v1.0")
    before = sorted(root.iterdir())
    project = read_project(root)

    assert project.name == NAME
    assert (project.version is None) != (project.unknown is None)
    assert before == sorted(path for path in root.iterdir() if path.name != "__pycache__")


def test_untracked_files(repository: Repository) -> None:
    """Files that Git neither tracks nor ignores, in names with anything in them."""
    write_lines(repository.root / ".gitignore", ["ignored"])
    repository.commit()
    for name in ("ignored", "new", "a b\nc", "folder/ü"):
        (repository.root / name).parent.mkdir(exist_ok=True)
        (repository.root / name).write_text("", "utf-8")

    assert {"new", "a b\nc", "folder/ü"} == untracked_files(repository.root)
    assert {"ü"} == untracked_files(repository.root / "folder")


def test_untracked_files_in_ascii(repository: Repository) -> None:
    """Git's names are in UTF-8, whatever else is not on this machine."""
    (repository.root / "ü").touch()
    code = (
        "import pathlib, sys\n"
        "from hatch_trusted_publish.versions.project import untracked_files\n"
        "print(ascii(*untracked_files(pathlib.Path(sys.argv[1]))))"
    )
    assert "'\\xfc'\n" == in_ascii(code, repository.root)


def test_untracked_files_of_no_repository(tmp_path: Path) -> None:
    """Where there is no repository, nothing is known of its files."""
    assert frozenset() == untracked_files(tmp_path)
