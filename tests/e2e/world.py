"""The surroundings of a run: a CI that issues identity tokens, an index, and a job with a checkout."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Final

import jsonschema
import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as Event

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.identity.publishers import publishing_as
from hatch_trusted_publish.output.progress import OUTCOMES
from hatch_trusted_publish.rehearsal.app import application
from hatch_trusted_publish.rehearsal.authority import Authority
from hatch_trusted_publish.rehearsal.checkout import Checkout
from hatch_trusted_publish.rehearsal.minting import Trusted
from hatch_trusted_publish.rehearsal.provider import GITHUB_WORKFLOW, GITLAB_WORKFLOW, github_claims, gitlab_claims
from hatch_trusted_publish.rehearsal.publishers import GitHub, GitLab, Google, Publisher
from hatch_trusted_publish.rehearsal.server import listening, serving
from hatch_trusted_publish.rehearsal.store import File, Project, Store
from tests.support import authority as certificates

PROJECT: Final = "sample-project"
NOT_COMPARED: Final = str(Message("version-not-compared", reason=Message("no-pyproject")))
WHEEL: Final = "sample_project-1.2.3-py3-none-any.whl"
SDIST: Final = "sample_project-1.2.3.tar.gz"
PYPROJECT: Final = f"""\
[build-system]
requires = ["hatchling", "hatch-vcs"]
build-backend = "hatchling.build"

[project]
name = "{PROJECT}"
dynamic = ["version"]
requires-python = ">=3.11"

[tool.hatch.version]
source = "vcs"

[tool.hatch.build.targets.wheel]
packages = ["src/sample_project"]
"""
WITHOUT_ATTESTATIONS: Final = "[publish.trusted]\nattestations = false\n"
"""The user's own configuration: only test_attestations.py tests signing."""
MEASURED: Final = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
"""Makes a process record the lines it runs. That doubles the time of a run, so few runs are measured."""
SERVICE_ACCOUNT: Final = "publisher@sample.iam.gserviceaccount.com"
SITE: Final = Path(__file__).with_name("site")
REPORTS: Final = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text("utf-8")),
    format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
)
"""The schema of the reports."""
_KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
TRUSTED: Final = Trusted("known", _KEY.public_key())
"""The key that checks the signatures of `identity_token`."""
_CHECKOUT: Final = Checkout("octo-org", PROJECT, "refs/tags/v1.2.3")
CLAIMS: Final[Mapping[str, Mapping[str, object]]] = {
    "github": github_claims(_CHECKOUT),
    "gitlab": gitlab_claims(_CHECKOUT),
    "google": {
        "iss": Google.issuer,
        "sub": "106608330000000000000",
        "email": SERVICE_ACCOUNT,
        "email_verified": True,
    },
    "buildkite": {
        "iss": "https://agent.buildkite.com",
        "sub": f"organization:octo-org:pipeline:{PROJECT}:ref:refs/tags/v1.2.3:commit:{_CHECKOUT.sha}:step:release",
    },
    "circleci": {"iss": "https://oidc.circleci.com", "sub": "org/65/project/66/user/67"},
}
PUBLISHERS: Final[tuple[Publisher, ...]] = (
    GitHub("octo-org", "65", PROJECT, GITHUB_WORKFLOW),
    GitLab("octo-org", PROJECT, GITLAB_WORKFLOW),
    Google(SERVICE_ACCOUNT),
)


def identity_token(ci: str, audience: str) -> str:
    """Return the signed claims of a job of this CI; Google's tokens have no `jti`."""
    now = int(time.time())
    once = {} if ci == "google" else {"jti": str(uuid.uuid4())}
    claims = {**CLAIMS[ci], **once, "aud": audience, "iat": now, "exp": now + 300}
    return jwt.encode(claims, _KEY, algorithm="RS256", headers={"kid": "known"})


