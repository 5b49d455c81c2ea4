"""The process of a release: the signals that end it, what it leaves on the disk, and its variables."""

from __future__ import annotations

import gc
import os
import resource
import signal
from collections.abc import Iterator

import pytest

from hatch_trusted_publish.process import environ, prepare
from hatch_trusted_publish.threads import interrupt

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Restore the process after each test."""
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    resource.setrlimit(resource.RLIMIT_CORE, limits)
    gc.unfreeze()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_signals(number: signal.Signals) -> None:
    """A cancelled job or a closed terminal ends the run as Ctrl-C does; signals that `nohup` ignores stay ignored."""
    for before, after in ((signal.SIG_DFL, interrupt), (signal.SIG_IGN, signal.SIG_IGN)):
        signal.signal(number, before)
        prepare()
        assert after is signal.getsignal(number)


def test_no_core() -> None:
    """A crash writes no tokens to the disk."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    prepare()
    assert (0, hard) == resource.getrlimit(resource.RLIMIT_CORE)


def test_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary changes are undone afterwards, however the block ends."""
    monkeypatch.setenv("REAL", "real")
    monkeypatch.delenv("PLAYED", raising=False)
    before = dict(os.environ)

    def rehearse() -> None:
        with environ({"REAL": None, "PLAYED": "played", "NEVER_SET": None}):
            assert (None, "played") == (os.environ.get("REAL"), os.environ.get("PLAYED"))
            os.environ["LEFT"] = "by what ran in it"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rehearse()
    assert before == dict(os.environ)
