"""Hatch's terminal, the logs of GitHub and GitLab, and what none of them may show."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

import pytest
from capture import Screen
from hatch.cli.application import Application
from hypothesis import given, settings
from hypothesis import strategies as st

from hatch_trusted_publish.errors import Interrupted, Message
from hatch_trusted_publish.output.console import Console
from hatch_trusted_publish.output.progress import Line
from hatch_trusted_publish.secret import Secret

GITHUB = {"GITHUB_ACTIONS": "true"}
GITLAB = {"GITLAB_CI": "true"}


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a common terminal, whatever the tests run on."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("COLORTERM", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


def hatch(verbosity: int = 0, *, color: bool | None = False) -> Any:
    """Return Hatch's application as its command line creates it."""
    application: Any = Application
    return application(sys.exit, verbosity=verbosity, enable_color=color, interactive=False)


class Stream(io.TextIOWrapper):
    """Standard error, perhaps a terminal."""

    def __init__(self, encoding: str = "utf-8", *, tty: bool = False) -> None:
        self._tty = tty
        super().__init__(io.BytesIO(), encoding=encoding, errors="strict", newline="", write_through=True)

    def isatty(self) -> bool:
        return self._tty

    @property
    def said(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@contextmanager
def stderr(encoding: str = "utf-8", *, tty: bool = False) -> Iterator[Stream]:
    """Make standard error a stream of this kind."""
    with Stream(encoding, tty=tty) as stream, redirect_stderr(stream):
        yield stream


def say_all(console: Console) -> None:
    """Print one line of each kind."""
    console.show("info", "an info")
    console.folded("a title", ["a detail"])
    console.show("success", "a success")
    console.show("warning", "a warning\nof 100% two lines")
    console.show("error", "an error")
    console.critical("the end\nof two lines")


@pytest.mark.parametrize(
    ("environ", "verbosity", "expected"),
    [
        pytest.param(
            {},
            0,
            "an info\na title\na success\nWarning: a warning\nof 100% two lines\nan error\nthe end\nof two lines\n",
            id="no CI",
        ),
        pytest.param(
            {},
            1,
            "an info\na title\na detail\na success\nWarning: a warning\nof 100% two lines\nan error\nthe end\nof two lines\n",
            id="no CI, -v",
        ),
        pytest.param(
            {}, -1, "Warning: a warning\nof 100% two lines\nan error\nthe end\nof two lines\n", id="no CI, -q"
        ),
        pytest.param({}, -2, "an error\nthe end\nof two lines\n", id="no CI, -qq"),
        pytest.param({}, -3, "the end\nof two lines\n", id="no CI, -qqq"),
        pytest.param(
            GITHUB,
            0,
            "an info\n::group::a title\na detail\n::endgroup::\na success\n"
            "::warning::a warning%0Aof 100%25 two lines\nan error\n::error::the end%0Aof two lines\n",
            id="GitHub",
        ),
        pytest.param(
            GITHUB,
            -1,
            "::warning::a warning%0Aof 100%25 two lines\nan error\n::error::the end%0Aof two lines\n",
            id="GitHub, -q",
        ),
        pytest.param(GITHUB, -3, "::error::the end%0Aof two lines\n", id="GitHub, -qqq"),
        pytest.param(
            GITLAB,
            0,
            "an info\n\x1b[0Ksection_start:TIME:trusted_publish[collapsed=true]\r\x1b[0Ka title\na detail\n"
            "\x1b[0Ksection_end:TIME:trusted_publish\r\x1b[0K\na success\nWarning: a warning\nof 100% two lines\n"
            "an error\nthe end\nof two lines\n",
            id="GitLab",
        ),
        pytest.param(
            GITLAB, -1, "Warning: a warning\nof 100% two lines\nan error\nthe end\nof two lines\n", id="GitLab, -q"
        ),
        pytest.param(
            {"GITHUB_ACTIONS": "false", "GITLAB_CI": "1"},
            -1,
            "Warning: a warning\nof 100% two lines\nan error\nthe end\nof two lines\n",
            id="neither",
        ),
    ],
)
def test_lines(environ: Mapping[str, str], verbosity: int, expected: str) -> None:
    """Each kind of line has the log's own syntax, and appears from its verbosity on."""
    with stderr() as stream:
        say_all(Console(hatch(verbosity), environ))
        assert expected == re.sub(r":\d{10,}:", ":TIME:", stream.said)


@pytest.mark.parametrize("environ", [{}, GITHUB, GITLAB], ids=["no CI", "GitHub", "GitLab"])
def test_colours(environ: Mapping[str, str]) -> None:
    """Colours that you asked for do not hide a command from the CI."""
    with stderr() as stream:
        say_all(Console(hatch(color=True), environ))
        lines = stream.said.splitlines()
    assert lines[0].startswith("\x1b[1man info\x1b[0m")
    assert [] == [line for line in lines if re.search(r"\x1b\[[\d;]+m.*::", line)]


@pytest.mark.parametrize("value", ["1", "true", "yes"])
def test_no_colour(value: str) -> None:
    """NO_COLOR turns the colours off, whatever its value."""
    with stderr() as stream:
        Console(hatch(color=True), {"NO_COLOR": value}).show("success", "a success")
        assert stream.said.startswith("\x1b[1ma success\x1b[0m")  # bold is not a colour


def test_empty_no_colour() -> None:
    """An empty NO_COLOR has no effect."""
    with stderr() as stream:
        Console(hatch(color=True), {"NO_COLOR": ""}).show("success", "a success")
        assert stream.said.startswith("\x1b[1;36ma success\x1b[0m")


@pytest.mark.parametrize(
    ("encoding", "environ", "expected"),
    [
        ("utf-8", {}, "a → b… ━╌ é"),
        ("utf-8", {"LC_ALL": "C.UTF-8"}, "a → b… ━╌ é"),
        ("utf-8", {"LC_ALL": "C"}, "a -> b... #- ?"),
        ("utf-8", {"LC_ALL": "POSIX"}, "a -> b... #- ?"),
        ("ascii", {}, "a -> b... #- ?"),
        ("latin-1", {}, "a -> b... #- é"),
    ],
)
@pytest.mark.parametrize("ci", [{}, GITHUB, GITLAB], ids=["no CI", "GitHub", "GitLab"])
def test_what_the_stream_has(encoding: str, environ: Mapping[str, str], ci: Mapping[str, str], expected: str) -> None:
    """A stream with fewer characters gets the same text in characters that it has, in lines and in commands."""
    text = "a → b… ━╌ é"
    with stderr(encoding) as stream:
        console = Console(hatch(), {**environ, **ci})
        console.show("info", text)
        console.show("warning", text)
        console.critical(text)
        console.folded(text, [])
        lines = [line for line in re.split(r"[\r\n]+", stream.said) if line]
    found = [line for line in lines if expected in line]
    assert (4, []) == (len(found), [line for line in lines if "→" in line and "→" not in expected])


@pytest.mark.parametrize(
    ("environ", "masked"),
    [
        (GITHUB, "::add-mask::a-token\n"),
        ({"GITHUB_ACTIONS": "false"}, ""),
        ({"GITHUB_ACTIONS": "1"}, ""),
        ({"GITHUB_ACTIONS": "True"}, ""),
        ({"GITHUB_ACTIONS": ""}, ""),
        (GITLAB, ""),
        ({}, ""),
    ],
    ids=str,
)
@pytest.mark.parametrize("verbosity", [0, -3])
def test_masks(environ: Mapping[str, str], masked: str, verbosity: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A token is written only where GitHub reads it as a command; anywhere else it would be in the log."""
    Console(hatch(verbosity), environ).mask(Secret("a-token"))
    expected = (masked, "")
    assert expected == capsys.readouterr()


HOSTILE = "\x1b[2J\x1b]0;owned\x07\r\u202egnp.exe\u2066\u2028\x9b31m\x00\x7f\ud800"
"""Characters that a terminal obeys or shows backwards, and that no stream can encode."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(HOSTILE, "?[2J?]0;owned???gnp.exe???31m???", id="escapes"),
        pytest.param("'Framework :: Nope' is ##1", "'Framework :: Nope' is ##1", id="not a command"),
        pytest.param("::set-env name=PATH::/evil", ": :set-env name=PATH::/evil", id="GitHub"),
        pytest.param("fine\n  ::error::no", "fine\n  : :error::no", id="GitHub, on its own line"),
        pytest.param("a ##[error]no ###[group]", "a # #[error]no ## #[group]", id="GitHub and Azure, anywhere"),
        pytest.param("a ##vso[task.complete]", "a # #vso[task.complete]", id="Azure"),
    ],
)
@pytest.mark.parametrize("ci", [{}, GITHUB], ids=["no CI", "GitHub"])
def test_no_text_is_obeyed(text: str, expected: str, ci: Mapping[str, str]) -> None:
    """Untrusted text stays readable, and does nothing in terminals and CIs."""
    with stderr() as stream:
        console = Console(hatch(1), ci)
        console.show("info", text)
        console.folded("a title", [text])
        console.critical(text)
        said = stream.said.replace("%0A", "\n").replace("::error::: :", ": :")
    assert 3 == said.count(expected)
    assert "\x1b" not in said


