"""What a CI says of a job, against the publishers that the recorded index had."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.identity.hints import EXPLAINED, mismatches, other_project, refusal
from hatch_trusted_publish.identity.publishers import (
    Expected,
    Mismatch,
    claim,
    compare,
    form_url,
    presented,
    publisher_of,
)
from hatch_trusted_publish.index.endpoints import Index, find_index
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.settings.options import PUBLISHER_FIELDS
from hatch_trusted_publish.settings.repositories import UPLOAD_URLS

PYPI, TESTPYPI = (find_index(Repository(name, url)) for name, url in UPLOAD_URLS.items())
OWN: Final = find_index(Repository("own", "https://index.example/legacy/"))
_RECORDED: Final = json.loads(Path(__file__).parents[1].joinpath("pypi-recordings.json").read_text("utf-8"))
_OK: Final = {
    entry["id"]: entry["request"]["claims"] for entry in _RECORDED["entries"] if entry["request"].get("claims")
}
GITHUB: Final = {"provider": "github", "owner": "octo-org", "repository": "sampleproject", "workflow": "release.yml"}
ON_RECORD: Final[Mapping[str, dict[str, str]]] = {
    "github": {**GITHUB, "environment": "pypi"},
    "gitlab": {
        "provider": "gitlab",
        "namespace": "octo-group",
        "project": "gl-sample",
        "workflow": ".gitlab-ci.yml",
        "environment": "release",
    },
    "google": {"provider": "google", "email": "publisher@sample.iam.gserviceaccount.com"},
    "activestate": {"provider": "activestate", "organization": "octo-org", "project": "as-sample", "actor": "actor"},
}
"""The publishers of the recorded index (pypi-recordings.md)."""


def claims_of(entry: Mapping[str, Any]) -> dict[str, object]:
    """The claims of a recorded exchange; of a brief one, what it changed, and what merely repeats that."""
    if "request" in entry:
        return dict(entry["request"]["claims"])
    name, changed = entry["id"], entry.get("claims_changed", {})
    kind = next((kind for kind in ("gitlab", "google", "activestate") if kind in name), "")
    claims = dict(_OK[f"mint/ok-{kind}" if kind else "mint/ok"])
    path = str(changed.get("repository", changed.get("project_path", "")))
    if path and kind:
        claims["ci_config_ref_uri"] = f"gitlab.com/{path}//.gitlab-ci.yml@refs/heads/main"
    elif path:
        claims["job_workflow_ref"] = f"{path}/.github/workflows/release.yml@refs/tags/v1.0.0"
    return {key: value for key, value in {**claims, **changed}.items() if value is not None}


OTHERS: Final = frozenset(
    [
        "noenv-project",
        "brand-new",
        "taken",
        "prohibited",
        "similar",
        "stdlib",
        "regoff",
        "ro-new",
        "archived-project",
        "quarantined-project",
    ]
)
"""Repositories whose publisher on record, pending or not, has no environment."""


def publisher_for(name: str, claims: Mapping[str, object]) -> dict[str, str]:
    """The publisher on record that a recorded exchange was meant for."""
    repository = str(claims.get("repository", "")).partition("/")[2]
    if repository in OTHERS:
        return {**GITHUB, "repository": repository}
    return ON_RECORD[next((kind for kind in ("gitlab", "google", "activestate") if kind in name), "github")]


MINTS: Final = {
    entry["id"]: entry
    for entry in (*_RECORDED["entries"], *_RECORDED["brief"])
    if entry["id"].startswith("mint/")
    and "path" not in entry
    and "body_sent" not in entry
    # What was no token at all has no claims.
    and ("request" not in entry or "claims" in entry["request"])
}


def code_of(entry: Mapping[str, Any]) -> tuple[str, str]:
    """The code and the description of a refusal; nothing for what was not refused."""
    if "request" in entry:
        try:
            entry = json.loads(entry["response"]["body"])["errors"][0]
        except (ValueError, LookupError):
            return "", ""
    return entry.get("code", ""), entry.get("description", "")


REFUSED: Final = {name: entry for name, entry in MINTS.items() if code_of(entry)[0]}
AT_FAULT: Final = {
    "mint/invalid-publisher-owner": ["owner"],
    "mint/invalid-publisher-repo-case": ["repository"],
    "mint/invalid-publisher-workflow": ["workflow"],
    "mint/invalid-publisher-environment": ["environment"],
    "mint/invalid-publisher-environment-wrong": ["environment"],
    "mint/invalid-publisher-reusable-workflow": ["workflow"],
    "mint/invalid-publisher-pull-request-target": ["event"],
    "mint/invalid-publisher-gitlab-namespace": ["namespace"],
    "mint/invalid-publisher-gitlab-ci-file": ["workflow"],
    "mint/invalid-publisher-gitlab-environment": ["environment"],
    "mint/invalid-publisher-google-email": ["email"],
    "mint/invalid-publisher-activestate-project": ["project"],
    "mint/failed-attempt-keeps-jti-1": ["workflow"],
    "mint/invalid-publisher-owner-case": ["owner"],
    "mint/invalid-publisher-repo": ["repository"],
    "mint/invalid-publisher-reusable-workflow-other-name": ["workflow"],
    "mint/invalid-publisher-gitlab-namespace-case": ["workflow"],
    "mint/invalid-publisher-gitlab-project": ["project"],
    "mint/invalid-publisher-gitlab-environment-wrong": ["environment"],
    "mint/invalid-publisher-gitlab-environment-case": ["environment"],
    "mint/invalid-publisher-google-email-unverified": ["email_verified"],
    "mint/invalid-publisher-activestate-builder": ["builder"],
}
"""Recorded exchange → what of the publisher on record the job does not meet; all others meet it."""
BEYOND_THE_SETTINGS: Final = {
    "mint/invalid-payload-unknown-issuer": "iss",
    "mint/invalid-payload-no-issuer": "iss",
    "mint/invalid-payload-gitlab-self-managed": "iss",
    "mint/invalid-token-wrong-aud": "aud",
    "mint/invalid-token-aud-list": "aud",
    "mint/invalid-publisher-owner-id": "repository_owner_id",
    "mint/invalid-publisher-missing-ref": "ref",
}
"""Recorded refusal → the claim at fault that no setting is about."""
SAID: Final = {
    "github": {
        "owner": "repository",
        "workflow": "job_workflow_ref",
        "event": "event_name",
    },
    "gitlab": {"namespace": "project_path", "project": "project_path", "workflow": "ci_config_ref_uri"},
}
"""The claim behind a setting, where it has another name."""


def test_the_table_is_about_what_was_recorded() -> None:
    """There is no row without an exchange."""
    assert set() == (AT_FAULT.keys() | BEYOND_THE_SETTINGS.keys()) - MINTS.keys()
    assert 40 < len(MINTS)


@pytest.mark.parametrize("name", MINTS)
def test_settings_at_fault(name: str) -> None:
    """The setting that differs is named, and no other; what PyPI took meets its publisher."""
    claims = claims_of(MINTS[name])
    found = compare(publisher_for(name, claims), claims)
    assert AT_FAULT.get(name, []) == [one.setting for one in found]


@pytest.mark.parametrize("name", REFUSED)
def test_claims_at_fault(name: str) -> None:
    """The advice after each refusal has every claim in which the job differs from the publisher on record."""
    claims, (code, description) = claims_of(REFUSED[name]), code_of(REFUSED[name])
    provider = publisher_for(name, claims)["provider"]
    settings_ = AT_FAULT.get(name, [])
    wrong = [SAID.get(provider, {}).get(setting, setting) for setting in settings_]
    wrong += [BEYOND_THE_SETTINGS[name]] if name in BEYOND_THE_SETTINGS else []
    text = refusal(claims, "the CI", PYPI, Expected(["sampleproject"]), code, description)

    assert code in EXPLAINED
    for one in wrong:
        assert f"\n  {one}: {claim(claims, one)}" in text
        assert claims.get(one) != _OK["mint/ok" if provider == "github" else f"mint/ok-{provider}"][one]
    # Nothing is at fault in a publisher that was deleted, and an absent jti is named by the index.
    assert wrong or code != "invalid-publisher" or "again" in name or "'jti'" in description


@pytest.mark.parametrize(
    ("publisher", "claims"),
    [
        ({**GITHUB, "environment": "PyPI"}, _OK["mint/ok"]),
        (GITHUB, _OK["mint/ok"]),
        ({"provider": "github"}, _OK["mint/ok"]),
        ({**ON_RECORD["google"], "sub": "111222333444555666777"}, _OK["mint/ok-google"]),
        ({"provider": "gitlab", "workflow": ".gitlab-ci.yml"}, _OK["mint/ok-gitlab"]),
    ],
    ids=["environment's case", "no environment", "nothing else", "sub", "GitLab's file alone"],
)
def test_met(publisher: dict[str, str], claims: dict[str, object]) -> None:
    """What a publisher does not ask for is not compared."""
    assert [] == compare(publisher, claims)


@pytest.mark.parametrize(
    ("kind", "changed", "setting", "expected", "said", "remedy"),
    [
        pytest.param(
            "github",
            {"iss": "https://gitlab.com"},
            "provider",
            "github",
            "gitlab",
            "run the job in that CI, or correct the publisher",
            id="other CI",
        ),
        pytest.param(
            "google",
            {"iss": "https://oidc.circleci.com"},
            "provider",
            "google",
            "https://oidc.circleci.com",
            "run the job in that CI, or correct the publisher",
            id="unknown CI",
        ),
        pytest.param(
            "github",
            {"job_workflow_ref": None},
            "workflow",
            "release.yml",
            "MISSING",
            "a reusable workflow of another repository never matches: move the job into a file of the repository that "
            "publishes",
            id="no workflow",
        ),
        pytest.param(
            "gitlab",
            {"ci_config_ref_uri": None},
            "workflow",
            ".gitlab-ci.yml",
            "MISSING",
            "move the job into that file, or correct the publisher",
            id="no file",
        ),
        pytest.param(
            "gitlab",
            {
                "project_path": "Octo-Group/GL-sample",
                "ci_config_ref_uri": "gitlab.com/Octo-Group/GL-sample//.gitlab-ci.yml@x",
            },
            "workflow",
            "a file of octo-group/gl-sample",
            "gitlab.com/Octo-Group/GL-sample//.gitlab-ci.yml@x",
            "the case counts here: write namespace and project in the publisher as GitLab does",
            id="GitLab's case",
        ),
        pytest.param(
            "gitlab",
            {"ci_config_ref_uri": "gitlab.com/octo-group/ci//.gitlab-ci.yml@x"},
            "workflow",
            "a file of octo-group/gl-sample",
            "gitlab.com/octo-group/ci//.gitlab-ci.yml@x",
            "the job's configuration has to be a file of the project itself",
            id="other project's file",
        ),
        pytest.param(
            "github",
            {"environment": "staging"},
            "environment",
            "pypi",
            "staging",
            "give the job the publisher's environment, or correct the publisher",
            id="other environment",
        ),
        pytest.param(
            "github",
            {"environment": ["pypi"]},
            "environment",
            "pypi",
            "MISSING",
            "the job has none: add it to the job, or take it out of the publisher",
            id="not a text",
        ),
        pytest.param(
            "google",
            {"email_verified": None},
            "email_verified",
            "true",
            "MISSING",
            "use a service account whose address Google has verified",
            id="not verified",
        ),
        pytest.param(
            "activestate",
            {"builder": "other"},
            "builder",
            "pypi-publisher",
            "other",
            "publish by ActiveState's own publishing step",
            id="builder",
        ),
    ],
)
def test_mismatch(kind: str, changed: dict[str, object], setting: str, expected: str, said: str, remedy: str) -> None:
    """What was expected, what the CI says, and which side to change."""
    claims = {**_OK["mint/ok" if kind == "github" else f"mint/ok-{kind}"], **changed}
    assert [Mismatch(setting, expected, said, remedy)] == compare(ON_RECORD[kind], claims)


@pytest.mark.parametrize(("kind", "publisher"), ON_RECORD.items())
def test_publisher_of(kind: str, publisher: dict[str, str]) -> None:
    """The publisher that would match a job is written as the table wants it, and matches it."""
    claims = _OK["mint/ok" if kind == "github" else f"mint/ok-{kind}"]
    found = publisher_of(claims)
    assert publisher == {key: found[key] for key in publisher}
    assert found.keys() <= {"provider", *PUBLISHER_FIELDS[kind]}
    assert [] == compare(found, claims)


def test_presented() -> None:
    """Only what the index looks at, with what is absent; the issuer of one that it may not know."""
    assert [
        ("email", "a@b.example"),
        ("email_verified", "false"),
        ("sub", "MISSING"),
    ] == presented({"iss": "https://accounts.google.com", "email": "a@b.example", "email_verified": False, "sub": ""})
    assert [("iss", "https://ci.example"), ("sub", "7")] == presented({"iss": "https://ci.example", "sub": 7, "x": "y"})


def test_claim_that_is_no_text() -> None:
    """What is nested is not written out: it could be too deep for that."""
    deep: object = "end"
    for _ in range(100_000):
        deep = [deep]
    assert "(neither a text nor a number)" == claim({"aud": deep}, "aud")


@pytest.mark.parametrize(
    ("index", "name", "query"),
    [
        (
            PYPI,
            "mint/ok",
            "provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=pypi",
        ),
        (
            PYPI,
            "mint/invalid-publisher-environment",
            "provider=github&owner=octo-org&repository=sampleproject&workflow_filename=release.yml&environment=",
        ),
        (
            TESTPYPI,
            "mint/ok-gitlab",
            "provider=gitlab&namespace=octo-group&project=gl-sample&workflow_filepath=.gitlab-ci.yml&environment=release",
        ),
        (
            PYPI,
            "mint/ok-google",
            "provider=google&email=publisher%40sample.iam.gserviceaccount.com&sub=111222333444555666777",
        ),
        (PYPI, "mint/ok-activestate", "provider=activestate&organization=octo-org&project=as-sample&actor=actor"),
    ],
)
def test_form(index: Index, name: str, query: str) -> None:
    """PyPI and TestPyPI have a form, which can be filled in by its address."""
    host = "pypi.org" if index is PYPI else "test.pypi.org"
    expected = f"https://{host}/manage/project/sample-project/settings/publishing/?{query}"
    assert expected == form_url(index, "sample-project", _OK[name])


@pytest.mark.parametrize(("index", "claims"), [(OWN, _OK["mint/ok"]), (PYPI, {"iss": "https://ci.example"})])
def test_no_form(index: Index, claims: dict[str, object]) -> None:
    """Other indexes have none that is known, and neither have other CIs."""
    assert form_url(index, "sample", claims) is None


NASTY = (
    "",
    "\x1b[31m",
    "\n::error::x",
    "::set-env name=a::b",
    "##[error]",
    "\u202e",
    "\ud800",
    "\r",
    "\u2028",
    "octo/x",
    "@",
    "//",
    "a" * 999,
)
TEXT = st.lists(st.sampled_from(NASTY) | st.text(max_size=5), max_size=4).map("".join)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
CLAIM = st.sampled_from(sorted({key for claims in _OK.values() for key in claims}))


def assert_inert(
    claims: Mapping[str, object], publisher: Mapping[str, str], index: Index, code: str, said: str
) -> None:
    """Nothing that is told of these claims is obeyed by whatever shows it."""
    texts = [
        mismatches(compare(publisher, claims), "the CI"),
        other_project(claims, "the CI", index, Expected(["sample"])),
        refusal(claims, "the CI", index, Expected(["sample"], publisher), code, said),
        refusal(claims, "the CI", index, Expected(["sample", "other"]), code, said),
    ]
    for text in texts:
        assert all(line.isprintable() for line in text.split("\n"))
        assert text.split("\n") == text.splitlines()
        assert "::" not in text
        assert "##" not in text
        assert len(text) < 10_000


@pytest.mark.parametrize("nasty", NASTY, ids=ascii)
@pytest.mark.parametrize("kind", ON_RECORD)
def test_one_hostile_claim(kind: str, nasty: str) -> None:
    """Each claim in turn is hostile, from its beginning or at its end."""
    claims = _OK["mint/ok" if kind == "github" else f"mint/ok-{kind}"]
    for name, value in claims.items():
        for changed in (nasty, f"{value}{nasty}", [nasty]):
            assert_inert({**claims, name: changed}, ON_RECORD[kind], PYPI, "invalid-publisher", nasty)


@given(
    base=st.sampled_from([{}, *_OK.values()]),
    changed=st.dictionaries(CLAIM, VALUE | TEXT, max_size=6),
    dropped=st.sets(CLAIM, max_size=3),
    publisher=st.sampled_from(list(ON_RECORD.values())),
    code=st.sampled_from(sorted(EXPLAINED)),
    index=st.sampled_from([PYPI, OWN]),
    said=TEXT,
)
@settings(deadline=None, max_examples=400)
def test_hostile_claims(
    base: dict[str, object],
    changed: dict[str, object],
    dropped: set[str],
    publisher: dict[str, str],
    code: str,
    index: Index,
    said: str,
) -> None:
    """Whatever the claims: no error, no control characters, no line that a CI would obey."""
    claims = {key: value for key, value in {**base, **changed}.items() if key not in dropped}
    assert_inert(claims, publisher, index, code, said)
