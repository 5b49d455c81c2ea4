"""A deadline for the whole of a request, under httpx."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import httpcore
import pytest

from hatch_trusted_publish.http.deadline import Deadlined, deadline

CONTEXT = ssl.create_default_context()


class Wire(httpcore.NetworkBackend, httpcore.NetworkStream):
    """A network, and its one connection, that remember what they were asked, and in how many seconds at most."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []
        self.written = b""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        self.asked.append((f"connect {host}:{port} {local_address} {socket_options}", timeout))
        return self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.asked.append((f"read {max_bytes}", timeout))
        return b"reply"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.asked.append((f"write {len(buffer)}", timeout))
        self.written += buffer

    def close(self) -> None:
        self.asked.append(("close", None))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self.asked.append((f"tls {ssl_context is CONTEXT} {server_hostname}", timeout))
        return self

    def get_extra_info(self, info: str) -> Any:
        return f"the {info}"


@pytest.fixture(autouse=True)
def _no_deadline() -> Iterator[None]:
    """Other tests leave their deadlines behind, and these leave none."""
    deadline.at = float("inf")
    yield
    deadline.at = float("inf")


@pytest.fixture(name="wire")
def _wire() -> Wire:
    return Wire()


def connect(wire: Wire) -> httpcore.NetworkStream:
    return Deadlined(wire).connect_tcp("h", 1, 5.0)


def test_without_a_deadline(wire: Wire) -> None:
    """Each step has the time-out that it was given, or none."""
    stream = Deadlined(wire).connect_tcp("h", 443, 1.0, local_address="a", socket_options=[])
    secure = stream.start_tls(CONTEXT, "name", 2.0)
    secure.write(b"x", 3.0)
    secure.write(b"yz")
    answer = secure.read(9, 4.0)
    secure.close()

    assert [
        ("connect h:443 a []", 1.0),
        ("tls True name", 2.0),
        ("write 1", 3.0),
        ("write 2", float("inf")),
        ("read 9", 4.0),
        ("close", None),
    ] == wire.asked
    assert (b"reply", b"xyz", "the socket") == (answer, wire.written, secure.get_extra_info("socket"))


STEPS: list[tuple[Callable[[Wire, httpcore.NetworkStream, float | None], object], type[Exception]]] = [
    (lambda wire, _, timeout: Deadlined(wire).connect_tcp("h", 1, timeout), httpcore.ConnectTimeout),
    (lambda _, stream, timeout: stream.start_tls(CONTEXT, None, timeout), httpcore.ConnectTimeout),
    (lambda _, stream, timeout: stream.write(b"x", timeout), httpcore.WriteTimeout),
    (lambda _, stream, timeout: stream.read(1, timeout), httpcore.ReadTimeout),
]
EACH_STEP = pytest.mark.parametrize(("step", "late"), STEPS, ids=["connect", "tls", "write", "read"])


@EACH_STEP
@pytest.mark.parametrize("timeout", [None, 5.0])
def test_too_late(
    step: Callable[[Wire, httpcore.NetworkStream, float | None], object],
    late: type[Exception],
    timeout: float | None,
    wire: Wire,
) -> None:
    """When the time is over, no step is begun, and httpx hears of a time-out of its own kind."""
    stream = connect(wire)
    deadline.at = time.monotonic()
    with pytest.raises(late):
        step(wire, stream, timeout)

    assert [("connect h:1 None None", 5.0)] == wire.asked


@EACH_STEP
@pytest.mark.parametrize("timeout", [None, 5.0, 2_000_000.0])
def test_in_time(
    step: Callable[[Wire, httpcore.NetworkStream, float | None], object],
    late: type[Exception],
    timeout: float | None,
    wire: Wire,
) -> None:
    """A step has its time-out, or what is left until the deadline if that is less."""
    stream = connect(wire)
    deadline.at = time.monotonic() + 1_000_000.0
    step(wire, stream, timeout)
    given = wire.asked[-1][1]

    assert given is not None
    assert (given == timeout) == (timeout == 5.0)
    assert 0 < given <= 1_000_000.0


def test_a_deadline_in_the_middle(wire: Wire) -> None:
    """A large buffer is written in parts; the deadline is looked at before each."""
    stream = connect(wire)
    data = bytes(range(256)) * 800
    deadline.at = time.monotonic() + 1_000_000.0
    stream.write(data)
    times = [seconds for _, seconds in wire.asked[1:]]

    assert data == wire.written
    assert [f"write {size}" for size in (65536, 65536, 65536, 8192)] == [what for what, _ in wire.asked[1:]]
    assert times == sorted(times, key=lambda seconds: -(seconds or 0))


def test_each_thread_has_its_own(wire: Wire) -> None:
    """The deadline of one request is not that of another that is under way beside it."""
    deadline.at = time.monotonic()
    other = threading.Thread(target=connect, args=(wire,))
    other.start()
    other.join()

    assert [("connect h:1 None None", 5.0)] == wire.asked
    with pytest.raises(httpcore.ConnectTimeout):
        connect(wire)
