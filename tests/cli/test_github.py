"""Problems in GitHub workflows, in both directions: reported, and not reported once they are fixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hatch_trusted_publish.cli import github, workflow
from hatch_trusted_publish.cli.findings import Finding
from hatch_trusted_publish.cli.forge import Forge
from hatch_trusted_publish.cli.project import Project

SHA = "0123456789abcdef0123456789abcdef01234567"
GOOD = f"""
on:
  push:
    tags: ["v*"]
permissions: {{}}
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@{SHA} # v4
        with: {{fetch-depth: 0}}
      - run: hatch build --clean
  pypi:
    needs: build
    environment: pypi
    permissions:
      id-token: write
    steps:
      - uses: actions/download-artifact@{SHA} # v4
      - run: pip install --require-hashes -r publish.txt
      - run: hatch publish -p trusted
"""
FORGE = Forge("github", "github.com", "octo-org", "sample")
VCS: dict[str, Any] = {"source": "vcs", "tag-pattern": "^v(?P<version>.+)$"}
PUBLISHER = {
    "provider": "github",
    "owner": "octo-org",
    "repository": "sample",
    "workflow": "release.yml",
    "environment": "PyPI",
}


def findings(
    root: Path,
    text: str,
    publisher: dict[str, str] | None = None,
    version: dict[str, Any] | None = None,
    forge: Forge | None = FORGE,
) -> list[Finding]:
    """Return the findings in one workflow of a project with this publisher and version source."""
    directory = root / ".github" / "workflows"
    directory.mkdir(parents=True, exist_ok=True)
    directory.joinpath("release.yml").write_text(text, "utf-8")
    hatch = {
        "version": VCS if version is None else version,
        "publish": {"trusted": {"publisher": publisher or PUBLISHER}},
    }
    data = {
        "project": {"name": "sample", "dynamic": ["version"]},
        "build-system": {"build-backend": "hatchling.build"},
        "tool": {"hatch": hatch},
    }
    project = Project(root, data, "sample", forge, "")
    return [found for one in workflow.read(root) for rule in github.RULES for found in rule(project, one)]


def codes(found: list[Finding]) -> list[tuple[str, str, str]]:
    return [(one.level, one.message.code, one.place.rpartition(":")[2]) for one in found]


def test_good(tmp_path: Path) -> None:
    """A correct workflow has no findings."""
    assert [] == codes(findings(tmp_path, GOOD))


EVERY_JOB = [("danger", "identity-for-every-job", "5"), ("warning", "build-with-identity", "12")]
TOKEN = "run: hatch publish -a ${{ secrets.PYPI_TOKEN }}"
BRANCH = "run: hatch build; git checkout ${{ github.head_ref }}"


@pytest.mark.parametrize(
    ("expected", "before", "after"),
    [
        pytest.param([("error", "other-environment", "13")], "environment: pypi", "environment: release", id="environment"),
        pytest.param(EVERY_JOB, "permissions: {}", "permissions: {id-token: write}", id="identity in every job"),
        pytest.param(EVERY_JOB, "permissions: {}", "permissions: write-all", id="all permissions"),
        pytest.param([("error", "no-identity-permission", "13")], "id-token: write", "contents: read", id="no identity"),
        pytest.param([("error", "shallow-checkout", "10")], "with: {fetch-depth: 0}", "with: {}", id="shallow"),
        pytest.param([("error", "tag-filter", "4")], '"v*"', '"release-*"', id="tags"),
        pytest.param(
            [("warning", "reusable-publishing-workflow", "3")], "on:\n", "on:\n  workflow_call:\n", id="can be called"
        ),
        pytest.param([("danger", "dangerous-trigger", "3")], "on:\n", "on:\n  workflow_run: {workflows: [x]}\n", id="trigger"),
        pytest.param(
            [("warning", "build-with-identity", "20")], "run: pip install --require-hashes -r publish.txt", "run: hatch build", id="build"
        ),
        pytest.param([("warning", "install-without-hashes", "20")], "--require-hashes -r publish.txt", "hatch", id="install"),
        pytest.param(
            [("warning", "install-without-hashes", "21")], "run: hatch publish -p", "run: pipx run hatch publish -p", id="run"
        ),
        pytest.param(
            [("danger", "cache-with-identity", "20")], "run: pip install --require-hashes -r publish.txt",
            f"uses: actions/cache@{SHA}", id="cache",
        ),
        pytest.param(
            [("danger", "cache-with-identity", "20")], "run: pip install --require-hashes -r publish.txt",
            f"uses: actions/setup-python@{SHA}\n        with: {{cache: pip}}", id="cache of an action",
        ),
        pytest.param([("warning", "unpinned-action", "19")], f"download-artifact@{SHA}", "download-artifact@v4", id="tag"),
        pytest.param([("danger", "unpinned-action", "19")], f"actions/download-artifact@{SHA}", "third/party@v4", id="third party"),
        pytest.param([], f"actions/download-artifact@{SHA}", "./.github/actions/own", id="own action"),
        pytest.param([("warning", "stored-token", "21")], "run: hatch publish -p trusted", TOKEN, id="token"),
        pytest.param(
            [("warning", "stored-token", "8")], "    runs-on: ubuntu-latest", "    env: {TWINE_PASSWORD: x}", id="variable"
        ),
        pytest.param(
            [("danger", "foreign-text", "12")], "run: hatch build --clean",
            "run: echo ${{ github.event.pull_request.title }}; hatch build", id="title",
        ),
        pytest.param(
            [("danger", "foreign-text", "12")], "run: hatch build --clean", BRANCH, id="branch"
        ),
        pytest.param(
            [("danger", "foreign-text", "13")], "run: hatch build --clean",
            f"uses: actions/github-script@{SHA}\n        with: {{script: 'x(`${{{{ github.event.issue.title }}}}`)'}}", id="JavaScript",
        ),
        pytest.param([], "run: hatch build --clean", "run: hatch build; echo ${{ github.sha }} ${{ github.event.number }}", id="number"),
    ],
)  # fmt: skip
def test_one_change(expected: list[tuple[str, str, str]], before: str, after: str, tmp_path: Path) -> None:
    """One changed line produces one finding, at its line."""
    text = GOOD.replace(before, after)
    assert text != GOOD
    assert sorted(expected) == sorted(codes(findings(tmp_path, text)))


@pytest.mark.parametrize(
    ("level", "trigger"),
    [pytest.param("warning", "", id="push"), pytest.param("danger", "  workflow_dispatch:\n", id="by hand")],
)
def test_no_environment(level: str, trigger: str, tmp_path: Path) -> None:
    """Without an environment any branch can publish; worse if anyone with write access can start it by hand."""
    text = GOOD.replace("    environment: pypi\n", "").replace("on:\n", f"on:\n{trigger}")
    found = codes(findings(tmp_path, text, {**PUBLISHER, "environment": ""}))
    assert [(level, "no-environment")] == [one[:2] for one in found]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        pytest.param("other-workflow-file", {"workflow": "publish.yml"}, id="file"),
        pytest.param("other-repository", {"owner": "octo"}, id="owner"),
        pytest.param("other-repository", {"repository": "Sample"}, id="case"),
    ],
)
def test_publisher(code: str, change: dict[str, str], tmp_path: Path) -> None:
    """The table `publisher` names the file and the repository."""
    assert [code] == [one.message.code for one in findings(tmp_path, GOOD, {**PUBLISHER, **change})]
    assert [] == findings(tmp_path, GOOD, {"provider": "gitlab"})
    assert [] == findings(tmp_path, GOOD, {**PUBLISHER, **change, "workflow": "release.yml"}, forge=None)


def test_a_called_workflow(tmp_path: Path) -> None:
    """PyPI never matches a reusable workflow of another repository."""
    text = (
        GOOD + f"  called:\n    permissions: {{id-token: write}}\n    uses: other/repo/.github/workflows/x.yml@{SHA}\n"
    )
    assert ["foreign-reusable-workflow"] == [one.message.code for one in findings(tmp_path, text)]
    assert [] == findings(
        tmp_path, text.replace(f"other/repo/.github/workflows/x.yml@{SHA}", "./.github/workflows/x.yml")
    )


def test_static_version(tmp_path: Path) -> None:
    """A version that does not count commits needs no history; a malformed pattern is for another tool to report."""
    assert [] == findings(tmp_path, GOOD.replace("with: {fetch-depth: 0}", "with: {}"), version={"path": "a.py"})
    assert [] == findings(tmp_path, GOOD, version={"source": "vcs", "tag-pattern": "("})


ULTRALYTICS = """
on:
  pull_request_target: {branches: [main]}
  push: {branches: [main]}
  workflow_dispatch:
