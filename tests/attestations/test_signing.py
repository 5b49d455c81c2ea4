"""Which files of a run get attestations, which go without, and which do not go at all."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import stamina
from stamina.instrumentation import set_on_retry_hooks

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.attestations.files import Attestations, field
from hatch_trusted_publish.attestations.signing import Signing
from hatch_trusted_publish.errors import AttestationError, IdentityError, TrustedPublishError
from hatch_trusted_publish.identity.ambient import Ambient, detect
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.rehearsal.authority import LOG
from hatch_trusted_publish.secret import Secret
from hatch_trusted_publish.settings.options import Settings
from tests.e2e.world import identity_token
from tests.support.helpers import make_sdist, make_wheel
from tests.support.scripted import Answer, Scripted
from tests.support.sigstores import Sigstore

INSTALL = (
    "the extra `attestations` is not installed; install it where Hatch is: `pip install "
    "'hatch-trusted-publish[attestations]'`, or `pipx inject hatch 'hatch-trusted-publish[attestations]'`"
)
NOT_TAKEN = (
    "own is not known to take them; if it does, say `attestations = true` in its table in "
    "`tool.hatch.publish.trusted.repos`"
)
FOREIGN = "PyPI takes attestations from GitHub, GitLab and Google Cloud, and not from Some CI"
MUST = (
    "So the files could not be signed, and with `attestations = true` none was uploaded. Run the same command again, or "
    "release without attestations by `-o attestations=false`."
)
REFUSED = "Rekor, the log of all signatures, answered 400."
WITHOUT = (
    "NOT SIGNED, and uploaded without an attestation of this run: {}. An index takes none later; `attestations = true` "
    "stops the run instead. {}"
)
YAML = (
    "GitLab gave this job no identity token to sign the files with: SIGSTORE_ID_TOKEN is not set. Add to the job in "
    ".gitlab-ci.yml:\n\n  id_tokens:\n    SIGSTORE_ID_TOKEN:\n      aud: sigstore\n"
)
GITHUB = Ambient("GitHub Actions", True, partial(identity_token, "github"), True)
OTHER = Ambient("Some CI", True, partial(identity_token, "github"))
GITLAB = detect({"GITLAB_CI": "true"}, None, 1.0)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No proxy, nothing of this machine's, and no waiting between tries; what is left behind ends with the test."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield
    for thread in threading.enumerate():
        if "(run)" in thread.name:
            thread.join(30)
    set_on_retry_hooks(None)


@pytest.fixture
def files(tmp_path: Path) -> list[Distribution]:
    """A wheel and an sdist."""
    paths = [make_wheel(tmp_path / "dist"), make_sdist(tmp_path / "dist")]
    return [Distribution.read(path, f"dist/{path.name}") for path in paths]


class Told:
    """What was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.warned: list[str] = []
        self.masked: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def warn(self, text: str) -> None:
        self.warned.append(text)

    def mask(self, secret: Secret) -> None:
        self.masked.append(secret.reveal())


def an_index(trust_config: str | None = None, *, takes: bool = True, name: str = "own") -> Index:
    url = "http://127.0.0.1/"
    return Index(name, f"{url}legacy/", f"{url}simple/", attestations=takes, trust_config=trust_config)


def the_settings(value: object, dry_run: object = "no") -> Settings:
    return Settings(Repository("own", ""), attestations=value, dry_run=dry_run)  # type: ignore[arg-type]


def beside(file: Distribution) -> Path:
    return file.path.with_name(f"{file.filename}.publish.attestation")


def as_fields(found: Attestations) -> dict[str, str]:
    """What goes into the forms."""
    return {name: field([*texts.values()]) for name, texts in found.items()}


def signed(
    files: list[Distribution], value: object = True, log: Told | None = None, name: str = "rehearsal"
) -> dict[str, str]:
    """The fields of *files* when all goes well; by default nothing is kept."""
    sigstore = Sigstore()
    with Scripted(sigstore) as server:
        signing = Signing(the_settings(value), an_index(sigstore.trust_config(server.url), name=name), files)
        signing.require(lambda: GITHUB, files)
        assert [] == signing.problems
        return as_fields(signing.attest(GITHUB, files, log or Told()))


@pytest.mark.parametrize("name", ["own", "rehearsal"])
@pytest.mark.parametrize("value", ["auto", True])
def test_signed(files: list[Distribution], value: object, name: str) -> None:
    """All files are signed, and the token is masked; what was signed is kept, but not what a rehearsal signs."""
    log = Told()
    fields = signed(files, value, log, name)

    assert {one.filename: 1 for one in files} == {name: len(json.loads(text)) for name, text in fields.items()}
    assert (["Attestations: 2 signed now, 0 found beside the files."], []) == (log.said, log.warned)
    assert 1 == len(log.masked)
    kept = [f"[{beside(one).read_text('utf-8').strip()}]" for one in files if beside(one).exists()]
    assert ([] if name == "rehearsal" else list(fields.values())) == kept
    assert len(files) + len(kept) == len(list(files[0].path.parent.iterdir()))


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    """An attestation that cannot be kept, here since its name would be too long, is sent all the same."""
    path = make_wheel(tmp_path, filename=f"sample-1.0-1{'0' * 210}-py3-none-any.whl")
    file = Distribution.read(path, "dist/long.whl")
    log = Told()
    fields = signed([file], True, log, "own")

    assert ["The attestation of dist/long.whl could not be written beside it: File name too long."] == log.warned
    assert 1 == len(json.loads(fields[file.filename]))


