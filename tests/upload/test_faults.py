"""Every step of a release meets every network fault: how the run ends, and what is on the index."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, Literal

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import (
    ExchangeError,
    IdentityError,
    IndexReadError,
    NetworkError,
    TrustedPublishError,
    UploadError,
)
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity.ambient import detect
from hatch_trusted_publish.index.endpoints import Repository, find_index
from hatch_trusted_publish.release import release
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.job import Job
from hatch_trusted_publish.upload.outcome import Run
from hatch_trusted_publish.versions.project import Project
from tests.support.events import Recorder
from tests.support.helpers import a_distribution, make_sdist, make_wheel
from tests.support.scripted import Answer, Asked, Scripted

pytestmark = pytest.mark.usefixtures("quiet")

ALWAYS: Final = 99
FILES: Final = {
    "first": "sample-1.0-cp310-cp310-win32.whl",
    "middle": "sample-1.0-cp311-cp311-win32.whl",
    "last": "sample-1.0.tar.gz",
}
"""The upload steps, in order."""
STEPS: Final = ("listing", "discovery", "audience", "identity", "mint", *FILES, "burn")
NORMAL: Final = dict.fromkeys(STEPS, 1)
"""How many requests each step makes in a run without a fault."""


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of its answer."""

    name: str
    kind: Literal["refused", "cut", "status", "late", "slow"]
    """``late``: after the timeout. ``slow``: within the timeout, so not a fault in the end."""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    acts: bool = False
    """Whether the server has carried out the request."""

    def __str__(self) -> str:
        return self.name


REFUSED: Final = Fault("refused", "refused")
BEFORE: Final = Fault("reset before the body", "cut")
WITHIN: Final = Fault("reset in the body", "cut")
AFTER: Final = Fault("reset after processing", "cut", acts=True)
CUT: Final = Fault("reply cut", "cut", acts=True)
TOO_MANY: Final = Fault("429", "status", 429)
WAIT: Final = Fault("429 with Retry-After", "status", 429, {"Retry-After": "1"})
NOT_TODAY: Final = Fault("429 for an hour", "status", 429, {"Retry-After": "3600"})
TIMEOUT: Final = Fault("408", "status", 408)
BROKEN: Final = tuple(Fault(str(status), "status", status) for status in (500, 502, 503))
GATEWAY: Final = Fault("502 after processing", "status", 502, acts=True)
SLOW: Final = Fault("slow reply", "slow", acts=True)
HANG: Final = Fault("hang", "late")
ENDLESS: Final = Fault("endless reply", "late", acts=True)


@dataclass(frozen=True)
class Row:
    """One run."""

    step: str
    fault: Fault
    times: int = ALWAYS
    concurrency: int = 1
    again: int = 200
    """The index's status for bytes it already has: PyPI 200, others 409."""
    one_identity: bool = False
    """Whether the CI gives the job a single identity token, as GitLab does."""

    def __str__(self) -> str:
        times = {1: "once", 2: "twice", ALWAYS: "always"}[self.times]
        more = f" at {self.concurrency}" * (self.concurrency > 1) + f" with {self.again}" * (self.again != 200)
        more += " with one identity" * self.one_identity
        return f"{self.step}: {self.fault} {times}{more}"


def _rows() -> Iterator[Row]:
    for step in STEPS:
        yield Row(step, REFUSED)
        yield Row(step, SLOW)
        for times in (1, ALWAYS):
            for fault in (BEFORE, WITHIN, AFTER, CUT, TIMEOUT, TOO_MANY, WAIT, HANG):
                yield Row(step, fault, times)
        for fault in BROKEN:
            yield Row(step, fault, 1)
        for times in (2, ALWAYS):
            yield Row(step, BROKEN[2], times)
        yield Row(step, ENDLESS)
        if step != "identity":
            yield Row(step, NOT_TODAY)
    for step in FILES:
        for fault in (AFTER, CUT, GATEWAY):
            yield Row(step, fault, 1, again=409)
            yield Row(step, fault, 2, again=409)
        yield Row(step, GATEWAY)
        yield Row(step, GATEWAY, 1)
        for fault in (BEFORE, AFTER, TOO_MANY, BROKEN[2]):
            for times in (1, 2, ALWAYS):
                yield Row(step, fault, times, concurrency=4)
    for fault in (BEFORE, WITHIN, AFTER, CUT, HANG, GATEWAY, TOO_MANY, BROKEN[0]):
        yield Row("mint", fault, 1, one_identity=True)
        yield Row("mint", fault, one_identity=True)


ROWS: Final = tuple(_rows())


