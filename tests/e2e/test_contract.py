"""The command line, the tables, the exit code, the output and the report, as a user meets them."""

from __future__ import annotations

import json
import platform
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hatch_trusted_publish.output.report import public_claims
from hatch_trusted_publish.rehearsal.simple import path as stored_at

from .test_identities import EXCHANGE, RELEASE, SEARCH, nothing_left, released
from .world import (
    CLAIMS,
    PROJECT,
    PUBLISHERS,
    SDIST,
    WHEEL,
    Answer,
    Ci,
    Index,
    Job,
    Run,
    as_read,
    commit,
    git,
    identity_token,
    make_checkout,
    served_with_tls,
    uploads,
)

TABLE = "tool.hatch.publish.trusted"
AGAIN = "Run the same command again to wait on."


def masks(ci: Ci, index: Index) -> str:
    """GitHub's commands that keep the tokens out of its log."""
    return "".join(f"::add-mask::{token}\n" for token in [*ci.issued, *index.store.minted])


def on_github(job: Job, ci: Ci) -> None:
    """The job is one of GitHub, and no retry waits."""
    job.environ |= ci.github | {"E2E_NO_WAIT": "1"}


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
    """Of all the places where `repo` can be set, the one nearest to the person counts."""
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
    lines = [
        f"{PROJECT} 1.2.3 → {chosen} ({index.url}/{chosen}/legacy/)",
        f"dist/{WHEEL} ... would be uploaded",
        f"dist/{SDIST} ... would be uploaded",
        "A dry run: nothing was uploaded.",
    ]
    assert Run(0, "", "\n".join(lines) + "\n") == run


def test_publisher_by_variable(job: Job, index: Index) -> None:
    """The publisher itself can be chosen by Hatch's variables alone, with all its options."""
    run = job.hatch(
        "publish",
        HATCH_PUBLISHER="trusted",
        HATCH_INDEX_REPO=index.upload_url,
        HATCH_PUBLISHER_OPTIONS="identity-variable=MY_TOKEN several",
        MY_TOKEN=identity_token("gitlab", "127.0.0.1"),
    )
    assert released(index) == run
    assert RELEASE == index.requests


def test_disabled(job: Job, index: Index) -> None:
    """A publisher that is disabled needs `-y`; both are Hatch's own."""
    job.configure(f"[{TABLE}]\ndisable = true")
    arguments = ["-r", index.upload_url, "-o", "dry-run"]
    assert Run(1, "", "Publisher is disabled: trusted\n") == job.publish("-n", *arguments)
    assert [] == index.requests
    assert 0 == job.publish("-n", "-y", *arguments).code
    assert SEARCH[:1] == index.requests


