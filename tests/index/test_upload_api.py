from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_multipart.multipart import Field, File, parse_form

from hatch_trusted_publish.artifacts.distribution import FORM_FIELDS, Distribution
from hatch_trusted_publish.errors import ExchangeError, IndexReadError, TrustedPublishError, TrustError, UploadError
from hatch_trusted_publish.http.messages import Reply, Request
from hatch_trusted_publish.index import simple_api as simple
from hatch_trusted_publish.index import upload_api as protocol
from hatch_trusted_publish.index.endpoints import Endpoints, find_index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.index.upload_api import UploadToken
from hatch_trusted_publish.secret import Secret
from tests.support.helpers import a_distribution, core_metadata, make_sdist, make_wheel
from tests.support.recordings import ENTRIES, brief_refusals, brief_uploads, to

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
OWN = find_index(Repository("own", "https://index.test/x/legacy/"))
NOW = 1_000_000.0
UNREAD = a_distribution("x-1-py3-none-any.whl")
"""Of no file: what an index says of it does not depend on one."""

AGAIN = (
    "That is on the index's side; nothing is lost. Run the same command again later, and look at "
    "https://status.python.org if the index is PyPI."
)
NO_EXCHANGE = (
    "If this index has it elsewhere, name `audience-endpoint` and `token-mint-endpoint` in the index's table in "
    "`tool.hatch.publish.trusted.repos`; if it has none, this publisher cannot be used with it."
)
NOT_READ = (
    "What the CI gave is not a token that this index can read. If it came by `identity-variable`, check what the job "
    "puts there."
)
NOT_ACCEPTED = (
    "main refused the identity: invalid-token (malformed or invalid token). The token's signature, audience or time was "
    "not accepted. Run the job again; if it persists, the clock of the runner may be wrong, or `identity-variable` may "
    "hold a token made for another index."
)
NO_PUBLISHER = (
    "main refused the identity: invalid-publisher (valid token, but no corresponding publisher (Publisher with matching "
    "claims was not found)). No publisher on the index matches what the CI says of this job. Compare, letter by letter, "
    "the project name, the owner, the repository, the workflow's file name and the environment of the publisher in the "
    "project's settings on the index with those of this job: an environment that the publisher names has to be the one of "
    "the job."
)
NO_NAME = (
    "The index will not create the project that its pending publisher names. Choose another name there and in "
    "pyproject.toml, or ask the index's support."
)
FILE = "dist/sample-1.0-py3-none-any.whl"
CORRECT = "Correct what the index objects to, build again and run the same command."
CORE = "See https://packaging.python.org/specifications/core-metadata for more information"
NO_UPLOADS = (
    "The index takes no uploads at this address, and none is sent on to another: it carries a token. Correct `repo`, or "
    "`url` in the index's table in `tool.hatch.publish.trusted.repos`."
)
NOT_TAKEN = (
    "The index did not take the upload token that it had just given. Look there whether the project still has its trusted "
    "publisher, and run the same command again."
)
READ_ONLY = (
    f"main refused {FILE} with 403: Invalid or non-existent authentication information. See "
    "https://pypi.test/help/#invalid-auth for more information. The index did not know the token that it had just given. "
    "PyPI does that while it is read-only for maintenance: run the same command again later."
)
FOREIGN = (
    f"main refused {FILE} with 403: Invalid API Token: OIDC scoped token is not valid for project 'otherproject', "
    "project-scoped token is not valid for project: 'otherproject', OIDC scoped token is not valid for project "
    "'otherproject', project-scoped token is not valid for project: 'otherproject'. The trusted publisher belongs to a "
    "project of another name. Compare the name in pyproject.toml with the project that has the publisher: `-`, `_` and "
    "`.` count as the same, all else does not."
)
SAMPLE = {
    "sampleproject-1.0.0-py3-none-any.whl": "21c6f28c049c356646cae4f58517d46b5f250b1a5c063ac5ed9e8be56489c07e",
    "sampleproject-1.0.0.tar.gz": "dd2964d5bbb603cba53f2e9835a06d9f76d6a96fc27194c1e34f3d3f5a1cb879",
}

