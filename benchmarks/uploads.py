#!/usr/bin/env python3
"""How fast every tool uploads, and ours: in turn, in pairs, side by side on this machine.

    python benchmarks/uploads.py [--quick] [--case large,many,far,whole,startup] [--json FILE]

benchmarks/README.md says what is measured and how to read it. Standard library only: the tools are
installed into environments of their own.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import hashlib
import io
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

HOST: Final = "127.0.0.1"
ROOT: Final = Path(__file__).resolve().parent.parent
SERVER: Final = Path(__file__).resolve().with_name("server.py")
PEERS: Final = ("uv", "twine", "pdm", "poetry", "flit", "maturin")
"""What is installed besides Hatch, in its newest version unless ``--with`` says another."""
COMPANIONS: Final = {"pdm": ("hishel<2", "unearth<0.19")}
"""What a peer needs besides: pdm 2.29.3 allows newer ones of these, and breaks with them."""
NAME: Final = "benchproj"
VERSION: Final = "1.0"
PASSWORD: Final = "pypi-password-of-the-benchmark"  # noqa: S105
MIB: Final = 1024 * 1024
DELAY: Final = 0.2
ROUND_TRIP: Final = 0.05
MBITS: Final = 1000.0

IDLE_PUBLISHER: Final = """
from hatch.publish.plugin.interface import PublisherInterface
from hatchling.plugin import hookimpl

class IdlePublisher(PublisherInterface):
    PLUGIN_NAME = "idle"

    def publish(self, artifacts, options):
        self.app.display_info("nothing")

@hookimpl
def hatch_register_publisher():
    return IdlePublisher
"""
# `flit publish` builds what it uploads, so that building would be measured: its own function for one
# file is called for each, with the metadata that `flit publish` would have.
FLIT: Final = """
import sys
from pathlib import Path
from flit.upload import RepoDetails, do_upload
from flit_core.common import Metadata
repo = RepoDetails(sys.argv[1], "__token__", sys.argv[2])
metadata = Metadata({"name": sys.argv[3], "version": sys.argv[4], "summary": "A project to be uploaded"})
for name in sys.argv[5:]:
    do_upload(Path(name), metadata, repo)
