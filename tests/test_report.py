"""Outcomes → what is said of them, in words and in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from helpers import a_distribution, make_wheel

from hatch_trusted_publish.distribution import Distribution
from hatch_trusted_publish.index import Index
from hatch_trusted_publish.outcome import Outcome, Release
from hatch_trusted_publish.plan import Item, Plan
from hatch_trusted_publish.report import as_json, planned_line, release_urls, standing, word

MAIN = Index(
    "main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", project_url="https://pypi.org/project/"
)
PRIVATE = Index("inhouse", "https://index.example/legacy/", "https://index.example/simple/")
WHEEL, SDIST = a_distribution("a_b-1.0-py3-none-any.whl"), a_distribution("a_b-1.0.tar.gz")
OTHER = a_distribution("other-1!2.0+x.tar.gz")
PLAN = Plan(MAIN, (Item(WHEEL, "upload"), Item(SDIST, "upload")))


@pytest.mark.parametrize(
    ("action", "line"),
    [
        ("upload", "dist/a_b-1.0.tar.gz ... would be uploaded"),
        ("there", "dist/a_b-1.0.tar.gz ... already there"),
        ("differs", "dist/a_b-1.0.tar.gz ... other bytes there, left as they are"),
    ],
)
def test_planned_line(action: Literal["upload", "there", "differs"], line: str) -> None:
    """A dry run tells what would happen to each file."""
    assert line == planned_line(Item(SDIST, action))


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ("uploaded", "success"),
        ("there", "already there"),
        ("differs", "other bytes there, left as they are"),
        ("failed", "failed"),
        ("unknown", "sent, but no clear reply came"),
        ("not tried", "not tried"),
    ],
)
def test_word(result: Literal["uploaded", "there", "differs", "failed", "unknown", "not tried"], expected: str) -> None:
    """Each result has its word, the first as Hatch's own publisher has it."""
    assert expected == word(Outcome(SDIST, result))


@pytest.mark.parametrize(
    ("index", "urls"),
    [
        (MAIN, ["https://pypi.org/project/a-b/1.0/", "https://pypi.org/project/other/1%212.0%2Bx/"]),
        (PRIVATE, ["https://index.example/simple/a-b/", "https://index.example/simple/other/"]),
    ],
    ids=["PyPI", "another index"],
)
def test_release_urls(index: Index, urls: list[str]) -> None:
    """Each release has one place to look at, or its page of the simple API."""
    assert urls == release_urls(Plan(index, tuple(Item(one, "there") for one in (WHEEL, SDIST, OTHER))))


@pytest.mark.parametrize(
    ("plan", "results", "text"),
    [
        pytest.param(None, [], "On the index: none of the files. Not there: none.", id="no plan"),
        pytest.param(
            PLAN,
            [],
            "On the index: none of the files. Not there: a_b-1.0-py3-none-any.whl (not tried), a_b-1.0.tar.gz (not tried).",
            id="nothing sent",
        ),
        pytest.param(
            PLAN,
            [Outcome(WHEEL, "uploaded"), Outcome(SDIST, "failed", "why")],
            "On the index: a_b-1.0-py3-none-any.whl. Not there: a_b-1.0.tar.gz (failed).",
            id="failed",
        ),
        pytest.param(
            PLAN,
            [Outcome(WHEEL, "uploaded"), Outcome(SDIST, "unknown", "why")],
            "On the index: a_b-1.0-py3-none-any.whl. Not there: none. Perhaps there: a_b-1.0.tar.gz (sent, but no clear reply came).",
            id="no reply",
        ),
        pytest.param(
            PLAN,
            [Outcome(WHEEL, "there"), Outcome(SDIST, "uploaded")],
            "On the index: a_b-1.0-py3-none-any.whl, a_b-1.0.tar.gz. Not there: none.",
            id="all there",
        ),
        pytest.param(
            Plan(MAIN, (Item(SDIST, "differs"),)),
            [],
            "On the index: none of the files. Not there: a_b-1.0.tar.gz (other bytes there, left as they are).",
            id="other bytes",
        ),
    ],
)
def test_standing(plan: Plan | None, results: list[Outcome], text: str) -> None:
    """After a failure, every file is said to be on the index or not."""
    done = Release(plan, {one.distribution.filename: one for one in results})

    assert text == standing(done)


def test_json() -> None:
    """The report has the index, the releases and each file with what became of it."""
    done = Release(PLAN, {WHEEL.filename: Outcome(WHEEL, "failed", "The index is down.")})
    expected = {
        "index": {"name": "main", "upload-url": "https://upload.pypi.org/legacy/"},
        "dry-run": False,
        "releases": [{"name": "a-b", "version": "1.0", "url": "https://pypi.org/project/a-b/1.0/"}],
        "files": [
            {
                "filename": "a_b-1.0-py3-none-any.whl",
                "path": "dist/a_b-1.0-py3-none-any.whl",
                "size": 24,
                "sha256": WHEEL.sha256,
                "outcome": "failed",
                "reason": "The index is down.",
            },
            {
                "filename": "a_b-1.0.tar.gz",
                "path": "dist/a_b-1.0.tar.gz",
                "size": 14,
                "sha256": SDIST.sha256,
                "outcome": "not tried",
                "reason": "",
            },
        ],
        "error": "The index is down.",
    }

    assert expected == json.loads(json.dumps(as_json(done, "The index is down.", dry_run=False)))


def test_json_without_plan() -> None:
    """A run that ended before its plan still has a report."""
    expected: dict[str, object] = {"index": None, "dry-run": True, "releases": [], "files": [], "error": None}

    assert expected == as_json(Release(), None, dry_run=True)


def test_json_of_a_file_that_was_not_read(tmp_path: Path) -> None:
    """A report does not read a whole file: its digest is null until somebody needed it."""
    path = make_wheel(tmp_path)
    wheel = Distribution.read(path, path.name)
    done = Release(Plan(MAIN, (Item(wheel, "upload"),)))
    before, _ = json.dumps(as_json(done, None, dry_run=True)), wheel.sha256
    after = json.dumps(as_json(done, None, dry_run=True))
    shown = f'"size": {wheel.size}, "sha256": '

    assert (True, True) == (f"{shown}null" in before, f'{shown}"{wheel.sha256}"' in after)
