from __future__ import annotations

import base64
import json
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import stamina
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import IdentityError
from hatch_trusted_publish.identity import ambient as identity
from hatch_trusted_publish.identity.ambient import GOOGLE_PRODUCT_NAME, Ambient, detect, gitlab_variable, variables
from tests.support.scripted import Answer, Scripted

CLAIMS = {"aud": "pypi", "repository": "octo-org/sample"}
OF_A_CI = ["GITHUB", "GITLAB", "BUILDKITE", "CIRCLECI", "GOOGLE", "ACTIONS_ID_TOKEN"]
GITHUB_YAML = (
    "Add to the job in the workflow file (not to the whole workflow):\n\n"
    "    permissions:\n      id-token: write\n\n"
    "A reusable workflow needs it in the job that calls it as well."
)
NO_JWT = "gave as an identity token is not a JSON Web Token. Nothing was sent to the index."


FOREIGN = (
    "gave is made for the audience 'other', but this index asks for 'pypi'. It was not sent: whoever gets it could use it "
    "there in your name. Have the CI make one for this index."
)


def _jwt(claims: object = CLAIMS) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJSUzI1NiJ9.{payload}.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _no_ci(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CI and the cloud that these tests may run in are not there, and nothing is waited for."""
    monkeypatch.setattr(identity, "GOOGLE_PRODUCT_NAME", tmp_path / "product_name")
    for name in list(os.environ):
        if name.startswith(tuple(OF_A_CI)) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


def _token(ambient: Ambient, audience: str = "pypi") -> tuple[str, Mapping[str, object]]:
    found = ambient.fetch(audience)
    return found.token.reveal(), found.claims


def _error(get: Callable[[], object]) -> str:
    with pytest.raises(IdentityError) as raised:
        get()
    return str(raised.value)


# Which CI


GITHUB = {"GITHUB_ACTIONS": "true", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "ACTIONS_ID_TOKEN_REQUEST_URL": "https://x/"}
GOOGLE = {"GOOGLE_SERVICE_ACCOUNT_NAME": "x@y.iam.gserviceaccount.com"}


@pytest.mark.parametrize(
    ("environ", "variable", "expected"),
    [
        pytest.param(GITHUB, None, ("GitHub Actions", True), id="GitHub"),
        pytest.param({"GITLAB_CI": "true"}, None, ("GitLab CI/CD", False), id="GitLab"),
        pytest.param({"BUILDKITE": "true"}, None, ("Buildkite", True), id="Buildkite"),
        pytest.param({"CIRCLECI": "true"}, None, ("CircleCI", True), id="CircleCI"),
        pytest.param(GOOGLE, None, ("Google Cloud", True), id="Google"),
        pytest.param({"GITLAB_CI": "true", **GOOGLE}, None, ("GitLab CI/CD", False), id="GitLab on Google's machines"),
        pytest.param({"BUILDKITE": "true", **GOOGLE}, None, ("Buildkite", True), id="Buildkite on Google's machines"),
        pytest.param({"CIRCLECI": "true", **GOOGLE}, None, ("CircleCI", True), id="CircleCI on Google's machines"),
        pytest.param({**GITHUB, **GOOGLE}, None, ("GitHub Actions", True), id="GitHub on Google's machines"),
        pytest.param({"GITHUB_ACTIONS": "", "GITLAB_CI": "true"}, None, ("GitLab CI/CD", False), id="blank is unset"),
        pytest.param({"MINE": "x"}, "MINE", ("the variable MINE", False), id="variable"),
        pytest.param({**GITHUB, "MINE": "x"}, "MINE", ("the variable MINE", False), id="variable wins"),
        pytest.param({"GITHUB_ACTIONS": "true"}, "MINE", ("the variable MINE", False), id="variable wins, unset too"),
    ],
)
def test_detect(environ: dict[str, str], variable: str | None, expected: tuple[str, bool]) -> None:
    """The CI is known by its own variable before Google is thought of; a named variable wins over all."""
    ambient = detect(environ, variable, 5.0)

    assert expected == (ambient.name, ambient.renewable)


def test_no_ci() -> None:
    """On a machine that is no CI, the message says what was looked for and what can be done there."""
    assert (
        "No CI was found that could say who is publishing: none of GITHUB_ACTIONS, GITLAB_CI, BUILDKITE, CIRCLECI and "
        "GOOGLE_SERVICE_ACCOUNT_NAME is set, and this is not a machine of Google Cloud. Trusted publishing works from a CI "
        "only. On your own machine, `hatch publish -p trusted -r rehearsal` tries the whole release; in a CI that is not "
        "among these, name the variable with its identity token by `-o identity-variable=NAME`."
    ) == _error(lambda: detect({}, None, 5.0))


def test_where_google_is_looked_for() -> None:
    """A machine of Google Cloud is known by the file in which `id` looks, too."""
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
    """Where no CI says so, the machine's product name tells of Google Cloud."""
    (tmp_path / "product_name").write_bytes(content)
    try:
        found: str | None = detect({}, None, 5.0).name
    except IdentityError:
        found = None

    assert expected == found


# A variable


def test_identity_variable() -> None:
    """The named variable's token is taken, without white space around it."""
    assert (_jwt(), CLAIMS) == _token(detect({**GITHUB, "MINE": f" {_jwt()}\n"}, "MINE", 5.0))


@pytest.mark.parametrize(
    ("environ", "said"), [({}, "not set"), ({"MINE": ""}, "blank"), ({"MINE": " \n"}, "blank"), (GITHUB, "not set")]
)
def test_identity_variable_is_not_there(environ: dict[str, str], said: str) -> None:
    """A named variable that is unset or blank is an error, and no other CI is asked."""
    assert (
        f"The variable MINE, which `identity-variable` names, is {said} in this job. The CI has to put its identity token "
        "there before the command runs."
    ) == _error(lambda: detect(environ, "MINE", 5.0).fetch("pypi"))


def test_identity_variable_with_a_hostile_name() -> None:
    """What stands in the option is shown inert."""
    assert _error(lambda: detect({}, "A\n::b", 5.0).fetch("pypi")).startswith("The variable A : :b, which ")


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("pypi-AgEIcHlwaS5vcmc", id="an API token"),
        pytest.param("hunter2", id="a password"),
        pytest.param("a.b", id="two parts"),
        pytest.param(_jwt() + ".x", id="four parts"),
        pytest.param(_jwt(["x"]), id="claims a list"),
        pytest.param(_jwt("x"), id="claims a text"),
        pytest.param("e30.!!!.x", id="no base64"),
        pytest.param("e30.e.x", id="base64 too short"),
        pytest.param("e30.bm9wZQ.x", id="no JSON"),
        pytest.param("e30._w.x", id="no UTF-8"),
        pytest.param(
            "e30." + base64.urlsafe_b64encode(b"[" * 99_999).decode().rstrip("=") + ".x", id="nested for ever"
        ),
        pytest.param(_jwt().replace(".", "..", 1), id="empty claims"),
        pytest.param(_jwt() + "\n::x", id="line break"),
        pytest.param(_jwt() + "ü", id="umlaut"),
        pytest.param(_jwt() + " x", id="space"),
        pytest.param(_jwt() + "٣", id="digit of another script"),
    ],
)
def test_a_token_that_is_none(token: str) -> None:
    """What is no JSON Web Token is refused without being shown."""
    with pytest.raises(IdentityError) as raised:
        detect({"MINE": token}, "MINE", 5.0).fetch("pypi")

    assert (f"What the variable MINE {NO_JWT}", None) == (str(raised.value), raised.value.__context__)


