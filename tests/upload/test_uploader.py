"""The uploads of one run: the outcome of each file, and its consequences for the others."""

from __future__ import annotations

import base64
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import stamina
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import (
    DistributionError,
    ExchangeError,
    IndexReadError,
    Message,
    NetworkError,
    TrustedPublishError,
    UploadError,
)
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity.ambient import Ambient
from hatch_trusted_publish.identity.exchange import Exchange, Terms
from hatch_trusted_publish.identity.publishers import Expected
from hatch_trusted_publish.index.endpoints import Endpoints, Index, Repository
from hatch_trusted_publish.index.simple_api import Listed, Listing
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.job import Job
from hatch_trusted_publish.upload.listings import held
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from hatch_trusted_publish.upload.uploader import PACE, Uploads
from tests.support.events import Recorder
from tests.support.helpers import Kept, a_distribution
from tests.support.scripted import Answer, Asked, Scripted

NOBODY = Expected(["sample"])
LONG = 30.0
"""Seconds before a test that hangs is stopped."""
STORED = Answer.of({"code": "200 OK"})
REFUSED = Answer.of({"code": "400 No."}, 400)
FORBIDDEN = Answer.of({"code": "403 No."}, 403)
EXPIRED = Answer.of({"code": "403 Invalid API Token: token is expired, token is expired"}, 403)
TAKEN = Answer(409)
OLD = Listing({"sample-0.9.tar.gz": Listed()})
NEW = Listing({"sample-1.0-py2-none-any.whl": Listed()})
IDENTITY = f"e30.{base64.urlsafe_b64encode(json.dumps({'aud': 'us'}).encode()).decode().rstrip('=')}.x"


pytestmark = pytest.mark.usefixtures("quiet")


def wheels(count: int, version: str = "1.0", project: str = "sample") -> list[Distribution]:
    return [a_distribution(f"{project}-{version}-cp3{number}-cp3{number}-win32.whl") for number in range(count)]


def names(distributions: Sequence[Distribution]) -> list[str]:
    return [one.filename for one in distributions]


def _stored(_name: str, _token: str) -> Answer:
    return STORED


class World:
    """An index that calls a function for each file, a CI, and the uploads between them."""

    def __init__(
        self,
        upload: Callable[[str, str], Answer] = _stored,
        listing: Answer | None = None,
        mint: Sequence[Answer | None] = (),
        at_once: int = 4,
        *,
        renewable: bool = True,
        single_use: bool = False,
        exchange: type[Exchange] = Exchange,
        **settings: Any,
    ) -> None:
        """
        Args:
            upload: returns the answer for a file name and token; it is called in many threads.
            listing: the index's list.
            mint: the answers to the identities instead of a token.
            at_once: how many tries may be in flight from the start.
        """
        self.upload, self.listing, self.mint = upload, listing or Answer(404), list(mint)
        self.settings = Settings(Repository("own", ""), concurrency=at_once, **settings)
        self.ambient = Ambient("Some CI", lambda _: IDENTITY, renewable)
        self.single_use, self.exchange = single_use, exchange
        self.lock = threading.Lock()
        self.seen: list[str] = []
        """``in NAME`` when a file has arrived, ``out NAME`` when its answer is about to be sent."""
        self.minted = 0
        self.tokens: list[tuple[str, str]] = []
        """Each upload's file and token."""
        self.events = Recorder()
        self.done = Run()
        self.upload_url = ""
        self.listed = True

    def _answer(self, asked: Asked) -> Answer:
        if asked.line == "POST /mint":
            with self.lock:
                self.minted += 1
                own = self.mint.pop(0) if self.mint else None
                return own or Answer.of({"token": f"t{self.minted}"})
        if asked.line == "POST /legacy/":
            found = re.search(rb'filename="([^"]+)"', asked.body)
            assert found is not None
            name = found[1].decode()
            token = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode().partition(":")[2]
            with self.lock:
                self.seen.append(f"in {name}")
                self.tokens.append((name, token))
            answer = self.upload(name, token)
            with self.lock:
                self.seen.append(f"out {name}")
            return answer
        assert asked.line.startswith("GET /simple/")
        return self.listing

    def run(self, distributions: Sequence[Distribution], **listings: Listing) -> None:
        """Upload *distributions* to an index that holds no release except those in *listings*, by project."""
        with (
            Scripted(self._answer) as server,
            Client(self.settings.repository.certificates, 20.0, "tests/1.0") as client,
        ):
            index = Index(
                "own", self.upload_url or f"{server.url}/legacy/", f"{server.url}/simple/", listed=self.listed
            )
            known = {one.name: held(listings.get(one.name, Listing()), []) for one in distributions}
            plan = Plan(index, tuple(Outcome(one) for one in distributions), held=known)
            self.done.follow(plan)
            endpoints = Endpoints(f"{server.url}/audience", f"{server.url}/mint", single_use=self.single_use)
            exchange = self.exchange(Terms(index, endpoints, "us"), self.ambient, NOBODY, client, self.events)
            exchange.prepare()
            uploads = Uploads(Job(self.settings, index, client, self.events, self.done), exchange, {})
            uploads._gate.limit = self.settings.concurrency
            try:
                uploads.first(plan)
                uploads.rest()
                uploads.check()
            finally:
                # A stopped run leaves its threads running; this one's server and connections end here.
                for thread in threading.enumerate():
                    if "(run)" in thread.name:
                        thread.join(LONG)

    def stopped(
        self, kind: type[TrustedPublishError], distributions: Sequence[Distribution], **listings: Listing
    ) -> TrustedPublishError:
        """Return the error that the run ends with."""
        with pytest.raises(kind) as raised:
            self.run(distributions, **listings)
        assert kind is type(raised.value)
        return raised.value

    def results(self) -> list[Result]:
        """The outcome of each file, as the run reports it."""
        return [one.result for one in self.done.outcomes.values()]

    def errors(self) -> list[str]:
        """The code of each file's problem; empty for a file without one."""
        return [one.error.message.code if one.error else "" for one in self.done.outcomes.values()]

    def arrived(self) -> list[str]:
        """The files that arrived at the index, in order."""
        return [line.removeprefix("in ") for line in self.seen if line.startswith("in ")]


