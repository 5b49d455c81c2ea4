"""Options and tables become settings, or every mistake at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import SettingsError
from hatch_trusted_publish.http.client import Certificates
from hatch_trusted_publish.index.origins import url_problem
from hatch_trusted_publish.index.repository import Repository
from hatch_trusted_publish.settings.options import Flags, Settings, parse

NOTHING: Mapping[str, object] = {}
NO_FLAGS = Flags()
MAIN = Repository("main", "https://upload.pypi.org/legacy/")
TEST = Repository("test", "https://test.pypi.org/legacy/")
REHEARSAL = Repository("rehearsal", "")
COMPANY_URL = "https://index.example/legacy/"
COMPANY = Repository("company", COMPANY_URL)
DEFAULT = Settings(MAIN)

TABLE = "tool.hatch.publish.trusted"
WITHOUT_SECRETS = (
    "this publisher never uses a user name, a password or a stored token: the identity of the CI takes "
    "their place. Leave it out, or use Hatch's own publisher with `-p index`"
)
CREDENTIALS = (
    "a URL with a user name or password in it is refused: trusted publishing needs neither, "
    "remove the part before the @"
)
KEYS = (
    "repo, repos, existing, dry-run, publisher, identity-variable, keep-token, attestations, concurrency, wait, timeout, "
    "several, check-version, report, rehearse-as"
)
"""The publisher's table of the contract."""
REPO_KEYS = (
    "url, audience, audience-endpoint, token-mint-endpoint, simple-url, attestations, local-versions, ca-cert, "
    "client-cert, client-key"
)


def read(
    options: Mapping[str, object] = NOTHING,
    flags: Flags = NO_FLAGS,
    project: Mapping[str, object] = NOTHING,
    user: Mapping[str, object] = NOTHING,
) -> Settings:
    """The settings of the layers that are given."""
    return parse(options, flags, project, user)


def mistakes(
    options: Mapping[str, object] = NOTHING,
    flags: Flags = NO_FLAGS,
    project: Mapping[str, object] = NOTHING,
    user: Mapping[str, object] = NOTHING,
) -> str:
    """What is told of the layers that are given."""
    with pytest.raises(SettingsError) as caught:
        parse(options, flags, project, user)
    return str(caught.value)


def told(*problems: str) -> str:
    """The whole text of an error with these problems."""
    return "\n".join(
        ["The settings cannot be used as they are; nothing was sent:", *(f"  - {problem}" for problem in problems)]
    )


def test_default() -> None:
    """With nothing said, one goes to PyPI, carefully."""
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
        rehearse_as="github",
        publisher=None,
    )
    assert expected == read()


GOOD: list[tuple[str, object, dict[str, Any]]] = [
    ("repo", "main", {}),
    ("repo", "test", {"repository": TEST}),
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
    ("identity-variable", "MY_TOKEN", {"identity_variable": "MY_TOKEN"}),
    ("keep-token", "false", {}),
    ("keep-token", "", {"keep_token": True}),
    ("keep-token", "true", {"keep_token": True}),
    ("attestations", "auto", {}),
    ("attestations", "false", {"attestations": False}),
    ("attestations", "true", {"attestations": True}),
    ("attestations", "", {"attestations": True}),
    ("concurrency", "1", {"concurrency": 1}),
    ("concurrency", "4", {}),
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
    ("rehearse-as", "github", {}),
    ("rehearse-as", "gitlab", {"rehearse_as": "gitlab"}),
]
GOOD_IN_TOML: list[tuple[str, object, dict[str, Any]]] = [
    *GOOD,
    ("repos", {}, {}),
    ("dry-run", False, {}),
    ("dry-run", True, {"dry_run": "yes"}),
    ("keep-token", False, {}),
    ("keep-token", True, {"keep_token": True}),
    ("attestations", False, {"attestations": False}),
    ("attestations", True, {"attestations": True}),
    ("concurrency", 1, {"concurrency": 1}),
    ("concurrency", 4, {}),
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
    # What Hatch reads itself, or adds, is no key of this publisher and no mistake.
    ("disable", True, {}),
    ("no_prompt", True, {}),
    ("initialize_auth", False, {}),
]


@pytest.mark.parametrize(("key", "value", "changes"), GOOD)
def test_value_as_option(key: str, value: object, changes: dict[str, Any]) -> None:
    """Each value of the contract can be given by ``-o``, where it is a text."""
    assert replace(DEFAULT, **changes) == read(options={key: value})


