"""What became of each file."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.errors import DistributionError, NetworkError, TrustedPublishError, UploadError
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.upload.outcome import Outcome, Release
from hatch_trusted_publish.upload.plan import Item, Plan
from tests.support.helpers import a_distribution

INDEX = Index("main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/")
FIRST, SECOND, THERE, DIFFERS = (a_distribution(f"sample-1.0-cp31{n}-cp31{n}-win32.whl") for n in range(4))
PLAN = Plan(INDEX, (Item(FIRST, "upload"), Item(SECOND, "upload"), Item(THERE, "there"), Item(DIFFERS, "differs")))


def test_no_plan() -> None:
    """A run that ended before its plan has no outcomes."""
    assert Release().outcomes() == []


def test_nothing_sent() -> None:
    """Before the first upload, what is to be uploaded is not tried, and the rest is what the plan says."""
    expected = [
        Outcome(FIRST, "not tried"),
        Outcome(SECOND, "not tried"),
        Outcome(THERE, "there"),
        Outcome(DIFFERS, "differs"),
    ]

    assert expected == Release(PLAN).outcomes()


def test_cut_short() -> None:
    """After a failure, each file still has its outcome, in the order of the plan."""
    done = Release(PLAN)
    failed = Outcome(SECOND, "failed", "The index is down.")
    done.results[SECOND.filename] = failed
    done.results[FIRST.filename] = Outcome(FIRST, "uploaded")

    assert [
        Outcome(FIRST, "uploaded"),
        failed,
        Outcome(THERE, "there"),
        Outcome(DIFFERS, "differs"),
    ] == done.outcomes()


def test_releases_share_nothing() -> None:
    """Each run has results of its own."""
    Release().results["x"] = Outcome(FIRST, "uploaded")

    assert Release().results == {}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(None, False, id="none"),
        pytest.param(UploadError("no"), True, id="about the release"),
        pytest.param(DistributionError("changed"), False, id="about the file"),
        pytest.param(NetworkError("cut"), True, id="about the network"),
    ],
)
def test_ends_the_run(error: TrustedPublishError | None, expected: bool) -> None:
    """An error says whether the other files need not be tried; without one there is no reason not to."""
    assert expected == Outcome(FIRST, "failed", "why", error).ends_the_run


def test_an_error_about_one_file() -> None:
    """An error of an upload can be about that file alone."""
    error = UploadError("no")
    error.ends_the_run = False

    assert (False, True) == (Outcome(FIRST, "failed", "no", error).ends_the_run, UploadError("other").ends_the_run)
