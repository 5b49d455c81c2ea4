"""Records the terminal that docs/pictures shows: ``python docs/screens/demo.py``.

The real commands set up, check, rehearse and release a small project on an emulated terminal. The release
goes to the index of a company, which also stands in for GitHub. Its log is shown as GitHub shows it. A test
compares the recording with a run today, except for times and rates.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeAlias

from capture import Case, Screen, company, environ, make_project, on_terminal, steady

from hatch_trusted_publish.rehearsal.publishers import GitHub

Line: TypeAlias = tuple[str, str]
"""The style of a line, and its text."""
Frame: TypeAlias = tuple[float, list[Line]]
"""Seconds since the start, and the screen at that moment."""

RECORDING: Final = Path(__file__).with_name("demo.json")
COLUMNS: Final = 50
WHEELS: Final = ("cp313-cp313-win_amd64", "cp313-cp313-win_arm64", "py3-none-any")
CASE: Final = Case(tags=WHEELS, publisher=GitHub("octo-org", "65", "sample", "release.yml"))


@dataclass(frozen=True)
class Scene:
    """One command and its output."""

    command: str
    frames: list[Frame]


def record() -> dict[str, Scene]:
    """Run every command in a small project."""
    with tempfile.TemporaryDirectory() as directory:
        home, root = Path(directory, "home"), Path(directory, "sample")
        home.mkdir()
        # As on docs/reference/log.md: the extra that signs is installed on some machines and not on others.
        (home / "config.toml").write_text("[publish.trusted]\nattestations = false\n", "utf-8")
        make_project(root, CASE)
        (root / ".gitignore").write_text("/dist/\n", "utf-8")
        env = environ(home, CASE)
        author = ["-c", "user.name=octo", "-c", "user.email=octo@example.com"]
        for arguments in (
            ["init", "--quiet", "--initial-branch=main"],
            ["remote", "add", "origin", "https://github.com/octo-org/sample.git"],
            ["add", "."],
            ["commit", "--quiet", "--message=Start"],
        ):
            subprocess.run(["git", "-C", root, *author, *arguments], env=env, check=True)
        publish = "hatch publish -p trusted -r"
        scenes = {
            "init": _run("hatch-trusted-publish init --yes --offline", root, env),
            "check": _run("hatch-trusted-publish check", root, env),
            "rehearsal": _run(f"{publish} rehearsal", root, env),
        }
        with company(CASE, root, home) as placed:
            # As in the recipes, the job that publishes has the files and no checkout.
            job = Path(directory, "job")
            shutil.copytree(root / "dist", job / "dist")
            scenes["release"] = _run(f"{publish} company", job, {**environ(home, placed), "GITHUB_ACTIONS": "true"})
        workflow = root / ".github" / "workflows" / "release.yml"
        changed = workflow.read_text("utf-8").replace("environment: pypi", "environment: release")
        workflow.write_text(changed.replace("id-token: write", "contents: write"), "utf-8")
        scenes["findings"] = _run("hatch-trusted-publish check", root, env)
        for wheel in ("sample-1.2.0-py3-none-haiku.whl", "sample-1.2.1-py3-none-any.whl"):
            shutil.copy(root / "dist" / "sample-1.2.0-py3-none-any.whl", root / "dist" / wheel)
        return {**scenes, "failure": _run(f"{publish} rehearsal", root, env)}


def _run(command: str, where: Path, env: Mapping[str, str]) -> Scene:
    """Run *command*, and keep at most ten frames a second."""
    # Lines are wrapped where they are drawn, between words.
    screen, frames, start = Screen(10_000), dict[float, list[Line]](), time.monotonic()
    program, *arguments = command.split()
    for _ in on_terminal([program.replace("-", "_"), *arguments], COLUMNS, where, env, screen):
        frames[round(time.monotonic() - start, 1)] = [*_seen(screen)]
    return Scene(command, [*frames.items()])


def _seen(screen: Screen) -> Iterator[Line]:
    """Yield the lines of a screen, as GitHub shows its commands: masks are hidden, and groups are folded."""
    folded = False
    for style, line in zip(screen.styles, screen.lines, strict=True):
        if line.startswith("::group::"):
            yield style, f"▸ {line.removeprefix('::group::')}"
        folded = line.startswith("::group::") or (folded and not line.startswith("::endgroup::"))
        if not folded and not line.startswith("::"):
            yield style, re.sub(r"(127\.0\.0\.1):\d+", r"\1:60931", line.rstrip())


def ends(scenes: Mapping[str, Scene]) -> dict[str, str]:
    """Return the screen that each command leaves, except for times and rates."""
    return {name: steady("\n".join(line for _, line in scene.frames[-1][1])) for name, scene in scenes.items()}


def read() -> dict[str, Scene]:
    """Return the recording."""
    return {name: Scene(**scene) for name, scene in json.loads(RECORDING.read_text("utf-8")).items()}


def main() -> None:
    """Write the recording."""
    RECORDING.write_text(
        json.dumps({name: asdict(scene) for name, scene in record().items()}, ensure_ascii=False, indent=0) + "\n",
        "utf-8",
    )


if __name__ == "__main__":
    main()