@pytest.mark.parametrize(("key", "value", "changes"), GOOD_IN_TOML)
def test_value_in_toml(key: str, value: object, changes: dict[str, Any]) -> None:
    """Each value of the contract can be given in the project's table and in Hatch's config file."""
    assert replace(DEFAULT, **changes) == read(project={key: value}) == read(user={key: value})


BAD: list[tuple[str, object, str]] = [
    ("repo", "", "needs a value"),
    ("repo", 5, "must be a text, not 5"),
    (
        "repo",
        "pypi",
        "there is no repository 'pypi'; there are main, test, auto, rehearsal, and any https:// URL will do",
    ),
    (
        "repo",
        "user:hunter2@index.example",
        "there is no repository '//***@index.example'; there are main, test, auto, rehearsal, and any https:// URL will do",
    ),
    ("repo", "https://user:hunter2@index.example/", CREDENTIALS),
    (
        "repo",
        "http://index.example/",
        "'http://index.example/' is refused: http:// would show the upload token to the network, use https://",
    ),
    ("repo", "ftp://index.example/", "'ftp://index.example/' is not a URL that begins with https://"),
    (
        "repo",
        "https://index.example/?a",
        "'https://index.example/?a' is refused: the URL of an index has no ? or # part",
    ),
    (
        "repo",
        "https://in\tdex.example\\",
        "'https://in dex.example\\\\' is not a URL: it holds white space, control characters or a backslash",
    ),
    ("repo", "https://pypi.org/", "'https://pypi.org/' is always there as `main`: use that name instead"),
    (
        "repo",
        "https://UPLOAD.pypi.org:443/legacy/",
        "'https://UPLOAD.pypi.org:443/legacy/' is always there as `main`: use that name instead",
    ),
    (
        "repo",
        "https://test.pypi.org/simple/",
        "'https://test.pypi.org/simple/' is always there as `test`: use that name instead",
    ),
    ("repos", "company", "must be a table of a TOML file, not 'company'"),
    ("repos", [COMPANY_URL], f"must be a table of a TOML file, not ['{COMPANY_URL}']"),
    ("existing", "Skip", "must be one of identical, skip, fail, not 'Skip'"),
    ("existing", True, "must be one of identical, skip, fail, not true"),
    ("dry-run", "burn", "must be one of false, true, mint, not 'burn'"),
    ("dry-run", 1, "must be one of false, true, mint, not 1"),
    ("publisher", "github", "must be a table of a TOML file, not 'github'"),
    ("identity-variable", " ", "needs a value"),
    ("identity-variable", ["A"], "must be a text, not ['A']"),
    ("keep-token", "yes", "must be true or false, not 'yes'"),
    ("keep-token", 1, "must be true or false, not 1"),
    ("attestations", "always", "must be one of auto, false, true, not 'always'"),
    ("concurrency", 0, "must be a whole number from 1 to 16, not 0"),
    ("concurrency", "17", "must be a whole number from 1 to 16, not '17'"),
    ("concurrency", 2.0, "must be a whole number from 1 to 16, not 2.0"),
    ("concurrency", True, "must be a whole number from 1 to 16, not true"),
    ("concurrency", "many", "must be a whole number from 1 to 16, not 'many'"),
    ("wait", -1, "must be a number from 0 to 86400, not -1"),
    ("wait", "soon", "must be a number from 0 to 86400, not 'soon'"),
    ("wait", 86401, "must be a number from 0 to 86400, not 86401"),
    ("timeout", 0.5, "must be a number from 1 to 3600, not 0.5"),
    ("timeout", "", "must be a number from 1 to 3600, not ''"),
    ("timeout", "nan", "must be a number from 1 to 3600, not 'nan'"),
    ("timeout", 3601, "must be a number from 1 to 3600, not 3601"),
    ("timeout", True, "must be a number from 1 to 3600, not true"),
    ("several", "2", "must be true or false, not '2'"),
    ("check-version", 0, "must be true or false, not 0"),
    ("report", "", "needs a value"),
    ("report", False, "must be a text, not false"),
    ("rehearse-as", "google", "must be one of github, gitlab, not 'google'"),
    ("user", "me", WITHOUT_SECRETS),
    ("auth", "hunter2", WITHOUT_SECRETS),
    ("exists", "skip", "there is no such key; did you mean `existing`?"),
    ("dry_run", True, "there is no such key; did you mean `dry-run`?"),
    ("password", "hunter2", f"there is no such key; the keys are {KEYS}"),
    ("ca-cert", "ca.pem", f"there is no such key; the keys are {KEYS}"),
]


