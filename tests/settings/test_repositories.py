"""The tables of ``repos``, and the settings of an index that only the workflow may make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.index.endpoints import Repository
from hatch_trusted_publish.settings.options import Flags
from hatch_trusted_publish.settings.repositories import REPO_KEYS

from .layers import COMPANY, COMPANY_URL, MAIN, NO_FLAGS, TABLE, TEST, USER, codes, mistakes, read

PAIR = {"audience-endpoint": "https://sso.example/audience", "token-mint-endpoint": "https://sso.example/mint"}
OWN_PAIR = {"audience-endpoint": "https://index.example/a", "token-mint-endpoint": "https://INDEX.example:8443/m"}


@pytest.mark.parametrize(
    ("expected", "repo"),
    [
        (MAIN, "main"),
        (MAIN, "pypi"),
        (MAIN, "main\n"),
        (MAIN, "https://upload.pypi.org/legacy/"),
        (MAIN, "https://upload.pypi.org/legacy"),
        (TEST, "test"),
        (TEST, "testpypi"),
        (TEST, "https://test.pypi.org/legacy/"),
        (Repository("rehearsal", ""), "rehearsal"),
        (replace(COMPANY, local_versions=True), "company"),
        (replace(COMPANY, local_versions=True), "https://index.example/legacy/"),
        (replace(COMPANY, local_versions=True), "https://index.example/legacy"),
        (Repository("bare", "https://bare.example/upload"), "https://bare.example/upload/"),
        (Repository("https://index.example/other/", "https://index.example/other/"), "https://index.example/other/"),
        (Repository("https://index.example:8443/", "https://index.example:8443/"), "https://index.example:8443/"),
        (Repository("http://[::1]:8080/legacy/", "http://[::1]:8080/legacy/"), "http://[::1]:8080/legacy/"),
        (Repository("https://bücher.example/", "https://bücher.example/"), "https://bücher.example/"),
        (Repository("https://upload.\u0440ypi.org/", "https://upload.\u0440ypi.org/"), "https://upload.\u0440ypi.org/"),
    ],
)
def test_repo(expected: Repository, repo: str) -> None:
    """A known name or its URL, PyPI's included, selects that index; a look-alike is not PyPI."""
    repos = {"company": {"url": COMPANY_URL, "local-versions": True}, "bare": "https://bare.example/upload"}
    assert expected == read(flags=Flags(repo=repo), project={"repos": repos}).repository


def test_whole_repository() -> None:
    """Each key of an index is read; in Hatch's own config, audience and endpoints may be on other hosts."""
    table = {
        "url": COMPANY_URL,
        "audience": "packages",
        **PAIR,
        "simple-url": "http://127.0.0.1:3141/simple",
        "attestations": True,
        "local-versions": True,
        "listing": "none",
        "ca-cert": "ca.pem",
        "client-cert": "cert.pem",
        "client-key": "key.pem",
    }
    assert REPO_KEYS.keys() == table.keys()
    expected = Repository(
        "company",
        COMPANY_URL,
        audience="packages",
        audience_endpoint="https://sso.example/audience",
        token_mint_endpoint="https://sso.example/mint",
        simple_url="http://127.0.0.1:3141/simple",
        local_versions=True,
        attestations=True,
        listing="none",
        certificates=Certificates("ca.pem", "cert.pem", "key.pem"),
    )
    assert expected == read(user={"repo": "company", "repos": {"company": table}}).repository


def test_repos_are_merged() -> None:
    """The indexes of all layers are known; if two layers define a name, the higher one's table is used as a whole."""
    user = {
        "repos": {
            "company": {"url": "https://old.example/", "audience": "old"},
            "home": "https://home.example/",
            "pypi": {"ca-cert": "user.pem"},
            "test": {"ca-cert": "user.pem"},
        }
    }
    project = {"repos": {"company": COMPANY_URL}}
    expected = {
        "company": COMPANY,
        "home": Repository("home", "https://home.example/"),
        "main": replace(MAIN, certificates=Certificates(ca_cert="user.pem")),
        "test": replace(TEST, certificates=Certificates(ca_cert="user.pem")),
    }
    assert expected == {name: read({"repo": name}, project=project, user=user).repository for name in expected}


