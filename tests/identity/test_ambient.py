from __future__ import annotations

import base64
import json
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import IdentityError, Message, NetworkError
from hatch_trusted_publish.http.certificates import Certificates
from hatch_trusted_publish.http.client import Client
from hatch_trusted_publish.identity import ambient as identity
from hatch_trusted_publish.identity.ambient import GOOGLE_PRODUCT_NAME, Ambient, detect, gitlab_variable, variables
from tests.support.scripted import Answer, Scripted

CLAIMS = {"aud": "pypi", "repository": "octo-org/sample"}
OF_A_CI = ("GITHUB", "GITLAB", "BUILDKITE", "CIRCLECI", "GOOGLE", "ACTIONS_ID_TOKEN")


def _jwt(claims: object = CLAIMS) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _no_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide the CI and the cloud that these tests may run in; no retry waits."""
    monkeypatch.setattr(identity, "GOOGLE_PRODUCT_NAME", tmp_path / "product_name")
    for name in list(os.environ):
        if name.startswith(OF_A_CI) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Return the client for GitHub's token service."""
    with Client(Certificates(), 20.0, "tests/1.0") as client:
        yield client


def _detect(environ: Mapping[str, str], variable: str | None = None, timeout: float = 20.0) -> Ambient:
    """Return the CI, detected without a request to its token service."""
    with Client(Certificates(), timeout, "tests/1.0") as client:
        return detect(environ, variable, client, timeout)


def _token(ambient: Ambient, audience: str = "pypi") -> tuple[str, Mapping[str, object]]:
    found = ambient.fetch(audience)
    return found.token.reveal(), found.claims


def _error(get: Callable[[], object]) -> Message:
    with pytest.raises(IdentityError) as caught:
        get()
    return caught.value.message


def _malformed(ci: str, variable: str = "") -> Message:
    return Message("malformed-identity-token", ci=ci, variable=variable)


# Which CI


GITHUB = {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x/"}
GOOGLE = {"GOOGLE_SERVICE_ACCOUNT_NAME": "x@y.iam.gserviceaccount.com"}


@pytest.mark.parametrize(
    ("environ", "variable", "expected"),
    [
        pytest.param(GITHUB, None, ("GitHub Actions", True, True), id="GitHub"),
        pytest.param({"GITLAB_CI": "true"}, None, ("GitLab CI/CD", False, True), id="GitLab"),
        pytest.param({"BUILDKITE": "true"}, None, ("Buildkite", True, False), id="Buildkite"),
        pytest.param({"CIRCLECI": "true"}, None, ("CircleCI", True, False), id="CircleCI"),
        pytest.param(GOOGLE, None, ("Google Cloud", True, True), id="Google"),
        pytest.param(
            {"GITLAB_CI": "true", **GOOGLE}, None, ("GitLab CI/CD", False, True), id="GitLab on Google's machines"
        ),
        pytest.param(
            {"BUILDKITE": "true", **GOOGLE}, None, ("Buildkite", True, False), id="Buildkite on Google's machines"
        ),
        pytest.param(
            {"CIRCLECI": "true", **GOOGLE}, None, ("CircleCI", True, False), id="CircleCI on Google's machines"
        ),
        pytest.param({**GITHUB, **GOOGLE}, None, ("GitHub Actions", True, True), id="GitHub on Google's machines"),
        pytest.param(
            {"GITHUB_ACTIONS": "", "GITLAB_CI": "1"}, None, ("GitLab CI/CD", False, True), id="blank is unset"
        ),
        pytest.param({"MINE": "x"}, "MINE", ("the variable MINE", False, False), id="variable"),
        pytest.param({**GITHUB, "MINE": "x"}, "MINE", ("the variable MINE", False, False), id="variable wins"),
        pytest.param(
            {"GITHUB_ACTIONS": "1"}, "MINE", ("the variable MINE", False, False), id="variable wins, unset too"
        ),
    ],
)
def test_detect(environ: dict[str, str], variable: str | None, expected: tuple[str, bool, bool]) -> None:
    """The CI is detected by its own variable, before Google; a named variable takes precedence over all."""
    ambient = _detect(environ, variable)

    assert expected == (ambient.name, ambient.renewable, ambient.attests)


def test_no_ci() -> None:
    """On a machine without a CI there is no identity."""
    assert Message("no-ci") == _error(lambda: _detect({}))


def test_where_google_is_looked_for() -> None:
    """A machine of Google Cloud is detected by the same file as in `id`."""
    from id._internal.oidc import ambient

    assert ambient._GCP_PRODUCT_NAME_FILE == str(GOOGLE_PRODUCT_NAME)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Google\n", "Google Cloud"),
        (b"Google Compute Engine\n", "Google Cloud"),
        (b"Standard PC\n", None),
        (b"", None),
        (b"\xff", None),
    ],
)
def test_a_machine_of_google(content: bytes, expected: str | None, tmp_path: Path) -> None:
    """Without a CI's variable, the machine's product name shows Google Cloud."""
    (tmp_path / "product_name").write_bytes(content)
    try:
        found: str | None = _detect({}).name
    except IdentityError:
        found = None

    assert expected == found


