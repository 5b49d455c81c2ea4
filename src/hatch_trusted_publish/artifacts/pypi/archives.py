"""The rules of PyPI for the inside of a wheel or sdist."""

from __future__ import annotations

import csv
import posixpath
import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from ...errors import DistributionError
from ..archive import BROKEN, LARGEST_DIRECTORY, open_wheel, sdist_members
from ..filenames import dist_info
from . import zips

BAD: Final = "Invalid distribution file. "
LARGEST_SCANNED: Final = 5 * 1024**2
"""Bytes of a Python file that is searched for what PyPI forbids."""
_RATIO: Final = 50
_SMALLEST_BOMB: Final = 64 * 1024**2
_SEE: Final = "See https://docs.pypi.org/archives for more information"
_POLICY: Final = "See https://pypi.org/policy/acceptable-use-policy/ for more information."
# Written so that no pattern matches this file: PyPI scans it as well.
_FORBIDDEN: Final = {
    re.compile(
        rb"__pyarmor__\(__name__, __file__,|__pyarmor_(enter|exit|assert|bcc)__"
    ): f"PyArmor-encrypted content is not allowed. {_POLICY}",
    re.compile(
        rb"(?s)\A(?=.*-{3}BEGIN PYE FILE-{3})(?=.*-{3}END PYE FILE-{3})"
    ): f"SourceDefender-encrypted content is not allowed. {_POLICY}",
}
_ENTRY_POINT: Final = re.compile(r"[\w.-]+")


def refusals(file: BinaryIO, filename: str, license_files: Sequence[str]) -> Iterator[str]:
    """Yield PyPI's words about the contents of a wheel or sdist, in PyPI's order.

    A file that is not a sound archive gets one reason.
    """
    file.seek(0)
    try:
        yield from (_sdist if filename.endswith(".tar.gz") else _zip)(file, filename, license_files)
    except (*BROKEN, DistributionError):
        file.seek(0)
        is_no_tar = filename.endswith(".tar.gz") and not _is_tar(file)
        yield f"{BAD}{'File is not a tarfile' if is_no_tar else None}"


def _is_tar(file: BinaryIO) -> bool:
    try:
        return tarfile.is_tarfile(file)
    except EOFError:  # it starts like one
        return True


def _zip(file: BinaryIO, filename: str, license_files: Sequence[str]) -> Iterator[str]:
    if not zipfile.is_zipfile(file):
        yield f"{BAD}File is not a zipfile"
        return
    with open_wheel(file, filename) as archive:
        members = archive.infolist()
        unpacked = sum(member.file_size for member in members)
        if unpacked > max(_SMALLEST_BOMB, _RATIO * file.seek(0, 2)):
            yield f"{BAD}File exceeds compression ratio of {_RATIO}"
            return
        if any(member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} for member in members):
            yield f"{BAD}File does not use a supported compression type"
            return
        is_wheel = filename.endswith(".whl")
        directory = dist_info(filename) if is_wheel else _top(member.filename for member in members)
        needed = "WHEEL" if is_wheel else "PKG-INFO"
        names = set(archive.namelist())
        if (place := posixpath.join(directory, needed)) not in names:
            yield f"{BAD}{needed} not found at {place}"
            return
        _read(archive, place)  # its checksum may be wrong
        try:
            zips.check(file, {member.orig_filename: (member.compress_size, member.file_size) for member in members})
        except zipfile.BadZipFile as error:
            yield f"{BAD}ZIP archive not accepted: {error}. {_SEE}"
            return
        scanned = (one for one in members if _is_scanned(one.filename, one.file_size))
        if said := _forbidden(archive.read(member) for member in scanned):
            yield f"{BAD}{said}"
            return
        licenses = posixpath.join(directory, "licenses") if is_wheel else directory
        yield from _missing_licenses(filename, licenses, license_files, names)
        if is_wheel:
            yield from _dist_info(archive, filename, directory, names)


def _dist_info(archive: zipfile.ZipFile, filename: str, directory: str, names: set[str]) -> Iterator[str]:
    for name in ("RECORD", "METADATA"):
        if f"{directory}/{name}" not in names or (name == "RECORD" and not _is_record(archive, f"{directory}/{name}")):
            yield f"Wheel {filename!r} does not contain the required {name} file: {directory}/{name}"
    place = f"{directory}/entry_points.txt"
    if place in names and not _are_entry_points(_read(archive, place)):
        yield f"Wheel {filename!r} has invalid entry points defined in the entry_points.txt file"


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as member:
        return member.read(LARGEST_DIRECTORY)


def _is_record(archive: zipfile.ZipFile, name: str) -> bool:
    try:
        return all(csv.reader(_read(archive, name).decode().splitlines()))  # PyPI answers 500 to an empty line
    except (UnicodeDecodeError, csv.Error):
        return False


def _are_entry_points(content: bytes) -> bool:
    import configparser  # most wheels have none

    class CaseSensitive(configparser.ConfigParser):
        def optionxform(self, optionstr: str) -> str:
            return optionstr

    parser = CaseSensitive(delimiters=("=",))
    try:
        parser.read_string(content.decode())
        scripts = [
            name for section in ("console_scripts", "gui_scripts") if section in parser for name in parser[section]
        ]
    except (UnicodeDecodeError, configparser.Error):
        return False
    return all(_ENTRY_POINT.fullmatch(name) for name in scripts)


def _sdist(file: BinaryIO, filename: str, license_files: Sequence[str]) -> Iterator[str]:
    top: str | None = None
    is_sparse = False
    said = ""
    found: set[str] = set()
    endings = tuple(f"/{name}" for name in ("PKG-INFO", *license_files))
    for member, content in sdist_members(file, filename):
        name = member.name.removeprefix("./")
        top = _top([name] if top is None else [top, name])
        is_sparse |= member.issparse()
        if name.endswith(endings):
            found.add(member.name)  # PyPI looks for it without the "./"
        if content is not None and _is_scanned(name, member.size):
            said = said or _forbidden([content.read()])
    if is_sparse:
        yield f"{BAD}tar archive not accepted: Sparse members are not allowed. {_SEE}"
    elif not top:
        yield f"{BAD}Incorrect number of top-level directories in sdist"
    elif f"{top}/PKG-INFO" not in found:
        yield f"{BAD}PKG-INFO not found at {top}/PKG-INFO"
    elif said:
        yield f"{BAD}{said}"
    else:
        yield from _missing_licenses(filename, top, license_files, found)


def _top(names: Iterable[str]) -> str:
    """Return the directory that all members share, or nothing."""
    try:
        return posixpath.commonpath(list(names)).strip("/.")
    except ValueError:  # no names, or absolute and relative ones
        return ""


def _missing_licenses(filename: str, directory: str, license_files: Sequence[str], names: set[str]) -> Iterator[str]:
    for name in license_files:
        if (place := posixpath.join(directory, name)) not in names:
            yield f"License-File {name} does not exist in distribution file {filename} at {place}"


def _is_scanned(name: str, size: int) -> bool:
    return posixpath.splitext(name)[1].lower() in {".py", ".pye"} and size <= LARGEST_SCANNED


def _forbidden(contents: Iterable[bytes]) -> str:
    """Return PyPI's words about the first file with forbidden content."""
    return next((said for content in contents for pattern, said in _FORBIDDEN.items() if pattern.search(content)), "")