@pytest.mark.parametrize("where", ["-o ", f"{TABLE}.", "publish.trusted."])
@pytest.mark.parametrize(("key", "value", "problem"), BAD)
def test_mistake(key: str, value: object, problem: str, where: str) -> None:
    """Each mistake is told with the full key of the place where it was made."""
    layer = {"-o ": "options", f"{TABLE}.": "project", "publish.trusted.": "user"}[where]
    assert told(f"`{where}{key}`: {problem}") == mistakes(**{layer: {key: value}})  # type: ignore[arg-type]


def test_all_keys_are_in_the_tables() -> None:
    """Each key of the contract is tried with what it takes and with what it does not."""
    keys = set(KEYS.split(", "))
    assert keys - {"publisher"} == keys & {key for key, _, _ in GOOD_IN_TOML}
    assert keys == keys & {key for key, _, _ in BAD}


def test_strange_key() -> None:
    """A key is as foreign as a value."""
    expected = told(f"`-o ?[31m: :error: : x`: there is no such key; the keys are {KEYS}")
    assert expected == mistakes(options={"\x1b[31m::error::\nx": "1"})


def test_precedence_of_a_key() -> None:
    """``-o`` wins over the project's table, this over Hatch's config file, this over the default."""
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
    """``-r`` stands between ``-o repo`` and the tables."""
    repos = {name: f"https://{name}.example/" for name in "ofpu"}
    found = read(
        {"repo": layers["options"]} if "options" in layers else {},
        Flags(repo=layers.get("flags")),
        {"repo": layers["project"]} if "project" in layers else {},
        {"repos": repos} | ({"repo": layers["user"]} if "user" in layers else {}),
    )
    assert expected == found.repository.name


def test_all_mistakes_at_once() -> None:
    """A mistake does not hide behind another, nor behind a layer that wins; what is right is not told."""
    expected = told(
        f"`--user (or HATCH_INDEX_USER)`: {WITHOUT_SECRETS}",
        f"`--auth (or HATCH_INDEX_AUTH)`: {WITHOUT_SECRETS}",
        f"`--initialize-auth`: {WITHOUT_SECRETS}",
        "`publish.trusted.existing`: must be one of identical, skip, fail, not 'never'",
        "`publish.trusted.repos.home.url`: is missing",
        f"`{TABLE}.existing`: must be one of identical, skip, fail, not 'maybe'",
        f"`{TABLE}.tiemout`: there is no such key; did you mean `timeout`?",
        f"`{TABLE}.wait`: must be a number from 0 to 86400, not -0.5",
        f"`{TABLE}.repos.company.url`: must be a text, not 5",
        "`-o timeout`: must be a number from 1 to 3600, not 'long'",
        "`--repo`: there is no repository 'tset'; there are main, test, home, company, auto, rehearsal, "
        "and any https:// URL will do",
        "`--client-key`: is of no use without `client-cert`",
    )
    found = mistakes(
        {"existing": "skip", "timeout": "long", "several": ""},
        Flags(repo="tset", user=True, auth=True, initialize_auth=True, client_key="key.pem"),
        {"existing": "maybe", "tiemout": 5, "wait": -0.5, "report": "a.json", "repos": {"company": {"url": 5}}},
        {"existing": "never", "repos": {"home": {"audience": "home"}}},
    )
    assert expected == found


@pytest.mark.parametrize(
    ("flag", "flags"),
    [
        ("--user (or HATCH_INDEX_USER)", Flags(user=True)),
        ("--auth (or HATCH_INDEX_AUTH)", Flags(auth=True)),
        ("--initialize-auth", Flags(initialize_auth=True)),
    ],
)
def test_password_flags(flag: str, flags: Flags) -> None:
    """There is no password path: whoever offers one is told so."""
    assert told(f"`{flag}`: {WITHOUT_SECRETS}") == mistakes(flags=flags)


