"""The CI → an identity token and its claims. The only importer of `id`.

Rules:

- The CI is known by its own variables, and never by `id`, whose public function does not let the caller
  choose the CI: it tries Google first, so a GitLab runner on Google's machines would get the machine's identity.
- GitHub's token service is asked like an index: bounded, through the proxy, without redirects. GitLab's
  token is a variable. Buildkite's and CircleCI's own commands are run, as `id` runs them. Google goes
  through `id`, where no other CI is left for it to try: an upgrade of `id` changes nothing unseen.
- Claims are decoded for messages and for the audience: a token goes only to the index that it was
  requested for. Nothing else here trusts them, the index checks the signature.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from .. import git
from ..artifacts.content import open_file
from ..errors import IdentityError, Message, NetworkError
from ..http.client import Client
from ..http.messages import SMALL_REPLY, Request, json_object
from ..http.retries import SMALL_REQUEST, call
from ..index.origins import url_problem
from ..secret import Secret
from ..threads import later
from .publishers import Claims, claim

GOOGLE_PRODUCT_NAME: Final = Path("/sys/class/dmi/id/product_name")
SIGSTORE: Final = "sigstore"
"""The audience for signing. Only `attestations` requests it: no index may."""
_LARGEST_EVENT: Final = 16 * SMALL_REPLY
"""Bytes of the file in which GitHub describes a job's trigger."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity token and its claims."""

    token: Secret
    claims: Claims


@dataclass(frozen=True, slots=True)
class Ambient:
    """The CI that this process runs in."""

    name: str
    request: Callable[[str], str]
    """Audience → the CI's identity token, as returned."""
    renewable: bool = True
    """Whether each request returns a new token; GitLab creates one token per job."""
    attests: bool = False
    """Whether PyPI accepts attestations that are signed with its identities."""
    variable: Callable[[str], str] = lambda _: ""
    """Audience → the variable of its token, in a CI that has one for each."""

    def fetch(self, audience: str) -> Identity:
        """Return an identity token for *audience*.

        Raises:
            IdentityError: the CI returned none, a malformed one, or one for another audience.
        """
        token = Secret(self.request(audience))
        claims = _claims(token)
        variable = self.variable(audience)
        if claims is None:
            raise IdentityError("malformed-identity-token", ci=self.name, variable=variable)
        if claims.get("aud") != audience:
            # PyPI's token in the variable of another index would let that index publish to PyPI.
            found = claim(claims, "aud") or Message("no-claim")
            fix = Message("id-tokens", variable=variable, audience=audience) if variable else None
            raise IdentityError(
                "token-for-another-audience", ci=self.name, found=found, audience=audience, variable=variable, fix=fix
            )
        return Identity(token, claims)


def detect(environ: Mapping[str, str], variable: str | None, client: Client, timeout: float) -> Ambient:
    """Return the CI that *environ* belongs to.

    Args:
        variable: ``identity-variable``, which wins over any CI.
        client: asks the CI's token service; it has no certificates of an index.
        timeout: seconds for one try of anything else.

    Raises:
        IdentityError: there is no CI, or the job may not request a token.
    """
    if variable is not None:
        return Ambient(f"the variable {variable}", lambda _: _named(environ, variable), renewable=False)
    if environ.get("GITHUB_ACTIONS"):
        return Ambient("GitHub Actions", _github(environ, client), attests=True)
    if environ.get("GITLAB_CI"):
        return Ambient(
            "GitLab CI/CD",
            lambda audience: _gitlab(environ, audience),
            renewable=False,
            attests=True,
            variable=gitlab_variable,
        )
    if environ.get("BUILDKITE"):
        command = ["buildkite-agent", "oidc", "request-token", "--audience"]
        return Ambient("Buildkite", lambda audience: _by_command([*command, audience], timeout))
    if environ.get("CIRCLECI"):
        circleci = ["circleci", "run", "oidc", "get", "--root-issuer", "--claims"]
        return Ambient("CircleCI", lambda audience: _by_command([*circleci, json.dumps({"aud": audience})], timeout))
    if environ.get("GOOGLE_SERVICE_ACCOUNT_NAME") or _is_google():
        return Ambient("Google Cloud", lambda audience: _google(audience, timeout), attests=True)
    raise IdentityError("no-ci")


