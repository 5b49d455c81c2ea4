"""The bytes of a file, as they were when it was read first; their digest comes along.

Rules:

- The bytes are read once for an upload: they are hashed while they are sent, and never twice.
- Memory stays flat, whatever the file's size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO, Final

from ..errors import DistributionError, clean

CHUNK: Final = 256 * 1024
IN_A_THREAD: Final = 4 * 1024 * 1024
"""Bytes of a file from which on its digest is computed in a thread of its own."""


def refused(shown: str, reason: str, remedy: str = "Build it again, and publish what was built.") -> DistributionError:
    """The error of a file that must not be uploaded."""
    return DistributionError(f"{shown} {reason}. {remedy}")


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """What differs once a file was written to, or is another one."""
    # The time of change cannot be set back, as that of modification can; on Windows it is that of creation.
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _stamp(file: BinaryIO) -> tuple[int, ...]:
    return stamp(os.fstat(file.fileno()))


class Content:
    """The bytes behind one path."""

    def __init__(self, file: BinaryIO, path: Path, shown: str) -> None:
        """
        Args:
            file: *path*, opened: as it is now is how it has to stay.
            shown: how people are told of it.
        """
        self._path, self._shown = path, shown
        self._stamp = _stamp(file)
        self._sha256: str | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return self._stamp[0]

    @property
    def known_sha256(self) -> str | None:
        """`sha256`, if the bytes were read by now."""
        return self._sha256

    def sha256(self) -> str:
        """In hexadecimal. The one digest that every index takes, and PEP 740 signs.

        Raises:
            DistributionError: as `chunks`, if the bytes have to be read for it.
        """
        if self._sha256 is None:
            for _ in self.chunks():
                pass
        assert self._sha256 is not None  # noqa: S101 # nosec B101 # `chunks` ends with it, or raises
        return self._sha256

    def chunks(self) -> Iterator[bytes]:
        """The bytes, from the start; `sha256` is known when they are through.

        The last chunk is held back until the file is known to be what was read first, so that an
        index never gets the whole of a changed file.

        Raises:
            DistributionError: it has changed, or is gone.
        """
        hashing = _Hashing(self.size) if self._sha256 is None else None
        try:
            with self._path.open("rb") as file:
                held = b""
                left = self.size if _stamp(file) == self._stamp else -1
                while left > 0 and (chunk := file.read(min(CHUNK, left))):
                    if hashing is not None:
                        hashing.put(chunk)
                    if held:
                        yield held
                    held = chunk
                    left -= len(chunk)
                if left == 0 and _stamp(file) == self._stamp:
                    if hashing is not None:
                        self._sha256 = hashing.finish()
                    yield held
                    return
        except OSError as error:
            raise refused(self._shown, f"cannot be read any more: {clean(error.strerror)}") from error
        finally:
            if hashing is not None:
                hashing.finish()
        raise refused(
            self._shown,
            "has changed since it was checked, so it was not uploaded",
            "See to it that nothing builds or writes there while the release runs, then run the same command again.",
        )


class _Hashing:
    """The digest of one stream; of a large one, in a thread."""

    def __init__(self, size: int) -> None:
        self._hash = hashlib.sha256()
        self._queue: Queue[bytes] = Queue(maxsize=4)
        self._thread: Thread | None = None
        if size >= IN_A_THREAD:
            self._thread = Thread(target=self._drain, daemon=True)
            self._thread.start()

    def put(self, chunk: bytes) -> None:
        if self._thread is None:
            self._hash.update(chunk)
        else:
            self._queue.put(chunk)

    def finish(self) -> str:
        """Wait for it; a second call finds it ready."""
        if self._thread is not None:
            self._queue.put(b"")
            self._thread.join()
            self._thread = None
        return self._hash.hexdigest()

    def _drain(self) -> None:
        while chunk := self._queue.get():
            self._hash.update(chunk)