@pytest.mark.parametrize(
    ("problem", "repo"),
    [
        ("needs a value", ""),
        ("there is no repository 'pypi'; there are main, test, auto, rehearsal, and any https:// URL will do", "pypi"),
        (CREDENTIALS, "https://me:hunter2@index.example/"),
    ],
)
def test_repo_flag_mistake(problem: str, repo: str) -> None:
    """What is wrong with ``-r`` is told by the flag's name."""
    assert told(f"`--repo`: {problem}") == mistakes(flags=Flags(repo=repo))


@pytest.mark.parametrize(
    ("expected", "repo"),
    [
        (MAIN, "main"),
        (MAIN, "main\n"),
        (MAIN, "https://upload.pypi.org/legacy/"),
        (MAIN, "https://upload.pypi.org/legacy"),
        (TEST, "test"),
        (TEST, "https://test.pypi.org/legacy/"),
        (TEST, "https://test.pypi.org/legacy"),
        (REHEARSAL, "rehearsal"),
        (replace(COMPANY, audience="packages"), "company"),
        (replace(COMPANY, audience="packages"), "https://index.example/legacy/"),
        (replace(COMPANY, audience="packages"), "https://index.example/legacy"),
        (Repository("bare", "https://bare.example/upload"), "https://bare.example/upload"),
        (Repository("bare", "https://bare.example/upload"), "https://bare.example/upload/"),
        (Repository("https://index.example/other/", "https://index.example/other/"), "https://index.example/other/"),
        (Repository("https://index.example:8443/", "https://index.example:8443/"), "https://index.example:8443/"),
        (Repository("http://[::1]:8080/legacy/", "http://[::1]:8080/legacy/"), "http://[::1]:8080/legacy/"),
        (Repository("https://bücher.example/", "https://bücher.example/"), "https://bücher.example/"),
    ],
)
def test_repo(expected: Repository, repo: str) -> None:
    """A name, or a URL: one that is known, PyPI's own too, is the index of that name with all its trust rules."""
    repos = {"company": {"url": COMPANY_URL, "audience": "packages"}, "bare": "https://bare.example/upload"}
    assert expected == read(flags=Flags(repo=repo), project={"repos": repos}).repository


def test_look_alike_is_not_pypi() -> None:
    """A host that only looks like PyPI's is another index, with none of PyPI's rights."""
    url = "https://upload.\u0440ypi.org/legacy/"
    assert Repository(url, url) == read(flags=Flags(repo=url)).repository


def test_whole_repository() -> None:
    """Each key of an index is taken, with endpoints on a host of their own."""
    table = {
        "url": COMPANY_URL,
        "audience": "packages",
        "audience-endpoint": "https://sso.example/audience",
        "token-mint-endpoint": "https://SSO.example:8443/mint",
        "simple-url": "http://127.0.0.1:3141/simple",
        "attestations": True,
        "local-versions": True,
        "ca-cert": "ca.pem",
        "client-cert": "cert.pem",
        "client-key": "key.pem",
    }
    assert set(REPO_KEYS.split(", ")) == table.keys()
    expected = Repository(
        "company",
        COMPANY_URL,
        audience="packages",
        audience_endpoint="https://sso.example/audience",
        mint_endpoint="https://SSO.example:8443/mint",
        simple_url="http://127.0.0.1:3141/simple",
        local_versions=True,
        attestations=True,
        certificates=Certificates("ca.pem", "cert.pem", "key.pem"),
    )
    assert expected == read(project={"repo": "company", "repos": {"company": table}}).repository


def test_repos_are_merged() -> None:
    """The indexes of all layers are known; a name that two layers have is the higher one's, whole."""
    user = {
        "repos": {
            "company": {"url": "https://old.example/", "audience": "old"},
            "home": "https://home.example/",
            "main": {"ca-cert": "user.pem"},
            "test": {"ca-cert": "user.pem"},
        }
    }
    project = {"repos": {"company": COMPANY_URL, "test": {"client-cert": "cert.pem"}}}
    expected = {
        "company": COMPANY,
        "home": Repository("home", "https://home.example/"),
        "main": replace(MAIN, certificates=Certificates(ca_cert="user.pem")),
        "test": replace(TEST, certificates=Certificates(client_cert="cert.pem")),
    }
    assert expected == {name: read({"repo": name}, project=project, user=user).repository for name in expected}


URL_KEYS = ("url", "simple-url", "audience-endpoint", "token-mint-endpoint")
PAIR = {"audience-endpoint": "https://sso.example/audience", "token-mint-endpoint": "https://sso.example/mint"}


