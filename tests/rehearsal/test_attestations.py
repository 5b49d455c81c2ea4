"""Attestations are verified as on PyPI: by the certificate, not by the claims of the token."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from pypi_attestations import Attestation, Distribution
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import Signer, SigningContext

from hatch_trusted_publish.rehearsal import Rehearsal, hold
from hatch_trusted_publish.rehearsal.attestations import forged
from hatch_trusted_publish.rehearsal.publishers import GitHub, GitLab

from .world import GOOGLE, World, basic, wheel

NAME = "my_sample-1.0-py3-none-any.whl"
CONTENT = wheel(NAME)
SUBJECT = (NAME, hashlib.sha256(CONTENT).hexdigest())
UNVERIFIED = (
    "Invalid attestations supplied during upload: "
    "Could not verify the uploaded artifact using the included attestation: "
)
REPO = "octo-org/my-sample"
WORKFLOW = f"https://github.com/{REPO}/.github/workflows/release.yml@refs/heads/main"
GITHUB = GitHub("octo-org", "65", "my-sample", "release.yml")
GITLAB = GitLab("octo-org", "my-sample", ".gitlab-ci.yml")

Signed = tuple[dict[str, Any], str]
"""An attestation, and the Sigstore that signed it."""


def signed(rehearsal: Rehearsal, token: str) -> Signed:
    config = ClientTrustConfig.from_json(rehearsal.trust_config)
    config.force_tlog_version = 1
    services = config.signing_config
    context = SigningContext(
        fulcio=services.get_fulcio(), rekor=services.get_tlogs()[0], trusted_root=config.trusted_root
    )
    signer = Signer(IdentityToken(token, "sigstore"), context)
    text = Attestation.sign(signer, Distribution(name=SUBJECT[0], digest=SUBJECT[1])).model_dump_json()
    return json.loads(text), rehearsal.trust_config


@pytest.fixture(scope="module")
def github(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """An attestation of a workflow of octo-org/my-sample."""
    with hold("github", tmp_path_factory.mktemp("github"), ["my-sample"]) as rehearsal:
        headers = {"authorization": f"bearer {rehearsal.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
        url = f"{rehearsal.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience=sigstore"
        reply = httpx.get(url, headers=headers, trust_env=False)
        return signed(rehearsal, reply.json()["value"])


@pytest.fixture(scope="module")
def gitlab(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    """An attestation of a pipeline of octo-org/my-sample."""
    with hold("gitlab", tmp_path_factory.mktemp("gitlab"), ["my-sample"]) as rehearsal:
        return signed(rehearsal, str(rehearsal.environ["SIGSTORE_ID_TOKEN"]))


def test_valid(github: Signed, gitlab: Signed) -> None:
    """A signature of the publisher is valid."""
    assert (None, None) == (
        forged([github[0]], GITHUB, SUBJECT, github[1]),
        forged([gitlab[0]], GITLAB, SUBJECT, gitlab[1]),
    )


@pytest.mark.parametrize(
    ("publisher", "subject", "said"),
    [
        (
            GitHub("octo-org", "65", "my-sample", "publish.yml"),
            SUBJECT,
            f"Certificate's Build Config URI ({WORKFLOW}) does not match expected Trusted Publisher (publish.yml @ {REPO})",
        ),
        (GITHUB, ("other.whl", SUBJECT[1]), f"subject does not match distribution name: {NAME} != other.whl"),
        (GITHUB, (NAME, "0" * 64), "subject does not match distribution digest"),
    ],
    ids=["workflow", "name", "digest"],
)
def test_of_something_else(github: Signed, publisher: GitHub, subject: tuple[str, str], said: str) -> None:
    """An attestation of another workflow or file is rejected in PyPI's words."""
    assert f"{UNVERIFIED}{said}" == forged([github[0]], publisher, subject, github[1])


def test_of_another_signer(github: Signed, gitlab: Signed) -> None:
    """Another repository, CI or Sigstore, another signature, or no certificate at all is rejected."""
    other = GitHub("octo-org", "65", "other", "release.yml")
    changed, empty = copy.deepcopy(github[0]), copy.deepcopy(github[0])
    changed["envelope"]["signature"] = gitlab[0]["envelope"]["signature"]
    empty["verification_material"]["certificate"] = ""
    found = [
        forged([github[0]], other, SUBJECT, github[1]),
        forged([github[0]], GITLAB, SUBJECT, github[1]),
        forged([github[0]], GITHUB, SUBJECT, gitlab[1]),
        forged([changed], GITHUB, SUBJECT, github[1]),
        forged([empty], GITHUB, SUBJECT, github[1]),
        forged([{}], GITHUB, SUBJECT, github[1]),
    ]

    assert [True] * 6 == [str(one).startswith(UNVERIFIED) for one in found]


@pytest.mark.parametrize("publisher", [GITHUB, GOOGLE], ids=["github", "google"])
def test_uploaded(world: World, tmp_path: Path, github: Signed, publisher: GitHub) -> None:
    """An upload with an attestation of another file is rejected; for other CIs, no rehearsal has certificates."""
    world.store.add_project("my-sample", publisher)
    world.store.trust_config = github[1]
    content = wheel(NAME, salt=b"other")
    form = {
        ":action": "file_upload",
        "metadata_version": "2.1",
        "name": "my-sample",
        "version": "1.0",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
        "attestations": json.dumps([github[0]]),
    }
    authorization = basic("__token__", world.token(publisher))
    code = world.upload(form.items(), NAME, content, authorization=authorization).json()["code"]

    expected = f"400 {UNVERIFIED}subject does not match distribution digest" if publisher is GITHUB else "200 OK"
    assert expected == code
