"""Clients and requests."""

from __future__ import annotations

import base64
import hashlib
import socket
from pathlib import Path

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import Message, NetworkError
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.http.messages import Request, Upload
from hatch_trusted_publish.secret import Secret
from tests.support.helpers import make_wheel

UPLOAD_TOKEN, IDENTITY_TOKEN = "pypi-sesame-street", "eyJ.sesame-identity.x"
BASIC = base64.b64encode(f"__token__:{UPLOAD_TOKEN}".encode()).decode()
SECRETS = [UPLOAD_TOKEN, IDENTITY_TOKEN, BASIC]
ASKING = Message("asking-audience", index="own")
MINTING = Message("minting", index="own")
UPLOADING = Message("uploading", file="dist/sample.whl", index="own")


def a_client(timeout: float = 20.0, certificates: Certificates | None = None) -> Client:
    return Client(certificates or Certificates(), timeout, "tests/1.0")


def get(url: str, tries: int = 1, largest_reply: int = 1000) -> Request:
    return Request(ASKING, url, tries=tries, largest_reply=largest_reply)


def mint(url: str, tries: int = 1) -> Request:
    return Request(MINTING, url, token=Secret(IDENTITY_TOKEN), tries=tries)


def upload(directory: Path, url: str, size: int = 0, tries: int = 1) -> Request:
    """Return a request with a wheel of slightly more than *size* bytes, the one that `wheel_of` writes."""
    noise = b"".join(hashlib.sha512(number.to_bytes(4, "big")).digest() for number in range(size // 64))
    distribution = Distribution.read(make_wheel(directory, members={"noise": noise}), "dist/sample.whl")
    form = Upload(distribution, "boundary", b"head")
    return Request(UPLOADING, url, upload=form, basic=Secret(UPLOAD_TOKEN), tries=tries)


def form_of(request: Request) -> Upload:
    assert request.upload is not None
    return request.upload


def refused(request: Request, client: Client) -> NetworkError:
    """Return the error of a request that gets no reply."""
    with client, pytest.raises(NetworkError) as raised:
        client.send(request)
    return raised.value


def closed_port() -> int:
    """Return a port on which no server listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
