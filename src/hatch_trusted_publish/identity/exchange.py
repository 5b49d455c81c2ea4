"""The identity → an upload token, and its end.

Rules:

- The audience is judged before an identity is asked for.
- An index counts an identity token as used when a publisher matched, also if its reply is lost:
  each try is made with a fresh one, where the CI gives fresh ones.
- An identity that does not meet the publisher that was configured is not sent.
- Where the CI gives one identity a job, the upload token can be kept for the job's next command
  instead of being burned. What was not minted here is never burned.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..errors import ExchangeError, NetworkError, TrustedPublishError, UploadError, clean
from ..http.client import Client
from ..http.messages import Request
from ..index import mint_api as protocol
from ..index.endpoints import Endpoints, Index, pypi_endpoints
from ..index.mint_api import TOKEN_LIFE, UploadToken
from ..index.origins import trusted_audience
from ..secret import Secret
from . import hints as explain
from . import token_cache as kept
from .ambient import Ambient, Identity
from .publishers import Expected, compare

SHORTEST_LIFE: Final = 60.0
"""Seconds: a token with less left is not begun with."""
LONGEST_LIFE: Final = 86400.0
"""Seconds: what says more is a clock that is wrong."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Where an index exchanges identities, and made for which audience."""

    endpoints: Endpoints
    audience: str


def find_terms(index: Index, client: Client) -> Terms:
    """Ask *index*; no identity is asked for yet.

    Raises:
        ExchangeError: the index has no trusted publishing that can be used.
        NetworkError: it did not answer.
    """
    endpoints = index.endpoints or _search(index, client)
    answer = client.send(protocol.ask_audience(index, endpoints))
    return Terms(endpoints, trusted_audience(index, protocol.read_audience(answer, index)))


