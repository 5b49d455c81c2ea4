"""`POST /legacy/`: accept an upload or refuse it. The order of the checks is PyPI's."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from packaging.utils import canonicalize_name
from packaging.version import Version

from ..artifacts.filenames import dist_info
from ..artifacts.metadata import Fields
from ..artifacts.pypi import metadata
from ..artifacts.pypi.rules import LARGEST_FILE, file_refusals
from . import attestations, rules
from .answers import Answer
from .publishers import GitHub, GitLab
from .rules import bad
from .store import File, Project, Store, UploadToken

_OLDEST_RELEASE: Final = 14 * 24 * 60 * 60
_CHUNK: Final = 1 << 20
_NEW_PROJECT: Final = (
    "Non-user identities cannot create new projects. This was probably caused by successfully "
    "using a pending publisher but specifying the project name incorrectly (either in the "
    "publisher or in your project's metadata). Please ensure that both match. See: "
    "https://docs.pypi.org/trusted-publishers/troubleshooting/"
)
_PASSWORD: Final = Answer(
    403,
    "Username/Password authentication is no longer supported. Migrate to API Tokens or Trusted "
    "Publishers instead. See {site}/help/#apitoken and {site}/help/#trusted-publishers",
    detail="",
)


@dataclass(frozen=True, slots=True)
class Sent:
    """The file part of the form."""

    filename: str
    media_type: str | None
    content: BinaryIO


@dataclass(frozen=True, slots=True)
class Digests:
    """The size and the digests of a file."""

    size: int
    md5_digest: str
    sha256_digest: str
    blake2_256_digest: str

    @classmethod
    def of(cls, content: BinaryIO) -> Digests:
        """Compute all of them in one pass."""
        size = 0
        hashes = (
            hashlib.md5(usedforsecurity=False),
            hashlib.sha256(),
            hashlib.blake2b(digest_size=32),
        )
        content.seek(0)
        while chunk := content.read(_CHUNK):
            size += len(chunk)
            for each in hashes:
                each.update(chunk)
        return cls(size, *(each.hexdigest() for each in hashes))

    def differ(self, form: Fields) -> bool:
        """Return whether the form states another digest."""
        stated = {
            "md5_digest": self.md5_digest,
            "sha256_digest": self.sha256_digest,
            "blake2_256_digest": self.blake2_256_digest,
        }
        return any(name in stated and stated[name] != value.lower() for name, value in form)


def upload(store: Store, authorization: str | None, form: Fields, sent: Sent | None) -> Answer:
    """Accept the file, or return why not."""
    if refusal := rules.action(form):
        return refusal
    if refusal := rules.switched_off(store.switches, store.help("admin-intervention")):
        return refusal
    holder = _holder(store, authorization)
    if isinstance(holder, Answer):
        return holder
    if refusal := rules.form_fields(form):
        return refusal
    if sent is None:
        return bad("Upload payload does not have a file.")
    project = store.projects.get(canonicalize_name(dict(form)["name"]))
    if project is None:
        return bad(_NEW_PROJECT)
    if refusal := _permission(store, holder, project):
        return refusal
    if wrong := metadata.refusals(form):
        return bad(wrong[0].said.replace("https://pypi.org", store.site))
    if refusal := rules.file_name(sent.filename, sent.media_type):
        return refusal
    return _take(_Upload(store, project, holder[0], form, Version(dict(form)["version"]), sent))


def _holder(store: Store, authorization: str | None) -> tuple[UploadToken, bool] | Answer:
    """Return the upload token in the request's header, and whether its signature is right."""
    scheme, _, credentials = (authorization or "").partition(" ")
    user, password = "__token__", credentials
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            password = ""  # nosec B105 # it cannot be read
    if user != "__token__":
        return Answer(403, _PASSWORD.reason.format(site=store.site), _PASSWORD.detail)
    return store.token(password) or Answer(
        403,
        f"Invalid or non-existent authentication information. {store.help('invalid-auth')}",
    )


