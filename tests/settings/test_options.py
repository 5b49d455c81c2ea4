"""Options and tables become settings, or every mistake at once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import Message, SettingsError
from hatch_trusted_publish.index.endpoints import Repository
from hatch_trusted_publish.index.origins import url_problem
from hatch_trusted_publish.settings.options import KEYS, Flags, Settings, parse
from hatch_trusted_publish.settings.repositories import REPO_KEYS

from .layers import COMPANY_URL, MAIN, NO_FLAGS, TABLE, TEST, USER, codes, mistakes, read

REHEARSAL = Repository("rehearsal", "")
DEFAULT = Settings(MAIN)
DIGEST = "0a" * 32


def test_default() -> None:
    """Without settings, everything goes to PyPI, with all checks."""
    expected = Settings(
        repository=MAIN,
        development=None,
        existing="identical",
        dry_run="no",
        identity_variable=None,
        timeout=30.0,
        several=False,
        check_version=True,
        report=None,
        report_inside=False,
        expect=None,
        concurrency=8,
        rehearse_as="github",
        publisher=None,
    )
    assert expected == read()


GOOD: list[tuple[str, object, dict[str, Any]]] = [
    ("repo", "main", {}),
    ("repo", "test", {"repository": TEST}),
    ("repo", "pypi", {}),
    ("repo", "testpypi", {"repository": TEST}),
    ("repo", "auto", {"development": TEST}),
    ("repo", "rehearsal", {"repository": REHEARSAL}),
    ("repo", COMPANY_URL, {"repository": Repository(COMPANY_URL, COMPANY_URL)}),
    ("existing", "identical", {}),
    ("existing", "skip", {"existing": "skip"}),
    ("existing", "fail", {"existing": "fail"}),
    ("dry-run", "false", {}),
    ("dry-run", "true", {"dry_run": "yes"}),
    ("dry-run", "", {"dry_run": "yes"}),
    ("dry-run", "mint", {"dry_run": "mint"}),
    ("keep-token", "false", {}),
    ("keep-token", "", {"keep_token": True}),
    ("keep-token", "true", {"keep_token": True}),
    ("attestations", "auto", {}),
    ("attestations", "false", {"attestations": False}),
    ("attestations", "true", {"attestations": True}),
    ("attestations", "", {"attestations": True}),
    ("concurrency", "1", {"concurrency": 1}),
    ("concurrency", "8", {}),
    ("concurrency", "16", {"concurrency": 16}),
    ("wait", "0", {}),
    ("wait", "600", {"wait": 600.0}),
    ("timeout", "2.5", {"timeout": 2.5}),
    ("timeout", "3600", {"timeout": 3600.0}),
    ("several", "", {"several": True}),
    ("several", "true", {"several": True}),
    ("several", "false", {}),
    ("check-version", "false", {"check_version": False}),
    ("check-version", "true", {}),
    ("report", "out/report.json", {"report": "out/report.json"}),
    ("expect", DIGEST, {"expect": DIGEST}),
    ("rehearse-as", "github", {}),
    ("rehearse-as", "gitlab", {"rehearse_as": "gitlab"}),
    ("repos", {}, {}),
    ("dry-run", False, {}),
    ("dry-run", True, {"dry_run": "yes"}),
    ("keep-token", False, {}),
    ("keep-token", True, {"keep_token": True}),
    ("attestations", False, {"attestations": False}),
    ("attestations", True, {"attestations": True}),
    ("concurrency", 1, {"concurrency": 1}),
    ("concurrency", 8, {}),
    ("concurrency", 16, {"concurrency": 16}),
    ("wait", 0, {}),
    ("wait", 0.5, {"wait": 0.5}),
    ("wait", 0.0, {}),
    ("timeout", 5, {"timeout": 5}),
    ("timeout", 1, {"timeout": 1}),
    ("timeout", 2.5, {"timeout": 2.5}),
    ("several", True, {"several": True}),
    ("several", False, {}),
    ("check-version", False, {"check_version": False}),
    ("check-version", True, {}),
    # Keys that Hatch reads itself, or adds, are neither keys of this publisher nor mistakes.
    ("disable", True, {}),
    ("no_prompt", True, {}),
    ("initialize_auth", False, {}),
]


@pytest.mark.parametrize(("key", "value", "changes"), GOOD)
def test_value(key: str, value: object, changes: dict[str, Any]) -> None:
    """Each value of the contract can be set in the project's table, in Hatch's config file and by ``-o``."""
    expected = replace(DEFAULT, **changes)
    assert expected == read(user={key: value})
    if isinstance(value, str):  # if `-o` can express it
        assert expected == read(options={key: value})
    assert replace(expected, report_inside=key == "report") == read(project={key: value})


WORKFLOW_ONLY: list[tuple[str, str, dict[str, Any]]] = [
    ("identity-variable", "MY_TOKEN", {"identity_variable": "MY_TOKEN"}),
    ("report", "../report.json", {"report": "../report.json"}),
    ("report", "out/../../report.json", {"report": "out/../../report.json"}),
    ("report", "/tmp/report.json", {"report": "/tmp/report.json"}),
]


@pytest.mark.parametrize(("key", "value", "changes"), WORKFLOW_ONLY)
def test_workflow_only(key: str, value: str, changes: dict[str, Any]) -> None:
    """A key that moves an identity or writes outside the project is not read from it; the line to add is shown."""
    expected = replace(DEFAULT, **changes)
    assert expected == read(options={key: value}) == read(user={key: value})
    problem = Message("workflow-only", key=f"{TABLE}.{key}", line=f"-o {key}={value}")
    assert [problem] == mistakes(project={key: value}) == mistakes(options={key: "a"}, project={key: value})


BAD: list[tuple[str, object, str]] = [
    ("repo", "", "empty-value"),
    ("repo", 5, "not-a-string"),
    ("repo", "pipy", "unknown-index"),
    ("repo", "user:hunter2@index.example", "unknown-index"),
    *(
        ("repo", url, "bad-url")
        for url in (
            "https://user:hunter2@index.example/",
            "http://index.example/",
            "http://index.localhost/",
            "ftp://index.example/",
            "https://index.example/?a",
            "https://in dex.example\\",
            "https://pypi.org/",
            "https://UPLOAD.pypi.org:443/legacy/",
            "https://test.pypi.org/simple/",
        )
    ),
    ("repo", "https://index\0.example/", "unusable-value"),
    ("repos", "company", "not-a-table"),
    ("existing", "Skip", "not-one-of"),
    ("dry-run", 1, "not-one-of"),
    ("publisher", "github", "not-a-table"),
    ("identity-variable", ["A"], "not-a-string"),
    ("identity-variable", "A\0B", "unusable-value"),
    ("keep-token", "yes", "not-a-boolean"),
    ("attestations", "always", "not-one-of"),
    ("concurrency", 17, "not-an-integer"),
    ("wait", 86401, "not-a-number"),
    ("timeout", 0.5, "not-a-number"),
    ("several", "2", "not-a-boolean"),
    ("check-version", 0, "not-a-boolean"),
    ("report", "", "empty-value"),
    ("report", "a\0b", "unusable-value"),
    ("report", "a" * 256, "unusable-value"),
    ("expect", "0a", "not-a-digest"),
    ("audience", 5, "not-a-string"),
    ("rehearse-as", "google", "not-one-of"),
    ("user", "me", "no-passwords"),
    ("auth", "hunter2", "no-passwords"),
    ("exists", "skip", "misspelled-key"),
    ("dry_run", True, "misspelled-key"),
    ("password", "hunter2", "unknown-key"),
    ("\x1b[31m::error::\nx", "1", "unknown-key"),
]


@pytest.mark.parametrize(("key", "value", "code"), BAD)
def test_mistake(key: str, value: object, code: str) -> None:
    """Each mistake is reported with the full key of its place, and without secrets."""
    for where, layer in (("-o ", "options"), (f"{TABLE}.", "project"), (f"{USER}.", "user")):
        problems = mistakes(**{layer: {key: value}})  # type: ignore[arg-type]
        assert [(code, f"{where}{key}")] == codes(problems)
        assert "hunter2" not in str(problems[0])
        assert str(problems[0]).isprintable()


def test_all_keys_are_in_the_tables() -> None:
    """Each key of the contract has rows with an accepted value and with a rejected one."""
    tried = {key for key, _, _ in [*GOOD, *WORKFLOW_ONLY]} | {"publisher", "audience"}
    assert KEYS.keys() == tried - {"disable", "no_prompt", "initialize_auth"}
    assert KEYS.keys() <= {key for key, _, _ in BAD}


def test_precedence_of_a_key() -> None:
    """``-o`` takes precedence over the project's table, this over Hatch's config file, this over the default."""
    user = {"existing": "fail", "timeout": 11, "report": "user.json"}
    project = {"existing": "skip", "timeout": 12}
    options = {"existing": "identical"}
    expected = replace(DEFAULT, existing="identical", timeout=12, report="user.json")
    assert expected == read(options, project=project, user=user)


@pytest.mark.parametrize(
    ("expected", "layers"),
    [
        ("o", {"options": "o", "flags": "f", "project": "p", "user": "u"}),
        ("f", {"flags": "f", "project": "p", "user": "u"}),
        ("p", {"project": "p", "user": "u"}),
        ("u", {"user": "u"}),
        ("main", {}),
    ],
)
def test_precedence_of_repo(expected: str, layers: dict[str, str]) -> None:
    """``-r`` is between ``-o repo`` and the tables."""
    repos = {name: f"https://{name}.example/" for name in "ofpu"}
    found = read(
        {"repo": layers["options"]} if "options" in layers else {},
        Flags(repo=layers.get("flags")),
        {"repo": layers["project"]} if "project" in layers else {},
        {"repos": repos} | ({"repo": layers["user"]} if "user" in layers else {}),
    )
    assert expected == found.repository.name


def test_all_mistakes_at_once() -> None:
    """A mistake does not hide another, nor does a layer with precedence; correct values are not mentioned."""
    found = mistakes(
        {"existing": "skip", "timeout": "long", "several": ""},
        Flags(repo="tset", user=True, auth=True, initialize_auth=True, client_key="key.pem"),
        {"existing": "maybe", "tiemout": 5, "wait": -0.5, "report": "a.json", "repos": {"company": {"url": 5}}},
        {"existing": "never", "repos": {"home": {"audience": "home"}}},
    )
    assert [
        ("no-passwords", "--user"),
        ("no-passwords", "--auth"),
        ("no-passwords", "--initialize-auth"),
        ("not-one-of", "publish.trusted.existing"),
        ("missing-key", "publish.trusted.repos.home.url"),
        ("not-one-of", f"{TABLE}.existing"),
        ("misspelled-key", f"{TABLE}.tiemout"),
        ("not-a-number", f"{TABLE}.wait"),
        ("not-a-string", f"{TABLE}.repos.company.url"),
        ("not-a-number", "-o timeout"),
        ("unknown-index", "--repo"),
        ("key-without-certificate", "--client-key"),
    ] == codes(found)


@pytest.mark.parametrize(
    ("code", "key", "flags"),
    [
        ("no-passwords", "--user", Flags(user=True)),
        ("no-passwords", "--auth", Flags(auth=True)),
        ("no-passwords", "--initialize-auth", Flags(initialize_auth=True)),
        ("empty-value", "--repo", Flags(repo="")),
        ("unknown-index", "--repo", Flags(repo="pipy")),
        ("bad-url", "--repo", Flags(repo="https://me:hunter2@index.example/")),
        ("unusable-value", "--ca-cert", Flags(ca_cert="a\0b")),
        ("key-without-certificate", "--client-key", Flags(client_key="k")),
    ],
)
def test_flag_mistake(code: str, key: str, flags: Flags) -> None:
    """A mistake in a flag is reported by the flag's name; no flag sets a password."""
    assert [(code, key)] == codes(mistakes(flags=flags))