class Together:
    """An index that answers files when a given number of them has arrived."""

    def __init__(self, count: int, alone: Sequence[str] = (), answer: Answer = STORED) -> None:
        self.barrier = threading.Barrier(count)
        self.alone, self.answer = alone, answer

    def __call__(self, name: str, _: str) -> Answer:
        if name in self.alone:
            return STORED
        self.barrier.wait(LONG)
        return self.answer


# Which files go when


def test_the_first_of_a_new_release_goes_alone() -> None:
    """PyPI answers parallel first uploads with errors: one creates the release, then the others go together."""
    files = wheels(5)
    world = World(Together(4, [files[0].filename]))
    world.run(files, sample=OLD)

    assert [f"in {files[0].filename}", f"out {files[0].filename}"] == world.seen[:2]
    assert ["uploaded"] * 5 == world.results()
    assert {*names(files)} == {*world.arrived()}


def test_progress() -> None:
    """The start and the progress of each file are reported; a repeated try starts at zero."""
    answers = {name: [Answer(503), STORED] for name in names(wheels(2))}
    world = World(lambda name, _: answers[name].pop(0), at_once=1)
    files = wheels(2)
    world.run(files, sample=NEW)

    assert names(files) == world.events.begun
    assert [(one.filename, count) for one in files for count in (0, one.size, 0, one.size)] == world.events.counts
    assert [(one.filename, "uploaded") for one in files] == world.events.results


def test_seconds() -> None:
    """The seconds of each sent file are recorded, even if it was rejected; a file that was not sent has none."""
    files = wheels(3)
    world = World(lambda name, _: FORBIDDEN if name == files[1].filename else STORED, at_once=1)
    world.stopped(UploadError, files, sample=NEW)

    seconds = [one.seconds for one in world.done.outcomes.values()]
    assert ["uploaded", "failed", "not tried"] == world.results()
    assert [True, True, False] == [one is not None and 0 < one < LONG for one in seconds]


def test_a_release_that_exists() -> None:
    """If the release exists, all files go together from the start."""
    files = wheels(3)
    world = World(Together(3), at_once=3)
    world.run(files, sample=Listing({**OLD.files, **NEW.files}))

    assert ["uploaded"] * 3 == world.results()