@settings(deadline=None, max_examples=200)
@given(text=st.text(st.characters()))
def test_no_text_starts_a_command(text: str) -> None:
    """Whatever is in a line, GitHub gets one command for each warning or error and no other."""
    with stderr() as stream:
        console = Console(hatch(), GITHUB)
        console.show("warning", text)
        console.show("info", text)
        console.critical(text)
        first, *lines, last, rest = stream.said.split("\n")
    assert ("::warning::", "::error::", "") == (first[:11], last[:9], rest)
    assert [] == [line for line in lines if not line.isprintable() or re.search(r"^\s*::|##\w*\[", line)]


@pytest.mark.parametrize(
    ("environ", "tty", "interactive", "verbosity", "expected"),
    [
        pytest.param({}, True, True, 0, True, id="a terminal"),
        pytest.param({"NO_COLOR": "1", "CI": "false"}, True, True, 1, True, id="a terminal, -v, without colours"),
        pytest.param({}, True, True, -1, False, id="-q"),
        pytest.param({}, False, True, 0, False, id="a file"),
        pytest.param({}, True, False, 0, False, id="--no-interactive"),
        pytest.param({"CI": "true"}, True, True, 0, False, id="a CI"),
        pytest.param({"TERM": "dumb"}, True, True, 0, False, id="dumb terminal"),
        pytest.param(GITHUB, True, True, 0, False, id="GitHub"),
        pytest.param(GITLAB, True, True, 0, False, id="GitLab"),
    ],
)
def test_can_redraw(environ: Mapping[str, str], tty: bool, interactive: bool, verbosity: int, expected: bool) -> None:
    """The table is redrawn only on an interactive terminal with normal output."""
    with stderr(tty=tty):
        assert expected == Console(hatch(verbosity), environ, interactive=interactive).can_redraw


