"""A project's name and version, read without running its code."""

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

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.versions.project import LONGEST_FILE, Project, read_project, untracked_files
from tests.support.helpers import in_ascii
from tests.support.repositories import Repository, booby_trap, git, give_away, isolate, write_lines

NAME = canonicalize_name("sample")
HATCHLING = ["[build-system]", 'requires = ["hatchling"]', 'build-backend = "hatchling.build"']
SETUPTOOLS = ["[build-system]", 'requires = ["setuptools"]', 'build-backend = "setuptools.build_meta"']
NAMED = ["[project]", 'name = "Sample"']
DYNAMIC = [*NAMED, 'dynamic = ["version"]', "[tool.hatch.version]"]


@pytest.fixture(autouse=True)
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Path]:
    """Return a directory in which any code of a repository leaves a trace; check at the end that none has run."""
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
    """Write a project with this pyproject.toml, in which every piece of Python is a trap."""
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
            [*HATCHLING, *DYNAMIC, 'source = "vcs"', 'fallback-version = "3.0+loc"'], "3.0", id="fallback of vcs"
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs-public"', 'fallback-version = "3.0+loc"'],
            "3.0",
            id="fallback of vcs-public",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs"', "raw-options = { parentdir_prefix_version = 'pro' }"],
            None,
            id="version in the directory's name",
        ),
    ],
)
def test_readable(tmp_path: Path, lines: list[str], version: str | None) -> None:
    """A version that can be read without running code is known, whatever other files exist."""
    project = read_project(make(tmp_path, *lines))

    assert (NAME, version) == (project.name, None if project.version is None else str(project.version))
    assert (project.unknown is None) == (version is not None)


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        pytest.param(
            [*SETUPTOOLS, *NAMED, 'dynamic = ["version"]'],
            Message("version-needs-code", by="setuptools.build_meta"),
            id="setuptools",
        ),
        pytest.param(
            [*NAMED, 'dynamic = ["version"]'],
            Message("version-needs-code", by="setuptools.build_meta"),
            id="no backend",
        ),
        *[
            pytest.param(
                [*HATCHLING, *DYNAMIC, f'source = "{source}"', 'path = "version.py"', 'variable = "HOME"'],
                Message("version-needs-code", by=source),
                id=source,
            )
            for source in ("code", "env", "custom", "evil")
        ],
        pytest.param([*HATCHLING, *DYNAMIC], Message("bad-version-file", path=""), id="regex without a path"),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'path = "nowhere.py"'],
            Message("bad-version-file", path="nowhere.py"),
            id="regex without a file",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'path = "pyproject.toml"'],
            Message("no-valid-version"),
            id="regex without a version",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'path = "version.py"', "pattern = '(?P<version>(x+x+)+y)'"],
            Message("unsafe-version-options", options=["pattern"]),
            id="a pattern that may take forever",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs"', "tag-pattern = '(?P<version>(x+x+)+y)'"],
            Message("unsafe-version-options", options=["tag-pattern"]),
            id="a tag pattern that may take forever",
        ),
        pytest.param(
            [*HATCHLING, *DYNAMIC, 'source = "vcs"', "raw-options = { parentdir_prefix_version = 'pro' }"],
            Message("no-repository"),
            id="the name of the directory",
        ),
        pytest.param([*HATCHLING, *NAMED, 'version = "one"'], Message("no-valid-version"), id="no version"),
        *[
            pytest.param(
                [*HATCHLING, *DYNAMIC, 'source = "vcs"', 'fallback-version = "1.0"', f"raw-options = {{ {option} }}"],
                unknown,
                id=option,
            )
            for option, unknown in {
                'git_describe_command = "evil-command"': Message(
                    "unsafe-version-options", options=["git_describe_command"]
                ),
                'parse = "evil:get_version"': Message("unsafe-version-options", options=["parse"]),
                'version_cls = "evil.get_version"': Message("unsafe-version-options", options=["version_cls"]),
                'scm = { git = { describe_command = "x" } }': Message("unsafe-version-options", options=["scm"]),
                'fallback_root = "..", tag_regex = "x"': Message(
                    "unsafe-version-options", options=["fallback_root", "tag_regex"]
                ),
                'version_scheme = "evil:get_version"': Message("unsafe-version-options", options=["version_scheme"]),
                'version_scheme = "evil"': Message("unsafe-version-options", options=["version_scheme"]),
                'version_scheme = "calver-by-date"': Message("unsafe-version-options", options=["version_scheme"]),
            }.items()
        ],
    ],
)
def test_unknown(tmp_path: Path, lines: list[str], unknown: Message) -> None:
    """A version that would need code, or cannot be read, is unknown with a reason; the name is still known."""
    assert Project(NAME, unknown=unknown) == read_project(make(tmp_path, *lines))


