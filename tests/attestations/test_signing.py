"""Which files of a run get attestations, which are uploaded without, and which are not uploaded."""

from __future__ import annotations

import base64
import json
import threading
from functools import partial
from pathlib import Path

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.files import Attestations, field
from hatch_trusted_publish.attestations.signer import REKOR
from hatch_trusted_publish.attestations.signing import Signing, reusable_workflow
from hatch_trusted_publish.errors import AttestationError, IdentityError, Message, TrustedPublishError
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity.ambient import Ambient, detect
from hatch_trusted_publish.index.endpoints import Index, Repository
from hatch_trusted_publish.rehearsal.authority import LOG
from hatch_trusted_publish.settings.options import Settings
from tests.e2e.world import identity_token
from tests.support.events import Recorder
from tests.support.helpers import make_sdist, make_wheel
from tests.support.scripted import Answer, Scripted
from tests.support.sigstores import Sigstore

pytestmark = pytest.mark.usefixtures("quiet")

NOT_ACCEPTED = Message("attestations-not-accepted", index="own")
FOREIGN = Message("attestations-from-elsewhere", ci="Some CI")
REFUSED = Message("signing-refused", service=REKOR, status=400, said="")
GITHUB = Ambient("GitHub Actions", partial(identity_token, "github"), attests=True)
OTHER = Ambient("Some CI", partial(identity_token, "github"))
NO_SERVICE = Client(Certificates(), 1.0, "tests/1.0")
GITLAB = detect({"GITLAB_CI": "true"}, None, NO_SERVICE, 1.0)


@pytest.fixture
def files(tmp_path: Path) -> list[Distribution]:
    """A wheel and an sdist."""
    paths = [make_wheel(tmp_path / "dist"), make_sdist(tmp_path / "dist")]
    return [Distribution.read(path, f"dist/{path.name}") for path in paths]


def an_index(trust_config: str | None = None, *, takes: bool = True, name: str = "own") -> Index:
    url = "http://127.0.0.1/"
    return Index(name, f"{url}legacy/", f"{url}simple/", attestations=takes, trust_config=trust_config)


def the_settings(value: object, dry_run: object = "no") -> Settings:
    return Settings(Repository("own", ""), attestations=value, dry_run=dry_run)  # type: ignore[arg-type]


def attestation_of(file: Distribution) -> Path:
    return file.path.with_name(f"{file.filename}.publish.attestation")


def as_fields(found: Attestations) -> dict[str, str]:
    """Return the form fields."""
    return {name: field([*texts.values()]) for name, texts in found.items()}


def signed(
    files: list[Distribution], value: object = True, events: Recorder | None = None, name: str = "rehearsal"
) -> dict[str, str]:
    """Return the fields of *files* if signing succeeds; by default nothing is kept."""
    sigstore, events = Sigstore(), events or Recorder()
    with Scripted(sigstore) as server:
        signing = Signing(the_settings(value), an_index(sigstore.trust_config(server.url), name=name), files, events)
        signing.require(lambda: GITHUB)
        assert [] == signing.problems
        return as_fields(signing.attest(GITHUB, files))


def counts(made: int, found: int) -> Message:
    return Message("attestations", made=made, found=found)


def not_signed(files: list[Distribution], reason: Message) -> Message:
    return Message("not-signed", files=[one.shown for one in files], reason=reason)


@pytest.mark.parametrize("name", ["own", "rehearsal"])
@pytest.mark.parametrize("value", ["auto", True])
def test_signed(files: list[Distribution], value: object, name: str, events: Recorder) -> None:
    """All files are signed, and tokens are masked; new attestations are kept, except those of a rehearsal."""
    fields = signed(files, value, events, name)

    assert {one.filename: 1 for one in files} == {name: len(json.loads(text)) for name, text in fields.items()}
    assert ([counts(2, 0)], []) == (events.notes, events.warnings)
    assert (2 if value is True else 1) == len(events.masked)
    kept = [f"[{attestation_of(one).read_text('utf-8').strip()}]" for one in files if attestation_of(one).exists()]
    assert ([] if name == "rehearsal" else list(fields.values())) == kept
    assert len(files) + len(kept) == len(list(files[0].path.parent.iterdir()))


def test_a_directory_that_cannot_be_written_to(files: list[Distribution], events: Recorder) -> None:
    """An attestation that cannot be kept, here because its path is a directory, is still uploaded."""
    attestation_of(files[0]).mkdir()
    settings, index = the_settings("auto"), an_index(name="own")
    signing = Signing(settings, index, files, events)
    signing._keep("x", files[0])

    expected = Message("attestation-not-written", file=files[0].shown, said="Not a regular file")
    assert [expected] == events.warnings


