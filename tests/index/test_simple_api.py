from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import IndexReadError, Message
from hatch_trusted_publish.http.messages import Reply, json_object
from hatch_trusted_publish.index.endpoints import Index, Repository, find_index
from hatch_trusted_publish.index.simple_api import (
    MOST_FILES,
    Listing,
    ask_listing,
    ask_provenance,
    read_listing,
    read_provenance,
)
from hatch_trusted_publish.secret import Secret
from tests.support.recordings import ENTRIES, to

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"
OWN = find_index(Repository("own", "https://index.test/legacy/"))
SHA = "ab" * 32
TOKEN = "pypi-AgEIcHlwaS5vcmcCJDAwMDAwMDAw"
HASH = b"#sha256=" + SHA.encode()
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
    """The page of a project is requested in JSON, with HTML as the fallback."""
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
            Reply(200, _page(_file("a.whl", {"sha256": SHA, "md5": "c"}), _file("b.tar.gz", {"md5": "c"})), JSON),
            {"a.whl": SHA, "b.tar.gz": None},
            id="JSON, hashes of two kinds",
        ),
        pytest.param(Reply(200, _page(_file("a.whl", {"sha256": None})), JSON), {"a.whl": None}, id="JSON, null hash"),
        pytest.param(Reply(200, _page(_file("a", {"sha256": SHA.upper()})), JSON), {"a": SHA}, id="JSON, capitals"),
        pytest.param(
            Reply(200, _page(_file("a", {"sha256": f"{SHA}0"}), _file("b", {"sha256": "\u00fc" * 64})), JSON),
            {"a": None, "b": None},
            id="JSON, malformed hashes",
        ),
        pytest.param(
            Reply(200, _page(_file("\u00fc.whl", {}), _file("a" * 256, {}), _file("a", {})), JSON),
            {"a": None},
            id="JSON, names that cannot be uploaded",
        ),
        pytest.param(
            Reply(200, "<html>{}<a href='a.whl'>".format("\u00fc" * 2**15).encode(), HTML),
            {"a.whl": None},
            id="HTML, characters across pieces",
        ),
        pytest.param(
            Reply(200, _page(_file("a.whl", {"sha256": SHA})), "application/json"), {"a.whl": SHA}, id="plain JSON"
        ),
        pytest.param(Reply(200, b"<!DOCTYPE html><html><body></body></html>", HTML), {}, id="HTML, no files"),
        pytest.param(
            Reply(200, b'<a href="/f/ab/a-1.0-py3-none-any.whl' + HASH + b'">a</a>', HTML),
            {"a-1.0-py3-none-any.whl": SHA},
            id="HTML",
        ),
        pytest.param(
            Reply(200, b'<a href="a%2B1-1!1.0%2Blocal.tar.gz' + HASH + b'">x</a>', HTML),
            {"a+1-1!1.0+local.tar.gz": SHA},
            id="HTML, encoded name",
        ),
        pytest.param(
            Reply(200, b'<a href="a.whl?x=1&amp;y=/z.whl' + HASH + b'" data-yanked="no">x</a>', HTML),
            {"a.whl": SHA},
            id="HTML, query and entities",
        ),
        pytest.param(
            Reply(200, b'<base href="https://h/f/"><a href="a.whl' + HASH + b'">x</a><A HREF=b.whl>x</A>', HTML),
            {"a.whl": SHA, "b.whl": None},
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
        pytest.param(Reply(200, b'<a href="https://h/a.whl' + HASH + b'">', ""), {"a.whl": SHA}, id="HTML, no type"),
    ],
)
def test_read_listing(reply: Reply, expected: dict[str, str | None]) -> None:
    """Each listed file has its name and hash, in either format."""
    assert expected == {name: held.sha256 for name, held in read_listing(reply, MAIN, "sample").files.items()}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, _page(_file("a.whl", {})), JSON), "https://files/x", id="JSON"),
        pytest.param(
            Reply(200, _page({"filename": "a.whl", "hashes": {}, "url": "../../f/a.whl"}), JSON),
            "https://pypi.org/f/a.whl",
            id="JSON, relative",
        ),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}}), JSON), None, id="JSON, missing"),
        *(
            pytest.param(
                Reply(200, _page({"filename": "a.whl", "hashes": {}, "url": url}), JSON), None, id=f"JSON, {name}"
            )
            for name, url in {
                "URL 1": 1,
                "non-Latin": "https://h/\U0001f600",
                "too long": "https://h/" + "a" * 2000,
                "line end": "https://h/\x1b[2J",
                "another scheme": "javascript:alert(1)",
            }.items()
        ),
        pytest.param(
            Reply(200, b'<a href="/f/a.whl' + HASH + b'">', HTML),
            "https://pypi.org/f/a.whl",
            id="HTML, without its hash",
        ),
        pytest.param(
            Reply(200, b'<a href="https://u:p@h:8/a.whl?x=1">', HTML), "https://h:8/a.whl", id="HTML, user and query"
        ),
    ],
)
def test_where_a_file_is(reply: Reply, expected: str | None) -> None:
    """The URL of a file is the index's, resolved against the URL of the page."""
    assert expected == read_listing(reply, MAIN, "sample").files["a.whl"].url


