"""PyPI and TestPyPI under their own names: which request goes to which host, and which release to which index.

All requests of the command pass a proxy, which leads each of the two indexes' hosts to its own server on
loopback, with a certificate for that host alone, and refuses everything else.
"""

from __future__ import annotations

import asyncio
import select
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.rehearsal.server import listening
from tests.support.authority import Authority
from tests.support.helpers import make_sdist, make_wheel

from .world import PROJECT, Ci, Index, Job, identity_token, outcome, publishing

pytestmark = pytest.mark.slow

TABLE: Final = "tool.hatch.publish.trusted"
PYPROJECT: Final = f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{PROJECT}"
version = "%s"
"""


def release(upload: str, host: str, files: int = 2) -> list[str]:
    """The requests of a whole release, in the order of `in_order`."""
    return [
        f"GET {host}/_/oidc/audience 200",
        f"GET {host}/simple/{PROJECT}/ 200",
        f"POST {host}/_/oidc/mint-token 200",
        *[f"POST {upload}/legacy/ 200"] * files,
        f"POST {host}/_/oidc/burn-token 202",
    ]


def in_order(requests: list[str]) -> list[str]:
    """Return the requests; the order of the first two, which only read, does not matter."""
    return [*sorted(requests[:2]), *requests[2:]]


@dataclass(frozen=True)
class Place:
    """One of the two indexes, and its expected hosts."""

    name: str
    title: str
    upload_url: str
    page: str
    audience: str
    variable: str
    requests: list[str]
    hosts: list[str]
    """In the order of the first requests to them."""


MAIN: Final = Place(
    "main",
    "PyPI",
    "https://upload.pypi.org/legacy/",
    f"https://pypi.org/project/{PROJECT}/",
    "pypi",
    "PYPI_ID_TOKEN",
    release("upload.pypi.org", "pypi.org"),
    ["pypi.org:443", "upload.pypi.org:443"],
)
TEST: Final = Place(
    "test",
    "TestPyPI",
    "https://test.pypi.org/legacy/",
    f"https://test.pypi.org/project/{PROJECT}/",
    "testpypi",
    "TESTPYPI_ID_TOKEN",
    release("test.pypi.org", "test.pypi.org"),
    ["test.pypi.org:443"],
)


class _Named:
    """An index at one of its hosts, which records the requests there."""

    def __init__(self, host: str, app: ASGIApp, requests: list[str]) -> None:
        self._host = host
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Event) -> None:
            if message["type"] == "http.response.start":
                self._requests.append(f"{scope['method']} {self._host}{scope['path']} {message['status']}")
            await send(message)

        await self._app(scope, receive, sending)


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that makes tunnels to known ports, and does nothing else."""

    def __init__(self, ports: Mapping[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.ports = ports
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.StreamRequestHandler):
    rbufsize = 0  # data after the header is for the other end
    server: Proxy

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        self.server.asked.append(target if method == "CONNECT" else f"{method} {target}")
        if method != "CONNECT" or target not in self.server.ports:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.ports[target])) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            ends = {self.connection: there, there: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    try:
                        data = end.recv(65536)
                        ends[end].sendall(data)
                    except OSError:
                        return
                    if not data:
                        return


@contextmanager
def _served(apps: Mapping[str, ASGIApp], authority: Authority) -> Iterator[dict[str, int]]:
    """Serve each application by HTTPS, as its host, on its port."""
    with ExitStack() as stack:
        sockets = {host: stack.enter_context(listening()) for host in apps}
        servers = {}
        for host, app in apps.items():
            certificate, key = authority.issue(host, host)
            config = uvicorn.Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                ssl_certfile=str(certificate),
                ssl_keyfile=str(key),
            )
            servers[host] = uvicorn.Server(config)

        async def serve() -> None:
            await asyncio.gather(*(server.serve(sockets=[sockets[host]]) for host, server in servers.items()))

        # Connections wait on the socket until the thread accepts them, so no test has to wait for its start.
        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            yield {f"{host}:443": sock.getsockname()[1] for host, sock in sockets.items()}
        finally:
            for server in servers.values():
                server.should_exit = True
            thread.join()


