"""What `check` reports about workflows, files and zizmor's findings."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from hatch_trusted_publish.cli import metadata, project
from hatch_trusted_publish.cli.check import check
from hatch_trusted_publish.cli.findings import Finding, as_annotation, as_json, in_order
from hatch_trusted_publish.errors import Message, SettingsError
from tests.support.helpers import make_sdist, make_wheel
from tests.support.repositories import git

PYPROJECT = '[project]\nname = "sample"\nversion = "1.0"\n'
RELEASE = "jobs: {a: {environment: x, permissions: {id-token: write}, steps: [{run: hatch publish -p trusted}]}}"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a workflow that publishes, on a machine without zizmor."""
    monkeypatch.setenv("PATH", os.defpath)
    tmp_path.joinpath("pyproject.toml").write_text(PYPROJECT, "utf-8")
    directory = tmp_path / ".github" / "workflows"
    directory.mkdir(parents=True)
    directory.joinpath("release.yml").write_text(RELEASE, "utf-8")
    return tmp_path


def codes(root: Path) -> list[tuple[str, str, str]]:
    return [(one.level, one.message.code, one.place) for one in check(project.read(root))]


def test_nothing(root: Path) -> None:
    """A complete set-up with files that PyPI accepts has no findings."""
    make_wheel(root / "dist")
    make_sdist(root / "dist")
    root.joinpath("dist", "notes.txt").touch()
    assert [] == codes(root)


def test_other_workflows(root: Path) -> None:
    """In a workflow that does not publish, only stored tokens are findings."""
    root.joinpath(".github/workflows/test.yaml").write_text(
        "on: pull_request_target\nenv: {TWINE_PASSWORD: x}\njobs: {a: {steps: [{uses: a/b@v1}]}}", "utf-8"
    )
    root.joinpath(".github/workflows/notes.md").touch()
    assert [("warning", "stored-token", ".github/workflows/test.yaml:2")] == codes(root)


def test_no_workflow(root: Path) -> None:
    """A project without a publishing workflow has one finding."""
    root.joinpath(".github/workflows/release.yml").unlink()
    assert [("warning", "no-publishing-job", "")] == codes(root)


def test_broken_yaml(root: Path) -> None:
    """A file that is not YAML is one finding, at its line; other files are still checked."""
    root.joinpath(".github/workflows/release.yml").write_text("a: 1\n\tb: 2", "utf-8")
    root.joinpath("dist").mkdir()
    root.joinpath("dist/sample-1.0-py3-none-any.whl").write_bytes(b"no zip")
    expected = [
        ("error", "yaml-invalid", ".github/workflows/release.yml:2"),
        ("error", "broken-wheel", "dist/sample-1.0-py3-none-any.whl"),
    ]
    assert sorted(expected) == sorted(codes(root))


def test_unreadable(root: Path) -> None:
    """A file that cannot be read is one finding."""
    root.joinpath(".github/workflows/a.yml").symlink_to("/proc/self/mem")
    assert ["unreadable"] == [code for _, code, _ in codes(root)]