@pytest.mark.parametrize(
    ("code", "key", "table"),
    [
        pytest.param("not-a-url-or-table", "", 5, id="number"),
        pytest.param("not-a-url-or-table", "", [COMPANY_URL], id="list"),
        pytest.param("missing-key", ".url", {}, id="no-url"),
        pytest.param("empty-value", ".url", "", id="empty-url"),
        pytest.param("not-a-string", ".url", {"url": True}, id="url-of-another-type"),
        pytest.param("bad-url", ".url", "main", id="name-as-url"),
        pytest.param("bad-url", ".url", "http://index.localhost/", id="name-below-localhost"),
        pytest.param("bad-url", ".url", "https://upload.pypi.org/legacy/", id="pypi-under-another-name"),
        pytest.param("bad-url", ".url", {"url": "https://test.pypi.org/legacy"}, id="testpypi-under-another-name"),
        pytest.param("bad-url", ".simple-url", {"simple-url": "http://h.example/"}, id="simple-url"),
        pytest.param("bad-url", ".audience-endpoint", {**OWN_PAIR, "audience-endpoint": "a"}, id="audience-endpoint"),
        pytest.param("bad-url", ".token-mint-endpoint", {**OWN_PAIR, "token-mint-endpoint": "a"}, id="mint-endpoint"),
        *(
            pytest.param("audience-of-another-service", ".audience", {"audience": audience}, id=f"audience-{number}")
            for number, audience in enumerate(("pypi", "testpypi", "sigstore", "PyPI", "\uff50ypi", "pyp\u0131"))
        ),
        pytest.param("empty-value", ".audience", {"audience": ""}, id="empty-audience"),
        *(pytest.param("half-of-the-endpoints", "", {key: OWN_PAIR[key]}, id=f"{key}-alone") for key in OWN_PAIR),
        pytest.param("not-a-boolean", ".local-versions", {"local-versions": 1}, id="local-versions"),
        pytest.param("not-a-boolean", ".attestations", {"attestations": "auto"}, id="auto"),
        pytest.param("not-one-of", ".listing", {"listing": "all"}, id="listing"),
        pytest.param("empty-value", ".ca-cert", {"ca-cert": ""}, id="ca-cert"),
        pytest.param("unusable-value", ".ca-cert", {"ca-cert": "a\0b"}, id="null"),
        pytest.param("no-passwords", ".user", {"user": "me"}, id="user"),
        pytest.param("misspelled-key", ".simple_url", {"simple_url": "a"}, id="underscore"),
        pytest.param("unknown-key", ".zzz", {"zzz": COMPANY_URL}, id="unknown-key"),
    ],
)
def test_mistake(code: str, key: str, table: object) -> None:
    """Each mistake in an index's table is reported with its full key, whether the index is chosen or not."""
    if isinstance(table, dict) and code != "missing-key":
        table = {"url": COMPANY_URL, **table}
    repos = {"repos": {"company": table}}
    assert [(code, f"{TABLE}.repos.company{key}")] == codes(mistakes(project=repos))
    assert [(code, f"{USER}.repos.company{key}")] == codes(mistakes(user=repos))


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
    label = f"{USER}.repos.company"
    assert [
        ("not-a-boolean", f"{label}.attestations"),
        ("not-a-string", f"{label}.client-cert"),
        ("bad-url", f"{label}.url"),
        ("bad-url", f"{label}.simple-url"),
        ("audience-of-another-service", f"{label}.audience"),
        ("endpoints-on-two-hosts", f"{label}.token-mint-endpoint"),
    ] == codes(mistakes(user={"repos": {"company": table}}))


def test_bad_url() -> None:
    """A URL is reported with its own problem, without its password."""
    [problem] = mistakes(project={"repos": {"c": "https://me:hunter2@h.example/?token=sesame"}})
    assert Message("url-with-user", url="//***@h.example/?…") == problem.facts["problem"]
    [problem] = mistakes(flags=Flags(repo="https://pypi.org/"))
    assert Message("known-index", url="https://pypi.org/", name="main") == problem.facts["problem"]


@pytest.mark.parametrize("name", ["auto", "rehearsal", "https://upload.pypi.org/legacy/", "\x1b[2J", "a" * 101])
def test_reserved_name(name: str) -> None:
    """A reserved name, or one that a log could obey, cannot be given to an index."""
    assert [("reserved-name", f"{TABLE}.repos.{name}")] == codes(mistakes(project={"repos": {name: COMPANY_URL}}))


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
        ("listing", "none"),
    ],
)
def test_pypi_is_pypi(key: str, value: object) -> None:
    """Only certificates can be set for PyPI and TestPyPI."""
    for name in ("main", "test", "pypi", "testpypi"):
        expected = [("fixed-index", f"{USER}.repos.{name}.{key}")]
        assert expected == codes(mistakes(user={"repos": {name: {key: value, "ca-cert": "ca.pem"}}}))
        if key == "url":
            assert expected == codes(mistakes(user={"repos": {name: value}}))


