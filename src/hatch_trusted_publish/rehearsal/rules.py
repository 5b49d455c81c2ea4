"""What PyPI refuses by the form, the file's name and the release. Pure.

Each rule gives the answer that refuses, or nothing. `uploading` has their order.
"""

from __future__ import annotations

import re
from typing import Final

from packaging.utils import (
    InvalidWheelFilename,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from .answers import Answer
from .metadata import Form
from .store import Switches

_NAME: Final = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE)
_SEE: Final = "See https://packaging.python.org/specifications/core-metadata for more information."
_DIGESTS: Final = {
    "md5_digest": (32, "MD5"),
    "sha256_digest": (64, "SHA256"),
    "blake2_256_digest": (64, "BLAKE2"),
}
_PLATFORM: Final = re.compile(
    r"any|win32|win_(amd64|arm64|ia64)|linux_armv[67]l"
    r"|manylinux(1|2010|2014|_\d+_\d+)_\w+|musllinux_\d+_\d+_\w+"
    r"|macosx_\d+_\d+_\w+|ios_\d+_\d+_\w+|android_\d+_\w+|(pyodide|pyemscripten)_\d+_\d+_wasm32"
)


def bad(reason: str) -> Answer:
    """A file or form that PyPI calls malformed."""
    return Answer(400, reason)


def action(form: Form) -> Answer | None:
    """What the form asks for; PyPI does one thing only."""
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
    """Whether an administrator stopped all uploads."""
    if switches.read_only:
        return Answer(403, "Read-only mode: Uploads are temporarily disabled.")
    if not switches.uploads:
        return Answer(403, f"New uploads are temporarily disabled. {details}")
    return None


def form_fields(form: Form) -> Answer | None:
    """The fields that describe the file, and the name of the project."""
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
    """The name and type that the file is sent with, before any project is looked at."""
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


def sdist_name(filename: str, name: str, version: Version) -> Answer | None:
    """An sdist has one name only."""
    suffix = ".zip" if filename.endswith(".zip") else ".tar.gz"
    expected = f"{_normalized(name)}-{version}{suffix}"
    if filename == expected:
        return None
    return bad(f"Filename {filename!r} is invalid, should be {expected!r}.")


def wheel_name(filename: str, name: str, version: Version) -> Answer | None:
    """A wheel's name tells project, version and platform."""
    try:
        project, told, _, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        return bad(str(error))
    if project != canonicalize_name(name):
        return bad(f"Start filename for {name!r} with {_normalized(name)!r}.")
    if told != version:
        return bad(f"Version in filename should be {str(version)!r} not {str(told)!r}.")
    for platform in sorted({tag.platform for tag in tags}):
        if not _PLATFORM.fullmatch(platform):
            return bad(f"Binary wheel {filename!r} has an unsupported platform tag {platform!r}.")
    return None


def _normalized(name: str) -> str:
    return canonicalize_name(name).replace("-", "_")
