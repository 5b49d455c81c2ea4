"""The release, from top to bottom: read this first.

``Settings → Distributions → Plan → Identity → Upload token → Outcomes → Report``
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from .artifacts.distribution import Distribution
from .artifacts.pypi.rules import refusals
from .attestations.signing import Signing
from .errors import DistributionError, ExchangeError, Message, UploadError
from .http.client import Client
from .identity.ambient import Ambient
from .identity.exchange import Exchange, find_terms
from .identity.publishers import Expected, publishing_as
from .index.endpoints import Index
from .threads import later, wait
from .upload.job import Job
from .upload.listings import listing_of
from .upload.plan import check, decide, doubts, rejected
from .upload.uploader import Uploads
from .upload.wait import until_listed
from .versions.project import Project

LAST_WORDS: Final = 1.0
"""Seconds to burn the upload token after the run was stopped."""
_ATTESTATIONS_REFUSED: Final = {"bad-attestations", "attestations-not-verified"}


def release(
    job: Job,
    distributions: Sequence[Distribution],
    project: Project,
    ambient: Callable[[], Ambient],
    problems: Sequence[str | Message] = (),
    tokens: Path | None = None,
) -> None:
    """Release *distributions*, and keep the record of the run true on the way.

    Args:
        ambient: finds the CI; called only if there is something to upload, or if signing is required.
        problems: found before, and reported with the rest.
        tokens: where to keep the upload token for the next command of the job, if it is to be kept.

    Raises:
        TrustedPublishError: the run has to end. Its record says what is on the index and what is not.
    """
    settings, index, client, events = job.settings, job.index, job.client, job.events

    # Check everything that can be known without the network.
    signing = Signing(settings, index, distributions)
    found = refusals(distributions) if index.pypi_rules else {}
    check(settings, index, distributions, project, [*problems, *signing.problems, *rejected(found, index)])
    for doubt in doubts(found, distributions, settings, index):
        events.warn(doubt)
    signing.require(ambient, distributions, events)

    # Compare with the index. Meanwhile, ask it how it exchanges identities.
    terms = later(partial(find_terms, index, client)) if settings.dry_run != "yes" else None
    names = dict.fromkeys(one.name for one in distributions)
    if not index.listed:
        events.warn(Message("not-compared", index=index.title))
    listings = {name: wait(later(partial(listing_of, index, name, client))) for name in names}
    plan = decide(settings, index, distributions, listings)
    job.run.follow(plan)
    job.events.planned(plan)
    if terms is None or (settings.dry_run == "no" and not plan.uploads):
        return

    # Identity: find the CI.
    ci = ambient()
    # A rehearsal plays a CI, and with it a publisher of its own.
    publisher = None if index.name == "rehearsal" else settings.publisher
    new = [name for name in names if not listings[name].exists]
    expected = Expected([*names], publisher, new, pyproject=(job.root / "pyproject.toml").is_file())
    keep_in = tokens if settings.dry_run == "no" else None
    exchange = Exchange(wait(terms), ci, expected, client, events, keep_in)
    job.run.claims = exchange.claims
    try:
        # Sign the files.
        attestations = signing.attest(ci, plan.uploads, events)

        # Exchange the identity for an upload token.
        wait(later(exchange.prepare))
        events.note(publishing_as(exchange.claims()))
        if settings.dry_run == "mint":
            _check_projects(new, index, client)

        if settings.dry_run == "no":
            uploads = Uploads(job, exchange, attestations)
            # Upload the first file of each new release alone.
            uploads.first(plan.uploads, listings)
            # Upload the rest.
            uploads.rest()
            uploads.check()
    except UploadError as error:
        if _ATTESTATIONS_REFUSED.intersection(error.codes):
            signing.discard()
        raise
    except KeyboardInterrupt:
        client.hurry(LAST_WORDS)
        raise
    finally:
        # Burn the upload token.
        exchange.burn(tell=settings.dry_run == "mint")

    # Wait until the index lists what was uploaded.
    if settings.wait:
        until_listed(job, attestations)


def _check_projects(new: Sequence[NormalizedName], index: Index, client: Client) -> None:
    """See whether minting has created the projects that did not exist, as a pending publisher does.

    Raises:
        ExchangeError: it has not, so the identity is accepted for something else.
    """
    if missing := [name for name in new if not wait(later(partial(listing_of, index, name, client))).exists]:
        raise ExchangeError("accepted-for-another-project", projects=missing, index=index.title)


def read(
    files: Sequence[tuple[Path, str]], untracked: AbstractSet[str] = frozenset()
) -> tuple[list[Distribution], list[Message]]:
    """Read the distributions in *files*, each with the path to show. Return them and all problems.

    Args:
        untracked: files of the project that an sdist should not hold.
    """
    distributions, problems = [], []
    for path, shown in files:
        try:
            distributions.append(Distribution.read(path, shown, untracked))
        except DistributionError as error:
            problems.append(error.message)
    return distributions, problems
