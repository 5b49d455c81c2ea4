"""Uploads: the request, and the meaning of each recorded reply of PyPI."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from python_multipart.multipart import Field, File, parse_form

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.artifacts.metadata import FORM_FIELDS
from hatch_trusted_publish.errors import Message, UploadError
from hatch_trusted_publish.http.messages import Reply
from hatch_trusted_publish.index import upload_api as protocol
from hatch_trusted_publish.index.endpoints import Repository, find_index
from hatch_trusted_publish.index.mint_api import UploadToken
from hatch_trusted_publish.secret import Secret
from tests.support.helpers import a_distribution, core_metadata, make_sdist, make_wheel
from tests.support.recordings import ENTRIES, brief_uploads, to

MAIN = find_index(Repository("main", "https://upload.pypi.org/legacy/"))
OWN = find_index(Repository("own", "https://index.test/x/legacy/"))
NOW = 1_000_000.0
FILE = "dist/sample-1.0-py3-none-any.whl"
UNREAD = a_distribution("sample-1.0-py3-none-any.whl")
"""A distribution without a file: the index's replies do not depend on it."""

RECORDED = {
    "upload/ok-": "stored",
    "upload/identical-": "stored",
    "upload/400-same-": "taken",
    "upload/403-read-only": "uploads-disabled run",
    "upload/403-new-uploads-disabled": "uploads-disabled run",
    "upload/403-archived-project": "project-closed run",
    "upload/403-quarantined-project": "project-closed run",
    "upload/400-filename-previously-used": "name-used-before file",
    "upload/400-release-too-old": "release-closed run",
    "upload/400-second-sdist": "second-sdist file",
    "upload/400-digest-mismatch": "digest-mismatch file",
    "upload/400-description-rst": "bad-description run",
    "upload/400-description-no-content-type": "bad-description run",
    "upload/400-classifier-": "bad-classifier run",
    "upload/400-import-name-too-early": "old-metadata run",
    "upload/400-license-expression-too-early": "old-metadata run",
    "upload/400-file-too-large": "file-too-large file",
    "upload/400-name-prohibited": "project-name-refused run",
    "upload/400-name-too-similar": "project-name-refused run",
    "upload/429-too-many-new-projects": "too-many-requests run",
    "upload/308-no-trailing-slash": "index-failed run",
    "upload/405-no-action": "index-failed run",
    "upload/410-action-submit": "index-failed run",
    "upload-auth/400-new-project": "no-such-project project",
    "upload-auth/403-wrong-project": "wrong-project project",
    "upload-auth/403-expired-wrong-project": "wrong-project project",
    "upload-auth/403-expired": "token-expired token",
    "upload-auth/403-bad-signature": "token-refused token",
    "upload-auth/403-none": "token-unknown token",
    "upload-auth/403-junk": "token-unknown token",
    "upload-auth/403-token-minted-while-read-only": "token-unknown token",
    "upload-auth/403-username": "upload-forbidden run",
    "upload-auth/403-api-token-wrong-project": "upload-forbidden run",
    "upload-auth/403-user-no-role": "project-closed run",
    "upload-auth/403-user-without-2fa": "upload-forbidden run",
    "upload-auth/ok-": "stored",
    "attestations/ok-": "stored",
    "attestations/400-": "bad-attestations run",
    "concurrency/new-release-ok": "stored",
    "concurrency/": "index-failed run",
    "split-hosts/upload-on-web-host": "index-failed run",
    "split-hosts/upload-on-upload-host": "stored",
    # Its reason is about this file alone.
    "upload/400-invalid-version": "bad-metadata run",
    "upload/400-local-version": "bad-metadata run",
}
"""The meaning of each recorded upload, by the longest prefix of its id."""


def meaning(reply: Reply) -> str:
    """Return how a reply of PyPI is read: the result, or the code of the rejection and its scope."""
    try:
        return protocol.read_upload(reply, UNREAD, MAIN)
    except UploadError as error:
        return f"{error.message.code} {error.scope}"


def expected_meaning(name: str, said: str) -> str:
    beginnings = [start for start in RECORDED if name.startswith(start)]
    if beginnings:
        return RECORDED[max(beginnings, key=len)]
    return "bad-metadata run" if "specifications/core-metadata" in said else "file-refused file"


def test_recorded_uploads() -> None:
    """Each recorded reply to an upload means: stored, the name is taken, or rejected with a code and a scope."""
    replies = {name: ENTRIES[name].reply for name in to("/legacy")} | {
        name: Reply(status, json.dumps({"code": f"{status} {reason}"}).encode(), "application/json")
        for name, status, reason in brief_uploads()
    }
    assert {name: expected_meaning(name, reply.body.decode()) for name, reply in replies.items()} == {
        name: meaning(reply) for name, reply in replies.items()
    }
    used = {max((start for start in RECORDED if name.startswith(start)), key=len, default="") for name in replies}
    assert set() == RECORDED.keys() - used


