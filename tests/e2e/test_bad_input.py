"""Input that cannot be published: the codes of all problems, and no unnecessary request."""

from __future__ import annotations

import base64
import io
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import DistributionError
from tests.support.helpers import core_metadata, make_sdist, make_wheel
from tests.support.verdicts import STRICTER, VERDICTS, Verdict

from .attackers import LARGEST, measured
from .world import EXCHANGE, PROJECT, SDIST, SEARCH, WHEEL, Answer, Ci, Index, Job, codes_in, masks

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Bad:
    """One problem."""

    name: str
    codes: tuple[str, ...]
    """The codes of all problems, in the order shown."""
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Job], object] = lambda _job: None
    variable: tuple[str, str] = ("UNUSED", "")

    def __str__(self) -> str:
        return self.name


def _empty(job: Job) -> None:
    for path in job.dist.iterdir():
        path.unlink()


def _unreadable(job: Job) -> None:
    # No user can read the memory of a process from its start, not even root.
    (job.dist / SDIST).unlink()
    (job.dist / SDIST).symlink_to("/proc/self/mem")


def _loop(job: Job) -> None:
    (job.dist / SDIST).unlink()
    (job.dist / SDIST).symlink_to(SDIST)


def _not_a_wheel(job: Job) -> None:
    (job.dist / WHEEL).write_bytes(b"not a wheel")
    (job.dist / SDIST).write_bytes(b"not an sdist")


def _nothing_but_other_files(job: Job) -> None:
    _empty(job)
    (job.dist / "notes.txt").touch()


def _mistaken(job: Job) -> None:
    (job.home / "config.toml").write_text('[publish.trusted]\nexsiting = "skip"\n', "utf-8")
    job.configure("[tool.hatch.publish.trusted]\ntimeout = 0")


BAD: Final = (
    Bad("an unreadable file", ("unreadable-file",), prepare=_unreadable),
    Bad("neither a wheel nor an sdist, despite the names", ("broken-wheel", "broken-sdist"), prepare=_not_a_wheel),
    Bad("an empty dist", ("no-files-found",), prepare=_empty),
    Bad("a dist with other files only", ("no-files-found",), prepare=_nothing_but_other_files),
    Bad("no dist", ("no-such-file",), prepare=lambda job: job.dist.rename(job.root / "built")),
    Bad("a directory as an artifact", ("no-files-found",), ("src",)),
    Bad(
        "a directory named like a wheel",
        ("no-files-found",),
        ("sample_project-1.2.3-py2-none-any.whl",),
        prepare=lambda job: (job.root / "sample_project-1.2.3-py2-none-any.whl").mkdir(),
    ),
    Bad(
        "missing files, and files of another type",
        ("no-such-file", "not-a-distribution", "dangling-link"),
        ("nothing.whl", "pyproject.toml", "lost.whl", f"dist/{WHEEL}"),
        prepare=lambda job: (job.root / "lost.whl").symlink_to("nowhere.whl"),
    ),
    Bad("a path that is too long", ("unreadable-path",), ("x/" * 3000,)),
    Bad("a symlink loop in dist", ("unreadable-file",), prepare=_loop),
    Bad("a symlink loop as an argument", ("unreadable-path",), (f"dist/{SDIST}",), prepare=_loop),
    Bad("an unknown repository", ("unknown-index",), ("-r", "mian")),
    Bad("a URL with credentials", ("bad-url",), ("-r", "https://octo:hunter2@example.com/legacy/?token=hunter2")),
    Bad("http", ("bad-url",), ("-r", "http://example.com/legacy/")),
    Bad("--user and --auth", ("no-passwords", "no-passwords"), ("-u", "octo", "-a", "hunter2")),
    Bad("HATCH_INDEX_USER", ("no-passwords",), variable=("HATCH_INDEX_USER", "octo")),
    Bad("HATCH_INDEX_AUTH", ("no-passwords",), variable=("HATCH_INDEX_AUTH", "hunter2")),
    Bad("--initialize-auth", ("no-passwords",), ("--initialize-auth",)),
    Bad(
        "user and auth as options, and in the project's table",
        ("no-passwords", "no-passwords"),
        ("-o", "auth=hunter2"),
        prepare=lambda job: job.configure('[tool.hatch.publish.trusted]\nuser = "octo"'),
    ),
    Bad(
        "mistakes in every layer",
        ("misspelled-key", "not-a-number", "not-one-of"),
        ("-o", "existing=sometimes"),
        prepare=_mistaken,
    ),
    Bad(
        "a missing certificate",
        ("unusable-certificate",),
        ("--ca-cert", "authority.pem"),
        variable=("HATCH_INDEX_CLIENT_CERT", "client.pem"),
    ),
    Bad("a report that is a directory", ("report-refused",), ("-o", "report=dist")),
    Bad("a report in a missing directory", ("report-refused",), ("-o", "report=reports/report.json")),
)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_input(job: Job, ci: Ci, index: Index, bad: Bad) -> None:
    """It is refused with all problems, before any request to the index or the CI."""
    job.on_github(ci)
    bad.prepare(job)
    job.environ[bad.variable[0]] = bad.variable[1]
    # The last of two `-o` options counts.
    run = job.publish("-r", index.upload_url, *bad.arguments)
    assert (1, "", [*bad.codes]) == (run.code, run.out, codes_in(run.err))
    assert "hunter2" not in run.err
    assert ([], []) == (index.requests, ci.requests)