def variables(environ: Mapping[str, str], variable: str | None) -> list[str]:
    """Return the names in *environ* that hold an identity token, or the credential to request one."""
    return [name for name in environ if name == variable or name.endswith(git.IDENTITIES)]


def gitlab_variable(audience: str) -> str:
    """Return the variable of GitLab's token for *audience*: ``PYPI_ID_TOKEN``, as `id` and PyPI's guide name it."""
    return re.sub(r"[^A-Z0-9_]|^[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"


def _named(environ: Mapping[str, str], name: str) -> str:
    if token := environ.get(name, "").strip():
        return token
    raise IdentityError("blank-identity-variable" if name in environ else "no-identity-variable", variable=name)


def _gitlab(environ: Mapping[str, str], audience: str) -> str:
    variable = gitlab_variable(audience)
    if token := environ.get(variable, "").strip():
        return token
    raise IdentityError("no-gitlab-token", variable=variable, audience=audience)


def _github(environ: Mapping[str, str], client: Client) -> Callable[[str], str]:
    """Return what requests a token: both variables exist with ``id-token: write`` only, and never for a fork."""
    url, credential = environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"), environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    if not credential and environ.get("GITHUB_EVENT_NAME") == "pull_request" and _is_fork(environ):
        raise IdentityError("pull-request-from-fork")
    if not credential:
        raise IdentityError("no-id-token-permission")
    if not url:
        raise IdentityError("no-token-service")
    if url_problem(url.partition("?")[0]) is not None:
        raise IdentityError("foreign-token-service")
    bearer, joint = Secret(credential), "&" if "?" in url else "?"

    def ask(audience: str) -> str:
        target = f"{url}{joint}{urlencode({'audience': audience})}"
        try:
            reply = client.send(Request(Message("requesting-identity"), target, bearer=bearer))
        except NetworkError as error:
            if error.message.code == "untrusted-certificate":  # no later try helps
                raise IdentityError(error.message.code, **error.message.facts) from None
            raise IdentityError("token-service-unreachable", reason=error.reason) from None
        if reply.status != 200:
            raise IdentityError("token-service-refused", status=reply.status)
        token = json_object(reply).get("value")
        # `fetch` rejects malformed tokens.
        return token if isinstance(token, str) else ""

    return ask


def _is_fork(environ: Mapping[str, str]) -> bool:
    try:
        with open_file(Path(environ.get("GITHUB_EVENT_PATH", ""))) as file:
            return json.loads(file.read(_LARGEST_EVENT))["pull_request"]["head"]["repo"]["fork"] is True
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _is_google() -> bool:
    try:
        return GOOGLE_PRODUCT_NAME.read_text().strip() in {"Google", "Google Compute Engine"}
    except (OSError, UnicodeError):
        return False


def _google(audience: str, timeout: float) -> str:
    from id import detect_credential

    def once() -> str:
        try:
            # It has a time limit for each read only.
            return later(partial(detect_credential, audience)).result(timeout) or ""
        except Exception as error:  # noqa: BLE001 - it lets through whatever urllib3 and json raise
            # The status alone: the words quote bodies of responses.
            status = re.search(r"code=(\d{3})", str(error))
            raise IdentityError("google-refused", status=status[1] if status else "") from None

    return _retried(once)


def _by_command(command: list[str], timeout: float) -> str:
    name = command[0]
    if shutil.which(name) is None:
        raise IdentityError("no-ci-command", command=name)

    def once() -> str:
        try:
            done = subprocess.run(  # nosec B603 # the CI's own command, in no shell
                command, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise IdentityError("ci-command-failed", command=name, problem=type(error).__name__) from None
        if token := done.stdout.strip() if done.returncode == 0 else "":
            return token
        # Standard error only: standard output could contain a token.
        asked = " ".join(takewhile(lambda word: not word.startswith("-"), command))
        raise IdentityError("ci-command-refused", command=asked, status=done.returncode, said=done.stderr)

    return _retried(once)


def _retried(once: Callable[[], str]) -> str:
    return call(SMALL_REQUEST, lambda error: isinstance(error, IdentityError), once)


def _claims(token: Secret) -> Claims | None:
    """Return the claims of a JSON Web Token (RFC 7519), unverified; ``None`` if it is malformed."""
    # It is sent in JSON, and masked as one line of a CI's log.
    parts = re.fullmatch(r"[\w-]+\.([\w-]+)\.[\w-]*", token.reveal(), re.ASCII)
    if parts is None:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
