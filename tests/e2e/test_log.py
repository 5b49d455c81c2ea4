"""The output of a run, and the files it leaves, with the real Hatch in the CI's own environment."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest
from capture import on_terminal

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.output.progress import OUTCOMES

from .world import (
    PROJECT,
    PUBLISHERS,
    SDIST,
    WHEEL,
    Answer,
    Ci,
    Index,
    Job,
    as_read,
    codes_in,
    identity_token,
    outcome,
    publishing,
    target,
)

pytestmark = pytest.mark.slow

PUBLISH = f"'{sys.executable}' -m hatch publish -p trusted"
SIZE = r"[\d.]+ k?B"


def sizes(job: Job) -> list[str]:
    """Return the sizes of both files, and their sum."""
    wheel, sdist = ((job.dist / name).stat().st_size for name in (WHEEL, SDIST))
    return [f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" for size in (wheel, sdist, wheel + sdist)]


def without_times(text: str) -> str:
    """Return the output without times and rates."""
    text = re.sub(rf"[\d.]+ s \({SIZE}/s\)", "TIME (RATE)", text)
    return re.sub(r"(section_\w+):\d+", r"\1:TIME", text)


def files_of(job: Job) -> dict[str, Path]:
    """Create the empty files of a step on GitHub."""
    files = {name: job.directory / name for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT")}
    for name, path in files.items():
        path.touch()
        job.environ[name] = str(path)
    return files


@pytest.mark.parametrize(
    ("environ", "arguments", "group"),
    [
        pytest.param({}, [], ["{0}"], id="no CI"),
        pytest.param({}, ["-v"], ["{0}", "{1}", "{2}"], id="no CI, -v"),
        pytest.param({"GITHUB_ACTIONS": "true"}, [], ["::group::{0}", "{1}", "{2}", "::endgroup::"], id="GitHub"),
        pytest.param(
            {"GITLAB_CI": "true"},
            [],
            # Reading text turns the carriage return after each mark into an end of line.
            [
                "\x1b[0Ksection_start:TIME:trusted_publish[collapsed=true]",
                *["\x1b[0K{0}", "{1}", "{2}", "\x1b[0Ksection_end:TIME:trusted_publish", "\x1b[0K"],
            ],
            id="GitLab",
        ),
    ],
)
def test_the_log(job: Job, index: Index, environ: dict[str, str], arguments: list[str], group: list[str]) -> None:
    """The plan comes before the uploads, folded if the log allows it, and the total with its rate at the end."""
    run = job.hatch(
        *arguments,
        *("publish", "-p", "trusted", "-r", index.upload_url, "-o", "identity-variable=MY_TOKEN"),
        MY_TOKEN=identity_token("gitlab", "127.0.0.1"),
        **environ,
    )
    wheel, sdist, both = sizes(job)
    files = Message("several-files", count=2)
    plan = (
        Message("files-to-upload", files=files, size=both),
        Message("file-to-upload", file=f"dist/{WHEEL}", size=wheel),
        Message("file-to-upload", file=f"dist/{SDIST}", size=sdist),
    )
    lines = [
        target(index),
        *[line.format(*plan) for line in group],
        publishing("gitlab"),
        outcome(WHEEL, "uploaded"),
        outcome(SDIST, "uploaded"),
        str(Message("uploaded-in-all", files=files, size=both, took="TIME", rate="RATE")),
        f"{index.url}/simple/{PROJECT}/",
    ]
    assert (0, lines) == (run.code, without_times(run.raw).splitlines())


def test_annotations(job: Job, ci: Ci, index: Index) -> None:
    """On GitHub, each error and warning is one annotation, on one line however many parts it has."""
    job.environ |= ci.github | {"E2E_NO_WAIT": "1"}
    index.answers["POST /legacy/"] = [Answer(400, '{"code": "400 100% no\\n::error::x"}'), Answer()]
    index.answers["POST /_/oidc/burn-token"] = [Answer(500)]
    run = job.publish("-r", index.upload_url)
    lines = [line for line in run.raw.splitlines() if line.startswith("::") and "group" not in line]
    assert (1, ["::warning::", "::error::"]) == (run.code, [line[: line.index("::", 2) + 2] for line in lines])
    assert ["token-not-burned", "file-refused"] == run.codes
    assert "100%25 no ::error::x" in lines[1]
    missing = Message("not-on-the-index", files=[WHEEL])
    assert lines[1].endswith(f"%0A{missing}")


@pytest.mark.parametrize("quiet", ["-q", "-qq", "-qqq"])
def test_quiet(job: Job, ci: Ci, index: Index, quiet: str) -> None:
    """A quiet run that succeeds prints only the masks."""
    job.environ |= ci.github
    run = job.hatch(quiet, "publish", "-p", "trusted", "-r", index.upload_url)
    masks = "".join(f"::add-mask::{token}\n" for token in [*ci.issued, *index.store.minted])
    assert (0, masks, "") == (run.code, run.out, run.raw)


@pytest.mark.parametrize(
    ("environ", "arrow"),
    [({"LC_ALL": "C"}, "->"), ({"PYTHONIOENCODING": "ascii"}, "->"), ({"PYTHONUTF8": "1"}, "→")],
    ids=str,
)
@pytest.mark.parametrize("ci", [{}, {"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}], ids=str)
def test_ascii(job: Job, environ: dict[str, str], ci: dict[str, str], arrow: str) -> None:
    """If a stream has only ASCII characters, the log is in ASCII."""
    run = job.publish("-r", "rehearsal", "-o", "dry-run", **environ, **ci)
    assert (0, True, arrow == "→") == (run.code, run.err.startswith(f"{PROJECT} 1.2.3 {arrow} "), not run.err.isascii())


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [({}, False), ({"NO_COLOR": "1"}, False), ({"LC_ALL": "C"}, True)],
    ids=["plain", "NO_COLOR", "ASCII"],
)
def test_a_terminal(job: Job, index: Index, width: int, environ: dict[str, str], ascii_only: bool) -> None:
    """On a terminal there is one table, whose rows have the files' final states, and no line is too long."""
    del job.environ["COLUMNS"], job.environ["NO_COLOR"]
    variables = {"MY_TOKEN": identity_token("gitlab", "127.0.0.1"), "TERM": "xterm", **environ}
    command = ["hatch", "publish", "-p", "trusted", "-r", index.upload_url, "-o", "identity-variable=MY_TOKEN"]
    bytes_, screens = b"", []
    for written, screen in on_terminal(command, width, job.root, job.environ | variables):
        bytes_ += written
        screens.append(screen)
    job.check_reports()
    last = screens[-1].splitlines()
    rows = [line for line in last if line.endswith(f"  {OUTCOMES['uploaded'][1]}")]
    assert [["whl"], ["gz"]] == [re.findall(r"(?:whl|gz)(?= )", row) for row in rows]
    assert width >= max(map(len, last))
    assert "".join(last).endswith(f"/simple/{PROJECT}/")  # lines are wrapped
    assert [WHEEL, SDIST] == index.files
    assert ascii_only == bytes_.isascii()
    assert ("NO_COLOR" not in environ) == bool(re.search(rb"\x1b\[[\d;]*3\d", bytes_))
    # The cursor is visible again.
    assert bytes_.rfind(b"\x1b[?25h") > bytes_.rfind(b"\x1b[?25l")


