"""What cannot be published: a paragraph that names the thing and the way out, and no request more than it takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from .world import EXCHANGE, PROJECT, SDIST, SEARCH, WHEEL, Answer, Ci, Index, Job, Run, masks

NOT_AS_THEY_ARE: Final = "These files must not be published as they are; nothing was sent:"
NOTHING_YET: Final = "There is nothing to publish yet (run `hatch build`, or name what to publish):"
SETTINGS: Final = "The settings cannot be used as they are; nothing was sent:"
WITHOUT_SECRETS: Final = (
    "this publisher never uses a user name, a password or a stored token: the identity of the CI takes their place. "
    "Leave it out, or use Hatch's own publisher with `-p index`"
)


@dataclass(frozen=True)
class Bad:
    """One thing that is wrong."""

    name: str
    lines: tuple[str, ...]
    """All that is said."""
    arguments: tuple[str, ...] = ()
    prepare: Callable[[Job], object] = lambda _job: None
    variable: tuple[str, str] = ("UNUSED", "")

    def __str__(self) -> str:
        return self.name


def _empty(job: Job) -> None:
    for path in job.dist.iterdir():
        path.unlink()


def _unreadable(job: Job) -> None:
    # Nobody can read the memory of a process from its start, not even root.
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
    Bad(
        "an unreadable file",
        (
            NOT_AS_THEY_ARE,
            f"  - dist/{SDIST} cannot be read: Input/output error. Check the file and its permissions, or build it again.",
        ),
        prepare=_unreadable,
    ),
    Bad(
        "no wheel and no sdist, in spite of their names",
        (
            NOT_AS_THEY_ARE,
            f"  - dist/{WHEEL} is not a sound zip file (File is not a zip file). Build it again, and publish what was built.",
            (
                f"  - dist/{SDIST} is not a sound gzipped tar file (Not a gzipped file (b'no')). Build it again, and publish "
                "what was built."
            ),
        ),
        prepare=_not_a_wheel,
    ),
    Bad(
        "an empty dist",
        (NOTHING_YET, "  - no wheel (.whl) and no sdist (.tar.gz) in dist"),
        prepare=_empty,
    ),
    Bad(
        "a dist with other files only",
        (NOTHING_YET, "  - no wheel (.whl) and no sdist (.tar.gz) in dist"),
        prepare=_nothing_but_other_files,
    ),
    Bad(
        "no dist",
        (NOTHING_YET, "  - dist: there is no such file or folder"),
        prepare=lambda job: job.dist.rename(job.root / "built"),
    ),
    Bad(
        "a folder as an artifact",
        (NOTHING_YET, "  - no wheel (.whl) and no sdist (.tar.gz) in src"),
        ("src",),
    ),
    Bad(
        "a folder that is called like a wheel",
        (NOTHING_YET, "  - no wheel (.whl) and no sdist (.tar.gz) in sample_project-1.2.3-py2-none-any.whl"),
        ("sample_project-1.2.3-py2-none-any.whl",),
        prepare=lambda job: (job.root / "sample_project-1.2.3-py2-none-any.whl").mkdir(),
    ),
    Bad(
        "files that are not there, or are of another kind",
        (
            "Not all that was named can be published; nothing was sent:",
            "  - nothing.whl: there is no such file or folder",
            "  - pyproject.toml: is neither a wheel (.whl) nor an sdist (.tar.gz)",
            "  - lost.whl: is a symbolic link that leads nowhere",
        ),
        ("nothing.whl", "pyproject.toml", "lost.whl", f"dist/{WHEEL}"),
        prepare=lambda job: (job.root / "lost.whl").symlink_to("nowhere.whl"),
    ),
    Bad(
        "a symlink loop in dist",
        (
            NOT_AS_THEY_ARE,
            (
                f"  - dist/{SDIST} cannot be read: Too many levels of symbolic links. Check the file and its permissions, or "
                "build it again."
            ),
        ),
        prepare=_loop,
    ),
    Bad(
        "a symlink loop, named",
        (NOTHING_YET, f"  - dist/{SDIST}: Too many levels of symbolic links"),
        (f"dist/{SDIST}",),
        prepare=_loop,
    ),
    Bad(
        "an unknown repository",
        (
            SETTINGS,
            "  - `--repo`: there is no repository 'mian'; there are main, test, auto, rehearsal, and any https:// URL will do",
        ),
        ("-r", "mian"),
    ),
    Bad(
        "a URL with credentials",
        (
            SETTINGS,
            (
                "  - `--repo`: a URL with a user name or password in it is refused: trusted publishing needs neither, remove "
                "the part before the @"
            ),
        ),
        ("-r", "https://octo:hunter2@example.com/legacy/"),
    ),
    Bad(
        "http",
        (
            SETTINGS,
            (
                "  - `--repo`: 'http://example.com/legacy/' is refused: http:// would show the upload token to the network, "
                "use https://"
            ),
        ),
        ("-r", "http://example.com/legacy/"),
    ),
    Bad(
        "--user and --auth",
        (
            SETTINGS,
            f"  - `--user (or HATCH_INDEX_USER)`: {WITHOUT_SECRETS}",
            f"  - `--auth (or HATCH_INDEX_AUTH)`: {WITHOUT_SECRETS}",
        ),
        ("-u", "octo", "-a", "hunter2"),
    ),
    Bad(
        "HATCH_INDEX_USER",
        (SETTINGS, f"  - `--user (or HATCH_INDEX_USER)`: {WITHOUT_SECRETS}"),
        variable=("HATCH_INDEX_USER", "octo"),
    ),
    Bad(
        "HATCH_INDEX_AUTH",
        (SETTINGS, f"  - `--auth (or HATCH_INDEX_AUTH)`: {WITHOUT_SECRETS}"),
        variable=("HATCH_INDEX_AUTH", "hunter2"),
    ),
    Bad(
        "--initialize-auth",
        (SETTINGS, f"  - `--initialize-auth`: {WITHOUT_SECRETS}"),
        ("--initialize-auth",),
    ),
    Bad(
        "user and auth as options, and in the project's table",
        (
            SETTINGS,
            f"  - `tool.hatch.publish.trusted.user`: {WITHOUT_SECRETS}",
            f"  - `-o auth`: {WITHOUT_SECRETS}",
        ),
        ("-o", "auth=hunter2"),
        prepare=lambda job: job.configure('[tool.hatch.publish.trusted]\nuser = "octo"'),
    ),
    Bad(
        "mistakes in every layer, all at once",
        (
            SETTINGS,
            "  - `publish.trusted.exsiting`: there is no such key; did you mean `existing`?",
            "  - `tool.hatch.publish.trusted.timeout`: must be a number from 1 to 3600, not 0",
            "  - `-o existing`: must be one of identical, skip, fail, not 'sometimes'",
        ),
        ("-o", "existing=sometimes"),
        prepare=_mistaken,
    ),
    Bad(
        "a certificate that is not there",
        (
            "A certificate file cannot be used (authority.pem, person.pem): No such file or directory. Nothing was sent.",
        ),
        ("--ca-cert", "authority.pem"),
        variable=("HATCH_INDEX_CLIENT_CERT", "person.pem"),
    ),
    Bad(
        "a report that is a folder",
        (
            NOT_AS_THEY_ARE,
            (
                "  - the report cannot be written to {root}/dist: it is a folder; name a file in a folder that is there by "
                "`report`"
            ),
        ),
        ("-o", "report=dist"),
    ),
    Bad(
        "a report in a folder that is not there",
        (
            NOT_AS_THEY_ARE,
            (
                "  - the report cannot be written to {root}/reports/report.json: No such file or directory; name a file in a "
                "folder that is there by `report`"
            ),
        ),
        ("-o", "report=reports/report.json"),
    ),
)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_bad_input(job: Job, ci: Ci, index: Index, bad: Bad) -> None:
    """It is refused with all that is wrong, and neither the index nor the CI was asked for anything."""
    job.on_github(ci)
    bad.prepare(job)
    job.environ[bad.variable[0]] = bad.variable[1]
    # The last of two counts.
    run = job.publish("-r", index.upload_url, *bad.arguments)
    said = "\n".join(line.replace("{root}", os.fspath(job.root)) for line in bad.lines)
    assert Run(1, "", f"{said}\n") == run
    assert ([], []) == (index.requests, ci.requests)


def test_a_file_that_changes_while_it_is_uploaded(job: Job, ci: Ci, index: Index) -> None:
    """The index never gets the whole of a file that is not the one that was checked."""
    job.on_github(ci)

    def change() -> None:
        with (job.dist / WHEEL).open("ab") as file:
            file.write(b"\0")

    index.answers["POST /_/oidc/mint-token"] = [Answer(first=change)]
    run = job.publish("-r", index.upload_url)
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... failed",
        f"dist/{SDIST} ... success",
        (
            f"dist/{WHEEL} has changed since it was checked, so it was not uploaded. See to it that nothing builds or writes "
            "there while the release runs, then run the same command again."
        ),
        f"On the index: {SDIST}. Not there: {WHEEL} (failed).",
    ]
    assert Run(1, masks(ci, index), "\n".join(lines) + "\n") == run
    there = ["POST /legacy/ given up", "POST /legacy/ 200", "POST /_/oidc/burn-token 202"]
    assert [*SEARCH, *EXCHANGE, *there] == index.requests
    assert [SDIST] == index.files


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        pytest.param(
            {"GITHUB_ACTIONS": "true"},
            [
                (
                    "GitHub gave this job no identity token: ACTIONS_ID_TOKEN_REQUEST_TOKEN and ACTIONS_ID_TOKEN_REQUEST_URL "
                    "not set. The job lacks the permission to ask for one. Add to the job in the workflow file (not to the "
                    "whole workflow):"
                ),
                "",
                "    permissions:",
                "      id-token: write",
                "",
                "A reusable workflow needs it in the job that calls it as well.",
            ],
            id="GitHub without the permission",
        ),
        pytest.param(
            {},
            [
                (
                    "No CI was found that could say who is publishing: none of GITHUB_ACTIONS, GITLAB_CI, BUILDKITE, CIRCLECI "
                    "and GOOGLE_SERVICE_ACCOUNT_NAME is set, and this is not a machine of Google Cloud. Trusted publishing "
                    "works from a CI only. On your own machine, `hatch publish -p trusted -r rehearsal` tries the whole "
                    "release; in a CI that is not among these, name the variable with its identity token by "
                    "`-o identity-variable=NAME`."
                ),
            ],
            id="no CI",
        ),
    ],
)
def test_no_identity(job: Job, index: Index, environ: dict[str, str], lines: list[str]) -> None:
    """Without an identity, the index was asked what it holds and nothing more that could cost anything."""
    run = job.publish("-r", index.upload_url, **environ)
    first = f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})"
    assert Run(1, "", "\n".join([first, *lines]) + "\n") == run
    assert SEARCH[:1] == index.requests_but_terms


def test_gitlab_without_a_token(job: Job, index: Index) -> None:
    """On GitLab the index is asked for its audience first, since the variable is called by that."""
    run = job.publish("-r", index.upload_url, GITLAB_CI="true")
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        (
            "GitLab gave this job no identity token for this index: _27_0_0_1_ID_TOKEN is not set. Add to the job in "
            ".gitlab-ci.yml:"
        ),
        "",
        "  id_tokens:",
        "    _27_0_0_1_ID_TOKEN:",
        "      aud: 127.0.0.1",
        "",
    ]
    assert Run(1, "", "\n".join(lines) + "\n") == run
    assert [*SEARCH, EXCHANGE[0]] == index.requests


def test_an_audience_of_another_service(job: Job, ci: Ci, index: Index) -> None:
    """An index that asks for an identity that PyPI would take gets none."""
    job.on_github(ci)
    index.store.audience = "pypi"
    run = job.publish("-r", index.upload_url)
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        (
            f"The index {index.upload_url} asks for an identity token with the audience 'pypi', but that is the audience of "
            "another service, where the identity could be used in your name. No identity was asked for. Do not publish to "
            "this index before its operator has explained that."
        ),
    ]
    assert Run(1, "", "\n".join(lines) + "\n") == run
    assert [*SEARCH, EXCHANGE[0]] == index.requests
    assert [] == ci.requests


def test_an_index_that_is_not_well(job: Job, ci: Ci, index: Index) -> None:
    """Anything but 200 and 404 is no answer to what the index holds."""
    job.on_github(ci)
    index.answers[SEARCH[0].removesuffix(" 200")] = [Answer(500)] * 4
    run = job.publish("-r", index.upload_url)
    asked = f"While reading the files of {PROJECT} on {index.upload_url}: the index answered 500; trying again in 0.0 s"
    lines = [
        *[asked] * 3,
        (
            f"{index.upload_url} was asked what it holds of {PROJECT} ({index.url}/simple/{PROJECT}/) and answered 500. It is "
            "not known which files are there, so the run ends. If that address is not the index's simple API, set "
            "`simple-url` in its table in `tool.hatch.publish.trusted.repos`; else run the same command again later."
        ),
    ]
    assert Run(1, "", "\n".join(lines) + "\n") == run
    assert [SEARCH[0].replace("200", "500")] * 4 == index.requests_but_terms
    assert [] == ci.requests
