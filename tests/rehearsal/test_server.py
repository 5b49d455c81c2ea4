"""The complete rehearsal on a real socket: both identities, from the token to the installed release."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hatch_trusted_publish.errors import Message, RehearsalError
from hatch_trusted_publish.rehearsal import Rehearsal, hold, install
from hatch_trusted_publish.rehearsal.server import listening, serving

from .world import World, basic, wheel

FILENAME = "my_sample-1.0.dev2-py3-none-any.whl"


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """Check that every thread a test starts has ended."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """Return a client that uses no proxy of this machine."""
    with httpx.Client(trust_env=False) as client:
        yield client


def _publish(client: httpx.Client, rehearsal: Rehearsal, identity_token: str, content: bytes) -> httpx.Response:
    base = rehearsal.upload_url.removesuffix("legacy/")
    minted = client.post(f"{base}_/oidc/mint-token", json={"token": identity_token})
    assert minted.status_code == 200, minted.text
    form = {
        ":action": "file_upload",
        "metadata_version": "2.1",
        "name": "My.Sample",
        "version": "1.0.dev2",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
    }
    headers = {
        "authorization": basic("__token__", minted.json()["token"]),
        "accept": "application/json",
    }
    return client.post(rehearsal.upload_url, data=form, files={"content": (FILENAME, content)}, headers=headers)


def _github_token(client: httpx.Client, rehearsal: Rehearsal, **headers: str) -> httpx.Response:
    url = rehearsal.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    assert url is not None
    return client.get(f"{url}&audience={rehearsal.audience}", headers=headers)


def test_github(client: httpx.Client, tmp_path: Path) -> None:
    """As on a runner: request a token, mint, which creates the project, upload, install."""
    with hold("github", tmp_path, ["My.Sample", "other"]) as rehearsal:
        bearer = f"bearer {rehearsal.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"
        token = _github_token(client, rehearsal, authorization=bearer).json()["value"]
        reply = _publish(client, rehearsal, token, wheel(FILENAME))
        assert reply.json()["code"] == "200 OK"
        said = install(rehearsal, "My.Sample", "1.0.dev2")

        assert Message("installed", release="My.Sample 1.0.dev2", tool="uv") == said
        assert list(rehearsal.requests)[:4] == [
            "GET /ci/github/token 200",
            "POST /_/oidc/mint-token 200",
            "POST /legacy/ 200",
            "GET /simple/my-sample/ 200",
        ]
        # One exchange creates one project.
        assert client.get(f"{rehearsal.simple_url}other/").status_code == 404
        again = _github_token(client, rehearsal, authorization=bearer).json()["value"]
        assert _publish(client, rehearsal, again, wheel(FILENAME)).json()["code"] == "200 OK"
        assert client.get(f"{rehearsal.simple_url}other/").status_code == 200
        # A traceback with locals shows no secret.
        assert bearer.removeprefix("bearer ") not in repr(rehearsal)
        assert rehearsal.environ["GITHUB_REPOSITORY"] == "octo-org/My.Sample"
    with pytest.raises(httpx.ConnectError):
        client.get(rehearsal.simple_url)


def test_gitlab(client: httpx.Client, tmp_path: Path) -> None:
    """As in a job with `id_tokens`: the token is in a variable, and can be used once."""
    with hold("gitlab", tmp_path, ["my-sample"]) as rehearsal:
        token = rehearsal.environ["REHEARSAL_ID_TOKEN"]
        assert token is not None
        assert rehearsal.environ["GITHUB_ACTIONS"] is None
        # Larger than the part that is kept in memory.
        content = wheel(FILENAME, salt=os.urandom(3 << 20))
        assert _publish(client, rehearsal, token, content).status_code == 200
        base = rehearsal.upload_url.removesuffix("legacy/")
        again = client.post(f"{base}_/oidc/mint-token", json={"token": token})
        assert again.json()["errors"][0]["code"] == "invalid-reuse-token"
        (file,) = client.get(
            f"{rehearsal.simple_url}my-sample/", headers={"accept": "application/vnd.pypi.simple.v1+json"}
        ).json()["files"]
        assert client.get(file["url"]).content == content
        assert client.head(file["url"]).headers["content-length"] == str(len(content))


@pytest.mark.parametrize("authorization", ["", "bearer", "bearer wrong", "bearer \xe9", "basic x"])
def test_the_token_endpoint_requires_its_bearer(client: httpx.Client, tmp_path: Path, authorization: str) -> None:
    """Another process of this machine can find the port, but does not have the bearer token."""
    with hold("github", tmp_path, []) as rehearsal:
        url = str(rehearsal.environ["ACTIONS_ID_TOKEN_REQUEST_URL"])
        # Bytes: a header need not be ASCII.
        reply = client.get(url, headers={b"authorization": authorization.encode("latin-1")})
        assert (reply.status_code, reply.json()) == (401, {"message": "Unauthorized"})


def test_a_rehearsal_that_ends_at_once(tmp_path: Path) -> None:
    """A rehearsal that ends at once, or with an error, leaves nothing running."""
    with pytest.raises(KeyError, match="x"), hold("github", tmp_path, ["x"]) as rehearsal:
        raise KeyError(rehearsal.audience and "x")
    assert list(rehearsal.requests) == []


def test_a_server_that_cannot_start(world: World) -> None:
    """The thread's failure is raised in the calling thread."""
    with listening() as sock:
        pass
    with (
        pytest.raises(RehearsalError) as caught,
        serving(world.app, sock),
    ):
        raise AssertionError
    assert "rehearsal-not-started" == caught.value.message.code
