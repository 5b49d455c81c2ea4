"""The identity → an upload token, and its end.

Rules:

- The audience is judged before an identity token is requested.
- An index counts an identity token as used once a publisher matched, even if its reply is lost: each try
  is made with a new one, where the CI creates new ones.
- An identity that does not match the table ``publisher`` is not sent.
- Where the CI creates one identity token per job, the upload token can be kept for the job's next
  command instead of being burned. What was not minted here is never burned.
- An upload token is noted for burning before anything else is done with it: printing its mask may fail.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ..errors import ExchangeError, Interrupted, Message, NetworkError, TrustedPublishError, UploadError
from ..events import Events
from ..http.client import Client
from ..http.messages import Request
from ..index import mint_api as protocol
from ..index.endpoints import Endpoints, Index, pypi_endpoints
from ..index.mint_api import TOKEN_LIFE, UploadToken
from ..index.origins import trusted_audience
from ..threads import heard, later, wait
from . import hints, token_cache
from .ambient import Ambient, Identity
from .publishers import Claims, Expected, compare

SHORTEST_LIFE: Final = 60.0
"""Seconds: no upload starts with a token that expires sooner."""
LONGEST_LIFE: Final = 86400.0
"""Seconds: a longer life means that a clock is wrong."""
LAST_WORDS: Final = 1.0
"""Seconds to burn upload tokens when the run is stopped, and as many to wait for one that is being minted: a CI
that cancels a job kills it soon."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The endpoints and the audience of an index."""

    index: Index
    endpoints: Endpoints
    audience: str


def find_terms(index: Index, client: Client) -> Terms:
    """Ask *index*; no identity token is requested yet.

    Raises:
        ExchangeError: the index has no trusted publishing that can be used.
        NetworkError: it did not reply.
    """
    endpoints = index.endpoints
    if endpoints is None:  # find them by PEP 807, else by PyPI's own paths
        reply = client.send(protocol.ask_discovery(index))
        endpoints = protocol.read_discovery(reply, index) or pypi_endpoints(index.upload_url)
    reply = client.send(protocol.ask_audience(index, endpoints))
    return Terms(index, endpoints, trusted_audience(index, protocol.read_audience(reply, index)))