class Lines:
    """Lines that depend on a width and a height."""

    def __init__(self) -> None:
        self.lines: list[Line] = [("info", "row → one"), ("success", "row two")]
        self.asked: list[tuple[int, int | None]] = []
        self.drawn = threading.Event()

    def __call__(self, width: int, height: int | None) -> list[Line]:
        self.asked.append((width, height))
        if len(self.asked) > 4:
            self.drawn.set()
        return self.lines


@pytest.fixture
def _size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a terminal of 30 columns and 3 lines, which is too small for a table."""
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "3")


@pytest.mark.usefixtures("_size")
@pytest.mark.parametrize(("environ", "arrow"), [({}, "→"), ({"LC_ALL": "C"}, "->")], ids=["UTF-8", "ASCII"])
def test_a_table(environ: Mapping[str, str], arrow: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines are redrawn in place, messages go above them, and at the end they stay."""
    lines = Lines()
    with stderr(tty=True) as stream:
        console = Console(hatch(), environ)
        console.redraw(lines)
        console.show("info", "said → meanwhile")
        console.show("warning", "beware")
        lines.lines.append(("error", "row three"))
        assert lines.drawn.wait(30)
        console.close()
        console.close()
        console.show("info", "said later")
        screen = Screen(80)
        screen.write(stream.said)
    assert ("", "") == capsys.readouterr()
    expected = [f"said {arrow} meanwhile", "Warning: beware", f"row {arrow} one", "row two", "row three", "said later"]
    assert expected == str(screen).splitlines()
    # Never all of them before the end.
    assert [(40, 4), (40, None)] == [*dict.fromkeys(lines.asked)]


