"""The embedded index answers as a real PyPI server did, file by file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.artifacts.pypi.rules import refusals
from hatch_trusted_publish.errors import DistributionError
from tests.support.verdicts import STRICTER, VERDICTS, Verdict, as_recorded

from .world import SAMPLE, World


def read(verdict: Verdict, directory: Path) -> Distribution | DistributionError:
    path = verdict.write(directory)
    try:
        return Distribution.read(path, path.name)
    except DistributionError as error:
        return error


@pytest.mark.parametrize("verdict", VERDICTS, ids=[f"{one.case}-{one.filename[-3:]}" for one in VERDICTS])
def test_verdict(world: World, tmp_path: Path, verdict: Verdict) -> None:
    """The rehearsal accepts what PyPI accepts, and rejects the rest in PyPI's words. The checks before a release agree,
    except for files that cannot be read.
    """
    world.store.site = "https://pypi.org"
    world.store.add_project("lab-rf", SAMPLE)
    found = read(verdict, tmp_path)
    is_wheel = verdict.filename.endswith(".whl")
    form = [
        (":action", "file_upload"),
        ("filetype", "bdist_wheel" if is_wheel else "sdist"),
        ("pyversion", "py3" if is_wheel else "source"),
        ("sha256_digest", hashlib.sha256(verdict.content).hexdigest()),
    ]
    if isinstance(found, Distribution):
        form += found.fields
    else:  # another client would send these
        version = verdict.filename.split("-")[1].removesuffix(".tar.gz")
        form += [("metadata_version", "2.4"), ("name", "lab-rf"), ("version", version)]
    said = world.upload(form, verdict.filename, verdict.content).json()["code"]

    expected = "200 OK" if verdict.reason is None else f"400 {verdict.reason}"
    assert as_recorded(expected) == as_recorded(said)
    if isinstance(found, DistributionError):
        assert verdict.reason is not None or STRICTER[verdict.case][0] == found.message.code
        return
    known = [as_recorded(refusal.said) for refusal in refusals([found])]
    assert ([] if verdict.reason is None else [as_recorded(verdict.reason)]) == known[:1]
    assert verdict.case not in STRICTER