def test_a_terminal_and_a_failure(job: Job, index: Index) -> None:
    """The error comes below the table, which shows the files that were not tried."""
    index.answers["POST /legacy/"] = [Answer(403, '{"code": "403 no"}')]
    variables = {"MY_TOKEN": identity_token("gitlab", "127.0.0.1"), "TERM": "xterm", "COLUMNS": "300"}
    command = ["hatch", "publish", "-p", "trusted", "-r", index.upload_url, "-o", "identity-variable=MY_TOKEN"]
    *_, (_, screen) = on_terminal(command, 300, job.root, job.environ | variables)
    lines = screen.splitlines()
    words = [str(OUTCOMES[result][1]) for result in ("failed", "not tried")]
    assert words == [line.rpartition("  ")[2] for line in lines[2:4]]
    assert str(Message("not-on-the-index", files=[WHEEL, SDIST])) == lines[-1]


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [(["--no-interactive"], {}), ([], {"HATCH_INTERACTIVE": "0"}), ([], {"CI": "1"}), ([], {"TERM": "dumb"})],
    ids=str,
)
def test_a_terminal_without_a_table(job: Job, arguments: list[str], environ: dict[str, str]) -> None:
    """Without progress bars, the terminal has the lines of a log."""
    command = ["hatch", *arguments, "publish", "-p", "trusted", "-r", "rehearsal"]
    *_, (_, screen) = on_terminal(command, 300, job.root, job.environ | {"TERM": "xterm", **environ})
    lines = screen.splitlines()
    first = lines.index(outcome(WHEEL, "uploaded"))
    assert outcome(SDIST, "uploaded") == lines[first + 1]


