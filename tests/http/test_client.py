from __future__ import annotations

import base64
import contextlib
import datetime as dt
import errno
import gc
import hashlib
import io
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
import stamina
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.traceback import Traceback

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import DistributionError, Message, NetworkError, TrustedPublishError
from hatch_trusted_publish.http.client import RETRIES, Certificates, Client
from hatch_trusted_publish.http.messages import Reply, Request, message
from hatch_trusted_publish.index.endpoints import find_index
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.index.upload_api import ask_upload
from hatch_trusted_publish.secret import Secret
from hatch_trusted_publish.threads import later
from tests.support.helpers import make_wheel
from tests.support.scripted import Answer, Asked, Fault, Scripted

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
REFUSED = f"[Errno {errno.ECONNREFUSED}] {os.strerror(errno.ECONNREFUSED)}"
UPLOAD_TOKEN, IDENTITY_TOKEN = "pypi-sesame-street", "eyJ.sesame-identity.x"
SECRETS = [UPLOAD_TOKEN, IDENTITY_TOKEN, base64.b64encode(f"__token__:{UPLOAD_TOKEN}".encode()).decode()]
REMEDY = (
    "The network, a proxy or the index may be at fault. Run the same command again; what is on the index by now is not "
    "sent again."
)
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy but a test's own, and no waiting between tries."""
    for name in [*PROXIES, *map(str.lower, PROXIES), "SSL_CERT_FILE", "SSL_CERT_DIR"]:
        monkeypatch.delenv(name, raising=False)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


def _client(
    timeout: float = 20.0, ca_cert: str | None = None, client_cert: str | None = None, client_key: str | None = None
) -> Client:
    certificates = Certificates(ca_cert, client_cert, client_key)
    return Client(certificates, timeout, "tests/1.0")


def _get(url: str, tries: int = 1, largest_reply: int = 1000) -> Request:
    return Request(Message("asking"), url, tries=tries, largest_reply=largest_reply)


def _mint(url: str) -> Request:
    return Request(Message("minting"), url, secret_json={"token": Secret(IDENTITY_TOKEN)}, tries=1)


def _upload(folder: Path, url: str, size: int = 0, tries: int = 1) -> Request:
    distribution = Distribution.read(make_wheel(folder, members={"big": _noise(size)}), "dist/sample.whl")
    asked = ask_upload(MAIN, distribution, UploadToken(Secret(UPLOAD_TOKEN), 0))
    return Request(Message("uploading"), url, upload=asked.upload, tries=tries)


