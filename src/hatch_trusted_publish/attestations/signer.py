"""Sigstore: an identity token → a signed attestation for each file. The only importer of sigstore.

Rules:

- It is imported to sign, and for nothing else: it takes half a second and 48 MB.
- Its requests have no time-outs: threads make them, and are left behind when the time is up.
- Its token shows itself as text, and its exceptions hold requests in their frames: neither gets out.
- What is signed is the digest that is known by now; the file is not read again.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ..artifacts.distribution import Distribution
from ..errors import AttestationError, clean
from ..http.retries import SMALL_REQUEST, call
from ..identity.ambient import SIGSTORE, Ambient
from ..secret import Secret
from ..threads import later, wait

if TYPE_CHECKING:
    from sigstore.sign import Signer as SigstoreSigner
    from sigstore.sign import SigningContext

T = TypeVar("T")

AT_ONCE: Final = 8
"""Entries that are made in the log side by side; each takes about a second."""
SHORTEST_LIFE: Final = timedelta(minutes=2)
"""A certificate with less left is not signed with."""
KEYS: Final = "Sigstore's list of its keys (tuf-repo-cdn.sigstore.dev)"
FULCIO: Final = "Fulcio, which certifies the key to sign with,"
REKOR: Final = "Rekor, the log of all signatures,"


def sign(
    distributions: Sequence[Distribution],
    ci: Ambient,
    trust_config: str | None,
    seconds: float,
    mask: Callable[[Secret], None],
) -> Iterator[tuple[Distribution, str]]:
    """Each distribution with its attestation in JSON, as far as they could be signed.

    Args:
        trust_config: another Sigstore than the public one.
        seconds: for all of it.

    Raises:
        AttestationError, IdentityError: not all could be signed; in the end, if some could.
    """
    until = time.monotonic() + seconds

    def awaited(what: str, work: Callable[[], T]) -> Callable[[], T]:
        begun = later(work)

        def result() -> T:
            try:
                return wait(begun, until - time.monotonic())
            except TimeoutError:
                msg = f"{what} did not answer within {seconds:g} s."
                raise AttestationError(msg) from None

        return result

    token = awaited(f"{ci.name}, asked for an identity token,", partial(ci.fetch, SIGSTORE))().token
    mask(token)
    signer = _Signer(token, until)
    awaited(KEYS, partial(signer.open, trust_config))()
    awaited(FULCIO, signer.certify)()
    first, *rest = distributions
    # Alone: where the log cannot be had, and how long the certificate lives, shows in one.
    yield first, awaited(REKOR, partial(signer.sign, first))()
    begun = [(one, awaited(REKOR, partial(signer.sign, one))) for one in rest]
    failure = None
    for distribution, result in begun:
        try:
            text = result()
        except AttestationError as error:
            failure = failure or error
        else:
            yield distribution, text
    if failure is not None:
        raise failure


class _Failure(AttestationError):
    """What went wrong, and whether it may not the next time."""

    def __init__(self, text: str, *, can_pass: bool) -> None:
        self.can_pass = can_pass
        super().__init__(f"{text}.")
        self.what = text


class _Signer:
    """A key with a certificate, for several threads."""

    def __init__(self, token: Secret, until: float) -> None:
        """
        Args:
            until: when nothing is tried again, by the monotonic clock.
        """
        self._token, self._until = token, until
        self._gate = threading.Semaphore(AT_ONCE)
        self._lock = threading.Lock()

    def open(self, trust_config: str | None) -> None:
        """Find out which Sigstore there is, and by which keys it is known."""
        for name in ("sigstore", "tuf", "urllib3"):
            # Without a handler, Python prints what they warn of; what matters of it is told here.
            logging.getLogger(name).addHandler(logging.NullHandler())
        self._context = self._tried(KEYS, partial(_context, trust_config))

    def certify(self) -> None:
        """Have a new key certified."""
        self._signer = self._tried(FULCIO, partial(_certified, self._token, self._context))
        self._ends = datetime.max.replace(tzinfo=UTC)

    def sign(self, distribution: Distribution) -> str:
        """The attestation of one file, in JSON.

        Raises:
            AttestationError: it could not be signed.
            DistributionError: the file has changed, or is gone.
        """
        digest = distribution.sha256
        with self._gate:
            with self._lock:
                if self._ends - datetime.now(UTC) < SHORTEST_LIFE:
                    self.certify()
                signer = self._signer
            text, ends = self._tried(REKOR, partial(_attestation, signer, distribution.filename, digest))
            self._ends = ends  # of an older key, if another thread was quicker: that costs one key more
        return text

    def _tried(self, what: str, once: Callable[[], T]) -> T:
        """The result of *once*, which is tried again where that may help and there is time."""

        def attempt() -> T:
            if self._late():  # nobody waits for it, and an entry in the log is for ever
                raise _Failure(f"{what} was asked too late", can_pass=False)
            try:
                return once()
            except Exception as error:  # noqa: BLE001 - sigstore lets out whatever requests, json and pydantic raise
                failure = _failure(what, error, self._token)
            # Not from there: the frames behind it hold the token.
            raise failure

        def again(error: Exception) -> bool:
            return isinstance(error, _Failure) and error.can_pass and not self._late()

        return call(SMALL_REQUEST, again, attempt)

    def _late(self) -> bool:
        return time.monotonic() > self._until


def _context(trust_config: str | None) -> SigningContext:
    from sigstore.models import ClientTrustConfig
    from sigstore.sign import SigningContext

    config = ClientTrustConfig.production() if trust_config is None else ClientTrustConfig.from_json(trust_config)
    # Of the log's second version, and of timestamps, attestations have no place yet.
    config.force_tlog_version = 1
    services = config.signing_config
    return SigningContext(fulcio=services.get_fulcio(), rekor=services.get_tlogs()[0], trusted_root=config.trusted_root)


def _certified(token: Secret, context: SigningContext) -> SigstoreSigner:
    from sigstore.oidc import IdentityToken
    from sigstore.sign import Signer

    return Signer(IdentityToken(token.reveal(), SIGSTORE), context)


def _attestation(signer: SigstoreSigner, name: str, digest: str) -> tuple[str, datetime]:
    """In JSON, and when the certificate that it was signed with ends."""
    from cryptography.x509 import load_der_x509_certificate
    from pypi_attestations import Attestation
    from pypi_attestations import Distribution as Subject

    attestation = Attestation.sign(signer, Subject(name=name, digest=digest))
    certificate = load_der_x509_certificate(attestation.verification_material.certificate)
    return attestation.model_dump_json(), certificate.not_valid_after_utc


def _failure(what: str, error: Exception, token: Secret) -> _Failure:
    if isinstance(error, ImportError):
        return _Failure(f"The extra `attestations` cannot be loaded ({clean(error, 160)})", can_pass=False)
    import requests
    from sigstore.errors import TUFError
    from sigstore.sign import ExpiredCertificate  # type: ignore[attr-defined]

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ExpiredCertificate):
            text = "Fulcio gave a certificate that has expired already: the clock of this machine, or of that one, is wrong"
            return _Failure(text, can_pass=False)
        if isinstance(cause, requests.HTTPError) and cause.response is not None:
            status = cause.response.status_code
            said = _said(cause.response.text, token)
            text = f"{what} answered {status}{said and ': '}{said}"
            return _Failure(text, can_pass=status in {408, 429} or status >= 500)
        if isinstance(cause, (requests.ConnectionError, requests.Timeout)):
            return _Failure(f"{what} could not be reached ({type(cause).__name__})", can_pass=True)
        cause = cause.__cause__ or cause.__context__
    said = clean(str(error).replace(token.reveal(), "***"), 160)
    text = f"{what} gave nothing that can be used ({type(error).__name__}{said and ': '}{said})"
    return _Failure(text, can_pass=isinstance(error, TUFError))


def _said(body: str, token: Secret) -> str:
    """The message in the body of a refusal, inert; empty where there is none."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return clean(str(message).replace(token.reveal(), "***"), 200).removesuffix(".")