def test_several_releases() -> None:
    """Of each new release one file goes first, one after another; then the rest."""
    there, one, two = wheels(2), wheels(2, "2.0"), wheels(2, "1.0", "other")
    world = World(at_once=1)
    world.run([*there, *one, *two], sample=NEW)

    expected = [two[0], one[0], two[1], *there, one[1]]
    assert sorted(names(expected[:2])) == sorted(world.arrived()[:2])
    assert {*names(expected[2:])} == {*world.arrived()[2:]}
    assert [(name, "uploaded") for name in world.arrived()] == world.events.results


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param({"cp30": 5, "cp31": 2, "cp32": 9, "sdist": 1}, ["cp31", "cp32", "cp30", "sdist"], id="wheels"),
        pytest.param({"cp30": 5, "cp31": 5, "sdist": 9}, ["cp30", "cp31", "sdist"], id="same size, by name"),
        pytest.param({"sdist": 1}, ["sdist"], id="no wheel"),
    ],
)
def test_order(sizes: dict[str, int], expected: list[str]) -> None:
    """All wait for the smallest wheel; then the largest goes first, and the sdist comes last."""
    files = {
        name: with_content(
            a_distribution("sample-1.0.tar.gz" if name == "sdist" else f"sample-1.0-{name}-none-any.whl"),
            Kept(bytes(size)),
        )
        for name, size in sizes.items()
    }
    world = World(at_once=1)
    world.run([*files.values()])

    assert [files[name].filename for name in expected] == world.arrived()


def test_a_first_file_that_is_refused() -> None:
    """A rejected file does not create the release: the next one goes alone, too."""
    files = wheels(4)
    others = threading.Event()
    seen: list[bool] = []

    def upload(name: str, _: str) -> Answer:
        if name == files[0].filename:
            return REFUSED
        if name == files[1].filename:
            seen.append(others.wait(0.1))
        else:
            others.set()
        return STORED

    world = World(upload)
    world.stopped(UploadError, files)

    assert [False] == seen
    assert [f"{way} {name}" for name in names(files[:2]) for way in ("in", "out")] == world.seen[:4]
    assert ["failed", "uploaded", "uploaded", "uploaded"] == world.results()


def test_a_first_file_that_exists() -> None:
    """If someone else has uploaded the first file meanwhile, the release exists."""
    files = wheels(3)
    together = Together(2)
    listing = Answer.of({"files": [{"filename": files[0].filename, "hashes": {"sha256": files[0].sha256}}]})
    world = World(lambda name, token: TAKEN if name == files[0].filename else together(name, token), listing)
    world.run(files)

    assert ["there", "uploaded", "uploaded"] == world.results()


def test_one_at_a_time() -> None:
    """With `concurrency = 1` each file is answered before the next one arrives."""
    files = [*wheels(2), a_distribution("sample-1.0.tar.gz")]
    world = World(at_once=1)
    world.run(files)

    assert [f"{way} {name}" for name in names(files) for way in ("in", "out")] == world.seen


def test_a_struggling_index() -> None:
    """Faults of the index are retried, and each stored file is reported once."""
    files = wheels(8)
    failed: set[str] = set()

    def upload(name: str, _: str) -> Answer:
        with world.lock:
            first = name not in failed
            failed.add(name)
        return [Answer(502), Answer(429), Answer(fault="no reply")][files.index(by_name[name]) % 3] if first else STORED

    by_name = {one.filename: one for one in files}
    world = World(upload)
    world.run(files, sample=NEW)

    assert ["uploaded"] * 8 == world.results()
    assert sorted(names(files) * 2) == sorted(world.arrived())
    assert sorted((name, "uploaded") for name in names(files)) == sorted(world.events.results)


def test_fewer_uploads_for_a_struggling_index() -> None:
    """When all tries in flight failed, half as many are repeated at once."""
    four = threading.Barrier(4)

    def upload(name: str, _: str) -> Answer:
        if world.arrived().count(name) == 1:
            four.wait(LONG)
            return Answer(503)
        return STORED

    world = World(upload)
    world.run(wheels(4), sample=NEW)

    again = [line.partition(" ")[0] for line in world.seen[8:]]
    assert "out" in again[:3]
    assert 8 == len(again)


# Partial failure


def test_refusals_of_single_files() -> None:
    """A problem with one file does not hold others back; each rejection is reported."""
    files = wheels(5)
    bad = names([files[1], files[3]])
    world = World(lambda name, _: REFUSED if name in bad else STORED, at_once=1)
    error = world.stopped(UploadError, files)

    assert [f"dist/{name}" for name in bad] == [problem.facts["file"] for problem in error.problems]
    assert ["uploaded", "failed", "uploaded", "failed", "uploaded"] == world.results()
    assert ["", "file-refused", "", "file-refused", ""] == world.errors()