AUDIENCES = {
    "audience/ok": "pypi",
    "audience/disabled": f"main was asked for its audience and answered 403: Trusted publishing functionality not enabled. {AGAIN}",
    "audience/wrong-method-post": (
        "main was asked for its audience and answered 405: Method Not Allowed The method POST is not allowed for this "
        f"resource. {AGAIN}"
    ),
    "audience/trailing-slash": f"main has no trusted publishing at the address where it was looked for. {NO_EXCHANGE}",
    "audience/trailing-slash/accept-json": (
        f"main has no trusted publishing at the address where it was looked for. {NO_EXCHANGE}"
    ),
    "split-hosts/audience-on-web-host": "pypi",
    "split-hosts/audience-on-upload-host": (
        f"main has no trusted publishing at the address where it was looked for. {NO_EXCHANGE}"
    ),
}
MINTS: dict[str, float | str] = {
    "mint/ok": 1795150911.0,
    "mint/ok-gitlab": 1795150913.0,
    "mint/ok-google": 1795150913.0,
    "mint/ok-activestate": 1795150913.0,
    "mint/ok-pending-publisher": 1795150914.0,
    "mint/ok-read-only-mode": 1795150914.0,
    "split-hosts/mint-on-web-host": 1795150923.0,
    "mint/trailing-slash": f"main answered 404 to the identity: Not Found. {NO_EXCHANGE}",
    "split-hosts/mint-on-upload-host": f"main answered 404 to the identity: Not Found. {NO_EXCHANGE}",
    "mint/invalid-payload-not-json": (
        "main refused the identity: invalid-payload (1 validation error for TokenPayload Invalid JSON: expected ident at "
        "line 1 column 2 [type=json_invalid, input_value=b'nope', input_type=bytes] For further information visit "
        f"https://errors.pydantic.dev/2.13/v/json_invalid). {NOT_READ}"
    ),
    "mint/invalid-payload-missing-token": (
        "main refused the identity: invalid-payload (1 validation error for TokenPayload token Field required "
        "[type=missing, input_value={}, input_type=dict] For further information visit "
        f"https://errors.pydantic.dev/2.13/v/missing). {NOT_READ}"
    ),
    "mint/invalid-payload-malformed-jwt": f"main refused the identity: invalid-payload (malformed JWT). {NOT_READ}",
    "mint/invalid-payload-unknown-issuer": (
        "main refused the identity: invalid-payload (unknown trusted publishing issuer). This index does not take "
        "identities from this CI. PyPI takes those of github.com, gitlab.com, Google Cloud and ActiveState; a "
        "self-managed GitLab has to be registered there first."
    ),
    "mint/not-enabled-github": (
        "main refused the identity: not-enabled (github trusted publishing functionality not enabled). The index has "
        f"switched trusted publishing off, for this CI or for all. {AGAIN}"
    ),
    "mint/invalid-token-expired": NOT_ACCEPTED,
    "mint/invalid-token-bad-signature": NOT_ACCEPTED,
    "mint/invalid-token-wrong-aud": NOT_ACCEPTED,
    "mint/invalid-token-aud-list": NOT_ACCEPTED,
    "mint/invalid-reuse-token": (
        "main refused the identity: invalid-reuse-token (invalid token: already used). This identity token was used "
        "before, and each works once. Run the job again for a fresh one. On GitLab a job has one token for each "
        "`id_tokens` entry: publish once a job, with all files in one command, or set `keep-token`."
    ),
    "mint/invalid-publisher-owner": NO_PUBLISHER,
    "mint/invalid-publisher-owner-id": NO_PUBLISHER,
    "mint/invalid-publisher-repo-case": NO_PUBLISHER,
    "mint/invalid-publisher-workflow": NO_PUBLISHER,
    "mint/invalid-publisher-environment": NO_PUBLISHER,
    "mint/invalid-publisher-environment-wrong": NO_PUBLISHER,
    "mint/invalid-publisher-gitlab-namespace": NO_PUBLISHER,
    "mint/invalid-publisher-gitlab-ci-file": NO_PUBLISHER,
    "mint/invalid-publisher-gitlab-environment": NO_PUBLISHER,
    "mint/invalid-publisher-google-email": NO_PUBLISHER,
    "mint/invalid-publisher-activestate-project": NO_PUBLISHER,
    "mint/invalid-publisher-reusable-workflow": (
        "main refused the identity: invalid-publisher (valid token, but no corresponding publisher (The "
        "job_workflow_ref claim does not match, expecting one of "
        "['octo-org/sampleproject/.github/workflows/release.yml@8f1c2d3e4b5a69788796a5b4c3d2e1f001234567', "
        "'octo-org/sampleproject/.github/workflows/release.yml@refs/tags/v1.0.0'], got 'octo-org/shared-w…). A "
        "publishing job must be in the repository's own workflow file: a reusable workflow of another repository never "
        "matches. Move the job into the file that the publisher on the index names."
    ),
    "mint/invalid-publisher-pull-request-target": (
        "main refused the identity: invalid-publisher (valid token, but no corresponding publisher (Publishing from a "
        "workflow invoked via 'pull_request_target' is not supported.)). A workflow started by `pull_request_target` can "
        "be steered by a fork, so the index refuses it. Publish from a push, a tag or a release."
    ),
    "mint/invalid-pending-publisher": (
        "main refused the identity: invalid-pending-publisher (valid token, but project already exists). Somebody has "
        "created the project since the pending publisher was added, and the index has deleted that. If the project is "
        "yours, add the publisher in the project's own settings; else choose another name."
    ),
    "mint/invalid-payload-pending-prohibited-name": (
        "main refused the identity: invalid-payload (The name 'prohibited-name' isn't allowed. See "
        f"https://pypi.test/help/#project-name for more information). {NO_NAME}"
    ),
    "mint/invalid-payload-pending-similar-name": (
        "main refused the identity: invalid-payload (The name 'similar-name' is too similar to an existing project. See "
        f"https://pypi.test/help/#project-name for more information). {NO_NAME}"
    ),
    "mint/500-reused-jti-with-pending-publisher": f"main answered 500 to the identity: Internal Server Error. {AGAIN}",
}
UPLOADS: dict[str, bool | str] = {
    **dict.fromkeys(
        [
            "upload/ok-wheel",
            "upload/ok-sdist",
            "upload/identical-reupload",
            "upload/identical-reupload/accept-any",
            "upload/ok-metadata-2.5-import-name",
            "attestations/ok-one",
            "concurrency/new-release-ok",
            "split-hosts/upload-on-upload-host",
        ],
        True,
    ),
    **dict.fromkeys(
        [
            "upload/400-same-name-other-content",
            "upload/400-same-name-other-content/accept-any",
            "upload/400-same-name-other-content/accept-none",
            "upload/400-same-content-other-name",
        ],
        False,
    ),
    "upload/403-read-only": f"main refused {FILE} with 403: Read-only mode: Uploads are temporarily disabled. {AGAIN}",
    "upload/400-filename-previously-used": (
        f"main refused {FILE} with 400: This filename was previously used by a file that has since been deleted. Use a "
        "different version. See https://pypi.test/help/#file-name-reuse for more information. A file of this name was "
        "deleted, and a name is never given twice. Publish a new version."
    ),
    "upload/400-release-too-old": (
        f"main refused {FILE} with 400: Uploading new files to releases older than 14 days is not allowed. The release is "
        "closed for new files. Publish a new version."
    ),
    "upload/400-second-sdist": (
        f"main refused {FILE} with 400: Only one sdist may be uploaded per release. The release has an sdist already. "
        "Publish a new version."
    ),
    "upload/400-local-version": (
        f"main refused {FILE} with 400: The use of local versions in '2.0.0+local' is not allowed. See "
        "https://packaging.python.org/en/latest/specifications/version-specifiers/#local-version-identifiers for more "
        f"information. {CORRECT}"
    ),
    "upload/400-sdist-name-not-normalised": (
        f"main refused {FILE} with 400: Filename 'SampleProject-2.0.0.tar.gz' is invalid, should be "
        f"'sampleproject-2.0.0.tar.gz'. {CORRECT}"
    ),
    "upload/400-wheel-name-mismatch": (
        f"main refused {FILE} with 400: Start filename for 'sampleproject' with 'sampleproject'. {CORRECT}"
    ),
    "upload/400-wheel-platform-tag": (
        f"main refused {FILE} with 400: Binary wheel 'sampleproject-2.0.0-cp312-cp312-linux_x86_64.whl' has an unsupported "
        f"platform tag 'linux_x86_64'. {CORRECT}"
    ),
    "upload/400-classifier-unknown": (
        f"main refused {FILE} with 400: 'Foo : : Bar' is not a valid classifier. {CORE}. Correct `classifiers` in "
        "[project] and build again; https://pypi.org/classifiers/ lists them."
    ),
    "upload/400-description-rst": (
        f"main refused {FILE} with 400: The description failed to render for 'text/x-rst'. See "
        "https://pypi.test/help/#description-content-type for more information. `twine check --strict` shows where the "
        "README cannot be rendered. Correct it and build again."
    ),
    "upload/400-direct-url-dependency": (
        f"main refused {FILE} with 400: Can't have direct dependency: a @ https://example.com/a.whl. {CORE}. {CORRECT}"
    ),
    "upload/400-license-and-license-expression": (
        f"main refused {FILE} with 400: License is deprecated when License-Expression is present. Only License-Expression "
        f"should be present. {CORE}. {CORRECT}"
    ),
    "upload/400-non-latin1-reason": (
        f"main refused {FILE} with 400: 'ünïcode-?' is not a valid email address: An email address must have an @-sign. "
        f"{CORE}. {CORRECT}"
    ),
    "upload/400-digest-mismatch": (
        f"main refused {FILE} with 400: The digest supplied does not match a digest calculated from the uploaded file. The "
        "file has changed on its way, or while it was read. Run the same command again."
    ),
    "upload/400-digest-missing": (
        f"main refused {FILE} with 400: Error: Include at least one message digest. {CORRECT}"
    ),
    "upload/308-no-trailing-slash": (
        f"main refused {FILE} with 308: An upload was attempted to /legacy but the expected upload URL is /legacy/ (with a "
        f"trailing slash). {NO_UPLOADS}"
    ),
    "upload/400-wheel-not-a-zip": (
        f"main refused {FILE} with 400: Invalid distribution file. File is not a zipfile. {CORRECT}"
    ),
    "upload/403-archived-project": (
        f"main refused {FILE} with 403: The given token isn't allowed to upload to project 'archived-project'. See "
        "https://pypi.test/help/#project-name for more information. The project may be archived or under quarantine: look "
        "at its page on the index."
    ),
    "upload/403-quarantined-project": (
        f"main refused {FILE} with 403: The given token isn't allowed to upload to project 'quarantined-project'. See "
        "https://pypi.test/help/#project-name for more information. The project may be archived or under quarantine: look "
        "at its page on the index."
    ),
    "upload/429-too-many-new-projects": (
        f"main refused {FILE} with 429: Too many new projects created. The index asks for fewer requests. Run the same "
        "command again in an hour."
    ),
    "upload/400-file-too-large": (
        f"main refused {FILE} with 400: File too large. Limit for project 'sampleproject' is 100 MB. See "
        "https://docs.pypi.org/project-management/storage-limits#requesting-a-file-size-limit-increase for more "
        "information. The index has a limit for a file's size, which its support may raise for a project."
    ),
    "upload-auth/403-none": READ_ONLY,
    "upload-auth/403-none/accept-any": READ_ONLY,
    "upload-auth/403-junk": READ_ONLY,
    "upload-auth/403-token-minted-while-read-only": READ_ONLY,
    "upload-auth/403-bad-signature": (
        f"main refused {FILE} with 403: Invalid API Token: signatures do not match. {NOT_TAKEN}"
    ),
    "upload-auth/403-username-password": (
        f"main refused {FILE} with 403: Username/Password authentication is no longer supported. Migrate to API Tokens or "
        "Trusted Publishers instead. See https://pypi.test/help/#apitoken and https://pypi.test/help/#trusted-publishers. "
        f"{NOT_TAKEN}"
    ),
    "upload-auth/403-wrong-project": FOREIGN,
    "upload-auth/403-wrong-project/accept-any": FOREIGN,
    "upload-auth/400-new-project": (
        f"main refused {FILE} with 400: Non-user identities cannot create new projects. This was probably caused by "
        "successfully using a pending publisher but specifying the project name incorrectly (either in the publisher or "
        "in your project's metadata). Please ensure that both match. See: https://docs.pypi.org/trusted-publishers/troubl…. "
        "The project does not exist under this name. A pending publisher creates the project that it names when it is "
        "first used: compare its project name with the name in pyproject.toml."
    ),
    "upload-auth/403-expired": (
        f"main refused {FILE} with 403: Invalid API Token: token is expired, token is expired. The upload token ran out. "
        "Run the same command again: what was uploaded is not sent again."
    ),
    "attestations/400-three": (
        f"main refused {FILE} with 400: Invalid attestations supplied during upload: A maximum of 2 attestations per file "
        f"are supported. {CORRECT}"
    ),
    "attestations/400-empty-list": (
        f"main refused {FILE} with 400: Invalid attestations supplied during upload: Malformed attestations: an empty "
        f"attestation set is not permitted. {CORRECT}"
    ),
    "attestations/400-not-json": (
        f"main refused {FILE} with 400: Invalid attestations supplied during upload: Malformed attestations: 1 validation "
        "error for list[Attestation] Invalid JSON: expected ident at line 1 column 2 [type=json_invalid, "
        "input_value='nope', input_type=str] For further information visit "
        f"https://errors.pydantic.dev/2.13/v/json_invalid. {CORRECT}"
    ),
    "concurrency/new-release-500": f"main refused {FILE} with 500: Internal Server Error. {AGAIN}",
    "concurrency/same-file-500": f"main refused {FILE} with 500: Internal Server Error. {AGAIN}",
    "split-hosts/upload-on-web-host": f"main refused {FILE} with 404: Not Found. {NO_UPLOADS}",
}
LISTINGS = {
    "read/simple-json-created-by-mint": {},
    "read/simple-json": SAMPLE,
    "read/simple-html": SAMPLE,
    "read/simple-404": {},
    "read/simple-archived": {
        "archived_project-1.0.0-py3-none-any.whl": "33d313dbb7adcf8099bf6a4a93b1d92837a70d9cbb943dd5da5468e7beb209b4"
    },
    "read/simple-quarantined": {},
    "split-hosts/simple-on-upload-host": {},
}
NOT_READ_HERE = {"read/json-release", "read/provenance", "read/provenance-404"}
"""Of parts of PyPI that are not asked."""


