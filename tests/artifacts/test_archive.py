"""The core metadata inside broken, unusual and hostile archives."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.archive import LARGEST_METADATA, LARGEST_SDIST, sdist_metadata, wheel_metadata
from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import DistributionError, Message
from tests.support.helpers import core_metadata, in_ascii

WHEEL = "sample-1.0-py3-none-any.whl"
SDIST = "sample-1.0.tar.gz"
METADATA = "sample-1.0.dist-info/METADATA"
PKG_INFO = "sample-1.0/PKG-INFO"
BOMB = 120 * 1024**2
"""Bytes that a small file unpacks to."""
LITTLE = 80 * 1024**2
"""Bytes of memory for reading anything: far below what the bombs unpack to."""

ZipMember = tuple[zipfile.ZipInfo, bytes]
TarMember = tuple[tarfile.TarInfo, bytes]


def zip_of(*members: ZipMember) -> bytes:
    """Return a zip file with exactly these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # two members of one name are intended
        for info, data in members:
            archive.writestr(info, data)
    return file.getvalue()


def entry(name: str = METADATA, data: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> ZipMember:
    info = zipfile.ZipInfo(name)
    info.compress_type = compression
    return info, core_metadata() if data is None else data


def link(name: str = METADATA) -> ZipMember:
    """Return METADATA as a symbolic link, as zip files of Unix store it."""
    info, _ = entry(name)
    info.create_system = 3
    info.external_attr = 0o120777 << 16
    return info, b"/etc/passwd"


def patched(data: bytes, local: tuple[int, bytes], central: tuple[int, bytes]) -> bytes:
    """Return a zip file of one member with other bytes at offsets of its two headers."""
    changed = bytearray(data)
    for magic, (offset, value) in ((b"PK\x03\x04", local), (b"PK\x01\x02", central)):
        start = data.index(magic) + offset
        changed[start : start + len(value)] = value
    return bytes(changed)


def member(name: str = PKG_INFO, data: bytes | None = None, **changes: object) -> TarMember:
    info = tarfile.TarInfo(name)
    content = core_metadata() if data is None else data
    info.size = len(content)
    for key, value in changes.items():
        setattr(info, key, value)
    return info, content


def tar_of(*members: TarMember, end: bytes = bytes(1024)) -> bytes:
    """Return a gzipped tar file of these members, whatever their headers claim."""
    blocks = [info.tobuf() + data + bytes(-len(data) % 512) for info, data in members]
    return gzip.compress(b"".join([*blocks, end]), 1)


def broken_header() -> bytes:
    block = bytearray(member()[0].tobuf())
    block[0:4] = b"SAMP"  # the checksum is of another name
    return bytes(block)


def sparse_header(*, is_extended: bool) -> bytes:
    """Return the header of a GNU sparse file, old style."""
    header = bytearray(tarfile.TarInfo(PKG_INFO).tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[482] = is_extended
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def global_header(number: int) -> TarMember:
    """Return a pax header of half a megabyte that applies to all members after it, under its own key."""
    record = b"500013 a%d=%s\n" % (number, b"x" * 500_000)
    return member("g", record, type=tarfile.XGLTYPE)


def written(directory: Path, name: str, data: bytes) -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


def refusal(path: Path) -> Message:
    with pytest.raises(DistributionError) as caught:
        Distribution.read(path, path.name)
    message = caught.value.message
    return Message(
        message.code, **{name: str(fact) if name == "said" else fact for name, fact in message.facts.items()}
    )


def wheel(code: str, **facts: object) -> Message:
    return Message(code, file=WHEEL, **facts)


def sdist(code: str, **facts: object) -> Message:
    return Message(code, file=SDIST, **facts)


SOUND_WHEEL = zip_of(entry("sample.py", b""), entry(compression=zipfile.ZIP_DEFLATED))
SOUND_SDIST = tar_of(member("sample-1.0/sample.py", b"pass"), member())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"no zip", wheel("broken-wheel", said="File is not a zip file"), id="not a zip"),
        pytest.param(b"", wheel("broken-wheel", said="File is not a zip file"), id="empty"),
        pytest.param(SOUND_WHEEL[:-30], wheel("broken-wheel", said="File is not a zip file"), id="truncated"),
        pytest.param(
            SOUND_WHEEL.replace(b"Metadata-Version: 2.4", b"Metadata-Version: 9.4").replace(
                b"PK\x03\x04", b"PK\x03\x05"
            ),
            wheel("broken-wheel", said="Bad magic number for file header"),
            id="bad member",
        ),
        pytest.param(
            zip_of(entry()).replace(b"Version: 1.0", b"Version: 1.1"),
            wheel("broken-wheel", said=f"Bad CRC-32 for file '{METADATA}'"),
            id="bad checksum",
        ),
        pytest.param(
            patched(zip_of(entry()), (6, b"\x01"), (8, b"\x01")),
            wheel("packed-metadata", expected=METADATA),
            id="encrypted",
        ),
        pytest.param(
            patched(zip_of(entry()), (8, b"\x63\x00"), (10, b"\x63\x00")),
            wheel("packed-metadata", expected=METADATA),
            id="unknown compression",
        ),
        pytest.param(
            zip_of(entry(compression=zipfile.ZIP_BZIP2)),
            wheel("packed-metadata", expected=METADATA),
            id="bzip2",
        ),
        pytest.param(
            zip_of(entry(compression=zipfile.ZIP_LZMA)),
            wheel("packed-metadata", expected=METADATA),
            id="lzma",
        ),
        pytest.param(zip_of(), wheel("no-metadata", expected=METADATA), id="no members"),
        pytest.param(zip_of(entry("METADATA")), wheel("no-metadata", expected=METADATA), id="METADATA at the top"),
        pytest.param(zip_of(entry(f"x/{METADATA}")), wheel("no-metadata", expected=METADATA), id="METADATA too deep"),
        pytest.param(zip_of(entry(), entry()), wheel("repeated-metadata", expected=METADATA), id="double METADATA"),
        pytest.param(
            zip_of(entry(), entry("other-1.0.dist-info/METADATA")),
            wheel("repeated-metadata", expected=METADATA),
            id="two dist-infos",
        ),
        pytest.param(
            zip_of(entry("other-1.0.dist-info/METADATA")),
            wheel("misplaced-metadata", found="other-1.0.dist-info/METADATA", expected=METADATA),
            id="other dist-info",
        ),
        pytest.param(
            zip_of(entry("sample-1.0.dist-info\\METADATA")), wheel("no-metadata", expected=METADATA), id="a backslash"
        ),
        pytest.param(
            zip_of(entry(f"{METADATA}_more")).replace(b"METADATA_more", b"METADATA\0more"),
            wheel("misplaced-metadata", found=f"{METADATA}\0more", expected=METADATA),
            id="a name that is cut when it is read",
        ),
        pytest.param(
            zip_of(entry("e\x1b[2Jvil-1.0.dist-info/METADATA")),
            wheel("misplaced-metadata", found="e\x1b[2Jvil-1.0.dist-info/METADATA", expected=METADATA),
            id="escapes in a name",
        ),
        pytest.param(
            zip_of(entry(), *(entry(f"{number:060000}", b"") for number in range(176))),
            wheel("large-zip-directory", limit=10),
            id="large table of contents",
        ),
        pytest.param(zip_of(link()), wheel("metadata-not-a-file", expected=METADATA), id="link"),
        pytest.param(
            zip_of(entry(data=bytes(LARGEST_METADATA + 1), compression=zipfile.ZIP_DEFLATED)),
            wheel("large-metadata", limit=4),
            id="one byte above the limit",
        ),
    ],
)
def test_bad_wheel(tmp_path: Path, data: bytes, message: Message) -> None:
    """A broken, unusual or hostile wheel is refused with the reason."""
    assert message == refusal(written(tmp_path, WHEEL, data))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"no gzip", sdist("broken-sdist", said="Not a gzipped file (b'no')"), id="not gzip"),
        pytest.param(b"", sdist("broken-sdist", said="empty file"), id="empty"),
        pytest.param(
            SOUND_SDIST[:-12],
            sdist("broken-sdist", said="Compressed file ended before the end-of-stream marker was reached"),
            id="truncated gzip",
        ),
        pytest.param(
            SOUND_SDIST[:-4],
            sdist("broken-sdist", said="Compressed file ended before the end-of-stream marker was reached"),
            id="truncated after the archive's end",
        ),
        pytest.param(
            SOUND_SDIST[:-8] + bytes(8),
            sdist("broken-sdist", said=f"CRC check failed 0x0 != {zlib.crc32(gzip.decompress(SOUND_SDIST)):#x}"),
            id="bad checksum",
        ),
        pytest.param(
            SOUND_SDIST + b"more",
            sdist("broken-sdist", said="Not a gzipped file (b'mo')"),
            id="data after the gzip",
        ),
        pytest.param(
            gzip.compress(b"no tar" * 100),
            sdist("broken-sdist", said="invalid header"),
            id="not a tar",
        ),
        pytest.param(
            tar_of(member(data=b"", size=600), end=bytes(512)),
            sdist("broken-sdist", said="unexpected end of data"),
            id="truncated tar",
        ),
        pytest.param(
            tar_of(member(), end=broken_header()),
            sdist("broken-sdist", said="a broken header, or data after the end"),
            id="broken second header",
        ),
        pytest.param(
            tar_of(member(), end=member("sample-1.0/x")[0].tobuf()[:100]),
            sdist("broken-sdist", said="a broken header, or data after the end"),
            id="truncated second header",
        ),
        pytest.param(
            tar_of(member(), end=bytes(1024) + b"more"),
            sdist("broken-sdist", said="a broken header, or data after the end"),
            id="data after the end",
        ),
        pytest.param(
            gzip.compress(sparse_header(is_extended=True)),
            sdist("broken-sdist", said="index out of range"),
            id="truncated sparse header",
        ),
        pytest.param(tar_of(), sdist("no-metadata", expected="PKG-INFO"), id="no members"),
        pytest.param(tar_of(member("sample-1.0/x")), sdist("no-metadata", expected="PKG-INFO"), id="no PKG-INFO"),
        pytest.param(tar_of(member("PKG-INFO")), sdist("no-metadata", expected="PKG-INFO"), id="PKG-INFO at the top"),
        pytest.param(
            tar_of(member("sample-1.0/src/PKG-INFO")), sdist("no-metadata", expected="PKG-INFO"), id="PKG-INFO too deep"
        ),
        pytest.param(tar_of(member(), member()), sdist("repeated-metadata", expected="PKG-INFO"), id="double PKG-INFO"),
        pytest.param(
            tar_of(member(), member("other-1.0/PKG-INFO")),
            sdist("repeated-metadata", expected="PKG-INFO"),
            id="PKG-INFO in two directories",
        ),
        *[
            pytest.param(
                tar_of(member(data=b"", type=kind, linkname="sample-1.0/x")),
                sdist("metadata-not-a-file", expected="PKG-INFO"),
                id=name,
            )
            for name, kind in {
                "symlink": tarfile.SYMTYPE,
                "hardlink": tarfile.LNKTYPE,
                "directory": tarfile.DIRTYPE,
                "pipe": tarfile.FIFOTYPE,
                "device": tarfile.CHRTYPE,
            }.items()
        ],
        pytest.param(
            gzip.compress(sparse_header(is_extended=False)),
            sdist("metadata-not-a-file", expected="PKG-INFO"),
            id="sparse",
        ),
        pytest.param(
            tar_of(member(data=b"", size=1024**3)),
            sdist("broken-sdist", said="unexpected end of data"),
            id="claims 1 GB",
        ),
        pytest.param(
            tar_of(member(data=bytes(LARGEST_METADATA + 1))),
            sdist("large-metadata", limit=4),
            id="one byte above the limit",
        ),
        pytest.param(
            tar_of(member("h", data=b"", type=tarfile.XHDTYPE, size=1024**3)),
            sdist("large-tar-header", limit=1),
            id="pax header claims 1 GB",
        ),
        pytest.param(
            tar_of(member("h", data=b"", type=tarfile.GNUTYPE_LONGNAME, size=1024**3)),
            sdist("large-tar-header", limit=1),
            id="long name claims 1 GB",
        ),
        pytest.param(
            tar_of(member("sample-1.0/x", data=b"", size=LARGEST_SDIST)),
            sdist("large-sdist", limit=8),
            id="member claims 8 GiB",
        ),
    ],
)
def test_bad_sdist(tmp_path: Path, data: bytes, message: Message) -> None:
    """A broken, unusual or hostile sdist is refused with the reason."""
    assert message == refusal(written(tmp_path, SDIST, data))


