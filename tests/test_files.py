from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import ANY

import pytest

from hatch_trusted_publish.files import append, refuse_unwritable, write_atomic


@pytest.mark.parametrize("before", [None, "a longer text than the new one"])
def test_a_file_is_written(before: str | None, tmp_path: Path) -> None:
    """A new or replaced file has the given text and line endings, and no other file is left in the directory."""
    path = tmp_path / f"{'n' * 250}.txt"
    if before is not None:
        path.write_text(before)

    write_atomic(path, "ä\r\n")

    assert "ä\r\n".encode() == path.read_bytes()
    assert [path] == [*tmp_path.iterdir()]


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_the_mode(mode: int, tmp_path: Path) -> None:
    """The file has the requested mode, whatever the mode of the file before it."""
    path = tmp_path / "file"
    path.touch(0o777)

    write_atomic(path, "", mode)

    assert mode & ~_umask() == path.stat().st_mode & 0o777


def _umask() -> int:
    before = os.umask(0)
    os.umask(before)
    return before


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_is_replaced(exists: bool, tmp_path: Path) -> None:
    """The target of a link is left unchanged."""
    target, link = tmp_path / "target", tmp_path / "link"
    if exists:
        target.write_text("yours")
    link.symlink_to(target)

    write_atomic(link, "new")

    assert ("new", False) == (link.read_text(), link.is_symlink())
    assert (["yours"] if exists else []) == [target.read_text() for _ in range(target.exists())]


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_a_device_is_left(kind: str, tmp_path: Path) -> None:
    """Run as root, the function does not replace a device."""
    path = tmp_path / "there"
    path.mkdir() if kind == "directory" else os.mkfifo(path)

    with pytest.raises(OSError, match="Not a regular file") as raised:
        write_atomic(path, "new")

    assert ("Not a regular file", str(path)) == (raised.value.strerror, raised.value.filename)
    assert [path] == [*tmp_path.iterdir()]


def test_a_failure_leaves_no_trace(tmp_path: Path) -> None:
    """If writing fails, the old file stays, and no temporary one is left."""
    path = tmp_path / "file"
    path.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")

    assert ("old", [path]) == (path.read_text(), [*tmp_path.iterdir()])


def test_a_directory_that_does_not_exist(tmp_path: Path) -> None:
    """The error names the missing directory."""
    with pytest.raises(FileNotFoundError) as raised:
        write_atomic(tmp_path / "missing" / "file", "")

    assert ANY == raised.value.strerror


def test_what_can_be_replaced_is_left(tmp_path: Path) -> None:
    """The check whether a file can be replaced leaves it, and its directory, unchanged."""
    path = tmp_path / "file"
    path.write_text("old")

    refuse_unwritable(path)
    refuse_unwritable(tmp_path / "new")

    assert ("old", [path]) == (path.read_text(), [*tmp_path.iterdir()])


@pytest.mark.parametrize("name", [".", "missing/file", "file/file", "n" * 300])
def test_what_cannot_be_replaced(name: str, tmp_path: Path) -> None:
    """The check raises the same OSError as writing would."""
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=r"."):
        refuse_unwritable(tmp_path / name)

    assert ["file"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("before", [None, "old\n"])
def test_appending(before: str | None, tmp_path: Path) -> None:
    """Existing text stays, and line endings are as given."""
    path = tmp_path / "file"
    if before is not None:
        path.write_text(before)

    append(path, "ä\r\n")

    assert f"{before or ''}ä\r\n".encode() == path.read_bytes()


@pytest.mark.parametrize("with_reader", [False, True])
def test_a_pipe_is_not_waited_for(with_reader: bool, tmp_path: Path) -> None:
    """A pipe is refused, whether a process reads it or not."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK) if with_reader else None

    with pytest.raises(OSError, match=r"."):
        append(path, "text")

    if reader is not None:
        assert b"" == os.read(reader, 10)
        os.close(reader)
