"""Hatch's side: its flags in, its output and exit code out. tests/e2e shows the rest of it, as a subprocess."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from hatch.cli.application import Application
from stamina.instrumentation import set_on_retry_hooks

from hatch_trusted_publish.publisher import TrustedPublisher, _environ, _flags
from hatch_trusted_publish.settings.options import Flags
from hatch_trusted_publish.threads import interrupt
from tests.e2e.world import PROJECT, WHEEL, Index, as_read, identity_token, served
from tests.support.helpers import make_wheel


def hatch() -> Any:
    """Hatch, as its command line makes it."""
    application: Any = Application
    return application(sys.exit, verbosity=0, enable_color=False, interactive=False)


def context(**said: object) -> click.Context:
    """The context of a command for which all this was said."""
    made = click.Context(click.Command("publish"))
    made.params = said
    return made


@pytest.mark.parametrize(
    ("said", "options", "expected"),
    [
        pytest.param({}, {}, Flags(), id="nothing"),
        pytest.param({"repo": None, "user": None, "ca_cert": None}, {}, Flags(), id="what is unsaid"),
        pytest.param({"repo": "test"}, {}, Flags(repo="test"), id="--repo"),
        pytest.param({"user": ""}, {}, Flags(user=True), id="--user, even an empty one"),
        pytest.param({"auth": "hunter2"}, {}, Flags(auth=True), id="--auth, without its value"),
        pytest.param(
            {"ca_cert": "a", "client_cert": "b", "client_key": "c"},
            {},
            Flags(ca_cert="a", client_cert="b", client_key="c"),
            id="certificates",
        ),
        pytest.param({}, {"initialize_auth": False}, Flags(), id="what Hatch always adds"),
        pytest.param({}, {"initialize_auth": True}, Flags(initialize_auth=True), id="--initialize-auth"),
    ],
)
def test_flags(said: Mapping[str, object], options: Mapping[str, object], expected: Flags) -> None:
    """The flags that Hatch does not hand on are those of the command that runs."""
    with context(**said):
        assert expected == _flags(options)


def test_no_flags_without_a_command() -> None:
    """A publisher that is called by something else than a command line has none."""
    expected = Flags()
    assert expected == _flags({})


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index with a publisher for the sample project, and a job of a CI that nothing detects."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("MY_TOKEN", identity_token("gitlab", "127.0.0.1"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    index = Index(tmp_path / "files")
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with served(index):
        yield index
    for number, handler in before.items():
        signal.signal(number, handler)
    # A run tells of retries by its own terminal.
    set_on_retry_hooks(None)


def publisher(root: Path, **table: object) -> Any:
    """The publisher for a project with one wheel, as Hatch makes it."""
    make_wheel(root / "dist", PROJECT, "1.2.3")
    made: type[Any] = TrustedPublisher
    return made(hatch(), root, root.parent / "cache", table, {"identity-variable": "MY_TOKEN"})


def test_a_release(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What Hatch hands over is a root, tables and options; what it gets is output on standard error."""
    publisher(tmp_path / "project", **{"check-version": False, "attestations": False}).publish(
        [], {"repo": index.upload_url}
    )
    lines = [
        f"{PROJECT} 1.2.3 → {index.upload_url} ({index.upload_url})",
        f"dist/{WHEEL} ... success",
        f"{index.url}/simple/{PROJECT}/",
    ]
    out, err = capsys.readouterr()
    assert ("", "\n".join(lines) + "\n") == (out, as_read(err))
    assert [WHEEL] == index.files
    # A CI that cancels a job ends the run as Ctrl-C does.
    assert [interrupt, interrupt] == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_a_signal_that_is_ignored(index: Index, tmp_path: Path) -> None:
    """What `nohup`, or a shell in the background, has the process ignore stays ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    made = publisher(tmp_path / "project", **{"check-version": False, "attestations": False})
    made.publish([], {"repo": index.upload_url, "dry-run": ""})
    assert [signal.SIG_IGN, interrupt] == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_an_error(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error is told, and ends Hatch with 1."""
    with pytest.raises(SystemExit) as ended:
        publisher(tmp_path / "project").publish(["nothing.whl"], {"repo": index.upload_url})
    heading = "There is nothing to publish yet (run `hatch build`, or name what to publish):"
    expected = f"{heading}\n  - nothing.whl: there is no such file or folder\n"
    assert (1, "", expected) == (ended.value.code, *capsys.readouterr())
    assert [] == index.requests


def test_a_token_that_cannot_be_kept(index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A shared cache folder is a problem of the plan, told with the others before anything is sent."""
    made = publisher(tmp_path / "project", **{"check-version": False, "report": "none/report.json"})
    made.cache_dir.mkdir(parents=True)
    made.cache_dir.chmod(0o777)
    with pytest.raises(SystemExit):
        made.publish([], {"repo": index.upload_url, "keep-token": ""})
    told = capsys.readouterr().err.splitlines()
    way_out = (
        "let HATCH_CACHE_DIR name a folder outside the project that only this user can write to, for the whole job"
    )
    tokens = made.cache_dir / "tokens"
    expected = [
        "These files must not be published as they are; nothing was sent:",
        (
            f"  - the report cannot be written to {tmp_path}/project/none/report.json: No such file or directory; name a file "
            "in a folder that is there by `report`"
        ),
        (
            f"  - the upload token cannot be kept (`keep-token`) in {tokens}: other users can write to {made.cache_dir}; "
            f"{way_out}"
        ),
    ]
    assert expected == told
    assert [] == index.requests


def test_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a rehearsal is gone after it, however it ends."""
    monkeypatch.setenv("REAL", "real")
    monkeypatch.delenv("PLAYED", raising=False)
    before = dict(os.environ)

    def rehearse() -> None:
        with _environ({"REAL": None, "PLAYED": "played", "NEVER_SET": None}):
            assert (None, "played") == (os.environ.get("REAL"), os.environ.get("PLAYED"))
            os.environ["LEFT"] = "by what ran in it"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse()
    assert before == dict(os.environ)