def negative(kind: bytes) -> bytes:
    """Return an sdist with a member whose size is written as a negative number (GNU's base-256)."""
    header = bytearray(member("sample-1.0/x", data=b"", type=kind)[0].tobuf())
    header[124:136] = struct.pack(">12s", b"\xff" * 10 + b"\xfc\x00")
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return gzip.compress(member()[0].tobuf() + bytes(512) + header + bytes(4096))


@pytest.mark.parametrize(
    "kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME], ids=["file", "pax", "long name"]
)
def test_negative_size(tmp_path: Path, kind: bytes) -> None:
    """A negative size neither loops over the same header nor reads without a limit."""
    path = written(tmp_path, SDIST, negative(kind))

    assert SDIST == refusal(path).facts["file"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        pytest.param(
            WHEEL,
            lambda: zip_of(entry(data=bytes(BOMB), compression=zipfile.ZIP_DEFLATED)),
            id="METADATA deflated",
        ),
        pytest.param(
            WHEEL, lambda: zip_of(entry(data=bytes(BOMB), compression=zipfile.ZIP_BZIP2)), id="METADATA bzip2"
        ),
        pytest.param(
            WHEEL,
            lambda: patched(
                zip_of(entry()), (18, struct.pack("<2I", 2**30, 2**30)), (20, struct.pack("<2I", 2**30, 2**30))
            ),
            id="METADATA claims 1 GB",
        ),
        pytest.param(SDIST, lambda: tar_of(member(data=bytes(BOMB))), id="PKG-INFO"),
        pytest.param(
            SDIST,
            lambda: tar_of(member("h", data=b"9" * BOMB, type=tarfile.XHDTYPE)),
            id="pax header",
        ),
        pytest.param(
            SDIST,
            lambda: tar_of(
                *[one for i in range(100, 350) for one in (global_header(i), member(f"sample-1.0/{i}", b""))]
            ),
            id="global pax headers",
        ),
        pytest.param(SDIST, lambda: tar_of(member(), end=bytes(1024) + bytes(BOMB) + b"x"), id="data after the end"),
    ],
)
def test_bounded_memory(tmp_path: Path, name: str, data: Callable[[], bytes]) -> None:
    """A bomb is refused, and takes little memory whatever it claims or unpacks to."""
    path = written(tmp_path, name, data())
    tracemalloc.start()
    try:
        message = refusal(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < LITTLE
    assert message.facts.get("said") != ""  # some errors of zipfile have no text


@pytest.mark.slow
def test_many_members(tmp_path: Path) -> None:
    """An sdist of very many files is read in little memory."""
    path = written(tmp_path, SDIST, tar_of(*[member(f"sample-1.0/{i}", b"") for i in range(20_000)], member()))
    tracemalloc.start()
    try:
        Distribution.read(path, path.name)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 20 * 1024**2


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([member()], id="only PKG-INFO"),
        pytest.param([member(f"./{PKG_INFO}")], id="dot"),
        pytest.param([member("sample-1.0/src/sample.egg-info/PKG-INFO", b""), member()], id="egg-info"),
        pytest.param([member("sample-1.0/" + "x" * 300, b"pass"), member()], id="long name"),
        pytest.param([member("sample-1.0/x", b"", type=tarfile.SYMTYPE, linkname="y" * 300), member()], id="long link"),
        pytest.param([member("sample-1.0/x", mtime=1.5), member()], id="fraction of a second"),
        pytest.param([global_header(100), member()], id="global header"),
    ],
)
@pytest.mark.parametrize(
    "form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["ustar", "gnu", "pax"]
)
def test_valid_sdist(members: list[TarMember], form: Literal[0, 1, 2]) -> None:
    """PKG-INFO is found in the output of common tools."""
    try:
        blocks = [info.tobuf(form) + data + bytes(-len(data) % 512) for info, data in members]
    except ValueError:  # ustar has no room for long names
        blocks = [member()[0].tobuf(form) + core_metadata().ljust(512, b"\0")]
    data = gzip.compress(b"".join([*blocks, bytes(10240)]), 1)

    assert (core_metadata(), []) == sdist_metadata(io.BytesIO(data), SDIST)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_largest_metadata(compression: int) -> None:
    """Metadata just below the limit are read whole, and other dist-infos are ignored."""
    content = core_metadata(description="x" * (LARGEST_METADATA - len(core_metadata())))
    data = zip_of(entry(data=content, compression=compression), entry("sample/x-1.dist-info/METADATA"))

    assert len(content) == LARGEST_METADATA
    assert content == wheel_metadata(io.BytesIO(data), WHEEL, WHEEL)
    assert (content, []) == sdist_metadata(io.BytesIO(tar_of(member(data=content))), SDIST)