def _noise(size: int) -> bytes:
    """Bytes that a zip file cannot make small."""
    return b"".join(hashlib.sha512(number.to_bytes(4, "big")).digest() for number in range(size // 64))


def _refused(request: Request, client: Client) -> NetworkError:
    with client, pytest.raises(NetworkError) as raised:
        client.send(request)
    return raised.value


# What is sent, and what comes back


def test_a_reply() -> None:
    """Status, body, media type, reason and location come back; the type without its parameters."""
    answer = Answer(403, b"\x00body", "Text/HTML; charset=UTF-8", {"Location": "/x"}, reason="Nope")
    with Scripted({"GET /a?b=c": answer}) as server, _client() as client:
        reply = client.send(_get(f"{server.url}/a?b=c"))

    assert Reply(403, b"\x00body", "text/html", "Nope", "/x") == reply


def test_a_reply_without_headers() -> None:
    """A bare reply has an empty media type and location."""
    with Scripted({"GET /": Answer(200, b"", "", reason="")}) as server, _client() as client:
        assert Reply(200, b"") == client.send(_get(f"{server.url}/"))


def test_what_a_small_request_sends() -> None:
    """A question names what it accepts and who asks, and holds no credentials."""
    with Scripted({"GET /": Answer()}) as server, _client() as client:
        client.send(_get(f"{server.url}/"))

    headers = server.asked[0].headers
    assert ("application/json", "tests/1.0", None, None, b"") == (
        headers["accept"],
        headers["user-agent"],
        headers.get("authorization"),
        headers.get("content-type"),
        server.asked[0].body,
    )


def test_what_a_mint_request_sends() -> None:
    """The identity token goes into a JSON body, and nowhere else."""
    with Scripted({"POST /": Answer()}) as server, _client() as client:
        client.send(_mint(f"{server.url}/"))

    asked = server.asked[0]
    assert ("application/json", b'{"token":"%s"}' % IDENTITY_TOKEN.encode()) == (
        asked.headers["content-type"],
        asked.body,
    )
    assert not [value for value in asked.headers.values() if "sesame" in value]


def test_what_a_request_with_a_credential_sends() -> None:
    """A credential goes into the header `Authorization`; a reply that repeats it does not show it."""
    answer = Answer(403, b"no Sesame-credential", "text/plain")
    with Scripted({"GET /": answer}) as server, _client() as client:
        reply = client.send(Request(Message("asking"), f"{server.url}/", bearer=Secret("Sesame-credential")))

    assert ("Bearer Sesame-credential", "no ***") == (server.asked[0].headers["authorization"], message(reply))


def test_what_an_upload_sends(tmp_path: Path) -> None:
    """The form is streamed with its length, and with the upload token as a password for `__token__`."""
    with Scripted({"POST /": Answer()}) as server, _client() as client:
        request = _upload(tmp_path, f"{server.url}/", 300_000)
        client.send(request)

    asked, upload = server.asked[0], request.upload
    assert upload is not None
    assert (
        "application/json",
        f"Basic {SECRETS[2]}",
        f"multipart/form-data; boundary={upload.boundary}",
        str(upload.length),
        None,
    ) == tuple(
        asked.headers.get(name)
        for name in ("accept", "authorization", "content-type", "content-length", "transfer-encoding")
    )
    assert asked.body == b"".join(upload.chunks())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """A redirect is a reply like any other: whatever it points to gets no token."""
    with Scripted({"GET /": Answer()}) as other:
        script = {"POST /": Answer(status, headers={"Location": f"{other.url}/"})}
        with Scripted(script) as server, _client() as client:
            reply = client.send(_mint(f"{server.url}/"))

    assert (status, f"{other.url}/", []) == (reply.status, reply.location, other.lines)


# Tries


@pytest.mark.parametrize("status", [408, 429, 500, 501, 502, 503, 504, 520, 599])
@pytest.mark.parametrize("after", [{}, {"Retry-After": "0"}, {"Retry-After": "120"}, {"Retry-After": "soon"}])
def test_statuses_that_are_tried_again(status: int, after: dict[str, str]) -> None:
    """Of these statuses another reply may come the next time, whatever the wait that is asked for."""
    script = {"GET /": [Answer(status, headers=after), Answer(status, headers=after), Answer(200)]}
    with Scripted(script) as server, _client() as client:
        reply = client.send(_get(f"{server.url}/", 4))

    assert (200, ["GET /"] * 3) == (reply.status, server.lines)


@pytest.mark.parametrize("status", [200, 202, 301, 400, 401, 403, 404, 409, 422])
def test_statuses_that_stand(status: int) -> None:
    """These replies are final."""
    with Scripted({"GET /": [Answer(status), Answer(299)]}) as server, _client() as client:
        reply = client.send(_get(f"{server.url}/", 4))

    assert (status, ["GET /"]) == (reply.status, server.lines)


def test_the_last_reply_counts() -> None:
    """When all tries were answered badly, the last answer is what is judged."""
    script = {"GET /": [Answer(500), Answer(503), Answer(502, b"last")]}
    with Scripted(script) as server, _client() as client:
        reply = client.send(_get(f"{server.url}/", 3))

    assert (502, b"last", ["GET /"] * 3) == (reply.status, reply.body, server.lines)


def test_an_upload_is_sent_from_its_start_at_each_try(tmp_path: Path) -> None:
    """Each try has the whole form again, also after the connection broke in the middle."""
    script = {"POST /": [Answer(503), Answer(fault="no reply"), Answer(body=b"x" * 9, fault="cut"), Answer()]}
    with Scripted(script) as server, _client() as client:
        request = _upload(tmp_path, f"{server.url}/", 200_000, tries=5)
        reply = client.send(request)

    upload = request.upload
    assert upload is not None
    assert (200, [b"".join(upload.chunks())] * 4) == (reply.status, server.bodies("POST /"))


def test_a_request_is_made_anew_for_each_try() -> None:
    """`send_made` asks for the request of each try."""
    with Scripted({"GET /1": Answer(503), "GET /2": Answer(fault="no reply"), "GET /3": Answer()}) as server:
        numbers = iter("123")
        with _client() as client:
            client.send_made(lambda: _get(f"{server.url}/{next(numbers)}"))

    assert ["GET /1", "GET /2", "GET /3"] == server.lines


class Around:
    """What is told of each try, and whether somebody is in the middle of one."""

    def __init__(self) -> None:
        self.tries: list[str] = []

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.tries.append("under way")
        try:
            yield
        except Exception as error:
            self.tries[-1] = type(error).__name__
            raise
        self.tries[-1] = "well"


def test_around_each_try() -> None:
    """What goes around a try learns whether it went badly: a reply of 5xx, or none."""
    around = Around()
    script = {"GET /": [Answer(503), Answer(429), Answer(fault="no reply"), Answer(404)]}
    with Scripted(script) as server, _client() as client:
        reply = client.send(_get(f"{server.url}/", 5), around)

    assert (404, ["_Unwell", "_Unwell", "NetworkError", "well"]) == (reply.status, around.tries)


def test_around_is_left_between_tries() -> None:
    """A request is made within it, and nobody is in it while the next try is waited for."""
    around = Around()
    within: list[list[str]] = []

    def make() -> Request:
        within.append(list(around.tries))
        return _get(f"{server.url}/")

    with Scripted({"GET /": Answer(503)}) as server, _client() as client:
        client.send_made(make, 2, around)

    assert [["under way"], ["_Unwell", "under way"]] == within


def test_the_retries_of_a_run_are_limited() -> None:
    """Each try that goes badly takes one of those that a run has; then every request has one try alone."""
    with Scripted({"GET /": Answer(503), "GET /lost": Answer(fault="no reply")}) as server, _client() as client:
        for _ in range(RETRIES // 4):
            client.send(_get(f"{server.url}/", 4))
        before = len(server.lines)
        reply = client.send(_get(f"{server.url}/", 4))
        with pytest.raises(NetworkError):
            client.send(_get(f"{server.url}/lost", 4))

    assert (503, RETRIES, ["GET /", "GET /lost"]) == (reply.status, before, server.lines[before:])


def test_refusals_take_nothing_from_the_retries() -> None:
    """What is not tried again costs nothing: a later fault still has its tries."""
    script = {"GET /": [*[Answer(404)] * (RETRIES + 1), Answer(503), Answer(200)]}
    with Scripted(script) as server, _client() as client:
        statuses = [client.send(_get(f"{server.url}/", 2)).status for _ in range(RETRIES + 2)]

    assert [404] * (RETRIES + 1) + [200] == statuses


@pytest.mark.parametrize("answer", [Answer(503), Answer(fault="no reply"), Answer(fault="silence")])
def test_hurry(answer: Answer) -> None:
    """Somebody waits for the end: one try, and the seconds that are given."""
    with Scripted({"GET /": answer}) as server, _client(300.0) as client, contextlib.suppress(NetworkError):
        client.hurry(0.3)
        client.send(_get(f"{server.url}/", 4))

    assert ["GET /"] == server.lines


def test_the_last_words_are_of_one_thread() -> None:
    """Once the run is stopped, an upload that waited for its next try sends nothing more."""
    with Scripted({"GET /": Answer(200)}) as server, _client() as client:
        client.hurry(5.0)
        with pytest.raises(NetworkError) as caught:
            later(lambda: client.send(_get(f"{server.url}/", 4))).result()
        status = client.send(_get(f"{server.url}/", 4)).status

    assert ("While asking: the run was stopped.", False) == (str(caught.value), caught.value.was_sent)
    assert (200, ["GET /"]) == (status, server.lines)


def _date(seconds: float) -> str:
    return format_datetime(dt.datetime.fromtimestamp(seconds, dt.UTC), usegmt=True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_wait_ends_the_run(status: int) -> None:
    """Nobody waits for hours: the error says until when, and is not tried again."""
    until = int(time.time()) + 7200
    with Scripted({"GET /": Answer(status, headers={"Retry-After": _date(until)})}) as server:
        error = _refused(_get(f"{server.url}/", 4), _client())

    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(until))
    assert (
        (
            f"While asking: the index answered {status} and asks to wait until {shown}. Run the same command again after that; "
            "what is on the index by now is not sent again."
        ),
        ["GET /"],
        False,
    ) == (str(error), server.lines, error.was_sent)


@pytest.mark.parametrize(
    ("after", "ends"),
    [
        pytest.param("121", True, id="two minutes and a second"),
        pytest.param("9" * 400, True, id="seconds without end"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", True, id="date without end"),
        pytest.param("-5", False, id="less than none"),
        pytest.param("Fri, 31 Dec 1999 23:59:59 GMT", False, id="date in the past"),
        pytest.param("Fri, 31 Dec 1999 23:59:59 -0000", False, id="date of no zone"),
        pytest.param("Mon, 01 Jan 0001 00:00:00 -0000", False, id="date before all"),
        pytest.param("Fri, 31 Dec 1999 23:59:59 +99999999999999", False, id="zone without end"),
        pytest.param("1.5", False, id="no whole number"),
        pytest.param("", False, id="blank"),
    ],
)
def test_retry_after(after: str, ends: bool) -> None:
    """Seconds and dates are read, and no value of the header breaks the client."""
    script = {"GET /": [Answer(503, headers={"Retry-After": after}), Answer()]}
    with Scripted(script) as server, _client() as client, contextlib.suppress(NetworkError):
        client.send(_get(f"{server.url}/", 2))

    assert ["GET /"] * (1 if ends else 2) == server.lines


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40) | st.integers().map(str))
@example("Mon, 01 Jan 0000 00:00:00 GMT")
@settings(max_examples=30, deadline=None)
def test_any_retry_after(after: str) -> None:
    """Whatever the header says, the reply or the one error comes out."""
    with Scripted({"GET /": Answer(429, headers={"Retry-After": after})}) as server, _client() as client:
        try:
            said = str(client.send(_get(f"{server.url}/")).status)
        except NetworkError as error:
            said = str(error)

    assert re.match(r"429|While asking: the index answered 429 and asks to wait until \d{4}-", said)


# No whole reply


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ("no reply", "the connection broke (RemoteProtocolError)"),
        ("cut", "the connection broke (RemoteProtocolError)"),
        ("bytewise", "no whole reply came in time"),
        ("silence", "no whole reply came in time"),
    ],
)
def test_no_whole_reply(fault: Fault, problem: str) -> None:
    """A reply that ends early, drips or never comes is tried again, and then told; the index may have acted."""
    timeout = 0.3 if fault in {"bytewise", "silence"} else 20.0
    with Scripted({"GET /": Answer(body=b"x" * 100, fault=fault)}) as server:
        error = _refused(_get(f"{server.url}/", 2), _client(timeout))

    assert (f"While asking: {problem}. {REMEDY}", f"While asking: {problem}", ["GET /"] * 2, True, True) == (
        str(error),
        error.what,
        server.lines,
        error.was_sent,
        error.can_pass,
    )


