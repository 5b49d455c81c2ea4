"""The embedded index answers as the real PyPI server did when it was recorded.

Every recorded exchange is replayed, or is in NOT_IMPLEMENTED with the reason. The comparison covers
status, content type, `allow`, the path of `location`, and

- audience and mint: the JSON body (except the minted token);
- uploads: the JSON, HTML or text body, with the digests of the files that are sent here (the
  recorded files are not in the recordings). Recorded reason phrases are compared with the
  member `code`: uvicorn sends the standard phrase, an application cannot set another.
- the simple API: the JSON body, and the links of the HTML one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from packaging.utils import canonicalize_name

from .world import (
    AS_SAMPLE,
    DAY,
    KEY,
    NOW,
    OTHER_KEY,
    World,
    basic,
    github,
    identity_token,
    sdist,
    wheel,
)

Entry = Mapping[str, Any]

RECORDED: Final = json.loads(Path(__file__).parents[1].joinpath("pypi-recordings.json").read_text(encoding="utf-8"))
ENTRIES: Final[dict[str, Entry]] = {each["id"]: each for each in RECORDED["entries"]}
BRIEF: Final[dict[str, Entry]] = {each["id"]: each for each in RECORDED["brief"]}

_ACCOUNTS = "there are no users and no API tokens: only minted tokens upload"
_RACES = "the index handles one upload after the other, so none fails by racing"
_ONE_HOST = "one host answers everything"
_NO_JSON_API = "there is no JSON API: the publisher reads the simple API"

NOT_IMPLEMENTED: Final[dict[str, str]] = {
    "upload/429-too-many-new-projects": _ACCOUNTS,
    "upload/ok-new-project-api-token": _ACCOUNTS,
    "upload/400-name-prohibited": _ACCOUNTS,
    "upload/400-name-too-similar": _ACCOUNTS,
    "upload-auth/403-api-token-wrong-project": _ACCOUNTS,
    "upload-auth/403-user-no-role": _ACCOUNTS,
    "upload-auth/403-user-without-2fa": _ACCOUNTS,
    "attestations/400-api-token": _ACCOUNTS,
    "upload-auth/403-expired-attenuated": "tokens are opaque: a client cannot narrow them",
    "concurrency/new-release-500": _RACES,
    "concurrency/same-file-500": _RACES,
    "split-hosts/audience-on-upload-host": _ONE_HOST,
    "split-hosts/mint-on-upload-host": _ONE_HOST,
    "split-hosts/upload-on-web-host": _ONE_HOST,
    "split-hosts/simple-on-upload-host": _ONE_HOST,
    "split-hosts/json-on-upload-host": _NO_JSON_API,
    "read/json-release": _NO_JSON_API,
    "read/json-release-404": _NO_JSON_API,
    "read/json-project-404": _NO_JSON_API,
}

# ---------------------------------------------------------------- audience and mint

_SWITCHES: Final[dict[str, Callable[[World], object]]] = {
    "audience/disabled": lambda world: _switch(world, trusted_publishing=False),
    "audience/ok-github-disabled": lambda world: world.store.switches.issuers.add("github"),
    "audience/ok-read-only-mode": lambda world: _switch(world, read_only=True),
    "mint/not-enabled-github": lambda world: world.store.switches.issuers.add("github"),
    "mint/not-enabled-gitlab": lambda world: world.store.switches.issuers.add("gitlab"),
    "mint/not-enabled-all": lambda world: _switch(world, trusted_publishing=False),
    "mint/ok-read-only-mode": lambda world: _switch(world, read_only=True),
    "mint/ok-read-only-mode-pending": lambda world: _switch(world, read_only=True),
    "mint/invalid-payload-pending-registration-off": lambda world: _switch(world, registration=False),
    "mint/invalid-pending-publisher": lambda world: world.store.add_project("taken"),
    "mint/invalid-pending-publisher-again": lambda world: world.store.add_project("taken"),
    "mint/invalid-payload-pending-prohibited-name": lambda world: world.store.prohibited.add(
        canonicalize_name("prohibited-name")
    ),
    "mint/invalid-payload-pending-similar-name": lambda world: world.store.add_project("simi1ar-name"),
}

# The project that a pending publisher for the claims' repository is for.
_PENDING: Final = {
    "mint/ok-pending-publisher": "brand-new",
    "mint/invalid-pending-publisher": "taken",
    "mint/invalid-pending-publisher-again": "taken",
    "mint/invalid-payload-pending-prohibited-name": "prohibited-name",
    "mint/invalid-payload-pending-similar-name": "similar-name",
    "mint/invalid-payload-pending-stdlib-name": "antigravity",
    "mint/invalid-payload-pending-registration-off": "registration-off",
    "mint/500-reused-jti-with-pending-publisher": "second-project",
    "mint/ok-two-projects": "second-project",
    "mint/ok-read-only-mode-pending": "read-only-new",
}

# These are about the second time; the changes for the first time are here.
_TWICE: Final[dict[str, dict[str, object]]] = {
    "mint/invalid-reuse-token": {},
    "mint/ok-google-same-token-again": {},
    "mint/invalid-pending-publisher-again": {},
    "mint/500-reused-jti-with-pending-publisher": {},
    "mint/failed-attempt-keeps-jti-2": {
        "job_workflow_ref": "octo-org/sampleproject/.github/workflows/ci.yml@refs/tags/v1.0.0"
    },
    "concurrency/mint-same-token-loser": {},
}

_TIMES: Final[dict[str, dict[str, object]]] = {
    "mint/ok-expired-within-leeway": {"exp": NOW - 20},
    "mint/invalid-token-not-yet-valid": {"iat": NOW + 120, "nbf": NOW + 120},
    "mint/invalid-token-no-exp": {"exp": None},
}


def _switch(world: World, **switches: bool) -> None:
    for name, value in switches.items():
        setattr(world.store.switches, name, value)


def _claims(entry: Entry) -> dict[str, object]:
    """Return the claims of the token: those of the entry, or the changes to the usual ones."""
    if "request" in entry:
        claims: dict[str, object] = entry["request"]["claims"]
        return claims
    kind = re.search(r"gitlab|google|activestate", entry["id"])
    usual = ENTRIES[f"mint/ok-{kind[0]}" if kind else "mint/ok"]["request"]["claims"]
    changed = entry.get("claims_changed", {})
    claims = {**usual, "iat": NOW - 5, "nbf": NOW - 5, "exp": NOW + 300}
    # The changes omit claims that merely repeat the repository.
    for name, path in (("repository", "job_workflow_ref"), ("project_path", "ci_config_ref_uri")):
        if name in changed:
            for each in (path, "sub"):
                claims[each] = usual[each].replace(usual[name], changed[name])
    return {**claims, **changed, **_TIMES.get(entry["id"], {})}


def _jwt(entry: Entry, claims: Mapping[str, object]) -> str:
    how = entry.get("request", entry).get("jwt", {})
    key = {"invalid": OTHER_KEY, "none": None}.get(how.get("signature"), KEY)
    return identity_token(claims, kid=how.get("kid", "known"), key=key)


def _mint(world: World, entry: Entry) -> httpx.Response:
    identifier = entry["id"]
    request = entry.get("request", {"method": entry.get("method", "POST")})
    path = request.get("path") or entry.get("path", "/_/oidc/mint-token")
    sent = request.get("body", entry.get("body_sent"))
    if sent is not None or request["method"] == "GET":
        return world.ask(request["method"], path, content=(sent or "").encode())
    claims = _claims(entry)
    if identifier in _PENDING:
        repository = str(claims["repository"]).removeprefix("octo-org/")
        pending = github(repository)
    token = _jwt(entry, claims)
    if identifier in _TWICE:
        first = {**claims, **_TWICE[identifier]}
        if "500" not in identifier and identifier in _PENDING:
            world.store.add_pending(pending, [_PENDING[identifier]])
        _post(world, path, _jwt(entry, first))
        if "500" in identifier:
            world.store.add_pending(pending, [_PENDING[identifier]])
    elif identifier in _PENDING:
        world.store.add_pending(pending, [_PENDING[identifier]])
    return _post(world, path, token)


def _post(world: World, path: str, token: str) -> httpx.Response:
    return world.ask("POST", path, content=json.dumps({"token": token}).encode())


# ---------------------------------------------------------------- uploads

_USUAL: Final = {
    ":action": "file_upload",
    "protocol_version": "1",
    "metadata_version": "2.1",
    "name": "sampleproject",
    "version": "2.0.0",
    "filetype": "bdist_wheel",
    "pyversion": "py3",
}
_WHEEL: Final = "sampleproject-2.0.0-py3-none-any.whl"
_ATTESTATION: Final = json.loads(
    {name: value for name, value in ENTRIES["attestations/ok-one"]["request"]["form"] if name == "attestations"}[
        "attestations"
    ]
)[0]
# Values that the recordings describe instead of repeating them.
_DESCRIBED: Final = {
    "x repeated 513 times": "x" * 513,
    "JSON array of three objects as in attestations/ok-one": json.dumps([_ATTESTATION] * 3),
    "JSON array of two objects as in attestations/ok-one, predicate types publish/v1 and slsa "
    "provenance/v1": json.dumps([_ATTESTATION] * 2),
}
_DIGESTS: Final = {
    "md5_digest": lambda content: hashlib.md5(content, usedforsecurity=False).hexdigest(),
    "sha256_digest": lambda content: hashlib.sha256(content).hexdigest(),
    "blake2_256_digest": lambda content: hashlib.blake2b(content, digest_size=32).hexdigest(),
}
_WRONG_DIGEST: Final = frozenset(
    {
        "upload/400-digest-mismatch",
        "upload/400-digest-mismatch-existing",
        "upload/400-digest-malformed",
    }
)
_CONTENT: Final[dict[str, Callable[[], bytes]]] = {
    "upload/400-wheel-not-a-zip": lambda: b"hello",
    "upload/400-sdist-not-a-tar": lambda: b"hello",
    "upload/400-wheel-trailing-data": lambda: wheel(_WHEEL) + b"trailing",
    "upload/400-wheel-no-metadata": lambda: wheel(_WHEEL, without="METADATA"),
    "upload/400-wheel-no-record": lambda: wheel(_WHEEL, without="RECORD"),
    "upload/400-wheel-no-wheel-file": lambda: wheel(_WHEEL, without="WHEEL"),
    "upload/400-license-file-missing": lambda: wheel(_WHEEL),
    "upload/400-sdist-no-pkg-info": lambda: sdist("sampleproject-2.0.0/a.py"),
    "upload/ok-sdist-other-top-level": lambda: sdist("other/PKG-INFO", "other/a.py"),
    "upload/400-file-too-large": lambda: bytes(105907223),
}


def _first(world: World, entry: Entry, *, salt: bytes = b"", filename: str = "") -> None:
    """Upload the same file before, with other bytes or another name if the entry says so."""
    form, name, content = _sent(entry)
    name = filename or name
    if salt:
        content = wheel(name, salt=salt)
    sent = [(each, value) for each, value in form if not each.endswith("_digest")]
    sent.append(("md5_digest", _DIGESTS["md5_digest"](content)))
    reply = world.upload(sent, name, content)
    assert reply.status_code == 200, reply.text


def _old(world: World, entry: Entry, filename: str = "") -> None:
    world.now -= 15 * DAY
    _first(world, entry, filename=filename, salt=b"old" if filename else b"")
    world.now += 15 * DAY


def _deleted(world: World, entry: Entry) -> None:
    _first(world, entry)
    project = world.store.projects[canonicalize_name("sampleproject")]
    world.store.delete(project, next(iter(project.files)))


def _sdist_before(world: World, entry: Entry) -> None:
    form, _, _ = _sent(entry)
    content = sdist("sampleproject-1.0.0/PKG-INFO", "sampleproject-1.0.0/a.py")
    digest = _DIGESTS["sha256_digest"](content)
    sent = [(name, digest if name == "sha256_digest" else value) for name, value in form]
    assert world.upload(sent, "sampleproject-1.0.0.tar.gz", content).status_code == 200


_PREPARED: Final[dict[str, Callable[[World, Entry], None]]] = {
    "upload/403-new-uploads-disabled": lambda world, _: _switch(world, uploads=False),
    "upload/ok-first-upload-after-pending": lambda world, _: _brand_new(world),
    "upload/identical-reupload": _first,
    "upload/identical-reupload/accept-any": _first,
    "upload/identical-reupload-other-metadata": _first,
    "upload/identical-reupload-old-release": _old,
    "upload/400-digest-mismatch-existing": _first,
    **dict.fromkeys(
        (
            "upload/400-same-name-other-content",
            "upload/400-same-name-other-content/accept-any",
            "upload/400-same-name-other-content/accept-none",
        ),
        lambda world, entry: _first(world, entry, salt=b"other"),
    ),
    "upload/400-same-content-other-name": lambda world, entry: _first(
        world, entry, filename="sampleproject-1.1.0-py3-none-any.whl"
    ),
    "upload/400-filename-previously-used": _deleted,
    "upload/400-release-too-old": lambda world, entry: _old(world, entry, "sampleproject-1.3.0-py3-none-any.whl"),
    "upload/400-second-sdist": _sdist_before,
    "concurrency/same-file-retry": _first,
}


def _brand_new(world: World) -> None:
    world.store.add_project("brand-new", github("brand-new"))


def _read_only_token(world: World) -> str:
    _switch(world, read_only=True)
    token = world.token()
    _switch(world, read_only=False)
    return token


def _early_token(world: World) -> str:
    world.now -= 15 * 60
    token = world.token()
    world.now += 15 * 60
    return token


def _altered_token(world: World) -> str:
    token = world.token()
    return token[:-2] + ("AA" if token[-2:] != "AA" else "BB")


_CREDENTIALS: Final[dict[str, Callable[[World], str]]] = {
    "<token minted for sampleproject>": lambda world: world.token(),
    "<token minted before read-only mode>": lambda world: world.token(),
    "<token minted in split-hosts/mint-on-web-host>": lambda world: world.token(),
    "<token minted in mint/ok-pending-publisher>": lambda world: world.token(github("brand-new")),
    "<token minted for archived-project>": lambda world: world.token(github("archived-project")),
    "<token minted for quarantined-project>": lambda world: world.token(github("quarantined-project")),
    "<token minted for as-att (ActiveState)>": lambda world: world.token(AS_SAMPLE),
    "<token minted in read-only mode>": _read_only_token,
    "<token minted 15 minutes ago for sampleproject>": _early_token,
    "<token with altered signature>": _altered_token,
    "<nonsense>": lambda _: "nonsense",
    "<password>": lambda _: "password",
    "pypi-AAAA": lambda _: "pypi-AAAA",
}


def _sent(entry: Entry) -> tuple[list[tuple[str, str]], str, bytes]:
    """Return form, file name and content; the digests are those of the content that is sent here."""
    if "request" in entry:
        pairs = [(name, value) for name, value in entry["request"]["form"] if name != "content"]
        part = dict(entry["request"]["form"])["content"]
    else:
        changed = entry.get("form_changed", [])
        part = dict(changed).get("content") or {"filename": _WHEEL}
        kind = {"filetype": "sdist", "pyversion": "source"}
        usual = {**_USUAL, **(kind if part["filename"].endswith(".tar.gz") else {})}
        names = {name for name, _ in changed}
        pairs = [pair for pair in {**usual, "sha256_digest": ""}.items() if pair[0] not in names]
        pairs += [pair for pair in changed if pair[0] != "content" and pair[1] is not None]
    licenses = [value for name, value in pairs if name == "license_file"]
    content = _built(entry["id"], part["filename"], licenses)
    form = []
    for name, value in pairs:
        sent = _DESCRIBED.get(value, value)
        ours = name in _DIGESTS and not (name == "sha256_digest" and entry["id"] in _WRONG_DIGEST and value)
        if ours and (name, entry["id"]) != ("md5_digest", "upload/400-digest-mismatch-md5"):
            sent = _DIGESTS[name](content)
        form.append((name, sent))
    return form, part["filename"], content


def _built(identifier: str, filename: str, licenses: list[str]) -> bytes:
    if identifier in _CONTENT:
        return _CONTENT[identifier]()
    if filename.endswith((".tar.gz", ".zip")):
        top = filename.removesuffix(".zip").removesuffix(".tar.gz")
        paths = [f"{top}/{name}" for name in ("PKG-INFO", "a.py", *licenses)]
        return sdist(*paths, zipped=filename.endswith(".zip"))
    return wheel(filename.rpartition("/")[2], licenses=licenses)


def _upload(world: World, entry: Entry) -> httpx.Response:
    identifier = entry["id"]
    if entry.get("method") == "GET":
        return world.ask("GET", entry["path"])
    if identifier in _PREPARED:
        _PREPARED[identifier](world, entry)
    form, filename, content = _sent(entry)
    headers = entry.get("request", {}).get("headers", {"accept": "application/json"})
    shown = headers.get("authorization") or entry.get(
        "authorization", "Basic __token__:<token minted for sampleproject>"
    )
    scheme, _, credentials = shown.partition(" ")
    if scheme == "Basic":
        user, _, password = credentials.partition(":")
        authorization = basic(user, _CREDENTIALS[password](world))
    else:
        authorization = f"{scheme} {_CREDENTIALS[credentials](world)}"
    if identifier.startswith("upload-auth/403-none"):
        authorization = ""
    if identifier == "upload/403-read-only":
        _switch(world, read_only=True)
    part = dict(entry.get("form_changed", [])).get("content", {})
    return world.upload(
        form,
        None if part is None else filename,
        content,
        media_type=(part or {}).get("content_type", "application/octet-stream"),
        authorization=authorization,
        accept=headers.get("accept"),
        path=entry.get("request", entry).get("path", "/legacy/"),
    )


def _compare_upload(entry: Entry, reply: httpx.Response) -> None:
    if "request" not in entry:
        if entry.get("method") != "GET":
            reason = entry.get("reason", httpx.codes.get_reason_phrase(entry["status"]))
            expected = f"{entry['status']} {reason}"
            assert _unordered(reply.json()["code"]) == _unordered(expected)
        return
    recorded = entry["response"]["body"]
    content = _sent(entry)[2]
    for name, value in entry["request"]["form"]:
        if name == "blake2_256_digest":
            recorded = recorded.replace(value, _DIGESTS[name](content))
    if recorded.endswith("…"):
        assert reply.text.startswith(recorded[:-1])
    elif reply.headers["content-type"] == "application/json":
        assert reply.json() == json.loads(recorded)
    else:
        assert reply.text == recorded


def _unordered(text: str) -> str:
    """Sort lists inside a reason: their order is random."""
    return re.sub(r"\[(.*?)\]", lambda found: str(sorted(found[1].split(", "))), text)


# ---------------------------------------------------------------- reading

_BEFORE_READING: Final = {
    "read/simple-json": ("upload/ok-wheel", "upload/ok-sdist"),
    "read/simple-html": ("upload/ok-wheel", "upload/ok-sdist"),
    "read/simple-html-v1": ("upload/ok-wheel", "upload/ok-sdist"),
    "read/provenance": ("attestations/ok-one",),
    "read/provenance-404": ("upload/ok-wheel",),
}


def _read(world: World, entry: Entry) -> httpx.Response:
    for name in _BEFORE_READING.get(entry["id"], ()):
        assert _upload(world, ENTRIES[name]).status_code == 200
    if entry["id"] == "read/simple-json-created-by-mint":
        assert _mint(world, ENTRIES["mint/ok-pending-publisher"]).status_code == 200
    if entry["id"] == "read/simple-404-after-read-only-mint":
        _switch(world, read_only=True)
        assert _mint(world, BRIEF["mint/ok-read-only-mode-pending"]).status_code == 200
        _switch(world, read_only=False)
    if entry["id"] in ("read/simple-archived", "read/simple-quarantined"):
        project = world.store.projects[canonicalize_name(f"{entry['id'].removeprefix('read/simple-')}-project")]
        status, project.status = project.status, "active"
        filename = f"{project.name.replace('-', '_')}-1.0.0-py3-none-any.whl"
        content = wheel(filename)
        form = {**_USUAL, "name": project.name, "version": "1.0.0"}
        form["sha256_digest"] = _DIGESTS["sha256_digest"](content)
        token = basic("__token__", world.token(github(project.name)))
        reply = world.upload(form.items(), filename, content, authorization=token)
        assert reply.status_code == 200
        project.status = status
    headers = {**entry.get("request", {}).get("headers", {})}
    if entry["id"] == "read/simple-html-v1":
        headers["accept"] = "application/vnd.pypi.simple.v1+html"
    request = entry.get("request", entry)
    return world.ask(request["method"], request["path"], headers=headers)


def _compare_read(entry: Entry, reply: httpx.Response) -> None:
    if "response" not in entry:
        return
    recorded, got = entry["response"]["body"], reply.text
    if "json" in reply.headers["content-type"]:
        assert _volatile(json.loads(got)) == _volatile(json.loads(recorded))
    elif "<a " in recorded:
        pattern = r"packages/[0-9a-f/]*|sha256=[0-9a-f]*|<!--.*?-->|\s+|https://files\.pypi\.test"
        expected = re.sub(pattern, "", recorded)
        assert re.sub(pattern, "", got).replace("https://pypi.test", "") == expected
    else:
        assert got == recorded


def _volatile(value: Any) -> Any:
    """Return the value without parts that differ by file, time or host."""
    if isinstance(value, dict):
        dropped = ("size", "upload-time", "url", "_last-serial", "attestations")
        return {
            name: "a digest" if name == "sha256" else _volatile(each)
            for name, each in value.items()
            if name not in dropped
        }
    return [_volatile(each) for each in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- the table


def _simple(world: World, entry: Entry) -> httpx.Response:
    request = entry.get("request", entry)
    return world.ask(request["method"], request["path"], headers=request.get("headers", {}))


def _group(identifier: str) -> str:
    group, _, rest = identifier.partition("/")
    if group in ("concurrency", "split-hosts"):
        kind = re.search(r"mint|audience", rest)
        return kind[0] if kind else "upload"
    return {"upload-auth": "upload", "attestations": "upload"}.get(group, group)


def replay(world: World, entry: Entry) -> httpx.Response:
    """Send the exchange to an index in the state that it was recorded in."""
    how = {"audience": _simple, "mint": _mint, "upload": _upload, "read": _read}
    if entry["id"] in _SWITCHES:
        _SWITCHES[entry["id"]](world)
    return how[_group(entry["id"])](world, entry)


REPLAYED: Final = [each for each in (*ENTRIES, *BRIEF) if each not in NOT_IMPLEMENTED]


@pytest.mark.parametrize(
    "identifier",
    # A hundred megabytes take a while.
    [pytest.param(each, marks=[pytest.mark.slow] * (each == "upload/400-file-too-large")) for each in REPLAYED],
)
def test_answers_as_recorded(world: World, identifier: str) -> None:
    """Same request, same state: same status, headers and body."""
    entry = ENTRIES.get(identifier) or BRIEF[identifier]
    response = entry.get("response", entry)
    # Minted at the recorded moment, a token expires at the recorded moment.
    if expires := re.search(r'"expires":(\d+)', response.get("body", "")):
        world.now = int(expires[1]) - 900

    reply = replay(world, entry)

    assert reply.status_code == response["status"]
    if _group(identifier) != "upload":
        # The standard phrase everywhere else: the server itself writes it.
        assert response.get("reason", reply.reason_phrase) == reply.reason_phrase
    headers = response.get("headers", {})
    media_type = headers.get("content-type", "").lower()
    if media_type and response["status"] != 500:
        assert reply.headers["content-type"].lower() == media_type
    assert reply.headers.get("allow") == headers.get("allow", reply.headers.get("allow"))
    if location := headers.get("location", response.get("location")):
        path = re.sub(r"https://[^/]+", "https://pypi.test", location)
        assert reply.headers["location"] == path
    group = _group(identifier)
    if group == "upload":
        _compare_upload(entry, reply)
    elif group == "read":
        _compare_read(entry, reply)
    elif "code" in entry:
        errors = [{"code": entry["code"], "description": entry["description"]}]
        assert reply.json() == {"message": "Token request failed", "errors": errors}
    elif media_type.startswith("text/plain"):
        assert reply.text == response["body"]
    elif reply.headers["content-type"] == "application/json" and "body" in response:
        expected = json.loads(response["body"])
        got = reply.json()
        assert {**got, "token": ""} == {**expected, "token": ""}


def test_every_recording_is_replayed_or_has_a_reason() -> None:
    """Every recording is covered, and every reason has a recording."""
    every = {*ENTRIES, *BRIEF}
    assert len(every) == len(RECORDED["entries"]) + len(RECORDED["brief"]) == 220
    assert set(NOT_IMPLEMENTED) <= every
    assert {*REPLAYED, *NOT_IMPLEMENTED} == every
    assert not {*REPLAYED} & {*NOT_IMPLEMENTED}


@pytest.mark.parametrize("table", [_SWITCHES, _PENDING, _TWICE, _TIMES, _CONTENT, _PREPARED])
def test_tables_are_about_recordings(table: Mapping[str, object]) -> None:
    """A misspelled id in a table of this module would prepare nothing."""
    assert set(table) <= set(REPLAYED)
