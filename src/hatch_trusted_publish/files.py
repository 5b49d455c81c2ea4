"""Every file that a run writes whole.

Rules:

- A reader sees the old content or the new, never a part.
- Nothing is written through a link: a checkout may hold one that leads to a file of yours.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)  # Windows lacks the last
_REPLACED: Final = frozenset({stat.S_IFREG, stat.S_IFLNK})


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace *path* by a file with *text*, in UTF-8.

    A link at *path* is replaced itself; a directory, device or pipe is refused.

    Raises:
        OSError: the file cannot be written there.
    """
    with suppress(FileNotFoundError):
        if stat.S_IFMT(path.lstat().st_mode) not in _REPLACED:
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(os.open(temporary, _FLAGS, mode), "w", encoding="utf-8", newline="") as file:  # noqa: PTH123
            file.write(text)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
