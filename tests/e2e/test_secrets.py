"""No output or file of a run contains a token, even at Hatch's highest verbosity."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final

import pytest

from tests.support.helpers import make_sdist
from tests.support.scripted import Answer as Refusal
from tests.support.scripted import Scripted

from .test_log import files_of
from .world import (
    EXCHANGE,
    PROJECT,
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
    identity_token,
    uploads,
)

pytestmark = pytest.mark.slow

UPLOAD: Final = "POST /legacy/"
MINT: Final = "POST /_/oidc/mint-token"
BURN: Final = "POST /_/oidc/burn-token"
AUDIENCE: Final = "GET /_/oidc/audience"
LISTING: Final = "GET /simple/sample-project/"
IDENTITY: Final = "GET /github"


TALKATIVE: Final = {"E2E_NO_WAIT": "1", "E2E_LOG": "1", "HATCH_DEBUG": "1", "PYTHONFAULTHANDLER": "1"}
"""Every log is at its highest verbosity."""
PATIENCE: Final = 30
"""Seconds before a test that hangs is stopped."""


@dataclass(frozen=True)
class Case:
    """One way in which a run can end."""

    name: str
    answers: Callable[[Ci, Index], dict[str, list[Answer]]] = lambda _ci, _index: {}
    code: int = 1
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Job, Index], object] = lambda _job, _index: None
    tokens: int = 2
    """The number of tokens that could leak."""
    on: tuple[str, ...] = ("github", "gitlab")

    def __str__(self) -> str:
        return self.name


def _always(answer: Answer) -> list[Answer]:
    return [answer] * 20


def _change(job: Job, index: Index) -> None:
    def change() -> None:
        (job.dist / WHEEL).unlink()

    index.answers[MINT] = [Answer(first=change)]


def _crash(job: Job, _index: Index) -> None:
    job.environ["E2E_CRASH"] = "index.upload_api.read_upload"


_GITHUB: Final = ("github",)
_ENDED: Final = Answer(403, '{"code": "403 token is expired"}')
CASES: Final = (
    Case("success", code=0),
    Case("a dry run that mints", code=0, arguments=("-o", "dry-run=mint")),
    Case(
        "no identity from the CI",
        lambda _ci, _index: {IDENTITY: [Answer(403, '{"value": "no"}')]},
        tokens=0,
        on=_GITHUB,
    ),
    Case("a CI with errors", lambda _ci, _index: {IDENTITY: _always(Answer(500))}, tokens=0, on=_GITHUB),
    Case(
        "a truncated identity response",
        lambda _ci, _index: {IDENTITY: _always(Answer(lost=True))},
        tokens=1,
        on=_GITHUB,
    ),
    Case("another service's audience", lambda _ci, _index: {AUDIENCE: [Answer(200, '{"audience": "pypi"}')]}, tokens=0),
    Case("no such publisher", prepare=lambda _job, index: index.store.publishers.clear(), tokens=1),
    Case("an index with errors", lambda _ci, _index: {MINT: _always(Answer(500, "no"))}, tokens=1),
    Case("a truncated exchange", lambda _ci, _index: {MINT: _always(Answer(lost=True))}),
    Case("a token that is not a string", lambda _ci, _index: {MINT: [Answer(200, '{"token": 1}')]}, tokens=1),
    Case("a refused file", lambda _ci, _index: {UPLOAD: [Answer(), Answer(400, '{"code": "400 no"}')]}),
    Case("a renewed token", lambda _ci, _index: {UPLOAD: [Answer(), _ENDED]}, code=0, on=_GITHUB),
    Case("a refused token", lambda _ci, _index: {UPLOAD: [_ENDED] * 3}),
    Case("a truncated upload", lambda _ci, _index: {UPLOAD: _always(Answer(lost=True))}),
    Case("an upload that fails at every try", lambda _ci, _index: {UPLOAD: _always(Answer(503))}),
    Case("a list that cannot be read", lambda _ci, _index: {UPLOAD: [Answer(409)], LISTING: [Answer(), Answer(401)]}),
    Case("burning fails", lambda _ci, _index: {BURN: [Answer(500)]}, code=0),
    Case("a file that is gone", prepare=_change),
    Case("a crash of this program", prepare=_crash),
)


def pieces(text: str) -> Iterator[str]:
    """Return the parts of a token that must not appear; a traceback cuts long values, so parts count, too."""
    for start in range(0, len(text) - 15, 4):
        yield text[start : start + 16]


def encoded(token: str) -> Iterator[str]:
    """Return a token as written: plain, in its header, and in Base64 at each of the three offsets."""
    yield token
    yield base64.b64encode(f"__token__:{token}".encode()).decode()
    for before in range(3):
        # A Base64 character that also encodes a neighbour is left out.
        whole = base64.b64encode(b"\0" * before + token.encode()).decode()
        yield whole[before + (before > 0) : len(whole) // 4 * 4 - 4]


def leaks(texts: dict[str, str], tokens: list[str]) -> list[tuple[str, str]]:
    """Return each place where a part of a token can be read, and that part."""
    # All headers and all signed tokens start the same: that part reveals nothing.
    known = {piece for text in ("__token__:pypi-", "pypi-") for form in encoded(text) for piece in pieces(form)}
    wanted = {piece for token in tokens for form in encoded(token) for piece in pieces(form)} - known
    return [(where, piece) for where, text in texts.items() for piece in sorted(wanted) if piece in text]


def written(directory: Path, run: Run) -> dict[str, str]:
    """Return everything that a run has written, except for the file of a kept token, and masks: the CI hides these."""
    files = [path for path in sorted(directory.rglob("*")) if path.is_file() and not path.is_symlink()]
    texts = {str(path): path.read_bytes().decode(errors="replace") for path in files if path.parent.name != "tokens"}
    return texts | {"stdout": re.sub(r"^::add-mask::.+\n", "", run.out, flags=re.MULTILINE), "stderr": run.raw}


def masked(run: Run) -> list[str]:
    return re.findall(r"^::add-mask::(.+)\n", run.out, re.MULTILINE)


def spy(job: Job, name: str, then: str) -> Path:
    """Put a command on the PATH that records its environment and then runs; return the record's path."""
    directory = job.directory / "bin"
    directory.mkdir(exist_ok=True)
    script = directory / name
    seen = directory / f"{name}.seen"
    script.write_text(f'#!/bin/sh\ntr "\\0" "\\n" < /proc/self/environ >> "{seen}"\n{then}\n', "utf-8")
    script.chmod(0o755)
    job.environ["PATH"] = os.pathsep.join([str(directory), os.environ["PATH"]])
    return seen