def test_a_drip_in_time_is_a_reply() -> None:
    """It is the deadline that ends a slow reply, and not its slowness."""
    with Scripted({"GET /": Answer(204, fault="bytewise", reason="")}) as server, _client() as client:
        assert client.send(_get(f"{server.url}/")).status == 204


def test_nothing_is_sent_when_the_time_is_over() -> None:
    """A deadline that has passed ends a request before it begins."""
    with Scripted({"GET /": Answer()}) as server:
        error = _refused(_get(f"{server.url}/"), _client(0.0))

    assert (f"While asking: no whole reply came in time. {REMEDY}", [], False) == (
        str(error),
        server.lines,
        error.was_sent,
    )


def test_an_upload_has_time_by_its_size(tmp_path: Path) -> None:
    """At 100 kB a second, a file has the time that it needs; a reply that never comes ends it all the same."""
    with Scripted({"POST /": Answer(fault="silence")}) as server:
        error = _refused(_upload(tmp_path, f"{server.url}/", 20_000), _client(0.1))

    assert (f"While uploading: no whole reply came in time. {REMEDY}", ["POST /"]) == (str(error), server.lines)


def test_no_connection() -> None:
    """A port that nobody listens on is told with the system's words; nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = _refused(_get(f"http://127.0.0.1:{port}/", 2), _client())

    assert (
        f"While asking: no connection could be made ({REFUSED}). {REMEDY}",
        False,
        True,
    ) == (str(error), error.was_sent, error.can_pass)


def test_a_lost_reply_is_not_forgotten() -> None:
    """When the reply to the first try was lost and the second found nobody, the index may have acted."""
    with Scripted({"GET /": Answer(fault="no reply")}) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.close()
        urls = iter([f"{server.url}/", closed])
        with _client() as client, pytest.raises(NetworkError) as raised:
            client.send_made(lambda: _get(next(urls)), 2)

    assert (f"While asking: no connection could be made ({REFUSED}). {REMEDY}", True) == (
        str(raised.value),
        raised.value.was_sent,
    )


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([Answer(404)], (404, False), id="at once"),
        pytest.param([Answer(503), Answer(404)], (404, False), id="after a fault that was told"),
        pytest.param([Answer(fault="no reply"), Answer(404)], (404, True), id="after a lost one"),
        pytest.param([Answer(fault="no reply"), Answer(503)], (503, True), id="after a lost one, and faults"),
    ],
)
def test_a_reply_after_a_lost_one(answers: list[Answer], expected: tuple[int, bool]) -> None:
    """A reply says whether the index may have acted on an earlier try."""
    with Scripted({"GET /": answers}) as server, _client() as client:
        reply = client.send(_get(f"{server.url}/", 4))

    assert expected == (reply.status, reply.after_lost)


def test_nobody_there_is_no_lost_reply() -> None:
    """A try that found nobody is no reason to think that the index has acted."""
    with Scripted({"GET /": Answer(404)}) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listener.close()
        urls = iter([closed, f"{server.url}/"])
        with _client() as client:
            reply = client.send_made(lambda: _get(next(urls)), 2)

    assert (404, False) == (reply.status, reply.after_lost)


@pytest.mark.parametrize("url", ["ftp://index.test/", "http://[::1/", "http://127.0.0.1:99999/"])
def test_an_url_that_cannot_be_asked(url: str) -> None:
    """What httpx itself refuses is told as any failure is."""
    error = _refused(_get(url), _client())

    assert str(error).startswith("While asking: ")
    assert str(error).endswith(REMEDY)


def test_an_early_reply_is_read(tmp_path: Path) -> None:
    """A refusal that comes before the file was read, with the connection closed, is the reply."""
    answer = Answer(403, b'{"code": "403 no"}', fault="early")
    with Scripted({"POST /": answer}) as server, _client() as client:
        reply = client.send(_upload(tmp_path, f"{server.url}/", 8_000_000))

    assert (403, b'{"code": "403 no"}') == (reply.status, reply.body)


@pytest.mark.parametrize("fault", ["", "early", "no reply", "cut", "bytewise"])
def test_nothing_is_left_of_an_upload(fault: Fault, tmp_path: Path) -> None:
    """However an upload ends, its file is closed and no thread hashes it any more, without a garbage collector."""
    answer = Answer(403, b'{"code": "403 no"}', fault=fault)
    gc.disable()
    try:
        with Scripted({"POST /": answer}) as server, _client() as client:
            before = open_files(tmp_path), hashing_threads()
            with contextlib.suppress(NetworkError):
                client.send(_upload(tmp_path, f"{server.url}/", 8_000_000))
            after = open_files(tmp_path), hashing_threads()
    finally:
        gc.enable()

    assert (([], []), ([], [])) == (before, after)


def open_files(folder: Path) -> list[str]:
    """The files in *folder* that this process holds open."""
    found = []
    for link in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(link.resolve()))
    return [path for path in found if path.startswith(str(folder))]


def hashing_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "_drain" in thread.name]


def test_a_reply_too_long() -> None:
    """A reply without end is given up, and not tried again."""
    with Scripted({"GET /": Answer(body=b"x" * 1001)}) as server:
        error = _refused(_get(f"{server.url}/", 2), _client())

    assert (
        "While asking: the reply is longer than 1,000 bytes, so it is none. That is on the index's side.",
        ["GET /"],
    ) == (str(error), server.lines)


def test_a_reply_as_long_as_it_may_be() -> None:
    """The limit itself is no excess."""
    with Scripted({"GET /": Answer(body=b"x" * 1000)}) as server, _client() as client:
        assert len(client.send(_get(f"{server.url}/")).body) == 1000


def test_a_packed_reply_is_measured_unpacked() -> None:
    """A small reply that unpacks to a large one is too long."""
    import gzip

    answer = Answer(body=gzip.compress(bytes(100_000)), headers={"Content-Encoding": "gzip"})
    with Scripted({"GET /": answer}) as server:
        error = _refused(_get(f"{server.url}/"), _client())

    assert "While asking: the reply is longer than 1,000 bytes, so it is none. That is on the index's side." == str(
        error
    )


def test_a_reply_that_is_packed_wrongly() -> None:
    """A reply that cannot be unpacked is a broken one."""
    answer = Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"})
    with Scripted({"GET /": answer}) as server:
        error = _refused(_get(f"{server.url}/"), _client())

    assert f"While asking: the connection broke (DecodingError). {REMEDY}" == str(error)


def test_a_file_that_changed_is_not_uploaded(tmp_path: Path) -> None:
    """The error of the file comes through as it is, at the first try."""
    with Scripted({"POST /": Answer()}) as server, _client() as client:
        request = _upload(tmp_path, f"{server.url}/", tries=5)
        assert request.upload is not None
        request.upload.distribution.path.write_bytes(b"other")
        with pytest.raises(DistributionError) as raised:
            client.send(request)

    assert str(raised.value).startswith("dist/sample.whl has changed since it was checked, so it was not uploaded. ")
    assert [] == [body for body in server.bodies("POST /") if not request.upload.head.startswith(body)]


# Secrets


def test_a_reply_knows_what_was_sent(tmp_path: Path) -> None:
    """A reply that repeats a token, of its own request or of one before, shows it in none of the forms that were sent."""
    said = f"no {IDENTITY_TOKEN}, {UPLOAD_TOKEN}, {SECRETS[2]}"
    answer = Answer(403, said.encode(), "text/plain")
    with Scripted({"GET /": answer, "POST /": answer}) as server, _client() as client:
        url = f"{server.url}/"
        requests = [_get(url), _mint(url), _upload(tmp_path, url)]
        shown = [message(client.send(request)) for request in requests]

    assert [said, f"no ***, {UPLOAD_TOKEN}, {SECRETS[2]}", "no ***, ***, ***"] == shown


def _rendered(error: BaseException) -> str:
    """A traceback with all there is to see."""
    out = io.StringIO()
    trace = Traceback.from_exception(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=10**7, locals_max_length=10**4
    )
    Console(file=out, width=4000).print(trace)
    return out.getvalue()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize("kind", ["mint", "upload"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(body=b"x" * 100, fault="no reply"), id="no reply"),
        pytest.param(Answer(body=b'{"token": "%s"}' % UPLOAD_TOKEN.encode(), fault="cut"), id="cut"),
        pytest.param(Answer(fault="silence"), id="silence"),
        pytest.param(Answer(body=UPLOAD_TOKEN.encode() * 100_000), id="too long"),
        pytest.param(Answer(body=UPLOAD_TOKEN.encode(), headers={"Content-Encoding": "gzip"}), id="not packed"),
        pytest.param(Answer(429, UPLOAD_TOKEN.encode(), headers={"Retry-After": "999"}), id="long wait"),
        pytest.param(Answer(headers={"\x00": UPLOAD_TOKEN}), id="malformed"),
    ],
)
def test_no_secret_in_any_error(kind: str, answer: Answer, tmp_path: Path) -> None:
    """Neither text, nor cause, nor a traceback with locals shows a token, whatever goes wrong."""
    timeout = 0.3 if answer.fault == "silence" else 20.0
    with Scripted({"POST /": answer}) as server:
        url = f"{server.url}/"
        error = _refused(_mint(url) if kind == "mint" else _upload(tmp_path, url), _client(timeout))

    _assert_no_secret(error)


def test_no_secret_where_nobody_listens(tmp_path: Path) -> None:
    """So it is when there is no connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"

    _assert_no_secret(_refused(_upload(tmp_path, url), _client()))