def git(root: Path, *arguments: str) -> None:
    """Run Git there, whatever the user's own configuration."""
    author = {f"GIT_{who}_{what}": "octo@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    isolated = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    subprocess.run(["git", "-C", root, *arguments], env=author | isolated, check=True, capture_output=True)


def make_checkout(root: Path, pyproject: str = PYPROJECT) -> None:
    """Create a repository with a tagged commit."""
    (root / "src" / "sample_project").mkdir(parents=True)
    (root / "src" / "sample_project" / "__init__.py").write_text('"""A sample."""\n', "utf-8")
    (root / "pyproject.toml").write_text(pyproject, "utf-8")
    (root / ".gitignore").write_text("/dist/\n", "utf-8")
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "remote", "add", "origin", f"https://github.com/octo-org/{PROJECT}.git")
    commit(root)


def commit(root: Path) -> None:
    """Commit all changes, and move the tag there."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A release")
    git(root, "tag", "--force", "v1.2.3")


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    code: int
    out: str
    err: str
    """As people read it, see `as_read`."""
    raw: str = field(default="", compare=False)
    """The same, as it was written."""

    @property
    def codes(self) -> list[str]:
        """The codes of all errors and warnings."""
        return codes_in(self.err)

    def __contains__(self, message: Message) -> bool:
        return str(message) in self.err


def codes_in(text: str) -> list[str]:
    """Return the codes at the ends of lines."""
    return re.findall(r"\[([a-z][a-z0-9-]+)\]$", text, re.MULTILINE)


def as_read(err: str) -> str:
    """Return standard error as people read it in the log of a CI.

    Annotations are shown as their strings. The folded plan and the total are left
    out, because their sizes and times differ each time; test_log.py tests them.
    """
    for command in _COMMANDS:
        err = re.sub(command, "", err, flags=re.MULTILINE)
    return re.sub(r"^::(?:warning|error)::(.*)$", _unescaped, err, flags=re.MULTILINE)


def _unescaped(command: re.Match[str]) -> str:
    return command[1].replace("%0A", "\n").replace("%25", "%")


def _line(code: str, **facts: object) -> str:
    """Return the pattern of a line with these facts."""
    return "^" + re.escape(str(Message(code, **dict.fromkeys(facts, "FACT")))).replace("FACT", ".*") + r"\n"


_COMMANDS: Final = (
    r"^::group::.*\n(?:.*\n)*?::endgroup::\n",
    # Reading text, Python turns the carriage return after a mark into an end of line.
    r"^\x1b\[0Ksection_start:.*\n(?:.*\n)*?\x1b\[0Ksection_end:.*\n.*\n",
    _line("files-to-upload", files=0, size=0),
    _line("uploaded-in-all", files=0, size=0, took=0, rate=0),
)


def target(index: Index) -> str:
    """Return the first line of a run, with the index."""
    url = index.upload_url
    return str(Message("release-target", project=PROJECT, version="1.2.3", index=url, url=url))


def outcome(filename: str, result: Result) -> str:
    """Return the line of one file."""
    return str(Message("file-outcome", file=f"dist/{filename}", outcome=OUTCOMES[result][1]))


def publishing(ci: str) -> str:
    """Return the line with the publisher."""
    return str(publishing_as(CLAIMS[ci]))


def released(index: Index, results: tuple[Result, Result] = ("uploaded", "uploaded"), *, ci: str = "github") -> Run:
    """Return the output of a successful release."""
    lines = [outcome(name, result) for name, result in zip((WHEEL, SDIST), results, strict=True)]
    # Files that exist already are reported with the plan.
    lines.insert(results.count("there"), publishing(ci))
    return Run(0, "", "\n".join([target(index), *lines, f"{index.url}/simple/{PROJECT}/"]) + "\n")


def nothing_left(index: Index) -> Run:
    """Return the output of a run whose files are all on the index."""
    lines = [target(index), outcome(WHEEL, "there"), outcome(SDIST, "there"), str(Message("nothing-uploaded"))]
    return Run(0, "", "\n".join([*lines, f"{index.url}/simple/{PROJECT}/"]) + "\n")


def masks(ci: Ci, index: Index) -> str:
    """Return GitHub's commands that keep the tokens out of its log."""
    return "".join(f"::add-mask::{token}\n" for token in [*ci.issued, *index.store.minted])


def uploads(count: int) -> list[str]:
    """Return the lines of this many accepted files."""
    return ["POST /legacy/ 200"] * count