def begin(on: str, job: Job, ci: Ci) -> None:
    """Make it a job of that CI, at the highest verbosity; GitLab's job keeps the upload token."""
    job.environ |= TALKATIVE
    if on == "github":
        job.environ |= ci.github
        files_of(job)
        return
    ci.issued.append(identity_token("gitlab", "127.0.0.1"))
    job.environ |= {"CI": "true", "GITLAB_CI": "true", "_27_0_0_1_ID_TOKEN": ci.issued[0]}
    job.set_config(attestations=False, keep_token=True)


@pytest.mark.parametrize(
    ("on", "case"), [pytest.param(on, case, id=f"{case} on {on}") for case in CASES for on in case.on]
)
def test_no_secret_is_written(on: str, job: Job, ci: Ci, index: Index, case: Case, tmp_path: Path) -> None:
    """No token, nor the header with it, is in the output, the report, any file or Git's environment."""
    begin(on, job, ci)
    seen = spy(job, "git", f'exec "{shutil.which("git")}" "$@"')
    case.prepare(job, index)
    for path, answers in case.answers(ci, index).items():
        (ci if path == IDENTITY else index).answers[path] = answers
    run = job.hatch(
        "-vvv", "publish", "-p", "trusted", "-r", index.upload_url, "-o", "report=report.json", *case.arguments
    )
    assert case.code == run.code, run.err
    assert (case.tokens == 2) == bool(index.store.minted)
    assert (on == "gitlab" or case.tokens > 0) == bool(ci.issued)
    texts = written(tmp_path, run)
    assert "HATCH_CACHE_DIR=" in texts[str(seen)]
    left = ["report.json"] if on == "gitlab" else ["report.json", "../GITHUB_STEP_SUMMARY", "../GITHUB_OUTPUT"]
    assert [] == [name for name in left if not texts[str((job.root / name).resolve())]]
    assert [] == leaks(texts, [*ci.issued, *index.store.minted])
    # A token may appear only in the mask command, which only GitHub hides.
    assert set(masked(run)) <= {*ci.issued, *index.store.minted}
    assert (on == "github" and any(line.startswith(MINT) for line in index.requests)) == bool(masked(run))
    assert "DEBUG:root:all is logged\n" in run.err
    # Hatch shows an unexpected error as a traceback, which must not contain a token.
    assert (case.name == "a crash of this program") == ("Traceback" in run.out + run.err)


