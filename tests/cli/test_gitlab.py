"""Problems in GitLab pipelines, in both directions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_trusted_publish.cli import gitlab
from hatch_trusted_publish.cli.forge import Forge
from hatch_trusted_publish.cli.project import Project

GOOD = """
.release:
  rules: [{if: $CI_COMMIT_TAG}]
build:
  extends: .release
  variables: {GIT_DEPTH: "0"}
  script: [hatch build --clean]
pypi:
  extends: [.release]
  environment: release
  id_tokens:
    PYPI_ID_TOKEN: {aud: pypi}
  script:
    - pip install --require-hashes -r publish.txt
    - hatch publish -p trusted
"""
FORGE = Forge("gitlab", "gitlab.com", "a/b", "c")
PUBLISHER = {
    "provider": "gitlab",
    "namespace": "a/b",
    "project": "c",
    "workflow": ".gitlab-ci.yml",
    "environment": "release",
}


def codes(
    root: Path, text: str, publisher: dict[str, str] | None = None, forge: Forge | None = FORGE
) -> list[tuple[str, str, str]]:
    """Return level, code and place of the findings."""
    if text:
        root.joinpath(".gitlab-ci.yml").write_text(text, "utf-8")
    hatch: dict[str, Any] = {
        "version": {"source": "vcs-public"},
        "publish": {"trusted": {"publisher": publisher or PUBLISHER}},
    }
    data = {
        "project": {"name": "sample", "dynamic": ["version"]},
        "build-system": {"build-backend": "hatchling.build"},
        "tool": {"hatch": hatch},
    }
    project = Project(root, data, "sample", forge, "")
    return [(one.level, one.message.code, one.place) for one in gitlab.check(project, gitlab.read(project.root))]


def test_good(tmp_path: Path) -> None:
    """A correct pipeline has no findings, and a project without a pipeline has none."""
    assert [] == codes(tmp_path, "")
    assert [] == codes(tmp_path, GOOD)
    assert [] == codes(tmp_path, GOOD, {"provider": "github"})


MAIN = ".gitlab-ci.yml"
JOB = f"{MAIN}:8"
TOKEN = [("warning", "stored-token", f"{MAIN}:15")]
HASHES = "pip install --require-hashes -r publish.txt"
NONE = [("warning", "no-environment", JOB), ("error", "other-environment", JOB)]
BUILD = [("warning", "build-with-identity", JOB), ("error", "shallow-pipeline", JOB)]


@pytest.mark.parametrize(
    ("expected", "before", "after"),
    [
        pytest.param([("error", "shallow-pipeline", f"{MAIN}:4")], '{GIT_DEPTH: "0"}', "{}", id="shallow"),
        pytest.param([], '  variables: {GIT_DEPTH: "0"}\n', "variables: {GIT_DEPTH: '0'}\n", id="depth for all jobs"),
        pytest.param([("error", "no-id-tokens", JOB)], "id_tokens", "secrets", id="no tokens"),
        pytest.param([("error", "other-audience", f"{MAIN}:12")], "aud: pypi", "aud: https://pypi.org", id="audience"),
        pytest.param([("error", "other-environment", JOB)], "environment: release", "environment: {name: x}", id="environment"),
        pytest.param([], "environment: release", "environment: $RELEASE", id="variable as environment"),
        pytest.param(
            NONE, "  environment: release\n", "", id="no environment"
        ),
        pytest.param([("danger", "publishes-from-every-branch", JOB)], "extends: [.release]", "stage: x", id="every branch"),
        pytest.param(BUILD, HASHES, "hatch build", id="build"),
        pytest.param([("warning", "install-without-hashes", JOB)], "--require-hashes -r publish.txt", "hatch", id="install"),
        pytest.param([("danger", "cache-with-identity", JOB)], "extends: [.release]", "extends: .release\n  cache: {k: x}", id="cache"),
        pytest.param(TOKEN, "hatch publish -p trusted", "TWINE_PASSWORD=x twine upload x", id="token"),
    ],
)  # fmt: skip
def test_one_change(expected: list[tuple[str, str, str]], before: str, after: str, tmp_path: Path) -> None:
    """One changed line produces one finding, at its line."""
    text = GOOD.replace(before, after)
    assert text != GOOD
    if "variables: {GIT_DEPTH: '0'}" in after:
        text = GOOD.replace(before, "") + after
    if "trusted" in before:
        text = text.replace("hatch publish", "twine upload")
    assert sorted(expected) == sorted(codes(tmp_path, text))


@pytest.mark.parametrize(
    ("expected", "change"),
    [
        pytest.param("other-workflow-file", {"workflow": "ci/release.yml"}, id="file"),
        pytest.param("other-repository", {"namespace": "A/b"}, id="namespace"),
    ],
)
def test_publisher(expected: str, change: dict[str, str], tmp_path: Path) -> None:
    """The table `publisher` names the pipeline's file and the project."""
    assert [expected] == [code for _, code, _ in codes(tmp_path, GOOD, {**PUBLISHER, **change})]
    assert [] == codes(tmp_path, GOOD, {**PUBLISHER, **change, "workflow": MAIN}, forge=None)


@pytest.mark.parametrize("include", ["include: ci.yml", "include: [{local: /ci.yml}]", "include: {local: ci.yml}"])
def test_include(include: str, tmp_path: Path) -> None:
    """Included files of the project are read; a finding names the file that has the job. Others are ignored."""
    tmp_path.joinpath("ci.yml").write_text(GOOD.replace("aud: pypi", "aud: x"), "utf-8")
    assert [("error", "other-audience", "ci.yml:12")] == codes(tmp_path, include)
    tmp_path.joinpath("more.yml").write_text(f"{include}\n", "utf-8")
    assert [("error", "other-audience", "ci.yml:12")] == codes(tmp_path, "include: more.yml")
    assert [] == codes(tmp_path, "include: [{local: ../ci.yml}, https://example.org/ci.yml, {project: a/b}]")


INPUTS = "inputs: {commit: x, environment: release}"
REMOTE = "https://example.org/a/actions/gitlab/publish.yml"


@pytest.mark.parametrize(
    ("expected", "publishes", "text"),
    [
        pytest.param([], True, f"include: [{{remote: {REMOTE}, integrity: sha256-x, {INPUTS}}}]", id="the template"),
        pytest.param(
            [("error", "other-environment", f"{MAIN}:1")], True,
            f"include: [{{remote: {REMOTE}, integrity: sha256-x, inputs: {{environment: x}}}}]", id="another environment"
        ),
        pytest.param(
            [("danger", "include-without-integrity", f"{MAIN}:1")], True, f"include: {{remote: {REMOTE}, {INPUTS}}}", id="no hash"
        ),
        pytest.param(
            [("danger", "include-without-integrity", f"{MAIN}:16")], True, f"{GOOD}include: [https://x.org/a.yml]", id="only a URL"
        ),
        pytest.param([], False, "include: https://x.org/a.yml", id="publishes nothing"),
    ],
)  # fmt: skip
def test_remote_files(expected: list[tuple[str, str, str]], publishes: bool, text: str, tmp_path: Path) -> None:
    """In a publishing pipeline, an included remote file needs its hash; this project's template has one."""
    assert expected == codes(tmp_path, text)
    assert publishes == bool(gitlab.publishing(gitlab.read(tmp_path)))


def test_extends_itself(tmp_path: Path) -> None:
    """A loop of `extends` ends."""
    assert [] == codes(tmp_path, ".a: {extends: .b}\n.b: {extends: .a}\nc: {extends: .a, script: [x]}\n")