@pytest.mark.parametrize(
    ("expected", "flags", "table"),
    [
        (Certificates(), Flags(), {}),
        (Certificates(ca_cert="a.pem"), Flags(), {"ca-cert": "a.pem"}),
        (Certificates(ca_cert="b.pem"), Flags(ca_cert="b.pem"), {"ca-cert": "a.pem"}),
        (Certificates(client_cert="c", client_key="k"), Flags(client_cert="c", client_key="k"), {}),
        (Certificates(client_cert="c", client_key="k"), Flags(client_key="k"), {"client-cert": "c"}),
        (Certificates(client_cert="c"), Flags(client_cert="c"), {}),
        (Certificates(ca_cert="a.pem"), Flags(ca_cert=""), {"ca-cert": "a.pem"}),
    ],
)
def test_certificates(expected: Certificates, flags: Flags, table: dict[str, object]) -> None:
    """The certificates of the command line apply to the chosen index, and take precedence over its table."""
    project = {"repo": "company", "repos": {"company": {"url": COMPANY_URL, **table}}}
    assert expected == read(flags=flags, project=project).repository.certificates


def test_certificates_of_auto() -> None:
    """Each of the two indexes has its own certificates, and those of the command line apply to both."""
    user = {"repo": "auto", "repos": {"main": {"ca-cert": "main.pem"}, "test": {"ca-cert": "test.pem"}}}
    found = [read(user=user), read(flags=Flags(ca_cert="x.pem"), user=user)]
    paths = [
        (one.repository.certificates.ca_cert, one.development and one.development.certificates.ca_cert) for one in found
    ]
    assert [("main.pem", "test.pem"), ("x.pem", "x.pem")] == paths


def test_key_without_certificate() -> None:
    """A client key alone would have no effect."""
    project = {"repo": "company", "repos": {"company": {"url": COMPANY_URL, "client-key": "k"}}}
    assert [("key-without-certificate", "repos.company.client-key")] == codes(mistakes(project=project))


def test_unknown_index_names_those_that_exist() -> None:
    """The names of all layers are listed, without a secret in the value you typed."""
    found = mistakes(
        flags=Flags(repo="me:hunter2@compnay"),
        project={"repos": {"company": COMPANY_URL}},
        user={"repos": {"home": "https://home.example/"}},
    )
    names = ["main", "test", "home", "company", "auto", "rehearsal"]
    assert [Message("unknown-index", key="--repo", repo="//***@compnay", names=names)] == found


# Settings that a pull request could change


def of(**table: object) -> dict[str, object]:
    """Return settings that choose an index with this table."""
    return {"repo": "company", "repos": {"company": {"url": COMPANY_URL, **table}}}


@pytest.mark.parametrize(
    "audience",
    ["index.example", "INDEX.example", "index.example:8443", "https://index.example", "https://index.example/team/"],
)
def test_own_audience(audience: str) -> None:
    """The project may name the index's own host, an audience that the index may ask for anyway."""
    assert audience == read(project=of(audience=audience)).repository.audience


@pytest.mark.parametrize(
    "audience",
    [
        "packages",
        "sts.amazonaws.com",
        "api://AzureADTokenExchange",
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "crates.io",
        "npm:registry.npmjs.org",
        "https://sub.index.example",
        "https://index.example.evil.example",
        "https://evil.example\\@index.example/",
        "https://evil.example/?x=//index.example",
        "https://evil.example/#//index.example",
        "https://index.example@evil.example",
        "https://user@index.example",
        "index.example evil.example",
        "https://\u0456ndex.example",
    ],
)
def test_foreign_audience(audience: str) -> None:
    """An audience for anything else comes from the workflow; the line to add is shown, safe to paste."""
    [problem] = mistakes(project=of(audience=audience))
    assert ("workflow-only", f"{TABLE}.repos.company.audience") == (problem.code, problem.facts["key"])
    assert problem.facts["line"].startswith(f"-r {COMPANY_URL} -o ")
    assert audience == read(user=of(audience=audience)).repository.audience
    assert audience == read({"audience": audience}, Flags(repo=COMPANY_URL)).repository.audience