def test_a_token_that_is_kept(job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """A GitLab job's second command uses the token of its first, which is in one file that only its user can read."""
    begin("gitlab", job, ci)
    first = job.publish(f"dist/{WHEEL}", "-r", index.upload_url)
    second = job.publish("-r", index.upload_url, "-o", "report=report.json")
    assert (0, 0) == (first.code, second.code), second.err
    assert sorted([*RELEASE[:-2], *SEARCH, EXCHANGE[0], *uploads(1)]) == sorted(index.requests)
    [token] = index.store.minted
    directory = job.home / "cache" / "publish" / "trusted" / "tokens"
    [file] = directory.iterdir()
    assert token == json.loads(file.read_text("utf-8"))["token"]
    assert (0o700, 0o600) == (stat.S_IMODE(directory.stat().st_mode), stat.S_IMODE(file.stat().st_mode))
    assert [] == leaks(written(tmp_path, first) | written(tmp_path, second), [*ci.issued, token])

    index.answers[UPLOAD] = [_ENDED]
    next_one = make_sdist(job.dist, PROJECT, "1.2.4").name
    third = job.publish(f"dist/{next_one}", "-r", index.upload_url, "-o", "check-version=false")
    assert (1, ["upload-token-of-job-refused"]) == (third.code, third.codes)
    assert [] == list(directory.iterdir())
    assert [] == leaks(written(tmp_path, third), [*ci.issued, token])


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGABRT], ids=["Ctrl-C", "an abort that dumps all threads"])
@pytest.mark.parametrize("on", ["github", "gitlab"])
def test_stopped_while_a_file_is_uploaded(
    on: str, sent: signal.Signals, job: Job, ci: Ci, index: Index, tmp_path: Path
) -> None:
    """The messages at the end of a run that is cut short contain no token."""
    begin(on, job, ci)
    started: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    index.answers[UPLOAD] = [Answer(first=lambda: started.get(timeout=PATIENCE).send_signal(sent), never=True)]
    process = job.started("-vvv", "publish", "-p", "trusted", "-r", index.upload_url, "-o", "report=report.json")
    started.put(process)
    out, err = process.communicate(timeout=PATIENCE)
    run = Run(process.returncode, out, err)
    assert ({signal.SIGINT: 1, signal.SIGABRT: -signal.SIGABRT}[sent], 1) == (run.code, len(index.store.minted))
    assert ("Fatal Python error: Aborted" in err) == (sent == signal.SIGABRT)
    assert (["interrupted"] if sent == signal.SIGINT else []) == codes_in(as_read(err))
    assert [] == leaks(written(tmp_path, run), [*ci.issued, *index.store.minted])