def _permission(store: Store, holder: tuple[UploadToken, bool], project: Project) -> Answer | None:
    """Refuse a token that may not upload to this project now."""
    token, signed = holder
    if not signed:
        return Answer(403, "Invalid API Token: signatures do not match")
    name = canonicalize_name(project.name)
    reasons = []
    if name not in token.projects:
        reasons = [
            f"OIDC scoped token is not valid for project {name!r}",
            f"project-scoped token is not valid for project: {name!r}",
        ]
    if token.expires <= store.clock():
        reasons.append("token is expired")
    if reasons:
        # PyPI says everything twice.
        return Answer(403, f"Invalid API Token: {', '.join(reasons * 2)}")
    if project.status != "active":
        return Answer(
            403,
            f"The given token isn't allowed to upload to project {project.name!r}. {store.help('project-name')}",
        )
    return None


@dataclass(frozen=True, slots=True)
class _Upload:
    """A file that may be added to the project."""

    store: Store
    project: Project
    token: UploadToken
    form: Fields
    version: Version
    sent: Sent


def _take(each: _Upload) -> Answer:
    sent, store = each.sent, each.store
    digests = Digests.of(sent.content)
    if digests.size > LARGEST_FILE:
        return bad(
            f"File too large. Limit for project {each.project.name!r} is {LARGEST_FILE >> 20} MB. See "
            "https://docs.pypi.org/project-management/storage-limits"
            "#requesting-a-file-size-limit-increase for more information."
        )
    if digests.differ(each.form):
        return bad("The digest supplied does not match a digest calculated from the uploaded file.")
    if (known := _known(each, digests)) is not None:
        return known
    if refusal := _release(each):
        return refusal
    if wrong := next(file_refusals(sent.filename, sent.content, each.form, each.project.name), None):
        return bad(wrong.said)
    attested: list[attestations.Attestation] = []
    for name, value in each.form:
        if name == "attestations":
            read = attestations.read(value, each.token.publisher)
            if isinstance(read, str):
                return bad(read)
            if forgery := _forgery(each, read, digests.sha256_digest):
                return bad(forgery)
            attested = read
    file = File(
        sent.filename,
        each.version,
        digests.size,
        digests.sha256_digest,
        digests.blake2_256_digest,
        digests.md5_digest,
        store.clock(),
        dict(each.form).get("requires_python"),
        _wheel_metadata(sent),
        tuple(attested),
        each.token.publisher,
    )
    store.keep(each.project, file, sent.content)
    return Answer(200)


def _forgery(each: _Upload, attested: Sequence[attestations.Attestation], digest: str) -> str | None:
    publisher = each.token.publisher
    if not each.store.trust_config or not isinstance(publisher, GitHub | GitLab):
        return None
    return attestations.forged(attested, publisher, (each.sent.filename, digest), each.store.trust_config)


def _wheel_metadata(sent: Sent) -> bytes | None:
    """Return what PyPI offers for download next to a wheel."""
    if not sent.filename.endswith(".whl"):
        return None
    with zipfile.ZipFile(sent.content) as archive:
        return archive.read(f"{dist_info(sent.filename)}/METADATA")


def _known(each: _Upload, digests: Digests) -> Answer | None:
    """Return the reply to a file whose name or content the index has or had."""
    filename, blake2 = each.sent.filename, digests.blake2_256_digest
    for file in each.store.files():
        if (file.filename, file.blake2) == (filename, blake2):
            # An upload whose reply was lost can be repeated.
            return Answer(200)
        if file.filename == filename or file.blake2 == blake2:
            return bad(
                f"File already exists ({filename!r}, with blake2_256 hash {blake2!r}). "
                f"{each.store.help('file-name-reuse')}"
            )
    if filename in each.store.burnt:
        return bad(
            "This filename was previously used by a file that has since been deleted. Use a "
            f"different version. {each.store.help('file-name-reuse')}"
        )
    return None


def _release(each: _Upload) -> Answer | None:
    """Refuse one file too many for the release."""
    version, project = each.version, each.project
    sdists = [file for file in project.files.values() if file.version == version and not file.filename.endswith(".whl")]
    if sdists and not each.sent.filename.endswith(".whl"):
        return bad("Only one sdist may be uploaded per release.")
    now = each.store.clock()
    if now - project.releases.get(version, now) > _OLDEST_RELEASE:
        return bad("Uploading new files to releases older than 14 days is not allowed.")
    return None