@pytest.mark.parametrize(
    ("said", "output"),
    [
        pytest.param(
            ["zizmor-finding"],
            json.dumps(
                [
                    {
                        "ident": "x",
                        "desc": "d",
                        "url": "u",
                        "locations": [{"concrete": {"location": {"start_point": {"row": 0}}}}],
                    }
                ]
            ),
            id="one finding",
        ),
        pytest.param([], "[]", id="no findings"),
        pytest.param(["zizmor-failed"], "no JSON", id="malformed"),
    ],
)
def test_zizmor(said: list[str], output: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If zizmor is installed, its findings are listed with ours."""
    script = root / "bin" / "zizmor"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\nprint({output!r})\n", "utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(script.parent))
    assert said == [code for _, code, _ in codes(root)]


@pytest.mark.parametrize(
    ("expected", "fields"),
    [
        pytest.param("'private :: x' is not a valid classifier", {"classifiers": ["Private :: x"]}, id="classifier"),
        pytest.param("unknown classifier", {"classifiers": ["Framework :: Nope"]}, id="unknown classifier"),
        pytest.param("not a valid url", {"urls": {"Home": "nowhere"}}, id="URL"),
        pytest.param("email", {"authors": [{"name": "A"}, {"name": "A", "email": "a@localhost"}]}, id="address"),
        pytest.param("addr-spec", {"maintainers": [{"email": "nobody"}]}, id="malformed address"),
        pytest.param("description failed to render", {"readme": "README.rst"}, id="README"),
        pytest.param(
            "`content-type`",
            {"readme": {"file": "README.rst", "content-type": "text/x"}},
            id="type of the README",
        ),
        pytest.param(
            "",
            {"readme": "../x.md", "dependencies": ["attrs"], "license": "MIT", "requires-python": ">=3.11"},
            id="valid",
        ),
        pytest.param("does not exist", {"readme": "none.md"}, id="no README"),
        pytest.param("author #1", {"authors": ["Me <me@example.com>"]}, id="author"),
        pytest.param("must be a table", {"urls": "https://example.com"}, id="URLs"),
        pytest.param("", {"readme": {"text": "x", "content-type": "text/plain"}, "description": "x"}, id="plain text"),
    ],
)
def test_metadata(expected: str, fields: dict[str, Any], root: Path) -> None:
    """A finding has PyPI's objection to the metadata in pyproject.toml."""
    root.joinpath("README.rst").write_text("x\n===\n\n.. nope::\n\n====\n", "utf-8")
    found = project.read(root)
    data = {**found.data, "project": {**found.data["project"], **fields}}
    changed = project.Project(root, data, "sample", None, "")
    said = [str(one.message.facts["said"]).lower() for one in metadata.check(changed)]
    assert bool(expected) == bool(said)
    assert not said or expected.lower() in said[0]


def test_settings(root: Path) -> None:
    """Each mistake in the plugin's own table is a finding."""
    table = '[tool.hatch.publish.trusted]\nwiat = 5\npublisher = {owner = "octo-org"}\n'
    root.joinpath("pyproject.toml").write_text(PYPROJECT + table, "utf-8")
    assert ["missing-key", "misspelled-key"] == [code for _, code, _ in codes(root)]


def test_a_refused_file(root: Path) -> None:
    """A file in dist/ that PyPI would reject is listed by its path."""
    make_wheel(root / "dist", tag="py3-none-linux_x86_64")
    assert [("error", "metadata-refused", "dist/sample-1.0-py3-none-linux_x86_64.whl")] == codes(root)


def test_a_version_that_is_a_guess(root: Path) -> None:
    """A version counted from an incomplete history is a finding."""
    root.joinpath("pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n[project]\nname = "sample"\n'
        'dynamic = ["version"]\n[tool.hatch.version]\nsource = "vcs-public"\n',
        "utf-8",
    )
    git(root, "init", "--quiet")
    assert ["version-unknown"] == [code for _, code, _ in codes(root)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param("not-a-project", None, id="no file"),
        pytest.param("pyproject-unreadable", "[", id="not TOML"),
        pytest.param("pyproject-unreadable", b"\xff", id="not UTF-8"),
        pytest.param("project-table-missing", "[tool.poetry]\nname = 'x'", id="Poetry"),
        pytest.param("project-table-missing", "project = 1", id="no table"),
    ],
)
def test_no_project(code: str, text: str | bytes | None, tmp_path: Path) -> None:
    """A directory that is not a project is reported as such."""
    if text is not None:
        tmp_path.joinpath("pyproject.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        project.read(tmp_path)
    assert code == caught.value.message.code


ONE = Finding("warning", Message("stored-token", name="A%\nB"), "a,b:c.yml", 3)
TWO = Finding("error", Message("no-publishing-job"))


def test_order() -> None:
    """The most serious findings come first, each once."""
    assert [TWO, ONE] == in_order([ONE, TWO, ONE])


def test_forms() -> None:
    """Findings are shown as JSON, and as a GitHub command that no text in a finding can leave."""
    assert ["no-publishing-job", "stored-token"] == [one["code"] for one in json.loads(as_json([TWO, ONE]))]
    assert {"file": None, "line": None} == {key: json.loads(as_json([TWO]))[0][key] for key in ("file", "line")}
    assert as_annotation(ONE).startswith("::warning file=a%2Cb%3Ac.yml,line=3::A%25 B is ")
    assert as_annotation(TWO).startswith("::error::")
