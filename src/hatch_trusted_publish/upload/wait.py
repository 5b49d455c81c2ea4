"""Wait until the index lists what was uploaded, so that the next job can install it.

What the index shows of attestations is compared with what was uploaded (PEP 740).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from ..artifacts.distribution import Distribution
from ..attestations.files import Attestations
from ..errors import IndexReadError, Message, NetworkError, UploadError
from ..events import Result
from ..index.origins import is_on_host_of
from ..index.simple_api import Listed, Listing, ask_provenance, read_provenance
from ..threads import later, pause, wait
from .job import Job
from .outcome import Outcome
from .plan import compare

T = TypeVar("T")

LONGEST_PAUSE: Final = 15.0
"""Seconds between two looks. The first pause takes one."""
LAST_LOOK: Final = 2.0
"""Seconds for a look when the time is up."""
_SEEN: Final[dict[Result, Result]] = {"uploaded": "uploaded", "unknown": "there"}
"""The results of a file that is listed."""


def until_listed(job: Job, attestations: Attestations, rest: Callable[[float], None] = pause) -> None:
    """Wait until the index lists each file that was uploaded, with its hash and its attestations.

    Args:
        attestations: what was uploaded with each file.
        rest: waits between two looks.

    Raises:
        IndexReadError: the index does not list them in time.
        UploadError: it lists other bytes.
    """
    seconds = job.settings.wait
    ends = time.monotonic() + seconds
    interval = 1.0
    while sought := [one for one in job.run.outcomes.values() if one.result in _SEEN and one.url is None]:
        left = ends - time.monotonic()
        problem = _look(job, sought, attestations, max(left, LAST_LOOK))
        outcomes = job.run.outcomes
        missing = sorted(name for one in sought if outcomes[name := one.distribution.filename] is one)
        if not missing:
            return
        if left <= 0:
            raise IndexReadError("not-listed", index=job.index.title, files=missing, seconds=seconds, reason=problem)
        pause_ = min(interval, left)
        job.events.note(
            Message("not-listed-yet", index=job.index.title, files=missing, seconds=round(pause_, 1), reason=problem)
        )
        rest(pause_)
        interval = min(interval * 2, LONGEST_PAUSE)


def _look(job: Job, sought: Sequence[Outcome], attestations: Attestations, seconds: float) -> Message | None:
    """Record what the index lists of *sought*. Return what kept it from listing more, if that is known."""
    problems: list[Message] = []
    ends = time.monotonic() + seconds

    def tried(work: Callable[[], T]) -> T | None:
        try:
            return wait(later(work), ends - time.monotonic())
        except TimeoutError:
            problems.append(Message("no-reply-in-time"))
        except (IndexReadError, NetworkError) as error:
            problems.append(error.reason)
        return None

    for project in dict.fromkeys(one.distribution.name for one in sought):
        listing = tried(partial(job.listing, project)) or Listing()
        for outcome in sought:
            name = outcome.distribution.filename
            if outcome.distribution.name != project or name not in listing.files:
                continue
            # If the name was taken, the attestations are those of another run.
            expected = attestations.get(name, {}).values() if outcome.result == "uploaded" else ()
            if tried(partial(_check, job, outcome.distribution, listing.files[name], expected)):
                job.run.record(
                    replace(outcome, result=_SEEN[outcome.result], problem=None, url=listing.files[name].url or "")
                )
                if outcome.result == "unknown":
                    job.events.ended(name, "there")
    return problems[-1] if problems else None


def _check(job: Job, distribution: Distribution, listed: Listed, attestations: Collection[str]) -> bool:
    """Check that the index shows what was uploaded.

    Raises:
        IndexReadError, NetworkError: it does not, or not yet.
        UploadError: it lists other bytes.
    """
    file, url = distribution.filename, listed.provenance
    if listed.sha256 is None:
        raise IndexReadError("lists-no-hash", file=file)
    if difference := compare(distribution, listed, job.index):
        raise UploadError("changed-on-index", **difference.facts)
    if not attestations:
        return True
    if url is None:
        raise IndexReadError("attestations-not-listed", file=file)
    if not is_on_host_of(url, job.index.simple_url):
        raise IndexReadError("attestations-elsewhere", file=file)
    bundles = read_provenance(job.client.send(ask_provenance(job.index, file, url)))
    shown = [one for bundle in bundles for one in bundle["attestations"]]
    if not all(json.loads(one) in shown for one in attestations):
        raise IndexReadError("attestations-not-shown", file=file)
    return True
