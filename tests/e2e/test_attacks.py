"""The attack table: what a hostile index, CI, network or file does, and what must not come of it.

Each row runs the real command. Whatever the attack: it ends in time and in little memory, tells nobody a secret that
he should not have, and nothing that it prints is obeyed by a terminal or a CI.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Final

import pytest

from tests.artifacts.test_archive import TarMember, ZipMember, entry, link, member, tar_of, zip_of
from tests.support.helpers import core_metadata, make_wheel
from tests.support.scripted import Answer, Asked

from .attackers import (
    AUDIENCE,
    BURN,
    DISCOVERY,
    IDENTITY,
    LARGEST,
    LISTING,
    MINT,
    REQUEST_TOKEN,
    SIMPLE,
    UPLOAD,
    UPLOAD_TOKEN,
    Attack,
    Certificate,
    Ended,
    Lazy,
    run,
    token_of,
)
from .world import CLAIMS, PROJECT, SDIST, WHEEL, Job, as_read, identity_token

MIB: Final = 1024 * 1024
HOSTILE: Final = (
    "\x1b[2J\x1b]0;owned\x07\r\n::set-env name=PATH::/evil\n::add-mask::e\n##[error]no\n##vso[task.complete]\n"
    "section_start:1:evil[collapsed=true]\r\x1b[0K\u202egnp.exe\u2066\u2028\x9b31m\x00\x7f"
)
"""What terminals, GitHub, Azure and GitLab would obey, and what reads backwards."""
OURS: Final = {"iss": "https://token.actions.githubusercontent.com", "aud": "127.0.0.1"}
IN_HEADER: Final = "\x1b[2J::error::no \x9b31m"
"""The same, as far as a header can hold it."""


def page(content: bytes, media_type: str = SIMPLE, **more: object) -> Answer:
    """A project page."""
    return Answer(body=content, media_type=media_type, **more)  # type: ignore[arg-type]


def refusal(status: int, text: str) -> Answer:
    """An error in JSON, with the same text wherever there can be one."""
    keys = ("code", "detail", "message", "title")
    errors = [{"code": f"invalid-{text}", "description": text}]
    return Answer.of(dict.fromkeys(keys, text) | {"errors": errors}, status)


def held(digest: str) -> Answer:
    """A list with other bytes under the name of the job's wheel."""
    return page(json.dumps({"files": [{"filename": WHEEL, "hashes": {"sha256": digest}}]}).encode())


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": to})


def raw(*lines: bytes, body: bytes = b"", endless: bool = False) -> Answer:
    """A reply of which each line is sent as it is."""
    return Answer(raw=b"".join(lines), body=body, endless=endless)


def endpoints(mint: object, audience: object = "{index}/_/oidc/audience") -> Answer:
    """What PEP 807 is answered with."""
    return Answer.of({"audience-endpoint": audience, "token-mint-endpoint": mint})


def lists() -> Answer:
    """Not much to send, and thirty times as much when it is parsed."""
    return page(b'{"meta":[' + b"[]," * (11 * MIB) + b"[]]}")


def many_files() -> Answer:
    names = ",".join(f'{{"filename":"{number:x}","hashes":{{}}}}' for number in range(1_000_000))
    return page(f'{{"files":[{names}]}}'.encode())


def many_links() -> Answer:
    return page("".join(f"<a href={number:x}>" for number in range(2_000_000)).encode(), "text/html")


def strange_events(job: Job) -> None:
    os.mkfifo(job.root / "a-pipe")
    (job.root / "deep").write_bytes(b"[" * 200_000)


@cache
def zeros(size: int = 256 * MIB) -> bytes:
    """So many zeros in a gzip stream of a two-hundredth of that."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def bomb(times: int) -> Answer:
    content = zeros()
    for _ in range(1, times):
        content = gzip.compress(content, 1)
    return page(content, headers={"Content-Encoding": ", ".join(["gzip"] * times)})


def wheel(*members: ZipMember) -> Callable[[Job], object]:
    """The job's wheel is this one."""
    return lambda job: (job.dist / WHEEL).write_bytes(zip_of(*members))


def sdist(*members: TarMember) -> Callable[[Job], object]:
    """The job has this sdist as well."""
    return lambda job: (job.dist / SDIST).write_bytes(tar_of(*members))


def out_of_the_tree(name: str) -> TarMember:
    return member(name, b"", type=tarfile.SYMTYPE, linkname="../../../../../../../../etc/passwd")


def many_members(job: Job, count: int) -> None:
    """A wheel with one empty member so many times in its table of contents."""
    data = zip_of(ITS, entry("a", b""))
    first, last, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    table = data[first:last] + data[last:end] * count
    # zipfile goes by the size of the table, and not by the number of its entries.
    record = data[end : end + 12] + struct.pack("<L", len(table)) + data[end + 16 :]
    (job.dist / WHEEL).write_bytes(data[:first] + table + record)