@pytest.mark.parametrize(
    "lines",
    [
        [*HATCHLING, *DYNAMIC, "source = 1"],
        [*HATCHLING, *DYNAMIC, "path = 1"],
        [*HATCHLING, *DYNAMIC, 'source = "vcs"', 'raw-options = ["evil-command"]'],
        [*HATCHLING, *DYNAMIC, 'source = "vcs"', 'raw-options = { version_scheme = ["evil"] }'],
        [*HATCHLING, *DYNAMIC, 'source = "vcs"', "raw-options = { root = 5 }"],
    ],
)
def test_unreadable(tmp_path: Path, lines: list[str]) -> None:
    """A value of a wrong type is a reason, whatever error hatchling or Python raises."""
    project = read_project(make(tmp_path, *lines))
    assert project.unknown is not None
    assert (NAME, None, "version-unreadable") == (project.name, project.version, project.unknown.code)


@pytest.mark.parametrize("kind", ["above", "absolute", "link", "linked directory", "directory", "pipe", "too long"])
def test_files_elsewhere(tmp_path: Path, kind: str) -> None:
    """Only a regular file of the project is read, and only up to a size limit."""
    (tmp_path / "secret.py").write_text('VERSION = "1.0"\n')
    path = {"above": "../secret.py", "absolute": f"{tmp_path}/secret.py", "linked directory": "up/secret.py"}.get(
        kind, "f"
    )
    root = make(tmp_path, *HATCHLING, *DYNAMIC, f"path = '{path}'")
    match kind:
        case "link":
            (root / "f").symlink_to("../secret.py")
        case "linked directory":
            (root / "up").symlink_to("..")
        case "directory":
            (root / "f").mkdir()
        case "pipe":
            os.mkfifo(root / "f")
        case "too long":
            (root / "f").write_text(f'VERSION = "1.0"\n{"#" * LONGEST_FILE}')
    assert Project(NAME, unknown=Message("bad-version-file", path=path)) == read_project(root)


@pytest.mark.parametrize("name", ["f", "PKG-INFO", "pyproject.toml"])
def test_secrets_are_not_shown(tmp_path: Path, name: str) -> None:
    """A value is shown only if it is a version."""
    texts = {"f": 'VERSION = "s3cret"\n', "PKG-INFO": "Metadata-Version: 2.4\nName: sample\nVersion: s3cret\n"}
    static = (
        ['version = "s3cret"']
        if name == "pyproject.toml"
        else ['dynamic = ["version"]', "[tool.hatch.version]", 'path = "f"']
    )
    root = make(tmp_path, *HATCHLING, *NAMED, *static, files={name: texts[name]} if name in texts else {})
    assert Project(NAME, unknown=Message("no-valid-version")) == read_project(root)


@pytest.mark.parametrize(
    ("lines", "unknown"),
    [
        pytest.param(["[tool.x]"], Message("no-project-table"), id="no [project]"),
        pytest.param(["[project"], None, id="not TOML"),
        pytest.param(["project = 1"], None, id="not a table"),
        pytest.param(["[project]"], None, id="no name"),
    ],
)
def test_broken(tmp_path: Path, lines: list[str], unknown: Message | None) -> None:
    """If pyproject.toml cannot be read, only the reason is known."""
    project = read_project(make(tmp_path, *lines))
    assert project.unknown is not None
    expected = unknown or Message("version-unreadable", said=project.unknown.facts.get("said"))
    assert Project(unknown=expected) == project


def test_no_project(tmp_path: Path) -> None:
    """A directory without pyproject.toml has no version, and the one above is not read."""
    write_lines(tmp_path / "pyproject.toml", [*NAMED, 'version = "1.0"'])
    (tmp_path / "project").mkdir()

    assert Project(unknown=Message("no-pyproject")) == read_project(tmp_path / "project")


def test_hatch_toml(tmp_path: Path) -> None:
    """hatch.toml is read, too, as hatchling does."""
    files = {"hatch.toml": '[version]\npath = "version.py"\n'}
    root = make(tmp_path, *HATCHLING, *NAMED, 'dynamic = ["version"]', files=files)

    assert Project(NAME, Version("4.5")) == read_project(root)


