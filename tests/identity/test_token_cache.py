from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.identity.token_cache import danger, keep, load, place, problem
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.secret import Secret

IDENTITY, URL = Secret("e30.e30.x"), "https://index.test/legacy/"


def _token(text: str = "pypi-1", life: float = 900.0) -> UploadToken:
    return UploadToken(Secret(text), round(time.time() + life, 3))


def _shown(token: UploadToken | None) -> tuple[str, float] | None:
    return None if token is None else (token.secret.reveal(), token.expires)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Return a directory in which a token can be kept."""
    directory = tmp_path / "cache" / "tokens"
    assert problem(directory, tmp_path / "project", "posix") is None
    return directory


def test_a_token_is_kept(directory: Path) -> None:
    """It is loaded unchanged, for the same identity and index; no other file is left next to it."""
    file, token = place(directory, IDENTITY, URL), _token()
    before = load(file)
    problems = [keep(file, token), keep(file, token)]

    assert (None, [None, None], _shown(token)) == (before, problems, _shown(load(file)))
    assert [file] == list(directory.iterdir())


def test_only_this_user_can_read_it(directory: Path) -> None:
    """The modes are those of a secret, whatever the umask; the name is a hash, and only required data is written."""
    file, token = place(directory, IDENTITY, URL), _token()
    before = os.umask(0)
    keep(file, token)
    os.umask(before)

    assert (0o700, 0o600) == (stat.S_IMODE(directory.stat().st_mode), stat.S_IMODE(file.stat().st_mode))
    assert f"{hashlib.sha256(b'e30.e30.x https://index.test/legacy/').hexdigest()}.json" == file.name
    assert {"token": "pypi-1", "expires": token.expires} == json.loads(file.read_text())


def test_a_place_for_each_identity_and_index(directory: Path) -> None:
    """A token kept by one job for one index is not loaded for another job or another index."""
    places = {
        place(directory, identity, url)
        for identity in (IDENTITY, Secret("e30.e30.y"))
        for url in (URL, "https://other.test/legacy/")
    }

    assert 4 == len(places)


def test_expired_tokens_are_removed(directory: Path) -> None:
    """Expired tokens of other jobs and malformed files are removed; valid tokens and other files stay."""
    good, expired, mine = (place(directory, Secret(text), URL) for text in ("good", "expired", "mine"))
    for file, life in ((good, 900.0), (expired, -1.0), (mine, -1.0)):
        keep(file, _token(file.name, life))
    (directory / "half.json").write_text('{"token": "pypi-')
    (other := directory / "other").touch()
    found = load(mine)

    assert found is not None
    assert mine.name == found.secret.reveal()
    assert sorted([good, other]) == sorted(directory.iterdir())


def test_a_link_is_replaced(directory: Path, tmp_path: Path) -> None:
    """A link at the file's path is replaced, and not written through."""
    file, elsewhere = place(directory, IDENTITY, URL), tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    file.symlink_to(elsewhere)
    keep(file, _token())

    assert ("mine", False) == (elsewhere.read_text(), file.is_symlink())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff", id="bytes"),
        pytest.param(b"[]", id="not an object"),
        pytest.param(b'{"token": 1, "expires": 1}', id="a number"),
        pytest.param(b'{"token": "a\\nb", "expires": 1}', id="a line break"),
        pytest.param(b'{"token": "a", "expires": "soon"}', id="another time"),
        pytest.param(b"[" * 5000, id="nested too deeply"),
    ],
)
def test_a_file_without_a_token(directory: Path, content: bytes) -> None:
    """A file with other content is ignored and removed."""
    file = place(directory, IDENTITY, URL)
    file.write_bytes(content)

    assert (None, []) == (load(file), list(directory.iterdir()))


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=100)
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever is in the file, the result is a token or ``None``."""
    file = tmp_path_factory.mktemp("tokens") / "name.json"
    file.write_bytes(content)

    assert load(file) is None


def test_a_directory_among_the_files(directory: Path) -> None:
    """An entry that cannot be removed stays, and is not an error."""
    (directory / "directory.json").mkdir()

    assert load(place(directory, IDENTITY, URL)) is None


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    """If the directory cannot be written to, the reason is reported; no token is loaded either."""
    file = place(tmp_path / "none", IDENTITY, URL)

    assert (None, "No such file or directory") == (load(file), keep(file, _token()))


# The directory


def _shared(directory: Path) -> None:
    directory.chmod(0o710)


def _linked(directory: Path) -> None:
    directory.rename(directory.with_name("real"))
    directory.symlink_to(directory.with_name("real"))


def _file(directory: Path) -> None:
    directory.rmdir()
    directory.touch()


def _under_a_file(directory: Path) -> None:
    directory.rmdir()
    directory.parent.rmdir()
    directory.parent.touch()


def _writable_above(directory: Path) -> None:
    directory.parent.chmod(0o770)


def _sticky_above(directory: Path) -> None:
    directory.parent.chmod(0o1777)


def _readable_above(directory: Path) -> None:
    directory.parent.chmod(0o755)


def _nothing(_: Path) -> None:
    pass


def _gone(directory: Path) -> None:
    directory.rmdir()
    directory.parent.rmdir()


NOT_A_DIRECTORY, SHARED = Message("not-a-directory"), Message("shared-directory")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(_nothing, None, id="as it was made"),
        pytest.param(_gone, None, id="missing"),
        pytest.param(_readable_above, None, id="others can read the one above"),
        pytest.param(_sticky_above, None, id="others can add to the one above"),
        pytest.param(_shared, SHARED, id="others can enter"),
        pytest.param(_linked, NOT_A_DIRECTORY, id="link"),
        pytest.param(_file, NOT_A_DIRECTORY, id="file"),
        pytest.param(_under_a_file, "Not a directory", id="under a file"),
        pytest.param(_writable_above, "writable-by-others", id="others can write above"),
    ],
)
def test_where_a_token_can_be_kept(
    tmp_path: Path, directory: Path, change: Callable[[Path], None], cause: Message | str | None
) -> None:
    """A directory that is shared with other users is refused, before anything is minted."""
    change(directory)
    if cause == "writable-by-others":
        cause = Message(cause, path=directory.parent)
    expected = None if cause is None else Message("token-cannot-be-kept", directory=directory, cause=cause)

    assert expected == problem(directory, tmp_path / "project", "posix")


DIR, LINK = stat.S_IFDIR, stat.S_IFLNK
ME, OTHER, ROOT = 1000, 1001, 0
OPEN = [Message("writable-by-others", path=Path(f"/{number}")) for number in range(2)]


def _stat(mode: int, owner: int = ME) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 2, owner, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("own", "above", "cause"),
    [
        pytest.param(_stat(DIR | 0o700), [], None, id="mine"),
        pytest.param(_stat(DIR | 0o700, OTHER), [], SHARED, id="another's"),
        pytest.param(_stat(DIR | 0o700, ROOT), [], SHARED, id="root's"),
        *[
            pytest.param(_stat(DIR | 0o700 | bit), [], SHARED, id=f"{bit:o}")
            for bit in (0o001, 0o002, 0o004, 0o010, 0o020, 0o040)
        ],
        pytest.param(_stat(LINK | 0o777), [], NOT_A_DIRECTORY, id="link"),
        pytest.param(
            _stat(DIR | 0o700), [_stat(DIR | 0o755), _stat(DIR | 0o755, ROOT)], None, id="below mine and root's"
        ),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o755, OTHER)], OPEN[0], id="below another's"),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o755), _stat(DIR | 0o757)], OPEN[1], id="all"),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o775)], OPEN[0], id="group"),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o1777, ROOT)], None, id="like /tmp"),
        pytest.param(_stat(DIR | 0o700), [_stat(DIR | 0o1777, OTHER)], OPEN[0], id="another's /tmp"),
    ],
)
def test_danger(own: os.stat_result, above: list[os.stat_result], cause: Message | None) -> None:
    """The directory must belong to this user alone, and only root may change the directories above it."""
    assert cause == danger(own, {Path(f"/{number}"): each for number, each in enumerate(above)}, ME)


@pytest.mark.parametrize("project", ["", "packages/one"], ids=["project", "monorepo"])
def test_a_directory_in_the_checkout(tmp_path: Path, project: str) -> None:
    """A directory inside the checkout, which a CI may cache or upload, is refused, for any project in it."""
    checkout = tmp_path / "checkout"
    (checkout / project).mkdir(parents=True)
    if project:
        subprocess.run(["git", "init", "-q", checkout], check=True)
    directory = checkout / ".cache" / "tokens"

    cause = Message("inside-checkout", checkout=checkout)
    expected = Message("token-cannot-be-kept", directory=directory, cause=cause)
    assert expected == problem(directory, checkout / project, "posix")
    assert not directory.parent.exists()


def test_windows(tmp_path: Path) -> None:
    """Without file modes nothing is kept."""
    assert Message("keep-token-on-windows") == problem(tmp_path / "tokens", tmp_path, "nt")
    assert [] == list(tmp_path.iterdir())
