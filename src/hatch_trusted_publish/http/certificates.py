"""Which certificates are trusted, and which one is shown to the index."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from ..errors import NetworkError


@dataclass(frozen=True, slots=True)
class Certificates:
    """Paths of certificate files."""

    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None

    @property
    def trusted(self) -> str:
        """The source of the trusted CAs, as ``SSL_CERT_FILE=path``; empty for the usual ones."""
        named = {"ca-cert": self.ca_cert} | {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
        return next((f"{name}={path}" for name, path in named.items() if path), "")

    def context(self) -> ssl.SSLContext:
        """Load the files.

        Raises:
            NetworkError: one of them cannot be used.
        """
        path = self.trusted.partition("=")[2]
        try:
            if not path:
                context = httpx.create_ssl_context(trust_env=False)
            elif Path(path).is_dir():
                context = ssl.create_default_context(capath=path)
            else:
                context = ssl.create_default_context(cafile=path)
            if self.client_cert is not None:
                # Without a password given, OpenSSL would ask for one on the terminal.
                context.load_cert_chain(self.client_cert, self.client_key, password="")  # nosec B106 # none
        except (OSError, ValueError) as error:
            files = ", ".join(filter(None, (self.trusted, self.client_cert, self.client_key)))
            raise NetworkError(
                "unusable-certificate", was_sent=False, can_pass=False, files=files, said=words(error)
            ) from None
        return context


def words(error: BaseException) -> str:
    """Return the system's words about a failure; for other errors the type, since the words may quote the request."""
    said = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or type(error).__name__
    return str(said).removesuffix(".")
