"""A private CA for servers on loopback."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
"""Python 3.13 requires it in a CA certificate."""


class Authority:
    """A CA that signs certificates for loopback."""

    def __init__(self, directory: Path) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
        self.directory = directory
        self.certificate = self._sign(self.name, self.key, x509.BasicConstraints(True, None), _SIGNS_CERTIFICATES)
        self.file = directory / "ca.pem"
        self.file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self,
        name: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *extra: x509.ExtensionType,
        life: dt.timedelta = dt.timedelta(days=1),
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + life)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        for extension in extra:
            builder = builder.add_extension(extension, critical=True)
        return builder.sign(self.key, hashes.SHA256())

    def issue(
        self, label: str, host: str, password: bytes | None = None, life: dt.timedelta = dt.timedelta(days=1)
    ) -> tuple[Path, Path]:
        """Return PEM files with a certificate for *host* and its key. The certificate expires *life* from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [
            x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host),
        ]
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)])
        certificate = self._sign(name, key, x509.SubjectAlternativeName(names), life=life)
        files = self.directory / f"{label}.pem", self.directory / f"{label}.key"
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
        return files

    def server(self, host: str = "127.0.0.1", *, asks: bool = False) -> ssl.SSLContext:
        """Return the TLS context of a server for *host*; with *asks* it requires a client certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue(f"server-{host}", host))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context

    def as_directory(self) -> Path:
        """Return a directory with the CA certificate, under the name by which OpenSSL looks it up."""
        canonical = self.name.public_bytes()[2:]
        number = int.from_bytes(hashlib.sha1(canonical).digest()[:4], "little")
        directory = self.directory / "certs"
        directory.mkdir()
        (directory / f"{number:08x}.0").write_bytes(self.file.read_bytes())
        return directory
