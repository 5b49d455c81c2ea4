"""Two independent indexes behind an exchange."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.rehearsal.installing import find_uv

from .world import PROJECT, SDIST, WHEEL, Index, Job, Run, clean_environ, identity_token, outcome

pytestmark = pytest.mark.slow

PASSWORD = "a-token_that_the_exchange_knows"
EXCHANGE = ["GET /exchange/audience 200", "POST /exchange/mint 200"]


@pytest.fixture
def exchange(private: Index, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An exchange whose upload token is the password of the index behind it."""
    monkeypatch.setattr(private.store, "mint", lambda _publisher: (PASSWORD, 0))
    return private


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def _running(command: list[str], environ: dict[str, str]) -> Iterator[None]:
    """Run a separate server during the block."""
    environ = {name: value for name, value in environ.items() if not name.startswith(("COVERAGE_", "PYTHON"))}
    environ["PYTHONUNBUFFERED"] = "1"
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout is not None
            # waitress, which runs both indexes, prints this when it listens.
            assert any("Serving on" in line for line in server.stdout)
            yield
        finally:
            server.terminate()
            server.communicate(timeout=30)


def _ask(url: str, *credentials: str, **content: object) -> None:
    headers = {"Content-Type": "application/json"}
    if credentials:
        headers["Authorization"] = f"Basic {base64.b64encode(':'.join(credentials).encode()).decode()}"
    body = json.dumps(content).encode() if content else None
    request = urllib.request.Request(url, body, headers, method="PUT" if body else "GET")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        response.read()


def _configure(job: Job, exchange: Index, url: str, simple_url: str) -> None:
    job.configure(f"""
[tool.hatch.publish.trusted]
repo = "other"
[tool.hatch.publish.trusted.repos.other]
url = "{url}"
simple-url = "{simple_url}"
audience = "127.0.0.1"
audience-endpoint = "{exchange.url}/exchange/audience"
token-mint-endpoint = "{exchange.url}/exchange/mint"
""")
    job.environ["MY_TOKEN"] = identity_token("buildkite", "127.0.0.1")


def _released(job: Job, exchange: Index, url: str, simple_url: str) -> None:
    """Release through the exchange to the index at *url*, twice; return the version installed from there."""
    _configure(job, exchange, url, simple_url)
    first = str(Message("release-target", project=PROJECT, version="1.2.3", index="other", url=url))
    last = f"{simple_url}{PROJECT}/"
    lines = [first, outcome(WHEEL, "uploaded"), outcome(SDIST, "uploaded"), last]
    options = ["-o", "identity-variable=MY_TOKEN"]
    run = job.publish(*options)
    assert (0, [], []) == (run.code, run.codes, [line for line in lines if line not in run.err.splitlines()])
    assert EXCHANGE == exchange.requests
    exchange.forget()
    there = [outcome(WHEEL, "there"), outcome(SDIST, "there"), str(Message("nothing-uploaded"))]
    assert Run(0, "", "\n".join([first, *there, last]) + "\n") == job.publish(*options)
    assert [] == exchange.requests_but_terms
    assert f"{PROJECT} 1.2.3" == _installed(job, simple_url, "--only-binary")
    assert f"{PROJECT} 1.2.3" == _installed(job, simple_url, "--no-binary")


def _released_by_the_token(job: Job, exchange: Index, url: str, simple_url: str) -> None:
    """Release to an index that lists its files only for the upload token, twice."""
    _configure(job, exchange, url, simple_url)
    options = ["-o", "identity-variable=MY_TOKEN"]
    dry = job.publish(*options, "-o", "dry-run=true")
    assert (1, ["listing-needs-token"]) == (dry.code, dry.codes)
    first, again = job.publish(*options), job.publish(*options)
    assert ([0, 0], [[], []]) == ([first.code, again.code], [first.codes, again.codes])
    assert outcome(WHEEL, "uploaded") in first.err
    assert outcome(WHEEL, "there") in again.err
    assert EXCHANGE * 2 == exchange.requests[-4:]