def test_a_file_that_changes_while_it_is_uploaded(job: Job, ci: Ci, index: Index) -> None:
    """The index never receives the whole of a file that is not the one that was checked."""
    job.on_github(ci)

    def change() -> None:
        with (job.dist / WHEEL).open("ab") as file:
            file.write(b"\0")

    index.answers["POST /_/oidc/mint-token"] = [Answer(first=change)]
    run = job.publish("-r", index.upload_url)
    assert (1, masks(ci, index), ["file-changed"]) == (run.code, run.out, codes_in(run.err))
    assert {WHEEL: "failed", SDIST: "uploaded"} == job.outcomes()
    there = ["POST /legacy/ given up", "POST /legacy/ 200", "POST /_/oidc/burn-token 202"]
    assert [*SEARCH, *EXCHANGE, *there] == index.requests
    assert [SDIST] == index.files


@pytest.mark.parametrize(
    ("environ", "code"),
    [({"GITHUB_ACTIONS": "true"}, "no-id-token-permission"), ({}, "no-ci")],
    ids=["GitHub without the permission", "no CI"],
)
def test_no_identity(job: Job, index: Index, environ: dict[str, str], code: str) -> None:
    """Without an identity, the run only reads the index's list."""
    run = job.publish("-r", index.upload_url, **environ)
    assert (1, "", [code]) == (run.code, run.out, codes_in(run.err))
    assert SEARCH[:1] == index.requests_but_terms


def test_gitlab_without_a_token(job: Job, index: Index) -> None:
    """On GitLab the index's audience is requested first, since the variable is named after it."""
    run = job.publish("-r", index.upload_url, GITLAB_CI="true")
    assert (1, "", ["no-gitlab-token"]) == (run.code, run.out, codes_in(run.err))
    assert "_27_0_0_1_ID_TOKEN:" in run.err
    assert [*SEARCH, EXCHANGE[0]] == index.requests


def test_an_audience_of_another_service(job: Job, ci: Ci, index: Index) -> None:
    """An index that asks for an identity that PyPI would accept gets none."""
    job.on_github(ci)
    index.store.audience = "pypi"
    run = job.publish("-r", index.upload_url)
    assert (1, "", ["reserved-audience"]) == (run.code, run.out, codes_in(run.err))
    assert [*SEARCH, EXCHANGE[0]] == index.requests
    assert [] == ci.requests


def test_an_index_with_errors(job: Job, ci: Ci, index: Index) -> None:
    """A status other than 200 and 404 does not tell which files the index has."""
    job.on_github(ci)
    index.answers[SEARCH[0].removesuffix(" 200")] = [Answer(500)] * 4
    run = job.publish("-r", index.upload_url)
    assert (1, "", ["listing-unreadable"]) == (run.code, run.out, codes_in(run.err))
    assert [SEARCH[0].replace("200", "500")] * 4 == index.requests_but_terms
    assert [] == ci.requests


