"""The project's own workflows are valid, safe and complete, and no check is disabled without a reason."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from configparser import ConfigParser
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML

from hatch_trusted_publish.cli import project
from hatch_trusted_publish.cli.check import check

ROOT: Final = Path(__file__).parents[2]
WORKFLOWS: Final = sorted((ROOT / ".github" / "workflows").iterdir())
EXAMPLES: Final = sorted((ROOT / "docs" / "examples" / "github").iterdir())
RELEASE: Final = ROOT / ".github" / "workflows" / "release.yml"
TEMPLATES: Final = ROOT / "src" / "hatch_trusted_publish" / "cli" / "templates"
FILES: Final = (
    *WORKFLOWS,
    *sorted((ROOT / "actions").rglob("*.yml")),
    *sorted(TEMPLATES.iterdir()),
    *sorted(ROOT.glob("*.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".yml", ".yaml"}),
)
"""Everything that has commands or actions for a CI."""
OWN: Final = r"hatch-trusted-publish/hatch-trusted-publish/actions/publish@[0-9a-f]{40} # (main|v\d+\.\d+\.\d+)"
USES: Final = re.compile(r"^[+ ]*(?:- )?uses: (.*)", re.MULTILINE)
ALL: Final = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
PYPROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCK: Final = ROOT / ".github" / "requirements" / "release.txt"


def jobs_of(name: str) -> Mapping[str, Any]:
    content = YAML(typ="safe").load(ROOT / ".github" / "workflows" / name)
    return dict(content["jobs"])


def run(*command: str | Path) -> tuple[int, str]:
    """Return the exit code and the output of a checker."""
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("schema", "paths"),
    [("vendor.github-workflows", WORKFLOWS), ("vendor.dependabot", [ROOT / ".github" / "dependabot.yml"])],
    ids=["workflows", "dependabot"],
)
def test_schema(schema: str, paths: list[Path]) -> None:
    """Each file follows GitHub's own schema."""
    said = run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths)
    assert (0, "ok -- validation done\n") == said


def test_safe() -> None:
    """zizmor finds nothing in the workflows or the examples, with nothing ignored."""
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    flags = ("--offline", "--quiet", "--no-progress", "--color=never", "--strict-collection", "--persona=pedantic")
    said = run(program, *flags, "--no-config", "--no-ignores", ROOT / ".github", *EXAMPLES)
    assert (0, "No findings to report. Good job!\n") == said


def test_own_check() -> None:
    """This project's own `check` finds no obstacle to a release, and no way for others to publish."""
    assert [] == [one for one in check(project.read(ROOT)) if one.level != "warning"]


@ALL
def test_grants_are_explained(path: Path) -> None:
    """A workflow grants no permission by default, and each grant of a job is explained."""
    text = path.read_text("utf-8")
    grants = re.findall(r"^ +[a-z-]+: (?:read|write)\b.*$", text, re.MULTILINE)
    assert "\npermissions: {}\n" in text
    assert [] == [line for line in grants if not re.search(r" # \w+ \w+ \w+", line)]
    jobs = jobs_of(path.name)
    assert len(grants) == sum(len(job["permissions"]) for job in jobs.values())


def test_actions_are_pinned() -> None:
    """Every file uses the actions that the workflows pin by commit hash, which Dependabot updates."""
    pins = {each for path in WORKFLOWS for each in re.findall(USES, path.read_text("utf-8"))}
    assert [] == [each for each in pins if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each)]
    assert len(pins) == len({each.partition("@")[0] for each in pins})
    used = {
        (path.relative_to(ROOT).as_posix(), each)
        for path in FILES
        for each in re.findall(USES, path.read_text("utf-8"))
    }
    own = {each for _, each in used if re.fullmatch(OWN, each)}
    assert 1 == len(own)
    assert set() == {(path, each) for path, each in used if each not in pins | own}
    assert {".github/workflows/tests.yml", "README.md", "docs/how-to/github.md"} < {path for path, _ in used}