def test_those_that_are_there(files: list[Distribution]) -> None:
    """A publish attestation that is there is sent, and only the other file is signed."""
    first = json.loads(signed(files)[files[0].filename])[0]
    beside(files[0]).write_text(json.dumps(first), "utf-8")
    log = Told()
    fields = signed(files, "auto", log)

    assert ["Attestations: 1 signed now, 1 found beside the files."] == log.said
    assert [first] == json.loads(fields[files[0].filename])


def test_all_are_there(files: list[Distribution], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is left to be signed, neither the extra nor a token is needed, also where signing is a must."""
    for one, text in zip(files, signed(files).values(), strict=True):
        beside(one).write_text(json.dumps(json.loads(text)[0]), "utf-8")
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)
    log = Told()
    for value in (True, "auto"):
        signing = Signing(the_settings(value), an_index(), files)
        signing.require(lambda: GITLAB, files)
        fields = as_fields(signing.attest(GITLAB, files, log))
        assert ([], [1, 1]) == (signing.problems, [len(json.loads(text)) for text in fields.values()])

    assert ["Attestations: 0 signed now, 2 found beside the files."] * 2 == log.said
    assert [] == log.masked


@pytest.mark.parametrize(
    ("index", "ci", "said"),
    [
        (an_index(takes=False), GITHUB, f"No attestations: {NOT_TAKEN}."),
        (an_index(), OTHER, f"No attestations: {FOREIGN}."),
    ],
    ids=["index", "CI"],
)
def test_why_not(files: list[Distribution], index: Index, ci: Ambient, said: str) -> None:
    """Where it is not for the person to mend, one line says why; what lies beside the files is not sent either."""
    text = signed(files)[files[0].filename]
    beside(files[0]).write_text(json.dumps(json.loads(text)[0]), "utf-8")
    log = Told()
    signing = Signing(the_settings("auto"), index, files)
    signing.require(lambda: ci, files)

    assert ({}, [said], [], []) == (signing.attest(ci, files, log), log.said, log.warned, signing.problems)


def test_without_the_extra(files: list[Distribution], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra one line says how to have it; what lies beside the files is sent."""
    text = signed(files)[files[0].filename]
    beside(files[0]).write_text(json.dumps(json.loads(text)[0]), "utf-8")
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)
    log = Told()
    fields = as_fields(Signing(the_settings("auto"), an_index(), files).attest(GITHUB, files, log))

    expected = [
        "Nothing is signed: the extra `attestations` is not installed.",
        "Attestations: 0 signed now, 1 found beside the files.",
    ]
    assert (expected, json.loads(text), "") == (
        log.said,
        json.loads(fields[files[0].filename]),
        fields[files[1].filename],
    )


@pytest.mark.parametrize("dry_run", ["yes", "mint"])
def test_dry_run(files: list[Distribution], dry_run: str) -> None:
    """What is not uploaded is not signed: the log of all signatures forgets nothing."""
    log = Told()
    fields = as_fields(Signing(the_settings(True, dry_run), an_index("{}"), files).attest(GITHUB, files, log))

    assert ({}, [], []) == (fields, log.said, log.warned)


def test_off(files: list[Distribution]) -> None:
    """With `false` nothing is read, signed or said."""
    beside(files[0]).write_bytes(b"no attestation")
    log = Told()
    signing = Signing(the_settings(False), an_index(), files)
    signing.require(lambda: OTHER, files)

    assert ([], {}, []) == (signing.problems, signing.attest(OTHER, files, log), log.said)


# With `attestations = true`


