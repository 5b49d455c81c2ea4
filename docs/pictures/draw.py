"""Draws the pictures of the documentation: ``python docs/pictures/draw.py``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from drawing import MARGIN, THEMES, WIDTH, Picture, Theme
from forms import environment_form, publisher_form
from terminal import film, screen

HERE: Final = Path(__file__).parent

PARTIES: Final = {"CI": (72, "GitHub, GitLab"), "job": (204, "hatch publish"), "index": (348, "PyPI")}
"""Each has its place and its meaning."""
STEPS: Final = (
    ("Check", (("job", "job", "all files, before any request"),)),
    (
        "Compare",
        (
            ("job", "index", "which files?"),
            ("index", "job", "names and hashes"),
            ("job", "index", "which audience?"),
            ("index", "job", "“pypi”"),
            ("job", "job", "done if nothing is left to upload"),
        ),
    ),
    ("Sign", (("job", "job", "attestations, if they are on"),)),
    ("Identify", (("job", "CI", "token for “pypi”?"), ("CI", "job", "identity token"))),
    (
        "Exchange",
        (
            ("job", "index", "identity token"),
            ("index", "index", "signature, audience, claims"),
            ("index", "job", "upload token"),
        ),
    ),
    ("Upload", (("job", "index", "the first file"), ("job", "index", "the rest in parallel"))),
    ("Burn", (("job", "index", "upload token"),)),
)
"""Each has its messages: from, to, what."""


def exchange(theme: Theme) -> Picture:
    """The parties and their messages, in the order of `release.release`."""
    sentences = [
        f"{number}. {title}: "
        + "; ".join(text if source == target else f"{source} to {target}: {text}" for source, target, text in messages)
        for number, (title, messages) in enumerate(STEPS, 1)
    ]
    description = f"A sequence diagram of the CI, the job that publishes, and the index. {'. '.join(sentences)}."
    picture = Picture(theme, "How an identity becomes an upload token", description)
    bottom = 96 + sum(38 + 34 * len(messages) for _, messages in STEPS)
    for name, (x, what) in PARTIES.items():
        picture.line((x, 74), (x, bottom), theme.line, stroke_dasharray="3 4")
        picture.box((x - 52, 20, 104, 54), theme.card, theme.line)
        label = f"Your {name}" if name == "job" else name.capitalize() if name == "index" else name
        picture.text((x, 42), label, 15, font_weight="600", text_anchor="middle")
        picture.text((x, 62), what, 12.5, fill=theme.muted, text_anchor="middle")
    y = 96
    for number, (title, messages) in enumerate(STEPS, 1):
        picture.badge((MARGIN + 11, y + 8), str(number))
        picture.box((MARGIN + 26, y - 4, 8.6 * len(title) + 12, 24), theme.page)
        picture.text((MARGIN + 32, y + 13), title, font_weight="600")
        y += 38
        for source, target, text in messages:
            start, end = PARTIES[source][0], PARTIES[target][0]
            if source == target:
                width = 7.4 * len(text) + 14
                center = min(start, WIDTH - MARGIN - width / 2)
                picture.box((center - width / 2, y - 16, width, 28), theme.card, theme.line)
                picture.text((center, y + 3), text, 13, text_anchor="middle")
            else:
                token = text.endswith(" token")
                color = theme.accent if token else theme.text
                weight = {"font_weight": "600"} if token else {}
                picture.text(((start + end) / 2, y), text, 13, fill=color, text_anchor="middle", **weight)
                picture.arrow(start, end, y + 8, theme.accent if token else theme.muted)
            y += 34
    picture.height = bottom + 8
    return picture


GATES: Final = (
    ("Tag rule", "Only maintainers create tags v*"),
    ("Environment", "Only tags v* start a job in it"),
    ("Approver", "A reviewer approves the job"),
    ("PyPI", "Repository, workflow and environment match"),
)
ATTEMPTS: Final = (
    ("A tag of a contributor", 0),
    ("A branch with a changed workflow", 1),
    ("A tag with a stolen key", 2),
    ("A tag of a maintainer", None),
)
"""Each with the gate that stops it."""


def who_can_publish(theme: Theme) -> Picture:
    """What stops each attacker, with every protection on."""
    gates = "; ".join(f"{gate}: {rule}" for gate, rule in GATES)
    ends = (f"{who}: {'published' if stop is None else f'stopped by {GATES[stop][0]}'}" for who, stop in ATTEMPTS)
    picture = Picture(theme, "Who can publish", f"The gates, from the top: {gates}. {'. '.join(ends)}.")
    lanes = {67 + 95 * number: attempt for number, attempt in enumerate(ATTEMPTS)}
    top, step, height = 106, 112, 92
    picture.height = top + step * len(GATES) + 54
    for x, (who, stop) in lanes.items():
        picture.paragraph((x, 36), who, 96, 13, text_anchor="middle")
        last = len(GATES) if stop is None else stop
        picture.line((x, 88), (x, top + step * last), theme.good if stop is None else theme.bad, stroke_width="2")
    for number, (gate, rule) in enumerate(GATES):
        y = top + step * number
        picture.box((MARGIN, y, WIDTH - 2 * MARGIN, height), theme.card, theme.line)
        picture.text((MARGIN + 16, y + 24), gate, font_weight="600")
        picture.text((MARGIN + 16, y + 43), rule, 13, fill=theme.muted)
        for x, (_, stop) in lanes.items():
            if stop is None or number <= stop:
                picture.mark((x, y + 68), good=number != stop)
    picture.box((x - 44, picture.height - 54, 88, 32), theme.good, radius=16)
    picture.text((x, picture.height - 33), "Published", 14, fill=theme.card, text_anchor="middle", font_weight="600")
    return picture


def uploads_in_parallel(theme: Theme) -> Picture:
    """When each request of two tools starts and ends, on one axis."""
    runs: dict[str, list[tuple[str, float, float]]] = json.loads((HERE / "uploads.json").read_text("utf-8"))
    took = {tool: max(end for _, _, end in requests) for tool, requests in runs.items()}
    sentences = (f"{tool}: {seconds:.1f} seconds" for tool, seconds in took.items())
    files = sum(kind == "upload" for kind, *_ in next(iter(runs.values())))
    title = f"{files} files, to an index that takes half a second for each request"
    picture = Picture(theme, title, f"A bar for each request, on one time axis. {', '.join(sentences)}.")
    second, row = (WIDTH - 2 * MARGIN) / (max(took.values()) + 0.3), 9
    picture.text((MARGIN, 38), f"{files} files, 0.5 s for each request", 13)
    colors = {"upload": theme.accent, "other": theme.muted}
    for x, (label, color) in zip((280, 350), colors.items(), strict=True):
        picture.box((x, 29, 12, 9), color, radius=2)
        picture.text((x + 17, 38), label, 12.5, fill=theme.muted)
    y = 42
    for tool, requests in runs.items():
        y += 34
        picture.text((MARGIN, y), tool, 14, font_weight="600")
        picture.text((WIDTH - MARGIN, y), f"{took[tool]:.1f} s", 14, font_weight="600", text_anchor="end")
        y += 12
        bottom = y + row * len(requests) + 4
        picture.box((MARGIN, y - 4, WIDTH - 2 * MARGIN, bottom - y + 4), theme.card, radius=4)
        for tick in range(1, int(max(took.values())) + 1):
            picture.line((MARGIN + second * tick, y - 4), (MARGIN + second * tick, bottom), theme.line)
        for kind, start, end in requests:
            place = (round(MARGIN + second * start, 1), y, round(second * (end - start), 1), row - 2)
            picture.box(place, colors.get(kind, theme.muted), radius=2)
            y += row
        y = bottom
    for tick in range(0, int(max(took.values())) + 1, 2):
        picture.text(
            (MARGIN + second * tick, y + 20),
            f"{tick} s",
            12.5,
            fill=theme.muted,
            text_anchor="middle" if tick else "start",
        )
    picture.height = y + 36
    return picture


def demo(theme: Theme) -> Picture:
    """From an empty set-up to a release."""
    scenes = (
        ("init", "1. Set up", 4.5),
        ("check", "2. Check", 2.5),
        ("rehearsal", "3. Rehearse", 4.5),
        ("release", "4. Release, in the CI", 5.0),
    )
    return film(theme, "A release, from the set-up to the index", scenes)


PICTURES: Final[dict[str, Callable[[Theme], Picture]]] = {
    "exchange": exchange,
    "who-can-publish": who_can_publish,
    "pypi-form": lambda theme: publisher_form(theme, "github"),
    "pypi-pending-form": lambda theme: publisher_form(theme, "github", pending=True),
    "gitlab-form": lambda theme: publisher_form(theme, "gitlab"),
    "github-environment": lambda theme: environment_form(theme, "github"),
    "gitlab-environment": lambda theme: environment_form(theme, "gitlab"),
    "check": lambda theme: screen(theme, "findings", "On a terminal"),
    "progress": lambda theme: screen(theme, "rehearsal", "On a terminal", under_way=True),
    "rehearsal": lambda theme: screen(theme, "rehearsal", "On a terminal"),
    "failure": lambda theme: screen(theme, "failure", "On a terminal"),
    "github-log": lambda theme: screen(theme, "release", "On GitHub"),
    "uploads-in-parallel": uploads_in_parallel,
    "demo": demo,
}


def files() -> dict[Path, str]:
    """Every picture in every theme, by its path."""
    return {HERE / f"{name}-{theme.name}.svg": str(draw(theme)) for name, draw in PICTURES.items() for theme in THEMES}


def main() -> None:
    """Write all pictures."""
    for path, text in files().items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
