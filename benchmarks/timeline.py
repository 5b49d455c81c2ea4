#!/usr/bin/env python3
"""When each request of a release starts and ends, ours and twine's: the data of a picture in the documentation.

    python benchmarks/uploads.py --quick --case whole --venv DIRECTORY   # makes the environments
    python benchmarks/timeline.py DIRECTORY
    python docs/pictures/draw.py

The index takes half a second for each request. The times go to docs/pictures/uploads.json.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from uploads import ROOT, SERVER, Bench, Child, Job, github, launch, make_files, ours, pyproject, twine

WHEELS: Final = 12
DELAY: Final = 0.5


def main() -> None:
    """Run each tool once, and write the index's record: kind, start and end, in seconds since the first request."""
    bench = Bench(Path(sys.argv[1]).resolve())
    subprocess.run([bench.bin("server", "python"), str(SERVER), "certify", str(bench.directory)], check=True)
    version = subprocess.run([bench.bin("twine", "twine"), "--version"], capture_output=True, text=True, check=True)
    tools = {"hatch publish -p trusted": ours(0), f"twine {version.stdout.split()[2]}": twine}
    times = {}
    with Child("serve", str(bench.directory)) as server:
        job = Job(make_files(bench.directory / "timeline", WHEELS, 256 * 1024, sdist=True), server.port, trusted=True)
        (job.files.directory / "pyproject.toml").write_text(pyproject(job.port), "utf-8")
        for name, make in tools.items():
            server.ask(delay=DELAY, identity_delay=DELAY)
            command, more = make(bench, job)
            launch(bench, job.files.directory, command, {**github(job.port), **more}, name)
            seen = sorted(server.ask(collect=True)["seen"], key=lambda one: one["began"])
            times[name] = [
                [one["kind"], *(round(one[edge] - seen[0]["began"], 2) for edge in ("began", "ended"))] for one in seen
            ]
    ROOT.joinpath("docs", "pictures", "uploads.json").write_text(json.dumps(times, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