def linked_itself(job: Job) -> None:
    (job.folder / "secret").write_text("hunter2", "utf-8")
    (job.dist / SDIST).symlink_to(job.folder / "secret")


def publisher(job: Job) -> None:
    table = '[tool.hatch.publish.trusted.publisher]\nprovider = "github"\nowner = "octo-org"\nenvironment = "release"\n'
    (job.root / "pyproject.toml").write_text(table, "utf-8")


INTERIM: Final = b"HTTP/1.1 103 Early Hints\r\n\r\n"
GARBAGE: Final = bytes(range(256)) * 4
DEEP: Final = b'{"audience":' + b"[" * 500_000
SILENCE: Final = Answer(fault="silence")
DRIP: Final = Answer(body=b"0" * 500, fault="bytewise")
CUT: Final = Answer(body=b"0" * 500, fault="cut")
ENDLESS: Final = Answer(body=b" " * MIB, endless=True)
LINES_IN_STATUS: Final = raw(
    b"HTTP/1.1 400 Invalid attestations: \n::error::no\n\x1b[2J 1 validation error\r\n",
    b"Content-Length: 0\r\nConnection: close\r\n\r\n",
)
"""The first line as PyPI was seen to send it."""
INFO: Final = f"{WHEEL[:20]}.dist-info/METADATA"
PKG_INFO: Final = f"{SDIST[:-7]}/PKG-INFO"
THEIRS: Final = core_metadata(PROJECT, "1.2.3")
ITS: Final = entry(INFO, THEIRS)
MANY_FIELDS: Final = core_metadata(PROJECT, "1.2.3", [f"{number:x}:" for number in range(250_000)])
ONE_FIELD: Final = core_metadata(PROJECT, "1.2.3", ["a:"] * 600_000)
DEFLATED: Final = zipfile.ZIP_DEFLATED
FAST: Final = ("-o", "timeout=1")


def row(step: str, last: str, name: str, reply: Lazy, says: str, **more: object) -> Attack:
    """An attack by what is answered at one step."""
    return Attack(f"{NAMES[step]}: {name}", {step: reply}, says, **({"reached": last} | more))  # type: ignore[arg-type]


def bad_file(name: str, prepare: Callable[[Job], object], says: str, **more: object) -> Attack:
    """An attack by a file, before anything is sent."""
    return Attack(name, says=says, prepare=prepare, **({"reached": "nothing"} | more))  # type: ignore[arg-type]


NAMES: Final = {
    LISTING: "listing",
    DISCOVERY: "discovery",
    AUDIENCE: "audience",
    IDENTITY: "identity",
    MINT: "mint",
    UPLOAD: "upload",
    BURN: "burn",
}
# The audience and the endpoints are asked for beside the list; all that follows comes after.
listing, discovery, audience = (partial(row, step, LISTING) for step in (LISTING, DISCOVERY, AUDIENCE))
identity, mint = partial(row, IDENTITY, IDENTITY), partial(row, MINT, MINT)
upload, burn = partial(row, UPLOAD, BURN), partial(row, BURN, BURN, code=0)

