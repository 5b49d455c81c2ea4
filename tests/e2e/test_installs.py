"""The wheel of this project, installed in each documented way, and in jobs without a writable home."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest
from ruamel.yaml import YAML

from hatch_trusted_publish.identity.ambient import gitlab_variable

from .world import PROJECT, PUBLISHERS, Ci, Index, Job, Run, git, identity_token, masks, released

pytestmark = pytest.mark.slow

ROOT: Final = Path(__file__).parents[2]
NAME: Final = "hatch-trusted-publish"
HATCH: Final = f"hatch=={version('hatch')}"
SCRIPTS: Final = Path(sysconfig.get_path("scripts"))
HOMES: Final = ("HOME", "HATCH_DATA_DIR", "HATCH_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")
# Installers keep this machine's settings and caches, but not the variables of a job or of these tests.
NOT_INHERITED: Final = ("COVERAGE_", "GITHUB_", "HATCH_", "PIPX_", "PYTHON", "VIRTUAL_ENV")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of the wheel and the sdist, built as a release builds them."""
    directory = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return directory


class Place:
    """A directory with built files only, and a place to install packages for it."""

    def __init__(self, directory: Path, built: Path) -> None:
        self.root = directory / "elsewhere"
        self.dist = self.root / "dist"
        shutil.copytree(built, self.dist)
        [self.wheel] = self.dist.glob("*.whl")
        self.release = " ".join([NAME, self.wheel.name.split("-")[1]])
        self.venv = directory / "venv"
        self.scripts = Path(sysconfig.get_path("scripts", "venv", {"base": str(self.venv)}))
        (directory / "config.toml").touch()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
        self.environ = kept | {
            "HATCH_CONFIG": str(directory / "config.toml"),
            "HATCH_DATA_DIR": str(directory / "data"),
            "HATCH_CACHE_DIR": str(directory / "cache"),
            "PIPX_HOME": str(directory / "pipx"),
            "PIPX_BIN_DIR": str(self.scripts),
            "PIPX_MAN_DIR": str(directory / "man"),
            "PIPX_DEFAULT_PYTHON": sys.executable,
            "UV_PYTHON": sys.executable,
            "PIP_NO_COMPILE": "1",
            "NO_COLOR": "1",
            "COLUMNS": "1000",
            "PATH": os.pathsep.join([str(self.scripts), str(SCRIPTS), os.environ["PATH"]]),
        }

    def run(self, command: str, environ: Mapping[str, str] | None = None, code: int = 0) -> Run:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=self.root,
            env={**self.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert code == done.returncode, done.stdout + done.stderr
        return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def place(tmp_path: Path, built: Path) -> Place:
    """Return a directory without a pyproject.toml."""
    return Place(tmp_path, built)


def test_build_environment(place: Place) -> None:
    """A build that needs the version source installs at most 11 packages, none of them for network access."""
    place.run(f'uv venv -q "{place.venv}"; uv pip install -q --python "{place.venv}" "{place.wheel}"')
    listed = json.loads(place.run(f'uv pip list -q --format json --python "{place.venv}"').out)
    names = {one["name"] for one in listed}
    assert {NAME, "hatchling", "hatch-vcs", "packaging"} < names
    assert 11 >= len(names), sorted(names)
    assert set() == names & {"hatch", "httpx", "id", "pypi-attestations", "stamina"}


def test_without_the_extra(place: Place) -> None:
    """A job that installs the plugin without its extra ends at once, with the line to type."""
    place.run(f'uv venv -q "{place.venv}"; uv pip install -q --python "{place.venv}" {HATCH} "{place.wheel}"')
    run = place.run("hatch publish -p trusted", code=1)
    assert (["extra-missing"], True) == (run.codes, "hatch-trusted-publish[publish]" in run.err)


@pytest.mark.parametrize(
    ("install", "hatch"),
    [
        pytest.param([], 'uvx -q --from {hatch} --with "{name}[rehearsal] @ {wheel}" hatch', id="uvx --with"),
        pytest.param(
            ["uvx -q pipx install {hatch}", 'uvx -q pipx inject hatch "{wheel}[rehearsal]"'],
            "{scripts}/hatch",
            id="pipx inject",
        ),
        pytest.param(
            ["uv venv -q {venv}", 'uv pip install -q --python {venv} {hatch} "{wheel}[rehearsal]"'],
            "{scripts}/hatch",
            id="venv",
        ),
    ],
)
def test_ways_to_install(place: Place, install: list[str], hatch: str) -> None:
    """With the plugin installed next to Hatch, in any of these ways, a release can be rehearsed."""
    names = {
        "hatch": HATCH,
        "name": NAME,
        "wheel": place.wheel,
        "venv": place.venv,
        "scripts": place.scripts,
    }
    for command in install:
        place.run(command.format_map(names))
    run = place.run(f"{hatch.format_map(names)} publish -p trusted -r rehearsal")
    assert [] == run.codes
    assert place.release in run.err


def test_own_release(place: Place, ci: Ci, index: Index) -> None:
    """The job that publishes this project, step by step as in its workflow, works with the files just built."""
    index.store.add_project(NAME, *PUBLISHERS)
    shutil.copytree(ROOT / ".github" / "requirements", place.root / ".github" / "requirements")
    place.run(f"uv venv -q --seed {place.venv}")
    steps = YAML(typ="safe").load(ROOT / ".github" / "workflows" / "release.yml")["jobs"]["publish"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    for command in commands[:-1]:
        place.run(command)
    assert 'hatch publish -p trusted -r auto -o expect="$DIGEST"' == commands[-1]
    digest = place.run("hatch-trusted-publish digest dist").out.strip()
    place.run(f"{commands[-1]} -r {index.upload_url}", {**ci.github, "DIGEST": digest})
    assert sorted(path.name for path in place.dist.iterdir()) == index.files


class Steps:
    """The action and the template of this commit, run as their CI runs them."""

    def __init__(self, directory: Path, place: Place) -> None:
        self.place, self.repository = place, directory / "repository"
        # Neither has the history of its CI's job, so the version of the plugin is set explicitly.
        git(directory, "clone", "--quiet", str(ROOT), str(self.repository))
        git(self.repository, "tag", "v9.8.7")
        self.output = directory / "output"

    def github(self, inputs: Mapping[str, str], environ: Mapping[str, str]) -> Run:
        """Run the action from GitHub's archive of the commit, which has no history."""
        code = self.place.root.parent / "_actions"
        code.mkdir()
        git(self.repository, "archive", f"--output={code}/code.tar", "HEAD")
        subprocess.run(["tar", "-xf", code / "code.tar", "-C", code], check=True)
        action = YAML(typ="safe", pure=True).load(code / "actions" / "publish" / "action.yml")
        values = {f"inputs.{name}": inputs.get(name, one["default"]) for name, one in action["inputs"].items()}
        values["steps.python.outputs.python-path"] = sys.executable
        [_, step] = action["runs"]["steps"]
        runner = {
            "GITHUB_ACTION_PATH": str(code / "actions" / "publish"),
            "GITHUB_OUTPUT": str(self.output),
            "RUNNER_TEMP": str(code),
        }
        variables = {name: values[one.strip("${} ")] for name, one in step["env"].items()}
        return self.place.run(step["run"], {**environ, **runner, **variables})

    def gitlab(self, inputs: Mapping[str, str], environ: Mapping[str, str]) -> Run:
        """Run the script of the template, whose clone of the project comes from here."""
        header, text = (ROOT / "actions" / "gitlab" / "publish.yml").read_text("utf-8").split("\n---\n")
        spec = YAML(typ="safe", pure=True).load(header)["spec"]["inputs"]
        for name, one in spec.items():
            text = text.replace(f"$[[ inputs.{name} ]]", inputs.get(name, one.get("default")))
        [job] = YAML(typ="safe", pure=True).load(text).values()
        origin = f"url.{self.repository}.insteadOf"
        url = "https://github.com/hatch-trusted-publish/hatch-trusted-publish"
        clone = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": origin, "GIT_CONFIG_VALUE_0": url}
        return self.place.run("\n".join(job["script"]), {**environ, **clone, **job["variables"]})


@pytest.fixture
def steps(place: Place, tmp_path: Path, index: Index) -> Steps:
    """Return the steps, which publish this project's own files."""
    index.store.add_project(NAME, *PUBLISHERS)
    return Steps(tmp_path, place)


def test_action(steps: Steps, ci: Ci, index: Index) -> None:
    """The action's step publishes with its inputs as options, from the pinned list, and sets the outputs."""
    steps.github({"repo": index.upload_url, "report": "report.json", "several": "true"}, ci.github)
    assert sorted(path.name for path in steps.place.dist.iterdir()) == index.files
    assert (steps.place.root / "report.json").is_file()
    action = YAML(typ="safe", pure=True).load(ROOT / "actions" / "publish" / "action.yml")
    assert action["outputs"].keys() == set(re.findall(r"(?m)^(\w+)<<", steps.output.read_text("utf-8")))
    assert any(agent.startswith(f"{NAME}/9.8.7 Hatch/") for agent in index.agents)


def test_template(steps: Steps, index: Index) -> None:
    """The template's script does the same with exactly the commit that it is given."""
    job = {"GITLAB_CI": "true", gitlab_variable("127.0.0.1"): identity_token("gitlab", "127.0.0.1")}
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    steps.gitlab({"commit": head.strip(), "environment": "pypi", "repo": index.upload_url}, job)
    assert sorted(path.name for path in steps.place.dist.iterdir()) == index.files
    assert (steps.place.root / "trusted-publish.env").is_file()
    assert any(agent.startswith(f"{NAME}/9.8.7 Hatch/") for agent in index.agents)


@pytest.mark.parametrize("nowhere", ["/dev/null/nowhere", "dist"])
def test_nothing_can_be_written(job: Job, ci: Ci, index: Index, nowhere: str) -> None:
    """A release needs no home, data or cache directory, and writes nothing there."""
    job.on_github(ci)
    before = sorted(job.dist.iterdir())
    run = job.publish("-r", index.upload_url, **dict.fromkeys(HOMES, nowhere))
    assert Run(0, masks(ci, index), released(index).err) == run
    assert before == sorted(job.dist.iterdir())


def test_rehearsal_without_a_home(job: Job) -> None:
    """A rehearsal needs none either: its index, and the installed packages, are in temporary directories."""
    run = job.publish("-r", "rehearsal", **dict.fromkeys(HOMES, "/dev/null/nowhere"))
    assert (0, []) == (run.code, run.codes)
    assert f"{PROJECT} 1.2.3" in run.err


def test_hatch_needs_its_config_file(job: Job, index: Index) -> None:
    """Hatch creates its config file if it is missing; if it cannot, it exits before it runs the plugin."""
    del job.environ["HATCH_CONFIG"]
    run = job.publish("-r", index.upload_url, **dict.fromkeys(HOMES, "/dev/null/nowhere"))
    path = "/dev/null/nowhere/hatch/config.toml"
    assert Run(1, "", f"Unable to create config file located at `{path}`. Please check your permissions.\n") == run
    assert [] == index.requests
