"""Settings, distributions and what the index lists → `Plan`, or every problem at once.

Rules:

- Everything that can be known without the network is checked before it is used (`check`).
- A file is on the index only if the index lists the same bytes (`compare`).
- Wheels go before the sdist, so that no installer builds what will have a wheel in a moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName

from ..artifacts.digest import digest_of
from ..artifacts.distribution import Distribution
from ..artifacts.pypi.metadata import LARGEST_README, skipped
from ..artifacts.pypi.rules import LARGEST_FILE, Refusals
from ..errors import Message, PlanError
from ..index.endpoints import Index, Repository
from ..index.simple_api import Listed
from ..settings.options import Settings
from ..versions.project import Project
from .listings import Held
from .outcome import Outcome, Plan

CLOSED = {"archived": "project-archived", "quarantined": "project-quarantined"}
"""The project's statuses (PEP 792) in which it accepts no files."""
SAID_BETTER = frozenset({"local-version", "direct-url", "two-licenses", "not-normalized"})
"""Rejections that `check` finds itself, since they hold for other indexes or have a better remedy."""


def destination(settings: Settings, distributions: Sequence[Distribution]) -> Repository:
    """Return where *distributions* go: with ``repo = "auto"``, development releases go to TestPyPI.

    Raises:
        PlanError: some are development releases and some are not.
    """
    development = [one for one in distributions if one.version.is_devrelease]
    if settings.development is None or not development:
        return settings.repository
    if len(development) == len(distributions):
        return settings.development
    raise PlanError("files-refused", [Message("mixed-releases", files=[one.shown for one in development])])


def in_order(distributions: Iterable[Distribution]) -> list[Distribution]:
    """Return wheels by name, then sdists by name."""
    return sorted(distributions, key=lambda one: (one.filetype == "sdist", one.filename))


def check(
    settings: Settings,
    index: Index,
    distributions: Sequence[Distribution],
    project: Project,
    problems: Sequence[Message] = (),
) -> None:
    """Check everything that can be known without the network.

    Args:
        problems: found elsewhere, and reported in the same message.

    Raises:
        PlanError: all the problems.
    """
    found = [*problems]
    for distribution in distributions:
        if index.pypi_rules:
            found.extend(one for one in distribution.warnings if one.code == "not-normalized")
        found.extend(_own_problems(distribution, index))
    found.extend(_joint_problems(distributions, settings))
    if settings.check_version and not settings.several:
        found.extend(_stale(distributions, project))
    if settings.expect is not None:
        digest = digest_of((one.filename, one.sha256) for one in distributions)
        if digest != settings.expect:
            found.append(Message("other-files", digest=digest, expected=settings.expect))
    if found:
        raise PlanError("files-refused", found)


def _own_problems(distribution: Distribution, index: Index) -> Iterable[Message]:
    file, version, fields = distribution.shown, distribution.version, distribution.fields
    if version.local is not None and not index.local_versions:
        yield Message("local-version", file=file, version=version, local=version.local)
    for requirement in [value for name, value in fields if name == "requires_dist"]:
        if _is_direct(requirement):
            yield Message("direct-url", file=file, requirement=requirement)
    if {"license", "license_expression"} <= {name for name, _ in fields}:
        yield Message("two-licenses", file=file)


def rejected(refusals: Refusals, index: Index) -> Iterable[Message]:
    """Yield what PyPI would reject: it should not take half a release to find out."""
    for refusal, files in refusals.items():
        if refusal.is_certain and refusal.code not in SAID_BETTER:
            shown = [one.shown for one in files]
            said = refusal.said.removesuffix(".")
            facts = {"files": shown, "index": _judge(index), "said": said, "detail": refusal.detail}
            reason = Message("would-be-rejected", **facts)
            yield Message(refusal.code, file=shown[0], index=_judge(index), reason=reason)


