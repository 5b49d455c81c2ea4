"""Settings, distributions and the index's listing → `Plan`, or every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_trusted_publish.artifacts.digest import digest_of
from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.artifacts.pypi import Refusal
from hatch_trusted_publish.artifacts.pypi.metadata import LARGEST_README
from hatch_trusted_publish.artifacts.pypi.rules import LARGEST_FILE
from hatch_trusted_publish.errors import Message, PlanError
from hatch_trusted_publish.events import Result
from hatch_trusted_publish.index.endpoints import Index, Repository
from hatch_trusted_publish.index.simple_api import Listed
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.listings import Held
from hatch_trusted_publish.upload.outcome import Outcome, Plan
from hatch_trusted_publish.upload.plan import (
    check,
    compare,
    decide,
    destination,
    doubts,
    in_order,
    kept,
    rejected,
)
from hatch_trusted_publish.versions.project import Project
from tests.support.helpers import Kept, a_distribution

INDEX = Index("main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", pypi_rules=True)
PRIVATE = Index("inhouse", "https://index.example/legacy/", "https://index.example/simple/", local_versions=True)
SETTINGS = Settings(Repository("main", INDEX.upload_url))
WHEEL = "sample-1.0-py3-none-any.whl"
SDIST = "sample-1.0.tar.gz"
NOTHING = Held()


@pytest.mark.parametrize(
    ("distributions", "problems"),
    [
        pytest.param(
            [a_distribution("sample-1.0+g1a2b3c-py3-none-any.whl")],
            [
                Message(
                    "local-version",
                    file="dist/sample-1.0+g1a2b3c-py3-none-any.whl",
                    version=Version("1.0+g1a2b3c"),
                    local="g1a2b3c",
                )
            ],
            id="local version",
        ),
        pytest.param(
            [
                a_distribution(
                    WHEEL, requires_dist=["attrs>=1", "evil @ https://e.example/e.whl", "x[y]@ git+https://e.example"]
                )
            ],
            [
                Message("direct-url", file=f"dist/{WHEEL}", requirement="evil @ https://e.example/e.whl"),
                Message("direct-url", file=f"dist/{WHEEL}", requirement="x[y]@ git+https://e.example"),
            ],
            id="direct URLs",
        ),
        pytest.param(
            [a_distribution(SDIST, license="MIT", license_expression="MIT")],
            [Message("two-licenses", file=f"dist/{SDIST}")],
            id="two licenses",
        ),
        pytest.param(
            [a_distribution(WHEEL), a_distribution(WHEEL, "old"), a_distribution(SDIST)],
            [Message("duplicate-name", files=[f"dist/{WHEEL}", f"old/{WHEEL}"])],
            id="one name twice",
        ),
        pytest.param(
            [
                a_distribution("sample-1.10.tar.gz"),
                a_distribution("sample-1.9.tar.gz"),
                a_distribution("other-1.0.tar.gz"),
            ],
            [Message("several-releases", releases=["other 1.0", "sample 1.9", "sample 1.10"])],
            id="several releases",
        ),
        pytest.param(
            [a_distribution(SDIST), a_distribution(SDIST, "old")],
            [
                Message("duplicate-name", files=[f"dist/{SDIST}", f"old/{SDIST}"]),
                Message("several-sdists", project="sample", version=Version("1.0"), count=2),
            ],
            id="two sdists",
        ),
    ],
)
def test_refused(distributions: list[Distribution], problems: list[Message]) -> None:
    """Files that PyPI would reject are refused before the first request."""
    with pytest.raises(PlanError) as caught:
        check(SETTINGS, INDEX, distributions, Project())

    assert Message("files-refused", problems=tuple(problems)) == caught.value.message


def test_rejected() -> None:
    """What PyPI would reject is one problem with all its files, unless `check` has reported it already."""
    files = [a_distribution(f"sample-1.0-{number}-py3-none-any.whl") for number in range(5)]
    found = {
        Refusal("bad-classifier", "'A :: B' is not a valid classifier."): files,
        Refusal("bad-archive", "Filename is too long: 'a'"): files[:2],
        Refusal("two-licenses", "License is deprecated."): files,
        Refusal("bad-platform", "newer", is_certain=False): files,
    }
    shown = [one.shown for one in files]
    rehearsal = replace(INDEX, name="rehearsal")

    assert ["PyPI"] * 2 == [one.facts["index"] for one in rejected(found, rehearsal)]
    assert [
        ("bad-classifier", shown[0], shown, "'A :: B' is not a valid classifier"),
        ("bad-archive", shown[0], shown[:2], "Filename is too long: 'a'"),
    ] == [
        (one.code, one.facts["file"], one.facts["reason"].facts["files"], one.facts["reason"].facts["said"])
        for one in rejected(found, INDEX)
    ]


class Large(Kept):
    """More bytes than PyPI accepts, without storing them."""

    @property
    def size(self) -> int:
        return LARGEST_FILE + 1024**2


def test_doubts() -> None:
    """What PyPI may reject is a warning; a file above its size limit is one, too."""
    wheel, sdist = a_distribution(WHEEL), replace(a_distribution(SDIST), content=Large(b""))
    found = {Refusal("bad-platform", "newer", is_certain=False): [wheel], Refusal("bad-archive", "certain"): [wheel]}

    assert [
        Message("may-be-rejected", file=wheel.shown, index="PyPI", said="newer"),
        Message("large-file", file=sdist.shown, index="PyPI", size=101, limit=100),
    ] == list(doubts(found, [wheel, sdist], SETTINGS, INDEX))
    assert [] == list(doubts({}, [wheel, sdist], SETTINGS, PRIVATE))


def test_doubts_without_a_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run reports what it could not check; a release does not."""
    monkeypatch.setattr("hatch_trusted_publish.artifacts.pypi.metadata.LIBRARIES", ("packaging", "no_such_library"))
    dry = [list(doubts({}, [], replace(SETTINGS, dry_run=dry), INDEX)) for dry in ("yes", "mint", "no")]

    message = Message("unchecked-rules", libraries=["no-such-library"], index="PyPI")
    assert [[message], [message], []] == dry


