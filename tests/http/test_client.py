"""Requests, replies, and which requests are retried."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import Message, NetworkError
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import RETRIES, Client
from hatch_trusted_publish.http.messages import Reply, Request, message
from hatch_trusted_publish.secret import Secret
from hatch_trusted_publish.threads import later
from tests.http.making import (
    ASKING,
    BASIC,
    IDENTITY_TOKEN,
    MINTING,
    a_client,
    closed_port,
    form_of,
    get,
    mint,
    refused,
    upload,
)
from tests.support.scripted import Answer, Scripted

# Requests and replies


def test_a_reply() -> None:
    """Status, body, media type, reason, location and Retry-After are read; the type without its parameters."""
    headers = {"Location": "/x", "Retry-After": "7"}
    answer = Answer(403, b"\x00body", "Text/HTML; charset=UTF-8", headers, reason="Nope")
    with Scripted({"GET /a?b=c": answer}) as server, a_client() as client:
        reply = client.send(get(f"{server.url}/a?b=c"))

    assert Reply(403, b"\x00body", "text/html", "Nope", "/x", "7") == reply


def test_a_reply_without_headers() -> None:
    """A bare reply has an empty media type and location."""
    with Scripted({"GET /": Answer(200, b"", "", reason="")}) as server, a_client() as client:
        assert Reply(200, b"") == client.send(get(f"{server.url}/"))


def test_a_get_request() -> None:
    """A GET request names the accepted type and the user agent, and holds no credentials."""
    with Scripted({"GET /": Answer()}) as server, a_client() as client:
        client.send(get(f"{server.url}/"))

    headers = server.asked[0].headers
    names = ("accept", "user-agent", "accept-encoding", "authorization", "content-type", "content-length")
    assert ["application/json", "tests/1.0", "gzip", None, None, None] == [headers.get(name) for name in names]
    assert server.asked[0].body == b""


@pytest.mark.parametrize(
    ("credential", "header"),
    [
        ({"bearer": Secret("sesame-credential")}, "Bearer sesame-credential"),
        ({"basic": Secret("pypi-sesame-street")}, f"Basic {BASIC}"),
    ],
)
def test_a_get_request_with_a_credential(credential: dict[str, Secret], header: str) -> None:
    """A credential is sent in the header ``Authorization``."""
    with Scripted({"GET /": Answer()}) as server, a_client() as client:
        client.send(Request(ASKING, f"{server.url}/", **credential))  # type: ignore[arg-type]

    assert header == server.asked[0].headers["authorization"]


def test_a_mint_request() -> None:
    """The identity token is sent in a JSON body, and nowhere else."""
    with Scripted({"POST /": Answer()}) as server, a_client() as client:
        client.send(mint(f"{server.url}/"))

    asked = server.asked[0]
    body = f'{{"token":"{IDENTITY_TOKEN}"}}'
    assert ("application/json", str(len(body)), body.encode()) == (
        asked.headers["content-type"],
        asked.headers["content-length"],
        asked.body,
    )
    assert not [value for value in asked.headers.values() if "sesame" in value]


def test_an_upload_request(tmp_path: Path) -> None:
    """The form is streamed with its length, and with the upload token as a password for `__token__`."""
    with Scripted({"POST /": Answer()}) as server, a_client() as client:
        request = upload(tmp_path, f"{server.url}/", 300_000)
        client.send(request)

    asked, form = server.asked[0], form_of(request)
    names = ("accept", "authorization", "content-type", "content-length", "transfer-encoding")
    assert [
        "application/json",
        f"Basic {BASIC}",
        f"multipart/form-data; boundary={form.boundary}",
        str(form.length),
        None,
    ] == [asked.headers.get(name) for name in names]
    assert asked.body == b"".join(form.chunks())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is a reply like any other: its target gets no token."""
    with Scripted({"GET /": Answer()}) as other:
        script = {"POST /": Answer(status, headers={"Location": f"{other.url}/"})}
        with Scripted(script) as server, a_client() as client:
            reply = client.send(mint(f"{server.url}/"))

    assert (status, f"{other.url}/", []) == (reply.status, reply.location, other.lines)


