"""The identity provider: the CI that the rehearsal plays."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from .checkout import Checkout
from .minting import Trusted
from .publishers import GitHub, GitLab, Publisher

Kind: TypeAlias = Literal["github", "gitlab"]

LIFETIME: Final = 300
GITHUB_WORKFLOW: Final = "release.yml"
GITLAB_WORKFLOW: Final = ".gitlab-ci.yml"
_OWNER_ID: Final = "65"
_RUN: Final = "9876543210"


class Ci:
    """Signs identity tokens for one checkout, with a key that lives as long as this object."""

    def __init__(self, checkout: Checkout, clock: Callable[[], float]) -> None:
        self.checkout = checkout
        self.request_token = secrets.token_urlsafe(32)
        self.default_audience = f"https://github.com/{checkout.owner}"
        self._clock = clock
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._kid = uuid.uuid4().hex

    @property
    def trusted(self) -> Trusted:
        """Return what the index needs to check the signatures."""
        return Trusted(self._kid, self._key.public_key())

    def publisher(self, kind: Kind) -> Publisher:
        """Return the trusted publisher that its tokens match."""
        owner, name = self.checkout.owner, self.checkout.name
        if kind == "github":
            return GitHub(owner, _OWNER_ID, name, GITHUB_WORKFLOW)
        return GitLab(owner, name, GITLAB_WORKFLOW)

    def identity_token(self, kind: Kind, audience: str) -> str:
        """Return a new token. Each has its own `jti`."""
        claims = (github_claims if kind == "github" else gitlab_claims)(self.checkout)
        now = int(self._clock())
        times = {"iat": now, "nbf": now, "exp": now + LIFETIME}
        return jwt.encode(
            {**claims, **times, "aud": audience, "jti": str(uuid.uuid4())},
            self._key,
            algorithm="RS256",
            headers={"kid": self._kid},
        )


def github_claims(checkout: Checkout) -> dict[str, object]:
    """Return what GitHub says about a job, except audience, times and `jti`."""
    workflow = f"{checkout.path}/.github/workflows/{GITHUB_WORKFLOW}@{checkout.ref}"
    return {
        "iss": GitHub.issuer,
        "sub": f"repo:{checkout.path}:ref:{checkout.ref}",
        "repository": checkout.path,
        "repository_id": "1296269",
        "repository_owner": checkout.owner,
        "repository_owner_id": _OWNER_ID,
        "repository_visibility": "public",
        "ref": checkout.ref,
        "ref_type": checkout.ref_type,
        "ref_protected": "false",
        "base_ref": "",
        "head_ref": "",
        "sha": checkout.sha,
        "event_name": "push",
        "workflow": "Release",
        "workflow_ref": workflow,
        "workflow_sha": checkout.sha,
        "job_workflow_ref": workflow,
        "job_workflow_sha": checkout.sha,
        "run_id": _RUN,
        "run_number": "17",
        "run_attempt": "1",
        "check_run_id": "55555555555",
        "actor": "octocat",
        "actor_id": "583231",
        "runner_environment": "github-hosted",
    }


def gitlab_claims(checkout: Checkout) -> dict[str, object]:
    """Return what GitLab says about a job, except audience, times and `jti`."""
    sub = f"project_path:{checkout.path}:ref_type:{checkout.ref_type}:ref:{checkout.ref_name}"
    return {
        "iss": GitLab.issuer,
        "sub": sub,
        "namespace_id": "65",
        "namespace_path": checkout.owner,
        "project_id": "1296269",
        "project_path": checkout.path,
        "project_visibility": "public",
        "user_id": "583231",
        "user_login": "octocat",
        "user_email": "octocat@example.com",
        "user_access_level": "owner",
        "pipeline_id": _RUN,
        "pipeline_source": "push",
        "job_id": "55555555555",
        "ref": checkout.ref_name,
        "ref_type": checkout.ref_type,
        "ref_path": checkout.ref,
        "ref_protected": "true",
        "runner_id": 1,
        "runner_environment": "gitlab-hosted",
        "sha": checkout.sha,
        "ci_config_ref_uri": f"gitlab.com/{checkout.path}//{GITLAB_WORKFLOW}@{checkout.ref}",
        "ci_config_sha": checkout.sha,
    }