def test_doubts_about_a_large_readme() -> None:
    """A dry run reports that a large README was not rendered; a release does not."""
    wheel = a_distribution(WHEEL, description="x" * (LARGEST_README + 1))
    found = [list(doubts({}, [wheel], replace(SETTINGS, dry_run=dry), INDEX)) for dry in ("yes", "no")]

    assert [[Message("unchecked-readme", files=[wheel.shown], index="PyPI", limit=256)], []] == found


def test_refused_together() -> None:
    """All problems of all files are reported together, after those found elsewhere."""
    first = a_distribution(
        "a_b-1.0+x.tar.gz", license="MIT", license_expression="MIT", requires_dist=["e @ https://e.example"]
    )
    second = a_distribution("a_b-2.0-py3-none-any.whl")
    with pytest.raises(PlanError) as caught:
        check(SETTINGS, INDEX, [first, second], Project(), [Message("elsewhere")])

    codes = ("elsewhere", "local-version", "direct-url", "two-licenses", "several-releases")
    assert codes == caught.value.codes


@pytest.mark.parametrize(
    ("distributions", "settings", "index"),
    [
        pytest.param([a_distribution(WHEEL), a_distribution(SDIST)], SETTINGS, INDEX, id="wheel and sdist"),
        pytest.param(
            [
                a_distribution(
                    SDIST, license="MIT", requires_dist=["attrs", "no requirement at all", "a; python_version < '3'"]
                )
            ],
            SETTINGS,
            INDEX,
            id="unusual requirements are for the index to judge",
        ),
        pytest.param([a_distribution(SDIST, license_expression="MIT")], SETTINGS, INDEX, id="license expression"),
        pytest.param([a_distribution("sample-1.0+x.tar.gz")], SETTINGS, PRIVATE, id="local version on a private index"),
        pytest.param(
            [
                a_distribution(SDIST),
                a_distribution("sample-1.1.tar.gz"),
                a_distribution("other-1.0.tar.gz"),
                a_distribution(WHEEL),
            ],
            replace(SETTINGS, several=True),
            INDEX,
            id="several",
        ),
    ],
)
def test_not_refused(distributions: list[Distribution], settings: Settings, index: Index) -> None:
    """Files pass if they are valid, if only an index can judge them, or if a setting allows them."""
    check(settings, index, distributions, Project())


STALE = [a_distribution(WHEEL), a_distribution(SDIST)]


