"""An embedded index without a network: a clock that stands still, and the files to send to it."""

from __future__ import annotations

import asyncio
import base64
import io
import tarfile
import uuid
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from hatch_trusted_publish.rehearsal.app import application
from hatch_trusted_publish.rehearsal.minting import Trusted
from hatch_trusted_publish.rehearsal.publishers import (
    ActiveState,
    GitHub,
    GitLab,
    Google,
    Publisher,
)
from hatch_trusted_publish.rehearsal.store import Store

KEY, OTHER_KEY = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
KID = "known"
NOW = 1795150012
DAY = 24 * 60 * 60

SAMPLE = GitHub("octo-org", "65", "sampleproject", "release.yml", "pypi")
NO_ENVIRONMENT = GitHub("octo-org", "65", "noenv-project", "release.yml")
GL_SAMPLE = GitLab("octo-group", "gl-sample", ".gitlab-ci.yml", "release")
GOOGLE = Google("publisher@sample.iam.gserviceaccount.com")
AS_SAMPLE = ActiveState("octo-org", "as-sample", "aid")

CLAIMS: dict[str, object] = {
    "iss": GitHub.issuer,
    "aud": "pypi",
    "sub": "repo:octo-org/sampleproject:environment:pypi",
    "iat": NOW - 5,
    "exp": NOW + 300,
    "repository": "octo-org/sampleproject",
    "repository_owner": "octo-org",
    "repository_owner_id": "65",
    "ref": "refs/tags/v1.0.0",
    "sha": "8f1c2d3e4b5a69788796a5b4c3d2e1f001234567",
    "event_name": "push",
    "workflow_ref": "octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0",
    "job_workflow_ref": ("octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0"),
    "environment": "pypi",
}


def github(repository: str) -> GitHub:
    """Return a publisher of another repository of the same owner, with no environment."""
    return GitHub("octo-org", "65", repository, "release.yml")


def identity_token(
    claims: Mapping[str, object] | None = None,
    changed: Mapping[str, object] | None = None,
    *,
    kid: str = KID,
    key: rsa.RSAPrivateKey | None = KEY,
) -> str:
    """Return a signed token; a claim changed to None is left out, and without a key there is no signature."""
    usual = {"jti": str(uuid.uuid4()), **CLAIMS} if claims is None else claims
    every = {**usual, **(changed or {})}
    sent = {name: value for name, value in every.items() if value is not None}
    if key is None:
        return jwt.encode(sent, "", algorithm="none", headers={"kid": kid})
    return jwt.encode(sent, key, algorithm="RS256", headers={"kid": kid})


@dataclass
class World:
    """The index on which the recordings were made."""

    directory: Path
    now: float = NOW
    requests: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.directory, lambda: self.now, "pypi", "https://pypi.test")
        self.store.add_project("sampleproject", SAMPLE)
        self.store.add_project("noenv-project", NO_ENVIRONMENT)
        self.store.add_project("gl-sample", GL_SAMPLE)
        self.store.add_project("google-sample", GOOGLE)
        self.store.add_project("as-att", AS_SAMPLE)
        self.store.add_project("otherproject")
        for status in ("archived", "quarantined"):
            name = f"{status}-project"
            self.store.add_project(name, github(name)).status = status
        self.app = application(self.store, Trusted(KID, KEY.public_key()), self.requests)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        parts: Sequence[tuple[str, tuple[str | None, bytes, str | None]]] | None = None,
    ) -> httpx.Response:
        """Handle one request in this process."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(
                transport=transport, base_url="https://pypi.test", headers={"accept": ""}
            ) as client:
                request = client.build_request(method, path, headers=headers, content=content, files=parts)
                if "accept" not in {name.lower() for name in headers or {}}:
                    del request.headers["accept"]
                return await client.send(request)

        return asyncio.run(asked())

    def token(self, publisher: Publisher = SAMPLE) -> str:
        """Mint an upload token."""
        return self.store.mint(publisher)[0]

    def upload(
        self,
        form: Iterable[tuple[str, str]],
        filename: str | None,
        content: bytes = b"",
        *,
        media_type: str = "application/octet-stream",
        authorization: str | None = None,
        accept: str | None = "application/json",
        path: str = "/legacy/",
    ) -> httpx.Response:
        """Upload a file, by default with a valid token."""
        headers = {} if accept is None else {"accept": accept}
        if authorization is None:
            authorization = basic("__token__", self.token())
        if authorization:
            headers["authorization"] = authorization
        parts: list[tuple[str, tuple[str | None, bytes, str | None]]] = [
            (name, (None, value.encode(), None)) for name, value in form
        ]
        if filename is not None:
            parts.append(("content", (filename, content, media_type)))
        return self.ask("POST", path, headers=headers, parts=parts)


def basic(user: str, password: str) -> str:
    """Return the header value."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def wheel(
    filename: str,
    *,
    licenses: Iterable[str] = (),
    without: str = "",
    salt: bytes = b"",
    metadata: str = "",
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Return a small wheel, *without* one of its files or with *extra* ones; *salt* changes its bytes."""
    name, version = filename.split("-")[:2]
    directory = f"{name}-{version}.dist-info"
    core = metadata or f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name}.py": salt,
        f"{directory}/METADATA": core.encode(),
        f"{directory}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{directory}/RECORD": b"".join(
            f"{each},,\n".encode()
            for each in (f"{name}.py", *(f"{directory}/{x}" for x in ("METADATA", "WHEEL", "RECORD")))
        ),
        **{f"{directory}/licenses/{each}": b"MIT" for each in licenses},
        **{path: text.encode() for path, text in (extra or {}).items()},
    }
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in files.items():
            if not without or not path.endswith(without):
                archive.writestr(zipfile.ZipInfo(path), content)
    return target.getvalue()


def sdist(
    *paths: str,
    zipped: bool = False,
) -> bytes:
    """Return an archive with these members."""
    target = io.BytesIO()
    if zipped:
        with zipfile.ZipFile(target, "w") as archive:
            for path in paths:
                archive.writestr(zipfile.ZipInfo(path), path)
    else:
        with tarfile.open(fileobj=target, mode="w:gz") as tar:
            for path in paths:
                member = tarfile.TarInfo(path)
                member.size = len(path)
                tar.addfile(member, io.BytesIO(path.encode()))
    return target.getvalue()
