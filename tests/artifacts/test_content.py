"""The bytes of a file, as they were when it was first read, and their digest."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.content import CHUNK, IN_A_THREAD, Content, open_file, stamp
from hatch_trusted_publish.errors import DistributionError, Message

NAME = "x.tar.gz"
CHANGED = Message("file-changed", file=NAME)
SMALL, LARGE = 3 * CHUNK + 17, IN_A_THREAD + 17
SIZES = pytest.mark.parametrize("size", [SMALL, LARGE], ids=["here", "in a thread"])


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def write(directory: Path, data: bytes) -> Content:
    path = directory / NAME
    path.write_bytes(data)
    with path.open("rb") as file:
        return Content(file, path, NAME)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def open_files() -> list[str]:
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def threads_more_than(before: list[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in before]


@SIZES
def test_chunks(size: int, tmp_path: Path) -> None:
    """The bytes are those of the file, on every read, in chunks of bounded size."""
    data = noise(size)
    content = write(tmp_path, data)
    lengths = [len(chunk) for chunk in content.chunks()]

    assert (data, data) == (b"".join(content.chunks()), b"".join(content.chunks()))
    assert [CHUNK] * (size // CHUNK) + [17] == lengths
    assert size == content.size


@SIZES
def test_hashed_while_handed_out(size: int, tmp_path: Path) -> None:
    """The digest is known after the last byte, and not before; no thread is left."""
    before = threading.enumerate()
    data = noise(size)
    content = write(tmp_path, data)
    seen = [content.known_sha256 for _ in content.chunks()]

    # The last block arrives after the file has been checked for changes.
    assert {None} == set(seen[:-1])
    assert (digest(data), digest(data)) == (content.known_sha256, content.sha256())
    assert [] == threads_more_than(before)


@SIZES
def test_a_digest_that_is_known(size: int, tmp_path: Path) -> None:
    """A file that was read once is not read again for its digest."""
    data = noise(size)
    content = write(tmp_path, data)
    for _ in content.chunks():
        pass
    (tmp_path / NAME).unlink()

    assert digest(data) == content.sha256()


@SIZES
def test_a_digest_alone(size: int, tmp_path: Path) -> None:
    """A digest requested before the bytes takes one read."""
    data = noise(size)
    content = write(tmp_path, data)

    assert (None, digest(data)) == (content.known_sha256, content.sha256())
    (tmp_path / NAME).unlink()
    assert (digest(data), digest(data)) == (content.sha256(), content.known_sha256)


def test_not_hashed_again(tmp_path: Path) -> None:
    """Bytes whose digest is known are not hashed again: no thread starts."""
    content = write(tmp_path, noise(LARGE))
    known = content.sha256()
    before = threading.enumerate()

    assert [] == [thread for _ in content.chunks() for thread in threads_more_than(before)]
    assert known == content.sha256()


def test_the_digest_of_a_file_that_is_gone(tmp_path: Path) -> None:
    """A file that cannot be read has no digest."""
    content = write(tmp_path, b"x")
    (tmp_path / NAME).unlink()
    with pytest.raises(DistributionError) as raised:
        content.sha256()

    assert Message("file-gone", file=NAME, said="No such file or directory") == raised.value.message
    assert content.known_sha256 is None


@SIZES
@pytest.mark.parametrize("taken", [0, 1, 3])
def test_closed_early(size: int, taken: int, tmp_path: Path) -> None:
    """Closing early leaves no thread, no open file, and no digest of half a file."""
    before, files = threading.enumerate(), open_files()
    data = noise(size)
    content = write(tmp_path, data)
    chunks = content.chunks()
    with closing(chunks):  # type: ignore[type-var]  # a generator, which is what is closed by httpx too
        for _ in range(taken):
            next(chunks)

    assert ([], None) == (threads_more_than(before), content.known_sha256)
    assert files == open_files()
    # A second read still works.
    assert (data, digest(data)) == (b"".join(content.chunks()), content.sha256())


@settings(deadline=None, max_examples=30)
@given(st.binary(max_size=300) | st.integers(0, 3 * CHUNK).map(noise))
def test_any_size(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Files of any size are read whole, including an empty one."""
    content = write(tmp_path_factory.getbasetemp(), data)
    came = b"".join(content.chunks())

    assert (data, len(data), digest(data)) == (came, content.size, content.sha256())