GOOD: Final = {"code": 0, "reached": BURN}
"""What the run carries on with."""
DONE: Final = f"dist/{WHEEL} ... success\n"
ASKED: Final = "{index}/legacy/ was asked what it holds of sample-project ({index}/simple/sample-project/) and"
LIST_UNKNOWN: Final = (
    "It is not known which files are there, so the run ends. If that address is not the index's simple API, set "
    "`simple-url` in its table in `tool.hatch.publish.trusted.repos`; else run the same command again later."
)
NO_LIST: Final = f"{ASKED} answered with something that is no list of files ({SIMPLE}). {LIST_UNKNOWN}"
LISTING_LATER: Final = (
    "While reading the files of sample-project on {index}/legacy/: %s. The network, a proxy or the index may be at fault. "
    "Run the same command again; what is on the index by now is not sent again."
)
BROKE: Final = "the connection broke (RemoteProtocolError)"
LATE: Final = "no whole reply came in time"
ELSEWHERE: Final = (
    "The index {index}/legacy/ supplied a token mint endpoint that must not be used: %s. This is on the index's side, no "
    "identity was asked for. If you know a right address, name it by `audience-endpoint` and `token-mint-endpoint` in the "
    "index's table in `tool.hatch.publish.trusted.repos`."
)
NOT_PEP_807: Final = "{index}/legacy/ says where it exchanges identities, but not in the way of PEP 807. "
TOO_LONG: Final = "the reply is longer than 1,048,576 bytes, so it is none. That is on the index's side."
ANOTHERS: Final = (
    "The index {index}/legacy/ asks for an identity token with the audience '%s', but that is the audience of another "
    "service, where the identity could be used in your name. No identity was asked for. Do not publish to this index before "
    "its operator has explained that."
)
NO_AUDIENCE: Final = "{index}/legacy/ was asked for its audience and gave none. "
NO_JWT: Final = "What GitHub Actions gave as an identity token is not a JSON Web Token. Nothing was sent to the index."
NO_IDENTITY: Final = (
    "GitHub Actions was asked for an identity token and %s, 4 times. Nothing was sent to the index. If GitHub Actions is "
    "not having an outage, run the job again."
)
LATER: Final = (
    "That is on the index's side; nothing is lost. Run the same command again later, and look at https://status.python.org "
    "if the index is PyPI."
)
NO_TOKEN: Final = "{index}/legacy/ took the identity, but gave no usable upload token for it. " + LATER
INERT: Final = (
    "?[2J?]0;owned? : :set-env name=PATH: :/evil : :add-mask: :e # #[error]no # #vso[task.complete] "
    "section_start:1:evil[collapsed=true] ?[0K?gnp.exe? ?31m??"
)
"""What is shown of the hostile text."""
NOT_SENT_ON: Final = "The index takes no uploads at this address, and none is sent on to another: it carries a token."
NOT_BURNED: Final = "The upload token was not burned; it ends by itself within 15 minutes. (%s)\n"
UNTRUSTED: Final[Mapping[Certificate, str]] = {
    "another name": "Hostname mismatch, certificate is not valid for 'pypi.org'",
    "expired": "certificate has expired",
    "unknown authority": "unable to get local issuer certificate",
}
CHANGED: Final = (
    "ACTIONS_ID_TOKEN_REQUEST_URL, where this job is to ask for its identity token, is not a URL by https://. GitHub's "
    "runner sets it, so something in this job has changed it. Nothing was sent there."
)
AS_THEY_ARE: Final = (
    "These files must not be published as they are; nothing was sent:\n  - dist/%s %s. Build it again, and publish what was "
    "built."
)

