"""uvicorn in a thread, on a free loopback port, during a `with` block."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from ..errors import RehearsalError
from . import checkout, environment
from .app import application
from .authority import AUDIENCE as SIGSTORE
from .authority import Authority
from .provider import Ci, Kind
from .store import Store

AUDIENCE: Final = "rehearsal"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The URLs of the embedded index, and what makes a run use it."""

    upload_url: str
    simple_url: str
    audience: str
    trust_config: str
    environ: Mapping[str, str | None] = field(repr=False)
    requests: Sequence[str]
    identities: Sequence[str] = ()
    """Variables by which this process could have a real identity."""


@contextmanager
def hold(provider: Kind, root: Path, projects: Sequence[str]) -> Iterator[Rehearsal]:
    """Run an index that has a pending publisher for each of *projects*, matching *provider*."""
    gitlab = provider == "gitlab"
    ci = Ci(checkout.look(root, (*projects, "project")[0], groups=gitlab), time.time)
    requests: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        store = Store(Path(directory), time.time, AUDIENCE)
        store.add_pending(ci.publisher(provider), projects)
        authority = Authority(ci.trusted, time.time)
        with listening() as sock, serving(application(store, ci.trusted, requests, ci, authority), sock):
            base = f"http://127.0.0.1:{sock.getsockname()[1]}"
            store.trust_config = authority.trust_config(base)
            if gitlab:
                tokens = {audience: ci.identity_token("gitlab", audience) for audience in (AUDIENCE, SIGSTORE)}
                own = environment.gitlab(ci.checkout, tokens)
            else:
                # Clients append `&audience=`, so the address has a query already, as GitHub's.
                url = f"{base}/ci/github/token?api-version=2.0"
                own = environment.github(ci.checkout, url, ci.request_token)
            environ = environment.changes(os.environ, own)
            yield Rehearsal(
                f"{base}/legacy/",
                f"{base}/simple/",
                AUDIENCE,
                store.trust_config,
                environ,
                requests,
                environment.identities(os.environ),
            )


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Open a socket on a free loopback port, which other machines cannot reach."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


class _Server(uvicorn.Server):
    """A server that reports that it has started."""

    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()


@contextmanager
def serving(app: ASGIApp, sock: socket.socket) -> Iterator[None]:
    """Serve *app* on *sock*. At the end, the thread and its sockets are closed."""
    ready = threading.Event()
    # uvicorn would choose each of these by the installed packages.
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, ready)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(server.serve(sockets=[sock]))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the waiting thread raises it
            failures.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="rehearsal index")
    thread.start()
    try:
        ready.wait()
        if failures:
            raise RehearsalError("rehearsal-not-started", said=repr(failures[0])) from failures[0]
        yield
    finally:
        server.should_exit = True
        thread.join()