def test_the_line_for_the_workflow() -> None:
    """The line is quoted for a shell."""
    [problem] = mistakes(project=of(audience="$(id)"))
    assert f"-r {COMPANY_URL} -o 'audience=$(id)'" == problem.facts["line"]


def test_audience_of_the_workflow() -> None:
    """``-o audience`` takes precedence over tables, and ``-r URL`` still uses the rest of the index's table."""
    project = {"repos": {"company": {"url": COMPANY_URL, "local-versions": True}}}
    expected = replace(COMPANY, audience="packages", local_versions=True)
    assert expected == read({"audience": "packages"}, Flags(repo=COMPANY_URL), project).repository
    assert expected == read({"audience": "packages", "repo": COMPANY_URL}, NO_FLAGS, project).repository
    user = of(audience="old") | {"audience": "older"}
    assert "packages" == read({"audience": "packages"}, user=user).repository.audience
    assert "older" == read(user=user).repository.audience
    assert "index.example" == read({"audience": "index.example"}, project=of()).repository.audience


@pytest.mark.parametrize("project", [of(), {"repo": COMPANY_URL}], ids=["name", "URL"])
def test_audience_for_a_url_of_the_project(project: dict[str, object]) -> None:
    """A pull request that changes the URL does not get the workflow's audience sent there."""
    [problem] = mistakes({"audience": "packages"}, project=project)
    assert Message("url-from-project", key="-o audience", line=f"-r {COMPANY_URL}") == problem


def test_a_name_that_the_project_takes_over() -> None:
    """The same for a name in Hatch's own config that the project defines again."""
    found = mistakes({"audience": "packages"}, project={"repos": {"company": "https://evil.example/"}}, user=of())
    assert [("url-from-project", "-o audience")] == codes(found)
    assert "packages" == read({"audience": "packages"}, user=of()).repository.audience


@pytest.mark.parametrize(
    ("code", "options"),
    [
        ("audience-of-another-service", {"audience": "pypi", "repo": COMPANY_URL}),
        ("audience-of-another-service", {"audience": "SigStore", "repo": COMPANY_URL}),
        ("fixed-audience", {"audience": "pypi"}),
        ("fixed-audience", {"audience": "packages", "repo": "test"}),
        ("fixed-audience", {"audience": "packages", "repo": "auto"}),
        ("fixed-audience", {"audience": "packages", "repo": "rehearsal"}),
    ],
)
def test_bad_audience_of_the_workflow(code: str, options: dict[str, object]) -> None:
    """PyPI's audience is fixed, and no other index may use it."""
    assert [(code, "-o audience")] == codes(mistakes(options))


def test_audience_in_the_project() -> None:
    """At the top level of the project's table, an audience is a mistake."""
    problem = Message("workflow-only", key=f"{TABLE}.audience", line="-o audience=index.example")
    assert [problem] == mistakes(project={**of(), "audience": "index.example"})


def test_endpoints_of_the_project() -> None:
    """The project may name endpoints on the index's own host; others belong in Hatch's own config."""
    own = read(project=of(**OWN_PAIR)).repository
    assert (OWN_PAIR["audience-endpoint"], OWN_PAIR["token-mint-endpoint"]) == (
        own.audience_endpoint,
        own.token_mint_endpoint,
    )
    table = f"{USER}.repos.company"
    expected = [Message("config-only", key=f"{TABLE}.repos.company.{key}", table=table) for key in PAIR]
    assert expected == mistakes(project=of(**PAIR))


@pytest.mark.parametrize("name", ["main", "test", "pypi"])
def test_certificates_of_the_project(name: str) -> None:
    """A project that set the CA of PyPI could read what is sent there: only the workflow's flag sets it."""
    key = f"{TABLE}.repos.{name}.ca-cert"
    expected = [Message("workflow-only", key=key, line="--ca-cert 'my ca.pem'")]
    assert expected == mistakes(project={"repos": {name: {"ca-cert": "my ca.pem"}}})
    own = read(user={"repo": name, "repos": {name: {"ca-cert": "ca.pem"}}}).repository
    assert own.certificates == read(flags=Flags(repo=name, ca_cert="ca.pem")).repository.certificates
