"""Everything that can stop a run, and everything that a run can say.

Rules:

- A message is a stable code and its facts. The words are in ``messages.toml`` and nowhere else.
- A fact is data. `Message` makes each one safe to print, so that no caller has to: a log viewer obeys
  terminal escapes and workflow commands, and a fact may come from a server, a CI or a file.
- One root, never raised itself: `publisher` and the console script show whatever comes from it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

LONGEST_FACT: Final = 1000
"""Characters of one fact: a reason is never cut off, a flood is."""
MOST_NAMES: Final = 20
"""Strings of a list: a release can have thousands of files."""


def clean(text: object, limit: int = LONGEST_FACT) -> str:
    """Return foreign text as one safe line of at most *limit* characters.

    White space is folded, so that nothing starts a line of its own. Control, format and surrogate
    characters (terminal escapes, right-to-left overrides) become ``?``.
    """
    folded = " ".join(str(text)[: limit * 8].split())
    safe = "".join("?" if unicodedata.category(char).startswith("C") else char for char in folded)
    if len(safe) <= limit:
        return safe
    before = safe[: limit - 1].rpartition(" ")[0]
    is_link = "://" in safe[len(before) :].split(maxsplit=1)[0]
    return f"{before} …" if before and is_link else f"{safe[: limit - 1]}…"  # half a link leads elsewhere


@cache
def _entries() -> Mapping[str, str]:
    """Return the entry of each message in ``messages.toml`` by its code."""
    text = Path(__file__).with_name("messages.toml").read_text("utf-8")
    return {code: entry for entry, code in re.findall(r'(?m)^(([a-z0-9-]+) = (?:"""(?s:.*?)"""|.*))$', text)}


def words(code: str) -> str:
    """Return the template of a message.

    Only its entry is parsed: the parser takes 25 ms for all of them, and a release shows a dozen.
    """
    import tomllib  # not above: every build imports this module, and most say nothing

    template: str = tomllib.loads(_entries()[code])[code]
    return template


@dataclass(frozen=True, slots=True, init=False)
class Message:
    """Something to tell the user.

    ``Message("stale-file", file=distribution.shown, found=version)``. Facts are strings, numbers,
    lists of strings, other messages, lists of messages, and mappings of strings.
    """

    code: str
    facts: Mapping[str, Any]

    def __init__(self, code: str, /, **facts: object) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "facts", facts)

    def __str__(self) -> str:
        text = render(words(self.code), self.facts)
        return f"The{text[3:]}" if text.startswith("the ") else text  # "the rehearsal index" starts it

    @property
    def coded(self) -> str:
        """The words with the code at their end, for the log: a search for the code finds its page."""
        text = str(self)
        if any(isinstance(one, Message) for one in self.facts.get("problems", ())):
            return text  # each problem in the list has its own code
        apart = "\n" if "\n" in text else " "
        return f"{text}{apart}[{self.code}]"


def render(template: str, facts: Mapping[str, object]) -> str:
    """Return *template* with its facts, each made safe to print."""
    return template.format_map({name: _Fact(value) for name, value in facts.items()})


class _Fact:
    """One fact, as a template shows it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        value = self._value
        if spec.startswith("?"):
            text = _shown(value)
            return f"{spec[1:]}{text}" if text else ""
        if spec == "numbered" and isinstance(value, list | tuple):
            return "\n".join(f"  {number}. {one}" for number, one in enumerate(value, 1))
        if spec == "lines" and isinstance(value, list | tuple):
            return "\n".join(f"  {clean(one)}" for one in value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return format(value, spec)
        return _shown(value)


def _shown(value: object) -> str:
    match value:
        case Message():
            return str(value)
        case Mapping():
            return "\n".join(f"  {clean(name)}: {clean(one)}" for name, one in value.items())
        case list() | tuple() | set() | frozenset():
            if any(isinstance(one, Message) for one in value):
                return "\n".join(f"  - {one.coded if isinstance(one, Message) else one}" for one in value)
            names = [clean(one) for one in islice(value, MOST_NAMES)]
            more = len(value) - MOST_NAMES
            return ", ".join([*names, *([str(Message("and-more", count=more))] if more > 0 else ())])
        case None:
            return ""
        case bool():
            return str(value).lower()
    return clean(value)


Scope: TypeAlias = Literal["file", "run", "token", "project"]
"""What a problem holds for: one file; the whole run; the upload token; or the project of the file, which the
upload token does not cover. Everything but ``file`` ends the run."""


class TrustedPublishError(Exception):
    """The root, never raised itself."""

    scope: Scope = "run"

    def __init__(self, code: str, problems: Iterable[Message] = (), /, **facts: object) -> None:
        """
        Args:
            problems: everything that is reported together.
        """
        found = tuple(problems)
        self.message = Message(code, **facts, **({"problems": found} if found else {}))
        super().__init__(code)

    def __str__(self) -> str:
        return self.message.coded

    @property
    def problems(self) -> tuple[Message, ...]:
        """Everything that is reported together."""
        return tuple(self.message.facts.get("problems", ()))

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all problems that are reported together; else the one code."""
        return tuple(one.code for one in self.problems) or (self.message.code,)

    @property
    def reason(self) -> Message:
        """The cause without its advice, for a message that gives other advice."""
        found = self.message.facts.get("reason")
        return found if isinstance(found, Message) else self.message


class SettingsError(TrustedPublishError):
    """The options, tables or files of the project cannot be used as they are."""


class PlanError(TrustedPublishError):
    """The files cannot be published as they are. Nothing was uploaded."""


class DistributionError(TrustedPublishError):
    """A file is not the wheel or sdist that its name says, or cannot be read."""

    scope = "file"


class IdentityError(TrustedPublishError):
    """The CI returned no identity token."""


class ExchangeError(TrustedPublishError):
    """The index did not exchange the identity token for an upload token, or must not receive one."""


class IndexReadError(TrustedPublishError):
    """The index did not say which files it has."""


class NetworkError(TrustedPublishError):
    """No complete response came."""

    def __init__(self, code: str, /, *, was_sent: bool, can_pass: bool, **facts: object) -> None:
        """
        Args:
            was_sent: whether the index may have acted on the request, or on an earlier try, with its response lost.
            can_pass: whether another try may succeed.
        """
        super().__init__(code, **facts)
        self.wait: float | None = None
        """The seconds that the index asks to wait."""
        self.was_sent: Final = was_sent
        self.can_pass: Final = can_pass


class UploadError(TrustedPublishError):
    """The index refused a file."""

    def __init__(
        self, code: str, problems: Iterable[Message] = (), /, *, scope: Scope = "run", **facts: object
    ) -> None:
        super().__init__(code, problems, **facts)
        self.scope = scope


class AttestationError(TrustedPublishError):
    """The files cannot be signed, and ``attestations = true`` demands it."""


class Interrupted(TrustedPublishError):
    """The run was stopped: Ctrl-C, or a signal of the CI."""


class VersionError(TrustedPublishError):
    """No version can be computed, or none that is safe to use."""


class RehearsalError(TrustedPublishError):
    """The rehearsal cannot run."""
