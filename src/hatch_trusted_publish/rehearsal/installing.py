"""The end of a rehearsal: the release is installed as a user would, and its version is read.

Nothing of the release runs. An interpreter that starts with a wheel on its path obeys the wheel's `.pth` files, so
the installer runs in another environment, and the version is read from the files.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import subprocess  # nosec B404 # commands are run by their name and arguments, never by a shell
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from importlib import metadata
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from ..errors import Message, RehearsalError
from .server import Rehearsal
from .simple import JSON

Listing: TypeAlias = Mapping[str, Sequence[Mapping[str, str | None]]]

SECONDS: Final = 120
_NOT_INHERITED: Final = ("UV_", "PIP_", "PYTHON")


def install(rehearsal: Rehearsal, name: str, version: str) -> Message:
    """Install *name* at *version* from the embedded index, and return what became of it.

    Raises:
        RehearsalError: it cannot be installed, or is something else than it should be.
    """
    return install_with(find_uv(), rehearsal, name, version)


def install_with(uv: str | None, rehearsal: Rehearsal, name: str, version: str) -> Message:
    """Do the same with this uv, or without one with pip."""
    release, project = f"{name} {version}", canonicalize_name(name)
    listing = _listing(f"{rehearsal.simple_url}{project}/", release)
    if obstacle := unfit(listing, Version(version), frozenset(sys_tags())):
        return Message("not-installed", release=release, reason=obstacle)
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as directory:
        site = f"{directory}/site"
        for command in with_uv(uv, site) if uv else with_pip(f"{directory}/pip", site):
            options = [rehearsal.simple_url, f"{project}=={version}"] if "install" in command else []
            run([*command, *options], environ(os.environ), release)
        compare(installed_version(site, project), release, Version(version))
    return Message("installed", release=release, tool="uv" if uv else "pip")


def installed_version(site: str, project: str) -> str:
    """Return the version that the installed files state; nothing if *project* is not there."""
    found = (one.version for one in metadata.distributions(path=[site]) if canonicalize_name(one.name) == project)
    return next(found, "")


def compare(found: str, release: str, version: Version) -> None:
    """Check that what was installed is the release.

    Raises:
        RehearsalError: it is not.
    """
    try:
        is_same = Version(found) == version
    except InvalidVersion:
        is_same = False
    if not is_same:
        raise RehearsalError("other-version-installed", release=release, found=found)


def _listing(url: str, release: str) -> Listing:
    """Return the files that the index lists. It is asked directly: a proxy has another loopback."""
    place = urlsplit(url)
    with closing(HTTPConnection(place.netloc, timeout=SECONDS)) as connection:
        try:
            connection.request("GET", place.path, headers={"Accept": JSON})
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, HTTPException) as error:
            raise RehearsalError("rehearsal-not-listed", release=release, said=error) from error
    if reply.status != HTTPStatus.OK:
        raise RehearsalError("rehearsal-not-listed", release=release, said=f"{reply.status} {reply.reason}")
    listing: Listing = json.loads(body)
    return listing


def unfit(listing: Listing, version: Version, tags: frozenset[Tag]) -> Message | None:
    """Return why this interpreter can install no file of the release; nothing if it can."""
    wheels = []
    for file in listing["files"]:
        filename = file["filename"] or ""
        if filename.endswith(".whl"):
            _, stated, _, supported = parse_wheel_filename(filename)
            if stated == version:
                wheels.append((supported, file["requires-python"]))
    if not wheels:
        return Message("no-wheel")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    fitting = [requires for supported, requires in wheels if supported & tags]
    if not fitting:
        return Message("no-fitting-wheel", python=python, machine=platform.machine())
    running = Version(platform.python_version())
    if not any(SpecifierSet(each or "").contains(running, prereleases=True) for each in fitting):
        return Message("no-fitting-python", python=python, requires=fitting[0])
    return None


def find_uv(executable: str = sys.executable) -> str | None:
    """Return the uv of this interpreter's environment, of the package, or on PATH."""
    if own := shutil.which("uv", path=os.path.dirname(executable)):  # noqa: PTH120 - of a string
        return own
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except (ImportError, AttributeError, OSError):
        return shutil.which("uv")


def environ(present: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what configures an installer, an interpreter or a proxy."""
    dropped = {"VIRTUAL_ENV", "CONDA_PREFIX", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
    kept = {
        name: value
        for name, value in present.items()
        if name.upper() not in dropped and not name.upper().startswith(_NOT_INHERITED)
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*", "no_proxy": "*"}


def with_uv(uv: str, site: str) -> list[list[str]]:
    """Return how uv installs into *site* from an index that is to be named."""
    alone = ("--no-config", "--no-cache", "--quiet", "--python", sys.executable, "--target", site)
    only = ("--no-deps", "--only-binary", ":all:", "--prerelease", "allow", "--default-index")
    return [[uv, "pip", "install", *alone, *only]]


def with_pip(environment: str, site: str) -> list[list[str]]:
    """Return the same with what every Python has: pip, in an environment of its own."""
    python = os.path.join(sysconfig.get_path("scripts", "venv", {"base": environment}), "python")  # noqa: PTH118
    alone = ("--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--target", site)
    only = ("--no-deps", "--only-binary", ":all:", "--index-url")
    return [
        [sys.executable, "-m", "venv", environment],
        [python, "-I", "-m", "pip", "install", *alone, *only],
    ]


def run(command: Sequence[str], env: Mapping[str, str], release: str, seconds: float = SECONDS) -> None:
    """Run an installer.

    Raises:
        RehearsalError: it failed or took too long.
    """
    what = " ".join([Path(command[0]).name, *command[1:3]])
    try:
        subprocess.run(  # nosec B603 # an installer, in no shell
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise RehearsalError("install-too-slow", release=release, seconds=seconds, command=what) from error
    except (subprocess.CalledProcessError, OSError) as error:
        said = getattr(error, "stderr", None) or error
        raise RehearsalError("install-failed", release=release, command=what, said=said) from error
