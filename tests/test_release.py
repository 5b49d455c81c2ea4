from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.signing import Signing
from hatch_trusted_publish.errors import (
    ExchangeError,
    IndexReadError,
    Message,
    NetworkError,
    PlanError,
    TrustedPublishError,
    UploadError,
)
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity.ambient import Ambient
from hatch_trusted_publish.identity.publishers import publishing_as
from hatch_trusted_publish.index.endpoints import Index, Repository, find_index
from hatch_trusted_publish.release import release
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.job import Job
from hatch_trusted_publish.upload.outcome import Run
from hatch_trusted_publish.versions.project import Project
from tests.support.events import Recorder
from tests.support.helpers import core_metadata, make_sdist, make_wheel
from tests.support.scripted import Answer, Asked, Scripted

DISCOVERY = "GET /.well-known/pytp?discover=%2Flegacy%2F"
LISTING, OTHER_LISTING = "GET /simple/sample/", "GET /simple/other/"
AUDIENCE, MINT, BURN = "GET /_/oidc/audience", "POST /_/oidc/mint-token", "POST /_/oidc/burn-token"
UPLOAD = "POST /legacy/"
TERMS = [DISCOVERY, AUDIENCE]
PY2 = "sample-1.0-py2-none-any.whl"
WHEEL, SDIST = "sample-1.0-py3-none-any.whl", "sample-1.0.tar.gz"
STORED = Answer.of({"code": "200 OK"})
REFUSED = Answer.of({"code": "400 No."}, 400)
FORBIDDEN = Answer.of({"code": "403 No."}, 403)
EXISTS = Answer.of({"code": "400 File already exists ('x', with blake2_256 hash 'y'). See z."}, 400)

pytestmark = pytest.mark.usefixtures("quiet")


def _identity_token(audience: str) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"aud": audience}).encode()).decode().rstrip("=")
    return f"e30.{claims}.x"


class World:
    """An index with a script, a CI, and two files to release."""

    def __init__(self, directory: Path, script: dict[str, Answer | list[Answer]]) -> None:
        self.script = {
            AUDIENCE: Answer.of({"audience": "127.0.0.1"}),
            MINT: Answer.of({"token": "pypi-token"}),
            UPLOAD: STORED,
            **script,
        }
        self.files = [_read(make_sdist(directory)), _read(make_wheel(directory))]
        self.settings = Settings(Repository("own", ""), concurrency=1, attestations=False)
        self.project = Project()
        self.events = Recorder()
        self.done = Run()
        self.ambient = Ambient("Some CI", _identity_token)
        self.ambients = 0
        self.timeout = 20.0
        self.name = "own"
        self.listed = True
        self.pypi_rules = False
        self.tokens: Path | None = None

    def _ambient(self) -> Ambient:
        self.ambients += 1
        return self.ambient

    def run(self, server: Scripted) -> None:
        """Run the release against *server*."""
        index = find_index(Repository("own", f"{server.url}/legacy/"))
        index = replace(index, name=self.name, listed=self.listed, pypi_rules=self.pypi_rules)
        with Client(self.settings.repository.certificates, self.timeout, "tests/1.0", self.events.note) as client:
            self.index: Index = index
            job = Job(self.settings, index, client, self.events, self.done)
            try:
                release(job, self.files, self.project, self._ambient, tokens=self.tokens)
            finally:
                # A run does not wait for its threads; the server and the connections end here.
                for thread in threading.enumerate():
                    if "(run)" in thread.name:
                        thread.join(30)

    def released(self) -> list[str]:
        """Return the requests to the index in a run that succeeds."""
        with Scripted(self.script) as server:
            self.run(server)
        return in_order(server.lines)

    def stopped(self, kind: type[TrustedPublishError]) -> tuple[TrustedPublishError, list[str]]:
        """Return the error that ends the run, and the requests to the index before it."""
        with Scripted(self.script) as server, pytest.raises(kind) as raised:
            self.run(server)
        return raised.value, in_order(server.lines)

    def reported(self) -> tuple[list[Result], list[str], list[tuple[str, Result]]]:
        """Return the reports: the plan, the start of each masked token, and the outcome of each file."""
        planned = [one.result for plan in self.events.plans for one in plan.outcomes]
        return planned, [secret[:4] for secret in self.events.masked], self.events.results

    def results(self) -> dict[str, Result]:
        """Return the outcome of each file, as the run reports it."""
        return {one.distribution.filename: one.result for one in self.done.outcomes.values()}


