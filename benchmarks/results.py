"""The results of `uploads.py`: one JSON file, and the tables and the chart made from it.

    python benchmarks/results.py    # make docs/explanation/benchmarks.md and .svg again

Standard library only.
"""  # noqa: INP001 - a script, not a package

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

DIRECTORY: Final = Path(__file__).resolve().parent.parent / "docs" / "explanation"
OURS: Final = "hatch publish -p trusted"
IDLE: Final = "hatch publish, doing nothing"
BEFORE: Final = "before"
"""Another version of this project: compared on the terminal, and not shown on the page."""

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "large": ("One wheel of 1 GiB", "No delay. curl sends the file and computes no digest."),
    "many": (
        "60 wheels of 1 MiB and an sdist",
        "The index and the CI take 200 ms per request.",
    ),
    "far": ("The same 61 files, far away", "A round trip of 50 ms, 1 Gbit/s, and the same delay."),
    "small": (
        "A small wheel and an sdist",
        "The index and the CI take 200 ms per request. twine does not revoke its upload token.",
    ),
    "files": ("5,000 wheels of 10 kB", "The index and the CI take 20 ms per request."),
    "again": ("The same command again", "The index has all 5,000 files already."),
    "huge": ("One wheel of 5 GiB", "No delay."),
}
"""Each case, as the page shows it, in order."""


@dataclass(frozen=True)
class Runs:
    """The measurements of one tool in one case, run by run."""

    tool: str
    seconds: tuple[float, ...]
    cpu: tuple[float, ...]
    """Seconds of processor time."""
    peak: float
    """The peak memory, in MiB."""

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Case:
    """All tools in one case."""

    name: str
    files: int
    waits: float
    """Seconds that a release spends waiting for replies, on any machine."""
    tools: tuple[Runs, ...]

    def of(self, tool: str) -> Runs | None:
        return next((one for one in self.tools if one.tool == tool), None)

    @property
    def shown(self) -> list[Runs]:
        """The tools on the page, fastest first."""
        return sorted((one for one in self.tools if one.tool != BEFORE), key=lambda one: one.median)


@dataclass(frozen=True)
class Results:
    """One run of the benchmark."""

    date: str
    machine: str
    versions: Mapping[str, str]
    cases: tuple[Case, ...]

    def case(self, name: str) -> Case | None:
        return next((one for one in self.cases if one.name == name), None)

    def as_json(self) -> str:
        """Return the results without the other version of this project."""
        content = asdict(self)
        for case in content["cases"]:
            case["tools"] = [one for one in case["tools"] if one["tool"] != BEFORE]
        return json.dumps(content, indent=1) + "\n"


def load(path: Path) -> Results:
    """Read what `Results.as_json` returned."""
    content = json.loads(path.read_text("utf-8"))
    cases = [{**case, "tools": tuple(_runs(one) for one in case["tools"])} for case in content["cases"]]
    return Results(**{**content, "cases": tuple(Case(**case) for case in cases)})


def _runs(content: Mapping[str, object]) -> Runs:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in content.items()}
    return Runs(**values)  # type: ignore[arg-type]


def markdown(results: Results) -> str:
    """Return the tables."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    parts = [f"Measured on {results.date} on {results.machine}, with {versions}."]
    for case in results.cases:
        title, about = TITLES[case.name]
        parts += [f"### {title}", about, "\n".join(_table(case))]
        if case.waits:
            parts.append(f"Of the time of `{OURS}`, {case.waits:.2f} s are delays of sequential requests.")
    return "\n\n".join(parts)


def _table(case: Case) -> Iterator[str]:
    ours = case.of(OURS)
    yield "| | seconds | compared | CPU per file | peak memory |"
    yield "|---|--:|--:|--:|--:|"
    for one in case.shown:
        compared = "" if ours is None or one is ours else f"{one.median / ours.median:.2f}"
        cpu = statistics.median(one.cpu) / case.files * 1000
        yield f"| {_name(one)} | {_seconds(one.median)} | {compared} | {cpu:,.1f} ms | {one.peak:.0f} MiB |"


def _name(runs: Runs) -> str:
    return f"**`{OURS}`**" if runs.tool == OURS else runs.tool


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 100 else f"{seconds:.0f}"


WIDTH: Final = 720
_LEFT, _BAR, _ROW, _GAP = 250, 360, 22, 44
_STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; font-size: 14px; }
.name { text-anchor: end; }
.ours { font-weight: 600; }
rect { fill: #8c959f; }
rect.ours { fill: #1a7f5a; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  rect { fill: #6e7681; }
  rect.ours { fill: #57c297; }
}"""


def svg(results: Results) -> str:
    """Return the chart: a bar for each tool, cases with one tool left out."""
    cases = [case for case in results.cases if len(case.shown) > 1]
    lines: list[str] = []
    y = 0
    for case in cases:
        y += _GAP
        lines.append(f'<text class="title" x="8" y="{y - 8}">{escape(TITLES[case.name][0])}, seconds</text>')
        longest = max(one.median for one in case.shown)
        for one in case.shown:
            kind = " ours" if one.tool == OURS else ""
            width = max(1.0, one.median / longest * _BAR)
            middle = y + _ROW - 7
            lines += [
                f'<text class="name{kind}" x="{_LEFT - 8}" y="{middle}">{escape(one.tool)}</text>',
                f'<rect class="bar{kind}" x="{_LEFT}" y="{y + 2}" width="{width:.1f}" height="{_ROW - 5}" rx="2"/>',
                f'<text class="value{kind}" x="{_LEFT + width + 6:.1f}" y="{middle}">{_seconds(one.median)}</text>',
            ]
            y += _ROW
    sentences = (
        f"{TITLES[case.name][0]}: {', '.join(f'{one.tool} {_seconds(one.median)} s' for one in case.shown)}."
        for case in cases
    )
    size = f'viewBox="0 0 {WIDTH} {y + 12}" width="{WIDTH}" height="{y + 12}"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
        '<title id="title">How long uploads take, in seconds</title>',
        f'<desc id="description">{escape(" ".join(sentences))}</desc>',
        f"<style>\n{_STYLE}\n</style>",
    ]
    return "\n".join([*head, *lines, "</svg>"]) + "\n"


_MARKED: Final = re.compile(r"(?s)(<!-- results -->\n).*(<!-- end of results -->)")


def page(text: str, results: Results) -> str:
    """Return the page with the tables of *results* in it."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{markdown(results)}\n\n{found[2]}", text)


def write(results: Results) -> None:
    """Write the JSON file, the page and the chart."""
    (DIRECTORY / "benchmarks.json").write_text(results.as_json(), "utf-8")
    (DIRECTORY / "benchmarks.svg").write_text(svg(results), "utf-8")
    target = DIRECTORY / "benchmarks.md"
    target.write_text(page(target.read_text("utf-8"), results), "utf-8")


def text(case: Case, notes: Sequence[str] = ()) -> Iterator[str]:
    """Yield one case for the terminal."""
    yield f"\n{case.name}: {TITLES[case.name][0]}"
    for one in sorted(case.tools, key=lambda one: one.median):
        spread = f"{min(one.seconds):.2f} to {max(one.seconds):.2f}"
        cpu = statistics.median(one.cpu) / case.files * 1000
        yield (
            f"  {one.tool:42}{one.median:8.2f} s  ({spread}, {len(one.seconds)} runs)"
            f"{cpu:9.1f} ms CPU per file{one.peak:7.1f} MiB"
        )
    yield from (f"  {note}" for note in notes)


if __name__ == "__main__":
    write(load(DIRECTORY / "benchmarks.json"))
