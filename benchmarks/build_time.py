"""Compare the time of a build with ``vcs-public`` and with hatch-vcs.

    python benchmarks/build_time.py [PAIRS] [--hatch]

Each build makes a wheel from a repository of 10,000 commits with a tag in its middle: with hatchling, or, with
``--hatch``, with Hatch in an environment for each of the two. For hatch-vcs, this plugin is hidden from
`importlib.metadata`, as if it were not installed. The two alternate, and every other pair starts with the other
one. The ratio is the median of the ratios of the pairs, for wall-clock and processor time. ``CI`` is set, because
``vcs-public`` checks more in a CI.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

COMMITS = 10_000
EXPECTED = f"sample-1.1.dev{COMMITS // 2}-py2.py3-none-any.whl"
PLUGIN, NOTHING = "hatch_trusted_publish-", "no-such-name"
HIDE = """
import importlib.metadata
import os

found = importlib.metadata.MetadataPathFinder.find_distributions
hidden = os.environ["BENCHMARK_HIDES"]


def others(*arguments, **keywords):
    for each in found(*arguments, **keywords):
        if not each._path.name.startswith(hidden):
            yield each


importlib.metadata.MetadataPathFinder.find_distributions = staticmethod(others)
"""


@dataclass(frozen=True)
class Source:
    """One of the two that are compared."""

    name: str
    table: str
    requires: str
    hides: str


def make_repository(root: Path) -> None:
    """Make commits that each change one file of a hundred; every tenth is a merge."""
    root.mkdir()
    lines = []
    for index in range(COMMITS):
        lines += [
            "commit refs/heads/main",
            f"mark :{index + 1}",
            f"committer Ada <a@example.org> {1_700_000_000 + index} +0000",
        ]
        lines += ["data 0"]
        if index:
            lines.append(f"from :{index}")
        if index % 10 == 9:
            lines.append(f"merge :{index - 4}")
        name = f"module{index % 100}" if index % 100 else "__init__"
        content = f"VALUE = {index}"
        lines += [f"M 100644 inline sample/{name}.py", f"data {len(content)}", content]
    lines += ["reset refs/tags/v1.0", f"from :{COMMITS // 2}"]
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "fast-import", "--quiet", given="".join(f"{line}\n" for line in lines))
    git(root, "reset", "--quiet", "--hard")
    # Neither the project's file nor the build is a change.
    (root / ".git" / "info" / "exclude").write_text("/pyproject.toml\n/dist/\n", "utf-8")
    git(root, "gc", "--quiet")


def git(root: Path, *arguments: str, given: str | None = None) -> None:
    """Run Git, and check that it succeeds."""
    subprocess.run(["git", *arguments], cwd=root, input=given, text=True, check=True)


def built(root: Path, source: Source, command: list[str]) -> tuple[float, float]:
    """Build once, and return the milliseconds of wall-clock and processor time."""
    lines = ["[build-system]", f'requires = ["hatchling", "{source.requires}"]', 'build-backend = "hatchling.build"']
    lines += ["[project]", 'name = "sample"', 'dynamic = ["version"]', "[tool.hatch.version]", source.table]
    (root / "pyproject.toml").write_text("\n".join(lines) + "\n", "utf-8")
    shutil.rmtree(root / "dist", ignore_errors=True)
    environ = os.environ | {"BENCHMARK_HIDES": source.hides}
    environ |= {f"HATCH_{key}": f"{root}-{source.name}-{key.lower()}" for key in ("CONFIG", "DATA_DIR", "CACHE_DIR")}
    Path(environ["HATCH_CONFIG"]).touch()
    clock, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    clock, now = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    made = [path.name for path in root.glob("dist/*")]
    if made != [EXPECTED]:
        sys.exit(f"Built {made} instead of {EXPECTED}: {done.stderr}")
    return clock * 1000, (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) * 1000


def show(pairs: list[tuple[tuple[float, float], tuple[float, float]]], sources: list[Source]) -> None:
    """Print the medians."""
    for column, name in enumerate(("clock", "processor")):
        medians = [statistics.median(pair[which][column] for pair in pairs) for which in (0, 1)]
        ratio = statistics.median(pair[1][column] / pair[0][column] for pair in pairs)
        figures = ", ".join(f"{source.name} {median:.1f} ms" for source, median in zip(sources, medians, strict=True))
        sys.stdout.write(f"{name}: {figures}; ratio {ratio:.3f}\n")


def main() -> None:
    """Make the repository, build, and print the medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pairs", nargs="?", type=int, default=50)
    parser.add_argument("--hatch", action="store_true", help="build by Hatch instead of hatchling")
    arguments = parser.parse_args()
    # Without the last, a plugin that is installed as editable would be compiled in each run.
    foreign = ("GIT_", "SETUPTOOLS_SCM_", "HATCH_", "PYTHONDONTWRITEBYTECODE")
    for name in [name for name in os.environ if name.startswith(foreign)]:
        del os.environ[name]
    os.environ |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "CI": "true"}
    with tempfile.TemporaryDirectory() as directory_name:
        directory = Path(directory_name)
        root = directory / "project"
        make_repository(root)
        command, requires = ["hatchling", "build", "--target", "wheel"], "hatch-trusted-publish"
        if arguments.hatch:
            make = [sys.executable, "-m", *command, "--directory", str(directory / "plugin")]
            subprocess.run(make, cwd=Path(__file__).parents[1], check=True, capture_output=True)
            [wheel] = (directory / "plugin").iterdir()
            command, requires = ["hatch", "build", "--target", "wheel"], f"hatch-trusted-publish @ {wheel.as_uri()}"
        (directory / "site").mkdir()
        (directory / "site" / "sitecustomize.py").write_text(HIDE, "utf-8")
        os.environ["PYTHONPATH"] = str(directory / "site")
        no_local = 'source = "vcs"\nraw-options = { local_scheme = "no-local-version" }'
        sources = [
            Source("vcs", no_local, "hatch-vcs", PLUGIN),
            Source("vcs-public", 'source = "vcs-public"', requires, NOTHING),
        ]
        pairs = []
        for number in range(-2, arguments.pairs):  # the first ones warm the caches, and make the environments
            first, second = sources if number % 2 else reversed(sources)
            taken = {each.name: built(root, each, command) for each in (first, second)}
            if number >= 0:
                pairs.append((taken["vcs"], taken["vcs-public"]))
    sys.stdout.write(f"A wheel by {command[0]} from {COMMITS} commits, {arguments.pairs} pairs\n")
    show(pairs, sources)


if __name__ == "__main__":
    main()
