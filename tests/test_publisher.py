"""The Hatch plugin: flags in, output and exit code out. tests/e2e tests the rest of it, as a subprocess."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from hatch.cli.application import Application

from hatch_trusted_publish.errors import Message
from hatch_trusted_publish.publisher import TrustedPublisher, _flags
from hatch_trusted_publish.settings.options import KEYS, Flags
from tests.e2e.world import PROJECT, WHEEL, Index, identity_token, served
from tests.support.helpers import make_wheel


def hatch() -> Any:
    """Return Hatch's application as its command line creates it."""
    application: Any = Application
    return application(sys.exit, verbosity=0, enable_color=False, interactive=False)


def context(**said: object) -> click.Context:
    """Return the context of a command with these arguments."""
    made = click.Context(click.Command("publish"))
    made.params = said
    return made


@pytest.mark.parametrize(
    ("said", "options", "expected"),
    [
        pytest.param({}, {}, Flags(), id="no options"),
        pytest.param({"repo": None, "user": None, "ca_cert": None}, {}, Flags(), id="unset flags"),
        pytest.param({"repo": "test"}, {}, Flags(repo="test"), id="--repo"),
        pytest.param({"user": ""}, {}, Flags(user=True), id="--user, even an empty one"),
        pytest.param({"auth": "hunter2"}, {}, Flags(auth=True), id="--auth, without its value"),
        pytest.param(
            {"ca_cert": "a", "client_cert": "b", "client_key": "c"},
            {},
            Flags(ca_cert="a", client_cert="b", client_key="c"),
            id="certificates",
        ),
        pytest.param({}, {"initialize_auth": False}, Flags(), id="Hatch's own additions"),
        pytest.param({}, {"initialize_auth": True}, Flags(initialize_auth=True), id="--initialize-auth"),
    ],
)
def test_flags(said: Mapping[str, object], options: Mapping[str, object], expected: Flags) -> None:
    """The flags that Hatch does not pass on are read from the command that is running."""
    with context(**said):
        assert expected == _flags(options)


def test_no_flags_without_a_command() -> None:
    """A publisher that is called without a command line has no flags."""
    expected = Flags()
    assert expected == _flags({})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Return an index with a publisher for the sample project, and a job of a CI that is not detected."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("MY_TOKEN", identity_token("gitlab", "127.0.0.1"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    index = Index(tmp_path / "files")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    with served(index):
        yield index
    for number, handler in before.items():
        signal.signal(number, handler)


def publisher(root: Path, **table: object) -> Any:
    """Return the publisher for a project with one wheel, as Hatch creates it."""
    make_wheel(root / "dist", PROJECT, "1.2.3")
    made: type[Any] = TrustedPublisher
    return made(hatch(), root, root.parent / "cache", table, {"identity-variable": "MY_TOKEN"})


def codes(text: str) -> list[str]:
    return re.findall(r"\[([a-z][a-z-]+)\]", text)


def test_a_release(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hatch passes root, tables and options, and gets output on standard error."""
    table = {"check-version": False, "attestations": False}
    publisher(tmp_path / "project", **table).publish([], {"repo": index.upload_url})
    out, err = capsys.readouterr()
    line = Message("file-outcome", file=f"dist/{WHEEL}", outcome=Message("uploaded"))
    assert ("", True, []) == (out, f"{line}\n" in err, codes(err))
    assert [WHEEL] == index.files


def test_help(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o help` lists every option of the command line, and does nothing else."""
    publisher(tmp_path / "project").publish([], {"help": ""})
    said = capsys.readouterr().err
    listed = re.findall(r"(?m)^  (\S+)  ", said)
    assert sorted(KEYS.keys() - {"repos", "publisher"}) == sorted(listed)
    assert [] == index.requests


def test_an_error(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error is shown, and Hatch exits with 1."""
    with pytest.raises(SystemExit) as ended:
        publisher(tmp_path / "project").publish(["nothing.whl"], {"repo": index.upload_url})
    out, err = capsys.readouterr()
    assert (1, "", ["no-such-file"]) == (ended.value.code, out, codes(err))
    assert [] == index.requests


def test_problems_of_all_rooms(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unwritable report and token directory are problems of the plan, shown together before any upload."""
    made = publisher(tmp_path / "project", **{"check-version": False, "report": "none/report.json"})
    made.cache_dir.mkdir(parents=True)
    made.cache_dir.chmod(0o777)
    with pytest.raises(SystemExit):
        made.publish([], {"repo": index.upload_url, "keep-token": ""})
    err = capsys.readouterr().err
    assert "report-refused" == codes(err)[0]
    assert str(made.cache_dir / "tokens") in err
    assert [] == index.requests


@pytest.mark.parametrize("missing", ["httpx", "id", "pypi_attestations", "stamina"])
def test_a_missing_extra(
    missing: str, index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the extra `publish`, the run ends before it does anything."""
    monkeypatch.setattr("hatch_trusted_publish.publisher.find_spec", lambda name: None if name == missing else object())
    with pytest.raises(SystemExit):
        publisher(tmp_path / "project").publish([], {"repo": index.upload_url})
    err = capsys.readouterr().err
    assert f"{Message('extra-missing', extra='publish', missing=missing)}\n[extra-missing]\n" == err
    assert [] == index.requests
