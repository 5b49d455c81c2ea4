from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import IndexReadError, Message
from hatch_trusted_publish.http.messages import Reply, json_object
from hatch_trusted_publish.index.endpoints import find_index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.index.simple_api import MOST_FILES, ask_listing, read_listing

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
REMEDY = (
    "It is not known which files are there, so the run ends. If that address is not the index's simple API, set "
    "`simple-url` in its table in `tool.hatch.publish.trusted.repos`; else run the same command again later."
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["files", "filename", "hashes", "sha256", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
FILES = st.fixed_dictionaries(
    {"files": st.lists(st.fixed_dictionaries({"filename": VALUES, "hashes": VALUES}), max_size=3) | VALUES}
)


def _file(filename: object, hashes: object) -> dict[str, object]:
    return {"filename": filename, "hashes": hashes, "url": "https://files/x"}


def _page(*files: object) -> bytes:
    return json.dumps({"meta": {"api-version": "1.4"}, "name": "sample", "files": files}).encode()


def _many_keys() -> bytes:
    return json.dumps({"files": []} | dict.fromkeys(map(str, range(100)))).encode()


def test_ask_listing() -> None:
    """The page of a project is asked for in JSON, with HTML as what will do as well."""
    request = ask_listing(MAIN, "sample")

    assert (
        Message("reading-listing", project="sample", index="PyPI"),
        "https://pypi.org/simple/sample/",
        "application/vnd.pypi.simple.v1+json, text/html;q=0.1",
        48 * 1024 * 1024,
    ) == (request.purpose, request.url, request.accept, request.largest_reply)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(404, b"404 Not Found", "text/plain"), {}, id="unknown project"),
        pytest.param(Reply(200, _page(), JSON), {}, id="JSON, no files"),
        pytest.param(
            Reply(200, _page(_file("a.whl", {"sha256": "ab", "md5": "c"}), _file("b.tar.gz", {"md5": "c"})), JSON),
            {"a.whl": "ab", "b.tar.gz": None},
            id="JSON, hashes of two kinds",
        ),
        pytest.param(Reply(200, _page(_file("a.whl", {"sha256": None})), JSON), {"a.whl": None}, id="JSON, null hash"),
        pytest.param(
            Reply(200, _page(_file("\u00fc.whl", {}), _file("a" * 256, {}), _file("a", {})), JSON),
            {"a": None},
            id="JSON, names that none can be uploaded by",
        ),
        pytest.param(
            Reply(200, "<html>{}<a href='a.whl'>".format("\u00fc" * 2**15).encode(), HTML),
            {"a.whl": None},
            id="HTML, characters across pieces",
        ),
        pytest.param(
            Reply(200, _page(_file("a.whl", {"sha256": "ab"})), "application/json"), {"a.whl": "ab"}, id="plain JSON"
        ),
        pytest.param(Reply(200, b"<!DOCTYPE html><html><body></body></html>", HTML), {}, id="HTML, no files"),
        pytest.param(
            Reply(200, b'<a href="/f/ab/a-1.0-py3-none-any.whl#sha256=ab">a</a>', HTML),
            {"a-1.0-py3-none-any.whl": "ab"},
            id="HTML",
        ),
        pytest.param(
            Reply(200, b'<a href="a%2B1-1!1.0%2Blocal.tar.gz#sha256=ab">x</a>', HTML),
            {"a+1-1!1.0+local.tar.gz": "ab"},
            id="HTML, encoded name",
        ),
        pytest.param(
            Reply(200, b'<a href="a.whl?x=1&amp;y=/z.whl#sha256=ab" data-yanked="no">x</a>', HTML),
            {"a.whl": "ab"},
            id="HTML, query and entities",
        ),
        pytest.param(
            Reply(200, b'<base href="https://h/f/"><a href="a.whl#sha256=ab">x</a><A HREF=b.whl>x</A>', HTML),
            {"a.whl": "ab", "b.whl": None},
            id="HTML, base, upper case, no hash",
        ),
        pytest.param(
            Reply(200, b'<a href="a.whl#md5=ab">x</a><a href="b.whl#sha512=ab"/><a href="c.whl#">x</a>', HTML),
            {"a.whl": None, "b.whl": None, "c.whl": None},
            id="HTML, other algorithms",
        ),
        pytest.param(
            Reply(200, b'<a>x</a><a href>x</a><a href="../">up</a><link href="s.css"><a name="n">x</a>', HTML),
            {},
            id="HTML, no links to files",
        ),
        pytest.param(Reply(200, b'<a href="https://h/a.whl#sha256=ab">', ""), {"a.whl": "ab"}, id="HTML, no type"),
    ],
)
def test_read_listing(reply: Reply, expected: dict[str, str | None]) -> None:
    """File name and hash of all that the index lists, in either form."""
    assert expected == {name: held.sha256 for name, held in read_listing(reply, MAIN, "sample").items()}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, _page(_file("a.whl", {})), JSON), "https://files/x", id="JSON"),
        pytest.param(
            Reply(200, _page({"filename": "a.whl", "hashes": {}, "url": "../../f/a.whl"}), JSON),
            "https://pypi.org/f/a.whl",
            id="JSON, relative",
        ),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}}), JSON), None, id="JSON, none"),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}, "url": 1}), JSON), None, id="JSON, URL 1"),
        pytest.param(
            Reply(200, b'<a href="/f/a.whl#sha256=ab">', HTML), "https://pypi.org/f/a.whl", id="HTML, without its hash"
        ),
        pytest.param(Reply(200, b'<a href="https://h/a.whl?x=1">', HTML), "https://h/a.whl?x=1", id="HTML, elsewhere"),
    ],
)
def test_where_a_file_is(reply: Reply, expected: str | None) -> None:
    """The address of a file is the one that the index says, made whole by that of the page."""
    assert expected == read_listing(reply, MAIN, "sample")["a.whl"].url


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            Reply(200, _page({"filename": "a.whl", "hashes": {}, "provenance": "https://h/p"}), JSON),
            "https://h/p",
            id="JSON",
        ),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}, "provenance": None}), JSON), None, id="null"),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}}), JSON), None, id="none"),
        pytest.param(Reply(200, b'<a href="a.whl" data-provenance="https://h/p">', HTML), "https://h/p", id="HTML"),
    ],
)
def test_where_attestations_are(reply: Reply, expected: str | None) -> None:
    """The address of a file's attestations is the one that the index says (PEP 740)."""
    assert expected == read_listing(reply, MAIN, "sample")["a.whl"].provenance


