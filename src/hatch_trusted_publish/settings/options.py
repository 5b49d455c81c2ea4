"""Options and tables → `Settings`, or every mistake at once.

Rules (docs/reference/index.md has the table of keys):

- ``-o`` wins over Hatch's flags and variables, these over ``[tool.hatch.publish.trusted]``,
  this over ``[publish.trusted]`` in Hatch's own config file, this over the default.
- Every layer is checked, also where a higher one wins: a mistake does not hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Final, Literal

from ..errors import SettingsError, clean
from ..http.client import Certificates
from ..index.origins import host_of, is_reserved, shown_url, url_problem
from ..index.repository import Repository
from . import values

TABLE: Final = "tool.hatch.publish.trusted"
UPLOAD_URLS: Final = {"main": "https://upload.pypi.org/legacy/", "test": "https://test.pypi.org/legacy/"}
"""PyPI and TestPyPI, by the names that Hatch's own publisher gives them."""
_PYPI_HOSTS: Final = {"upload.pypi.org": "main", "pypi.org": "main", "test.pypi.org": "test"}
WITHOUT_SECRETS: Final = (
    "this publisher never uses a user name, a password or a stored token: the identity of the CI takes "
    "their place. Leave it out, or use Hatch's own publisher with `-p index`"
)
PUBLISHER_FIELDS: Final = {
    "github": ("owner", "repository", "workflow", "environment"),
    "gitlab": ("namespace", "project", "workflow", "environment"),
    "google": ("email", "sub"),
    "activestate": ("organization", "project", "actor"),
}


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line of ``hatch publish`` said besides ``-o``; ``None`` is unsaid.

    Hatch 1.x drops these for a plugin: a person who types ``-r test`` must not land on PyPI.
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
    """What one run is to do; docs/reference/index.md says what each key means."""

    repository: Repository
    development: Repository | None = None
    """Where development releases go instead (``repo = "auto"``)."""
    existing: Literal["identical", "skip", "fail"] = "identical"
    dry_run: Literal["no", "yes", "mint"] = "no"
    identity_variable: str | None = None
    keep_token: bool = False
    timeout: float = 30.0
    """Seconds for one small request; an upload gets this plus its size at 100 kB/s."""
    several: bool = False
    check_version: bool = True
    report: str | None = None
    attestations: bool | Literal["auto"] = "auto"
    concurrency: int = 4
    """Uploads at once, after the first of a release."""
    wait: float = 0
    """Seconds, at most, until the index has to list every file with its hash; 0: nobody waits for that."""
    rehearse_as: Literal["github", "gitlab"] = "github"
    publisher: Mapping[str, str] | None = None
    """The trusted publisher as the index has it; each given field is compared with the identity's claims."""


_CERTIFICATES: Final = ("ca-cert", "client-cert", "client-key")
_REPO_KEYS: Final[Mapping[str, values.Parser]] = {
    "url": values.text,
    "audience": values.text,
    "audience-endpoint": values.text,
    "token-mint-endpoint": values.text,
    "simple-url": values.text,
    "attestations": values.boolean,
    "local-versions": values.boolean,
    **dict.fromkeys(_CERTIFICATES, values.text),
}
_KEYS: Final[Mapping[str, values.Parser]] = {
    "repo": values.text,
    "repos": values.table,
    "existing": values.one_of("identical", "skip", "fail"),
    "dry-run": values.one_of(False, True, "mint"),
    "publisher": values.table,
    "identity-variable": values.text,
    "keep-token": values.boolean,
    "attestations": values.one_of("auto", False, True),
    "concurrency": values.number(int, 1, 16),
    "wait": values.number(float, 0, 86400),
    "timeout": values.number(float, 1, 3600),
    "several": values.boolean,
    "check-version": values.boolean,
    "report": values.text,
    "rehearse-as": values.one_of("github", "gitlab"),
}
_HATCHS_OWN: Final = frozenset({"disable", "no_prompt", "initialize_auth"})
"""What Hatch reads itself, or adds to the options of every publisher."""


