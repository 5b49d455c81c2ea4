"""The bytes of one file, unchanged since it was first read, and their digest.

Rules:

- The bytes are read once per upload: they are hashed while they are sent.
- Memory stays flat, whatever the size of the file.
- A file that has changed is never sent whole. One change goes unnoticed: a write through a memory map
  that the system has not yet recorded in the file's times.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO, Final

from ..errors import DistributionError

CHUNK: Final = 256 * 1024
"""Bytes per chunk. Measured: each chunk costs more time than the copies that httpcore makes of its rest."""
IN_A_THREAD: Final = 4 * 1024 * 1024
"""Files of this size and above are hashed in a thread of their own."""


def open_file(path: Path) -> BinaryIO:
    """Open a regular file. Opening or reading a pipe in its place could block forever.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 - `Path.open` has no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not a regular file")
    return file


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return what differs after a write, or for another file."""
    # Unlike the time of modification, the time of change cannot be set back. On Windows it is the time of creation.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


class Content:
    """The bytes at one path."""

    def __init__(self, file: BinaryIO, path: Path, shown: str) -> None:
        """Remember the present state of *file*, which is *path* opened."""
        self._path, self._shown = path, shown
        self._stamp = stamp(os.fstat(file.fileno()))
        self._sha256: str | None = None

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self._stamp[0]

    @property
    def known_sha256(self) -> str | None:
        """`sha256`, if the bytes were already read."""
        return self._sha256

    def sha256(self) -> str:
        """Return the digest in hexadecimal: the one that every index checks and PEP 740 signs.

        Raises:
            DistributionError: as `chunks`, if the bytes have to be read first.
        """
        while self._sha256 is None:  # `chunks` sets it at its end, or raises
            for _ in self.chunks():
                pass
        return self._sha256

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes from the start. At the end, the digest is known.

        The last chunk is held back until the file is found unchanged, so that an index never receives
        the whole of a changed file.

        Raises:
            DistributionError: the file has changed or is gone.
        """
        hashing = _Hashing(self.size) if self._sha256 is None else None
        try:
            with open_file(self._path) as file:
                held, left = b"", self.size
                self._check_unchanged(file)
                while left > 0 and (chunk := file.read(min(CHUNK, left))):
                    if hashing is not None:
                        hashing.put(chunk)
                    if held:
                        yield held
                    held, left = chunk, left - len(chunk)
                self._check_unchanged(file)
                if hashing is not None:
                    self._sha256 = hashing.finish()
                yield held
        except OSError as error:
            raise DistributionError("file-gone", file=self._shown, said=error.strerror) from error
        finally:
            if hashing is not None:
                hashing.finish()

    def _check_unchanged(self, file: BinaryIO) -> None:
        if stamp(os.fstat(file.fileno())) != self._stamp:
            raise DistributionError("file-changed", file=self._shown)


class _Hashing:
    """The digest of one stream; a large one is hashed in a thread."""

    def __init__(self, size: int) -> None:
        self._hash = hashlib.sha256()
        self.put: Callable[[bytes], None] = self._hash.update
        self._thread: Thread | None = None
        if size >= IN_A_THREAD:
            queue: Queue[bytes] = Queue(maxsize=4)
            self.put = queue.put
            self._thread = Thread(target=self._drain, args=[queue], daemon=True)
            self._thread.start()

    def finish(self) -> str:
        """Return the digest; a second call changes nothing."""
        if self._thread is not None:
            self.put(b"")
            self._thread.join()
            self._thread = None
        return self._hash.hexdigest()

    def _drain(self, queue: Queue[bytes]) -> None:
        while chunk := queue.get():
            self._hash.update(chunk)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no such flag, and no such pipes