@pytest.fixture(name="wheel")
def _wheel(tmp_path: Path) -> Distribution:
    return Distribution.read(make_wheel(tmp_path), FILE)


def test_every_recording_is_read() -> None:
    """Each exchange that was recorded is in one of the tables, or said not to be."""
    assert ENTRIES.keys() == {*AUDIENCES, *MINTS, *UPLOADS, *LISTINGS, *NOT_READ_HERE}


@pytest.mark.parametrize("name", to("/_/oidc/audience"))
def test_recorded_audience(name: str) -> None:
    """What PyPI says of its audience is the audience, or an error."""
    try:
        outcome = protocol.read_audience(ENTRIES[name].reply, MAIN)
    except ExchangeError as error:
        outcome = str(error)

    assert AUDIENCES[name] == outcome


@pytest.mark.parametrize("name", to("/_/oidc/mint"))
def test_recorded_mint(name: str) -> None:
    """What PyPI says to an identity is a token with its end, or an error with its code and what to do."""
    reply, expected = ENTRIES[name].reply, MINTS[name]
    if isinstance(expected, str):
        code = re.search(r"refused the identity: (\S+)", expected)
        with pytest.raises(ExchangeError) as raised:
            protocol.read_mint(reply, MAIN, NOW)
        assert (expected, code[1] if code else "") == (str(raised.value), raised.value.code)
        return

    token = protocol.read_mint(reply, MAIN, NOW)

    assert (json.loads(reply.body)["token"], expected) == (token.secret.reveal(), token.expires)


