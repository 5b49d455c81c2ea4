"""The bytes of a file, as they were when it was read first; their digests come along.

Rules:

- The bytes are read once for an upload: they are hashed while they are sent.
- Memory stays flat, whatever the file's size.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO, Final

from .errors import DistributionError, clean

CHUNK: Final = 256 * 1024
IN_THREADS: Final = 4 * 1024 * 1024
"""Bytes of a file from which on its two digests are computed in threads of their own."""


def refused(shown: str, reason: str, remedy: str = "Build it again, and publish what was built.") -> DistributionError:
    """The error of a file that must not be uploaded."""
    return DistributionError(f"{shown} {reason}. {remedy}")


def _stamp(file: BinaryIO) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    # The time of change cannot be set back, as that of modification can.
    return status.st_size, status.st_ctime_ns, status.st_ino


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
        self._digests: tuple[str, str] | None = None

    @property
    def size(self) -> int:
        """In bytes."""
        return self._stamp[0]

    @property
    def known_digests(self) -> tuple[str, str] | None:
        """`digests`, if the bytes were read by now."""
        return self._digests

    def digests(self) -> tuple[str, str]:
        """SHA-256, and BLAKE2b with a digest of 32 bytes as PyPI takes it, in hexadecimal.

        Raises:
            DistributionError: as `chunks`, if the bytes have to be read for it.
        """
        if self._digests is None:
            for _ in self.chunks():
                pass
        assert self._digests is not None  # noqa: S101 - `chunks` ends with them, or raises
        return self._digests

    def chunks(self) -> Iterator[bytes]:
        """The bytes, from the start; `digests` is known when they are through.

        The last chunk is held back until the file is known to be what was read first, so that an
        index never gets the whole of a changed file.

        Raises:
            DistributionError: it has changed, or is gone.
        """
        hashing = _Hashing(self.size)
        try:
            with self._path.open("rb") as file:
                held = b""
                left = self.size if _stamp(file) == self._stamp else -1
                while left > 0 and (chunk := file.read(min(CHUNK, left))):
                    hashing.put(chunk)
                    if held:
                        yield held
                    held = chunk
                    left -= len(chunk)
                if left == 0 and _stamp(file) == self._stamp:
                    self._digests = hashing.finish()
                    yield held
                    return
        except OSError as error:
            raise refused(self._shown, f"cannot be read any more: {clean(error.strerror)}") from error
        finally:
            hashing.finish()
        raise refused(
            self._shown,
            "has changed since it was checked, so it was not uploaded",
            "See to it that nothing builds or writes there while the release runs, then run the same command again.",
        )


class _Hashing:
    """Two digests of one stream; of a large one, each in a thread of its own."""

    def __init__(self, size: int) -> None:
        self._hashes = hashlib.sha256(), hashlib.blake2b(digest_size=32)
        self._queues: list[Queue[bytes]] = []
        self._threads: list[Thread] = []
        for one in self._hashes if size >= IN_THREADS else ():
            queue: Queue[bytes] = Queue(maxsize=4)
            thread = Thread(target=_drain, args=(queue, one.update), daemon=True)
            thread.start()
            self._queues.append(queue)
            self._threads.append(thread)

    def put(self, chunk: bytes) -> None:
        for queue in self._queues:
            queue.put(chunk)
        if not self._queues:
            for one in self._hashes:
                one.update(chunk)

    def finish(self) -> tuple[str, str]:
        """Wait for both; a second call finds them ready."""
        while self._queues:
            self._queues.pop().put(b"")
        for thread in self._threads:
            thread.join()
        sha256, blake2b = self._hashes
        return sha256.hexdigest(), blake2b.hexdigest()


def _drain(queue: Queue[bytes], update: Callable[[bytes], None]) -> None:
    while chunk := queue.get():
        update(chunk)