def test_unpacked_sdist(tmp_path: Path) -> None:
    """In an unpacked sdist, its PKG-INFO takes precedence over every source, even one that would run code."""
    files = {"PKG-INFO": "Metadata-Version: 2.4\nName: sample\nVersion: 7.8\n"}

    for source in ("vcs", "vcs-public", "code"):
        root = make(tmp_path, *HATCHLING, *DYNAMIC, f'source = "{source}"', files=files)
        assert Project(NAME, Version("7.8")) == read_project(root)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Return a repository two commits after a tag."""
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
            ['source = "vcs"', 'raw-options = { local_scheme = "evil", version_scheme = "post-release" }'],
            "1.0.post2",
        ),
        (['source = "vcs"', 'local-version = "ignored"'], "1.1.dev2"),
        (['source = "vcs-public"', 'raw-options = { version_scheme = "no-guess-dev" }'], "1.0.post1.dev2"),
        (['source = "vcs-public"', 'raw-options = { root = ".", search_parent_directories = true }'], "1.1.dev2"),
        (['source = "vcs-public"', 'dev-number = "commit-time"'], "1.1.dev20240101000200"),
        (['source = "vcs-public"', 'fallback-version = "5.0"'], "1.1.dev2"),
    ],
)
def test_repository(repository: Repository, table: list[str], version: str) -> None:
    """A version is counted from the history, with the schemes of setuptools-scm, and without a local segment."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, *table])
    repository.git("commit", "--quiet", "--all", "--amend", "--no-edit", GIT_COMMITTER_DATE="2024-01-01T00:02:00Z")

    assert Project(NAME, Version(version)) == read_project(repository.root)


@pytest.mark.parametrize(("source", "expected"), [("vcs", "2.0rc1"), ("vcs-public", "2.0")])
def test_two_tags(repository: Repository, source: str, expected: str) -> None:
    """Each source has its own way to choose among the tags of a commit."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, f'source = "{source}"'])
    repository.commit("v2.0")
    repository.git("tag", "--annotate", "--message=x", "v2.0rc1")

    assert Project(NAME, Version(expected)) == read_project(repository.root)


@pytest.mark.parametrize(
    ("known", "version", "expected"),
    [
        (None, "1.0", True),
        ("1.0", "1.0.0", True),
        ("1.0", "1.0+local", True),
        ("1.0", "1.1", False),
        ("1.0+local", "1.0+local", True),
        ("1.0+local", "1.0+other", False),
        ("1.0+local", "1.0", False),
    ],
)
def test_has(known: str | None, version: str, expected: bool) -> None:
    """A file's local segment is compared only if the project's version has one; a version from the history has none."""
    assert expected == Project(NAME, None if known is None else Version(known)).has(Version(version))


def test_nothing_is_written(repository: Repository) -> None:
    """Files that a build would write are not written: publishing changes nothing in the working directory."""
    options = ['version_file = "_version.py"', 'write_to = "_written.py"', 'write_to_template = "{version}"']
    table = [*HATCHLING, *DYNAMIC, 'source = "vcs-public"', f"raw-options = {{ {', '.join(options)} }}"]
    write_lines(repository.root / "pyproject.toml", table)
    repository.commit("v2.0")

    assert Project(NAME, Version("2.0")) == read_project(repository.root)
    assert repository.git("status", "--porcelain", "--ignored") == ""


@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
def test_changed_tag(repository: Repository, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    """Only the commit counts: later changes to files are not checked, since that could run filters."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, f'source = "{source}"'])
    repository.commit("v2.0")
    write_lines(repository.root / "sample.py", ["changed"])
    monkeypatch.setenv("CI", "true")

    assert Project(NAME, Version("2.0")) == read_project(repository.root)