# Tries


@pytest.mark.parametrize(
    ("status", "after"),
    [
        *((status, {}) for status in (408, 429, 500, 502, 599)),
        *((503, {"Retry-After": after}) for after in ("0", "120", "soon")),
    ],
)
def test_statuses_that_are_tried_again(status: int, after: dict[str, str]) -> None:
    """These statuses are temporary, whatever the requested wait."""
    script = {"GET /": [Answer(status, headers=after), Answer(status, headers=after), Answer(200)]}
    with Scripted(script) as server, a_client() as client:
        reply = client.send(get(f"{server.url}/", 4))

    assert (200, ["GET /"] * 3) == (reply.status, server.lines)


@pytest.mark.parametrize("status", [200, 301, 400, 404, 422])
def test_statuses_that_are_final(status: int) -> None:
    """These replies are final."""
    with Scripted({"GET /": [Answer(status), Answer(299)]}) as server, a_client() as client:
        reply = client.send(get(f"{server.url}/", 4))

    assert (status, ["GET /"]) == (reply.status, server.lines)


def test_the_last_reply_counts() -> None:
    """When every try gets a bad reply, the last reply counts."""
    script = {"GET /": [Answer(500), Answer(503), Answer(502, b"last")]}
    with Scripted(script) as server, a_client() as client:
        reply = client.send(get(f"{server.url}/", 3))

    assert (502, b"last", ["GET /"] * 3) == (reply.status, reply.body, server.lines)


def test_an_upload_is_sent_from_its_start_at_each_try(tmp_path: Path) -> None:
    """Each try sends the whole form again, even after a connection that broke in the middle."""
    script = {"POST /": [Answer(503), Answer(fault="no reply"), Answer(body=b"x" * 9, fault="cut"), Answer()]}
    with Scripted(script) as server, a_client() as client:
        request = upload(tmp_path, f"{server.url}/", 200_000, tries=5)
        reply = client.send(request)

    assert (200, [b"".join(form_of(request).chunks())] * 4) == (reply.status, server.bodies("POST /"))


def test_a_request_is_made_for_each_try() -> None:
    """`send_made` makes a new request for each try."""
    with Scripted({"GET /1": Answer(503), "GET /2": Answer(fault="no reply"), "GET /3": Answer()}) as server:
        numbers = iter("123")
        with a_client() as client:
            client.send_made(lambda: get(f"{server.url}/{next(numbers)}"))

    assert ["GET /1", "GET /2", "GET /3"] == server.lines


class Around:
    """Records how each try ended, and whether one is in flight."""

    def __init__(self) -> None:
        self.tries: list[str] = []

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        assert "under way" not in self.tries
        self.tries.append("under way")
        try:
            yield
        except NetworkError:
            self.tries[-1] = "badly"
            raise
        self.tries[-1] = "well"


def test_around_each_try() -> None:
    """The context around a try learns whether the try failed: with a 5xx reply, or without a reply."""
    around = Around()
    script = {"GET /": [Answer(503), Answer(429), Answer(fault="no reply"), Answer(404)]}
    with Scripted(script) as server, a_client() as client:
        reply = client.send(get(f"{server.url}/", 5), around)

    assert (404, ["badly", "badly", "badly", "well"]) == (reply.status, around.tries)


