"""One HTTP request at a time: the only room that touches the network."""

from __future__ import annotations

import sys


def _leave_out_command_line() -> None:
    """Import httpx without its command line, as where rich is not installed.

    It would import what highlights source code: 15 ms of the 250 that a small release takes beyond Hatch's start.
    """
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


_leave_out_command_line()