@pytest.mark.parametrize(("status", "code"), [(400, "file-refused"), (413, "file-too-large")])
def test_a_refusal_of_one_file(status: int, code: str) -> None:
    """A single error is raised unchanged."""
    files = wheels(2)
    world = World(lambda name, _: Answer(status) if name == files[0].filename else STORED)
    error = world.stopped(UploadError, files)

    assert (code, f"dist/{files[0].filename}") == (error.message.code, error.message.facts["file"])
    assert ["failed", "uploaded"] == world.results()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(FORBIDDEN, id="403"),
        pytest.param(Answer.of({"code": "400 Non-user identities cannot create new projects."}, 400), id="project"),
        pytest.param(
            Answer.of({"code": "400 Uploading new files to releases older than 14 days is not allowed."}, 400),
            id="release",
        ),
        pytest.param(Answer(404), id="404"),
        pytest.param(Answer(503), id="503"),
        pytest.param(Answer(fault="no reply"), id="no reply"),
    ],
)
@pytest.mark.parametrize("listing", [OLD, NEW], ids=["new release", "old release"])
def test_a_problem_that_all_files_have(answer: Answer, listing: Listing) -> None:
    """A problem of the project, the release, the token or the index costs one file."""
    files = wheels(3)
    world = World(lambda *_: answer, at_once=1)
    world.stopped(NetworkError if answer.fault else UploadError, files, sample=listing)

    assert [files[0].filename] == list(dict.fromkeys(world.arrived()))
    is_unknown = answer.fault or answer.status == 503
    assert ["unknown" if is_unknown else "failed", "not tried", "not tried"] == world.results()


class Explains(Exchange):
    """Records the projects for which an explanation was requested."""

    def explain_other_project(self, projects: Sequence[str]) -> Message:
        return Message("causes", projects=projects)


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (403, "Invalid API Token: OIDC scoped token is not valid for project 'sample'", "wrong-project"),
        (400, "Non-user identities cannot create new projects", "no-such-project"),
    ],
    ids=["other project", "no project"],
)
def test_a_token_of_another_project(status: int, said: str, code: str) -> None:
    """The error explains the job's claims; the file's own reason is short."""
    world = World(lambda *_: Answer.of({"code": f"{status} {said}"}, status), exchange=Explains)
    error = world.stopped(UploadError, wheels(1))

    assert (code,) == error.codes
    assert ["sample"] == error.message.facts["explanation"].facts["projects"]
    assert [code] == world.errors()


def test_tokens_of_another_project_are_explained_once() -> None:
    """One explanation covers all rejected files; projects whose files were accepted are not named."""
    files = [*wheels(2), *wheels(1, project="third"), *wheels(1, project="other")]
    refused = Answer.of({"code": "403 OIDC scoped token is not valid for project"}, 403)
    together = Together(4, answer=refused)

    def upload(name: str, token: str) -> Answer:
        answer = together(name, token)
        return STORED if name.startswith("third") else answer

    error = World(upload, exchange=Explains).stopped(
        UploadError,
        files,
        sample=NEW,
        third=Listing({"third-1.0.tar.gz": Listed()}),
        other=Listing({"other-1.0.tar.gz": Listed()}),
    )

    assert ("wrong-project",) == error.codes
    assert ["other", "sample"] == sorted(error.message.facts["explanation"].facts["projects"])


def test_a_refusal_of_a_new_project_costs_one_file() -> None:
    """In a parallel run, the first file of a new project goes alone."""
    files = wheels(12)
    world = World(lambda *_: FORBIDDEN, at_once=8)
    error = world.stopped(UploadError, files)

    assert (1, ["failed", *["not tried"] * 11]) == (len(world.arrived()), world.results())
    assert "upload-forbidden" == error.message.code


def test_uploads_in_flight_are_waited_for() -> None:
    """Uploads in flight when the run ends are waited for; the problem that ended it is reported first."""
    files = wheels(4)
    four = threading.Barrier(4)

    def upload(name: str, _: str) -> Answer:
        four.wait(LONG)
        return {files[0].filename: REFUSED, files[1].filename: FORBIDDEN}.get(name, STORED)

    world = World(upload)
    error = world.stopped(UploadError, files, sample=NEW)

    assert ["failed", "failed", "uploaded", "uploaded"] == world.results()
    assert ("upload-forbidden", "file-refused") == error.codes


