"""The project's own metadata and files, by the rules that hold for a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ..artifacts.distribution import find, read_all
from ..artifacts.pypi import metadata
from ..artifacts.pypi.rules import refusals
from ..errors import Message, PlanError
from ..versions.project import read_project
from .findings import Finding
from .project import Project

_README_TYPES: Final = {".md": "text/markdown", ".rst": "text/x-rst", ".txt": "text/plain"}
_LARGEST_README: Final = 1024 * 1024


def check(project: Project) -> Iterator[Finding]:
    """Yield what PyPI would reject of ``pyproject.toml`` and of the files in ``dist/``."""
    for refusal in metadata.refusals([*fields(project.data["project"], project.root)]):
        yield Finding("error", Message("metadata-refused", said=refusal.said), "pyproject.toml")
    if "version" in project.data["project"].get("dynamic", ()):
        unknown = read_project(project.root).unknown
        if project.counts_commits and unknown is not None and unknown.code in {"shallow-clone", "no-tags"}:
            yield Finding("warning", Message("version-unknown", reason=unknown), "pyproject.toml")
    built: list[tuple[Path, str]] = []
    with suppress(PlanError):  # nothing was built yet
        built = find((), project.root)
    distributions, problems = read_all(built)
    yield from (Finding("error", one, one.facts["file"]) for one in problems)
    for refusal, files in refusals(distributions).items():
        for one in files:
            yield Finding("error", Message("metadata-refused", said=refusal.said), one.shown)


def fields(table: Mapping[str, Any], root: Path) -> Iterator[tuple[str, str]]:
    """The fields of the upload form that ``[project]`` fixes, as a backend would write them."""
    yield from (("metadata_version", "2.4"), ("name", str(table["name"])), ("version", str(table.get("version", "0"))))
    yield from (
        (name, table[key])
        for key, name in (("description", "summary"), ("requires-python", "requires_python"))
        if key in table
    )
    if isinstance(license_ := table.get("license"), str):
        yield "license_expression", license_
    yield from (("classifiers", one) for one in table.get("classifiers", ()))
    yield from (("requires_dist", one) for one in table.get("dependencies", ()))
    yield from (("project_urls", f"{label}, {url}") for label, url in table.get("urls", {}).items())
    for role in ("author", "maintainer"):
        for person in table.get(f"{role}s", ()):
            if email := person.get("email"):
                yield f"{role}_email", f"{person['name']} <{email}>" if "name" in person else email
    readme = table.get("readme", "")
    file, kind = (
        (readme.get("file", ""), readme.get("content-type", "")) if isinstance(readme, Mapping) else (readme, "")
    )
    path = root / file
    if file and path.is_file() and path.resolve().is_relative_to(root.resolve()):
        yield "description_content_type", kind or _README_TYPES.get(path.suffix.lower(), "text/plain")
        with path.open(encoding="utf-8", errors="replace") as stream:
            yield "description", stream.read(_LARGEST_README)
