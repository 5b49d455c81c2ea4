"""Measure what the plugin adds to the start of Hatch.

    python benchmarks/startup.py [ROUNDS]

Each command runs with the plugin, and with the plugin hidden from `importlib.metadata`, in one environment. The
difference is the median of the differences of all rounds, in milliseconds of wall-clock and processor time. Hatch
without the plugin runs twice per round; the difference of these two is noise. ``hatch env show`` loads all plugins.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN, NOTHING = "hatch_trusted_publish-", "no-such-name"
COMMANDS = (("--version",), ("env", "show", "--ascii"))
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


def run(command: tuple[str, ...], hides: str, directory: Path) -> tuple[float, float]:
    """Run once, and return the milliseconds of wall-clock and processor time."""
    # All run the same code at their start, so that hiding costs the same in each.
    environ = os.environ | {"PYTHONPATH": str(directory), "BENCHMARK_HIDES": hides}
    clock, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "hatch", *command], env=environ, cwd=directory, check=True, capture_output=True
    )
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
    return (time.perf_counter() - clock) * 1000, processor * 1000


def check(directory: Path) -> None:
    """Check that the plugin is installed, and that it can be hidden."""
    program = "from importlib.metadata import entry_points; print(*entry_points(group='hatch').names)"
    for hides, expected in ((NOTHING, True), (PLUGIN, False)):
        environ = os.environ | {"PYTHONPATH": str(directory), "BENCHMARK_HIDES": hides}
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        if ("trusted-publish" in done.stdout.split()) is not expected:
            sys.exit(f"The plugin is {'not installed' if expected else 'not hidden'}: {done.stdout}")


def main() -> None:
    """Measure, and print the medians."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "sitecustomize.py").write_text(HIDE, "utf-8")
        check(directory)
        for command in COMMANDS:
            taken: list[list[tuple[float, float]]] = [[], [], []]
            for number in range(-2, rounds):
                for which in (0, 1, 2) if number % 2 else (2, 1, 0):
                    found = run(command, (PLUGIN, NOTHING, PLUGIN)[which], directory)
                    if number >= 0:  # the first rounds fill the system's cache
                        taken[which].append(found)
            print(f"hatch {' '.join(command)}: {rounds} rounds, medians in ms")
            for kind, what in enumerate(("clock", "processor")):
                columns = [[pair[kind] for pair in column] for column in taken]
                without, plugin, again = (statistics.median(column) for column in columns)
                added, noise = (
                    statistics.median(b - (a + c) / 2 for a, b, c in zip(*columns, strict=True)),
                    statistics.median(c - a for a, _, c in zip(*columns, strict=True)),
                )
                print(
                    f"  {what:<9}  without {without:6.1f} and {again:6.1f}  with {plugin:6.1f}  "
                    f"added {added:+5.2f}  noise {noise:+5.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
