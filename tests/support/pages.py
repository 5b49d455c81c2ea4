"""The fenced blocks of the pages, the site built from them, and a shell to run their commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_AT_HAND: Final = ("python3 -m venv ", ". .venv/", "pip install ")
"""Lines that create the environment, which exists already."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str
    name: str
    """The file name, if the line before the block gives one."""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        before = text[: found.start()]
        named = re.search(r"[`\[]([^`\[\]\s]+)[`\]](?:\([^)]*\))?:\n\n\Z", before)
        yield Block(page, before.count("\n") + 1, found[1], found[2], named[1] if named else "")


def build_site(docs: Path, out: Path) -> tuple[int, str]:
    """Build the site into *out*/html with the options of tox.ini, and return the exit code and the output."""
    [options] = re.findall(r"sphinx-build (.*) -d ", (ROOT / "tox.ini").read_text("utf-8"))
    command = [sys.executable, "-m", "sphinx", *options.split(), "-q", "-d", out / "doctrees", docs, out / "html"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def packages() -> dict[str, str]:
    """Return the settings for package installation: a build creates its environment with them."""
    own = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_CERT_"))}
    return own | {"XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME", str(Path.home() / ".config"))}


def put_hatch(directory: Path) -> None:
    """Write the commands of the pages to *directory*. They cannot reach a real index."""
    nowhere = "export HTTPS_PROXY=http://127.0.0.1:9 HTTP_PROXY=http://127.0.0.1:9 NO_PROXY=127.0.0.1"
    hatch = directory / "hatch"
    hatch.write_text(f'#!/bin/sh\n[ "$1" = publish ] && {nowhere}\nexec "{sys.executable}" -m hatch "$@"\n', "utf-8")
    hatch.chmod(0o755)
    script = directory / "hatch-trusted-publish"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hatch_trusted_publish "$@"\n', "utf-8")
    script.chmod(0o755)


class Shell:
    """One shell in which the commands of a page are typed. Builds use this plugin."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        """Start in an empty directory.

        Args:
            directory: the parent of that directory and of the commands.
            environ: the environment variables of the shell.
        """
        self.directory = directory / "work"
        self.directory.mkdir()
        commands = directory / "bin"
        commands.mkdir()
        put_hatch(commands)
        # Without this, a build would install the released plugin from an index.
        own = str(_constraint(directory))
        self.environ = {**environ, **packages(), "PIP_CONSTRAINT": own, "UV_CONSTRAINT": own}
        self.environ["PATH"] = os.pathsep.join([str(commands), os.environ["PATH"]])

    def type(self, commands: str) -> tuple[int, str]:
        """Run the lines, and return the exit code and all output. Only the last line may fail."""
        code, said = 0, ""
        for line in commands.splitlines():
            assert code == 0, said
            if into := re.fullmatch(r"cd (\S+)", line):
                self.directory = (self.directory / into[1]).resolve(strict=True)
            elif not line.startswith(_AT_HAND):
                done = subprocess.run(
                    ["bash", "-c", line],
                    cwd=self.directory,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    check=False,
                )
                code, said = done.returncode, said + done.stdout
        return code, said

    def save(self, block: Block) -> None:
        """Write the block to its file."""
        (self.directory / block.name).write_text(block.text, "utf-8")


def _constraint(directory: Path) -> Path:
    """Return a constraint file that makes pip and uv use this plugin."""
    wheels = directory / "wheels"
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(wheels)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = wheels.iterdir()
    constraint = directory / "constraint.txt"
    constraint.write_text(f"hatch-trusted-publish @ {wheel.as_uri()}\n", "utf-8")
    return constraint