def test_a_mistake_of_auto_is_reported_once() -> None:
    """Both indexes of ``auto`` have it."""
    problems = mistakes(flags=Flags(client_key="key.pem"), project={"repo": "auto"})
    assert [("key-without-certificate", "--client-key")] == codes(problems)


def test_too_much() -> None:
    """A number of thousands of digits, or a table as deeply nested, is a mistake like any other."""
    table: object = "end"
    for _ in range(100_000):
        table = {"a": table}
    found = mistakes(project={"existing": table, "wait": 1 << 20_000})
    assert ["this dict", "this int"] == [one.facts["value"] for one in found]


PROVIDERS = {
    "github": ("owner", "repository", "workflow", "environment"),
    "gitlab": ("namespace", "project", "workflow", "environment"),
    "google": ("email", "sub"),
    "activestate": ("organization", "project", "actor"),
}


@pytest.mark.parametrize(("provider", "fields"), PROVIDERS.items())
@pytest.mark.parametrize("given", ["all", "none"])
def test_publisher(provider: str, fields: tuple[str, ...], given: str) -> None:
    """The publisher's table has a provider; all its other fields are optional."""
    table = {"provider": provider, **dict.fromkeys(fields if given == "all" else (), "a")}
    assert replace(DEFAULT, publisher=table) == read(project={"publisher": table})


