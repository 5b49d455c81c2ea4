"""Proxies: when one is used, and what is reported of it."""

from __future__ import annotations

import pytest

from hatch_trusted_publish.errors import Message, NetworkError
from hatch_trusted_publish.http.certificates import Certificates
from tests.http.making import MINTING, a_client, closed_port, get, mint, refused
from tests.support.authority import Authority
from tests.support.scripted import Answer, Fault, Scripted, Tunnel


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_a_proxy(variable: str, scheme: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy of the environment is used, with its password; the request is encrypted end to end."""
    with (
        Scripted({"POST /": Answer(body=b"by proxy")}, authority.server("index.test")) as server,
        Tunnel(server.port) as tunnel,
    ):
        monkeypatch.setenv(variable, f"{scheme}user:sesame@127.0.0.1:{tunnel.port}")
        with a_client(20.0, Certificates(str(authority.file))) as client:
            reply = client.send(mint("https://index.test/"))

    assert b"by proxy" == reply.body
    assert ["CONNECT index.test:443 Basic dXNlcjpzZXNhbWU="] == tunnel.asked


@pytest.mark.parametrize("exception", ["index.test", ".test", "*"])
def test_hosts_without_a_proxy(exception: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NO_PROXY` names hosts that are contacted directly."""
    with Scripted({}) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", exception)
        error = refused(get("https://index.test/"), a_client())

    assert (("host-not-found",), []) == (error.codes, proxy.lines)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("tls", [False, True])
def test_this_machine_needs_no_proxy(
    host: str, tls: bool, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy gets requests to this machine, whatever the variables say."""
    with Scripted({}) as proxy, Scripted({"POST /": Answer()}, authority.server(host) if tls else None) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        with a_client(20.0, Certificates(str(authority.file))) as client:
            reply = client.send(mint(f"{'https' if tls else 'http'}://{host}:{server.port}/"))

    assert (200, ["POST /"], []) == (reply.status, server.lines, proxy.lines)


def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy's words are reported without its password, even if it repeats that; no token was sent."""
    reason = "no sesame, s e s a m e or dXNlcjpzZXNhbWU="
    with Scripted(lambda _: Answer(407, reason=reason)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:sesame@127.0.0.1:{proxy.port}")
        error = refused(mint("https://index.test/"), a_client())

    cause = Message(
        "no-connection",
        purpose=MINTING,
        host="index.test:443",
        proxy=f"127.0.0.1:{proxy.port}",
        said="407 no ***, *** or dXNlcjp***U=",
    )
    assert (("proxy-failed",), cause) == (error.codes, error.reason)
    assert (["CONNECT index.test:443"], False) == (proxy.lines, error.was_sent)
    assert not [asked for asked in proxy.asked if "identity" in str(asked)]


def test_a_proxy_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy on whose port no server listens is reported as such."""
    port = closed_port()
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
    error = refused(mint("https://index.test/"), a_client())

    assert (("proxy-failed",), f"127.0.0.1:{port}") == (error.codes, error.reason.facts["proxy"])
    assert (False, True) == (error.was_sent, error.can_pass)


@pytest.mark.parametrize("fault", ["bytewise", "silence"])
def test_a_proxy_that_is_slow(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that drips, or never answers, does not hold a request longer than its deadline."""
    with Scripted(lambda _: Answer(fault=fault, headers={"X-Long": "x" * 100})) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        error = refused(mint("https://index.test/"), a_client(0.3))

    reason = error.reason
    assert (("timed-out",), f"127.0.0.1:{proxy.port}", False) == (error.codes, reason.facts["proxy"], error.was_sent)
    assert ["CONNECT index.test:443"] == proxy.lines


@pytest.mark.parametrize("url", ["ftp://user:sesame@proxy.test", "http://proxy.test:port", "socks5://user:sesame@h:1"])
def test_a_proxy_that_cannot_be_used(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that is not a proxy's is reported, without the password that may be in it."""
    monkeypatch.setenv("ALL_PROXY", url)

    with pytest.raises(NetworkError) as raised:
        a_client()

    error = raised.value
    assert (Message("unusable-proxy"), False, False) == (error.message, error.was_sent, error.can_pass)
