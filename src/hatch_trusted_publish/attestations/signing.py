"""Whether the files of a run get attestations, and from where: beside them, or signed now (PEP 740).

Rules:

- All files are signed before anything is uploaded, or an upload token minted.
- What cannot be signed goes without, and the log says so; with ``attestations = true`` it does not go.
- An index that does not take attestations is sent none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Final, Protocol

from ..artifacts.distribution import Distribution
from ..errors import AttestationError, IdentityError, clean
from ..identity.ambient import SIGSTORE, Ambient
from ..index.endpoints import Index
from ..secret import Secret
from ..settings.options import TABLE, Settings
from .files import PUBLISH, Attestations, find, keep

SECONDS: Final = 60.0
"""For all that signing takes, retries included."""
_MISSING: Final = "the extra `attestations` is not installed"
_INSTALL: Final = (
    f"{_MISSING}; install it where Hatch is: `pip install 'hatch-trusted-publish[attestations]'`, or `pipx inject hatch "
    "'hatch-trusted-publish[attestations]'`"
)
_MUST: Final = (
    "So the files could not be signed, and with `attestations = true` none was uploaded. Run the same command again, or "
    "release without attestations by `-o attestations=false`."
)


class Log(Protocol):
    """Where signing is told of."""

    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def mask(self, secret: Secret) -> None: ...


class Signing:
    """The attestations of one run: those that are there, and those that it makes."""

    def __init__(
        self, settings: Settings, index: Index, distributions: Sequence[Distribution], seconds: float = SECONDS
    ) -> None:
        """
        Args:
            seconds: for all that signing takes.
        """
        self._settings, self._index, self._seconds = settings, index, seconds
        self._must = settings.attestations is True
        self._found: Attestations = {}
        self.problems: list[str] = []
        """What stands against the run."""
        self._refusal = ""
        """Why this index gets none."""
        if settings.attestations is False:
            return
        if not index.attestations:
            self._refusal = (
                f"{clean(index.name, 120)} is not known to take them; if it does, say `attestations = true` in its table in "
                f"`{TABLE}.repos`"
            )
        else:
            self._found, self.problems = find(distributions)
            if self._must and self._unsigned(distributions) and not _installed():
                self._refusal = _INSTALL
        if self._must and self._refusal:
            self.problems.append(f"`attestations` is true, but {self._refusal}")

    def require(self, ambient: Callable[[], Ambient], distributions: Sequence[Distribution]) -> None:
        """With ``attestations = true``: see to it that this CI can sign, as far as it is known without a network.

        Raises:
            AttestationError: PyPI takes no attestations from it.
            IdentityError: there is no CI, or no variable to sign with.
        """
        if not self._must or self._settings.dry_run == "yes":
            return
        ci = ambient()
        if not ci.attests:
            raise AttestationError(f"`attestations` is true, but {_foreign(ci)}. Nothing was sent.")
        if self._unsigned(distributions) and not ci.renewable:
            ci.fetch(SIGSTORE)  # a variable: it is there now, or will never be

    def attest(self, ci: Ambient, distributions: Sequence[Distribution], log: Log) -> Attestations:
        """Sign *distributions*, and return what goes with each file.

        Raises:
            AttestationError, IdentityError: the files cannot be signed, and must be.
        """
        if self._settings.attestations is False or self._settings.dry_run != "no":
            return {}
        refusal = self._refusal or ("" if ci.attests else _foreign(ci))
        if refusal:
            log.say(f"No attestations: {refusal}.")
            return {}
        there = sum(len(self._found[one.filename]) for one in distributions)
        unsigned = self._unsigned(distributions)
        if unsigned and not _installed():
            log.say(f"Nothing is signed: {_MISSING}.")
            unsigned = []
        made = self._sign(unsigned, ci, log) if unsigned else 0
        if there or made:
            log.say(f"Attestations: {made} signed now, {there} found beside the files.")
        return {one.filename: self._found[one.filename] for one in distributions}

    def _unsigned(self, distributions: Sequence[Distribution]) -> list[Distribution]:
        return [one for one in distributions if PUBLISH not in self._found.get(one.filename, {})]

    def _sign(self, distributions: Sequence[Distribution], ci: Ambient, log: Log) -> int:
        """Sign, as far as it goes; how many are signed now."""
        from .signer import sign

        made = 0
        try:
            for distribution, text in sign(distributions, ci, self._index.trust_config, self._seconds, log.mask):
                made += 1
                self._found[distribution.filename][PUBLISH] = text
                # What a rehearsal signs is worth nothing: a release that found it there would send it.
                if self._index.name != "rehearsal":
                    _keep(text, distribution, log)
        except (AttestationError, IdentityError) as error:
            if self._must and isinstance(error, AttestationError):
                raise AttestationError(f"{error} {_MUST}") from None
            if self._must:
                raise
            without = ", ".join(one.shown for one in self._unsigned(distributions))
            log.warn(
                f"NOT SIGNED, and uploaded without an attestation of this run: {without}. An index takes none later; "
                f"`attestations = true` stops the run instead. {error}"
            )
        return made


def _installed() -> bool:
    return find_spec("pypi_attestations") is not None


def _foreign(ci: Ambient) -> str:
    return f"PyPI takes attestations from GitHub, GitLab and Google Cloud, and not from {ci.name}"


def _keep(attestation: str, distribution: Distribution, log: Log) -> None:
    try:
        keep(attestation, distribution)
    except OSError as error:
        log.warn(f"The attestation of {distribution.shown} could not be written beside it: {clean(error.strerror)}.")
