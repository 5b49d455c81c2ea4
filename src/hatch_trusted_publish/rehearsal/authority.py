"""The parts of Sigstore that a signature needs: Fulcio certifies a key, and Rekor logs the signature.

Rules, as the real ones have them:

- Fulcio checks the token's signature, times and audience, and writes the claims into the certificate.
- A certificate names the log that it is in (RFC 6962). It is valid for ten minutes, so its time counts.
- An entry in the log is returned with a proof and a signed promise. Here each entry has its own log.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .minting import Trusted, verified
from .publishers import GitHub, GitLab, Google

Reply: TypeAlias = tuple[int, dict[str, Any]]

AUDIENCE: Final = "sigstore"
CERTIFY: Final = "/api/v2/signingCert"
LOG: Final = "/api/v1/log/entries"
_LIFE: Final = timedelta(minutes=10)
_FULCIO: Final = "1.3.6.1.4.1.57264.1."
_EXTENSIONS: Final = {
    GitHub.issuer: {
        "12": "https://github.com/{repository}",
        "13": "{sha}",
        "14": "{ref}",
        "18": "https://github.com/{workflow_ref}",
    },
    GitLab.issuer: {
        "12": "https://gitlab.com/{project_path}",
        "13": "{sha}",
        "14": "{ref_path}",
        "18": "https://{ci_config_ref_uri}",
    },
    Google.issuer: {},
}
"""Numbers of Fulcio's extensions (oid-info.md in github.com/sigstore/fulcio), each with its claims."""
_LOGGED: Final = "1.3.6.1.4.1.11129.2.4.2"