"""
# twine trusts two addresses with trusted publishing: ours takes the place of PyPI's.
TWINE_TRUSTED: Final = """
import sys
from twine import utils
utils.DEFAULT_REPOSITORY = sys.argv.pop(1)
from twine.__main__ import main
sys.exit(main())
"""
# A process of its own starts the tool, takes the time and asks the kernel for the tool's peak memory:
# Linux counts the memory of the process that forked in with it, and this one is small.
LAUNCHER: Final = """
import json, os, signal, sys, time
command, environ, folder, log, limit = json.loads(sys.stdin.read())
os.chdir(folder)
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
null = os.open(os.devnull, os.O_RDONLY)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
begin = time.perf_counter()
pid = os.posix_spawn(command[0], command, environ, file_actions=actions)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(limit)
_, status, used = os.wait4(pid, 0)
end = time.perf_counter()
print(json.dumps([os.waitstatus_to_exitcode(status), end - begin, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


class CannotError(Exception):
    """A tool cannot do a case; the text says why."""


# ---------------------------------------------------------------------------- files to upload


@dataclass(frozen=True)
class FileSet:
    """A project folder with a ``dist``."""

    folder: Path
    files: tuple[Path, ...]
    digests: Mapping[str, str]


METADATA: Final = f"""\
Metadata-Version: 2.4
Name: {NAME}
Version: {VERSION}
Summary: A project to be uploaded
Author-email: Somebody <somebody@example.com>
License-Expression: MIT
Project-URL: Source, https://example.com/{NAME}
Classifier: Development Status :: 4 - Beta
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.11
Requires-Dist: packaging>=24
Description-Content-Type: text/markdown

# {NAME}

What is here is made to be thrown away.
"""
PYTHONS: Final = ("cp310", "cp311", "cp312", "cp313", "cp314")
PLATFORMS: Final = (
    "macosx_10_13_x86_64",
    "macosx_11_0_arm64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "manylinux_2_17_armv7l.manylinux2014_armv7l",
    "manylinux_2_17_i686.manylinux2014_i686",
    "manylinux_2_17_ppc64le.manylinux2014_ppc64le",
    "manylinux_2_17_s390x.manylinux2014_s390x",
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "musllinux_1_2_aarch64",
    "musllinux_1_2_x86_64",
    "win32",
    "win_amd64",
)


def make_files(folder: Path, wheels: int, size: int, *, sdist: bool) -> FileSet:
    """A project with that many wheels of *size* bytes; made once for a folder."""
    dist = folder / "dist"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        dist.mkdir(parents=True)
        tags = [f"{python}-{python}-{where}" for python in PYTHONS for where in PLATFORMS]
        for tag in ["py3-none-any"] if wheels == 1 else tags[:wheels]:
            make_wheel(dist / f"{NAME}-{VERSION}-{tag}.whl", tag, size)
        if sdist:
            make_sdist(dist / f"{NAME}-{VERSION}.tar.gz")
        (folder / "complete").touch()
    files = sorted(dist.iterdir(), key=lambda path: (path.suffix != ".whl", path.name))
    digests = {}
    for path in files:
        with path.open("rb") as file:
            digests[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return FileSet(folder, tuple(files), digests)


def make_wheel(path: Path, tag: str, size: int) -> None:
    """A valid wheel with *size* bytes that nothing can compress, stored."""
    info = f"{NAME}-{VERSION}.dist-info"
    python, abi, platforms = tag.split("-")
    tags = "".join(f"Tag: {python}-{abi}-{one}\n" for one in platforms.split("."))
    wheel = f"Wheel-Version: 1.0\nGenerator: benchmark\nRoot-Is-Purelib: {str(abi == 'none').lower()}\n{tags}"
    small = {
        f"{NAME}/__init__.py": b'__version__ = "1.0"\n',
        f"{info}/METADATA": METADATA.encode(),
        f"{info}/WHEEL": wheel.encode(),
    }
    record = [f"{name},{_record_hash(hashlib.sha256(content))},{len(content)}\n" for name, content in small.items()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        digest, left = hashlib.sha256(), size
        with archive.open(f"{NAME}/padding.bin", "w", force_zip64=size >= 2**31) as member:
            while left:
                block = os.urandom(min(left, MIB))
                member.write(block)
                digest.update(block)
                left -= len(block)
        record += [f"{NAME}/padding.bin,{_record_hash(digest)},{size}\n", f"{info}/RECORD,,\n"]
        for name, content in small.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "".join(record))


def _record_hash(digest: Any) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def make_sdist(path: Path) -> None:
    """A valid sdist."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("PKG-INFO", METADATA), ("pyproject.toml", pyproject(0)), (f"{NAME}/__init__.py", "")):
            member = tarfile.TarInfo(f"{NAME}-{VERSION}/{name}")
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))


def pyproject(port: int) -> str:
    """The project's own file: ours finds the index in it as it knows PyPI, with the endpoints' addresses."""
    return f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{NAME}"
version = "{VERSION}"
description = "A project to be uploaded"
requires-python = ">=3.11"

[tool.hatch.publish.trusted.repos.bench]
url = "https://{HOST}:{port}/legacy/"
simple-url = "https://{HOST}:{port}/simple/"
audience-endpoint = "https://{HOST}:{port}/_/oidc/audience"
token-mint-endpoint = "https://{HOST}:{port}/_/oidc/mint-token"
"""


# ---------------------------------------------------------------------------- the index


class Child:
    """A server in a process of its own, which answers lines of JSON."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port: int = self._answer()["port"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None  # noqa: S101 - for the type checker
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self._process.stdin is not None  # noqa: S101
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


# ---------------------------------------------------------------------------- the tools


@dataclass(frozen=True)
class Bench:
    """Where everything is."""

    folder: Path
    """With the environments, the certificates and the files."""

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def bin(self, environment: str, name: str) -> str:
        return str(self.folder / environment / "bin" / name)


@dataclass(frozen=True)
class Job:
    """One upload to do."""

    files: FileSet
    port: int
    trusted: bool
    """Whether the peers exchange an identity too, as ours always does."""

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/legacy/"

    @property
    def paths(self) -> list[str]:
        return [str(path) for path in self.files.files]


Made = tuple[list[str], dict[str, str]]
"""A command, and what it needs in its environment."""
Maker = Callable[[Bench, Job], Made]
_NO_EXCHANGE: Final = "has no trusted publishing"


def _password_only(job: Job) -> None:
    if job.trusted:
        raise CannotError(_NO_EXCHANGE)


def curl(_: Bench, job: Job) -> Made:
    """The yardstick: it sends, and hashes nothing."""
    _password_only(job)
    found = shutil.which("curl")
    if found is None:
        msg = "is not on this system"
        raise CannotError(msg)
    command = [found]
    for path in job.paths:
        fields = {":action": "file_upload", "protocol_version": "1", "name": NAME, "version": VERSION}
        fields |= {"filetype": "bdist_wheel" if path.endswith(".whl") else "sdist", "metadata_version": "2.4"}
        forms = [argument for key, value in fields.items() for argument in ("-F", f"{key}={value}")]
        # Without `Expect`, which costs a round trip that no other tool pays.
        one = [
            "-sS",
            "--fail",
            "-H",
            "Expect:",
            "-u",
            f"__token__:{PASSWORD}",
            *forms,
            "-F",
            f"content=@{path}",
            job.url,
        ]
        command += [*(["--next"] if len(command) > 1 else []), *one]
    return command, {}


def uv(bench: Bench, job: Job) -> Made:
    """``uv publish``."""
    command = [bench.bin("uv", "uv"), "publish", "--no-config", "--no-progress", "--publish-url", job.url]
    login = ["always"] if job.trusted else ["never", "--token", PASSWORD]
    return [*command, "--trusted-publishing", *login, *job.paths], {}


def twine(bench: Bench, job: Job) -> Made:
    """``twine upload``."""
    rest = ["upload", "--non-interactive", "--disable-progress-bar", "--repository-url", job.url, *job.paths]
    if job.trusted:
        return [bench.bin("twine", "python"), "-c", TWINE_TRUSTED, job.url, *rest], {}
    return [bench.bin("twine", "twine"), *rest, "-u", "__token__", "-p", PASSWORD], {}


def hatch(bench: Bench, job: Job) -> Made:
    """``hatch publish``, Hatch's own publisher `index`."""
    _password_only(job)
    command = [bench.bin("hatch", "hatch"), "publish", "-n", "-r", job.url, "-u", "__token__", "-a", PASSWORD]
    return [*command, "--ca-cert", str(bench.ca), *job.paths], {}


def pdm(bench: Bench, job: Job) -> Made:
    """``pdm publish``, of what is in ``dist``."""
    command = [bench.bin("pdm", "pdm"), "publish", "--no-build", "-r", job.url, "--ca-certs", str(bench.ca)]
    login = [] if job.trusted else ["-u", "__token__", "-P", PASSWORD]
    return [*command, *login], {"PDM_CHECK_UPDATE": "0", "PDM_PYTHON": bench.bin("pdm", "python")}


def poetry(bench: Bench, job: Job) -> Made:
    """``poetry publish``, of what is in ``dist``."""
    _password_only(job)
    command = [bench.bin("poetry", "poetry"), "publish", "-n", "-r", "bench", "--cert", str(bench.ca)]
    return [*command, "-u", "__token__", "-p", PASSWORD], {"POETRY_REPOSITORIES_BENCH_URL": job.url}


def flit(bench: Bench, job: Job) -> Made:
    """What ``flit publish`` calls for one file."""
    _password_only(job)
    return [bench.bin("flit", "python"), "-c", FLIT, job.url, PASSWORD, NAME, VERSION, *job.paths], {}


def maturin(bench: Bench, job: Job) -> Made:
    """``maturin upload``."""
    command = [bench.bin("maturin", "maturin"), "upload", "--non-interactive", "--repository-url", job.url]
    login = [] if job.trusted else ["-u", "__token__", "-p", PASSWORD]
    return [*command, *login, *job.paths], {"MATURIN_CA_BUNDLE": str(bench.ca)}


def ours(concurrency: int) -> Maker:
    """``hatch publish -p trusted``; 0 leaves `concurrency` at its default."""

    def make(bench: Bench, job: Job) -> Made:
        command = [bench.bin("ours", "hatch"), "publish", "-p", "trusted", "-r", "bench", "--ca-cert", str(bench.ca)]
        option = ["-o", f"concurrency={concurrency}"] if concurrency else []
        return [*command, *option, *job.paths], github(job.port)

    return make


def github(port: int) -> dict[str, str]:
    """What GitHub Actions puts into a job that may ask for an identity."""
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"https://{HOST}:{port}/identity?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
    }


TOOLS: Final[Mapping[str, Maker]] = {
    "curl": curl,
    "uv": uv,
    "twine": twine,
    "hatch": hatch,
    "pdm": pdm,
    "poetry": poetry,
    "flit": flit,
    "maturin": maturin,
}


def environ(bench: Bench, more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the caller's own, and the authority wherever a tool looks for one."""
    home = bench.folder / "home"
    trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        **dict.fromkeys(trust, str(bench.ca)),
        **more,
    }


# ---------------------------------------------------------------------------- one run


@dataclass
class Run:
    """What one run of one tool took."""

    tool: str
    seconds: float
    cpu: float
    peak_kib: int
    server_cpu: float = 0.0
    in_flight: int = 0
    connections: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    """Path → how often; ``upload`` and ``simple`` are no paths."""
    retried: int = 0


def launch(bench: Bench, folder: Path, command: Sequence[str], more: Mapping[str, str], tool: str) -> Run:
    """Run *command* once.

    Raises:
        CannotError: it failed; with the end of what it said.
    """
    log = bench.folder / "home" / "log.txt"
    task = json.dumps([list(command), environ(bench, more), str(folder), str(log), 900])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER], input=task, capture_output=True, text=True, check=True
    )
    code, seconds, cpu, peak = json.loads(done.stdout)
    if code != 0:
        said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", log.read_text("utf-8", "replace"))
        msg = f"exit code {code}: {' '.join(said.split())[-300:]}"
        raise CannotError(msg)
    return Run(tool, seconds, cpu, peak)


def upload(bench: Bench, server: Child, job: Job, tool: str, make: Maker, setting: Mapping[str, Any]) -> Run:
    """Let *tool* do *job* once, and look whether the index got every file whole.

    Raises:
        CannotError: it did not.
    """
    command, more = make(bench, job)
    if job.trusted:
        more = {**github(job.port), **more}
    (job.files.folder / "pyproject.toml").write_text(pyproject(job.port), "utf-8")
    before = server.ask(collect=True)["cpu"]
    server.ask(**{"delay": 0.0, "identity_delay": 0.0, **setting})
    run = launch(bench, job.files.folder, command, more, tool)
    told = server.ask(collect=True)
    uploads = [one for one in told["seen"] if one["kind"] == "upload"]
    got = {one["filename"]: one for one in uploads}
    for path in job.files.files:
        one = got.pop(path.name, None)
        if one is None or one["size"] < path.stat().st_size:
            msg = f"said that all is well, but {path.name} did not arrive whole"
            raise CannotError(msg)
        if one["sha256"] not in {"", job.files.digests[path.name]}:
            msg = f"gave another SHA-256 for {path.name}"
            raise CannotError(msg)
    if got:
        msg = f"uploaded what it was not asked to: {', '.join(got)}"
        raise CannotError(msg)
    run.server_cpu = told["cpu"] - before
    run.connections = told["connections"]
    run.asked = dict(Counter(one["kind"] for one in told["seen"]))
    run.retried = len(uploads) - len(job.files.files)
    edges = sorted([(one["began"], 1) for one in uploads] + [(one["ended"], -1) for one in uploads])
    now = 0
    for _, step in edges:
        now += step
        run.in_flight = max(run.in_flight, now)
    return run


# ---------------------------------------------------------------------------- a case


@dataclass
class Result:
    """All the runs of one case."""

    case: str
    title: str
    turns: dict[str, list[Run]] = field(default_factory=dict)
    pairs: dict[str, tuple[list[Run], list[Run]]] = field(default_factory=dict)
    """``ours/peer`` → the runs of ours and of the peer, each beside the other."""
    cannot: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)

    def median(self, tool: str) -> float:
        return statistics.median(run.seconds for run in self.turns[tool])

    def peak(self, tool: str) -> float:
        return max(run.peak_kib for run in self.turns[tool]) / 1024

    def ratio(self, mine: str, peer: str) -> float | None:
        """Of medians; from the pairs where there are some, else from the turns."""
        if f"{mine}/{peer}" in self.pairs:
            first, second = self.pairs[f"{mine}/{peer}"]
            return statistics.median(run.seconds for run in first) / statistics.median(run.seconds for run in second)
        if mine in self.turns and peer in self.turns:
            return self.median(mine) / self.median(peer)
        return None