@pytest.mark.parametrize(
    ("claims", "shown"),
    [
        pytest.param({"aud": "other"}, "'other'", id="another"),
        pytest.param({"aud": ["pypi"]}, "['pypi']", id="list"),
        pytest.param({"aud": "PyPI"}, "'PyPI'", id="other case"),
        pytest.param({"aud": "a\n::b"}, "'a : :b'", id="hostile"),
        pytest.param({}, "None", id="none"),
        pytest.param({"aud": ["a\n::b\x1b]8;;"]}, "['a\\n: :b\\x1b]8;;']", id="hostile list"),
    ],
)
def test_a_token_for_another_audience(claims: dict[str, object], shown: str) -> None:
    """A token goes to the index that it is made for, and to no other."""
    expected = f"The identity token that GitLab CI/CD {FOREIGN}".replace("'other'", shown)

    assert expected == _error(
        lambda: detect({"GITLAB_CI": "true", "PYPI_ID_TOKEN": _jwt(claims)}, None, 5.0).fetch("pypi")
    )


def test_a_refused_token_is_in_no_frame() -> None:
    """A traceback with locals does not show what was refused: it may be a password."""
    with pytest.raises(IdentityError) as raised:
        detect({"MINE": "hunter2"}, "MINE", 5.0).fetch("pypi")

    trace, seen = raised.value.__traceback__, []
    while trace is not None:
        if trace.tb_frame.f_code.co_filename != __file__:
            seen += [repr(value) for value in trace.tb_frame.f_locals.values()]
        trace = trace.tb_next
    assert seen
    assert [] == [text for text in seen if "hunter2" in text]


