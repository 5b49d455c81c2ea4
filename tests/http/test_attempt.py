"""Tries without a complete reply: what they report, and what they leave open."""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hatch_trusted_publish.errors import DistributionError, Message, NetworkError, TrustedPublishError
from hatch_trusted_publish.http.messages import Request, Upload
from tests.http.making import (
    ASKING,
    MINTING,
    SECRETS,
    UPLOAD_TOKEN,
    UPLOADING,
    a_client,
    closed_port,
    form_of,
    get,
    mint,
    refused,
    upload,
)
from tests.support.scripted import Answer, Fault, Scripted


def _message(code: str, reason: str, server: Scripted | int, purpose: Message = ASKING, **facts: Any) -> Message:
    port = server if isinstance(server, int) else server.port
    cause = Message(reason, purpose=purpose, host=f"127.0.0.1:{port}", proxy="", **facts)
    return Message(code, reason=cause, **facts)


def _lost(server: Scripted, said: str, purpose: Message = ASKING) -> Message:
    return _message("connection-lost", "broken-connection", server, purpose, said=said)


# No complete reply


@pytest.mark.parametrize("fault", ["no reply", "cut"])
def test_a_reply_that_is_cut(fault: Fault) -> None:
    """A truncated reply is retried, then reported; the index may have acted on a request with a body."""
    with Scripted(lambda _: Answer(body=b"x" * 100, fault=fault)) as server:
        question = refused(get(f"{server.url}/", 2), a_client())
        mint_ = refused(mint(f"{server.url}/", 2), a_client())

    assert _lost(server, "RemoteProtocolError") == question.message
    assert _lost(server, "RemoteProtocolError", MINTING) == mint_.message
    assert ((False, True), (True, True)) == (
        (question.was_sent, question.can_pass),
        (mint_.was_sent, mint_.can_pass),
    )
    assert ["GET /", "GET /", "POST /", "POST /"] == server.lines


@pytest.mark.parametrize("fault", ["bytewise", "silence"])
def test_a_reply_that_is_slow(fault: Fault) -> None:
    """A reply that drips or never arrives is abandoned; the index may have acted."""
    with Scripted({"POST /": Answer(body=b"x" * 100, fault=fault)}) as server:
        error = refused(mint(f"{server.url}/", 2), a_client(0.3))

    assert _message("timed-out", "no-response", server, MINTING, seconds=0.3) == error.message
    assert (["POST /"] * 2, True, True) == (server.lines, error.was_sent, error.can_pass)


def test_a_drip_in_time_is_a_reply() -> None:
    """The deadline ends a slow reply; slowness alone does not."""
    with Scripted({"GET /": Answer(204, fault="bytewise", reason="")}) as server, a_client() as client:
        assert client.send(get(f"{server.url}/")).status == 204


def test_an_upload_has_time_by_its_size(tmp_path: Path) -> None:
    """A file gets the time that 100 kB a second takes; a reply that never arrives ends with that time."""
    with Scripted({"POST /": Answer(fault="silence")}) as server:
        request = upload(tmp_path, f"{server.url}/", 20_000)
        error = refused(request, a_client(0.1))

    seconds = 0.1 + form_of(request).length / 100_000
    assert _message("timed-out", "no-response", server, UPLOADING, seconds=seconds) == error.message
    assert ["POST /"] == server.lines


def test_no_connection() -> None:
    """A port on which no server listens is reported with the system's words; the request was not sent."""
    port = closed_port()
    error = refused(mint(f"http://127.0.0.1:{port}/", 2), a_client())

    said = os.strerror(111) if os.name == "posix" else error.reason.facts["said"]
    assert _message("connection-refused", "no-connection", port, MINTING, said=said) == error.message
    assert (False, True) == (error.was_sent, error.can_pass)


def test_a_host_that_is_unknown() -> None:
    """A name without an address is reported as such."""
    error = refused(mint("https://index.invalid/"), a_client())

    assert (("host-not-found",), "index.invalid:443") == (error.codes, error.reason.facts["host"])
    assert (False, True) == (error.was_sent, error.can_pass)


def test_a_url_that_httpx_rejects() -> None:
    """A URL that httpx rejects is reported as a failure, and not retried."""
    error = refused(get("https://index_\u00e4.test/"), a_client())

    assert (("connection-lost",), "InvalidCodepoint", False) == (
        error.codes,
        error.reason.facts["said"],
        error.can_pass,
    )