SIZE = "Project size too large. Limit for project 'sample' total size is 10 GB. See https://docs.pypi.org/"
INACTIVE = (
    "Organization account owning this project is inactive. This may be due to inactive billing for Company "
    "Organizations, or administrator intervention for Community Organizations."
)
UNKNOWN = (
    "Invalid attestations supplied during upload: Unknown error while trying to verify included attestations: "
    "Failed to refresh TUF metadata"
)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(400, b"", reason=SIZE), "project-too-large run", id="project, not file"),
        pytest.param(Reply(400, b"", reason=INACTIVE), "inactive-organization run", id="organization"),
        pytest.param(Reply(400, b"", reason=UNKNOWN), "attestations-not-verified run", id="PyPI and Sigstore"),
        pytest.param(Reply(401, b"token is expired", "text/plain"), "token-expired token", id="expired, 401"),
        pytest.param(Reply(400, b"token is expired", "text/plain"), "file-refused file", id="expired, 400"),
        pytest.param(Reply(401, b""), "token-refused token", id="401"),
        pytest.param(Reply(403, b""), "upload-forbidden run", id="403"),
        pytest.param(Reply(404, b""), "index-failed run", id="404, whose URL cannot be corrected"),
        pytest.param(Reply(408, b""), "index-failed run", id="408"),
        pytest.param(Reply(413, b""), "file-too-large file", id="413"),
        pytest.param(Reply(422, b""), "upload-refused run", id="422"),
        pytest.param(Reply(503, b""), "index-failed run", id="503"),
        pytest.param(Reply(201, b""), "unclear", id="201 is not PyPI's"),
        pytest.param(Reply(202, b""), "unclear", id="202"),
    ],
)
def test_other_replies(reply: Reply, expected: str) -> None:
    """A reply without a recording is classified by its words, else by its status."""
    assert expected == meaning(reply)


def test_refusal() -> None:
    """A rejection has the file, the index, and the index's own words."""
    with pytest.raises(UploadError) as caught:
        protocol.read_upload(Reply(400, b'{"code": "400 No."}'), UNREAD, MAIN)
    facts = {"file": FILE, "index": "PyPI"}
    reason = Message("refused-upload", **facts, status=400, said="No")
    expected = Message("file-refused", **facts, reason=reason, page="https://status.python.org")
    assert expected == caught.value.message


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        pytest.param(Reply(200, b""), "stored", id="200"),
        pytest.param(Reply(201, b"{}", "application/json"), "stored", id="201"),
        pytest.param(Reply(200, b"", "text/html"), "stored", id="empty, called HTML by pypiserver"),
        pytest.param(Reply(200, b"<html>Log in", "text/html"), "unclear", id="login page"),
        pytest.param(Reply(201, b"<html/>", "application/xhtml+xml"), "unclear", id="XHTML"),
        pytest.param(Reply(202, b""), "unclear", id="202"),
        pytest.param(Reply(204, b""), "unclear", id="204"),
        pytest.param(Reply(409, b""), "taken", id="409 of devpi and others"),
        pytest.param(Reply(400, b'{"detail": "File Already Exists."}'), "taken", id="400 in other words"),
        pytest.param(Reply(403, b'{"detail": "file already exists"}'), "taken", id="403"),
    ],
)
def test_other_indexes(reply: Reply, expected: str) -> None:
    """A 200 or 201 that is not a web page is a success; a taken name is recognized by 409 or by the words."""
    assert expected == protocol.read_upload(reply, UNREAD, OWN)


@pytest.mark.parametrize("status", [101, 301, 308, 404, 405, 410])
def test_a_url_that_accepts_no_uploads(status: int) -> None:
    """On any index except PyPI, the upload URL may be wrong."""
    with pytest.raises(UploadError) as caught:
        protocol.read_upload(Reply(status, b""), UNREAD, OWN)
    assert ("no-uploads-here", "run") == (caught.value.message.code, caught.value.scope)


@pytest.fixture(name="wheel")
def _wheel(tmp_path: Path) -> Distribution:
    return Distribution.read(make_wheel(tmp_path), FILE)


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
    kind: str, directory: Path, metadata: bytes, name: str = "sample-project", version: str = "1.0"
) -> Distribution:
    make = make_wheel if kind == "bdist_wheel" else make_sdist
    path = make(directory, name, version, metadata=metadata)
    return Distribution.read(path, path.name)


@pytest.mark.parametrize(("kind", "python"), [("bdist_wheel", "py3"), ("sdist", "source")])
def test_form_of_all_core_metadata(kind: str, python: str, tmp_path: Path) -> None:
    """Every field of core metadata up to version 2.5 is sent under PyPI's name for it."""
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
    """A file with the metadata of a recorded upload is sent with the fields that PyPI accepted."""
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
    """An independent parser finds the fields and the file's bytes, in a body of the declared length.

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
        Message("uploading", file=distribution.shown, index="PyPI"),
        "https://upload.pypi.org/legacy/",
        5,
        "application/json",
        "pypi-t",
    ) == (
        length,
        request.purpose,
        request.url,
        request.tries,
        request.accept,
        request.basic.reveal() if request.basic else "",
    )


def test_each_upload_has_a_boundary_of_its_own(wheel: Distribution) -> None:
    """The boundary cannot be predicted when a file is made."""
    token = UploadToken(Secret("t"), NOW)
    uploads = [protocol.ask_upload(MAIN, wheel, token).upload for _ in range(2)]

    assert 2 == len({upload.boundary for upload in uploads if upload is not None})


def test_hosts_of_the_requests() -> None:
    """PyPI's exchange is on its web host, its uploads are on another."""
    assert ("pypi.org", "upload.pypi.org") == (urlsplit(MAIN.simple_url).hostname, urlsplit(MAIN.upload_url).hostname)