@given(st.text(max_size=80) | st.lists(st.text("abc_-=", max_size=8), min_size=3, max_size=3).map(".".join))
@settings(max_examples=150, deadline=None)
def test_any_token_is_an_identity_or_an_error(token: str) -> None:
    """Whatever a CI hands over, it has claims or is refused."""
    try:
        found = detect({"MINE": token}, "MINE", 5.0).fetch("pypi")
    except IdentityError:
        return

    assert token.strip() == found.token.reveal()


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(ANYTHING)
@settings(max_examples=200, deadline=None)
def test_any_audience_is_told_of_in_one_line(audience: object) -> None:
    """Whatever a token says that it is made for, the error has no control characters, and is no other one."""
    error = _error(lambda: detect({"MINE": _jwt({"aud": audience})}, "MINE", 5.0).fetch("pypi"))

    assert [] == [char for char in error if unicodedata.category(char).startswith("C")]
    assert 500 > len(error)


@given(st.integers(1, 3000))
@settings(max_examples=60, deadline=None)
def test_an_audience_of_any_depth(depth: int) -> None:
    """What is nested too deep to be read, or to be written out, is refused like any other."""
    claims = base64.urlsafe_b64encode(f'{{"aud": {"[" * depth}{"]" * depth}}}'.encode()).decode().rstrip("=")
    error = _error(lambda: detect({"MINE": f"e30.{claims}.x"}, "MINE", 5.0).fetch("pypi"))

    assert error.startswith(("The identity token that the variable MINE gave", f"What the variable MINE {NO_JWT}"))


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
    """GitLab's token for the audience is taken from its variable."""
    token = _jwt({"aud": "testpypi"})
    environ = {"GITLAB_CI": "true", "PYPI_ID_TOKEN": _jwt(), "TESTPYPI_ID_TOKEN": f"{token}\n"}

    assert (token, {"aud": "testpypi"}) == _token(detect(environ, None, 5.0), "testpypi")


@pytest.mark.parametrize("environ", [{}, {"PYPI_ID_TOKEN": " "}, {"TESTPYPI_ID_TOKEN": _jwt()}])
def test_gitlab_without_a_token(environ: dict[str, str]) -> None:
    """A job without the token is told the lines to add, with the audience of the index."""
    assert (
        "GitLab gave this job no identity token for this index: PYPI_ID_TOKEN is not set. Add to the job in "
        ".gitlab-ci.yml:\n\n  id_tokens:\n    PYPI_ID_TOKEN:\n      aud: pypi\n"
    ) == _error(lambda: detect({"GITLAB_CI": "true", **environ}, None, 5.0).fetch("pypi"))


def test_gitlab_with_something_else() -> None:
    """A variable that holds no JSON Web Token is refused."""
    environ = {"GITLAB_CI": "true", "PYPI_ID_TOKEN": "hunter2"}

    assert f"What GitLab CI/CD {NO_JWT}" == _error(lambda: detect(environ, None, 5.0).fetch("pypi"))


