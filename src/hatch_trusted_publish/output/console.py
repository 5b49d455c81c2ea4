"""How lines get in front of people: by Hatch's terminal, and as the logs of GitHub and GitLab understand them.

Rules:

- A command of a CI stands at the begin of its line, without colours, and its text is escaped.
- Which CI it is, is looked at before a rehearsal plays one: only the real one understands commands.
- Nothing is written that the stream cannot show.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..secret import Secret
from .progress import Kind, Line

if TYPE_CHECKING:
    from rich.text import Text

_QUIETEST: Final[Mapping[Kind, int]] = {"info": 0, "success": 0, "warning": -1, "error": -2}
"""Hatch's verbosity from which on each is shown."""
_ASCII: Final = str.maketrans({"→": "->", "…": "...", "━": "#", "╌": "-"})


class Console:
    """Where a run is told of: standard error, but for the masks."""

    def __init__(self, app: Any, environ: Mapping[str, str], *, interactive: bool = True) -> None:
        """
        Args:
            app: Hatch.
            environ: of the real CI.
            interactive: false if somebody asked for no progress bars.
        """
        self._app = app
        # Not as Hatch's own console sees it, which with NO_COLOR takes no terminal for one.
        in_log = environ.get("CI") in {"true", "1"} or environ.get("TERM") in {"dumb", "unknown"}
        self._interactive = interactive and not in_log
        self._github = environ.get("GITHUB_ACTIONS") == "true"
        self._gitlab = environ.get("GITLAB_CI") == "true" and not self._github
        # Python writes UTF-8 in the C locale of old; who asks for it by this variable wants ASCII.
        self._ascii = environ.get("LC_ALL") in {"C", "POSIX"}
        if environ.get("NO_COLOR"):
            app.console.no_color = True  # Hatch knows the value 1 alone; no-color.org any
        # Hatch's terminal turns its console from one stream to the other and back.
        self._lock = threading.RLock()
        self._table: Table | None = None

    @property
    def can_redraw(self) -> bool:
        """Whether lines can be drawn again in the same place, before a person who wants to see them."""
        in_log = self._github or self._gitlab or not self._interactive
        return not in_log and sys.stderr.isatty() and self._app.verbosity >= _QUIETEST["info"]

    def info(self, text: str) -> None:
        self._show("info", text)

    def success(self, text: str) -> None:
        self._show("success", text)

    def error(self, text: str) -> None:
        self._show("error", text)

    def warn(self, text: str) -> None:
        if not self._github:
            self._show("warning", f"Warning: {text}")
        elif self._app.verbosity >= _QUIETEST["warning"]:
            self._command("warning", text)

    def critical(self, text: str) -> None:
        """The error that ends the run: it is shown in any case."""
        if self._github:
            self._command("error", text)
        else:
            with self._lock:
                self._app.display_critical(self._words(text))

    def mask(self, secret: Secret) -> None:
        """GitHub's command that keeps a value out of the job's log, before anything can print it."""
        if self._github:
            with self._lock:
                sys.stdout.write(f"::add-mask::{secret.reveal()}\n")
                sys.stdout.flush()

    def folded(self, title: str, lines: Iterable[str]) -> None:
        """*title*, and behind it *lines*: folded away where the log can do that, else with `-v` alone."""
        if self._app.verbosity < _QUIETEST["info"]:
            return
        begin, end, detailed = f"{title}\n", "", self._app.verbosity > 0
        if self._github:
            begin, end, detailed = f"::group::{_escaped(title)}\n", "::endgroup::\n", True
        elif self._gitlab:
            mark = f"{time.time():.0f}:trusted_publish"
            begin = f"\x1b[0Ksection_start:{mark}[collapsed=true]\r\x1b[0K{title}\n"
            end, detailed = f"\x1b[0Ksection_end:{mark}\r\x1b[0K\n", True
        with self._lock:
            self._write(begin)
            for line in lines if detailed else ():
                self.info(line)
            self._write(end)

    def redraw(self, lines: Callable[[int, int | None], list[Line]]) -> None:
        """Show *lines* from now on in one place, and all that is said above them."""
        self._table = Table(self._app, self._words, lines)

    def refresh(self) -> None:
        """Draw them again now."""
        if self._table is not None:
            self._table.refresh()

    def close(self) -> None:
        """Draw them a last time, and leave them there."""
        table, self._table = self._table, None
        if table is not None:
            table.close()

    def _show(self, kind: Kind, text: str) -> None:
        if self._app.verbosity < _QUIETEST[kind]:
            return
        with self._lock:
            if self._table is None:
                getattr(self._app, f"display_{kind}")(self._words(text))
            else:
                self._table.say(getattr(self._app, f"style_{kind}")(self._words(text)))

    def _command(self, name: str, text: str) -> None:
        """A command of GitHub, which shows its text in the log as well."""
        with self._lock:
            self._write(f"::{name}::{_escaped(text)}\n")

    def _write(self, text: str) -> None:
        sys.stderr.write(self._words(text))
        sys.stderr.flush()

    def _words(self, text: str) -> str:
        """*text*, in characters that the stream has."""
        encoding = "ascii" if self._ascii else sys.stderr.encoding or "utf-8"
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            return text.translate(_ASCII).encode(encoding, "replace").decode(encoding)
        return text


class Table:
    """Lines that are drawn again and again, by a thread of rich's."""

    def __init__(self, app: Any, words: Callable[[str], str], lines: Callable[[int, int | None], list[Line]]) -> None:
        from rich.console import Console as Screen
        from rich.live import Live

        self._app, self._words, self._lines = app, words, lines
        self._whole = False
        # Not Hatch's, which looks at the other stream in between.
        self._screen = Screen(stderr=True, no_color=app.console.no_color, markup=False, emoji=False, highlight=False)
        self._live = Live(
            get_renderable=self._drawn,
            console=self._screen,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start(refresh=True)

    def say(self, text: Text) -> None:
        """A line above the others."""
        self._screen.print(text, overflow="ignore", no_wrap=True, crop=False)

    def refresh(self) -> None:
        self._live.refresh()

    def close(self) -> None:
        self._whole = True
        self._live.stop()

    def _drawn(self) -> Text:
        from rich.text import Text

        width, height = self._screen.size
        lines = self._lines(max(width, 40), None if self._whole else max(height - 1, 4))
        return Text("\n", no_wrap=True, overflow="crop").join(
            getattr(self._app, f"style_{kind}")(self._words(line)) for kind, line in lines
        )


def _escaped(text: str) -> str:
    """The text of a GitHub command, as the toolkit of its actions escapes it."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