def test_no_secret_where_a_file_changed(tmp_path: Path) -> None:
    """So it is when the error comes from the file, through the frames of the HTTP library."""
    with Scripted({"POST /": Answer()}) as server, _client() as client:
        request = _upload(tmp_path, f"{server.url}/")
        assert request.upload is not None
        request.upload.distribution.path.unlink()
        with pytest.raises(DistributionError) as raised:
            client.send(request)

    _assert_no_secret(raised.value)


def test_no_secret_in_an_impossible_header(tmp_path: Path) -> None:
    """So it is when the HTTP library refuses what is to be sent, and cites it."""
    with Scripted({"POST /": Answer()}) as server, _client() as client:
        upload = _upload(tmp_path, f"{server.url}/").upload
        assert upload is not None
        broken = type(upload)(upload.distribution, upload.token, "\r\nx: y", upload.head)
        error = _refused(Request(Message("uploading"), f"{server.url}/", upload=broken, tries=1), client)

    assert f"While uploading: the connection broke (LocalProtocolError). {REMEDY}" == str(error)
    _assert_no_secret(error)


def _assert_no_secret(error: TrustedPublishError) -> None:
    # The frames of this file hold what they made; those of the client must not.
    assert error.__traceback__ is not None
    trace = error.__traceback__
    while trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    shown = _rendered(error.with_traceback(trace)) + "".join(str(one) + repr(one) for one in _chain(error))
    assert [] == [secret for secret in SECRETS if secret in shown or secret[:14] in shown]