def test_outputs_of_commands() -> None:
    """A command that writes an output or a variable fails if the command inside it fails: `echo` hides that."""
    hidden = re.compile(r"""echo ["']?\w+=\$\(""")
    assert [] == [path for path in FILES if hidden.search(path.read_text("utf-8"))]


def test_every_environment_is_run() -> None:
    """Each tox environment has a job, and the one required check waits for all of them."""
    config = ConfigParser()
    config.read(ROOT / "tox.ini", "utf-8")
    names = set()
    for line in config["tox"]["env_list"].split():
        parts = [part.split(",") for part in re.split(r"[{}]", line)]
        names |= {"".join(each) for each in product(*parts)}
    jobs = jobs_of("tests.yml")
    matrix = jobs["tox"]["strategy"]["matrix"]
    assert names | {"docs"} == {*matrix["env"], *(entry["env"] for entry in matrix["include"])}
    assert ["tox", "passed"] == list(jobs)
    assert "tox" == jobs["passed"]["needs"]


def test_publishing_job() -> None:
    """Only the publishing job gets the identity; the commit, not the artifact, gives it its requirements."""
    jobs = jobs_of("release.yml")
    publish = jobs["publish"]
    assert {"contents": "read", "id-token": "write"} == publish["permissions"]
    assert {"publish"} == {name for name, job in jobs.items() if "id-token" in job["permissions"]}
    assert ["build", "test"] == publish["needs"]
    assert "'pypi'" in publish["environment"]
    actions = {step["uses"].partition("@")[0]: step["with"] for step in publish["steps"] if "uses" in step}
    assert ["actions/checkout", "actions/download-artifact", "actions/setup-python"] == list(actions)
    requirements = f"/{LOCK.relative_to(ROOT).as_posix()}"
    assert {
        "sparse-checkout": requirements,
        "sparse-checkout-cone-mode": False,
        "persist-credentials": False,
    } == actions["actions/checkout"]
    assert "dist/" == actions["actions/download-artifact"]["path"]
    assert {"artifact-ids", "path", "merge-multiple"} == actions["actions/download-artifact"].keys()
    assert {"python-version"} == actions["actions/setup-python"].keys()
    [upload] = [step for step in jobs["build"]["steps"] if "upload-artifact" in step.get("uses", "")]
    assert "dist/" == upload["with"]["path"]
    installs = [step["run"] for step in publish["steps"] if "pip install" in step.get("run", "")]
    assert [
        f"pip install --require-hashes --only-binary :all: -r {requirements[1:]}",
        "pip install --no-index dist/*.whl",
    ] == installs


def locked() -> dict[str, list[str]]:
    """Return each pinned requirement with its hashes."""
    text = re.sub(r"\\\n", "", LOCK.read_text("utf-8"))
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    return {line.split(" --hash=")[0].strip(): re.findall(r"--hash=sha256:([0-9a-f]{64})", line) for line in lines}


def test_lock() -> None:
    """The release requirements are pinned by hash and satisfy the extra `publish`."""
    pins = locked()
    assert [] == [pin for pin, hashes in pins.items() if not hashes]
    versions = {}
    for requirement in map(Requirement, pins):
        [pinned] = requirement.specifier
        assert "==" == pinned.operator
        versions[canonicalize_name(requirement.name)] = pinned.version
    wanted = [*PYPROJECT["project"]["dependencies"], *PYPROJECT["project"]["optional-dependencies"]["publish"]]
    wanted += PYPROJECT["dependency-groups"]["release"]
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)])


def test_no_blanket_ignores() -> None:
    """Each `nosec` disables one rule on one line and gives a reason."""
    assert "bandit" not in PYPROJECT["tool"]
    lines = [line for path in (ROOT / "src").rglob("*.py") for line in path.read_text("utf-8").splitlines()]
    marked = [line for line in lines if "nosec" in line]
    assert marked
    assert [] == [line for line in marked if not re.search(r"# nosec( B\d{3})+ # \S+", line)]
