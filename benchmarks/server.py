"""The index of the benchmark: the parts of PyPI that every tool needs.

Rules:

- A body is read and discarded. Only the size, the file name and the SHA-256 field of an upload are kept.
- Every reply can be delayed (``delay``), counted from the end of the request.
- Standard library only, except for ``certify``, which needs `cryptography`.

Three commands: ``certify DIRECTORY`` makes a private CA and a certificate for 127.0.0.1; ``serve DIRECTORY`` runs the
index; ``relay PORT ROUND_TRIP MBITS`` simulates a long line to it. The last two print their port, and then answer each
line of JSON on standard input with one line.
"""  # noqa: INP001 - scripts, not a package

from __future__ import annotations

import base64
import json
import queue
import re
import resource
import socket
import ssl
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

HOST: Final = "127.0.0.1"
_KEPT: Final = 64 * 1024
"""Bytes at each end of an upload that are searched for its fields."""
_BUFFER: Final = 256 * 1024


@dataclass
class Seen:
    """One request, as the server saw it."""

    kind: str
    """The path; ``upload`` for an upload."""
    status: int
    size: int
    connection: int
    began: float
    ended: float
    filename: str = ""
    sha256: str = ""


@dataclass
class State:
    """The state that the benchmark can set and read."""

    delay: float = 0.0
    """Seconds that the index takes for a request."""
    identity_delay: float = 0.0
    """Seconds that the CI takes to issue an identity token."""
    held: dict[str, str] = field(default_factory=dict)
    """The index's files: file name → SHA-256."""
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0


class Gone(Exception):
    """The client has closed the connection."""


class Connection:
    """One client: HTTP/1.1 with keep-alive, over TLS."""

    def __init__(self, sock: ssl.SSLSocket, state: State, number: int) -> None:
        self._sock, self._state, self._number = sock, state, number
        self._buffer = bytearray(_BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0

    def serve(self) -> None:
        """Answer requests until the client disconnects."""
        try:
            while self._one():
                pass
        except (Gone, OSError):
            pass
        finally:
            self._sock.close()

    def _fill(self) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if self._end == _BUFFER:
            raise Gone  # no tool sends a header that long
        got = self._sock.recv_into(self._view[self._end :])
        if not got:
            raise Gone
        self._end += got

    def _until(self, mark: bytes) -> bytes:
        while (found := self._buffer.find(mark, self._start, self._end)) < 0:
            self._fill()
        taken = bytes(self._view[self._start : found])
        self._start = found + len(mark)
        return taken

    def _one(self) -> bool:
        head = self._until(b"\r\n\r\n")
        began = time.monotonic()
        first, _, rest = head.decode("latin-1").partition("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in rest.split("\r\n"))
        }
        if headers.get("expect", "").lower() == "100-continue":
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = Body()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self._until(b"\r\n").partition(b";")[0], 16):
                self._take(size, body)
                self._until(b"\r\n")
            while self._until(b"\r\n"):
                pass
        else:
            self._take(int(headers.get("content-length", "0")), body)
        kind, status, media_type, content, seconds = self._answer(method, target, headers, body)
        time.sleep(seconds)
        close = headers.get("connection", "").lower() == "close"
        reply = (
            f"HTTP/1.1 {status} {'OK' if status < 300 else 'No'}\r\nContent-Type: {media_type}\r\n"
            f"Content-Length: {len(content)}\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n"
        )
        seen = Seen(kind, status, body.size, self._number, began, time.monotonic())
        if kind == "upload":
            seen.filename, seen.sha256 = (
                body.field(rb'filename="([^"\r\n]+)"'),
                body.field(rb"sha256_digest\"?[^\0]{0,200}?\r\n\r\n(\w{64})"),
            )
            self._state.held[seen.filename] = seen.sha256
        self._state.seen.append(seen)
        self._sock.sendall(reply.encode() + content)
        return not close

    def _take(self, size: int, body: Body) -> None:
        """Read *size* bytes of a body; the middle of a large one is not searched."""
        left = size
        if have := min(left, self._end - self._start):
            body.add(self._view[self._start : self._start + have])
            self._start += have
            left -= have
        receive, view = self._sock.recv_into, self._view
        while left:
            got = receive(view, min(left, _BUFFER))
            if not got:
                raise Gone
            left -= got
            if len(body.first) < _KEPT or left < _KEPT:
                body.add(view[:got])
            else:
                body.size += got

    def _answer(
        self, method: str, target: str, headers: dict[str, str], body: Body
    ) -> tuple[str, int, str, bytes, float]:
        """Return path or ``upload``, status, media type, content, and the seconds that the reply takes."""
        state, url = self._state, urlsplit(target)
        path, json_type = url.path, "application/json"
        if method == "GET" and path == "/identity":
            audience = parse_qs(url.query).get("audience", [""])[0]
            return path, 200, json_type, json.dumps({"value": identity(audience)}).encode(), state.identity_delay
        if method == "POST" and path == "/legacy/":
            return "upload", 200, "text/plain", b"OK\n", state.delay
        if path == "/_/oidc/audience":
            return path, 200, json_type, json.dumps({"audience": HOST}).encode(), state.delay
        if method == "POST" and path in {"/_/oidc/mint-token", "/_/oidc/github/mint-token"}:
            minted = {"success": True, "token": "pypi-" + "benchmark" * 20, "expires": int(time.time()) + 900}
            return path, 200, json_type, json.dumps(minted).encode(), state.delay
        if method == "POST" and path == "/_/oidc/burn-token":
            return path, 202, "text/plain", b"", state.delay
        if re.fullmatch(r"/\+?simple/[^/]+/", path) and state.held:
            return "simple", 200, *listing(path.split("/")[2], dict(state.held), headers.get("accept", "")), state.delay
        del body
        return "simple" if "simple/" in path else path, 404, "text/plain", b"no\n", state.delay