@pytest.mark.parametrize("name", to("/legacy"))
def test_recorded_upload(name: str, wheel: Distribution) -> None:
    """What PyPI says to a file is: stored, the name is taken, or an error with what to do."""
    outcome: bool | str
    try:
        outcome = protocol.read_upload(ENTRIES[name].reply, wheel, MAIN)
    except UploadError as error:
        outcome = str(error)

    assert UPLOADS[name] == outcome


@pytest.mark.parametrize("name", to("/simple/"))
def test_recorded_listing(name: str) -> None:
    """What PyPI lists, in JSON and in HTML, is read."""
    listing = simple.read_listing(ENTRIES[name].reply, MAIN, "sampleproject")
    assert LISTINGS[name] == {filename: held.sha256 for filename, held in listing.items()}


@pytest.mark.parametrize(("name", "code", "said"), brief_refusals())
def test_recorded_refusal_in_brief(name: str, code: str, said: str) -> None:
    """Each further error that was recorded keeps its code, and its text is told on one line."""
    body = json.dumps({"message": "Token request failed", "errors": [{"code": code, "description": said}]})
    with pytest.raises(ExchangeError) as raised:
        protocol.read_mint(Reply(422, body.encode(), "application/json"), MAIN, NOW)

    first = " ".join(said.split())[:60]
    assert (code, True) == (
        raised.value.code,
        str(raised.value).startswith(f"main refused the identity: {code} ({first}"),
    )