NEWER: Final = {"tag-macosx_27_0_arm64"}
"""A future macOS, which PyPI may know by then, is a warning; after an error it is not shown."""
OWN_WORDS: Final = {
    "license+expr",
    "requires-dist-url",
    "sdist-name-dash",
    "sdist-version-unnorm",
    "whl-name-unnormalized",
}
"""Rejections that are explained in our own words, since they also hold for other indexes or need a remedy."""


METADATA: Final = re.compile("core-metadata|failed to render")


def _in_a_status_line(text: str) -> str:
    return " ".join(text.split()).encode("latin-1", "replace").decode("ascii", "ignore")


def rejected(job: Job, verdict: Verdict) -> bool:
    """Return whether this program reads the file, so that PyPI's rules are the reason for refusing it."""
    try:
        Distribution.read(verdict.write(job.dist), verdict.filename)
    except DistributionError:
        return False
    return True


def as_sdist(job: Job, verdict: Verdict) -> str:
    """Return the name of an sdist with the core metadata of a wheel."""
    name, version, *_ = verdict.filename.split("-")
    with zipfile.ZipFile(io.BytesIO(verdict.content)) as archive:
        metadata = archive.read(f"{name}-{version}.dist-info/METADATA")
    return make_sdist(job.dist, "lab-rf", version, metadata=metadata).name


@pytest.mark.parametrize("command", [["-r", "main"], ["-r", "rehearsal"]], ids=["PyPI", "rehearsal"])
def test_files_that_pypi_rejects(job: Job, command: list[str]) -> None:
    """Every file that a real PyPI server rejected is reported with its words, before the first request.

    If the metadata are the reason, an sdist with the same metadata is reported, too.
    """
    _empty(job)
    bad = [one for one in VERDICTS if one.reason is not None]
    read = [one for one in bad if rejected(job, one)]
    sdists = [as_sdist(job, one) for one in read if METADATA.search(str(one.reason))]
    code, out, err, peak = measured(job, *command, "-o", "several", "-o", "check-version=false")
    said = _in_a_status_line(err)
    assert (1, "") == (code, out)
    assert NEWER == {one.case for one in bad if one.filename not in said}
    assert (38, []) == (len(sdists), [one for one in sdists if one not in said])
    reasons = {one.case: _in_a_status_line(str(one.reason)).partition(" [")[0].removesuffix(".") for one in read}
    assert NEWER | OWN_WORDS == {case for case, reason in reasons.items() if reason not in said}
    assert ("Traceback" in err, peak < LARGEST) == (False, True)


def test_files_that_pypi_takes(job: Job) -> None:
    """Every file that a real PyPI server accepted passes a dry run, in little memory."""
    _empty(job)
    for verdict in VERDICTS:
        if verdict.reason is None and verdict.case not in STRICTER:
            verdict.write(job.dist)
    options = ("dry-run=true", "several", "check-version=false")
    code, out, err, peak = measured(job, "-r", "rehearsal", *(part for one in options for part in ("-o", one)))
    assert (0, "", True) == (code, out, peak < LARGEST), err


def test_large_metadata(job: Job, ci: Ci, index: Index) -> None:
    """Twenty wheels with a README of 2 MB each take little memory: it is read again when the file is uploaded."""
    job.on_github(ci)
    _empty(job)
    noise = random.Random(0)
    for number in range(20):
        readme = f"{base64.encodebytes(noise.randbytes(1_500_000)).decode()}\N{PARTY POPPER}"  # four bytes a character
        metadata = core_metadata(PROJECT, "1.2.3", description=readme)
        make_wheel(job.dist, PROJECT, "1.2.3", f"py3-none-macosx_11_0_arm64.macosx_10_{number}_x86_64", metadata)
    code, _, err, peak = measured(job, "-r", index.upload_url)
    assert (0, 20, True) == (code, len(index.files), peak < LARGEST), (peak, err)
