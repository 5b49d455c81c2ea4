"""The core metadata inside an archive, in bounded memory.

Nothing is unpacked: one member is read, up to `LARGEST_METADATA` bytes of it, whatever the
archive says of its size.
"""

from __future__ import annotations

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Set as AbstractSet
from typing import BinaryIO, Final, cast

from ..errors import DistributionError, clean

LARGEST_METADATA: Final = 2 * 1024 * 1024
"""Bytes of METADATA or PKG-INFO, which can take fifty times as many when they are parsed."""
LARGEST_TABLE: Final = 10 * 1024 * 1024
"""Bytes of a wheel's table of contents, which takes ten times as many: of 80,000 files with long names."""
LARGEST_HEADER: Final = 1024 * 1024
"""Bytes of the headers of one member of an sdist: they hold little more than its name."""
LARGEST_SDIST: Final = 8 * 1024**3
"""Bytes of an unpacked sdist: what is beyond is taken for a bomb."""
_CHUNK: Final = 256 * 1024

BROKEN_ARCHIVE: Final = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    IndexError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What zipfile, gzip and tarfile raise on broken input."""


def wheel_metadata(file: BinaryIO, filename: str) -> bytes:
    """The bytes of the one METADATA of a wheel (PEP 427).

    Raises:
        DistributionError: what stands against it, to follow the path in a sentence.
    """
    expected = "-".join(filename.split("-")[:2]) + ".dist-info/METADATA"
    with zipfile.ZipFile(cast("BinaryIO", _Table(file))) as archive:
        found = [info for info in archive.infolist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", info.filename)]
        _check_count(len(found), expected)
        # As zipfile reads the name (on Windows, with slashes for backslashes), and as it is written.
        for name in (found[0].filename, found[0].orig_filename):
            if name != expected:
                msg = f"holds {clean(name)} where its name asks for {clean(expected)}"
                raise DistributionError(msg)
        if stat.S_ISLNK(found[0].external_attr >> 16):
            msg = "has a METADATA that is a symbolic link"
            raise DistributionError(msg)
        if found[0].flag_bits & 1 or found[0].compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            # zipfile unpacks bzip2 and LZMA without a bound; some installers cannot at all.
            msg = "has a METADATA that is encrypted, or compressed with something else than deflate"
            raise DistributionError(msg)
        with archive.open(found[0]) as member:
            return _read_metadata(cast("BinaryIO", member))


class _Table:
    """A wheel, of which zipfile would read a table of contents of any size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.tell, self.seek, self.seekable = file.tell, file.seek, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_TABLE:
            msg = f"has a table of contents of more than {LARGEST_TABLE // 1024**2} MiB"
            raise DistributionError(msg)
        return self._file.read(size)


def sdist_metadata(file: BinaryIO, wanted: AbstractSet[str] = frozenset()) -> tuple[bytes, list[str]]:
    """The bytes of the one PKG-INFO of an sdist (PEP 643), and which of the files *wanted* it holds.

    Raises:
        DistributionError: as `wheel_metadata`.
    """
    found: list[bytes] = []
    held: list[str] = []
    with gzip.open(file) as unpacked:
        stream = _Bounded(unpacked)
        with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r:", encoding="utf-8") as archive:
            while (member := archive.next()) is not None:
                for kept in ("members", "pax_headers"):
                    vars(archive)[kept].clear()  # a million empty files would fill the memory
                if re.fullmatch(r"(\./)?[^/]+/PKG-INFO", member.name):
                    content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                    if content is None:
                        msg = "has a PKG-INFO that is not a plain file"
                        raise DistributionError(msg)
                    stream.left = LARGEST_METADATA + LARGEST_HEADER
                    found.append(_read_metadata(cast("BinaryIO", content)))
                    _check_count(len(found), "PKG-INFO")
                if (name := member.name.removeprefix("./").partition("/")[2]) in wanted:
                    held.append(name)
                stream.left = LARGEST_HEADER
        stream.finish()
    _check_count(len(found), "PKG-INFO")
    return found[0], held


class _Bounded:
    """The unpacked stream of an sdist, of which tarfile would read and skip whatever a header claims."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream
        self._last = b""
        self.tell = stream.tell
        self.left = LARGEST_HEADER
        """Bytes that may be read before the next member."""

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:  # a negative size would read it all
            msg = f"has a header of more than {LARGEST_HEADER // 1024**2} MiB"
            raise DistributionError(msg)
        self._check_position(self.tell() + size)
        self._last = self._stream.read(size)
        return self._last

    def seek(self, position: int) -> int:
        if position < self.tell():  # tarfile would come to the same header again, for ever
            msg = "a header that leads backwards"
            raise tarfile.ReadError(msg)
        self._check_position(position)
        return self._stream.seek(position)

    def finish(self) -> None:
        """Read to the end, where the checksum is.

        tarfile takes a broken header for the end of the archive, and installers would without a
        word leave out what follows: only zeros may.
        """
        rest = self._last
        while not rest.strip(b"\0") and (rest := self._stream.read(_CHUNK)):
            self._check_position(self.tell())
        if rest:
            msg = "a broken header, or something behind the end"
            raise tarfile.ReadError(msg)

    def _check_position(self, position: int) -> None:
        if position > LARGEST_SDIST:
            msg = f"unpacks to more than {LARGEST_SDIST // 1024**3} GiB"
            raise DistributionError(msg)


def _check_count(count: int, what: str) -> None:
    if count != 1:
        msg = f"has {'no' if count == 0 else 'more than one'} {clean(what)}"
        raise DistributionError(msg)


def _read_metadata(member: BinaryIO) -> bytes:
    text = member.read(LARGEST_METADATA + 1)
    if len(text) > LARGEST_METADATA:
        msg = f"has core metadata of more than {LARGEST_METADATA // 1024**2} MiB"
        raise DistributionError(msg)
    return text