def test_an_early_reply_is_read(tmp_path: Path) -> None:
    """A rejection that arrives before the file was read, with the connection closed, is the reply."""
    answer = Answer(403, b'{"code": "403 no"}', fault="early")
    with Scripted({"POST /": answer}) as server, a_client() as client:
        reply = client.send(upload(tmp_path, f"{server.url}/", 8_000_000))

    assert (403, b'{"code": "403 no"}') == (reply.status, reply.body)


@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_too_long(packed: bool) -> None:
    """A reply that is too long, or unpacks to one, is abandoned, and not retried."""
    body = b"x" * 1001
    answer = Answer(body=gzip.compress(body), headers={"Content-Encoding": "gzip"}) if packed else Answer(body=body)
    with Scripted({"GET /": answer}) as server:
        error = refused(get(f"{server.url}/", 2), a_client())

    assert _message("unreadable-response", "bad-body", server, largest=1000) == error.message
    assert ["GET /"] == server.lines


def test_a_reply_as_long_as_it_may_be() -> None:
    """A reply of exactly the limit is read."""
    with Scripted({"GET /": Answer(body=b"x" * 1000)}) as server, a_client() as client:
        assert len(client.send(get(f"{server.url}/")).body) == 1000


def test_a_reply_that_is_packed_wrongly() -> None:
    """A reply that cannot be unpacked is reported as such."""
    answer = Answer(body=b"no gzip", headers={"Content-Encoding": "gzip"})
    with Scripted({"GET /": answer}) as server:
        error = refused(get(f"{server.url}/", 2), a_client())

    assert _message("unreadable-response", "bad-body", server, largest=1000) == error.message


def test_a_file_that_changed_is_not_uploaded(tmp_path: Path) -> None:
    """The error of the file is raised unchanged, at the first try."""
    with Scripted({"POST /": Answer()}) as server, a_client() as client:
        request = upload(tmp_path, f"{server.url}/", tries=5)
        form = form_of(request)
        form.distribution.path.write_bytes(b"other")
        with pytest.raises(DistributionError):
            client.send(request)

    assert [] == [body for body in server.bodies("POST /") if not form.head.startswith(body)]


# The deadline


class Resolver:
    """A name server that answers as scripted, when the test lets it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
        self.addresses = addresses
        self.answers = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, *_: object, **__: object) -> list[tuple[Any, ...]]:
        self.answers.wait()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in self.addresses]


def test_a_name_server_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline applies while a name is looked up; a body that has not started by then is never sent."""
    with Scripted({"POST /": Answer()}) as server:
        resolver = Resolver(monkeypatch, ("127.0.0.1", server.port))
        with a_client(0.2) as client:
            with pytest.raises(NetworkError) as raised:
                client.send(mint(f"http://localhost:{server.port}/"))
            resolver.answers.set()
            server.wait_for(1)

    assert (("timed-out",), False, [b""]) == (raised.value.codes, raised.value.was_sent, server.bodies("POST /"))


