"""The records of a run: the report, and the files that GitHub and GitLab read after it.

Rules:

- The release counts: a file that cannot be written is a warning.
- A rehearsal leaves the CI's own files alone: it released nothing.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final, TypeVar

from .. import files
from ..errors import Message
from ..settings.options import Settings
from ..upload.outcome import Run
from . import summary
from .report import as_json

T = TypeVar("T")

PAUSE: Final = 5.0
"""Seconds between two reports of one run, so that a report of many files costs little."""
DOTENV: Final = "trusted-publish.env"


class Records:
    """The files of one run."""

    def __init__(
        self,
        settings: Settings,
        root: Path,
        run: Run,
        environ: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            environ: of the real CI.
        """
        self._run, self._clock = run, clock
        self._dry_run = settings.dry_run != "no"
        self._report = None if settings.report is None else root / settings.report
        self._stays_in = root if settings.report_inside else None
        self._written = -PAUSE
        real = {} if settings.repository.name == "rehearsal" else environ
        self._summary, self._outputs = real.get("GITHUB_STEP_SUMMARY"), real.get("GITHUB_OUTPUT")
        # GitLab resolves the paths of `artifacts` from here.
        self._dotenv = Path(real.get("CI_PROJECT_DIR") or root, DOTENV) if real.get("GITLAB_CI") == "true" else None

    def problems(self) -> list[Message]:
        """Return why the report cannot be written, before anything is uploaded."""
        try:
            if self._report is not None:
                if self._stays_in and not self._report.parent.resolve().is_relative_to(self._stays_in.resolve()):
                    return [Message("report-outside", path=self._report)]
                files.refuse_unwritable(self._report)
        except OSError as error:
            return [Message("report-refused", path=self._report, reason=error.strerror)]
        return []

    def keep(self) -> Message | None:
        """Write the report as it stands, if the last one is some seconds old; return why that failed.

        A run that is killed leaves this one.
        """
        if self._clock() < self._written + PAUSE:
            return None
        return self._write(str(Message("cut-short")))

    def finish(self, error: str | None) -> list[Message]:
        """Write everything, at the end; return what could not be written, and why.

        Args:
            error: why the run failed, if it did.
        """
        self._run.ended = datetime.now(UTC)
        found = [self._write(error)]
        if self._summary:
            text = summary.job_summary(self._run, error, dry_run=self._dry_run)
            found.append(_tried(files.append, Path(self._summary), text))
        if self._outputs and self._run.plan:
            text = summary.outputs(self._run.plan, self._run, secrets.token_hex(16))
            found.append(_tried(files.append, Path(self._outputs), text))
        if self._dotenv and self._run.plan:
            found.append(_tried(files.write_atomic, self._dotenv, summary.dotenv(self._run.plan)))
        return [problem for problem in found if problem]

    def _write(self, error: str | None) -> Message | None:
        if self._report is None or self._run.plan is None:
            return None
        content = as_json(self._run.plan, self._run, error, dry_run=self._dry_run)
        pieces = chain(json.JSONEncoder(indent=2).iterencode(content), "\n")  # the whole takes memory by the file
        problem = _tried(files.write_atomic, self._report, pieces)
        self._written = self._clock()
        if problem:
            self._report = None  # one warning is enough
        return problem


def _tried(write: Callable[[Path, T], None], path: Path, text: T) -> Message | None:
    try:
        write(path, text)
    except OSError as error:
        return Message("record-not-written", path=path, reason=error.strerror)
    return None