def test_variables() -> None:
    """What holds an identity, or gets one, is known by its name, or named by the person; nothing else is."""
    here = ("PYPI_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "MINE", "PATH", "ACTIONS_ID_TOKEN_REQUEST_URL", "CI")
    environ = dict.fromkeys(here, "x")

    assert (list(here[:3]), [*here[:2]]) == (variables(environ, "MINE"), variables(environ, None))


# GitHub


@pytest.mark.parametrize(
    ("environ", "missing"),
    [
        pytest.param({}, "ACTIONS_ID_TOKEN_REQUEST_TOKEN and ACTIONS_ID_TOKEN_REQUEST_URL", id="both"),
        pytest.param({"ACTIONS_ID_TOKEN_REQUEST_URL": "http://x/"}, "ACTIONS_ID_TOKEN_REQUEST_TOKEN", id="token"),
        pytest.param(
            {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x", "ACTIONS_ID_TOKEN_REQUEST_URL": ""},
            "ACTIONS_ID_TOKEN_REQUEST_URL",
            id="URL",
        ),
    ],
)
def test_github_without_the_permission(environ: dict[str, str], missing: str) -> None:
    """A job without `id-token: write` is told the lines to add."""
    assert (
        f"GitHub gave this job no identity token: {missing} not set. The job lacks the permission to ask for one. "
        f"{GITHUB_YAML}"
    ) == _error(lambda: detect({"GITHUB_ACTIONS": "true", **environ}, None, 5.0))


@pytest.mark.parametrize(
    ("event", "content", "fork"),
    [
        pytest.param("pull_request", '{"pull_request": {"head": {"repo": {"fork": true}}}}', True, id="fork"),
        pytest.param("pull_request", '{"pull_request": {"head": {"repo": {"fork": false}}}}', False, id="same"),
        pytest.param("pull_request", '{"pull_request": {"head": {"repo": null}}}', False, id="deleted repository"),
        pytest.param("pull_request", "[]", False, id="another shape"),
        pytest.param("pull_request", "{", False, id="no JSON"),
        pytest.param("pull_request", "\xff", False, id="no UTF-8"),
        pytest.param("pull_request", None, False, id="no file"),
        pytest.param("push", '{"pull_request": {"head": {"repo": {"fork": true}}}}', False, id="push"),
    ],
)
def test_github_pull_request(event: str, content: str | None, fork: bool, tmp_path: Path) -> None:
    """A pull request from a fork never gets a token, and is told that instead of a permission that would not help."""
    path = tmp_path / "event.json"
    if content is not None:
        path.write_text(content, "latin-1")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(path)}

    assert (
        "GitHub gives no identity token to a pull request from a fork, whatever its `permissions` say. Publish from a push, "
        "a tag or a release instead: add `if: github.event_name != 'pull_request'` to the job."
        if fork
        else "GitHub gave this job no identity token: ACTIONS_ID_TOKEN_REQUEST_TOKEN and ACTIONS_ID_TOKEN_REQUEST_URL not "
        f"set. The job lacks the permission to ask for one. {GITHUB_YAML}"
    ) == _error(lambda: detect(environ, None, 5.0))


@pytest.mark.parametrize(
    "content", ["[" * 200_000, " " * (16 * 2**20 + 1), "a pipe", "a device"], ids=lambda text: text[:8]
)
def test_github_pull_request_of_a_strange_kind(content: str, tmp_path: Path) -> None:
    """What is too long or too deep, or has no end, says nothing of a fork."""
    path = tmp_path / "event.json"
    if content == "a pipe":
        os.mkfifo(path)
    elif content == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.write_text(content, "utf-8")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(path)}

    assert "The job lacks the permission" in _error(lambda: detect(environ, None, 5.0))


@pytest.mark.parametrize(
    "url", ["http://x/", "http://evil.example/?a=b", "x", "https://x/\n", "https://a@x/", "ftp://x/"]
)
def test_github_service_is_elsewhere(url: str) -> None:
    """The job's credential is sent to no address that cannot be GitHub's."""
    assert (
        "ACTIONS_ID_TOKEN_REQUEST_URL, where this job is to ask for its identity token, is not a URL by https://. GitHub's "
        "runner sets it, so something in this job has changed it. Nothing was sent there."
    ) == _error(lambda: detect({**GITHUB, "ACTIONS_ID_TOKEN_REQUEST_URL": url}, None, 5.0))


def test_github_pull_request_without_a_path() -> None:
    """Without the file of the event nobody can tell a fork; the permission is what is named."""
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request"}

    assert "The job lacks the permission" in _error(lambda: detect(environ, None, 5.0))


ASKED = "GET /token?api=2.0&audience=pypi"


def _github(server: Scripted, monkeypatch: pytest.MonkeyPatch, timeout: float = 20.0) -> Ambient:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
    monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{server.url}/token?api=2.0")
    return detect(os.environ, None, timeout)


