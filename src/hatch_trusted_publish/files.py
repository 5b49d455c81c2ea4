"""Every file that a run writes.

Rules:

- A reader of a file that is replaced sees the old content or the new, never a part.
- It is not replaced through a link: a checkout may hold one that leads to a file of yours.
- Nothing waits: a pipe, which may have no reader, is refused.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)  # Windows lacks the last
_REPLACED: Final = frozenset({stat.S_IFREG, stat.S_IFLNK})


def write_atomic(path: Path, text: str | Iterable[str], mode: int = 0o644) -> None:
    """Replace *path* by a file with *text*, whole or in pieces, in UTF-8.

    A link at *path* is replaced itself; a directory, device or pipe is refused.

    Raises:
        OSError: the file cannot be written there.
    """
    _require_replaceable(path)
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, _FLAGS, mode), "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            file.writelines([text] if isinstance(text, str) else text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_unwritable(path: Path) -> None:
    """Try whether `write_atomic` can replace *path*, and leave no trace.

    Raises:
        OSError: it cannot.
    """
    _require_replaceable(path)
    trial = path.with_name(f".{secrets.token_hex(8)}.tmp")
    write_atomic(trial, "")
    trial.unlink()


def append(path: Path, text: str) -> None:
    """Append *text* to *path*, a regular file, in UTF-8.

    Raises:
        OSError: it cannot be written there.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)  # Windows lacks the last
    with open(os.open(path, flags, 0o644), "a", encoding="utf-8", newline="") as file:  # noqa: PTH123
        _require(os.fstat(file.fileno()), {stat.S_IFREG}, path)
        file.write(text)


def _require_replaceable(path: Path) -> None:
    with suppress(FileNotFoundError):
        _require(path.lstat(), _REPLACED, path)


def _require(found: os.stat_result, kinds: AbstractSet[int], path: Path) -> None:
    if stat.S_IFMT(found.st_mode) not in kinds:
        raise OSError(errno.EINVAL, "Not a regular file", str(path))
