"""The release is installed, or the reason why not is reported."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.tags import Tag, sys_tags
from packaging.version import Version

from hatch_trusted_publish.errors import Message, RehearsalError
from hatch_trusted_publish.rehearsal import Rehearsal, installing
from hatch_trusted_publish.rehearsal.server import listening, serving

from .world import World, wheel

ANY = frozenset({Tag("py3", "none", "any")})
PYTHON = f"{platform.python_implementation()} {platform.python_version()}"


@pytest.fixture
def rehearsal(world: World) -> Iterator[Rehearsal]:
    """Run an index with one release of `sampleproject`."""
    filename = "sampleproject-2.0.0-py3-none-any.whl"
    _upload(world, filename, wheel(filename))
    with listening() as sock, serving(world.app, sock):
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        yield Rehearsal(f"{base}/legacy/", f"{base}/simple/", "rehearsal", "{}", {}, world.requests)


def _upload(world: World, filename: str, content: bytes) -> None:
    form = {
        ":action": "file_upload",
        "metadata_version": "2.1",
        "name": "sampleproject",
        "version": "2.0.0",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "md5_digest": hashlib.md5(content).hexdigest(),
    }
    assert world.upload(form.items(), filename, content).status_code == 200


@pytest.mark.parametrize("tool", ["uv", pytest.param("pip", marks=pytest.mark.slow)])
def test_nothing_of_it_runs(world: World, tmp_path: Path, tool: str) -> None:
    """A wheel's `.pth` file would run in any interpreter with the wheel on its path; no interpreter has it."""
    filename, ran = "sampleproject-2.0.0-py3-none-any.whl", tmp_path / "ran"
    data = wheel(filename, extra={"evil.pth": f"import pathlib; pathlib.Path({str(ran)!r}).touch()"})
    _upload(world, filename, data)
    with listening() as sock, serving(world.app, sock):
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        rehearsal = Rehearsal(f"{base}/legacy/", f"{base}/simple/", "rehearsal", "{}", {}, world.requests)
        uv = installing.find_uv() if tool == "uv" else None
        message = installing.install_with(uv, rehearsal, "sampleproject", "2.0.0")

    assert (Message("installed", release="sampleproject 2.0.0", tool=tool), False) == (message, ran.exists())


@pytest.mark.slow
def test_with_pip(rehearsal: Rehearsal) -> None:
    """pip is used on a machine without uv."""
    expected = Message("installed", release="sampleproject 2.0", tool="pip")
    assert expected == installing.install_with(None, rehearsal, "sampleproject", "2.0")


def test_no_such_project(rehearsal: Rehearsal) -> None:
    """The index is read first."""
    with pytest.raises(RehearsalError) as caught:
        installing.install(rehearsal, "nothing", "1")
    assert Message("rehearsal-not-listed", release="nothing 1", said="404 Not Found") == caught.value.message


def test_an_index_that_has_ended(rehearsal: Rehearsal) -> None:
    """The error names the requested release."""
    with listening() as sock:
        gone = f"http://127.0.0.1:{sock.getsockname()[1]}/simple/"
    with pytest.raises(RehearsalError) as caught:
        installing.install(dataclasses.replace(rehearsal, simple_url=gone), "nothing", "1")
    assert ("rehearsal-not-listed", True) == (caught.value.message.code, "refused" in str(caught.value))


def test_no_such_release(rehearsal: Rehearsal) -> None:
    """The release is not downloaded from another index instead."""
    expected = Message("not-installed", release="sampleproject 3", reason=Message("no-wheel"))
    assert expected == installing.install(rehearsal, "sampleproject", "3")


def _listing(*files: tuple[str, str | None]) -> installing.Listing:
    return {"files": [{"filename": name, "requires-python": requires} for name, requires in files]}


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        (_listing(("a-1-py3-none-any.whl", None)), None),
        (_listing(("a-1-py3-none-any.whl", ">=3.8")), None),
        (_listing(("a-1-py3-none-any.whl", ">99"), ("a-1-py2.py3-none-any.whl", "")), None),
        (
            _listing(("a-1-py3-none-any.whl", ">99")),
            Message("no-fitting-python", python=PYTHON, requires=">99"),
        ),
        (
            _listing(("a-1.tar.gz", None), ("a-2-py3-none-any.whl", None)),
            Message("no-wheel"),
        ),
        (
            _listing(("a-1-cp27-cp27m-win32.whl", None)),
            Message("no-fitting-wheel", python=PYTHON, machine=platform.machine()),
        ),
    ],
)
def test_what_can_be_installed(listing: installing.Listing, expected: Message | None) -> None:
    """The index's listing decides: nothing is downloaded to find out."""
    assert installing.unfit(listing, Version("1"), ANY | frozenset(sys_tags())) == expected


@pytest.mark.parametrize("found", ["3", "\x1b[31mtwo", ""])
def test_another_version_was_installed(found: str) -> None:
    """The version of the installed package is checked."""
    with pytest.raises(RehearsalError) as caught:
        installing.compare(found, "sampleproject 2", Version("2"))
    assert Message("other-version-installed", release="sampleproject 2", found=found) == caught.value.message


def _refusal(command: list[str], seconds: float = 60) -> Message:
    with pytest.raises(RehearsalError) as caught:
        installing.run(command, os.environ, "a 1", seconds)
    return caught.value.message


def test_a_command_that_fails() -> None:
    """The command's own error message is shown."""
    command = [sys.executable, "-c", "import sys; sys.exit('no such')"]
    what = f"{Path(sys.executable).name} -c {command[2]}"
    assert Message("install-failed", release="a 1", command=what, said="no such\n") == _refusal(command)


def test_a_missing_command(tmp_path: Path) -> None:
    """The error is the same, without a traceback."""
    message = _refusal([str(tmp_path / "uv"), "pip"])
    assert ("install-failed", "uv pip") == (message.code, message.facts["command"])


def test_a_command_that_does_not_end() -> None:
    """It is stopped."""
    message = _refusal([sys.executable, "-c", "import threading; threading.Event().wait()"], 0.2)
    assert ("install-too-slow", 0.2) == (message.code, message.facts["seconds"])


def test_where_uv_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """uv is found next to the interpreter, then in the package, then on PATH; it may be missing."""
    sibling, path = (tmp_path / name / "uv" for name in ("sibling", "path"))
    for each in (sibling, path):
        each.parent.mkdir()
        shutil.copy(sys.executable, each)
    elsewhere = str(tmp_path / "nowhere" / "python")
    monkeypatch.setenv("PATH", str(path.parent))

    assert installing.find_uv(str(sibling.with_name("python"))) == str(sibling)
    packaged = installing.find_uv(elsewhere)
    assert packaged is not None
    assert Path(packaged).parent not in (sibling.parent, path.parent)
    monkeypatch.setitem(sys.modules, "uv", None)
    assert installing.find_uv(elsewhere) == str(path)
    path.unlink()
    assert installing.find_uv(elsewhere) is None


def test_settings_of_this_machine_have_no_effect() -> None:
    """Another index, a target directory or a proxy would change the result; none is used."""
    present = {
        "PIP_INDEX_URL": "x",
        "UV_INDEX": "x",
        "PYTHONPATH": "x",
        "VIRTUAL_ENV": "x",
        "https_proxy": "x",
        "HOME": "/home",
    }
    assert installing.environ(present) == {
        "HOME": "/home",
        "PIP_CONFIG_FILE": os.devnull,
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
