"""Settings, distributions and what the index holds → `Plan`, or every problem at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_trusted_publish.artifacts.distribution import Distribution
from hatch_trusted_publish.errors import PlanError
from hatch_trusted_publish.index.endpoints import Index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.index.simple_api import Listed, Listing
from hatch_trusted_publish.settings.options import Settings
from hatch_trusted_publish.upload.plan import (
    Item,
    Plan,
    check,
    decide,
    destination,
    existing_difference,
    has_release,
    in_order,
)
from hatch_trusted_publish.versions.project import Project
from tests.support.helpers import a_distribution

INDEX = Index("main", "https://upload.pypi.org/legacy/", "https://pypi.org/simple/", pypi_rules=True)
PRIVATE = Index("inhouse", "https://index.example/legacy/", "https://index.example/simple/", local_versions=True)
SETTINGS = Settings(Repository("main", INDEX.upload_url))
WHEEL = "sample-1.0-py3-none-any.whl"
SDIST = "sample-1.0.tar.gz"
REFUSED = "These files must not be published as they are; nothing was sent:"
HELD = "The index holds files of these names already; nothing was sent:"
WAY_OUT = "Empty the folder and build again, or, if these are the right files, add `-o check-version=false`"
NEW_VERSION = (
    "A file on an index never changes: publish this as a new version, or leave what is there with `-o existing=skip`"
)
NOTHING: Listing = {}

Action = Literal["upload", "there", "differs"]


def told(heading: str, problems: Sequence[str]) -> str:
    return "\n  - ".join([heading, *problems])


@pytest.mark.parametrize(
    ("distributions", "problems"),
    [
        pytest.param(
            [a_distribution("sample-1.0+g1a2b3c-py3-none-any.whl")],
            [
                (
                    "dist/sample-1.0+g1a2b3c-py3-none-any.whl: version 1.0+g1a2b3c has a local segment (+g1a2b3c), which no "
                    'public index takes. With `source = "vcs-public"` in [tool.hatch.version] it is dropped; build again'
                )
            ],
            id="local version",
        ),
        pytest.param(
            [
                a_distribution(
                    WHEEL,
                    requires_dist=["attrs>=1", "evil @ https://e.example/e.whl", "x[y]@ git+https://e.example/\x1b"],
                )
            ],
            [
                f"dist/{WHEEL}: depends on a direct URL, which an index must not hand on: evil @ https://e.example/e.whl",
                f"dist/{WHEEL}: depends on a direct URL, which an index must not hand on: x[y]@ git+https://e.example/?",
            ],
            id="direct URLs",
        ),
        pytest.param(
            [a_distribution(SDIST, requires_dist=["e @ https://e.example/" + "x" * 200])],
            [
                (
                    f"dist/{SDIST}: depends on a direct URL, which an index must not hand on: "
                    f"e @ https://e.example/{'x' * 97}…"
                )
            ],
            id="long URL",
        ),
        pytest.param(
            [a_distribution(SDIST, license="MIT", license_expression="MIT")],
            [
                (
                    f"dist/{SDIST}: has both License and License-Expression; keep the expression (`license` in [project]) "
                    "and build again"
                )
            ],
            id="two licenses",
        ),
        pytest.param(
            [a_distribution("sample-1.0-cp311-cp311-linux_x86_64.linux_aarch64.manylinux_2_17_x86_64.whl")],
            [
                (
                    "dist/sample-1.0-cp311-cp311-linux_x86_64.linux_aarch64.manylinux_2_17_x86_64.whl: is tagged "
                    "linux_aarch64, linux_x86_64, which PyPI refuses; `auditwheel repair` makes a manylinux wheel of it"
                )
            ],
            id="linux tags",
        ),
        pytest.param(
            [a_distribution(WHEEL), a_distribution(WHEEL, "old"), a_distribution(SDIST)],
            [f"dist/{WHEEL}, old/{WHEEL}: 2 files of one name; name the one that is to be published"],
            id="one name twice",
        ),
        pytest.param(
            [
                a_distribution("sample-1.1.tar.gz"),
                a_distribution("sample-1.0.tar.gz"),
                a_distribution("other-1.0.tar.gz"),
            ],
            [
                (
                    "these are files of several releases: other 1.0, sample 1.0, sample 1.1. Empty the folder and build "
                    "again, or allow it with `-o several`"
                )
            ],
            id="several releases",
        ),
        pytest.param(
            [a_distribution("sample-1.10.tar.gz"), a_distribution("sample-1.9.tar.gz")],
            [
                (
                    "these are files of several releases: sample 1.9, sample 1.10. Empty the folder and build again, or "
                    "allow it with `-o several`"
                )
            ],
            id="several versions",
        ),
        pytest.param(
            [a_distribution(SDIST), a_distribution(SDIST, "old")],
            [
                f"dist/{SDIST}, old/{SDIST}: 2 files of one name; name the one that is to be published",
                "sample 1.0 has 2 sdists; a release has one",
            ],
            id="two sdists",
        ),
        pytest.param(
            [
                a_distribution(
                    "a_b-1.0+x.tar.gz", license="MIT", license_expression="MIT", requires_dist=["e @ https://e.example"]
                ),
                a_distribution("a_b-2.0-py3-none-linux_x86_64.whl"),
            ],
            [
                (
                    "dist/a_b-1.0+x.tar.gz: version 1.0+x has a local segment (+x), which no public index takes. "
                    'With `source = "vcs-public"` in [tool.hatch.version] it is dropped; build again'
                ),
                "dist/a_b-1.0+x.tar.gz: depends on a direct URL, which an index must not hand on: e @ https://e.example",
                (
                    "dist/a_b-1.0+x.tar.gz: has both License and License-Expression; keep the expression (`license` in "
                    "[project]) and build again"
                ),
                (
                    "dist/a_b-2.0-py3-none-linux_x86_64.whl: is tagged linux_x86_64, which PyPI refuses; `auditwheel repair` "
                    "makes a manylinux wheel of it"
                ),
                (
                    "these are files of several releases: a-b 1.0+x, a-b 2.0. Empty the folder and build again, or allow it "
                    "with `-o several`"
                ),
            ],
            id="all at once",
        ),
    ],
)
def test_refused(distributions: list[Distribution], problems: list[str]) -> None:
    """What no index should get is refused, all of it in one message."""
    with pytest.raises(PlanError) as caught:
        check(SETTINGS, INDEX, distributions, Project())

    assert told(REFUSED, problems) == str(caught.value)


def test_problems_from_elsewhere() -> None:
    """What was found before is told in the same message, and is enough to refuse."""
    with pytest.raises(PlanError) as caught:
        check(
            SETTINGS,
            INDEX,
            [a_distribution(SDIST, license="", license_expression="MIT")],
            Project(),
            ["the report is a folder"],
        )

    assert told(
        REFUSED,
        [
            "the report is a folder",
            (
                f"dist/{SDIST}: has both License and License-Expression; keep the expression (`license` in [project]) "
                "and build again"
            ),
        ],
    ) == str(caught.value)


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
            id="odd requirements are the index's to judge",
        ),
        pytest.param([a_distribution(SDIST, requires_dist="e @ https://e.example")], SETTINGS, INDEX, id="no list"),
        pytest.param([a_distribution(SDIST, license_expression="MIT")], SETTINGS, INDEX, id="license expression"),
        pytest.param(
            [a_distribution("sample-1.0-py3-none-manylinux_2_17_x86_64.whl")], SETTINGS, INDEX, id="manylinux"
        ),
        pytest.param(
            [a_distribution("sample-1.0-py3-none-linux_x86_64.whl")],
            SETTINGS,
            replace(INDEX, pypi_rules=False),
            id="linux where PyPI's rules do not hold",
        ),
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
    """What is right, or only an index can judge, or was allowed, passes."""
    check(settings, index, distributions, Project())


STALE = [a_distribution(WHEEL), a_distribution("sample-1.0.tar.gz")]


@pytest.mark.parametrize(
    ("project", "problems"),
    [
        pytest.param(Project(canonicalize_name("sample"), Version("1.0.0")), [], id="same"),
        pytest.param(Project(), [], id="nothing known"),
        pytest.param(Project(canonicalize_name("sample"), unknown="of a shallow clone"), [], id="only the name"),
        pytest.param(
            Project(canonicalize_name("sample"), Version("1.1.dev3")),
            [
                f"dist/{WHEEL}: is version 1.0, but the project's version is now 1.1.dev3. {WAY_OUT}",
                f"dist/{SDIST}: is version 1.0, but the project's version is now 1.1.dev3. {WAY_OUT}",
            ],
            id="other version",
        ),
        pytest.param(
            Project(canonicalize_name("other"), Version("1.1")),
            [
                f"dist/{WHEEL}: is a file of sample, but this project is other. {WAY_OUT}",
                f"dist/{SDIST}: is a file of sample, but this project is other. {WAY_OUT}",
            ],
            id="other name",
        ),
        pytest.param(
            Project(canonicalize_name("other"), unknown="of a shallow clone"),
            [
                f"dist/{WHEEL}: is a file of sample, but this project is other. {WAY_OUT}",
                f"dist/{SDIST}: is a file of sample, but this project is other. {WAY_OUT}",
            ],
            id="other name, version unknown",
        ),
    ],
)
def test_stale(project: Project, problems: list[str]) -> None:
    """Files of another project or version than the one here are refused, unless that was allowed."""
    found = ""
    try:
        check(SETTINGS, INDEX, STALE, project)
    except PlanError as error:
        found = str(error)

    assert (told(REFUSED, problems) if problems else "") == found
    check(replace(SETTINGS, check_version=False), INDEX, STALE, project)
    check(replace(SETTINGS, several=True), INDEX, STALE, project)


def test_in_order() -> None:
    """Wheels by name, then sdists: no installer builds what has a wheel in a moment."""
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
OTHER_BYTES = (
    f"main has another file of this name (sha256 00000000000… there, {a_distribution(SDIST).sha256[:11]}… here)"
)
NO_HASH = "main has a file of this name and tells no sha256 of it, so it cannot be called identical"
LEFT = "it is left as it is (`existing` is `skip`)"


@pytest.mark.parametrize(
    ("existing", "listing", "expected"),
    [
        ("identical", {}, "upload"),
        ("identical", {SDIST: SAME}, "there"),
        ("identical", {SDIST: Listed(a_distribution(SDIST).sha256.upper())}, "there"),
        ("identical", {SDIST: OTHER}, told(HELD, [f"dist/{SDIST}: {OTHER_BYTES}. {NEW_VERSION}"])),
        ("identical", {SDIST: UNKNOWN}, told(HELD, [f"dist/{SDIST}: {NO_HASH}. {NEW_VERSION}"])),
        ("skip", {}, "upload"),
        ("skip", {SDIST: SAME}, "there"),
        ("skip", {SDIST: OTHER}, f"differs: dist/{SDIST}: {OTHER_BYTES}; {LEFT}"),
        ("skip", {SDIST: UNKNOWN}, f"differs: dist/{SDIST}: {NO_HASH}; {LEFT}"),
        ("fail", {}, "upload"),
        *[
            (
                "fail",
                {SDIST: held},
                told(HELD, [f"dist/{SDIST}: main has a file of this name already (`existing` is `fail`)"]),
            )
            for held in (SAME, OTHER, UNKNOWN)
        ],
    ],
)
def test_existing(existing: Literal["identical", "skip", "fail"], listing: Listing, expected: str) -> None:
    """What `existing` means for a name that is free, or taken by the same bytes, by others, or by unknown ones."""
    sdist = a_distribution(SDIST)
    settings = replace(SETTINGS, existing=existing)
    try:
        plan = decide(settings, INDEX, [sdist], {sdist.name: {WHEEL: OTHER, **listing}})
    except PlanError as error:
        outcome = str(error)
    else:
        outcome = ": ".join([plan.items[0].action, *plan.warnings])

    assert expected == outcome


def test_existing_all_at_once() -> None:
    """Every file that stands against the run is named, and nothing is decided for the others."""
    files = [a_distribution(SDIST), a_distribution(WHEEL), a_distribution("other-1.0.tar.gz")]
    listings = {files[0].name: {SDIST: OTHER, WHEEL: UNKNOWN}, files[2].name: NOTHING}
    with pytest.raises(PlanError) as caught:
        decide(SETTINGS, INDEX, files, listings)

    assert (
        told(HELD, [f"dist/{WHEEL}: {NO_HASH}. {NEW_VERSION}", f"dist/{SDIST}: {OTHER_BYTES}. {NEW_VERSION}"])
    ) == str(caught.value)


def test_plan() -> None:
    """A plan has every file in order, its own warnings before the others, and each release once."""
    wheel, sdist = a_distribution(WHEEL, warnings=["w"]), a_distribution(SDIST, warnings=["s"])
    other = a_distribution("other-2.0.tar.gz")
    listings = {wheel.name: {SDIST: OTHER}, other.name: {other.filename: Listed(other.sha256, "https://h/f")}}
    plan = decide(replace(SETTINGS, existing="skip"), INDEX, [other, sdist, wheel], listings)

    assert (
        Plan(
            INDEX,
            (Item(wheel, "upload"), Item(other, "there", "https://h/f"), Item(sdist, "differs")),
            ("s", "w", f"dist/{SDIST}: {OTHER_BYTES}; {LEFT}"),
        )
        == plan
    )
    assert (wheel,) == plan.uploads
    assert (("sample", Version("1.0")), ("other", Version("2.0"))) == plan.releases


@pytest.mark.parametrize(
    ("held", "shown"),
    [("0" * 64, "00000000000…"), ("", ""), ("\x1b[2J\n::set-env", "?[2J : :set…")],
)
def test_hostile_hash(held: str, shown: str) -> None:
    """An index's hash is shown shortened and inert."""
    expected = f"main has another file of this name (sha256 {shown} there, {a_distribution(SDIST).sha256[:11]}… here)"

    assert expected == existing_difference(a_distribution(SDIST), Listed(held), INDEX)