def parse(
    options: Mapping[str, object], flags: Flags, project: Mapping[str, object], user: Mapping[str, object]
) -> Settings:
    """The settings of a run.

    Args:
        options: the pairs of ``-o``.
        flags: Hatch's own flags and variables.
        project: ``[tool.hatch.publish.trusted]``.
        user: ``[publish.trusted]`` of Hatch's config file.

    Raises:
        SettingsError: all that is wrong, each with its full key.
    """
    problems = _refused(flags)
    chosen: dict[str, Any] = {}
    source = "repo"
    repositories = {name: Repository(name, url) for name, url in UPLOAD_URLS.items()}
    from_flags = {} if flags.repo is None else {"repo": flags.repo}
    for prefix, layer in (("publish.trusted.", user), (f"{TABLE}.", project), ("--", from_flags), ("-o ", options)):
        own = {key: value for key, value in layer.items() if key not in _HATCHS_OWN}
        parsed = _parse_table(own, _KEYS, prefix, problems)
        for name, raw in parsed.pop("repos", {}).items():
            _add_repository(name, raw, f"{prefix}repos.{clean(name, 60)}", repositories, problems)
        if "publisher" in parsed:
            _check_publisher(parsed["publisher"], f"{prefix}publisher.", problems)
        if "repo" in parsed:
            source = f"{prefix}repo"
        chosen |= parsed
    repo = chosen.pop("repo", "main")
    repository = _choose("main" if repo == "auto" else repo, source, repositories, flags, problems)
    development = _choose("test", source, repositories, flags, problems) if repo == "auto" else None
    if problems:
        raise SettingsError("The settings cannot be used as they are; nothing was sent:", dict.fromkeys(problems))
    dry_run = {False: "no", True: "yes"}.get(chosen.pop("dry-run", False), "mint")
    rest = {key.replace("-", "_"): value for key, value in chosen.items()}
    return Settings(repository, development, dry_run=dry_run, **rest)  # type: ignore[arg-type]


def _refused(flags: Flags) -> list[str]:
    said = {
        "--user (or HATCH_INDEX_USER)": flags.user,
        "--auth (or HATCH_INDEX_AUTH)": flags.auth,
        "--initialize-auth": flags.initialize_auth,
    }
    return [f"`{flag}`: {WITHOUT_SECRETS}" for flag, given in said.items() if given]