@pytest.mark.parametrize(
    ("problem", "table"),
    [
        pytest.param("company`: must be a URL or a table, not 5", 5, id="number"),
        pytest.param(f"company`: must be a URL or a table, not ['{COMPANY_URL}']", [COMPANY_URL], id="list"),
        pytest.param("company.url`: is missing", {}, id="no-url"),
        pytest.param("company.url`: needs a value", "", id="empty-url"),
        pytest.param("company.url`: must be a text, not true", {"url": True}, id="url-of-another-type"),
        pytest.param("company.url`: 'main' is not a URL that begins with https://", "main", id="name-as-url"),
        *(
            pytest.param(
                f"company.{key}`: {CREDENTIALS}", {**PAIR, key: "https://me:hunter2@h.example/"}, id=f"{key}-user"
            )
            for key in ("url", "audience-endpoint", "token-mint-endpoint")
        ),
        *(
            pytest.param(
                f"company.{key}`: 'http://h.example/' is refused: http:// would show the upload token to the network, "
                "use https://",
                {**PAIR, key: "http://h.example/"},
                id=f"{key}-http",
            )
            for key in URL_KEYS
        ),
        pytest.param(
            "company.url`: 'https://upload.pypi.org/legacy/' is always there as `main`: use that name instead",
            "https://upload.pypi.org/legacy/",
            id="pypi-under-another-name",
        ),
        pytest.param(
            "company.url`: 'https://test.pypi.org/legacy' is always there as `test`: use that name instead",
            {"url": "https://test.pypi.org/legacy"},
            id="testpypi-under-another-name",
        ),
        *(
            pytest.param(
                f"company.audience`: {audience!r} belongs to another service, where an index that asks for it could use "
                "your identity. Its operator has to choose one of its own",
                {"audience": audience},
                id=f"audience-{number}",
            )
            for number, audience in enumerate(("pypi", "testpypi", "sigstore", "PyPI", "\uff50ypi", "pyp\u0131"))
        ),
        pytest.param("company.audience`: needs a value", {"audience": ""}, id="empty-audience"),
        *(
            pytest.param(
                "company`: `audience-endpoint` and `token-mint-endpoint` go together, one is missing",
                {key: PAIR[key]},
                id=f"{key}-alone",
            )
            for key in PAIR
        ),
        pytest.param(
            "company.token-mint-endpoint`: must be on the host of `audience-endpoint`",
            {**PAIR, "token-mint-endpoint": "https://evil.example/mint"},
            id="endpoints-on-two-hosts",
        ),
        pytest.param(
            "company.local-versions`: must be true or false, not 1", {"local-versions": 1}, id="local-versions"
        ),
        pytest.param("company.attestations`: must be true or false, not 'auto'", {"attestations": "auto"}, id="auto"),
        pytest.param("company.ca-cert`: needs a value", {"ca-cert": ""}, id="ca-cert"),
        pytest.param("company.password`: " + WITHOUT_SECRETS, {"user": "me"}, id="user"),
        pytest.param(
            "company.simple_url`: there is no such key; did you mean `simple-url`?",
            {"simple_url": "a"},
            id="underscore",
        ),
        pytest.param(
            f"company.zzz`: there is no such key; the keys are {REPO_KEYS}", {"zzz": COMPANY_URL}, id="unknown-key"
        ),
    ],
)
def test_repository_mistake(problem: str, table: object) -> None:
    """Each mistake in an index's table is told with its full key, whether the index is chosen or not."""
    if isinstance(table, dict) and problem != "company.url`: is missing":
        table = {"url": COMPANY_URL, **table}
    problem = problem.replace("company.password", "company.user")
    assert told(f"`{TABLE}.repos.{problem}") == mistakes(project={"repos": {"company": table}})


def test_all_mistakes_of_a_repository() -> None:
    """One mistake in an index's table does not hide another."""
    table = {
        "url": "http://h.example/",
        "simple-url": "ftp://h.example/",
        "audience": "pypi",
        "audience-endpoint": "https://a.example/",
        "token-mint-endpoint": "https://b.example/",
        "attestations": "always",
        "client-cert": [],
    }
    label = "publish.trusted.repos.company"
    expected = told(
        f"`{label}.attestations`: must be true or false, not 'always'",
        f"`{label}.client-cert`: must be a text, not []",
        f"`{label}.url`: 'http://h.example/' is refused: http:// would show the upload token to the network, use https://",
        f"`{label}.simple-url`: 'ftp://h.example/' is not a URL that begins with https://",
        f"`{label}.audience`: 'pypi' belongs to another service, where an index that asks for it could use your identity. "
        "Its operator has to choose one of its own",
        f"`{label}.token-mint-endpoint`: must be on the host of `audience-endpoint`",
    )
    assert expected == mistakes(user={"repos": {"company": table}})


