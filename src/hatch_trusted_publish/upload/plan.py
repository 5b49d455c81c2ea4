"""Settings, distributions and what the index holds → `Plan`, or every problem at once.

Rules:

- All that can be known without the network is checked before it is used (`check`).
- A file is there only if the index holds the same bytes (`decide`).
- Wheels go before the sdist, so that nobody's installer builds what has a wheel in a moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from ..artifacts import filenames
from ..artifacts.distribution import Distribution
from ..errors import DistributionError, PlanError, clean
from ..index.endpoints import Index
from ..index.repository import Repository
from ..index.simple_api import Listed, Listing
from ..settings.options import Settings
from ..versions.project import Project


@dataclass(frozen=True, slots=True)
class Item:
    """One file, and what is to happen to it."""

    distribution: Distribution
    action: Literal["upload", "there", "differs"]
    """``differs``: the index holds other bytes under this name, and they are left there (``skip``)."""
    url: str | None = None
    """Where the index has it now."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do."""

    index: Index
    items: tuple[Item, ...]
    warnings: tuple[str, ...] = ()

    @property
    def uploads(self) -> tuple[Distribution, ...]:
        return tuple(item.distribution for item in self.items if item.action == "upload")

    @property
    def releases(self) -> tuple[tuple[NormalizedName, Version], ...]:
        """Each project and version, once."""
        return tuple(dict.fromkeys((item.distribution.name, item.distribution.version) for item in self.items))


def destination(settings: Settings, distributions: Sequence[Distribution]) -> Repository:
    """Where *distributions* go: with ``repo = "auto"``, development releases go to TestPyPI.

    Raises:
        PlanError: some are and some are not.
    """
    development = [one for one in distributions if one.version.is_devrelease]
    if settings.development is None or not development:
        return settings.repository
    if len(development) == len(distributions):
        return settings.development
    shown = ", ".join(one.shown for one in development)
    problem = (
        f"with `repo` set to `auto`, development releases ({shown}) and others cannot go in one run; name an index"
    )
    raise PlanError("These files must not be published as they are; nothing was sent:", [problem])


def in_order(distributions: Iterable[Distribution]) -> list[Distribution]:
    """Wheels by name, then sdists."""
    return sorted(distributions, key=lambda one: (one.filetype == "sdist", one.filename))


def check(
    settings: Settings,
    index: Index,
    distributions: Sequence[Distribution],
    project: Project,
    problems: Sequence[str] = (),
) -> None:
    """Check all that can be known before any network.

    Args:
        problems: what was found elsewhere and belongs into the same message.

    Raises:
        PlanError: all the problems.
    """
    found = [*problems]
    for distribution in distributions:
        found.extend(f"{distribution.shown}: {problem}" for problem in _own_problems(distribution, index))
    found.extend(_joint_problems(distributions, settings))
    if settings.check_version and not settings.several:
        found.extend(_stale(distributions, project))
    if found:
        raise PlanError("These files must not be published as they are; nothing was sent:", found)


def _own_problems(distribution: Distribution, index: Index) -> Iterable[str]:
    version, metadata = distribution.version, distribution.metadata
    if version.local is not None and not index.local_versions:
        yield (
            f"version {version} has a local segment (+{version.local}), which no public index takes. "
            'With `source = "vcs-public"` in [tool.hatch.version] it is dropped; build again'
        )
    for requirement in _texts(metadata.get("requires_dist")):
        if _is_direct(requirement):
            yield f"depends on a direct URL, which an index must not hand on: {clean(requirement, 120)}"
    if "license" in metadata and "license_expression" in metadata:
        yield "has both License and License-Expression; keep the expression (`license` in [project]) and build again"
    bad = sorted(tag for tag in distribution.platform_tags if tag.startswith("linux_"))
    if bad and index.pypi_rules:
        yield f"is tagged {', '.join(bad)}, which PyPI refuses; `auditwheel repair` makes a manylinux wheel of it"


def _texts(value: object) -> list[str]:
    return [str(text) for text in value] if isinstance(value, list) else []


def _is_direct(requirement: str) -> bool:
    try:
        return Requirement(requirement).url is not None
    except InvalidRequirement:
        return False  # the index's to judge


def _joint_problems(distributions: Sequence[Distribution], settings: Settings) -> Iterable[str]:
    for filename, count in Counter(one.filename for one in distributions).items():
        if count > 1:
            paths = ", ".join(one.shown for one in distributions if one.filename == filename)
            yield f"{paths}: {count} files of one name; name the one that is to be published"
    releases = sorted({(one.name, one.version) for one in distributions})
    if len(releases) > 1 and not settings.several:
        shown = ", ".join(f"{name} {version}" for name, version in releases)
        yield f"these are files of several releases: {shown}. Empty the folder and build again, or allow it with `-o several`"
    sdists = Counter((one.name, one.version) for one in distributions if one.filetype == "sdist")
    for (name, version), count in sdists.items():
        if count > 1:
            yield f"{name} {version} has {count} sdists; a release has one"


def _stale(distributions: Sequence[Distribution], project: Project) -> Iterable[str]:
    """Files of another project or version than the one that stands in the working folder."""
    way_out = "Empty the folder and build again, or, if these are the right files, add `-o check-version=false`"
    for distribution in distributions:
        if project.name is not None and distribution.name != project.name:
            yield f"{distribution.shown}: is a file of {distribution.name}, but this project is {project.name}. {way_out}"
        elif project.version is not None and distribution.version != project.version:
            yield (
                f"{distribution.shown}: is version {distribution.version}, but the project's version is now "
                f"{project.version}. {way_out}"
            )


def decide(
    settings: Settings,
    index: Index,
    distributions: Sequence[Distribution],
    listings: Mapping[NormalizedName, Listing],
) -> Plan:
    """Compare the files with what the index holds of each project.

    Raises:
        PlanError: the index holds something else under one of the names.
    """
    items, problems = [], []
    warnings = [warning for one in distributions for warning in one.warnings]
    for distribution in in_order(distributions):
        held = listings[distribution.name].get(distribution.filename)
        if held is None:
            items.append(Item(distribution, "upload"))
            continue
        difference = existing_difference(distribution, held, index)
        if settings.existing == "fail":
            problems.append(
                f"{distribution.shown}: {index.name} has a file of this name already (`existing` is `fail`)"
            )
        elif difference is None:
            items.append(Item(distribution, "there", held.url))
        elif settings.existing == "skip":
            items.append(Item(distribution, "differs", held.url))
            warnings.append(f"{distribution.shown}: {difference}; it is left as it is (`existing` is `skip`)")
        else:
            problems.append(
                f"{distribution.shown}: {difference}. A file on an index never changes: publish this as a new version, "
                "or leave what is there with `-o existing=skip`"
            )
    if problems:
        raise PlanError("The index holds files of these names already; nothing was sent:", problems)
    return Plan(index, tuple(items), tuple(warnings))


def has_release(listing: Listing, version: Version) -> bool:
    """Whether the index holds any file of *version*."""
    for filename in listing:
        with suppress(DistributionError):  # what is neither a wheel nor an sdist, from older days
            if filenames.parse(filename).version == version:
                return True
    return False


def existing_difference(distribution: Distribution, held: Listed, index: Index) -> str | None:
    """How the file that the index holds under this name differs; ``None`` if it is the same."""
    there, here = held.sha256, distribution.sha256
    if there is None:
        return f"{index.name} has a file of this name and tells no sha256 of it, so it cannot be called identical"
    if there.lower() == here:
        return None
    return f"{index.name} has another file of this name (sha256 {clean(there, 12)} there, {here[:11]}… here)"
