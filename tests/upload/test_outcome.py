"""The planned and the actual outcome of each file."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.errors import Message, UploadError
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution

INDEX = Index("main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/")
FIRST, SECOND, THERE, DIFFERS = (a_distribution(f"sample-1.0-cp31{n}-cp31{n}-win32.whl") for n in range(4))
OTHER = a_distribution("other-2.0.tar.gz")
PLANNED = (Outcome(FIRST), Outcome(SECOND), Outcome(THERE, "there"), Outcome(DIFFERS, "differs"), Outcome(OTHER))
PLAN = Plan(INDEX, PLANNED)


def test_plan() -> None:
    """A plan names the files to upload, and each release once."""
    assert (FIRST, SECOND, OTHER) == PLAN.uploads
    assert [("sample", FIRST.version), ("other", OTHER.version)] == [*PLAN.releases]


def test_a_run_without_a_plan() -> None:
    """A run that ends before its plan has no outcomes."""
    assert ({}, False) == (Run().outcomes, Run().has_started)


def test_a_run_before_its_first_upload() -> None:
    """Until the first upload starts, the outcomes are those of the plan."""
    run = Run()
    run.follow(PLAN)

    assert ([*PLANNED], False) == ([*run.outcomes.values()], run.has_started)


def test_a_run_that_is_cut_short() -> None:
    """Each file has an outcome at any time, in the order of the plan."""
    run = Run(PLAN)
    run.record(Outcome(SECOND, "failed"))
    run.record(Outcome(FIRST, "uploaded"))

    assert ["uploaded", "failed", "there", "differs", "not tried"] == [one.result for one in run.outcomes.values()]
    assert run.has_started


def test_runs_share_nothing() -> None:
    """Each run has its own outcomes."""
    Run().record(Outcome(FIRST, "uploaded"))

    assert {} == Run().outcomes


MESSAGE = Message("interrupted")
ERROR = UploadError("uploads-failed", [MESSAGE], explanation=None)


@pytest.mark.parametrize(
    ("problem", "error", "reason"),
    [(None, None, ""), (MESSAGE, None, str(MESSAGE)), (ERROR, ERROR, str(ERROR))],
    ids=["none", "message", "error"],
)
def test_problem(problem: UploadError | Message | None, error: UploadError | None, reason: str) -> None:
    """A problem is reported in either case; only an error is raised at the end of the run."""
    outcome = Outcome(FIRST, "failed", problem)

    assert (error, reason) == (outcome.error, outcome.reason)