def with_checksums(data: bytes) -> bytes:
    """Return a tar file in which every block that looks like a header has the right checksum."""
    blocks = []
    for start in range(0, len(data), 512):
        block = bytearray(data[start : start + 512])
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % sum(block)
        blocks.append(bytes(block))
    return b"".join(blocks)


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 4095),
        st.sampled_from(
            [b"", b"\0", b"\xff", b"x", b"g", b"S", b"K", b"-", b"9", b"\xff" * 12, b"7" * 12, b"\x80" + b"\xff" * 11]
        )
        | st.binary(max_size=16),
        st.sampled_from([0, 1, 4, 12, 512]),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, changes: list[tuple[int, bytes, int]]) -> bytes:
    for offset, new, length in changes:
        start = offset % (len(data) + 1)
        data = data[:start] + new + data[start + length :]
    return data


def read_or_refused(path: Path) -> object:
    try:
        return Distribution.read(path, path.name).shown
    except DistributionError as error:
        return error.message.facts["file"]


@settings(deadline=None, max_examples=300)
@given(CHANGES)
def test_any_wheel(tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[int, bytes, int]]) -> None:
    """Whatever the bytes of a wheel are, it is read or refused."""
    path = tmp_path_factory.getbasetemp() / WHEEL
    path.write_bytes(changed(SOUND_WHEEL, changes))

    assert path.name == read_or_refused(path)