def test_precedence_of_a_publisher() -> None:
    """The table of the highest layer replaces the others as a whole."""
    project = {"provider": "github", "workflow": "release.yml"}
    user = {"provider": "gitlab", "project": "sample", "workflow": "x.yml"}
    assert replace(DEFAULT, publisher=project) == read(project={"publisher": project}, user={"publisher": user})
    assert replace(DEFAULT, publisher=user) == read(user={"publisher": user})


@pytest.mark.parametrize(
    ("expected", "table"),
    [
        ([("missing-key", "provider")], {}),
        ([("not-one-of", "provider")], {"provider": "circleci"}),
        ([("not-one-of", "provider")], {"provider": ["github"]}),
        ([("unknown-key", "email")], {"provider": "github", "email": "a"}),
        ([("misspelled-key", "owners")], {"provider": "github", "owners": "a"}),
        ([("not-a-string", "owner")], {"provider": "github", "owner": 5}),
        ([("empty-value", "sub")], {"provider": "google", "sub": ""}),
        (
            [("not-one-of", "provider"), ("not-a-string", "owner"), ("unknown-key", "zzz")],
            {"provider": "gihtub", "owner": 5, "email": "a", "zzz": 1},
        ),
        ([("missing-key", "provider"), ("misspelled-key", "enviroment")], {"enviroment": "pypi"}),
    ],
)
def test_publisher_mistake(expected: list[tuple[str, str]], table: dict[str, object]) -> None:
    """All mistakes of the publisher's table are reported, even if its provider is wrong."""
    expected = [(code, f"publish.trusted.publisher.{key}") for code, key in expected]
    assert expected == codes(mistakes(user={"publisher": table}))