@pytest.mark.parametrize("name", ["auto", "rehearsal", "https://upload.pypi.org/legacy/"])
def test_taken_name(name: str) -> None:
    """A name that means something already cannot be given to an index: nobody is to land elsewhere."""
    expected = told(f"`{TABLE}.repos.{name}`: this name has a meaning of its own, choose another")
    assert expected == mistakes(project={"repos": {name: COMPANY_URL}})


@pytest.mark.parametrize(("name", "url"), [("main", MAIN.url), ("test", TEST.url)])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", COMPANY_URL),
        ("url", "https://upload.pypi.org/legacy/"),
        ("audience", "packages"),
        ("audience-endpoint", "https://sso.example/audience"),
        ("token-mint-endpoint", "https://sso.example/mint"),
        ("simple-url", "https://mirror.example/simple/"),
        ("local-versions", True),
        ("attestations", False),
    ],
)
def test_pypi_is_pypi(name: str, url: str, key: str, value: object) -> None:
    """Nothing but certificates can be set for ``main`` and ``test``."""
    expected = told(f"`{TABLE}.repos.{name}.{key}`: `{name}` is always {url}, only certificates can be set for it")
    assert expected == mistakes(project={"repos": {name: {key: value, "ca-cert": "ca.pem"}}})
    if key == "url":
        assert expected == mistakes(project={"repos": {name: value}})


@pytest.mark.parametrize(
    ("expected", "flags", "table"),
    [
        (COMPANY, Flags(), {}),
        (replace(COMPANY, certificates=Certificates(ca_cert="a.pem")), Flags(), {"ca-cert": "a.pem"}),
        (replace(COMPANY, certificates=Certificates(ca_cert="b.pem")), Flags(ca_cert="b.pem"), {"ca-cert": "a.pem"}),
        (
            replace(COMPANY, certificates=Certificates(client_cert="c", client_key="k")),
            Flags(client_cert="c", client_key="k"),
            {},
        ),
        (
            replace(COMPANY, certificates=Certificates(client_cert="c", client_key="k")),
            Flags(client_key="k"),
            {"client-cert": "c"},
        ),
        (replace(COMPANY, certificates=Certificates(client_cert="c")), Flags(client_cert="c"), {}),
        (replace(COMPANY, certificates=Certificates(ca_cert="a.pem")), Flags(ca_cert=""), {"ca-cert": "a.pem"}),
    ],
)
def test_certificates(expected: Repository, flags: Flags, table: dict[str, object]) -> None:
    """The certificates of the command line go to the index that is chosen, and win over its table."""
    project = {"repo": "company", "repos": {"company": {"url": COMPANY_URL, **table}}}
    assert expected == read(flags=flags, project=project).repository


def test_certificates_for_pypi() -> None:
    """A company's proxy has to be trusted for PyPI as well."""
    assert replace(MAIN, certificates=Certificates(ca_cert="ca.pem")) == read(flags=Flags(ca_cert="ca.pem")).repository


@pytest.mark.parametrize(
    ("label", "flags", "table"),
    [
        ("--client-key", Flags(client_key="k"), {}),
        ("repos.company.client-key", Flags(), {"client-key": "k"}),
    ],
)
def test_key_without_certificate(label: str, flags: Flags, table: dict[str, object]) -> None:
    """A client key alone would be dropped without a word."""
    project = {"repo": "company", "repos": {"company": {"url": COMPANY_URL, **table}}}
    assert told(f"`{label}`: is of no use without `client-cert`") == mistakes(flags=flags, project=project)


def test_unknown_repository_names_those_that_exist() -> None:
    """All layers' names are told, and none of them can write to the log."""
    expected = told(
        "`--repo`: there is no repository 'compnay'; there are main, test, home, company, ?[2J, auto, rehearsal, "
        "and any https:// URL will do"
    )
    found = mistakes(
        flags=Flags(repo="compnay"),
        project={"repos": {"company": COMPANY_URL, "\x1b[2J": "https://c.example/"}},
        user={"repos": {"home": "https://home.example/"}},
    )
    assert expected == found


