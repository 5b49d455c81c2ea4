"""``-r rehearsal``: the whole release, on this machine alone."""

from __future__ import annotations

import json
import re
import zipfile

import pytest

from .world import PROJECT, SDIST, WHEEL, Ci, Job, Run, git

REHEARSED = [
    f"{PROJECT} 1.2.3 → rehearsal (http://127.0.0.1:PORT/legacy/)",
    f"dist/{WHEEL} ... success",
    f"dist/{SDIST} ... success",
    f"http://127.0.0.1:PORT/simple/{PROJECT}/",
]
INSTALLED = f"installed {PROJECT} 1.2.3 from the rehearsal index with uv (without its dependencies)"


def said(run: Run) -> list[str]:
    """What was said, whatever port was free."""
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", run.err).splitlines()


@pytest.mark.parametrize("provider", ["github", "gitlab"])
@pytest.mark.parametrize("remote", ["github.com/octo-org", "gitlab.com/octo-group/sub"])
def test_rehearsal(job: Job, provider: str, remote: str) -> None:
    """A release is rehearsed from settings to report, and installed, with no CI and no network."""
    git(job.root, "remote", "set-url", "origin", f"https://{remote}/{PROJECT}.git")
    run = job.publish("-r", "rehearsal", "-o", f"rehearse-as={provider}", "-o", "report=report.json")
    assert (0, "") == (run.code, run.out)
    assert [*REHEARSED, INSTALLED] == said(run)
    assert (job.root / "report.json").exists()
    assert [] == list((job.home / "tmp").iterdir())


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_in_a_ci(job: Job, ci: Ci, provider: str) -> None:
    """In a real job, the CI is never asked for a token, none of its own is used, and nothing is written or kept for it."""
    files = {name: job.home / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for path in files.values():
        path.touch()
    job.environ |= ci.github | {name: str(path) for name, path in files.items()}
    real = ("REHEARSAL_ID_TOKEN", "PYPI_ID_TOKEN", "MINE")
    job.environ |= {"GITLAB_CI": "true", **dict.fromkeys(real, "the real one")}
    options = (f"rehearse-as={provider}", "identity-variable=MINE", "keep-token")
    run = job.publish("-r", "rehearsal", *(part for option in options for part in ("-o", option)))
    assert (0, [*REHEARSED, INSTALLED]) == (run.code, said(run))
    assert [] == ci.requests
    assert not (job.home / "cache" / "publish").exists()
    assert ["", "", ""] == [path.read_text() for path in files.values()]
    # What is masked are the tokens of the rehearsal itself.
    assert 2 == len(re.findall(r"^::add-mask::(?:ey|pypi-)\S+\n", run.out, re.MULTILINE))


@pytest.mark.parametrize("dry_run", ["true", "mint"])
def test_dry_run(job: Job, dry_run: str) -> None:
    """A dry run has nothing to install."""
    run = job.publish("-r", "rehearsal", "-o", f"dry-run={dry_run}")
    assert 0 == run.code
    assert REHEARSED[0] == said(run)[0]
    assert not [line for line in said(run) if line.startswith("installed")]


def test_publisher_of_another_repository(job: Job) -> None:
    """The publisher of PyPI is not compared with the one that a rehearsal plays, and a line says so."""
    job.configure('[tool.hatch.publish.trusted.publisher]\nprovider = "gitlab"\nproject = "other"')
    run = job.publish("-r", "rehearsal", "-o", "dry-run=mint", "-o", "check-version=false")
    assert 0 == run.code
    assert "The table `publisher` is not compared: a rehearsal plays a publisher of its own." in said(run)


def test_without_the_extra(job: Job) -> None:
    """Without the extra, the message is the line that installs it."""
    run = job.publish("-r", "rehearsal", E2E_WITHOUT="starlette")
    message = (
        "A rehearsal needs what the extra `rehearsal` brings (starlette is missing). Install it where Hatch is: `pip "
        "install 'hatch-trusted-publish[rehearsal]'`, or `pipx inject hatch 'hatch-trusted-publish[rehearsal]'`.\n"
    )
    assert Run(1, "", message) == run


def test_a_release_that_cannot_be_installed(job: Job) -> None:
    """What the index takes and an installer does not is a failed rehearsal; the report has it."""
    with zipfile.ZipFile(job.dist / WHEEL) as wheel:
        files = {name: wheel.read(name) for name in wheel.namelist()}
    with zipfile.ZipFile(job.dist / WHEEL, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content.replace(b"Wheel-Version: 1.0", b"Wheel-Version: 9.0"))
    run = job.publish("-r", "rehearsal", "-o", "report=report.json")
    assert 1 == run.code
    assert REHEARSED == said(run)[:4]
    error = f"{PROJECT} 1.2.3 is on the rehearsal index but could not be installed from it; "
    standing = f"On the index: {WHEEL}, {SDIST}. Not there: none."
    assert (True, standing) == (said(run)[4].startswith(error), said(run)[5])
    report = json.loads((job.root / "report.json").read_text("utf-8"))
    assert report["error"].startswith(error)
    assert ["uploaded", "uploaded"] == [file["outcome"] for file in report["files"]]