class Authority:
    """A Sigstore. Its keys live as long as this object."""

    def __init__(self, trusted: Trusted, clock: Callable[[], float], life: timedelta = _LIFE) -> None:
        """
        Args:
            life: of a certificate.
        """
        self._trusted, self._clock, self._life = trusted, clock, life
        self._root_key, self._ct_key, self._log_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rehearsal")])
        key = self._root_key.public_key()
        self._begins = datetime.fromtimestamp(int(clock()), UTC) - timedelta(hours=1)
        self._root = (
            x509.CertificateBuilder(name, name, key, x509.random_serial_number())
            .not_valid_before(self._begins)
            .not_valid_after(self._begins + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .sign(self._root_key, hashes.SHA256())
        )
        self._entries = 0

    def certify(self, authorization: str, body: bytes) -> Reply:
        """Answer as Fulcio: certify the key in *body*."""
        claims = verified(authorization.removeprefix("Bearer "), self._trusted, AUDIENCE, self._clock())
        if claims is None or claims["iss"] not in _EXTENSIONS:
            return 400, {"code": 3, "message": "There was an error processing the identity token"}
        try:
            request = x509.load_pem_x509_csr(base64.b64decode(json.loads(body)["certificateSigningRequest"]))
        except (ValueError, KeyError, TypeError):
            return 400, {"code": 3, "message": "The certificate signing request could not be parsed"}
        chain = [self._certificate(request, claims), self._root]
        pem = [certificate.public_bytes(Encoding.PEM).decode() for certificate in chain]
        return 200, {"signedCertificateEmbeddedSct": {"chain": {"certificates": pem}}}

    def _certificate(self, request: x509.CertificateSigningRequest, claims: Mapping[str, object]) -> x509.Certificate:
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        name, extensions = _said(claims)
        key = request.public_key()
        builder = (
            x509.CertificateBuilder(self._root.subject, x509.Name([]), key, x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=1))
            .not_valid_after(now + self._life)
            .add_extension(_usage("digital_signature"), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._root_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        )
        for number, value in extensions.items():
            builder = builder.add_extension(_extension(_FULCIO + number, value), critical=False)
        # The log signs the certificate as it is before the log's own timestamp is added.
        before = builder.sign(self._root_key, hashes.SHA256()).tbs_certificate_bytes
        stamp = struct.pack("!BBQH", 0, 0, int(self._clock() * 1000), 1)
        issuer = _key_id(self._root_key)
        entry = stamp + issuer + len(before).to_bytes(3) + before + bytes(2)
        signature = _signed(self._ct_key, entry)
        timestamp = bytes(1) + _key_id(self._ct_key) + stamp[2:10] + bytes(2) + b"\x04\x03" + _sized(signature)
        logged = _extension(_LOGGED, _der(0x04, _sized(_sized(timestamp))))
        return builder.add_extension(logged, critical=False).sign(self._root_key, hashes.SHA256())

    def log(self, body: bytes) -> Reply:
        """Answer as Rekor: log the envelope in *body*."""
        try:
            proposed = json.loads(body)["spec"]["proposedContent"]
            envelope, [verifier] = proposed["envelope"], proposed["verifiers"]
            [signature] = [each["sig"] for each in json.loads(envelope)["signatures"]]
            payload = base64.b64decode(json.loads(envelope)["payload"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            return 400, {"code": 400, "message": "error processing entry: not an envelope"}
        entry = {
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {
                "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(envelope.encode()).hexdigest()},
                "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
                "signatures": [{"signature": signature, "verifier": verifier}],
            },
        }
        logged = _canonical(entry)
        leaf = hashlib.sha256(b"\0" + logged).digest()
        log_id = _key_id(self._log_key)
        note = f"rehearsal\n1\n{base64.b64encode(leaf).decode()}\n"
        sign = base64.b64encode(log_id[:4] + _signed(self._log_key, note.encode())).decode()
        self._entries += 1
        promised = {
            "body": base64.b64encode(logged).decode(),
            "integratedTime": int(self._clock()),
            "logID": log_id.hex(),
            "logIndex": self._entries,
        }
        verification = {
            "inclusionProof": {
                "checkpoint": f"{note}\n\u2014 rehearsal {sign}\n",
                "hashes": [],
                "logIndex": 0,
                "rootHash": leaf.hex(),
                "treeSize": 1,
            },
            "signedEntryTimestamp": base64.b64encode(_signed(self._log_key, _canonical(promised))).decode(),
        }
        return 201, {leaf.hex(): {**promised, "verification": verification}}

    def trust_config(self, url: str) -> str:
        """Return what a client needs to sign with this Sigstore at *url* and to verify: `ClientTrustConfig` in JSON."""
        since = {"start": self._begins.strftime("%Y-%m-%dT%H:%M:%SZ")}
        service = {"url": url, "majorApiVersion": 1, "validFor": since, "operator": "rehearsal"}
        root = base64.b64encode(self._root.public_bytes(Encoding.DER)).decode()
        media_type = "application/vnd.dev.sigstore."
        config = {
            "mediaType": f"{media_type}clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": f"{media_type}trustedroot+json;version=0.1",
                "tlogs": [_log(self._log_key, url, since)],
                "certificateAuthorities": [
                    {
                        "subject": {"organization": "rehearsal", "commonName": "rehearsal"},
                        "uri": url,
                        "certChain": {"certificates": [{"rawBytes": root}]},
                        "validFor": since,
                    }
                ],
                "ctlogs": [_log(self._ct_key, url, since)],
                "timestampAuthorities": [],
            },
            "signingConfig": {
                "mediaType": f"{media_type}signingconfig.v0.2+json",
                "caUrls": [service],
                "oidcUrls": [],
                "rekorTlogUrls": [service],
                "rekorTlogConfig": {"selector": "ANY"},
                "tsaUrls": [],
                "tsaConfig": {"selector": "ANY"},
            },
        }
        return json.dumps(config)


def _said(claims: Mapping[str, object]) -> tuple[x509.GeneralName, dict[str, bytes]]:
    """Return the certificate's name, and the extensions that PyPI compares with a publisher."""
    issuer = str(claims["iss"])
    extensions = {"1": issuer.encode(), "8": _der(0x0C, issuer.encode())}
    if issuer == Google.issuer:
        return x509.RFC822Name(str(claims["email"])), extensions
    values = {number: value.format_map(claims) for number, value in _EXTENSIONS[issuer].items()}
    extensions |= {number: _der(0x0C, value.encode()) for number, value in values.items()}
    # The name is that of the workflow with the job, the Build Config URI that of the workflow that was started.
    uri = f"https://github.com/{claims['job_workflow_ref']}" if issuer == GitHub.issuer else values["18"]
    return x509.UniformResourceIdentifier(uri), extensions


def _usage(*allowed: str) -> x509.KeyUsage:
    names = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in allowed for name in names})


def _extension(number: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(number), value)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8)
    return bytes([tag]) + (size if len(content) < 128 else bytes([0x80 | len(size)]) + size) + content


def _sized(content: bytes) -> bytes:
    """Prefix the length, as TLS does."""
    return len(content).to_bytes(2) + content


def _signed(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_public(key)).digest()


def _canonical(value: object) -> bytes:
    """Serialize by RFC 8785, for values without fractions and non-ASCII letters."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _log(key: ec.EllipticCurvePrivateKey, url: str, since: Mapping[str, str]) -> dict[str, Any]:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": base64.b64encode(_public(key)).decode(),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": since,
        },
        "logId": {"keyId": base64.b64encode(_key_id(key)).decode()},
    }
