"""What a run reads from an index's list of a project."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from hatch_trusted_publish.index.simple_api import Listed, Listing
from hatch_trusted_publish.upload.listings import Held, held

WHEEL, SDIST = "sample-1.0-py3-none-any.whl", "sample-1.0.tar.gz"


def listing(*filenames: str) -> Listing:
    return Listing(dict.fromkeys(filenames, Listed()))


@pytest.mark.parametrize(
    ("expected", "filenames"),
    [
        pytest.param([], [], id="no project"),
        pytest.param(["1.0"], [SDIST, WHEEL], id="one release"),
        pytest.param(
            ["0.9", "1.0"], ["sample-0.9.tar.gz", "sample-1.0-1-cp311-cp311-win32.whl"], id="two, and a build"
        ),
        pytest.param(["1.0"], ["Sample-1.0.0.tar.gz"], id="legacy spelling"),
        pytest.param([], ["sample-1.0.exe", "sample-1.0-py2.7.egg", "sample-1.0.zip", "1.0", ""], id="other types"),
        pytest.param(["1.0"], ["sample.whl", f"sample-{'1' * 5000}.tar.gz", SDIST], id="malformed names"),
    ],
)
def test_versions(expected: list[str], filenames: list[str]) -> None:
    """The versions are those of the listed wheels and sdists."""
    assert {Version(one) for one in expected} == held(listing(*filenames), []).versions


def test_files() -> None:
    """Only the files with this run's file names are kept, and the status of the project."""
    listed = Listed("0" * 64)
    found = held(Listing({WHEEL: listed, "sample-0.9.tar.gz": Listed()}, "archived"), [WHEEL, SDIST])

    assert ({WHEEL: listed}, "archived") == (found.files, found.status)
    assert Held() == held(Listing(), [WHEEL])


@pytest.mark.parametrize(
    ("expected", "files"),
    [
        pytest.param(None, {}, id="no project"),
        pytest.param(None, {WHEEL: None, SDIST: None}, id="no file has attestations"),
        pytest.param("https://h/w", {WHEEL: "https://h/w", SDIST: "https://h/s"}, id="the first of the newest version"),
        pytest.param("https://h/s", {WHEEL: None, SDIST: "https://h/s"}, id="one of the newest version"),
        pytest.param(None, {"sample-0.9.tar.gz": "https://h/o", SDIST: None}, id="an older version had some"),
        pytest.param(None, {"sample-2.0.zip": "https://h/z", SDIST: None}, id="other type"),
    ],
)
def test_provenance(expected: str | None, files: dict[str, str | None]) -> None:
    """Only attestations of the newest version count."""
    found = held(Listing({name: Listed(said_provenance=url) for name, url in files.items()}), [])

    assert (None if expected is None else (Version("1.0"), expected)) == found.provenance


@given(
    st.lists(
        st.text(max_size=30)
        | st.from_regex(r"[a-z]{1,3}-[0-9.!a-z+]{0,9}(-py3-none-any\.whl|\.tar\.gz)", fullmatch=True)
    )
)
@settings(deadline=None, max_examples=100)
def test_anything(filenames: list[str]) -> None:
    """Every listing has an answer."""
    assert Version("1.0") in held(listing(*filenames, SDIST), []).versions
