"""Waiting until the index lists what was uploaded, so that the next job can install it.

What an index shows of attestations is compared with what was sent (PEP 740).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from ..artifacts.distribution import Distribution
from ..attestations.files import Attestations
from ..errors import IndexReadError, NetworkError, UploadError, clean
from ..http.client import Client
from ..index.endpoints import Index
from ..index.origins import host_of, url_problem
from ..index.simple_api import Listed, Listing, ask_provenance, read_provenance
from ..threads import later, pause, wait
from .outcome import Outcome, Run
from .plan import compare
from .uploader import listing_of

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
    index: Index,
    client: Client,
    seconds: float,
    log: Log,
    done: Run,
    attestations: Attestations,
    rest: Callable[[float], None] = pause,
) -> None:
    """Wait until *index* lists each file of *done* that was sent, with its hash and its attestations.

    Args:
        seconds: after these there is a last look.
        attestations: what was sent with each file.
        rest: waits between two looks.

    Raises:
        IndexReadError: it does not.
        UploadError: it lists other bytes.
    """
    name = clean(index.name)
    ends = time.monotonic() + seconds
    interval = 1.0
    while sent := [outcome for outcome in done.outcomes.values() if outcome.result in _SENT and outcome.url is None]:
        left = ends - time.monotonic()
        problem = _look(index, client, max(left, LAST_LOOK), log, done, sent, attestations)
        missing = ", ".join(
            sorted(one.distribution.filename for one in sent if done.outcomes[one.distribution.filename] is one)
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


def _look(
    index: Index,
    client: Client,
    seconds: float,
    log: Log,
    done: Run,
    sent: Sequence[Outcome],
    attestations: Attestations,
) -> str:
    """Note in *done* what is listed of *sent*; what kept the index from saying more."""
    problem = ""
    ends = time.monotonic() + seconds
    listings: dict[str, Listing] = {}
    for project in dict.fromkeys(one.distribution.name for one in sent):
        try:
            listings[project] = wait(later(partial(listing_of, index, project, client)), ends - time.monotonic())
        except (TimeoutError, IndexReadError, NetworkError) as error:
            problem = _because(error)
    for outcome in sent:
        distribution = outcome.distribution
        held = listings.get(distribution.name, Listing()).files.get(distribution.filename)
        if held is None:
            continue
        if held.sha256 is None:
            problem = " (it tells no sha256 of its files)"
            continue
        if difference := compare(distribution, held, index):
            raise UploadError(
                f"{distribution.shown}: {difference}, though this run sent it there. That is on the index's side: ask "
                "its operator, and let nobody install this release before."
            )
        # Of a name that was taken, the attestations are those of another run.
        expected = attestations.get(distribution.filename, {}).values() if outcome.result == "uploaded" else ()
        try:
            if expected:
                check = partial(_check_attestations, index, client, distribution, held, expected)
                wait(later(check), ends - time.monotonic())
        except (TimeoutError, IndexReadError, NetworkError) as error:
            problem = _because(error)
            continue
        listed = replace(outcome, result="there" if outcome.result == "unknown" else "uploaded", url=held.url or "")
        done.record(listed)
        if outcome.result == "unknown":
            log.end(listed)
    return problem


def _because(error: Exception) -> str:
    """What went wrong, without the advice."""
    return f" ({clean(str(error).partition('. ')[0]) or 'it did not answer in time'})"


def _check_attestations(
    index: Index, client: Client, distribution: Distribution, held: Listed, expected: Iterable[str]
) -> None:
    """See whether the index shows what was sent with a file.

    Raises:
        IndexReadError, NetworkError: it does not, or did not say.
    """
    url = held.provenance
    if url is None:
        msg = f"it tells no attestations of {distribution.filename}"
        raise IndexReadError(msg)
    if url_problem(url) or host_of(url) != host_of(index.simple_url):
        msg = f"it has the attestations of {distribution.filename} on another host"
        raise IndexReadError(msg)
    shown = read_provenance(client.send(ask_provenance(index, distribution.filename, url)))
    if not all(json.loads(one) in shown for one in expected):
        msg = f"it does not show the attestations that were sent with {distribution.filename}"
        raise IndexReadError(msg)
