"""Zip files that read differently from their two ends."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.pypi import zips

IN_ZIP_64 = 0xFFFFFFFF


def extra(kind: int, value: bytes) -> bytes:
    return struct.pack("<2H", kind, len(value)) + value


def zip_64(*numbers: int) -> bytes:
    return extra(1, struct.pack(f"<{len(numbers)}Q", *numbers))


def local(
    name: bytes = b"a",
    data: bytes = b"xyz",
    fields: bytes = b"",
    flags: int = 0,
    method: int = 0,
    sizes: tuple[int, int] | None = None,
) -> bytes:
    """Return the header of one file, and the file; *sizes* are those in the header, packed and unpacked."""
    packed, unpacked = (len(data), len(data)) if sizes is None else sizes
    head = struct.pack("<2x2H8x2L2H", flags, method, packed, unpacked, len(name), len(fields))
    return b"PK\3\4" + head + name + fields + data


def central(name: bytes = b"a", comment: bytes = b"", fields: bytes = b"") -> bytes:
    return b"PK\1\2" + struct.pack("<24x3H12x", len(name), len(fields), len(comment)) + name + fields + comment


def end(count: int, size: int, start: int, on_disk: int | None = None, comment: bytes = b"") -> bytes:
    numbers = (count if on_disk is None else on_disk, count, size, start, len(comment))
    return b"PK\5\6" + struct.pack("<4x2H2LH", *numbers) + comment


def end_64(count: int, size: int, start: int, on_disk: int | None = None, length: int = 44) -> bytes:
    return b"PK\6\6" + struct.pack("<Q12x4Q", length, count if on_disk is None else on_disk, count, size, start)


LOCATOR = b"PK\6\7" + bytes(16)
FIRST, RECORD = local(), central()
END = end(1, len(RECORD), len(FIRST))
END_64 = end_64(1, len(RECORD), len(FIRST))
WHOLE = FIRST + RECORD + END
SIZES = {"a": (3, 3)}


def problem(data: bytes, sizes: Mapping[str, tuple[int, int]] = SIZES) -> str | None:
    try:
        zips.check(io.BytesIO(data), sizes)
    except zipfile.BadZipFile as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("data", "sizes"),
    [
        pytest.param(WHOLE, SIZES, id="plain"),
        pytest.param(end(0, 0, 0), {}, id="empty"),
        pytest.param(FIRST + RECORD + end(1, len(RECORD), len(FIRST), comment=b"hello"), SIZES, id="comment"),
        pytest.param(FIRST + RECORD + END_64 + LOCATOR + end(0xFFFF, IN_ZIP_64, IN_ZIP_64), SIZES, id="zip64 end"),
        *[
            pytest.param(head + RECORD + end(1, len(RECORD), len(head)), SIZES, id=f"zip64 {name}")
            for name, head in {
                "empty": local(fields=zip_64()),
                "one size": local(fields=zip_64(3), sizes=(IN_ZIP_64, IN_ZIP_64)),
                "one size, other in header": local(fields=zip_64(3), sizes=(0, 3)),
                "both sizes": local(fields=zip_64(3, 3), sizes=(IN_ZIP_64, IN_ZIP_64), method=8),
                "packed size": local(fields=zip_64(9, 3), sizes=(IN_ZIP_64, 3), method=8),
                "place": local(fields=zip_64(3, 3, 0), sizes=(IN_ZIP_64, IN_ZIP_64)),
                "Unicode path": local(fields=extra(0x7075, b"\1\0\0\0\0\xc3\xa9")),
                "other fields twice": local(fields=extra(0x5455, b"x") * 2),
            }.items()
        ],
    ],
)
def test_valid(data: bytes, sizes: Mapping[str, tuple[int, int]]) -> None:
    """The output of common tools is accepted."""
    assert problem(data, sizes) is None


def bad_local(head: bytes) -> bytes:
    return head + RECORD + end(1, len(RECORD), len(head))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(FIRST * 2 + RECORD + END, "Duplicate filename in local headers", id="local twice"),
        pytest.param(FIRST + RECORD * 2 + END, "Duplicate filename in central directory", id="record twice"),
        pytest.param(FIRST + RECORD + central(b"b") + END, "Missing filename in local headers", id="no local header"),
        pytest.param(bad_local(local(b"b")), "Filename not in central directory", id="no record"),
        pytest.param(bad_local(local(b"a\x1b")), "Invalid character in filename", id="escape"),
        pytest.param(FIRST + central(b"a\x7f") + END, "Invalid character in filename", id="DEL in a record"),
        pytest.param(bad_local(local(b"\xff")), "Filename not unicode", id="not in UTF-8"),
        pytest.param(bad_local(local(flags=8)), "ZIP contains a data descriptor", id="data descriptor"),
        pytest.param(bad_local(local(sizes=(2, 3))), "Mis-matched data size", id="packed size"),
        pytest.param(bad_local(local(sizes=(3, 2))), "Mis-matched file size", id="unpacked size"),
        pytest.param(bad_local(local(fields=b"\1\0")), "Malformed zip file", id="short field"),
        pytest.param(bad_local(local(fields=b"\1\0\2\0x")), "Malformed zip file", id="cut field"),
        pytest.param(bad_local(local(fields=extra(1, b"x"))), "Malformed zip file", id="zip64 of one byte"),
        pytest.param(
            bad_local(local(fields=zip_64(), sizes=(IN_ZIP_64, 3))), "Malformed zip file", id="zip64 without a size"
        ),
        pytest.param(
            bad_local(local(fields=zip_64(3), method=8)), "Malformed zip file", id="one zip64 size of a packed file"
        ),
        pytest.param(
            bad_local(local(fields=zip_64(3, 3) * 2)), "Invalid duplicate extra in local file", id="zip64 twice"
        ),
        pytest.param(
            bad_local(local(fields=extra(0x7075, b"\1\0\0\0\0\xff"))), "Filename not valid UTF-8", id="Unicode path"
        ),
        pytest.param(
            bad_local(local(fields=extra(0x7075, b"\1\0\0\0\0a\n"))), "Invalid character in filename", id="line break"
        ),
        pytest.param(FIRST + central(comment=b"c") + END, "Comment in central directory", id="comment of a member"),
        pytest.param(b"#!/bin/sh\n" + WHOLE, "Unknown record signature", id="prepended"),
        pytest.param(FIRST + b"x" + RECORD + END, "Unknown record signature", id="between"),
        pytest.param(FIRST + RECORD + END_64 + b"PK\7\7" + END, "Unknown record signature", id="after the zip64 end"),
        pytest.param(WHOLE + b"x", "Trailing data", id="trailing"),
        pytest.param(WHOLE[:-2] + b"\1\0", "Trailing data", id="a missing comment"),
        pytest.param(WHOLE[:-1], "Malformed zip file", id="truncated"),
        pytest.param(FIRST[:20], "Malformed zip file", id="truncated header"),
        pytest.param(FIRST, "Malformed zip file", id="no end"),
        pytest.param(
            FIRST + RECORD + end(1, len(RECORD), len(FIRST), on_disk=0), "Malformed zip file", id="several disks"
        ),
        pytest.param(FIRST + RECORD + END_64 + END, "Malformed zip file", id="no locator"),
        pytest.param(
            FIRST + RECORD + end_64(1, len(RECORD), len(FIRST), on_disk=2) + LOCATOR + END,
            "Malformed zip file",
            id="several disks, zip64",
        ),
        pytest.param(
            FIRST + RECORD + end_64(1, len(RECORD), len(FIRST), length=45) + LOCATOR + END,
            "ZIP64 extensible data not allowed",
            id="extensible data",
        ),
        pytest.param(
            FIRST + RECORD + end(2, len(RECORD), len(FIRST)), "Mismatched central directory records", id="count"
        ),
        pytest.param(FIRST + RECORD + end(1, 1, len(FIRST)), "Mismatched central directory size", id="size"),
        pytest.param(FIRST + RECORD + end(1, len(RECORD), 0), "Mismatched central directory offset", id="offset"),
        pytest.param(
            FIRST + RECORD + end_64(1, 1, len(FIRST)) + LOCATOR + END,
            "Mismatched central directory size",
            id="size, zip64",
        ),
    ],
)
def test_two_faces(data: bytes, said: str) -> None:
    """A contradiction between the two ends, or data that only one reader knows, is named in PyPI's words."""
    assert said == problem(data)


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(st.text("abcü/", min_size=1, max_size=5), st.binary(max_size=100), max_size=4),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.lists(st.tuples(st.integers(0, 999), st.binary(max_size=8), st.integers(0, 8)), max_size=3),
)
def test_any_zip(files: Mapping[str, bytes], method: int, changes: list[tuple[int, bytes, int]]) -> None:
    """Output of zipfile is accepted; a changed copy is accepted or rejected without a crash."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        sizes = {one.orig_filename: (one.compress_size, one.file_size) for one in archive.filelist}
    data = file.getvalue()
    assert problem(data, sizes) is None
    for offset, new, length in changes:
        start = offset % (len(data) + 1)
        data = data[:start] + new + data[start + length :]
    assert problem(data, sizes) != ""