class Exchange:
    """The exchange of one run: upload tokens, as many as it needs, for several threads."""

    def __init__(
        self,
        index: Index,
        terms: Terms,
        ambient: Ambient,
        client: Client,
        mask: Callable[[Secret], None],
        expected: Expected,
        keep_in: Path | None = None,
    ) -> None:
        """
        Args:
            mask: keeps a secret out of the CI's log; called before anything else could print it.
            keep_in: the folder for kept tokens; used where there can be no other one in this job.
        """
        self._index, self._ambient, self._client, self._mask = index, ambient, client, mask
        self._endpoints, self._audience, self._expected = terms.endpoints, terms.audience, expected
        self._claims: Mapping[str, object] = {}
        """Of the newest identity."""
        self._lock = threading.Lock()
        self._token: UploadToken | None = None
        self._ends = 0.0
        self._keep_in = None if ambient.renewable or terms.endpoints.single_use else keep_in
        self._place: Path | None = None
        """Where this job's token is kept."""
        self._to_burn: list[UploadToken] = []
        self._not_kept = ""
        """Why it is not."""
        self._failure: TrustedPublishError | None = None

    def prepare(self) -> None:
        """See to it that there is an upload token for the first file.

        Raises:
            IdentityError, ExchangeError, NetworkError: one of the two sides refused, or did not answer.
        """
        with self._lock:
            self._renew()

    def token(self, seconds: float = 0.0) -> UploadToken:
        """An upload token for a file that will take about *seconds*; a single-use one is given out once.

        A new one is fetched when the old one would not last, once for all threads.

        Raises:
            IdentityError, ExchangeError, NetworkError: as in `prepare`.
        """
        with self._lock:
            ends_early = self._ambient.renewable and self.seconds_left() < max(SHORTEST_LIFE, seconds)
            if self._token is None or ends_early:
                self._renew()
            return self._given()

    def replace(self, expired: UploadToken) -> UploadToken:
        """Another token for one that the index calls expired, whatever it said of its life.

        Raises:
            IdentityError, ExchangeError, NetworkError: as in `prepare`; also where the CI has no other identity.
        """
        with self._lock:
            self._to_burn = [token for token in self._to_burn if token is not expired]
            if self._token is expired or self._token is None:
                self._renew()
            return self._given()

    def refused(self, error: UploadError) -> None:
        """Hear that the index refused a file.

        Raises:
            UploadError: it refused the upload token, and this job can have no other; a kept one is forgotten.
        """
        if error.scope != "token" or self._ambient.renewable:
            return
        if self._place is not None:
            self._place.unlink(missing_ok=True)
        raise UploadError(f"{error} {self._once()}", scope="token") from error

    def _given(self) -> UploadToken:
        token = self._token
        if self._endpoints.single_use:
            self._token = None
        assert token is not None  # noqa: S101 # nosec B101 # `_renew` has set it, or raised
        return token

    def seconds_left(self) -> float:
        """How long the upload token lives."""
        return self._ends - time.monotonic()

    def claims(self) -> Mapping[str, object]:
        """What the CI says of this job; empty before it was asked."""
        return self._claims

    @property
    def renewable(self) -> bool:
        """Whether there can be another token."""
        return self._ambient.renewable

    def _renew(self) -> None:
        if self._failure is not None:
            raise self._failure  # it ends the run: the threads that waited for this do not ask in turn
        try:
            token = self._kept() or self._mint()
        except TrustedPublishError as error:
            self._failure = error
            raise
        self._ends = time.monotonic() + token.expires - time.time()
        self._token = token

    def _kept(self) -> UploadToken | None:
        """The token that an earlier command of this job has kept."""
        if self._keep_in is None:
            return None
        self._place = kept.place(self._keep_in, self._identify().token, self._index.upload_url)
        token = kept.load(self._place)
        if token is not None:
            self._mask(token.secret)
            if token.expires < time.time() + SHORTEST_LIFE:
                raise ExchangeError(f"The upload token that was kept for this job has ended. {self._once()}")
        return token

    def _mint(self) -> UploadToken:
        tries = 0

        def request() -> Request:
            nonlocal tries
            identity = self._identify()
            tries += 1
            return protocol.ask_mint(self._index, self._endpoints, identity.token)

        try:
            token = protocol.read_mint(self._client.send_made(request), self._index, time.time())
        except NetworkError as error:
            if error.was_sent and not self._ambient.renewable:
                raise self._spent(error) from error
            raise
        except ExchangeError as error:
            # A used token that meets a pending publisher gets a 500 from PyPI, without a code (recorded).
            if (
                tries > 1
                and not self._ambient.renewable
                and error.message.code not in explain.EXPLAINED - {"invalid-reuse-token"}
            ):
                raise self._spent(error) from error
            if error.message.code in explain.EXPLAINED:
                raise self._explained(error) from error
            raise
        self._mask(token.secret)
        # By the index's clock, which may be another than this one.
        life = token.expires - time.time()
        token = replace(token, expires=time.time() + (life if 0 < life <= LONGEST_LIFE else TOKEN_LIFE))
        why = "" if self._place is None else kept.keep(self._place, token)
        if why is not None:
            self._to_burn.append(token)
            self._not_kept = why
        return token

    def _identify(self) -> Identity:
        """The job's identity, masked, and compared with the publisher that was configured before it goes anywhere."""
        identity = self._ambient.fetch(self._audience)
        self._mask(identity.token)
        self._claims = identity.claims
        if self._expected.publisher is not None and (found := compare(self._expected.publisher, identity.claims)):
            raise ExchangeError(explain.mismatches(found, self._ambient.name))
        return identity

    def _explained(self, error: ExchangeError) -> ExchangeError:
        behind = explain.refusal(
            self._claims, self._ambient.name, self._index, self._expected, error.message.code, str(error)
        )
        return ExchangeError(f"{error}\n\n{behind}")

    def explain_other_project(self, projects: Sequence[str]) -> str:
        """Why the index gave an upload token that it does not take for *projects*."""
        expected = replace(self._expected, projects=projects)
        return explain.other_project(self._claims, self._ambient.name, self._index, expected)

    def _spent(self, error: TrustedPublishError) -> ExchangeError:
        return ExchangeError(
            f"{clean(self._index.name)} may have taken the identity token, but its reply was lost. {self._once()} "
            f"({_what(error)})"
        )

    def _once(self) -> str:
        return (
            f"{self._ambient.name} gives this job one identity token, and an index takes each once: run the job again for "
            "another."
        )

    def burn(self) -> str | None:
        """Make worthless what was minted here, where the index can do that; what is to be said if something was not done.

        No lock: the run may be stopped while a thread waits for a token.
        """
        alive = [token for token in reversed(self._to_burn) if token.expires > time.time()]
        found = [problem for token in alive if (problem := self._burn(token)) is not None]
        said = [f"The upload token was not burned; it ends by itself within 15 minutes. ({found[0]})"] if found else []
        if self._not_kept:
            said.append(f"The upload token could not be kept for the next command of this job ({self._not_kept}).")
        return " ".join(said) or None

    def _burn(self, token: UploadToken) -> str | None:
        if self._endpoints.burn is None:
            return None
        try:
            status = self._client.send(protocol.ask_burn(self._index, self._endpoints.burn, token)).status
        except NetworkError as error:
            return _what(error)
        # 404: an index without this.
        return None if status == 404 or 200 <= status < 300 else f"the index answered {status}"


def _what(error: TrustedPublishError) -> str:
    """What happened, without the advice, where another one is given."""
    return clean(str(error).partition(". ")[0])


def _search(index: Index, client: Client) -> Endpoints:
    """By PEP 807, else PyPI's own paths."""
    found = protocol.read_discovery(client.send(protocol.ask_discovery(index)), index)
    return found or pypi_endpoints(index.upload_url)
