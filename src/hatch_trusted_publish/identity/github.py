"""GitHub's own service for identity tokens, asked as `id` asks it, but within bounds.

Rules:

- `id` follows redirects with the job's credential, and reads replies without an end: this does neither.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit

from ..errors import IdentityError
from ..http.messages import SMALL_REPLY
from ..index.origins import url_problem

_LARGEST_EVENT: Final = 16 * SMALL_REPLY
"""Bytes of what GitHub tells a job of its trigger."""
_YAML: Final = "permissions:\n      id-token: write"


def check(environ: Mapping[str, str]) -> None:
    """See whether this job may ask: both variables are there with ``id-token: write`` alone, and never for a fork.

    Raises:
        IdentityError: it may not, or they lead elsewhere.
    """
    needed = ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL")
    missing = [name for name in needed if not environ.get(name)]
    if not missing:
        if url_problem(environ["ACTIONS_ID_TOKEN_REQUEST_URL"].partition("?")[0]) is None:
            return
        msg = (
            "ACTIONS_ID_TOKEN_REQUEST_URL, where this job is to ask for its identity token, is not a URL by https://. "
            "GitHub's runner sets it, so something in this job has changed it. Nothing was sent there."
        )
        raise IdentityError(msg)
    if environ.get("GITHUB_EVENT_NAME") == "pull_request" and _is_fork(environ.get("GITHUB_EVENT_PATH", "")):
        msg = (
            "GitHub gives no identity token to a pull request from a fork, whatever its `permissions` say. Publish from a "
            "push, a tag or a release instead: add `if: github.event_name != 'pull_request'` to the job."
        )
    else:
        msg = (
            f"GitHub gave this job no identity token: {' and '.join(missing)} not set. The job lacks the permission to ask "
            f"for one. Add to the job in the workflow file (not to the whole workflow):\n\n    {_YAML}\n\n"
            "A reusable workflow needs it in the job that calls it as well."
        )
    raise IdentityError(msg)


def _is_fork(event_path: str) -> bool:
    try:
        path = Path(event_path)
        if not path.is_file() or path.stat().st_size > _LARGEST_EVENT:  # a device or a pipe may have no end
            return False
        return json.loads(path.read_text("utf-8"))["pull_request"]["head"]["repo"]["fork"] is True
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def ask(audience: str) -> str:
    """One token of GitHub's own service.

    Raises:
        Exception: there is none; for another status than 200 its text has ``code=``, as with `id`.
    """
    url = urlsplit(os.environ["ACTIONS_ID_TOKEN_REQUEST_URL"])
    target = f"{url.path}?{url.query}{url.query and '&'}{urlencode({'audience': audience})}"
    headers = {"Authorization": f"bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    with closing((HTTPSConnection if url.scheme == "https" else HTTPConnection)(url.netloc, timeout=30)) as service:
        service.request("GET", target, headers=headers)
        with service.getresponse() as reply:
            if reply.status != 200:
                msg = f"code={reply.status}"
                raise ValueError(msg)
            token = json.loads(reply.read(SMALL_REPLY))["value"]
    if not isinstance(token, str):
        raise TypeError
    return token