# Certificates


_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""Python 3.13 asks for it in an authority's certificate."""


class Authority:
    """An authority that signs certificates for loopback."""

    def __init__(self, folder: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        self.folder = folder
        self.certificate = self._sign(self.name, self.key, x509.BasicConstraints(True, None), _SIGNS_CERTIFICATES)
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, *extra: x509.ExtensionType) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        for extension in extra:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, label: str, host: str, password: bytes | None = None) -> tuple[Path, Path]:
        """Files with a certificate for *host*, and with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host),
        ]
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        certificate = self._sign(name, key, x509.SubjectAlternativeName(names))
        files = self.folder / f"{label}.pem", self.folder / f"{label}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
        return files

    def server(self, host: str = "127.0.0.1", *, asks: bool = False) -> ssl.SSLContext:
        """What a server for *host* needs; with *asks* it wants a certificate of the client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(f"server-{host}", host))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context

    def as_folder(self) -> Path:
        """A folder with the authority's certificate, under the name by which OpenSSL looks for it."""
        canonical = self.name.public_bytes()[2:]
        number = int.from_bytes(hashlib.sha1(canonical).digest()[:4], "little")
        folder = self.folder / "certs"
        folder.mkdir()
        (folder / f"{number:08x}.0").write_bytes(self.file.read_bytes())
        return folder


