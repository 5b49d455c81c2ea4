from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.files import Attestations
from hatch_trusted_publish.errors import IndexReadError, Message, UploadError
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.index.endpoints import Index, Repository
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.job import Job
from hatch_trusted_publish.upload.outcome import Outcome, Run
from hatch_trusted_publish.upload.wait import until_listed
from tests.support.events import Recorder
from tests.support.helpers import a_distribution
from tests.support.scripted import Answer, Scripted

WHEEL, SDIST = a_distribution("sample-1.0-py3-none-any.whl"), a_distribution("sample-1.0.tar.gz")
OTHER = a_distribution("other-1.0.tar.gz")
PAGE, OTHER_PAGE = "GET /simple/sample/", "GET /simple/other/"
NOTHING = Answer(404)
LONG = 3600.0


pytestmark = pytest.mark.usefixtures("quiet")


def page(*files: tuple[str, str | None]) -> Answer:
    """Return the simple API's response, with a name and a hash each."""
    listed = [{"filename": name, "hashes": {"sha256": held}, "url": f"/f/{name}"} for name, held in files]
    return Answer.of({"files": listed})


HAS_WHEEL = page((WHEEL.filename, WHEEL.sha256))
HAS_BOTH = page((WHEEL.filename, WHEEL.sha256), (SDIST.filename, SDIST.sha256))


