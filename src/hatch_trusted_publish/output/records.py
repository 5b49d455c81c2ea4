"""What a run leaves behind: the report, and the files that GitHub and GitLab read after it.

Rules:

- What is on the index counts: a file that cannot be written is one warning.
- A rehearsal leaves the CI's own files alone: it has released nothing.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ..errors import clean
from ..settings.options import Settings
from ..upload.outcome import Run
from . import summary
from .report import as_json

CUT_SHORT: Final = "the run did not come to its end"
"""The error in a report until the run has ended: one that is killed cannot write another."""
DOTENV: Final = "trusted-publish.env"


class Records:
    """The files of one run."""

    def __init__(
        self, settings: Settings, root: Path, done: Run, warn: Callable[[str], None], environ: Mapping[str, str]
    ) -> None:
        """
        Args:
            environ: of the real CI.
        """
        self._done, self._warn = done, warn
        self._dry_run = settings.dry_run != "no"
        self._report = None if settings.report is None else root / settings.report
        real = {} if settings.repository.name == "rehearsal" else environ
        self._summary, self._outputs = real.get("GITHUB_STEP_SUMMARY"), real.get("GITHUB_OUTPUT")
        self._dotenv = None
        if real.get("GITLAB_CI") == "true":
            # Where the paths of `artifacts` begin.
            self._dotenv = Path(real.get("CI_PROJECT_DIR") or root, DOTENV)

    def problems(self) -> list[str]:
        """Why the report cannot be written, tried before anything is sent."""
        if self._report is None:
            return []
        problem = ""
        if self._report.is_dir():
            problem = "it is a folder"
        else:
            try:
                _beside(self._report).touch()
                _beside(self._report).unlink()
            except OSError as error:
                problem = clean(error.strerror)
        way_out = "name a file in a folder that is there by `report`"
        return [f"the report cannot be written to {clean(self._report)}: {problem}; {way_out}"] if problem else []

    def keep(self, error: str | None = CUT_SHORT) -> None:
        """Write the report as it stands now: whole or not at all."""
        if self._report is None or self._done.plan is None:
            return
        content = as_json(self._done.plan, self._done, error, dry_run=self._dry_run)
        beside = _beside(self._report)
        try:
            beside.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
            beside.replace(self._report)
        except OSError as problem:
            self._could_not("The report", self._report, problem)
            self._report = None  # it is told once

    def finish(self, error: str | None) -> None:
        """Write all of it, at the end.

        Args:
            error: why the run has failed, if it has.
        """
        self._done.ended = datetime.now(UTC)
        self.keep(error)
        said = summary.markdown(self._done, error, dry_run=self._dry_run)
        self._append("The job summary", self._summary, said)
        self._append("The outputs of the step", self._outputs, summary.outputs(self._done, secrets.token_hex(16)))
        variables = summary.dotenv(self._done)
        if self._dotenv is not None and variables:
            try:
                self._dotenv.write_text(variables, "utf-8")
            except OSError as problem:
                self._could_not("The variables of the release", self._dotenv, problem)

    def _append(self, what: str, path: str | None, text: str) -> None:
        if not path or not text:
            return
        try:
            with Path(path).open("a", encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as problem:
            self._could_not(what, Path(path), problem)

    def _could_not(self, what: str, path: Path, problem: OSError) -> None:
        self._warn(f"{what} could not be written to {clean(path)}: {clean(problem.strerror)}.")


def _beside(report: Path) -> Path:
    """Where the report is written before it takes its place whole."""
    return report.with_name(f".{report.name}.{os.getpid()}")