@pytest.mark.usefixtures("_size")
def test_a_table_without_colours() -> None:
    """Without colours, the table has none either."""
    said = {}
    for value in ("", "1"):
        with stderr(tty=True) as stream:
            console = Console(hatch(color=None), {"NO_COLOR": value})
            console.redraw(Lines())
            console.close()
            said[value] = "\x1b[1;36m" in stream.said
    assert {"": True, "1": False} == said


def test_the_environment_of_the_real_ci() -> None:
    """Variables that a rehearsal sets later do not make this a GitHub job."""
    environ = dict(os.environ)
    environ.pop("GITHUB_ACTIONS", None)
    with stderr() as stream:
        console = Console(hatch(), environ)
        environ["GITHUB_ACTIONS"] = "true"
        console.show("warning", "beware")
        assert "Warning: beware\n" == stream.said


class Broken(Stream):
    """A stream whose reader is gone."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(tty=True)
        self._error = error
        self.tried: list[str] = []

    def write(self, text: str) -> int:
        self.tried.append(text)
        raise self._error


@pytest.mark.parametrize(
    "error", [BrokenPipeError(), OSError(errno.ENOSPC, "full")], ids=lambda error: type(error).__name__
)
@pytest.mark.parametrize("environ", [{}, GITHUB, GITLAB], ids=["no CI", "GitHub", "GitLab"])
@pytest.mark.parametrize("table", [False, True])
def test_standard_error_is_gone(
    error: OSError, environ: Mapping[str, str], table: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release continues without standard error: later output is discarded."""
    led: list[int] = []
    monkeypatch.setattr(os, "dup2", lambda _, number: led.append(number))
    stream = Broken(error)
    monkeypatch.setattr(stream, "fileno", lambda: 1002)
    with redirect_stderr(stream):
        console = Console(hatch(), environ)
        if table:
            console.redraw(Lines())
        say_all(console)
        console.close()
    assert "an info" in "".join(stream.tried)
    assert 1002 in led


def test_what_cannot_be_written_is_dropped(tmp_path: Path) -> None:
    """Buffered output is not written again when Python exits, which would change the exit code to 120."""
    program = """
import os, sys
from hatch.cli.application import Application
from hatch_trusted_publish.errors import Interrupted
from hatch_trusted_publish.errors import Interrupted, Message
from hatch_trusted_publish.output.console import Console
from hatch_trusted_publish.secret import Secret
console = Console(Application(sys.exit, verbosity=0, enable_color=False, interactive=False), {"GITHUB_ACTIONS": "true"})
console.show("warning", "a warning")
console.show("info", "an info")
try:
    console.mask(Secret("a-token"))
except Interrupted as error:
    sys.exit(3)
"""
    for command, code in {
        "{} 2>/dev/full": 0,
        "{} 2>&-": 0,
        "{} >&-": 0,
        "{} >/dev/full": 3,
        "{} >/dev/full 2>/dev/full": 3,
    }.items():
        python = f"'{sys.executable}' -c \"$PROGRAM\""
        done = subprocess.run(
            ["bash", "-c", command.format(python)],
            env={**os.environ, "PROGRAM": program},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (command, code, "") == (
            command,
            done.returncode,
            re.sub("::warning::a warning\nan info\n", "", done.stderr),
        )


def test_a_mask_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a token cannot be masked on GitHub, the run ends."""
    monkeypatch.setattr(sys, "stdout", Broken(OSError(errno.ENOSPC, "full")))
    with pytest.raises(Interrupted) as ended:
        Console(hatch(), GITHUB).mask(Secret("a-token"))
    assert Message("no-mask", reason="full") == ended.value.message