@settings(deadline=None, max_examples=300)
@given(CHANGES, st.booleans(), st.booleans())
def test_any_sdist(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[int, bytes, int]],
    has_checksums: bool,
    is_packed: bool,
) -> None:
    """Whatever the bytes of an sdist are, inside the gzip or outside, it is read or refused."""
    data = gzip.decompress(SOUND_SDIST)
    if is_packed:
        data = gzip.compress(with_checksums(changed(data, changes)) if has_checksums else changed(data, changes), 1)
    else:
        data = changed(SOUND_SDIST, changes)
    path = tmp_path_factory.getbasetemp() / SDIST
    path.write_bytes(data)

    assert path.name == read_or_refused(path)


def test_files_that_are_looked_for() -> None:
    """The requested names that an sdist contains are returned, without its top-level directory."""
    data = tar_of(member(data=core_metadata()), member("sample-1.0/notes.txt"), member("./sample-1.0/a/b.py"))
    held = sdist_metadata(io.BytesIO(data), SDIST, {"notes.txt", "a/b.py", "PKG-INFO.txt", "elsewhere"})[1]
    assert ["notes.txt", "a/b.py"] == held


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
def test_files_that_are_looked_for_in_ascii(tmp_path: Path, form: int) -> None:
    """The names in an sdist are read as UTF-8, whatever the encoding of this machine."""
    with tarfile.open(tmp_path / SDIST, "w:gz", format=form, encoding="utf-8") as archive:
        for info, data in (member(), member("sample-1.0/ü")):
            archive.addfile(info, io.BytesIO(data))
    code = (
        "import sys\n"
        "from hatch_trusted_publish.artifacts.archive import sdist_metadata\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    print(ascii(sdist_metadata(file, 'x', {'\\xfc'})[1]))"
    )
    assert "['\\xfc']\n" == in_ascii(code, tmp_path / SDIST)
