"""The upload token, kept for the next command of the same job (``keep-token``).

Rules:

- The name of the file is a hash of the identity token and the upload URL: only who has the
  identity finds it, it goes to no other index, and the name gives nothing away.
- Only this user can read the file, and nobody else can put another in its place.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import clean
from ..http.messages import Reply
from ..index.mint_api import UploadToken, minted
from ..secret import Secret

_USER: Final[int] = getattr(os, "getuid", lambda: 0)()  # Windows has none


def problem(folder: Path, root: Path, system: str = os.name) -> str | None:
    """Why no token can be kept in *folder*, which is made where it is missing.

    Args:
        folder: without links above it, so that what is judged here is what is used.
        root: the project's folder, out of which a CI takes its caches and artifacts.
        system: as `os.name` says it.
    """
    if system == "nt":
        return (
            "the upload token cannot be kept (`keep-token`) on Windows, where a file has no mode; leave that out there"
        )
    try:
        if root.resolve() in folder.parents:
            why: str | None = "a CI's caches and artifacts can take it along"
        else:
            for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
                missing.mkdir(0o700, exist_ok=True)  # whatever the umask of the job is
            why = danger(folder.lstat(), {each: each.stat() for each in folder.parents}, _USER)
    except OSError as error:
        why = clean(error.strerror)
    way_out = (
        "let HATCH_CACHE_DIR name a folder outside the project that only this user can write to, for the whole job"
    )
    return why and f"the upload token cannot be kept (`keep-token`) in {clean(folder)}: {why}; {way_out}"


def danger(own: os.stat_result, above: Mapping[Path, os.stat_result], user: int) -> str | None:
    """Why a folder is not the one of *user* alone, by itself and by those above it. Pure."""
    if not stat.S_ISDIR(own.st_mode):
        return "it is a link or a file"
    if own.st_uid != user or own.st_mode & 0o077:
        return "it is shared with other users"
    for path, found in above.items():
        # In a folder like /tmp, others can only add.
        others_write = found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if others_write or found.st_uid not in {0, user}:
            return f"other users can write to {clean(path)}"
    return None


def place(folder: Path, identity: Secret, upload_url: str) -> Path:
    """Where the token is kept that *identity* was exchanged for."""
    return folder / f"{hashlib.sha256(f'{identity.reveal()} {upload_url}'.encode()).hexdigest()}.json"


def load(place: Path) -> UploadToken | None:
    """The token that is kept there, perhaps one that has ended; the files of others that have are removed."""
    found = _read(place)
    with suppress(OSError):
        for file in place.parent.glob("*.json"):
            token = _read(file)
            if token is None or token.expires <= time.time():
                file.unlink()
    return found


def _read(file: Path) -> UploadToken | None:
    try:
        return minted(Reply(200, file.read_bytes()), 0.0)
    except OSError:
        return None


def keep(place: Path, token: UploadToken) -> str | None:
    """Keep *token* there; why it could not be done."""
    try:
        # A new file of mode 0600, which follows no link; it takes its place whole.
        descriptor, beside = tempfile.mkstemp(".json", dir=place.parent)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            json.dump({"token": token.secret.reveal(), "expires": token.expires}, file)
        Path(beside).replace(place)
    except OSError as error:
        return clean(error.strerror)
    return None
