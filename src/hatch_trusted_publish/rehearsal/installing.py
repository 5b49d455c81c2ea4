"""The end of a rehearsal: the release is installed, as a user would, and asked its version."""

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
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from hatch_trusted_publish.errors import RehearsalError, clean

from .server import Rehearsal
from .simple import JSON

Listing: TypeAlias = Mapping[str, Sequence[Mapping[str, str | None]]]

SECONDS: Final = 120
_ASK: Final = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"
_NOT_INHERITED: Final = ("UV_", "PIP_", "PYTHON")


def install(rehearsal: Rehearsal, name: str, version: str) -> str:
    """Install *name* at *version* from the embedded index, and say so in one line."""
    return install_with(find_uv(), rehearsal, name, version)


def install_with(uv: str | None, rehearsal: Rehearsal, name: str, version: str) -> str:
    """The same with this uv, or without one with pip."""
    release = f"{name} {version}"
    project = canonicalize_name(name)
    listing = _listing(f"{rehearsal.simple_url}{project}/", release)
    if obstacle := unfit(listing, Version(version), frozenset(sys_tags())):
        return f"did not install {release} from the rehearsal index: {obstacle}"
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder:
        env = environ(os.environ)
        python = Path(sysconfig.get_path("scripts", "venv", {"base": folder}), "python")
        commands = with_uv(uv, folder) if uv else with_pip(sys.executable, folder, python)
        create, fetch = commands
        run(create, env, release)
        run([*fetch, rehearsal.simple_url, f"{project}=={version}"], env, release)
        # -I: what lies in the current folder is not what was installed.
        told = run([os.fspath(python), "-I", "-c", _ASK, name], env, release)
    compare(told.strip(), release, Version(version))
    tool = "uv" if uv else "pip"
    return f"installed {release} from the rehearsal index with {tool} (without its dependencies)"


def compare(told: str, release: str, version: Version) -> None:
    """Whether what was installed is what was asked for."""
    try:
        same = Version(told) == version
    except InvalidVersion:
        same = False
    if not same:
        msg = (
            f"{release} was installed from the rehearsal index, but what was installed calls itself {clean(told)}. "
            "Look at the version in the wheel's METADATA."
        )
        raise RehearsalError(msg)


def _listing(url: str, release: str) -> Listing:
    """The files that the index lists; asked directly, since a proxy knows another loopback."""
    place = urlsplit(url)
    with closing(HTTPConnection(place.netloc, timeout=SECONDS)) as connection:
        try:
            connection.request("GET", place.path, headers={"Accept": JSON})
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, HTTPException) as error:
            msg = f"The rehearsal index did not list {release}: {clean(error)}."
            raise RehearsalError(msg) from error
    if reply.status != HTTPStatus.OK:
        msg = f"The rehearsal index did not list {release}: it answered {reply.status} {clean(reply.reason)}."
        raise RehearsalError(msg)
    listing: Listing = json.loads(body)
    return listing


def unfit(listing: Listing, version: Version, tags: frozenset[Tag]) -> str | None:
    """Why no file of the release can be installed by this interpreter; None if one can."""
    wheels = []
    for file in listing["files"]:
        filename = file["filename"] or ""
        if filename.endswith(".whl"):
            _, told, _, supported = parse_wheel_filename(filename)
            if told == version:
                wheels.append((supported, file["requires-python"]))
    if not wheels:
        return "it has no wheel, and a rehearsal does not run the code of an sdist"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    fitting = [requires for supported, requires in wheels if supported & tags]
    if not fitting:
        return f"none of its wheels is for this interpreter ({python}, {platform.machine()})"
    running = Version(platform.python_version())
    if not any(SpecifierSet(each or "").contains(running, prereleases=True) for each in fitting):
        return f"it requires Python {fitting[0]}, and this is {python}"
    return None


def find_uv(executable: str = sys.executable) -> str | None:
    """The uv beside this interpreter, as a package, or on PATH."""
    if beside := shutil.which("uv", path=os.path.dirname(executable)):  # noqa: PTH120 - of a string
        return beside
    try:
        return str(importlib.import_module("uv").find_uv_bin())
    except (ImportError, AttributeError, OSError):
        return shutil.which("uv")


def environ(present: Mapping[str, str]) -> dict[str, str]:
    """The environment without what configures an installer, an interpreter or a proxy."""
    dropped = {"VIRTUAL_ENV", "CONDA_PREFIX", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
    kept = {
        name: value
        for name, value in present.items()
        if name.upper() not in dropped and not name.upper().startswith(_NOT_INHERITED)
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "NO_PROXY": "*", "no_proxy": "*"}


def with_uv(uv: str, folder: str) -> tuple[list[str], list[str]]:
    """How uv makes an environment, and how it installs there from an index still to be named."""
    alone = ("--no-config", "--no-cache", "--quiet")
    create = [uv, "venv", *alone, "--no-project", "--python", sys.executable, folder]
    install = [uv, "pip", "install", *alone, "--python", folder, "--no-deps", "--only-binary", ":all:"]
    return create, [*install, "--prerelease", "allow", "--default-index"]


def with_pip(executable: str, folder: str, python: Path) -> tuple[list[str], list[str]]:
    """The same with what every Python has."""
    install = [os.fspath(python), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    return (
        [executable, "-m", "venv", folder],
        [*install, "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "--index-url"],
    )


def run(command: Sequence[str], env: Mapping[str, str], release: str, seconds: float = SECONDS) -> str:
    """What the command prints, or an error with what it complains of."""
    what = " ".join([Path(command[0]).name, *command[1:3]])
    try:
        done = subprocess.run(  # nosec B603 # an installer, in no shell
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
        msg = f"Installing {release} from the rehearsal index took over {seconds} s ({what})."
        raise RehearsalError(msg) from error
    except (subprocess.CalledProcessError, OSError) as error:
        said = clean(getattr(error, "stderr", None) or error, 600)
        msg = f"{release} is on the rehearsal index but could not be installed from it; {what} says: {said}"
        raise RehearsalError(msg) from error
    return done.stdout