def test_the_command_of_a_ci(
    job: Job, private: Index, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The command that issues an identity token gets no token in its environment."""
    token = identity_token("buildkite", "127.0.0.1")
    (answer := tmp_path_factory.mktemp("agent") / "answer").write_text(token, "utf-8")
    seen = spy(job, "buildkite-agent", f'exec cat "{answer}"')
    job.environ |= TALKATIVE | {"CI": "true", "BUILDKITE": "true"}
    private.answers[UPLOAD] = [_ENDED]
    run = job.publish("-r", private.upload_url)
    assert (0, 2) == (run.code, len(private.store.minted))
    texts = written(tmp_path, run)
    assert 2 == texts[str(seen)].count("BUILDKITE=true\n")
    assert [] == leaks(texts, [token, *private.store.minted])


def _plain(token: str) -> str:
    return f"no such token: {token}"


def _basic(token: str) -> str:
    header = base64.b64encode(f"__token__:{token}".encode()).decode()
    return f"no such header: Basic {header}"


def _broken(token: str) -> str:
    return "no such token:\n" + "\n".join(textwrap.wrap(token, 30))


def _wrapped(token: str) -> str:
    return "no such header:\n" + base64.encodebytes(f"__token__:{token}".encode()).decode()


def _json(member: str) -> Callable[[str], str]:
    return lambda token: json.dumps({member: f"400 what is {token}?"})


def _mint_error(token: str) -> str:
    return json.dumps({"message": token, "errors": [{"code": token, "description": f"what is {token}?"}]})


@pytest.mark.parametrize(
    ("which", "path", "body"),
    [
        *[(which, path, _plain) for which in ("identity", "upload") for path in (UPLOAD, MINT, BURN)],
        *[("identity", UPLOAD, _json(member)) for member in ("code", "detail", "message", "title")],
        *[("upload", UPLOAD, body) for body in (_json("code"), _basic)],
        *[(which, UPLOAD, body) for which in ("identity", "upload") for body in (_broken, _wrapped)],
        *[("identity", MINT, body) for body in (_json("message"), _mint_error)],
    ],
    ids=lambda value: value if isinstance(value, str) else value.__qualname__.strip("_").partition(".")[0],
)
def test_an_index_that_repeats_a_token(
    job: Job, ci: Ci, index: Index, tmp_path: Path, which: str, path: str, body: Callable[[str], str]
) -> None:
    """The index's reason for a rejection is shown without the token; its headers are not shown."""
    begin("github", job, ci)
    answer = Answer(307 if body is _plain else 400)

    def repeat() -> None:
        tokens = ci.issued if which == "identity" else index.store.minted
        answer.body = body((tokens or ["nothing"])[0])
        answer.headers = {"X-You-Sent": (tokens or ["nothing"])[0], "Location": f"/{(tokens or ['nothing'])[0]}"}

    answer.first = repeat
    index.answers[path] = [answer]
    run = job.publish("-r", index.upload_url, "-o", "report=report.json")
    assert (0 if path == BURN else 1) == run.code
    assert "Traceback" not in run.out + run.err
    assert [] == leaks(written(tmp_path, run), [*ci.issued, *index.store.minted])


@pytest.mark.parametrize("place", ["url", "user", "query", "twin"])
@pytest.mark.parametrize("which", ["identity", "upload"])
def test_a_list_that_repeats_a_token(job: Job, ci: Ci, index: Index, tmp_path: Path, which: str, place: str) -> None:
    """Nor does the list of files bring a token into the log or the report."""
    begin("github", job, ci)
    (job.dist / SDIST).unlink()
    same = hashlib.sha256((job.dist / WHEEL).read_bytes()).hexdigest()
    answer = Answer(200, headers={"Content-Type": "application/vnd.pypi.simple.v1+json"})

    def repeat() -> None:
        [token] = ci.issued if which == "identity" else index.store.minted
        changed = {
            "url": {"url": f"https://files.example/{token}"},
            "user": {"url": f"https://{token}@files.example/"},
            "query": {"url": f"https://files.example/?a={token}"},
            "twin": {"filename": f"{token}-1.0-py3-none-any.whl"},
        }[place]
        answer.body = json.dumps({"files": [{"filename": WHEEL, "url": "", "hashes": {"sha256": same}} | changed]})

    answer.first = repeat
    index.answers[UPLOAD] = [Answer(409)]
    index.answers[LISTING] = [Answer(), answer]
    run = job.publish("-r", index.upload_url, "-o", "report=report.json")
    assert 1 == run.code
    assert [] == leaks(written(tmp_path, run), [*ci.issued, *index.store.minted])


def test_a_proxy_that_repeats_its_password(job: Job, ci: Ci, tmp_path: Path) -> None:
    """Nor does a proxy, which has the password of its own URL; it receives no token."""
    begin("github", job, ci)
    password = "a-password-for-the-proxy-of-the-company"
    basic = base64.b64encode(f"me:{password}".encode()).decode()
    with Scripted(lambda _: Refusal(407, reason=f"{password} {' '.join(password)} {basic}")) as proxy:
        url = f"http://me:{password}@127.0.0.1:{proxy.port}"
        run = job.publish("-r", "main", "-o", "report=report.json", HTTPS_PROXY=url, NO_PROXY="127.0.0.1")
    assert (1, True, []) == (run.code, "407" in run.err, ci.issued)
    assert {"CONNECT pypi.org:443"} == set(proxy.lines)
    assert [] == leaks(written(tmp_path, run), [password])


@pytest.mark.parametrize("on", ["github", "gitlab", "gitlab, with a kept token"])
def test_a_traceback_with_all_variables(on: str, job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """Hatch shows an unexpected error with the variables of each function: no token is among them."""
    begin(on.partition(",")[0], job, ci)
    if "kept" in on:
        assert 0 == job.publish(f"dist/{WHEEL}", "-r", index.upload_url).code
    job.environ["E2E_CRASH"] = "release.until_listed"
    run = job.hatch("-vvv", "publish", "-p", "trusted", "-r", index.upload_url, "-o", "wait=1")
    shown = run.out.partition("Traceback")[2]
    assert (1, True) == (run.code, "exchange = Exchange(" in shown)
    texts = written(tmp_path, Run(1, shown, ""))
    assert [] == leaks(texts, [*ci.issued, *index.store.minted])


def test_a_leak_would_be_found(job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """The search finds a truncated token, and the header with it."""
    job.environ |= ci.github
    run = job.publish("-r", index.upload_url)
    identity, token = ci.issued[0], index.store.minted[0]
    header = base64.b64encode(f"__token__:{token}".encode()).decode()
    tokens = [identity, token]
    assert [] == leaks(written(tmp_path, Run(0, "", run.err)), tokens)
    encodings = [base64.b64encode(before + text.encode()).decode() for text in tokens for before in (b"", b"a", b"ab")]
    parts = [part for text in encodings for part in (text[4:60], text[-60:])]
    for text in (identity[:40], identity[-40:], token[:40], token[-40:], header[:60], header[-30:], *parts):
        assert leaks({"stdout": f"a line with {text} in it"}, tokens)