@dataclass
class Goal:
    """One figure of the goals, and what was found."""

    what: str
    most: float
    found: float | None
    unit: str = "x"

    def line(self) -> str:
        if self.found is None:
            return f"  {'?':8} {self.what}: not measured"
        verdict = "met" if self.found <= self.most else "MISSED"
        return f"  {verdict:8} {self.what}: {self.found:.2f} {self.unit}, at most {self.most:g}"


@dataclass
class Plan:
    """How much is to be measured."""

    rounds: int
    pairs: int
    starts: int
    large: int
    wheels: int
    wheel: int
    concurrency: tuple[int, ...]
    only: frozenset[str]
    release_exists: bool
    trusted_peers: bool

    def mine(self, concurrency: int) -> str:
        return f"ours-{concurrency}" if concurrency else "ours"

    @property
    def first(self) -> str:
        return self.mine(self.concurrency[0])

    def tools(self, concurrency: Sequence[int]) -> dict[str, Maker]:
        chosen = {name: make for name, make in TOOLS.items() if not self.only or name in self.only}
        return {self.mine(one): ours(one) for one in concurrency} | chosen


def measure(
    bench: Bench,
    server: Child,
    plan: Plan,
    result: Result,
    job: Job,
    tools: Mapping[str, Maker],
    setting: Mapping[str, Any],
    pairs: Sequence[tuple[str, str]],
) -> None:
    """Run *tools* in turn, each round in the other direction, and then *pairs* of them alternating."""

    def once(tool: str) -> Run | None:
        if tool in result.cannot:
            return None
        try:
            run = upload(bench, server, job, tool, tools[tool], setting)
        except CannotError as reason:
            result.cannot[tool] = str(reason)
            result.turns.pop(tool, None)
            say(f"    {tool}: cannot: {reason}")
            return None
        say(f"    {tool}: {run.seconds:.2f} s")
        return run

    for number in range(plan.rounds):
        say(f"  {result.case}: round {number + 1} of {plan.rounds}")
        for tool in list(tools)[:: -1 if number % 2 else 1]:
            if (run := once(tool)) is not None:
                result.turns.setdefault(tool, []).append(run)
    for mine, peer in pairs:
        if peer not in tools or {mine, peer} & result.cannot.keys():
            continue
        say(f"  {result.case}: {mine} beside {peer}, {plan.pairs} times")
        beside: tuple[list[Run], list[Run]] = ([], [])
        for number in range(plan.pairs):
            for which in (0, 1) if number % 2 == 0 else (1, 0):
                if (run := once((mine, peer)[which])) is not None:
                    beside[which].append(run)
        if all(beside):
            result.pairs[f"{mine}/{peer}"] = beside


