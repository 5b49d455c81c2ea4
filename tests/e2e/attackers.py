"""The attackers: a hostile index, a hostile CI, and a man in the middle; each records the requests it receives."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from tests.support.authority import Authority
from tests.support.scripted import Answer, Asked, Scripted

from .test_auto import Proxy
from .world import PROJECT, Job, identity_token

LISTING: Final = f"GET /simple/{PROJECT}/"
DISCOVERY: Final = "GET /.well-known/pytp?discover=%2Flegacy%2F"
AUDIENCE: Final = "GET /_/oidc/audience"
IDENTITY: Final = "GET /token"
MINT: Final = "POST /_/oidc/mint-token"
UPLOAD: Final = "POST /legacy/"
BURN: Final = "POST /_/oidc/burn-token"
STEPS: Final = ("nothing", LISTING, IDENTITY, MINT, UPLOAD, BURN)
"""In order; discovery and audience are requested in parallel with the listing."""

SIMPLE: Final = "application/vnd.pypi.simple.v1+json"
UPLOAD_TOKEN: Final = "pypi-AgEIcHlwaS5vcmcCJDZkNjQ2Zjc1LTYyNmMtNjU2"
REQUEST_TOKEN: Final = "the-token-of-the-job-for-the-token-service"
PRECIOUS: Final = "yours"
SECONDS: Final = 60
"""Seconds that an attack may delay a run."""
LARGEST: Final = 200_000
"""Kilobytes of memory that an attack may make a run use."""

_TOKEN: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")

Reply = Answer | Sequence[Answer]
Lazy = Reply | Callable[[], Reply]
Certificate = Literal["sound", "another name", "expired", "unknown authority", "none"]


def precious(job: Job) -> Path:
    """Return a file outside of the project that no run may touch."""
    return job.directory / "precious"


def nothing(_job: Job) -> None:
    """Leave the job unchanged."""


@dataclass(frozen=True)
class Attack:
    """One row: what the attacker does, and how the run must end.

    In arguments, replies, variables and pyproject.toml, ``{index}`` and ``{elsewhere}`` are the URLs of the index,
    and of a server that must receive no request.
    """

    name: str
    replies: Mapping[str, Lazy] = field(default_factory=dict)
    """The attacker's replies instead of the true ones, by step."""
    says: str = ""
    """The codes of all errors and warnings; empty if the run continues without any."""
    reached: str = LISTING
    """The last step that the run may reach."""
    exit_code: int = 1
    arguments: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Job], object] = nothing
    repo: str = "{index}/legacy/"
    middle: Mapping[str, Certificate] = field(default_factory=dict)
    """The hosts that a proxy redirects to the attacker, and his certificate for each."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Ended:
    """The result of an attacked run."""

    code: int
    out: str
    err: str
    peak: int
    """The run's peak memory in kilobytes."""
    index: Sequence[Asked]
    ci: Sequence[Asked]
    elsewhere: Sequence[str]
    """The requests to the server that must receive none, and those to the proxy for other hosts."""
    identities: Sequence[str]

    @property
    def reached(self) -> str:
        """Return the last step that the run reached."""
        asked = {"nothing", *(step_of(one) for one in chain(self.index, self.ci))}
        return next(step for step in reversed(STEPS) if step in asked)

    @property
    def shown(self) -> list[str]:
        """Return the secrets in the outputs, except for masks. A pattern may match without a secret's first character."""
        said = re.sub("^::add-mask::.*$", "", self.out + self.err, flags=re.MULTILINE)
        return [secret for secret in (*self.identities, UPLOAD_TOKEN, REQUEST_TOKEN) if secret[1:] in said]

    def misplaced(self) -> list[tuple[str, str]]:
        """Return the requests with a secret that does not belong there, and that secret."""
        allowed = {MINT: "identity", UPLOAD: "upload token", BURN: "upload token", IDENTITY: "request token"}
        secrets = {"identity": self.identities, "upload token": [UPLOAD_TOKEN], "request token": [REQUEST_TOKEN]}
        return [
            (asked.line, kind)
            for asked in chain(self.index, self.ci)
            for kind, texts in secrets.items()
            if allowed.get(step_of(asked)) != kind and any(form in _raw(asked) for form in _forms(texts))
        ]


def step_of(asked: Asked) -> str:
    """Return the step that a request belongs to."""
    return asked.line.partition("?")[0] if asked.target.startswith("/token") else asked.line


def _raw(asked: Asked) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in asked.headers.items())
    return f"{asked.line}\n{headers}\n{asked.body.decode('latin-1')}"