@pytest.mark.parametrize(("name", "status", "reason"), brief_uploads())
def test_recorded_upload_in_brief(name: str, status: int, reason: str, wheel: Distribution) -> None:
    """Each further upload that was recorded is taken or refused as PyPI did, with its text."""
    reply = Reply(status, json.dumps({"code": f"{status} {reason}"}).encode(), "application/json")
    outcome = ""
    try:
        assert protocol.read_upload(reply, wheel, MAIN)
    except UploadError as error:
        outcome = str(error)

    expected = f"main refused {FILE} with {status}: {' '.join(reason.split())[:40]}".replace("::", ": :")
    assert expected[: len(outcome)] == outcome[: len(expected)]
    assert (status == 200) == (not outcome)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b'{"token": "t", "expires": 17}'), UploadToken(Secret("t"), 17.0), id="number"),
        pytest.param(Reply(200, b'{"token": "t", "expires": 1.5e3}'), UploadToken(Secret("t"), 1500.0), id="float"),
        pytest.param(Reply(200, b'{"token": "t"}'), UploadToken(Secret("t"), NOW + 900), id="PEP 807: no expires"),
    ],
)
def test_mint_expires(reply: Reply, expected: UploadToken) -> None:
    """A token ends when the index says so, else after 900 seconds."""
    token = protocol.read_mint(reply, MAIN, NOW)

    assert (expected.secret.reveal(), expected.expires) == (token.secret.reveal(), token.expires)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"success": true}', id="no token"),
        pytest.param(b'{"token": 17}', id="number"),
        pytest.param(b'{"token": ""}', id="blank"),
        pytest.param(b'{"token": "a b"}', id="space"),
        pytest.param(b'{"token": "a\\nb"}', id="line break"),
        pytest.param(b'{"token": "a\\nb\\n"}', id="line break at the end"),
        pytest.param(b'{"token": "\\u00fc"}', id="umlaut"),
        pytest.param(b'{"token": "\\u0000"}', id="NUL"),
        pytest.param(b'{"token": "' + b"x" * 16385 + b'"}', id="too long"),
        pytest.param(b'{"token": "t", "token": "u"}', id="twice"),
        pytest.param(b'{"token": "t", "expires": "soon"}', id="expires in words"),
        pytest.param(b'{"token": "t", "expires": null}', id="expires null"),
        pytest.param(b'{"token": "t", "expires": -1}', id="expires below zero"),
        pytest.param(b'{"token": "t", "expires": 1e999}', id="expires without end"),
        pytest.param(b'{"token": "t", "expires": 1' + b"0" * 400 + b"}", id="expires with 400 digits"),
    ],
)
def test_mint_without_a_usable_token(body: bytes) -> None:
    """A 200 whose token could not be sent, or could break out of a header, is an error."""
    with pytest.raises(ExchangeError) as raised:
        protocol.read_mint(Reply(200, body, "application/json"), MAIN, NOW)

    assert (f"main took the identity, but gave no usable upload token for it. {AGAIN}", "", None) == (
        str(raised.value),
        raised.value.code,
        raised.value.__context__,
    )


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(
            Reply(422, b'{"errors": []}', reason="Nope"), "answered 422 to the identity: Nope", id="no errors"
        ),
        pytest.param(Reply(422, b'{"errors": "x"}'), "answered 422 to the identity", id="errors a text"),
        pytest.param(
            Reply(422, b'{"errors": ["x"], "message": "m."}'), "answered 422 to the identity: m", id="errors of texts"
        ),
        pytest.param(
            Reply(422, b'{"errors": [{"code": 1, "description": "d"}]}'), "answered 422 to the identity", id="code 1"
        ),
        pytest.param(Reply(422, b'{"errors": [{"code": "c"}]}'), "answered 422 to the identity", id="no description"),
        pytest.param(
            Reply(422, b'{"errors": [{"code": "new-code", "description": "d."}]}'),
            "refused the identity: new-code (d)",
            id="unknown code",
        ),
        pytest.param(
            Reply(307, b"", reason="Temporary Redirect"),
            "answered 307 to the identity: Temporary Redirect",
            id="redirect",
        ),
        pytest.param(Reply(403, b'{"detail": "no"}'), "answered 403 to the identity: no", id="RFC 9457"),
    ],
)
def test_mint_refused_in_other_ways(reply: Reply, problem: str) -> None:
    """A refusal that is not PyPI's own form is told with its status and what there is of words."""
    with pytest.raises(ExchangeError) as raised:
        protocol.read_mint(reply, MAIN, NOW)

    assert f"main {problem}. {AGAIN}" == str(raised.value)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b'{"audience": "https://index.test/"}'), "https://index.test/", id="ok"),
        pytest.param(
            Reply(200, b'{"audience": ""}'), f"own was asked for its audience and gave none. {AGAIN}", id="blank"
        ),
        pytest.param(
            Reply(200, b'{"audience": ["pypi"]}'), f"own was asked for its audience and gave none. {AGAIN}", id="list"
        ),
        pytest.param(Reply(200, b"<html>"), f"own was asked for its audience and gave none. {AGAIN}", id="HTML"),
        pytest.param(Reply(500, b""), f"own was asked for its audience and answered 500. {AGAIN}", id="500"),
    ],
)
def test_read_audience(reply: Reply, expected: str) -> None:
    """An audience is a text that is not blank; all else is the index's fault."""
    try:
        outcome = protocol.read_audience(reply, OWN)
    except ExchangeError as error:
        outcome = str(error)

    assert expected == outcome


def _discovery(**changed: object) -> Reply:
    found = {
        "audience-endpoint": "https://index.test/a",
        "token-mint-endpoint": "https://index.test:8443/m",
        **changed,
    }
    return Reply(200, json.dumps(found).encode(), "application/vnd.pypi.pytp.v1+json")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(_discovery(), Endpoints("https://index.test/a", "https://index.test:8443/m"), id="both"),
        pytest.param(
            _discovery(features=["single-use-token"]),
            Endpoints("https://index.test/a", "https://index.test:8443/m", single_use=True),
            id="single use",
        ),
        pytest.param(
            _discovery(**{"default-features": ["single-use-token"], "features": ["x"]}),
            Endpoints("https://index.test/a", "https://index.test:8443/m", single_use=True),
            id="single use by default",
        ),
        pytest.param(
            _discovery(features=["single-use-token", "multi-use-token"]),
            Endpoints("https://index.test/a", "https://index.test:8443/m"),
            id="either use",
        ),
        pytest.param(Reply(404, b"", "text/html"), None, id="404"),
        pytest.param(Reply(403, b"{}", "application/problem+json"), None, id="403"),
        pytest.param(Reply(301, b"", "text/html", location="https://elsewhere/"), None, id="redirect"),
        pytest.param(Reply(200, b"<html>", "text/html"), None, id="a page for people"),
        pytest.param(Reply(200, b"", ""), None, id="nothing"),
    ],
)
def test_discovery(reply: Reply, expected: Endpoints | None) -> None:
    """PEP 807's answer is read; an index that does not speak it is asked by PyPI's paths."""
    assert expected == protocol.read_discovery(reply, OWN)


