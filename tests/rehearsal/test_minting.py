"""The exchange, where the recordings do not cover it."""

from __future__ import annotations

import json

import pytest
from packaging.utils import canonicalize_name

from hatch_trusted_publish.rehearsal.minting import Trusted, mint, payload, verified
from hatch_trusted_publish.rehearsal.validation import Problem, complaint

from .world import KEY, KID, NO_ENVIRONMENT, NOW, World, github, identity_token

TRUSTED = Trusted(KID, KEY.public_key())


def _minted(world: World, **changed: object) -> tuple[int, dict[str, object]]:
    body = json.dumps({"token": identity_token(changed=changed)}).encode()
    status, reply = mint(world.store, TRUSTED, body)
    assert reply is not None
    return status, reply


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            b"[]",
            "  Input should be an object [type=model_type, input_value=[], input_type=list]",
        ),
        (
            b'{"token": 1}',
            "token\n  Input should be a valid string [type=string_type, input_value=1, input_type=int]",
        ),
        (
            b"{",
            "  Invalid JSON: expected value at line 1 column 1 [type=json_invalid, input_value=b'{', input_type=bytes]",
        ),
        (
            b"\xff",
            (
                "  Invalid JSON: expected value at line 1 column 1 "
                "[type=json_invalid, input_value=b'\\xff', input_type=bytes]"
            ),
        ),
    ],
)
def test_payload_of_another_shape(body: bytes, expected: str) -> None:
    """Each error has the expected and the actual type."""
    problem = payload(body)
    assert isinstance(problem, Problem)
    said = complaint("TokenPayload", problem)
    assert said.startswith(f"1 validation error for TokenPayload\n{expected}\n")


def test_deep_json_is_an_invalid_payload() -> None:
    """A body nested too deeply for the parser is rejected like any other invalid JSON."""
    problem = payload(b"[" * 200_000)
    assert isinstance(problem, Problem)
    assert problem.kind == "json_invalid"


def test_a_token_in_the_wrong_field_is_not_sent_back_whole() -> None:
    """The error shows only part of the value, which could be the token."""
    token = identity_token()
    problem = payload(json.dumps({"tokn": token}).encode())
    assert isinstance(problem, Problem)
    assert token not in complaint("TokenPayload", problem)
    assert "..." in complaint("TokenPayload", problem)


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({"nbf": NOW + 30}, True),
        ({"nbf": NOW + 31}, False),
        ({"iat": NOW + 30}, True),
        ({"iat": NOW + 31}, False),
        ({"exp": NOW - 29}, True),
        ({"exp": NOW - 30}, False),
        ({"exp": "soon"}, False),
        ({"iat": None}, False),
        ({"nbf": [1]}, False),
        ({"exp": NOW + 0.5}, True),
        ({"aud": "pypi "}, False),
        ({"aud": None}, False),
    ],
)
def test_times_and_audience(changed: dict[str, object], *, good: bool) -> None:
    """The token has thirty seconds of leeway, numeric times, and one audience."""
    claims = verified(identity_token(changed=changed), TRUSTED, "pypi", NOW)
    assert (claims is not None) is good


def test_malformed_after_a_valid_start() -> None:
    """A token with a malformed header has no valid signature."""
    assert verified("a.b.c", TRUSTED, "pypi", NOW) is None


def test_a_token_covers_the_projects_of_its_publisher(world: World) -> None:
    """This includes the project that a pending publisher of the same identity creates: one per call."""
    world.store.add_pending(NO_ENVIRONMENT, ["second", "Third.Project"])
    repository = "octo-org/noenv-project"
    ref = f"{repository}/.github/workflows/release.yml@refs/tags/v1.0.0"
    projects = {canonicalize_name("noenv-project")}
    for name, pending in (("second", {NO_ENVIRONMENT: ["Third.Project"]}), ("third-project", {})):
        projects.add(canonicalize_name(name))

        status, reply = _minted(world, repository=repository, job_workflow_ref=ref, environment=None)

        assert (200, pending) == (status, world.store.pending)
        found = world.store.token(str(reply["token"]))
        assert found is not None
        token, signed = found
        assert (True, frozenset(projects)) == (signed, token.projects)
        assert (token.publisher, token.expires) == (NO_ENVIRONMENT, NOW + 900)
    assert world.store.projects[canonicalize_name("third-project")].name == "Third.Project"


def test_a_refused_name_keeps_the_pending_publisher(world: World) -> None:
    """Nothing is created, and the next try is rejected again."""
    publisher = github("sampleproject")
    world.store.add_pending(publisher, ["os", "fine"])

    assert _minted(world, environment=None) == _minted(world, environment=None)
    assert world.store.pending == {publisher: ["os", "fine"]}
    assert not world.store.has("fine")


def test_a_burned_token_is_invalid(world: World) -> None:
    """Burning invalidates the token; a malformed token changes nothing."""
    token = world.token()
    altered = token[:-2] + ("AA" if token[-2:] != "AA" else "BB")
    for each in (altered, "", "pypi-", "pypi-%%%", "other-" + token.removeprefix("pypi-"), "pypi-é"):
        world.store.burn(each)
        assert world.store.token(token) is not None

    reply = world.ask("POST", "/_/oidc/burn-token", content=json.dumps({"token": token}).encode())

    assert reply.status_code == 202
    assert world.store.token(token) is None
    assert world.ask("POST", "/_/oidc/burn-token", content=b"{}").status_code == 202


def test_the_usual_claims_are_good(world: World) -> None:
    """The claims that the tests above change are valid when unchanged."""
    status, reply = _minted(world)
    assert (status, reply["success"], reply["expires"]) == (200, True, NOW + 900)
