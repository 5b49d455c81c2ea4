"""The uploads that PyPI rejects before it looks at the release. Pure.

Each rule returns the answer, or nothing. `uploading` has their order.
"""

from __future__ import annotations

import re
from typing import Final

from ..artifacts.metadata import Fields
from .answers import Answer
from .store import Switches

_NAME: Final = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE)
_SEE: Final = "See https://packaging.python.org/specifications/core-metadata for more information."
_DIGESTS: Final = {
    "md5_digest": (32, "MD5"),
    "sha256_digest": (64, "SHA256"),
    "blake2_256_digest": (64, "BLAKE2"),
}


def bad(reason: str) -> Answer:
    """Return the answer to a malformed file or form."""
    return Answer(400, reason)


def action(form: Fields) -> Answer | None:
    """Refuse everything except an upload."""
    actions = [value for name, value in form if name == ":action"]
    if actions == ["file_upload"]:
        return None
    if actions == ["submit"]:
        return Answer(
            410,
            "Project pre-registration is no longer required or supported, upload your files instead.",
        )
    return Answer(405)


def switched_off(switches: Switches, details: str) -> Answer | None:
    """Refuse uploads that an administrator stopped."""
    if switches.read_only:
        return Answer(403, "Read-only mode: Uploads are temporarily disabled.")
    if not switches.uploads:
        return Answer(403, f"New uploads are temporarily disabled. {details}")
    return None


def form_fields(form: Fields) -> Answer | None:
    """Check the fields that describe the file, and the name of the project."""
    fields = dict(form)
    if fields.get("protocol_version", "1") != "1":
        return bad("Unknown protocol version.")
    name = fields.get("name", "")
    if not _NAME.fullmatch(name):
        return bad(
            f"{name!r} is an invalid value for Name. Error: Start and end with a letter or "
            f"numeral containing only ASCII numeric and '.', '_' and '-'. {_SEE}"
        )
    for field, (length, algorithm) in _DIGESTS.items():
        if field in fields and not re.fullmatch(rf"[A-Fa-f0-9]{{{length}}}", fields[field]):
            return _invalid(field, f"Use a valid, hex-encoded, {algorithm} message digest.")
    if not (filetype := fields.get("filetype")):
        return _invalid("filetype", "This field is required.")
    if filetype not in ("sdist", "bdist_wheel"):
        return _invalid("filetype", "Use a known file type.")
    if filetype == "sdist" and fields.get("pyversion", "source") != "source":
        return _invalid("pyversion", "Use 'source' as Python version for an sdist.")
    if filetype == "bdist_wheel" and not fields.get("pyversion"):
        return _invalid("pyversion", "Python version is required for binary distribution uploads.")
    if not fields.keys() & _DIGESTS.keys():
        return bad("Error: Include at least one message digest.")
    return None


def _invalid(field: str, problem: str) -> Answer:
    return bad(f"Invalid value for {field}. Error: {problem}")


def file_name(filename: str, media_type: str | None) -> Answer | None:
    """Check the name and the media type of the file."""
    if "/" in filename or "\\" in filename:
        return bad(r"Cannot upload a file with '/' or '\' in the name.")
    if not filename.endswith((".tar.gz", ".whl", ".zip")):
        return bad(
            "Invalid file extension: Use .tar.gz, .whl or .zip extension. See "
            "https://www.python.org/dev/peps/pep-0527 and https://peps.python.org/pep-0715/ for "
            "more information"
        )
    if (media_type or "").startswith("image/"):
        return bad("Invalid distribution file.")
    return None