@pytest.mark.parametrize(
    ("project", "code", "facts"),
    [
        pytest.param(Project(canonicalize_name("sample"), Version("1.0.0")), "", {}, id="same"),
        pytest.param(Project(), "", {}, id="name and version unknown"),
        pytest.param(
            Project(canonicalize_name("sample"), unknown=Message("no-pyproject")), "", {}, id="only the name known"
        ),
        pytest.param(
            Project(canonicalize_name("sample"), Version("1.1.dev3")),
            "stale-file",
            {"found": Version("1.0"), "version": Version("1.1.dev3")},
            id="other version",
        ),
        *[
            pytest.param(
                Project(canonicalize_name("other"), version, unknown),
                "other-project",
                {"found": "sample", "project": "other"},
                id=f"other name, version {version}",
            )
            for version, unknown in ((Version("1.1"), None), (None, Message("no-pyproject")))
        ],
    ],
)
def test_stale(project: Project, code: str, facts: dict[str, object]) -> None:
    """Files of another project or version than the current one are refused, unless a setting allows them."""
    found: tuple[Message, ...] = ()
    try:
        check(SETTINGS, INDEX, STALE, project)
    except PlanError as error:
        found = error.problems

    assert [Message(code, file=one.shown, **facts) for one in STALE if code] == [*found]
    check(replace(SETTINGS, check_version=False), INDEX, STALE, project)
    check(replace(SETTINGS, several=True), INDEX, STALE, project)


def test_expect() -> None:
    """Only the files with the digests that were handed over are published."""
    files = [a_distribution(WHEEL), a_distribution(SDIST)]
    digest = digest_of((one.filename, one.sha256) for one in files)
    check(replace(SETTINGS, expect=digest), INDEX, [*reversed(files)], Project())
    with pytest.raises(PlanError) as caught:
        check(replace(SETTINGS, expect=digest), INDEX, files[:1], Project())

    only = digest_of([(WHEEL, files[0].sha256)])
    assert (Message("other-files", digest=only, expected=digest),) == caught.value.problems


@pytest.mark.parametrize(("status", "code"), [("archived", "project-archived"), ("quarantined", "project-quarantined")])
def test_closed_project(status: str, code: str) -> None:
    """A project that accepts no files is reported before an identity is requested, if there is a file to upload."""
    sdist, wheel = a_distribution(SDIST), a_distribution(WHEEL)
    listing = Held({SDIST: SAME}, status)
    with pytest.raises(PlanError) as caught:
        decide(SETTINGS, INDEX, [sdist, wheel], {sdist.name: listing})

    expected = Message("files-refused", problems=(Message(code, project="sample", index="PyPI"),))
    assert expected == caught.value.message
    assert ("there",) == tuple(one.result for one in decide(SETTINGS, INDEX, [sdist], {sdist.name: listing}).outcomes)


def test_in_order() -> None:
    """Wheels come first, by name, then sdists: installers do not build a project whose wheel is about to appear."""
    names = [
        "b-1.0.tar.gz",
        "b-1.0-py3-none-any.whl",
        "a-1.0.tar.gz",
        "a-1.0-cp312-cp312-win32.whl",
        "a-1.0-cp311-cp311-win32.whl",
    ]

    assert [one.filename for one in in_order(map(a_distribution, names))] == [
        "a-1.0-cp311-cp311-win32.whl",
        "a-1.0-cp312-cp312-win32.whl",
        "b-1.0-py3-none-any.whl",
        "a-1.0.tar.gz",
        "b-1.0.tar.gz",
    ]


SAME, OTHER, UNKNOWN = Listed(a_distribution(SDIST).sha256), Listed("0" * 64), Listed()
FACTS = {"file": f"dist/{SDIST}", "index": "PyPI", "here": a_distribution(SDIST).sha256[:11]}
DIFFERENT, NO_HASH = Message("different-bytes", **FACTS, there="0" * 11), Message("no-hash", **FACTS, there="")


@pytest.mark.parametrize(
    ("expected", "listed"),
    [
        pytest.param(None, SAME, id="same"),
        pytest.param(DIFFERENT, OTHER, id="other"),
        pytest.param(NO_HASH, UNKNOWN, id="no hash"),
        pytest.param(Message("different-bytes", **FACTS, there="\x1b[2J"), Listed("\x1b[2J"), id="not a hash"),
        pytest.param(Message("different-bytes", **FACTS, there=""), Listed(""), id="empty"),
    ],
)
def test_compare(expected: Message | None, listed: Listed) -> None:
    """Only a file with the same SHA-256 is the same file."""
    assert expected == compare(a_distribution(SDIST), listed, INDEX)


