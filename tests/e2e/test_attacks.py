"""The attack table: what a hostile index, CI, network or file does, and what it must not achieve.

Each row runs the real command. Whatever the attack: the run ends in time and with little memory, sends no secret to the
wrong place, overwrites no file elsewhere, and prints nothing that a terminal or a CI obeys.
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
from typing import Any, Final

import pytest

from hatch_trusted_publish.output.records import DOTENV
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
    PRECIOUS,
    REQUEST_TOKEN,
    SIMPLE,
    UPLOAD,
    UPLOAD_TOKEN,
    Attack,
    Certificate,
    Ended,
    Lazy,
    precious,
    run,
    token_of,
)
from .world import CLAIMS, PROJECT, SDIST, WHEEL, Job, as_read, codes_in, identity_token

pytestmark = pytest.mark.slow

MIB: Final = 1024 * 1024
HOSTILE: Final = (
    "\x1b[2J\x1b]0;owned\x07\r\n::set-env name=PATH::/evil\n::add-mask::e\n##[error]no\n##vso[task.complete]\n"
    "section_start:1:evil[collapsed=true]\r\x1b[0K\u202egnp.exe\u2066\u2028\x9b31m\x00\x7f"
)
"""Strings that terminals, GitHub, Azure and GitLab would obey, or that read backwards."""
OURS: Final = {"iss": "https://token.actions.githubusercontent.com", "aud": "127.0.0.1"}
IN_HEADER: Final = "\x1b[2J::error::no \x9b31m"
"""The same, in characters that a header can hold."""


def page(content: bytes, media_type: str = SIMPLE, **more: object) -> Answer:
    """A project page."""
    return Answer(body=content, media_type=media_type, **more)  # type: ignore[arg-type]


def refusal(status: int, text: str) -> Answer:
    """Return an error in JSON, with the same string in every member."""
    keys = ("code", "detail", "message", "title")
    errors = [{"code": f"invalid-{text}", "description": text}]
    return Answer.of(dict.fromkeys(keys, text) | {"errors": errors}, status)


def held(digest: str | None, url: str = "") -> Answer:
    """Return a list with other bytes under the name of the job's wheel."""
    hashes = {} if digest is None else {"sha256": digest}
    return page(json.dumps({"files": [{"filename": WHEEL, "url": url, "hashes": hashes}]}).encode())


def redirect(to: str, status: int = 302) -> Answer:
    return Answer(status, headers={"Location": to})


def raw(*lines: bytes, body: bytes = b"", endless: bool = False) -> Answer:
    """Return a reply whose lines are sent unchanged."""
    return Answer(raw=b"".join(lines), body=body, endless=endless)


def endpoints(mint: object, audience: object = "{index}/_/oidc/audience") -> Answer:
    """Return an answer to PEP 807's discovery."""
    return Answer.of({"audience-endpoint": audience, "token-mint-endpoint": mint})


def lists() -> Answer:
    """Return a small body that takes thirty times the memory when it is parsed."""
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
    """Return a gzip stream, a two-hundredth of the zeros it holds."""
    packer = zlib.compressobj(1, wbits=31)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


def bomb(times: int) -> Answer:
    content = zeros()
    for _ in range(1, times):
        content = gzip.compress(content, 1)
    return page(content, headers={"Content-Encoding": ", ".join(["gzip"] * times)})


def wheel(*members: ZipMember) -> Callable[[Job], object]:
    """Make this the job's wheel."""
    return lambda job: (job.dist / WHEEL).write_bytes(zip_of(*members))


def sdist(*members: TarMember) -> Callable[[Job], object]:
    """Give the job this sdist, too."""
    return lambda job: (job.dist / SDIST).write_bytes(tar_of(*members))


def out_of_the_tree(name: str) -> TarMember:
    return member(name, b"", type=tarfile.SYMTYPE, linkname="../../../../../../../../etc/passwd")