PROVIDERS = {
    "github": ("owner", "repository", "workflow", "environment"),
    "gitlab": ("namespace", "project", "workflow", "environment"),
    "google": ("email", "sub"),
    "activestate": ("organization", "project", "actor"),
}


@pytest.mark.parametrize(("provider", "fields"), PROVIDERS.items())
@pytest.mark.parametrize("given", ["all", "none"])
def test_publisher(provider: str, fields: tuple[str, ...], given: str) -> None:
    """The publisher's table has a provider; each of its other fields may be left out."""
    table = {"provider": provider, **dict.fromkeys(fields if given == "all" else (), "a")}
    assert replace(DEFAULT, publisher=table) == read(project={"publisher": table})


def test_precedence_of_a_publisher() -> None:
    """The highest place's table is taken whole."""
    project = {"provider": "github", "workflow": "release.yml"}
    user = {"provider": "gitlab", "project": "sample", "workflow": "x.yml"}
    assert replace(DEFAULT, publisher=project) == read(project={"publisher": project}, user={"publisher": user})
    assert replace(DEFAULT, publisher=user) == read(user={"publisher": user})


NAMES = "must be one of github, gitlab, google, activestate, not "


@pytest.mark.parametrize(
    ("problem", "table"),
    [
        ("provider`: " + NAMES + "None", {}),
        ("provider`: " + NAMES + "'circleci'", {"provider": "circleci"}),
        ("provider`: " + NAMES + "['github']", {"provider": ["github"]}),
        (
            "email`: there is no such key; the keys are provider, owner, repository, workflow, environment",
            {"provider": "github", "email": "a"},
        ),
        ("owners`: there is no such key; did you mean `owner`?", {"provider": "github", "owners": "a"}),
        ("owner`: must be a text, not 5", {"provider": "github", "owner": 5}),
        ("sub`: needs a value", {"provider": "google", "sub": ""}),
    ],
)
def test_publisher_mistake(problem: str, table: dict[str, object]) -> None:
    """What is wrong in the publisher's table is told, also where a higher place has another."""
    assert told(f"`publish.trusted.publisher.{problem}") == mistakes(user={"publisher": table})


KEY = st.sampled_from([*KEYS.split(", "), *REPO_KEYS.split(", "), "main", "test", "auto", "user", "disable"]) | st.text(
    max_size=8
)
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
    """Whatever TOML and a command line can hold: settings that are sound, or one error whose lines are inert."""
    try:
        found = parse(options, flags, project, user)
    except SettingsError as refusal:
        error = refusal
    else:
        assert not flags.user
        assert REHEARSAL.name == found.repository.name or url_problem(found.repository.url) is None
        return
    assert len(error.problems) + 1 == len(str(error).splitlines()) > 1
    assert all(problem.startswith("`") and problem.isprintable() for problem in error.problems)


def test_too_much() -> None:
    """A number of thousands of digits and a table of as many levels, which TOML can write, are mistakes like others."""
    table: object = "end"
    for _ in range(100_000):
        table = {"a": table}
    expected = told(
        f"`{TABLE}.existing`: must be one of identical, skip, fail, not this dict",
        f"`{TABLE}.wait`: must be a number from 0 to 86400, not this int",
    )
    assert expected == mistakes(project={"existing": table, "wait": 1 << 20_000})


def test_certificates_of_auto() -> None:
    """Each of the two indexes has its own certificates, and the command line's go with both."""
    project = {"repo": "auto", "repos": {"main": {"ca-cert": "main.pem"}, "test": {"ca-cert": "test.pem"}}}
    own = replace(
        DEFAULT,
        repository=replace(MAIN, certificates=Certificates(ca_cert="main.pem")),
        development=replace(TEST, certificates=Certificates(ca_cert="test.pem")),
    )
    both = replace(
        DEFAULT,
        repository=replace(MAIN, certificates=Certificates(ca_cert="x.pem")),
        development=replace(TEST, certificates=Certificates(ca_cert="x.pem")),
    )
    assert own == read(project=project)
    assert both == read(flags=Flags(ca_cert="x.pem"), project=project)


def test_a_mistake_of_auto_is_told_once() -> None:
    """Though it stands against both indexes."""
    flags = Flags(client_key="key.pem")
    assert told("`--client-key`: is of no use without `client-cert`") == mistakes(flags=flags, project={"repo": "auto"})