def in_order(lines: Sequence[str]) -> list[str]:
    """Return the requests of a run: parallel ones in a fixed order, the others as they arrived.

    A run that makes only these may or may not request the terms of the exchange: they are left out.
    """
    parallel = [line for line in dict.fromkeys((LISTING, OTHER_LISTING, *TERMS)) if line in lines]
    rest = [line for place, line in enumerate(lines) if line not in parallel or line in lines[:place]]
    if MINT not in rest:
        parallel = [line for line in parallel if line not in TERMS]
    else:
        assert max(map(lines.index, parallel)) < lines.index(MINT)
    return [*parallel, *rest]


def _read(path: Path) -> Distribution:
    return Distribution.read(path, f"dist/{path.name}")


def _listed(**files: str | None) -> Answer:
    names = {"wheel": WHEEL, "sdist": SDIST, "elsewhere": "sample-0.9.tar.gz"}
    listed = [
        {"filename": names[name], "hashes": {} if digest is None else {"sha256": digest}}
        for name, digest in files.items()
    ]
    return Answer.of({"files": listed}, media_type="application/vnd.pypi.simple.v1+json")


def test_a_release(tmp_path: Path) -> None:
    """The index is read, the identity exchanged, the wheel and then the sdist uploaded, the token burned: no more."""
    world = World(tmp_path, {})

    lines = world.released()

    assert [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, BURN] == lines
    assert {WHEEL: "uploaded", SDIST: "uploaded"} == world.results()
    results: list[tuple[str, Result]] = [(WHEEL, "uploaded"), (SDIST, "uploaded")]
    assert (["not tried", "not tried"], ["e30.", "pypi"], results) == world.reported()


def test_a_doubt(tmp_path: Path) -> None:
    """A file that PyPI may reject is uploaded, with a warning."""
    world = World(tmp_path, {})
    world.pypi_rules = True
    world.files = [_read(make_wheel(tmp_path, tag="py3-none-macosx_27_0_arm64"))]

    world.released()

    assert ["may-be-rejected"] == [one.code for one in world.events.warnings]
    assert ["uploaded"] == [*world.results().values()]


def test_a_job_that_is_not_the_publisher(tmp_path: Path) -> None:
    """The identity is masked, and not sent; nothing is uploaded, and there is nothing to burn."""
    world = World(tmp_path, {})
    world.settings = replace(world.settings, publisher={"provider": "github", "owner": "octo-org"})

    error, lines = world.stopped(ExchangeError)

    assert "publisher-mismatch" == error.message.code
    assert {MINT, UPLOAD, BURN}.isdisjoint(lines)
    assert (["not tried", "not tried"], ["e30."], []) == world.reported()


def test_a_publisher_is_not_compared_in_a_rehearsal(tmp_path: Path) -> None:
    """A rehearsal has its own publisher."""
    world = World(tmp_path, {})
    world.name = "rehearsal"
    world.settings = replace(world.settings, publisher={"provider": "github", "owner": "octo-org"})

    assert [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, BURN] == world.released()


def test_what_is_uploaded(tmp_path: Path) -> None:
    """Each upload has the bytes of its file, and the minted token."""
    world = World(tmp_path, {})
    with Scripted(world.script) as server:
        world.run(server)

    sdist, wheel = world.files
    uploads = [asked for asked in server.asked if asked.line == UPLOAD]
    assert [True, True] == [
        one.path.read_bytes() in upload.body for one, upload in zip([wheel, sdist], uploads, strict=True)
    ]
    credentials = f"Basic {base64.b64encode(b'__token__:pypi-token').decode()}"
    assert [credentials] * 2 == [upload.headers["authorization"] for upload in uploads]


def test_each_project_is_asked_for_once(tmp_path: Path) -> None:
    """Files of several projects need one request per project."""
    world = World(tmp_path, {})
    other = make_wheel(tmp_path, "other", metadata=core_metadata("other"))
    world.files.append(_read(other))
    world.settings = replace(world.settings, several=True)

    assert [LISTING, OTHER_LISTING, *TERMS, MINT, *[UPLOAD] * 3, BURN] == world.released()


def test_problems_come_before_the_first_request(tmp_path: Path) -> None:
    """A problem with the files is reported before the first request."""
    world = World(tmp_path, {})
    world.files = [_read(make_wheel(tmp_path, version="1.0+local"))]

    error, lines = world.stopped(PlanError)

    assert ("local-version",) == error.codes
    assert ([], Recorder(), 0, {}) == (lines, world.events, world.ambients, world.results())


@pytest.mark.parametrize("status", [301, 410, 418])
def test_an_index_that_cannot_be_read(status: int, tmp_path: Path) -> None:
    """The index's files are unknown: no identity is requested."""
    world = World(tmp_path, {LISTING: Answer(status)})

    _, lines = world.stopped(IndexReadError)

    assert ([LISTING], 0) == (lines, world.ambients)