class World:
    """What a run has uploaded, and what it reports while it waits."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.done = Run(outcomes={outcome.distribution.filename: outcome for outcome in outcomes})
        self.events = Recorder()
        self.pauses: list[float] = []
        self.attestations: Attestations = {}

    def waits(self, script: dict[str, Answer | Sequence[Answer]], seconds: float = LONG) -> list[str]:
        """Wait for an index with this script; return the requests it received."""
        settings = Settings(Repository("own", ""), wait=seconds)
        with Scripted(script) as server, Client(Certificates(), 20.0, "tests/1.0") as client:
            index = Index("own", f"{server.url}/legacy/", f"{server.url}/simple/")
            job = Job(settings, index, client, self.events, self.done)
            until_listed(job, self.attestations, self.pauses.append)
            self.headers = [asked.headers.get("cache-control") for asked in server.asked]
            self.url = server.url
        return server.lines

    def gives_up(self, script: dict[str, Answer | Sequence[Answer]], missing: Distribution) -> Message | None:
        """Look once and give up; return why *missing* is not listed."""
        with pytest.raises(IndexReadError) as raised:
            self.waits(script, 0.0)
        reason = raised.value.message.facts["reason"]
        expected = Message("not-listed", index="own", files=[missing.filename], seconds=0.0, reason=reason)
        assert expected == raised.value.message
        assert isinstance(reason, Message | None)
        return reason

    def results(self) -> list[tuple[str, str | None]]:
        return [(one.result, one.url) for one in self.done.outcomes.values()]

    def looks(self) -> list[tuple[list[str], float, str]]:
        """The report of each look: the missing files, the pause, and the code of the reason."""
        assert {"not-listed-yet"} >= {note.code for note in self.events.notes}
        found = [note.facts for note in self.events.notes]
        return [(one["files"], one["seconds"], one["reason"].code if one["reason"] else "") for one in found]


def uploaded(distribution: Distribution = WHEEL, result: Result = "uploaded") -> Outcome:
    return Outcome(distribution, result)


def test_listed_at_once() -> None:
    """If the index lists the files, one look is enough and nothing is reported."""
    world = World(uploaded(WHEEL), uploaded(SDIST))

    assert [PAGE] == world.waits({PAGE: HAS_BOTH})
    assert (Recorder(), []) == (world.events, world.pauses)
    assert [("uploaded", f"{world.url}/f/{one.filename}") for one in (WHEEL, SDIST)] == world.results()
    assert ["no-cache"] == world.headers


def test_listed_later() -> None:
    """The index is read again, after longer and longer pauses, only for projects that lack a file."""
    world = World(uploaded(WHEEL), uploaded(SDIST), uploaded(OTHER))
    script: dict[str, Answer | Sequence[Answer]] = {
        PAGE: [NOTHING, HAS_WHEEL, *[HAS_WHEEL] * 4, HAS_BOTH],
        OTHER_PAGE: page((OTHER.filename, OTHER.sha256.upper())),
    }

    assert [PAGE, OTHER_PAGE, *[PAGE] * 6] == world.waits(script)
    assert [1.0, 2.0, 4.0, 8.0, 15.0, 15.0] == world.pauses
    assert [
        ([WHEEL.filename, SDIST.filename], 1, ""),
        *[([SDIST.filename], seconds, "") for seconds in (2, 4, 8, 15, 15)],
    ] == world.looks()


def test_nothing_was_uploaded() -> None:
    """Files that existed before need no look."""
    world = World(uploaded(WHEEL, "there"))

    assert [] == world.waits({})


def test_time_is_up() -> None:
    """Files that are not listed in time are named, and still count as uploaded."""
    world = World(uploaded(WHEEL), uploaded(SDIST))

    assert None is world.gives_up({PAGE: HAS_WHEEL}, SDIST)
    assert ["uploaded", "uploaded"] == [result for result, _ in world.results()]


PROBLEMS = [
    pytest.param(page((WHEEL.filename, None)), "lists-no-hash", id="no hash"),
    pytest.param(Answer(503), "listing-reply", id="503"),
    pytest.param(Answer(fault="no reply"), "broken-connection", id="no reply"),
]


@pytest.mark.parametrize(
    ("answer", "code"), [*PROBLEMS, pytest.param(Answer(fault="silence"), "no-reply-in-time", id="silence")]
)
def test_an_index_that_does_not_say(answer: Answer, code: str) -> None:
    """When time is up, the reason for the last failed look is reported."""
    reason = World(uploaded()).gives_up({PAGE: answer}, WHEEL)

    assert reason is not None
    assert code == reason.code


@pytest.mark.parametrize(("answer", "code"), PROBLEMS)
def test_the_next_look(answer: Answer, code: str) -> None:
    """After a look that fails, the next one may succeed."""
    world = World(uploaded())
    lines = world.waits({PAGE: [answer, answer, HAS_WHEEL]})

    assert {PAGE} == set(lines)
    assert {code} >= {reason for _, _, reason in world.looks()}
    assert [("uploaded", f"{world.url}/f/{WHEEL.filename}")] == world.results()


def test_other_bytes() -> None:
    """A run does not wait for an index that lists other bytes than were uploaded."""
    with pytest.raises(UploadError) as raised:
        World(uploaded()).waits({PAGE: page((WHEEL.filename, "0" * 64))})

    facts = {"file": f"dist/{WHEEL.filename}", "index": "own", "here": WHEEL.sha256[:11], "there": "0" * 11}
    assert Message("changed-on-index", **facts) == raised.value.message


def test_a_name_that_was_taken() -> None:
    """If the index rejected a name that it did not list, the list says in the end whose bytes it has."""
    world = World(Outcome(WHEEL, "unknown", Message("taken-not-listed")))
    world.waits({PAGE: [NOTHING, HAS_WHEEL]})

    assert [([WHEEL.filename], 1, "")] == world.looks()
    assert [(WHEEL.filename, "there")] == world.events.results
    assert [Outcome(WHEEL, "there", url=f"{world.url}/f/{WHEEL.filename}")] == [*world.done.outcomes.values()]


# Attestations

ATTESTATION = {"version": 1, "envelope": {"signature": "abc"}}
PROVENANCE = "GET /integrity/sample"
SHOWN = Answer.of({"version": 1, "attestation_bundles": [{"attestations": [{"version": 2}, ATTESTATION]}]})


def attested(where: object = "/integrity/sample") -> Answer:
    """Return a page with one wheel whose attestations are at some URL."""
    file = {"filename": WHEEL.filename, "hashes": {"sha256": WHEEL.sha256}, "url": "/f/x", "provenance": where}
    return Answer.of({"files": [file]})


def with_attestation(result: Literal["uploaded", "unknown"] = "uploaded") -> World:
    world = World(uploaded(WHEEL, result))
    world.attestations = {WHEEL.filename: {"publish": json.dumps(ATTESTATION)}}
    return world


def test_attestations_are_shown() -> None:
    """A file that was uploaded with attestations is listed when the index shows them."""
    world = with_attestation()
    other = Answer.of({"version": 1, "attestation_bundles": []})
    lines = world.waits({PAGE: [attested(None), attested()], PROVENANCE: [other, SHOWN]})

    assert [PAGE, PAGE, PROVENANCE, PAGE, PROVENANCE] == lines
    assert ["attestations-not-listed", "attestations-not-shown"] == [reason for _, _, reason in world.looks()]
    assert [("uploaded", f"{world.url}/f/x")] == world.results()


@pytest.mark.parametrize(
    ("where", "answer", "code"),
    [
        pytest.param("https://h/x", SHOWN, "attestations-elsewhere", id="elsewhere"),
        pytest.param("file:///x", SHOWN, "attestations-not-listed", id="no web"),
        *[
            pytest.param("/integrity/sample", answer, "no-provenance", id=name)
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
def test_attestations_that_are_not_shown(where: str, answer: Answer, code: str) -> None:
    """The reason is reported, and no other host is contacted."""
    reason = with_attestation().gives_up({PAGE: attested(where), PROVENANCE: answer}, WHEEL)

    assert reason is not None
    assert code == reason.code


def test_attestations_of_another_run() -> None:
    """If the same bytes took the name earlier, their attestations are not compared."""
    world = with_attestation("unknown")

    assert [PAGE] == world.waits({PAGE: attested(None)})
