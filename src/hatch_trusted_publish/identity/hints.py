"""Why an index and a CI do not agree about a job: shown so that somebody can mend it at night. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urljoin

from ..errors import clean
from ..index.endpoints import Index
from ..settings.options import TABLE
from .publishers import MISSING, TOKEN_CLAIMS, Expected, Mismatch, claim, compare, form_url, presented, provider_of
from .publishers import publisher_of as matching_publisher

EXPLAINED: Final = frozenset(
    {
        "invalid-publisher",
        "invalid-pending-publisher",
        "invalid-payload",
        "unknown-issuer",
        "pending-name-refused",
        "invalid-token",
        "invalid-reuse-token",
        "not-enabled",
    }
)
"""PyPI's codes of a refused identity: what the CI said is told with each."""


def mismatches(found: Sequence[Mismatch], ci: str) -> str:
    """The publisher that was configured, against what the CI says: told before anything is minted."""
    rows = [("setting", "expected", f"{ci} says"), *((one.setting, one.expected, one.said) for one in found)]
    heading = (
        "This job is not the one that the table `publisher` describes; its identity was not sent, nothing was minted:"
    )
    remedies = [f"  - {one.setting}: {one.remedy}" for one in found]
    return "\n".join([heading, "", *_columns(rows), "", "What to change:", *remedies])


def refusal(claims: Mapping[str, object], ci: str, index: Index, expected: Expected, code: str, said: str) -> str:
    """What stands behind a refused exchange: what the CI said, what is likely wrong, and how to mend it.

    Args:
        claims: of the identity token.
        ci: its CI's name.
        index: which refused.
        code: one of `EXPLAINED`.
        said: what the index said.
    """
    if code == "invalid-token":
        return "\n".join(_presented(ci, [(name, claim(claims, name)) for name in TOKEN_CLAIMS]))
    lines = _presented(ci, presented(claims))
    if code == "invalid-pending-publisher":
        lines += _forms(claims, index, expected.projects)
    elif code == "invalid-publisher":
        obstacles = _obstacles(claims)
        lines += _numbered([*obstacles, *_causes(claims, index, expected.projects, said)])
        if not obstacles:  # with them, no publisher would do
            lines += [*_forms(claims, index, expected.projects), *_table(claims, expected)]
    return "\n".join(lines)


def other_project(claims: Mapping[str, object], ci: str, index: Index, expected: Expected) -> str:
    """What stands behind a refused upload, where the index minted a token, but not for this project."""
    names = _names(expected.projects)
    other = "the publisher belongs to a project of another name than"
    causes = [
        f"{other} {names}: `-`, `_` and `.` count as the same, all else does not",
        f"{names} has no publisher of its own: add one in its settings on the index",
        "the name in pyproject.toml was misspelled, or has changed",
    ]
    lines = [*_presented(ci, presented(claims)), *_numbered(causes)]
    return "\n".join([*lines, *_forms(claims, index, expected.projects), *_table(claims, expected)])


def _presented(ci: str, said: Sequence[tuple[str, str]]) -> list[str]:
    return [f"What {ci} said of this job:", *(f"  {name}: {value}" for name, value in said)]


def _numbered(causes: Sequence[str]) -> list[str]:
    numbered = (f"  {number}. {cause}" for number, cause in enumerate(causes, 1))
    return ["", "What may be wrong, the likeliest first:", *numbered]


def _forms(claims: Mapping[str, object], index: Index, projects: Sequence[str]) -> list[str]:
    forms = [url for project in projects if (url := form_url(index, project, claims))]
    if not forms:
        return []
    account = urljoin(forms[0], "/manage/account/publishing/")
    return [
        "",
        f"The form that adds exactly this publisher (for a new project: {account}):",
        *(f"  {url}" for url in forms),
    ]


def _table(claims: Mapping[str, object], expected: Expected) -> list[str]:
    publisher = matching_publisher(claims)
    if expected.publisher is not None or "provider" not in publisher:
        return []
    lines = ["", "To have this compared before each release, add to pyproject.toml:", "", f"  [{TABLE}.publisher]"]
    lines += (f"  {key} = {json.dumps(clean(value, 200), ensure_ascii=False)}" for key, value in publisher.items())
    return lines


def _obstacles(claims: Mapping[str, object]) -> list[str]:
    """Why no publisher would match this job, whatever its settings."""
    publisher = matching_publisher(claims)
    found = compare(publisher, claims) if "provider" in publisher else []
    return [f"{one.setting} ({one.said}): {one.remedy}" for one in found]


def _causes(claims: Mapping[str, object], index: Index, projects: Sequence[str], said: str) -> list[str]:
    shown = dict(presented(claims))
    workflow = matching_publisher(claims).get("workflow")
    other_file = [] if workflow is None else [f"the publisher names another workflow file than {clean(workflow, 160)}"]
    none = f"{_names(projects)} has no publisher on this index yet"
    if index.project_url is not None:
        none += ": one on TestPyPI is none on PyPI, nor the other way round"
    match provider_of(claims):
        case "github":
            return [
                _environment(shown),
                *other_file,
                none,
                f"{shown['repository']} was renamed or moved, and the publisher has its old name",
                f"the owner's account was made anew (its id is {shown['repository_owner_id']} now): add the publisher again",
                "the publisher's owner or repository differs in upper and lower case, or has `-` for `_`",
            ]
        case "gitlab":
            case = (
                "the publisher's namespace, project or environment differs in upper and lower case: GitLab's own way "
                f"is {shown['project_path']}"
            )
            causes = [
                _environment(shown),
                *other_file,
                none,
                f"{shown['project_path']} was renamed or moved, and the publisher has its old name",
            ]
            return [case, *causes] if "ci_config_ref_uri" in said else [*causes, case]
        case "google":
            return [
                f"the publisher names another service account than {shown['email']}",
                none,
                f"the publisher has a subject, and it is not {shown['sub']}",
            ]
        case "activestate":
            return ["the publisher names another organization, project or actor", none]
        case _:
            return [f"this index has no publishers for identities of {shown['iss']}", none]


def _names(projects: Sequence[str]) -> str:
    return " or ".join(projects)


def _environment(shown: Mapping[str, str]) -> str:
    if shown["environment"] == MISSING:
        return "the publisher names an environment, and this job has none: add it to the job, or take it out there"
    return f"the publisher names another environment than {shown['environment']}"


def _columns(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]}" for row in rows]