def test_the_same_error_is_reported_once() -> None:
    """Files that fail for one reason need one message."""
    world = World(lambda *_: TAKEN, Answer(403), existing="identical", at_once=2)
    error = world.stopped(IndexReadError, wheels(2), sample=NEW)

    assert 1 == len(error.codes)
    assert ["unknown", "unknown"] == world.results()


class Changed(Kept):
    """Bytes that have changed."""

    def chunks(self) -> Iterator[bytes]:
        raise DistributionError("file-changed", file="dist/x")
        yield b""


def test_a_file_that_changes() -> None:
    """A file that has changed is not uploaded; the others are."""
    files = wheels(3)
    files[1] = with_content(files[1], Changed(b"x"))
    world = World(at_once=1)
    error = world.stopped(DistributionError, files)

    assert ("file-changed", ["uploaded", "failed", "uploaded"]) == (error.message.code, world.results())


def with_content(distribution: Distribution, content: Kept) -> Distribution:
    return replace(distribution, content=content)


# Lost replies


def test_a_reply_that_is_lost_for_good() -> None:
    """After five tries without a response, the outcome of the file is unknown and reported so; no other file starts."""
    files = wheels(2)
    world = World(lambda *_: Answer(fault="no reply"))
    world.stopped(NetworkError, files)

    assert (["unknown", "not tried"], [files[0].filename] * 5) == (world.results(), world.arrived())


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([Answer(500)], "unknown", id="500"),
        pytest.param([Answer(504)], "unknown", id="504 of a proxy"),
        pytest.param([Answer(408)], "unknown", id="408"),
        pytest.param([Answer(429)], "failed", id="429"),
        pytest.param([REFUSED], "failed", id="400"),
        pytest.param([Answer(503), REFUSED], "failed", id="503, then 400"),
        pytest.param([Answer(fault="no reply"), REFUSED], "unknown", id="lost, then 400"),
        pytest.param([Answer(fault="cut", body=b"x" * 9), FORBIDDEN], "unknown", id="lost, then 403"),
        pytest.param([Answer(fault="no reply"), STORED], "uploaded", id="lost, then stored"),
    ],
)
def test_what_a_last_reply_says(answers: list[Answer], expected: str) -> None:
    """A file is reported as not uploaded only if no try could have stored it."""
    left = list(answers)
    world = World(lambda *_: left.pop(0) if len(left) > 1 else left[0])
    error = None
    try:
        world.run(wheels(1))
    except UploadError as failure:
        error = failure

    assert ([expected], expected == "uploaded") == (world.results(), error is None)


def test_an_expired_token_after_a_lost_reply() -> None:
    """A token that expires between two tries is renewed, too."""
    answers = [Answer(fault="no reply"), EXPIRED, STORED]
    world = World(lambda *_: answers.pop(0))
    world.run(wheels(1))

    assert (["uploaded"], ["t1", "t1", "t2"], 2) == (
        world.results(),
        [token for _, token in world.tokens],
        world.minted,
    )


def test_a_file_that_was_never_sent() -> None:
    """An upload that reached no server has certainly failed."""
    world = World()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        world.upload_url = f"http://127.0.0.1:{listener.getsockname()[1]}/legacy/"
    world.stopped(NetworkError, wheels(1))

    assert (["failed"], 1) == (world.results(), world.minted)


@pytest.mark.parametrize(
    ("listing", "kind"),
    [
        pytest.param(Answer(403), IndexReadError, id="refused"),
        pytest.param(Answer(fault="no reply"), NetworkError, id="no reply"),
    ],
)
def test_a_name_that_is_taken_by_unknown_bytes(listing: Answer, kind: type[TrustedPublishError]) -> None:
    """If the index does not say whose bytes it has, the outcome of the file is unknown."""
    world = World(lambda *_: TAKEN, listing)
    world.stopped(kind, wheels(1))

    assert ["unknown"] == world.results()


