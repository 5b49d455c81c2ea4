#!/usr/bin/env python3
"""Measure how long uploads take, with this project and with other tools.

    python benchmarks/uploads.py [--rounds 3] [--before PYTHON] [--cases large,many] [--write]

benchmarks/README.md says how to prepare it, what it measures, and how to read it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from results import BEFORE, IDLE, OURS, Case, Results, Runs, text, write

HOST: Final = "127.0.0.1"
SERVER: Final = Path(__file__).resolve().with_name("server.py")
NAME: Final = "benchproj"
VERSION: Final = "1.0"
PASSWORD: Final = "pypi-password-of-the-benchmark"  # noqa: S105
MIB: Final = 1024 * 1024
ROUND_TRIP: Final = 0.05
MBITS: Final = 1000
AT_ONCE: Final = 8
"""The default of `concurrency`."""
ENOUGH: Final = 60.0
"""Seconds of one tool in one case, after which it is not run again."""
LONGEST: Final = 600
"""Seconds after which a run is killed."""

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
# twine exchanges identities with PyPI and TestPyPI only: this index takes the place of PyPI.
TWINE: Final = """
import sys
from twine import utils
utils.DEFAULT_REPOSITORY = sys.argv.pop(1)
from twine.__main__ import main
sys.exit(main())
"""
# A small process starts the tool and asks the kernel for its peak memory: Linux counts the memory of
# the process that forks, too.
LAUNCHER: Final = """
import json, os, signal, sys, time
command, environ, directory, log, limit = json.loads(sys.stdin.read())
os.chdir(directory)
out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
null = os.open(os.devnull, os.O_RDONLY)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
start = time.perf_counter()
pid = os.posix_spawn(command[0], command, environ, file_actions=actions)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(limit)
_, status, used = os.wait4(pid, 0)
end = time.perf_counter()
print(json.dumps([os.waitstatus_to_exitcode(status), end - start, used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


class FailedError(Exception):
    """A tool did not upload all files; the string says what happened."""


# ---------------------------------------------------------------------------- files to upload


METADATA: Final = f"""\
Metadata-Version: 2.4
Name: {NAME}
Version: {VERSION}
Summary: A project to upload
Author-email: Someone <someone@example.com>
License-Expression: MIT
Project-URL: Source, https://example.com/{NAME}
Classifier: Development Status :: 4 - Beta
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.11
Requires-Dist: packaging>=24
Description-Content-Type: text/markdown

# {NAME}

A project to upload and throw away.
"""


@dataclass(frozen=True)
class Setup:
    """One case of the measurement."""

    name: str
    wheels: int
    size: int
    """Bytes of each wheel."""
    peers: tuple[str, ...] = ()
    sdist: bool = False
    delay: float = 0.0
    """Seconds that the index and the CI take per request."""
    is_far: bool = False
    has_password: bool = False
    """Whether the peers use a password: not all can exchange an identity."""
    times: int = 1
    """Runs of each tool per round."""
    is_there: bool = False
    """Whether the index already has all the files."""

    @property
    def files(self) -> int:
        return self.wheels + self.sdist

    @property
    def waits(self) -> float:
        """The delays of requests that follow each other: the exchange, and the uploads as the engine groups them."""
        if self.is_there:
            return self.delay  # the list of files
        each = self.delay + (ROUND_TRIP if self.is_far else 0.0)
        # The audience (and the list of files with it), the identity, the upload token, and its end.
        requests, left, limit = 4, self.files, 1
        while left > 0:
            requests, left, limit = requests + 1, left - limit, min(2 * limit, AT_ONCE)
        return requests * each


SETUPS: Final = (
    Setup("large", 1, 1024 * MIB, ("curl", "maturin", "hatch", "twine", "uv", BEFORE), has_password=True),
    Setup("many", 60, MIB, ("uv", "twine", BEFORE), sdist=True, delay=0.2),
    Setup("far", 60, MIB, ("uv",), sdist=True, delay=0.2, is_far=True),
    Setup("small", 1, 10_000, ("uv", "twine", IDLE, BEFORE), sdist=True, delay=0.2, times=5),
    Setup("files", 5000, 10_000, ("uv",), delay=0.02),
    Setup("again", 5000, 10_000, delay=0.02, is_there=True),
    Setup("huge", 1, 5 * 1024 * MIB),
)


def project(directory: Path, setup: Setup) -> Path:
    """Make a project with the files of *setup* in ``dist``, once, and return its directory."""
    root = directory / f"{setup.wheels}-{setup.size}-{setup.sdist}"
    dist = root / "dist"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        dist.mkdir(parents=True)
        for number in range(setup.wheels):
            make_wheel(dist / f"{NAME}-{VERSION}-{number}-py3-none-any.whl", setup.size)
        if setup.sdist:
            make_sdist(dist / f"{NAME}-{VERSION}.tar.gz")
        (root / "complete").touch()
    return root


def make_wheel(path: Path, size: int) -> None:
    """Make a valid wheel with *size* stored bytes."""
    info = f"{NAME}-{VERSION}.dist-info"
    small = {
        f"{NAME}/__init__.py": b'__version__ = "1.0"\n',
        f"{info}/METADATA": METADATA.encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: benchmark\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{name},{_record_hash(hashlib.sha256(content))},{len(content)}\n" for name, content in small.items()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        digest, left, block = hashlib.sha256(), size, os.urandom(min(size, 16 * MIB))
        with archive.open(f"{NAME}/padding.bin", "w", force_zip64=size >= 2**31) as member:
            while left:
                piece = block[:left]
                member.write(piece)
                digest.update(piece)
                left -= len(piece)
        record += [f"{NAME}/padding.bin,{_record_hash(digest)},{size}\n", f"{info}/RECORD,,\n"]
        for name, content in small.items():
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "".join(record))


def _record_hash(digest: Any) -> str:
    return "sha256=" + base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def make_sdist(path: Path) -> None:
    """Make a valid sdist."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("PKG-INFO", METADATA), ("pyproject.toml", pyproject(0)), (f"{NAME}/__init__.py", "")):
            member = tarfile.TarInfo(f"{NAME}-{VERSION}/{name}")
            member.size = len(content.encode())
            archive.addfile(member, io.BytesIO(content.encode()))


def digests(root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its name."""
    found = {}
    for path in (root / "dist").iterdir():
        with path.open("rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def pyproject(port: int) -> str:
    """Return the project's file, with the endpoints in it, as this project knows those of PyPI."""
    return f"""\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{NAME}"
version = "{VERSION}"

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
        command = [sys.executable, str(SERVER), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
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
class Job:
    """One upload to run."""

    directory: Path
    """The directory with the certificates and everything that a tool writes."""
    root: Path
    port: int
    has_password: bool

    @property
    def ca(self) -> str:
        return str(self.directory / "ca.pem")

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}/legacy/"

    @property
    def paths(self) -> list[str]:
        return sorted(str(path) for path in (self.root / "dist").iterdir())


Made = tuple[list[str], dict[str, str]]
"""A command and its variables."""


def installed(name: str) -> str | None:
    """Return the path of a program, from this environment or from the system."""
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)


def curl(program: str, job: Job) -> Made:
    """Send the file, and nothing else that an upload needs."""
    fields = [":action=file_upload", "protocol_version=1", f"name={NAME}", f"version={VERSION}"]
    fields += ["filetype=bdist_wheel", "metadata_version=2.4", *(f"content=@{path}" for path in job.paths)]
    forms = [argument for one in fields for argument in ("-F", one)]
    # Without `Expect`, which costs a round trip that no other tool pays.
    return [program, "-sS", "--fail", "-H", "Expect:", "-u", f"__token__:{PASSWORD}", *forms, job.url], {}


def uv(program: str, job: Job) -> Made:
    """``uv publish``."""
    login = ["never", "--token", PASSWORD] if job.has_password else ["always"]
    command = [program, "publish", "--no-config", "--no-progress", "--publish-url", job.url]
    return [*command, "--trusted-publishing", *login, *job.paths], {}


def twine(program: str, job: Job) -> Made:
    """``twine upload``."""
    rest = ["upload", "--non-interactive", "--disable-progress-bar", "--repository-url", job.url, *job.paths]
    if job.has_password:
        return [program, *rest, "-u", "__token__", "-p", PASSWORD], {}
    return [sys.executable, "-c", TWINE, job.url, *rest], {}


def maturin(program: str, job: Job) -> Made:
    """``maturin upload``."""
    command = [program, "upload", "--non-interactive", "--repository-url", job.url, "-u", "__token__", "-p", PASSWORD]
    return [*command, *job.paths], {"MATURIN_CA_BUNDLE": job.ca}


def hatch(_: str, job: Job) -> Made:
    """``hatch publish`` with Hatch's own publisher."""
    command = [sys.executable, "-m", "hatch", "publish", "-n", "-r", job.url, "--ca-cert", job.ca]
    return [*command, "-u", "__token__", "-a", PASSWORD, *job.paths], {}


def idle(_: str, job: Job) -> Made:
    """``hatch publish`` with a publisher that does nothing."""
    site = job.directory / "idle"
    info = site / "idle_publisher-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (site / "idle_publisher.py").write_text(IDLE_PUBLISHER, "utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: idle-publisher\nVersion: 1\n", "utf-8")
    (info / "entry_points.txt").write_text("[hatch]\nidle = idle_publisher\n", "utf-8")
    return [sys.executable, "-m", "hatch", "publish", "-p", "idle"], {"PYTHONPATH": str(site)}


def ours(python: str, _: Job) -> Made:
    """``hatch publish -p trusted``, in the environment of *python*."""
    return [python, "-m", "hatch", "publish", "-p", "trusted", "-r", "bench"], {}


MAKERS: Final[Mapping[str, Callable[[str, Job], Made]]] = {
    "curl": curl,
    "uv": uv,
    "twine": twine,
    "maturin": maturin,
    "hatch": hatch,
    IDLE: idle,
    OURS: ours,
    BEFORE: ours,
}
SHOWN: Final = {"uv": "uv publish", "twine": "twine upload", "maturin": "maturin upload", "hatch": "hatch publish"}
"""The tool's name in the results."""


def programs(before: str | None) -> dict[str, str]:
    """Return the tools that can be run, each with its program."""
    found = {OURS: sys.executable, IDLE: sys.executable, "hatch": sys.executable}
    found |= {name: path for name in ("curl", "uv", "twine", "maturin") if (path := installed(name))}
    if importlib.util.find_spec("twine") is None:
        found.pop("twine", None)
    return found | ({BEFORE: before} if before else {})


def variables(job: Job) -> dict[str, str]:
    """Return a clean environment: of GitHub Actions, with the benchmark's own private CA wherever a tool looks."""
    home = job.directory / "home"
    home.mkdir(exist_ok=True)
    trust = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"https://{HOST}:{job.port}/identity?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-token",
        **dict.fromkeys(trust, job.ca),
    }


# ---------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Run:
    """The measurements of one run."""

    seconds: float
    cpu: float
    peak: float


def launch(command: Sequence[str], environ: Mapping[str, str], job: Job) -> Run:
    """Run *command* once.

    Raises:
        FailedError: the command failed; with the end of its output.
    """
    log = job.directory / "home" / "log.txt"
    task = json.dumps([list(command), dict(environ), str(job.root), str(log), LONGEST])
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER]
    done = subprocess.run(launcher, input=task, capture_output=True, text=True, check=True)
    code, seconds, cpu, peak = json.loads(done.stdout)
    if code != 0:
        said = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", log.read_text("utf-8", "replace"))
        raise FailedError(f"exit code {code}: {' '.join(said.split())[-300:]}")
    return Run(seconds, cpu, peak / 1024)


@dataclass
class Bench:
    """The index, the tools, and the files to upload."""

    directory: Path
    server: Child
    line: Child
    """A line to the server over a long distance."""
    programs: Mapping[str, str]

    def measure(self, setup: Setup, rounds: int) -> Case:
        """Run every tool in turn, in reverse order every other round."""
        job = Job(
            self.directory,
            project(self.directory, setup),
            (self.line if setup.is_far else self.server).port,
            setup.has_password,
        )
        expected = digests(job.root)
        (job.root / "pyproject.toml").write_text(pyproject(job.port), "utf-8")
        tools = [tool for tool in (OURS, *setup.peers) if tool in self.programs]
        found: dict[str, list[Run]] = {tool: [] for tool in tools}
        for number in range(rounds * setup.times):
            for tool in tools[:: -1 if number % 2 else 1]:
                if sum(run.seconds for run in found[tool]) < ENOUGH:
                    try:
                        found[tool].append(self._once(tool, setup, job, expected))
                    except FailedError as error:
                        say(f"  {tool} failed: {error}")
                        tools.remove(tool)
        shown = tuple(
            Runs(
                SHOWN.get(tool, tool),
                tuple(round(run.seconds, 3) for run in runs),
                tuple(round(run.cpu, 3) for run in runs),
                round(max(run.peak for run in runs), 1),
            )
            for tool, runs in found.items()
            if runs and tool in tools
        )
        return Case(setup.name, setup.files, round(setup.waits, 3), shown)

    def _once(self, tool: str, setup: Setup, job: Job, expected: Mapping[str, str]) -> Run:
        """Run *tool* once, and check that the index received every file.

        Raises:
            FailedError: it did not receive every file.
        """
        held = dict(expected) if setup.is_there else {}
        self.server.ask(delay=setup.delay, identity_delay=setup.delay, held=held)
        command, more = MAKERS[tool](self.programs[tool], job)
        environ = variables(job)
        if job.has_password and tool not in {OURS, BEFORE}:
            environ = {name: value for name, value in environ.items() if "ACTIONS" not in name}
        run = launch(command, environ | more, job)
        uploads = {one["filename"]: one for one in self.server.ask(collect=True)["seen"] if one["kind"] == "upload"}
        for name, sha256 in {} if tool == IDLE or setup.is_there else expected.items():
            if (one := uploads.get(name)) is None or one["sha256"] not in {"", sha256}:
                raise FailedError(f"{name} did not arrive as it is")
        say(f"  {setup.name}: {tool} {run.seconds:.2f} s")
        return run


# ---------------------------------------------------------------------------- results


def ratios(results: Results) -> Iterator[tuple[str, float, float | None]]:
    """Yield each goal: its name, its maximum, and the measurement."""

    def found(name: str, compute: Callable[[Case, Runs], float | None]) -> float | None:
        case = results.case(name)
        mine = case and case.of(OURS)
        return compute(case, mine) if case and mine else None

    def compared(name: str, peer: str) -> float | None:
        tool = SHOWN.get(peer, peer)
        return found(name, lambda case, mine: mine.median / other.median if (other := case.of(tool)) else None)

    def beyond(case: Case, mine: Runs) -> float | None:
        return 1000 * (mine.median - case.waits - other.median) if (other := case.of(IDLE)) else None

    for name, peer, most in (
        ("many", "uv", 0.25),
        ("far", "uv", 0.25),
        ("small", "uv", 1.2),
        ("large", "curl", 1.4),
        ("large", "maturin", 1.0),
        ("files", "uv", 0.3),
        ("large", BEFORE, 1.05),
        ("many", BEFORE, 1.05),
        ("small", BEFORE, 1.05),
    ):
        yield f"{name}: time / {peer}", most, compared(name, peer)
    yield "many: time / its own waits", 1.15, found("many", lambda case, mine: mine.median / case.waits)
    yield "small: ms beyond its waits and an idle publisher", 80, found("small", beyond)
    peaks = [mine.peak for case in results.cases if (mine := case.of(OURS))]
    yield "MiB of memory in all cases", 64, max(peaks, default=None)


def versions() -> dict[str, str]:
    """Return the tools to compare."""
    found = {name: importlib.metadata.version(name) for name in ("hatch", "httpx")}
    for name in ("uv", "twine", "maturin", "curl"):
        if program := installed(name):
            done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
            found[name] = next(iter(re.findall(r"\d+(?:\.\d+)+", done.stdout)), "?")
    return found


def say(line: str) -> None:
    """Report progress."""
    print(line, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [setup.name for setup in SETUPS]
    parser.add_argument("--rounds", type=int, default=3, help="runs of each tool (default: 3)")
    parser.add_argument("--cases", default=",".join(names), help=f"with commas between (default: {','.join(names)})")
    parser.add_argument("--before", metavar="PYTHON", help="Python with another version of this project to compare")
    parser.add_argument(
        "--directory", type=Path, help="where to keep the files to upload (default: removed at the end)"
    )
    parser.add_argument("--write", action="store_true", help="write the results into docs/explanation")
    given = parser.parse_args()
    given.cases = given.cases.split(",")
    if unknown := {*given.cases} - {*names}:
        parser.error(f"unknown cases: {', '.join(sorted(unknown))}")
    if given.write and given.cases != names:
        parser.error("--write needs all cases")
    return given


def main() -> None:
    """Measure, and report the results."""
    given = arguments()
    found = programs(given.before)
    if missing := [name for name in MAKERS if name not in found and (name != BEFORE or given.before)]:
        say(f"Not installed, and left out: {', '.join(missing)}")
    say(f"Load before: {os.getloadavg()[0]:.1f}")
    started = time.monotonic()
    with ExitStack() as stack:
        directory = given.directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uploads-")))
        directory = directory.resolve()
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, str(SERVER), "certify", str(directory)], check=True)
        server = stack.enter_context(Child("serve", str(directory)))
        line = stack.enter_context(Child("relay", str(server.port), str(ROUND_TRIP), str(MBITS)))
        bench = Bench(directory, server, line, found)
        say("Warming up")
        bench.measure(Setup("small", 1, 10_000, tuple(one for one in MAKERS if one != OURS), has_password=True), 1)
        cases = []
        for setup in (one for one in SETUPS if one.name in given.cases):
            cases.append(bench.measure(setup, given.rounds))
            print("\n".join(text(cases[-1])), flush=True)
    about = f"{os.cpu_count()} CPUs ({platform.machine()}, {platform.system()}, CPython {platform.python_version()})"
    results = Results(time.strftime("%Y-%m-%d", time.gmtime()), about, versions(), tuple(cases))
    print("\nRatios")
    for what, most, ratio in ratios(results):
        print(f"  {what:52}{'not measured' if ratio is None else f'{ratio:8.2f}'}   at most {most:g}")
    say(f"Took {(time.monotonic() - started) / 60:.1f} minutes. Load after: {os.getloadavg()[0]:.1f}")
    if given.write:
        write(results)


if __name__ == "__main__":
    main()