NOT_PEP_807 = f"own says where it exchanges identities, but not in the way of PEP 807. {AGAIN}"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(
            Reply(503, b""), f"own was asked where it exchanges identities and answered 503. {AGAIN}", id="503"
        ),
        pytest.param(
            Reply(408, b""), f"own was asked where it exchanges identities and answered 408. {AGAIN}", id="408"
        ),
        pytest.param(
            Reply(429, b""), f"own was asked where it exchanges identities and answered 429. {AGAIN}", id="429"
        ),
        pytest.param(Reply(200, b"[]", "application/json"), NOT_PEP_807, id="list"),
        pytest.param(Reply(200, b"{", "application/json"), NOT_PEP_807, id="no JSON"),
        pytest.param(_discovery(features="single-use-token"), NOT_PEP_807, id="features a text"),
        pytest.param(_discovery(features=[1]), NOT_PEP_807, id="features of numbers"),
        pytest.param(_discovery(**{"default-features": {}}), NOT_PEP_807, id="default features an object"),
    ],
)
def test_discovery_at_fault(reply: Reply, expected: str) -> None:
    """An index that speaks PEP 807 wrongly is told of, not guessed at."""
    with pytest.raises(ExchangeError) as raised:
        protocol.read_discovery(reply, OWN)

    assert expected == str(raised.value)


@pytest.mark.parametrize("key", ["audience-endpoint", "token-mint-endpoint"])
@pytest.mark.parametrize("url", [None, 7, "https://evil.test/x", "http://index.test/x", "//index.test/x"])
def test_discovery_of_foreign_endpoints(key: str, url: object) -> None:
    """An endpoint on another host, without TLS, or that is no URL, is refused."""
    with pytest.raises(TrustError):
        protocol.read_discovery(_discovery(**{key: url}), OWN)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        pytest.param(201, b"", True, id="201"),
        pytest.param(409, b"", False, id="409 of devpi and others"),
        pytest.param(400, b'{"detail": "File Already Exists."}', False, id="400 in other words"),
        pytest.param(403, b'{"detail": "file already exists"}', False, id="403 of another index"),
    ],
)
def test_upload_answers_of_other_indexes(status: int, body: bytes, expected: bool, wheel: Distribution) -> None:
    """Each 2xx is a success; a name that is taken is known by 409 or by the words."""
    assert expected == protocol.read_upload(Reply(status, body), wheel, OWN)


JSON_BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["audience", "token", "expires", "errors", "code", "description", "message", "features"])
            | st.sampled_from(["default-features", "audience-endpoint", "token-mint-endpoint", "title", "detail"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("read", "documented"),
    [
        pytest.param(lambda reply: protocol.read_audience(reply, OWN), {ExchangeError}, id="audience"),
        pytest.param(lambda reply: protocol.read_mint(reply, OWN, NOW), {ExchangeError}, id="mint"),
        pytest.param(lambda reply: protocol.read_discovery(reply, OWN), {ExchangeError, TrustError}, id="discovery"),
        pytest.param(lambda reply: protocol.read_upload(reply, UNREAD, OWN), {UploadError}, id="upload"),
        pytest.param(lambda reply: simple.read_listing(reply, OWN, "sample"), {IndexReadError}, id="listing"),
    ],
)
@given(
    st.sampled_from([200, 201, 301, 400, 404, 409, 422, 429, 500, 599]),
    st.binary(max_size=100) | JSON_BODIES.map(json.dumps).map(str.encode),
    st.sampled_from(["application/json", "application/vnd.pypi.pytp.v1+json", "text/plain", "text/html", ""]),
    st.text(max_size=10),
)
@settings(max_examples=150, deadline=None)
def test_any_reply_is_a_value_or_a_documented_error(
    read: Callable[[Reply], object],
    documented: set[type[Exception]],
    status: int,
    body: bytes,
    media_type: str,
    reason: str,
) -> None:
    """Whatever an index answers, each reader gives its value or one of its own errors, on one line."""
    told = None
    try:
        read(Reply(status, body, media_type, reason))
    except TrustedPublishError as error:
        told = error

    assert told is None or (type(told) in documented and str(told).isprintable())


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(
            protocol.ask_discovery(OWN),
            (
                "asking own where it exchanges identities",
                "https://index.test/.well-known/pytp?discover=%2Fx%2Flegacy%2F",
                4,
            ),
            id="discovery",
        ),
        pytest.param(
            protocol.ask_audience(MAIN, Endpoints("https://pypi.org/a", "https://pypi.org/m")),
            ("asking main for its audience", "https://pypi.org/a", 4),
            id="audience",
        ),
        pytest.param(
            protocol.ask_mint(MAIN, Endpoints("https://pypi.org/a", "https://pypi.org/m"), Secret("id")),
            ("exchanging the identity at main", "https://pypi.org/m", 4),
            id="mint",
        ),
        pytest.param(
            protocol.ask_burn(MAIN, "https://pypi.org/b", UploadToken(Secret("up"), 1)),
            ("burning the upload token at main", "https://pypi.org/b", 1),
            id="burn",
        ),
    ],
)
def test_small_requests(request_: Request, expected: tuple[str, str, int]) -> None:
    """What is asked, where, and how often."""
    assert expected == (request_.what, request_.url, request_.tries)


def test_discovery_asks_for_its_media_type() -> None:
    """PEP 807 has a media type of its own."""
    assert protocol.ask_discovery(OWN).accept == "application/vnd.pypi.pytp.v1+json"


# The form

