"""The wire: what is asked of an index, and what its replies mean. Nothing here touches the network.

Rules:

- A reply is a value or an error, never "probably fine": what is neither is told with its status.
- PyPI's replies are recorded in tests/pypi-recordings.json.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, NoReturn, TypeAlias

from ..artifacts.distribution import Distribution
from ..errors import ExchangeError, Message, Scope, UploadError, clean
from ..http.messages import Reply, Request, Upload, form_field, json_object, message
from ..http.retries import UPLOAD
from ..secret import Secret
from . import advice
from .endpoints import Endpoints, Index, discovery_url, trusted_endpoint

TOKEN_LIFE: Final = 900.0
"""Seconds, where an index does not say (PEP 807; PyPI's own life time)."""


@dataclass(frozen=True, slots=True)
class UploadToken:
    """A minted token."""

    secret: Secret
    expires: float
    """When it ends, in seconds since the epoch, by the index's clock."""


def ask_discovery(index: Index) -> Request:
    """Where the index exchanges identities (PEP 807)."""
    return Request(
        purpose=Message("asking-endpoints", index=index.title),
        url=discovery_url(index),
        accept="application/vnd.pypi.pytp.v1+json",
    )


def read_discovery(reply: Reply, index: Index) -> Endpoints | None:
    """The endpoints; ``None`` from an index that does not speak PEP 807.

    Raises:
        ExchangeError: it has a fault of its own.
        TrustError: an endpoint is elsewhere.
    """
    if reply.status >= 500 or reply.status in {408, 429}:
        _refuse_exchange(f"was asked where it exchanges identities and answered {reply.status}", index)
    if reply.status != 200 or not reply.media_type.endswith("json"):
        return None
    try:
        found = json_object(reply)
        features = {*_texts(found, "features"), *_texts(found, "default-features")}
    except (ValueError, TypeError):
        _refuse_exchange("says where it exchanges identities, but not in the way of PEP 807", index)
    return Endpoints(
        trusted_endpoint(index, found.get("audience-endpoint"), "an audience endpoint"),
        trusted_endpoint(index, found.get("token-mint-endpoint"), "a token mint endpoint"),
        single_use="single-use-token" in features and "multi-use-token" not in features,
    )


def _texts(found: Mapping[str, object], key: str) -> list[str]:
    texts = found.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError
    return texts


def ask_audience(index: Index, endpoints: Endpoints) -> Request:
    """Which audience an identity token for this index is to have."""
    return Request(purpose=Message("asking-audience", index=index.title), url=endpoints.audience)


def read_audience(reply: Reply, index: Index) -> str:
    """The audience, as the index says it; `index.trusted_audience` judges it.

    Raises:
        ExchangeError: there is none.
    """
    if reply.status == 200:
        try:
            audience = json_object(reply).get("audience")
        except ValueError:
            audience = None
        if isinstance(audience, str) and audience.strip():
            return audience
        _refuse_exchange("was asked for its audience and gave none", index)
    if reply.status == 404:
        _refuse_exchange("has no trusted publishing at the address where it was looked for", index, advice.NO_EXCHANGE)
    said = message(reply)
    _refuse_exchange(f"was asked for its audience and answered {reply.status}{said and ': '}{said}", index)


def ask_mint(index: Index, endpoints: Endpoints, identity: Secret) -> Request:
    """Exchange the identity token. Sent once: `exchange` has the rule for a lost reply."""
    return Request(
        purpose=Message("minting", index=index.title),
        url=endpoints.mint,
        secret_json={"token": identity},
    )


def read_mint(reply: Reply, index: Index, now: float) -> UploadToken:
    """The upload token.

    Raises:
        ExchangeError: the index refused, with its code and what to do about it.
    """
    if reply.status == 200:
        if token := minted(reply, now):
            return token
        _refuse_exchange("took the identity, but gave no usable upload token for it", index)
    code, said = _mint_error(reply)
    problem = (
        f"refused the identity: {code} ({said})"
        if code
        else f"answered {reply.status} to the identity{said and ': '}{said}"
    )
    what_next = advice.NO_EXCHANGE if reply.status == 404 else advice.for_mint(code, said)
    _refuse_exchange(problem, index, what_next, code)


def minted(reply: Reply, now: float) -> UploadToken | None:
    """The token in a reply, if it can be used. Nothing is raised from here: a traceback would show the token."""
    try:
        answer = json_object(reply)
    except ValueError:
        return None
    token, expires = answer.get("token"), answer.get("expires", now + TOKEN_LIFE)
    if not isinstance(expires, (int, float)) or not 0 <= expires < 2**53:
        return None
    # It becomes part of a header and of a mask command: a line break in it would be a line of its own.
    if not isinstance(token, str) or not re.fullmatch("[!-~]{1,16384}", token):
        return None
    return UploadToken(Secret(token), float(expires))


def _mint_error(reply: Reply) -> tuple[str, str]:
    """PyPI's code for a refusal, if there is one, and what it says in words."""
    try:
        errors = json_object(reply).get("errors")
    except ValueError:
        errors = None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        code, said = errors[0].get("code"), errors[0].get("description")
        if isinstance(code, str) and isinstance(said, str):
            return reply.said(code, 60), reply.said(said)
    return "", message(reply)


def ask_burn(index: Index, burn: str, token: UploadToken) -> Request:
    """Make the upload token worthless (PyPI, since 2026)."""
    return Request(
        purpose=Message("burning", index=index.title), url=burn, secret_json={"token": token.secret}, tries=1
    )


def ask_upload(
    index: Index,
    distribution: Distribution,
    token: UploadToken,
    attestations: str = "",
    sent: Callable[[int], None] = lambda _: None,
) -> Request:
    """Upload one file (docs.pypi.org/api/upload).

    Args:
        attestations: a list in JSON (PEP 740), or nothing.
        sent: is told how far it has come, see `Upload`.
    """
    boundary = secrets.token_hex(16)
    fields = [*form(distribution), *([("attestations", attestations)] if attestations else [])]
    head = "".join(form_field(boundary, name, value) for name, value in fields)
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{distribution.filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    upload = Upload(distribution, token.secret, boundary, head.encode(errors="replace"), sent)
    return Request(
        purpose=Message("uploading", file=distribution.shown, index=index.title),
        url=index.upload_url,
        upload=upload,
        tries=UPLOAD,
    )


def form(distribution: Distribution) -> list[tuple[str, str]]:
    """Return the fields of the upload form before the file."""
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", distribution.filetype),
        ("pyversion", distribution.python_tag),
        *distribution.metadata.fields,
    ]


Refusal: TypeAlias = tuple[int | None, str, str, Scope]
_REFUSALS: Final[tuple[Refusal, ...]] = (
    (403, "oidc scoped token is not valid for project", "wrong-project", "project"),
    (400, "non-user identities cannot create new projects", "no-such-project", "project"),
    (403, "token is expired", "token-expired", "token"),
    (401, "token is expired", "token-expired", "token"),
    (403, "non-existent authentication", "token-unknown", "token"),
    (403, "signatures do not match", "token-refused", "token"),
    (401, "", "token-refused", "token"),
    (403, "read-only mode", "uploads-disabled", "run"),
    (403, "temporarily disabled", "uploads-disabled", "run"),
    (403, "allowed to upload to project", "project-closed", "run"),
    (403, "", "upload-forbidden", "run"),
    (None, "organization account owning this project is inactive", "inactive-organization", "run"),
    (None, "project size too large", "project-too-large", "run"),
    (400, "too large", "file-too-large", "file"),
    (413, "", "file-too-large", "file"),
    (400, "the name '", "project-name-refused", "run"),
    (400, "older than 14 days", "release-closed", "run"),
    (400, "previously used", "name-used-before", "file"),
    (400, "only one sdist", "second-sdist", "file"),
    (400, "digest supplied does not match", "digest-mismatch", "file"),
    (400, "description failed to render", "bad-description", "run"),
    (400, "a valid classifier", "bad-classifier", "run"),
    (400, "the classifier '", "bad-classifier", "run"),
    (400, "unknown error while trying to verify included attestations", "attestations-not-verified", "run"),
    (400, "invalid attestations", "bad-attestations", "run"),
    (400, "specifications/core-metadata", "bad-metadata", "run"),
    (400, "the use of local versions", "bad-metadata", "run"),
    (400, "", "file-refused", "file"),
    (429, "", "too-many-requests", "run"),
    (404, "", "no-uploads-here", "run"),
    (405, "", "no-uploads-here", "run"),
    (410, "", "no-uploads-here", "run"),
    (408, "", "index-failed", "run"),
)
"""Status, a part of the index's words in lower case, the code, what it holds for. The first that fits counts."""


def read_upload(reply: Reply, distribution: Distribution, index: Index) -> Literal["stored", "taken", "unclear"]:
    """Whether the file was stored.

    ``taken``: the index has a file of this name, with the same bytes or with others. ``unclear``: the reply
    is a success, but not one that an upload gets. The listing settles both.

    Raises:
        UploadError: the index refused the file.
    """
    if 200 <= reply.status < 300:
        return "stored" if _is_success(reply, index) else "unclear"
    said = message(reply)
    if reply.status == 409 or "already exists" in said.lower():
        return "taken"
    code, scope = refusal(reply.status, said)
    facts = {"file": distribution.shown, "index": index.title}
    reason = Message("refused-upload", **facts, status=reply.status, said=said)
    raise UploadError(code, scope=scope, **facts, reason=reason, page=index.status_page)


def _is_success(reply: Reply, index: Index) -> bool:
    if index.pypi_rules:
        return reply.status == 200
    # A proxy's login page is a 200, too.
    is_page = "html" in reply.media_type and b"<" in reply.body
    return reply.status in {200, 201} and not is_page


def refusal(status: int, said: str) -> tuple[str, Scope]:
    """The code of a refusal, and what it holds for."""
    words = said.lower()
    for known, part, code, scope in _REFUSALS:
        if known in {status, None} and part in words:
            return code, scope
    if status >= 500:
        return "index-failed", "run"
    return ("no-uploads-here", "run") if status < 400 else ("upload-refused", "run")


def _refuse_exchange(problem: str, index: Index, what_next: str = "", code: str = "") -> NoReturn:
    error = ExchangeError(f"{clean(index.name)} {problem}. {what_next or advice.TRY_AGAIN}")
    error.code = code
    raise error
