from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Literal

import pytest
import stamina

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.files import Attestations
from hatch_trusted_publish.errors import IndexReadError, TrustedPublishError, UploadError
from hatch_trusted_publish.http.client import Certificates, Client
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.upload.outcome import Outcome, Run
from hatch_trusted_publish.upload.wait import until_listed
from tests.support.helpers import a_distribution
from tests.support.scripted import Answer, Scripted

WHEEL, SDIST = a_distribution("sample-1.0-py3-none-any.whl"), a_distribution("sample-1.0.tar.gz")
OTHER = a_distribution("other-1.0.tar.gz")
PAGE, OTHER_PAGE = "GET /simple/sample/", "GET /simple/other/"
NOTHING = Answer(404)
LONG = 3600.0
AGAIN = "Run the same command again to wait on."


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy, and no waiting between tries."""
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


def page(*files: tuple[str, str | None]) -> Answer:
    """The simple API's, with a name and a hash each."""
    listed = [{"filename": name, "hashes": {"sha256": held}, "url": f"/f/{name}"} for name, held in files]
    return Answer.of({"files": listed})


HAS_WHEEL = page((WHEEL.filename, WHEEL.sha256))
HAS_BOTH = page((WHEEL.filename, WHEEL.sha256), (SDIST.filename, SDIST.sha256))


