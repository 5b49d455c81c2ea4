"""A Sigstore on loopback that can fail, and verification of its signatures with the real libraries."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import platformdirs
import pytest
from pypi_attestations import Attestation, Distribution, GitHubPublisher, GitLabPublisher, GooglePublisher

from hatch_trusted_publish.rehearsal.authority import CERTIFY, LOG, Authority
from tests.e2e.world import TRUSTED
from tests.support.scripted import Answer, Asked

Publisher = GitHubPublisher | GitLabPublisher | GooglePublisher


class Sigstore:
    """Fulcio and Rekor as a script for `scripted.Scripted`."""

    def __init__(
        self, answers: Mapping[str, Answer | list[Answer]] | None = None, life: timedelta | None = None
    ) -> None:
        """
        Args:
            answers: by path, the answer to every request, or the answers to the first ones.
            life: the lifetime of certificates.
        """
        self._answers = answers or {}
        self._authority = Authority(TRUSTED, time.time, *([] if life is None else [life]))

    def __call__(self, asked: Asked) -> Answer:
        if answers := self._answers.get(asked.target):
            return answers if isinstance(answers, Answer) else answers.pop(0)
        if asked.target == CERTIFY:
            status, body = self._authority.certify(asked.headers.get("authorization", ""), asked.body)
        else:
            assert LOG == asked.target
            status, body = self._authority.log(asked.body)
        return Answer.of(body, status)

    def trust_config(self, url: str, **services: str) -> str:
        """Return the configuration for signing and verifying; *services* replaces URLs (`caUrls`, `rekorTlogUrls`)."""
        config: dict[str, Any] = json.loads(self._authority.trust_config(url))
        for name, elsewhere in services.items():
            config["signingConfig"][name][0]["url"] = elsewhere
        return json.dumps(config)


class Verifying:
    """Verifies as PyPI does: with `pypi_attestations` and the keys in sigstore's cache."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
            monkeypatch.setenv(name, str(home))
        self._cache = Path(platformdirs.user_cache_dir("sigstore-python", "sigstore"), "tuf")

    def trust(self, trust_config: str) -> None:
        """Verify with the keys of this Sigstore from now on, instead of those of the public one."""
        config = json.loads(trust_config)
        directory = self._cache / quote("https://tuf-repo-cdn.sigstore.dev", safe="")
        directory.mkdir(parents=True)
        (directory / "trusted_root.json").write_text(json.dumps(config["trustedRoot"]), "utf-8")
        (directory / "signing_config.v0.2.json").write_text(json.dumps(config["signingConfig"]), "utf-8")

    def predicate(self, attestation: str, publisher: Publisher, name: str, digest: str) -> str:
        """Return the predicate of a valid attestation.

        Raises:
            pypi_attestations.AttestationError: the attestation is not valid.
        """
        subject = Distribution(name=name, digest=digest)
        return Attestation.model_validate_json(attestation).verify(publisher, subject, offline=True)[0]