@pytest.fixture(name="authority")
def _authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def test_own_authority_by_a_file(authority: Authority) -> None:
    """`ca-cert` names the file of the authority that signed the index's certificate."""
    with Scripted({"GET /": Answer()}, authority.server()) as server, _client(ca_cert=str(authority.file)) as client:
        assert client.send(_get(f"{server.url}/")).status == 200


def test_own_authority_by_a_folder(authority: Authority) -> None:
    """`ca-cert` may be a folder of them, as OpenSSL has it."""
    folder = str(authority.as_folder())
    with Scripted({"GET /": Answer()}, authority.server()) as server, _client(ca_cert=folder) as client:
        assert client.send(_get(f"{server.url}/")).status == 200


def test_a_large_upload_over_tls(authority: Authority, tmp_path: Path) -> None:
    """A file that takes many writes arrives whole over TLS."""
    ca = str(authority.file)
    with Scripted({"POST /": Answer()}, authority.server()) as server, _client(ca_cert=ca) as client:
        request = _upload(tmp_path, f"{server.url}/", 500_000)
        client.send(request)

    upload = request.upload
    assert upload is not None
    assert server.asked[0].body == b"".join(upload.chunks())


def test_unknown_authority(authority: Authority) -> None:
    """A certificate of an authority that nobody named is refused at the first try, with the way out."""
    with Scripted({"GET /": Answer()}, authority.server()) as server:
        error = _refused(_get(f"{server.url}/", 4), _client())

    shown = re.sub(r"\(_ssl\.c:\d+\)", "(…)", str(error))
    assert (
        (
            "While asking: the certificate of the index is not trusted ([SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
            "failed: unable to get local issuer certificate (…)); if it is signed by an authority of your own, name that by "
            f"`--ca-cert`. {REMEDY}"
        ),
        [],
        False,
        False,
    ) == (shown, server.lines, error.was_sent, error.can_pass)


