"""The events of a run, from the engine to the screen."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from .errors import Message
from .secret import Secret

Result: TypeAlias = Literal["uploaded", "there", "differs", "failed", "unknown", "not tried"]
"""What became of a file. ``there``: the index has the same bytes. ``differs``: it has other bytes, and
``existing = "skip"``. ``unknown``: the file was sent, and no reply says what became of it."""


class Events(Protocol):
    """The receiver of the events of a run. Files are named by their file names.

    `sent` is called by the threads that upload, after each piece: it must return at once.
    """

    def note(self, message: Message) -> None: ...
    def warn(self, message: Message) -> None: ...
    def mask(self, secret: Secret) -> None: ...
    def started(self, filename: str) -> None: ...
    def sent(self, filename: str, count: int) -> None: ...
    def ended(self, filename: str, result: Result) -> None: ...