def test_a_project_without_files(tmp_path: Path) -> None:
    """An existing project without files, as minting leaves it, accepts uploads."""
    world = World(tmp_path, {LISTING: _listed(elsewhere="ab")})

    assert [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, BURN] == world.released()


# Files that the index already has


def test_a_run_is_repeated(tmp_path: Path) -> None:
    """Files that an earlier run uploaded are not sent again."""
    world = World(tmp_path, {})
    world.script[LISTING] = _listed(wheel=world.files[1].sha256.upper())

    lines = world.released()

    assert [LISTING, *TERMS, MINT, UPLOAD, BURN] == lines
    assert {WHEEL: "there", SDIST: "uploaded"} == world.results()
    assert [(SDIST, "uploaded")] == world.events.results


def test_nothing_is_left(tmp_path: Path) -> None:
    """If the index has every file, no identity is requested, and nothing is minted."""
    world = World(tmp_path, {})
    world.script[LISTING] = _listed(wheel=world.files[1].sha256, sdist=world.files[0].sha256)

    assert ([LISTING], 0) == (world.released(), world.ambients)
    assert {WHEEL: "there", SDIST: "there"} == world.results()
    assert (["there", "there"], [], []) == world.reported()


def test_other_bytes_are_there(tmp_path: Path) -> None:
    """Another file under the same name ends the run before anything is sent."""
    world = World(tmp_path, {LISTING: _listed(wheel="00" * 32)})

    error, lines = world.stopped(PlanError)

    assert ("different-bytes",) == error.codes
    assert ([LISTING], 0, {}) == (lines, world.ambients, world.results())


def test_other_bytes_are_left(tmp_path: Path) -> None:
    """With `existing = "skip"` they stay, and the rest is released."""
    world = World(tmp_path, {LISTING: _listed(wheel="00" * 32)})
    world.settings = replace(world.settings, existing="skip")

    assert [LISTING, *TERMS, MINT, UPLOAD, BURN] == world.released()
    assert {WHEEL: "differs", SDIST: "uploaded"} == world.results()


def test_until_the_index_lists_it(tmp_path: Path) -> None:
    """With `wait` the run ends when the index lists the uploaded files; the token is already burned."""
    world = World(tmp_path, {})
    world.settings = replace(world.settings, wait=600.0)
    sdist, wheel = world.files
    world.script[LISTING] = [Answer(404), _listed(wheel=wheel.sha256, sdist=sdist.sha256)]

    with Scripted(world.script) as server:
        world.run(server)

    assert [UPLOAD, UPLOAD, BURN, LISTING] == server.lines[-4:]
    assert {WHEEL: "uploaded", SDIST: "uploaded"} == world.results()


def test_a_name_that_is_taken_and_not_listed(tmp_path: Path) -> None:
    """With `wait`, the run waits for an index that has a file and does not list it yet."""
    world = World(tmp_path, {UPLOAD: EXISTS})
    world.settings = replace(world.settings, wait=600.0)
    sdist, wheel = world.files
    listed = _listed(wheel=wheel.sha256, sdist=sdist.sha256)
    world.script[LISTING] = [Answer(404), Answer(404), Answer(404), listed]

    assert LISTING in world.released()
    assert {WHEEL: "there", SDIST: "there"} == world.results()
    assert [(WHEEL, "there"), (SDIST, "there")] == world.events.results[-2:]


# Dry runs


def test_dry_run(tmp_path: Path) -> None:
    """A dry run only reads the index."""
    world = World(tmp_path, {})
    world.settings = replace(world.settings, dry_run="yes")

    assert ([LISTING], 0) == (world.released(), world.ambients)
    assert {WHEEL: "not tried", SDIST: "not tried"} == world.results()
    assert (["not tried", "not tried"], [], []) == world.reported()


@pytest.mark.parametrize("left", [True, False])
def test_dry_run_mint(left: bool, tmp_path: Path) -> None:
    """With `mint` the identity is exchanged and the token burned, even if there is nothing to upload."""
    world = World(tmp_path, {LISTING: _listed()})
    if not left:
        world.script[LISTING] = _listed(wheel=world.files[1].sha256, sdist=world.files[0].sha256)
    world.settings = replace(world.settings, dry_run="mint")

    assert [LISTING, *TERMS, MINT, BURN] == world.released()
    assert dict.fromkeys([WHEEL, SDIST], "not tried" if left else "there") == world.results()
    assert ["e30.", "pypi"] == [secret[:4] for secret in world.events.masked]


def test_dry_run_mint_of_a_new_project(tmp_path: Path) -> None:
    """A pending publisher creates the project, or the identity is accepted for another project."""
    world = World(tmp_path, {LISTING: [Answer(404), _listed()]})
    world.settings = replace(world.settings, dry_run="mint")
    assert [LISTING, *TERMS, MINT, LISTING, BURN] == world.released()

    world.script[LISTING] = Answer(404)
    error, lines = world.stopped(ExchangeError)
    expected = Message("accepted-for-another-project", projects=["sample"], index="own")
    assert (expected, [LISTING, *TERMS, MINT, LISTING, BURN]) == (error.message, lines)


