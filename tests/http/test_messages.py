from __future__ import annotations

import hashlib
import json
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.artifacts.content import CHUNK, IN_A_THREAD
from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import DistributionError, Message
from hatch_trusted_publish.http.messages import Reply, Request, Upload, form_field, json_object, message
from hatch_trusted_publish.secret import Secret
from tests.support.helpers import make_wheel

ANY_REPLY = st.builds(
    Reply,
    st.sampled_from([200, 400, 422, 500]),
    st.binary(max_size=60) | st.recursive(st.text() | st.integers(), st.lists).map(repr).map(str.encode),
    st.sampled_from(["application/json", "text/plain", "text/html", ""]),
    st.text(max_size=20),
)


def test_json_object_is_read() -> None:
    """An object is returned unchanged, whatever the media type."""
    body = '{"a": [1, "ü"], "b": {"c": "\\ud83d\\ude00"}}'.encode()
    assert {"a": [1, "ü"], "b": {"c": "\U0001f600"}} == json_object(Reply(200, body, "text/html"))


ANY_TEXT = st.text(st.characters())  # with halves of surrogate pairs
ANY_JSON = st.recursive(ANY_TEXT | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner))


@given(ANY_JSON)
@settings(max_examples=50, deadline=None)
def test_any_object_can_be_printed(value: object) -> None:
    """Whatever an object holds, it can be encoded."""
    assert str(json_object(Reply(200, json.dumps({"a": value}).encode()))).encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>", id="html"),
        pytest.param(b'["audience"]', id="list"),
        pytest.param(b'"audience"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"a": 1, "a": 1}', id="key twice"),
        pytest.param(b'{"x": {"a": 1, "a": 2}}', id="key twice, deeper"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": Infinity}', id="Infinity"),
        pytest.param(b'{"a": -Infinity}', id="-Infinity"),
        pytest.param(b'{"a": "\xff"}', id="not UTF-8"),
        pytest.param(rb'{"a": "x\ud83d"}', id="half a surrogate pair"),
        pytest.param(rb'{"\udfff": 1}', id="half a surrogate pair as a key"),
        pytest.param(rb'{"a": [{"b": "\udc00\ud800"}]}', id="surrogates in the wrong order"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="utf-16"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="byte order mark"),
        pytest.param(b'{"a": 1} {"a": 2}', id="two objects"),
        pytest.param(b'{"a": ' + b"[" * 100_000, id="nested forever"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="number of 5000 digits"),
    ],
)
def test_json_object_refuses(body: bytes) -> None:
    """A value that is not an object, or is ambiguous, has no members."""
    assert {} == json_object(Reply(200, body))


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(400, b'{"code": "400 No.", "message": "long"}', reason="Bad"), "No", id="code"),
        pytest.param(Reply(403, b'{"code": "400 No."}'), "400 No", id="code of another status"),
        pytest.param(Reply(400, b'{"detail": "d", "title": "t"}'), "d", id="RFC 9457 detail"),
        pytest.param(Reply(400, b'{"message": "m", "title": "t"}'), "m", id="message"),
        pytest.param(Reply(400, b'{"title": "t"}'), "t", id="title"),
        pytest.param(Reply(400, b'{"code": 17, "message": "m"}'), "m", id="code that is a number"),
        pytest.param(Reply(400, b'{"code": {"a": ["m"]}}', reason="Bad"), "Bad", id="no string at all"),
        pytest.param(Reply(400, b'{"code": "400 "}', reason="Bad"), "Bad", id="blank code"),
        pytest.param(Reply(400, b"{}", reason="Bad"), "Bad", id="empty object"),
        pytest.param(Reply(500, b"<html>no", "text/html", "Oh"), "Oh", id="HTML"),
        pytest.param(Reply(500, b"  plain\n words \xff", "text/plain", "Oh"), "plain words \ufffd", id="plain text"),
        pytest.param(Reply(500, b" \n", "text/plain", "Oh"), "Oh", id="blank body"),
        pytest.param(Reply(500, b""), "", id="empty body"),
        pytest.param(
            Reply(400, b'{"code": "\\u001b[31m\\n::error::x\\n##[group]"}'),
            "?[31m ::error::x ##[group]",
            id="hostile",
        ),
    ],
)
def test_message(reply: Reply, expected: str) -> None:
    """The index's own words are found wherever they are, and made safe."""
    assert expected == message(reply)


@given(ANY_REPLY)
@settings(max_examples=100, deadline=None)
def test_message_of_anything_is_one_short_line(reply: Reply) -> None:
    """No reply makes the message fail, span lines or become long."""
    said = message(reply)

    assert (True, True) == (said.isprintable(), len(said) <= 1000)


