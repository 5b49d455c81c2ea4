"""The state of the embedded index: publishers, projects, files, upload tokens.

Rules:

- The clock is a parameter. Nothing here reads another one.
- The store changes only between two `await`s, so requests never race.
- Upload tokens are opaque: an id and a MAC over it. What a token may do is kept here.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from .publishers import Publisher

TOKEN_LIFETIME: Final = 900
_ID: Final = 16
_MAC: Final = 32
_LOOKALIKES: Final = str.maketrans("lio", "110")
_STDLIB: Final = frozenset(canonicalize_name(name.strip("_")) for name in sys.stdlib_module_names)


@dataclass(frozen=True, slots=True)
class File:
    """One file of a release, as the simple API lists it."""

    filename: str
    version: Version
    size: int
    sha256: str
    blake2: str
    md5: str
    uploaded: float
    requires_python: str | None = None
    metadata: bytes | None = None
    attestations: tuple[dict[str, object], ...] = ()
    publisher: Publisher | None = None


@dataclass(slots=True)
class Project:
    """A project and its releases, each with the time of its first file."""

    name: str
    status: Literal["active", "archived", "quarantined"] = "active"
    files: dict[str, File] = field(default_factory=dict)
    releases: dict[Version, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UploadToken:
    """The rights of an upload token, and its end."""

    publisher: Publisher
    projects: frozenset[NormalizedName]
    expires: int


@dataclass(slots=True)
class Switches:
    """The switches of an administrator of PyPI."""

    issuers: set[str] = field(default_factory=set)
    trusted_publishing: bool = True
    read_only: bool = False
    uploads: bool = True
    registration: bool = True


def _skeleton(name: str) -> str:
    """Return the name as it could be misread."""
    return re.sub(r"[-_.]", "", name.lower()).translate(_LOOKALIKES)


class Store:
    """The state of one index. Its files are in *directory*."""

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], float],
        audience: str,
        site: str = "https://pypi.org",
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.audience = audience
        self.site = site
        self.switches = Switches()
        self.projects: dict[NormalizedName, Project] = {}
        self.publishers: dict[Publisher, set[NormalizedName]] = {}
        self.pending: dict[Publisher, list[str]] = {}
        self.trust_config = ""
        """The Sigstore to verify attestations by; without one, only their shape is checked."""
        self.prohibited: set[NormalizedName] = set()
        self.burnt: set[str] = set()
        self.spent: set[str] = set()
        self._tokens: dict[bytes, UploadToken] = {}
        self._key = secrets.token_bytes(32)

    def help(self, anchor: str) -> str:
        """Return the sentence that ends many of PyPI's replies."""
        return f"See {self.site}/help/#{anchor} for more information."

    def add_project(self, name: str, *publishers: Publisher) -> Project:
        """Add a project that *publishers* may upload to."""
        normalized = canonicalize_name(name)
        project = self.projects.setdefault(normalized, Project(name))
        for publisher in publishers:
            self.publishers.setdefault(publisher, set()).add(normalized)
        return project

    def add_pending(self, publisher: Publisher, names: Iterable[str]) -> None:
        """Add pending publishers of one identity. Each exchange creates the project of one of them."""
        for name in names:
            self.pending.setdefault(publisher, []).append(name)

    def has(self, name: str) -> bool:
        """Return whether the project exists, however its name is written."""
        return canonicalize_name(name) in self.projects

    def refused_name(self, name: str) -> str | None:
        """Return why no new project may have this *name*."""
        normalized = canonicalize_name(name)
        if not self.switches.registration:
            return f"New project registration temporarily disabled. {self.help('admin-intervention')}"
        if normalized in self.prohibited:
            return f"The name {name!r} isn't allowed. {self.help('project-name')}"
        if normalized in _STDLIB:
            return (
                f"The name {name!r} isn't allowed (conflict with Python Standard Library module "
                f"name). {self.help('project-name')}"
            )
        if _skeleton(name) in map(_skeleton, self.projects):
            return f"The name {name!r} is too similar to an existing project. {self.help('project-name')}"
        return None

    def mint(self, publisher: Publisher) -> tuple[str, int]:
        """Return a new upload token for all projects of *publisher*, and when it expires."""
        expires = int(self.clock()) + TOKEN_LIFETIME
        identifier = secrets.token_bytes(_ID)
        # PyPI answers 200 in read-only mode as well, with a token that it does not know later.
        if not self.switches.read_only:
            projects = frozenset(self.publishers[publisher])
            self._tokens[identifier] = UploadToken(publisher, projects, expires)
        text = base64.urlsafe_b64encode(identifier + self._mac(identifier)).decode()
        return f"pypi-{text}", expires

    def token(self, text: str) -> tuple[UploadToken, bool] | None:
        """Return the data of a token, and whether its signature is valid."""
        if (parts := self._parts(text)) is None:
            return None
        identifier, mac = parts
        if (token := self._tokens.get(identifier)) is None:
            return None
        return token, hmac.compare_digest(mac, self._mac(identifier))

    def burn(self, text: str) -> None:
        """Revoke a token. An unknown or altered one changes nothing."""
        if (parts := self._parts(text)) and hmac.compare_digest(parts[1], self._mac(parts[0])):
            self._tokens.pop(parts[0], None)

    def _parts(self, text: str) -> tuple[bytes, bytes] | None:
        prefix, _, encoded = text.partition("-")
        try:
            raw = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if prefix != "pypi" or len(raw) != _ID + _MAC:
            return None
        return raw[:_ID], raw[_ID:]

    def _mac(self, identifier: bytes) -> bytes:
        return hmac.digest(self._key, identifier, "sha256")

    def files(self) -> Iterable[File]:
        """Return every file of every project."""
        return (file for project in self.projects.values() for file in project.files.values())

    def keep(self, project: Project, file: File, content: BinaryIO) -> None:
        """Add a file to the index."""
        content.seek(0)
        with self.path(file).open("wb") as kept:
            shutil.copyfileobj(content, kept)
        project.releases.setdefault(file.version, self.clock())
        project.files[file.filename] = file

    def path(self, file: File) -> Path:
        """Return the path of the content: named by its digest, never by a request."""
        return self.directory / file.blake2

    def delete(self, project: Project, filename: str) -> None:
        """Delete a file. Its name cannot be used again."""
        self.path(project.files.pop(filename)).unlink()
        self.burnt.add(filename)