def _certificate(name: str, path: Path) -> None:
    """A certificate that is its own authority, for loopback, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    path.with_suffix(".key").write_bytes(private)
    path.with_suffix(".both").write_bytes(path.read_bytes() + private)


@pytest.mark.parametrize("way", ["flags", "variables", "table"])
def test_certificates(job: Job, tmp_path: Path, way: str) -> None:
    """An index with an authority of its own, which lets in only who shows a certificate."""
    server, person = tmp_path / "server.pem", tmp_path / "person.pem"
    _certificate("index", server)
    _certificate("person", person)
    files = {"ca-cert": str(server), "client-cert": str(person), "client-key": str(person.with_suffix(".key"))}
    index = Index(tmp_path / "files")
    arguments, environ = [], {"MY_TOKEN": identity_token("gitlab", "127.0.0.1")}
    with served_with_tls(index, server.with_suffix(".both"), person):
        arguments = ["-r", index.upload_url, "-o", "identity-variable=MY_TOKEN"]
        if way == "flags":
            arguments += [text for name, path in files.items() for text in (f"--{name}", path)]
        elif way == "variables":
            environ |= {f"HATCH_INDEX_{name.upper().replace('-', '_')}": path for name, path in files.items()}
        else:
            lines = "\n".join(f'{name} = "{path}"' for name, path in files.items())
            job.configure(f'[{TABLE}.repos.own]\nurl = "{index.upload_url}"\n{lines}')
        said = released(index).err.replace("→ https:", "→ own https:").replace(f"own {index.upload_url}", "own")
        expected = said if way == "table" else released(index).err
        assert Run(0, "", expected) == job.publish(*arguments, **environ)
    assert RELEASE == index.requests


def test_dry_run(job: Job, ci: Ci, index: Index) -> None:
    """`dry-run` reads the index and asks for no identity."""
    on_github(job, ci)
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... would be uploaded",
        f"dist/{SDIST} ... would be uploaded",
        "A dry run: nothing was uploaded.",
    ]
    assert Run(0, "", "\n".join(lines) + "\n") == job.publish("-r", index.upload_url, "-o", "dry-run")
    assert SEARCH[:1] == index.requests
    assert [] == ci.requests


def test_dry_run_that_mints(job: Job, ci: Ci, index: Index) -> None:
    """`dry-run=mint` exchanges the identity as well, and burns what it gets."""
    on_github(job, ci)
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... would be uploaded",
        f"dist/{SDIST} ... would be uploaded",
        "Asking for an upload token, to burn it: a pending publisher's project is created by that.",
        "The index took the identity of this job. A dry run: nothing was uploaded.",
    ]
    run = job.publish("-r", index.upload_url, "-o", "dry-run=mint")
    assert Run(0, masks(ci, index), "\n".join(lines) + "\n") == run
    assert [*SEARCH, *EXCHANGE, "POST /_/oidc/burn-token 202"] == index.requests
    assert index.store.token(index.store.minted[0]) is None


def test_a_failure_and_the_same_command_again(job: Job, ci: Ci, index: Index) -> None:
    """After a failure it is said what is on the index and what is not, and the same command finishes the release."""
    on_github(job, ci)
    index.answers["POST /legacy/"] = [Answer(), Answer(400, '{"code": "400 No."}')]
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... success",
        f"dist/{SDIST} ... failed",
        (
            f"{index.upload_url} refused dist/{SDIST} with 400: No. Correct what the index objects to, build again and run "
            "the same command."
        ),
        f"On the index: {WHEEL}. Not there: {SDIST} (failed).",
    ]
    run = job.publish("-r", index.upload_url)
    assert Run(1, masks(ci, index), "\n".join(lines) + "\n") == run
    assert [*SEARCH, *EXCHANGE, *uploads(1), "POST /legacy/ 400", "POST /_/oidc/burn-token 202"] == index.requests

    index.forget()
    ci.forget()
    lines = [lines[0], f"dist/{WHEEL} ... already there", f"dist/{SDIST} ... success", f"{index.url}/simple/{PROJECT}/"]
    run = job.publish("-r", index.upload_url)
    assert Run(0, masks(ci, index), "\n".join(lines) + "\n") == run
    assert [*SEARCH, *EXCHANGE, *uploads(1), "POST /_/oidc/burn-token 202"] == index.requests
    assert [WHEEL, SDIST] == index.files


@pytest.mark.parametrize(
    ("answer", "advice", "standing", "after"),
    [
        pytest.param(
            Answer(413, "Too large"),
            "with 413: Too large. The index, or a proxy before it, has a limit for a file's size.",
            f"On the index: {SDIST}. Not there: {WHEEL} (failed).",
            uploads(1),
            id="about one file",
        ),
        pytest.param(
            Answer(403, "Read-only mode: Uploads are temporarily disabled."),
            "with 403: Read-only mode: Uploads are temporarily disabled. That is on the index's side; nothing is lost. Run the "
            "same command again later, and look at https://status.python.org if the index is PyPI.",
            f"On the index: none of the files. Not there: {WHEEL} (failed), {SDIST} (not tried).",
            [],
            id="about all",
        ),
    ],
)
def test_a_refusal(
    job: Job, ci: Ci, index: Index, answer: Answer, advice: str, standing: str, after: list[str]
) -> None:
    """A refusal that is about one file leaves the others their chance; after another one nothing is tried any more."""
    on_github(job, ci)
    index.answers["POST /legacy/"] = [answer]
    run = job.publish("-r", index.upload_url)
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... failed",
        *[f"dist/{SDIST} ... success"] * len(after),
        f"{index.upload_url} refused dist/{WHEEL} {advice}",
        standing,
    ]
    assert Run(1, masks(ci, index), "\n".join(lines) + "\n") == run
    refused = f"POST /legacy/ {answer.status}"
    assert [*SEARCH, *EXCHANGE, refused, *after, "POST /_/oidc/burn-token 202"] == index.requests


def test_lost_replies(job: Job, ci: Ci, index: Index) -> None:
    """A file whose reply is lost is sent again, from its start; what the index has by then is no error."""
    on_github(job, ci)
    taken = Answer(409, "File already exists")
    index.answers["POST /legacy/"] = [Answer(503), Answer(lost=True), taken, Answer()]
    run = job.publish("-r", index.upload_url)
    assert 0 == run.code
    trying = f"While uploading dist/{WHEEL} to {index.upload_url}: "
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"{trying}the index answered 503; trying again in 0.0 s",
        f"{trying}the connection broke (RemoteProtocolError); trying again in 0.0 s",
        f"dist/{WHEEL} ... already there",
        f"dist/{SDIST} ... success",
        f"{index.url}/simple/{PROJECT}/",
    ]
    assert "\n".join(lines) + "\n" == run.err
    statuses = ["503", "200", "409"]
    settled = [*(f"POST /legacy/ {status}" for status in statuses), SEARCH[0]]
    assert [*SEARCH, *EXCHANGE, *settled, *uploads(1), "POST /_/oidc/burn-token 202"] == index.requests
    assert [WHEEL, SDIST] == index.files


def test_interrupted(job: Job, ci: Ci, index: Index) -> None:
    """Ctrl-C ends the run at once; the token is burned, and the report does not say that all is well."""
    on_github(job, ci)
    running: list[subprocess.Popen[str]] = []
    interrupt = Answer(first=lambda: running[0].send_signal(signal.SIGINT), never=True)
    index.answers["POST /legacy/"] = [Answer(), interrupt]
    running.append(job.started("publish", "-p", "trusted", "-r", index.upload_url, "-o", "report=report.json"))
    err = as_read(running[0].communicate(timeout=60)[1])
    assert 1 == running[0].returncode
    stopped = "Stopped from outside. Run the same command again to finish; nothing is sent twice."
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... success",
        stopped,
        f"On the index: {WHEEL}. Not there: none. Perhaps there: {SDIST} (sent, but no clear reply came).",
    ]
    assert "\n".join(lines) + "\n" == err
    report = json.loads((job.root / "report.json").read_text("utf-8"))
    assert ["uploaded", "unknown"] == [file["outcome"] for file in report["files"]]
    assert stopped == report["error"]
    assert [*SEARCH, *EXCHANGE, *uploads(1), "POST /legacy/ given up", "POST /_/oidc/burn-token 202"] == index.requests


def _rebuild(job: Job) -> None:
    """Build the same version anew, with another content."""
    (job.root / "src" / "sample_project" / "more.py").write_text('"""More."""\n', "utf-8")
    commit(job.root)
    subprocess.run([sys.executable, "-m", "hatchling", "build"], cwd=job.root, check=True, capture_output=True)


def test_other_bytes_under_the_same_name(job: Job, ci: Ci, index: Index) -> None:
    """A file that the index holds with other bytes is an error, or a warning where that is asked for."""
    on_github(job, ci)
    assert 0 == job.publish("-r", index.upload_url).code
    _rebuild(job)
    index.forget()
    held = {file.filename: file.sha256 for file in index.store.files()}

    run = job.publish("-r", index.upload_url)
    assert (1, "") == (run.code, run.out)
    assert "The index holds files of these names already; nothing was sent:" == run.err.splitlines()[0]
    assert [f"  - dist/{name}" for name in (WHEEL, SDIST)] == [
        line.partition(":")[0] for line in run.err.splitlines()[1:]
    ]
    run = job.publish("-r", index.upload_url, "-o", "existing=skip")
    assert (0, "") == (run.code, run.out)
    assert 2 == len(re.findall(r"^dist/.* has another file of this name", run.err, re.MULTILINE))
    run = job.publish("-r", index.upload_url, "-o", "existing=fail")
    assert (1, "") == (run.code, run.out)
    assert [SEARCH[0]] * 3 == index.requests_but_terms
    assert held == {file.filename: file.sha256 for file in index.store.files()}


def test_stale_files(job: Job, ci: Ci, index: Index) -> None:
    """Files of a version that the project has no longer are refused, unless the person knows better."""
    on_github(job, ci)
    git(job.root, "commit", "--allow-empty", "--message", "After the release")
    way_out = "Empty the folder and build again, or, if these are the right files, add `-o check-version=false`"
    run = job.publish("-r", index.upload_url)
    assert (1, "") == (run.code, run.out)
    now = re.escape(f": is version 1.2.3, but the project's version is now 1.2.4.dev1+gREVISION. {way_out}")
    heading = re.escape("These files must not be published as they are; nothing was sent:")
    assert re.fullmatch(f"{heading}\n(  - dist/.*{now}\n){{2}}", re.sub(r"\+g\w+", "+gREVISION", run.err))
    assert [] == index.requests
    assert released(index).err == job.publish("-r", index.upload_url, "-o", "check-version=false").err


def test_vcs_public(job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """A commit after a tag has a public version by `vcs-public`, in the build and in the check before the upload."""
    on_github(job, ci)
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
    """Files can be published from anywhere; then it is said that their version was not compared."""
    job.root = job.folder / "elsewhere"
    job.root.mkdir()
    run = job.publish("-r", index.upload_url, "-o", "dry-run", "../project/dist")
    lines = [
        "The files' version is not compared with the project's: there is no pyproject.toml here.",
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"../project/dist/{WHEEL} ... would be uploaded",
        f"../project/dist/{SDIST} ... would be uploaded",
        "A dry run: nothing was uploaded.",
    ]
    assert Run(0, "", "\n".join(lines) + "\n") == run


def test_user_agent(job: Job, index: Index) -> None:
    """An index can tell by what it is asked."""
    assert 0 == job.publish("-r", index.upload_url, "-o", "dry-run").code
    versions = [f"{shown}/{version(name)}" for name, shown in (("hatch-trusted-publish",) * 2, ("hatch", "Hatch"))]
    python = f"{platform.python_implementation()}/{platform.python_version()}"
    assert {" ".join([*versions, f"httpx/{version('httpx')}", python])} == index.agents


@pytest.mark.parametrize(
    ("quiet", "shown"),
    [
        ("-q", [f"dist/{SDIST} ... failed"]),
        ("-qq", [f"dist/{SDIST} ... failed"]),
        ("-qqq", []),
    ],
)
def test_quiet(job: Job, ci: Ci, index: Index, quiet: str, shown: list[str]) -> None:
    """However quiet Hatch is to be, tokens are masked and an error is told."""
    on_github(job, ci)
    index.answers["POST /legacy/"] = [Answer(), Answer(400, '{"code": "400 No."}')]
    run = job.hatch(quiet, "publish", "-p", "trusted", "-r", index.upload_url)
    lines = [
        *shown,
        (
            f"{index.upload_url} refused dist/{SDIST} with 400: No. Correct what the index objects to, build again and run "
            "the same command."
        ),
        f"On the index: {WHEEL}. Not there: {SDIST} (failed).",
    ]
    assert Run(1, masks(ci, index), "\n".join(lines) + "\n") == run


def test_masks_come_first(job: Job, ci: Ci, index: Index) -> None:
    """Both tokens are masked before the line of the first file, in the one stream that a log has."""
    on_github(job, ci)
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
    """A report without its times, for files that were sent and those that were not."""
    report = json.loads(path.read_text("utf-8"))
    assert report.pop("began") <= report.pop("ended")
    for file in report["files"]:
        assert (file.pop("seconds") is None) == (file["outcome"] in {"there", "not tried"})
    return report


def report_of(index: Index, job: Job, *outcomes: str, error: str | None = None, dry_run: bool = False) -> object:
    """The report of a run of `on_github`, without its times; the CI is asked where there was something to send."""
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
    """The report is there after a success and when nothing was left, and takes the place of an older one whole."""
    on_github(job, ci)
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
    """The report of a run that failed has the error, and which file it was."""
    on_github(job, ci)
    # The index keeps what it was sent, and its answers are lost: the report is of what the client knows.
    index.answers["POST /legacy/"] = [Answer(), *[Answer(lost=True)] * 5]
    run = job.publish("-r", index.upload_url, "-o", f"report={job.folder / 'report.json'}")
    assert 1 == run.code
    error = run.err.splitlines()[-2]
    assert report_of(index, job, "uploaded", "unknown", error=error) == timeless(job.folder / "report.json")
    assert [*SEARCH, *EXCHANGE, *uploads(6), "POST /_/oidc/burn-token 202"] == index.requests


def test_report_of_a_refused_identity(job: Job, ci: Ci, index: Index) -> None:
    """A run that ends between the plan and the uploads has a report too."""
    on_github(job, ci)
    del index.store.publishers[PUBLISHERS[0]]
    run = job.publish("-r", index.upload_url, "-o", "report=report.json")
    assert 1 == run.code
    report = json.loads((job.root / "report.json").read_text("utf-8"))
    assert (run.err.partition("\n")[2], ["not tried"] * 2) == (
        f"{report['error']}\n",
        [file["outcome"] for file in report["files"]],
    )
    assert [*SEARCH, EXCHANGE[0], "POST /_/oidc/mint-token 422"] == index.requests


def test_report_that_cannot_be_kept(job: Job, ci: Ci, index: Index) -> None:
    """A report that cannot be written any more does not undo a release: it is told, once."""
    on_github(job, ci)
    folder = job.root / "reports"
    folder.mkdir()

    def take_away() -> None:
        (folder / "report.json").unlink()
        folder.rmdir()

    index.answers["POST /legacy/"] = [Answer(first=take_away)]
    run = job.publish("-r", index.upload_url, "-o", "report=reports/report.json")
    lines = released(index).err.splitlines()
    lines.insert(2, f"The report could not be written to {folder / 'report.json'}: No such file or directory.")
    assert Run(0, masks(ci, index), "\n".join(lines) + "\n") == run


def test_wait(job: Job, ci: Ci, index: Index) -> None:
    """With `wait` the run ends when the index lists the files; if it does not in time, the same command waits on."""
    on_github(job, ci)
    page = f"GET /simple/{PROJECT}/"
    index.answers[page] = [Answer(404)] * 3
    arguments = ["-r", index.upload_url, "-o", "wait=0.1"]
    run = job.publish(*arguments)
    assert 1 == run.code
    name, both = index.upload_url, f"{WHEEL}, {SDIST}"
    assert [
        f"{name} does not list {both} yet; looking again in 0.1 s",
        f"{name} has the files, but does not list all of them after 0.1 s: {both} cannot be installed from there yet. {AGAIN}",
        f"On the index: {both}. Not there: none.",
    ] == run.err.splitlines()[-3:]
    assert [WHEEL, SDIST] == index.files
    index.forget()

    index.answers[page] = [Answer(404)]
    run = job.publish(*arguments)
    assert 0 == run.code
    assert [WHEEL, SDIST] == index.files
    assert [*uploads(2), "POST /_/oidc/burn-token 202", f"{page} 200"] == index.requests[-4:]