@pytest.fixture(name="silent")
def _silent() -> Iterator[tuple[str, int]]:
    """An address that does not answer: its queue of connections is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = listener.getsockname()
        while True:
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(address)
            except TimeoutError:
                break
        yield address


def test_addresses_that_are_silent(silent: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """One deadline covers all addresses of a host."""
    Resolver(monkeypatch, *[silent] * 10_000).answers.set()
    error = refused(mint(f"http://localhost:{silent[1]}/"), a_client(0.2))

    assert (("timed-out",), False) == (error.codes, error.was_sent)


def test_a_reply_that_was_given_up_is_read_no_further() -> None:
    """The connection of a reply that arrives too late is closed at its next piece."""
    answer = Answer(body=b"x" * 10**6, fault="bytewise")
    with Scripted({"GET /": answer}) as server, a_client(1.0) as client:
        with pytest.raises(NetworkError):
            client.send(get(f"{server.url}/", largest_reply=10**9))
        server.wait_until_idle()

    assert ["GET /"] == server.lines


def test_an_upload_that_was_given_up_is_sent_no_further(tmp_path: Path) -> None:
    """A body that is too slow stops after the piece in flight, and reports no more progress."""
    progress: list[int] = []
    goes_on = threading.Event()

    def sent(count: int) -> None:
        progress.append(count)
        if len(progress) == 3:
            goes_on.wait()

    with Scripted({"POST /": Answer()}) as server, a_client(0.1) as client:
        request = upload(tmp_path, f"{server.url}/", 20_000_000)
        form = form_of(request)
        slow = Upload(form.distribution, "b", b"head", sent)
        client.hurry(0.3)
        with pytest.raises(NetworkError) as raised:
            client.send(Request(UPLOADING, request.url, upload=slow, last=True))
        goes_on.set()
        server.wait_for(1)

    assert (("timed-out",), True) == (raised.value.codes, raised.value.was_sent)
    assert len(server.bodies("POST /")[0]) < form.distribution.size
    assert len(progress) == 3


@pytest.mark.parametrize("fault", ["", "early", "no reply", "cut", "bytewise"])
def test_nothing_is_left_of_an_upload(fault: Fault, tmp_path: Path) -> None:
    """However an upload ends, its file is closed and no thread hashes it, without a garbage collector."""
    answer = Answer(403, b'{"code": "403 no"}', fault=fault)
    gc.disable()
    try:
        with Scripted({"POST /": answer}) as server, a_client() as client:
            before = _open_files(tmp_path), _hashing_threads()
            with contextlib.suppress(NetworkError):
                client.send(upload(tmp_path, f"{server.url}/", 8_000_000))
            after = _open_files(tmp_path), _hashing_threads()
    finally:
        gc.enable()

    assert (([], []), ([], [])) == (before, after)


def _open_files(directory: Path) -> list[str]:
    """Return the files in *directory* that this process has open."""
    found = []
    for link in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(link.resolve()))
    return [path for path in found if path.startswith(str(directory))]


def _hashing_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "_drain" in thread.name]


# This machine


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
@pytest.mark.parametrize("addresses", [["192.0.2.1"], ["127.0.0.1", "192.0.2.1"], ["::1", "2001:db8::1"]])
def test_plain_http_stays_on_this_machine(addresses: list[str], scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If `localhost` is another machine, too, nothing is sent over plain HTTP."""
    Resolver(monkeypatch, *[(address, 80) for address in addresses]).answers.set()
    error = refused(mint(f"{scheme}://localhost:80/"), a_client())

    reason = Message("other-machine", purpose=MINTING, host="localhost:80", proxy="", address=addresses[-1])
    assert Message("not-loopback", reason=reason, address=addresses[-1]) == error.message
    assert (False, False) == (error.was_sent, error.can_pass)


# Secrets


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _assert_no_secret(error: TrustedPublishError) -> None:
    # The frames of the tests hold the token; those of the client must not.
    assert error.__traceback__ is not None
    trace = error.__traceback__
    while trace.tb_next is not None and "tests" in trace.tb_frame.f_code.co_filename:
        trace = trace.tb_next
    rendered = traceback.TracebackException.from_exception(error.with_traceback(trace), capture_locals=True).format()
    shown = "".join([*rendered, *(str(one) + repr(one) for one in _chain(error))])
    assert [] == [secret for secret in SECRETS if secret in shown or secret[:14] in shown]


@pytest.mark.parametrize("make", [lambda _, url: mint(url), upload], ids=["mint", "upload"])
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
def test_no_secret_in_any_error(make: Callable[[Path, str], Request], answer: Answer, tmp_path: Path) -> None:
    """No message, cause, or traceback with locals shows a token, whatever goes wrong."""
    with Scripted({"POST /": answer}) as server:
        request = make(tmp_path, f"{server.url}/")
        error = refused(request, a_client(0.3 if answer.fault == "silence" else 20.0))

    _assert_no_secret(error)


def test_no_secret_after_a_refused_connection(tmp_path: Path) -> None:
    """Nor does the error of a refused connection."""
    _assert_no_secret(refused(upload(tmp_path, f"http://127.0.0.1:{closed_port()}/"), a_client()))


def test_no_secret_after_a_changed_file(tmp_path: Path) -> None:
    """Nor does an error of the file, raised through the frames of the HTTP library."""
    with Scripted({"POST /": Answer()}) as server, a_client() as client:
        request = upload(tmp_path, f"{server.url}/")
        form_of(request).distribution.path.unlink()
        with pytest.raises(DistributionError) as raised:
            client.send(request)

    _assert_no_secret(raised.value)


def test_no_secret_in_an_impossible_header(tmp_path: Path) -> None:
    """Nor does the HTTP library's own error, which quotes the header that it refuses to send."""
    with Scripted({"POST /": Answer()}) as server:
        request = upload(tmp_path, f"{server.url}/")
        broken = Upload(form_of(request).distribution, "\r\nx: y", b"head")
        error = refused(Request(UPLOADING, request.url, upload=broken, basic=request.basic, tries=1), a_client())

    assert _lost(server, "LocalProtocolError", UPLOADING) == error.message
    _assert_no_secret(error)
