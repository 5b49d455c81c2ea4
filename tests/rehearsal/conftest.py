"""Fixtures for the tests of the embedded index."""

from __future__ import annotations

from pathlib import Path

import pytest

from .world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A fresh index with the publishers that the recordings name."""
    directory = tmp_path / "files"
    directory.mkdir()
    return World(directory)
