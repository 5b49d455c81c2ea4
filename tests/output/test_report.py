"""A run → JSON, and its account of the files after a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import jsonschema
import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.identity.publishers import PROVIDERS
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.output.report import (
    as_json,
    release_urls,
    standing,
)
from hatch_trusted_publish.upload.outcome import Outcome, Plan, Run
from tests.support.helpers import a_distribution, make_wheel

MAIN = Index(
    "main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", project_url="https://pypi.org/project/"
)
PRIVATE = Index("inhouse", "https://index.example/legacy/", "https://index.example/simple/")
WHEEL, SDIST = a_distribution("a_b-1.0-py3-none-any.whl"), a_distribution("a_b-1.0.tar.gz")
OTHER = a_distribution("other-1!2.0+x.tar.gz")
PLAN = Plan(MAIN, (Outcome(WHEEL), Outcome(SDIST)))


@pytest.mark.parametrize(
    ("index", "urls"),
    [
        (MAIN, ["https://pypi.org/project/a-b/1.0/", "https://pypi.org/project/other/1%212.0%2Bx/"]),
        (PRIVATE, ["https://index.example/simple/a-b/", "https://index.example/simple/other/"]),
    ],
    ids=["PyPI", "another index"],
)
def test_release_urls(index: Index, urls: list[str]) -> None:
    """Each release has one URL: its page, or that of the simple API."""
    assert urls == release_urls(Plan(index, tuple(Outcome(one, "there") for one in (WHEEL, SDIST, OTHER))))


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param([], {}, id="no upload started"),
        pytest.param(
            [Outcome(WHEEL, "uploaded"), Outcome(SDIST, "failed", Message("why"))],
            {"on-the-index": [WHEEL.filename], "not-on-the-index": [SDIST.filename]},
            id="failed",
        ),
        pytest.param(
            [Outcome(WHEEL, "unknown")],
            {"perhaps-on-the-index": [WHEEL.filename], "not-on-the-index": [SDIST.filename]},
            id="no reply",
        ),
        pytest.param(
            [Outcome(WHEEL, "there"), Outcome(SDIST, "uploaded")],
            {"on-the-index": [WHEEL.filename, SDIST.filename]},
            id="all uploaded",
        ),
    ],
)
def test_standing(results: list[Outcome], expected: dict[str, list[str]]) -> None:
    """After a failure, the report says for every file whether it is on the index."""
    run = Run(PLAN, {one.distribution.filename: one for one in results})
    assert expected == {message.code: message.facts["files"] for message in standing(run)}


SCHEMA: Final = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text("utf-8"))
CLAIMS: Final = {
    "iss": "https://token.actions.githubusercontent.com",
    "sub": "repo:octo-org/a-b:ref:refs/tags/v1.0",
    "repository": "octo-org/a-b",
    "environment": "",
    "job_workflow_ref": "octo\n::error::x",
    "ref": ["refs/tags/v1.0"],
    "jti": "secret-enough",
    "aud": "pypi",
    "actor": "octocat",
}


def report_of(done: Run, error: str | None = None, *, dry_run: bool = False) -> dict[str, Any]:
    """Return the parsed report, after validating it against the schema."""
    assert done.plan is not None
    report = json.loads(json.dumps(as_json(done.plan, done, error, dry_run=dry_run)))
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    return cast("dict[str, Any]", report)


def test_json() -> None:
    """The report has the index, the releases, the outcome of each file, and the identity."""
    began = datetime(2026, 8, 10, 12, 0, 0, 1999, UTC)
    failed = Outcome(
        WHEEL, "failed", Message("interrupted"), seconds=1.23456, url="https://f/a", attestations=("a.publish",)
    )
    done = Run(PLAN, {WHEEL.filename: failed}, lambda: CLAIMS, began, began + timedelta(minutes=1))
    expected = {
        "index": {"name": "main", "upload-url": "https://upload.pypi.org/legacy/"},
        "dry-run": False,
        "began": "2026-08-10T12:00:00.001Z",
        "ended": "2026-08-10T12:01:00.001Z",
        "releases": [{"name": "a-b", "version": "1.0", "url": "https://pypi.org/project/a-b/1.0/"}],
        "files": [
            {
                "filename": "a_b-1.0-py3-none-any.whl",
                "path": "dist/a_b-1.0-py3-none-any.whl",
                "size": 24,
                "sha256": WHEEL.sha256,
                "url": "https://f/a",
                "outcome": "failed",
                "reason": str(Message("interrupted")),
                "seconds": 1.235,
                "attestations": ["a.publish"],
            },
            {
                "filename": "a_b-1.0.tar.gz",
                "path": "dist/a_b-1.0.tar.gz",
                "size": 14,
                "sha256": SDIST.sha256,
                "url": None,
                "outcome": "not tried",
                "reason": "",
                "seconds": None,
                "attestations": [],
            },
        ],
        "identity": {
            "iss": "https://token.actions.githubusercontent.com",
            "sub": "repo:octo-org/a-b:ref:refs/tags/v1.0",
            "repository": "octo-org/a-b",
            "job_workflow_ref": "octo ::error::x",
            "ref": "list",
        },
        "error": "The index is down.",
    }
    assert expected == report_of(done, "The index is down.")


def test_json_of_a_run_that_goes_on() -> None:
    """An unfinished run has no end, and without a request to the CI no identity."""
    report = report_of(Run(PLAN), None, dry_run=True)
    assert (True, None, None, None) == (report["dry-run"], report["ended"], report["identity"], report["error"])


def test_json_of_a_file_that_was_not_read(tmp_path: Path) -> None:
    """A report does not read a whole file: the digest is null until it is computed for another reason."""
    path = make_wheel(tmp_path)
    wheel = Distribution.read(path, path.name)
    done = Run(Plan(MAIN, (Outcome(wheel),)))
    before, _ = report_of(done)["files"][0]["sha256"], wheel.sha256
    assert (None, wheel.sha256) == (before, report_of(done)["files"][0]["sha256"])


def test_claims_in_the_schema() -> None:
    """The schema has exactly the claims that a report may have; never one that identifies a token."""
    listed = {"iss", "sub"}.union(*(provider.public for provider in PROVIDERS.values()))
    assert listed == SCHEMA["properties"]["identity"]["properties"].keys()
    assert set() == listed & {"jti", "aud", "exp", "nonce"}


def members(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return each object schema in a schema, and the schema of each member."""
    yield schema
    for inner in [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]:
        yield from members(inner)


def test_schema() -> None:
    """The schema is valid, describes each member, and allows no others."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    objects = [one for one in members(SCHEMA) if "properties" in one]
    assert 5 == len(objects)
    assert [False] * 5 == [one["additionalProperties"] for one in objects]
    assert [] == [name for one in objects for name, inner in one["properties"].items() if "description" not in inner]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"more": 1}, id="an extra member"),
        pytest.param({"files": []}, id="no files"),
        pytest.param({"identity": {"jti": "x"}}, id="a private claim"),
        pytest.param({"began": "2026-08-10 12:00:00"}, id="another time format"),
    ],
)
def test_schema_can_fail(change: dict[str, Any]) -> None:
    """An invalid report is found."""
    report = report_of(Run(PLAN)) | change
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(report)