class Internet:
    """PyPI and TestPyPI at their own hosts, and the proxy to them."""

    def __init__(self, directory: Path) -> None:
        self.requests: list[str] = []
        self.pypi, self.testpypi = Index(directory / "pypi"), Index(directory / "testpypi")
        self.pypi.store.audience, self.testpypi.store.audience = "pypi", "testpypi"
        self.authority = Authority(directory)
        self._proxy: Proxy

    @contextmanager
    def served(self) -> Iterator[None]:
        hosts = {"pypi.org": self.pypi, "upload.pypi.org": self.pypi, "test.pypi.org": self.testpypi}
        apps = {host: _Named(host, index, self.requests) for host, index in hosts.items()}
        with _served(apps, self.authority) as ports, Proxy(ports) as self._proxy:
            thread = threading.Thread(target=self._proxy.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield
            finally:
                self._proxy.shutdown()
                thread.join()

    @property
    def hosts(self) -> list[str]:
        """Return the hosts requested from the proxy, each once."""
        return list(dict.fromkeys(self._proxy.asked))

    @property
    def environ(self) -> dict[str, str]:
        """The proxy is used for everything except the CI's own endpoint on this machine."""
        proxies = {f"{kind}_PROXY": self._proxy.url for kind in ("HTTP", "HTTPS", "ALL")}
        return proxies | {"NO_PROXY": "127.0.0.1", "E2E_NO_WAIT": "1"}


@pytest.fixture
def internet(tmp_path: Path) -> Iterator[Internet]:
    directory = tmp_path / "internet"
    directory.mkdir()
    internet = Internet(directory)
    with internet.served():
        yield internet


@pytest.fixture
def job(tmp_path: Path, internet: Internet) -> Job:
    """Return a job that reaches others only through the proxy, with no files yet."""
    template = tmp_path / "template"
    (template / "dist").mkdir(parents=True)
    job = Job(tmp_path / "job", template)
    job.environ |= internet.environ
    return job


def build(job: Job, version: str) -> list[str]:
    """Create files of this version, and return their names."""
    made = [make_wheel(job.dist, PROJECT, version), make_sdist(job.dist, PROJECT, version)]
    return [path.name for path in made]


def on_gitlab(job: Job, *places: Place) -> None:
    """Make it a GitLab job with identity tokens for these audiences."""
    job.environ |= {"CI": "true", "GITLAB_CI": "true"}
    job.environ |= {place.variable: identity_token("gitlab", place.audience) for place in places}


def target(place: Place, version: str) -> Message:
    """Return the line with the index of a release."""
    return Message("release-target", project=PROJECT, version=version, index=place.title, url=place.upload_url)


def output_of(place: Place, version: str, files: list[str], ci: str) -> str:
    """Return the output of a successful release."""
    files = [outcome(name, "uploaded") for name in files]
    lines = [target(place, version), publishing(ci), *files, f"{place.page}{version}/"]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize(
    ("repo", "version", "place"),
    [
        ("main", "1.2.3", MAIN),
        ("main", "1.2.4.dev1", MAIN),
        ("test", "1.2.3", TEST),
        ("test", "1.2.4.dev1", TEST),
        ("auto", "1.2.3", MAIN),
        ("auto", "1.2.4.dev1", TEST),
    ],
)
def test_github(job: Job, ci: Ci, internet: Internet, repo: str, version: str, place: Place) -> None:
    """Each request goes to its own host, and GitHub issues an identity for the audience of the index."""
    files = build(job, version)
    job.environ |= ci.github
    run = job.publish("-r", repo, "--ca-cert", str(internet.authority.file))
    minted = [*internet.pypi.store.minted, *internet.testpypi.store.minted]
    masks = "".join(f"::add-mask::{token}\n" for token in [*ci.issued, *minted])
    assert (0, masks) == (run.code, run.out)
    assert run.err.endswith(output_of(place, version, files, "github"))
    assert place.requests == in_order(internet.requests)
    assert place.hosts == internet.hosts
    assert [f"GET /github?api-version=2.0&audience={place.audience} 200"] == ci.requests
    there = {MAIN.name: internet.pypi.files, TEST.name: internet.testpypi.files}
    assert {MAIN.name: [], TEST.name: []} | {place.name: sorted(files)} == there


@pytest.mark.parametrize(("version", "place"), [("1.2.3", MAIN), ("1.2.4.dev1", TEST)])
@pytest.mark.parametrize("declared", ["one", "both"])
def test_gitlab(job: Job, internet: Internet, version: str, place: Place, declared: str) -> None:
    """GitLab's variable for the index of the release is required, and sent there alone."""
    files = build(job, version)
    on_gitlab(job, *([place] if declared == "one" else [MAIN, TEST]))
    run = job.publish("-r", "auto", HATCH_INDEX_CA_CERT=str(internet.authority.file))
    assert (0, "") == (run.code, run.out)
    assert run.err.endswith(output_of(place, version, files, "gitlab"))
    assert place.requests == in_order(internet.requests)
    assert place.hosts == internet.hosts


@pytest.mark.parametrize(("version", "place", "other"), [("1.2.3", MAIN, TEST), ("1.2.4.dev1", TEST, MAIN)])
def test_gitlab_without_the_identity(job: Job, internet: Internet, version: str, place: Place, other: Place) -> None:
    """The variable for the other index does not help, and is not sent anywhere."""
    build(job, version)
    on_gitlab(job, other)
    run = job.publish("-r", "auto", "-o", "check-version=false", "--ca-cert", str(internet.authority.file))
    assert (1, ["no-gitlab-token"]) == (run.code, run.codes)
    assert f"    {place.variable}:\n      aud: {place.audience}\n" in run.err
    assert place.requests[:2] == in_order(internet.requests)
    assert place.hosts[:1] == internet.hosts


@pytest.mark.parametrize(
    ("way", "version", "place"),
    [
        ("table", "1.2.3", MAIN),
        ("table", "1.2.4.dev1", TEST),
        ("variable", "1.2.3", MAIN),
        ("variable", "1.2.4.dev1", TEST),
        ("option", "1.2.3rc1", MAIN),
        ("option", "1.2.3.post1", MAIN),
        ("option", "1!1.2.3", MAIN),
        ("option", "1.2.3.dev0", TEST),
        ("option", "1.2.3rc1.dev20261120093015", TEST),
        ("option", "1.2.3.post1.dev4", TEST),
        ("option", "1!1.2.3a1.dev1", TEST),
    ],
)
def test_index_of_auto(job: Job, internet: Internet, way: str, version: str, place: Place) -> None:
    """Every version with a `.devN` goes to TestPyPI, and all others to PyPI, wherever `auto` is set."""
    build(job, version)
    configured = f'[{TABLE}]\nrepo = "auto"\n'
    (job.root / "pyproject.toml").write_text(PYPROJECT % version + (configured if way == "table" else ""), "utf-8")
    options = ["-o", "dry-run=true"]
    environ = {"HATCH_INDEX_CA_CERT": str(internet.authority.file)}
    if way == "option":
        options += ["-r", "rehearsal", "-o", "repo=auto"]
    if way == "variable":
        environ["HATCH_INDEX_REPO"] = "auto"
    run = job.publish(*options, **environ)
    assert target(place, version) in run
    assert 0 == run.code
    assert place.requests[1:2] == internet.requests
    assert place.hosts[:1] == internet.hosts


@pytest.mark.parametrize("several", [[], ["-o", "several"]], ids=["one release", "several"])
def test_mixed_files(job: Job, ci: Ci, internet: Internet, several: list[str]) -> None:
    """Files for both indexes are refused before any request."""
    build(job, "1.2.3")
    build(job, "1.2.4.dev1")
    job.environ |= ci.github
    run = job.publish("-r", "auto", *several, "--ca-cert", str(internet.authority.file))
    assert (1, ["mixed-releases"]) == (run.code, run.codes)
    assert ([], [], []) == (internet.requests, internet.hosts, ci.requests)


def test_no_other_host(job: Job, ci: Ci, internet: Internet) -> None:
    """The proxy leads to the two indexes alone, so these tests see every request."""
    build(job, "1.2.3")
    job.environ |= ci.github
    run = job.publish("-r", "https://upload.example.org/legacy/", "-o", "check-version=false")
    assert 1 == run.code
    assert ["upload.example.org:443"] == internet.hosts
    assert ([], []) == (internet.requests, ci.requests)
