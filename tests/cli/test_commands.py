"""The console script, from its arguments to its exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hatch_trusted_publish.__main__ import main
from hatch_trusted_publish.cli import online
from hatch_trusted_publish.cli.commands import commands
from hatch_trusted_publish.index.endpoints import Repository, find_index
from tests.support.authority import Authority
from tests.support.helpers import make_sdist, make_wheel
from tests.support.repositories import git
from tests.support.scripted import Answer, Scripted, Tunnel

PYPROJECT = '[project]\nname = "sample"\nversion = "1.0"\n'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project on GitHub, as the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    tmp_path.joinpath("pyproject.toml").write_text(PYPROJECT, "utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "remote", "add", "origin", "https://github.com/octo-org/sample")
    return tmp_path


def ask(*arguments: str, answers: str = "") -> Result:
    """Run one command and type *answers*."""
    return CliRunner().invoke(commands, arguments, input=answers)


def test_init_and_check(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty project gets a set-up that `check` accepts, without a question."""
    assert 0 == main(["init", "--yes", "--offline"])
    said = capsys.readouterr().out
    for part in (".github/workflows/release.yml", "octo-org", "https://pypi.org/manage/account/publishing/"):
        assert part in said
    assert 0 == main(["check"])
    assert "[" not in capsys.readouterr().out
    assert 0 == main(["check", "--strict"])
    assert 0 == main(["init", "--yes", "--offline"])


def test_questions(root: Path) -> None:
    """There are at most three questions, and the difference to an existing file."""
    result = ask("init", "--offline", answers="y\nrelease\nothers\ny\nn\n")
    assert 0 == result.exit_code
    assert "+[tool.hatch.publish.trusted.publisher]" in result.output
    workflow = root.joinpath(".github/workflows/release.yml").read_text("utf-8")
    assert "'release' || 'testpypi'" in workflow
    for part in (
        "&environment=release\n",
        "&environment=testpypi\n",
        "environment release on",
        "environment testpypi on",
    ):
        assert part in result.output
    assert 'source = "vcs-public"' in root.joinpath("pyproject.toml").read_text("utf-8")


def test_refused_change(root: Path) -> None:
    """If you answer no, the file stays as it is."""
    assert 0 == ask("init", "--offline", answers="n\npypi\nnobody\nn\nn\n").exit_code
    assert PYPROJECT == root.joinpath("pyproject.toml").read_text("utf-8")


def test_a_workflow_without_environment(root: Path) -> None:
    """If the job has no environment, the form leaves it blank, and you need not create one."""
    root.joinpath(".github", "workflows").mkdir(parents=True)
    root.joinpath(".github", "workflows", "cd.yml").write_text("jobs: {a: {steps: [{run: uv publish}]}}", "utf-8")
    result = ask("init", "--offline", "--yes")
    assert [True, False, False] == [
        part in result.output for part in ("cd.yml", "environment=", "/settings/environments")
    ]


def test_an_existing_pipeline_with_yes(root: Path) -> None:
    """With `--yes`, an existing pipeline is left unchanged."""
    git(root, "remote", "set-url", "origin", "https://gitlab.com/a/b")
    root.joinpath(".gitlab-ci.yml").write_text("a: {script: [x]}\n", "utf-8")
    assert 0 == ask("init", "--offline", "--yes").exit_code
    assert "a: {script: [x]}\n" == root.joinpath(".gitlab-ci.yml").read_text("utf-8")
    assert root.joinpath(".gitlab", "publish.yml").is_file()


