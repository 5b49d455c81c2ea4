from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.identity.token_cache import danger, keep, load, place, problem
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.secret import Secret

IDENTITY, URL = Secret("e30.e30.x"), "https://index.test/legacy/"
WAY_OUT = "let HATCH_CACHE_DIR name a folder outside the project that only this user can write to, for the whole job"


def _token(text: str = "pypi-1", life: float = 900.0) -> UploadToken:
    return UploadToken(Secret(text), round(time.time() + life, 3))


def _said(token: UploadToken | None) -> tuple[str, float] | None:
    return None if token is None else (token.secret.reveal(), token.expires)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that a token can be kept in."""
    folder = tmp_path / "cache" / "tokens"
    assert problem(folder, tmp_path / "project", "posix") is None
    return folder


def test_a_token_is_kept(folder: Path) -> None:
    """It comes back as it was, for the same identity and index; no other file is left beside it."""
    there, token = place(folder, IDENTITY, URL), _token()
    before = load(there)
    problems = [keep(there, token), keep(there, token)]

    assert (None, [None, None], _said(token)) == (before, problems, _said(load(there)))
    assert [there] == list(folder.iterdir())


def test_only_this_user_can_read_it(folder: Path) -> None:
    """The modes are those of a secret, whatever the umask; the name is a hash, and the content no more than it has to be."""
    there, token = place(folder, IDENTITY, URL), _token()
    before = os.umask(0)
    keep(there, token)
    os.umask(before)

    assert (0o700, 0o600) == (stat.S_IMODE(folder.stat().st_mode), stat.S_IMODE(there.stat().st_mode))
    assert f"{hashlib.sha256(b'e30.e30.x https://index.test/legacy/').hexdigest()}.json" == there.name
    assert {"token": "pypi-1", "expires": token.expires} == json.loads(there.read_text())


def test_a_place_for_each_identity_and_index(folder: Path) -> None:
    """What one job has kept for one index, no other job finds, and no other index gets."""
    places = {
        place(folder, identity, url)
        for identity in (IDENTITY, Secret("e30.e30.y"))
        for url in (URL, "https://other.test/legacy/")
    }

    assert 4 == len(places)


def test_what_has_ended_is_removed(folder: Path) -> None:
    """The tokens of other jobs that have ended go, and what is no token; those that are good stay, and what is not of this kind."""
    good, ended, mine = (place(folder, Secret(text), URL) for text in ("good", "ended", "mine"))
    for there, life in ((good, 900.0), (ended, -1.0), (mine, -1.0)):
        keep(there, _token(there.name, life))
    (folder / "half.json").write_text('{"token": "pypi-')
    (other := folder / "other").touch()
    found = load(mine)

    assert found is not None
    assert mine.name == found.secret.reveal()
    assert sorted([good, other]) == sorted(folder.iterdir())


def test_a_link_is_replaced(folder: Path, tmp_path: Path) -> None:
    """A link in the place of the file is not written through."""
    there, elsewhere = place(folder, IDENTITY, URL), tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    there.symlink_to(elsewhere)
    keep(there, _token())

    assert ("mine", False) == (elsewhere.read_text(), there.is_symlink())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"token": 1, "expires": 1}', id="a number"),
        pytest.param(b'{"token": "a\\nb", "expires": 1}', id="a line break"),
        pytest.param(b'{"token": "a", "expires": "soon"}', id="another time"),
        pytest.param(b"[" * 5000, id="depth"),
    ],
)
def test_what_is_no_token(folder: Path, content: bytes) -> None:
    """A file that holds something else counts as none, and is removed."""
    there = place(folder, IDENTITY, URL)
    there.write_bytes(content)

    assert (None, []) == (load(there), list(folder.iterdir()))


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=100)
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in the file, it is a token or none."""
    there = tmp_path_factory.mktemp("tokens") / "name.json"
    there.write_bytes(content)

    assert load(there) is None


def test_a_folder_among_the_files(folder: Path) -> None:
    """What cannot be removed stays, and is no error."""
    (folder / "folder.json").mkdir()

    assert load(place(folder, IDENTITY, URL)) is None


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """Where nothing can be written, the reason is told; there is nothing to load either."""
    there = place(tmp_path / "none", IDENTITY, URL)

    assert (None, "No such file or directory") == (load(there), keep(there, _token()))


# The folder


def _shared(folder: Path) -> None:
    folder.chmod(0o710)