RECORDED = {
    "read/simple-json-created-by-mint": Listing(),
    "read/simple-404": Listing(exists=False),
    "read/simple-quarantined": Listing(status="quarantined"),
    "split-hosts/simple-on-upload-host": Listing(exists=False),
}
SAMPLE = {
    "sampleproject-1.0.0-py3-none-any.whl": "21c6f28c049c356646cae4f58517d46b5f250b1a5c063ac5ed9e8be56489c07e",
    "sampleproject-1.0.0.tar.gz": "dd2964d5bbb603cba53f2e9835a06d9f76d6a96fc27194c1e34f3d3f5a1cb879",
}
ARCHIVED = "33d313dbb7adcf8099bf6a4a93b1d92837a70d9cbb943dd5da5468e7beb209b4"
RECORDED_FILES = {
    "read/simple-json": ("active", SAMPLE),
    "read/simple-html": ("active", SAMPLE),
    "read/simple-archived": ("archived", {"archived_project-1.0.0-py3-none-any.whl": ARCHIVED}),
}


@pytest.mark.parametrize("name", to("/simple/"))
def test_recorded_listing(name: str) -> None:
    """PyPI's JSON and HTML are read."""
    found = read_listing(ENTRIES[name].reply, MAIN, "sampleproject")
    if name in RECORDED:
        assert RECORDED[name] == found
    else:
        digests = {filename: held.sha256 for filename, held in found.files.items()}
        assert (*RECORDED_FILES[name], True) == (found.status, digests, found.exists)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            Reply(200, b'{"project-status": {"status": "archived"}, "files": []}', JSON), "archived", id="JSON"
        ),
        pytest.param(Reply(200, b'{"project-status": {"status": "new"}, "files": []}', JSON), "active", id="unknown"),
        pytest.param(Reply(200, b'{"project-status": {"status": []}, "files": []}', JSON), "active", id="list"),
        pytest.param(Reply(200, b'{"project-status": "archived", "files": []}', JSON), "active", id="string"),
        pytest.param(
            Reply(200, b'<meta name="pypi:project-status" content="quarantined">', HTML), "quarantined", id="HTML"
        ),
        pytest.param(Reply(200, b'<meta name="pypi:project-status">', HTML), "active", id="HTML, empty"),
        pytest.param(Reply(200, b'<meta name="x" content="archived">', HTML), "active", id="HTML, other"),
    ],
)
def test_project_status(reply: Reply, expected: str) -> None:
    """PEP 792's status of a project is read; any other value is ignored."""
    assert Listing(status=expected) == read_listing(reply, OWN, "sample")


def test_listing_with_a_token() -> None:
    """The upload token is sent if the index restricts who reads its list."""
    token = ask_listing(replace(OWN, token=Secret("pypi-t")), "sample").basic
    assert token is not None
    assert "pypi-t" == token.reveal()


def test_ask_provenance() -> None:
    """Attestations are requested in the media type of PyPI's integrity API."""
    request = ask_provenance(OWN, "a.whl", "https://index.test/p")
    purpose = Message("reading-attestations", file="a.whl", index="own")
    assert (purpose, "https://index.test/p", "application/vnd.pypi.integrity.v1+json") == (
        request.purpose,
        request.url,
        request.accept,
    )


