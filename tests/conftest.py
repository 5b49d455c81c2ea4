"""Fixtures for tests of every room."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from tests.support.events import Recorder
from tests.support.repositories import isolate

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use no proxy, and do not wait between tries. Threads that a test leaves behind end with it."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield
    for thread in threading.enumerate():
        if "(run)" in thread.name:
            thread.join(30)


@pytest.fixture
def events() -> Recorder:
    """Record everything that a run reports."""
    return Recorder()


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Run Git without any user's configuration."""
    isolate(monkeypatch, tmp_path)
