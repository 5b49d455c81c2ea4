"""Which hosts are this machine."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.http.loopback import is_loopback


@pytest.mark.parametrize(
    ("expected", "host"),
    [
        (True, "localhost"),
        (True, "127.0.0.1"),
        (True, "127.255.255.254"),
        (True, "::1"),
        (True, "0:0:0:0:0:0:0:1"),
        (False, "a.b.localhost"),
        (False, "localhost.example"),
        (False, "mylocalhost"),
        (False, "128.0.0.1"),
        (False, "0.0.0.0"),
        (False, "::"),
        (False, "127.1"),
        (False, "index.example"),
        (False, ""),
    ],
)
def test_loopback(expected: bool, host: str) -> None:
    """Loopback names and addresses are recognized; similar ones are not."""
    assert expected is is_loopback(host)
