"""Attestations, by the real command: signed, kept, uploaded, and verified as PyPI does it."""

from __future__ import annotations

import base64
import hashlib
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from pypi_attestations import GitHubPublisher, GitLabPublisher, GooglePublisher

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.rehearsal.authority import CERTIFY, LOG
from tests.support.sigstores import Publisher, Verifying

from .world import (
    PROJECT,
    SDIST,
    SERVICE_ACCOUNT,
    WHEEL,
    Answer,
    Ci,
    Index,
    Job,
    as_read,
    identity_token,
    outcome,
    uploads,
)

pytestmark = pytest.mark.slow

PUBLISH = "https://docs.pypi.org/attestations/publish/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TABLE = "tool.hatch.publish.trusted"
REPOSITORY = f"octo-org/{PROJECT}"
PUBLISHERS: dict[str, Publisher] = {
    "github": GitHubPublisher(repository=REPOSITORY, workflow="release.yml"),
    "gitlab": GitLabPublisher(repository=REPOSITORY, workflow_filepath=".gitlab-ci.yml"),
    "google": GooglePublisher(email=SERVICE_ACCOUNT),
}
SIGNED = [f"POST {CERTIFY} 200", f"POST {LOG} 201", f"POST {LOG} 201"]


def attested(made: int, found: int) -> str:
    """Return the line with the number of attestations."""
    return str(Message("attestations", made=made, found=found))


@pytest.fixture
def signing(job: Job, index: Index) -> Job:
    """Return a job whose index accepts attestations; the Sigstore of the index replaces the public one."""
    job.set_config()
    job.configure(f'[{TABLE}]\nrepo = "own"\n[{TABLE}.repos.own]\nurl = "{index.upload_url}"\nattestations = true')
    path = job.home / "sigstore.json"
    path.write_text(index.trust_config, "utf-8")
    job.environ |= {"E2E_SIGSTORE": str(path), "E2E_NO_WAIT": "1"}
    return job


def in_ci(job: Job, ci: Ci, provider: str) -> None:
    if provider == "github":
        job.environ |= ci.github
    elif provider == "google":
        job.environ["E2E_GOOGLE"] = f"{ci.url}/google"
    else:
        job.environ |= {
            "GITLAB_CI": "true",
            "_27_0_0_1_ID_TOKEN": identity_token("gitlab", "127.0.0.1"),
            "SIGSTORE_ID_TOKEN": identity_token("gitlab", "sigstore"),
        }


def held(index: Index) -> dict[str, list[dict[str, Any]]]:
    """Return the attestations that the index has of each file."""
    return {file.filename: list(file.attestations) for file in index.store.files()}


def digests(index: Index) -> dict[str, str]:
    return {file.filename: file.sha256 for file in index.store.files()}


def attestation_of(job: Job, name: str) -> Path:
    return job.dist / f"{name}.publish.attestation"


def statement(job: Job, name: str, predicate: str) -> dict[str, Any]:
    """Return an attestation of another tool, in the right form."""
    digest = hashlib.sha256((job.dist / name).read_bytes()).hexdigest()
    said = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}}],
        "predicateType": predicate,
        "predicate": {"buildDefinition": {}, "runDetails": {}},
    }
    encoded = base64.b64encode(json.dumps(said).encode()).decode()
    material = {"certificate": "QUFB", "transparency_entries": [{"logIndex": "1"}]}
    return {"version": 1, "verification_material": material, "envelope": {"statement": encoded, "signature": "QUFB"}}


