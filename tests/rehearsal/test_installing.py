"""The release is installed, or it is said why not."""

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

from hatch_trusted_publish.errors import RehearsalError
from hatch_trusted_publish.rehearsal import Rehearsal, installing
from hatch_trusted_publish.rehearsal.server import listening, serving

from .world import World, wheel

ANY = frozenset({Tag("py3", "none", "any")})
PYTHON = f"{platform.python_implementation()} {platform.python_version()}"


@pytest.fixture
def rehearsal(world: World) -> Iterator[Rehearsal]:
    """An index with one release of `sampleproject`."""
    filename = "sampleproject-2.0.0-py3-none-any.whl"
    content = wheel(filename)
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
    with listening() as sock, serving(world.app, sock):
        base = f"http://127.0.0.1:{sock.getsockname()[1]}"
        yield Rehearsal(f"{base}/legacy/", f"{base}/simple/", "rehearsal", "{}", {}, world.requests)


def test_with_pip(rehearsal: Rehearsal) -> None:
    """A machine without uv has pip."""
    assert installing.install_with(None, rehearsal, "sampleproject", "2.0") == (
        "installed sampleproject 2.0 from the rehearsal index with pip (without its dependencies)"
    )


def test_no_such_project(rehearsal: Rehearsal) -> None:
    """The index is asked first."""
    with pytest.raises(RehearsalError) as caught:
        installing.install(rehearsal, "nothing", "1")
    assert str(caught.value) == "The rehearsal index did not list nothing 1: it answered 404 Not Found."


def test_no_index_any_more(rehearsal: Rehearsal) -> None:
    """The error names what was asked for."""
    with listening() as sock:
        gone = f"http://127.0.0.1:{sock.getsockname()[1]}/simple/"
    with pytest.raises(RehearsalError, match=r"^The rehearsal index did not list nothing 1: .*refused"):
        installing.install(dataclasses.replace(rehearsal, simple_url=gone), "nothing", "1")


def test_no_such_release(rehearsal: Rehearsal) -> None:
    """Nothing is downloaded from anywhere else instead."""
    assert installing.install(rehearsal, "sampleproject", "3") == (
        "did not install sampleproject 3 from the rehearsal index: it has no wheel, and a rehearsal "
        "does not run the code of an sdist"
    )


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
            f"it requires Python >99, and this is {PYTHON}",
        ),
        (
            _listing(("a-1.tar.gz", None), ("a-2-py3-none-any.whl", None)),
            "it has no wheel, and a rehearsal does not run the code of an sdist",
        ),
        (
            _listing(("a-1-cp27-cp27m-win32.whl", None)),
            f"none of its wheels is for this interpreter ({PYTHON}, {platform.machine()})",
        ),
    ],
)
def test_what_can_be_installed(listing: installing.Listing, expected: str | None) -> None:
    """By what the index lists: nothing is downloaded to find out."""
    assert installing.unfit(listing, Version("1"), ANY | frozenset(sys_tags())) == expected


@pytest.mark.parametrize("told", ["3", "\x1b[31mtwo"])
def test_another_version_was_installed(told: str) -> None:
    """What is installed is asked, not believed."""
    with pytest.raises(RehearsalError, match="what was installed calls itself "):
        installing.compare(told, "sampleproject 2", Version("2"))


def test_a_command_that_fails() -> None:
    """Its complaint is shown, on one line and made safe."""
    command = [sys.executable, "-c", "import sys; sys.exit('no\\n::error::such')"]
    with pytest.raises(RehearsalError) as caught:
        installing.run(command, os.environ, "a 1")
    assert str(caught.value) == (
        f"a 1 is on the rehearsal index but could not be installed from it; {Path(sys.executable).name} "
        f"-c {command[2]} says: no : :error: :such"
    )


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    """The same error, not a traceback."""
    with pytest.raises(RehearsalError, match="could not be installed from it; uv venv says: "):
        installing.run([str(tmp_path / "uv"), "venv"], {}, "a 1")


def test_a_command_that_does_not_end() -> None:
    """It is stopped."""
    forever = "import threading; threading.Event().wait()"
    with pytest.raises(RehearsalError, match=r"^Installing a 1 from the rehearsal index took over 0.2 s"):
        installing.run([sys.executable, "-c", forever], os.environ, "a 1", seconds=0.2)


def test_where_uv_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the interpreter, then the package, then PATH; a machine may have none."""
    beside, path = (tmp_path / name / "uv" for name in ("beside", "path"))
    for each in (beside, path):
        each.parent.mkdir()
        shutil.copy(sys.executable, each)
    elsewhere = str(tmp_path / "nowhere" / "python")
    monkeypatch.setenv("PATH", str(path.parent))

    assert installing.find_uv(str(beside.with_name("python"))) == str(beside)
    packaged = installing.find_uv(elsewhere)
    assert packaged is not None
    assert Path(packaged).parent not in (beside.parent, path.parent)
    monkeypatch.setitem(sys.modules, "uv", None)
    assert installing.find_uv(elsewhere) == str(path)
    path.unlink()
    assert installing.find_uv(elsewhere) is None


def test_no_setting_of_this_machine_gets_in() -> None:
    """Another index, a target folder, a proxy: all of them would change what is shown."""
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