def test_what_github_gets(job: Job, ci: Ci, index: Index) -> None:
    """A job on GitHub has a summary with the hashes and the command, and three outputs."""
    job.environ |= ci.github
    files = files_of(job)
    assert 0 == job.publish("-r", index.upload_url).code
    summary = files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
    held = {file.filename: file.sha256 for file in index.store.files()}
    wheel, sdist, _ = sizes(job)
    assert f"| `{WHEEL}` | {wheel} | `{held[WHEEL]}` | {OUTCOMES['uploaded'][1]} |" in summary.splitlines()
    assert f"| `{SDIST}` | {sdist} | `{held[SDIST]}` | {OUTCOMES['uploaded'][1]} |" in summary.splitlines()
    assert f"pip install --index-url {index.url}/simple/ {PROJECT}==1.2.3" in summary.splitlines()
    outputs = re.findall(r"(\w+)<<(\w{32})\n(.*)\n\2\n", files["GITHUB_OUTPUT"].read_text("utf-8"))
    values = ["1.2.3", f"{index.url}/simple/{PROJECT}/", json.dumps([WHEEL, SDIST])]
    assert list(zip(("version", "url", "files"), values, strict=True)) == [(each[0], each[2]) for each in outputs]


def test_what_github_gets_of_a_failure(job: Job, ci: Ci, index: Index) -> None:
    """After a failure the summary has the error, and the outputs name the files on the index."""
    job.environ |= ci.github
    files = files_of(job)
    index.store.publishers.pop(PUBLISHERS[0])
    run = job.publish("-r", index.upload_url)
    summary = files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
    fence = re.findall(r"^(`{3,})text$", summary, re.MULTILINE)[0]
    assert 1 == run.code
    error = run.err.partition("\n")[2]
    assert f"{fence}text\n{error}{fence}\n\n| file |" in summary
    assert "\n[]\n" in files["GITHUB_OUTPUT"].read_text("utf-8")


def test_what_github_gets_before_the_plan(job: Job, ci: Ci, index: Index) -> None:
    """A run that ends before its plan has a summary, too."""
    job.environ |= ci.github
    files = files_of(job)
    run = job.publish("nothing.whl", "-r", index.upload_url)
    assert f"```text\n{run.err}```\n" in files["GITHUB_STEP_SUMMARY"].read_text("utf-8")
    assert "" == files["GITHUB_OUTPUT"].read_text("utf-8")


def test_what_gitlab_gets(job: Job, index: Index) -> None:
    """A job on GitLab has the URL of the release for its environment."""
    audience = {"127_0_0_1_ID_TOKEN": "", "_27_0_0_1_ID_TOKEN": identity_token("gitlab", "127.0.0.1")}
    run = job.publish("-r", index.upload_url, GITLAB_CI="true", CI_PROJECT_DIR=str(job.root), **audience)
    expected = f"RELEASE_NAME={PROJECT}\nRELEASE_VERSION=1.2.3\nRELEASE_URL={index.url}/simple/{PROJECT}/\n"
    assert (0, expected) == (run.code, (job.root / "trusted-publish.env").read_text("utf-8"))


def test_every_run_has_a_report(job: Job) -> None:
    """The reports that these tests compare with the schema exist."""
    assert 0 == job.publish("-r", "rehearsal", "-o", "dry-run").code
    assert "rehearsal" == json.loads((job.directory / "report.json").read_text("utf-8"))["index"]["name"]


@pytest.mark.parametrize("gone", ["2>/dev/full", "2>&-", ">&- 2>&-", "2> >(true)"])
def test_standard_error_is_gone(job: Job, index: Index, gone: str) -> None:
    """A release continues without a log, with the same exit code."""
    token = identity_token("gitlab", "127.0.0.1")
    run = job.shell(f"{PUBLISH} -r {index.upload_url} -o identity-variable=MY_TOKEN {gone}", MY_TOKEN=token)
    assert (0, "", "") == (run.code, run.out, run.err)
    assert [WHEEL, SDIST] == index.files
    index.answers["POST /legacy/"] = [Answer(400)]
    (job.dist / WHEEL).rename(job.dist / WHEEL.replace("-py3-", "-py2.py3-"))
    run = job.shell(f"{PUBLISH} -r {index.upload_url} {gone}")
    assert (1, "", "") == (run.code, run.out, run.err)


@pytest.mark.parametrize("last", ["GET /github", "POST /_/oidc/mint-token"], ids=["first", "second"])
def test_a_mask_cannot_be_written(job: Job, ci: Ci, index: Index, last: str) -> None:
    """If standard output breaks before one of the masks, the run ends with a message, and leaves no valid token."""
    job.on_github(ci)
    started: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()

    def hang_up() -> None:
        stdout = started.get(timeout=30).stdout
        assert stdout is not None
        stdout.close()

    (ci if "github" in last else index).answers[last] = [Answer(first=hang_up)]
    with job.started("publish", "-p", "trusted", "-r", index.upload_url) as process:
        started.put(process)
        assert process.stderr is not None
        err = as_read(process.stderr.read())
    assert (1, ["no-mask"], []) == (process.returncode, codes_in(err), index.files)
    burned = ["POST /_/oidc/burn-token 202"] if index.store.minted else []
    assert burned == [line for line in index.requests if "burn" in line]