def waves(files: int, concurrency: int, *, release_exists: bool) -> int:
    """Uploads one after another, if the first of a new release goes alone."""
    alone = 0 if release_exists else 1
    return alone + -(-(files - alone) // max(1, concurrency))


def large(bench: Bench, server: Child, plan: Plan) -> Result:
    """One large wheel."""
    result = Result("large", f"one wheel of {plan.large} MiB, no latency")
    files = make_files(bench.folder / f"large-{plan.large}", 1, plan.large * MIB, sdist=False)
    mine = plan.first
    goals = {"hatch": 0.5, "twine": 0.5, "uv": 0.25, "curl": 2.2, "maturin": 1.0}
    job = Job(files, server.port, trusted=False)
    measure(bench, server, plan, result, job, plan.tools(plan.concurrency[:1]), {}, [(mine, peer) for peer in goals])
    result.goals += [Goal(f"{mine} / {peer}", most, result.ratio(mine, peer)) for peer, most in goals.items()]
    small = Result("large", "")
    tiny = Job(make_files(bench.folder / "tiny", 1, 10_000, sdist=False), server.port, trusted=False)
    measure(bench, server, plan, small, tiny, {mine: ours(plan.concurrency[0])}, {}, [])
    if mine in result.turns and mine in small.turns:
        more = result.peak(mine) - small.peak(mine)
        result.goals.append(Goal("peak memory beyond that for a small wheel", 8, more, "MiB"))
    else:
        result.cannot |= small.cannot
    busy = [run.server_cpu / run.seconds for runs in result.turns.values() for run in runs]
    if busy:
        result.notes.append(
            f"The index was busy for at most {max(busy):.0%} of a run: below 100 %, it is not what limits."
        )
    return result


def many(bench: Bench, server: Child, plan: Plan) -> Result:
    """Many wheels and an sdist, and an index that takes its time."""
    title = f"{plan.wheels} wheels of {plan.wheel} KiB and an sdist, {DELAY * 1000:.0f} ms a request"
    result = Result("many", title + (", release there already" if plan.release_exists else ""))
    files = _many_files(bench, plan)
    goals = {4: 0.30, 8: 0.18}
    compared = [(plan.mine(one), peer) for one in plan.concurrency for peer in ("uv", "twine", "hatch")]
    job = Job(files, server.port, plan.trusted_peers)
    measure(bench, server, plan, result, job, plan.tools(plan.concurrency), _waiting(plan), compared)
    _limits(result, plan, len(files.files), 0)
    for one in plan.concurrency:
        mine = plan.mine(one)
        if (most := goals.get(one or 4)) is not None:
            result.goals += [
                Goal(f"{mine} / {peer}", most, result.ratio(mine, peer)) for peer in ("uv", "twine", "hatch")
            ]
        if mine in result.turns:
            for kind in ("uploads alone", "with the exchange"):
                limit = result.limits[f"{mine}, {kind}"]
                result.goals.append(
                    Goal(f"{mine} / the limit {limit:.1f} s, {kind}", 1.15, result.median(mine) / limit)
                )
    return result


def far(bench: Bench, server: Child, plan: Plan) -> Result:
    """The same, far away."""
    title = f"the same, through a round trip of {ROUND_TRIP * 1000:.0f} ms and {MBITS / 1000:g} Gbit/s"
    result = Result("far", title)
    with Child("relay", str(server.port), str(ROUND_TRIP), str(MBITS)) as line:
        job = Job(_many_files(bench, plan), line.port, plan.trusted_peers)
        compared = [(plan.mine(one), "uv") for one in plan.concurrency]
        measure(bench, server, plan, result, job, plan.tools(plan.concurrency), _waiting(plan), compared)
    _limits(result, plan, len(job.files.files), ROUND_TRIP)
    result.goals += [
        Goal(f"{plan.mine(one)} / uv", 0.4, result.ratio(plan.mine(one), "uv")) for one in plan.concurrency
    ]
    result.notes.append("The line is a relay on loopback: it delays and limits, but has no loss and no slow start.")
    return result


def whole(bench: Bench, server: Child, plan: Plan) -> Result:
    """A small release from identity to burned token."""
    result = Result("whole", f"one small wheel and an sdist with the whole exchange, {DELAY * 1000:.0f} ms a request")
    job = Job(_small_files(bench), server.port, trusted=True)
    setting = {"delay": DELAY, "identity_delay": DELAY}
    mine = plan.first
    goals = {"uv": 1.15, "twine": 1.0}
    tools = plan.tools(plan.concurrency[:1])
    measure(bench, server, plan, result, job, tools, setting, [(mine, peer) for peer in goals])
    result.goals += [Goal(f"{mine} / {peer}", most, result.ratio(mine, peer)) for peer, most in goals.items()]
    result.notes.append("twine exchanges identities with PyPI and TestPyPI only: it was told that this index is PyPI.")
    return result


def startup(bench: Bench, server: Child, plan: Plan) -> Result:
    """What the plugin costs before it does anything, and what a small release costs with no latency."""
    result = Result("startup", "starting, no latency")
    job = Job(_small_files(bench), server.port, trusted=False)
    mine, no_plugin, plugin, idle = plan.first, "version without", "version with", "publish idle"
    fixed = {
        no_plugin: [bench.bin("hatch", "hatch"), "--version"],
        plugin: [bench.bin("ours", "hatch"), "--version"],
        idle: [bench.bin("idle", "hatch"), "publish", "-p", "idle", *job.paths],
    }
    (job.files.folder / "pyproject.toml").write_text(pyproject(server.port), "utf-8")
    try:
        for number in range(plan.starts + 1):
            order = list(fixed.items())[:: -1 if number % 2 else 1]
            runs = [launch(bench, job.files.folder, command, {}, name) for name, command in order]
            runs.append(upload(bench, server, job, mine, ours(plan.concurrency[0]), {}))
            for run in runs if number else ():  # the first is for the caches
                result.turns.setdefault(run.tool, []).append(run)
    except CannotError as reason:
        result.cannot[mine] = str(reason)
        return result
    version = 1000 * (result.median(plugin) - result.median(no_plugin))
    result.goals.append(Goal("`hatch --version` with the plugin, beyond that without", 3, version, "ms"))
    beyond = 1000 * (result.median(mine) - result.median(idle))
    result.goals.append(Goal("a small release, beyond a publisher that does nothing", 110, beyond, "ms"))
    result.goals.append(Goal("HTTP modules imported before `publish()` runs", 0, float(len(_early(bench))), "of them"))
    return result


def _early(bench: Bench) -> set[str]:
    """What imports from httpx, httpcore, id and urllib3 are made by loading the plugin."""
    code = (
        "import sys; import hatch.publish.plugin.interface; before = set(sys.modules)\n"
        "import hatch_trusted_publish.hooks as hooks; hooks.hatch_register_publisher()\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([bench.bin("ours", "python"), "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & {"httpx", "httpcore", "h11", "http.client", "id", "urllib3", "ssl"}


def _many_files(bench: Bench, plan: Plan) -> FileSet:
    return make_files(bench.folder / f"many-{plan.wheels}-{plan.wheel}", plan.wheels, plan.wheel * 1024, sdist=True)


def _small_files(bench: Bench) -> FileSet:
    return make_files(bench.folder / "small", 1, 10_000, sdist=True)


def _waiting(plan: Plan) -> dict[str, Any]:
    held = {f"{NAME}-{VERSION}-1-py3-none-any.whl": "0" * 64} if plan.release_exists else {}
    return {"delay": DELAY, "identity_delay": 0.0, "held": held}


def _limits(result: Result, plan: Plan, files: int, round_trip: float) -> None:
    """The time that waiting alone takes: no client can be faster that keeps to so many at once."""
    each = DELAY + round_trip
    for one in plan.concurrency:
        mine = plan.mine(one)
        count = waves(files, one or 4, release_exists=plan.release_exists)
        result.limits[f"{mine}, uploads alone"] = count * each
        # Beside the uploads: the list and the audience side by side, the mint, the burn.
        result.limits[f"{mine}, with the exchange"] = (count + 3) * each


CASES: Final[Mapping[str, Callable[[Bench, Child, Plan], Result]]] = {
    "large": large,
    "many": many,
    "far": far,
    "whole": whole,
    "startup": startup,
}


# ---------------------------------------------------------------------------- environments


def install(bench: Bench, wanted: Sequence[str], *, fresh: bool) -> None:
    """An environment for each peer, for Hatch with ours, and for Hatch with a publisher that does nothing."""
    versions = {re.split(r"[=<>!~\[ ]", one, maxsplit=1)[0]: one for one in wanted}
    idle = bench.folder / "idle-publisher"
    idle.mkdir(exist_ok=True)
    (idle / "idle_publisher.py").write_text(IDLE_PUBLISHER, "utf-8")
    (idle / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "idle-publisher"\n'
        'version = "1"\n[project.entry-points.hatch]\nidle = "idle_publisher"\n'
        '[tool.hatch.build]\ninclude = ["idle_publisher.py"]\n',
        "utf-8",
    )
    hatch_ = versions.get("hatch", "hatch")
    for name, packages, local in (
        *((one, [versions.get(one, one), *COMPANIONS.get(one, ())], None) for one in PEERS),
        ("server", ["cryptography"], None),
        ("hatch", [hatch_], None),
        ("ours", [hatch_], ROOT),
        ("idle", [hatch_], idle),
    ):
        python = bench.bin(name, "python")
        if fresh or not Path(python).exists():
            say(f"  installing {name}")
            shutil.rmtree(bench.folder / name, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(bench.folder / name)], check=True)
            _pip(python, *packages, *([str(local)] if local else []))
        elif local == ROOT:
            say("  installing the checkout again")
            _pip(python, "--no-deps", "--force-reinstall", str(local))


def _pip(python: str, *arguments: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"pip could not install {' '.join(arguments)}:\n{done.stderr}")


def versions_of(bench: Bench) -> dict[str, str]:
    """What was measured."""
    code = "import json; from importlib.metadata import distributions as d; print(json.dumps({x.name: x.version for x in d()}))"
    found: dict[str, str] = {}
    environments = {one: (one,) for one in PEERS} | {"ours": ("hatch", "hatch-trusted-publish", "httpx", "id")}
    for name, wanted in environments.items():
        done = subprocess.run([bench.bin(name, "python"), "-c", code], capture_output=True, text=True, check=True)
        held = {key.lower(): value for key, value in json.loads(done.stdout).items()}
        found |= {one: held.get(one, "?") for one in wanted}
    if shutil.which("curl"):
        done = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
        found["curl"] = done.stdout.split()[1]
    return found


# ---------------------------------------------------------------------------- what is told


def table(result: Result, plan: Plan) -> Iterator[str]:
    """One case as text."""
    yield f"\n{result.case}: {result.title}"
    mines = [plan.mine(one) for one in plan.concurrency if plan.mine(one) in result.turns]
    heads = "".join(f"{mine + ' /':>12}" for mine in mines)
    width = max(map(len, [*result.turns, *result.cannot, "tool"])) + 1
    yield (
        f"  {'tool':{width}}{'median s':>10}{'min':>8}{'max':>8}{'cpu s':>8}{'peak MiB':>10}"
        f"{'in flight':>11}{'conns':>7}{'reqs':>6}{heads}"
    )
    for tool in sorted(result.turns, key=result.median):
        runs = result.turns[tool]
        seconds = [run.seconds for run in runs]
        cells = f"{result.median(tool):10.3f}{min(seconds):8.2f}{max(seconds):8.2f}"
        cells += f"{statistics.median(run.cpu for run in runs):8.2f}{result.peak(tool):10.1f}"
        cells += f"{max(run.in_flight for run in runs):11}{runs[-1].connections:7}{sum(runs[-1].asked.values()):6}"
        ratios = "".join(f"{result.median(mine) / result.median(tool):12.3f}" for mine in mines)
        again = sum(run.retried for run in runs)
        yield f"  {tool:{width}}{cells}{ratios}" + (f"  sent {again} again" if again else "")
    for tool, reason in result.cannot.items():
        yield f"  {tool:{width}}cannot: {reason}"
    for names, (first, second) in result.pairs.items():
        medians = [statistics.median(run.seconds for run in runs) for runs in (first, second)]
        spread = sorted(a.seconds / b.seconds for a, b in zip(first, second, strict=False))
        yield (
            f"  pairs {names}: {medians[0]:.2f} s / {medians[1]:.2f} s = {medians[0] / medians[1]:.3f}"
            f" (each pair: {spread[0]:.2f} to {spread[-1]:.2f})"
        )
    for name, limit in result.limits.items():
        yield f"  limit of {name}: {limit:.2f} s"
    yield from (f"  {note}" for note in result.notes)


def as_json(result: Result) -> dict[str, Any]:
    """One case, with every run."""
    return {
        **dataclasses.asdict(result),
        "medians": {tool: result.median(tool) for tool in result.turns},
        "peaks_mib": {tool: result.peak(tool) for tool in result.turns},
        "ratios": {pair: result.ratio(*pair.split("/")) for pair in result.pairs},
    }


def say(text: str) -> None:
    """Tell what is going on."""
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """What the command line says, with the defaults of ``--quick`` or the full ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--quick", action="store_true", help="small sizes and few rounds, for CI")
    add("--case", default=",".join(CASES), help=f"which, with commas between: {', '.join(CASES)}")
    add("--only", default="", help=f"which peers: {', '.join(TOOLS)} (default: all)")
    add("--concurrency", default="4,8", help="of ours, with commas between; 0: no such option (default: 4,8)")
    add("--rounds", type=int, help="rounds in turn (default 3, quick 1)")
    add("--pairs", type=int, help="pairs for each ratio that is a goal (default 5, quick 1)")
    add("--starts", type=int, help="starts for each median of `startup` (default 30, quick 5)")
    add("--large", type=int, metavar="MIB", help="size of the large wheel (default 1024, quick 64)")
    add("--wheels", type=int, help="how many, up to 60 (default 60, quick 16)")
    add("--wheel", type=int, metavar="KIB", help="size of each (default 1024, quick 256)")
    add("--release-exists", action="store_true", help="`many`, `far`: the index holds a file of the release already")
    add(
        "--trusted-peers", action="store_true", help="`many`, `far`: the peers exchange an identity too, where they can"
    )
    add("--venv", type=Path, help="folder that keeps the environments and files (default: a temporary one)")
    add("--fresh", action="store_true", help="install all of --venv anew")
    add("--no-install", action="store_true", help="take --venv as it is, the checkout in it too")
    add("--with", dest="wanted", action="append", default=[], metavar="REQ", help="another version, as in twine==6.1.0")
    add("--json", type=Path, help="write all figures to this file")
    given = parser.parse_args()
    for name, full, quick in (
        ("rounds", 3, 1),
        ("pairs", 5, 1),
        ("starts", 30, 5),
        ("large", 1024, 64),
        ("wheels", 60, 16),
        ("wheel", 1024, 256),
    ):
        if getattr(given, name) is None:
            setattr(given, name, quick if given.quick else full)
    if given.no_install and given.venv is None:
        parser.error("--no-install needs --venv")
    if not 1 <= given.wheels <= len(PYTHONS) * len(PLATFORMS):
        parser.error(f"--wheels: 1 to {len(PYTHONS) * len(PLATFORMS)}")
    given.case = given.case.split(",")
    given.only = frozenset(filter(None, given.only.split(",")))
    if unknown := {*given.case} - CASES.keys() | given.only - TOOLS.keys():
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return given


def main() -> None:
    """Install, measure, tell."""
    given = arguments()
    plan = Plan(
        **{name: getattr(given, name) for name in ("rounds", "pairs", "starts", "large", "wheels", "wheel", "only")},
        concurrency=tuple(int(one) for one in given.concurrency.split(",")),
        release_exists=given.release_exists,
        trusted_peers=given.trusted_peers,
    )
    with ExitStack() as stack:
        kept = given.venv or stack.enter_context(tempfile.TemporaryDirectory(prefix="uploads-"))
        bench = Bench(Path(kept).resolve())
        (bench.folder / "home").mkdir(parents=True, exist_ok=True)
        if not given.no_install:
            install(bench, given.wanted, fresh=given.fresh)
        subprocess.run([bench.bin("server", "python"), str(SERVER), "certify", str(bench.folder)], check=True)
        about = about_run(bench)
        server = stack.enter_context(Child("serve", str(bench.folder)))
        warm_up(bench, server, plan)
        results = [run_case(bench, server, plan, case) for case in given.case]
    print("\ngoals (ratios of medians; of pairs where there are some)")
    for result in results:
        print(f" {result.case}")
        print("\n".join(goal.line() for goal in result.goals) or "  none could be measured")
    print("\n" + ", ".join(f"{name} {version}" for name, version in about["versions"].items()))
    about["load after"] = load()
    print(f"{about['machine']}; load before {about['load before']}, after {about['load after']}")
    if given.json is not None:
        content = {"about": about, "plan": {**dataclasses.asdict(plan), "only": sorted(plan.only)}}
        told = {**content, "results": [as_json(result) for result in results]}
        given.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    # A goal that is missed is a figure; a run of ours that fails is a fault.
    mines = {plan.mine(one) for one in plan.concurrency}
    if any(mines & result.cannot.keys() for result in results):
        sys.exit("One of ours failed.")


def warm_up(bench: Bench, server: Child, plan: Plan) -> None:
    """Each tool once for nothing: what it writes and compiles on its first run is not measured."""
    say("  warming up")
    job = Job(_small_files(bench), server.port, trusted=False)
    for name, make in plan.tools(plan.concurrency).items():
        try:
            upload(bench, server, job, name, make, {})
        except CannotError as reason:
            say(f"    {name}: cannot: {reason}")


def run_case(bench: Bench, server: Child, plan: Plan, case: str) -> Result:
    """Measure one case and show its table."""
    result = CASES[case](bench, server, plan)
    for concurrency in plan.concurrency:
        mine = plan.mine(concurrency)
        if mine in result.turns:
            result.goals.append(Goal(f"{mine}: peak memory", 64, result.peak(mine), "MiB"))
    print("\n".join(table(result, plan)), flush=True)
    return result


def about_run(bench: Bench) -> dict[str, Any]:
    """What the figures depend on."""
    machine = f"{os.cpu_count()} CPUs, {platform.machine()}, {platform.system()}, CPython {platform.python_version()}"
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "machine": machine,
        "load before": load(),
        "versions": versions_of(bench),
    }


def load() -> str:
    """How busy the machine was: above 1 before, something else was running."""
    return " ".join(f"{one:.1f}" for one in os.getloadavg())


if __name__ == "__main__":
    main()
