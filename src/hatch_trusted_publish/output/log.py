"""A run, told while it happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ..artifacts.distribution import Distribution
from ..errors import TrustedPublishError, clean
from ..secret import Secret
from ..settings.options import Settings
from ..upload.outcome import Outcome, Plan, Run
from .console import Console
from .progress import Progress, bytes_, files
from .report import planned_line, release_urls, standing, word

SILENCE: Final = 60.0
"""Seconds without a line, while something is sent: some CIs take a silent job for a dead one."""


class RunLog:
    """What is said of one run; `flow.Log`."""

    def __init__(
        self,
        console: Console,
        settings: Settings,
        done: Run,
        keep: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            keep: writes down what is known by now; called whenever that has changed.
        """
        self._console, self._settings, self._done, self._keep, self._clock = console, settings, done, keep, clock
        self.say, self.warn = console.info, console.warn
        self._progress = Progress(())
        self._live = False
        self._speaks_again = 0.0

    def planned(self, plan: Plan) -> None:
        self._keep()
        for warning in plan.warnings:
            self.warn(str(warning))
        for name, version in plan.releases:
            self.say(f"{name} {version} → {clean(plan.index.name)} ({plan.index.upload_url})")
        sends = bool(plan.uploads) and self._settings.dry_run == "no"
        self._live = sends and self._console.can_redraw
        if sends and not self._live:
            title = f"{files(len(plan.uploads))} to upload, {bytes_(sum(one.size for one in plan.uploads))}"
            self._console.folded(title, [f"{one.shown} ({bytes_(one.size)})" for one in plan.uploads])
        for outcome in plan.outcomes:
            if not self._live and (outcome.result != "not tried" or not sends):
                self.say(planned_line(outcome))
        if self._settings.publisher is not None and plan.index.name == "rehearsal":
            self.say("The table `publisher` is not compared: a rehearsal plays a publisher of its own.")
        if self._settings.dry_run == "mint":
            self.say("Asking for an upload token, to burn it: a pending publisher's project is created by that.")
        self._progress = Progress(plan.outcomes, self._clock)
        if self._live:
            self._console.redraw(self._progress.lines)

    def begun(self, distribution: Distribution) -> None:
        self._progress.begun(distribution)
        self._speaks_again = self._clock() + SILENCE
        self._console.refresh()

    def sent(self, distribution: Distribution, count: int) -> None:
        self._progress.sent(distribution, count)
        if not self._live and self._clock() >= self._speaks_again:
            self._speaks_again = self._clock() + SILENCE
            with suppress(OSError):  # it is not the upload that is broken
                self.say(self._progress.line())

    def end(self, outcome: Outcome) -> None:
        self._progress.end(outcome)
        if not self._live:
            good = outcome.result in {"uploaded", "there"}
            show = self._console.success if good else self._console.error
            show(f"{outcome.distribution.shown} ... {word(outcome)}")
        elif self._progress.over:
            self._console.close()
        else:
            self._console.refresh()
        self._keep()

    def mask(self, secret: Secret) -> None:
        self._console.mask(secret)

    def finished(self) -> None:
        """Say how it ended, and where that can be looked at."""
        plan = self._done.plan
        if plan is None or self._settings.dry_run == "yes":
            self.say("A dry run: nothing was uploaded.")
            return
        if self._settings.dry_run == "mint":
            self.say("The index took the identity of this job. A dry run: nothing was uploaded.")
            return
        if not plan.uploads:
            self.say("Nothing was left to upload.")
        if total := self._progress.total():
            self.say(total)
        for url in release_urls(plan):
            self._console.success(url)

    def close(self) -> None:
        """Nothing more will happen to the files."""
        self._progress.stop()
        self._console.close()

    def in_context(self, failure: TrustedPublishError) -> TrustedPublishError:
        """The failure, with what is on the index and what is not once something was sent there."""
        if not self._done.has_started:
            return failure
        apart = "\n\n" if "\n\n" in str(failure) else "\n"
        return type(failure)(f"{failure}{apart}{standing(self._done)}")
