"""Trusted publishers, and which claims of an identity token are theirs. Pure.

Rules, as PyPI has them:

- A required claim that is missing ends the search, with its name.
- A publisher is found by what names the repository (or account), the workflow and the
  environment. One with an environment goes before one without.
- Only the publisher that was found is compared further: where the workflow lies, how the
  run was triggered, whether the address is verified.
- GitHub: owner and repository are case-sensitive, the environment is not.
  GitLab: the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

Claims: TypeAlias = Mapping[str, object]

NOT_FOUND: Final = "Publisher with matching claims was not found"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """No publisher matches. *reason* is what PyPI puts in parentheses."""

    reason: str


def _text(claims: Claims, name: str) -> str:
    """Return a claim that is a string. Other types match no publisher."""
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _elsewhere(claim: str, claims: Claims, file: str, ref: str) -> str | None:
    """Return the objection to a workflow that is not *file* in this run."""
    expected = [f"{file}@{_text(claims, name)}" for name in ("sha", ref)]
    if (got := _text(claims, claim)) in expected:
        return None
    return f"The {claim} claim does not match, expecting one of {expected}, got {got!r}"


@dataclass(frozen=True, slots=True)
class GitHub:
    """A workflow of a GitHub repository."""

    label: ClassVar[str] = "github"
    issuer: ClassVar[str] = "https://token.actions.githubusercontent.com"
    required: ClassVar[tuple[str, ...]] = (
        "sub",
        "ref",
        "sha",
        "jti",
        "repository",
        "repository_owner",
        "repository_owner_id",
        "job_workflow_ref",
    )

    owner: str
    owner_id: str
    repository: str
    workflow: str
    environment: str = ""

    @property
    def repository_url(self) -> str:
        return f"https://github.com/{self.owner}/{self.repository}"

    @property
    def workflow_path(self) -> str:
        """Return what follows the repository in the URL of the workflow."""
        return f"/.github/workflows/{self.workflow}"

    def found_by(self, claims: Claims) -> bool:
        """Return whether the claims name this repository, file name and environment."""
        workflow = re.search(r"([^/]+\.ya?ml)@", _text(claims, "job_workflow_ref"))
        return (
            _text(claims, "repository_owner") == self.owner
            # An account that was registered again has another id.
            and _text(claims, "repository_owner_id") == self.owner_id
            and _text(claims, "repository") == f"{self.owner}/{self.repository}"
            and workflow is not None
            and workflow[1] == self.workflow
            and self.environment.lower() in ("", _text(claims, "environment").lower())
        )

    def objection(self, claims: Claims) -> str | None:
        """Return why the job must not publish: a workflow of another repository never matches."""
        if _text(claims, "event_name") == "pull_request_target":
            return "Publishing from a workflow invoked via 'pull_request_target' is not supported."
        file = f"{self.owner}/{self.repository}/.github/workflows/{self.workflow}"
        return _elsewhere("job_workflow_ref", claims, file, "ref")

    def described(self) -> dict[str, object]:
        """Return the publisher as a provenance object has it."""
        return {
            "kind": "GitHub",
            "repository": f"{self.owner}/{self.repository}",
            "workflow": self.workflow,
            "environment": self.environment or None,
        }


@dataclass(frozen=True, slots=True)
class GitLab:
    """A pipeline of a GitLab project."""

    label: ClassVar[str] = "gitlab"
    issuer: ClassVar[str] = "https://gitlab.com"
    required: ClassVar[tuple[str, ...]] = (
        "sub",
        "sha",
        "jti",
        "ref_path",
        "project_path",
        "ci_config_ref_uri",
    )

    namespace: str
    project: str
    workflow: str
    environment: str = ""

    @property
    def repository_url(self) -> str:
        return f"https://gitlab.com/{self.namespace}/{self.project}"

    @property
    def workflow_path(self) -> str:
        """Return what follows the project in the URL of the workflow."""
        return f"//{self.workflow}"

    def found_by(self, claims: Claims) -> bool:
        """Return whether the claims name this project, file and environment."""
        workflow = re.search(r"//([^@]+)@", _text(claims, "ci_config_ref_uri"))
        return (
            _text(claims, "project_path").lower() == f"{self.namespace}/{self.project}".lower()
            and workflow is not None
            and workflow[1] == self.workflow
            and self.environment in ("", _text(claims, "environment"))
        )

    def objection(self, claims: Claims) -> str | None:
        """Return why the job must not publish: here the case of the project's path counts."""
        file = f"gitlab.com/{self.namespace}/{self.project}//{self.workflow}"
        return _elsewhere("ci_config_ref_uri", claims, file, "ref_path")

    def described(self) -> dict[str, object]:
        """Return the publisher as a provenance object has it."""
        return {
            "kind": "GitLab",
            "repository": f"{self.namespace}/{self.project}",
            "workflow_filepath": self.workflow,
            "environment": self.environment or None,
        }


