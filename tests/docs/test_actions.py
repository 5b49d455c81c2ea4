"""The action for GitHub and the template for GitLab have every option of the plugin, and are valid and safe."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.settings.options import KEYS
from tests.docs.test_workflows import FILES, run

ROOT: Final = Path(__file__).parents[2]
ACTION: Final = ROOT / "actions" / "publish" / "action.yml"
TEMPLATE: Final = ROOT / "actions" / "gitlab" / "publish.yml"
OPTIONS: Final = KEYS.keys() - {"publisher", "repos"} - {"rehearse-as"}
"""Tables go into pyproject.toml, and a rehearsal needs more packages than a publishing job installs."""
_YAML: Final = YAML(typ="safe", pure=True)
GITHUB: Final[Mapping[str, Any]] = _YAML.load(ACTION)
[SPEC, GITLAB] = _YAML.load_all(TEMPLATE)


def variables(expression: str) -> dict[str, str]:
    """Return the variables from which the script reads the options, with the values that a CI sets."""
    names = {key: f"TRUSTED_PUBLISH_{key.upper().replace('-', '_')}" for key in OPTIONS} | {"dist": "DIST"}
    return {variable: expression.format(key=key) for key, variable in names.items()}


def test_inputs_of_the_action() -> None:
    """Each option of the plugin is an input, and reaches the script through a variable."""
    assert OPTIONS | {"dist"} == GITHUB["inputs"].keys()
    assert {"dist"} == {key for key, one in GITHUB["inputs"].items() if one["default"]}
    [python, publish] = GITHUB["runs"]["steps"]
    assert {"PYTHON": "${{ steps.python.outputs.python-path }}", **variables("${{{{ inputs.{key} }}}}")} == publish[
        "env"
    ]
    assert ("python", "publish", False) == (python["id"], publish["id"], "${{" in publish["run"])


def test_outputs_of_the_action() -> None:
    """Its outputs are those that a run writes."""
    page = (ROOT / "docs" / "reference" / "log.md").read_text("utf-8")
    section = page.partition("(`GITHUB_OUTPUT`)")[2].partition("\n#")[0]
    assert set(re.findall(r"(?m)^\| `(\w+)` \|", section)) == GITHUB["outputs"].keys()
    expected = {name: f"${{{{ steps.publish.outputs.{name} }}}}" for name in GITHUB["outputs"]}
    assert expected == {name: one["value"] for name, one in GITHUB["outputs"].items()}


def test_inputs_of_the_template() -> None:
    """The template has the same inputs, and requires two: the commit to run, and the environment."""
    inputs, job = SPEC["spec"]["inputs"], GITLAB["$[[ inputs.job ]]"]
    assert GITHUB["inputs"].keys() | {"commit", "environment", "image", "job", "stage"} == inputs.keys()
    assert ["commit", "environment"] == [key for key, one in inputs.items() if "default" not in one]
    assert all(inputs[key] == one for key, one in GITHUB["inputs"].items())
    expected = {"GIT_STRATEGY": "empty", "COMMIT": "$[[ inputs.commit ]]", **variables("$[[ inputs.{key} ]]")}
    assert expected == job["variables"]
    assert [] == [line for line in job["script"] if "$[[" in line]


def test_descriptions() -> None:
    """The options are described as `-o help` describes them."""
    help_ = dict(re.findall(r"(?m)^  (\S+) +(\S.*)$", str(Message("options-help"))))
    assert OPTIONS < help_.keys()
    start = {key: text.partition(",")[0].partition(";")[0] for key, text in help_.items()}
    listed = {key: one["description"] for key, one in GITHUB["inputs"].items()}
    assert [] == [key for key in OPTIONS - {"keep-token"} if not listed[key].startswith(start[key])]


def test_valid(tmp_path: Path) -> None:
    """Each file is valid for the schema of its CI; for GitLab's, the header is a separate file."""
    checker = (sys.executable, "-m", "check_jsonschema", "--builtin-schema")
    assert (0, "ok -- validation done\n") == run(*checker, "vendor.github-actions", ACTION)
    header, job = (tmp_path / name for name in ("header.yml", "job.yml"))
    parts = TEMPLATE.read_text("utf-8").split("\n---\n")
    header.write_text(f"{parts[0]}\n", "utf-8")
    job.write_text(parts[1], "utf-8")
    assert (0, "ok -- validation done\n") == run(*checker, "vendor.gitlab-ci", header, job)


def test_safe() -> None:
    """zizmor finds nothing in the action, with nothing ignored, and the script is valid bash."""
    program = Path(sysconfig.get_path("scripts"), "zizmor")
    flags = ("--offline", "--quiet", "--no-progress", "--color=never", "--strict-collection", "--persona=pedantic")
    said = run(program, *flags, "--no-config", "--no-ignores", ACTION)
    assert (0, "No findings to report. Good job!\n") == said
    subprocess.run(["bash", "-n", ROOT / "actions" / "publish.sh"], check=True)


def test_pins() -> None:
    """The pages pin one commit of this repository that has the action, and the template by its `integrity`."""
    text = "".join(path.read_text("utf-8") for path in FILES)
    [commit] = set(re.findall(r"(?:/actions/publish@|/hatch-trusted-publish/|commit: )([0-9a-f]{40})\b", text))
    [integrity] = set(re.findall(r"integrity: (\S+)", text))
    shown = subprocess.run(
        ["git", "show", f"{commit}:actions/gitlab/publish.yml"], cwd=ROOT, check=True, capture_output=True
    )
    assert integrity == f"sha256-{b64encode(sha256(shown.stdout).digest()).decode()}"
    subprocess.run(["git", "cat-file", "-e", f"{commit}:actions/publish/action.yml"], cwd=ROOT, check=True)