TAGS = ["py3-none-any", "cp311-cp311-linux_x86_64", "cp311-cp311-manylinux_2_17_x86_64"]


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
    return a_distribution(filename, draw(st.sampled_from(["dist", "old"])), **metadata)


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
    """Whether one file could be published, said in another way than by the code."""
    metadata = distribution.metadata
    return not (
        ("+" in distribution.filename and index is INDEX)
        or ("linux_" in distribution.filename.replace("manylinux_", "") and index is INDEX)
        or {"license", "license_expression"} <= metadata.keys()
        or "e @ https://e.example" in metadata.get("requires_dist", [])  # type: ignore[operator]
    )


@hypothesis_settings(deadline=None, max_examples=300)
@given(all_settings, indexes, st.lists(distributions(), min_size=1, max_size=4), projects)
def test_any_check(settings: Settings, index: Index, files: list[Distribution], project: Project) -> None:
    """Any files pass or are refused by a PlanError, and pass only if each and all together are right."""
    releases = {(one.name, one.version) for one in files}
    names = [one.filename for one in files]
    is_stale = any(
        (project.name or one.name, project.version or one.version) != (one.name, one.version) for one in files
    )
    expected = (
        all(is_right(one, index) for one in files)
        and (len(releases) == 1 or settings.several)
        and len(names) == len(set(names))
        and not (is_stale and settings.check_version and not settings.several)
    )
    try:
        check(settings, index, files, project)
        problems: tuple[str, ...] = ()
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
    """Each file is in exactly one part of a plan: what is free, what is the same, and what is left as it is."""
    held: Mapping[str, Listing] = {
        "free": {},
        "same": {one.filename: Listed(one.sha256) for one, _ in files},
        "other": {one.filename: OTHER for one, _ in files},
        "no hash": {one.filename: UNKNOWN for one, _ in files},
    }
    listings = {
        name: {one.filename: held[state][one.filename] for one, state in files if one.name == name and state != "free"}
        for name in {one.name for one, _ in files}
    }
    against = {"identical": {"other", "no hash"}, "skip": set(), "fail": {"same", "other", "no hash"}}[
        settings.existing
    ]
    action: Mapping[str, Literal["upload", "there", "differs"]] = {
        "free": "upload",
        "same": "there",
        "other": "differs",
        "no hash": "differs",
    }
    refused = [one for one, state in files if state in against]
    try:
        plan = decide(settings, INDEX, [one for one, _ in files], listings)
        problems: tuple[str, ...] = ()
    except PlanError as error:
        plan, problems = Plan(INDEX, ()), error.problems

    assert [one.shown for one in in_order(refused)] == [problem.partition(":")[0] for problem in problems]
    actions = {one.filename: action[state] for one, state in files}
    expected = [] if refused else [Item(one, actions[one.filename]) for one in in_order(one for one, _ in files)]
    assert expected == list(plan.items)
    assert sum(item.action == "differs" for item in expected) == len(plan.warnings)


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
    """One run has one index."""
    with pytest.raises(PlanError) as caught:
        destination(AUTO, [RELEASE, DEVELOPMENT])
    problem = (
        "with `repo` set to `auto`, development releases (dist/sample-1.1.dev4-py3-none-any.whl) and others cannot go in "
        "one run; name an index"
    )
    assert told(REFUSED, [problem]) == str(caught.value)