def test_who_publishes(tmp_path: Path) -> None:
    """The log names the publisher."""
    world = World(tmp_path, {})
    world.released()

    assert [publishing_as({"aud": "127.0.0.1"})] == world.events.notes


# Failures


def test_a_refusal_of_one_file(tmp_path: Path) -> None:
    """After the rejection of one file the others are sent, the token is burned, and the report is true."""
    world = World(tmp_path, {UPLOAD: [STORED, REFUSED, STORED]})
    world.files.append(_read(make_wheel(tmp_path, tag="py2-none-any")))

    error, lines = world.stopped(UploadError)

    assert ("file-refused", [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, UPLOAD, BURN]) == (error.message.code, lines)
    assert {PY2: "uploaded", WHEEL: "failed", SDIST: "uploaded"} == world.results()
    assert [None, error, None] == [one.error for one in world.done.outcomes.values()]
    assert [(PY2, "uploaded"), (WHEEL, "failed"), (SDIST, "uploaded")] == world.events.results


def test_a_refusal_of_the_project(tmp_path: Path) -> None:
    """After a rejection that holds for all files nothing more is sent, the token is burned, and the report is true."""
    world = World(tmp_path, {UPLOAD: [STORED, FORBIDDEN, STORED]})
    world.files.append(_read(make_wheel(tmp_path, tag="py2-none-any")))

    error, lines = world.stopped(UploadError)

    assert ("upload-forbidden", [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, BURN]) == (error.message.code, lines)
    assert {PY2: "uploaded", WHEEL: "failed", SDIST: "not tried"} == world.results()
    assert [None, error, None] == [one.error for one in world.done.outcomes.values()]
    assert [(PY2, "uploaded"), (WHEEL, "failed")] == world.events.results


@pytest.mark.parametrize("renewable", [True, False])
def test_a_refusal_where_the_identity_is_spent(renewable: bool, tmp_path: Path) -> None:
    """In a job with one identity token, the message says that running the command again is not enough."""
    world = World(tmp_path, {UPLOAD: FORBIDDEN})
    world.ambient = replace(world.ambient, renewable=renewable)

    error, _ = world.stopped(UploadError)

    expected = [] if renewable else [str(Message("command-is-job", ci="Some CI"))]
    assert expected == getattr(error, "__notes__", [])


def test_a_network_failure_stops(tmp_path: Path) -> None:
    """If every try of an upload is cut, its outcome is unknown; no other upload starts."""
    world = World(tmp_path, {UPLOAD: Answer(fault="no reply")})

    _, lines = world.stopped(NetworkError)

    assert [LISTING, *TERMS, MINT, *[UPLOAD] * 5, BURN] == lines
    assert {WHEEL: "unknown", SDIST: "not tried"} == world.results()


def test_a_refused_identity(tmp_path: Path) -> None:
    """If nothing is minted, no file was tried and there is nothing to burn."""
    world = World(tmp_path, {MINT: Answer(403)})

    _, lines = world.stopped(ExchangeError)

    assert [LISTING, *TERMS, MINT] == lines
    assert {WHEEL: "not tried", SDIST: "not tried"} == world.results()
    assert (["not tried", "not tried"], ["e30."], []) == world.reported()


def test_a_file_that_changes(tmp_path: Path) -> None:
    """A file that has changed is not uploaded, and the run ends."""
    world = World(tmp_path, {})
    world.files[0].path.write_bytes(b"other")

    error, _ = world.stopped(TrustedPublishError)

    assert "file-changed" == error.message.code
    assert {WHEEL: "uploaded", SDIST: "failed"} == world.results()


def test_an_interruption_is_not_a_success(tmp_path: Path) -> None:
    """A stopped run reports what is uploaded and what is unknown; the token is burned, in one try."""
    world = World(tmp_path, {BURN: Answer(503)})
    world.settings = replace(world.settings, concurrency=2)
    world.files.append(_read(make_wheel(tmp_path, tag="py2-none-any")))
    world.files.append(_read(make_wheel(tmp_path, tag="py4-none-any")))
    never = threading.Event()
    first, second, third = (f"sample-1.0-py{number}-none-any.whl" for number in (2, 3, 4))

    def answer(asked: Asked) -> Answer:
        if asked.line == UPLOAD and second.encode() in asked.body:
            never.wait(30)
        found = world.script.get(asked.line, Answer(404))
        assert isinstance(found, Answer)
        return found

    class Stops(Recorder):
        def ended(self, filename: str, result: Result) -> None:
            super().ended(filename, result)
            if filename == third:
                raise KeyboardInterrupt

        def warn(self, message: Message) -> None:
            # Stopping the run does not wait for an upload: this one is answered after the token is burned.
            super().warn(message)
            never.set()

    world.events = Stops()
    with Scripted(answer) as server, pytest.raises(KeyboardInterrupt):
        world.run(server)

    assert [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, BURN, UPLOAD] == in_order(server.lines)
    assert {first: "uploaded", second: "unknown", third: "uploaded", SDIST: "not tried"} == world.results()
    assert 1 == len(world.events.warnings)