def _forms(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        yield text
        for plain in (text, f"__token__:{text}"):
            yield base64.b64encode(plain.encode()).decode().rstrip("=")


def token_of(claims: object, signature: str = "c2ln") -> str:
    """Return a JSON Web Token with these claims; only the index checks its signature."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join(
        [*(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts), signature]
    )


class _Tokens:
    """The token service of GitHub, honest unless it has a reply to send."""

    def __init__(self) -> None:
        self.says: Reply | None = None
        self.issued: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        if self.says is None:
            audience = parse_qs(urlsplit(asked.target).query)["audience"][0]
            self.issued.append(identity_token("github", audience))
            return Answer.of({"value": self.issued[-1]})
        assert isinstance(self.says, Answer)
        self.issued += _TOKEN.findall(self.says.body[:100_000].decode("latin-1"))
        return self.says


def _thief(_asked: Asked) -> Answer:
    """Grant every request."""
    stolen = token_of({"aud": "127.0.0.1"})
    return Answer.of({"audience": "pypi", "token": "pypi-other", "files": [], "value": stolen}, media_type=SIMPLE)


def run(attack: Attack, job: Job, directory: Path) -> Ended:
    """Publish under attack."""
    tokens = _Tokens()
    script: dict[str, Reply] = {
        LISTING: Answer.of({"meta": {"api-version": "1.4"}, "files": []}, media_type=SIMPLE),
        AUDIENCE: Answer.of({"audience": "pypi" if attack.repo == "main" else "127.0.0.1"}),
        MINT: Answer.of({"success": True, "token": UPLOAD_TOKEN}),
        UPLOAD: Answer(),
        BURN: Answer(202),
    }
    with ExitStack() as stack:
        ci = stack.enter_context(Scripted(tokens))
        elsewhere = stack.enter_context(Scripted(_thief))
        contexts: dict[str, ssl.SSLContext | None] = {"": None}
        if attack.middle:
            authority = Authority(directory)
            contexts = {host: _tls(authority, host, kind, directory) for host, kind in attack.middle.items()}
        servers = {host: stack.enter_context(Scripted(script, tls)) for host, tls in contexts.items()}
        places = {
            "{index}": next(iter(servers.values())).url,
            "{elsewhere}": f"http://localhost:{elsewhere.port}",
            "{ci}": ci.url,
        }
        for step, reply in attack.replies.items():
            script[step] = _filled(reply() if callable(reply) else reply, places)
        tokens.says = script.get(IDENTITY)
        environ = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{ci.url}/token?api-version=2.0",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
            "E2E_NO_WAIT": "1",
        }
        others: list[str] = []
        if attack.middle:
            proxy = stack.enter_context(_proxy({f"{host}:443": server.port for host, server in servers.items()}))
            others = proxy.asked
            environ |= {"ALL_PROXY": proxy.url, "NO_PROXY": "127.0.0.1", "HATCH_INDEX_CA_CERT": str(authority.file)}
        job.environ |= environ | {name: _placed(value, places) for name, value in attack.environ.items()}
        precious(job).write_text(PRECIOUS, "utf-8")
        attack.prepare(job)
        if (project := job.root / "pyproject.toml").exists():
            project.write_text(_placed(project.read_text("utf-8"), places), "utf-8")
        arguments = ("-r", attack.repo, "-o", "check-version=false", *attack.arguments)
        code, out, err, peak = measured(job, *(_placed(argument, places) for argument in arguments))
    known = [f"{host}:443" for host in servers]
    return Ended(
        code,
        _unplaced(out, places),
        _unplaced(err, places),
        peak,
        [asked for server in servers.values() for asked in server.asked],
        ci.asked,
        [*elsewhere.lines, *(host for host in others if host not in known)],
        [*tokens.issued, *_TOKEN.findall(" ".join(attack.environ.values()))],
    )


def _placed(text: str, places: Mapping[str, str]) -> str:
    for name, url in places.items():
        text = text.replace(name, url)
    return text


def _unplaced(text: str, places: Mapping[str, str]) -> str:
    for name, url in places.items():
        text = text.replace(url, name)
    return text


def _filled(reply: Reply, places: Mapping[str, str]) -> Reply:
    if not isinstance(reply, Answer):
        return reply
    body = reply.body if len(reply.body) > 10_000 else _placed(reply.body.decode("latin-1"), places).encode("latin-1")
    headers = {name: _placed(value, places) for name, value in reply.headers.items()}
    return replace(reply, body=body, headers=headers)


def _tls(authority: Authority, host: str, kind: Certificate, directory: Path) -> ssl.SSLContext | None:
    if kind == "none":
        return None
    if kind == "unknown authority":
        (directory / "unknown").mkdir()
        authority = Authority(directory / "unknown")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    life = timedelta(minutes=-1) if kind == "expired" else timedelta(hours=1)
    named = "attacker.example" if kind == "another name" else host
    context.load_cert_chain(*authority.issue(named, named, life=life))
    return context


@contextmanager
def _proxy(ports: Mapping[str, int]) -> Iterator[Proxy]:
    with Proxy(ports) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


# Linux counts the memory of the process that forks, too: so a small one starts the run.
_MEASURE: Final = """\
import os, sys
pid = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(pid, 0)
with open(sys.argv[1], "w") as file:
    print(usage.ru_maxrss, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(job: Job, *arguments: str) -> tuple[int, str, str, int]:
    """Run ``hatch publish -p trusted``; return its exit code, outputs, and peak memory in kilobytes."""
    peak = job.directory / "peak"
    command = [sys.executable, "-m", "hatch", "publish", "-p", "trusted", *arguments]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _MEASURE, str(peak), *command],
        cwd=job.root,
        env=job.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, out.decode(), err.decode(), int(peak.read_text("utf-8"))
