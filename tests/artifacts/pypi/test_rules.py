"""All rules for several files."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.artifacts.pypi.rules import refusals
from hatch_trusted_publish.errors import DistributionError, Message
from tests.support.helpers import core_metadata, make_sdist, make_wheel


def read(path: Path) -> Distribution:
    return Distribution.read(path, path.name)


def test_refusals(tmp_path: Path) -> None:
    """Each reason comes once, with all the files that it holds for."""
    metadata = core_metadata(fields=["Classifier: No :: Such"])
    wheels = [make_wheel(tmp_path, tag=f"py3-none-{name}", metadata=metadata) for name in ("any", "linux_x86_64")]
    files = [read(path) for path in (*wheels, make_sdist(tmp_path, metadata=metadata))]
    found = refusals(files)

    assert [("unknown-classifier", files), ("linux-tag", files[1:2])] == [(one.code, of) for one, of in found.items()]


def test_old_metadata(tmp_path: Path) -> None:
    """Metadata of an old build backend have one reason, without a second one for the place of the license."""
    metadata = core_metadata(fields=["License-File: LICENSE"], metadata_version="2.1")
    found = refusals([read(make_wheel(tmp_path, metadata=metadata))])

    assert ["old-metadata"] == [one.code for one in found]


def test_valid_files(tmp_path: Path) -> None:
    """Valid files have no problems."""
    assert {} == refusals([read(make_wheel(tmp_path)), read(make_sdist(tmp_path))])


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    """A file that was read a moment ago may no longer exist."""
    wheel = read(make_wheel(tmp_path))
    wheel.path.unlink()
    with pytest.raises(DistributionError) as caught:
        refusals([wheel])

    assert Message("file-gone", file=wheel.shown, said="No such file or directory") == caught.value.message