@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
@pytest.mark.parametrize(
    ("options", "code"), [("--depth=1", "shallow-clone"), ("--no-tags", "no-tags"), ("--depth=2", None)]
)
def test_incomplete_clone(
    repository: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    options: str,
    code: str | None,
) -> None:
    """Without the history that it is counted from, the version is unknown; nothing is fetched, even in a CI."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, f'source = "{source}"'])
    repository.commit("v2.0")
    repository.commit()
    clone = repository.clone(tmp_path / "clone", options)
    monkeypatch.setenv("CI", "true")
    before = sorted((clone / ".git").rglob("*"))
    project = read_project(clone)

    if code is None:
        assert Project(NAME, Version("2.1.dev1")) == project
    else:
        remedy = Message("full-history-by-hand")
        assert Project(NAME, unknown=Message(code, version="", why=None, remedy=remedy)) == project
    assert before == sorted((clone / ".git").rglob("*"))


def test_no_tag_yet(repository: Repository) -> None:
    """Before the first tag there is nothing to compare, even in a repository without a remote."""
    repository.git("tag", "--delete", "v1.0")
    project = read_project(repository.root)

    assert project.unknown is not None
    assert "no-tags" == project.unknown.code


@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
@pytest.mark.parametrize("place", [".", "package"])
def test_repository_of_another_user(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, place: str
) -> None:
    """A repository that Git refuses to read is not read, and no command in it runs; that is the reason."""
    root = repository.root / place
    root.mkdir(exist_ok=True)
    write_lines(root / "pyproject.toml", [*HATCHLING, *DYNAMIC, f'source = "{source}"'])
    trace = booby_trap(repository.root, tmp_path / "traps")
    give_away(monkeypatch, repository.root)
    project = read_project(root)

    assert project.unknown is not None
    assert ("dubious-ownership", str(repository.root)) == (project.unknown.code, project.unknown.facts["directory"])
    assert frozenset() == untracked_files(root)
    assert not trace.exists()


@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
def test_own_repository(repository: Repository, tmp_path: Path, source: str) -> None:
    """Commands in the configuration of your own repository do not run either."""
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, f'source = "{source}"'])
    repository.commit("v2.0")
    trace = booby_trap(repository.root, tmp_path / "traps")
    (repository.root / "sample.py").write_text("changed\n")
    (repository.root / "new").touch()

    assert Project(NAME, Version("2.0")) == read_project(repository.root)
    assert {"new"} == untracked_files(repository.root)
    assert not trace.exists()


def test_incomplete_clone_elsewhere(repository: Repository, tmp_path: Path) -> None:
    """The repository named in the options must be complete."""
    clone = repository.clone(repository.root / "vendored", "--depth=1")
    options = 'raw-options = { root = "vendored" }'
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, 'source = "vcs"', options])

    project = read_project(repository.root)
    assert clone.is_dir()
    assert project.unknown is not None
    assert "shallow-clone" == project.unknown.code


def test_without_git(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Git, nothing is computed."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert Project(NAME, unknown=Message("no-git")) == read_project(repository.root)


@pytest.mark.parametrize(("options", "expected"), [("", "5.0"), ("search_parent_directories = true", "1.0")])
def test_repository_above(repository: Repository, options: str, expected: str) -> None:
    """A repository above counts where setuptools-scm would look for it."""
    below = repository.root / "package"
    below.mkdir()
    repository.git("checkout", "--quiet", "v1.0")
    table = ['source = "vcs"', 'fallback-version = "5.0"', f"raw-options = {{ {options} }}"]
    write_lines(below / "pyproject.toml", [*HATCHLING, *DYNAMIC, *table])

    assert Project(NAME, Version(expected)) == read_project(below)


def test_subdirectory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project below the repository's root names it relative to itself, whatever the current directory."""
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
@pytest.mark.parametrize("place", ["project", "."])
def test_other_repositories(repository: Repository, tmp_path: Path, place: str, marker: str) -> None:
    """A directory of another version control system, which Git can contain, makes nothing run."""
    (tmp_path / place / marker).mkdir(parents=True)
    write_lines(tmp_path / place / marker / "hgrc", ["[extensions]", "evil = ../evil.py"])
    write_lines(repository.root / "pyproject.toml", [*HATCHLING, *DYNAMIC, 'source = "vcs"'])

    assert Project(NAME, Version("1.1.dev2")) == read_project(repository.root)


@pytest.mark.parametrize("source", ["vcs", "vcs-public"])
def test_nothing_runs(repository: Repository, tmp_path: Path, source: str) -> None:
    """Other code or commands named in a repository do not run; the fixture `trap` looks for traces."""
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
    """Files that Git neither tracks nor ignores are listed, whatever characters their names have."""
    write_lines(repository.root / ".gitignore", ["ignored"])
    repository.commit()
    for name in ("ignored", "new", "a b\nc", "directory/ü"):
        (repository.root / name).parent.mkdir(exist_ok=True)
        (repository.root / name).write_text("", "utf-8")

    assert {"new", "a b\nc", "directory/ü"} == untracked_files(repository.root)
    assert {"ü"} == untracked_files(repository.root / "directory")


def test_untracked_files_in_ascii(repository: Repository) -> None:
    """Git's names are read as UTF-8, whatever the encoding of this machine."""
    (repository.root / "ü").touch()
    code = (
        "import pathlib, sys\n"
        "from hatch_trusted_publish.versions.project import untracked_files\n"
        "print(ascii(*untracked_files(pathlib.Path(sys.argv[1]))))"
    )
    assert "'\\xfc'\n" == in_ascii(code, repository.root)


def test_untracked_files_of_no_repository(tmp_path: Path) -> None:
    """Without a repository, no file is listed."""
    assert frozenset() == untracked_files(tmp_path)
