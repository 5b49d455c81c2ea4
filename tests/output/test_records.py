"""The records of a run: the report, and the files that GitHub and GitLab read after it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.index.endpoints import Repository, find_index
from hatch_trusted_publish.output.records import PAUSE, Records
from hatch_trusted_publish.output.summary import dotenv, job_summary
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution

MAIN: Final = Repository("main", "https://upload.pypi.org/legacy/")
WHEEL: Final = a_distribution("sample-1.0-py3-none-any.whl")
OUTPUTS: Final = {
    "version": "1.0",
    "url": "https://pypi.org/project/sample/1.0/",
    "files": '["sample-1.0-py3-none-any.whl"]',
}


class World:
    """A run with one file, which is on the index."""

    def __init__(self, root: Path, environ: Mapping[str, str], repository: Repository = MAIN, **chosen: Any) -> None:
        self.plan = Plan(find_index(MAIN), (Outcome(WHEEL),))
        self.run = Run(self.plan, {WHEEL.filename: Outcome(WHEEL, "uploaded")})
        self.now = 0.0
        self.records = Records(Settings(repository, **chosen), root, self.run, environ, lambda: self.now)


def github(directory: Path) -> dict[str, str]:
    """Return GitHub's variables, after creating the files that they name."""
    found = {name: directory / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for path in found.values():
        path.write_text("before\n", "utf-8")
    return {name: str(path) for name, path in found.items()}


@pytest.mark.parametrize("error", [None, "no"], ids=["success", "failure"])
def test_github(tmp_path: Path, error: str | None) -> None:
    """On GitHub the summary and the outputs are appended, however the run ends."""
    world = World(tmp_path, github(tmp_path))
    assert [] == world.records.finish(error)
    summary = (tmp_path / "GITHUB_STEP_SUMMARY").read_text("utf-8")
    assert f"before\n{job_summary(world.run, error, dry_run=False)}" == summary
    lines = (tmp_path / "GITHUB_OUTPUT").read_text("utf-8").splitlines()
    delimiter = lines[1].partition("<<")[2]
    assert 32 == len(delimiter)
    expected = [line for name, value in OUTPUTS.items() for line in (f"{name}<<{delimiter}", value, delimiter)]
    assert ["before", *expected] == lines


def test_delimiters(tmp_path: Path) -> None:
    """A value's delimiter differs each time: a predictable one would let a value write outputs."""
    environ = github(tmp_path)
    World(tmp_path, environ).records.finish(None)
    World(tmp_path, environ).records.finish(None)
    lines = (tmp_path / "GITHUB_OUTPUT").read_text("utf-8").splitlines()
    assert 2 == len({line.partition("<<")[2] for line in lines if "<<" in line})


@pytest.mark.parametrize("environ", [{}, {"GITHUB_STEP_SUMMARY": "", "GITHUB_OUTPUT": ""}], ids=["unset", "empty"])
def test_elsewhere(tmp_path: Path, environ: Mapping[str, str]) -> None:
    """Without a CI's variables, no file is written."""
    assert ([], []) == (World(tmp_path, environ).records.finish(None), list(tmp_path.iterdir()))


@pytest.mark.parametrize("where", [None, "checkout"], ids=["the project", "CI_PROJECT_DIR"])
def test_gitlab(tmp_path: Path, where: str | None) -> None:
    """On GitLab the variables are written where it looks for artifacts, and replace older ones."""
    directory = tmp_path / (where or "")
    directory.mkdir(exist_ok=True)
    (directory / "trusted-publish.env").write_text("OLD=1\n", "utf-8")
    named = {} if where is None else {"CI_PROJECT_DIR": str(directory)}
    world = World(tmp_path, {"GITLAB_CI": "true", **named})
    assert [] == world.records.finish(None)
    assert dotenv(world.plan) == (directory / "trusted-publish.env").read_text("utf-8")


def test_before_the_plan(tmp_path: Path) -> None:
    """A run without a plan has a summary of its error, and nothing else."""
    world = World(tmp_path, {**github(tmp_path), "GITLAB_CI": "true"}, report="report.json")
    world.run.plan = None
    assert (None, []) == (world.records.keep(), world.records.finish("no"))
    expected = {
        "GITHUB_STEP_SUMMARY": f"before\n{job_summary(Run(), 'no', dry_run=False)}",
        "GITHUB_OUTPUT": "before\n",
    }
    assert expected == {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}


def test_a_rehearsal(tmp_path: Path) -> None:
    """A rehearsal in a CI writes its report, but none of the CI's own files."""
    environ = {**github(tmp_path), "GITLAB_CI": "true"}
    World(tmp_path, environ, Repository("rehearsal", ""), report="report.json").records.finish(None)
    names = ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "report.json"]
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert ["before\n"] * 2 == [(tmp_path / name).read_text("utf-8") for name in names[:2]]


