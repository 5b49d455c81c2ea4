"""Uploads, where the recordings do not cover them."""

from __future__ import annotations

import hashlib

import pytest

from hatch_trusted_publish.rehearsal import attestations

from .world import SAMPLE, World, basic, sdist, wheel

WHEEL = "sampleproject-2.0.0-py3-none-any.whl"


def _form(content: bytes, **changed: str) -> list[tuple[str, str]]:
    usual = {
        ":action": "file_upload",
        "metadata_version": "2.1",
        "name": "sampleproject",
        "version": "2.0.0",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
    }
    return list({**usual, **changed}.items())


def _code(world: World, content: bytes, filename: str = WHEEL, **changed: str) -> str:
    code: str = world.upload(_form(content, **changed), filename, content).json()["code"]
    return code


def test_an_unknown_file_type(world: World) -> None:
    """Only wheels and sdists are accepted."""
    content = wheel(WHEEL)
    assert (
        _code(world, content, filetype="bdist_egg") == "400 Invalid value for filetype. Error: Use a known file type."
    )


def test_another_action(world: World) -> None:
    """Uploads are the only action left of the old API."""
    assert _code(world, wheel(WHEEL), **{":action": "doc_upload"}) == "405 Method Not Allowed"


def test_no_form_at_all(world: World) -> None:
    """A body of another type has no fields."""
    reply = world.ask("POST", "/legacy/", content=b"{}", headers={"accept": "application/json"})
    assert reply.status_code == 405


@pytest.mark.parametrize("authorization", ["Basic %%%", "Basic //79", "Bearer", "Digest x"])
def test_credentials_that_cannot_be_read(world: World, authorization: str) -> None:
    """Credentials that are not base64 or UTF-8, empty, or of another scheme count as missing."""
    content = wheel(WHEEL)
    reply = world.upload(_form(content), WHEEL, content, authorization=authorization)
    assert reply.status_code == 403
    assert "Invalid or non-existent authentication" in reply.json()["code"]


def test_unreadable_user_name_is_refused_as_a_password(world: World) -> None:
    """Any other user name is a password login."""
    content = wheel(WHEEL)
    reply = world.upload(_form(content), WHEEL, content, authorization=basic("", world.token()))
    assert reply.json()["code"].startswith("403 Username/Password")


def test_digests_are_compared_in_any_case(world: World) -> None:
    """Hexadecimal digits are equal in either case."""
    content = wheel(WHEEL)
    digest = hashlib.sha256(content).hexdigest().upper()
    assert _code(world, content, sha256_digest=digest) == "200 OK"


def test_a_zip_sdist(world: World) -> None:
    """A zip sdist is accepted like a tar file, and its contents are checked, too."""
    form = {"filetype": "sdist", "pyversion": "source"}
    bad = sdist("sampleproject-2.0.0/setup.py", "sampleproject-2.0.0/a.py", zipped=True)
    good = sdist("sampleproject-2.0.0/PKG-INFO", "sampleproject-2.0.0/a.py", zipped=True)
    filename = "sampleproject-2.0.0.zip"

    assert (
        _code(world, bad, filename, **form)
        == "400 Invalid distribution file. PKG-INFO not found at sampleproject-2.0.0/PKG-INFO"
    )
    assert _code(world, b"PK", filename, **form) == "400 Invalid distribution file. File is not a zipfile"
    assert _code(world, good, filename, **form) == "200 OK"


@pytest.mark.parametrize("paths", [(), ("a/PKG-INFO", "/b")])
def test_an_sdist_without_a_top_directory(world: World, paths: tuple[str, ...]) -> None:
    """An empty archive, or members without a common directory."""
    code = _code(world, sdist(*paths), "sampleproject-2.0.0.tar.gz", filetype="sdist", pyversion="source")
    assert code.startswith("400 Invalid distribution file. ")


def test_an_sdist_without_its_license_file(world: World) -> None:
    """The form names a file that the archive must contain."""
    content = sdist("sampleproject-2.0.0/PKG-INFO", "sampleproject-2.0.0/a.py")
    filename = "sampleproject-2.0.0.tar.gz"
    kind = {"filetype": "sdist", "pyversion": "source", "metadata_version": "2.4"}
    assert _code(world, content, filename, license_file="LICENSE", **kind) == (
        "400 License-File LICENSE does not exist in distribution file sampleproject-2.0.0.tar.gz "
        "at sampleproject-2.0.0/LICENSE"
    )


def test_a_zip_with_a_comment_has_no_trailing_bytes(world: World) -> None:
    """A comment is part of the archive; one byte more is not."""
    content = wheel(WHEEL)
    commented = content[:-2] + b"\x05\x00hello"
    assert _code(world, commented + b"!").endswith("See https://docs.pypi.org/archives for more information")
    assert _code(world, commented) == "200 OK"


def test_project_urls_of_one_label(world: World) -> None:
    """Two URLs of one label are rejected: one would be lost."""
    content = wheel(WHEEL)
    form = [*_form(content), ("project_urls", "A, https://a.example"), ("project_urls", "A, https://b.example")]
    code = world.upload(form, WHEEL, content).json()["code"]
    assert code.startswith("400 'project_urls' has invalid data. ")


def test_attestations_that_are_not_objects() -> None:
    """The error names each item by its position."""
    said = attestations.read('[{"version": 1, "verification_material": {}, "envelope": {}}, 1]', SAMPLE)
    assert "\n1\n  Input should be an object [type=model_type, input_value=1, input_type=int]" in said


def test_the_index_stores_and_serves_the_bytes(world: World) -> None:
    """File, metadata and links are served; a name with an epoch is quoted in links."""
    filename = "sampleproject-1!2.0.0-py3-none-any.whl"
    content = wheel(filename)
    assert _code(world, content, filename, version="1!2.0.0", requires_python=">=3.9") == "200 OK"
    accept = {"accept": "application/vnd.pypi.simple.v1+json, text/html; q=0.1"}

    (listed,) = world.ask("GET", "/simple/sampleproject/", headers=accept).json()["files"]

    assert "%21" in listed["url"]
    assert world.ask("GET", listed["url"]).content == content
    got = world.ask("GET", listed["url"] + ".metadata").content
    assert hashlib.sha256(got).hexdigest() == listed["core-metadata"]["sha256"]
    assert world.ask("GET", listed["url"] + "x").status_code == 404
    assert listed["url"] in world.ask("GET", "/simple/sampleproject/").text


def test_provenance_of_a_missing_file(world: World) -> None:
    """A missing file differs from a file without attestations."""
    content = wheel(WHEEL)
    assert _code(world, content) == "200 OK"
    reply = world.ask("GET", "/integrity/sampleproject/2.0.0/other.whl/provenance")
    assert (reply.status_code, reply.headers["content-type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.v1+json"),
        ("text/html; q=0.1, application/vnd.pypi.simple.v1+json; q=0.2", "application/vnd.pypi.simple.v1+json"),
        ("application/vnd.pypi.simple.v1+json; q=much, text/html; level=1; q=0.1", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
    ],
)
def test_list_of_projects(world: World, accept: str, media_type: str) -> None:
    """The root of the simple API is served in the requested format."""
    reply = world.ask("GET", "/simple/", headers={"accept": accept})
    assert reply.headers["content-type"] == media_type
    assert "sampleproject" in reply.text


def test_requests_are_written_down_without_their_query(world: World) -> None:
    """They are in the order of the answers."""
    world.ask("GET", "/simple/?token=secret")
    world.ask("GET", "/.well-known/pytp?discover=%2Flegacy%2F")
    assert world.requests == ["GET /simple/ 200", "GET /.well-known/pytp 404"]
