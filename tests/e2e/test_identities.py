"""A release from each CI, with the exact requests that the index received."""

from __future__ import annotations

from .world import (
    EXCHANGE,
    RELEASE,
    SDIST,
    SEARCH,
    WHEEL,
    Answer,
    Ci,
    Index,
    Job,
    Run,
    identity_token,
    masks,
    nothing_left,
    released,
    uploads,
)

PRIVATE_RELEASE = [
    "GET /simple/sample-project/ 200",
    "GET /.well-known/pytp?discover=%2Flegacy%2F 200",
    "GET /exchange/audience 200",
    "POST /exchange/mint 200",
    *uploads(2),
]


def again(job: Job, index: Index) -> None:
    """Run the same command again: it uploads nothing, and requests no identity."""
    index.forget()
    assert nothing_left(index) == job.publish("-r", index.upload_url)
    assert SEARCH[:1] == index.requests_but_terms


def test_github(job: Job, ci: Ci, index: Index) -> None:
    """GitHub's token service issues one identity, and each token is masked before anything else is printed."""
    job.environ |= ci.github
    run = job.publish("-r", index.upload_url)
    assert Run(0, masks(ci, index), released(index).err) == run
    assert RELEASE == index.requests
    assert ["GET /github?api-version=2.0&audience=127.0.0.1 200"] == ci.requests
    assert [WHEEL, SDIST] == index.files

    again(job, index)
    assert 1 == len(ci.requests)


def test_gitlab(job: Job, index: Index) -> None:
    """GitLab's token is in the variable named after the audience."""
    job.environ |= {"CI": "true", "GITLAB_CI": "true", "_27_0_0_1_ID_TOKEN": identity_token("gitlab", "127.0.0.1")}
    assert released(index, ci="gitlab") == job.publish("-r", index.upload_url)
    assert RELEASE == index.requests
    again(job, index)


def test_google(job: Job, ci: Ci, index: Index) -> None:
    """Google's metadata server issues one identity."""
    job.environ["E2E_GOOGLE"] = f"{ci.url}/google"
    assert released(index, ci="google") == job.publish("-r", index.upload_url)
    assert RELEASE == index.requests
    assert ["GET /google?audience=127.0.0.1&format=full 200"] == ci.requests
    again(job, index)
    assert 1 == len(ci.requests)


def test_buildkite(job: Job, private: Index) -> None:
    """Buildkite's agent runs once; the index accepts its identities, and is discovered by PEP 807."""
    calls = job.command("buildkite-agent")
    job.environ |= {"CI": "true", "BUILDKITE": "true", "FAKE_TOKEN": identity_token("buildkite", "127.0.0.1")}
    assert released(private, ci="buildkite") == job.publish("-r", private.upload_url)
    assert PRIVATE_RELEASE == private.requests
    assert "oidc request-token --audience 127.0.0.1\n" == calls.read_text()
    again(job, private)
    assert "oidc request-token --audience 127.0.0.1\n" == calls.read_text()


def test_circleci(job: Job, private: Index) -> None:
    """CircleCI's command runs once; the index accepts its identities, and is discovered by PEP 807."""
    calls = job.command("circleci")
    job.environ |= {"CI": "true", "CIRCLECI": "true", "FAKE_TOKEN": identity_token("circleci", "127.0.0.1")}
    assert released(private, ci="circleci") == job.publish("-r", private.upload_url)
    assert PRIVATE_RELEASE == private.requests
    assert 'run oidc get --root-issuer --claims {"aud": "127.0.0.1"}\n' == calls.read_text()
    again(job, private)
    assert 1 == len(calls.read_text().splitlines())


def test_identity_variable(job: Job, ci: Ci, private: Index) -> None:
    """A named variable holds the token of a CI that is not detected, and takes precedence over a detected one."""
    job.environ |= ci.github | {"MY_TOKEN": identity_token("buildkite", "127.0.0.1")}
    run = job.publish("-r", private.upload_url, "-o", "identity-variable=MY_TOKEN")
    hidden = f"::add-mask::{job.environ['MY_TOKEN']}\n::add-mask::{private.store.minted[0]}\n"
    assert Run(0, hidden, released(private, ci="buildkite").err) == run
    assert PRIVATE_RELEASE == private.requests
    assert [] == ci.requests


def test_a_lost_reply_to_the_exchange(job: Job, ci: Ci, index: Index) -> None:
    """The index may have used the identity before the reply was lost: the next try has a new one."""
    job.on_github(ci)
    index.answers["POST /_/oidc/mint-token"] = [Answer(lost=True)]
    run = job.publish("-r", index.upload_url)
    assert 0 == run.code
    assert 2 == len(set(ci.issued))
    assert [*SEARCH, EXCHANGE[0], *EXCHANGE[1:] * 2, *RELEASE[4:]] == index.requests