ROWS: Final[tuple[Attack, ...]] = (
    # The list of files
    listing(
        "to another host",
        redirect("{elsewhere}/simple/"),
        f"{ASKED} answered 302 and pointed to {{elsewhere}}/simple/, where nothing of yours need be. {LIST_UNKNOWN}",
        whole=True,
    ),
    listing("to http", redirect("http://pypi.example/simple/", 301), "pointed to http://pypi.example/simple/, where"),
    listing("in a loop", redirect("{index}" + LISTING[4:], 308), f"{ASKED} answered 308 and pointed to"),
    listing("a location with escapes", redirect(IN_HEADER), LISTING_LATER % BROKE, whole=True),
    listing(
        "an endless body",
        page(b"[" * MIB, endless=True),
        "While reading the files of sample-project on {index}/legacy/: the reply is longer than 50,331,648 bytes, so it is "
        "none. That is on the index's side.",
        whole=True,
    ),
    listing("an endless header", raw(b"HTTP/1.1 200 OK\r\nA: ", body=b"a" * MIB, endless=True), BROKE),
    listing("endless interim replies", raw(INTERIM, body=INTERIM * 999, endless=True), LATE, arguments=FAST),
    listing("10 MB of depth", page(b"[" * (10 * MIB)), NO_LIST, whole=True),
    listing("33 MB of lists", lists, NO_LIST),
    listing("a million files", many_files, NO_LIST),
    listing("two million links", many_links, "is no list of files (text/html)"),
    listing("a tag of 10 MB", page(b"<a" + b" a" * (5 * MIB), "text/html"), "is no list of files (text/html)"),
    listing("a gzip bomb", partial(bomb, 1), "the reply is longer than 50,331,648 bytes, so it is none"),
    listing("a bomb in a bomb", partial(bomb, 2), "the connection broke (DecodingError)"),
    listing("the files twice", page(b'{"files": [], "files": []}'), NO_LIST),
    listing("NaN", page(b'{"files": [], "meta": NaN}'), NO_LIST),
    listing("no UTF-8", page(b'{"files": [], "name": "\xff"}'), NO_LIST),
    listing("garbage for HTTP", raw(GARBAGE), BROKE),
    listing("a type with escapes", page(b"no", IN_HEADER), "no list of files (?[2j: :error: :no ?31m)"),
    listing("a hash with escapes", held(HOSTILE[:9]), "has another file of this name (sha256 ?[2J?]0;o there,"),
    listing("silence", SILENCE, LATE, arguments=FAST),
    listing("byte by byte", DRIP, LISTING_LATER % LATE, whole=True, arguments=FAST),
    listing("cut", CUT, BROKE),
    listing("lines in the status", LINES_IN_STATUS, BROKE),
    listing(
        "headers ended by CR LF LF",
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\n", body=b"<html>"),
        DONE,
        **GOOD,
    ),
    listing("two lengths", page(b"{}", headers={"Content-length": "9"}), BROKE),
    listing(
        "come again in a hundred years", Answer(503, headers={"Retry-After": "9" * 10}), "answered 503 and asks to wait"
    ),
    # Where identities are exchanged
    *(
        discovery(name, endpoints(url), ELSEWHERE % problem, whole=True)
        for name, url, problem in (
            ("another host", "{elsewhere}/mint", "'{elsewhere}/mint' is on another host than {index}/legacy/"),
            (
                "http",
                "http://127.0.0.1.example/mint",
                "'http://127.0.0.1.example/mint' is refused: http:// would show the upload token to the network, use https://",
            ),
            ("another scheme", "ftp://127.0.0.1/mint", "'ftp://127.0.0.1/mint' is not a URL that begins with https://"),
            ("no scheme", "//pypi.example/mint", "'//pypi.example/mint' is not a URL that begins with https://"),
            (
                "credentials",
                "https://127.0.0.1:80@pypi.example/mint",
                (
                    "a URL with a user name or password in it is refused: trusted publishing needs neither, remove the part "
                    "before the @"
                ),
            ),
            (
                "a backslash",
                "https://127.0.0.1\\@pypi.example/mint",
                "'//***@pypi.example/mint' is not a URL: it holds white space, control characters or a backslash",
            ),
            (
                "lines and escapes",
                HOSTILE,
                f"'{INERT}' is not a URL: it holds white space, control characters or a backslash",
            ),
            (
                "a look-alike",
                "https://127\u30020\u30020\u30021/mint",
                (
                    "'https://127\u30020\u30020\u30021/mint' is not a URL that is read in one way only: write its host in the "
                    "ASCII form, xn--…"
                ),
            ),
            ("no text", ["{index}/mint"], "it is not a text"),
        )
    ),
    discovery(
        "another host for the audience", endpoints("{index}/m", "{elsewhere}/"), "'{elsewhere}/' is on another host"
    ),
    discovery("10 MB", Answer(body=b" " * 10 * MIB), TOO_LONG),
    discovery("an endless body", ENDLESS, TOO_LONG),
    discovery("depth", Answer(body=DEEP), NOT_PEP_807),
    discovery("a key twice", Answer(body=b'{"audience-endpoint": 1, "audience-endpoint": 2}'), NOT_PEP_807),
    discovery("no UTF-8", Answer(body=b'{"features": "\xff"}'), NOT_PEP_807),
    discovery("to another host", redirect("{elsewhere}/"), DONE, **GOOD),
    discovery("in a loop", redirect("{index}" + DISCOVERY[4:]), DONE, **GOOD),
    discovery("silence", SILENCE, LATE, arguments=FAST),
    # The audience
    *(
        audience(ascii(text), Answer.of({"audience": text}), ANOTHERS % text.strip(), whole=True)
        for text in ("pypi", "testpypi", "sigstore", "PyPI ", "pyp\u0131", "\uff50ypi")
    ),
    audience(
        "another host", Answer.of({"audience": "pypi.example"}), "it does not name the index's own host, 127.0.0.1"
    ),
    audience("escapes", Answer.of({"audience": HOSTILE}), f"'{INERT}'"),
    audience("a list", Answer.of({"audience": ["127.0.0.1", "pypi"]}), NO_AUDIENCE),
    audience("two", Answer(body=b'{"audience": "127.0.0.1", "audience": "pypi"}'), NO_AUDIENCE),
    audience("depth", Answer(body=DEEP), NO_AUDIENCE + LATER, whole=True),
    audience("to another host", redirect("{elsewhere}/"), "was asked for its audience and answered 302"),
    audience("in a loop", redirect("{index}" + AUDIENCE[4:], 307), "was asked for its audience and answered 307"),
    audience("an error with escapes", refusal(403, HOSTILE), f"and answered 403: {INERT}. {LATER}"),
    audience("silence", SILENCE, LATE, arguments=FAST),
    # The CI's token
    identity(
        "for PyPI",
        lambda: Answer.of({"value": identity_token("github", "pypi")}),
        "The identity token that GitHub Actions gave is made for the audience 'pypi', but this index asks for '127.0.0.1'.",
    ),
    identity("no token", Answer.of({"value": HOSTILE}), NO_JWT, whole=True),
    identity("a line more", Answer.of({"value": f"{token_of(OURS)}\n::error::no"}), NO_JWT, whole=True),
    identity("no text", Answer.of({"value": [1]}), NO_IDENTITY % "gave no usable answer"),
    identity("depth", Answer(body=DEEP), NO_IDENTITY % "gave no usable answer", whole=True),
    identity("an endless body", ENDLESS, NO_IDENTITY % "gave no usable answer"),
    identity("to another host", redirect("{elsewhere}/"), NO_IDENTITY % "answered 302", whole=True),
    identity("in a loop", redirect("/token"), NO_IDENTITY % "answered 302"),
    identity("an error with escapes", refusal(403, HOSTILE), "was asked for an identity token and answered 403."),
    identity("lines in the status", LINES_IN_STATUS, "was asked for an identity token and answered 400."),
    identity("silence", SILENCE, NO_IDENTITY % "gave no usable answer", arguments=FAST),
    Attack(
        "identity: claims with escapes",
        {
            IDENTITY: Answer.of({"value": token_of(OURS | dict.fromkeys(CLAIMS["github"], HOSTILE) | OURS)}),
            MINT: Answer.of({"errors": [{"code": "invalid-publisher", "description": HOSTILE}]}, 422),
        },
        f"What GitHub Actions said of this job:\n  repository: {INERT[:80]}",
        reached=MINT,
    ),
    Attack(
        "identity: claims with escapes, against a publisher",
        {IDENTITY: Answer.of({"value": token_of(OURS | {"repository": f"{HOSTILE[:9]}/a", "environment": HOSTILE})})},
        "This job is not the one that the table `publisher` describes",
        prepare=publisher,
        reached=IDENTITY,
    ),
    # The exchange
    *(
        mint(name, Answer.of({"token": token}), NO_TOKEN)
        for name, token in {
            "no text": 17,
            "new lines": f"{UPLOAD_TOKEN}\n::error::no",
            "escapes": HOSTILE,
            "1 MB": "pypi-" + "A" * (MIB - 30),
        }.items()
    ),
    mint("an end that is no number", Answer(body=b'{"token": "pypi-x", "expires": NaN}'), NO_TOKEN, whole=True),
    mint("a token that never ends", Answer(body=b'{"token": "pypi-x", "expires": 1e999}'), NO_TOKEN, whole=True),
    mint("two tokens", Answer(body=b'{"token": "pypi-x", "token": "pypi-y"}'), NO_TOKEN, whole=True),
    mint("an endless body", ENDLESS, TOO_LONG),
    mint(
        "an error with escapes",
        refusal(422, HOSTILE),
        "{index}/legacy/ refused the identity: invalid-?[2J?]0;owned? : :set-env name=PATH: :/evil : :add-… "
        f"({INERT}). {LATER}",
        whole=True,
    ),
    mint("an error of 5 MB", refusal(422, "no " * (2 * MIB)), TOO_LONG),
    mint(
        "plain text with escapes",
        Answer(400, HOSTILE.encode(), "text/plain"),
        f"{{index}}/legacy/ answered 400 to the identity: {INERT}. {LATER}",
        whole=True,
    ),
    mint(
        "to another host",
        redirect("{elsewhere}/", 307),
        "answered 307 to the identity: Scripted. " + LATER,
        whole=False,
    ),
    mint("to http", redirect("http://pypi.example/", 308), "answered 308 to the identity: Scripted. " + LATER),
    mint("in a loop", redirect("{index}" + MINT[5:], 307), "answered 307 to the identity: Scripted. " + LATER),
    mint("lines in the status", LINES_IN_STATUS, BROKE),
    mint("cut", CUT, BROKE),
    mint("before the body was sent", Answer(400, b"{}", fault="early"), "answered 400 to the identity"),
    mint("silence", SILENCE, LATE, arguments=FAST),
    # The upload
    upload("to another host", redirect("{elsewhere}/", 307), f"with 307: Scripted. {NOT_SENT_ON}"),
    upload("to http", redirect("http://pypi.example/legacy/", 308), f"with 308: Scripted. {NOT_SENT_ON}"),
    upload("an error with escapes", refusal(400, HOSTILE), f"refused dist/{WHEEL} with 400: {INERT}. "),
    upload("an error of 5 MB", refusal(400, "no " * (2 * MIB)), TOO_LONG),
    upload("lines in the status", LINES_IN_STATUS, BROKE),
    upload("headers ended by CR LF LF", raw(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n"), DONE, code=0),
    upload("cut", CUT, BROKE),
    upload("before the body was sent", Answer(400, b"{}", fault="early"), f"refused dist/{WHEEL} with 400"),
    upload("an endless body", ENDLESS, TOO_LONG),
    upload("byte by byte", DRIP, LATE, arguments=FAST),
    upload("the token is expired, for ever", refusal(403, "token is expired"), "with 403: token is expired."),
    upload(
        "it is there, but is not listed", refusal(400, f"already exists {HOSTILE}"), "already, but does not list it."
    ),
    Attack(
        "upload: it is there, in a list with escapes",
        {UPLOAD: Answer(409), LISTING: [page(b'{"files": []}'), held(HOSTILE[:9])]},
        "has another file of this name (sha256 ?[2J?]0;o there,",
        reached=BURN,
    ),
    # The end
    burn("garbage", raw(GARBAGE), NOT_BURNED % f"While burning the upload token at {{index}}/legacy/: {BROKE}"),
    burn("an error with escapes", refusal(400, HOSTILE), NOT_BURNED % "the index answered 400"),
    burn("to another host", redirect("{elsewhere}/", 307), NOT_BURNED % "the index answered 307"),
    burn("an endless body", ENDLESS, "the reply is longer than 1,048,576 bytes"),
    burn("silence", SILENCE, LATE, arguments=FAST),
    # The way there
    *(
        Attack(f"on the way: {kind}", says=says, middle={"pypi.org": kind}, repo="main", reached="nothing")
        for kind, says in UNTRUSTED.items()
    ),
    Attack(
        "on the way to the uploads: another name",
        says="Hostname mismatch, certificate is not valid for 'upload.pypi.org'",
        middle={"pypi.org": "sound", "upload.pypi.org": "another name"},
        repo="main",
        reached=BURN,
    ),
    Attack(
        "PyPI itself: TestPyPI's audience",
        {AUDIENCE: Answer.of({"audience": "testpypi"})},
        "The index main asks for an identity token with the audience 'testpypi', but the audience to be expected of it is "
        "'pypi'. No identity was asked for. PyPI has never answered that: check the network between here and there, and try "
        "again later.",
        whole=True,
        middle={"pypi.org": "sound"},
        repo="main",
    ),
    Attack(
        "PyPI itself: to another host",
        {AUDIENCE: redirect("https://pypi.example/")},
        "main was asked for its audience and answered 302",
        middle={"pypi.org": "sound"},
        repo="main",
    ),
    Attack(
        "PyPI itself: uploads to another host",
        {UPLOAD: redirect("https://upload.pypi.example/legacy/", 307)},
        NOT_SENT_ON,
        middle={"pypi.org": "sound", "upload.pypi.org": "sound"},
        repo="main",
        reached=BURN,
    ),
    # The name of the index
    *(
        Attack(
            f"a look-alike that exists: {host!a}",
            {AUDIENCE: Answer.of({"audience": "pypi"})},
            ANOTHERS.replace("{index}/legacy/", f"https://{host}/legacy/") % "pypi",
            whole=True,
            middle={name: "sound"},
            repo=f"https://{host}/legacy/",
        )
        for host, name in {
            "upload.pyp\u0456.org": "upload.xn--pyp-lhd.org",
            "uplo\u0430d.pypi.org": "xn--uplod-7ve.pypi.org",
            "upload.pypi.org.": "upload.pypi.org.",
            "upload-pypi.org": "upload-pypi.org",
        }.items()
    ),
    *(
        Attack(f"a look-alike: {url!a}", says=says, repo=url, reached="nothing")
        for url, says in {
            "https://UPLOAD.PyPI.org/legacy/": "'https://UPLOAD.PyPI.org/legacy/' is always there as `main`: use that name",
            "https://upload.pypi.org:8443/legacy/": "is always there as `main`: use that name instead",
            "https://upload.pypi.org@pypi.example/": "`--repo`: a URL with a user name or password in it is refused",
            "https://upload.pypi.org\\@pypi.example/": "is not a URL: it holds white space, control characters or a backslash",
            "https://upload.pypi\u3002org/legacy/": "is not a URL that is read in one way only",
            "http://upload.pypi.org/legacy/": "is refused: http:// would show the upload token to the network",
            f"https://{HOSTILE[:20]}.example/": "'https://?[2J?]0;owned? : :se.example/' is not a URL",
            "pyp\u0456": "there is no repository 'pyp\u0456'",
        }.items()
    ),
    # The environment
    Attack(
        "environment: a token with lines in `identity-variable`",
        says="What the variable MINE gave as an identity token is not a JSON Web Token. Nothing was sent to the index.",
        whole=True,
        arguments=("-o", "identity-variable=MINE"),
        environ={"MINE": f"{token_of(OURS)}\n::set-env name=PATH::/evil"},
    ),
    Attack(
        "environment: a name with escapes for `identity-variable`",
        says="The variable ?[2J: :error: :no, which `identity-variable` names, is not set in this job.",
        arguments=("-o", "identity-variable=\x1b[2J::error::no"),
    ),
    Attack(
        "environment: lines in GitLab's token",
        says="What GitLab CI/CD gave as an identity token is not a JSON Web Token. Nothing was sent to the index.",
        whole=True,
        environ={"GITHUB_ACTIONS": "", "GITLAB_CI": "true", "_27_0_0_1_ID_TOKEN": f"{token_of(OURS)}\nX: y"},
    ),
    Attack(
        "environment: PyPI's token in the variable of another index",
        says="The identity token that GitLab CI/CD gave is made for the audience 'pypi', but this index asks for '127.0.0.1'.",
        environ={"GITHUB_ACTIONS": "", "GITLAB_CI": "true", "_27_0_0_1_ID_TOKEN": token_of({"aud": "pypi"})},
    ),
    *(
        Attack(
            f"environment: the token service is {url!a}",
            says=CHANGED,
            whole=True,
            environ={"ACTIONS_ID_TOKEN_REQUEST_URL": url},
        )
        for url in ("http://pypi.example/a?b=c", "{ci}/token\r\nX: y", "https://a@pypi.example/", "file:///etc/passwd")
    ),
    Attack(
        "environment: lines in the job's credential",
        says=NO_IDENTITY % "gave no usable answer",
        whole=True,
        environ={"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a\r\nX: y"},
    ),
    *(
        Attack(
            f"environment: the event is {kind}",
            says="GitHub gave this job no identity token: ACTIONS_ID_TOKEN_REQUEST_TOKEN not set.",
            environ={
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "",
                "GITHUB_EVENT_NAME": "pull_request",
                "GITHUB_EVENT_PATH": path,
            },
            prepare=strange_events,
        )
        for kind, path in {"a device": "/dev/zero", "a pipe": "a-pipe", "deep": "deep"}.items()
    ),
    # The files
    bad_file(
        "wheel: a zip bomb for METADATA",
        wheel(entry(INFO, bytes(64 * MIB), DEFLATED)),
        AS_THEY_ARE % (WHEEL, "has core metadata of more than 2 MiB"),
        whole=True,
    ),
    bad_file("wheel: a zip bomb beside it", wheel(ITS, entry("a", bytes(64 * MIB), DEFLATED)), DONE, **GOOD),
    bad_file("wheel: 100,000 members", partial(many_members, count=100_000), DONE, **GOOD),
    bad_file(
        "wheel: a million members",
        partial(many_members, count=1_000_000),
        AS_THEY_ARE % (WHEEL, "has a table of contents of more than 10 MiB"),
        whole=True,
    ),
    bad_file("wheel: two METADATA", wheel(ITS, ITS), f"has more than one {INFO}"),
    bad_file("wheel: a link for METADATA", wheel(link(INFO)), "has a METADATA that is a symbolic link"),
    bad_file("wheel: an absolute METADATA", wheel(entry(f"/{INFO}")), f"has no {INFO}"),
    bad_file("wheel: absolute names", wheel(ITS, entry("/tmp/a"), entry("../../a"), entry("C:\\a")), DONE, **GOOD),
    bad_file("wheel: names with escapes", wheel(ITS, entry(HOSTILE)), DONE, **GOOD),
    bad_file(
        "wheel: a folder with escapes",
        wheel(entry(f"{IN_HEADER}.dist-info/METADATA")),
        f"holds ?[2J: :error: :no ?31m.dist-info/METADATA where its name asks for {INFO}",
    ),
    bad_file(
        "wheel: a project with escapes",
        wheel(entry(INFO, core_metadata(IN_HEADER, "1.2.3"))),
        "has the name '?[2J: :error: :no ?31m' in its metadata, which is not one (PEP 508)",
    ),
    bad_file(
        "wheel: a million fields", wheel(entry(INFO, MANY_FIELDS, DEFLATED)), "with more than 100 different fields"
    ),
    bad_file(
        "wheel: a field many times",
        wheel(entry(INFO, ONE_FIELD, DEFLATED)),
        "not known here and are not sent: a;",
        **GOOD,
    ),
    bad_file(
        "wheel: a file name with escapes",
        lambda job: (job.dist / WHEEL).rename(job.dist / f"a\x1b[2J\n::error::-{WHEEL}"),
        f"dist/a?[2J : :error: :-{WHEEL} has a name with characters that are in none of a wheel or sdist",
    ),
    bad_file(
        "sdist: a sparse PKG-INFO",
        sdist(member(PKG_INFO, type=tarfile.GNUTYPE_SPARSE)),
        AS_THEY_ARE % (SDIST, "has a PKG-INFO that is not a plain file"),
        whole=True,
    ),
    bad_file(
        "sdist: a pipe for PKG-INFO",
        sdist(member(PKG_INFO, b"", type=tarfile.FIFOTYPE)),
        AS_THEY_ARE % (SDIST, "has a PKG-INFO that is not a plain file"),
        whole=True,
    ),
    bad_file(
        "sdist: PKG-INFO out of the tree", sdist(out_of_the_tree(PKG_INFO)), "has a PKG-INFO that is not a plain file"
    ),
    bad_file(
        "sdist: a link out of the tree",
        sdist(member(PKG_INFO, THEIRS), out_of_the_tree("sample_project-1.2.3/a")),
        DONE,
        **GOOD,
    ),
    bad_file("sdist: absolute names", sdist(member(PKG_INFO, THEIRS), member(f"/{IN_HEADER}")), DONE, **GOOD),
    bad_file("sdist: a bomb", lambda job: (job.dist / SDIST).write_bytes(zeros()), "has no PKG-INFO"),
    bad_file(
        "sdist: a pipe itself",
        lambda job: os.mkfifo(job.dist / SDIST),
        f"dist/{SDIST}: is neither a wheel (.whl) nor an sdist (.tar.gz)",
        arguments=(f"dist/{SDIST}",),
    ),
    bad_file("sdist: itself a link out of the tree", linked_itself, f"dist/{SDIST} is not a sound gzipped tar file"),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel to publish."""
    folder = tmp_path_factory.mktemp("attacked")
    make_wheel(folder / "dist", PROJECT, "1.2.3")
    return folder


@pytest.fixture
def job(tmp_path: Path, template: Path) -> Job:
    """A job with one file."""
    return Job(tmp_path / "job", template).unmeasured()


SIZE: Final = r"\d+ files? to upload, [\d.]+ [kM]?B"
SECTION: Final = r"\x1b\[0Ksection_(start|end):\d+:trusted_publish(\[collapsed=true\])?\r\x1b\[0K"
PLAN: Final = rf"::group::{SIZE}|::endgroup::|{SECTION}({SIZE})?"
"""What a run itself tells GitHub and GitLab to do."""


def obeyed(text: str, masked: Mapping[str, None]) -> list[str]:
    """The lines that a terminal or a CI would take for more than text, but for what a run means to be more."""
    lines: list[str] = []
    for line in text.split("\n"):
        own = re.fullmatch(r"::(?:warning|error)::(.*)", line)
        lines += re.split("%0[AD]", own[1]) if own else [line]
    lines = [line for line in lines if line not in masked and not re.fullmatch(PLAN, line)]
    return [line for line in lines if not line.isprintable() or re.search(r"^\s*(::|section_)|##\[|##vso", line)]


@pytest.mark.parametrize("attack", ROWS, ids=str)
def test_attack(job: Job, tmp_path: Path, attack: Attack) -> None:
    """The run ends as it should, in time and in little memory, and no secret goes astray."""
    ended = run(attack, job, tmp_path)
    assert (attack.code, attack.reached) == (ended.code, ended.reached), ended.err
    said = as_read(ended.err.replace("\r", "\n"))
    if attack.whole:
        assert f"\n{said}".endswith(f"\n{attack.says}\n"), said
    assert attack.says in said
    # One error has one annotation: another would be somebody else's.
    assert len(re.findall("^::error::", ended.err, re.MULTILINE)) <= attack.code
    masked = dict.fromkeys(f"::add-mask::{token}" for token in (*ended.identities, UPLOAD_TOKEN))
    assert [] == obeyed(ended.out + ended.err, masked)
    assert "Traceback" not in ended.out + ended.err
    assert [] == ended.misplaced()
    assert [] == ended.elsewhere
    assert ended.peak < LARGEST


@pytest.mark.parametrize(
    "line", [*re.split(r"\n|(?=\x1b)", HOSTILE), "\u202ea", "  ::error::x", "a ##[group]"], ids=ascii
)
def test_what_is_obeyed_would_be_seen(line: str) -> None:
    """Each of the hostile texts is found in an output, but for the command that hides a token."""
    assert bool(line) == bool(obeyed(f"fine\n{line}\nfine: a::b #[c]", {}))
    assert [] == obeyed("::add-mask::pypi-a\n", {"::add-mask::pypi-a": None})


@pytest.mark.parametrize("secret", [UPLOAD_TOKEN, REQUEST_TOKEN, "eyJh.eyJi.c2ln"])
@pytest.mark.parametrize("form", ["plain", "base64", "basic"])
def test_a_secret_that_goes_astray_would_be_seen(secret: str, form: str) -> None:
    """A token is found in the target, a header or the body of any request but the one that is for it."""
    forms = {"plain": secret, "base64": encoded(secret), "basic": f"Basic {encoded(f'__token__:{secret}')}"}
    places: list[tuple[str, dict[str, str], bytes]] = [
        (f"/a?b={forms[form]}", {}, b""),
        ("/a", {"x": forms[form]}, b""),
        ("/legacy/", {"x": forms[form]}, b""),
        ("/_/oidc/mint-token", {}, forms[form].encode()),
        ("/token?x=y", {}, forms[form].encode()),
    ]
    for target, headers, body in places:
        asked = Asked("GET" if "token?" in target else "POST", target, headers, body)
        kind = "upload token" if secret == UPLOAD_TOKEN else "request token" if secret == REQUEST_TOKEN else "identity"
        goes_there = {"/legacy/": "upload token", "/_/oidc/mint-token": "identity", "/token?x=y": "request token"}
        expected = [] if goes_there.get(target) == kind else [(asked.line, kind)]
        assert expected == Ended(0, "", "", 0, [asked], [], [], ["eyJh.eyJi.c2ln"]).misplaced()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
