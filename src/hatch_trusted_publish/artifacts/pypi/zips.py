"""The check that a zip file reads the same from both ends.

Some installers read a zip file by the directory at its end, others from its start, header by header. PyPI rejects a
file that could show each of them other contents (docs.pypi.org/archives).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import BinaryIO, Final
from zipfile import BadZipFile

_LOCAL: Final = b"PK\3\4"
_CENTRAL: Final = b"PK\1\2"
_END: Final = b"PK\5\6"
_END_64: Final = b"PK\6\6"
_LOCATOR_64: Final = b"PK\6\7"
_ZIP_64, _UNICODE_PATH = 0x0001, 0x7075
_IN_ZIP_64: Final = 0xFFFFFFFF
"""Marks a size that is in an extra field instead."""


def check(file: BinaryIO, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Read *file* header by header.

    Args:
        file: a zip file.
        sizes: packed and unpacked, of each member in its directory.

    Raises:
        BadZipFile: the two do not agree; with PyPI's words.
    """
    file.seek(0)
    local: set[bytes] = set()
    while (signature := _read(file, 4)) == _LOCAL:
        name = _local_header(file, sizes)
        if name in local:
            raise BadZipFile("Duplicate filename in local headers")
        local.add(name)
    start = file.tell() - 4
    central: set[bytes] = set()
    while signature == _CENTRAL:
        name = _central_header(file)
        if name in central:
            raise BadZipFile("Duplicate filename in central directory")
        if name not in local:
            raise BadZipFile("Missing filename in local headers")
        central.add(name)
        signature = _read(file, 4)
    found = (len(central), file.tell() - 4 - start, start)
    _check_end(file, signature, found)
    if file.tell() != file.seek(0, 2):  # also before the end: the comment is shorter than its length says
        raise BadZipFile("Trailing data")


def _local_header(file: BinaryIO, sizes: Mapping[str, tuple[int, int]]) -> bytes:
    flags, method, packed, unpacked, name_length, extra_length = struct.unpack("<2x2H8x2L2H", _read(file, 26))
    name, extra = _read_name(file, name_length), _read(file, extra_length)
    seen = set()
    for kind, value in _extra_fields(extra):
        if kind in seen:
            raise BadZipFile("Invalid duplicate extra in local file")
        if kind in {_ZIP_64, _UNICODE_PATH}:
            seen.add(kind)
        if kind == _ZIP_64:
            packed, unpacked = _zip_64_sizes(value, method, packed, unpacked)
        elif kind == _UNICODE_PATH:
            _check_unicode(_printable(value[5:]), "Filename not valid UTF-8")
    if flags & 0x08:
        raise BadZipFile("ZIP contains a data descriptor")
    in_directory = sizes.get(_check_unicode(name, "Filename not unicode"))
    if in_directory is None:
        raise BadZipFile("Filename not in central directory")
    if in_directory[0] != packed:
        raise BadZipFile("Mis-matched data size")
    if in_directory[1] != unpacked:
        raise BadZipFile("Mis-matched file size")
    file.seek(packed, 1)
    return name


def _central_header(file: BinaryIO) -> bytes:
    name_length, extra_length, comment_length = struct.unpack("<24x3H12x", _read(file, 42))
    if comment_length:
        raise BadZipFile("Comment in central directory")
    name = _read_name(file, name_length)
    _read(file, extra_length)
    return name


def _check_end(file: BinaryIO, signature: bytes, found: tuple[int, int, int]) -> None:
    """Compare number, size and place of the directory's records with what its end states."""
    stated = None
    if signature == _END_64:
        length, on_disk, *stated = struct.unpack("<Q12x4Q", _read(file, 52))
        if on_disk != stated[0]:
            raise BadZipFile("Malformed zip file")
        if length != 44:
            raise BadZipFile("ZIP64 extensible data not allowed")
        if (signature := _read(file, 4)) == _END:
            raise BadZipFile("Malformed zip file")
        if signature == _LOCATOR_64:
            _read(file, 16)
            signature = _read(file, 4)
    if signature != _END:
        raise BadZipFile("Unknown record signature")
    on_disk, *short, comment_length = struct.unpack("<4x2H2LH", _read(file, 18))
    if on_disk != short[0]:
        raise BadZipFile("Malformed zip file")
    file.seek(comment_length, 1)
    for what, one, other in zip(("records", "size", "offset"), found, stated or short, strict=True):
        if one != other:
            raise BadZipFile(f"Mismatched central directory {what}")


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    while extra:
        kind, length = struct.unpack("<2H", extra[:4].ljust(4, b"\xff"))
        if length + 4 > len(extra):
            raise BadZipFile("Malformed zip file")
        yield kind, extra[4 : length + 4]
        extra = extra[length + 4 :]


def _zip_64_sizes(value: bytes, method: int, packed: int, unpacked: int) -> tuple[int, int]:
    """Return the valid packed and unpacked size, from the header or from *value*."""
    if len(value) not in {0, 8, 16, 24, 28}:
        raise BadZipFile("Malformed zip file")
    if not value:
        if _IN_ZIP_64 in {packed, unpacked}:
            raise BadZipFile("Malformed zip file")
        return packed, unpacked
    if len(value) == 8 and method != 0:  # one size can be both only without compression
        raise BadZipFile("Malformed zip file")
    sizes = [int.from_bytes(value[place : place + 8], "little") for place in (0, 8)]
    return sizes[0 if len(value) == 8 else 1], sizes[0] if unpacked == _IN_ZIP_64 else unpacked


def _read(file: BinaryIO, count: int) -> bytes:
    if len(data := file.read(count)) != count:
        raise BadZipFile("Malformed zip file")
    return data


def _read_name(file: BinaryIO, count: int) -> bytes:
    return _printable(_read(file, count))


def _printable(name: bytes) -> bytes:
    if any(byte < 0x20 or byte == 0x7F for byte in name):
        raise BadZipFile("Invalid character in filename")
    return name


def _check_unicode(name: bytes, words: str) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        raise BadZipFile(words) from None