@pytest.mark.parametrize(
    ("expected", "filenames"),
    [
        pytest.param(False, [], id="no project"),
        pytest.param(True, ["sample-1.0.tar.gz"], id="sdist"),
        pytest.param(True, ["sample-1.0-py3-none-any.whl"], id="wheel"),
        pytest.param(True, ["sample-0.9.tar.gz", "sample-1.0-1-cp311-cp311-win32.whl"], id="among others"),
        pytest.param(True, ["Sample-1.0.0.tar.gz"], id="spelled as of old"),
        pytest.param(False, ["sample-1.0.post1.tar.gz", "sample-1.0rc1.tar.gz", "sample-1.0.1.tar.gz"], id="near it"),
        pytest.param(False, ["sample-1.0.exe", "sample-1.0-py2.7.egg", "sample-1.0.rpm", "1.0", ""], id="other kinds"),
        pytest.param(True, ["sample.whl", f"sample-{'1' * 5000}.tar.gz", "sample-1.0.tar.gz"], id="behind odd ones"),
    ],
)
def test_has_release(expected: bool, filenames: list[str]) -> None:
    """A release exists when one of the files that are listed is of its version."""
    assert expected == has_release(dict.fromkeys(filenames, UNKNOWN), Version("1.0"))


@given(
    st.lists(
        st.text(max_size=30)
        | st.from_regex(r"[a-z]{1,3}-[0-9.!a-z+]{0,9}(-py3-none-any\.whl|\.tar\.gz)", fullmatch=True)
    )
)
@hypothesis_settings(deadline=None, max_examples=100)
def test_has_release_of_anything(filenames: list[str]) -> None:
    """Whatever an index lists, there is an answer."""
    assert has_release(dict.fromkeys([*filenames, "sample-1.0.tar.gz"], UNKNOWN), Version("1.0"))
