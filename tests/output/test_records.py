"""What a run leaves behind: the report, and the files that GitHub and GitLab read after it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hatch_trusted_publish.index.endpoints import find_index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.output.records import Records
from hatch_trusted_publish.output.summary import dotenv, markdown
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution

MAIN = Repository("main", "https://upload.pypi.org/legacy/")
WHEEL = a_distribution("sample-1.0-py3-none-any.whl")
OUTPUTS = {
    "version": "1.0",
    "url": "https://pypi.org/project/sample/1.0/",
    "files": '["sample-1.0-py3-none-any.whl"]',
}


class World:
    """A run with one file, which is on the index, and what is warned of."""

    def __init__(self, root: Path, environ: Mapping[str, str], repository: Repository = MAIN, **chosen: Any) -> None:
        plan = Plan(find_index(MAIN), (Outcome(WHEEL),))
        self.done = Run(plan, {WHEEL.filename: Outcome(WHEEL, "uploaded")})
        self.warned: list[str] = []
        self.records = Records(Settings(repository, **chosen), root, self.done, self.warned.append, environ)


def github(folder: Path) -> dict[str, str]:
    """The variables of GitHub, and the files that they name."""
    found = {name: folder / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for path in found.values():
        path.write_text("before\n", "utf-8")
    return {name: str(path) for name, path in found.items()}


@pytest.mark.parametrize("error", [None, "no"], ids=["success", "failure"])
def test_github(tmp_path: Path, error: str | None) -> None:
    """On GitHub the summary and the outputs are appended to what is there, whatever the end."""
    world = World(tmp_path, github(tmp_path))
    world.records.finish(error)
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text("utf-8")
    assert f"before\n{markdown(world.done, error, dry_run=False)}" == summary
    lines = (tmp_path / "GITHUB_OUTPUT").read_text("utf-8").splitlines()
    delimiter = lines[1].partition("<<")[2]
    assert 32 == len(delimiter)
    expected = [line for name, value in OUTPUTS.items() for line in (f"{name}<<{delimiter}", value, delimiter)]
    assert ["before", *expected] == lines
    assert [] == world.warned


def test_delimiters(tmp_path: Path) -> None:
    """What ends a value is another one each time: who knew it could write outputs."""
    environ = github(tmp_path)
    World(tmp_path, environ).records.finish(None)
    World(tmp_path, environ).records.finish(None)
    lines = (tmp_path / "GITHUB_OUTPUT").read_text("utf-8").splitlines()
    assert 2 == len({line.partition("<<")[2] for line in lines if "<<" in line})


@pytest.mark.parametrize("environ", [{}, {"GITHUB_STEP_SUMMARY": "", "GITHUB_OUTPUT": ""}], ids=["unset", "empty"])
def test_elsewhere(tmp_path: Path, environ: Mapping[str, str]) -> None:
    """Where no CI has named a file, there is none."""
    world = World(tmp_path, environ)
    world.records.finish(None)
    assert ([], []) == (list(tmp_path.iterdir()), world.warned)


@pytest.mark.parametrize("where", [None, "checkout"], ids=["the project", "CI_PROJECT_DIR"])
def test_gitlab(tmp_path: Path, where: str | None) -> None:
    """On GitLab the variables are where the paths of artifacts begin, and take the place of older ones."""
    folder = tmp_path / (where or "")
    folder.mkdir(exist_ok=True)
    (folder / "trusted-publish.env").write_text("OLD=1\n", "utf-8")
    named = {} if where is None else {"CI_PROJECT_DIR": str(folder)}
    world = World(tmp_path, {"GITLAB_CI": "true", **named})
    world.records.finish(None)
    assert dotenv(world.done) == (folder / "trusted-publish.env").read_text("utf-8")
    assert [] == world.warned


def test_before_the_plan(tmp_path: Path) -> None:
    """A run without a plan has a summary of its error, and nothing else."""
    world = World(tmp_path, {**github(tmp_path), "GITLAB_CI": "true"}, report="report.json")
    world.done.plan = None
    world.records.finish("no")
    expected = {"GITHUB_STEP_SUMMARY": "before\n\n## Release failed\n\n```text\nno\n```\n", "GITHUB_OUTPUT": "before\n"}
    assert expected == {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}


def test_a_rehearsal(tmp_path: Path) -> None:
    """A rehearsal in a CI has its report, and tells the CI of no release."""
    environ = {**github(tmp_path), "GITLAB_CI": "true"}
    world = World(tmp_path, environ, Repository("rehearsal", ""), report="report.json")
    world.records.finish(None)
    names = ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "report.json"]
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert ["before\n"] * 2 == [(tmp_path / name).read_text("utf-8") for name in names[:2]]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    """What is on the index counts: each file that cannot be written is one warning."""
    gone = tmp_path / "gone"
    environ = {"GITHUB_STEP_SUMMARY": f"{gone}/s", "GITHUB_OUTPUT": f"{gone}/o", "GITLAB_CI": "true"}
    world = World(tmp_path, {**environ, "CI_PROJECT_DIR": str(gone)}, report="gone/report.json")
    world.records.keep()
    world.records.finish(None)
    reason = "No such file or directory."
    expected = [
        f"The report could not be written to {gone}/report.json: {reason}",
        f"The job summary could not be written to {gone}/s: {reason}",
        f"The outputs of the step could not be written to {gone}/o: {reason}",
        f"The variables of the release could not be written to {gone}/trusted-publish.env: {reason}",
    ]
    assert expected == world.warned


@pytest.mark.parametrize(("dry_run", "expected"), [("no", False), ("yes", True), ("mint", True)])
def test_report(tmp_path: Path, dry_run: str, expected: bool) -> None:
    """The report says that the run has not ended until it has, and is whole at any moment."""
    world = World(tmp_path, {}, report="report.json", dry_run=dry_run)
    path = tmp_path / "report.json"
    world.records.keep()
    first = json.loads(path.read_text("utf-8"))
    world.records.finish(None)
    last = json.loads(path.read_text("utf-8"))
    assert ("the run did not come to its end", None) == (first["error"], first["ended"])
    assert (None, True, expected) == (last["error"], last["began"] <= last["ended"], last["dry-run"])
    assert ["report.json"] == [each.name for each in tmp_path.iterdir()]


def test_no_report(tmp_path: Path) -> None:
    """Without a plan there is nothing to report, and no older report is touched."""
    world = World(tmp_path, {}, report="report.json")
    world.done.plan = None
    world.records.keep()
    assert [] == list(tmp_path.iterdir())


def test_report_problems(tmp_path: Path) -> None:
    """Whether a report can be written is tried, and nothing is left of that."""
    (tmp_path / "file").touch()
    way_out = "name a file in a folder that is there by `report`"
    problems = {
        "report.json": [],
        "file": [],
        ".": ["it is a folder"],
        "/": ["it is a folder"],
        "none/report.json": ["No such file or directory"],
        "file/report.json": ["Not a directory"],
    }
    expected = [
        [f"the report cannot be written to {tmp_path / path}: {text}; {way_out}" for text in problems[path]]
        for path in problems
    ]
    assert expected == [World(tmp_path, {}, report=path).records.problems() for path in problems]
    assert [] == World(tmp_path, {}).records.problems()
    assert ["file"] == [path.name for path in tmp_path.iterdir()]
