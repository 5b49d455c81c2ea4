"""Captures the screens on docs/reference/log.md: ``python docs/screens/capture.py``.

The real Hatch publishes a small project to the rehearsal index, on an emulated terminal and in the logs
of CIs. It needs what a rehearsal needs, and a POSIX system. What differs from run to run (times, rates,
ports, tokens) is replaced by fixed text.
"""

from __future__ import annotations

import codecs
import fcntl
import gzip
import io
import os
import pty
import random
import re
import struct
import subprocess
import sys
import tarfile
import tempfile
import termios
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.rehearsal.app import application
from hatch_trusted_publish.rehearsal.checkout import look
from hatch_trusted_publish.rehearsal.environment import github
from hatch_trusted_publish.rehearsal.provider import Ci
from hatch_trusted_publish.rehearsal.publishers import GitHub
from hatch_trusted_publish.rehearsal.server import listening, serving
from hatch_trusted_publish.rehearsal.store import Store

PAGE: Final = Path(__file__).parents[1] / "reference" / "log.md"
NAME: Final = "sample-1.2.0"
METADATA: Final = b"Metadata-Version: 2.4\nName: sample\nVersion: 1.2.0\n"
PROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "sample"
version = "1.2.0"
"""
LARGE: Final = 24_000_000
"""Bytes of the sdist: enough to watch the upload."""


@dataclass(frozen=True)
class Case:
    """One screen."""

    arguments: tuple[str, ...] = ()
    """Arguments of Hatch, before `publish`."""
    width: int = 0
    """Columns of the terminal; 0 without a terminal."""
    environ: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ("py3-none-any",)
    metadata: bytes = METADATA
    under_way: bool = False
    """Whether the screen is taken while the last file is sent, and not at the end."""
    publisher: GitHub | None = None
    """The project's publisher on another index, `company`, which also stands in for GitHub."""


PLATFORMS: Final = (
    "macosx_11_0_arm64",
    "manylinux_2_17_aarch64.manylinux2014_aarch64",
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "win_amd64",
)
CASES: Final = {
    "terminal": Case(width=80, under_way=True),
    "terminal-40": Case(width=40, under_way=True),
    "terminal-200": Case(width=200, under_way=True),
    "terminal-ascii": Case(width=80, under_way=True, environ={"LC_ALL": "C"}),
    "terminal-many": Case(
        width=80,
        tags=("py3-none-any", *(f"cp3{minor}-cp3{minor}-{tag}" for minor in (12, 13) for tag in PLATFORMS)),
    ),
    "plain": Case(),
    "quiet": Case(("-q",), metadata=METADATA + b"Shoe-Size: 42\n"),
    "github": Case(environ={"CI": "true", "GITHUB_ACTIONS": "true"}, metadata=METADATA + b"Shoe-Size: 42\n"),
    "gitlab": Case(environ={"CI": "true", "GITLAB_CI": "true"}),
    "failure": Case(width=80, tags=("py3-none-any", "py3-none-haiku")),
    "refused": Case(width=80, publisher=GitHub("octo-org", "65", "sample", "publish.yml")),
    "failure-github": Case(environ={"CI": "true", "GITHUB_ACTIONS": "true"}, tags=("py3-none-any", "py3-none-haiku")),
}


