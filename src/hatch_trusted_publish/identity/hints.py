"""Why an index refused a job, and how to fix it. Pure: facts in, messages out.

Rules:

- What the index says about the reason comes first, then what the claims show, then what is likely.
- No form and no table is offered that could not work: not where no publisher would match the job, and
  not without an environment if the job may have forgotten its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import Message
from ..index.endpoints import Index
from .ambient import Ambient
from .publishers import (
    TOKEN_CLAIMS,
    Claims,
    Expected,
    claim,
    form_url,
    obstacles,
    pending_form_url,
    presented,
    provider_of,
    publisher_of,
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A job that an index refused, as far as the run knows it."""

    ambient: Ambient
    claims: Claims
    index: Index
    expected: Expected

    @property
    def existing(self) -> list[str]:
        """The projects that the index has."""
        return [one for one in self.expected.projects if one not in self.expected.new]


def refusal(job: Refused, refused: Message) -> Message | None:
    """Return what to add to a refused exchange; ``None`` if it is not about the identity.

    Args:
        refused: PyPI's code, with the fact ``said``: everything that the index says.
    """
    said = " ".join(refused.facts.get("said", []))
    match refused.code:
        case "invalid-publisher":
            missing = re.findall(r"Missing claim '([^']+)'", said)
            certain = [*(Message("missing-claim", claim=one, ci=job.ambient.name) for one in missing)]
            certain += obstacles(job.claims)
            usable = not certain and not _lacks_environment(job.claims)
            return _details(
                job,
                causes=[*certain, *_causes(job)],
                pending=None if certain else _pending(job),
                form=_form(job, job.existing) if usable else None,
                table=_table(job) if usable else None,
            )
        case "invalid-pending-publisher":
            return _details(job, form=_form(job, job.expected.projects))
        case "invalid-token":
            return _details(job, claims=presented(job.claims, TOKEN_CLAIMS))
        case "no-exchange" | "exchange-failed" | "no-upload-token":
            return None
    return _details(job)


def other_project(job: Refused, projects: Sequence[str]) -> Message:
    """Return the addition to the rejection of a file that the upload token is not for."""
    causes = [Message("another-name"), Message("no-publisher", projects=projects, index=job.index.title)]
    return _details(job, causes=causes, form=_form(job, projects), table=_table(job))


def _details(job: Refused, causes: Sequence[Message] = (), **facts: object) -> Message:
    shown = {"ci": job.ambient.name, "claims": presented(job.claims), "pending": None, "form": None, "table": None}
    return Message("job-details", causes=Message("causes", causes=causes) if causes else None, **{**shown, **facts})


def _lacks_environment(claims: Claims) -> bool:
    return provider_of(claims) in {"github", "gitlab"} and not claim(claims, "environment")


def _causes(job: Refused) -> Iterator[Message]:
    """Yield what may be wrong, the likeliest first."""
    claims, index, provider, publisher = job.claims, job.index.title, provider_of(job.claims), publisher_of(job.claims)
    path = claim(claims, "repository") or claim(claims, "project_path")
    if _lacks_environment(claims):
        yield Message("job-without-environment")
    if job.expected.new:
        yield Message("new-project", projects=job.expected.new, index=index, page=pending_form_url(job.index))
    if "environment" in publisher:
        yield Message("another-environment", environment=publisher["environment"])
    if "workflow" in publisher:
        yield Message("another-workflow", workflow=publisher["workflow"])
    if provider == "google":
        yield Message("another-account", email=claim(claims, "email"))
    if provider == "activestate":
        yield Message("another-actor", **{name: claim(claims, name) for name in ("actor", "actor_id")})
    if not provider:
        yield Message("foreign-issuer", issuer=claim(claims, "iss"), index=index)
    if job.existing:
        yield Message("no-publisher", projects=job.existing, index=index)
    if path:
        yield Message("renamed-repository", path=path)
        yield Message("another-case", path=path)
    if provider == "github":
        yield Message("recreated-owner", owner_id=claim(claims, "repository_owner_id"))
    if provider == "google":
        yield Message("another-subject", sub=claim(claims, "sub"))


def _pending(job: Refused) -> Message | None:
    values: dict[str, object] = {**publisher_of(job.claims)}
    if not job.expected.new or not values:
        return None
    if _lacks_environment(job.claims):
        values["environment"] = Message("environment-of-your-choice")
    return Message("pending-publisher", projects=job.expected.new, values=values)


def _form(job: Refused, projects: Sequence[str]) -> Message | None:
    publisher, issuer = publisher_of(job.claims), claim(job.claims, "iss")
    urls = [url for project in projects if (url := form_url(job.index, project, publisher, issuer))]
    return Message("publisher-form", urls=urls) if urls else None


def _table(job: Refused) -> Message | None:
    publisher = publisher_of(job.claims)
    if job.expected.publisher is not None or not job.expected.pyproject or not publisher:
        return None
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in publisher.items()]
    return Message("publisher-table", lines=lines)