NO_LIST = "answered with something that is no list of files"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(Reply(401, b""), "answered 401", id="401"),
        pytest.param(Reply(403, b""), "answered 403", id="403"),
        pytest.param(Reply(410, b""), "answered 410", id="410"),
        pytest.param(Reply(500, b""), "answered 500", id="500"),
        pytest.param(Reply(204, b""), "answered 204", id="204"),
        pytest.param(
            Reply(301, b"", location="https://h/s/\x1b[0m"),
            "answered 301 and pointed to https://h/s/?[0m, where nothing of yours need be",
            id="redirect",
        ),
        pytest.param(Reply(200, b"", HTML), f"{NO_LIST} (text/html)", id="empty"),
        pytest.param(Reply(200, b"hello", "text/plain"), f"{NO_LIST} (text/plain)", id="plain text"),
        pytest.param(Reply(200, b"<html>\xff", HTML), f"{NO_LIST} (text/html)", id="no utf-8"),
        pytest.param(Reply(200, b"<p><![foo[", HTML), f"{NO_LIST} (text/html)", id="HTML that html.parser gives up on"),
        pytest.param(Reply(200, b"<a href='http://[x'>", HTML), f"{NO_LIST} (text/html)", id="HTML, no URL"),
        pytest.param(Reply(200, b"", "x\n/json"), f"{NO_LIST} (x /json)", id="hostile media type"),
        pytest.param(Reply(200, b"[]", JSON), f"{NO_LIST} ({JSON})", id="JSON, list"),
        pytest.param(Reply(200, b"{}", JSON), f"{NO_LIST} ({JSON})", id="JSON, no files"),
        pytest.param(Reply(200, b'{"files": {}}', JSON), f"{NO_LIST} ({JSON})", id="JSON, files an object"),
        pytest.param(Reply(200, b'{"files": ""}', JSON), f"{NO_LIST} ({JSON})", id="JSON, files a text"),
        pytest.param(Reply(200, _page("a.whl"), JSON), f"{NO_LIST} ({JSON})", id="JSON, file a text"),
        pytest.param(Reply(200, _page({"filename": "a"}), JSON), f"{NO_LIST} ({JSON})", id="JSON, no hashes"),
        pytest.param(Reply(200, _page({"hashes": {}}), JSON), f"{NO_LIST} ({JSON})", id="JSON, no name"),
        pytest.param(Reply(200, _page(_file("a", "x")), JSON), f"{NO_LIST} ({JSON})", id="JSON, hashes a text"),
        pytest.param(Reply(200, _page(_file("a", {"sha256": 1})), JSON), f"{NO_LIST} ({JSON})", id="JSON, hash 1"),
        pytest.param(Reply(200, _page(_file(1, {"sha256": "x"})), JSON), f"{NO_LIST} ({JSON})", id="JSON, name 1"),
        pytest.param(Reply(200, _page(_file(["a"], {})), JSON), f"{NO_LIST} ({JSON})", id="JSON, name a list"),
        pytest.param(Reply(200, b'{"files": [], "files": []}', JSON), f"{NO_LIST} ({JSON})", id="JSON, key twice"),
        pytest.param(Reply(200, b'{"files": [], "x": NaN}', JSON), f"{NO_LIST} ({JSON})", id="JSON, NaN"),
        pytest.param(Reply(200, b'{"files": []', JSON), f"{NO_LIST} ({JSON})", id="JSON, cut"),
        pytest.param(Reply(200, b'{"files" []}', JSON), f"{NO_LIST} ({JSON})", id="JSON, no colon"),
        pytest.param(Reply(200, b'{"files": [],}', JSON), f"{NO_LIST} ({JSON})", id="JSON, comma too many"),
        pytest.param(Reply(200, b'{"files": []} x', JSON), f"{NO_LIST} ({JSON})", id="JSON, and more"),
        pytest.param(Reply(200, b'{1: 2, "files": []}', JSON), f"{NO_LIST} ({JSON})", id="JSON, key a number"),
        pytest.param(Reply(200, b'{"files": [], "x": "\xff"}', JSON), f"{NO_LIST} ({JSON})", id="JSON, no utf-8"),
        pytest.param(Reply(200, b'{"files": ' + b"[" * 99_999, JSON), f"{NO_LIST} ({JSON})", id="JSON, deep"),
        pytest.param(Reply(200, _many_keys(), JSON), f"{NO_LIST} ({JSON})", id="JSON, too many keys"),
        pytest.param(
            Reply(200, b'{"files": [], "x": "' + b"x" * 2**20 + b'"}', JSON),
            f"{NO_LIST} ({JSON})",
            id="JSON, long value",
        ),
        pytest.param(
            Reply(200, _page(_file("a" * 2**15, {})), JSON), f"{NO_LIST} ({JSON})", id="JSON, too much of one file"
        ),
        pytest.param(
            Reply(200, _page(_file("a", {"sha256": "x" * 129})), JSON), f"{NO_LIST} ({JSON})", id="JSON, long hash"
        ),
        pytest.param(
            Reply(200, _page(*(_file(str(number), {}) for number in range(MOST_FILES + 1))), JSON),
            f"{NO_LIST} ({JSON})",
            id="JSON, too many files",
        ),
        pytest.param(Reply(200, b"<b>" * (5 * MOST_FILES + 1), HTML), f"{NO_LIST} ({HTML})", id="HTML, too many tags"),
        pytest.param(Reply(200, b"<a" + b" a" * 101 + b">", HTML), f"{NO_LIST} ({HTML})", id="HTML, a tag too full"),
        pytest.param(Reply(200, b"<a" + b" a" * 99_999, HTML), f"{NO_LIST} ({HTML})", id="HTML, a tag without an end"),
    ],
)
def test_unknown_is_never_nothing_there(reply: Reply, problem: str) -> None:
    """Any answer but a list of files or a 404 ends the run, with where to look."""
    with pytest.raises(IndexReadError) as raised:
        read_listing(reply, MAIN, "sample")

    assert f"main was asked what it holds of sample (https://pypi.org/simple/sample/) and {problem}. {REMEDY}" == str(
        raised.value
    )


