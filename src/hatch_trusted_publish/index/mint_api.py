"""The exchange of an identity token for an upload token: discovery, audience, mint, burn.

Pure: a request to send, or what a reply means. PyPI's replies are recorded in tests/pypi-recordings.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus, urljoin, urlsplit

from ..errors import ExchangeError, Message
from ..http.messages import Reply, Request, json_object, message, strict_object
from ..http.retries import can_pass
from ..secret import Secret
from .endpoints import Endpoints, Index
from .origins import LONGEST_AUDIENCE, trusted_endpoint

TOKEN_LIFE: Final = 900.0
"""Seconds, if an index does not say (PEP 807); PyPI's own lifetime."""
_CODES: Final = {
    *("invalid-payload", "not-enabled", "invalid-token", "invalid-reuse-token"),
    *("invalid-pending-publisher", "invalid-publisher"),
}
"""PyPI's own."""
_PAYLOADS: Final = {
    "unknown trusted publishing issuer": "unknown-issuer",
    "temporarily disabled": "not-enabled",
    "The name '": "pending-name-refused",
}
"""Parts of the descriptions of ``invalid-payload`` that say more, with the codes to report."""


@dataclass(frozen=True, slots=True)
class UploadToken:
    """A minted token."""

    secret: Secret
    expires: float
    """Seconds since the epoch, by the index's clock."""


def ask_discovery(index: Index) -> Request:
    """Return the request for the index's exchange endpoints (PEP 807)."""
    upload_url = index.upload_url
    return Request(
        purpose=Message("asking-endpoints", index=index.title),
        url=urljoin(upload_url, f"/.well-known/pytp?discover={quote_plus(urlsplit(upload_url).path)}"),
        accept="application/vnd.pypi.pytp.v1+json",
        quiet=True,
    )


def read_discovery(reply: Reply, index: Index) -> Endpoints | None:
    """Return the endpoints; ``None`` from an index that does not support PEP 807.

    Raises:
        ExchangeError: the index failed, or an endpoint is on another host.
    """
    if can_pass(reply.status):
        raise _failed(reply, index)
    if reply.status != 200 or not reply.media_type.endswith("json"):
        return None
    try:
        found = strict_object(reply.body)
        features = {*_strings(found, "features"), *_strings(found, "default-features")}
    except (ValueError, TypeError):
        raise ExchangeError("malformed-discovery", index=index.title) from None
    audience, mint = (
        trusted_endpoint(index, key, found.get(key)) for key in ("audience-endpoint", "token-mint-endpoint")
    )
    single_use = "single-use-token" in features and "multi-use-token" not in features
    return Endpoints(audience, mint, single_use=single_use)


def _strings(found: Mapping[str, object], key: str) -> list[str]:
    texts = found.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError
    return texts


def ask_audience(index: Index, endpoints: Endpoints) -> Request:
    """Ask which audience an identity token for this index needs."""
    return Request(Message("asking-audience", index=index.title), endpoints.audience, quiet=True)


def read_audience(reply: Reply, index: Index) -> str:
    """Return the audience as the index states it; `origins.trusted_audience` judges it.

    Raises:
        ExchangeError: the reply has no audience.
    """
    if reply.status != 200:
        raise _failed(reply, index)
    audience = json_object(reply).get("audience")
    if isinstance(audience, str) and audience.strip() and len(audience) <= LONGEST_AUDIENCE:
        return audience
    raise ExchangeError("no-audience", index=index.title)


def ask_mint(index: Index, endpoints: Endpoints, identity: Secret) -> Request:
    """Exchange the identity token. `identity.exchange` has the rule for a lost reply."""
    return Request(Message("minting", index=index.title), endpoints.mint, token=identity)


def read_mint(reply: Reply, index: Index, now: float) -> UploadToken:
    """Return the upload token.

    Raises:
        ExchangeError: the index refused; the code is PyPI's own where it has one.
    """
    if reply.status == 200:
        if token := minted(reply, now):
            return token
        raise ExchangeError("no-upload-token", reason=Message("reply-without-token", index=index.title))
    errors = _errors(reply)
    if not errors:
        raise _failed(reply, index)
    code, description = next((one for one in errors if one[0] in _CODES), ("identity-refused", ""))
    if code == "invalid-payload":
        code = next((better for part, better in _PAYLOADS.items() if part in description), code)
    facts = {"index": index.title, "said": [f"{code}: {description}" for code, description in errors]}
    # `identity.hints` knows more.
    raise ExchangeError(code, reason=Message("refused-identity", **facts), more=None, **facts)


def minted(reply: Reply, now: float) -> UploadToken | None:
    """Return the token in a reply, if it is usable. Raises nothing: a traceback would show the token."""
    answer = json_object(reply)
    token, expires = answer.get("token"), answer.get("expires", now + TOKEN_LIFE)
    if not isinstance(expires, int | float) or not 0 <= expires < 2**53:
        return None
    # It becomes part of a header and of a mask command: a line break in it would start a line.
    if not isinstance(token, str) or not re.fullmatch("[!-~]{1,16384}", token):
        return None
    return UploadToken(Secret(token), float(expires))


def _errors(reply: Reply) -> list[tuple[str, str]]:
    """PyPI's codes for a refusal, each with its description; empty for any other form."""
    try:
        pairs = [(one["code"], one["description"]) for one in json_object(reply)["errors"]]  # type: ignore[attr-defined]
    except (TypeError, LookupError):
        return []
    if not all(isinstance(text, str) for pair in pairs for text in pair):
        return []
    return [(reply.said(code), reply.said(description)) for code, description in pairs]


def _failed(reply: Reply, index: Index) -> ExchangeError:
    """The error for a reply without PyPI's codes."""
    reason = Message("exchange-reply", index=index.title, status=reply.status, said=message(reply))
    if reply.status == 404 and index.status_page is None:
        return ExchangeError("no-exchange", index=index.title, reason=reason, table=index.table)
    return ExchangeError("exchange-failed", index=index.title, reason=reason, page=index.status_page)


def ask_burn(index: Index, burn: str, token: UploadToken) -> Request:
    """Make the upload token worthless (PyPI, since 2026)."""
    purpose = Message("burning", index=index.title)
    return Request(purpose, burn, token=token.secret, tries=1, last=True)
