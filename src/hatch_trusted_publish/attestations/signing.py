"""The decision whether files get attestations, and from where: existing files, or signing now (PEP 740).

Rules:

- All files are signed before an upload token is minted.
- A file that cannot be signed is uploaded without, and the log says so. With ``attestations = true`` it
  is not uploaded.
- PyPI verifies the workflow that the run started with. A job in a reusable workflow cannot sign.
- An index that does not accept attestations gets none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from ..artifacts.distribution import Distribution
from ..errors import AttestationError, IdentityError, Message
from ..events import Events
from ..identity.ambient import SIGSTORE, Ambient
from ..index.endpoints import Index
from ..settings.options import Settings
from .files import PUBLISH, Attestations, find, keep

SECONDS: Final = 60.0
"""For one file, retries included, and for each step before."""


class Signing:
    """The attestations of one run: those found next to the files, and those that it makes."""

    def __init__(
        self,
        settings: Settings,
        index: Index,
        distributions: Sequence[Distribution],
        events: Events,
        seconds: float = SECONDS,
    ) -> None:
        self._settings, self._index, self._distributions = settings, index, distributions
        self._events, self._seconds = events, seconds
        self._must = settings.attestations is True
        self._found: Attestations = {}
        self._kept: list[Path] = []
        self._refusal: Message | None = None
        self.problems: list[Message] = []
        """Found without the network."""
        if settings.attestations is False:
            return
        if index.attestations:
            self._found, self.problems = find(distributions)
        else:
            self._refusal = Message("attestations-not-accepted", index=index.title)
        if self._must and self._refusal:
            self.problems.append(Message("attestations-required", reason=self._refusal))

    def require(self, ambient: Callable[[], Ambient]) -> None:
        """With ``attestations = true``: check that this job can sign, before any request to the index.

        Raises:
            AttestationError: PyPI accepts no attestations from it.
            IdentityError: there is no CI, or it returns no token to sign with.
        """
        if not self._must or self._settings.dry_run == "yes":
            return
        ci = ambient()
        reason = _foreign(ci)
        if reason is None and self._unsigned(self._distributions):
            identity = ci.fetch(SIGSTORE)
            self._events.mask(identity.token)
            reason = reusable_workflow(identity.claims)
        if reason is not None:
            raise AttestationError("attestations-required", reason=reason)

    def attest(self, ci: Ambient, distributions: Sequence[Distribution]) -> Attestations:
        """Sign *distributions*, and return what is uploaded with each file.

        Raises:
            AttestationError, IdentityError: the files cannot be signed, and must be.
        """
        if self._settings.attestations is False or self._settings.dry_run != "no":
            return {}
        if refusal := self._refusal or _foreign(ci):
            self._events.note(Message("no-attestations", reason=refusal))
            return {}
        found = sum(len(self._found[one.filename]) for one in distributions)
        made = self._sign(unsigned, ci) if (unsigned := self._unsigned(distributions)) else 0
        if found or made:
            self._events.note(Message("attestations", made=made, found=found))
        return {one.filename: self._found[one.filename] for one in distributions}

    def discard(self) -> None:
        """Remove what this run wrote next to the files: the index rejected it, and the next run would find it."""
        for path in self._kept:
            path.unlink(missing_ok=True)

    def _unsigned(self, distributions: Sequence[Distribution]) -> list[Distribution]:
        return [one for one in distributions if PUBLISH not in self._found.get(one.filename, {})]

    def _sign(self, distributions: Sequence[Distribution], ci: Ambient) -> int:
        """Sign as many files as possible. Return how many are signed now."""
        from .signer import sign

        made = 0
        try:
            for distribution, text in sign(distributions, ci, self._index.trust_config, self._seconds, self._events):
                made += 1
                self._found[distribution.filename][PUBLISH] = text
                # A rehearsal's signature is worth nothing, but a release would find and upload it.
                if self._index.name != "rehearsal":
                    self._keep(text, distribution)
        except (AttestationError, IdentityError) as error:
            if self._must and isinstance(error, AttestationError):
                raise AttestationError("signing-failed", reason=error.reason) from None
            if self._must:
                raise
            files = [one.shown for one in self._unsigned(distributions)]
            self._events.warn(Message("not-signed", files=files, reason=error.message))
        return made

    def _keep(self, attestation: str, distribution: Distribution) -> None:
        try:
            self._kept.append(keep(attestation, distribution))
        except OSError as error:
            self._events.warn(Message("attestation-not-written", file=distribution.shown, said=error.strerror))


def _foreign(ci: Ambient) -> Message | None:
    return None if ci.attests else Message("attestations-from-elsewhere", ci=ci.name)


def reusable_workflow(claims: Mapping[str, object]) -> Message | None:
    """Return why PyPI would refuse an attestation of this job on GitHub.

    PyPI mints by ``job_workflow_ref``, but compares the publisher with the certificate's Build Config URI,
    which is ``workflow_ref``.
    """
    started, called = (str(claims.get(name) or "").partition("@")[0] for name in ("workflow_ref", "job_workflow_ref"))
    if not started or not called or started == called:
        return None
    return Message("reusable-workflow", called=called, workflow=started)