# A variable


def test_identity_variable() -> None:
    """The named variable's token is used, without white space around it."""
    assert (_jwt(), CLAIMS) == _token(_detect({**GITHUB, "MINE": f" {_jwt()}\n"}, "MINE"))


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        ({}, "no-identity-variable"),
        (GITHUB, "no-identity-variable"),
        ({"MINE": ""}, "blank-identity-variable"),
        ({"MINE": " \n"}, "blank-identity-variable"),
    ],
)
def test_identity_variable_without_a_token(environ: dict[str, str], code: str) -> None:
    """A named variable that is unset or blank is an error, and no other CI is tried."""
    assert Message(code, variable="MINE") == _error(lambda: _detect(environ, "MINE").fetch("pypi"))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("pypi-AgEIcHlwaS5vcmc", id="an API token"),
        pytest.param("hunter2", id="a password"),
        pytest.param("a.b", id="two parts"),
        pytest.param(_jwt() + ".x", id="four parts"),
        pytest.param(_jwt(["x"]), id="claims a list"),
        pytest.param(_jwt("x"), id="claims a string"),
        pytest.param("e30.!!!.x", id="not base64"),
        pytest.param("e30.e.x", id="base64 too short"),
        pytest.param("e30.bm9wZQ.x", id="not JSON"),
        pytest.param("e30._w.x", id="not UTF-8"),
        pytest.param("e30." + base64.urlsafe_b64encode(b"[" * 99_999).decode().rstrip("=") + ".x", id="too deep"),
        pytest.param(_jwt().replace(".", "..", 1), id="empty claims"),
        pytest.param(_jwt() + "\n::x", id="line break"),
        pytest.param(_jwt() + "ü", id="umlaut"),
        pytest.param(_jwt() + " x", id="space"),
        pytest.param(_jwt() + "٣", id="digit of another script"),
    ],
)
def test_a_malformed_token(token: str) -> None:
    """A malformed JSON Web Token is refused; neither the error nor a traceback with locals shows it."""
    with pytest.raises(IdentityError) as caught:
        _detect({"MINE": token}, "MINE").fetch("pypi")

    assert (_malformed("the variable MINE"), None) == (caught.value.message, caught.value.__context__)
    trace, seen = caught.value.__traceback__, []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            seen += [repr(value) for value in trace.tb_frame.f_locals.values()]
        trace = trace.tb_next
    assert seen
    assert [] == [text for text in seen if token in text]


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        pytest.param({"aud": "other"}, "other", id="another"),
        pytest.param({"aud": ["pypi"]}, "list", id="list"),
        pytest.param({"aud": "PyPI"}, "PyPI", id="other case"),
        pytest.param({"aud": "a\n\x1b]8;;"}, "a ?]8;;", id="hostile"),
        pytest.param({}, Message("no-claim"), id="missing"),
    ],
)
def test_a_token_for_another_audience(claims: dict[str, object], found: object) -> None:
    """A token is sent only to the index in its audience; a GitLab job gets the lines to paste."""
    facts = {"found": found, "audience": "pypi"}
    fix = Message("id-tokens", variable="PYPI_ID_TOKEN", audience="pypi")
    gitlab = {"GITLAB_CI": "true", "PYPI_ID_TOKEN": _jwt(claims)}

    expected = Message("token-for-another-audience", ci="GitLab CI/CD", variable="PYPI_ID_TOKEN", fix=fix, **facts)
    assert expected == _error(lambda: _detect(gitlab).fetch("pypi"))
    expected = Message("token-for-another-audience", ci="the variable MINE", variable="", fix=None, **facts)
    assert expected == _error(lambda: _detect({"MINE": _jwt(claims)}, "MINE").fetch("pypi"))