def test_read_provenance() -> None:
    """The attestations and the publisher of each bundle are read, as PyPI serves them."""
    [bundle] = read_provenance(ENTRIES["read/provenance"].reply)
    assert [{"version": 1, "trimmed": True}] == bundle["attestations"]
    assert {"kind", "repository", "workflow", "environment"} == bundle["publisher"].keys()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(ENTRIES["read/provenance-404"].reply, id="404"),
        pytest.param(Reply(200, b"[]"), id="list"),
        pytest.param(Reply(200, b"{}"), id="empty"),
        pytest.param(Reply(200, b'{"attestation_bundles": [1]}'), id="numbers"),
        pytest.param(Reply(200, b'{"attestation_bundles": [{"attestations": 1}]}'), id="no list"),
    ],
)
def test_no_provenance(reply: Reply) -> None:
    """Any other answer is an error with its status."""
    with pytest.raises(IndexReadError) as caught:
        read_provenance(reply)
    assert Message("no-provenance", status=reply.status) == caught.value.message


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            Reply(200, _page({"filename": "a.whl", "hashes": {}, "provenance": "https://h/p"}), JSON),
            "https://h/p",
            id="JSON",
        ),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}, "provenance": None}), JSON), None, id="null"),
        pytest.param(Reply(200, _page({"filename": "a.whl", "hashes": {}}), JSON), None, id="missing"),
        pytest.param(Reply(200, b'<a href="a.whl" data-provenance="https://h/p">', HTML), "https://h/p", id="HTML"),
    ],
)
def test_where_attestations_are(reply: Reply, expected: str | None) -> None:
    """The URL of a file's attestations is the index's own (PEP 740)."""
    assert expected == read_listing(reply, MAIN, "sample").files["a.whl"].provenance


URL = "https://index.test/simple/sample/"


def why(code: str, reason: str, reply: Reply, index: Index = OWN) -> tuple[Message, Message]:
    """Return the expected error for *reply*, and the actual one."""
    facts = {"index": index.title, "project": "sample", "url": index.listing_url("sample")}
    cause = Message("no-list-of-files", **facts, type=reply.media_type)
    if reason == "listing-reply":
        cause = Message(reason, **facts, status=reply.status, location=reply.location)
    more = {"page": index.status_page} if index.status_page else {"table": index.table}
    with pytest.raises(IndexReadError) as caught:
        read_listing(reply, index, "sample")
    return Message(code, **facts, reason=cause, **more), caught.value.message


@pytest.mark.parametrize(
    ("reply", "code", "index"),
    [
        pytest.param(Reply(401, b""), "listing-needs-token", OWN, id="401"),
        pytest.param(Reply(403, b""), "listing-needs-token", OWN, id="403"),
        pytest.param(Reply(401, b""), "listing-forbidden", replace(OWN, token=Secret("t")), id="401 with a token"),
        pytest.param(
            Reply(401, b""), "listing-forbidden", replace(OWN, simple_url="https://mirror.test/simple/"), id="elsewhere"
        ),
        pytest.param(Reply(410, b""), "listing-unreadable", OWN, id="410"),
        pytest.param(Reply(500, b""), "listing-unreadable", OWN, id="500"),
        pytest.param(Reply(204, b""), "listing-unreadable", OWN, id="204"),
        pytest.param(Reply(301, b"", location="https://h/s/"), "listing-unreadable", OWN, id="redirect"),
        pytest.param(Reply(403, b""), "listing-failed", MAIN, id="PyPI, 403"),
        pytest.param(Reply(503, b""), "listing-failed", MAIN, id="PyPI, 503"),
    ],
)
def test_an_unknown_listing_is_an_error(reply: Reply, code: str, index: Index) -> None:
    """Any answer except a list of files or a 404 is an error, with a usable next step."""
    expected, found = why(code, "listing-reply", reply, index)
    assert expected == found