def test_an_interruption_does_not_wait_for_the_burning(tmp_path: Path) -> None:
    """A token that cannot be burned in a second is left to expire: you are waiting, whatever `timeout` says."""
    world = World(tmp_path, {BURN: Answer(fault="silence")})
    world.timeout = 3600.0

    class Stops(Recorder):
        def ended(self, filename: str, result: Result) -> None:
            super().ended(filename, result)
            raise KeyboardInterrupt

    world.events = Stops()
    with Scripted(world.script) as server, pytest.raises(KeyboardInterrupt):
        world.run(server)

    assert 1 == len(world.events.warnings)
    assert {WHEEL: "uploaded", SDIST: "not tried"} == world.results()


def test_an_interruption_before_the_token(tmp_path: Path) -> None:
    """A run that is stopped while it requests the identity has sent nothing, and has nothing to burn."""
    world = World(tmp_path, {})

    def fetch(_: str) -> str:
        raise KeyboardInterrupt

    world.ambient = Ambient("Some CI", fetch)
    with Scripted(world.script) as server, pytest.raises(KeyboardInterrupt):
        world.run(server)

    assert [] == [line for line in server.lines if line in {MINT, UPLOAD, BURN}]
    assert {WHEEL: "not tried", SDIST: "not tried"} == world.results()


def test_single_use_tokens(tmp_path: Path) -> None:
    """An index with single-use tokens issues one for each file."""
    world = World(tmp_path, {MINT: [Answer.of({"token": "one"}), Answer.of({"token": "two"})]})
    with Scripted(world.script) as server:
        found = {
            "audience-endpoint": f"{server.url}/_/oidc/audience",
            "token-mint-endpoint": f"{server.url}/_/oidc/mint-token",
            "features": ["single-use-token"],
        }
        world.script[DISCOVERY] = Answer.of(found)
        world.run(server)

    assert [LISTING, *TERMS, MINT, UPLOAD, MINT, UPLOAD] == in_order(server.lines)
    assert ["one", "two"] == [
        base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode().removeprefix("__token__:")
        for asked in server.asked
        if asked.line == UPLOAD
    ]


@pytest.mark.parametrize("upload", [STORED, REFUSED])
def test_a_token_that_cannot_be_burned(upload: Answer, tmp_path: Path) -> None:
    """There is one warning, and the run ends as it would have otherwise."""
    world = World(tmp_path, {BURN: Answer(403), UPLOAD: upload})
    if upload is STORED:
        world.released()
    else:
        world.stopped(UploadError)

    assert 1 == len(world.events.warnings)


@pytest.mark.parametrize(
    ("dry_run", "ends"),
    [("no", [[MINT, UPLOAD, UPLOAD], [UPLOAD, UPLOAD]]), ("mint", [[MINT, BURN], [MINT, BURN]])],
)
def test_two_runs_of_a_job(dry_run: Literal["no", "mint"], ends: list[list[str]], tmp_path: Path) -> None:
    """A kept token is not burned, and the job's next run mints none; a dry run keeps nothing."""
    lines: list[list[str]] = []
    world = World(tmp_path, {LISTING: _listed()})
    world.settings = replace(world.settings, dry_run=dry_run)
    world.ambient = replace(world.ambient, renewable=False)
    world.tokens = tmp_path
    with Scripted(world.script) as server:
        for _ in ends:
            before = len(server.lines)
            world.run(server)
            lines.append([line for line in server.lines[before:] if line in {MINT, UPLOAD, BURN}])

    assert ends == lines


# A name that is taken


TAKEN = pytest.mark.parametrize("taken", [EXISTS, Answer(409)], ids=["400", "409"])


@TAKEN
@pytest.mark.parametrize("existing", ["identical", "skip", "fail"])
def test_taken_by_the_same_bytes(existing: Literal["identical", "skip", "fail"], taken: Answer, tmp_path: Path) -> None:
    """If the same bytes have the name, as after a lost reply, the file is uploaded."""
    world = World(tmp_path, {UPLOAD: [taken, STORED]})
    world.script[LISTING] = [_listed(), _listed(wheel=world.files[1].sha256)]
    world.settings = replace(world.settings, existing=existing)

    assert [LISTING, *TERMS, MINT, UPLOAD, LISTING, UPLOAD, BURN] == world.released()
    assert {WHEEL: "there", SDIST: "uploaded"} == world.results()