def test_memory_is_flat(tmp_path: Path) -> None:
    """A file of many chunks takes the memory of a few."""
    path = tmp_path / NAME
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    with path.open("rb") as file:
        content = Content(file, path, NAME)
    tracemalloc.start()
    try:
        for _ in content.chunks():
            pass
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Four in the queue, one being hashed, one held back, one being read.
    assert most < 12 * CHUNK


# Files that change


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def shrink(path: Path) -> None:
    os.truncate(path, path.stat().st_size - CHUNK)


def rewrite(path: Path) -> None:
    """Write other bytes at the end, and keep the modification time."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(path: Path) -> None:
    os.utime(path, (0, 0))


def replace(path: Path) -> None:
    path.rename(path.with_name("before"))
    path.write_bytes(path.with_name("before").read_bytes())


def no_file(path: Path) -> None:
    path.unlink()


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def drain(chunks: Iterator[bytes]) -> tuple[int, Message]:
    """Return how many bytes arrived, and the error that ended the read."""
    came: list[bytes] = []
    with pytest.raises(DistributionError) as caught:
        came.extend(chunks)
    return sum(map(len, came)), caught.value.message


@SIZES
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (grow, CHANGED),
        (shrink, CHANGED),
        (touch, CHANGED),
        (replace, CHANGED),
        (rewrite, CHANGED),
        (no_file, Message("file-gone", file=NAME, said="No such file or directory")),
        (directory, Message("file-gone", file=NAME, said="Is a directory")),
        (pipe, Message("file-gone", file=NAME, said="Not a regular file")),
    ],
)
def test_changed_before(size: int, change: Callable[[Path], None], message: Message, tmp_path: Path) -> None:
    """If a file has changed since it was read, not a byte is returned, and no thread is left."""
    before = threading.enumerate()
    content = write(tmp_path, noise(size))
    change(tmp_path / NAME)

    assert (0, message) == drain(content.chunks())
    assert ([], None) == (threads_more_than(before), content.known_sha256)


def test_stamp_on_windows() -> None:
    """If the change time is the creation time, a rewritten file is recognized by its modification time."""
    before, after = (os.stat_result([0] * 10, {"st_mtime_ns": time, "st_ctime_ns": 1}) for time in (1, 2))

    assert stamp(before) != stamp(after)


@SIZES
@pytest.mark.parametrize("change", [grow, shrink, touch, rewrite])
def test_changed_meanwhile(size: int, change: Callable[[Path], None], tmp_path: Path) -> None:
    """If a file changes while it is being read, its last bytes are held back, and it has no digest."""
    before = threading.enumerate()
    content = write(tmp_path, noise(size))
    chunks = content.chunks()
    first = next(chunks)
    change(tmp_path / NAME)
    came, message = drain(chunks)

    assert (CHANGED, True, None) == (message, len(first) + came < size, content.known_sha256)
    assert [] == threads_more_than(before)


def test_changed_in_a_second_pass(tmp_path: Path) -> None:
    """A file that changes between two tries is not sent in the second."""
    content = write(tmp_path, noise(SMALL))
    for _ in content.chunks():
        pass
    rewrite(tmp_path / NAME)

    assert (0, CHANGED) == drain(content.chunks())


def test_rewritten_unseen(tmp_path: Path) -> None:
    """Other bytes with the same size and times are noticed, before a byte of a small file is returned."""
    content = write(tmp_path, b"small")
    rewrite(tmp_path / NAME)

    assert drain(content.chunks()) == (0, CHANGED)


def test_changed_while_it_was_checked(tmp_path: Path) -> None:
    """The checks apply to the opened file, not to what its path points to afterwards."""
    path = tmp_path / NAME
    path.write_bytes(b"checked")
    file: BinaryIO
    with path.open("rb") as file:
        replace(path)
        content = Content(file, path, NAME)

    assert drain(content.chunks()) == (0, CHANGED)


@pytest.mark.parametrize("place", ["/dev/null", "/dev/zero"])
def test_a_device(place: str, tmp_path: Path) -> None:
    """Neither a device nor a link to one is read."""
    (tmp_path / "link").symlink_to(place)
    for path in (Path(place), tmp_path / "link"):
        with pytest.raises(OSError, match="Not a regular file"):
            open_file(path)
