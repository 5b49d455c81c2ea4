"""The commands on the page of each CI work in a job of that CI.

The rest of the CI is simulated: `pip` installs nothing, because the packages are installed already;
artifacts are copied; and the index is on loopback.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from ruamel.yaml import YAML

from hatch_trusted_publish.identity.ambient import gitlab_variable
from tests.support.pages import ROOT, blocks_of, packages, put_hatch

from .world import SDIST, SERVICE_ACCOUNT, WHEEL, Ci, Index, Job, git, identity_token

pytestmark = pytest.mark.slow

HOW_TO: Final = ROOT / "docs" / "how-to"
TAG: Final = "v1.2.3"
INSTALLED: Final = "install hatch hatch-trusted-publish[publish]"
PUBLISH: Final = "hatch publish -p trusted"
GITHUB: Final = {"GITHUB_REF_NAME": TAG, "GITHUB_REF_TYPE": "tag"}


@dataclass(frozen=True)
class Task:
    """The script of one job in a page's file."""

    name: str
    script: str
    has_checkout: bool
    gets_identity: bool = True
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def publishes(self) -> bool:
        return PUBLISH in self.script


def command(step: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the command of a step, with its variables. The action is one command; test_installs.py runs the rest."""
    if "/actions/publish@" not in step.get("uses", ""):
        return step.get("run", ""), step.get("env", {})
    options = {f"OPTION_{number}": (key, value) for number, (key, value) in enumerate(step.get("with", {}).items())}
    arguments = (f'-o {key}="${name}"' for name, (key, _) in options.items())
    return " ".join([PUBLISH, *arguments]), {name: value for name, (_, value) in options.items()}


def github(file: Any) -> Iterator[Task]:
    """Return the jobs of a workflow."""
    for name, job in file["jobs"].items():
        steps = job["steps"]
        has_checkout = any(step.get("uses", "").startswith("actions/checkout@") for step in steps)
        gets_identity = job["permissions"].get("id-token") == "write"
        commands = [command(step) for step in steps]
        environ = {variable: value for _, variables in commands for variable, value in variables.items()}
        yield Task(name, "\n".join(script for script, _ in commands if script), has_checkout, gets_identity, environ)


def gitlab(file: Any) -> Iterator[Task]:
    """Return the jobs of a pipeline for a tag."""
    for name, job in file.items():
        if name not in {"include", "stages", "default", "testpypi"} and not name.startswith("."):
            whole = {**file.get(job.get("extends"), {}), **job}
            variables = {**file.get(job.get("extends"), {}).get("variables", {}), **job.get("variables", {})}
            tokens = {variable: each["aud"] for variable, each in whole.get("id_tokens", {}).items()}
            assert {gitlab_variable(audience): audience for audience in tokens.values()} == tokens
            has_checkout = variables.pop("GIT_STRATEGY", "fetch") != "empty"
            yield Task(name, "\n".join(whole["script"]), has_checkout, "PYPI_ID_TOKEN" in tokens, variables)
    if "include" in file:  # the template, whose own script test_installs.py runs
        expect = '${TRUSTED_PUBLISH_EXPECT:+-o expect="$TRUSTED_PUBLISH_EXPECT"}'
        yield Task("publish", f"{PUBLISH} {expect}", has_checkout=False)


def google(file: Any) -> Iterator[Task]:
    """Return the steps of a build, which share one directory."""
    for step in file["steps"]:
        assert "bash" == step["entrypoint"]
        flags, script = step["args"]
        assert "-euc" == flags
        lines = [line.replace("$PROJECT_ID", "sample") for line in step.get("env", [])]
        yield Task(step["id"], script, True, environ=dict(line.split("=") for line in lines))


def buildkite(file: Any) -> Iterator[Task]:
    """Return the steps of a pipeline."""
    for step in file["steps"]:
        yield Task(step["key"], "\n".join(step["command"]), True)


def circleci(file: Any) -> Iterator[Task]:
    """Return the jobs, in the order of the workflow."""
    order = [next(iter(each)) for each in file["workflows"]["release"]["jobs"]]
    assert list(file["jobs"]) == order
    for name, job in file["jobs"].items():
        runs = [step["run"] for step in job["steps"] if isinstance(step, dict) and "run" in step]
        yield Task(name, "\n".join(runs), "checkout" in job["steps"])


def tasks(page: Path, read: Callable[[Any], Iterator[Task]], sign: str) -> list[Task]:
    """Return the jobs of the one file on the page that contains *sign*."""
    [text] = [block.text for block in blocks_of(page) if block.language == "yaml" and sign in block.text]
    return list(read(YAML(typ="safe", pure=True).load(text)))


class Runner:
    """Runs the jobs of a file, each in its own clone."""

    def __init__(self, job: Job, index: Index) -> None:
        self._job, self._index = job, index
        self.pip = job.command("pip")
        """The file that records what the job installs."""
        put_hatch(job.directory / "bin")
        pipx = job.directory / "bin" / "pipx"
        pipx.write_text('#!/bin/sh\nshift\nexec "$@"\n', "utf-8")
        pipx.chmod(0o755)
        self.environ = job.environ | packages() | {"HATCH_INDEX_REPO": index.upload_url}
        self.identity: dict[str, str] = {}
        """The variables of a job that may request an identity."""
        self.dist = job.directory / "artifacts"
        self.output = job.directory / "output"
        """The outputs of GitHub's steps."""
        self.output.touch()

    def _value(self, text: str) -> str:
        """Resolve an output of another job, and an index."""
        if text == "auto":
            return self._index.upload_url
        outputs = dict(line.partition("=")[::2] for line in self.output.read_text("utf-8").splitlines())
        if found := re.fullmatch(r"\$\{\{ needs\.\w+\.outputs\.(\w+) \}\}", text):
            return outputs[found[1]]
        return text

    def clone(self, name: str, *options: str) -> Path:
        """Clone the project as the CI does."""
        directory = self._job.directory / name
        git(
            self._job.directory,
            "clone",
            "--quiet",
            *options,
            f"--branch={TAG}",
            f"file://{self._job.root}",
            str(directory),
        )
        return directory

    def __call__(self, task: Task, directory: Path) -> str:
        """Run a job in *directory*, and return its output."""
        if task.publishes and self.dist.exists():
            shutil.copytree(self.dist, directory / "dist", dirs_exist_ok=True)
        variables = {name: self._value(value) for name, value in task.environ.items()}
        if "INDEX" in variables:
            variables["INDEX"] = self._index.upload_url
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", task.script],
            cwd=directory,
            env=self.environ | variables | (self.identity if task.gets_identity else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert 0 == done.returncode, done.stdout
        if (directory / "dist").exists():
            shutil.copytree(directory / "dist", self.dist, dirs_exist_ok=True)
        if (report := directory / "digest.env").exists():
            self.environ |= dict(line.split("=") for line in report.read_text("utf-8").splitlines())
        return done.stdout

    def follow(self, tasks: list[Task], *options: str) -> str:
        """Run all jobs, and return the output of the publishing one."""
        said = ""
        for task in tasks:
            directory = self._job.directory / task.name
            if task.has_checkout:
                self.clone(task.name, *options)
            else:
                directory.mkdir()
            said = self(task, directory)
        assert tasks[-1].publishes
        assert "pip install" not in tasks[-1].script or INSTALLED == self.pip.read_text("utf-8").splitlines()[-1]
        return said


def publishes_by_page(job: Job, page: Path, index: Index) -> None:
    """Configure the project with the page's table, with the test's index in place of the example."""
    [toml] = [block.text for block in blocks_of(page) if block.language == "toml"]
    table = toml.replace("https://pypi.example.com/legacy/", index.upload_url).replace("pypi.example.com", "127.0.0.1")
    job.configure(table)


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", HOW_TO / "github.md", HOW_TO / "testpypi.md", HOW_TO / "wheels.md"],
    ids=lambda page: page.stem,
)
def test_github(job: Job, ci: Ci, index: Index, page: Path) -> None:
    """Only the publishing job of a workflow has an identity, and it publishes the files that the others built."""
    runner = Runner(job, index)
    runner.environ |= GITHUB | {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": str(runner.output)}
    runner.identity = ci.github
    file = tasks(page, github, "\njobs:")
    assert [file[-1]] == [task for task in file if task.gets_identity]
    if page.stem == "wheels":
        # cibuildwheel needs containers and compiled code, so its output is provided.
        assert "python -m cibuildwheel --output-dir dist" == file.pop(0).script.splitlines()[-1]
        runner.dist.mkdir()
        shutil.copy(job.dist / WHEEL, runner.dist)
    runner.follow(file)
    assert [WHEEL, SDIST] == index.files
    assert (page.stem == "README") == file[-1].has_checkout


@pytest.mark.parametrize(
    ("page", "sign"),
    [
        pytest.param(ROOT / "README.md", "include:", id="README"),
        pytest.param(HOW_TO / "gitlab.md", "include:", id="template"),
        pytest.param(HOW_TO / "gitlab.md", "id_tokens:", id="plain commands"),
        pytest.param(HOW_TO / "testpypi.md", "id_tokens:", id="testpypi"),
    ],
)
def test_gitlab(job: Job, index: Index, page: Path, sign: str) -> None:
    """The job for a tag has the variable of PyPI's audience; the test adds the one of its index."""
    runner = Runner(job, index)
    runner.environ |= {"CI": "true", "GITLAB_CI": "true"}
    runner.identity = {gitlab_variable("127.0.0.1"): identity_token("gitlab", "127.0.0.1")}
    file = tasks(page, gitlab, sign)
    if len(file) == 1:  # instead of the job that the template adds
        file.insert(0, tasks(page, gitlab, "include:")[0])
    runner.follow(file)
    assert [WHEEL, SDIST] == index.files


def test_google(job: Job, ci: Ci, index: Index) -> None:
    """The service account in the file publishes, after the history was fetched."""
    runner = Runner(job, index)
    runner.environ["E2E_GOOGLE"] = f"{ci.url}/google"
    build, publish = tasks(HOW_TO / "google-cloud-build.md", google, "serviceAccount:")
    assert {"GOOGLE_SERVICE_ACCOUNT_NAME": SERVICE_ACCOUNT} == publish.environ
    workspace = runner.clone("workspace", "--depth=1")
    for task in (build, publish):
        runner(task, workspace)
    assert [WHEEL, SDIST] == index.files
    assert [f"POST /google/{SERVICE_ACCOUNT} 200"] == ci.requests[1:]


def test_buildkite(job: Job, private: Index) -> None:
    """The agent provides the artifacts and the identity."""
    page = HOW_TO / "buildkite.md"
    publishes_by_page(job, page, private)
    runner = Runner(job, private)
    del runner.environ["HATCH_INDEX_REPO"]
    calls = job.command("buildkite-agent")
    runner.environ |= {"CI": "true", "BUILDKITE": "true", "FAKE_TOKEN": identity_token("buildkite", "127.0.0.1")}
    runner.follow(tasks(page, buildkite, "\nsteps:"))
    assert [WHEEL, SDIST] == private.files
    asked = ["artifact download dist/* .", "oidc request-token --audience 127.0.0.1"]
    assert asked == calls.read_text("utf-8").splitlines()


def test_circleci(job: Job, private: Index) -> None:
    """The CI's command provides the identity."""
    page = HOW_TO / "circleci.md"
    publishes_by_page(job, page, private)
    runner = Runner(job, private)
    del runner.environ["HATCH_INDEX_REPO"]
    calls = job.command("circleci")
    runner.environ |= {"CI": "true", "CIRCLECI": "true", "FAKE_TOKEN": identity_token("circleci", "127.0.0.1")}
    runner.follow(tasks(page, circleci, "\nworkflows:"))
    assert [WHEEL, SDIST] == private.files
    assert ['run oidc get --root-issuer --claims {"aud": "127.0.0.1"}'] == calls.read_text("utf-8").splitlines()


def at_hand(job: Job, private: Index, page: Path) -> tuple[Runner, Path]:
    """Return a checkout with the page's table and the built files."""
    publishes_by_page(job, page, private)
    runner = Runner(job, private)
    del runner.environ["HATCH_INDEX_REPO"]
    shutil.copytree(job.dist, runner.dist)
    return runner, runner.clone("publish")


def test_other_ci(job: Job, private: Index) -> None:
    """The dry run exchanges the token in the variable, and the release uses the next one."""
    page = HOW_TO / "other-ci.md"
    runner, directory = at_hand(job, private, page)
    command, trial = (block.text for block in blocks_of(page) if not block.language)
    for script, files in [(trial, []), (command, [WHEEL, SDIST])]:
        runner.identity = {"MY_ID_TOKEN": identity_token("buildkite", "127.0.0.1")}
        runner(Task("publish", script, has_checkout=True), directory)
        assert files == private.files
    assert 2 == private.requests.count("POST /exchange/mint 200")


def test_other_index(job: Job, ci: Ci, private: Index) -> None:
    """The plugin discovers the index through PEP 807, exchanges an identity, and publishes."""
    page = HOW_TO / "other-index.md"
    runner, directory = at_hand(job, private, page)
    runner.identity = ci.github
    command, trial = re.findall("`(hatch publish -p trusted(?: -o [^`]*)?)`", page.read_text("utf-8"))
    for script, files in [(trial, []), (command, [WHEEL, SDIST])]:
        runner(Task("publish", script, has_checkout=True), directory)
        assert files == private.files
    assert 2 == private.requests.count("GET /.well-known/pytp?discover=%2Flegacy%2F 200")