@dataclass(frozen=True)
class Expected:
    """How a run ends."""

    results: dict[str, str]
    """The reported outcome of each file, by step."""
    error: type[TrustedPublishError] | None
    asked: dict[str, int]
    """How many requests each step makes."""
    warned: bool = False


def expected(row: Row) -> Expected:
    """Apply the rules: 4 tries of a small request, 5 of an upload, 1 of burning; a fault that passes is no failure."""
    tries = 1 if row.step == "burn" else 5 if row.step in FILES else 4
    if row.fault is NOT_TODAY:
        tries = 1  # the run does not wait for burning
    fails = row.times >= tries and row.fault.kind != "slow"
    at_fault = {"refused": 0, "slow": 1}.get(row.fault.kind, min(row.times + 1, tries))
    asked = NORMAL | {row.step: at_fault}
    if row.one_identity:
        asked["identity"] = 0
        # If the index has accepted a token, the second try is the last: the index says that it was used.
        fails = fails or row.fault.acts
    elif row.step == "mint":
        asked["identity"] = max(at_fault, tries if row.fault is REFUSED else 1)  # a fresh token for each try
    if row.again == 409:
        asked["listing"] += 1  # the index has its bytes
    if not fails or row.step == "burn":
        settled = {row.step: "there"} if row.again == 409 else {}
        return Expected(dict.fromkeys(FILES, "uploaded") | settled, None, asked, fails)
    before = STEPS.index(row.step)
    if row.step not in FILES:
        asked |= dict.fromkeys(STEPS[before + 1 :], 0)
        return Expected(dict.fromkeys(FILES, "not tried"), _error(row), asked)
    is_known = row.fault is REFUSED or row.fault.status == 429
    others = {}
    for step in FILES:
        follows = STEPS.index(step) > before
        # The uploads in flight next to it finish; the first upload has none next to it.
        stops = follows and (row.concurrency == 1 or row.step == "first")
        others[step] = "not tried" if stops else "uploaded"
        if stops:
            asked[step] = 0
    if row.fault is REFUSED and row.step == "first":
        asked["listing"] = 1
    return Expected(others | {row.step: "failed" if is_known else "unknown"}, _error(row), asked)


def _error(row: Row) -> type[TrustedPublishError]:
    if row.step == "identity":
        return IdentityError
    if row.one_identity:
        return ExchangeError  # it is used, or may be: another try of the same command would not help
    if row.fault.kind != "status" or row.fault is NOT_TODAY:
        return NetworkError
    return {"listing": IndexReadError, **dict.fromkeys(FILES, UploadError)}.get(row.step, ExchangeError)


