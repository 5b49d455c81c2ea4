"""A small HTTP server on loopback with scripted answers, faults included.

    with Scripted({"GET /a": Answer(body=b"x"), "POST /b": [Answer(500), Answer(fault="no reply")]}) as server:
        ...  # ask server.url
    assert ["GET /a", "POST /b", "POST /b"] == server.lines

The last answer of a list repeats; anything not in the script is answered with 404. Each answer
closes its connection.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Literal, Self

Fault = Literal["", "no reply", "cut", "early", "bytewise", "silence"]
"""How an answer goes wrong.

``no reply``: the connection closes after the request was read. ``cut``: it closes in the middle
of the response body. ``early``: the answer arrives, and the connection closes, before the request
body was read. ``bytewise``: one byte at a time, slowly. ``silence``: no answer until the client
gives up.
"""


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    fault: Fault = ""
    reason: str = "Scripted"
    raw: bytes = b""
    """The status line and the headers to send, instead of those made from the other fields."""
    endless: bool = False
    """Whether the body repeats until the client gives up."""

    @classmethod
    def of(cls, value: object, status: int = 200, media_type: str = "application/json") -> Answer:
        """Return an answer with *value* as JSON."""
        return cls(status, json.dumps(value).encode(), media_type)

    def __bytes__(self) -> bytes:
        if self.raw:
            return self.raw + self.body
        length = {} if self.endless else {"Content-Length": str(len(self.body))}
        headers = {"Content-Type": self.media_type, **length, "Connection": "close", **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} {self.reason}\r\n{lines}\r\n".encode("latin-1") + self.body


@dataclass(frozen=True)
class Asked:
    """One request as it arrived; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.target}"


Script = Mapping[str, Answer | Sequence[Answer]] | Callable[[Asked], Answer]


class Scripted:
    """The server; it runs until the ``with`` block ends."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        """
        Args:
            script: the answers to each method and target, in order; or a function.
        """
        self._script = script
        self._tls = tls
        self.asked: list[Asked] = []
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @property
    def lines(self) -> list[str]:
        """Method and target of each request, in order."""
        return [asked.line for asked in self.asked]

    def bodies(self, line: str) -> list[bytes]:
        """Return the bodies of the requests with this method and target."""
        return [asked.body for asked in self.asked if asked.line == line]

    def wait_until_idle(self) -> None:
        """Wait until every connection so far has ended."""
        for thread in list(self._threads):
            thread.join()

    def wait_for(self, count: int) -> None:
        """Wait until that many requests arrived, complete or not."""
        with self._lock:
            self._came.wait_for(lambda: len(self.asked) >= count)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        # Closing a listener does not wake the waiting thread on every system; connecting to it does.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            pass
        self._accepting.join()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            connection, _ = self._listener.accept()
            if self._closing.is_set():
                connection.close()
                return
            with self._lock:
                self._open.add(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        connection = plain
        # The client may disconnect at any time: some tests are about that.
        with contextlib.suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
                connection.do_handshake()
            with connection.makefile("rb") as stream:
                self._answer(connection, stream)
        with self._lock:
            self._open.discard(plain)
            self._open.discard(connection)
        connection.close()

    def _answer(self, connection: socket.socket, stream: BinaryIO) -> None:
        head = stream.readline().decode("latin-1").split()
        if len(head) < 2:
            return
        headers = dict(map(_header, iter(stream.readline, b"\r\n")))
        asked = Asked(head[0], head[1], headers, b"")
        answer = None if callable(self._script) else self._written(self._script, asked)
        if answer is None or answer.fault != "early":
            asked = Asked(head[0], head[1], headers, stream.read(int(headers.get("content-length", 0))))
        if answer is None:
            answer = self._script(asked)  # type: ignore[operator]
        with self._lock:
            self.asked.append(asked)
            self._came.notify_all()
        whole = bytes(answer)
        if answer.fault == "silence":
            stream.read(1)
        elif answer.fault == "bytewise":
            for place in range(len(whole)):
                connection.sendall(whole[place : place + 1])
                if self._closing.wait(0.01):
                    return
        elif answer.fault != "no reply":
            connection.sendall(whole[: len(whole) - max(1, len(answer.body) // 2)] if answer.fault == "cut" else whole)
            while answer.endless:
                connection.sendall(answer.body)

    def _written(self, script: Mapping[str, Answer | Sequence[Answer]], asked: Asked) -> Answer:
        found = script.get(asked.line, Answer(404, b"not written down", "text/plain"))
        if isinstance(found, Answer):
            return found
        with self._lock:
            before = sum(one.line == asked.line for one in self.asked)
        return found[min(before, len(found) - 1)]


def _header(line: bytes) -> tuple[str, str]:
    if not line:
        raise ConnectionResetError  # disconnected in the middle of its headers
    name, _, value = line.decode("latin-1").partition(":")
    return name.lower(), value.strip()


class Tunnel:
    """A proxy on loopback that connects to one local port, whatever host is requested."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open = contextlib.ExitStack()
        self._threads: list[threading.Thread] = []
        self.asked: list[str] = []
        """The first line of each request, without the version, and its credentials."""

    def __enter__(self) -> Self:
        self._listener = self._open.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.create_connection(("127.0.0.1", self.port), 5):
            pass
        for thread in self._threads:
            thread.join()
        self._open.close()

    def _start(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=work, args=arguments, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        while True:
            connection = self._open.enter_context(self._listener.accept()[0])
            with connection.makefile("rb", buffering=0) as stream:
                line = stream.readline().decode("latin-1").rpartition(" ")[0]
                if not line:  # the connection that `__exit__` makes
                    return
                headers = dict(map(_header, iter(stream.readline, b"\r\n")))
            self.asked.append(f"{line} {headers.get('proxy-authorization', '')}")
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            other = self._open.enter_context(socket.create_connection(("127.0.0.1", self._target)))
            self._start(self._relay, connection, other)
            self._start(self._relay, other, connection)

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