def make_project(root: Path, case: Case) -> None:
    """Files that are the same to the byte each time."""
    (root / "dist").mkdir(parents=True)
    (root / "pyproject.toml").write_text(PROJECT, "utf-8")
    for tag in case.tags:
        wheel = f"Wheel-Version: 1.0\nGenerator: capture\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
        info = f"{NAME}.dist-info"
        members = {"sample.py": b"", f"{info}/METADATA": case.metadata, f"{info}/WHEEL": wheel}
        record = "".join(f"{name},,\n" for name in [*members, f"{info}/RECORD"]).encode()
        with zipfile.ZipFile(root / "dist" / f"{NAME}-{tag}.whl", "w") as archive:
            for name, content in {**members, f"{info}/RECORD": record}.items():
                archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        data = random.Random(1).randbytes(LARGE)
        for name, content in {"PKG-INFO": METADATA, "pyproject.toml": PROJECT.encode(), "data.bin": data}.items():
            member = tarfile.TarInfo(f"{NAME}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    (root / "dist" / f"{NAME}.tar.gz").write_bytes(gzip.compress(unpacked.getvalue(), 0, mtime=0))


def environ(home: Path, case: Case) -> dict[str, str]:
    """Return an environment without this machine's CI, locale and settings."""
    kept = {key: value for key, value in os.environ.items() if key == "PATH" or key.startswith("COVERAGE_")}
    directories = {f"HATCH_{key}_DIR": str(home / key.lower()) for key in ("DATA", "CACHE")}
    own = {"HOME": str(home), "TMPDIR": str(home), "HATCH_CONFIG": str(home / "config.toml"), **directories}
    return {**kept, **own, "TERM": "xterm", "LANG": "C.UTF-8", **case.environ}


class Screen:
    """The screen of a terminal with that many columns, as far as a live table needs it."""

    def __init__(self, width: int) -> None:
        self.lines = [""]
        self.styles = [""]
        """For each line, the parameters of the escape that styles it: ``1;31``. Hatch gives a line one style."""
        self._width = width
        self._row = self._column = 0
        self._style = ""

    def write(self, text: str) -> None:
        """Process *text* as a terminal does."""
        for part in re.finditer(r"\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+", text):
            count, letter = part[1], part[2]
            if letter == "A":
                self._row -= int(count or 1)
            elif letter == "K":
                self.lines[self._row] = "" if count == "2" else self.lines[self._row][: self._column]
            elif letter == "m":
                self._style = count.removeprefix("0")
            elif part[0] == "\r":
                self._column = 0
            elif part[0] == "\n":
                self._next()
            for character in "" if letter or part[0] in "\r\n" else part[0]:
                if self._column == self._width:
                    self._next()
                line = self.lines[self._row].ljust(self._column)
                self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
                self.styles[self._row] = self._style
                self._column += 1

    def _next(self) -> None:
        self._row, self._column = self._row + 1, 0
        self.lines += [""] * (self._row >= len(self.lines))
        self.styles += [""] * (self._row >= len(self.styles))

    def __str__(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip() + "\n"


def on_terminal(
    command: list[str], width: int, where: Path, env: Mapping[str, str], screen: Screen | None = None
) -> Iterator[tuple[bytes, str]]:
    """Run this module on a terminal of 24 lines: yield each piece that it writes, and the screen after it.

    Args:
        screen: the screen to use, in place of one of the same width.
    """
    terminal, its_side = pty.openpty()
    fcntl.ioctl(its_side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    command = [sys.executable, "-m", *command]
    process = subprocess.Popen(command, cwd=where, env=env, stdin=its_side, stdout=its_side, stderr=its_side)
    os.close(its_side)
    screen, held = screen or Screen(width), ""
    decoder = codecs.getincrementaldecoder("utf-8")()
    while piece := _read(terminal):
        # A piece may end within a character, or an escape.
        text = held + decoder.decode(piece)
        whole = re.sub(r"\x1b[^A-Za-z]*\Z", "", text)
        held = text[len(whole) :]
        screen.write(whole)
        yield piece, str(screen)
    os.close(terminal)
    process.wait()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux's way to report that the other side has closed
        return b""


def publish(case: Case, root: Path, home: Path) -> str:
    """Return the screen of one run, or the log that it wrote."""
    command = ["hatch", *case.arguments, "publish", "-p", "trusted", "-r", "company" if case.publisher else "rehearsal"]
    if not case.width:
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=root,
            env=environ(home, case),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        # Escapes and carriage returns are for GitLab's log alone, which does not show them.
        return done.stdout.decode().replace("\x1b", r"\e").replace("\r", r"\r")
    screens = [screen for _, screen in on_terminal(command, case.width, root, environ(home, case))]
    if not case.under_way:
        return screens[-1]
    last = [screen for screen in screens if re.search(rf"{Message('uploaded')}\n.*tar\.gz .*%\n.*%\n\Z", screen)]
    # One in the middle, to show the progress.
    return last[len(last) // 2]


@contextmanager
def company(case: Case, root: Path, home: Path) -> Iterator[Case]:
    """Run the index `company`; the case gets the variables of a job on GitHub."""
    if case.publisher is None:
        yield case
        return
    ci = Ci(look(root, "sample", groups=False), time.time)
    with listening() as sock:
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        store = Store(home, time.time, "127.0.0.1", base)
        store.add_project("sample", case.publisher)
        with (home / "config.toml").open("a", encoding="utf-8") as config:
            config.write(f'repos.company = "{base}/legacy/"\n')
        with serving(application(store, ci.trusted, [], ci), sock):
            job = github(ci.checkout, f"{base}/ci/github/token?api-version=2.0", ci.request_token)
            set_ = {name: value for name, value in job.items() if value is not None}
            yield replace(case, environ={**case.environ, **set_, "GITHUB_ACTIONS": "1"})  # not "true": on a terminal


def steady(text: str) -> str:
    """Return *text* with fixed times, rates, ports and tokens."""
    size = r"[\d.]+ [kMG]?B"
    replaced: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (r"(127\.0\.0\n?\.1):\d+", lambda found: f"{found[1]}:60931"),  # 40 columns end there
        (rf"in [\d.]+ s \({size}/s\)", lambda _: "in 1.0 s (24.0 MB/s)"),
        # A token that expires soon is renewed, which masks two more.
        (r"((?:::add-mask::.+\n){2})((?:(?!::add-mask).*\n)*)(?:::add-mask::.+\n)*", lambda found: found[1] + found[2]),
        (r"::add-mask::.+", lambda _: "::add-mask::***"),
        (r"(section_(?:start|end)):\d+", lambda found: f"{found[1]}:1786352400"),
        (r"with (?:uv|pip) ", lambda _: "with uv "),
        (r"(?:[━╌]{5,}|[#-]{5,}) +\d+%", _bar),
        # The one line with a bar that does not start with a file name.
        (rf"^(?!dist/|…|\.\.\.).+?  +(?=(?:{size}  )?(?:[━╌]|[#-]{{5}}))", _total),
    ]
    for pattern, by in replaced:
        text = re.sub(pattern, by, text, flags=re.MULTILINE)
    return text


def _bar(found: re.Match[str]) -> str:
    width = len(found[0]) - 5
    full, empty = "━╌" if found[0][0] in "━╌" else "#-"
    return f"{full * (width * 6 // 10)}{empty * (width - width * 6 // 10)}  60%"


def _total(found: re.Match[str]) -> str:
    width = len(found[0])
    label = f"total, 24.0 MB/s, {Message('time-left', time='0:01')}"
    return label.ljust(width) if len(label) + 2 <= width else str(Message("time-left", time="0:01")).ljust(width)


def capture(case: Case) -> str:
    """Return one screen as it is stored."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory, "home")
        home.mkdir()
        root = Path(directory, "sample")
        make_project(root, case)
        # The extra that signs is installed on some machines and not on others.
        (home / "config.toml").write_text("[publish.trusted]\nattestations = false\n", "utf-8")
        with company(case, root, home) as placed:
            # A rehearsal ends with the same advice each time.
            return re.sub(r"(?m)^The rehearsal of (?s:.+)", "[…]\n", steady(publish(placed, root, home)))


def shown(name: str, text: str) -> str:
    """Return the page's block with a screen, under a link to it."""
    link = f"screens/{name}.txt"
    return f"[{link}](../{link}):\n\n```text\n{text}```\n"


def main() -> None:
    """Write all screens, and put them on the page."""
    page = PAGE.read_text("utf-8")
    with ThreadPoolExecutor(2) as threads:
        for name, text in zip(CASES, threads.map(capture, CASES.values()), strict=True):
            Path(__file__).with_name(f"{name}.txt").write_text(text, "utf-8")
            before, found, after = page.partition(shown(name, "").removesuffix("```\n"))
            page = before + shown(name, text) + after.partition("```\n")[2] if found else page
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