SEARCH: Final = ["GET /simple/sample-project/ 200", "GET /.well-known/pytp?discover=%2Flegacy%2F 404"]
EXCHANGE: Final = ["GET /_/oidc/audience 200", "POST /_/oidc/mint-token 200"]
RELEASE: Final = [*SEARCH, *EXCHANGE, *uploads(2), "POST /_/oidc/burn-token 202"]
"""The requests to an index like PyPI for a release of two files."""


def clean_environ(home: Path) -> dict[str, str]:
    """Return an environment without the CI, proxies and settings of this machine; all directories are in *home*."""
    for name in ("tmp", "site"):
        (home / name).mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text(WITHOUT_ATTESTATIONS, "utf-8")
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "HATCH_CONFIG": str(home / "config.toml"),
        "HATCH_DATA_DIR": str(home / "data"),
        "HATCH_CACHE_DIR": str(home / "cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "NO_COLOR": "1",
        "COLUMNS": "1000",
        "PYTHONPATH": str(SITE),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Job:
    """A job of a CI: a checkout with built files, an environment, and the command."""

    def __init__(self, directory: Path, template: Path) -> None:
        self.directory = directory
        self.root = directory / "project"
        self.home = directory / "home"
        self.dist = self.root / "dist"
        self.environ = clean_environ(self.home)
        shutil.copytree(template, self.root, symlinks=True)
        self.set_config(attestations=False)

    def measured(self) -> Job:
        """Return the same job, with the coverage of its runs."""
        self.environ |= MEASURED
        return self

    def set_config(self, **settings: bool) -> None:
        """Write the user's own configuration: a report, and *settings*."""
        lines = [f"{name.replace('_', '-')} = {str(value).lower()}" for name, value in settings.items()]
        text = "\n".join(["[publish.trusted]", f"report = '{self.directory / 'report.json'}'", *lines, ""])
        (self.home / "config.toml").write_text(text, "utf-8")

    def configure(self, toml: str) -> None:
        """Add to pyproject.toml, and commit it: a dirty tree would have another version."""
        with (self.root / "pyproject.toml").open("a", encoding="utf-8") as file:
            file.write(f"\n{toml}\n")
        commit(self.root)

    def hatch(self, *arguments: str, **environ: str) -> Run:
        """Run Hatch with these variables in addition to the job's own."""
        with self.started(*arguments, **environ) as process:
            out, err = process.communicate(timeout=90)
        self.check_reports()
        return Run(process.returncode, out, as_read(err), err)

    def on_github(self, ci: Ci) -> None:
        """Make it a GitHub job, in which no retry waits."""
        self.environ |= ci.github | {"E2E_NO_WAIT": "1"}

    def outcomes(self) -> dict[str, str]:
        """Return the outcome of each file in the report of the last run."""
        report = json.loads((self.directory / "report.json").read_text("utf-8"))
        return {file["filename"]: file["outcome"] for file in report["files"]}

    def check_reports(self) -> None:
        """Check each report that was written against the schema."""
        for path in (self.directory / "report.json", *self.root.rglob("report.json")):
            if path.is_file():
                REPORTS.validate(json.loads(path.read_text("utf-8")))

    def started(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        """Start the same command, without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "hatch", *arguments],
            cwd=self.root,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def shell(self, command: str, **environ: str) -> Run:
        """Run a line of bash, which redirects."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.root,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=90,
            check=False,
        )
        return Run(done.returncode, done.stdout, as_read(done.stderr), done.stderr)

    def publish(self, *arguments: str, **environ: str) -> Run:
        """``hatch publish -p trusted``."""
        return self.hatch("publish", "-p", "trusted", *arguments, **environ)

    def command(self, name: str) -> Path:
        """Put an executable on the PATH that prints ``$FAKE_TOKEN``; return the file to which it logs its arguments."""
        directory = self.directory / "bin"
        directory.mkdir(exist_ok=True)
        calls = directory / f"{name}.calls"
        script = directory / name
        script.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\necho "$FAKE_TOKEN"\n', "utf-8")
        script.chmod(0o755)
        self.environ["PATH"] = os.pathsep.join([str(directory), os.environ["PATH"]])
        return calls


@dataclass
class Answer:
    """The answer to the next request to a path, instead of the real one."""

    status: int = 0
    """The status of the answer; 0 stands for the real answer."""
    body: str = ""
    first: Callable[[], None] = lambda: None
    """Called before the answer."""
    lost: bool = False
    """The connection breaks before the answer arrives."""
    headers: Mapping[str, str] = field(default_factory=dict)
    never: bool = False
    """No answer arrives until the client disconnects."""


@dataclass
class _Log:
    """Each request in the order in which they started: method, path, query, and the answer's status."""

    lines: list[str] = field(default_factory=list)
    _open: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, line: str) -> int:
        with self._changed:
            self.lines.append(line)
            self._open += 1
            return len(self.lines) - 1

    def end(self, number: int, status: str) -> None:
        with self._changed:
            self.lines[number] += f" {status}"
            self._open -= 1
            self._changed.notify_all()

    def settled(self) -> list[str]:
        """Return the lines, once no request is in flight."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._open == 0, 30)
            return [*self.lines]


class _Served:
    """An application that records its requests, and can be given other answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._log = _Log()
        self.answers: dict[str, list[Answer]] = {}
        """By method and path: the answers to the next requests."""
        self.agents: set[str] = set()

    @property
    def requests(self) -> list[str]:
        return self._log.settled()

    def forget(self) -> None:
        """Clear the lists of requests and tokens."""
        assert self._log.settled() is not None
        self._log.lines.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode()
        given_up = False
        self.agents.add(dict(scope["headers"]).get(b"user-agent", b"").decode())
        number = self._log.begin(f"{scope['method']} {scope['path']}{query and '?'}{query}")
        status = "cut"

        async def receiving() -> Event:
            nonlocal given_up
            message = await receive()
            given_up = given_up or message["type"] == "http.disconnect"
            return message

        async def sending(message: Event) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._answered(scope, receiving, sending)
        except ClientDisconnect:
            given_up = True
        finally:
            self._log.end(number, "given up" if given_up else status)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        answers = self.answers.get(f"{scope['method']} {scope['path']}", [])
        if not answers:
            await self._app(scope, receive, send)
            return
        answer = answers.pop(0)
        body = await Request(scope, receive).body()
        answer.first()
        if answer.never:
            while (await receive())["type"] != "http.disconnect":
                pass
            return

        async def again() -> Event:
            return {"type": "http.request", "body": body}

        async def discard(_message: Event) -> None:
            """Discard the message: the connection is broken."""

        if answer.status == 0:
            await self._app(scope, again, discard if answer.lost else send)
        elif not answer.lost:
            media_type = "application/json" if answer.body.startswith("{") else "text/plain"
            await Response(answer.body, answer.status, answer.headers, media_type)(scope, again, send)
        if answer.lost:
            # uvicorn closes the connection of an incomplete answer, and logs that.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})