@dataclass(frozen=True, slots=True)
class Google:
    """A Google service account."""

    label: ClassVar[str] = "google"
    issuer: ClassVar[str] = "https://accounts.google.com"
    required: ClassVar[tuple[str, ...]] = ("email", "email_verified")

    email: str
    sub: str = ""

    @property
    def environment(self) -> str:
        """A publisher with a subject is preferred, as one with an environment is elsewhere."""
        return self.sub

    def found_by(self, claims: Claims) -> bool:
        """Return whether the claims name this account."""
        return _text(claims, "email") == self.email and self.sub in ("", _text(claims, "sub"))

    def objection(self, claims: Claims) -> str | None:
        """Return why the job must not publish: an address that Google did not verify proves nothing."""
        if claims["email_verified"] is True:
            return None
        return "Check failed for required claim 'email_verified'"

    def described(self) -> dict[str, object]:
        """Return the publisher as a provenance object has it."""
        return {"kind": "Google", "email": self.email}


@dataclass(frozen=True, slots=True)
class ActiveState:
    """A project on the ActiveState platform."""

    label: ClassVar[str] = "activestate"
    issuer: ClassVar[str] = "https://platform.activestate.com/api/v1/oauth/oidc"
    required: ClassVar[tuple[str, ...]] = ("sub", "organization", "project", "actor_id", "builder")
    environment: ClassVar[str] = ""

    organization: str
    project: str
    actor_id: str

    def found_by(self, claims: Claims) -> bool:
        """Return whether the claims name this project and person."""
        return (
            _text(claims, "organization") == self.organization
            and _text(claims, "project") == self.project
            and _text(claims, "actor_id") == self.actor_id
        )

    def objection(self, claims: Claims) -> str | None:
        """Return why the job must not publish: only the platform's own publisher may."""
        if _text(claims, "builder") == "pypi-publisher":
            return None
        return "Check failed for required claim 'builder'"

    def described(self) -> dict[str, object]:
        """Return the publisher as a provenance object has it."""
        return {"kind": "ActiveState", "organization": self.organization, "project": self.project}


Publisher: TypeAlias = GitHub | GitLab | Google | ActiveState
PublisherType: TypeAlias = type[GitHub] | type[GitLab] | type[Google] | type[ActiveState]

BY_ISSUER: Final[Mapping[str, PublisherType]] = {kind.issuer: kind for kind in (GitHub, GitLab, Google, ActiveState)}


def find(kind: PublisherType, claims: Claims, publishers: Iterable[Publisher]) -> Publisher | Mismatch:
    """Return the one of *publishers* that matches the *claims*, or why no publisher matches."""
    for name in kind.required:
        if name not in claims:
            return Mismatch(f"Missing claim {name!r}")
    found = [each for each in publishers if isinstance(each, kind) and each.found_by(claims)]
    if not found:
        return Mismatch(NOT_FOUND)
    publisher: Publisher = max(found, key=lambda each: bool(each.environment))
    if objection := publisher.objection(claims):
        return Mismatch(objection)
    return publisher