def many_members(job: Job, count: int) -> None:
    """Return a wheel whose table of contents lists one empty member many times."""
    data = zip_of(ITS, entry("a", b""))
    first, last, end = data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    table = data[first:last] + data[last:end] * count
    # zipfile goes by the size of the table, and not by the number of its entries.
    record = data[end : end + 12] + struct.pack("<L", len(table)) + data[end + 16 :]
    (job.dist / WHEEL).write_bytes(data[:first] + table + record)


def linked_itself(job: Job) -> None:
    (job.directory / "secret").write_text("hunter2", "utf-8")
    (job.dist / SDIST).symlink_to(job.directory / "secret")


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


def row(step: str, last: str, name: str, reply: Lazy, says: str = "", **more: object) -> Attack:
    """Return an attack through the reply at one step."""
    return Attack(f"{NAMES[step]}: {name}", {step: reply}, says, **({"reached": last} | more))  # type: ignore[arg-type]


def bad_file(name: str, prepare: Callable[[Job], object], says: str = "", **more: object) -> Attack:
    """Return an attack through a file, before anything is requested."""
    return Attack(name, says=says, prepare=prepare, **({"reached": "nothing"} | more))  # type: ignore[arg-type]


def written(name: str, text: str, job: Job) -> None:
    (job.root / name).write_text(text, "utf-8")


def linked(name: str, job: Job) -> None:
    (job.root / name).symlink_to(precious(job))


def led_out(job: Job) -> None:
    written(PYPROJECT, f'[{TABLE}]\nreport = "out/report.json"', job)
    (job.root / "out").symlink_to(job.home)


def piped(name: str, job: Job) -> None:
    os.mkfifo(job.root / name)


def stolen(name: str, setting: str, audience: str = "127.0.0.1", says: str = "workflow-only", **more: object) -> Attack:
    """Return an attack by an index in the project's table, with a *setting* that only the workflow may decide."""
    text = f'[{TABLE}.repos.theirs]\nurl = "{{index}}/legacy/"\n{setting}'
    replies = {AUDIENCE: Answer.of({"audience": audience})}
    return bad_file(f"table: {name}", partial(written, PYPROJECT, text), says, replies=replies, **more)


def dynamic(source: str, job: Job) -> None:
    """Return a project whose version is read from a file, as *source* says."""
    (job.root / "large.py").touch()
    os.truncate(job.root / "large.py", 600 * MIB)
    written("module.py", "x" * 10_000, job)
    backend = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"'
    project = f'[project]\nname = "{PROJECT}"\ndynamic = ["version"]'
    written(PYPROJECT, f"{backend}\n{project}\n[tool.hatch.version]\n{source}", job)


NAMES: Final = {
    LISTING: "listing",
    DISCOVERY: "discovery",
    AUDIENCE: "audience",
    IDENTITY: "identity",
    MINT: "mint",
    UPLOAD: "upload",
    BURN: "burn",
}
# The audience and the endpoints are requested in parallel with the list; everything else comes after.
listing, discovery, audience = (partial(row, step, LISTING) for step in (LISTING, DISCOVERY, AUDIENCE))
identity, mint = partial(row, IDENTITY, IDENTITY), partial(row, MINT, MINT)
upload, burn = partial(row, UPLOAD, BURN), partial(row, BURN, BURN, exit_code=0)
TABLE: Final = "tool.hatch.publish.trusted"
PYPROJECT: Final = "pyproject.toml"
REPORT: Final = ("-o", "report=report.json")
GITLAB: Final = {"GITLAB_CI": "true"}
COMPARED: Final = ("-o", "check-version=true")
OTHER_SERVICES: Final = (
    "sts.amazonaws.com",
    "api://AzureADTokenExchange",
    "https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
    "crates.io",
    "npm:registry.npmjs.org",
)
"""Audiences for which an identity token of the job grants access to another service."""

GOOD: Final[Mapping[str, Any]] = {"exit_code": 0, "reached": BURN}
"""The step that the run continues with."""
UNTRUSTED: Final[tuple[Certificate, ...]] = ("another name", "expired", "unknown authority")

