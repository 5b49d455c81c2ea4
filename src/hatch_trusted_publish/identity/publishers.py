"""The claims of a job, and how PyPI compares them with a trusted publisher. Pure.

Rules (PyPI's own, recorded in tests/pypi-recordings.json):

- Case counts everywhere except in GitHub's environment. A publisher without an environment accepts
  a job in any environment.
- The workflow is a file of the repository that publishes: a reusable workflow of another repository
  never matches, and neither does one of the same repository at another ref.
- A claim that is missing matches nothing.
- A report shows the claims in `Provider.public`, ``iss`` and ``sub``, and no others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode, urljoin

from ..errors import LONGEST_FACT, Message, clean
from ..index.endpoints import Index
from ..settings.options import PUBLISHER_FIELDS

Claims: TypeAlias = Mapping[str, object]
TOKEN_CLAIMS: Final = ("iss", "aud", "iat", "nbf", "exp")
"""The claims that make a token itself valid, for every publisher."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Who is to publish what."""

    projects: Sequence[str]
    """The normalized names of the projects."""
    publisher: Mapping[str, str] | None = None
    """The table ``publisher``, if there is one."""
    new: Sequence[str] = ()
    """Those of the projects that the index does not have."""
    pyproject: bool = True
    """Whether there is a ``pyproject.toml`` to add the table to."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One CI, as PyPI knows it."""

    issuer: str
    name: tuple[str, ...]
    """The fields of the table ``publisher`` that name the publisher."""
    compared: tuple[str, ...]
    """The claims that PyPI compares."""
    public: tuple[str, ...]
    """The claims that a report may show."""
    form: Mapping[str, str] = field(default_factory=dict)
    """Field → its name in PyPI's form, if the two differ."""


PROVIDERS: Final[Mapping[str, Provider]] = {
    "github": Provider(
        issuer="https://token.actions.githubusercontent.com",
        name=("owner", "repository"),
        compared=("repository", "repository_owner_id", "job_workflow_ref", "environment", "event_name", "ref"),
        public=(
            *("repository", "repository_owner", "workflow_ref", "job_workflow_ref", "ref", "sha", "environment"),
            *("event_name", "run_id", "run_attempt"),
        ),
        form={"workflow": "workflow_filename"},
    ),
    "gitlab": Provider(
        issuer="https://gitlab.com",
        name=("namespace", "project"),
        compared=("project_path", "ci_config_ref_uri", "environment", "ref_path"),
        public=(
            *("project_path", "ci_config_ref_uri", "ref", "ref_path", "ref_type", "sha", "environment"),
            *("pipeline_source", "pipeline_id", "job_id"),
        ),
        form={"workflow": "workflow_filepath"},
    ),
    "google": Provider(
        issuer="https://accounts.google.com",
        name=("email",),
        compared=("email", "email_verified", "sub"),
        public=("email", "email_verified"),
    ),
    "activestate": Provider(
        issuer="https://platform.activestate.com/api/v1/oauth/oidc",
        name=("organization", "project"),
        compared=("organization", "project", "actor", "actor_id", "builder"),
        public=("organization", "project", "actor"),
    ),
    # A CI that PyPI does not know.
    "": Provider(issuer="", name=("sub",), compared=("sub",), public=()),
}


def text_of(claims: Claims, name: str) -> str:
    """Return a claim that is a string; empty if it is missing or something else."""
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def provider_of(claims: Claims) -> str:
    """Return the name of the provider behind the claims; empty for one that PyPI does not know."""
    issuer = text_of(claims, "iss")
    if known := next((name for name, provider in PROVIDERS.items() if provider.issuer == issuer), ""):
        return known
    # Self-managed instances have issuers of their own.
    return "gitlab" if "ci_config_ref_uri" in claims else "github" if "job_workflow_ref" in claims else ""


def publisher_of(claims: Claims) -> dict[str, str]:
    """Return the publisher that would match this job, as the table ``publisher`` writes it."""
    provider = provider_of(claims)
    # Most fields are claims of the same name.
    found = {key: text_of(claims, key) for key in PUBLISHER_FIELDS.get(provider, ())}
    match provider:
        case "github":
            found["owner"], _, found["repository"] = text_of(claims, "repository").partition("/")
            path = text_of(claims, "job_workflow_ref").partition("@")[0]
            own = f"{text_of(claims, 'repository')}/.github/workflows/"
            found["workflow"] = path.removeprefix(own) if path.startswith(own) else ""
        case "gitlab":
            found["namespace"], _, found["project"] = text_of(claims, "project_path").rpartition("/")
            found["workflow"] = text_of(claims, "ci_config_ref_uri").partition("//")[2].partition("@")[0]
    return {key: value for key, value in {"provider": provider, **found}.items() if value}