def test_where_a_redirect_points() -> None:
    """A URL from an index is shown without what may be a secret."""
    with pytest.raises(IndexReadError) as caught:
        read_listing(Reply(302, b"", location="https://u:p@h/s/?token=sesame"), OWN, "sample")
    assert "//***@h/s/?\u2026" == caught.value.reason.facts["location"]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(200, b"", HTML), id="empty"),
        pytest.param(Reply(200, b"hello", "text/plain"), id="plain text"),
        pytest.param(Reply(200, b"<html>\xff", HTML), id="not UTF-8"),
        pytest.param(Reply(200, b"<p><![foo[", HTML), id="HTML that html.parser gives up on"),
        pytest.param(Reply(200, b"<a href='http://[x'>", HTML), id="HTML, no URL"),
        pytest.param(Reply(200, b"", "x\n/json"), id="hostile media type"),
        pytest.param(Reply(200, b"[]", JSON), id="JSON, list"),
        pytest.param(Reply(200, b"{}", JSON), id="JSON, no files"),
        pytest.param(Reply(200, b'{"files": {}}', JSON), id="JSON, files an object"),
        pytest.param(Reply(200, b'{"files": ""}', JSON), id="JSON, files a string"),
        pytest.param(Reply(200, _page("a.whl"), JSON), id="JSON, file a string"),
        pytest.param(Reply(200, _page({"filename": "a"}), JSON), id="JSON, no hashes"),
        pytest.param(Reply(200, _page({"hashes": {}}), JSON), id="JSON, no name"),
        pytest.param(Reply(200, _page(_file("a", "x")), JSON), id="JSON, hashes a string"),
        pytest.param(Reply(200, _page(_file("a", {"sha256": 1})), JSON), id="JSON, hash 1"),
        pytest.param(Reply(200, _page(_file(1, {"sha256": "x"})), JSON), id="JSON, name 1"),
        pytest.param(Reply(200, _page(_file(["a"], {})), JSON), id="JSON, name a list"),
        pytest.param(Reply(200, b'{"files": [], "files": []}', JSON), id="JSON, key twice"),
        pytest.param(Reply(200, b'{"files": [], "x": NaN}', JSON), id="JSON, NaN"),
        pytest.param(Reply(200, b'{"files": []', JSON), id="JSON, cut"),
        pytest.param(Reply(200, b'{"files" []}', JSON), id="JSON, no colon"),
        pytest.param(Reply(200, b'{"files": [],}', JSON), id="JSON, extra comma"),
        pytest.param(Reply(200, b'{"files": []} x', JSON), id="JSON, trailing data"),
        pytest.param(Reply(200, b'{1: 2, "files": []}', JSON), id="JSON, key a number"),
        pytest.param(Reply(200, b'{"files": [], "x": "\xff"}', JSON), id="JSON, not UTF-8"),
        pytest.param(Reply(200, b'{"files": ' + b"[" * 99_999, JSON), id="JSON, deep"),
        pytest.param(Reply(200, _many_keys(), JSON), id="JSON, too many keys"),
        pytest.param(
            Reply(200, b'{"files": [], "x": "' + b"x" * 2**20 + b'"}', JSON),
            id="JSON, long value",
        ),
        pytest.param(Reply(200, _page(_file("a" * 2**15, {})), JSON), id="JSON, too much of one file"),
        pytest.param(Reply(200, b"<b>" * (5 * MOST_FILES + 1), HTML), id="HTML, too many tags"),
        pytest.param(Reply(200, b"<a" + b" a" * 101 + b">", HTML), id="HTML, a tag too long"),
        pytest.param(Reply(200, b"<a" + b" a" * 99_999, HTML), id="HTML, a tag without an end"),
        pytest.param(
            Reply(200, _page(*[_file("\u00fc", {})] * (MOST_FILES + 1)), JSON), id="JSON, too many non-ASCII names"
        ),
        pytest.param(Reply(200, b"<a href=a>" * (MOST_FILES + 1), HTML), id="HTML, one name too often"),
        pytest.param(Reply(200, _page(_file(TOKEN, {})), JSON, secrets=[Secret(TOKEN)]), id="JSON, a token"),
    ],
)
def test_a_malformed_listing(reply: Reply) -> None:
    """A page that is malformed, ambiguous, or larger than any project's is an error."""
    expected, found = why("listing-unreadable", "no-list-of-files", reply)
    assert expected == found


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
    """Any bytes yield file names with optional hashes, or the one documented error."""
    try:
        found = read_listing(Reply(status, body, media_type), MAIN, "sample")
    except IndexReadError:
        return

    texts = [text for name, held in found.files.items() for text in (name, held.sha256 or "", held.url or "")]
    assert [] == [text for text in texts if not text.isascii()]
    assert found.status in {"active", "archived", "quarantined", "deprecated"}


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
    """Read in pieces, a page yields the same as when read whole, and invalid JSON is still invalid."""
    page = json.dumps(around | files, indent=indent, ensure_ascii=ascii_).encode()
    if change is not None:
        page = page[: change[0]] + change[1] + page[change[0] + 1 :]
    expected: object
    try:
        held = json_object(Reply(200, page))["files"]
        assert isinstance(held, list)
        expected = {file["filename"]: file["hashes"].get("sha256") for file in held}
        assert all(isinstance(text, str | None) for pair in expected.items() for text in pair)
        expected = {name: None for name in expected if name.isascii()}
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError):
        expected = IndexReadError
    found: object
    try:
        found = {name: held.sha256 for name, held in read_listing(Reply(200, page, JSON), MAIN, "sample").files.items()}
    except IndexReadError as error:
        found = type(error)

    assert expected == found