def test_check_as_text(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Findings are grouped, each with its code; a warning fails only with `--strict`."""
    assert 0 == main(["check"])
    assert "[no-publishing-job]" in capsys.readouterr().out
    assert 1 == main(["check", "--strict"])


def test_check_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--format json` is for other programs."""
    assert 0 == main(["check", "--json"])
    assert ["no-publishing-job"] == [one["code"] for one in json.loads(capsys.readouterr().out)]


def test_check_in_github(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`--format github` prints annotations."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert 0 == main(["check"])
    assert capsys.readouterr().out.startswith("::warning::")


@pytest.mark.parametrize(
    ("code", "remote"),
    [
        pytest.param("no-remote", None, id="no remote"),
        pytest.param("unknown-forge", "https://user:pw@codeberg.org/a/b", id="another forge"),
    ],
)
def test_no_forge(code: str, remote: str | None, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is one clear error, and nothing is written."""
    git(root, "remote", "remove", "origin")
    if remote is not None:
        git(root, "remote", "add", "upstream", remote)
    assert 1 == main(["init", "--yes", "--offline"])
    said = capsys.readouterr().err
    assert (True, False) == (f"[{code}]" in said, "pw" in said)
    assert not root.joinpath(".github").exists()


def test_a_publisher_without_a_provider(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mistakes in the table are reported before anything is written."""
    root.joinpath("pyproject.toml").write_text(
        f'{PYPROJECT}[tool.hatch.publish.trusted.publisher]\nowner = "octo-org"\n', "utf-8"
    )
    assert 1 == main(["init", "--yes", "--offline"])
    assert "[missing-key]" in capsys.readouterr().err
    assert not root.joinpath(".github").exists()


def test_a_directory_without_rights(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If a file blocks a directory, nothing is written."""
    root.joinpath(".github").write_text("", "utf-8")
    assert 1 == main(["init", "--yes", "--offline"])
    assert "[not-written]" in capsys.readouterr().err
    assert PYPROJECT == root.joinpath("pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param("yaml-invalid", b"on: push\njobs: {a: [}", id="not YAML"),
        pytest.param("yaml-invalid", b"on: push\n\tjobs:", id="tab"),
        pytest.param("yaml-invalid", b"on: push\non: pull_request", id="key twice"),
        pytest.param("yaml-invalid", b"on: &a [*a]", id="endless anchor"),
        pytest.param("yaml-too-large", b"#" * 10_000_000, id="10 MB"),
    ],
)
def test_a_workflow_that_cannot_be_read(code: str, text: bytes, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is one clear error with the name of the file, and nothing is written."""
    path = root / ".github" / "workflows" / "other.yml"
    path.parent.mkdir(parents=True)
    path.write_bytes(text)
    assert 1 == main(["init", "--yes", "--offline"])
    assert 1 == main(["check"])
    said = capsys.readouterr()
    assert [True, True] == [f"[{code}]" in one and "other.yml" in one for one in said]
    assert (PYPROJECT, [path]) == (root.joinpath("pyproject.toml").read_text("utf-8"), [*path.parent.iterdir()])


def test_without_git(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Git, no remote is known; `check` needs none."""
    monkeypatch.setenv("PATH", str(root))
    assert 1 == main(["init", "--yes", "--offline"])
    assert "[no-remote]" in capsys.readouterr().err
    assert 0 == main(["check"])


def test_a_name_in_unicode(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PyPI accepts only ASCII; `check` reports that, and no earlier step fails."""
    root.joinpath("pyproject.toml").write_text(PYPROJECT.replace("sample", "schöne-probe"), "utf-8")
    assert 0 == main(["init", "--yes", "--offline"])
    assert "/manage/project/sch%C3%B6ne-probe/" in capsys.readouterr().out
    assert 1 == main(["check", "--json"])
    assert ["project-table-malformed"] == [one["code"] for one in json.loads(capsys.readouterr().out)]


def test_usage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown command or option is reported, with click's exit code 2."""
    assert 2 == main(["nope"])
    assert "nope" in capsys.readouterr().err
    assert 0 == main(["--help"])


def test_stopped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C or the end of the input at a question writes nothing."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert 1 == main(["init", "--offline"])
    assert not root.joinpath(".github").exists()


@pytest.mark.parametrize(
    ("code", "ran"),
    [
        pytest.param(0, ["build --clean", "publish -p trusted -r rehearsal"], id="passes"),
        pytest.param(3, ["build --clean"], id="fails"),
    ],
)
def test_rehearse_now(code: int, ran: list[str], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end, Hatch builds and rehearses, and the command has its exit code."""
    calls, hatch = root / "calls", root / "bin" / "hatch"
    hatch.parent.mkdir()
    hatch.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\nexit {code}\n', "utf-8")
    hatch.chmod(0o755)
    monkeypatch.setenv("PATH", str(hatch.parent), prepend=os.pathsep)
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n\n\ny\ny\n"))
    assert code == main(["init", "--offline"])
    assert ran == calls.read_text("utf-8").splitlines()


def test_without_the_extra(root: Path) -> None:
    """Without the packages of the extra, the line to type is shown."""
    site = Path(__file__).parents[1] / "e2e" / "site"
    done = subprocess.run(
        [sys.executable, "-m", "hatch_trusted_publish", "check"],
        env=os.environ | {"PYTHONPATH": str(site), "E2E_WITHOUT": "yaml"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (1, True) == (done.returncode, "[script-extra-missing]" in done.stderr)


def test_digest(root: Path) -> None:
    """One digest covers the files in dist/, as coreutils compute it, with the base dependencies alone."""
    make_wheel(root / "dist")
    make_sdist(root / "dist")
    code = "import sys\nfrom hatch_trusted_publish.__main__ import main\nmain(['digest'])\n"
    code += "assert not {'click', 'rich', 'httpx', 'yaml'} & sys.modules.keys()"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    expected = subprocess.run(
        "cd dist && LC_ALL=C && sha256sum * | sha256sum", shell=True, check=True, capture_output=True, text=True
    ).stdout
    assert expected.split()[0] == found.strip()


LISTED = {"name": "sample", "meta": {"api-version": "1.4"}, "files": []}
WHEEL = {"filename": "sample-1.0-py3-none-any.whl", "url": "x", "hashes": {}}


@pytest.mark.parametrize(
    ("codes", "known", "answer"),
    [
        pytest.param(["project-is-new"], False, Answer(404), id="new"),
        pytest.param(
            ["project-archived"], True, Answer.of({**LISTED, "project-status": {"status": "archived"}}), id="archived"
        ),
        pytest.param(["no-attestations-yet"], True, Answer.of({**LISTED, "files": [WHEEL]}), id="not attested"),
        pytest.param([], True, Answer.of({**LISTED, "files": [{**WHEEL, "provenance": "/p"}]}), id="attested"),
        pytest.param(["listing-needs-token"], None, Answer(403), id="unknown"),
    ],
)
def test_online(codes: list[str], known: bool | None, answer: Answer) -> None:
    """`check --online` reports the project's state on the index."""
    with Scripted({"GET /simple/sample/": answer}) as server:
        index = find_index(Repository("own", f"{server.url}/legacy/"))
        assert codes == [one.message.code for one in online.check(index, "Sample")]
        assert known == online.exists(index, "Sample")


@pytest.fixture
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


NEW, OWN = "https://pypi.org/manage/account/publishing/", "https://pypi.org/manage/project/sample/settings/publishing/?"


@pytest.mark.parametrize(
    ("pages", "codes", "answer"),
    [
        pytest.param([NEW], ["project-is-new"], Answer(404), id="new"),
        pytest.param([OWN], [], Answer.of(LISTED), id="existing"),
        pytest.param([NEW, OWN], ["listing-failed"], Answer(403), id="unknown"),
    ],
)
def test_pypi_is_asked(
    pages: list[str],
    codes: list[str],
    answer: Answer,
    root: Path,
    authority: Authority,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`init` shows PyPI's form for a new or an existing project; `check --online` looks the project up, too."""
    with (
        Scripted({"GET /simple/sample/": answer}, authority.server("pypi.org")) as pypi,
        Tunnel(pypi.port) as tunnel,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{tunnel.port}")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert 0 == main(["init", "--yes"])
        said = capsys.readouterr().out
        assert 0 == main(["check", "--online", "--json"])
    assert pages == [page for page in (NEW, OWN) if page in said]
    assert codes == [one["code"] for one in json.loads(capsys.readouterr().out)]
    assert 2 == len(pypi.lines)