@pytest.mark.parametrize(
    ("answer", "existing", "result", "code"),
    [
        (STORED, "identical", "uploaded", ""),
        (TAKEN, "identical", "failed", "taken-not-compared"),
        (TAKEN, "fail", "failed", "taken-not-compared"),
        (TAKEN, "skip", "differs", ""),
        (Answer(202), "skip", "unknown", "unclear-reply"),
    ],
)
def test_an_index_that_cannot_be_read(answer: Answer, existing: Any, result: Result, code: str) -> None:
    """With ``listing = "none"`` the index is not read, and a name that is taken cannot be compared."""
    world = World(lambda *_: answer, Answer(500), existing=existing)
    world.listed = False
    files = wheels(1)
    if code:
        world.stopped(UploadError, files)
    else:
        world.run(files)

    assert ([result], [code]) == (world.results(), world.errors())


def test_a_run_that_is_stopped() -> None:
    """When you stop the run, files in flight are reported as unknown, not as absent."""
    files = wheels(4)
    never = threading.Event()

    def upload(name: str, _: str) -> Answer:
        if name == files[1].filename:
            never.wait(LONG)
        return STORED

    class Stopped(Recorder):
        def ended(self, filename: str, result: Result) -> None:
            super().ended(filename, result)
            never.set()
            raise KeyboardInterrupt

    world = World(upload, at_once=2)
    world.events = Stopped()
    with pytest.raises(KeyboardInterrupt):
        world.run(files, sample=NEW)

    assert ["uploaded", "unknown", "not tried", "not tried"] == world.results()
    assert [(files[0].filename, "uploaded")] == world.events.results


# The token


def test_one_token_for_all() -> None:
    """One token is minted, and used for every file."""
    files = wheels(6)
    world = World()
    world.run(files)

    assert (1, {"t1"}) == (world.minted, {token for _, token in world.tokens})


def test_a_token_that_expires() -> None:
    """An expired token leads to one renewal, however many files meet it; each of these files is sent again."""
    files = wheels(4)
    together = Together(4, answer=EXPIRED)
    world = World(lambda name, token: together(name, token) if token == "t1" else STORED)
    world.run(files, sample=NEW)

    assert (2, ["uploaded"] * 4) == (world.minted, world.results())
    assert sorted([*((name, "t1") for name in names(files)), *((name, "t2") for name in names(files))]) == sorted(
        world.tokens
    )


def test_a_token_that_expires_again() -> None:
    """A second rejection for the same reason is an error."""
    world = World(lambda *_: EXPIRED, at_once=1)
    error = world.stopped(UploadError, wheels(2))

    assert ("token-expired", 2, ["failed", "not tried"]) == (error.message.code, world.minted, world.results())


def test_a_token_that_cannot_be_renewed() -> None:
    """If the CI gives each job a single identity token, an expired upload token ends the run."""
    files = wheels(2)
    world = World(lambda name, _: EXPIRED if name == files[1].filename else STORED, renewable=False)
    world.stopped(UploadError, files)

    assert (1, ["uploaded", "failed"]) == (world.minted, world.results())


@pytest.mark.parametrize(
    ("mint", "kind"),
    [
        pytest.param([None, Answer(403)], ExchangeError, id="refused"),
        pytest.param([None, *[Answer(fault="no reply")] * 4], NetworkError, id="no reply"),
    ],
)
def test_a_renewal_that_fails(mint: list[Answer | None], kind: type[TrustedPublishError]) -> None:
    """The error of the renewal is reported, once; the rejected files are not on the index."""
    files = wheels(3)
    together = Together(3, answer=EXPIRED)
    world = World(together, mint=mint, at_once=3)
    with pytest.raises(TrustedPublishError) as raised:
        world.run(files, sample=NEW)

    assert ["failed"] * 3 == world.results()
    assert {kind} == {type(one.error) for one in world.done.outcomes.values()}
    assert 1 == len(raised.value.codes)
    assert len(mint) == world.minted


def test_single_use_tokens() -> None:
    """If upload tokens are single-use, each file gets its own, also from several threads."""
    files = wheels(5)
    world = World(single_use=True)
    world.run(files)

    assert (5, [f"t{number}" for number in range(1, 6)]) == (world.minted, sorted(token for _, token in world.tokens))


def test_a_single_use_token_that_expires() -> None:
    """The token that replaces an expired one is used for that file alone."""
    files = wheels(3)
    world = World(lambda _, token: EXPIRED if token == "t1" else STORED, single_use=True, at_once=1)
    world.run(files)

    assert ["uploaded"] * 3 == world.results()
    assert [(name, f"t{number}") for name, number in zip(names([files[0], *files]), (1, 2, 3, 4), strict=True)] == (
        world.tokens
    )


