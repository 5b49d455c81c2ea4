"""Draws the forms that a user fills in once, with the values of a sample project.

The labels and values of PyPI's form are those that `hatch-trusted-publish init` shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from drawing import MARGIN, MONO, WIDTH, Picture, Theme

from hatch_trusted_publish.cli import init
from hatch_trusted_publish.cli.forge import Forge
from hatch_trusted_publish.index.endpoints import Repository, find_index
from hatch_trusted_publish.settings.repositories import UPLOAD_URLS

FORGES: Final = {
    "github": Forge("github", "github.com", "octo-org", "sample"),
    "gitlab": Forge("gitlab", "gitlab.com", "octo-org", "sample"),
}
ENVIRONMENTS: Final = {"github": "pypi", "gitlab": "release"}
TABS: Final = ("GitHub", "GitLab", "Google", "ActiveState")


@dataclass(frozen=True, slots=True)
class Field:
    """One field with its value."""

    label: str
    value: str
    remark: str = ""


def publisher_form(theme: Theme, forge: str, *, pending: bool = False) -> Picture:
    """PyPI's form, for a project that exists or for a new one."""
    index = find_index(Repository("main", UPLOAD_URLS["main"]))
    table = init.publisher(FORGES[forge], init.Answers(environment=ENVIRONMENTS[forge]))
    address = urlsplit(init.pages(index, "sample", table)["account" if pending else "url"])
    fields = [
        Field(label, value, "(optional)" if label.startswith("Environment") else "(required)")
        for label, value in init.form(table, "sample")[0 if pending else 1 :]
    ]
    heading = f"Add a new {'pending ' if pending else ''}publisher"
    picture = _page(theme, f"{address.netloc}{address.path}", heading, fields)
    picture.line((MARGIN, 131), (WIDTH - MARGIN, 131), theme.line)
    x = float(MARGIN)
    for tab in TABS:
        width = 8 * len(tab) + 22
        color = theme.muted
        if tab.lower() == forge:
            color = theme.text
            picture.line((x, 130), (x + width, 130), theme.accent, stroke_width="3")
        picture.text((x + width / 2, 118), tab, fill=color, text_anchor="middle")
        x += width
    _fill(picture, 162, fields, "Add")
    return picture


def environment_form(theme: Theme, forge: str) -> Picture:
    """The settings of the forge that limit who can publish."""
    url = FORGES[forge].url.removeprefix("https://")
    if forge == "github":
        address, heading, button = (
            f"{url}/settings/environments",
            "Environments / Configure pypi",
            "Save protection rules",
        )
        fields = [
            Field("Required reviewers", "octocat"),
            Field("Prevent self-review", "on", "with several maintainers"),
            Field("Deployment branches and tags", "Selected branches and tags"),
            Field("Name pattern", "v*", "of a tag rule"),
        ]
    else:
        address, heading, button = f"{url}/-/settings/ci_cd", "Protect an environment", "Protect"
        fields = [
            Field("Environment", ENVIRONMENTS[forge]),
            Field("Allowed to deploy", "Maintainers"),
            Field("Approvers", "@octocat", "with several maintainers"),
        ]
    picture = _page(theme, address, heading, fields)
    _fill(picture, 122, fields, button)
    return picture


def _page(theme: Theme, address: str, heading: str, fields: Sequence[Field]) -> Picture:
    values = "; ".join(f"{field.label}: {field.value}" for field in fields)
    picture = Picture(theme, heading, f"A form at {address}, filled in. {values}.")
    picture.box((MARGIN, 20, WIDTH - 2 * MARGIN, 30), theme.card, theme.line, 15)
    picture.text((MARGIN + 14, 40), address, 12.5, fill=theme.muted)
    picture.text((MARGIN, 84), heading, 19, font_weight="600")
    return picture


def _fill(picture: Picture, y: int, fields: Sequence[Field], button: str) -> None:
    theme = picture.theme
    for field in fields:
        picture.label((MARGIN, y), field.label, field.remark)
        picture.box((MARGIN, y + 10, WIDTH - 2 * MARGIN, 36), theme.card, theme.line, 4)
        picture.text((MARGIN + 12, y + 33), field.value, 14.5, font_family=MONO)
        y += 74
    width = 8 * len(button) + 46
    picture.box((MARGIN, y - 14, width, 36), theme.accent, radius=4)
    middle = (MARGIN + width / 2, y + 9)
    picture.text(middle, button, 14.5, fill=theme.card, text_anchor="middle", font_weight="600")
    picture.height = y + 42