def obstacles(claims: Claims) -> Iterator[Message]:
    """Yield why no publisher would match this job, whatever its fields."""
    match provider_of(claims):
        case "github":
            workflow, ref = text_of(claims, "job_workflow_ref"), text_of(claims, "ref")
            if "workflow" not in publisher_of(claims):
                yield Message("foreign-workflow", workflow=workflow, repository=text_of(claims, "repository"))
            elif ref and workflow.partition("@")[2] not in {ref, text_of(claims, "sha")}:
                yield Message("workflow-at-another-ref", workflow=workflow, ref=ref)
            if claims.get("event_name") == "pull_request_target":
                yield Message("pull-request-target")
        case "gitlab":
            file, project = text_of(claims, "ci_config_ref_uri"), text_of(claims, "project_path")
            if file.partition("//")[0].partition("/")[2] != project:
                yield Message("foreign-ci-file", file=file, project=project)
        case "google" if claims.get("email_verified") is not True:
            yield Message("unverified-email", email=text_of(claims, "email"))
        case "activestate" if claims.get("builder") != "pypi-publisher":
            yield Message("foreign-builder", builder=claim(claims, "builder"))


def compare(publisher: Mapping[str, str], claims: Claims) -> list[Message]:
    """Return what in *publisher* this job does not match, by PyPI's rules."""
    job = publisher_of(claims)
    if job.get("provider") != publisher["provider"]:
        found = job.get("provider") or claim(claims, "iss") or Message("no-claim")
        return [Message("mismatch", setting="provider", expected=publisher["provider"], found=found)]
    problems = [*obstacles(claims)]
    for setting, expected in publisher.items():
        found = job.get(setting) or Message("no-claim")
        any_case = (job["provider"], setting) == ("github", "environment")
        same = found == expected or (any_case and str(found).casefold() == expected.casefold())
        # A workflow that is not the repository's own is one of the obstacles.
        if not same and (setting in job or setting != "workflow"):
            problems.append(Message("mismatch", setting=setting, expected=expected, found=found))
    return problems


def claim(claims: Claims, name: str) -> str:
    """Return one claim as safe text; empty if it is missing."""
    value = claims.get(name)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return clean(value)
    return "" if value is None else type(value).__name__  # a nested value may be too deep to write out


def presented(claims: Claims, names: Sequence[str] = ()) -> dict[str, str | Message]:
    """Return *names*, or the claims that PyPI compares, as a message shows them."""
    provider = PROVIDERS[provider_of(claims)]
    names = names or provider.compared
    if claims.get("iss") != provider.issuer:
        names = ("iss", *names)
    return {name: claim(claims, name) or Message("no-claim") for name in names}


def public_claims(claims: Claims) -> dict[str, str]:
    """Return what everybody may know about the job, for the report."""
    names = ("iss", "sub", *PROVIDERS[provider_of(claims)].public)
    return {name: value for name in names if (value := claim(claims, name))}


def publishing_as(claims: Claims) -> Message:
    """Return the line that says who publishes."""
    provider, job = provider_of(claims), publisher_of(claims)
    who = "/".join(job.get(key) or claim(claims, key) for key in PROVIDERS[provider].name)
    more = {key: job.get(key, "") for key in ("workflow", "environment", "actor")}
    return Message("publishing-as", who=who, issuer="" if provider else claim(claims, "iss"), **more)


def form_url(index: Index, project: str, publisher: Mapping[str, str], issuer: str = "") -> str | None:
    """Return the page of PyPI or TestPyPI that adds *publisher* to *project*, filled in.

    Args:
        issuer: of a self-managed GitLab.
    """
    if index.project_url is None or not publisher:
        return None
    provider = PROVIDERS[publisher["provider"]]
    fields = {provider.form.get(key, key): value for key, value in publisher.items()}
    if publisher["provider"] == "gitlab" and issuer not in {"", provider.issuer}:
        fields["issuer_url"] = issuer
    manage = index.project_url.replace("/project/", "/manage/project/")
    url = f"{manage}{quote(project)}/settings/publishing/?{urlencode(fields, errors='replace')}"
    return url if len(url) <= LONGEST_FACT else None  # half a form is worse than none


def pending_form_url(index: Index) -> str | None:
    """Return the page of PyPI or TestPyPI that adds a publisher for a project that does not exist."""
    return index.project_url and urljoin(index.project_url, "/manage/account/publishing/")
