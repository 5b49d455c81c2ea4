"""The release, as it happens: read this first.

``Settings → Distributions → Plan → Identity → UploadToken → Outcomes → Report``
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Protocol

from .artifacts.distribution import Distribution
from .attestations.signing import Signing
from .errors import DistributionError, Message
from .http.client import Client
from .http.retries import quiet
from .identity.ambient import Ambient
from .identity.exchange import Exchange, Terms, find_terms
from .identity.publishers import Expected
from .index.endpoints import Index
from .secret import Secret
from .settings.options import Settings
from .threads import later, wait
from .upload import plan as planning
from .upload.outcome import Outcome, Plan, Run
from .upload.uploader import Uploads, listing_of
from .upload.wait import until_listed
from .versions.project import Project

LAST_WORDS = 1.0
"""Seconds to burn the token in when somebody has stopped the run."""


class Log(Protocol):
    """Where a run is told of, while it happens."""

    def planned(self, plan: Plan) -> None: ...
    def begun(self, distribution: Distribution) -> None: ...
    def sent(self, distribution: Distribution, count: int) -> None: ...
    def end(self, outcome: Outcome) -> None: ...
    def say(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...
    def mask(self, secret: Secret) -> None: ...


def release(
    settings: Settings,
    index: Index,
    distributions: Sequence[Distribution],
    project: Project,
    ambient: Callable[[], Ambient],
    client: Client,
    log: Log,
    done: Run,
    problems: Sequence[str | Message] = (),
    tokens: Path | None = None,
) -> None:
    """Release *distributions*, and keep *done* truthful on the way.

    Args:
        ambient: finds the CI; called only when there is something to upload, or when signing is a must.
        problems: what stands against the run already, to be told with the rest.
        tokens: the folder to keep the upload token in for the next command of the job, if that is wanted.

    Raises:
        TrustedPublishError: the run has to end; *done* says what is on the index and what is not.
    """
    signing = Signing(settings, index, distributions)
    planning.check(settings, index, distributions, project, [*problems, *signing.problems])
    signing.require(ambient, distributions)
    # Both ask the index, and neither needs the other or the identity.
    terms = later(partial(_find_terms, index, client)) if settings.dry_run != "yes" else None
    names = dict.fromkeys(one.name for one in distributions)
    asked = {name: later(partial(listing_of, index, name, client)) for name in names}
    listings = {name: wait(answer) for name, answer in asked.items()}
    plan = planning.decide(settings, index, distributions, listings)
    done.follow(plan)
    log.planned(plan)
    if terms is None or (settings.dry_run == "no" and not plan.uploads):
        return
    who = ambient()
    # A rehearsal plays a CI, and with it a publisher of its own.
    expected = Expected(list(names), None if index.name == "rehearsal" else settings.publisher)
    keep_in = tokens if settings.dry_run == "no" else None
    exchange = Exchange(index, wait(terms), who, client, log.mask, expected, keep_in)
    done.claims = exchange.claims
    try:
        attestations = signing.attest(who, plan.uploads, log)
        wait(later(exchange.prepare))
        if settings.dry_run == "no":
            Uploads(settings, index, exchange, client, log, done, attestations).run(plan.uploads, listings)
    except KeyboardInterrupt:
        client.hurry(LAST_WORDS)
        raise
    finally:
        if problem := exchange.burn():
            log.warn(problem)
    if settings.wait:
        until_listed(index, client, settings.wait, log, done, attestations)


def _find_terms(index: Index, client: Client) -> Terms:
    with quiet():  # where nothing is left to upload, nobody needs them
        return find_terms(index, client)


def read(
    files: Sequence[tuple[Path, str]], untracked: AbstractSet[str] = frozenset()
) -> tuple[list[Distribution], list[str | Message]]:
    """The distributions in *files*, each with the path to show; and what is wrong with those that are none.

    Args:
        untracked: files of the project that an sdist should not hold.
    """
    distributions: list[Distribution] = []
    problems: list[str | Message] = []
    for path, shown in files:
        try:
            distributions.append(Distribution.read(path, shown, untracked))
        except DistributionError as error:
            problems.append(error.message)
    return distributions, problems