def test_certificate_for_another_host(authority: Authority) -> None:
    """A trusted certificate of another host is refused as well."""
    with Scripted({"GET /": Answer()}, authority.server("other.test")) as server:
        error = _refused(_get(f"{server.url}/", 4), _client(ca_cert=str(authority.file)))

    shown = re.sub(r"\(_ssl\.c:\d+\)", "(…)", str(error))
    assert (
        (
            "While asking: the certificate of the index is not trusted ([SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
            "failed: IP address mismatch, certificate is not valid for '127.0.0.1'. (…)); if it is signed by an authority of "
            f"your own, name that by `--ca-cert`. {REMEDY}"
        ),
        [],
        False,
    ) == (shown, server.lines, error.can_pass)


@pytest.mark.parametrize("together", [False, True])
def test_client_certificate(authority: Authority, together: bool) -> None:
    """`client-cert` and `client-key` are shown to an index that asks; one file may hold both."""
    certificate, key = authority.issue("client", "client.test")
    own = None if together else str(key)
    if together:
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    script = {"GET /": Answer()}
    ca = str(authority.file)
    tls = authority.server(asks=True)
    with Scripted(script, tls) as server, _client(20.0, ca, str(certificate), own) as client:
        assert client.send(_get(f"{server.url}/")).status == 200