class Service(Scripted):
    """An index, its exchange and the CI's token service, with one fault."""

    def __init__(self, row: Row) -> None:
        super().__init__(self._act)
        self._row = row
        self._faults_left = 0 if row.fault is REFUSED else row.times
        self.seen: Counter[str] = Counter()
        self.stored: dict[str, str] = {}
        self.stores: Counter[str] = Counter()
        self.identities = [_identity_token(0)] if row.one_identity else []
        self.used: set[str] = set()
        self.minted: list[str] = []
        self.burned: list[str] = []
        self._state = threading.Lock()

    def _answer(self, connection: socket.socket, stream: BinaryIO) -> None:
        head = stream.readline().decode("latin-1").split()
        headers = dict(_header(line) for line in iter(stream.readline, b"\r\n"))
        left = int(headers.get("content-length", 0))
        body, step = b"", _small_step(head[1])
        if step is None:
            # The form, with the file name, precedes the file: it is read before any byte of the file.
            while b'; filename="' not in body or not body.endswith(b"\r\n\r\n"):
                body += stream.readline()
            found = re.search(rb'; filename="([^"]+)"', body)
            assert found is not None
            step = next((step for step, name in FILES.items() if name.encode() == found[1]), "another file")
        with self._state:
            self.seen[step] += 1
            fault = self._row.fault if step == self._row.step and self._faults_left > 0 else None
            self._faults_left -= fault is not None
        asked = partial(Asked, head[0], head[1], headers)
        if fault is BEFORE:
            _reset(connection)
        elif fault is WITHIN:
            stream.read((left - len(body)) // 2)
            _reset(connection)
        else:
            body += stream.read(left - len(body))
            self._reply(connection, stream, asked(body), fault)

    def _reply(self, connection: socket.socket, stream: BinaryIO, asked: Asked, fault: Fault | None) -> None:
        answer = self._act(asked) if fault is None or fault.acts else Answer()
        whole = bytes(answer)
        if fault is None:
            connection.sendall(whole)
        elif fault is AFTER:
            _reset(connection)
        elif fault is CUT:
            connection.sendall(whole[:-1])
        elif fault is HANG:
            stream.read(1)
        elif fault is SLOW:
            for byte in whole:
                connection.sendall(bytes([byte]))
        elif fault is ENDLESS:
            connection.sendall(bytes(Answer(headers={"Content-Length": "1000000"})))
            while not self._closing.wait(0.02):
                connection.sendall(b" ")
        else:
            connection.sendall(bytes(Answer(fault.status, headers=fault.headers)))

    def _act(self, asked: Asked) -> Answer:
        with self._state:
            return self._acted(asked)

    def _acted(self, asked: Asked) -> Answer:
        path = asked.target.partition("?")[0]
        if path == "/simple/sample/":
            files = [{"filename": name, "hashes": {"sha256": digest}} for name, digest in self.stored.items()]
            listing = Answer.of({"files": files}, media_type="application/vnd.pypi.simple.v1+json")
            return listing if files else Answer(404)
        if path == "/_/oidc/audience":
            return Answer.of({"audience": "127.0.0.1"})
        if path == "/github":
            self.identities.append(_identity_token(len(self.identities)))
            return Answer.of({"value": self.identities[-1]})
        if path == "/_/oidc/mint-token":
            token = json.loads(asked.body)["token"]
            assert token in self.identities
            if token in self.used:
                return Answer.of({"errors": [{"code": "invalid-reuse-token", "description": "used"}]}, 422)
            self.used.add(token)
            self.minted.append(f"pypi-{len(self.minted)}")
            return Answer.of({"token": self.minted[-1]})
        if path == "/_/oidc/burn-token":
            self.burned.append(json.loads(asked.body)["token"])
            return Answer(202)
        return self._uploaded(asked) if path == "/legacy/" else Answer(404)

    def _uploaded(self, asked: Asked) -> Answer:
        token = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
        if token.removeprefix("__token__:") not in set(self.minted) - set(self.burned):
            return Answer.of({"code": "403 no such token"}, 403)
        form = re.search(
            rb'; filename="([^"]+)"\r\n.*?\r\n\r\n(.*)\r\n--.*?"sha256_digest"\r\n\r\n(\w+)', asked.body, re.DOTALL
        )
        assert form is not None
        name, digest = form[1].decode(), hashlib.sha256(form[2]).hexdigest()
        assert digest == form[3].decode()
        if name in self.stored:
            return Answer(200) if (self._row.again, self.stored[name]) == (200, digest) else Answer(409)
        self.stored[name] = digest
        self.stores[name] += 1
        return Answer(200)


def _small_step(target: str) -> str | None:
    """Return the step that is not an upload."""
    known = {"/simple/": "listing", "/.well": "discovery", "/_/oidc/a": "audience", "/github": "identity"}
    known |= {"/_/oidc/m": "mint", "/_/oidc/b": "burn"}
    return next((step for begin, step in known.items() if target.startswith(begin)), None)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()


def _reset(connection: socket.socket) -> None:
    """Make the connection end with a reset when it is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _identity_token(number: int) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": "127.0.0.1", "jti": number}).encode()).decode().rstrip("=")
    return f"e30.{claims}.x"


class Closes(Recorder):
    """Closes a service when a file has ended: later connections are refused."""

    def __init__(self, after: str | None, close: ExitStack) -> None:
        super().__init__()
        self._after, self._close = after, close

    def ended(self, filename: str, result: Result) -> None:
        super().ended(filename, result)
        if filename == self._after:
            self._close.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Distribution]:
    """Return two wheels and an sdist."""
    directory = tmp_path_factory.mktemp("dist")
    wheels = [make_wheel(directory, tag=f"cp{number}-cp{number}-win32") for number in (310, 311)]
    return [Distribution.read(path, f"dist/{path.name}") for path in [make_sdist(directory), *wheels]]


def _is_slow(row: Row) -> bool:
    """Return whether a try waits for its timeout, or for the end of a pause."""
    return row.fault.kind == "late" or (row.fault is WAIT and row.step in FILES)


@pytest.mark.parametrize(
    "row", [pytest.param(row, marks=[pytest.mark.slow] * _is_slow(row), id=str(row)) for row in ROWS]
)
def test_fault(row: Row, files: list[Distribution], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends as the rules say, with that many requests, and its account of the index is true."""
    known = expected(row)
    done = Run()
    error = None
    closed = socket.socket()
    with closed, Service(row) as service, ExitStack() as second:
        # Bound but not listening: connections are refused.
        closed.bind(("127.0.0.1", 0))
        urls = dict.fromkeys(STEPS, service.url)
        after = None
        if row.fault is REFUSED:
            # A step that is refused from the start has its own address; later steps have a service that closes.
            if row.step in {"middle", "last", "burn"}:
                after = list(FILES.values())[{"middle": 0, "last": 1, "burn": 2}[row.step]]
                other = second.enter_context(_Other(service))
                urls |= dict.fromkeys(("mint", "burn") if row.step == "burn" else FILES, other.url)
            else:
                where = f"http://127.0.0.1:{closed.getsockname()[1]}"
                urls |= dict.fromkeys(FILES if row.step in {"first", "discovery"} else [row.step], where)
        github = {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{urls['identity']}/github?x=1",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "bearer",
        }
        for name, value in github.items():
            monkeypatch.setenv(name, value)
        repository = Repository("own", f"{urls['first']}/legacy/", simple_url=f"{urls['listing']}/simple/")
        if row.fault is REFUSED and row.step != "discovery":
            repository = Repository(
                "own",
                f"{urls['first']}/legacy/",
                simple_url=f"{urls['listing']}/simple/",
                audience_endpoint=f"{urls['audience']}/_/oidc/audience",
                token_mint_endpoint=f"{urls['mint']}/_/oidc/mint-token",
            )
            known.asked["discovery"] = 0
        events = Closes(after, second)
        settings = Settings(repository, concurrency=row.concurrency)
        # A try that waits in vain waits long enough for the successful ones to arrive in time.
        timeout = 0.5 if row.fault.kind == "late" else 30.0
        with Client(repository.certificates, timeout, "tests/1.0") as client:
            variable = "MY_TOKEN" if row.one_identity else None
            environ = {**github, "MY_TOKEN": _identity_token(0)}
            ambient = partial(detect, environ, variable, client, timeout)
            try:
                release(Job(settings, find_index(repository), client, events, done), files, Project(), ambient)
            except TrustedPublishError as failure:
                error = failure

    results = {one.distribution.filename: one.result for one in done.outcomes.values()} or dict.fromkeys(
        FILES.values(), "not tried"
    )
    assert {FILES[step]: result for step, result in known.results.items()} == results
    assert (known.error, known.warned) == (error and type(error), bool(events.warnings))
    if row.one_identity and error is not None:
        assert "identity-token-spent" == error.message.code
    asked = {step: service.seen[step] for step in STEPS}
    if row.step == "listing" and error is not None:
        # The exchange's terms are requested in parallel, so their number varies.
        assert {asked.pop("discovery"), asked.pop("audience")} <= {0, 1}
        del known.asked["discovery"], known.asked["audience"]
    assert known.asked == asked
    _check_truth(results, files, service)
    is_burned = asked["burn"] > 0 and (row.step != "burn" or row.fault.acts)
    assert service.minted[-1:] * is_burned == service.burned


def _check_truth(results: Mapping[str, str], files: list[Distribution], service: Service) -> None:
    """The reported outcomes are true, and the index has each file once, as it is on the disk."""
    disk = {one.filename: one.sha256 for one in files}
    assert service.stored.items() <= disk.items()
    assert {1} >= set(service.stores.values())
    for name, result in results.items():
        if result != "unknown":
            assert (result in {"uploaded", "there"}) == (name in service.stored)


class _Other(Scripted):
    """A second address of a service, which can close alone."""

    def __init__(self, service: Service) -> None:
        super().__init__(service._act)
        self._answer = service._answer  # type: ignore[method-assign]


class LikePyPI(Service):
    """Answers 500 to uploads that would create the same release at the same time."""

    def __init__(self, refused: str) -> None:
        super().__init__(Row("burn", SLOW, 0))
        self._refused = refused
        self._under_way = 0
        self._met = threading.Event()
        self.uploads: list[tuple[int, bool]] = []
        """The status of each upload, and whether another one arrived before it or at the same time."""

    def _act(self, asked: Asked) -> Answer:
        if asked.target != "/legacy/":
            return super()._act(asked)
        with self._state:
            is_new = not self.stored
            self._under_way += 1
            if self._under_way > 1:
                self._met.set()
        # Long enough for another one to arrive.
        met = self._met.wait(0.3 if is_new or not self.uploads else 10)
        if met and is_new:
            answer = Answer(500)
        elif self._refused.encode() in asked.body:
            answer = Answer.of({"code": "400 No."}, 400)
        else:
            answer = super()._act(asked)
        with self._state:
            self._under_way -= 1
            self.uploads.append((answer.status, met))
        return answer


@pytest.mark.parametrize(
    ("refused", "is_there", "uploads"),
    [
        ("nothing", False, [(200, False), *[(200, True)] * 5]),
        ("-cp300-", False, [(400, False), (200, False), *[(200, True)] * 4]),
        ("nothing", True, [(200, False), *[(200, True)] * 4]),
    ],
    ids=["a new release", "a new release whose first file is refused", "a release that is there"],
)
def test_first_uploads(refused: str, is_there: bool, uploads: list[tuple[int, bool]], tmp_path: Path) -> None:
    """Until a release exists, its files arrive one at a time, then in parallel: no upload meets a 500."""
    paths = [make_wheel(tmp_path, tag=f"cp30{number}-cp30{number}-win32") for number in range(6)]
    wheels = [Distribution.read(path, f"dist/{path.name}") for path in paths]
    with LikePyPI(refused) as service:
        if is_there:
            service.stored[wheels[5].filename] = wheels[5].sha256
        service.identities.append(_identity_token(0))
        repository = Repository("own", f"{service.url}/legacy/")
        done = Run()
        with Client(repository.certificates, 30.0, "tests/1.0") as client, suppress(UploadError):
            ambient = partial(detect, {"MY_TOKEN": service.identities[0]}, "MY_TOKEN", client, 30.0)
            job = Job(Settings(repository), find_index(repository), client, Recorder(), done)
            release(job, wheels, Project(), ambient)
    assert uploads == service.uploads
    there = {"uploaded", "there"}
    assert set(service.stored) == {one.distribution.filename for one in done.outcomes.values() if one.result in there}
    assert len(service.stored) == 6 - (refused != "nothing")


class Struggling(Service):
    """An index that handles less load than it receives."""

    def __init__(self, how: str) -> None:
        super().__init__(Row("burn", SLOW, 0))
        self._how = how
        self._under_way = 0
        self.uploads = 0

    def _act(self, asked: Asked) -> Answer:
        if asked.target != "/legacy/":
            return super()._act(asked)
        with self._state:
            self.uploads += 1
            self._under_way += 1
            number, others = self.uploads, self._under_way - 1
            self._under_way -= (stalls := self._how == "stalls all but one connection" and others > 0)
        if stalls:  # until the client gives up
            self._closing.wait(60)
            return Answer(500)
        # The time that an upload takes: others arrive meanwhile.
        self._closing.wait(0.01 * others**2 if self._how == "gets slower" else 0.02)
        refused = self._how == "handles three at once" and others > 2
        failed = self._how == "fails every tenth upload" and number % 10 == 0
        answer = Answer(429) if refused else Answer(500) if failed else super()._act(asked)
        with self._state:
            self._under_way -= 1
        return answer


@pytest.mark.parametrize(
    ("how", "most"),
    [
        ("handles three at once", 1.3),
        ("fails every tenth upload", 1.2),
        ("stalls all but one connection", 2.0),
        ("gets slower", 1.0),
    ],
)
def test_an_index_that_handles_less(how: str, most: float) -> None:
    """Every file is stored, once, with few more requests than files."""
    wheels = [a_distribution(f"sample-1.0-cp3{number}-cp3{number}-win32.whl") for number in range(60)]
    with Struggling(how) as service:
        service.identities.append(_identity_token(0))
        repository = Repository("own", f"{service.url}/legacy/")
        done = Run()
        with Client(repository.certificates, 1.0 if "stalls" in how else 30.0, "tests/1.0") as client:
            ambient = partial(detect, {"MY_TOKEN": service.identities[0]}, "MY_TOKEN", client, 30.0)
            job = Job(Settings(repository, concurrency=8), find_index(repository), client, Recorder(), done)
            release(job, wheels, Project(), ambient)

    assert {"uploaded"} == {one.result for one in done.outcomes.values()}
    assert {one.filename: 1 for one in wheels} == service.stores
    assert service.uploads <= most * len(wheels)


def test_the_table_is_whole() -> None:
    """There are more than 120 rows, each with its own name, and each step meets each fault."""
    assert 120 < len(ROWS) == len({str(row) for row in ROWS})
    met = {(row.step, row.fault.name) for row in ROWS}
    faults = {
        fault.name for fault in (REFUSED, BEFORE, WITHIN, AFTER, CUT, TIMEOUT, TOO_MANY, WAIT, SLOW, HANG, *BROKEN)
    }
    assert {(step, fault) for step in STEPS for fault in faults} <= met