ROWS: Final[tuple[Attack, ...]] = (
    # The list of files
    listing("redirect to another host", redirect("{elsewhere}/simple/"), "listing-unreadable"),
    listing("redirect to http", redirect("http://pypi.example/simple/", 301), "listing-unreadable"),
    listing("a location with escapes", redirect(IN_HEADER), "connection-lost"),
    listing("an endless body", page(b"[" * MIB, endless=True), "unreadable-response"),
    listing("an endless header", raw(b"HTTP/1.1 200 OK\r\nA: ", body=b"a" * MIB, endless=True), "connection-lost"),
    listing("endless interim replies", raw(INTERIM, body=INTERIM * 999, endless=True), "timed-out", arguments=FAST),
    listing("10 MB of depth", page(b"[" * (10 * MIB)), "listing-unreadable"),
    listing("33 MB of lists", lists, "listing-unreadable"),
    listing("a million files", many_files, "listing-unreadable"),
    listing("two million links", many_links, "listing-unreadable"),
    listing("a tag of 10 MB", page(b"<a" + b" a" * (5 * MIB), "text/html"), "listing-unreadable"),
    listing("a gzip bomb", partial(bomb, 1), "unreadable-response"),
    listing("a bomb in a bomb", partial(bomb, 2), "unreadable-response"),
    listing("the files twice", page(b'{"files": [], "files": []}'), "listing-unreadable"),
    listing("NaN", page(b'{"files": [], "meta": NaN}'), "listing-unreadable"),
    listing("not UTF-8", page(b'{"files": [], "name": "\xff"}'), "listing-unreadable"),
    listing("garbage instead of HTTP", raw(GARBAGE), "connection-lost"),
    listing("a type with escapes", page(b"no", IN_HEADER), "listing-unreadable"),
    listing("a hash with escapes", held(HOSTILE[:9]), "no-hash"),
    listing("a URL with half a character", held(None, "https://files.example/\ud800\x1b"), "listing-unreadable"),
    listing("byte by byte", DRIP, "timed-out", arguments=FAST),
    listing("a truncated response", CUT, "connection-lost"),
    listing("lines in the status", LINES_IN_STATUS, "connection-lost"),
    listing(
        "headers ended by CR LF LF",
        raw(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\n",
            body=b"<html>",
        ),
        **GOOD,
    ),
    listing("two lengths", page(b"{}", headers={"Content-length": "9"}), "connection-lost"),
    listing("Retry-After of a hundred years", Answer(503, headers={"Retry-After": "9" * 10}), "retry-later"),
    # Where identities are exchanged
    *(
        discovery(name, endpoints(url), "untrusted-endpoint")
        for name, url in {
            "another host": "{elsewhere}/mint",
            "http": "http://127.0.0.1.example/mint",
            "credentials": "https://127.0.0.1:80@pypi.example/mint",
            "a backslash": "https://127.0.0.1\\@pypi.example/mint",
            "lines and escapes": HOSTILE,
            "no text": ["{index}/mint"],
        }.items()
    ),
    discovery("another host for the audience", endpoints("{index}/m", "{elsewhere}/"), "untrusted-endpoint"),
    discovery("half a character", endpoints("https://127.0.0.1/\ud800"), "malformed-discovery"),
    discovery("10 MB", Answer(body=b" " * 10 * MIB), "unreadable-response"),
    discovery("depth", Answer(body=DEEP), "malformed-discovery"),
    discovery("a key twice", Answer(body=b'{"audience-endpoint": 1, "audience-endpoint": 2}'), "malformed-discovery"),
    discovery("to another host", redirect("{elsewhere}/"), **GOOD),
    # The audience
    *(
        audience(ascii(text), Answer.of({"audience": text}), "reserved-audience")
        for text in ("pypi", "sigstore", "pyp\u0131")
    ),
    audience("another host", Answer.of({"audience": "pypi.example"}), "foreign-audience"),
    audience("escapes", Answer.of({"audience": HOSTILE}), "foreign-audience"),
    audience("half a character", Answer.of({"audience": "\ud800"}), "no-audience"),
    audience("a list", Answer.of({"audience": ["127.0.0.1", "pypi"]}), "no-audience"),
    audience("two", Answer(body=b'{"audience": "127.0.0.1", "audience": "pypi"}'), "no-audience"),
    audience("depth", Answer(body=DEEP), "no-audience"),
    audience("redirect to another host", redirect("{elsewhere}/"), "exchange-failed"),
    audience("an error with escapes", refusal(403, HOSTILE), "exchange-failed"),
    # The CI's token
    identity("for PyPI", lambda: Answer.of({"value": identity_token("github", "pypi")}), "token-for-another-audience"),
    identity("no token", Answer.of({"value": HOSTILE}), "malformed-identity-token"),
    identity("a line more", Answer.of({"value": f"{token_of(OURS)}\n::error::no"}), "malformed-identity-token"),
    identity("no text", Answer.of({"value": [1]}), "malformed-identity-token"),
    identity("depth", Answer(body=DEEP), "malformed-identity-token"),
    identity("an endless body", ENDLESS, "token-service-unreachable"),
    identity("to another host", redirect("{elsewhere}/"), "token-service-refused"),
    identity("an error with escapes", refusal(403, HOSTILE), "token-service-refused"),
    identity("lines in the status", LINES_IN_STATUS, "token-service-unreachable"),
    identity("silence", SILENCE, "token-service-unreachable", arguments=FAST),
    Attack(
        "identity: claims with escapes",
        {
            IDENTITY: Answer.of({"value": token_of(OURS | dict.fromkeys(CLAIMS["github"], HOSTILE) | OURS)}),
            MINT: Answer.of({"errors": [{"code": "invalid-publisher", "description": HOSTILE}]}, 422),
        },
        "invalid-publisher",
        reached=MINT,
    ),
    Attack(
        "identity: claims with escapes, against a publisher",
        {IDENTITY: Answer.of({"value": token_of(OURS | {"repository": f"{HOSTILE[:9]}/a", "environment": HOSTILE})})},
        "publisher-mismatch",
        prepare=publisher,
        reached=IDENTITY,
    ),
    # The exchange
    *(
        mint(name, Answer.of({"token": token}), "no-upload-token")
        for name, token in {
            "no text": 17,
            "new lines": f"{UPLOAD_TOKEN}\n::error::no",
            "escapes": HOSTILE,
            "1 MB": "pypi-" + "A" * (MIB - 30),
        }.items()
    ),
    mint("an expiry that is NaN", Answer(body=b'{"token": "pypi-x", "expires": NaN}'), "no-upload-token"),
    mint("a token that never ends", Answer(body=b'{"token": "pypi-x", "expires": 1e999}'), "no-upload-token"),
    mint("two tokens", Answer(body=b'{"token": "pypi-x", "token": "pypi-y"}'), "no-upload-token"),
    mint("an endless body", ENDLESS, "unreadable-response"),
    mint("an error with escapes", refusal(422, HOSTILE), "identity-refused"),
    mint("an error with half a character", refusal(422, "\ud800"), "exchange-failed"),
    mint("an error of 5 MB", refusal(422, "no " * (2 * MIB)), "unreadable-response"),
    mint("plain text with escapes", Answer(400, HOSTILE.encode(), "text/plain"), "exchange-failed"),
    mint("redirect to another host", redirect("{elsewhere}/", 307), "exchange-failed"),
    mint("lines in the status", LINES_IN_STATUS, "connection-lost"),
    mint("a truncated response", CUT, "connection-lost"),
    mint("before the body was sent", Answer(400, b"{}", fault="early"), "exchange-failed"),
    mint("silence", SILENCE, "timed-out", arguments=FAST),
    # The upload
    upload("redirect to another host", redirect("{elsewhere}/", 307), "no-uploads-here"),
    upload("redirect to http", redirect("http://pypi.example/legacy/", 308), "no-uploads-here"),
    upload("an error with escapes", refusal(400, HOSTILE), "file-refused"),
    upload("an error with half a character", refusal(400, "\ud800"), "file-refused"),
    upload("an error of 5 MB", refusal(400, "no " * (2 * MIB)), "unreadable-response"),
    upload("lines in the status", LINES_IN_STATUS, "connection-lost"),
    upload(
        "headers ended by CR LF LF",
        raw(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\n"),
        exit_code=0,
    ),
    *(
        upload(f"an unclear success: {reply.status} {reply.media_type}", reply, "unclear-reply")
        for reply in (Answer(202), Answer(204), Answer(200, b"<form>Log in", "text/html"))
    ),
    upload("a truncated response", CUT, "connection-lost"),
    upload("before the body was sent", Answer(400, b"{}", fault="early"), "file-refused"),
    upload("an endless body", ENDLESS, "unreadable-response"),
    upload("byte by byte", DRIP, "timed-out", arguments=FAST),
    upload("the token is always expired", refusal(403, "token is expired"), "token-expired"),
    upload("the name is taken, but not listed", refusal(400, f"already exists {HOSTILE}"), "taken-not-listed"),
    Attack(
        "upload: the name is taken, in a list with escapes",
        {UPLOAD: Answer(409), LISTING: [page(b'{"files": []}'), held(HOSTILE[:9])]},
        "no-hash",
        reached=BURN,
    ),
    # Burning the token
    burn("garbage", raw(GARBAGE), "token-not-burned"),
    burn("an error with escapes", refusal(400, HOSTILE), "token-not-burned"),
    burn("to another host", redirect("{elsewhere}/", 307), "token-not-burned"),
    burn("an endless body", ENDLESS, "token-not-burned"),
    burn("silence", SILENCE, "token-not-burned", arguments=FAST),
    # The network
    *(
        Attack(
            f"on the way: {kind}",
            says="untrusted-certificate",
            middle={"pypi.org": kind},
            repo="main",
            reached="nothing",
        )
        for kind in UNTRUSTED
    ),
    Attack(
        "on the way to the uploads: another name",
        says="untrusted-certificate",
        middle={"pypi.org": "sound", "upload.pypi.org": "another name"},
        repo="main",
        reached=BURN,
    ),
    Attack(
        "PyPI itself: TestPyPI's audience",
        {AUDIENCE: Answer.of({"audience": "testpypi"})},
        "wrong-audience-of-pypi",
        middle={"pypi.org": "sound"},
        repo="main",
    ),
    Attack(
        "PyPI itself: redirect to another host",
        {AUDIENCE: redirect("https://pypi.example/")},
        "exchange-failed",
        middle={"pypi.org": "sound"},
        repo="main",
    ),
    Attack(
        "PyPI itself: uploads to another host",
        {UPLOAD: redirect("https://upload.pypi.example/legacy/", 307)},
        "index-failed",
        middle={"pypi.org": "sound", "upload.pypi.org": "sound"},
        repo="main",
        reached=BURN,
    ),
    # The name of the index
    *(
        Attack(
            f"a look-alike that exists: {host!a}",
            {AUDIENCE: Answer.of({"audience": "pypi"})},
            "reserved-audience",
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
        Attack(f"a look-alike: {url!a}", says=code, repo=url, reached="nothing")
        for url, code in {
            "https://upload.pypi.org@pypi.example/": "bad-url",
            "https://upload.pypi.org\\@pypi.example/": "bad-url",
            "https://upload.pypi\u3002org/legacy/": "bad-url",
            "http://upload.pypi.org/legacy/": "bad-url",
            "http://index.localhost/legacy/": "bad-url",
            f"https://{HOSTILE[:20]}.example/": "unusable-value",
            "pyp\u0456": "unknown-index",
        }.items()
    ),
    # The environment
    Attack(
        "environment: a proxy for this machine",
        environ=dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "{elsewhere}"),
        **GOOD,
    ),
    Attack(
        "environment: a token with lines in `identity-variable`",
        says="malformed-identity-token",
        arguments=("-o", "identity-variable=MINE"),
        environ={"MINE": f"{token_of(OURS)}\n::set-env name=PATH::/evil"},
    ),
    Attack(
        "environment: a name with escapes for `identity-variable`",
        says="unusable-value",
        arguments=("-o", "identity-variable=\x1b[2J::error::no"),
        reached="nothing",
    ),
    Attack(
        "environment: lines in GitLab's token",
        says="malformed-identity-token",
        environ={"GITHUB_ACTIONS": "", "GITLAB_CI": "true", "_27_0_0_1_ID_TOKEN": f"{token_of(OURS)}\nX: y"},
    ),
    Attack(
        "environment: PyPI's token in the variable of another index",
        says="token-for-another-audience",
        environ={"GITHUB_ACTIONS": "", "GITLAB_CI": "true", "_27_0_0_1_ID_TOKEN": token_of({"aud": "pypi"})},
    ),
    *(
        Attack(
            f"environment: the token service is {url!a}",
            says="foreign-token-service",
            environ={"ACTIONS_ID_TOKEN_REQUEST_URL": url},
        )
        for url in ("http://pypi.example/a?b=c", "{ci}/token\r\nX: y", "https://a@pypi.example/", "file:///etc/passwd")
    ),
    Attack(
        "environment: lines in the job's credential",
        says="token-service-unreachable",
        environ={"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "a\r\nX: y"},
    ),
    *(
        Attack(
            f"environment: the event is {kind}",
            says="no-id-token-permission",
            environ={
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "",
                "GITHUB_EVENT_NAME": "pull_request",
                "GITHUB_EVENT_PATH": path,
            },
            prepare=strange_events,
        )
        for kind, path in {"a device": "/dev/zero", "a pipe": "a-pipe", "deep": "deep"}.items()
    ),
    # The project's own files
    *(
        bad_file(f"project: {name}", partial(written, PYPROJECT, text), code, **more)
        for name, text, code, more in (
            ("a name with escapes", 'name = "\\u001b]0;owned\\u0007::add-mask::e"', "", GOOD),
            ("a version with escapes", 'name = "a"\nversion = "\\u001b[2J::error::no"', "", GOOD),
        )
    ),
    *(
        bad_file(f"table: {name}", partial(written, PYPROJECT, f"[{TABLE}]\n{text}"), code)
        for name, text, code in (
            ("a repository with escapes", '"repos" = { "\\u001b[2J\\n::error::no" = "https://h/" }', "reserved-name"),
            ("a key with escapes", '"\\u001b[2J\\n##[error]no" = 1', "unknown-key"),
            ("a null in a path", 'report = "a\\u0000b"', "unusable-value"),
            ("a path that is too long", f'report = "{"a" * 5000}"', "unusable-value"),
            ("a report elsewhere", 'report = "../precious"', "workflow-only"),
        )
    ),
    *(stolen(f"an identity for {other}", f'audience = "{other}"', other) for other in OTHER_SERVICES),
    stolen(
        "the identity for another service in a variable",
        'audience = "vault"\n[tool.hatch.publish.trusted]\nidentity-variable = "VAULT_ID_TOKEN"',
        "vault",
        says="workflow-only workflow-only",
        environ={"VAULT_ID_TOKEN": token_of({"aud": "vault"})},
    ),
    stolen(
        "endpoints on another host",
        'audience-endpoint = "{elsewhere}/a"\ntoken-mint-endpoint = "{elsewhere}/m"',
        says="config-only config-only",
    ),
    bad_file(
        "table: certificates for PyPI",
        partial(written, PYPROJECT, f'[{TABLE}.repos.main]\nca-cert = "../../unknown/authority.pem"'),
        "workflow-only",
        middle={"pypi.org": "unknown authority", "upload.pypi.org": "sound"},
        repo="main",
        environ={"HATCH_INDEX_CA_CERT": ""},
    ),
    *(
        bad_file(f"version: {name}", partial(dynamic, source), arguments=COMPARED, **GOOD)
        for name, source in {
            "the variables of the job": "path = '/proc/self/environ'\npattern = 'TOKEN=.(?P<version>[^\\0]+)'",
            "a pattern without an end": "path = 'module.py'\npattern = '(?P<version>(x+x+)+y)'",
            "a file of 600 MB": "path = 'large.py'",
        }.items()
    ),
    bad_file("report: a link to a file elsewhere", partial(linked, "report.json"), arguments=REPORT, **GOOD),
    bad_file("report: a pipe", partial(piped, "report.json"), "report-refused", arguments=REPORT),
    bad_file("report: a path through a link", led_out, "report-outside"),
    bad_file("GitLab's variables: a link", partial(linked, DOTENV), environ=GITLAB, **GOOD),
    bad_file("GitLab's variables: a pipe", partial(piped, DOTENV), "record-not-written", environ=GITLAB, **GOOD),
    bad_file(
        "GitHub's summary: a pipe",
        partial(piped, "summary"),
        "record-not-written",
        environ={"GITHUB_STEP_SUMMARY": "summary"},
        **GOOD,
    ),
    # The files
    bad_file("wheel: a zip bomb as METADATA", wheel(entry(INFO, bytes(64 * MIB), DEFLATED)), "large-metadata"),
    bad_file("wheel: a zip bomb next to METADATA", wheel(ITS, entry("a", bytes(64 * MIB), DEFLATED)), **GOOD),
    bad_file("wheel: 100,000 members", partial(many_members, count=100_000), **GOOD),
    bad_file("wheel: a million members", partial(many_members, count=1_000_000), "large-zip-directory"),
    bad_file("wheel: two METADATA", wheel(ITS, ITS), "repeated-metadata"),
    bad_file("wheel: a link as METADATA", wheel(link(INFO)), "metadata-not-a-file"),
    bad_file("wheel: an absolute METADATA", wheel(entry(f"/{INFO}")), "no-metadata"),
    bad_file("wheel: absolute names", wheel(ITS, entry("/tmp/a"), entry("../../a"), entry("C:\\a")), **GOOD),
    bad_file("wheel: names with escapes", wheel(ITS, entry(HOSTILE)), **GOOD),
    bad_file("wheel: a directory with escapes", wheel(entry(f"{IN_HEADER}.dist-info/METADATA")), "misplaced-metadata"),
    bad_file("wheel: a project with escapes", wheel(entry(INFO, core_metadata(IN_HEADER, "1.2.3"))), "invalid-name"),
    bad_file("wheel: a million fields", wheel(entry(INFO, MANY_FIELDS, DEFLATED)), "too-many-fields"),
    bad_file("wheel: a field repeated many times", wheel(entry(INFO, ONE_FIELD, DEFLATED)), "too-many-fields"),
    bad_file(
        "wheel: a file name with escapes",
        lambda job: (job.dist / WHEEL).rename(job.dist / f"a\x1b[2J\n::error::-{WHEEL}"),
        "unsafe-file-name",
    ),
    bad_file("sdist: a sparse PKG-INFO", sdist(member(PKG_INFO, type=tarfile.GNUTYPE_SPARSE)), "metadata-not-a-file"),
    bad_file("sdist: a pipe as PKG-INFO", sdist(member(PKG_INFO, b"", type=tarfile.FIFOTYPE)), "metadata-not-a-file"),
    bad_file("sdist: PKG-INFO out of the tree", sdist(out_of_the_tree(PKG_INFO)), "metadata-not-a-file"),
    bad_file(
        "sdist: a link out of the tree",
        sdist(member(PKG_INFO, THEIRS), out_of_the_tree("sample_project-1.2.3/a")),
        **GOOD,
    ),
    bad_file("sdist: absolute names", sdist(member(PKG_INFO, THEIRS), member(f"/{IN_HEADER}")), **GOOD),
    bad_file("sdist: a bomb", lambda job: (job.dist / SDIST).write_bytes(zeros()), "no-metadata"),
    bad_file(
        "sdist: the file is a pipe",
        lambda job: os.mkfifo(job.dist / SDIST),
        "not-a-distribution",
        arguments=(f"dist/{SDIST}",),
    ),
    bad_file("sdist: the file is a link out of the tree", linked_itself, "broken-sdist"),
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with one wheel to publish."""
    directory = tmp_path_factory.mktemp("attacked")
    make_wheel(directory / "dist", PROJECT, "1.2.3")
    return directory


@pytest.fixture
def job(tmp_path: Path, template: Path) -> Job:
    """Return a job with one file."""
    return Job(tmp_path / "job", template)


SIZE: Final = r"\d+ files? to upload, [\d.]+ [kM]?B"
SECTION: Final = r"\x1b\[0Ksection_(start|end):\d+:trusted_publish(\[collapsed=true\])?\r\x1b\[0K"
PLAN: Final = rf"::group::{SIZE}|::endgroup::|{SECTION}({SIZE})?"
"""The commands to GitHub and GitLab that a run intends to print."""


def obeyed(text: str, masked: Mapping[str, None]) -> list[str]:
    """Return the lines that a terminal or a CI would obey, except for those that a run intends."""
    lines: list[str] = []
    for line in text.split("\n"):
        own = re.fullmatch(r"::(?:warning|error)::(.*)", line)
        lines += re.split("%0[AD]", own[1]) if own else [line]
    lines = [line for line in lines if line not in masked and not re.fullmatch(PLAN, line)]
    return [line for line in lines if not line.isprintable() or re.search(r"^\s*(::|section_)|##\[|##vso", line)]


@pytest.mark.parametrize("attack", ROWS, ids=str)
def test_attack(job: Job, tmp_path: Path, attack: Attack) -> None:
    """The run ends as expected, in time and with little memory, and no secret leaks."""
    ended = run(attack, job, tmp_path)
    assert (attack.exit_code, attack.reached) == (ended.code, ended.reached), ended.err
    assert attack.says.split() == codes_in(as_read(ended.err.replace("\r", "\n"))), ended.err
    # One error has one annotation: another one would be the attacker's.
    assert len(re.findall("^::error::", ended.err, re.MULTILINE)) <= attack.exit_code
    masked = dict.fromkeys(f"::add-mask::{token}" for token in (*ended.identities, UPLOAD_TOKEN))
    assert [] == obeyed(ended.out + ended.err, masked)
    assert "Traceback" not in ended.out + ended.err
    assert ([], []) == (ended.misplaced(), ended.shown)
    assert [] == ended.elsewhere
    assert PRECIOUS == precious(job).read_text("utf-8")
    assert ended.peak < LARGEST


@pytest.mark.parametrize(
    "line", [*re.split(r"\n|(?=\x1b)", HOSTILE), "\u202ea", "  ::error::x", "a ##[group]"], ids=ascii
)
def test_obeyed_lines_would_be_found(line: str) -> None:
    """Each of the hostile strings is found in an output, except for the command that hides a token."""
    assert bool(line) == bool(obeyed(f"fine\n{line}\nfine: a::b #[c]", {}))
    assert [] == obeyed("::add-mask::pypi-a\n", {"::add-mask::pypi-a": None})


@pytest.mark.parametrize("secret", [UPLOAD_TOKEN, REQUEST_TOKEN, "eyJh.eyJi.c2ln"])
@pytest.mark.parametrize("form", ["plain", "base64", "basic"])
def test_a_leaked_secret_would_be_found(secret: str, form: str) -> None:
    """A token is found in the target, a header or the body of any request except the one it is for."""
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


def test_the_number_of_attacks() -> None:
    """The security page has the number of attacks."""
    page = Path(__file__).parents[2] / "docs" / "explanation" / "security.md"
    [said] = re.findall(r"more than (\d+) attacks", page.read_text("utf-8"))
    assert int(said) < len(ROWS) <= int(said) + 10