@pytest.mark.parametrize("provider", ["github", "gitlab", "google"])
def test_signed_and_verified(
    signing: Job, ci: Ci, index: Index, provider: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From each CI that PyPI supports, the files get valid attestations, on the index and next to the files."""
    in_ci(signing, ci, provider)
    run = signing.publish()
    assert 0 == run.code, run.err
    assert attested(2, 0) in run.err.splitlines()
    assert [outcome(WHEEL, "uploaded"), outcome(SDIST, "uploaded")] == run.err.splitlines()[-3:-1]
    # Signed before the exchange; the token for signing is masked before any other.
    posts = [line for line in index.requests if line.startswith("POST ")]
    assert [*SIGNED, "POST /_/oidc/mint-token 200", *uploads(2), "POST /_/oidc/burn-token 202"] == posts
    if provider == "github":
        masks = [*ci.issued, *index.store.minted]
        assert "".join(f"::add-mask::{token}\n" for token in masks) == run.out
    verifying = Verifying(monkeypatch, tmp_path / "verifying")
    verifying.trust(index.trust_config)
    for name, attestations in held(index).items():
        assert attestations == [json.loads(attestation_of(signing, name).read_text("utf-8"))]
        text = json.dumps(attestations[0])
        assert PUBLISH == verifying.predicate(text, PUBLISHERS[provider], name, digests(index)[name])


def test_again(signing: Job, ci: Ci, index: Index) -> None:
    """After a run that was cut short, existing signatures are used, and the files not signed again."""
    in_ci(signing, ci, "github")
    index.answers["POST /_/oidc/mint-token"] = [Answer(422)]
    assert 1 == signing.publish().code
    kept = {name: attestation_of(signing, name).read_bytes() for name in (WHEEL, SDIST)}
    index.forget()
    run = signing.publish()
    assert attested(0, 2) in run.err.splitlines()
    assert not [line for line in index.requests if LOG in line or CERTIFY in line]
    assert kept == {name: attestation_of(signing, name).read_bytes() for name in (WHEEL, SDIST)}
    assert {name: [json.loads(content)] for name, content in kept.items()} == held(index)


def test_two_attestations(signing: Job, ci: Ci, index: Index) -> None:
    """A provenance from another tool is uploaded with the publish attestation."""
    in_ci(signing, ci, "github")
    provenance = statement(signing, WHEEL, PROVENANCE)
    (signing.dist / f"{WHEEL}.slsa.attestation").write_text(json.dumps(provenance, indent=2), "utf-8")
    run = signing.publish()
    assert attested(2, 1) in run.err.splitlines()
    found = held(index)
    assert provenance == found[WHEEL][0]
    assert [2, 1] == [len(found[name]) for name in (WHEEL, SDIST)]


def test_files_that_would_be_refused(signing: Job, ci: Ci, index: Index) -> None:
    """Everything that PyPI would reject is reported before any request."""
    in_ci(signing, ci, "github")
    other = json.dumps(statement(signing, SDIST, PROVENANCE))
    contents = {
        "other-1.0.tar.gz.publish.attestation": other,
        f"{WHEEL}.attestation": "[]",
        f"{WHEEL}.publish.attestation": other,
        f"{SDIST}.attestation": other,
        f"{SDIST}.slsa.attestation": other,
    }
    for name, content in contents.items():
        (signing.dist / name).write_text(content, "utf-8")
    run = signing.publish()
    assert (1, 4) == (run.code, run.err.count("[unusable-attestation]"))
    assert {name for name in contents if f"dist/{name}" in run.err} == contents.keys() - {f"{SDIST}.attestation"}
    assert [] == index.requests == ci.requests
    assert 0 == signing.publish("-o", "attestations=false").code
    assert {WHEEL: [], SDIST: []} == held(index)


@pytest.mark.parametrize("must", [False, True], ids=["auto", "true"])
def test_a_log_that_is_down(signing: Job, ci: Ci, index: Index, must: bool) -> None:
    """Without the log, the files are uploaded without attestations, and a warning says so; with `true` no file is."""
    in_ci(signing, ci, "github")
    index.answers[f"POST {LOG}"] = [Answer(503)] * 4
    run = signing.publish("-o", f"attestations={'true' if must else 'auto'}")
    assert (int(must), True) == (run.code, f"[{'signing-failed' if must else 'not-signed'}]" in run.err)
    assert ({} if must else {WHEEL: [], SDIST: []}) == held(index)
    assert must == (not index.store.minted)
    assert not attestation_of(signing, WHEEL).exists()


def test_true_on_gitlab(signing: Job, ci: Ci, index: Index) -> None:
    """Without the variable for signing, the YAML to add is shown before any request."""
    in_ci(signing, ci, "gitlab")
    del signing.environ["SIGSTORE_ID_TOKEN"]
    run = signing.publish("-o", "attestations")
    assert (1, True) == (run.code, "SIGSTORE_ID_TOKEN:\n" in run.err)
    assert [] == index.requests
    assert 0 == signing.publish().code


@pytest.mark.parametrize("reason", ["index", "CI"])
def test_why_not(signing: Job, ci: Ci, index: Index, reason: str) -> None:
    """If nothing can be signed, one line says why; with `true`, it is an error before any request."""
    in_ci(signing, ci, "github")
    arguments, environ = [], {}
    if reason == "index":
        name = f"{index.url}/./legacy/"
        arguments = ["-r", name]
        why = Message("attestations-not-accepted", index=name)
    else:
        arguments = ["-o", "identity-variable=MY_TOKEN"]
        environ = {"MY_TOKEN": identity_token("github", "127.0.0.1")}
        why = Message("attestations-from-elsewhere", ci="the variable MY_TOKEN")
        content = json.dumps(statement(signing, WHEEL, PROVENANCE))
        (signing.dist / f"{WHEEL}.slsa.attestation").write_text(content, "utf-8")
    run = signing.publish("-o", "attestations=true", *arguments, **environ)
    assert (1, True, True) == (run.code, "[attestations-required]" in run.err, str(why) in run.err)
    assert [] == index.requests
    run = signing.publish(*arguments, **environ)
    assert (0, True) == (run.code, str(Message("no-attestations", reason=why)) in run.err.splitlines())
    assert {WHEEL: [], SDIST: []} == held(index)


def test_attestations_that_are_refused(signing: Job, ci: Ci, index: Index) -> None:
    """Attestations that the index rejected are not found by the next run, which signs again."""
    in_ci(signing, ci, "github")
    said = json.dumps({"code": "400 Invalid attestations supplied during upload: no."})
    index.answers["POST /legacy/"] = [Answer(400, said)]
    run = signing.publish()
    assert (1, True, False) == (run.code, "[bad-attestations]" in run.err, attestation_of(signing, WHEEL).exists())
    run = signing.publish()
    assert (0, True) == (run.code, attested(2, 0) in run.err.splitlines())


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_rehearsal(job: Job, provider: str) -> None:
    """A rehearsal signs with its own Sigstore, and leaves no attestation next to the files; its index has it."""
    run = job.publish("-r", "rehearsal", "-o", "attestations", "-o", f"rehearse-as={provider}", "-o", "wait=20")
    assert (0, True) == (run.code, attested(2, 0) in run.err.splitlines())
    assert {WHEEL, SDIST} == {path.name for path in job.dist.iterdir()}


def test_what_is_not_imported(job: Job, ci: Ci, index: Index) -> None:
    """A run that signs nothing does not import the libraries; nor does Hatch's help."""
    job.set_config()
    in_ci(job, ci, "github")
    path = job.directory / "modules"
    heavy = {"sigstore", "pypi_attestations", "tuf", "pydantic"}
    for arguments in (["publish", "--help"], ["publish", "-p", "trusted", "-r", index.upload_url]):
        assert 0 == job.hatch(*arguments, E2E_MODULES=str(path)).code
        modules = set(path.read_text("utf-8").split())
        assert "hatch" in modules
        assert not heavy & modules
    assert "hatch_trusted_publish.attestations.signing" in modules
    assert [WHEEL, SDIST] == index.files


def test_no_token_is_written(signing: Job, ci: Ci, index: Index) -> None:
    """No file or output has the token for signing, even if Sigstore repeats it."""
    in_ci(signing, ci, "github")
    answer = Answer(400)
    answer.first = lambda: setattr(answer, "body", json.dumps({"message": f"what is {ci.issued[0]}?"}))
    index.answers[f"POST {CERTIFY}"] = [answer]
    run = signing.hatch("-vvv", "publish", "-p", "trusted", "-o", "report=report.json", HATCH_DEBUG="1")
    assert 0 == run.code
    token = ci.issued[0]
    files = [path for path in signing.directory.rglob("*") if path.is_file()]
    texts = [
        run.err,
        run.out.replace(f"::add-mask::{token}\n", ""),
        *(path.read_bytes().decode("latin-1") for path in files),
    ]
    assert "what is ***?" in run.err
    assert not [text for text in texts if token.split(".")[2][:20] in text]


def test_stopped_while_signing(signing: Job, ci: Ci, index: Index) -> None:
    """Ctrl-C ends a run that waits for a log that never answers."""
    in_ci(signing, ci, "github")
    asked = threading.Event()
    index.answers[f"POST {LOG}"] = [Answer(first=asked.set, never=True)]
    with signing.started("publish", "-p", "trusted") as process:
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        err = as_read(process.communicate(timeout=30)[1])
    assert (1, True) == (process.returncode, "[interrupted]" in err)
    assert not index.store.minted
