"""The uploads of one run: what happens to each file, and what that means for the others.

Rules:

- The first file of a release that does not exist goes alone: PyPI answers parallel first uploads with 500,
  and a refusal that holds for all files costs one. It is the smallest wheel, since all others wait for it.
- Then the largest first, so that the last one does not run alone; wheels before the sdist.
- A reply that does not say whether the file was stored is settled by what the index lists.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from packaging.utils import NormalizedName
from packaging.version import Version

from ..artifacts.distribution import Distribution
from ..attestations.files import Attestations, field
from ..errors import IndexReadError, Message, NetworkError, TrustedPublishError, UploadError
from ..http.messages import Reply, message
from ..identity.exchange import Exchange
from ..index.mint_api import UploadToken
from ..index.simple_api import Listing
from ..index.upload_api import ask_upload, read_upload
from . import engine
from .job import Job
from .outcome import Outcome, Plan
from .plan import compare, kept

PACE: Final = 1_000_000
"""Bytes that have to be uploaded before a rate is computed: the time of small files is that of the reply."""


class Uploads:
    """The uploads of one run."""

    def __init__(self, job: Job, exchange: Exchange, attestations: Attestations) -> None:
        self._job, self._exchange, self._attestations = job, exchange, attestations
        self._gate = engine.Gate(job.settings.concurrency)
        self._asking, self._settling = threading.Lock(), threading.Lock()
        # Of the main thread alone:
        self._waiting: dict[str, Distribution] = {}
        self._left = 0
        self._goes_on = True
        self._began: dict[str, float] = {}
        self._bytes, self._seconds = 0, 0.0
        self._warned = False

    def first(self, plan: Plan) -> None:
        """Upload of each new release one file after another, until the index accepts one."""
        order = sorted(plan.uploads, key=lambda one: (one.filetype == "sdist", -one.size, one.filename))
        self._waiting = {one.filename: one for one in order}
        self._left = sum(one.size for one in order)
        self._run(self._firsts(plan), alone=True)

    def rest(self) -> None:
        """Upload the other files, as many at once as the index bears."""
        self._run(iter([*self._waiting.values()]), alone=False)

    def check(self) -> None:
        """See whether every file is on the index.

        Raises:
            TrustedPublishError: what the problems are.
        """
        outcomes = self._job.run.outcomes.values()
        errors = sorted((one.error for one in outcomes if one.error is not None), key=lambda one: one.scope == "file")
        # What holds for more than one file is reported once.
        problems = {one.message.code if one.scope != "file" else str(one): one for one in errors}
        refused = dict.fromkeys(
            one.distribution.name for one in outcomes if one.error is not None and one.error.scope == "project"
        )
        if len(problems) == 1 and not refused:
            raise errors[0]
        if problems:
            why = self._exchange.explain_other_project([*refused]) if refused else None
            raise UploadError("uploads-failed", [one.message for one in problems.values()], explanation=why)

    def _firsts(self, plan: Plan) -> Iterator[Distribution]:
        releases: dict[tuple[NormalizedName, Version], list[Distribution]] = {}
        for one in self._waiting.values():
            releases.setdefault((one.name, one.version), []).append(one)
        for (name, version), files in releases.items():
            if version in plan.held[name].versions:
                continue
            for one in sorted(files, key=lambda one: (one.filetype == "sdist", one.size)):
                yield one
                if self._job.run.outcomes[one.filename].error is None:
                    break

    def _run(self, distributions: Iterator[Distribution], *, alone: bool) -> None:
        if self._goes_on:
            at_once = (lambda: 1) if alone else (lambda: self._gate.limit)
            self._goes_on = engine.run(distributions, self._upload, at_once, self._started, self._ended)

    # What the main thread does

    def _started(self, distribution: Distribution) -> None:
        del self._waiting[distribution.filename]
        self._left -= distribution.size
        # If the run is cut short now, nothing else is known.
        self._job.run.record(Outcome(distribution, "unknown"))
        self._began[distribution.filename] = time.monotonic()
        self._job.events.started(distribution.filename)

    def _ended(self, outcome: Outcome) -> None:
        distribution = outcome.distribution
        outcome = replace(outcome, seconds=time.monotonic() - self._began[distribution.filename])
        self._job.run.record(outcome)
        self._job.events.ended(distribution.filename, outcome.result)
        if outcome.result == "uploaded":
            self._bytes += distribution.size
            self._seconds += outcome.seconds or 0.0
        self._warn_of_end()

    def _warn_of_end(self) -> None:
        """Warn once if the upload token ends before the last file is uploaded."""
        needed = self._left * self._pace() / self._gate.limit
        left = max(self._exchange.seconds_left(), 0.0)
        if not (self._exchange.renewable or self._warned or needed <= left):
            self._warned = True
            self._job.events.warn(Message("token-ends-early", minutes=round(needed / 60), left=round(left / 60)))

    def _pace(self) -> float:
        """Return the seconds that a byte takes, as measured so far."""
        return self._seconds / self._bytes if self._bytes >= PACE else 0.0

    # What a thread does for one file

    def _upload(self, distribution: Distribution) -> Outcome:
        try:
            token = self._exchange.token(distribution.size * self._pace())
            try:
                return self._send(distribution, token)
            except UploadError as error:
                self._exchange.refused(error)
                if not (error.message.code == "token-expired" and self._exchange.renewable):
                    raise
                return self._send(distribution, self._exchange.token(expired=token))
        except TrustedPublishError as error:
            return Outcome(distribution, "failed", error)

    def _send(self, distribution: Distribution, token: UploadToken) -> Outcome:
        index = self._job.index
        attestations = self._attestations.get(distribution.filename, {})
        sent = partial(self._job.events.sent, distribution.filename)
        with self._asking:  # a form with a README of megabytes takes many times as many while it is made
            request = ask_upload(index, distribution, token, field([*attestations.values()]), sent)
        try:
            reply = self._job.client.send(request, self._gate.slot)
        except NetworkError as error:
            return Outcome(distribution, "unknown" if error.was_sent else "failed", error)
        try:
            result = read_upload(reply, distribution, index)
        except UploadError as error:
            # A proxy may give up on an index that stores the file all the same.
            may_be_stored = reply.after_lost or reply.status >= 500 or reply.status == 408
            if not may_be_stored or error.message.code == "token-expired":
                raise
            return Outcome(distribution, "unknown", error)
        if result == "stored":
            return Outcome(distribution, "uploaded", attestations=tuple(attestations))
        return self._settled(distribution, reply, was_taken=result == "taken")

    def _settled(self, distribution: Distribution, reply: Reply, *, was_taken: bool) -> Outcome:
        """Compare the file with what the index lists under its name.

        A name is also taken after a reply that was lost: by this file, from the try before.
        """
        try:
            with self._settling:
                listing = self._job.listing(distribution.name)
        except (IndexReadError, NetworkError) as error:
            return Outcome(distribution, "unknown", error)
        listed = listing.files.get(distribution.filename)
        if listed is None:
            return self._not_listed(distribution, listing, reply, was_taken=was_taken)
        difference = compare(distribution, listed, self._job.index)
        if difference is None:
            return Outcome(distribution, "there", url=listed.url)
        if self._job.settings.existing == "skip":
            return Outcome(distribution, "differs", kept(difference), url=listed.url)
        raise UploadError(difference.code, scope="file", **difference.facts)

    def _not_listed(self, distribution: Distribution, listing: Listing, reply: Reply, *, was_taken: bool) -> Outcome:
        index, file = self._job.index.title, distribution.shown
        if was_taken and not self._job.index.listed:
            if self._job.settings.existing == "skip":
                return Outcome(distribution, "differs", Message("taken-and-skipped", file=file, index=index))
            error = UploadError("taken-not-compared", scope="file", file=file, index=index)
            return Outcome(distribution, "unknown" if reply.after_lost else "failed", error)
        twin = next((name for name, one in listing.files.items() if one.sha256 == distribution.sha256), None)
        if was_taken and twin:
            raise UploadError("same-bytes", scope="file", file=file, index=index, twin=twin)
        code = "taken-not-listed" if was_taken else "unclear-reply"
        error = UploadError(code, scope="file", file=file, index=index, status=reply.status, said=message(reply))
        # With `wait`, the listing will say by its hash whose file that is.
        return Outcome(distribution, "unknown", error.message if self._job.settings.wait else error)
