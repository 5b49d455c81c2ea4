"""The environment variables that make a run see the rehearsed CI, and no other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from .checkout import Checkout
from .provider import GITHUB_WORKFLOW, GITLAB_WORKFLOW

Changes: TypeAlias = Mapping[str, str | None]

# No token of a real CI is requested, and its summary and outputs are not written.
_UNSET: Final = (
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
    "BUILDKITE",
    "CIRCLECI",
    "GITHUB_ACTIONS",
    "GITHUB_ENV",
    "GITHUB_EVENT_NAME",
    "GITHUB_EVENT_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "GITLAB_CI",
    "GOOGLE_SERVICE_ACCOUNT_NAME",
    "PYPI_ID_TOKEN",
    "TESTPYPI_ID_TOKEN",
)
_PREFIXES: Final = ("ACTIONS_", "BUILDKITE", "CIRCLE", "CI_", "GITHUB_", "GITLAB_")
_IDENTITIES: Final = (
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "BUILDKITE_AGENT_ACCESS_TOKEN",
    "CIRCLE_OIDC_TOKEN",
    "CIRCLE_OIDC_TOKEN_V2",
)
_LOOPBACK: Final = ("127.0.0.1", "localhost")


def github(checkout: Checkout, url: str, token: str) -> Changes:
    """Return what GitHub's runner sets for a job with `id-token: write`."""
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": token,
        "GITHUB_REPOSITORY": checkout.path,
        "GITHUB_REPOSITORY_OWNER": checkout.owner,
        "GITHUB_REF": checkout.ref,
        "GITHUB_REF_NAME": checkout.ref_name,
        "GITHUB_REF_TYPE": checkout.ref_type,
        "GITHUB_SHA": checkout.sha,
        "GITHUB_WORKFLOW": "Release",
        "GITHUB_WORKFLOW_REF": (f"{checkout.path}/.github/workflows/{GITHUB_WORKFLOW}@{checkout.ref}"),
    }


def gitlab(checkout: Checkout, tokens: Mapping[str, str]) -> Changes:
    """Return what GitLab's runner sets for a job with `id_tokens`, by their audiences."""
    return {
        "GITLAB_CI": "true",
        **{f"{audience.upper()}_ID_TOKEN": token for audience, token in tokens.items()},
        "CI_PROJECT_PATH": checkout.path,
        "CI_PROJECT_NAMESPACE": checkout.owner,
        "CI_PROJECT_NAME": checkout.name,
        "CI_COMMIT_REF_NAME": checkout.ref_name,
        "CI_COMMIT_SHA": checkout.sha,
        "CI_CONFIG_PATH": GITLAB_WORKFLOW,
    }


def identities(present: Mapping[str, str]) -> list[str]:
    """Return the variables in *present* by which a job gets a real identity."""
    return sorted(name for name in present if name in _IDENTITIES or name.endswith("_ID_TOKEN"))


def changes(present: Mapping[str, str], ci: Changes) -> Changes:
    """Return everything to set in *present*, or to unset where the value is None."""
    strange = (name for name in present if name.startswith(_PREFIXES) or name.endswith("_ID_TOKEN"))
    proxied = {name: _no_proxy(present) for name in ("NO_PROXY", "no_proxy")}
    return {**dict.fromkeys((*_UNSET, *strange)), **proxied, **ci}


def _no_proxy(present: Mapping[str, str]) -> str:
    """Return the hosts that need no proxy, including this machine."""
    # The lower-case name goes first, as it does for the clients that read both.
    listed = present.get("no_proxy") or present.get("NO_PROXY") or ""
    hosts = [host.strip() for host in listed.split(",") if host.strip()]
    if "*" in hosts:
        return "*"
    return ",".join(dict.fromkeys((*hosts, *_LOOPBACK)))
