"""Report one run while it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from ..errors import Message
from ..events import Result
from ..secret import Secret
from ..settings.options import Settings
from ..upload.outcome import Plan, Run
from .console import Console
from .progress import OUTCOMES, Progress, bytes_, files
from .records import Records
from .report import release_urls

SILENCE: Final = 60.0
"""Seconds without a line during an upload: some CIs end a job that prints nothing."""


class RunLog:
    """The log of one run: `events.Events`, the plan before, and the total after."""

    def __init__(
        self,
        console: Console,
        settings: Settings,
        run: Run,
        records: Records,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console, self._settings, self._run, self._records, self._clock = console, settings, run, records, clock
        self._progress = Progress(())
        self._live = False
        self._speaks_again = 0.0

    def note(self, message: Message) -> None:
        self._console.show("info", str(message))

    def warn(self, message: Message) -> None:
        self._console.show("warning", message.coded)

    def mask(self, secret: Secret) -> None:
        self._console.mask(secret)

    def planned(self, plan: Plan) -> None:
        """Print what will happen to each file; on a terminal, the table says so and follows it."""
        self._keep()
        for warning in plan.warnings:
            self.warn(warning)
        for name, version in plan.releases:
            index, url = plan.index.title, plan.index.upload_url
            self.note(Message("release-target", project=name, version=version, index=index, url=url))
        uploads = plan.uploads if self._settings.dry_run == "no" else ()
        waited_for = plan.index.title if plan.index.project_url else "index"  # others may have long names
        self._progress = Progress(plan.outcomes, waited_for, self._clock)
        self._live = bool(uploads) and self._console.can_redraw
        if self._live:
            self._console.redraw(self._progress.lines)
        elif uploads:
            size = bytes_(sum(one.size for one in uploads))
            details = [str(Message("file-to-upload", file=one.shown, size=bytes_(one.size))) for one in uploads]
            self._console.folded(str(Message("files-to-upload", files=files(len(uploads)), size=size)), details)
        for one in () if self._live else plan.outcomes:
            if one.result != "not tried":
                self.note(self._progress.outcome(one.distribution.filename))
            elif not uploads:
                self.note(Message("file-outcome", file=one.distribution.shown, outcome=Message("would-be-uploaded")))
        if self._settings.publisher is not None and plan.index.name == "rehearsal":
            self.note(Message("publisher-not-compared"))
        if self._settings.dry_run == "mint":
            self.note(Message("mint-starts"))

    def started(self, filename: str) -> None:
        self._progress.started(filename)
        self._speaks_again = self._clock() + SILENCE

    def sent(self, filename: str, count: int) -> None:
        self._progress.sent(filename, count)
        if not self._live and self._clock() >= self._speaks_again:
            self._speaks_again = self._clock() + SILENCE
            self.note(self._progress.so_far())

    def ended(self, filename: str, result: Result) -> None:
        self._progress.ended(filename, result)
        if not self._live:
            kind = OUTCOMES[result][0]
            self._console.show("success" if kind == "success" else "error", str(self._progress.outcome(filename)))
        elif self._progress.is_over:
            self._console.close()
        self._keep()

    def finished(self) -> None:
        """Print how much was uploaded, and where the releases are."""
        plan = self._run.plan
        if plan is None or self._settings.dry_run == "yes":
            self.note(Message("dry-run-ended"))
        elif self._settings.dry_run == "mint":
            self.note(Message("mint-ended", index=plan.index.title))
        else:
            self.note(self._progress.total())
            for url in release_urls(plan) if plan.index.name != "rehearsal" else ():  # that index is about to end
                self._console.show("success", url)

    def close(self) -> None:
        """Leave the table as it is now."""
        self._progress.stop()
        self._console.close()

    def _keep(self) -> None:
        if problem := self._records.keep():
            self.warn(problem)