def test_problems_of_a_must(files: list[Distribution], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is a problem of the plan, beside those of the files."""
    monkeypatch.setitem(sys.modules, "pypi_attestations", None)
    orphan = files[0].path.with_name("x.attestation")
    orphan.touch()

    problems = Signing(the_settings(True), an_index(), files).problems
    assert ("dist/x.attestation: there is no", f"`attestations` is true, but {INSTALL}") == (
        problems[0][:31],
        problems[1],
    )
    assert [f"`attestations` is true, but {NOT_TAKEN}"] == Signing(
        the_settings(True), an_index(takes=False), files
    ).problems


@pytest.mark.parametrize(
    ("ci", "error", "said"),
    [
        (OTHER, AttestationError, f"`attestations` is true, but {FOREIGN}. Nothing was sent."),
        (GITLAB, IdentityError, YAML),
    ],
    ids=["CI", "variable"],
)
def test_requirements(files: list[Distribution], ci: Ambient, error: type[TrustedPublishError], said: str) -> None:
    """A CI that cannot sign is told before any network; a dry run, which needs no CI, does not ask."""
    with pytest.raises(error) as raised:
        Signing(the_settings(True), an_index(), files).require(lambda: ci, files)
    assert said == str(raised.value)

    Signing(the_settings(True, "yes"), an_index(), files).require(lambda: ci, files)
    Signing(the_settings("auto"), an_index(), files).require(lambda: ci, files)


# Failures


@pytest.mark.parametrize("must", [False, True], ids=["auto", "true"])
def test_a_failure(files: list[Distribution], must: bool) -> None:
    """If signing fails, the files go without, said loudly; with `true` they do not go."""
    sigstore = Sigstore({LOG: Answer(400)})
    log = Told()
    with Scripted(sigstore) as server:
        signing = Signing(the_settings(must or "auto"), an_index(sigstore.trust_config(server.url)), files)
        if must:
            with pytest.raises(AttestationError) as raised:
                signing.attest(GITHUB, files, log)
            assert (f"{REFUSED} {MUST}", []) == (str(raised.value), log.warned)
            return
        fields = as_fields(signing.attest(GITHUB, files, log))

    warning = WITHOUT.format(f"{files[0].shown}, {files[1].shown}", REFUSED)
    assert (dict.fromkeys(fields, ""), [warning], []) == (fields, log.warned, log.said)


def test_half_a_failure(files: list[Distribution]) -> None:
    """A file that was signed keeps its attestation when another could not be."""
    sigstore = Sigstore()
    entries = iter([False, True])
    log = Told()
    with Scripted(lambda asked: Answer(400) if asked.target == LOG and next(entries) else sigstore(asked)) as server:
        signing = Signing(the_settings("auto"), an_index(sigstore.trust_config(server.url)), files)
        fields = as_fields(signing.attest(GITHUB, files, log))

    assert [WITHOUT.format(files[1].shown, REFUSED)] == log.warned
    assert ["Attestations: 1 signed now, 0 found beside the files."] == log.said
    assert (1, "") == (len(json.loads(fields[files[0].filename])), fields[files[1].filename])


@pytest.mark.parametrize("must", [False, True], ids=["auto", "true"])
def test_no_identity(files: list[Distribution], must: bool) -> None:
    """Without a token to sign with, the YAML to add is told in either case."""
    log = Told()
    signing = Signing(the_settings(must or "auto"), an_index(), files)
    if must:
        with pytest.raises(IdentityError) as raised:
            signing.attest(GITLAB, files, log)
        assert YAML == str(raised.value)
        return
    signing.attest(GITLAB, files, log)

    assert [WITHOUT.format(f"{files[0].shown}, {files[1].shown}", YAML)] == log.warned


def test_the_bound(files: list[Distribution]) -> None:
    """The time for all of it is one bound, whatever hangs."""
    log = Told()
    answer = threading.Event()
    ci = Ambient("GitHub Actions", True, lambda _: str(answer.wait(30)), True)
    Signing(the_settings("auto"), an_index("{}"), files, seconds=0.1).attest(ci, files, log)
    answer.set()

    late = "GitHub Actions, asked for an identity token, did not answer within 0.1 s."
    assert [WITHOUT.format(f"{files[0].shown}, {files[1].shown}", late)] == log.warned


@pytest.mark.parametrize("audience", ["sigstore", "pypi"])
def test_a_token_for_somebody_else(files: list[Distribution], audience: str) -> None:
    """A token that is not made for Sigstore does not go there; GitLab's is the variable that is named by the audience."""
    ci = detect({"GITLAB_CI": "true", "SIGSTORE_ID_TOKEN": identity_token("gitlab", audience)}, None, 1.0)
    signing = Signing(the_settings(True), an_index(), files)
    if audience == "sigstore":
        signing.require(lambda: ci, files)
        return
    with pytest.raises(IdentityError) as raised:
        signing.require(lambda: ci, files)

    expected = (
        "The identity token that GitLab CI/CD gave is made for the audience 'pypi', but Sigstore asks for 'sigstore'. It was "
        "not sent: whoever gets it could use it there in your name. Have the CI make one for Sigstore."
    )
    assert expected == str(raised.value)


def test_digests_are_not_computed_twice(files: list[Distribution]) -> None:
    """A file that is signed was read for it; for the upload it is not hashed again."""
    assert [None, None] == [one.content.known_sha256 for one in files]
    signed(files)
    known = [one.content.known_sha256 for one in files]

    assert None not in known
    assert [list(one.content.chunks()) and one.content.known_sha256 for one in files] == known
