"""The uploads of one run: each file's own story, and what it means for the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from packaging.utils import NormalizedName

from ..artifacts.distribution import Distribution
from ..attestations.files import Attestations, field
from ..errors import IndexReadError, NetworkError, TrustedPublishError, UploadError, clean
from ..http.client import Client
from ..identity.exchange import Exchange
from ..index import simple_api as simple
from ..index import upload_api as protocol
from ..index.endpoints import Index
from ..index.mint_api import UploadToken
from ..index.simple_api import Listing
from ..settings.options import Settings
from . import engine
from .outcome import Outcome, Run
from .plan import compare, has_release, kept

PACE: Final = 1_000_000
"""Bytes that have to be sent before a rate is told by them: the time of small files is that of a reply."""


class Log(Protocol):
    """Where uploads are told of; `sent` by the threads that upload, after each piece: bytes of this try so far."""

    def begun(self, distribution: Distribution) -> None: ...
    def sent(self, distribution: Distribution, count: int) -> None: ...
    def end(self, outcome: Outcome) -> None: ...
    def warn(self, text: str) -> None: ...


class Uploads:
    """Uploads to one index."""

    def __init__(
        self,
        settings: Settings,
        index: Index,
        exchange: Exchange,
        client: Client,
        log: Log,
        done: Run,
        attestations: Attestations,
    ) -> None:
        """
        Args:
            attestations: what goes with each file.
        """
        self._settings, self._index, self._exchange, self._client = settings, index, exchange, client
        self._log, self._done, self._attestations = log, done, attestations
        self._gate = engine.Gate(settings.concurrency)
        self._bytes, self._seconds = 0, 0.0
        self._began: dict[str, float] = {}
        self._warned = False

    def run(self, distributions: Sequence[Distribution], listings: Mapping[NormalizedName, Listing]) -> None:
        """Upload *distributions*, in their order as far as it goes.

        Raises:
            TrustedPublishError: what stands against those that are not on the index now.
        """
        self._left = sum(one.size for one in distributions)
        waiting = list(distributions)
        run = partial(engine.run, upload=self._upload, begun=self._begun, ended=self._ended)
        _ = run(self._first(waiting, listings), at_once=1) and run(waiting, at_once=self._settings.concurrency)
        errors = [outcome.error for outcome in self._done.outcomes.values() if outcome.error is not None]
        if errors:
            errors.sort(key=lambda error: error.scope == "file")
            behind = self._explanation()
            if len(errors) == 1 and not behind:
                raise errors[0]
            raise UploadError("\n".join(dict.fromkeys(map(str, errors))) + behind)

    def _explanation(self) -> str:
        """What stands behind the refusals of a publisher, once for all files."""
        refused = dict.fromkeys(
            outcome.distribution.name
            for outcome in self._done.outcomes.values()
            if outcome.error is not None and outcome.error.scope == "project"
        )
        return f"\n\n{self._exchange.explain_other_project(list(refused))}" if refused else ""

    def _first(self, waiting: list[Distribution], listings: Mapping[NormalizedName, Listing]) -> Iterator[Distribution]:
        """Out of *waiting*: of each release that does not exist yet, one file after another until one is taken."""
        for name, version in dict.fromkeys((one.name, one.version) for one in waiting):
            if has_release(listings[name], version):
                continue
            for one in [one for one in waiting if (one.name, one.version) == (name, version)]:
                waiting.remove(one)
                yield one
                if self._done.outcomes[one.filename].error is None:
                    break

    def _begun(self, distribution: Distribution) -> None:
        # What it is if the run is cut short now.
        self._done.record(Outcome(distribution, "unknown"))
        self._began[distribution.filename] = time.monotonic()
        self._log.begun(distribution)

    def _ended(self, outcome: Outcome) -> None:
        name = outcome.distribution.filename
        outcome = replace(outcome, seconds=time.monotonic() - self._began[name])
        self._done.record(outcome)
        self._log.end(outcome)
        self._left -= outcome.distribution.size
        needed = self._left * self._pace() / self._settings.concurrency
        left = max(self._exchange.seconds_left(), 0.0)
        if self._exchange.renewable or self._warned or needed <= left:
            return
        self._warned = True
        self._log.warn(
            f"At this rate the rest takes {needed / 60:.0f} minutes, and the upload token ends in "
            f"{left / 60:.0f}; this CI has no other identity for this job. When it has ended, run the "
            "job again: what is on the index by then is not sent again."
        )

    def _pace(self) -> float:
        """Seconds that a byte takes, as measured so far."""
        return self._seconds / self._bytes if self._bytes >= PACE else 0.0

    def _upload(self, distribution: Distribution) -> Outcome:
        """Upload one file, in a thread of its own."""
        try:
            token = self._exchange.token(distribution.size * self._pace())
            try:
                return self._send(distribution, token)
            except UploadError as error:
                self._exchange.refused(error)
                if not (error.message.code == "token-expired" and self._exchange.renewable):
                    raise
                return self._send(distribution, self._exchange.replace(token))
        except TrustedPublishError as error:
            return Outcome(distribution, "failed", error)
        except BaseException as error:  # noqa: BLE001 - a thread that dies would be waited for without end
            failure = UploadError(
                f"{distribution.shown}: an error of this program, please report it: {clean(repr(error))}"
            )
            return Outcome(distribution, "failed", failure)

    def _send(self, distribution: Distribution, token: UploadToken) -> Outcome:
        began = time.monotonic()
        attestations = self._attestations.get(distribution.filename, {})
        sent = partial(self._log.sent, distribution)
        request = protocol.ask_upload(self._index, distribution, token, field([*attestations.values()]), sent)
        try:
            reply = self._client.send(request, self._gate.slot)
        except NetworkError as error:
            return Outcome(distribution, "unknown" if error.was_sent else "failed", error)
        try:
            result = protocol.read_upload(reply, distribution, self._index)
        except UploadError as error:
            # What stands before an index may give up on it, with the file stored behind.
            if (
                reply.after_lost or reply.status >= 500 or reply.status == 408
            ) and error.message.code != "token-expired":
                return Outcome(distribution, "unknown", error)
            raise
        if result == "stored":
            self._bytes += distribution.size
            self._seconds += time.monotonic() - began
            return Outcome(distribution, "uploaded", attestations=tuple(attestations))
        return self._settled(distribution)

    def _settled(self, distribution: Distribution) -> Outcome:
        """Ask the index by whose bytes the name is taken.

        A reply that was lost looks like that too: the index has the file from the try before.
        """
        try:
            listing = listing_of(self._index, distribution.name, self._client)
        except (IndexReadError, NetworkError) as error:
            return Outcome(distribution, "unknown", error)
        held = listing.files.get(distribution.filename)
        if held is None:
            return self._not_listed(distribution, listing)
        difference = compare(distribution, held, self._index)
        if difference is None:
            return Outcome(distribution, "there", url=held.url)
        if self._settings.existing == "skip":
            return Outcome(distribution, "differs", kept(difference), url=held.url)
        raise _about_one_file(str(difference))

    def _not_listed(self, distribution: Distribution, listing: Listing) -> Outcome:
        name = clean(self._index.name)
        if twin := next((name for name, held in listing.files.items() if held.sha256 == distribution.sha256), None):
            raise _about_one_file(
                f"{name} refused {distribution.shown}: it holds the same bytes as {clean(twin, 120)}, and takes "
                "them once. Leave this file out, or build it again so that it differs."
            )
        error = _about_one_file(
            f"{name} says that it has {distribution.filename} already, but does not list it. Its list may lag "
            "behind: run the same command again in a few minutes."
        )
        # Who waits for the list anyway will see by its hash whose file that is.
        return Outcome(distribution, "unknown", error.message if self._settings.wait else error)


def _about_one_file(text: str) -> UploadError:
    return UploadError(text, scope="file")


def listing_of(index: Index, name: NormalizedName, client: Client) -> Listing:
    """What *index* holds of a project now.

    Raises:
        IndexReadError, NetworkError: it is not known.
    """
    return simple.read_listing(client.send(simple.ask_listing(index, name)), index, name)
