"""The repository behind the URL of a Git remote."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.cli.forge import Forge, parse_remote


@pytest.mark.parametrize(
    ("expected", "url"),
    [
        pytest.param(
            ("github", "github.com", "octo-org", "sample"), "https://github.com/octo-org/sample.git", id="https"
        ),
        pytest.param(("github", "github.com", "octo-org", "sample"), "git@github.com:octo-org/sample.git", id="scp"),
        pytest.param(("github", "github.com", "Octo", "Sample.py"), "ssh://git@github.com:22/Octo/Sample.py", id="ssh"),
        pytest.param(("github", "github.com", "o", "s"), "https://user:pw@GitHub.com/o/s/", id="password"),
        pytest.param(("github", "github.com", "o", "s"), "ssh://git@ssh.github.com:443/o/s.git", id="ssh over 443"),
        pytest.param(("gitlab", "gitlab.com", "a/b", "c"), "git@gitlab.com:a/b/c.git", id="subgroup"),
        pytest.param(("gitlab", "gitlab.example.org", "a", "c"), "https://gitlab.example.org/a/c", id="self-managed"),
        pytest.param(None, "https://codeberg.org/a/b.git", id="another forge"),
        pytest.param(None, "https://github.com/only-an-owner", id="not a repository"),
        pytest.param(None, "https://github.com/a/b/c", id="too deep for GitHub"),
        pytest.param(None, "/srv/git/sample.git", id="path"),
        pytest.param(None, "", id="empty"),
        pytest.param(None, "https://github.com.evil.example/a/b", id="host with the same start"),
    ],
)
def test_remote(expected: tuple[str, str, str, str] | None, url: str) -> None:
    """Each form that Git accepts names the same repository."""
    assert (None if expected is None else Forge(*expected)) == parse_remote(url)  # type: ignore[arg-type]
