"""What a CI says of a job, against what a publisher on the index asks for. Pure.

Rules (PyPI's own, recorded in tests/pypi-recordings.json):

- GitHub: owner and repository in their exact case, the environment in any. The workflow is the
  repository's own file, by ``job_workflow_ref``: a reusable workflow of another repository never
  matches. A publisher without an environment takes a job with any.
- GitLab: namespace and project in any case in ``project_path``, but exact in
  ``ci_config_ref_uri``; the environment is exact.
- Google: ``email``, verified, and ``sub`` if the publisher has one.
- A claim that is not there matches nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from ..errors import clean
from ..index.endpoints import Index

MISSING: Final = "MISSING"
_ISSUERS: Final = {
    "https://token.actions.githubusercontent.com": "github",
    "https://gitlab.com": "gitlab",
    "https://accounts.google.com": "google",
    "https://platform.activestate.com/api/v1/oauth/oidc": "activestate",
}
_CLAIMS: Final = {
    "github": ("repository", "repository_owner_id", "job_workflow_ref", "environment", "event_name", "ref"),
    "gitlab": ("project_path", "ci_config_ref_uri", "environment", "ref_path"),
    "google": ("email", "email_verified", "sub"),
    "activestate": ("organization", "project", "actor", "builder"),
}
"""The claims that PyPI looks at, of each provider."""
TOKEN_CLAIMS: Final = ("iss", "aud", "iat", "nbf", "exp")
"""What makes a token itself good or bad, whoever publishes."""
_FORM: Final = {"workflow": {"github": "workflow_filename", "gitlab": "workflow_filepath"}}
"""Fields of PyPI's form that are not called as in the table."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Who is to publish what."""

    projects: Sequence[str]
    """Of the files, by their normalized names."""
    publisher: Mapping[str, str] | None = None
    """The trusted publisher, where one was configured and is to be compared."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One setting of a publisher that this job does not meet."""

    setting: str
    expected: str
    said: str
    """What the CI says, inert; or `MISSING`."""
    remedy: str


def provider_of(claims: Mapping[str, object]) -> str | None:
    """The provider behind the claims; ``None`` for one that PyPI does not know."""
    issuer = _text(claims, "iss") or ""
    if issuer in _ISSUERS:
        return _ISSUERS[issuer]
    return "gitlab" if "ci_config_ref_uri" in claims else "github" if "job_workflow_ref" in claims else None


def publisher_of(claims: Mapping[str, object]) -> dict[str, str]:
    """The publisher that would match this job, as the table ``publisher`` writes it."""
    provider = provider_of(claims)
    found: dict[str, str | None] = {"provider": provider}
    if provider == "github":
        owner, _, repository = (_text(claims, "repository") or "").partition("/")
        found |= {"owner": owner, "repository": repository, "workflow": _workflow(claims, provider)}
        found["environment"] = _text(claims, "environment")
    elif provider == "gitlab":
        namespace, _, project = (_text(claims, "project_path") or "").rpartition("/")
        found |= {"namespace": namespace, "project": project, "workflow": _workflow(claims, provider)}
        found["environment"] = _text(claims, "environment")
    elif provider == "google":
        found |= {"email": _text(claims, "email"), "sub": _text(claims, "sub")}
    elif provider == "activestate":
        found |= {key: _text(claims, key) for key in ("organization", "project", "actor")}
    return {key: value for key, value in found.items() if value}


def compare(publisher: Mapping[str, str], claims: Mapping[str, object]) -> list[Mismatch]:
    """What of *publisher* this job does not meet, by PyPI's rules."""
    provider = provider_of(claims)
    if provider != publisher["provider"]:
        ci = provider or claim(claims, "iss")
        return [_mismatch("provider", publisher["provider"], ci, "run the job in that CI, or correct the publisher")]
    said = publisher_of(claims)
    ignores_case = {"github": {"environment"}, "gitlab": {"namespace", "project"}}.get(provider, set())
    found = []
    for setting, expected in publisher.items():
        value = said.get(setting)
        same = value is not None and (
            value == expected or (setting in ignores_case and value.casefold() == expected.casefold())
        )
        if not same:
            shown, remedy = _shown(setting, provider, claims, value), _remedy(setting, provider, value)
            found.append(_mismatch(setting, expected, shown, remedy))
    return found or _other_obstacles(provider, publisher, claims)