HEADERS = {"classifiers": "Classifier", "project_urls": "Project-URL"}
OUR_OWN = {":action", "protocol_version", "filetype", "pyversion", "md5_digest", "sha256_digest", "blake2_256_digest"}
FULL = """\
Metadata-Version: 2.5
Name: Sample.Project
Version: 1.0
Dynamic: requires-dist
Dynamic: license-file
Platform: any
Platform: beos
Supported-Platform: linux-i386
Supported-Platform: win-amd64
Summary: A sample, "quoted" — and ünïcode
Description-Content-Type: text/markdown; charset=UTF-8; variant=GFM
Keywords: one,two words,three
Author: A. Author
Author-email: "A, Author" <author@example.com>, b@example.com
Maintainer: M. Maintainer
Maintainer-email: maint@example.com
License: MIT
License-Expression: MIT OR Apache-2.0
License-File: LICENSE
License-File: licenses/NOTICE
Classifier: Programming Language :: Python :: 3
Classifier: Operating System :: OS Independent
Requires-Dist: packaging>=24
Requires-Dist: pytest; extra == 'test'
Requires-Python: >=3.9
Requires-External: libpng (>=1.5)
Requires-External: C
Project-URL: Homepage, https://example.com/?a=1,2
Project-URL: Source, https://example.com/src
Provides-Extra: test
Provides-Extra: docs
Provides-Dist: other
Provides-Dist: another (1.0)
Obsoletes-Dist: older
Obsoletes-Dist: oldest (<1)
Home-page: https://example.com/
Download-URL: https://example.com/download
Requires: re
Requires: zlib (>1)
Provides: sample
Provides: sample.util
Obsoletes: gone
Obsoletes: long_gone
Import-Name: sample
Import-Name: sample.util ; private
Import-Namespace: samplens
Import-Namespace: samplens.deep

# Sample

Über "all", with a line that looks like --a boundary
and\ttabs.
"""
FULL_FORM = [
    ("metadata_version", "2.5"),
    ("name", "Sample.Project"),
    ("version", "1.0"),
    ("summary", 'A sample, "quoted" — and ünïcode'),
    ("description", '# Sample\n\nÜber "all", with a line that looks like --a boundary\nand\ttabs.\n'),
    ("description_content_type", "text/markdown; charset=UTF-8; variant=GFM"),
    ("keywords", "one,two words,three"),
    ("home_page", "https://example.com/"),
    ("download_url", "https://example.com/download"),
    ("author", "A. Author"),
    ("author_email", '"A, Author" <author@example.com>, b@example.com'),
    ("maintainer", "M. Maintainer"),
    ("maintainer_email", "maint@example.com"),
    ("license", "MIT"),
    ("license_expression", "MIT OR Apache-2.0"),
    ("license_file", "LICENSE"),
    ("license_file", "licenses/NOTICE"),
    ("classifiers", "Programming Language :: Python :: 3"),
    ("classifiers", "Operating System :: OS Independent"),
    ("platform", "any"),
    ("platform", "beos"),
    ("supported_platform", "linux-i386"),
    ("supported_platform", "win-amd64"),
    ("requires_python", ">=3.9"),
    ("requires_dist", "packaging>=24"),
    ("requires_dist", "pytest; extra == 'test'"),
    ("requires_external", "libpng (>=1.5)"),
    ("requires_external", "C"),
    ("provides_extra", "test"),
    ("provides_extra", "docs"),
    ("provides_dist", "other"),
    ("provides_dist", "another (1.0)"),
    ("obsoletes_dist", "older"),
    ("obsoletes_dist", "oldest (<1)"),
    ("requires", "re"),
    ("requires", "zlib (>1)"),
    ("provides", "sample"),
    ("provides", "sample.util"),
    ("obsoletes", "gone"),
    ("obsoletes", "long_gone"),
    ("project_urls", "Homepage, https://example.com/?a=1,2"),
    ("project_urls", "Source, https://example.com/src"),
    ("import_name", "sample"),
    ("import_name", "sample.util ; private"),
    ("import_namespace", "samplens"),
    ("import_namespace", "samplens.deep"),
    ("dynamic", "requires-dist"),
    ("dynamic", "license-file"),
]


def _built(
    kind: str, folder: Path, metadata: bytes, name: str = "sample-project", version: str = "1.0"
) -> Distribution:
    make = make_wheel if kind == "bdist_wheel" else make_sdist
    path = make(folder, name, version, metadata=metadata)
    return Distribution.read(path, path.name)


@pytest.mark.parametrize(("kind", "python"), [("bdist_wheel", "py3"), ("sdist", "source")])
def test_form_of_all_core_metadata(kind: str, python: str, tmp_path: Path) -> None:
    """Every field of core metadata up to version 2.5 is sent under the name that PyPI takes."""
    distribution = _built(kind, tmp_path, FULL.encode())

    assert sorted(
        [
            (":action", "file_upload"),
            ("protocol_version", "1"),
            ("filetype", kind),
            ("pyversion", python),
            *FULL_FORM,
        ]
    ) == sorted(protocol.form(distribution))
    assert distribution.content.known_sha256 is None


def test_all_core_metadata_leaves_no_field_out() -> None:
    """The table above has every field that could be sent."""
    assert {name for name, _ in FULL_FORM} == set(FORM_FIELDS.values())


@pytest.mark.parametrize("name", ["upload/ok-wheel", "upload/ok-sdist", "upload/ok-metadata-2.5-import-name"])
def test_form_is_the_recorded_one(name: str, tmp_path: Path) -> None:
    """A file with the metadata of a recorded upload is sent with the fields that PyPI took."""
    recorded = ENTRIES[name].form
    said = dict(recorded)
    fields = [
        f"{HEADERS.get(key, key.replace('_', '-'))}: {value}"
        for key, value in recorded
        if key not in {*OUR_OWN, "content", "metadata_version", "name", "version", "description"}
    ]
    metadata = core_metadata(
        said["name"], said["version"], fields, said["metadata_version"], said.get("description", "")
    )
    form = protocol.form(_built(said["filetype"], tmp_path, metadata, said["name"], said["version"]))

    behind = {"md5_digest", "sha256_digest", "blake2_256_digest", "content"}
    assert sorted((key, value) for key, value in recorded if key not in behind) == sorted(form)


