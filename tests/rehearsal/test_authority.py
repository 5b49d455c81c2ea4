"""The rehearsal's Sigstore rejects what the real one rejects; its signatures are tested in tests/attestations."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hatch_trusted_publish.rehearsal.authority import CERTIFY, LOG, Authority
from hatch_trusted_publish.rehearsal.minting import Trusted
from hatch_trusted_publish.rehearsal.server import hold

from .world import KEY, KID, NOW, OTHER_KEY, identity_token

REFUSED = (400, {"code": 3, "message": "There was an error processing the identity token"})


def _authority() -> Authority:
    return Authority(Trusted(KID, KEY.public_key()), lambda: NOW)


def _request() -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    pem = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(
        serialization.Encoding.PEM
    )
    return json.dumps({"certificateSigningRequest": base64.b64encode(pem).decode()}).encode()


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "pypi"},
        {"aud": ["sigstore"]},
        {"exp": NOW - 60},
        {"iat": NOW + 60},
        {"iss": "https://ci.example"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_token_that_certifies_nothing(changed: Mapping[str, object]) -> None:
    """A token for another audience, outside its lifetime or of an unknown CI is rejected."""
    good = f"Bearer {identity_token(changed={'aud': 'sigstore'})}"
    bad = f"Bearer {identity_token(changed={'aud': 'sigstore', **changed})}"

    assert 200 == _authority().certify(good, _request())[0]
    assert REFUSED == _authority().certify(bad, _request())


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x", "basic"])
def test_no_token(authorization: str) -> None:
    """A missing or malformed token is rejected."""
    assert REFUSED == _authority().certify(authorization, _request())


def test_a_token_of_another_key() -> None:
    """A token signed by another key is rejected."""
    token = identity_token(changed={"aud": "sigstore"}, key=OTHER_KEY)

    assert REFUSED == _authority().certify(f"Bearer {token}", _request())


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"certificateSigningRequest": "QUFB"}'])
def test_no_request_for_a_certificate(body: bytes) -> None:
    """A request without a key is rejected."""
    authorization = f"Bearer {identity_token(changed={'aud': 'sigstore'})}"
    expected = {"code": 3, "message": "The certificate signing request could not be parsed"}

    assert (400, expected) == _authority().certify(authorization, body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"spec": {"proposedContent": {"envelope": "", "verifiers": []}}}']
)
def test_no_entry(body: bytes) -> None:
    """A request that is not an envelope is not logged."""
    expected = {"code": 400, "message": "error processing entry: not an envelope"}

    assert (400, expected) == _authority().log(body)


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_served(provider: str, tmp_path: pytest.TempPathFactory) -> None:
    """The Sigstore runs next to the index; on GitLab, the token for signing is in the job's environment."""
    with hold(provider, tmp_path, ["sample"]) as rehearsal, httpx.Client(trust_env=False) as client:  # type: ignore[arg-type]
        service = json.loads(rehearsal.trust_config)["signingConfig"]["caUrls"][0]["url"]
        assert rehearsal.upload_url == f"{service}/legacy/"
        token = rehearsal.environ.get("SIGSTORE_ID_TOKEN")
        assert (provider == "gitlab") == (token is not None)
        replies = [client.post(f"{service}{path}", content=_request()) for path in (CERTIFY, LOG)]
        assert [400, 400] == [reply.status_code for reply in replies]
        certified = client.post(f"{service}{CERTIFY}", content=_request(), headers={"authorization": f"Bearer {token}"})
        assert (200 if token else 400) == certified.status_code
