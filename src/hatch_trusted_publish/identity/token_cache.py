"""The upload token, kept for the next command of the same job (``keep-token``).

Rules:

- The name of the file is a hash of the identity token and the upload URL: only a job with this identity
  finds it, it goes to no other index, and the name reveals nothing.
- Only this user can read the file, and no other user can put another one in its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from .. import git
from ..errors import Message
from ..files import write_atomic
from ..http.messages import Reply
from ..index.mint_api import UploadToken, minted
from ..secret import Secret

_USER: Final[int] = getattr(os, "getuid", lambda: 0)()  # Windows has none


def problem(directory: Path, root: Path, system: str = os.name) -> Message | None:
    """Return why no token can be kept in *directory*, which is created if it is missing.

    Args:
        directory: without links above it, so that what is judged here is what is used.
        root: the project's directory. A CI takes its caches and artifacts from the whole checkout.
        system: as `os.name` says it.
    """
    if system == "nt":
        return Message("keep-token-on-windows")
    cause: Message | str | None = None
    checkout = Path(git.ask(root, "rev-parse", "--show-toplevel") or root).resolve()
    try:
        if checkout in directory.parents:
            cause = Message("inside-checkout", checkout=checkout)
        else:
            for missing in reversed([each for each in (directory, *directory.parents) if not each.exists()]):
                missing.mkdir(0o700, exist_ok=True)  # whatever the umask of the job is
            cause = danger(directory.lstat(), {each: each.stat() for each in directory.parents}, _USER)
    except OSError as error:
        cause = error.strerror
    return None if cause is None else Message("token-cannot-be-kept", directory=directory, cause=cause)


def danger(own: os.stat_result, above: Mapping[Path, os.stat_result], user: int) -> Message | None:
    """Return why a directory does not belong to *user* alone, by itself and by those above it. Pure."""
    if not stat.S_ISDIR(own.st_mode):
        return Message("not-a-directory")
    if own.st_uid != user or own.st_mode & 0o077:
        return Message("shared-directory")
    for path, found in above.items():
        # In a directory like /tmp, others can only add.
        others_write = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if others_write or found.st_uid not in {0, user}:
            return Message("writable-by-others", path=path)
    return None


def place(directory: Path, identity: Secret, upload_url: str) -> Path:
    """Return the file for the token that *identity* is exchanged for."""
    return directory / f"{hashlib.sha256(f'{identity.reveal()} {upload_url}'.encode()).hexdigest()}.json"


def load(file: Path) -> UploadToken | None:
    """Return the token in *file*, perhaps an expired one; expired tokens of other jobs are removed."""
    found = _read(file)
    with suppress(OSError):
        for each in file.parent.glob("*.json"):
            token = _read(each)
            if token is None or token.expires <= time.time():
                each.unlink()
    return found


def _read(file: Path) -> UploadToken | None:
    try:
        return minted(Reply(200, file.read_bytes()), 0.0)
    except OSError:
        return None


def keep(file: Path, token: UploadToken) -> str | None:
    """Keep *token*; return why it failed."""
    try:
        write_atomic(file, json.dumps({"token": token.secret.reveal(), "expires": token.expires}), 0o600)
    except OSError as error:
        return error.strerror
    return None
