"""No token is in anything that a run writes, with Hatch as talkative as it gets."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from .world import PUBLISHERS, WHEEL, Answer, Ci, Index, Job, Run

UPLOAD: Final = "POST /legacy/"
MINT: Final = "POST /_/oidc/mint-token"
BURN: Final = "POST /_/oidc/burn-token"
AUDIENCE: Final = "GET /_/oidc/audience"
LISTING: Final = "GET /simple/sample-project/"
IDENTITY: Final = "GET /github"


@dataclass(frozen=True)
class Case:
    """One way that a run can go."""

    name: str
    answers: Callable[[Ci, Index], dict[str, list[Answer]]] = lambda _ci, _index: {}
    code: int = 1
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Job, Index], object] = lambda _job, _index: None
    tokens: int = 2
    """How many kinds of token there were to lose."""

    def __str__(self) -> str:
        return self.name


def _always(answer: Answer) -> list[Answer]:
    return [answer] * 20


def _change(job: Job, index: Index) -> None:
    def change() -> None:
        (job.dist / WHEEL).unlink()

    index.answers[MINT] = [Answer(first=change)]


CASES: Final = (
    Case("success", code=0),
    Case("a dry run that mints", code=0, arguments=("-o", "dry-run=mint")),
    Case("no identity from the CI", lambda _ci, _index: {IDENTITY: [Answer(403, '{"value": "no"}')]}, tokens=0),
    Case("a CI that is not well", lambda _ci, _index: {IDENTITY: _always(Answer(500))}, tokens=0),
    Case("an identity whose end is cut", lambda _ci, _index: {IDENTITY: _always(Answer(lost=True))}, tokens=1),
    Case("an audience of another", lambda _ci, _index: {AUDIENCE: [Answer(200, '{"audience": "pypi"}')]}, tokens=0),
    Case("no such publisher", prepare=lambda _job, index: index.store.publishers.pop(PUBLISHERS[0]), tokens=1),
    Case("an index that is not well", lambda _ci, _index: {MINT: _always(Answer(500, "no"))}, tokens=1),
    Case("an exchange that is cut", lambda _ci, _index: {MINT: _always(Answer(lost=True))}),
    Case("a token that is no text", lambda _ci, _index: {MINT: [Answer(200, '{"token": 1}')]}, tokens=1),
    Case("a refused file", lambda _ci, _index: {UPLOAD: [Answer(), Answer(400, '{"code": "400 no"}')]}),
    Case("a refused token", lambda _ci, _index: {UPLOAD: [Answer(403, '{"code": "403 token is expired"}')] * 3}),
    Case("an upload that is cut", lambda _ci, _index: {UPLOAD: _always(Answer(lost=True))}),
    Case("an upload that fails and fails", lambda _ci, _index: {UPLOAD: _always(Answer(503))}),
    Case("a list that cannot be read", lambda _ci, _index: {UPLOAD: [Answer(409)], LISTING: [Answer(), Answer(401)]}),
    Case("a burning that fails", lambda _ci, _index: {BURN: [Answer(500)]}, code=0),
    Case("a file that is gone", prepare=_change),
)


def pieces(text: str) -> Iterator[str]:
    """The parts of a token that must not be seen; a traceback cuts long values off, so that all of it is too much."""
    for start in range(0, len(text) - 15, 4):
        yield text[start : start + 16]


def leaks(texts: dict[str, str], tokens: list[str]) -> list[tuple[str, str]]:
    """Where something of a token can be read, and what."""
    forms = [*tokens, *(base64.b64encode(f"__token__:{token}".encode()).decode() for token in tokens)]
    # The begin of all headers is the same: it gives nothing away.
    known = set(pieces(base64.b64encode(b"__token__:pypi-").decode()))
    wanted = {piece for form in forms for piece in pieces(form)} - known
    return [(where, piece) for where, text in texts.items() for piece in sorted(wanted) if piece in text]


def written(folder: Path, run: Run) -> dict[str, str]:
    """All that a run has written, with its lines put together again."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    texts = {str(path): path.read_bytes().decode(errors="replace") for path in files}
    return texts | {"stdout": run.out, "stderr": run.err}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_secret_is_written(job: Job, ci: Ci, index: Index, case: Case, tmp_path: Path) -> None:
    """Neither token, nor the header that it is sent in, is in the output, the report or any file."""
    job.environ |= ci.github | {"E2E_NO_WAIT": "1", "HATCH_DEBUG": "1"}
    case.prepare(job, index)
    for path, answers in case.answers(ci, index).items():
        (ci if path == IDENTITY else index).answers[path] = answers
    run = job.hatch(
        "-vvv", "publish", "-p", "trusted", "-r", index.upload_url, "-o", "report=report.json", *case.arguments
    )
    assert case.code == run.code
    assert case.tokens == bool(ci.issued) + bool(index.store.minted)
    texts = written(tmp_path, run)
    assert str(job.root / "report.json") in texts
    # The mask command is the one place for a token, and the CI hides it.
    masked = re.findall(r"^::add-mask::(.+)\n", run.out, re.MULTILINE)
    assert set(masked) <= {*ci.issued, *index.store.minted}
    texts["stdout"] = re.sub(r"^::add-mask::.+\n", "", run.out, flags=re.MULTILINE)
    assert [] == leaks(texts, [*ci.issued, *index.store.minted])
    assert "Traceback" not in run.out + run.err