def test_refused_by_the_index(files: list[Distribution], events: Recorder) -> None:
    """An attestation that the index rejected is not kept for the next run, unless it existed before this one."""
    text = json.loads(signed(files)[files[0].filename])[0]
    attestation_of(files[0]).write_text(json.dumps(text), "utf-8")
    sigstore = Sigstore()
    with Scripted(sigstore) as server:
        signing = Signing(the_settings("auto"), an_index(sigstore.trust_config(server.url)), files, events)
        signing.attest(GITHUB, files)
    before = [attestation_of(one).exists() for one in files]
    signing.discard()

    assert ([True, True], [True, False]) == (before, [attestation_of(one).exists() for one in files])


def test_existing_attestations(files: list[Distribution], events: Recorder) -> None:
    """An existing publish attestation is uploaded, and only the other file is signed."""
    first = json.loads(signed(files)[files[0].filename])[0]
    attestation_of(files[0]).write_text(json.dumps(first), "utf-8")
    fields = signed(files, "auto", events)

    assert [counts(1, 1)] == events.notes
    assert [first] == json.loads(fields[files[0].filename])


def test_all_files_are_signed(files: list[Distribution], events: Recorder) -> None:
    """If every file is signed already, no token is needed, even with `attestations = true`."""
    for one, text in zip(files, signed(files).values(), strict=True):
        attestation_of(one).write_text(json.dumps(json.loads(text)[0]), "utf-8")
    for value in (True, "auto"):
        signing = Signing(the_settings(value), an_index(), files, events)
        signing.require(lambda: GITLAB)
        fields = as_fields(signing.attest(GITLAB, files))
        assert ([], [1, 1]) == (signing.problems, [len(json.loads(text)) for text in fields.values()])

    assert Recorder(notes=[counts(0, 2)] * 2) == events


@pytest.mark.parametrize(
    ("index", "ci", "reason"),
    [(an_index(takes=False), GITHUB, NOT_ACCEPTED), (an_index(), OTHER, FOREIGN)],
    ids=["index", "CI"],
)
def test_why_not(files: list[Distribution], index: Index, ci: Ambient, reason: Message, events: Recorder) -> None:
    """If you cannot fix the reason, one line reports it; existing attestations are not uploaded either."""
    text = signed(files)[files[0].filename]
    attestation_of(files[0]).write_text(json.dumps(json.loads(text)[0]), "utf-8")
    signing = Signing(the_settings("auto"), index, files, events)
    signing.require(lambda: ci)

    assert ({}, []) == (signing.attest(ci, files), signing.problems)
    assert Recorder(notes=[Message("no-attestations", reason=reason)]) == events


@pytest.mark.parametrize("dry_run", ["yes", "mint"])
def test_dry_run(files: list[Distribution], dry_run: str, events: Recorder) -> None:
    """Files that are not uploaded are not signed: the log of all signatures is permanent."""
    fields = as_fields(Signing(the_settings(True, dry_run), an_index("{}"), files, events).attest(GITHUB, files))

    assert ({}, Recorder()) == (fields, events)


def test_off(files: list[Distribution], events: Recorder) -> None:
    """With `false` nothing is read, signed or reported."""
    attestation_of(files[0]).write_bytes(b"not an attestation")
    signing = Signing(the_settings(False), an_index(), files, events)
    signing.require(lambda: OTHER)

    assert ([], {}, Recorder()) == (signing.problems, signing.attest(OTHER, files), events)


# A reusable workflow

STARTED, CALLED = "octo-org/sample/.github/workflows/release.yml", "octo-org/sample/.github/workflows/publish.yml"
REUSED = Message("reusable-workflow", called=CALLED, workflow=STARTED)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param({"workflow_ref": f"{STARTED}@x", "job_workflow_ref": f"{CALLED}@x"}, REUSED, id="reusable"),
        pytest.param({"workflow_ref": f"{STARTED}@x", "job_workflow_ref": f"{STARTED}@y"}, None, id="the same"),
        pytest.param({"ci_config_ref_uri": "x"}, None, id="not GitHub"),
        pytest.param({"workflow_ref": 5, "job_workflow_ref": None}, None, id="malformed"),
    ],
)
def test_reusable_workflow(claims: dict[str, object], expected: Message | None) -> None:
    """PyPI mints for the called workflow, but verifies the one that was started."""
    assert expected == reusable_workflow(claims)


def in_reusable_workflow(audience: str) -> str:
    claims = {"aud": audience, "workflow_ref": f"{STARTED}@x", "job_workflow_ref": f"{CALLED}@x"}
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


def test_a_reusable_workflow_does_not_sign(files: list[Distribution], events: Recorder) -> None:
    """With `auto` the reason is reported, and Sigstore is not contacted; with `true` the run ends first."""
    ci = Ambient("GitHub Actions", in_reusable_workflow, attests=True)
    Signing(the_settings("auto"), an_index("{}"), files, events).attest(ci, files)
    with pytest.raises(AttestationError) as raised:
        Signing(the_settings(True), an_index("{}"), files, events).require(lambda: ci)

    assert [not_signed(files, REUSED)] == events.warnings
    assert Message("attestations-required", reason=REUSED) == raised.value.message
    assert [in_reusable_workflow("sigstore")] * 2 == events.masked