def _parse_table(
    table: Mapping[str, object], keys: Mapping[str, values.Parser], prefix: str, problems: list[str]
) -> dict[str, Any]:
    """The known keys of *table*, parsed; what is wrong goes to *problems*."""
    parsed: dict[str, Any] = {}
    for key, value in table.items():
        label = f"`{prefix}{clean(key, 60)}`"
        if key in keys:
            try:
                parsed[key] = keys[key](value)
            except values.Wrong as wrong:
                problems.append(f"{label}: {wrong}")
        elif key in {"user", "auth"}:
            problems.append(f"{label}: {WITHOUT_SECRETS}")
        else:
            close = get_close_matches(key, keys, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"the keys are {', '.join(keys)}"
            problems.append(f"{label}: there is no such key; {hint}")
    return parsed


def _add_repository(
    name: str, raw: object, label: str, repositories: dict[str, Repository], problems: list[str]
) -> None:
    """Read one entry of ``repos``; a name that two layers have is the higher one's."""
    table = {"url": raw} if isinstance(raw, str) else raw
    if not isinstance(table, Mapping):
        problems.append(f"`{label}`: must be a URL or a table, not {values.shown(raw)}")
        return
    if name in {"auto", "rehearsal"} or "://" in name:
        problems.append(f"`{label}`: this name has a meaning of its own, choose another")
        return
    parsed = _parse_table(table, _REPO_KEYS, f"{label}.", problems)
    certificates = {key.replace("-", "_"): parsed[key] for key in _CERTIFICATES if key in parsed}
    if name in UPLOAD_URLS:
        problems.extend(
            f"`{label}.{key}`: `{name}` is always {UPLOAD_URLS[name]}, only certificates can be set for it"
            for key in parsed
            if key not in _CERTIFICATES
        )
        repositories[name] = Repository(name, UPLOAD_URLS[name], certificates=Certificates(**certificates))
        return
    if "url" not in table:
        problems.append(f"`{label}.url`: is missing")
    _check_repository(parsed, label, problems)
    repositories[name] = Repository(
        name,
        parsed.get("url", ""),
        audience=parsed.get("audience"),
        audience_endpoint=parsed.get("audience-endpoint"),
        mint_endpoint=parsed.get("token-mint-endpoint"),
        simple_url=parsed.get("simple-url"),
        local_versions=parsed.get("local-versions", False),
        attestations=parsed.get("attestations", False),
        certificates=Certificates(**certificates),
    )


def _check_repository(parsed: Mapping[str, Any], label: str, problems: list[str]) -> None:
    problems.extend(
        f"`{label}.{key}`: {problem}"
        for key in ("url", "simple-url", "audience-endpoint", "token-mint-endpoint")
        if key in parsed and (problem := (_own_url_problem if key == "url" else url_problem)(parsed[key]))
    )
    if is_reserved(parsed.get("audience", "")):
        problems.append(
            f"`{label}.audience`: {values.shown(parsed['audience'])} belongs to another service, where an index that "
            "asks for it could use your identity. Its operator has to choose one of its own"
        )
    ends = [parsed[key] for key in ("audience-endpoint", "token-mint-endpoint") if key in parsed]
    if len(ends) == 1:
        problems.append(f"`{label}`: `audience-endpoint` and `token-mint-endpoint` go together, one is missing")
    if len(ends) == 2 and not any(map(url_problem, ends)) and host_of(ends[0]) != host_of(ends[1]):
        problems.append(f"`{label}.token-mint-endpoint`: must be on the host of `audience-endpoint`")


def _own_url_problem(url: str) -> str | None:
    """Why *url* cannot be that of an index besides PyPI and TestPyPI, which have trust rules of their own."""
    if problem := url_problem(url):
        return str(problem)
    name = _PYPI_HOSTS.get(host_of(url))
    return name and f"{shown_url(url)!r} is always there as `{name}`: use that name instead"


def _check_publisher(table: Mapping[str, object], prefix: str, problems: list[str]) -> None:
    try:
        fields = PUBLISHER_FIELDS[values.one_of(*PUBLISHER_FIELDS)(table.get("provider"))]
    except values.Wrong as wrong:
        problems.append(f"`{prefix}provider`: {wrong}")
        return
    _parse_table(table, dict.fromkeys(("provider", *fields), values.text), prefix, problems)


def _choose(
    repo: str, source: str, repositories: Mapping[str, Repository], flags: Flags, problems: list[str]
) -> Repository:
    """The repository that *repo* names, with the certificates of the command line."""
    by_url = {repository.url.rstrip("/"): repository for repository in repositories.values()}
    known = repositories.get(repo) or by_url.get(repo.rstrip("/"))
    if repo == "rehearsal":
        chosen = Repository(repo, "")
    elif known is not None:
        chosen = known
    elif "://" in repo:
        if problem := _own_url_problem(repo):
            problems.append(f"`{source}`: {problem}")
        chosen = Repository(repo, repo)
    else:
        names = ", ".join(clean(name, 60) for name in [*repositories, "auto", "rehearsal"])
        problems.append(
            f"`{source}`: there is no repository {clean(shown_url(repo), 80)!r}; there are {names}, "
            "and any https:// URL will do"
        )
        chosen = Repository(repo, "")
    given = {key: value for key in ("ca_cert", "client_cert", "client_key") if (value := getattr(flags, key))}
    chosen = replace(chosen, certificates=replace(chosen.certificates, **given))
    if chosen.certificates.client_key and not chosen.certificates.client_cert:
        label = "--client-key" if flags.client_key else f"repos.{clean(chosen.name, 60)}.client-key"
        problems.append(f"`{label}`: is of no use without `client-cert`")
    return chosen
