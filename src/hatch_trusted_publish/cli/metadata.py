"""The project's own metadata and files, by the rules that hold for a release."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hatchling.metadata.core import ProjectMetadata
from hatchling.metadata.spec import get_core_metadata_constructors

from ..artifacts.distribution import find, read_all
from ..artifacts.metadata import Fields, parse
from ..artifacts.pypi import metadata
from ..artifacts.pypi.rules import refusals
from ..errors import Message, PlanError
from ..versions.project import read_project
from .findings import Finding
from .project import Project


def check(project: Project) -> Iterator[Finding]:
    """Yield what PyPI would reject of ``pyproject.toml`` and of the files in ``dist/``."""
    try:
        for refusal in metadata.refusals(fields(project.data["project"], project.root)):
            yield Finding("error", Message("metadata-refused", said=refusal.said), "pyproject.toml")
    except (OSError, TypeError, ValueError) as error:
        yield Finding("error", Message("project-table-malformed", said=error), "pyproject.toml")
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


def fields(table: Mapping[str, Any], root: Path) -> Fields:
    """Return the fields of the upload form that ``[project]`` fixes, as hatchling writes them.

    Raises:
        OSError, TypeError, ValueError: the table has a mistake, in hatchling's words.
    """
    known = {"version": "0", **table}
    known.pop("dynamic", None)
    for key in ("license", "readme"):
        value = known.get(key)
        file = value.get("file") if isinstance(value, Mapping) else value
        if isinstance(file, str) and not (root / file).resolve().is_relative_to(root.resolve()):
            del known[key]  # nothing outside the project is read
    config = {"project": known, "tool": {"hatch": {"metadata": {"allow-direct-references": True}}}}
    text = get_core_metadata_constructors()["2.4"](ProjectMetadata(str(root), None, config))
    return parse(text.encode(), "pyproject.toml")[0]