def test_the_retries_of_a_run_are_limited() -> None:
    """Each failed try uses up one of the run's retries; without any left, every request has a single try."""
    with Scripted({"GET /": Answer(503), "GET /lost": Answer(fault="no reply")}) as server, a_client() as client:
        for _ in range(RETRIES // 4):
            client.send(get(f"{server.url}/", 4))
        before = len(server.lines)
        reply = client.send(get(f"{server.url}/", 4))
        with pytest.raises(NetworkError):
            client.send(get(f"{server.url}/lost", 4))

    assert (503, RETRIES, ["GET /", "GET /lost"]) == (reply.status, before, server.lines[before:])


def test_refusals_take_nothing_from_the_retries() -> None:
    """A final reply uses up no retry: a later fault still has all of them."""
    script = {"GET /": [*[Answer(404)] * (RETRIES + 1), Answer(503), Answer(200)]}
    with Scripted(script) as server, a_client() as client:
        statuses = [client.send(get(f"{server.url}/", 2)).status for _ in range(RETRIES + 2)]

    assert [404] * (RETRIES + 1) + [200] == statuses


def test_retries_are_reported() -> None:
    """Each retry is reported with its cause; those of a quiet request are not."""
    notes: list[Message] = []
    script: dict[str, list[Answer]] = {
        "GET /": [Answer(503)],
        "GET /quiet": [Answer(503)],
        "POST /": [Answer(fault="no reply"), Answer()],
    }
    with Scripted(script) as server, Client(Certificates(), 20.0, "tests/1.0", notes.append) as client:
        client.send(get(f"{server.url}/", 2))
        client.send(Request(ASKING, f"{server.url}/quiet", quiet=True))
        client.send_made(lambda: mint(f"{server.url}/"))

    host = f"127.0.0.1:{server.port}"
    where = {"host": host, "proxy": ""}
    assert [
        Message("bad-status", purpose=ASKING, status=503, **where),
        Message("broken-connection", purpose=MINTING, said="RemoteProtocolError", **where),
    ] == [note.facts["reason"] for note in notes]
    assert [("retrying", 0.0)] * 2 == [(note.code, note.facts["seconds"]) for note in notes]


# The end of the run


@pytest.mark.parametrize("answer", [Answer(503), Answer(fault="no reply"), Answer(fault="silence")])
def test_last_words(answer: Answer) -> None:
    """When the run is stopped, the last request has one try within the given seconds."""
    with Scripted({"GET /": answer}) as server, a_client(300.0) as client, contextlib.suppress(NetworkError):
        client.hurry(0.3)
        client.send(Request(ASKING, f"{server.url}/", last=True))

    assert ["GET /"] == server.lines


def test_nothing_but_the_last_words() -> None:
    """Once the run is stopped, an upload that waited for its next try sends nothing more, in any thread."""
    with Scripted({"GET /": Answer(200)}) as server, a_client() as client:
        client.hurry(5.0)
        with pytest.raises(NetworkError) as caught:
            later(lambda: client.send(get(f"{server.url}/", 4))).result()
        status = later(lambda: client.send(Request(ASKING, f"{server.url}/", last=True)).status).result()

    assert (Message("run-stopped", purpose=ASKING), False) == (caught.value.message, caught.value.was_sent)
    assert (200, ["GET /"]) == (status, server.lines)


# Retry-After


def _date(seconds: float) -> str:
    return format_datetime(dt.datetime.fromtimestamp(seconds, dt.UTC), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_wait_ends_the_run(status: int) -> None:
    """A job does not wait for hours: the error says until when, and the request is not retried."""
    until = int(time.time()) + 7200
    with Scripted({"POST /": Answer(status, headers={"Retry-After": _date(until)})}) as server:
        error = refused(mint(f"{server.url}/", 4), a_client())

    reason = Message("bad-status", purpose=MINTING, host=f"127.0.0.1:{server.port}", proxy="", status=status)
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(until))
    assert Message("retry-later", reason=reason, until=shown) == error.message
    assert (["POST /"], False, False) == (server.lines, error.was_sent, error.can_pass)


@pytest.mark.parametrize(
    ("after", "ends"),
    [
        pytest.param("121", True, id="two minutes and a second"),
        pytest.param("9" * 400, True, id="infinite seconds"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", True, id="date out of range"),
        pytest.param("-5", False, id="negative seconds"),
        pytest.param("Fri, 31 Dec 1999 23:59:59 GMT", False, id="date in the past"),
        pytest.param("Fri, 31 Dec 1999 23:59:59 -0000", False, id="date without a zone"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 -0000", False, id="date before year 1"),
        pytest.param("Fri, 31 Dec 1999 23:59:59 +99999999999999", False, id="zone out of range"),
        pytest.param("1.5", False, id="not an integer"),
        pytest.param("", False, id="blank"),
    ],
)
def test_retry_after(after: str, ends: bool) -> None:
    """Seconds and dates are read, and no value of the header breaks the client."""
    script = {"GET /": [Answer(503, headers={"Retry-After": after}), Answer()]}
    with Scripted(script) as server, a_client() as client, contextlib.suppress(NetworkError):
        client.send(get(f"{server.url}/", 2))

    assert ["GET /"] * (1 if ends else 2) == server.lines


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40) | st.integers().map(str))
@example("Mon, 01 Jan 0000 00:00:00 GMT")
@settings(max_examples=30, deadline=None)
def test_any_retry_after(after: str) -> None:
    """Whatever the header says, the result is the reply or the one error."""
    with Scripted({"GET /": Answer(429, headers={"Retry-After": after})}) as server, a_client() as client:
        try:
            found = str(client.send(get(f"{server.url}/")).status)
        except NetworkError as error:
            found = error.message.code

    assert found in {"429", "retry-later"}


# Lost replies


def test_a_lost_reply_is_not_forgotten() -> None:
    """If the first reply was lost and the second connection refused, the index may have acted."""
    with Scripted({"POST /": Answer(fault="no reply")}) as server:
        urls = iter([f"{server.url}/", *[f"http://127.0.0.1:{closed_port()}/"] * 3])
        with a_client() as client, pytest.raises(NetworkError) as raised:
            client.send_made(lambda: mint(next(urls)))

    assert (("connection-refused",), True) == (raised.value.codes, raised.value.was_sent)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([Answer(404)], (404, False), id="at once"),
        pytest.param([Answer(503), Answer(404)], (404, False), id="after a fault with a reply"),
        pytest.param([Answer(fault="no reply"), Answer(404)], (404, True), id="after a lost reply"),
        pytest.param([Answer(fault="no reply"), Answer(503)], (503, True), id="after a lost reply, and faults"),
    ],
)
def test_a_reply_after_a_lost_one(answers: list[Answer], expected: tuple[int, bool]) -> None:
    """A reply records whether the index may have acted on an earlier try."""
    with Scripted({"POST /": answers}) as server, a_client() as client:
        reply = client.send(mint(f"{server.url}/", 4))

    assert expected == (reply.status, reply.after_lost)


def test_a_refused_connection_is_not_a_lost_reply() -> None:
    """After a refused connection, the index has certainly not acted."""
    with Scripted({"POST /": Answer(404)}) as server:
        urls = iter([f"http://127.0.0.1:{closed_port()}/", f"{server.url}/"])
        with a_client() as client:
            reply = client.send_made(lambda: mint(next(urls)))

    assert (404, False) == (reply.status, reply.after_lost)


def test_a_reply_without_secrets(tmp_path: Path) -> None:
    """A reply that repeats a token, of its own request or of an earlier one, does not show it."""
    said = f"no {IDENTITY_TOKEN}, pypi-sesame-street, {BASIC}"
    answer = Answer(403, said.encode(), "text/plain", {"Location": f"https://index.test/{IDENTITY_TOKEN}"})
    with Scripted({"GET /": answer, "POST /": answer}) as server, a_client() as client:
        url = f"{server.url}/"
        replies = [client.send(request) for request in (get(url), mint(url), upload(tmp_path, url))]

    assert ["no ***, ***, X190b2tlbl9fOn***A=="] * 3 == [message(reply) for reply in replies]
    assert ["https://index.test/***"] * 2 == [reply.location for reply in replies[1:]]