class Ci(_Served):
    """The token services of GitHub and Google."""

    def __init__(self) -> None:
        self.issued: list[str] = []
        self.url = ""
        routes = [
            Route("/github", self._github),
            Route("/google", self._google),
            Route("/google/access-token", self._access_token),
            Route(f"/google/{SERVICE_ACCOUNT}", self._impersonated, methods=["POST"]),
        ]
        super().__init__(Starlette(routes=routes))

    def forget(self) -> None:
        super().forget()
        self.issued.clear()

    def _token(self, ci: str, audience: str) -> str:
        self.issued.append(identity_token(ci, audience))
        return self.issued[-1]

    async def _github(self, request: Request) -> Response:
        if request.headers["authorization"].lower() != "bearer request-token":
            return Response(status_code=401)
        return JSONResponse({"value": self._token("github", request.query_params["audience"])})

    async def _google(self, request: Request) -> Response:
        if request.headers["metadata-flavor"] != "Google" or request.query_params["format"] != "full":
            return Response(status_code=403)
        return PlainTextResponse(self._token("google", request.query_params["audience"]))

    async def _access_token(self, request: Request) -> Response:
        assert request.headers["metadata-flavor"] == "Google"
        return JSONResponse({"access_token": "access-token"})

    async def _impersonated(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer access-token"
        asked = await request.json()
        assert asked["includeEmail"]
        return JSONResponse({"token": self._token("google", asked["audience"])})

    @property
    def github(self) -> dict[str, str]:
        """Return the variables that GitHub's runner sets for a job with ``id-token: write``."""
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.url}/github?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        }


