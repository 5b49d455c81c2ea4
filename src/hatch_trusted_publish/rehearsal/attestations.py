"""PEP 740 attestations: their shape and number, and whether they were signed by the publisher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

from .publishers import ActiveState, GitHub, GitLab, Publisher
from .validation import Problem, complaint, parsed

Attestation: TypeAlias = dict[str, object]

_INTRO: Final = "Invalid attestations supplied during upload: "
_UNVERIFIED: Final = f"{_INTRO}Could not verify the uploaded artifact using the included attestation: "
_FULCIO: Final = "1.3.6.1.4.1.57264.1."
"""Fulcio's extensions of a certificate (github.com/sigstore/fulcio, docs/oid-info.md)."""
_MEMBERS: Final = ("version", "verification_material", "envelope")
_MOST: Final = 2


def read(text: str, publisher: Publisher) -> list[Attestation] | str:
    """Return the attestations in the form field, or PyPI's words against them."""
    if isinstance(publisher, ActiveState):
        return f"{_INTRO}Attestations are not currently supported with ActiveState publishers"
    value = parsed(text)
    if isinstance(value, Problem):
        return _malformed(value)
    if not isinstance(value, list):
        return _malformed(Problem("list_type", "Input should be a valid array", value))
    if not value:
        return f"{_INTRO}Malformed attestations: an empty attestation set is not permitted"
    if problems := [problem for place, item in enumerate(value) for problem in _check(place, item)]:
        return _malformed(*problems)
    if len(value) > _MOST:
        return f"{_INTRO}A maximum of {_MOST} attestations per file are supported"
    return value


def _check(place: int, item: object) -> list[Problem]:
    if not isinstance(item, dict):
        return [Problem("model_type", "Input should be an object", item, str(place))]
    return [
        Problem("missing", "Field required", item, f"{place}.{member}") for member in _MEMBERS if member not in item
    ]


def _malformed(*problems: Problem) -> str:
    return f"{_INTRO}Malformed attestations: {complaint('list[Attestation]', *problems)}"


def forged(
    attestations: Sequence[Attestation], publisher: GitHub | GitLab, subject: tuple[str, str], trust_config: str
) -> str | None:
    """Return PyPI's words about the first invalid attestation.

    PyPI compares the publisher with the Build Config URI of the certificate, and not with the claims of the token.

    Args:
        subject: name and SHA-256 of the file.
        trust_config: the Sigstore to trust, as `sigstore.models.ClientTrustConfig` in JSON.
    """
    # Here and not above: they take half a second, and few rehearsals upload attestations.
    from pypi_attestations import Attestation as Signed
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.verify import Verifier
    from sigstore.verify.policy import AllOf, OIDCIssuerV2, OIDCSourceRepositoryURI

    verifier = Verifier(trusted_root=ClientTrustConfig.from_json(trust_config).trusted_root)
    by_publisher = AllOf([OIDCIssuerV2(publisher.issuer), OIDCSourceRepositoryURI(publisher.repository_url)])
    for attestation in attestations:
        try:
            signed = Signed.model_validate(attestation)
            verifier.verify_dsse(signed.to_bundle(), by_publisher)
        except (Error, ValueError) as error:
            return f"{_UNVERIFIED}{error}"
        claims = signed.certificate_claims
        uri = claims.get(f"{_FULCIO}18")
        expected = [
            f"{publisher.repository_url}{publisher.workflow_path}@{claims.get(_FULCIO + n)}" for n in ("13", "14")
        ]
        if uri not in expected:
            publisher_shown = f"{publisher.workflow} @ {publisher.repository_url.partition('//')[2].partition('/')[2]}"
            words = (
                f"Certificate's Build Config URI ({uri}) does not match expected Trusted Publisher ({publisher_shown})"
            )
            return f"{_UNVERIFIED}{words}"
        (named,) = signed.statement["subject"]
        if named["name"] != subject[0]:
            return f"{_UNVERIFIED}subject does not match distribution name: {named['name']} != {subject[0]}"
        if named["digest"].get("sha256") != subject[1]:
            return f"{_UNVERIFIED}subject does not match distribution digest"
    return None