def test_secrets_are_not_in_reprs(tmp_path: Path) -> None:
    """Neither a request nor a reply shows a token in its repr."""
    distribution = Distribution.read(make_wheel(tmp_path), "x.whl")
    token = Secret("pypi-sesame")
    everything = (
        Request(
            Message("minting", index="own"),
            "https://h/",
            token,
            Upload(distribution, "b", b"head"),
            token,
            token,
        ),
        Reply(200, b'{"token": "pypi-sesame"}', secrets=(Secret("pypi-sesame"),)),
    )

    assert "sesame" not in repr(everything)


def test_an_upload_is_as_long_as_it_says(tmp_path: Path) -> None:
    """The form has its head, the file and the digest after it; its length is known before the digest is."""
    path = make_wheel(tmp_path)
    content = path.read_bytes()
    distribution = Distribution.read(path, "x.whl")
    upload = Upload(distribution, "b", b"head")
    length = upload.length
    before = distribution.content.known_sha256
    tail = (
        '\r\n--b\r\nContent-Disposition: form-data; name="sha256_digest"\r\n\r\n'
        f"{hashlib.sha256(content).hexdigest()}\r\n--b--\r\n"
    )
    whole = b"".join(upload.chunks())

    assert (b"head" + content + tail.encode(), None) == (whole, before)
    assert (len(whole), len(whole)) == (length, upload.length)
    assert whole == b"".join(upload.chunks())


def test_an_upload_of_a_file_that_changed(tmp_path: Path) -> None:
    """The digest of a file that has changed is not sent: the form stays incomplete."""
    path = make_wheel(tmp_path)
    upload = Upload(Distribution.read(path, "x.whl"), "b", b"head")
    path.write_bytes(b"other")
    chunks = upload.chunks()
    came = next(chunks)
    with pytest.raises(DistributionError):
        next(chunks)

    assert b"head" == came


def test_an_upload_that_is_given_up(tmp_path: Path) -> None:
    """After an early reply, closing the form ends the threads that hash its file."""
    before = threading.enumerate()
    noise = random.Random(0).randbytes(IN_A_THREAD)
    upload = Upload(Distribution.read(make_wheel(tmp_path, members={"noise": noise}), "x.whl"), "b", b"head")
    chunks = upload.chunks()
    _ = next(chunks), next(chunks)
    meanwhile = len(threading.enumerate())
    chunks.close()

    assert (len(before) + 1, before) == (meanwhile, threading.enumerate())


def test_an_upload_reports_its_progress(tmp_path: Path) -> None:
    """The bytes sent are reported after each piece, and each try starts at zero."""
    wheel = Distribution.read(make_wheel(tmp_path, members={"noise": random.Random(0).randbytes(3 * CHUNK)}), "x.whl")
    progress: list[int] = []
    upload = Upload(wheel, "b", b"head", progress.append)
    chunks = upload.chunks()
    came = [next(chunks), next(chunks)]
    assert ([b"head", CHUNK], [0]) == ([came[0], len(came[1])], progress)
    chunks.close()
    whole = sum(map(len, upload.chunks()))
    assert [0, 0, CHUNK, 2 * CHUNK, 3 * CHUNK, wheel.size] == progress
    assert upload.length == whole


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        pytest.param("token pypi-sesame is bad.", ["pypi-sesame"], "token *** is bad", id="repeated"),
        pytest.param(
            "pypi-sesame, X3:cGFz, pypi-sesame", ["pypi-sesame", "X3:cGFz"], "***, ***, ***", id="two of them"
        ),
        pytest.param("x" * 990 + "pypi-sesame" + "x" * 9000, ["pypi-sesame"], "x" * 990 + "***xxxxxx…", id="cut"),
        pytest.param("\x1b[2J\n::pypi-sesame::", ["pypi-sesame"], "?[2J ::***::", id="hostile"),
        pytest.param("no secret.", [], "no secret", id="none"),
        pytest.param(17, ["pypi-sesame"], "17", id="not a string"),
    ],
)
def test_said(text: object, secrets: list[str], expected: str) -> None:
    """A string in a reply is made safe, and the request's secrets are removed before anything is cut."""
    assert expected == Reply(400, b"", secrets=tuple(map(Secret, secrets))).said(text)


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(403, b'{"code": "403 bad pypi-sesame."}', secrets=(Secret("pypi-sesame"),)), id="JSON"),
        pytest.param(Reply(403, b"bad pypi-sesame", "text/plain", secrets=(Secret("pypi-sesame"),)), id="text"),
        pytest.param(Reply(403, b"", reason="bad pypi-sesame", secrets=(Secret("pypi-sesame"),)), id="reason"),
    ],
)
def test_message_without_secrets(reply: Reply) -> None:
    """An index that repeats a token in its reply does not get it into a log."""
    assert "bad ***" == message(reply)


def test_form_field() -> None:
    """Each part of a form is set apart by the boundary and has one name."""
    assert b'--b\r\nContent-Disposition: form-data; name="n"\r\n\r\nv\r\n' == form_field("b", "n", "v")
