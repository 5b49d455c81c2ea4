"""A run → Markdown for GitHub's job summary, its outputs, and GitLab's dotenv file. Pure.

Rules:

- No name and no error can add a link, a table row or a line.
- Of a failed run, the outputs name the files on the index, and no others.
"""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import quote

from ..errors import Message
from ..identity.publishers import publishing_as
from ..upload.outcome import Outcome, Plan, Run
from .progress import OUTCOMES, bytes_
from .report import ON_THE_INDEX, release_urls


def job_summary(run: Run, error: str | None, *, dry_run: bool) -> str:
    """Return the release, its URL and its install command; or the error."""
    plan = run.plan
    what = Message("summary-dry-run") if dry_run else Message("summary-release")
    releases = [f"{name} {version}" for name, version in plan.releases] if plan else []
    index, failed = plan and plan.index.title, error is not None and Message("summary-failed")
    heading = Message("summary-heading", what=what, releases=releases, index=index, failed=failed or None)
    parts = [f"\n## {_escaped(str(heading))}\n"]
    if claims := run.claims():
        parts.append(f"{_escaped(str(publishing_as(claims)))}\n")
    if error is not None:
        parts.append(_fenced(error))
    elif plan and not dry_run:
        parts += [f"[{_escaped(url)}]({_target(url)})\n" for url in release_urls(plan)]
        parts.append(_fenced(install_command(plan), "sh"))
        if plan.index.name == "test":
            parts.append(f"{Message('testpypi-advice')}\n")
    if plan:
        rows = [_row(outcome, dry_run=dry_run) for outcome in run.outcomes.values()]
        parts.append("\n".join(["| file | size | sha256 | |", "|---|--:|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _row(outcome: Outcome, *, dry_run: bool) -> str:
    one = outcome.distribution
    # The characters of a file name need no escapes in a code span.
    name = f"`{one.filename}`" if not outcome.url else f"[`{one.filename}`]({_target(outcome.url)})"
    digest = "" if one.content.known_sha256 is None else f"`{one.content.known_sha256}`"
    word = OUTCOMES[outcome.result][1]
    if dry_run and outcome.result == "not tried":
        word = Message("would-be-uploaded")
    return f"| {name} | {bytes_(one.size)} | {digest} | {_escaped(str(word))} |"


def install_command(plan: Plan) -> str:
    """Return the command that installs these releases from their index."""
    command = ["pip", "install"]
    if plan.index.name != "main":
        command += ["--index-url", plan.index.simple_url]
    if plan.index.name == "test":
        command.append("--no-deps")
    return shlex.join([*command, *(f"{name}=={version}" for name, version in plan.releases)])


def outputs(plan: Plan, run: Run, delimiter: str) -> str:
    """Return the outputs of the step; several releases have a line each.

    Args:
        delimiter: unpredictable, so that no value can end early.
    """
    versions = dict.fromkeys(str(version) for _, version in plan.releases)
    there = [name for name, outcome in run.outcomes.items() if outcome.result in ON_THE_INDEX]
    values = {"version": "\n".join(versions), "url": "\n".join(release_urls(plan)), "files": json.dumps(there)}
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())


def dotenv(plan: Plan) -> str:
    """Return the variables for GitLab, of the first release.

    GitLab accepts at most 5 kB, and no white space in a value (docs.gitlab.com/ci/variables/dotenv_variables).
    """
    name, version = plan.releases[0]
    return f"RELEASE_NAME={name}\nRELEASE_VERSION={version}\nRELEASE_URL={release_urls(plan)[0]}\n"


def _escaped(text: str) -> str:
    """Return *text* as one line of Markdown without any meaning (CommonMark 2.4)."""
    return re.sub(r"([!-+:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def _target(url: str) -> str:
    """Return *url* for the target of a link."""
    return quote(url, safe="/:%!~+=@,;.-_", errors="replace")


def _fenced(text: str, language: str = "text") -> str:
    """Return *text* in a block of code that nothing in it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}\n"