permissions: {contents: write, id-token: write}
jobs:
  publish:
    steps:
      - uses: actions/checkout@v4
      - uses: actions/cache@v4
      - run: echo "${{ github.event.pull_request.head.ref }}"
      - run: python -m build && twine upload dist/*
"""
TJ_ACTIONS = GOOD.replace(f"actions/download-artifact@{SHA}", "tj-actions/changed-files@v45")
ELEMENTARY = f"""
on: {{issue_comment: {{types: [created]}}}}
jobs:
  release:
    permissions: {{id-token: write}}
    environment: pypi
    steps:
      - uses: actions/checkout@{SHA}
      - run: |
          echo "${{{{ github.event.comment.body }}}}" > notes.md
          uv publish
"""
DISPATCH = GOOD.replace("on:\n", "on:\n  workflow_dispatch: {}\n").replace("    environment: pypi\n", "")


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        pytest.param(
            {"dangerous-trigger", "foreign-text", "cache-with-identity", "identity-for-every-job", "no-environment"}, ULTRALYTICS,
            id="Ultralytics, December 2024",
        ),
        pytest.param({"unpinned-action"}, TJ_ACTIONS, id="tj-actions, March 2025"),
        pytest.param({"dangerous-trigger", "foreign-text"}, ELEMENTARY, id="elementary-data, 2026"),
        pytest.param({"no-environment"}, DISPATCH, id="any branch, by hand"),
    ],
)  # fmt: skip
def test_incidents(expected: set[str], text: str, tmp_path: Path) -> None:
    """The workflows of known incidents are reported as dangerous."""
    found = findings(tmp_path, text, {"provider": "none"}, {"path": "a.py"})
    assert expected == {one.message.code for one in found if one.level == "danger"}


ATTRS = f"""
name: Build & upload PyPI package
on:
  push: {{branches: [main], tags: ["*"]}}
  pull_request: {{branches: [main]}}
  release: {{types: [published]}}
  workflow_dispatch:
permissions: {{}}
jobs:
  build-package:
    permissions: {{attestations: write, contents: read, id-token: none}}
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@{SHA} # v4.2.2
        with: {{fetch-depth: 0, persist-credentials: false}}
      - uses: hynek/build-and-inspect-python-package@{SHA} # v2.12.0
  release-test-pypi:
    environment: release-test-pypi
    if: github.repository_owner == 'python-attrs' && github.event_name == 'push'
    needs: build-package
    permissions: {{id-token: write}}
    steps:
      - uses: actions/download-artifact@{SHA} # v4.1.8
        with: {{name: Packages, path: dist}}
      - uses: pypa/gh-action-pypi-publish@{SHA} # v1.12.4
        with: {{attestations: true, repository-url: "https://test.pypi.org/legacy/"}}
  release-pypi:
    environment: release-pypi
    needs: build-package
    permissions: {{id-token: write}}
    steps:
      - uses: actions/download-artifact@{SHA} # v4.1.8
      - uses: pypa/gh-action-pypi-publish@{SHA} # v1.12.4
"""
UV_STYLE = f"""
on: {{workflow_dispatch: {{inputs: {{tag: {{required: true}}}}}}}}
permissions: {{}}
jobs:
  publish:
    environment: {{name: release}}
    permissions: {{id-token: write}}
    steps:
      - uses: astral-sh/setup-uv@{SHA}
      - uses: actions/download-artifact@{SHA}
      - run: uv publish -v wheels/*
"""


@pytest.mark.parametrize("text", [ATTRS, UV_STYLE, GOOD], ids=["attrs", "uv", "two jobs"])
def test_quiet(text: str, tmp_path: Path) -> None:
    """Careful workflows of well-known projects pass."""
    assert [] == codes(findings(tmp_path, text, {"provider": "none"}, {"source": "vcs"}))