class World:
    """What a run has sent, and what it is told while it waits."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.done = Run(outcomes={outcome.distribution.filename: outcome for outcome in outcomes})
        self.told: list[str] = []
        self.pauses: list[float] = []
        self.attestations: Attestations = {}

    def end(self, outcome: Outcome) -> None:
        self.told.append(f"{outcome.distribution.filename}: {outcome.result}")

    def say(self, text: str) -> None:
        self.told.append(text)

    def waits(self, script: dict[str, Answer | Sequence[Answer]], seconds: float = LONG) -> list[str]:
        """Wait for an index with this script; what it was asked."""
        with Scripted(script) as server, Client(Certificates(), 20.0, "tests/1.0") as client:
            index = Index("own", f"{server.url}/legacy/", f"{server.url}/simple/")
            until_listed(index, client, seconds, self, self.done, self.attestations, self.pauses.append)
            self.headers = [asked.headers.get("cache-control") for asked in server.asked]
            self.url = server.url
        return server.lines

    def gives_up(
        self,
        script: dict[str, Answer | Sequence[Answer]],
        seconds: float = 0.0,
        kind: type[TrustedPublishError] = IndexReadError,
    ) -> str:
        """The same, to an end that is none."""
        with pytest.raises(kind) as raised:
            self.waits(script, seconds)
        return str(raised.value)

    def results(self) -> list[tuple[str, str | None]]:
        return [(one.result, one.url) for one in self.done.outcomes.values()]


def uploaded(
    distribution: Distribution = WHEEL, result: Literal["uploaded", "unknown", "there"] = "uploaded"
) -> Outcome:
    return Outcome(distribution, result)


def test_listed_at_once() -> None:
    """One look is enough where the index lists what it has, and nothing is said of it."""
    world = World(uploaded(WHEEL), uploaded(SDIST))

    assert [PAGE] == world.waits({PAGE: HAS_BOTH})
    assert ([], []) == (world.told, world.pauses)
    assert [("uploaded", f"{world.url}/f/{one.filename}") for one in (WHEEL, SDIST)] == world.results()
    assert ["no-cache"] == world.headers


def test_listed_later() -> None:
    """The index is asked again, after longer and longer, until the last file is there; only for projects that lack one."""
    world = World(uploaded(WHEEL), uploaded(SDIST), uploaded(OTHER))
    script: dict[str, Answer | Sequence[Answer]] = {
        PAGE: [NOTHING, HAS_WHEEL, *[HAS_WHEEL] * 4, HAS_BOTH],
        OTHER_PAGE: page((OTHER.filename, OTHER.sha256.upper())),
    }

    assert [PAGE, OTHER_PAGE, *[PAGE] * 6] == world.waits(script)
    assert [1.0, 2.0, 4.0, 8.0, 15.0, 15.0] == world.pauses
    assert [
        f"own does not list {WHEEL.filename}, {SDIST.filename} yet; looking again in 1 s",
        *[f"own does not list {SDIST.filename} yet; looking again in {seconds} s" for seconds in (2, 4, 8, 15, 15)],
    ] == world.told


def test_nothing_was_sent() -> None:
    """What was there before needs no look."""
    world = World(uploaded(WHEEL, "there"))

    assert [] == world.waits({})


def test_time_is_up() -> None:
    """What is not listed in time is named, and is on the index all the same."""
    world = World(uploaded(WHEEL), uploaded(SDIST))

    assert (
        f"own has the files, but does not list all of them after 0 s: {SDIST.filename} cannot be installed from there "
        f"yet. {AGAIN}"
    ) == world.gives_up({PAGE: HAS_WHEEL})
    assert ["uploaded", "uploaded"] == [result for result, _ in world.results()]


PROBLEMS = [
    pytest.param(page((WHEEL.filename, None)), "it tells no sha256 of its files", id="no hash"),
    pytest.param(Answer(503), "own was asked what it holds of sample (URL/simple/sample/) and answered 503", id="503"),
    pytest.param(
        Answer(fault="no reply"),
        "While reading the files of sample on own: the connection broke (RemoteProtocolError)",
        id="no reply",
    ),
]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [*PROBLEMS, pytest.param(Answer(fault="silence"), "it did not answer in time", id="silence")],
)
def test_an_index_that_does_not_say(answer: Answer, problem: str) -> None:
    """When time is up, it is told why the last look failed."""
    world = World(uploaded())
    said = world.gives_up({PAGE: answer})

    assert (
        f"own has the files, but does not list all of them after 0 s: {WHEEL.filename} cannot be installed from there yet "
        f"({problem}). {AGAIN}"
    ) == re.sub(r"http://127\.0\.0\.1:\d+", "URL", said)


@pytest.mark.parametrize(("answer", "problem"), PROBLEMS)
def test_the_next_look(answer: Answer, problem: str) -> None:
    """A look that fails is not the end: the next one may fare better."""
    world = World(uploaded())
    lines = world.waits({PAGE: [answer, answer, HAS_WHEEL]})

    assert set(lines) == {PAGE}
    assert {f"own does not list {WHEEL.filename} yet ({problem}); looking again in"} >= {
        re.sub(r"http://127\.0\.0\.1:\d+", "URL", line).rpartition(" ")[0].rpartition(" ")[0] for line in world.told
    }
    assert [("uploaded", f"{world.url}/f/{WHEEL.filename}")] == world.results()


def test_other_bytes() -> None:
    """An index that lists other bytes than it was sent is not waited for."""
    world = World(uploaded())
    assert (
        f"dist/{WHEEL.filename}: own has another file of this name (sha256 00000000000… there, {WHEEL.sha256[:11]}… here), "
        "though this run sent it there. That is on the index's side: ask its operator, and let nobody install this "
        "release before."
    ) == world.gives_up({PAGE: page((WHEEL.filename, "0" * 64))}, LONG, UploadError)


def test_a_name_that_was_taken() -> None:
    """Where the index has had the name and did not list it, the list says in the end whose bytes that are."""
    world = World(uploaded(WHEEL, "unknown"))
    world.waits({PAGE: [NOTHING, HAS_WHEEL]})

    assert [
        f"own does not list {WHEEL.filename} yet; looking again in 1 s",
        f"{WHEEL.filename}: there",
    ] == world.told
    assert [("there", f"{world.url}/f/{WHEEL.filename}")] == world.results()


# Attestations

ATTESTATION = {"version": 1, "envelope": {"signature": "abc"}}
PROVENANCE = "GET /integrity/sample"
SHOWN = Answer.of({"version": 1, "attestation_bundles": [{"attestations": [{"version": 2}, ATTESTATION]}]})


def attested(where: object = "/integrity/sample") -> Answer:
    """A page with one wheel that has attestations somewhere."""
    file = {"filename": WHEEL.filename, "hashes": {"sha256": WHEEL.sha256}, "url": "/f/x", "provenance": where}
    return Answer.of({"files": [file]})


def with_attestation(result: Literal["uploaded", "unknown"] = "uploaded") -> World:
    world = World(uploaded(WHEEL, result))
    world.attestations = {WHEEL.filename: {"publish": json.dumps(ATTESTATION)}}
    return world


def test_attestations_are_shown() -> None:
    """A file that was sent with attestations is listed when the index shows them."""
    world = with_attestation()
    other = Answer.of({"version": 1, "attestation_bundles": []})
    lines = world.waits({PAGE: [attested(None), attested()], PROVENANCE: [other, SHOWN]})

    assert [PAGE, PAGE, PROVENANCE, PAGE, PROVENANCE] == lines
    beginning = f"own does not list {WHEEL.filename} yet (it"
    assert [
        f"{beginning} tells no attestations of {WHEEL.filename}); looking again in 1 s",
        f"{beginning} does not show the attestations that were sent with {WHEEL.filename}); looking again in 2 s",
    ] == world.told
    assert [("uploaded", f"{world.url}/f/x")] == world.results()


@pytest.mark.parametrize(
    ("where", "answer", "problem"),
    [
        pytest.param(
            "https://h/x", SHOWN, f"it has the attestations of {WHEEL.filename} on another host", id="elsewhere"
        ),
        pytest.param("file:///x", SHOWN, f"it has the attestations of {WHEEL.filename} on another host", id="no web"),
        *[
            pytest.param(
                "/integrity/sample",
                answer,
                f"it was asked for attestations and answered {answer.status}, with none",
                id=name,
            )
            for name, answer in {
                "none": Answer.of({"message": "No provenance available"}, 404),
                "no JSON": Answer(200, b"<html>"),
                "no object": Answer.of([]),
                "no bundles": Answer.of({"attestation_bundles": None}),
                "no attestations": Answer.of({"attestation_bundles": [{}]}),
            }.items()
        ],
    ],
)
def test_attestations_that_are_not_shown(where: str, answer: Answer, problem: str) -> None:
    """What stands in the way is told, and nothing is asked of another host."""
    world = with_attestation()

    assert (
        f"own has the files, but does not list all of them after 0 s: {WHEEL.filename} cannot be installed from there yet "
        f"({problem}). {AGAIN}"
    ) == world.gives_up({PAGE: attested(where), PROVENANCE: answer})


def test_attestations_of_another_run() -> None:
    """Of a name that was taken by the same bytes, the attestations are not compared."""
    world = with_attestation("unknown")

    assert [PAGE] == world.waits({PAGE: attested(None)})
