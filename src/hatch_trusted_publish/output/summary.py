"""A run → Markdown for GitHub's job summary, its outputs, and GitLab's dotenv file. Pure.

Rules:

- Whoever can put a text into an error or a name cannot put a link, a table or a line anywhere.
- The files of a failed run name what is on the index, and nothing else.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Final
from urllib.parse import quote

from ..errors import clean
from ..upload.outcome import Outcome, Plan, Run
from .progress import bytes_
from .report import planned_word, release_urls, word

_INDEXES: Final = {"main": "PyPI", "test": "TestPyPI"}
_TEST_ADVICE: Final = (
    "TestPyPI lacks most dependencies, and anybody can upload any name there: install the dependencies from PyPI "
    "first, this without them."
)


def markdown(release: Run, error: str | None, *, dry_run: bool) -> str:
    """What was released, where it is and how it is installed; or why it was not."""
    plan = release.plan
    what = "Dry run" if dry_run else "Release"
    if plan is None:
        return "" if error is None else f"\n## {what} failed\n\n{_fenced(error)}"
    names = _escaped(", ".join(f"{name} {version}" for name, version in plan.releases))
    index = _escaped(clean(_INDEXES.get(plan.index.name, plan.index.name)))
    parts = [f"\n## {what} of {names} to {index}{'' if error is None else ' failed'}\n"]
    if error is not None:
        parts.append(_fenced(error))
    elif not dry_run:
        parts += [f"[{_escaped(url)}]({_target(url)})\n" for url in release_urls(plan)]
        parts.append(_fenced(install_command(plan), "sh"))
        if plan.index.name == "test":
            parts.append(f"{_TEST_ADVICE}\n")
    rows = [_row(outcome, dry_run=dry_run) for outcome in release.outcomes.values()]
    parts.append("\n".join(["| file | size | sha256 | |", "|---|--:|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _row(outcome: Outcome, *, dry_run: bool) -> str:
    one = outcome.distribution
    # Characters of a file's name are known; they need no escapes in a code span.
    name = f"`{one.filename}`" if not outcome.url else f"[`{one.filename}`]({_target(outcome.url)})"
    digest = "" if one.content.known_sha256 is None else f"`{one.content.known_sha256}`"
    said = planned_word(outcome.result) if dry_run else word(outcome)
    return f"| {name} | {bytes_(one.size)} | {digest} | {_escaped(said)} |"


def install_command(plan: Plan) -> str:
    """The command that installs what was released, from where it is."""
    command = ["pip", "install"]
    if plan.index.name != "main":
        command += ["--index-url", plan.index.simple_url]
    if plan.index.name == "test":
        command.append("--no-deps")
    return shlex.join([*command, *(f"{name}=={version}" for name, version in plan.releases)])


def outputs(release: Run, delimiter: str) -> str:
    """The outputs of the step: of several releases, a line each; nothing for a run without a plan.

    Args:
        delimiter: what nobody can guess, so that no text can end its value early.
    """
    if release.plan is None:
        return ""
    versions = dict.fromkeys(str(version) for _, version in release.plan.releases)
    there = [one.distribution.filename for one in release.outcomes.values() if one.result in {"uploaded", "there"}]
    values = {"version": "\n".join(versions), "url": "\n".join(release_urls(release.plan)), "files": json.dumps(there)}
    return "".join(f"{name}<<{delimiter}\n{value}\n{delimiter}\n" for name, value in values.items())


def dotenv(release: Run) -> str:
    """The variables for GitLab: of several releases, those of the first; nothing for a run without a plan.

    GitLab takes at most 5 kB, and no white space in a value (docs.gitlab.com/ci/variables/dotenv_variables).
    """
    if release.plan is None:
        return ""
    name, version = release.plan.releases[0]
    url = release_urls(release.plan)[0]
    return f"RELEASE_NAME={name}\nRELEASE_VERSION={version}\nRELEASE_URL={url}\n"


def _escaped(text: str) -> str:
    """*text* as nothing but text, in one line of Markdown (CommonMark 2.4)."""
    return re.sub(r"([!-+:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def _target(url: str) -> str:
    """*url* where a link's target stands."""
    return quote(url, safe="/:%!~+=@,;.-_")


def _fenced(text: str, language: str = "text") -> str:
    """*text* in a block of code that nothing in it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(longest + 1, 3)
    return f"{fence}{language}\n{text}\n{fence}\n"
