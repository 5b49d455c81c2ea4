"""The ambient CI → an identity token and its claims. The only importer of `id`.

Rules:

- The CI is told by its own variables, before `id` is asked: `id` looks for Google first, so that
  a GitLab or Buildkite runner on Google's machines would get the machine's identity.
- Google goes through `id`. GitLab's token is a variable. For Buildkite and CircleCI, which `id`
  cannot be told to ask alone, the CI's own command is run as `id` runs it.
- Claims are decoded for messages, and for the audience: a token goes to the index that it is made
  for. Nothing else here trusts them: the index checks the signature.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Final

from ..errors import IdentityError, clean
from ..http.retries import SMALL_REQUEST, call
from ..secret import Secret
from ..settings.values import shown
from . import github

GOOGLE_PRODUCT_NAME: Final = Path("/sys/class/dmi/id/product_name")
SIGSTORE: Final = "sigstore"
"""The audience to sign with. `signing` alone asks for it: no index may."""


@dataclass(frozen=True, slots=True)
class Identity:
    """An identity token, and what it says."""

    token: Secret
    claims: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Ambient:
    """The CI that this process runs in."""

    name: str
    renewable: bool
    """Whether each call gives a fresh token; GitLab gives one a job."""
    _fetch: Callable[[str], str]
    attests: bool = False
    """Whether PyPI takes attestations that are signed with its identities."""

    def fetch(self, audience: str) -> Identity:
        """An identity token for *audience*.

        Raises:
            IdentityError: the CI gives none, one for another audience, or what is no JSON Web Token.
        """
        token = Secret(self._fetch(audience))
        claims = _claims(token)
        if claims is None:
            msg = f"What {self.name} gave as an identity token is not a JSON Web Token. Nothing was sent to the index."
            raise IdentityError(msg)
        made_for = claims.get("aud")
        if made_for != audience:
            # PyPI's token in the variable of another index would let that index publish to PyPI.
            asker = "Sigstore" if audience == SIGSTORE else "this index"
            msg = (
                f"The identity token that {self.name} gave is made for the audience {shown(made_for)}, but {asker} "
                f"asks for {clean(audience, 100)!r}. It was not sent: whoever gets it could use it there in your name. Have "
                f"the CI make one for {asker}."
            )
            raise IdentityError(msg)
        return Identity(token, claims)


def detect(environ: Mapping[str, str], variable: str | None, timeout: float) -> Ambient:
    """The CI that *environ* tells of.

    Args:
        variable: ``identity-variable``, which wins over any CI.
        timeout: seconds for one try to get a token.

    Raises:
        IdentityError: there is none, or it is not allowed to hand out tokens.
    """
    if variable is not None:
        return Ambient(f"the variable {clean(variable, 60)}", False, lambda _: _variable(environ, variable))
    if environ.get("GITHUB_ACTIONS"):
        github.check(environ)
        return Ambient(
            "GitHub Actions", True, lambda audience: _by_request(github.ask, audience, "GitHub Actions", timeout), True
        )
    if environ.get("GITLAB_CI"):
        return Ambient("GitLab CI/CD", False, lambda audience: _gitlab(environ, audience), True)
    if environ.get("BUILDKITE"):
        command = ["buildkite-agent", "oidc", "request-token", "--audience"]
        return Ambient("Buildkite", True, lambda audience: _by_command([*command, audience], timeout))
    if environ.get("CIRCLECI"):
        circleci = ["circleci", "run", "oidc", "get", "--root-issuer", "--claims"]
        return Ambient(
            "CircleCI", True, lambda audience: _by_command([*circleci, json.dumps({"aud": audience})], timeout)
        )
    if environ.get("GOOGLE_SERVICE_ACCOUNT_NAME") or _is_google():
        return Ambient(
            "Google Cloud", True, lambda audience: _by_request(_ask_id, audience, "Google Cloud", timeout), True
        )
    msg = (
        "No CI was found that could say who is publishing: none of GITHUB_ACTIONS, GITLAB_CI, BUILDKITE, CIRCLECI and "
        "GOOGLE_SERVICE_ACCOUNT_NAME is set, and this is not a machine of Google Cloud. Trusted publishing works from "
        "a CI only. On your own machine, `hatch publish -p trusted -r rehearsal` tries the whole release; in a CI that is "
        "not among these, name the variable with its identity token by `-o identity-variable=NAME`."
    )
    raise IdentityError(msg)


def variables(environ: Mapping[str, str], variable: str | None) -> list[str]:
    """The names in *environ* that hold an identity token, or what one is asked for with."""
    return [name for name in environ if name == variable or name.endswith(("_ID_TOKEN", "_ID_TOKEN_REQUEST_TOKEN"))]


def gitlab_variable(audience: str) -> str:
    """The variable that holds GitLab's token for *audience*: ``PYPI_ID_TOKEN``, as `id` and PyPI's guide name it."""
    return re.sub(r"[^A-Z0-9_]|^[^A-Z_]", "_", audience.upper()) + "_ID_TOKEN"


def _variable(environ: Mapping[str, str], name: str) -> str:
    token = environ.get(name, "").strip()
    if token:
        return token
    msg = (
        f"The variable {clean(name, 60)}, which `identity-variable` names, is {'blank' if name in environ else 'not set'} in "
        "this job. The CI has to put its identity token there before the command runs."
    )
    raise IdentityError(msg)


def _gitlab(environ: Mapping[str, str], audience: str) -> str:
    name = gitlab_variable(audience)
    token = environ.get(name, "").strip()
    if token:
        return token
    use = "to sign the files with" if audience == SIGSTORE else "for this index"
    msg = (
        f"GitLab gave this job no identity token {use}: {name} is not set. Add to the job in .gitlab-ci.yml:\n\n"
        f"  id_tokens:\n    {name}:\n      aud: {clean(audience, 200)}\n"
    )
    raise IdentityError(msg)


def _is_google() -> bool:
    try:
        return GOOGLE_PRODUCT_NAME.read_text().strip() in {"Google", "Google Compute Engine"}
    except (OSError, UnicodeError):
        return False


class _TryAgain(Exception):
    """What went wrong, and may not the next time."""


def _retried(name: str, once: Callable[[], str]) -> str:
    try:
        return call(SMALL_REQUEST, lambda error: isinstance(error, _TryAgain), once)
    except _TryAgain as error:
        msg = (
            f"{error}, {SMALL_REQUEST} times. Nothing was sent to the index. If {name} is not having an outage, "
            "run the job again."
        )
        raise IdentityError(msg) from None


def _ask_id(audience: str) -> str | None:
    import id as ambient_id

    return ambient_id.detect_credential(audience)


def _by_request(ask: Callable[[str], str | None], audience: str, name: str, timeout: float) -> str:
    """The token that *ask* gets, which has a time-out for each read only, and no retries."""

    def run(answers: list[str | Exception | None]) -> None:
        try:
            answers.append(ask(audience))
        except Exception as error:  # noqa: BLE001 - they let out whatever http.client, urllib3 and json raise
            answers.append(error)

    def once() -> str:
        answers: list[str | Exception | None] = []
        thread = threading.Thread(target=run, args=(answers,), daemon=True)
        thread.start()
        thread.join(timeout)
        answer = answers[0] if answers else None
        if isinstance(answer, str):
            return answer
        # Of its texts the status alone is used: they hold bodies of replies.
        status = re.search(r"code=(\d{3})", str(answer))
        said = f"answered {status[1]}" if status else "gave no usable answer"
        msg = f"{name} was asked for an identity token and {said}"
        if status and status[1].startswith("4") and status[1] not in {"408", "429"}:
            msg += ". Nothing was sent to the index. Check that the job may ask for one, then run it again."
            raise IdentityError(msg)
        raise _TryAgain(msg)

    return _retried(name, once)


def _by_command(command: list[str], timeout: float) -> str:
    def once() -> str:
        try:
            done = subprocess.run(  # nosec B603 # the CI's own command, in no shell
                command, capture_output=True, encoding="utf-8", errors="replace", timeout=timeout, check=False
            )
        except FileNotFoundError:
            msg = (
                f"`{command[0]}`, which hands out this CI's identity tokens, is not on the PATH of this job. "
                "Run the command in the CI's own environment, not in a container without its agent."
            )
            raise IdentityError(msg) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            msg = f"`{command[0]}` could not be run to its end ({type(error).__name__})"
            raise _TryAgain(msg) from None
        if done.returncode != 0 or not done.stdout.strip():
            # Only standard error is shown: standard output is where a token would be.
            asked = " ".join(takewhile(lambda word: not word.startswith("-"), command))
            said = clean(done.stderr, 200) or "no message"
            msg = f"`{asked}` gave no identity token (exit code {done.returncode}: {said})"
            raise _TryAgain(msg)
        return done.stdout.strip()

    return _retried(command[0], once)


def _claims(token: Secret) -> Mapping[str, object] | None:
    """The claims of a JSON Web Token (RFC 7519), unverified; ``None`` for what is no such token."""
    # It is sent in JSON, and told to the CI as one line to hide.
    parts = re.fullmatch(r"[\w-]+\.([\w-]+)\.[\w-]*", token.reveal(), re.ASCII)
    if parts is None:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None