def test_client_certificate_is_missing(authority: Authority) -> None:
    """An index that wants a certificate and gets none ends the connection, and says why."""
    with Scripted({"GET /": Answer()}, authority.server(asks=True)) as server:
        error = _refused(_get(f"{server.url}/"), _client(ca_cert=str(authority.file)))

    assert [] == server.lines
    assert str(error).startswith("While asking: the connection broke (")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        pytest.param({"ca_cert": "none.pem"}, "No such file or directory", id="no authority"),
        pytest.param({"ca_cert": "junk.pem"}, "no certificate or crl found", id="authority that is none"),
        pytest.param({"client_cert": "none.pem"}, "No such file or directory", id="no certificate"),
        pytest.param({"client_cert": "client.pem"}, "PEM lib", id="certificate without a key"),
        pytest.param({"client_cert": "client.pem", "client_key": "none.key"}, "No such file or directory", id="no key"),
        pytest.param({"client_cert": "client.pem", "client_key": "other.key"}, "key values mismatch", id="other key"),
        pytest.param({"client_cert": "client.pem", "client_key": "locked.key"}, "PEM lib", id="key with a password"),
    ],
)
def test_certificate_files_that_cannot_be_used(files: dict[str, str], problem: str, authority: Authority) -> None:
    """What is wrong with a certificate file is told before anything is sent, with the files that were named."""
    authority.issue("client", "client.test")
    authority.issue("other", "client.test")
    authority.issue("locked", "client.test", b"sesame")
    (authority.folder / "junk.pem").write_text("junk")
    paths = {key: str(authority.folder / name) for key, name in files.items()}

    with pytest.raises(NetworkError) as raised:
        _client(20.0, paths.get("ca_cert"), paths.get("client_cert"), paths.get("client_key"))

    shown = re.sub(r"^\[\w+(: \w+)?\] | \(_ssl\.c:\d+\)", "", str(raised.value))
    shown = re.sub(r": \[\w+(: \w+)?\] ", ": ", shown)
    assert f"A certificate file cannot be used ({', '.join(paths.values())}): {problem}. Nothing was sent." == shown


# Proxies


def test_a_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`HTTP_PROXY` is used, with the deadline for it as well."""
    target = "GET http://index.test/simple/"
    with Scripted({target: Answer(body=b"by proxy")}) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with _client() as client:
            reply = client.send(_get("http://index.test/simple/"))

    assert (b"by proxy", [target]) == (reply.body, proxy.lines)


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("http://index.test/", "GET http://index.test/"),
        ("https://index.test/", "CONNECT index.test:443"),
    ],
)
@pytest.mark.parametrize("fault", ["bytewise", "silence"])
def test_a_proxy_that_is_slow(url: str, line: str, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that drips, or never answers, does not hold a request for ever."""
    with Scripted(lambda _: Answer(fault=fault, headers={"X-Long": "x" * 100})) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        error = _refused(_get(url), _client(0.3))

    assert (f"While asking: no whole reply came in time. {REMEDY}", [line]) == (str(error), proxy.lines)


def test_hosts_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` names hosts that are asked themselves."""
    with Scripted({}) as proxy, Scripted({"GET /": Answer()}) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with _client() as client:
            reply = client.send(_get(f"{server.url}/"))

    assert (200, []) == (reply.status, proxy.lines)


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that wants a password is told of by its status; the index got nothing, the token went nowhere."""

    def answer(_: Asked) -> Answer:
        return Answer(407, reason="Proxy Authentication Required")

    with Scripted(answer) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        error = _refused(_mint("https://index.test/"), _client())

    assert (
        f"While minting: no connection could be made (407 Proxy Authentication Required). {REMEDY}",
        ["CONNECT index.test:443"],
        False,
    ) == (str(error), proxy.lines, error.was_sent)
    assert not [asked for asked in proxy.asked if "sesame" in str(asked)]


@pytest.mark.parametrize("url", ["ftp://user:sesame@proxy.test", "http://proxy.test:port", "socks5://user:sesame@h:1"])
def test_a_proxy_that_cannot_be_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no proxy is told, without the password that may be in it."""
    monkeypatch.setenv("ALL_PROXY", url)

    with pytest.raises(NetworkError) as raised:
        _client()

    assert (
        "The proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used. It has to be a URL that begins with "
        "http:// or https://, or with socks5:// where the package `socksio` is installed. Nothing was sent."
    ) == str(raised.value)