@TAKEN
@pytest.mark.parametrize("existing", ["identical", "fail"])
@pytest.mark.parametrize("digest", ["00" * 32, None])
def test_taken_by_other_bytes(
    digest: str | None, existing: Literal["identical", "fail"], taken: Answer, tmp_path: Path
) -> None:
    """If other or unknown bytes have the name, the upload has failed."""
    world = World(tmp_path, {UPLOAD: [taken, STORED], LISTING: [_listed(), _listed(wheel=digest)]})
    world.settings = replace(world.settings, existing=existing)

    error, lines = world.stopped(UploadError)

    assert ("no-hash" if digest is None else "different-bytes") == error.message.code
    assert [LISTING, *TERMS, MINT, UPLOAD, LISTING, UPLOAD, BURN] == lines
    assert {WHEEL: "failed", SDIST: "uploaded"} == world.results()


def test_taken_by_other_bytes_that_are_left(tmp_path: Path) -> None:
    """With `existing = "skip"` this is reported, and the next file is sent."""
    world = World(tmp_path, {UPLOAD: [EXISTS, STORED], LISTING: [_listed(), _listed(wheel="00" * 32)]})
    world.settings = replace(world.settings, existing="skip")

    assert [LISTING, *TERMS, MINT, UPLOAD, LISTING, UPLOAD, BURN] == world.released()
    assert {WHEEL: "differs", SDIST: "uploaded"} == world.results()
    problem = world.done.outcomes[WHEEL].problem
    assert isinstance(problem, Message)
    assert "existing-kept" == problem.code


@pytest.mark.parametrize("existing", ["identical", "skip", "fail"])
def test_taken_and_not_listed(existing: Literal["identical", "skip", "fail"], tmp_path: Path) -> None:
    """If the name is taken and not listed, the outcome is unknown: the file may be there."""
    world = World(tmp_path, {UPLOAD: [EXISTS, STORED]})
    world.settings = replace(world.settings, existing=existing)

    error, lines = world.stopped(UploadError)

    said = "400 File already exists ('x', with blake2_256 hash 'y'). See z"
    facts = {"file": f"dist/{WHEEL}", "index": "own", "status": 400, "said": error.message.facts["said"]}
    assert Message("taken-not-listed", **facts) == error.message
    assert error.message.facts["said"] in said
    assert [LISTING, *TERMS, MINT, UPLOAD, LISTING, UPLOAD, BURN] == lines
    assert {WHEEL: "unknown", SDIST: "uploaded"} == world.results()


@pytest.mark.parametrize(
    "reply", [Answer(202), Answer(204), Answer(200, b"<html>Log in</html>", "text/html")], ids=["202", "204", "page"]
)
@pytest.mark.parametrize("lists", ["nothing", "the file", "other bytes"])
def test_an_unclear_reply(reply: Answer, lists: str, tmp_path: Path) -> None:
    """A success reply that is not an upload's counts only if the index lists the bytes."""
    world = World(tmp_path, {UPLOAD: [reply, STORED]})
    digest = {"the file": world.files[1].sha256, "other bytes": "00" * 32}.get(lists)
    world.script[LISTING] = [_listed(), _listed(**({"wheel": digest} if digest else {}))]
    if lists == "the file":
        lines = world.released()
        assert {WHEEL: "there", SDIST: "uploaded"} == world.results()
    else:
        error, lines = world.stopped(UploadError)
        assert ("unclear-reply" if lists == "nothing" else "different-bytes") == error.message.code
        assert {WHEEL: "unknown" if lists == "nothing" else "failed", SDIST: "uploaded"} == world.results()

    assert [LISTING, *TERMS, MINT, UPLOAD, LISTING, UPLOAD, BURN] == lines


def test_the_same_bytes_under_another_name(tmp_path: Path) -> None:
    """PyPI accepts the same bytes once, and answers as if the name were taken."""
    world = World(tmp_path, {UPLOAD: [EXISTS, STORED]})
    world.script[LISTING] = [_listed(), _listed(elsewhere=world.files[1].sha256)]

    error, _ = world.stopped(UploadError)

    facts = {"file": f"dist/{WHEEL}", "index": "own", "twin": "sample-0.9.tar.gz"}
    assert Message("same-bytes", **facts) == error.message