class Ending(Exchange):
    """A token that is about to expire."""

    def seconds_left(self) -> float:
        return 0.0


class Lasting(Exchange):
    """A token that does not expire soon."""

    def seconds_left(self) -> float:
        return 900.0


class Large(Kept):
    """A file that would take very long to upload, and is not read."""

    @property
    def size(self) -> int:
        return 10**15


def test_a_token_that_expires_too_early() -> None:
    """If no other token is available, the run warns once, as early as possible, that time will run out."""
    first, *rest = wheels(4)
    world = World(renewable=False, exchange=Ending, at_once=1)
    world.run([with_content(first, Kept(bytes(PACE))), *rest])

    assert [Message("token-ends-early", minutes=0, left=0)] == world.events.warnings


@pytest.mark.parametrize(
    ("count", "exchange", "renewable"),
    [
        pytest.param(4, Lasting, False, id="time enough"),
        pytest.param(4, Lasting, True, id="another token is available"),
        pytest.param(1, Ending, False, id="no file is left"),
    ],
)
def test_a_token_that_lasts(count: int, exchange: type[Exchange], renewable: bool) -> None:
    """If time suffices, or a new token is available, there is no warning."""
    world = World(renewable=renewable, exchange=exchange)
    world.run(wheels(count))

    assert [] == world.events.warnings


def test_the_rest_is_measured() -> None:
    """The time left is compared with what the rest needs at the rate so far."""
    first, second = wheels(2)
    files = [with_content(first, Kept(bytes(PACE))), with_content(second, Large(b""))]

    class Stopped(Recorder):
        def warn(self, message: Message) -> None:
            super().warn(message)
            raise KeyboardInterrupt

    world = World(renewable=False, exchange=Lasting)
    world.events = Stopped()
    with pytest.raises(KeyboardInterrupt):
        world.run(files)

    assert [("token-ends-early", 15)] == [(one.code, one.facts["left"]) for one in world.events.warnings]


def test_small_files_give_no_rate() -> None:
    """A few bytes take as long as a reply: no rate is derived from them."""
    world = World(renewable=False, exchange=Ending, at_once=1)
    world.run(wheels(4))

    assert [] == world.events.warnings


def test_failures_are_not_measured() -> None:
    """No rate is known before a file was uploaded."""
    files = [*wheels(1), with_content(wheels(2)[1], Large(b""))]
    world = World(lambda *_: FORBIDDEN, renewable=False, exchange=Lasting)
    world.stopped(UploadError, files)

    assert [] == world.events.warnings


# Everything together


@given(
    st.lists(st.sampled_from([STORED, STORED, REFUSED, FORBIDDEN, EXPIRED, Answer(502)]), max_size=8),
    st.integers(1, 4),
    st.booleans(),
)
@hypothesis_settings(deadline=None, max_examples=25)
def test_any_answers(answers: list[Answer], concurrency: int, renewable: bool) -> None:
    """Whatever the answers: the run's account matches the index, and an error names what is missing."""
    files = wheels(len(answers))
    fate = dict(zip(names(files), answers, strict=True))
    stored: set[str] = set()

    def upload(name: str, _: str) -> Answer:
        if fate[name] is STORED:
            with world.lock:
                stored.add(name)
        return fate[name]

    world = World(upload, at_once=concurrency, renewable=renewable)
    error = None
    with stamina.set_testing(True, attempts=9, cap=True):
        try:
            world.run(files)
        except TrustedPublishError as failure:
            error = failure
    outcomes = {one.distribution.filename: one.result for one in world.done.outcomes.values()}

    assert stored == {name for name, result in outcomes.items() if result == "uploaded"}
    assert {*world.arrived()} == {name for name, result in outcomes.items() if result != "not tried"}
    assert (error is None) == (len(stored) == len(files))
    assert {"uploaded", "failed", "unknown", "not tried"} >= set(outcomes.values())
    assert {name for name, result in outcomes.items() if result == "unknown"} <= {
        name for name, answer in fate.items() if answer.status == 502
    }


def test_secrets_are_in_no_outcome() -> None:
    """If the index repeats the token in its rejections, the token is not in the outcomes."""
    world = World(lambda _, token: Answer(403, f"bad {token}-sesame".encode(), "text/plain"))
    error = world.stopped(UploadError, wheels(1))

    assert "bad ***-sesame" in str(error)
