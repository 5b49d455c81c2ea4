"""The release, from top to bottom: read this first.

``Settings → Distributions → Plan → Identity → Upload token → Outcomes → Report``
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from packaging.utils import NormalizedName

from .artifacts.distribution import Distribution
from .artifacts.pypi.rules import refusals
from .attestations.provenance import changes, publishers_of
from .attestations.signing import Signing
from .errors import ExchangeError, IndexReadError, Message, TrustedPublishError
from .identity.ambient import Ambient
from .identity.exchange import LAST_WORDS, Exchange, find_terms
from .identity.publishers import Expected, publishing_as
from .threads import heard, later, wait
from .upload.job import Job
from .upload.outcome import Plan
from .upload.plan import check, decide, doubts, rejected
from .upload.uploader import Uploads
from .upload.wait import until_listed
from .versions.project import Project

_ATTESTATIONS_REFUSED: Final = {"bad-attestations", "attestations-not-verified"}


def release(
    job: Job,
    distributions: Sequence[Distribution],
    project: Project,
    ambient: Callable[[], Ambient],
    problems: Sequence[Message] = (),
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
    signing = Signing(settings, index, distributions, events)
    found = refusals(distributions) if index.pypi_rules else {}
    check(settings, index, distributions, project, [*problems, *signing.problems, *rejected(found, index)])
    for doubt in doubts(found, distributions, settings, index):
        events.warn(doubt)
    signing.require(ambient)

    # Compare with the index. Meanwhile, ask it how it exchanges identities.
    terms = later(partial(find_terms, index, client)) if settings.dry_run != "yes" else None
    planned = _compare_without_token(job, distributions)
    if terms is None or (planned and settings.dry_run == "no" and not planned.uploads):
        return
    publishers = later(partial(publishers_of, index, client, planned.newest if planned else {}))

    # Identity: find the CI.
    ci = ambient()
    # A rehearsal plays a CI, and with it a publisher of its own.
    publisher = None if index.name == "rehearsal" else settings.publisher
    new = planned.new if planned else []
    names = [*dict.fromkeys(one.name for one in distributions)]
    expected = Expected(names, publisher, new, pyproject=(job.root / "pyproject.toml").is_file())
    keep_in = tokens if settings.dry_run == "no" else None
    exchange = Exchange(wait(terms), ci, expected, client, events, keep_in)
    job.run.claims = exchange.claims
    try:
        if planned is None:
            job = replace(job, index=replace(index, token=wait(later(exchange.prepare)).secret))
        plan = planned or _compare(job, distributions)

        # Sign the files.
        attestations = signing.attest(ci, plan.uploads)

        # Exchange the identity for an upload token.
        wait(later(exchange.prepare))
        events.note(publishing_as(exchange.claims()))
        if settings.dry_run == "mint":
            _check_projects(new, job)

        if settings.dry_run == "no":
            for change in changes(plan.newest, wait(publishers), plan.uploads, attestations, exchange.claims()):
                events.warn(change)
            uploads = Uploads(job, exchange, attestations)
            # Upload the first file of each new release alone.
            uploads.first(plan)
            # Upload the rest.
            uploads.rest()
            uploads.check()
            if job.index.token is not None and settings.wait:
                until_listed(job, attestations)  # before its token is burned
    except TrustedPublishError as error:
        _prepare_next_run(error, exchange, signing)
        raise
    except KeyboardInterrupt:
        heard()
        client.hurry(LAST_WORDS)
        raise
    finally:
        # Burn the upload token.
        exchange.burn(tell=settings.dry_run == "mint")

    # Wait until the index lists what was uploaded.
    if job.index.token is None and settings.wait:
        until_listed(job, attestations)


def _prepare_next_run(error: TrustedPublishError, exchange: Exchange, signing: Signing) -> None:
    """Remove data that the next run should not find, and report how to run again."""
    if _ATTESTATIONS_REFUSED.intersection(error.codes):
        signing.discard()
    if exchange.is_spent and "upload-token-of-job-refused" not in error.codes:
        error.add_note(str(Message("command-is-job", ci=exchange.ambient.name)))


def _compare_without_token(job: Job, distributions: Sequence[Distribution]) -> Plan | None:
    """As `_compare`; nothing if the index lists its files only for an upload token."""
    if not job.index.listed:
        job.events.warn(Message("not-compared", index=job.index.title))
    try:
        return _compare(job, distributions)
    except IndexReadError as error:
        if job.settings.dry_run == "yes" or error.message.code != "listing-needs-token":
            raise
    job.events.note(Message("reading-with-token", index=job.index.title))
    return None


def _compare(job: Job, distributions: Sequence[Distribution]) -> Plan:
    """Compare *distributions* with what the index lists, and report what will happen to each.

    Raises:
        IndexReadError, NetworkError: it is not known what the index has.
        PlanError: it has other files under these names.
    """
    plan = decide(job.settings, job.index, distributions, job.listings(distributions))
    job.run.follow(plan)
    job.events.planned(plan)
    return plan


def _check_projects(new: Sequence[NormalizedName], job: Job) -> None:
    """See whether minting has created the projects that did not exist, as a pending publisher does.

    Raises:
        ExchangeError: it has not, so the identity is accepted for something else.
    """
    if missing := [name for name in new if not wait(later(partial(job.listing, name))).exists]:
        raise ExchangeError("accepted-for-another-project", projects=missing, index=job.index.title)