def test_a_reply_that_was_lost(tmp_path: Path) -> None:
    """If the index stored the file, lost its reply, and rejects the retry, the file is uploaded."""
    world = World(tmp_path, {})
    stored: set[str] = set()

    def answer(asked: Asked) -> Answer:
        wheel = world.files[1]
        if asked.line == LISTING:
            return _listed(**{"wheel": wheel.sha256} if stored else {})
        if asked.line == UPLOAD and wheel.path.read_bytes() in asked.body:
            if stored:
                return Answer(409)
            stored.add(hashlib.sha256(asked.body).hexdigest())
            return Answer(fault="no reply")
        found = world.script.get(asked.line, Answer(404))
        assert isinstance(found, Answer)
        return found

    with Scripted(answer) as server:
        world.run(server)

    assert [LISTING, *TERMS, MINT, UPLOAD, UPLOAD, LISTING, UPLOAD, BURN] == in_order(server.lines)
    assert {WHEEL: "there", SDIST: "uploaded"} == world.results()


# Parallel requests


def test_the_index_is_read_in_parallel(tmp_path: Path) -> None:
    """The index's files and the terms of the exchange are requested in parallel."""
    world = World(tmp_path, {})
    two = threading.Barrier(2)

    def answer(asked: Asked) -> Answer:
        if asked.line in {LISTING, DISCOVERY}:
            two.wait(30)
        found = world.script.get(asked.line, Answer(404))
        assert isinstance(found, Answer)
        return found

    with Scripted(answer) as server:
        world.run(server)

    assert {"uploaded"} == set(world.results().values())


@pytest.mark.parametrize("fault", [Answer(403), Answer(fault="no reply")])
def test_terms_that_are_not_needed(fault: Answer, tmp_path: Path) -> None:
    """If the index has every file, a failing exchange is not an error, and its retries are not reported."""
    world = World(tmp_path, {DISCOVERY: fault, AUDIENCE: fault})
    world.script[LISTING] = _listed(wheel=world.files[1].sha256, sdist=world.files[0].sha256)
    lines = world.released()

    assert ([LISTING], 0) == ([line for line in lines if line not in TERMS], world.ambients)
    assert {WHEEL: "there", SDIST: "there"} == world.results()
    assert [] == world.events.notes


def test_terms_that_cannot_be_read(tmp_path: Path) -> None:
    """If there is a file to upload, this is the error, and no identity token is requested."""
    world = World(tmp_path, {AUDIENCE: Answer(404)})
    fetched: list[str] = []
    world.ambient = Ambient("Some CI", lambda audience: fetched.append(audience) or _identity_token(audience))  # type: ignore[func-returns-value]

    _, lines = world.stopped(ExchangeError)

    assert ([LISTING], []) == (lines, fetched)


def test_uploads_at_once(tmp_path: Path) -> None:
    """After the first file of a new release, 2 and then 4 are in flight, if `concurrency` allows it."""
    world = World(tmp_path, {})
    world.files += [_read(make_wheel(tmp_path, tag=f"cp3{number}-none-any")) for number in range(5)]
    world.settings = replace(world.settings, concurrency=4)
    count, lock = iter(range(7)), threading.Lock()
    two, four = threading.Barrier(2), threading.Barrier(4)

    def answer(asked: Asked) -> Answer:
        if asked.line == UPLOAD:
            with lock:
                number = next(count)
            (two if number in {1, 2} else four).wait(30) if number else None
        found = world.script.get(asked.line, Answer(404))
        assert isinstance(found, Answer)
        return found

    with Scripted(answer) as server:
        world.run(server)

    assert {"uploaded"} == set(world.results().values())
    assert [LISTING, *TERMS, MINT, *[UPLOAD] * 7, BURN] == in_order(server.lines)


def test_a_file_that_may_be_there(tmp_path: Path) -> None:
    """If nothing can be compared, a file whose first reply was lost may be on the index."""
    world = World(tmp_path, {UPLOAD: [Answer(fault="no reply"), Answer(409), STORED]})
    world.listed = False
    world.stopped(UploadError)

    assert {WHEEL: "unknown", SDIST: "uploaded"} == world.results()


def test_a_taken_name_that_is_skipped(tmp_path: Path) -> None:
    """With `existing = "skip"` any file of this name is accepted."""
    world = World(tmp_path, {UPLOAD: [Answer(409), STORED]})
    world.listed = False
    world.settings = replace(world.settings, existing="skip")

    assert [*TERMS, MINT, UPLOAD, UPLOAD, BURN] == world.released()
    assert {WHEEL: "differs", SDIST: "uploaded"} == world.results()


# Provenance


PROVENANCE = "GET /integrity/sample-0.9.tar.gz"