@given(
    st.sampled_from([200, 301, 401, 404, 500]),
    st.binary(max_size=200)
    | VALUES.map(json.dumps).map(str.encode)
    | FILES.map(json.dumps).map(str.encode)
    | st.text("<>![]-/ahrefp='\"#?%&;: ", max_size=60).map(str.encode),
    st.sampled_from([JSON, HTML, "application/json", "text/plain", ""]),
)
@settings(max_examples=300, deadline=None)
def test_anything_is_a_listing_or_an_error(status: int, body: bytes, media_type: str) -> None:
    """Any bytes are texts with a text or nothing each, or the one documented error."""
    try:
        found = read_listing(Reply(status, body, media_type), MAIN, "sample")
    except IndexReadError:
        return

    texts = [text for name, held in found.items() for text in (name, held.sha256 or "", held.url or "")]
    assert [] == [text for text in texts if not isinstance(text, str)]


@given(
    st.dictionaries(st.sampled_from(["files", "name", "versions", "\u00fc", "\U0001f600"]), VALUES | FILES, max_size=4),
    FILES,
    st.sampled_from([None, 0, 3, "\t", "\r\n"]),
    st.booleans(),
    st.none() | st.tuples(st.integers(0, 400), st.sampled_from([b"", b" ", b'"', b",", b"}", b"]", b"\xff", b"1"])),
)
@settings(max_examples=300, deadline=None)
def test_reads_as_json_does(
    around: dict[str, object],
    files: dict[str, object],
    indent: str | int | None,
    ascii_: bool,
    change: tuple[int, bytes] | None,
) -> None:
    """In pieces, a page says the same as it would whole, and what is no JSON is none."""
    page = json.dumps(around | files, indent=indent, ensure_ascii=ascii_).encode()
    if change is not None:
        page = page[: change[0]] + change[1] + page[change[0] + 1 :]
    expected: object
    try:
        held = json_object(Reply(200, page))["files"]
        assert isinstance(held, list)
        expected = {file["filename"]: file["hashes"].get("sha256") for file in held}
        assert all(isinstance(text, str | None) for pair in expected.items() for text in pair)
        expected = {name: digest for name, digest in expected.items() if name.isascii()}
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        expected = IndexReadError
    found: object
    try:
        found = {name: held.sha256 for name, held in read_listing(Reply(200, page, JSON), MAIN, "sample").items()}
    except IndexReadError as error:
        found = type(error)

    assert expected == found