def test_github(monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub's own service is asked for a token with the audience, with the job's credential; each call anew."""
    first, second = _jwt({"aud": "pypi", "jti": "1"}), _jwt({"aud": "pypi", "jti": "2"})
    with Scripted({ASKED: [Answer.of({"value": first}), Answer.of({"value": second})]}) as server:
        ambient = _github(server, monkeypatch)
        tokens = [_token(ambient), _token(ambient)]

    assert [(first, {"aud": "pypi", "jti": "1"}), (second, {"aud": "pypi", "jti": "2"})] == tokens
    assert [(ASKED, "bearer of-the-job")] * 2 == [(one.line, one.headers["authorization"]) for one in server.asked]


def test_github_asks_for_the_audience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audience is sent as it is, encoded."""
    line = "GET /token?api=2.0&audience=https%3A%2F%2Findex.test%2F%3Fa%26b"
    with Scripted({line: Answer.of({"value": _jwt({"aud": "https://index.test/?a&b"})})}) as server:
        _github(server, monkeypatch).fetch("https://index.test/?a&b")

    assert [line] == server.lines


@pytest.mark.parametrize("before", [Answer(500), Answer(503), Answer(429), Answer(408), Answer(200, b"{")])
def test_github_is_asked_again(before: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is not well is asked again."""
    with Scripted({ASKED: [before, before, before, Answer.of({"value": _jwt()})]}) as server:
        token, _ = _token(_github(server, monkeypatch))

    assert (_jwt(), [ASKED] * 4) == (token, server.lines)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(Answer(500, b"secret=1"), "answered 500", id="500"),
        pytest.param(Answer(200, b"{"), "gave no usable answer", id="no JSON"),
        pytest.param(Answer.of({"count": 1}), "gave no usable answer", id="no token"),
        pytest.param(Answer.of({"value": 17}), "gave no usable answer", id="number"),
        pytest.param(Answer.of(["value"]), "gave no usable answer", id="list"),
        pytest.param(Answer(200, b"\xff"), "gave no usable answer", id="no UTF-8"),
        pytest.param(Answer(200, b" " * 2**20 + b"{}"), "gave no usable answer", id="too long"),
        pytest.param(Answer(302, headers={"Location": "/"}), "answered 302", id="redirect"),
    ],
)
def test_github_is_not_well(answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When all tries failed, the status is told and nothing of the body."""
    with Scripted({ASKED: answer}) as server:
        error = _error(lambda: _github(server, monkeypatch).fetch("pypi"))

    assert (
        (
            f"GitHub Actions was asked for an identity token and {said}, 4 times. Nothing was sent to the index. If GitHub "
            "Actions is not having an outage, run the job again."
        ),
        [ASKED] * 4,
    ) == (error, server.lines)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_github_refuses(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is final."""
    with Scripted({ASKED: Answer(status, b"code=500 secret")}) as server:
        error = _error(lambda: _github(server, monkeypatch).fetch("pypi"))

    assert (
        (
            f"GitHub Actions was asked for an identity token and answered {status}. Nothing was sent to the index. Check that "
            "the job may ask for one, then run it again."
        ),
        [ASKED],
    ) == (error, server.lines)


def test_github_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that never answers is given up after each try's time."""
    with Scripted({ASKED: Answer(fault="silence")}) as server:
        error = _error(lambda: _github(server, monkeypatch, 0.2).fetch("pypi"))

    assert (
        "GitHub Actions was asked for an identity token and gave no usable answer, 4 times. Nothing was sent to the index. "
        "If GitHub Actions is not having an outage, run the job again."
    ) == error


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("nope", f"What GitHub Actions {NO_JWT}", id="no token"),
        pytest.param(_jwt({"aud": "other"}), f"The identity token that GitHub Actions {FOREIGN}", id="other audience"),
    ],
)
def test_github_gives_something_else(value: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no token for this index is refused."""
    with Scripted({ASKED: Answer.of({"value": value})}) as server:
        error = _error(lambda: _github(server, monkeypatch).fetch("pypi"))

    assert (expected, [ASKED]) == (error, server.lines)


# Buildkite and CircleCI


BUILDKITE = ("BUILDKITE", "buildkite-agent", "oidc request-token --audience pypi", "oidc request-token")
CIRCLECI = ("CIRCLECI", "circleci", 'run oidc get --root-issuer --claims {"aud": "pypi"}', "run oidc get")
COMMANDS = pytest.mark.parametrize(("variable", "command", "asked", "shown"), [BUILDKITE, CIRCLECI])


def _command(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A CI's command on the PATH, which notes down what it is asked."""
    path = folder / "bin" / name
    path.parent.mkdir()
    log = folder / "asked"
    path.write_text(f"#!/bin/sh\necho \"$*\" >> '{log}'\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent))
    return log


@COMMANDS
def test_command(
    variable: str, command: str, asked: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CI's own command is asked for a token with the audience, as `id` would."""
    log = _command(tmp_path, command, f"echo '{_jwt()}'", monkeypatch)

    token, claims = _token(detect({variable: "true"}, None, 20.0))

    assert (_jwt(), CLAIMS, f"{asked}\n") == (token, claims, log.read_text())


def test_a_command_gets_the_audience_as_one_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell reads the audience on its way."""
    audience = "$(id); 'x y'"
    log = _command(tmp_path, "buildkite-agent", f"echo '{_jwt({'aud': audience})}'", monkeypatch)

    detect({"BUILDKITE": "true"}, None, 20.0).fetch(audience)

    assert log.read_text() == "oidc request-token --audience $(id); 'x y'\n"


@COMMANDS
@pytest.mark.parametrize(
    ("script", "said"),
    [
        pytest.param("echo 'no oidc\x1b[31m' >&2; echo sesame; exit 3", "exit code 3: no oidc?[31m", id="failure"),
        pytest.param("echo ' '", "exit code 0: no message", id="blank"),
        pytest.param("exit 0", "exit code 0: no message", id="nothing"),
        pytest.param("printf '\\377' >&2; exit 1", "exit code 1: \ufffd", id="no UTF-8"),
    ],
)
def test_a_command_that_gives_none(
    variable: str,
    command: str,
    asked: str,
    shown: str,
    script: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A command that fails, or says nothing, is run again; then its exit code and standard error are told."""
    log = _command(tmp_path, command, script, monkeypatch)

    error = _error(lambda: detect({variable: "true"}, None, 20.0).fetch("pypi"))

    assert (
        (
            f"`{command} {shown}` gave no identity token ({said}), 4 times. Nothing was sent to the index. If {command} is not "
            "having an outage, run the job again."
        ),
        f"{asked}\n" * 4,
    ) == (error, log.read_text())


def test_a_command_that_works_at_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure is not the end."""
    once = tmp_path / "once"
    script = f"if [ -e '{once}' ]; then echo '{_jwt()}'; else echo > '{once}'; exit 1; fi"
    log = _command(tmp_path, "circleci", script, monkeypatch)

    token, _ = _token(detect({"CIRCLECI": "true"}, None, 20.0))

    assert (_jwt(), 2) == (token, len(log.read_text().splitlines()))


@COMMANDS
def test_a_command_that_is_missing(
    variable: str, command: str, asked: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its command, the CI cannot be asked."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert (
        f"`{command}`, which hands out this CI's identity tokens, is not on the PATH of this job. Run the command in the "
        "CI's own environment, not in a container without its agent."
    ) == _error(lambda: detect({variable: "true"}, None, 20.0).fetch("pypi"))


def test_a_command_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that does not end is ended."""
    _command(tmp_path, "buildkite-agent", "exec /bin/sleep 600", monkeypatch)

    assert (
        "`buildkite-agent` could not be run to its end (TimeoutExpired), 4 times. Nothing was sent to the index. If "
        "buildkite-agent is not having an outage, run the job again."
    ) == _error(lambda: detect({"BUILDKITE": "true"}, None, 0.2).fetch("pypi"))


def test_a_command_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that may not be run is told of by the kind of its error."""
    _command(tmp_path, "circleci", "", monkeypatch)
    (tmp_path / "bin" / "circleci").chmod(0o644)

    assert (
        "`circleci` could not be run to its end (PermissionError), 4 times. Nothing was sent to the index. If circleci is "
        "not having an outage, run the job again."
    ) == _error(lambda: detect({"CIRCLECI": "true"}, None, 20.0).fetch("pypi"))


def test_a_command_that_gives_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words on standard output are no token."""
    _command(tmp_path, "circleci", "printf 'hunter2\\377'", monkeypatch)

    assert f"What CircleCI {NO_JWT}" == _error(lambda: detect({"CIRCLECI": "true"}, None, 20.0).fetch("pypi"))