@pytest.mark.parametrize("dry_run", ["no", "mint"])
def test_provenance_is_not_lost_silently(tmp_path: Path, dry_run: Literal["no", "mint"]) -> None:
    """If the newest release had attestations and this run uploads without, a warning names it."""
    files = [{"filename": "sample-0.9.tar.gz", "hashes": {}, "provenance": "/integrity/sample-0.9.tar.gz"}]
    world = World(tmp_path, {LISTING: Answer.of({"files": files})})
    world.settings = replace(world.settings, dry_run=dry_run)

    assert PROVENANCE in world.released()
    lost = [("provenance-lost", "0.9", [f"dist/{WHEEL}", f"dist/{SDIST}"])]
    found = [(one.code, str(one.facts["version"]), one.facts["files"]) for one in world.events.warnings]
    assert (lost if dry_run == "no" else []) == found


@pytest.mark.parametrize("said", ["Invalid attestations supplied during upload: no.", "No."])
def test_attestations_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    """Attestations that this run signed are discarded if the index rejects them, and only then."""
    discarded: list[str] = []
    monkeypatch.setattr(Signing, "discard", lambda _: discarded.append(said))
    world = World(tmp_path, {UPLOAD: Answer.of({"code": f"400 {said}"}, 400)})

    world.stopped(UploadError)

    assert ([said] if said.startswith("Invalid") else []) == discarded


# An index that lists its files only for an upload token


def _asks_who(listing: Answer) -> Callable[[Asked], Answer]:
    """Return an index that answers 401 to requests without the upload token."""
    token = base64.b64encode(b"__token__:pypi-token").decode()
    script = {
        DISCOVERY: Answer(404),
        AUDIENCE: Answer.of({"audience": "127.0.0.1"}),
        MINT: Answer.of({"token": "pypi-token"}),
        UPLOAD: STORED,
    }

    def answer(asked: Asked) -> Answer:
        if asked.line == LISTING:
            return listing if asked.headers.get("authorization") == f"Basic {token}" else Answer(401)
        return script.get(asked.line, Answer(404))

    return answer


@pytest.mark.parametrize("waits", [0, 5])
def test_reading_with_the_upload_token(tmp_path: Path, waits: int) -> None:
    """The identity is exchanged first; then the list is read, and compared before anything is uploaded."""
    world = World(tmp_path, {})
    world.settings = replace(world.settings, wait=waits)
    wheel, sdist = world.files[1], world.files[0]
    listing = _listed(sdist=sdist.sha256, wheel=wheel.sha256) if waits else _listed(sdist=sdist.sha256)
    with Scripted(_asks_who(listing)) as server:
        world.run(server)

    uploads = 0 if waits else 1
    lines = [line for line in server.lines if line not in TERMS]
    assert [LISTING, MINT, LISTING, *[UPLOAD] * uploads, BURN] == lines
    assert {SDIST: "there", WHEEL: "there" if waits else "uploaded"} == world.results()
    assert Message("reading-with-token", index="own") in world.events.notes


def test_waiting_with_the_upload_token(tmp_path: Path) -> None:
    """The run waits for the list before it burns the token that the list requires."""
    world = World(tmp_path, {})
    world.settings = replace(world.settings, wait=5)
    answers = iter([_listed(), _listed(sdist=world.files[0].sha256, wheel=world.files[1].sha256)])
    answer = _asks_who(Answer(500))
    with Scripted(
        lambda asked: next(answers) if asked.line == LISTING and "authorization" in asked.headers else answer(asked)
    ) as server:
        world.run(server)

    assert [MINT, LISTING, UPLOAD, UPLOAD, LISTING, BURN] == server.lines[server.lines.index(MINT) :]
    assert {SDIST: "uploaded", WHEEL: "uploaded"} == world.results()


@pytest.mark.parametrize(
    ("dry_run", "listing", "code"),
    [("no", Answer(403), "listing-forbidden"), ("yes", _listed(), "listing-needs-token")],
)
def test_an_index_that_does_not_allow_reading(
    tmp_path: Path, dry_run: Literal["no", "yes"], listing: Answer, code: str
) -> None:
    """If the token is not sufficient, or a dry run mints none, nothing is uploaded."""
    world = World(tmp_path, {})
    world.settings = replace(world.settings, dry_run=dry_run)
    with Scripted(_asks_who(listing)) as server, pytest.raises(IndexReadError) as caught:
        world.run(server)

    assert code == caught.value.message.code
    assert (UPLOAD not in server.lines, dry_run == "yes") == (True, MINT not in server.lines)


def test_an_index_that_is_not_asked(tmp_path: Path) -> None:
    """With ``listing = "none"`` the index's list is not requested, and the log says that nothing was compared."""
    world = World(tmp_path, {LISTING: Answer(500)})
    world.listed = False
    lines = world.released()

    assert [*TERMS, MINT, UPLOAD, UPLOAD, BURN] == lines
    assert Message("not-compared", index="own") in world.events.warnings
