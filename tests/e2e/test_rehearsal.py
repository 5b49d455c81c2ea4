"""``-r rehearsal``: the whole release, on this machine alone."""

from __future__ import annotations

import json
import re
import zipfile

import pytest

from hatch_trusted_publish.errors import Message
from tests.support.helpers import make_wheel

from .world import PROJECT, SDIST, WHEEL, Ci, Job, codes_in, git, outcome

ENDED = [outcome(WHEEL, "uploaded"), outcome(SDIST, "uploaded")]
PASSED = Message("rehearsal-passed", releases=[f"{PROJECT} 1.2.3"])


def lines(err: str) -> list[str]:
    return [line for line in err.splitlines() if line in ENDED]


@pytest.mark.parametrize("provider", ["github", "gitlab"])
@pytest.mark.parametrize("remote", ["github.com/octo-org", "gitlab.com/octo-group/sub"])
def test_rehearsal(job: Job, provider: str, remote: str) -> None:
    """A release is rehearsed from settings to report, and installed, without a CI or a network."""
    git(job.root, "remote", "set-url", "origin", f"https://{remote}/{PROJECT}.git")
    run = job.measured().publish("-r", "rehearsal", "-o", f"rehearse-as={provider}", "-o", "report=report.json")
    assert (0, "", ENDED, True) == (run.code, run.out, lines(run.err), PASSED in run)
    assert (job.root / "report.json").exists()
    assert [] == list((job.home / "tmp").iterdir())
    # The link would lead to an index that has ended.
    assert "/simple/" not in run.err


def test_attestations(job: Job) -> None:
    """Signatures of a rehearsal are verified by its index."""
    job.set_config(attestations=True)
    run = job.publish("-r", "rehearsal")
    assert (0, ENDED, True) == (run.code, lines(run.err), PASSED in run)


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_in_a_ci(job: Job, ci: Ci, provider: str) -> None:
    """In a real job, no identity is requested, no file of the CI is written, and a warning names the variables."""
    files = {name: job.home / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.touch()
    job.environ |= ci.github | {name: str(path) for name, path in files.items()}
    real = ("REHEARSAL_ID_TOKEN", "PYPI_ID_TOKEN", "MINE")
    job.environ |= {"GITLAB_CI": "true", **dict.fromkeys(real, "the real one")}
    options = (f"rehearse-as={provider}", "identity-variable=MINE", "keep-token")
    run = job.measured().publish("-r", "rehearsal", *(part for option in options for part in ("-o", option)))
    assert (0, ["rehearsal-with-identity"], ENDED) == (run.code, codes_in(run.err), lines(run.err))
    assert "(ACTIONS_ID_TOKEN_REQUEST_TOKEN, MINE, PYPI_ID_TOKEN, REHEARSAL_ID_TOKEN)" in run.err
    assert [] == ci.requests
    assert not (job.home / "cache" / "publish").exists()
    assert ["", "", ""] == [path.read_text() for path in files.values()]
    # Only the rehearsal's own tokens are masked.
    assert 2 == len(re.findall(r"^::add-mask::(?:ey|pypi-)\S+\n", run.out, re.MULTILINE))


@pytest.mark.parametrize("dry_run", ["true", "mint"])
def test_dry_run(job: Job, dry_run: str) -> None:
    """A dry run installs nothing."""
    run = job.measured().publish("-r", "rehearsal", "-o", f"dry-run={dry_run}")
    assert (0, [], False) == (run.code, lines(run.err), PASSED in run)


def test_two_new_projects(job: Job) -> None:
    """A pending publisher creates one project for each upload token, so the second one is rejected, as on PyPI."""
    for path in list(job.dist.iterdir()):
        path.unlink()
    for name in ("one", "two"):
        make_wheel(job.dist, name)
    run = job.publish("-r", "rehearsal", "-o", "several", "-o", "check-version=false")
    assert (1, True) == (run.code, "Non-user identities cannot create new projects" in run.err), run.err


def test_publisher_of_another_repository(job: Job) -> None:
    """The publisher of PyPI is not compared with the rehearsal's own, and a line says so."""
    job.configure('[tool.hatch.publish.trusted.publisher]\nprovider = "gitlab"\nproject = "other"')
    run = job.publish("-r", "rehearsal", "-o", "dry-run=mint", "-o", "check-version=false")
    assert (0, str(Message("publisher-not-compared"))) == (
        run.code,
        next(x for x in run.err.splitlines() if "compared" in x),
    )


def test_without_the_extra(job: Job) -> None:
    """Without the extra, the message is the line that installs it."""
    run = job.measured().publish("-r", "rehearsal", E2E_WITHOUT="starlette")
    assert (1, "", ["extra-missing"]) == (run.code, run.out, codes_in(run.err))
    assert "pip install 'hatch-trusted-publish[rehearsal]'" in run.err


def test_a_release_that_cannot_be_installed(job: Job) -> None:
    """A release that the index accepts and an installer rejects is a failed rehearsal; the report says so."""
    with zipfile.ZipFile(job.dist / WHEEL) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    with zipfile.ZipFile(job.dist / WHEEL, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content.replace(b"Wheel-Version: 1.0", b"Wheel-Version: 9.0"))
    run = job.publish("-r", "rehearsal", "-o", "report=report.json")
    assert (1, ENDED, False) == (run.code, lines(run.err), PASSED in run)
    assert ["install-failed"] == codes_in(run.err)
    report = json.loads((job.root / "report.json").read_text("utf-8"))
    assert f"{PROJECT} 1.2.3" in report["error"]
    assert ["uploaded", "uploaded"] == [file["outcome"] for file in report["files"]]