def _plain(token: str) -> str:
    return f"no such token: {token}"


def _basic(token: str) -> str:
    header = base64.b64encode(f"__token__:{token}".encode()).decode()
    return f"no such header: Basic {header}"


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
        *[("identity", MINT, body) for body in (_json("message"), _mint_error)],
    ],
    ids=lambda value: value if isinstance(value, str) else value.__qualname__.strip("_").partition(".")[0],
)
def test_an_index_that_repeats_a_token(
    job: Job, ci: Ci, index: Index, tmp_path: Path, which: str, path: str, body: Callable[[str], str]
) -> None:
    """What the index says of its refusal is shown without the token that it was given."""
    job.environ |= ci.github | {"E2E_NO_WAIT": "1", "HATCH_DEBUG": "1"}
    answer = Answer(400)

    def repeat() -> None:
        tokens = ci.issued if which == "identity" else index.store.minted
        answer.body = body((tokens or ["nothing"])[0])

    answer.first = repeat
    index.answers[path] = [answer]
    run = job.publish("-r", index.upload_url, "-o", "report=report.json")
    assert (0 if path == BURN else 1) == run.code
    assert "Traceback" not in run.out + run.err
    texts = written(tmp_path, run)
    texts["stdout"] = re.sub(r"^::add-mask::.+\n", "", run.out, flags=re.MULTILINE)
    assert [] == leaks(texts, [*ci.issued, *index.store.minted])


def test_a_traceback_with_all_variables(job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """What nobody foresees is shown by Hatch with the variables of each function: no token is among them."""
    job.environ |= ci.github | {"E2E_NO_WAIT": "1", "HATCH_DEBUG": "1"}
    terminal, stderr = pty.openpty()
    # The terminal goes away while a file is uploaded, so that the next line to it fails.
    index.answers[UPLOAD] = [Answer(503, first=lambda: os.close(terminal))]
    with subprocess.Popen(
        [sys.executable, "-m", "hatch", "-vvv", "publish", "-p", "trusted", "-r", index.upload_url],
        cwd=job.root,
        env=job.environ,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
    ) as process:
        os.close(stderr)
        out = process.communicate(timeout=60)[0]
    assert 0 != process.returncode
    assert "OSError: [Errno 5] Input/output error" == out.splitlines()[-1]
    shown = out.partition("Traceback")[2]
    assert "exchange = <hatch_trusted_publish.exchange.Exchange object at" in shown
    texts = written(tmp_path, Run(1, shown, ""))
    assert [] == leaks(texts, [*ci.issued, *index.store.minted])


def test_a_leak_would_be_seen(job: Job, ci: Ci, index: Index, tmp_path: Path) -> None:
    """The search finds a token that is cut off, and the header that it is sent in."""
    job.environ |= ci.github
    run = job.publish("-r", index.upload_url)
    identity, token = ci.issued[0], index.store.minted[0]
    header = base64.b64encode(f"__token__:{token}".encode()).decode()
    tokens = [identity, token]
    assert [] == leaks(written(tmp_path, Run(0, "", run.err)), tokens)
    for text in (identity[:40], identity[-40:], token[:40], token[-40:], header[:60], header[-30:]):
        assert leaks({"stdout": f"a line with {text} in it"}, tokens)