def _other_obstacles(provider: str, publisher: Mapping[str, str], claims: Mapping[str, object]) -> list[Mismatch]:
    """What PyPI refuses although the publisher's own fields match."""
    if provider == "github":
        if _workflow(claims, provider) is None:
            own = f"a workflow file of {claim(claims, 'repository')}"
            return [_mismatch("workflow", own, _text(claims, "job_workflow_ref"), _FOREIGN_WORKFLOW)]
        if claims.get("event_name") == "pull_request_target":
            remedy = "a fork can steer such a run: publish from a push, a tag or a release"
            return [_mismatch("event", "any but pull_request_target", "pull_request_target", remedy)]
    if provider == "gitlab":
        file = (_text(claims, "ci_config_ref_uri") or "").partition("//")[0].partition("/")[2]
        own = f"{publisher.get('namespace')}/{publisher.get('project')}"
        if "namespace" in publisher and "project" in publisher and file != own:
            remedy = "the job's configuration has to be a file of the project itself"
            if file.casefold() == own.casefold():
                remedy = "the case counts here: write namespace and project in the publisher as GitLab does"
            return [_mismatch("workflow", f"a file of {own}", _text(claims, "ci_config_ref_uri"), remedy)]
    if provider == "google" and claims.get("email_verified") is not True:
        said = claim(claims, "email_verified")
        return [_mismatch("email_verified", "true", said, "use a service account whose address Google has verified")]
    if provider == "activestate" and claims.get("builder") != "pypi-publisher":
        remedy = "publish by ActiveState's own publishing step"
        return [_mismatch("builder", "pypi-publisher", _text(claims, "builder"), remedy)]
    return []


_FOREIGN_WORKFLOW: Final = (
    "a reusable workflow of another repository never matches: move the job into a file of the repository that publishes"
)


def _remedy(setting: str, provider: str, value: str | None) -> str:
    if setting == "environment" and value is None:
        return "the job has none: add it to the job, or take it out of the publisher"
    if setting == "environment":
        return "give the job the publisher's environment, or correct the publisher"
    if setting == "workflow" and provider == "github" and value is None:
        return _FOREIGN_WORKFLOW
    if setting == "workflow":
        return "move the job into that file, or correct the publisher"
    return "run the job from there, or, if it was renamed or moved, correct the publisher"


def _shown(setting: str, provider: str, claims: Mapping[str, object], value: str | None) -> str | None:
    """What the CI says of *setting*; of a workflow, the whole claim where it names another repository."""
    if setting == "workflow" and value is None:
        return _text(claims, "job_workflow_ref" if provider == "github" else "ci_config_ref_uri")
    return value


def _mismatch(setting: str, expected: str, said: str | None, remedy: str) -> Mismatch:
    return Mismatch(setting, clean(expected, 100), MISSING if said is None else clean(said, 160), remedy)


def _text(claims: Mapping[str, object], claim: str) -> str | None:
    value = claims.get(claim)
    return value if isinstance(value, str) and value else None


def _workflow(claims: Mapping[str, object], provider: str) -> str | None:
    """The publisher's ``workflow``: a file name of the own repository on GitHub, a path on GitLab."""
    if provider == "github":
        path = (_text(claims, "job_workflow_ref") or "").partition("@")[0]
        own = f"{_text(claims, 'repository')}/.github/workflows/"
        return path.removeprefix(own) or None if path.startswith(own) else None
    return (_text(claims, "ci_config_ref_uri") or "").partition("//")[2].partition("@")[0] or None


def presented(claims: Mapping[str, object]) -> list[tuple[str, str]]:
    """The claims that matter for this provider, inert; `MISSING` where there is none."""
    names = _CLAIMS.get(provider_of(claims) or "", ("sub",))
    if claims.get("iss") not in list(_ISSUERS):
        names = ("iss", *names)
    return [(name, claim(claims, name)) for name in names]


def claim(claims: Mapping[str, object], name: str) -> str:
    """One claim, inert; `MISSING` where there is none."""
    value = claims.get(name)
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    # What is nested may be too deep to be written out.
    return clean(value, 160) if isinstance(value, (str, int, float)) else "(neither a text nor a number)"


def form_url(index: Index, project: str, claims: Mapping[str, object]) -> str | None:
    """The page of PyPI or TestPyPI that adds the publisher of this job to *project*, filled in."""
    publisher = publisher_of(claims)
    if index.project_url is None or "provider" not in publisher:
        return None
    provider = publisher["provider"]
    fields = {_FORM.get(key, {}).get(provider, key): value[:200] for key, value in publisher.items()}
    if provider in {"github", "gitlab"}:
        fields.setdefault("environment", "")
    manage = index.project_url.replace("/project/", "/manage/project/")
    return f"{manage}{quote(project)}/settings/publishing/?{urlencode(fields, errors='replace')}"
