"""Sigstore: an identity token → a signed attestation for each file. The only importer of sigstore.

Rules:

- It is imported only to sign: it takes half a second and 48 MB.
- Its requests have no time-outs. Threads make them, and are left behind when the time is up: each step has
  its own time, and the whole a bound that grows with the number of files.
- Its token prints itself, and its exceptions hold requests in their frames: neither gets out.
- The digest that is known already is signed. The file is not read again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlsplit

from ..artifacts.distribution import Distribution
from ..errors import AttestationError
from ..events import Events
from ..http.retries import SMALL_REQUEST, call, can_pass
from ..identity.ambient import SIGSTORE, Ambient
from ..secret import Secret, redacted
from ..threads import later, wait
from .signing import reusable_workflow

if TYPE_CHECKING:
    from sigstore.sign import Signer as SigstoreSigner
    from sigstore.sign import SigningContext

T = TypeVar("T")

AT_ONCE: Final = 8
"""Entries that are made in the log side by side; each takes about a second."""
SECONDS_PER_FILE: Final = 2.0
"""Seconds that each file adds to the time for all."""
SHORTEST_LIFE: Final = timedelta(minutes=2)
"""A certificate with less left is not used."""
KEYS: Final = "Sigstore's list of keys"
FULCIO: Final = "Fulcio, Sigstore's certificate authority,"
REKOR: Final = "Rekor, Sigstore's log,"


def sign(
    distributions: Sequence[Distribution],
    ci: Ambient,
    trust_config: str | None,
    seconds: float,
    events: Events,
) -> Iterator[tuple[Distribution, str]]:
    """Yield each distribution that could be signed, with its attestation in JSON.

    Args:
        trust_config: another Sigstore than the public one.
        seconds: for each step and each file.

    Raises:
        AttestationError, IdentityError: not all could be signed; raised after the last file if some could.
    """
    ends = time.monotonic() + seconds + len(distributions) * SECONDS_PER_FILE

    def begun(service: str, work: Callable[[float], T]) -> Callable[[], T]:
        """Start *work* in a thread. What is returned waits for its result."""
        until = min(time.monotonic() + seconds, ends)
        future = later(partial(work, until))

        def result() -> T:
            try:
                return wait(future, until - time.monotonic())
            except TimeoutError:
                raise AttestationError("signing-too-slow", service=service) from None

        return result

    identity = begun(ci.name, lambda _: ci.fetch(SIGSTORE))()
    events.mask(identity.token)
    if reason := reusable_workflow(identity.claims):
        raise AttestationError(reason.code, **reason.facts)
    signer = _Signer(identity.token, events)
    begun(KEYS, partial(signer.open, trust_config))()
    begun(FULCIO, signer.certify)()
    # The first file alone: it shows whether the log can be reached, and how long the certificate lives.
    first, *rest = distributions
    yield first, begun(REKOR, partial(signer.sign, first))()
    failure: AttestationError | None = None
    under_way: deque[tuple[Distribution, Callable[[], str]]] = deque()
    waiting = deque(rest)
    while waiting or under_way:
        while waiting and len(under_way) < AT_ONCE:
            one = waiting.popleft()
            under_way.append((one, begun(REKOR, partial(signer.sign, one))))
        distribution, result = under_way.popleft()
        try:
            text = result()
        except AttestationError as error:
            failure = failure or error
        else:
            yield distribution, text
    if failure is not None:
        raise failure


class _PassingError(AttestationError):
    """A failure that another try may not meet."""


class _Signer:
    """A key with a certificate, for several threads. Nothing is tried after *until*, by the monotonic clock."""

    def __init__(self, token: Secret, events: Events) -> None:
        self._token, self._events = token, events
        self._lock = threading.Lock()

    def open(self, trust_config: str | None, until: float) -> None:
        """Find out which services Sigstore has, and their keys."""
        for name in ("sigstore", "tuf", "urllib3"):
            # Without a handler, Python prints their warnings. What matters of them is reported here.
            logging.getLogger(name).addHandler(logging.NullHandler())
        self._context = self._tried(KEYS, partial(_context, trust_config), until)

    def certify(self, until: float) -> None:
        """Have a new key certified."""
        self._signer = self._tried(FULCIO, partial(_certified, self._token, self._context), until)
        self._ends = datetime.max.replace(tzinfo=UTC)

    def sign(self, distribution: Distribution, until: float) -> str:
        """Return the attestation of one file, in JSON.

        Raises:
            AttestationError: it could not be signed.
            DistributionError: the file has changed, or is gone.
        """
        digest = distribution.sha256
        with self._lock:
            if self._ends - datetime.now(UTC) < SHORTEST_LIFE:
                self.certify(until)
            signer = self._signer
        text, ends = self._tried(REKOR, partial(_attestation, signer, distribution.filename, digest), until)
        with self._lock:
            # If another thread has a newer key already, this costs one key more.
            self._ends = ends
        return text

    def _tried(self, service: str, once: Callable[[], T], until: float) -> T:
        """Return the result of *once*, which is tried again if that may help and there is time."""

        def attempt() -> T:
            if time.monotonic() > until:  # nothing waits for it, and an entry in the log is permanent
                raise AttestationError("signing-too-slow", service=service)
            try:
                return once()
            except Exception as error:  # noqa: BLE001 - sigstore lets out whatever requests, json and pydantic raise
                failure = _failure(service, error, self._token)
            # Outside of the handler: the frames of the caught error hold the token.
            raise failure

        return call(SMALL_REQUEST, lambda error: isinstance(error, _PassingError), attempt, self._events.note)


def _context(trust_config: str | None) -> SigningContext:
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import SigningContext

    config = ClientTrustConfig.production() if trust_config is None else ClientTrustConfig.from_json(trust_config)
    # Attestations have no place yet for timestamps and entries of the log's second version.
    config.force_tlog_version = 1
    services = config.signing_config
    return SigningContext(fulcio=services.get_fulcio(), rekor=services.get_tlogs()[0], trusted_root=config.trusted_root)


def _certified(token: Secret, context: SigningContext) -> SigstoreSigner:
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer

    return Signer(IdentityToken(token.reveal(), SIGSTORE), context)


def _attestation(signer: SigstoreSigner, name: str, digest: str) -> tuple[str, datetime]:
    """Return the attestation in JSON, and when the certificate that signed it ends."""
    from cryptography.x509 import load_der_x509_certificate
    from pypi_attestations import Attestation
    from pypi_attestations import Distribution as Subject

    attestation = Attestation.sign(signer, Subject(name=name, digest=digest))
    certificate = load_der_x509_certificate(attestation.verification_material.certificate)
    return attestation.model_dump_json(), certificate.not_valid_after_utc


def _failure(service: str, error: Exception, token: Secret) -> AttestationError:
    said = redacted(str(error), [token])[:200]
    other = AttestationError("signing-error", service=service, kind=type(error).__name__, said=said)
    if isinstance(error, ImportError):
        return other
    import requests
    from sigstore.errors import TUFError
    from sigstore.sign import ExpiredCertificate  # type: ignore[attr-defined]

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ExpiredCertificate):
            return AttestationError("signing-certificate-expired")
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            status = cause.response.status_code
            kind = _PassingError if can_pass(status) else AttestationError
            return kind("signing-refused", service=service, status=status, said=_said(cause.response.text, token))
        if isinstance(cause, (requests.ConnectionError, requests.Timeout)):
            url = "" if cause.request is None else cause.request.url
            return _PassingError("signing-unreachable", service=service, host=urlsplit(str(url)).netloc)
        cause = cause.__cause__ or cause.__context__
    return _PassingError(other.message.code, **other.message.facts) if isinstance(error, TUFError) else other


def _said(body: str, token: Secret) -> str:
    """Return the message in the body of a refusal; empty without one."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return redacted(str(message), [token])[:200].removesuffix(".")