class _Gate(BaseHTTPRequestHandler):
    """Restricts reading as `devpi-lockdown` does in front of devpi: it requires credentials."""

    server: _Gated

    def do_GET(self) -> None:
        if self.headers["Authorization"] is None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        connection.request(self.command, self.path, body, dict(self.headers.items()))
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        self.send_response(reply.status)
        for name, value in reply.getheaders():
            if name.lower() not in {"content-length", "transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Gated(ThreadingHTTPServer):
    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Gate)
        self.port = port


def _installed(job: Job, simple_url: str, binary: str) -> str:
    """Install from there with uv, or with pip if uv is missing, and return the installed version."""
    target = job.directory / f"installed{binary}"
    uv = find_uv()
    command = [uv, "pip", "install", "--no-config", "--no-cache"] if uv else [sys.executable, "-m", "pip", "install"]
    # An sdist is built with local packages: its requirements are not on this index.
    options = ["--quiet", "--no-deps", "--no-build-isolation", binary, ":all:", "--target", os.fspath(target)]
    python = ["--python", sys.executable] if uv else []
    done = subprocess.run(
        [*command, *python, *options, "--index-url", simple_url, PROJECT],
        env=job.environ | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    metadata = next(target.glob("*.dist-info/METADATA")).read_text("utf-8")
    fields = dict(line.split(": ", 1) for line in metadata.splitlines() if ": " in line)
    return f"{fields['Name']} {fields['Version']}"


@pytest.mark.parametrize("readers", ["anybody", "the token"])
def test_pypiserver(job: Job, exchange: Index, tmp_path: Path, readers: str) -> None:
    """pypiserver accepts files from the holder of the token, and installers find them there."""
    files, passwords = tmp_path / "files", tmp_path / "passwords"
    files.mkdir()
    digest = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
    passwords.write_text(f"__token__:{{SHA}}{digest}\n")
    port = _free_port()
    protected = "update" if readers == "anybody" else "update,list,download"
    options = ["-P", str(passwords), "-a", protected, "--disable-fallback", "-v", "--server", "auto"]
    command = [sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port), *options, str(files)]
    url = f"http://127.0.0.1:{port}/"
    release = _released if readers == "anybody" else _released_by_the_token
    with _running(command, clean_environ(tmp_path / "server")):
        release(job, exchange, url, f"{url}simple/")
    assert [WHEEL, SDIST] == sorted(path.name for path in files.iterdir())
    assert [(job.dist / name).read_bytes() for name in (WHEEL, SDIST)] == [
        (files / name).read_bytes() for name in (WHEEL, SDIST)
    ]


@pytest.mark.parametrize("readers", ["anybody", "the token"])
def test_devpi(job: Job, exchange: Index, tmp_path: Path, readers: str) -> None:
    """devpi accepts files from the holder of the token, and installers find them there."""
    environ, directory, port = clean_environ(tmp_path / "server"), tmp_path / "devpi", _free_port()
    quiet = {name: value for name, value in environ.items() if not name.startswith(("COVERAGE_", "PYTHON"))}
    main = "import sys; from devpi_server.{} import {} as run; sys.argv[0] = 'devpi'; sys.exit(run())"
    init = [sys.executable, "-c", main.format("init", "init"), "--serverdir", str(directory), "--no-root-pypi"]
    subprocess.run([*init, "--root-passwd", "root"], env=quiet, check=True, capture_output=True)
    server = [sys.executable, "-c", main.format("main", "main"), "--serverdir", str(directory), "--offline-mode"]
    url = f"http://127.0.0.1:{port}/"
    with _running([*server, "--host", "127.0.0.1", "--port", str(port)], environ):
        _ask(f"{url}__token__", "root", "root", password=PASSWORD)
        _ask(f"{url}__token__/release", "__token__", PASSWORD, type="stage", bases=[], volatile=False)
        if readers == "anybody":
            _released(job, exchange, f"{url}__token__/release/", f"{url}__token__/release/+simple/")
            return
        with _Gated(port) as gate:
            thread = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            base = f"http://127.0.0.1:{gate.server_address[1]}/__token__/release/"
            _released_by_the_token(job, exchange, base, f"{base}+simple/")
            gate.shutdown()
            thread.join()