@dataclass(slots=True, eq=False)
class Exchange:
    """The exchange of one run: as many upload tokens as it needs, for several threads."""

    terms: Terms
    ambient: Ambient
    expected: Expected
    client: Client
    events: Events
    keep_in: Path | None = None
    """The directory for kept tokens; used if the job can have no other token."""
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _claims: Claims = field(default_factory=dict, init=False)
    _token: UploadToken | None = field(default=None, init=False)
    _minted: list[UploadToken] = field(default_factory=list, init=False)
    """The upload tokens to burn."""
    _kept: Path | None = field(default=None, init=False)
    """The file with this job's upload token."""
    _failure: TrustedPublishError | None = field(default=None, init=False)
    _is_asked: bool = field(default=False, init=False)
    """Whether the index may be minting, or has."""

    @property
    def renewable(self) -> bool:
        """Return whether there can be another token."""
        return self.ambient.renewable

    @property
    def is_spent(self) -> bool:
        """Return whether another command of this job could not exchange its identity."""
        return self._token is not None and self._kept is None and not self.renewable

    def claims(self) -> Claims:
        """Return the job's claims; empty until the identity is requested."""
        return self._claims

    def seconds_left(self) -> float:
        """Return how long the upload token lives."""
        if self.terms.endpoints.single_use:
            return math.inf
        return 0.0 if self._token is None else self._token.expires - time.time()

    def prepare(self) -> UploadToken:
        """Make sure that there is an upload token for the first file, and return it.

        Raises:
            IdentityError, ExchangeError, NetworkError: one of the two sides refused, or did not reply.
        """
        with self._lock:
            self._token = self._token or self._renew()
            return self._token

    def token(self, seconds: float = 0.0, expired: UploadToken | None = None) -> UploadToken:
        """Return an upload token; a single-use one is returned once.

        A new one is minted when the old one would not last, once for all threads.

        Args:
            seconds: how long the upload will take.
            expired: the token that the index calls expired.

        Raises:
            IdentityError, ExchangeError, NetworkError: as in `prepare`; also if the CI has no other identity.
        """
        with self._lock:
            if expired in self._minted:
                self._minted.remove(expired)
            ends_early = self.renewable and self.seconds_left() < max(SHORTEST_LIFE, seconds)
            token = self._token
            if token is None or token is expired or ends_early:
                token = self._renew()
            self._token = None if self.terms.endpoints.single_use else token
            return token

    def refused(self, error: UploadError) -> None:
        """Hear that the index refused a file.

        Raises:
            UploadError: it refused the upload token, and this job can have no other; a kept one is forgotten.
        """
        if error.scope != "token" or self.renewable:
            return
        if self._kept is not None:
            self._kept.unlink(missing_ok=True)
        cause = None if error.message.code == "token-expired" else Message("token-lost-its-publisher")
        ci, reason = self.ambient.name, error.reason
        raise UploadError("upload-token-of-job-refused", scope="token", reason=reason, cause=cause, ci=ci) from error

    def explain_other_project(self, projects: Sequence[str]) -> Message:
        """Return why the index minted an upload token that is not for *projects*."""
        return hints.other_project(self._refused(), projects)

    def burn(self, *, tell: bool = False) -> None:
        """Burn the tokens minted here, also by a mint in flight, and end the exchange.

        Args:
            tell: whether to report that the index has no way to burn a token.
        """
        burning = later(self._burn_minted)
        try:
            problems = wait(burning)
        except KeyboardInterrupt:
            heard()
            try:
                wait(burning, LAST_WORDS)
            except TimeoutError:
                self.events.warn(Message("token-not-burned", problem=Message("no-reply-in-time")))
            raise
        if self._lock.locked():  # a mint is under way: the run was stopped
            self.client.hurry(2 * LAST_WORDS)
        if self._lock.acquire(timeout=LAST_WORDS):
            self._failure = Interrupted("interrupted")  # for a thread that waits for a token
            self._lock.release()
            problems += self._burn_minted()
        elif self._is_asked:
            problems.append(Message("no-reply-in-time"))
        for problem in problems[:1]:
            if problem.code != "no-burning":
                self.events.warn(Message("token-not-burned", problem=problem))
            elif tell:
                self.events.note(problem)

    def _burn_minted(self) -> list[Message]:
        """Burn the newest token first; return the problems."""
        problems = []
        while self._minted:
            token = self._minted.pop()
            if token.expires > time.time() and (problem := self._burn(token)) is not None:
                problems.append(problem)
        return problems

    def _burn(self, token: UploadToken) -> Message | None:
        index, url = self.terms.index, self.terms.endpoints.burn
        try:
            status = 404 if url is None else self.client.send(protocol.ask_burn(index, url, token)).status
        except NetworkError as error:
            return error.reason
        if status == 404:
            return Message("no-burning", index=index.title)
        return None if 200 <= status < 300 else Message("burn-refused", status=status)

    def _renew(self) -> UploadToken:
        if self._failure is not None:
            raise self._failure  # it ends the run: the threads that waited for this do not ask in turn
        try:
            return self._load() or self._mint()
        except TrustedPublishError as error:
            self._failure = error
            raise

    def _load(self) -> UploadToken | None:
        """Return the token that an earlier command of this job has kept."""
        if self.keep_in is None or self.renewable or self.terms.endpoints.single_use:
            return None
        self._kept = token_cache.place(self.keep_in, self._identify().token, self.terms.index.upload_url)
        token = token_cache.load(self._kept)
        if token is not None:
            self.events.mask(token.secret)
            if token.expires < time.time() + SHORTEST_LIFE:
                raise ExchangeError("kept-token-expired", ci=self.ambient.name)
        return token

    def _mint(self) -> UploadToken:
        index, now, asked = self.terms.index, time.time(), list[Request]()
        self._is_asked = False

        def ask() -> Request:
            asked.append(protocol.ask_mint(index, self.terms.endpoints, self._identify().token))
            self._is_asked = True
            return asked[-1]

        try:
            token = protocol.read_mint(self.client.send_made(ask), index, now)
        except NetworkError as error:
            if error.was_sent and not self.renewable:
                raise self._spent(error) from error
            raise
        except ExchangeError as error:
            code = error.message.code
            # PyPI answers 500, without a code, to a used token that meets a pending publisher (recorded).
            lost = len(asked) > 1 and code in {"invalid-reuse-token", "exchange-failed"}
            if (lost or code == "no-upload-token") and not self.renewable:
                raise self._spent(error) from error
            more = hints.refusal(self._refused(), error.message)
            raise ExchangeError(code, **{**error.message.facts, "more": more}) from error
        # The index's clock may differ from this one.
        life = token.expires - time.time()
        token = replace(token, expires=time.time() + (life if 0 < life <= LONGEST_LIFE else TOKEN_LIFE))
        self._minted.append(token)
        self.events.mask(token.secret)
        if self._kept is not None:
            if (problem := token_cache.keep(self._kept, token)) is None:
                self._minted.remove(token)
            else:
                self.events.warn(Message("token-not-kept", problem=problem))
        return token

    def _identify(self) -> Identity:
        """Return the job's identity, masked, and compared with the table ``publisher`` before it is sent."""
        identity = self.ambient.fetch(self.terms.audience)
        self.events.mask(identity.token)
        self._claims = identity.claims
        if self.expected.publisher is not None and (found := compare(self.expected.publisher, identity.claims)):
            raise ExchangeError("publisher-mismatch", ci=self.ambient.name, mismatches=found)
        return identity

    def _refused(self) -> hints.Refused:
        return hints.Refused(self.ambient, self._claims, self.terms.index, self.expected)

    def _spent(self, error: TrustedPublishError) -> ExchangeError:
        index, ci = self.terms.index.title, self.ambient.name
        return ExchangeError("identity-token-spent", index=index, ci=ci, reason=error.reason)