class _Store(Store):
    """The store of the embedded index, which records the tokens it mints."""

    def __init__(self, directory: Path, audience: str) -> None:
        super().__init__(directory, time.time, audience)
        self.minted: list[str] = []
        self.kept: list[str] = []
        """The name of each file, every time it is stored."""

    def keep(self, project: Project, file: File, content: BinaryIO) -> None:
        super().keep(project, file, content)
        self.kept.append(file.filename)

    def mint(self, publisher: Publisher) -> tuple[str, int]:
        token, expires = super().mint(publisher)
        self.minted.append(token)
        return token, expires


class Index(_Served):
    """The embedded index, or a private one that accepts the identities of any CI, as in PEP 807."""

    def __init__(self, directory: Path, *, private: bool = False) -> None:
        directory.mkdir()
        self.store = _Store(directory, "127.0.0.1")
        self.store.add_project(PROJECT, *PUBLISHERS)
        self.url = ""
        self._authority = Authority(TRUSTED, time.time)
        embedded = application(self.store, TRUSTED, [], authority=self._authority)
        own = [
            Route("/.well-known/pytp", self._discovery),
            Route("/exchange/audience", self._audience),
            Route("/exchange/mint", self._mint, methods=["POST"]),
        ]
        super().__init__(Starlette(routes=[*own, Mount("/", embedded)]) if private else embedded)

    @property
    def upload_url(self) -> str:
        return f"{self.url}/legacy/"

    @property
    def trust_config(self) -> str:
        """Return the configuration for signing and verifying with the Sigstore next to the index."""
        return self._authority.trust_config(self.url)

    @property
    def files(self) -> list[str]:
        return sorted(file.filename for file in self.store.files())

    @property
    def requests(self) -> list[str]:
        """In order, but without the list of files: a run requests that in parallel with the exchange's terms."""
        lines = super().requests
        reading = list(takewhile(lambda line: line.startswith("GET "), lines))
        return [*sorted(reading, key=lambda line: "/simple/" not in line), *lines[len(reading) :]]

    @property
    def requests_but_terms(self) -> list[str]:
        """`requests` without those for the exchange's terms, which a run that ends early may or may not have made."""
        return [line for line in self.requests if not re.search("^GET .*(/pytp|/audience)", line)]

    def forget(self) -> None:
        super().forget()
        self.store.minted.clear()

    async def _discovery(self, _request: Request) -> Response:
        endpoints = {
            "audience-endpoint": f"{self.url}/exchange/audience",
            "token-mint-endpoint": f"{self.url}/exchange/mint",
        }
        return JSONResponse(endpoints, media_type="application/vnd.pypi.pytp.v1+json")

    async def _audience(self, _request: Request) -> Response:
        return JSONResponse({"audience": self.store.audience})

    async def _mint(self, request: Request) -> Response:
        token = (await request.json())["token"]
        claims = jwt.decode(token, _KEY.public_key(), algorithms=["RS256"], audience=self.store.audience)
        assert claims["sub"] in {each["sub"] for each in CLAIMS.values()}
        return JSONResponse({"token": self.store.mint(PUBLISHERS[0])[0]})


@contextmanager
def served(index: Ci | Index) -> Iterator[None]:
    """Serve it on a free port of loopback."""
    with listening() as sock:
        index.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        with serving(index, sock):
            yield


@contextmanager
def served_with_tls(index: Index, authority: certificates.Authority) -> Iterator[None]:
    """Serve it by HTTPS, and only to clients with a certificate of *authority*."""
    certificate, key = authority.issue("server", "127.0.0.1")
    with listening() as sock:
        index.url = f"https://127.0.0.1:{sock.getsockname()[1]}"
        config = uvicorn.Config(
            index,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ssl_certfile=str(certificate),
            ssl_keyfile=str(key),
            ssl_ca_certs=str(authority.file),
            ssl_cert_reqs=ssl.CERT_REQUIRED,
        )
        server = uvicorn.Server(config)
        # Connections wait on the socket until the thread accepts them, so no test has to wait for its start.
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])))
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()
