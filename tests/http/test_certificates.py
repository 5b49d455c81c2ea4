"""Which certificates are trusted, and which one the index gets to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from hatch_trusted_publish.errors import NetworkError
from hatch_trusted_publish.http.certificates import Certificates
from tests.http.making import a_client, form_of, get, refused, upload
from tests.support.authority import Authority
from tests.support.scripted import Answer, Scripted


@pytest.mark.parametrize("form", ["file", "directory"])
@pytest.mark.parametrize("by", ["ca-cert", "SSL_CERT"])
def test_a_private_ca(authority: Authority, form: str, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ca-cert`, or one of OpenSSL's two variables, names the CA that signed the index's certificate."""
    path = str(authority.file if form == "file" else authority.as_directory())
    if by == "SSL_CERT":
        monkeypatch.setenv("SSL_CERT_FILE" if form == "file" else "SSL_CERT_DIR", path)
    certificates = Certificates(path if by == "ca-cert" else None)
    with Scripted({"GET /": Answer()}, authority.server()) as server, a_client(20.0, certificates) as client:
        assert client.send(get(f"{server.url}/")).status == 200


def test_a_large_upload_over_tls(authority: Authority, tmp_path: Path) -> None:
    """A file that takes many writes arrives whole over TLS."""
    certificates = Certificates(str(authority.file))
    with Scripted({"POST /": Answer()}, authority.server()) as server, a_client(20.0, certificates) as client:
        request = upload(tmp_path, f"{server.url}/", 500_000)
        client.send(request)

    assert server.asked[0].body == b"".join(form_of(request).chunks())


@pytest.mark.parametrize("variable", ["", "SSL_CERT_FILE"])
def test_an_unknown_ca(authority: Authority, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate of an untrusted CA is rejected at the first try; the variable that names the CAs is reported."""
    trusted = ""
    if variable:
        (tmp_path / "other").mkdir()
        other = Authority(tmp_path / "other").file
        monkeypatch.setenv(variable, str(other))
        trusted = f"{variable}={other}"
    with Scripted({"GET /": Answer()}, authority.server()) as server:
        error = refused(get(f"{server.url}/", 4), a_client())

    said = "unable to get local issuer certificate"
    assert (("untrusted-certificate",), said, trusted) == (
        error.codes,
        error.reason.facts["said"],
        error.message.facts["trusted"],
    )
    assert ([], False, False) == (server.lines, error.was_sent, error.can_pass)


def test_a_certificate_for_another_host(authority: Authority) -> None:
    """A trusted certificate of another host is rejected, too."""
    certificates = Certificates(str(authority.file))
    with Scripted({"GET /": Answer()}, authority.server("other.test")) as server:
        error = refused(get(f"{server.url}/", 4), a_client(20.0, certificates))

    said = "IP address mismatch, certificate is not valid for '127.0.0.1'"
    assert (("untrusted-certificate",), said) == (error.codes, error.reason.facts["said"])
    assert (f"ca-cert={authority.file}", []) == (error.message.facts["trusted"], server.lines)


@pytest.mark.parametrize("together", [False, True])
def test_a_client_certificate(authority: Authority, together: bool) -> None:
    """`client-cert` and `client-key` are sent to an index that requests them; one file may hold both."""
    certificate, key = authority.issue("client", "client.test")
    if together:
        certificate.write_bytes(certificate.read_bytes() + key.read_bytes())
    certificates = Certificates(str(authority.file), str(certificate), None if together else str(key))
    tls = authority.server(asks=True)
    with Scripted({"GET /": Answer()}, tls) as server, a_client(20.0, certificates) as client:
        assert client.send(get(f"{server.url}/")).status == 200


def test_a_client_certificate_that_is_missing(authority: Authority) -> None:
    """An index that requires a certificate closes the connection without one."""
    certificates = Certificates(str(authority.file))
    with Scripted({"GET /": Answer()}, authority.server(asks=True)) as server:
        error = refused(get(f"{server.url}/"), a_client(20.0, certificates))

    assert (("connection-lost",), []) == (error.codes, server.lines)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param({"ca_cert": "none.pem"}, "No such file or directory", id="no CA"),
        pytest.param({"ca_cert": "junk.pem"}, "no certificate or crl found", id="CA that is not a certificate"),
        pytest.param({"ca_cert": "\0.pem"}, "ValueError", id="impossible path"),
        pytest.param({"client_cert": "none.pem"}, "No such file or directory", id="no certificate"),
        pytest.param({"client_cert": "client.pem"}, "PEM lib", id="certificate without a key"),
        pytest.param({"client_cert": "client.pem", "client_key": "none.key"}, "No such file or directory", id="no key"),
        pytest.param({"client_cert": "client.pem", "client_key": "other.key"}, "key values mismatch", id="other key"),
        pytest.param({"client_cert": "client.pem", "client_key": "locked.key"}, "PEM lib", id="key with a password"),
    ],
)
def test_certificate_files_that_cannot_be_used(files: dict[str, str], said: str, authority: Authority) -> None:
    """A problem with a certificate file is reported before anything is sent, with the names of the files."""
    authority.issue("client", "client.test")
    authority.issue("other", "client.test")
    authority.issue("locked", "client.test", b"sesame")
    (authority.directory / "junk.pem").write_text("junk")
    paths = {key: str(authority.directory / name) for key, name in files.items()}

    with pytest.raises(NetworkError) as raised:
        a_client(20.0, Certificates(**paths))

    error = raised.value
    assert (("unusable-certificate",), False, False) == (error.codes, error.was_sent, error.can_pass)
    assert [] == [path for path in paths.values() if path not in error.message.facts["files"]]
    assert said in error.message.facts["said"]


def test_a_variable_that_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA file named by a variable is reported with the variable."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(NetworkError) as raised:
        a_client()

    assert f"SSL_CERT_FILE={tmp_path / 'none.pem'}" == raised.value.message.facts["files"]