# With `attestations = true`


def test_problems_with_true(files: list[Distribution], events: Recorder) -> None:
    """Missing requirements are problems of the plan, next to those of the files."""
    files[0].path.with_name("x.attestation").touch()
    accepts, refuses = (
        Signing(the_settings(True), an_index(takes=takes), files, events).problems for takes in (True, False)
    )

    assert ["unusable-attestation"] == [one.code for one in accepts]
    assert [Message("attestations-required", reason=NOT_ACCEPTED)] == refuses


@pytest.mark.parametrize(("ci", "kind"), [(OTHER, AttestationError), (GITLAB, IdentityError)], ids=["CI", "variable"])
def test_requirements(
    files: list[Distribution], ci: Ambient, kind: type[TrustedPublishError], events: Recorder
) -> None:
    """A CI that cannot sign ends the run before any request; a dry run, which needs no CI, does not check this."""
    with pytest.raises(kind) as raised:
        Signing(the_settings(True), an_index(), files, events).require(lambda: ci)
    if kind is AttestationError:
        assert Message("attestations-required", reason=FOREIGN) == raised.value.message

    Signing(the_settings(True, "yes"), an_index(), files, events).require(lambda: ci)
    Signing(the_settings("auto"), an_index(), files, events).require(lambda: ci)


# Failures


@pytest.mark.parametrize("must", [False, True], ids=["auto", "true"])
def test_a_failure(files: list[Distribution], must: bool, events: Recorder) -> None:
    """If signing fails, the files are uploaded without, and a warning says so; with `true` they are not uploaded."""
    sigstore = Sigstore({LOG: Answer(400)})
    with Scripted(sigstore) as server:
        signing = Signing(the_settings(must or "auto"), an_index(sigstore.trust_config(server.url)), files, events)
        if must:
            with pytest.raises(AttestationError) as raised:
                signing.attest(GITHUB, files)
            assert (Message("signing-failed", reason=REFUSED), []) == (raised.value.message, events.warnings)
            return
        fields = as_fields(signing.attest(GITHUB, files))

    assert (dict.fromkeys(fields, ""), [not_signed(files, REFUSED)], []) == (fields, events.warnings, events.notes)


def test_half_a_failure(files: list[Distribution], events: Recorder) -> None:
    """A file that was signed keeps its attestation when another could not be."""
    sigstore = Sigstore()
    entries = iter([False, True])
    with Scripted(lambda asked: Answer(400) if asked.target == LOG and next(entries) else sigstore(asked)) as server:
        signing = Signing(the_settings("auto"), an_index(sigstore.trust_config(server.url)), files, events)
        fields = as_fields(signing.attest(GITHUB, files))

    assert ([not_signed(files[1:], REFUSED)], [counts(1, 0)]) == (events.warnings, events.notes)
    assert (1, "") == (len(json.loads(fields[files[0].filename])), fields[files[1].filename])


@pytest.mark.parametrize("must", [False, True], ids=["auto", "true"])
def test_no_identity(files: list[Distribution], must: bool, events: Recorder) -> None:
    """Without a token to sign with, the CI's error is reported in either case."""
    signing = Signing(the_settings(must or "auto"), an_index(), files, events)
    with pytest.raises(IdentityError) as raised:
        GITLAB.fetch("sigstore")
    if must:
        with pytest.raises(IdentityError):
            signing.attest(GITLAB, files)
        return
    signing.attest(GITLAB, files)

    assert [not_signed(files, raised.value.message)] == events.warnings


def test_the_bound(files: list[Distribution], events: Recorder) -> None:
    """Each step has its time limit, whatever hangs."""
    answer = threading.Event()
    ci = Ambient("GitHub Actions", lambda _: str(answer.wait(30)), attests=True)
    Signing(the_settings("auto"), an_index("{}"), files, events, seconds=0.1).attest(ci, files)
    answer.set()

    late = Message("signing-too-slow", service="GitHub Actions")
    assert [not_signed(files, late)] == events.warnings


@pytest.mark.parametrize("audience", ["sigstore", "pypi"])
def test_a_token_for_another_service(files: list[Distribution], audience: str, events: Recorder) -> None:
    """A token for another service is not sent to Sigstore; GitLab's variable is named after the audience."""
    ci = detect({"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": identity_token("gitlab", audience)}, None, NO_SERVICE, 1.0)
    signing = Signing(the_settings(True), an_index(), files, events)
    if audience == "sigstore":
        signing.require(lambda: ci)
        return
    with pytest.raises(IdentityError):
        signing.require(lambda: ci)


def test_digests_are_not_computed_twice(files: list[Distribution]) -> None:
    """A file that was read for signing is not hashed again for the upload."""
    assert [None, None] == [one.content.known_sha256 for one in files]
    signed(files)
    known = [one.content.known_sha256 for one in files]

    assert None not in known
    assert [list(one.content.chunks()) and one.content.known_sha256 for one in files] == known