@dataclass
class Body:
    """Return both ends of a body."""

    size: int = 0
    first: bytearray = field(default_factory=bytearray)
    last: bytearray = field(default_factory=bytearray)

    def add(self, part: memoryview) -> None:
        self.size += len(part)
        if len(self.first) < _KEPT:
            self.first += part[:_KEPT]
        else:
            self.last += part
            if len(self.last) > 4 * _KEPT:
                del self.last[: -2 * _KEPT]

    def field(self, pattern: bytes) -> str:
        """Return the first group of *pattern*'s match, at the start or at the end."""
        found = re.search(pattern, self.first) or re.search(pattern, self.last)
        return found[1].decode("latin-1") if found else ""


def identity(audience: str) -> str:
    """Return a JSON Web Token whose signature is not checked."""
    now = int(time.time())
    claims = {
        "iss": "https://token.actions.githubusercontent.com",
        "aud": audience,
        "sub": "repo:octo/bench:ref:refs/tags/v1",
        "repository": "octo/bench",
        "repository_owner": "octo",
        "repository_owner_id": "1",
        "job_workflow_ref": "octo/bench/.github/workflows/release.yml@refs/tags/v1",
        "jti": str(time.monotonic_ns()),
        "iat": now,
        "nbf": now,
        "exp": now + 600,
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT", "kid": "bench"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, bytes(256)))


def listing(name: str, held: dict[str, str], accept: str) -> tuple[str, bytes]:
    """The simple API (PEP 691, PEP 503)."""
    if "json" in accept:
        files = [
            {"filename": one, "url": f"/f/{one}", "hashes": {"sha256": digest} if digest else {}}
            for one, digest in held.items()
        ]
        content = {"meta": {"api-version": "1.0"}, "name": name, "files": files}
        return "application/vnd.pypi.simple.v1+json", json.dumps(content).encode()
    links = "".join(f'<a href="/f/{one}#sha256={digest}">{one}</a>\n' for one, digest in held.items())
    return "text/html", f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode()


def serve(directory: Path) -> None:
    """Run the index; the certificate is in *directory*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem")
    state = State()
    listener = socket.create_server((HOST, 0), backlog=128)

    def shake_hands(plain: socket.socket, number: int) -> None:
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = context.wrap_socket(plain, server_side=True)
        except OSError:
            plain.close()
            return
        Connection(sock, state, number).serve()

    def accept() -> None:
        while True:
            plain, _ = listener.accept()
            state.connections += 1
            threading.Thread(target=shake_hands, args=(plain, state.connections), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    _say({"port": listener.getsockname()[1]})
    for line in sys.stdin:
        command = json.loads(line)
        if command.pop("collect", False):
            used = resource.getrusage(resource.RUSAGE_SELF)
            seen, state.seen = state.seen, []
            _say(
                {
                    "seen": [asdict(one) for one in seen],
                    "connections": state.connections,
                    "cpu": used.ru_utime + used.ru_stime,
                }
            )
            state.connections = 0
        else:
            state.held, state.seen, state.connections = command.pop("held", {}), [], 0
            vars(state).update(command)
            _say({})


class Line:
    """One direction of the line that all connections share, with a rate in bytes a second and a delay in seconds."""

    def __init__(self, seconds: float, rate: float) -> None:
        self._seconds, self._rate = seconds, rate
        self._free = 0.0
        self._lock = threading.Lock()

    def book(self, size: int, earliest: float) -> tuple[float, float]:
        """Return when *size* bytes arrive at the other end, and how long the next sender has to wait.

        A router holds 20 ms of queue; senders wait when it is full.
        """
        with self._lock:
            begin = max(time.monotonic(), self._free, earliest)
            self._free = begin + size / self._rate
            return self._free + self._seconds, self._free - time.monotonic() - 0.02


def relay(port: int, round_trip: float, mbits: float) -> None:
    """A distant line to *port*: a round trip, a rate, and one round trip to connect.

    There is no loss and no slow start: this measures waiting, not TCP.
    """
    there, back = (Line(round_trip / 2, mbits * 1e6 / 8) for _ in range(2))
    listener = socket.create_server((HOST, 0), backlog=128)

    def pump(source: socket.socket, target: socket.socket, line: Line, opened: float) -> None:
        flight: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

        def land() -> None:
            try:
                while True:
                    due, data = flight.get()
                    if (early := due - time.monotonic()) > 0:
                        time.sleep(early)
                    if not data:
                        target.shutdown(socket.SHUT_WR)
                        return
                    target.sendall(data)
            except OSError:
                source.close()

        threading.Thread(target=land, daemon=True).start()
        try:
            while data := source.recv(64 * 1024):
                due, wait = line.book(len(data), opened)
                flight.put((due, data))
                if wait > 0:
                    time.sleep(wait)
        except OSError:
            pass
        flight.put((line.book(0, opened)[0], b""))

    def accept() -> None:
        while True:
            near, _ = listener.accept()
            far = socket.create_connection((HOST, port))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened = time.monotonic() + round_trip
            threading.Thread(target=pump, args=(near, far, there, opened), daemon=True).start()
            threading.Thread(target=pump, args=(far, near, back, opened), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    _say({"port": listener.getsockname()[1]})
    sys.stdin.read()


def certify(directory: Path) -> None:
    """Make a private CA (``ca.pem``) and a certificate signed by it (``server.pem``, with its key), valid for a day."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = dt.datetime.now(dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Benchmark CA", HOST)]

    def begin(which: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(names[which])
            .issuer_name(names[0])
            .public_key(keys[which].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=which == 0, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[which].public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
        )

    def usage(*allowed: str) -> x509.KeyUsage:
        every = (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        )
        flags: dict[str, Any] = {name: name in allowed for name in every}
        return x509.KeyUsage(**flags)

    authority = begin(0).add_extension(usage("key_cert_sign", "crl_sign"), critical=True).sign(keys[0], hashes.SHA256())
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")])
    server = (
        begin(1)
        .add_extension(usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternatives, critical=False)
        .sign(keys[0], hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (directory / "ca.pem").write_bytes(authority.public_bytes(pem))
    (directory / "server.pem").write_bytes(server.public_bytes(pem) + key)


def _say(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["certify", directory]:
            certify(Path(directory))
        case ["serve", directory]:
            serve(Path(directory))
        case ["relay", port, round_trip, mbits]:
            relay(int(port), float(round_trip), float(mbits))
        case _:
            sys.exit(__doc__)
