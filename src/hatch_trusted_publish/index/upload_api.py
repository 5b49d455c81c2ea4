"""Uploads: the form for one file, and the meaning of the index's reply.

Pure: a request to send, or what a reply means. PyPI's replies are recorded in tests/pypi-recordings.json.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Final, Literal

from ..artifacts.distribution import Distribution
from ..errors import Message, Scope, UploadError
from ..http.messages import Reply, Request, Upload, form_field, message
from ..http.retries import UPLOAD
from .endpoints import Index
from .mint_api import UploadToken

_BY_WORDS: Final[tuple[tuple[str, str, Scope], ...]] = (
    ("oidc scoped token is not valid for project", "wrong-project", "project"),
    ("non-user identities cannot create new projects", "no-such-project", "project"),
    ("token is expired", "token-expired", "token"),
    ("non-existent authentication", "token-unknown", "token"),
    ("signatures do not match", "token-refused", "token"),
    ("read-only mode", "uploads-disabled", "run"),
    ("uploads are temporarily disabled", "uploads-disabled", "run"),
    ("allowed to upload to project", "project-closed", "run"),
    ("organization account owning this project is inactive", "inactive-organization", "run"),
    ("project size too large", "project-too-large", "run"),
    ("file too large", "file-too-large", "file"),
    ("the name '", "project-name-refused", "run"),
    ("older than 14 days", "release-closed", "run"),
    ("previously used by a file", "name-used-before", "file"),
    ("only one sdist", "second-sdist", "file"),
    ("digest supplied does not match", "digest-mismatch", "file"),
    ("description failed to render", "bad-description", "run"),
    ("a valid classifier", "bad-classifier", "run"),
    ("the classifier '", "bad-classifier", "run"),
    ("error while trying to verify included attestations", "attestations-not-verified", "run"),
    ("invalid attestations", "bad-attestations", "run"),
    ("introduced in metadata version", "old-metadata", "run"),
    ("specifications/core-metadata", "bad-metadata", "run"),
    ("the use of local versions", "bad-metadata", "run"),
)
"""A part of PyPI's words in lower case, the code to report, what it holds for. The first that fits counts."""
_BY_STATUS: Final[Mapping[int, tuple[str, Scope]]] = {
    400: ("file-refused", "file"),
    401: ("token-refused", "token"),
    403: ("upload-forbidden", "run"),
    **dict.fromkeys((404, 405, 410), ("no-uploads-here", "run")),
    408: ("index-failed", "run"),
    413: ("file-too-large", "file"),
    429: ("too-many-requests", "run"),
}


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
        sent: reports the progress, see `Upload`.
    """
    boundary = secrets.token_hex(16)
    fields = [*form(distribution), *([("attestations", attestations)] if attestations else [])]
    head = b"".join(form_field(boundary, name, value) for name, value in fields)
    file = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="content"; filename="{distribution.filename}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    upload = Upload(distribution, boundary, head + file.encode(), sent)
    purpose = Message("uploading", file=distribution.shown, index=index.title)
    return Request(purpose, index.upload_url, upload=upload, basic=token.secret, tries=UPLOAD)


def form(distribution: Distribution) -> list[tuple[str, str]]:
    """Return the fields of the upload form before the file."""
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", distribution.filetype),
        ("pyversion", distribution.python_tag),
        *distribution.fields,
    ]


def read_upload(reply: Reply, distribution: Distribution, index: Index) -> Literal["stored", "taken", "unclear"]:
    """Return whether the file was stored.

    ``taken``: the index has a file of this name, with the same bytes or with others. ``unclear``: the reply
    is a success, but not one that an upload gets. The listing settles both.

    Raises:
        UploadError: the index refused the file.
    """
    if 200 <= reply.status < 300:
        # A proxy's login page is a 200, too.
        is_page = "html" in reply.media_type and b"<" in reply.body
        is_success = reply.status == 200 if index.pypi_rules else reply.status in {200, 201} and not is_page
        return "stored" if is_success else "unclear"
    said = message(reply)
    if reply.status == 409 or "already exists" in said.lower():
        return "taken"
    code, scope = _refusal(reply.status, said)
    if code == "no-uploads-here" and index.status_page is not None:
        code = "index-failed"  # PyPI's URL is not the user's to correct
    facts = {"file": distribution.shown, "index": index.title}
    reason = Message("refused-upload", **facts, status=reply.status, said=said)
    raise UploadError(code, scope=scope, **facts, reason=reason, page=index.status_page)


def _refusal(status: int, said: str) -> tuple[str, Scope]:
    """The code of a rejection, and its scope."""
    words = said.lower()
    for part, code, scope in _BY_WORDS if 400 <= status < 500 else ():
        # A refusal of the metadata quotes them, whatever they say.
        if part in words and (scope != "token" or status in {401, 403}):
            return code, scope
    if status >= 500:
        return "index-failed", "run"
    return _BY_STATUS.get(status, ("no-uploads-here" if status < 400 else "upload-refused", "run"))
