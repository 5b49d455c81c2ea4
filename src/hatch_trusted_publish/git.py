"""Every call to Git.

Rules:

- Git decides which repository a directory belongs to and whether it may be read. Nothing here names a
  repository (``--git-dir``, ``GIT_DIR``): that would switch off Git's check of who owns it.
- Git gets no identity token, and runs nothing that the configuration of a repository names: no monitor,
  no hook, and no transport unless the network is asked for. Filters run where Git compares the content of
  files (``status``): only a build asks for that, and a build runs the project's code anyway.
- Git never asks for a password, and has a limited time.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess
from typing import Final

NOT_FOUND: Final = 127
"""The exit code if Git is not installed, as in a shell."""
_OPTIONS: Final = (
    *("-c", "core.fsmonitor=false"),
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "log.showSignature=false"),
    *("-c", "safe.bareRepository=explicit"),  # no directory of the project is one because of the files in it
)
_ENVIRON: Final = {"GCM_INTERACTIVE": "never", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
IDENTITIES: Final = ("_ID_TOKEN", "_ID_TOKEN_REQUEST_TOKEN")
"""The suffixes of variables that hold an identity token, or the credential to request one."""
_ELSEWHERE: Final = {"GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}
"""Git sets them for its hooks; they name another repository than that of the directory."""


def parse_remote(url: str) -> tuple[str, str, str] | None:
    """Return host, namespace and name of the repository behind the URL of a remote, and no password.

    Understands ``https://host/a/b.git``, ``ssh://git@host:22/a/b.git`` and ``git@host:a/b.git``.
    """
    place = r"(?:[a-z+]+://(?:[^@/\s]+@)?([\w.-]+)(?::\d+)?/|(?:[^@/\s]+@)?([\w.-]+):)"
    path = r"([\w.~-]+(?:/[\w.~-]+)*)/([\w.~-]+?)(?:\.git)?/?(?:\?.*)?"
    found = re.fullmatch(place + path, url.strip(), re.ASCII)
    return None if found is None else ((found[1] or found[2]).lower(), found[3], found[4])


def ask(root: Path, *arguments: str) -> str:
    """Return the output of a command, or nothing if it fails."""
    done = run(root, *arguments)
    return done.stdout.strip() if done.returncode == 0 else ""


def run(root: Path, *arguments: str, network: bool = False, seconds: float = 60) -> CompletedProcess[str]:
    """Run one command in *root*.

    Git's helpers (ssh, git-remote-https) outlive a killed Git and keep its pipes open, so the whole process
    group is ended.

    Args:
        network: whether it may use a remote. Otherwise Git fetches nothing, not even what a partial clone lacks.
    """
    command = ["git", *_OPTIONS, "-C", str(root), *arguments]
    kept = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE and not key.endswith(IDENTITIES)}
    environ = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"} | kept | _ENVIRON
    try:
        process = subprocess.Popen(  # nosec B603 # git, in no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environ if network else environ | {"GIT_ALLOW_PROTOCOL": "none"},
            start_new_session=True,
        )
    except OSError as error:
        return CompletedProcess(command, NOT_FOUND, "", str(error))
    with process:
        try:
            said, complaint = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            return CompletedProcess(command, -signal.SIGTERM, "", str(error))
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError, AttributeError):  # Windows has no process groups
                    os.killpg(process.pid, signal.SIGKILL)  # type: ignore[attr-defined,unused-ignore]
                process.kill()
                process.wait()
    return CompletedProcess(command, process.returncode, said, complaint)
