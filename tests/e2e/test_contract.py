"""The command line, the tables, the exit code, the output and the report, as you see them."""

from __future__ import annotations

import json
import platform
import signal
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from hatch_trusted_publish.errors import Interrupted, Message
from hatch_trusted_publish.identity.publishers import public_claims
from hatch_trusted_publish.rehearsal.simple import path as stored_at
from tests.support.authority import Authority

from .world import (
    CLAIMS,
    EXCHANGE,
    PROJECT,
    PUBLISHERS,
    RELEASE,
    SDIST,
    SEARCH,
    WHEEL,
    Answer,
    Ci,
    Index,
    Job,
    Run,
    as_read,
    codes_in,
    commit,
    git,
    identity_token,
    make_checkout,
    masks,
    nothing_left,
    outcome,
    released,
    served_with_tls,
    target,
    uploads,
)

TABLE = "tool.hatch.publish.trusted"


@pytest.mark.parametrize(
    ("chosen", "arguments", "environ", "layers"),
    [
        ("user", [], {}, "user"),
        ("pyproject", [], {}, "user pyproject"),
        ("hatch", [], {}, "user pyproject hatch"),
        ("variable", [], {"HATCH_INDEX_REPO": "variable"}, "user pyproject hatch"),
        ("flag", ["-r", "flag"], {"HATCH_INDEX_REPO": "variable"}, "user pyproject hatch"),
        ("options", ["--repo", "flag"], {"HATCH_PUBLISHER_OPTIONS": "repo=options dry-run"}, "user pyproject hatch"),
        ("option", ["-r", "flag", "-o", "repo=option"], {}, "user pyproject hatch"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_precedence(
    job: Job, index: Index, chosen: str, arguments: list[str], environ: dict[str, str], layers: str
) -> None:
    """Of all the places where `repo` can be set, the most specific one counts."""
    names = ["user", "pyproject", "hatch", "variable", "flag", "options", "option"]
    repos = "\n".join(f'{name} = "{index.url}/{name}/legacy/"' for name in names)
    tables = {"user": "publish.trusted", "pyproject": TABLE, "hatch": "publish.trusted"}
    texts = {layer: f'[{tables[layer]}]\nrepo = "{layer}"\ndry-run = true' for layer in layers.split()}
    texts["user"] += f"\n[{tables['user']}.repos]\n{repos}\n"
    (job.home / "config.toml").write_text(texts["user"], "utf-8")
    if "pyproject" in texts:
        job.configure(texts["pyproject"])
    if "hatch" in texts:
        (job.root / "hatch.toml").write_text(texts["hatch"], "utf-8")
    run = job.publish(*arguments, **environ)
    assert [f"GET /{chosen}/simple/{PROJECT}/ 404"] == index.requests
    url = f"{index.url}/{chosen}/legacy/"
    assert (0, "", []) == (run.code, run.out, run.codes)
    assert Message("release-target", project=PROJECT, version="1.2.3", index=chosen, url=url) in run


def test_publisher_by_variable(job: Job, index: Index) -> None:
    """The publisher itself can be chosen through Hatch's variables alone, with all its options."""
    run = job.hatch(
        "publish",
        HATCH_PUBLISHER="trusted",
        HATCH_INDEX_REPO=index.upload_url,
        HATCH_PUBLISHER_OPTIONS="identity-variable=MY_TOKEN several",
        MY_TOKEN=identity_token("gitlab", "127.0.0.1"),
    )
    assert released(index, ci="gitlab") == run
    assert RELEASE == index.requests


def test_disabled(job: Job, index: Index) -> None:
    """A publisher that is disabled needs `-y`; both are Hatch's own."""
    job.configure(f"[{TABLE}]\ndisable = true")
    arguments = ["-r", index.upload_url, "-o", "dry-run"]
    assert Run(1, "", "Publisher is disabled: trusted\n") == job.publish("-n", *arguments)
    assert [] == index.requests
    assert 0 == job.publish("-n", "-y", *arguments).code
    assert SEARCH[:1] == index.requests


@pytest.mark.parametrize("way", ["flags", "variables", "table"])
def test_certificates(job: Job, tmp_path: Path, way: str) -> None:
    """The index has a private CA, and requires a client certificate."""
    authority = Authority(tmp_path)
    certificate, key = map(str, authority.issue("client", "client"))
    files = {"ca-cert": str(authority.file), "client-cert": certificate, "client-key": key}
    index = Index(tmp_path / "files")
    arguments, environ = [], {"MY_TOKEN": identity_token("gitlab", "127.0.0.1")}
    with served_with_tls(index, authority):
        arguments = ["-r", index.upload_url, "-o", "identity-variable=MY_TOKEN"]
        if way == "flags":
            arguments += [text for name, path in files.items() for text in (f"--{name}", path)]
        elif way == "variables":
            environ |= {f"HATCH_INDEX_{name.upper().replace('-', '_')}": path for name, path in files.items()}
        else:
            lines = "\n".join(f'{name} = "{path}"' for name, path in files.items())
            job.configure(f'[{TABLE}.repos.own]\nurl = "{index.upload_url}"\n{lines}')
        assert 0 == job.publish(*arguments, **environ).code
    assert RELEASE == index.requests


def test_dry_run(job: Job, ci: Ci, index: Index) -> None:
    """`dry-run` reads the index and requests no identity."""
    job.on_github(ci)
    run = job.publish("-r", index.upload_url, "-o", "dry-run")
    would = Message("would-be-uploaded")
    files = [str(Message("file-outcome", file=f"dist/{name}", outcome=would)) for name in (WHEEL, SDIST)]
    assert Run(0, "", "\n".join([target(index), *files, str(Message("dry-run-ended"))]) + "\n") == run
    assert SEARCH[:1] == index.requests
    assert [] == ci.requests


def test_dry_run_that_mints(job: Job, ci: Ci, index: Index) -> None:
    """`dry-run=mint` exchanges the identity, too, and burns the token."""
    job.on_github(ci)
    run = job.publish("-r", index.upload_url, "-o", "dry-run=mint")
    assert (0, masks(ci, index), []) == (run.code, run.out, run.codes)
    assert Message("mint-starts") in run
    assert Message("mint-ended", index=index.upload_url) in run
    assert [*SEARCH, *EXCHANGE, "POST /_/oidc/burn-token 202"] == index.requests
    assert index.store.token(index.store.minted[0]) is None


def test_a_failure_and_the_same_command_again(job: Job, ci: Ci, index: Index) -> None:
    """After a failure the outcome of each file is reported, and the same command finishes the release."""
    job.on_github(ci)
    index.answers["POST /legacy/"] = [Answer(), Answer(400, '{"code": "400 No."}')]
    run = job.publish("-r", index.upload_url)
    assert (1, masks(ci, index), ["file-refused"]) == (run.code, run.out, run.codes)
    assert {WHEEL: "uploaded", SDIST: "failed"} == job.outcomes()
    assert Message("on-the-index", files=[WHEEL]) in run
    assert Message("not-on-the-index", files=[SDIST]) in run
    assert [*SEARCH, *EXCHANGE, *uploads(1), "POST /legacy/ 400", "POST /_/oidc/burn-token 202"] == index.requests

    index.forget()
    ci.forget()
    run = job.publish("-r", index.upload_url)
    assert Run(0, masks(ci, index), released(index, ("there", "uploaded")).err) == run
    assert [*SEARCH, *EXCHANGE, *uploads(1), "POST /_/oidc/burn-token 202"] == index.requests
    assert [WHEEL, SDIST] == index.files


@pytest.mark.parametrize(
    ("answer", "code", "last"),
    [
        pytest.param(Answer(413, "Too large"), "file-too-large", "uploaded", id="one file"),
        pytest.param(
            Answer(403, "Read-only mode: Uploads are temporarily disabled."), "uploads-disabled", "not tried", id="all"
        ),
    ],
)
def test_a_refusal(job: Job, ci: Ci, index: Index, answer: Answer, code: str, last: str) -> None:
    """A rejection of one file does not stop the others; after any other rejection no upload starts."""
    job.on_github(ci)
    index.answers["POST /legacy/"] = [answer]
    run = job.publish("-r", index.upload_url)
    assert (1, masks(ci, index), [code]) == (run.code, run.out, run.codes)
    assert {WHEEL: "failed", SDIST: last} == job.outcomes()
    after = uploads(1) if last == "uploaded" else []
    refused = f"POST /legacy/ {answer.status}"
    assert [*SEARCH, *EXCHANGE, refused, *after, "POST /_/oidc/burn-token 202"] == index.requests


def test_lost_replies(job: Job, ci: Ci, index: Index) -> None:
    """A file whose reply is lost is sent again, from its start; if the index already has it, that is not an error."""
    job.on_github(ci)
    taken = Answer(409, "File already exists")
    index.answers["POST /legacy/"] = [Answer(503), Answer(lost=True), taken, Answer()]
    run = job.publish("-r", index.upload_url)
    assert 0 == run.code
    assert {WHEEL: "there", SDIST: "uploaded"} == job.outcomes()
    statuses = ["503", "200", "409"]
    settled = [*(f"POST /legacy/ {status}" for status in statuses), SEARCH[0]]
    assert [*SEARCH, *EXCHANGE, *settled, *uploads(1), "POST /_/oidc/burn-token 202"] == index.requests
    assert [WHEEL, SDIST] == index.files


def test_interrupted(job: Job, ci: Ci, index: Index) -> None:
    """Ctrl-C ends the run at once; the token is burned, whatever you type next, and the report says what happened."""
    job.on_github(ci)
    running: list[subprocess.Popen[str]] = []
    interrupt = Answer(first=lambda: running[0].send_signal(signal.SIGINT))
    index.answers["POST /legacy/"] = [Answer(), replace(interrupt, never=True)]
    index.answers["POST /_/oidc/burn-token"] = [interrupt]
    command = ("publish", "-p", "trusted", "-r", index.upload_url, "-o", "report=report.json")
    running.append(job.measured().started(*command))
    err = as_read(running[0].communicate(timeout=60)[1])
    assert 1 == running[0].returncode
    assert ["interrupted"] == codes_in(err)
    report = json.loads((job.root / "report.json").read_text("utf-8"))
    assert ["uploaded", "unknown"] == [file["outcome"] for file in report["files"]]
    assert str(Interrupted("interrupted")) == report["error"]
    assert [*SEARCH, *EXCHANGE, *uploads(1), "POST /legacy/ given up", "POST /_/oidc/burn-token 202"] == index.requests


def _rebuild(job: Job) -> None:
    """Build the same version again, with other content."""
    (job.root / "src" / "sample_project" / "more.py").write_text('"""More."""\n', "utf-8")
    commit(job.root)
    subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=job.root, check=True, capture_output=True)


def test_other_bytes_under_the_same_name(job: Job, ci: Ci, index: Index) -> None:
    """A file that the index has with other bytes is an error, or a warning if a setting says so."""
    job.on_github(ci)
    assert 0 == job.publish("-r", index.upload_url).code
    _rebuild(job)
    index.forget()
    held = {file.filename: file.sha256 for file in index.store.files()}

    run = job.publish("-r", index.upload_url)
    assert (1, "", ["different-bytes"] * 2) == (run.code, run.out, run.codes)
    run = job.publish("-r", index.upload_url, "-o", "existing=skip")
    assert (0, "", ["existing-kept"] * 2) == (run.code, run.out, run.codes)
    run = job.publish("-r", index.upload_url, "-o", "existing=fail")
    assert (1, "", ["file-exists"] * 2) == (run.code, run.out, run.codes)
    assert [SEARCH[0]] * 3 == index.requests_but_terms
    assert held == {file.filename: file.sha256 for file in index.store.files()}


def test_stale_files(job: Job, ci: Ci, index: Index) -> None:
    """Files of an outdated version of the project are refused, unless you allow them."""
    job.on_github(ci)
    git(job.root, "commit", "--allow-empty", "--message", "After the release")
    run = job.publish("-r", index.upload_url)
    assert (1, "", ["stale-file"] * 2) == (run.code, run.out, run.codes)
    assert [] == index.requests
    assert released(index).err == job.publish("-r", index.upload_url, "-o", "check-version=false").err


def test_vcs_public(job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """After a tag, `vcs-public` gives a commit a public version, in the build and in the check before the upload."""
    job.on_github(ci)
    job.root = tmp_path / "public"
    make_checkout(
        job.root, (tmp_path / "project" / "pyproject.toml").read_text("utf-8").replace('"vcs"', '"vcs-public"')
    )
    git(job.root, "commit", "--allow-empty", "--message", "After the release")
    subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=job.root, check=True, capture_output=True)
    run = job.publish("-r", index.upload_url)
    assert released(index).err.replace("1.2.3", "1.2.4.dev1") == run.err
    assert RELEASE == index.requests


def test_outside_of_a_project(job: Job, index: Index) -> None:
    """Files can be published from any directory; the log then says that their version was not compared."""
    job.root = job.directory / "elsewhere"
    job.root.mkdir()
    run = job.measured().publish("-r", index.upload_url, "-o", "dry-run", "../project/dist")
    assert (0, "") == (run.code, run.out)
    assert "../project/dist" in run.err
    assert SEARCH[:1] == index.requests


def test_user_agent(job: Job, index: Index) -> None:
    """An index can identify the client by its user agent."""
    assert 0 == job.publish("-r", index.upload_url, "-o", "dry-run").code
    versions = [f"{shown}/{version(name)}" for name, shown in (("hatch-trusted-publish",) * 2, ("hatch", "Hatch"))]
    python = f"{platform.python_implementation()}/{platform.python_version()}"
    assert {" ".join([*versions, f"httpx/{version('httpx')}", python])} == index.agents


@pytest.mark.parametrize("quiet", ["-q", "-qq", "-qqq"])
def test_quiet(job: Job, ci: Ci, index: Index, quiet: str) -> None:
    """At any verbosity of Hatch, tokens are masked and an error is shown."""
    job.on_github(ci)
    index.answers["POST /legacy/"] = [Answer(), Answer(400, '{"code": "400 No."}')]
    run = job.hatch(quiet, "publish", "-p", "trusted", "-r", index.upload_url)
    assert (1, masks(ci, index), ["file-refused"]) == (run.code, run.out, run.codes)
    assert (quiet != "-qqq") == run.err.startswith(outcome(SDIST, "failed"))
    assert not run.err.startswith(target(index))


def test_masks_come_first(job: Job, ci: Ci, index: Index) -> None:
    """Both tokens are masked before the line of the first file, in the single stream of a log."""
    job.on_github(ci)
    job.environ["PYTHONUNBUFFERED"] = ""
    done = subprocess.run(
        [sys.executable, "-m", "hatch", "publish", "-p", "trusted", "-r", index.upload_url],
        cwd=job.root,
        env=job.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        check=True,
    )
    lines = released(index).err.splitlines(keepends=True)
    assert "".join([lines[0], masks(ci, index), *lines[1:]]) == as_read(done.stdout)


def timeless(path: Path) -> object:
    """Return a report without its times, for files that were sent and those that were not."""
    report = json.loads(path.read_text("utf-8"))
    assert report.pop("began") <= report.pop("ended")
    for file in report["files"]:
        assert (file.pop("seconds") is None) == (file["outcome"] in {"there", "not tried"})
    return report


def report_of(index: Index, job: Job, *outcomes: str, error: str | None = None, dry_run: bool = False) -> object:
    """Return the report of a run of `on_github`, without its times; the identity is set if a file was sent."""
    held = {path.name: path for path in job.dist.iterdir()}
    stored = {file.filename: file for file in index.store.files()}
    return {
        "index": {"name": index.upload_url, "upload-url": index.upload_url},
        "dry-run": dry_run,
        "releases": [{"name": PROJECT, "version": "1.2.3", "url": f"{index.url}/simple/{PROJECT}/"}],
        "files": [
            {
                "filename": name,
                "path": f"dist/{name}",
                "size": held[name].stat().st_size,
                "sha256": stored[name].sha256,
                "url": f"{index.url}{stored_at(stored[name])}" if outcome == "there" else None,
                "outcome": outcome,
                "reason": error if outcome == "unknown" and error else "",
                "attestations": [],
            }
            for name, outcome in zip((WHEEL, SDIST), outcomes, strict=True)
        ],
        "identity": None if {"there"} == {*outcomes} else public_claims(CLAIMS["github"]),
        "error": error,
    }


def test_report(job: Job, ci: Ci, index: Index) -> None:
    """The report exists after a success and after a run without uploads, and replaces an older one entirely."""
    job.on_github(ci)
    job.configure(f'[{TABLE}]\nreport = "report.json"')
    path = job.root / "report.json"
    path.write_text("older\n")
    with path.open() as older:
        assert 0 == job.publish("-r", index.upload_url).code
        assert "older\n" == older.read()
    assert report_of(index, job, "uploaded", "uploaded") == timeless(path)
    assert nothing_left(index) == job.publish("-r", index.upload_url)
    assert report_of(index, job, "there", "there") == timeless(path)
    assert 0 == job.publish("-r", index.upload_url, "-o", "dry-run").code
    assert report_of(index, job, "there", "there", dry_run=True) == timeless(path)
    assert ["report.json"] == [each.name for each in job.root.iterdir() if "report" in each.name]


def test_report_of_a_failure(job: Job, ci: Ci, index: Index) -> None:
    """The report of a failed run has the error, and the file it is about."""
    job.on_github(ci)
    # The index keeps the file, and its answers are lost: the report has what the client knows.
    index.answers["POST /legacy/"] = [Answer(), *[Answer(lost=True)] * 5]
    run = job.publish("-r", index.upload_url, "-o", f"report={job.directory / 'report.json'}")
    assert 1 == run.code
    error = json.loads((job.directory / "report.json").read_text("utf-8"))["error"]
    assert ["connection-lost"] == run.codes
    assert report_of(index, job, "uploaded", "unknown", error=error) == timeless(job.directory / "report.json")
    assert [*SEARCH, *EXCHANGE, *uploads(6), "POST /_/oidc/burn-token 202"] == index.requests


def test_report_of_a_refused_identity(job: Job, ci: Ci, index: Index) -> None:
    """A run that ends between the plan and the uploads has a report, too."""
    job.on_github(ci)
    del index.store.publishers[PUBLISHERS[0]]
    run = job.publish("-r", index.upload_url, "-o", "report=report.json")
    assert 1 == run.code
    report = json.loads((job.root / "report.json").read_text("utf-8"))
    assert (f"{report['error']}\n", ["invalid-publisher"]) == (run.err.partition("\n")[2], run.codes)
    assert ["not tried"] * 2 == [file["outcome"] for file in report["files"]]
    assert [*SEARCH, EXCHANGE[0], "POST /_/oidc/mint-token 422"] == index.requests


def test_report_that_cannot_be_kept(job: Job, ci: Ci, index: Index) -> None:
    """A report that can no longer be written does not fail a release: there is one warning."""
    job.on_github(ci)
    directory = job.root / "reports"
    directory.mkdir()

    def take_away() -> None:
        (directory / "report.json").unlink()
        directory.rmdir()

    index.answers["POST /legacy/"] = [Answer(first=take_away)]
    run = job.measured().publish("-r", index.upload_url, "-o", "report=reports/report.json")
    assert (0, masks(ci, index), ["record-not-written"]) == (run.code, run.out, run.codes)


def test_wait(job: Job, ci: Ci, index: Index) -> None:
    """With `wait` the run ends when the index lists the files; if time is up first, the same command waits again."""
    job.on_github(ci)
    page = f"GET /simple/{PROJECT}/"
    index.answers[page] = [Answer(404)] * 3
    arguments = ["-r", index.upload_url, "-o", "wait=0.1"]
    run = job.publish(*arguments)
    assert 1 == run.code
    assert ["not-listed"] == run.codes
    assert [WHEEL, SDIST] == index.files
    index.forget()

    index.answers[page] = [Answer(404)]
    run = job.publish(*arguments)
    assert 0 == run.code
    assert [WHEEL, SDIST] == index.files
    assert [*uploads(2), "POST /_/oidc/burn-token 202", f"{page} 200"] == index.requests[-4:]