def _linked(folder: Path) -> None:
    folder.rename(folder.with_name("real"))
    folder.symlink_to(folder.with_name("real"))


def _file(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


def _under_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.parent.rmdir()
    folder.parent.touch()


def _writable_above(folder: Path) -> None:
    folder.parent.chmod(0o770)


def _sticky_above(folder: Path) -> None:
    folder.parent.chmod(0o1777)


def _readable_above(folder: Path) -> None:
    folder.parent.chmod(0o755)


def _nothing(_: Path) -> None:
    pass


def _gone(folder: Path) -> None:
    folder.rmdir()
    folder.parent.rmdir()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        pytest.param(_nothing, None, id="as it was made"),
        pytest.param(_gone, None, id="not there yet"),
        pytest.param(_readable_above, None, id="others can look into the one above"),
        pytest.param(_sticky_above, None, id="others can add to the one above"),
        pytest.param(_shared, "it is shared with other users", id="others can enter"),
        pytest.param(_linked, "it is a link or a file", id="link"),
        pytest.param(_file, "it is a link or a file", id="file"),
        pytest.param(_under_a_file, "Not a directory", id="under a file"),
        pytest.param(_writable_above, "other users can write to {above}", id="others can write above"),
    ],
)
def test_where_a_token_can_be_kept(
    tmp_path: Path, folder: Path, change: Callable[[Path], None], why: str | None
) -> None:
    """A folder that is shared with other users is refused, before anything is minted."""
    change(folder)
    expected = (
        f"the upload token cannot be kept (`keep-token`) in {folder}: {why.format(above=folder.parent)}; {WAY_OUT}"
        if why
        else None
    )

    assert expected == problem(folder, tmp_path / "project", "posix")


DIR, LINK = stat.S_IFDIR, stat.S_IFLNK
ME, OTHER, ROOT = 1000, 1001, 0


def _stat(mode: int, owner: int = ME) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 2, owner, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("own", "above", "why"),
    [
        pytest.param(_stat(DIR | 0o700), [], None, id="mine"),
        pytest.param(_stat(DIR | 0o700, OTHER), [], "it is shared with other users", id="another's"),
        pytest.param(_stat(DIR | 0o700, ROOT), [], "it is shared with other users", id="root's"),
        *[
            pytest.param(_stat(DIR | 0o700 | bit), [], "it is shared with other users", id=f"{bit:o}")
            for bit in (0o001, 0o002, 0o004, 0o010, 0o020, 0o040)
        ],
        pytest.param(_stat(LINK | 0o777), [], "it is a link or a file", id="link"),
        pytest.param(
            _stat(DIR | 0o700), [_stat(DIR | 0o755), _stat(DIR | 0o755, ROOT)], None, id="below mine and root's"
        ),
        pytest.param(
            _stat(DIR | 0o700), [_stat(DIR | 0o755, OTHER)], "other users can write to /0", id="below another's"
        ),
        pytest.param(
            _stat(DIR | 0o700), [_stat(DIR | 0o755), _stat(DIR | 0o757)], "other users can write to /1", id="all"
        ),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o775)], "other users can write to /0", id="group"),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o1777, ROOT)], None, id="like /tmp"),
        pytest.param(
            _stat(DIR | 0o700), [_stat(DIR | 0o1777, OTHER)], "other users can write to /0", id="another's /tmp"
        ),
    ],
)
def test_danger(own: os.stat_result, above: list[os.stat_result], why: str | None) -> None:
    """The folder has to be this user's alone, and nobody but root may change what is above it."""
    assert why == danger(own, {Path(f"/{number}"): each for number, each in enumerate(above)}, ME)


def test_a_folder_in_the_project(tmp_path: Path) -> None:
    """What lies in the project can be taken along by what a CI keeps of a job."""
    folder = tmp_path / ".cache" / "tokens"

    assert (
        f"the upload token cannot be kept (`keep-token`) in {folder}: a CI's caches and artifacts can take it along; {WAY_OUT}"
    ) == problem(folder, tmp_path, "posix")
    assert not folder.parent.exists()


def test_windows(tmp_path: Path) -> None:
    """Without modes nothing is kept."""
    assert (
        "the upload token cannot be kept (`keep-token`) on Windows, where a file has no mode; leave that out there"
    ) == problem(tmp_path / "tokens", tmp_path, "nt")
    assert [] == list(tmp_path.iterdir())