@pytest.mark.parametrize(
    ("existing", "listed", "expected"),
    [
        ("identical", None, Outcome(a_distribution(SDIST))),
        ("identical", SAME, Outcome(a_distribution(SDIST), "there")),
        ("identical", OTHER, DIFFERENT),
        ("identical", UNKNOWN, NO_HASH),
        ("skip", None, Outcome(a_distribution(SDIST))),
        ("skip", SAME, Outcome(a_distribution(SDIST), "there")),
        ("skip", OTHER, Outcome(a_distribution(SDIST), "differs", kept(DIFFERENT))),
        ("skip", UNKNOWN, Outcome(a_distribution(SDIST), "differs", kept(NO_HASH))),
        ("fail", None, Outcome(a_distribution(SDIST))),
        *[
            ("fail", listed, Message("file-exists", file=f"dist/{SDIST}", index="PyPI"))
            for listed in (SAME, OTHER, UNKNOWN)
        ],
    ],
)
def test_existing(
    existing: Literal["identical", "skip", "fail"], listed: Listed | None, expected: Outcome | Message
) -> None:
    """`existing` decides what happens to a name that is free, or taken by the same, other or unknown bytes."""
    sdist = a_distribution(SDIST)
    listing = {WHEEL: OTHER} | ({} if listed is None else {SDIST: listed})
    found: tuple[Outcome | Message, ...]
    warnings: tuple[Message, ...]
    try:
        plan = decide(replace(SETTINGS, existing=existing), INDEX, [sdist], {sdist.name: Held(listing)})
        found, warnings = plan.outcomes, plan.warnings
    except PlanError as error:
        found, warnings = error.problems, ()

    assert (expected,) == found
    assert [one.problem for one in found if isinstance(one, Outcome) and one.problem] == [*warnings]


def test_existing_all_at_once() -> None:
    """Every file that the index has already is named."""
    files = [a_distribution(SDIST), a_distribution(WHEEL), a_distribution("other-1.0.tar.gz")]
    listings = {files[0].name: Held({SDIST: OTHER, WHEEL: UNKNOWN}), files[2].name: NOTHING}
    with pytest.raises(PlanError) as caught:
        decide(SETTINGS, INDEX, files, listings)

    assert ("no-hash", "different-bytes") == caught.value.codes


def test_plan() -> None:
    """A plan has every file in order, and the files' own warnings before the others."""
    wheel, sdist = a_distribution(WHEEL, warnings=[Message("w")]), a_distribution(SDIST, warnings=[Message("s")])
    other = a_distribution("other-2.0.tar.gz")
    same = Held({other.filename: Listed(other.sha256, "https://h/f")})
    listings = {wheel.name: Held({SDIST: OTHER}), other.name: same}
    plan = decide(replace(SETTINGS, existing="skip"), INDEX, [other, sdist, wheel], listings)

    outcomes = (Outcome(wheel), Outcome(other, "there", url="https://h/f"), Outcome(sdist, "differs", kept(DIFFERENT)))
    assert Plan(INDEX, outcomes, (Message("s"), Message("w"), kept(DIFFERENT)), listings) == plan


TAGS = ["py3-none-any", "cp311-cp311-manylinux_2_17_x86_64"]


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    name, version = draw(st.sampled_from(["sample", "other"])), draw(st.sampled_from(["1.0", "1.1", "1.0+x"]))
    tag = draw(st.sampled_from([None, *TAGS]))
    metadata = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "license": st.just("MIT"),
                "license_expression": st.just("MIT"),
                "requires_dist": st.lists(
                    st.sampled_from(["attrs", "e @ https://e.example", "?"]) | st.text(), max_size=2
                ),
            },
        )
    )
    filename = f"{name}-{version}.tar.gz" if tag is None else f"{name}-{version}-{tag}.whl"
    return a_distribution(filename, draw(st.sampled_from(["dist", "old"])), (), **metadata)


all_settings = st.builds(
    Settings,
    st.just(SETTINGS.repository),
    existing=st.sampled_from(["identical", "skip", "fail"]),
    several=st.booleans(),
    check_version=st.booleans(),
)
projects = st.builds(
    Project,
    st.sampled_from([None, canonicalize_name("sample")]),
    st.sampled_from([None, Version("1.0")]),
)
indexes = st.sampled_from([INDEX, PRIVATE])