def doubts(
    refusals: Refusals, distributions: Sequence[Distribution], settings: Settings, index: Index
) -> Iterable[Message]:
    """Yield what PyPI may reject, and what was not checked."""
    for refusal, files in refusals.items():
        if not refusal.is_certain:
            yield Message("may-be-rejected", file=files[0].shown, index=_judge(index), said=refusal.said)
    for distribution in distributions:
        if index.pypi_rules and distribution.size > LARGEST_FILE:
            size, limit = distribution.size // 1024**2, LARGEST_FILE // 1024**2
            yield Message("large-file", file=distribution.shown, index=_judge(index), size=size, limit=limit)
    if not index.pypi_rules or (settings.dry_run == "no" and index.name != "rehearsal"):
        return
    if libraries := skipped():
        yield Message("unchecked-rules", libraries=libraries, index=_judge(index))
    if large := [one.shown for one in distributions if len(dict(one.fields).get("description", "")) > LARGEST_README]:
        yield Message("unchecked-readme", files=large, index=_judge(index), limit=LARGEST_README // 1024)


def _judge(index: Index) -> str:
    """Return the name of the index whose rules a file is checked by."""
    return "PyPI" if index.name == "rehearsal" else index.title


@cache
def _is_direct(requirement: str) -> bool:
    try:
        return Requirement(requirement).url is not None
    except InvalidRequirement:
        return False  # the index's to judge


def _joint_problems(distributions: Sequence[Distribution], settings: Settings) -> Iterable[Message]:
    for filename, count in Counter(one.filename for one in distributions).items():
        if count > 1:
            yield Message("duplicate-name", files=[one.shown for one in distributions if one.filename == filename])
    releases = sorted({(one.name, one.version) for one in distributions})
    if len(releases) > 1 and not settings.several:
        yield Message("several-releases", releases=[f"{name} {version}" for name, version in releases])
    sdists = Counter((one.name, one.version) for one in distributions if one.filetype == "sdist")
    for (name, version), count in sdists.items():
        if count > 1:
            yield Message("several-sdists", project=name, version=version, count=count)


def _stale(distributions: Sequence[Distribution], project: Project) -> Iterable[Message]:
    """Find files of another project or version than the one in the working directory."""
    for distribution in distributions:
        file = distribution.shown
        if project.name is not None and distribution.name != project.name:
            yield Message("other-project", file=file, found=distribution.name, project=project.name)
        elif not project.has(distribution.version):
            yield Message("stale-file", file=file, found=distribution.version, version=project.version)


def decide(
    settings: Settings,
    index: Index,
    distributions: Sequence[Distribution],
    held: Mapping[NormalizedName, Held],
) -> Plan:
    """Compare the files with what the index lists for each project.

    Raises:
        PlanError: the index has other files under these names, or accepts none for the project.
    """
    outcomes: list[Outcome] = []
    problems: list[Message] = []
    warnings = [warning for one in distributions for warning in one.warnings]
    for distribution in in_order(distributions):
        listed = held[distribution.name].files.get(distribution.filename)
        if listed is None:
            outcomes.append(Outcome(distribution))
            continue
        difference = compare(distribution, listed, index)
        if settings.existing == "fail":
            problems.append(Message("file-exists", file=distribution.shown, index=index.title))
        elif difference is None:
            outcomes.append(Outcome(distribution, "there", url=listed.url))
        elif settings.existing == "skip":
            warnings.append(kept(difference))
            outcomes.append(Outcome(distribution, "differs", warnings[-1], url=listed.url))
        else:
            problems.append(difference)
    if problems:
        raise PlanError("index-has-files", problems, index=index.title)
    new = dict.fromkeys(one.distribution.name for one in outcomes if one.result == "not tried")
    if closed := {name: code for name in new if (code := CLOSED.get(held[name].status))}:
        found = [Message(code, project=name, index=index.title) for name, code in closed.items()]
        raise PlanError("files-refused", found)
    return Plan(index, tuple(outcomes), tuple(warnings), held)


def compare(distribution: Distribution, listed: Listed, index: Index) -> Message | None:
    """Return how the file that *index* lists under this name differs; nothing for the same bytes."""
    there, here = listed.sha256, distribution.sha256
    if there == here:
        return None
    code = "no-hash" if there is None else "different-bytes"
    return Message(code, file=distribution.shown, index=index.title, here=here[:11], there=(there or "")[:11])


def kept(difference: Message) -> Message:
    """Return what ``existing = "skip"`` says about a *difference* that `compare` found."""
    return Message("existing-kept", **difference.facts)
