"""The core metadata inside an archive, read in bounded memory.

Nothing is unpacked to disk. Sizes that an archive claims are not trusted.
"""

from __future__ import annotations

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from gzip import BadGzipFile
from tarfile import TarError
from typing import BinaryIO, Final, cast
from zipfile import BadZipFile

from ..errors import DistributionError
from .filenames import dist_info

LARGEST_METADATA: Final = 4 * 1024**2
"""Bytes of METADATA or PKG-INFO. PyPI accepts at least three million."""
LARGEST_DIRECTORY: Final = 10 * 1024**2
"""Bytes of a wheel's central directory: 80,000 files with long names. In memory it takes ten times as much."""
LARGEST_HEADER: Final = 1024**2
"""Bytes of the headers of one member of an sdist: little more than its name."""
LARGEST_SDIST: Final = 8 * 1024**3
"""Bytes of an unpacked sdist. A larger one is taken for a bomb."""

BROKEN = (BadZipFile, BadGzipFile, TarError, zlib.error, EOFError, IndexError, RuntimeError, ValueError, OverflowError)
"""The exceptions of zipfile, gzip and tarfile for broken input."""


def open_wheel(file: BinaryIO, shown: str) -> zipfile.ZipFile:
    """Open a wheel, unless its central directory would fill the memory.

    Raises:
        DistributionError: it would.
        BROKEN: it is not a zip file.
    """
    return zipfile.ZipFile(cast("BinaryIO", _BoundedReads(file, shown)))


def wheel_metadata(file: BinaryIO, filename: str, shown: str) -> bytes:
    """Return the one METADATA of a wheel (PEP 427).

    Raises:
        DistributionError: it is missing, repeated, or cannot be read.
        BROKEN: it is not a sound zip file.
    """
    expected = f"{dist_info(filename)}/METADATA"
    with open_wheel(file, shown) as archive:
        found = [info for info in archive.infolist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", info.filename)]
        _check_one(len(found), expected, shown)
        info = found[0]
        # zipfile cuts a name at a NUL byte, and replaces backslashes on Windows.
        for name in (info.filename, info.orig_filename):
            if name != expected:
                raise DistributionError("misplaced-metadata", file=shown, found=name, expected=expected)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DistributionError("metadata-not-a-file", file=shown, expected=expected)
        # zipfile unpacks bzip2 and LZMA without a bound, and some installers cannot read them.
        if info.flag_bits & 1 or info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise DistributionError("packed-metadata", file=shown, expected=expected)
        with archive.open(info) as member:
            return _read_metadata(cast("BinaryIO", member), shown)


def sdist_metadata(file: BinaryIO, shown: str, wanted: AbstractSet[str] = frozenset()) -> tuple[bytes, list[str]]:
    """Return the one PKG-INFO of an sdist (PEP 643), and which of the files *wanted* it contains.

    Raises:
        DistributionError: it is missing, repeated, or cannot be read.
        BROKEN: it is not a sound gzipped tar file.
    """
    metadata: list[bytes] = []
    contained: list[str] = []
    for member, content in sdist_members(file, shown):
        if re.fullmatch(r"(\./)?[^/]+/PKG-INFO", member.name):
            if content is None:
                raise DistributionError("metadata-not-a-file", file=shown, expected="PKG-INFO")
            metadata.append(_read_metadata(content, shown))
            _check_one(len(metadata), "PKG-INFO", shown)
        if (name := member.name.removeprefix("./").partition("/")[2]) in wanted:
            contained.append(name)
    _check_one(len(metadata), "PKG-INFO", shown)
    return metadata[0], contained


def sdist_members(file: BinaryIO, shown: str) -> Iterator[tuple[tarfile.TarInfo, BinaryIO | None]]:
    """Yield each member of an sdist, with its content if it is a plain file.

    Raises:
        DistributionError: a header or the whole is too large.
        BROKEN: it is not a sound gzipped tar file.
    """
    with gzip.open(file) as unpacked:
        stream = _BoundedStream(unpacked, shown)
        with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r:", encoding="utf-8") as archive:
            while (member := archive.next()) is not None:
                for kept in ("members", "pax_headers"):
                    vars(archive)[kept].clear()  # a million empty files would fill the memory
                content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                stream.left = LARGEST_METADATA + LARGEST_HEADER
                yield member, cast("BinaryIO | None", content)
                stream.left = LARGEST_HEADER
        stream.finish()


class _BoundedReads:
    """A zip file whose central directory zipfile would read at any size."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._file, self._shown = file, shown
        self.tell, self.seek, self.seekable = file.tell, file.seek, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > LARGEST_DIRECTORY:
            raise DistributionError("large-zip-directory", file=self._shown, limit=LARGEST_DIRECTORY // 1024**2)
        return self._file.read(size)


class _BoundedStream:
    """The unpacked bytes of an sdist, of which tarfile would read or skip whatever a header claims."""

    def __init__(self, stream: gzip.GzipFile, shown: str) -> None:
        self._stream, self._shown = stream, shown
        self._last = b""
        self.tell = stream.tell
        self.left = LARGEST_HEADER
        """Bytes that may be read before the next member."""

    def read(self, size: int) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:  # a negative size would read everything
            raise DistributionError("large-tar-header", file=self._shown, limit=LARGEST_HEADER // 1024**2)
        self._check_position(self.tell() + size)
        self._last = self._stream.read(size)
        return self._last

    def seek(self, position: int) -> int:
        if position < self.tell():  # tarfile would loop over the same header
            raise TarError("a header points backwards")
        self._check_position(position)
        return self._stream.seek(position)

    def finish(self) -> None:
        """Read to the end, where the checksum is.

        tarfile takes a broken header for the end of the archive, and installers silently leave out what
        follows. Only zeros may follow.
        """
        rest = self._last
        while not rest.strip(b"\0") and (rest := self._stream.read(LARGEST_HEADER)):
            self._check_position(self.tell())
        if rest:
            raise TarError("a broken header, or data after the end")

    def _check_position(self, position: int) -> None:
        if position > LARGEST_SDIST:
            raise DistributionError("large-sdist", file=self._shown, limit=LARGEST_SDIST // 1024**3)


def _check_one(count: int, expected: str, shown: str) -> None:
    if count != 1:
        raise DistributionError("repeated-metadata" if count else "no-metadata", file=shown, expected=expected)


def _read_metadata(member: BinaryIO, shown: str) -> bytes:
    text = member.read(LARGEST_METADATA + 1)
    if len(text) > LARGEST_METADATA:
        raise DistributionError("large-metadata", file=shown, limit=LARGEST_METADATA // 1024**2)
    return text