@pytest.mark.parametrize("kind", ["missing directory", "pipe", "pipe with a reader", "directory"])
def test_what_cannot_be_written(kind: str, tmp_path: Path) -> None:
    """Each file that cannot be written is a warning; none stops or delays the release."""
    directory = tmp_path / "there"
    paths = [directory / name for name in ("report.json", "summary", "outputs", "trusted-publish.env")]
    readers = []
    if kind != "missing directory":
        directory.mkdir()
        for path in paths:
            path.mkdir() if kind == "directory" else os.mkfifo(path)
            if kind == "pipe with a reader":
                readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    environ = {"GITHUB_STEP_SUMMARY": str(paths[1]), "GITHUB_OUTPUT": str(paths[2])}
    environ |= {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(directory)}
    world = World(tmp_path, environ, report="there/report.json")
    found = [world.records.keep(), *world.records.finish(None)]
    for reader in readers:
        os.close(reader)
    assert [("record-not-written", path) for path in paths] == [(one.code, one.facts["path"]) for one in found if one]


def test_links(tmp_path: Path) -> None:
    """A checkout with links does not cause any file outside to be overwritten."""
    root, home = tmp_path / "project", tmp_path / "home"
    root.mkdir()
    home.mkdir()
    for name in ("report.json", "trusted-publish.env"):
        (home / name).write_text("yours", "utf-8")
        (root / name).symlink_to(home / name)
    assert [] == World(root, {"GITLAB_CI": "true"}, report="report.json").records.finish(None)
    assert {"yours"} == {path.read_text("utf-8") for path in home.iterdir()}
    assert "1.0" in (root / "trusted-publish.env").read_text("utf-8")


@pytest.mark.parametrize(("dry_run", "expected"), [("no", False), ("yes", True), ("mint", True)])
def test_report(tmp_path: Path, dry_run: str, expected: bool) -> None:
    """The report is marked as unfinished until the run ends, and is complete JSON at any moment."""
    world = World(tmp_path, {}, report="report.json", dry_run=dry_run)
    path = tmp_path / "report.json"
    world.records.keep()
    first = json.loads(path.read_text("utf-8"))
    world.records.finish(None)
    last = json.loads(path.read_text("utf-8"))
    assert (str(Message("cut-short")), None) == (first["error"], first["ended"])
    assert (None, True, expected) == (last["error"], last["began"] <= last["ended"], last["dry-run"])
    assert ["report.json"] == [each.name for each in tmp_path.iterdir()]


def test_report_of_many_files(tmp_path: Path) -> None:
    """While files end one after another, the report is written every few seconds."""
    world = World(tmp_path, {}, report="report.json")
    path = tmp_path / "report.json"
    written = []
    for _ in range(12):
        world.records.keep()
        written.append(path.exists())
        path.unlink(missing_ok=True)
        world.now += PAUSE / 4
    assert [True, False, False, False] * 3 == written


def test_report_problems(tmp_path: Path) -> None:
    """Before any upload, a test checks that a report can be written, and leaves no trace."""
    (tmp_path / "file").touch()
    codes = {
        "report.json": [],
        "file": [],
        ".": ["report-refused"],
        "none/report.json": ["report-refused"],
        "file/report.json": ["report-refused"],
        "r" * 300: ["report-refused"],
    }
    assert codes == {path: [one.code for one in World(tmp_path, {}, report=path).records.problems()] for path in codes}
    assert [] == World(tmp_path, {}).records.problems()
    assert ["file"] == [path.name for path in tmp_path.iterdir()]


def test_a_report_that_a_link_leads_outside(tmp_path: Path) -> None:
    """The path that the project sets stays in the project, whatever links a checkout holds."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "report.json").symlink_to(tmp_path / "yours")
    expected = Message("report-outside", path=root / "out" / "report.json")
    assert [expected] == World(root, {}, report="out/report.json", report_inside=True).records.problems()
    assert [] == World(root, {}, report="report.json", report_inside=True).records.problems()
    assert [] == World(root, {}, report="out/report.json").records.problems()