def test_wait_without_listing() -> None:
    """`wait` contradicts an index whose listing is not read."""
    project = {"repo": "company", "wait": 5, "repos": {"company": {"url": COMPANY_URL, "listing": "none"}}}
    assert [("wait-without-listing", f"{TABLE}.wait")] == codes(mistakes(project=project))
    assert [("wait-without-listing", "-o wait")] == codes(mistakes(options={"wait": "9"}, project=project))
    assert "none" == read(options={"wait": "0"}, project=project).repository.listing


KEY = st.sampled_from([*KEYS, *REPO_KEYS, "main", "test", "auto", "user", "disable"]) | st.text(max_size=8)
PLAIN = (
    st.sampled_from(
        [
            "",
            "true",
            "false",
            "auto",
            "main",
            "test",
            "rehearsal",
            "pypi",
            "github",
            "0",
            "1",
            "nan",
            "inf",
            "-1",
            "1e999",
        ]
    )
    | st.sampled_from(
        [COMPANY_URL, "https://u:p@h.example/", "http://h.example/", "https://[::1", "https://h:x/", "://"]
    )
    | st.text(max_size=12)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.dates()
    | st.just(dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
)
VALUE = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=4), max_leaves=12
)
LAYER = st.dictionaries(KEY, VALUE, max_size=5) | st.fixed_dictionaries(
    {"repos": st.dictionaries(KEY, st.dictionaries(KEY, PLAIN, max_size=6) | PLAIN, max_size=3)},
    optional={"repo": PLAIN, "publisher": st.dictionaries(KEY, VALUE, max_size=3)},
)
FLAGS = st.builds(
    Flags,
    repo=st.none() | st.text(max_size=10) | st.sampled_from(["test", COMPANY_URL, "rehearsal"]),
    user=st.booleans(),
    ca_cert=st.none() | st.text(max_size=4),
    client_key=st.none() | st.text(max_size=4),
)


@given(st.dictionaries(KEY, st.text(max_size=12) | PLAIN, max_size=4), FLAGS, LAYER, LAYER)
@example({}, NO_FLAGS, {"repos": {"c": {"url": "https://[::1", "audience-endpoint": "https://h:x/"}}}, {})
@settings(deadline=None, max_examples=300)
def test_total(options: dict[str, object], flags: Flags, project: dict[str, object], user: dict[str, object]) -> None:
    """Whatever TOML and a command line can hold: valid settings, or one error whose lines are printable."""
    try:
        found = parse(options, flags, project, user)
    except SettingsError as refusal:
        error = refusal
    else:
        assert not flags.user
        assert REHEARSAL.name == found.repository.name or url_problem(found.repository.url) is None
        return
    assert error.problems
    assert all(str(problem).isprintable() and problem.facts["key"] for problem in error.problems)
