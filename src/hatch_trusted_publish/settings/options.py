"""Options and tables → `Settings`, or every mistake at once.

Rules (docs/reference/index.md has the tables of keys):

- ``-o`` wins over Hatch's flags and variables, these over ``[tool.hatch.publish.trusted]``, this over
  ``[publish.trusted]`` in Hatch's own config file, this over the default.
- Every layer is checked, even where a higher one wins: no mistake hides.
- What decides where an identity token goes is never read from the project: a pull request could change it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final, Literal

from ..errors import Message, SettingsError
from ..index.endpoints import Repository
from . import values
from .repositories import CERTIFICATES, Repositories

TABLE: Final = "tool.hatch.publish.trusted"
_PROJECT: Final = f"{TABLE}."
PUBLISHER_FIELDS: Final = {
    "github": ("owner", "repository", "workflow", "environment"),
    "gitlab": ("namespace", "project", "workflow", "environment"),
    "google": ("email", "sub"),
    "activestate": ("organization", "project", "actor"),
}


@dataclass(frozen=True, slots=True)
class Flags:
    """The command line of ``hatch publish`` except ``-o``; ``None`` for what it does not set.

    Hatch 1.x drops these for a plugin: someone who types ``-r test`` must not land on PyPI.
    """

    repo: str | None = None
    user: bool = False
    auth: bool = False
    initialize_auth: bool = False
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one run; docs/reference/index.md explains each key."""

    repository: Repository
    development: Repository | None = None
    """The index for development releases (``repo = "auto"``)."""
    existing: Literal["identical", "skip", "fail"] = "identical"
    dry_run: Literal["no", "yes", "mint"] = "no"
    identity_variable: str | None = None
    keep_token: bool = False
    timeout: float = 30.0
    """Seconds for one small request; an upload gets this plus its size at 100 kB/s."""
    several: bool = False
    check_version: bool = True
    report: str | None = None
    report_inside: bool = False
    """Whether the path of the report comes from the project, so that it must stay inside."""
    expect: str | None = None
    """The digest of the files to publish."""
    attestations: bool | Literal["auto"] = "auto"
    concurrency: int = 8
    """The most uploads in flight."""
    wait: float = 0
    """The most seconds to wait until the index lists every file with its hash; 0: no waiting."""
    rehearse_as: Literal["github", "gitlab"] = "github"
    publisher: Mapping[str, str] | None = None
    """The trusted publisher as configured on the index; each field is compared with the identity's claims."""


KEYS: Final[Mapping[str, values.Parser]] = {
    "repo": values.string,
    "repos": values.table,
    "existing": values.one_of("identical", "skip", "fail"),
    "dry-run": values.one_of(False, True, "mint"),
    "publisher": values.table,
    "identity-variable": values.string,
    "keep-token": values.boolean,
    "attestations": values.one_of("auto", False, True),
    "concurrency": values.number(int, 1, 16),
    "wait": values.number(float, 0, 86400),
    "timeout": values.number(float, 1, 3600),
    "several": values.boolean,
    "check-version": values.boolean,
    "report": values.path,
    "expect": values.digest,
    "audience": values.string,
    "rehearse-as": values.one_of("github", "gitlab"),
}
_HATCHS_OWN: Final = frozenset({"disable", "no_prompt", "initialize_auth"})
"""The options that Hatch reads itself, or adds for every publisher."""


def parse(
    options: Mapping[str, object], flags: Flags, project: Mapping[str, object], user: Mapping[str, object]
) -> Settings:
    """Return the settings of a run.

    Args:
        options: the pairs of ``-o``.
        flags: Hatch's own flags and variables.
        project: ``[tool.hatch.publish.trusted]``.
        user: ``[publish.trusted]`` of Hatch's config file.

    Raises:
        SettingsError: every mistake, each with its full key.
    """
    problems = _passwords(flags)
    repositories = Repositories(problems)
    from_flags = {"repo": flags.repo} if flags.repo is not None else {}
    chosen: dict[str, Any] = {}
    places: dict[str, str] = {}
    for place, layer in (("publish.trusted.", user), (_PROJECT, project), ("--", from_flags), ("-o ", options)):
        own = {key: value for key, value in layer.items() if key not in _HATCHS_OWN}
        parsed = values.read_table(own, KEYS, place, problems)
        if place == _PROJECT:
            problems += _untrusted(parsed)
        for name, raw in parsed.pop("repos", {}).items():
            repositories.add(name, raw, place, from_project=place == _PROJECT)
        if "publisher" in parsed:
            parsed["publisher"] = _publisher(parsed["publisher"], f"{place}publisher.", problems)
        chosen |= parsed
        places |= dict.fromkeys(parsed, place)

    repo, audience = chosen.pop("repo", "main"), chosen.pop("audience", None)
    place = places.get("repo", "")
    given = {key: value for key in CERTIFICATES if (value := getattr(flags, key.replace("-", "_")))}
    certificates = values.read_table(given, CERTIFICATES, "--", problems)
    repository = repositories.choose("main" if repo == "auto" else repo, place, certificates)
    development = repositories.choose("test", place, certificates) if repo == "auto" else None
    if audience is not None:
        typed = "://" in repo and place != _PROJECT
        repository = repositories.with_audience(repository, audience, f"{places['audience']}audience", typed=typed)
    if chosen.get("wait") and repository.listing:
        problems.append(Message("wait-without-listing", key=f"{places['wait']}wait"))
    if problems:
        raise SettingsError("settings-refused", problems)
    dry_run = {False: "no", True: "yes"}.get(chosen.pop("dry-run", False), "mint")
    rest = {key.replace("-", "_"): value for key, value in chosen.items()}
    inside = places.get("report") == _PROJECT
    return Settings(repository, development, dry_run=dry_run, report_inside=inside, **rest)  # type: ignore[arg-type]


def _passwords(flags: Flags) -> list[Message]:
    given = {"--user": flags.user, "--auth": flags.auth, "--initialize-auth": flags.initialize_auth}
    return [Message("no-passwords", key=key) for key, is_given in given.items() if is_given]


def _untrusted(parsed: Mapping[str, Any]) -> list[Message]:
    """The settings of the project that only the workflow may decide."""
    keys = [key for key in ("identity-variable", "audience") if key in parsed]
    path = PurePath(parsed.get("report", ""))
    if path.anchor or ".." in path.parts:
        keys.append("report")
    line = {key: shlex.join(["-o", f"{key}={parsed[key]}"]) for key in keys}
    return [Message("workflow-only", key=f"{_PROJECT}{key}", line=line[key]) for key in keys]


def _publisher(table: Mapping[str, object], prefix: str, problems: list[Message]) -> dict[str, Any]:
    provider = table.get("provider")
    known = PUBLISHER_FIELDS.get(provider) if isinstance(provider, str) else None
    # With a wrong provider, the other mistakes are still reported.
    fields = known or dict.fromkeys(field for fields in PUBLISHER_FIELDS.values() for field in fields)
    if "provider" not in table:
        problems.append(Message("missing-key", key=f"{prefix}provider"))
    keys = {"provider": values.one_of(*PUBLISHER_FIELDS), **dict.fromkeys(fields, values.string)}
    return values.read_table(table, keys, prefix, problems)
