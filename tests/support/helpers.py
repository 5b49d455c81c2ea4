"""Small, valid wheels and sdists for tests of everything that reads or uploads them.

The same arguments produce the same bytes: a second call produces "the file that exists already".
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import hatch_trusted_publish
from hatch_trusted_publish.artifacts import filenames
from hatch_trusted_publish.artifacts.content import Content
from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.artifacts.metadata import CoreMetadata, form
from hatch_trusted_publish.errors import Message

NO_MEMBERS: Mapping[str, bytes] = {}
CATALOGUE: Mapping[str, str] = {
    code: words
    for room in tomllib.loads(
        Path(hatch_trusted_publish.__file__).with_name("messages.toml").read_text("utf-8")
    ).values()
    for code, words in room.items()
}
"""The template of each message by its code."""


def core_metadata(
    name: str = "sample",
    version: str = "1.0",
    fields: Iterable[str] = (),
    metadata_version: str = "2.4",
    description: str = "",
) -> bytes:
    """Return METADATA or PKG-INFO; *fields* are whole lines such as ``Requires-Dist: attrs``."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}", *fields]
    return ("\n".join(lines) + f"\n\n{description}").encode()


def in_ascii(code: str, *arguments: str | Path) -> str:
    """Return what *code* prints in a Python whose files and commands are not in UTF-8, as on Windows."""
    environ = os.environ | {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environ, check=True, capture_output=True, encoding="ascii").stdout


def stem(name: str) -> str:
    """Return a normalized name as it is spelled at the start of a file name."""
    return name.lower().replace("-", "_").replace(".", "_")


def make_wheel(
    directory: Path,
    name: str = "sample",
    version: str = "1.0",
    tag: str = "py3-none-any",
    metadata: bytes | None = None,
    members: Mapping[str, bytes] = NO_MEMBERS,
    filename: str | None = None,
) -> Path:
    """Write a wheel that installers accept.

    Args:
        metadata: replaces the minimal metadata for *name* and *version*.
        members: the contents in addition to an empty module and the dist-info.
        filename: replaces the name made from the other arguments.
    """
    info = f"{stem(name)}-{version}.dist-info"
    python, abi, platform = tag.split("-")[-3:]
    tags = [f"Tag: {p}-{a}-{q}\n" for p in python.split(".") for a in abi.split(".") for q in platform.split(".")]
    content = {
        f"{stem(name)}.py": b"",
        **members,
        f"{info}/METADATA": core_metadata(name, version) if metadata is None else metadata,
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n{''.join(tags)}".encode(),
    }
    record = [f"{path},sha256={_record_hash(data)},{len(data)}\n" for path, data in content.items()]
    content[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    path = directory / (filename or f"{stem(name)}-{version}-{tag}.whl")
    directory.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in content.items():
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), data)
    return path


def make_sdist(
    directory: Path,
    name: str = "sample",
    version: str = "1.0",
    metadata: bytes | None = None,
    members: Mapping[str, bytes] = NO_MEMBERS,
    filename: str | None = None,
) -> Path:
    """Write an sdist that installers build with hatchling; the arguments are those of `make_wheel`."""
    base = f"{stem(name)}-{version}"
    project = (
        f'[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n'
    )
    content = {
        "pyproject.toml": project.encode(),
        f"{stem(name)}.py": b"",
        **members,
        "PKG-INFO": core_metadata(name, version) if metadata is None else metadata,
    }
    unpacked = io.BytesIO()
    with tarfile.open(fileobj=unpacked, mode="w") as archive:
        for member, data in content.items():
            info = tarfile.TarInfo(f"{base}/{member}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    path = directory / (filename or f"{base}.tar.gz")
    directory.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(unpacked.getvalue(), mtime=0))
    return path


class Kept(Content):
    """Bytes in memory instead of in a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def known_sha256(self) -> str | None:
        return self.sha256()

    def sha256(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    def chunks(self) -> Iterator[bytes]:
        yield self._data


def a_distribution(
    filename: str, directory: str = "dist", warnings: Sequence[Message] = (), **metadata: object
) -> Distribution:
    """Return what would be read from a file of this name, without a file; its bytes are its name."""
    said = filenames.parse(filename, filename)
    raw = {"metadata_version": "2.4", "name": said.name, "version": str(said.version), **metadata}
    return Distribution(
        path=Path("/project", directory, filename),
        shown=f"{directory}/{filename}",
        metadata=CoreMetadata.of([*form(raw)], filename),
        python_tag="py3",
        content=Kept(filename.encode()),
        warnings=tuple(warnings),
    )


def _record_hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
