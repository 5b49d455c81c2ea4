"""One wheel or sdist → `Distribution`, and where to find them.

What the file name says and what the core metadata says must agree: PyPI takes the metadata from the upload
form, and the name from the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import BinaryIO, Literal

from packaging.utils import NormalizedName
from packaging.version import Version

from ..errors import DistributionError, Message, PlanError
from . import filenames
from .archive import BROKEN, sdist_metadata, wheel_metadata
from .content import Content, open_file
from .metadata import CoreMetadata, Fields, parse


@dataclass(frozen=True, slots=True)
class Distribution:
    """A wheel or sdist as it was when it was read."""

    path: Path
    shown: str
    """The path as users see it, see `shown_path`."""
    metadata: CoreMetadata
    python_tag: str
    """The form's ``pyversion``: ``py2.py3`` and the like of a wheel, ``source`` of an sdist."""
    content: Content = field(repr=False, compare=False)
    warnings: tuple[Message, ...] = ()

    @property
    def fields(self) -> Fields:
        """The part of the upload form that describes the release. Where it is large, the file is read again.

        Raises:
            DistributionError: the file can no longer be read.
        """
        if (kept := self.metadata.fields) is not None:
            return kept
        with _reported(self.path, self.shown), open_file(self.path) as file:
            return _said(file, self.path, self.shown)[0]

    @property
    def filename(self) -> str:
        return self.path.name

    @property
    def filetype(self) -> Literal["bdist_wheel", "sdist"]:
        """The kind of file, as the upload form names it."""
        return "bdist_wheel" if self.filename.endswith(".whl") else "sdist"

    @property
    def name(self) -> NormalizedName:
        return self.metadata.name

    @property
    def version(self) -> Version:
        return self.metadata.version

    @property
    def sha256(self) -> str:
        """The digest in hexadecimal, computed on first use."""
        return self.content.sha256()

    @property
    def size(self) -> int:
        """The size in bytes."""
        return self.content.size

    @classmethod
    def read(cls, path: Path, shown: str, untracked: AbstractSet[str] = frozenset()) -> Distribution:
        """Read and check one file.

        Args:
            path: of the file.
            shown: the path as users see it.
            untracked: files of the project that Git does not track; a warning names those in an sdist.

        Raises:
            DistributionError: it cannot be read, or is not the wheel or sdist that its name says.
        """
        with _reported(path, shown):
            in_name = filenames.parse(path.name, shown)
            with open_file(path) as file:
                content = Content(file, path, shown)
                fields, warnings, contained = _said(file, path, shown, untracked)
            metadata = CoreMetadata.of(fields, shown)
        if in_name != (metadata.name, metadata.version):
            found, stated = (f"{one.name} {one.version}" for one in (in_name, metadata))
            raise DistributionError("different-names", file=shown, in_name=found, in_metadata=stated)
        if path.name != (expected := filenames.normalized(path.name, metadata.name, metadata.version)):
            warnings.append(Message("not-normalized", file=shown, expected=expected))
        if contained:
            warnings.append(Message("untracked-files", file=shown, files=contained))
        return cls(
            path=path,
            shown=shown,
            metadata=metadata,
            python_tag=path.name.split("-")[-3] if path.name.endswith(".whl") else "source",
            content=content,
            warnings=tuple(warnings),
        )


def _said(
    file: BinaryIO, path: Path, shown: str, untracked: AbstractSet[str] = frozenset()
) -> tuple[Fields, list[Message], list[str]]:
    """Return the core metadata of a file, with warnings, and which of the *untracked* files it contains."""
    contained: list[str] = []
    if path.name.endswith(".whl"):
        text = wheel_metadata(file, path.name, shown)
    else:
        text, contained = sdist_metadata(file, shown, untracked)
    return *parse(text, shown), contained


@contextmanager
def _reported(path: Path, shown: str) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        code = "broken-wheel" if path.name.endswith(".whl") else "broken-sdist"
        raise DistributionError(code, file=shown, said=str(error) or type(error).__name__) from error
    except OSError as error:
        raise DistributionError("unreadable-file", file=shown, said=error.strerror) from error


def find(artifacts: Sequence[str], root: Path) -> list[tuple[Path, str]]:
    """Return the wheels and sdists that *artifacts* name, each with the path to show.

    A directory stands for the wheels and sdists in it; the default is ``dist``. Other files in a directory
    are ignored; a file that is named must be a wheel or sdist.

    Raises:
        PlanError: a path does not exist or is something else; or nothing was found.
    """
    found: dict[Path, str] = {}
    problems = []
    for artifact in artifacts or ["dist"]:
        path = root / artifact
        try:
            path.stat()
            if path.is_dir():
                found |= {file: shown_path(file, root) for file in sorted(path.iterdir()) if _is_wanted(file)}
            elif _is_wanted(path):
                found[path] = shown_path(path, root)
            else:
                problems.append(Message("not-a-distribution", file=artifact))
        except FileNotFoundError:
            problems.append(Message("dangling-link" if path.is_symlink() else "no-such-file", file=artifact))
        except OSError as error:
            problems.append(Message("unreadable-path", file=artifact, said=error.strerror))
        except ValueError as error:  # a NUL byte
            problems.append(Message("unreadable-path", file=artifact, said=error))
    if not found and not problems:
        problems.append(Message("no-files-found", places=artifacts or ["dist"]))
    if problems:
        raise PlanError("files-not-found" if found else "nothing-to-publish", problems)
    return list({os.path.realpath(path): (path, shown) for path, shown in found.items()}.values())


def read_all(
    files: Sequence[tuple[Path, str]], untracked: AbstractSet[str] = frozenset()
) -> tuple[list[Distribution], list[Message]]:
    """Read the distributions in *files*, each with the path to show. Return them and all problems.

    Args:
        untracked: files of the project that an sdist should not hold.
    """
    distributions, problems = [], []
    known: dict[CoreMetadata, CoreMetadata] = {}
    for path, shown in files:
        try:
            one = Distribution.read(path, shown, untracked)
            # Most files of a release have the same metadata: keep it once.
            distributions.append(replace(one, metadata=known.setdefault(one.metadata, one.metadata)))
        except DistributionError as error:
            problems.append(error.message)
    return distributions, problems


def _is_wanted(path: Path) -> bool:
    # A dangling link is kept, so that reading it reports it. A pipe is not: it could block.
    return path.name.endswith((".whl", ".tar.gz")) and (path.is_file() or not path.exists())


def shown_path(path: PurePath, root: PurePath) -> str:
    """Return *path* as users and the report show it: relative to *root* if it is inside, with slashes."""
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
