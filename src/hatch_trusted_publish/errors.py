"""Everything that can stop a run, and how foreign text is made safe to print.

Rules:

- One root, never raised itself; `publisher` is the only module that catches it.
- A message says what happened, whose side it is on and what to type next.
- Text from a server, a CI or a file goes through `clean`: it is data, and a log viewer
  obeys terminal escapes and workflow commands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


def clean(text: object, limit: int = 300) -> str:
    """Foreign text as one short, inert line of at most *limit* characters.

    White space is folded, so that nothing starts a line of its own (GitHub and GitLab read
    commands there); control, format and surrogate characters (terminal escapes, right-to-left
    overrides) become ``?``; ``::`` and ``##`` are broken up, since GitHub finds ``##[`` anywhere
    in a line, as Azure does ``##vso[``.
    """
    cut = str(text)[: limit * 8]
    folded = " ".join(cut.split())
    inert = "".join("?" if unicodedata.category(char).startswith("C") else char for char in folded)
    inert = re.sub(r"([:#])(?=\1)", r"\1 ", inert)
    return inert if len(inert) <= limit else inert[: limit - 1] + "…"


class TrustedPublishError(Exception):
    """The root: catch this, raise one of the others."""

    ends_the_run = True
    """Whether, of an upload, the other files need not be tried: it is about the release, the project or the token."""


class _Problems(TrustedPublishError):
    """Several mistakes, told at once."""

    def __init__(self, heading: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join([heading, *(f"  - {problem}" for problem in self.problems)]))


class SettingsError(_Problems):
    """The options or tables that the person wrote cannot be used as they are."""


class PlanError(_Problems):
    """The files must not be uploaded as they are; nothing was sent."""


class DistributionError(TrustedPublishError):
    """A file cannot be read as the wheel or sdist that its name says it is."""

    ends_the_run = False


class IdentityError(TrustedPublishError):
    """No identity token could be had from the CI."""


class TrustError(TrustedPublishError):
    """The index asked for something that could give the identity to somebody else."""


class ExchangeError(TrustedPublishError):
    """The index did not exchange the identity token for an upload token."""

    code = ""
    """The index's own name for the reason, as ``invalid-publisher``."""


class IndexReadError(TrustedPublishError):
    """The index could not be asked what it holds, or its answer makes no sense."""


class NetworkError(TrustedPublishError):
    """No reply came: refused, cut, too slow, or a certificate that is not trusted."""

    what = ""
    """What happened, without what to do about it."""
    was_sent = True
    """Whether the index may have acted on the request, or on an earlier try, with its reply lost."""
    can_pass = False
    """Whether the next try may fare better."""


class UploadError(TrustedPublishError):
    """The index refused a file."""

    token_expired = False
    """Whether another upload token would be taken."""
    token_refused = False
    """Whether it is about the upload token, and not about what is sent with it."""
    other_project = False
    """Whether the upload token is good, but not for the project of this file."""


class AttestationError(TrustedPublishError):
    """The files cannot be signed, and must not go without (``attestations = true``)."""


class Interrupted(TrustedPublishError):
    """Somebody stopped the run: Ctrl-C, or SIGTERM."""


class RehearsalError(TrustedPublishError):
    """The rehearsal could not be held."""