@pytest.mark.parametrize("kind", ["bdist_wheel", "sdist"])
def test_multipart_body_is_read_by_another_parser(kind: str, tmp_path: Path) -> None:
    """A parser that nobody here wrote finds the fields and the file's bytes in a body of the length that is told.

    The digest of the file is the last of the fields.
    """
    distribution = _built(kind, tmp_path, FULL.encode())
    request = protocol.ask_upload(MAIN, distribution, UploadToken(Secret("pypi-t"), NOW))
    upload = request.upload
    assert upload is not None
    length = upload.length
    body = b"".join(upload.chunks())
    fields: list[tuple[str, str]] = []
    files: list[tuple[bytes | None, bytes | None, bytes]] = []

    def on_field(field: Field) -> None:
        assert field.field_name is not None
        fields.append((field.field_name.decode(), (field.value or b"").decode()))

    def on_file(file: File) -> None:
        file.file_object.seek(0)
        files.append((file.field_name, file.file_name, file.file_object.read()))

    parse_form(
        {
            "Content-Type": f"multipart/form-data; boundary={upload.boundary}".encode(),
            "Content-Length": str(length).encode(),
        },
        io.BytesIO(body),
        on_field,
        on_file,
    )

    assert (
        [*protocol.form(distribution), ("sha256_digest", hashlib.sha256(distribution.path.read_bytes()).hexdigest())],
        [(b"content", distribution.filename.encode(), distribution.path.read_bytes())],
    ) == (
        fields,
        files,
    )
    assert (
        len(body),
        f"uploading {distribution.filename} to main",
        "https://upload.pypi.org/legacy/",
        5,
        "application/json",
        "pypi-t",
    ) == (length, request.what, request.url, request.tries, request.accept, upload.token.reveal())


def test_each_upload_has_a_boundary_of_its_own(wheel: Distribution) -> None:
    """The boundary cannot be known when a file is made."""
    token = UploadToken(Secret("t"), NOW)
    uploads = [protocol.ask_upload(MAIN, wheel, token).upload for _ in range(2)]

    assert 2 == len({upload.boundary for upload in uploads if upload is not None})


def test_hosts_of_the_requests() -> None:
    """PyPI's exchange is on its web host, its uploads are on another."""
    assert ("pypi.org", "upload.pypi.org") == (urlsplit(MAIN.simple_url).hostname, urlsplit(MAIN.upload_url).hostname)


@pytest.mark.parametrize(
    ("reply", "ends_the_run", "token_expired"),
    [
        pytest.param(ENTRIES["upload/400-classifier-unknown"].reply, False, False, id="about the file"),
        pytest.param(ENTRIES["upload/400-second-sdist"].reply, False, False, id="about the sdist"),
        pytest.param(ENTRIES["upload/400-file-too-large"].reply, False, False, id="too large"),
        pytest.param(Reply(413, b""), False, False, id="too large for a proxy"),
        pytest.param(ENTRIES["upload/400-release-too-old"].reply, True, False, id="release closed"),
        pytest.param(ENTRIES["upload-auth/400-new-project"].reply, True, False, id="project of another name"),
        pytest.param(ENTRIES["upload-auth/403-wrong-project"].reply, True, False, id="token of another project"),
        pytest.param(ENTRIES["upload/403-archived-project"].reply, True, False, id="project archived"),
        pytest.param(ENTRIES["upload-auth/403-junk"].reply, True, False, id="token unknown"),
        pytest.param(ENTRIES["upload-auth/403-expired"].reply, True, True, id="token expired"),
        pytest.param(Reply(401, b"token is expired", "text/plain"), True, True, id="token expired, 401"),
        pytest.param(Reply(400, b"token is expired", "text/plain"), False, False, id="expired, of another status"),
        pytest.param(Reply(301, b""), True, False, id="redirect"),
        pytest.param(Reply(404, b""), True, False, id="not found"),
        pytest.param(Reply(422, b""), True, False, id="422"),
        pytest.param(Reply(429, b""), True, False, id="too many"),
        pytest.param(Reply(503, b""), True, False, id="down"),
    ],
)
def test_what_a_refusal_is_about(reply: Reply, ends_the_run: bool, token_expired: bool, wheel: Distribution) -> None:
    """A refusal says whether other files need not be tried, and whether another token would be taken."""
    with pytest.raises(UploadError) as raised:
        protocol.read_upload(reply, wheel, MAIN)

    assert (ends_the_run, token_expired) == (raised.value.ends_the_run, raised.value.token_expired)


SECRET = (Secret("sesame"),)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        pytest.param(
            lambda: protocol.read_mint(Reply(403, b"bad sesame", "text/plain", secrets=SECRET), OWN, NOW),
            f"own answered 403 to the identity: bad ***. {AGAIN}",
            id="mint",
        ),
        pytest.param(
            lambda: protocol.read_mint(
                Reply(422, b'{"errors": [{"code": "sesame", "description": "no sesame."}]}', secrets=SECRET), OWN, NOW
            ),
            f"own refused the identity: *** (no ***). {AGAIN}",
            id="mint, by its code",
        ),
        pytest.param(
            lambda: protocol.read_upload(Reply(400, b'{"code": "400 no sesame"}', secrets=SECRET), UNREAD, OWN),
            f"own refused dist/x-1-py3-none-any.whl with 400: no ***. {CORRECT}",
            id="upload",
        ),
    ],
)
def test_a_secret_that_is_repeated(read: Callable[[], object], expected: str) -> None:
    """An index that repeats a token in its refusal does not get it into a log."""
    with pytest.raises(TrustedPublishError) as raised:
        read()

    assert expected == str(raised.value)


@pytest.mark.parametrize(
    ("reply", "token_refused"),
    [
        pytest.param(ENTRIES["upload-auth/403-junk"].reply, True, id="token unknown"),
        pytest.param(ENTRIES["upload-auth/403-bad-signature"].reply, True, id="token forged"),
        pytest.param(ENTRIES["upload-auth/403-expired"].reply, True, id="token expired"),
        pytest.param(Reply(401, b""), True, id="401"),
        pytest.param(ENTRIES["upload-auth/403-wrong-project"].reply, False, id="token of another project"),
        pytest.param(ENTRIES["upload/403-archived-project"].reply, False, id="project archived"),
        pytest.param(ENTRIES["upload/400-classifier-unknown"].reply, False, id="about the file"),
    ],
)
def test_whether_a_refusal_is_of_the_token(reply: Reply, token_refused: bool, wheel: Distribution) -> None:
    """A token that the index does not know is told apart from one that is not good for this file."""
    with pytest.raises(UploadError) as raised:
        protocol.read_upload(reply, wheel, MAIN)

    assert token_refused == raised.value.token_refused