def is_right(distribution: Distribution, index: Index) -> bool:
    """Return whether one file could be published, worked out independently of the code."""
    fields = distribution.fields
    return not (
        ("+" in distribution.filename and index is INDEX)
        or {"license", "license_expression"} <= {name for name, _ in fields}
        or ("requires_dist", "e @ https://e.example") in fields
    )


@hypothesis_settings(deadline=None, max_examples=300)
@given(all_settings, indexes, st.lists(distributions(), min_size=1, max_size=4), projects)
def test_any_check(settings: Settings, index: Index, files: list[Distribution], project: Project) -> None:
    """Any files pass or raise a PlanError; they pass only if each file is right, and all of them together."""
    releases = {(one.name, one.version) for one in files}
    names = [one.filename for one in files]
    is_stale = any(one.name != (project.name or one.name) or not project.has(one.version) for one in files)
    expected = (
        all(is_right(one, index) for one in files)
        and (len(releases) == 1 or settings.several)
        and len(names) == len(set(names))
        and not (is_stale and settings.check_version and not settings.several)
    )
    try:
        check(settings, index, files, project)
        problems: tuple[Message, ...] = ()
    except PlanError as error:
        problems = error.problems

    assert expected == (not problems)


@hypothesis_settings(deadline=None, max_examples=300)
@given(
    all_settings,
    st.lists(
        st.tuples(distributions(), st.sampled_from(["free", "same", "other", "no hash"])),
        min_size=1,
        max_size=6,
        unique_by=lambda pair: pair[0].filename,
    ),
)
def test_any_decision(settings: Settings, files: list[tuple[Distribution, str]]) -> None:
    """Each file is in exactly one part of a plan: to upload, identical, or left as it is."""
    held: Mapping[str, Mapping[str, Listed]] = {
        "free": {},
        "same": {one.filename: Listed(one.sha256) for one, _ in files},
        "other": {one.filename: OTHER for one, _ in files},
        "no hash": {one.filename: UNKNOWN for one, _ in files},
    }
    listings = {
        name: Held(
            {one.filename: held[state][one.filename] for one, state in files if one.name == name and state != "free"}
        )
        for name in {one.name for one, _ in files}
    }
    refusing = {"identical": {"other", "no hash"}, "skip": set(), "fail": {"same", "other", "no hash"}}
    results: Mapping[str, Result] = {"free": "not tried", "same": "there", "other": "differs", "no hash": "differs"}
    refused = [one for one, state in files if state in refusing[settings.existing]]
    try:
        plan = decide(settings, INDEX, [one for one, _ in files], listings)
        problems: tuple[Message, ...] = ()
    except PlanError as error:
        plan, problems = Plan(INDEX, ()), error.problems

    assert [one.shown for one in in_order(refused)] == [problem.facts["file"] for problem in problems]
    by_name = {one.filename: results[state] for one, state in files}
    expected = [] if refused else [(one, by_name[one.filename]) for one in in_order(one for one, _ in files)]
    assert expected == [(one.distribution, one.result) for one in plan.outcomes]
    assert sum(result == "differs" for _, result in expected) == len(plan.warnings)


TEST = Repository("test", "https://test.pypi.org/legacy/")
AUTO = replace(SETTINGS, development=TEST)
RELEASE = a_distribution(WHEEL)
DEVELOPMENT = a_distribution("sample-1.1.dev4-py3-none-any.whl")


@pytest.mark.parametrize(
    ("expected", "settings", "distributions"),
    [
        pytest.param(SETTINGS.repository, SETTINGS, [DEVELOPMENT], id="one index"),
        pytest.param(TEST, AUTO, [DEVELOPMENT], id="development release"),
        pytest.param(SETTINGS.repository, AUTO, [RELEASE], id="release"),
        pytest.param(SETTINGS.repository, AUTO, [a_distribution("sample-1.1rc1.tar.gz")], id="release candidate"),
        pytest.param(TEST, AUTO, [a_distribution("sample-1.1rc1.dev2.tar.gz")], id="before a release candidate"),
    ],
)
def test_destination(expected: Repository, settings: Settings, distributions: list[Distribution]) -> None:
    """With `auto`, development releases go to TestPyPI and all others to PyPI."""
    assert expected == destination(settings, distributions)


def test_destination_of_both() -> None:
    """One run publishes to one index."""
    with pytest.raises(PlanError) as caught:
        destination(AUTO, [RELEASE, DEVELOPMENT])

    assert (Message("mixed-releases", files=[DEVELOPMENT.shown]),) == caught.value.problems
