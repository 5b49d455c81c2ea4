"""Waiting until the index lists what was uploaded, so that the next job can install it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from .client import Client
from .errors import IndexReadError, NetworkError, clean
from .index import Index
from .later import later, pause, wait
from .outcome import Outcome, Release
from .plan import Listing, existing_difference
from .uploads import listing_of

LONGEST_PAUSE: Final = 15.0
"""Seconds between two looks; they begin with one."""
LAST_LOOK: Final = 2.0
"""Seconds for a look when time is up."""
_SENT: Final = {"uploaded", "unknown"}


class Log(Protocol):
    """Where waiting is told of."""

    def end(self, outcome: Outcome) -> None: ...
    def say(self, text: str) -> None: ...


def until_listed(
    index: Index, client: Client, seconds: float, log: Log, done: Release, rest: Callable[[float], None] = pause
) -> None:
    """Wait until *index* lists each file of *done* that was sent, with its hash.

    Args:
        seconds: after these there is a last look.
        rest: waits between two looks.

    Raises:
        IndexReadError: it does not, or lists other bytes.
    """
    name = clean(index.name)
    ends = time.monotonic() + seconds
    interval = 1.0
    while sent := [outcome for outcome in done.results.values() if outcome.result in _SENT and outcome.url is None]:
        left = ends - time.monotonic()
        problem = _look(index, client, max(left, LAST_LOOK), log, done, sent)
        missing = ", ".join(
            sorted(one.distribution.filename for one in sent if done.results[one.distribution.filename] is one)
        )
        if not missing:
            return
        if left <= 0:
            raise IndexReadError(
                f"{name} has the files, but does not list all of them after {seconds:g} s: {missing} cannot be installed from "
                f"there yet{problem}. Run the same command again to wait on."
            )
        log.say(f"{name} does not list {missing} yet{problem}; looking again in {round(min(interval, left), 1):g} s")
        rest(min(interval, left))
        interval = min(interval * 2, LONGEST_PAUSE)


def _look(index: Index, client: Client, seconds: float, log: Log, done: Release, sent: Sequence[Outcome]) -> str:
    """Note in *done* what is listed of *sent*; what kept the index from saying more."""
    problem = ""
    listings: dict[str, Listing] = {}
    for project in dict.fromkeys(one.distribution.name for one in sent):
        try:
            listings[project] = wait(later(partial(listing_of, index, project, client)), seconds)
        except TimeoutError:
            problem = " (it did not answer in time)"
        except (IndexReadError, NetworkError) as error:
            problem = f" ({clean(str(error).partition('. ')[0])})"
    for outcome in sent:
        distribution = outcome.distribution
        held = listings.get(distribution.name, {}).get(distribution.filename)
        if held is None:
            continue
        if held.sha256 is None:
            problem = " (it tells no sha256 of its files)"
        elif difference := existing_difference(distribution, held, index):
            raise IndexReadError(
                f"{distribution.shown}: {difference}, though this run sent it there. That is on the index's side: ask "
                "its operator, and let nobody install this release before."
            )
        else:
            listed = replace(outcome, result="there" if outcome.result == "unknown" else "uploaded", url=held.url or "")
            done.results[distribution.filename] = listed
            if outcome.result == "unknown":
                log.end(listed)
    return problem