@given(st.text(max_size=80) | st.lists(st.text("abc_-=", max_size=8), min_size=3, max_size=3).map(".".join))
@settings(max_examples=150, deadline=None)
def test_any_token_is_an_identity_or_an_error(token: str) -> None:
    """Any token from a CI has claims or is refused."""
    try:
        found = Ambient("the CI", lambda _: token).fetch("pypi")
    except IdentityError:
        return

    assert token == found.token.reveal()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_audience_is_shown_in_one_line(audience: object) -> None:
    """Whatever audience a token has, the error has no control characters."""
    ambient = Ambient("the CI", lambda _: _jwt({"aud": audience}))
    error = str(_error(lambda: ambient.fetch("pypi")))

    assert [] == [char for char in error if unicodedata.category(char).startswith("C")]
    assert 500 > len(error)


@given(st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_an_audience_of_any_depth(depth: int) -> None:
    """A token nested too deeply to parse is refused like any other malformed one."""
    claims = base64.urlsafe_b64encode(f'{{"aud": {"[" * depth}{"]" * depth}}}'.encode()).decode().rstrip("=")
    error = _error(lambda: Ambient("the CI", lambda _: f"e30.{claims}.x").fetch("pypi"))

    assert error.code in {"token-for-another-audience", "malformed-identity-token"}


# GitLab


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("pypi", "PYPI_ID_TOKEN"),
        ("testpypi", "TESTPYPI_ID_TOKEN"),
        ("https://index.test:8443/x", "HTTPS___INDEX_TEST_8443_X_ID_TOKEN"),
        ("127.0.0.1", "_27_0_0_1_ID_TOKEN"),
        ("ünï", "_N__ID_TOKEN"),
        ("straße", "STRASSE_ID_TOKEN"),
    ],
)
def test_gitlab_variable(audience: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable has the name that `id` would look for."""
    from id import detect_credential

    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv(expected, _jwt({"aud": audience}))

    assert (expected, _jwt({"aud": audience})) == (gitlab_variable(audience), detect_credential(audience))


def test_gitlab() -> None:
    """GitLab's token for the audience is read from its variable."""
    token = _jwt({"aud": "testpypi"})
    environ = {"GITLAB_CI": "true", "PYPI_ID_TOKEN": _jwt(), "TESTPYPI_ID_TOKEN": f"{token}\n"}

    assert (token, {"aud": "testpypi"}) == _token(_detect(environ), "testpypi")


@pytest.mark.parametrize("environ", [{}, {"PYPI_ID_TOKEN": " "}, {"TESTPYPI_ID_TOKEN": _jwt()}])
def test_gitlab_without_a_token(environ: dict[str, str]) -> None:
    """A job without the token gets the lines to add, with the audience of the index."""
    expected = Message("no-gitlab-token", variable="PYPI_ID_TOKEN", audience="pypi")

    assert expected == _error(lambda: _detect({"GITLAB_CI": "true", **environ}).fetch("pypi"))


def test_gitlab_with_a_malformed_token() -> None:
    """The error names the variable."""
    environ = {"GITLAB_CI": "true", "PYPI_ID_TOKEN": "hunter2"}

    assert _malformed("GitLab CI/CD", "PYPI_ID_TOKEN") == _error(lambda: _detect(environ).fetch("pypi"))


def test_variables() -> None:
    """Only known variables, and the one you name, hold or request an identity."""
    here = ("PYPI_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "MINE", "PATH", "ACTIONS_ID_TOKEN_REQUEST_URL", "CI")
    environ = dict.fromkeys(here, "x")

    assert (list(here[:3]), [*here[:2]]) == (variables(environ, "MINE"), variables(environ, None))


# GitHub


@pytest.mark.parametrize(
    ("environ", "code"),
    [
        pytest.param({}, "no-id-token-permission", id="neither"),
        pytest.param({"ACTIONS_ID_TOKEN_REQUEST_URL": "http://x/"}, "no-id-token-permission", id="no token"),
        pytest.param({**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": ""}, "no-id-token-permission", id="blank token"),
        pytest.param({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}, "no-token-service", id="no URL"),
    ],
)
def test_github_without_permission(environ: dict[str, str], code: str) -> None:
    """Each missing variable has its own message."""
    assert Message(code) == _error(lambda: _detect({"GITHUB_ACTIONS": "true", **environ}))


@pytest.mark.parametrize(
    ("event", "content", "fork"),
    [
        pytest.param("pull_request", '{"pull_request": {"head": {"repo": {"fork": true}}}}', True, id="fork"),
        pytest.param("pull_request", '{"pull_request": {"head": {"repo": {"fork": false}}}}', False, id="same"),
        pytest.param("pull_request", '{"pull_request": {"head": {"repo": null}}}', False, id="deleted repository"),
        pytest.param("pull_request", "[]", False, id="another structure"),
        pytest.param("pull_request", "{", False, id="not JSON"),
        pytest.param("pull_request", "\xff", False, id="not UTF-8"),
        pytest.param("pull_request", "[" * 200_000, False, id="too deep"),
        pytest.param("pull_request", " " * (16 * 2**20 + 1), False, id="too long"),
        pytest.param("pull_request", None, False, id="no file"),
        pytest.param("push", '{"pull_request": {"head": {"repo": {"fork": true}}}}', False, id="push"),
    ],
)
def test_github_pull_request(event: str, content: str | None, fork: bool, tmp_path: Path) -> None:
    """A pull request from a fork never gets a token, so the message does not suggest a permission."""
    path = tmp_path / "event.json"
    if content is not None:
        path.write_text(content, "latin-1")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(path)}

    assert Message("pull-request-from-fork" if fork else "no-id-token-permission") == _error(lambda: _detect(environ))


@pytest.mark.parametrize("kind", ["a pipe", "a device", "no path"])
def test_github_pull_request_without_an_event_file(kind: str, tmp_path: Path) -> None:
    """An endless file is not read."""
    path = tmp_path / "event.json"
    if kind == "a pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"}
    environ |= {} if kind == "no path" else {"GITHUB_EVENT_PATH": str(path)}

    assert Message("no-id-token-permission") == _error(lambda: _detect(environ))


@pytest.mark.parametrize(
    "url", ["http://x/", "http://evil.example/?a=b", "x", "https://x/\n", "https://a@x/", "ftp://x/"]
)
def test_github_service_is_elsewhere(url: str) -> None:
    """The job's credential is sent only to addresses that can be GitHub's."""
    assert Message("foreign-token-service") == _error(lambda: _detect({**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": url}))


ASKED = "GET /token?api=2.0&audience=pypi"


def _github(server: Scripted, client: Client) -> Ambient:
    environ = {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of-the-job",
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/token?api=2.0",
    }
    return detect(environ, None, client, 20.0)


def test_github(client: Client) -> None:
    """The request has the audience and the job's credential; each call returns a new token."""
    first, second = _jwt({"aud": "pypi", "jti": "1"}), _jwt({"aud": "pypi", "jti": "2"})
    with Scripted({ASKED: [Answer.of({"value": first}), Answer.of({"value": second})]}) as server:
        ambient = _github(server, client)
        tokens = [_token(ambient), _token(ambient)]

    assert [(first, {"aud": "pypi", "jti": "1"}), (second, {"aud": "pypi", "jti": "2"})] == tokens
    assert [(ASKED, "bearer of-the-job")] * 2 == [
        (one.line, one.headers["authorization"].replace("Bearer", "bearer")) for one in server.asked
    ]


@pytest.mark.parametrize(("query", "joint"), [("?api=2.0", "&"), ("", "?")])
def test_github_is_asked_for_the_audience(query: str, joint: str, client: Client) -> None:
    """The audience is percent-encoded and appended to the URL's own query."""
    line = f"GET /token{query}{joint}audience=https%3A%2F%2Findex.test%2F%3Fa%26b"
    with Scripted({line: Answer.of({"value": _jwt({"aud": "https://index.test/?a&b"})})}) as server:
        environ = {**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.url}/token{query}"}
        detect(environ, None, client, 20.0).fetch("https://index.test/?a&b")

    assert [line] == server.lines


@pytest.mark.parametrize("before", [Answer(500), Answer(503), Answer(429), Answer(408)])
def test_github_is_asked_again(before: Answer, client: Client) -> None:
    """A service that fails is retried."""
    with Scripted({ASKED: [before, before, before, Answer.of({"value": _jwt()})]}) as server:
        token, _ = _token(_github(server, client))

    assert (_jwt(), [ASKED] * 4) == (token, server.lines)


@pytest.mark.parametrize(
    ("answer", "expected", "asked"),
    [
        pytest.param(Answer(500, b"secret=1"), Message("token-service-refused", status=500), 4, id="500"),
        pytest.param(Answer(400, b"secret=1"), Message("token-service-refused", status=400), 1, id="400"),
        pytest.param(Answer(403), Message("token-service-refused", status=403), 1, id="403"),
        pytest.param(
            Answer(302, headers={"Location": "/"}), Message("token-service-refused", status=302), 1, id="redirect"
        ),
        pytest.param(Answer(200, b"{"), _malformed("GitHub Actions"), 1, id="not JSON"),
        pytest.param(Answer.of({"count": 1}), _malformed("GitHub Actions"), 1, id="no token"),
        pytest.param(Answer.of({"value": 17}), _malformed("GitHub Actions"), 1, id="number"),
        pytest.param(Answer.of(["value"]), _malformed("GitHub Actions"), 1, id="list"),
        pytest.param(Answer.of({"value": "nope"}), _malformed("GitHub Actions"), 1, id="not a token"),
        pytest.param(Answer(200, b"\xff"), _malformed("GitHub Actions"), 1, id="not UTF-8"),
    ],
)
def test_github_issues_no_token(answer: Answer, expected: Message, asked: int, client: Client) -> None:
    """The status is reported, and nothing of the body."""
    with Scripted({ASKED: answer}) as server:
        error = _error(lambda: _github(server, client).fetch("pypi"))

    assert (expected, [ASKED] * asked) == (error, server.lines)


@pytest.mark.parametrize(
    "answer", [Answer(fault="silence"), Answer(200, b" " * 2**20 + b"{}")], ids=["silence", "flood"]
)
def test_github_cannot_be_reached(answer: Answer) -> None:
    """A service that never answers, or answers endlessly, is abandoned."""
    with Scripted({ASKED: answer}) as server, Client(Certificates(), 0.2, "tests/1.0") as client:
        error = _error(lambda: _github(server, client).fetch("pypi"))

    assert "token-service-unreachable" == error.code


def test_github_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrusted certificate has its own remedy: no later try helps."""

    def distrust(*_: object) -> NoReturn:
        reason = Message("bad-certificate")
        raise NetworkError("untrusted-certificate", was_sent=False, can_pass=False, reason=reason, trusted="")

    with Scripted({}) as server, Client(Certificates(), 20.0, "tests/1.0") as client:
        monkeypatch.setattr(client, "send", distrust)
        error = _error(lambda: _github(server, client).fetch("pypi"))

    assert Message("untrusted-certificate", reason=Message("bad-certificate"), trusted="") == error


# Google


def test_google_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """`id` asks Google's service; a failure is retried."""
    asked: list[str] = []

    def detect_credential(audience: str) -> str:
        asked.append(audience)
        if len(asked) == 1:
            raise ValueError("failed (code=503, body=secret)")
        return _jwt()

    monkeypatch.setattr("id.detect_credential", detect_credential)

    assert (_jwt(), CLAIMS) == _token(_detect(GOOGLE))
    assert ["pypi"] * 2 == asked


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError("failed (code=403, body=code=200)"), "403"), (KeyError("secret"), "")]
)
def test_google_refuses(error: Exception, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error shows only the status from `id`'s message."""

    def detect_credential(audience: str) -> str:
        raise error

    monkeypatch.setattr("id.detect_credential", detect_credential)

    assert Message("google-refused", status=status) == _error(lambda: _detect(GOOGLE).fetch("pypi"))


def test_google_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """If `id` detects no CI after all, there is no token."""
    monkeypatch.setattr("id.detect_credential", lambda _: None)

    assert _malformed("Google Cloud") == _error(lambda: _detect(GOOGLE).fetch("pypi"))


# Buildkite and CircleCI


BUILDKITE = ("BUILDKITE", "buildkite-agent", "oidc request-token --audience pypi", "oidc request-token")
CIRCLECI = ("CIRCLECI", "circleci", 'run oidc get --root-issuer --claims {"aud": "pypi"}', "run oidc get")
COMMANDS = pytest.mark.parametrize(("variable", "command", "asked", "shown"), [BUILDKITE, CIRCLECI])


def _command(directory: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a CI's command on the PATH that logs its arguments."""
    path = directory / "bin" / name
    path.parent.mkdir()
    log = directory / "asked"
    path.write_text(f"#!/bin/sh\necho \"$*\" >> '{log}'\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    return log


@COMMANDS
def test_command(
    variable: str, command: str, asked: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CI's own command requests a token for the audience, with the same arguments as in `id`."""
    from id import detect_credential

    log = _command(tmp_path, command, f"echo '{_jwt()}'", monkeypatch)
    token, claims = _token(_detect({variable: "true"}))
    assert (_jwt(), CLAIMS, f"{asked}\n") == (token, claims, log.read_text())

    monkeypatch.setenv(variable, "true")
    detect_credential("pypi")
    ours, theirs = (sorted(line.split()) for line in log.read_text().splitlines())
    assert ours == theirs


def test_a_command_gets_the_audience_as_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell parses the audience."""
    audience = "$(id); 'x y'"
    log = _command(tmp_path, "buildkite-agent", f"echo '{_jwt({'aud': audience})}'", monkeypatch)

    _detect({"BUILDKITE": "true"}).fetch(audience)

    assert log.read_text() == "oidc request-token --audience $(id); 'x y'\n"


@COMMANDS
@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        pytest.param("echo 'no oidc' >&2; echo sesame; exit 3", 3, "no oidc\n", id="failure"),
        pytest.param("echo ' '", 0, "", id="blank"),
        pytest.param("exit 0", 0, "", id="empty"),
        pytest.param("printf '\\377' >&2; exit 1", 1, "\ufffd", id="not UTF-8"),
    ],
)
def test_a_command_that_issues_no_token(
    variable: str,
    command: str,
    asked: str,
    shown: str,
    script: str,
    status: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that fails is run again; then its exit code and standard error are reported."""
    log = _command(tmp_path, command, script, monkeypatch)

    error = _error(lambda: _detect({variable: "true"}).fetch("pypi"))

    expected = Message("ci-command-refused", command=f"{command} {shown}", status=status, said=said)
    assert (expected, f"{asked}\n" * 4) == (error, log.read_text())


def test_a_command_that_works_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one failure, the next run of the command counts."""
    once = tmp_path / "once"
    script = f"if [ -e '{once}' ]; then echo '{_jwt()}'; else echo > '{once}'; exit 1; fi"
    log = _command(tmp_path, "circleci", script, monkeypatch)

    token, _ = _token(_detect({"CIRCLECI": "true"}))

    assert (_jwt(), 2) == (token, len(log.read_text().splitlines()))


@COMMANDS
@pytest.mark.parametrize("mode", [None, 0o644], ids=["missing", "not executable"])
def test_a_command_that_is_missing(
    variable: str,
    command: str,
    asked: str,
    shown: str,
    mode: int | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its command, the CI cannot issue a token."""
    _command(tmp_path, command if mode else "other", "", monkeypatch)
    if mode:
        (tmp_path / "bin" / command).chmod(mode)

    expected = Message("no-ci-command", command=command)
    assert expected == _error(lambda: _detect({variable: "true"}).fetch("pypi"))


@pytest.mark.parametrize(
    ("script", "problem"),
    [("#!/bin/sh\nexec /bin/sleep 600\n", "TimeoutExpired"), ("#!/no/such/program\n", "FileNotFoundError")],
)
def test_a_command_that_does_not_finish(
    script: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that hangs is stopped; one that cannot be run is reported by the kind of its error."""
    _command(tmp_path, "buildkite-agent", "", monkeypatch)
    (tmp_path / "bin" / "buildkite-agent").write_text(script)

    expected = Message("ci-command-failed", command="buildkite-agent", problem=problem)
    assert expected == _error(lambda: _detect({"BUILDKITE": "true"}, timeout=0.2).fetch("pypi"))


def test_a_command_that_prints_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence on standard output is not a token."""
    _command(tmp_path, "circleci", "printf 'hunter2\\377'", monkeypatch)

    assert _malformed("CircleCI") == _error(lambda: _detect({"CIRCLECI": "true"}).fetch("pypi"))
