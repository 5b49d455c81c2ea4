"""Print on Hatch's terminal, and in the logs of GitHub and GitLab.

Rules:

- A CI's command starts its line, has no colours, and its text is escaped.
- Which CI this is, is decided before a rehearsal plays one: only the real one obeys commands.
- Foreign text is made inert here, where it is printed, and nowhere else.
- A release goes on without standard error. It ends where a token cannot be masked.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TextIO

from ..errors import Interrupted
from ..secret import Secret
from .progress import Kind, Line

if TYPE_CHECKING:
    from rich.live import Live

_QUIETEST: Final[Mapping[Kind, int]] = {"info": 0, "success": 0, "warning": -1, "error": -2}
"""Hatch's lowest verbosity that shows each."""
_ASCII: Final = str.maketrans({"→": "->", "…": "...", "━": "#", "╌": "-"})
_COMMANDS: Final = re.compile(r"^\s*:(?=:)|#(?=#\w*\[)", re.MULTILINE)
"""The starts of commands: ``::`` at the start of a line on GitHub; ``##[`` or ``##vso[`` anywhere on GitHub and Azure."""


class Console:
    """Standard error for people, and standard output for masks."""

    def __init__(self, app: Any, environ: Mapping[str, str], *, interactive: bool = True) -> None:
        """
        Args:
            app: Hatch.
            environ: of the real CI.
            interactive: false for no progress bars.
        """
        self._app = app
        # Not by Hatch's own console: with NO_COLOR, it takes a terminal for a file.
        in_log = environ.get("CI") in {"true", "1"} or environ.get("TERM") in {"dumb", "unknown"}
        self._interactive = interactive and not in_log
        self._github = environ.get("GITHUB_ACTIONS") == "true"
        self._gitlab = environ.get("GITLAB_CI") == "true" and not self._github
        # In the C locale, Python writes UTF-8 anyway; this variable asks for ASCII.
        self._ascii = environ.get("LC_ALL") in {"C", "POSIX"}
        if environ.get("NO_COLOR"):
            app.console.no_color = True  # Hatch obeys only the value 1; no-color.org says any
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # the shell closed it (`2>&-`)
                setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
        # Hatch's console is switched between the two streams.
        self._lock = threading.RLock()
        self._live: Live | None = None
        self._ends = False

    @property
    def can_redraw(self) -> bool:
        """Return whether lines can be drawn again in the same place."""
        in_log = self._github or self._gitlab or not self._interactive
        return not in_log and sys.stderr.isatty() and self._app.verbosity >= _QUIETEST["info"]

    def show(self, kind: Kind, text: str) -> None:
        """Print *text*, if Hatch's verbosity allows it."""
        if self._app.verbosity < _QUIETEST[kind]:
            return
        if kind == "warning" and self._github:
            self._write(f"::warning::{escaped(self._safe(text))}\n")
            return
        text = self._safe(f"Warning: {text}" if kind == "warning" else text)
        if self._live is None:
            self._print(partial(getattr(self._app, f"display_{kind}"), text))
        else:
            styled = getattr(self._app, f"style_{kind}")(text)
            self._print(partial(self._live.console.print, styled, overflow="ignore", no_wrap=True, crop=False))

    def critical(self, text: str) -> None:
        """Print the error that ends the run, whatever the verbosity."""
        if self._github:
            self._write(f"::error::{escaped(self._safe(text))}\n")
        else:
            self._print(partial(self._app.display_critical, self._safe(text)))

    def mask(self, secret: Secret) -> None:
        """Have GitHub hide a token in the job's log.

        Raises:
            Interrupted: standard output is gone, and with it the way to do so.
        """
        if self._github:
            try:
                sys.stdout.write(f"::add-mask::{secret.reveal()}\n")
                sys.stdout.flush()
            except OSError as error:
                _discard(sys.stdout)
                raise Interrupted("no-mask", reason=error.strerror) from None

    def folded(self, title: str, lines: Iterable[str]) -> None:
        """Print *title* and *lines*: folded if the log supports it, else the lines with `-v` only."""
        if self._app.verbosity < _QUIETEST["info"]:
            return
        start, end, detailed = f"{title}\n", "", self._app.verbosity > 0
        if self._github:
            start, end, detailed = f"::group::{title}\n", "::endgroup::\n", True
        elif self._gitlab:
            mark = f"{time.time():.0f}:trusted_publish"
            start = f"\x1b[0Ksection_start:{mark}[collapsed=true]\r\x1b[0K{title}\n"
            end, detailed = f"\x1b[0Ksection_end:{mark}\r\x1b[0K\n", True
        self._write(start)
        for line in lines if detailed else ():
            self.show("info", line)
        self._write(end)

    def redraw(self, lines: Callable[[int, int | None], list[Line]]) -> None:
        """Keep *lines* in one place from now on, and print everything else above them.

        Args:
            lines: given the width, and the height unless all of them are to be seen.
        """
        from rich.console import Console as Screen
        from rich.live import Live
        from rich.text import Text

        # Not Hatch's console, which is switched between the two streams.
        screen = Screen(stderr=True, no_color=self._app.console.no_color, markup=False, emoji=False, highlight=False)

        def drawn() -> Text:
            width, height = screen.size
            shown = lines(max(width, 40), None if self._ends else max(height - 1, 4))
            styled = (getattr(self._app, f"style_{kind}")(self._safe(line)) for kind, line in shown)
            return Text("\n", no_wrap=True, overflow="crop").join(styled)

        self._live = Live(
            get_renderable=drawn, console=screen, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False
        )
        if not self._print(partial(self._live.start, refresh=True)):
            self._live = None

    def close(self) -> None:
        """Draw the lines a last time, all of them, and leave them there."""
        live, self._live, self._ends = self._live, None, True
        if live is not None:
            self._print(live.stop)

    def _write(self, text: str) -> None:
        self._print(lambda: sys.stderr.write(self._encodable(text)) and sys.stderr.flush())

    def _print(self, write: Callable[[], object]) -> bool:
        with self._lock:
            try:
                write()
            except (OSError, SystemExit):  # the latter is how rich answers a closed pipe
                _discard(sys.stderr)
                return False
        return True

    def _safe(self, text: str) -> str:
        """Return *text* without anything that a terminal or a CI obeys, in characters that the stream has."""
        if not text.isprintable():
            text = "".join(char if char.isprintable() or char == "\n" else "?" for char in text)
        return self._encodable(_COMMANDS.sub(r"\g<0> ", text))

    def _encodable(self, text: str) -> str:
        encoding = "ascii" if self._ascii else sys.stderr.encoding or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
        return text


def _discard(stream: TextIO) -> None:
    """Discard further output to *stream*, so that nothing else fails on it, nor Python's flush at exit."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), stream.fileno())


def escaped(text: str) -> str:
    """Return *text* escaped as the toolkit of GitHub's actions does it."""
    return text.replace("%", "%25").replace("\n", "%0A")
