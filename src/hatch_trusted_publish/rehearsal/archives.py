"""What PyPI looks for inside a wheel or an sdist. Touches nothing but the file it is given."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
from collections.abc import Sequence
from typing import BinaryIO, Final

_BAD: Final = "Invalid distribution file. "
_END: Final = b"PK\x05\x06"
_END_SIZE: Final = 22
_LONGEST_COMMENT: Final = 0xFFFF


def refused_sdist(filename: str, file: BinaryIO, licenses: Sequence[str]) -> str | None:
    """Why the sdist cannot be taken."""
    names = _zip_names(file) if filename.endswith(".zip") else _tar_names(file)
    if isinstance(names, str):
        return names
    # The folder that all the members share, whatever it is called.
    top = posixpath.commonpath([posixpath.join("/", name) for name in names])[1:]
    info = posixpath.join(top, "PKG-INFO")
    if info not in names:
        return f"{_BAD}PKG-INFO not found at {info}"
    return _license(filename, top, names, licenses)


def refused_wheel(filename: str, file: BinaryIO, licenses: Sequence[str]) -> str | None:
    """Why the wheel cannot be taken."""
    names = _zip_names(file)
    if isinstance(names, str):
        return names
    folder = dist_info(filename)
    if f"{folder}/WHEEL" not in names:
        return f"{_BAD}WHEEL not found at {folder}/WHEEL"
    for name in ("METADATA", "RECORD"):
        if f"{folder}/{name}" not in names:
            return f"Wheel {filename!r} does not contain the required {name} file: {folder}/{name}"
    return _license(filename, f"{folder}/licenses", names, licenses)


def dist_info(filename: str) -> str:
    """The folder with a wheel's metadata, by the wheel's file name."""
    name, version = filename.split("-")[:2]
    return f"{name}-{version}.dist-info"


def wheel_metadata(filename: str, file: BinaryIO) -> bytes:
    """The core metadata file of a wheel that was found good."""
    with zipfile.ZipFile(file) as archive:
        return archive.read(f"{dist_info(filename)}/METADATA")


def _license(filename: str, folder: str, names: Sequence[str], licenses: Sequence[str]) -> str | None:
    for license_file in licenses:
        place = f"{folder}/{license_file}"
        if place not in names:
            return f"License-File {license_file} does not exist in distribution file {filename} at {place}"
    return None


def _zip_names(file: BinaryIO) -> list[str] | str:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return f"{_BAD}File is not a zipfile"
    if _trailing(file):
        # Two readers of such a file may see two different archives.
        return f"{_BAD}ZIP archive not accepted: Trailing data. See https://docs.pypi.org/archives for more information"
    return names


def _trailing(file: BinaryIO) -> bool:
    """Whether bytes follow the end of a zip archive."""
    size = file.seek(0, 2)
    file.seek(-min(size, _END_SIZE + _LONGEST_COMMENT), 2)
    tail = file.read()
    end = tail.rindex(_END)
    comment = int.from_bytes(tail[end + _END_SIZE - 2 : end + _END_SIZE], "little")
    return len(tail) != end + _END_SIZE + comment


def _tar_names(file: BinaryIO) -> list[str] | str:
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            names = archive.getnames()
    except (tarfile.TarError, OSError, EOFError):
        names = []
    # An empty archive has no folder to look in either.
    return names or f"{_BAD}File is not a tarfile"
