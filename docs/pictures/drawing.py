"""Draws SVG with the standard library: text, boxes and arrows in the colors of a light and of a dark page.

Rules:

- A picture is 420 units wide, so that its smallest text stays legible on a phone.
- Nothing is loaded: fonts are the reader's own, and widths of text are estimated.
- The same input gives the same bytes, so that a test can compare a picture with its file.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

WIDTH: Final = 420
MARGIN: Final = 20
SANS: Final = "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif"
MONO: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"


@dataclass(frozen=True, slots=True)
class Theme:
    """Colors with one job each. Text has a contrast of at least 4.5 to 1 on the page and on a card."""

    name: str
    page: str
    card: str
    line: str
    text: str
    muted: str
    accent: str
    good: str
    bad: str
    warn: str


THEMES: Final = (
    Theme("light", "#f6f8fa", "#ffffff", "#c9d1d9", "#1f2328", "#57606a", "#0a4bff", "#1a7f37", "#cf222e", "#8a5a00"),
    Theme("dark", "#1a1c1e", "#25282c", "#4b5158", "#e6e8ea", "#a9b1ba", "#5aa2ff", "#56d364", "#ff7b72", "#e3b341"),
)


def element(tag: str, content: str = "", **attributes: object) -> Element:
    """Return an element; ``stroke_width`` becomes ``stroke-width``, and ``class_`` becomes ``class``."""
    shown = {key: f"{value:g}" if isinstance(value, float) else str(value) for key, value in attributes.items()}
    made = Element(tag, {key.rstrip("_").replace("_", "-"): value for key, value in shown.items()})
    made.text = content or None
    return made


class Picture:
    """An SVG document to which elements are added."""

    def __init__(self, theme: Theme, title: str, description: str, width: int = WIDTH) -> None:
        self.theme, self.width, self.height = theme, width, 0
        self._head = {"title": title, "desc": description}
        self._elements: list[Element] = []

    def add(self, tag: str, content: str = "", **attributes: object) -> Element:
        """Add an element, as `element` makes it."""
        self._elements.append(element(tag, content, **attributes))
        return self._elements[-1]

    def include(self, made: Element) -> None:
        """Add an element that is made already."""
        self._elements.append(made)

    def box(self, place: tuple[float, float, float, float], fill: str, stroke: str = "none", radius: int = 8) -> None:
        """Add a rectangle; *place* is its left, top, width and height."""
        x, y, width, height = place
        self.add("rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill, stroke=stroke)

    def text(self, at: tuple[float, float], text: str, size: float = 14, **more: str) -> None:
        """Add one line of text, whose baseline starts at a point unless ``text_anchor`` says otherwise."""
        self.add("text", text, x=at[0], y=at[1], font_size=size, **{"fill": self.theme.text, **more})

    def paragraph(self, at: tuple[float, float], text: str, width: float, size: float = 13, **more: str) -> None:
        """Add text in lines of at most *width*."""
        x, y = at
        for line in textwrap.wrap(text, int(width / size / 0.54)):
            self.text((x, y), line, size, **more)
            y += round(size * 1.4)

    def line(self, start: tuple[float, float], end: tuple[float, float], stroke: str, **more: str) -> None:
        """Add a straight line."""
        self.add("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], stroke=stroke, **more)

    def label(self, at: tuple[float, float], text: str, aside: str) -> None:
        """Add text in bold, and a smaller remark after it."""
        self.text(at, text, font_weight="600")
        part = SubElement(self._elements[-1], "tspan", {"dx": "6", "font-size": "12.5", "font-weight": "400"})
        part.text = aside
        part.set("fill", self.theme.muted)

    def badge(self, at: tuple[float, float], text: str) -> None:
        """Add a short text in a filled circle."""
        self.add("circle", cx=at[0], cy=at[1], r=11, fill=self.theme.accent)
        self.text((at[0], at[1] + 4.5), text, 13, fill=self.theme.card, text_anchor="middle", font_weight="600")

    def mark(self, at: tuple[float, float], *, good: bool) -> None:
        """Add a tick, or a cross, in a filled circle."""
        x, y = at
        self.add("circle", cx=x, cy=y, r=11, fill=self.theme.good if good else self.theme.bad)
        path = f"M{x - 5:g} {y:g}l3.5 4l6.5-8" if good else f"M{x - 4:g} {y - 4:g}l8 8m0-8l-8 8"
        self.add("path", d=path, fill="none", stroke=self.theme.card, stroke_width=2)

    def arrow(self, start: float, end: float, y: float, stroke: str) -> None:
        """Add a horizontal arrow."""
        back = -7 if end > start else 7
        self.line((start, y), (end + back / 2, y), stroke, stroke_width="1.5")
        self.add("path", d=f"M{end:g} {y:g}l{back} -4.5v9z", fill=stroke)

    def __str__(self) -> str:
        # Larger than its units where there is room.
        size = {"width": str(round(self.width * 1.2)), "height": str(round(self.height * 1.2))}
        view = {"viewBox": f"0 0 {self.width} {self.height:g}", "font-family": SANS}
        svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **view, "role": "img"})
        for tag, text in self._head.items():
            SubElement(svg, tag).text = text
        page = {"width": str(self.width), "height": f"{self.height:g}", "rx": "12", "fill": self.theme.page}
        SubElement(svg, "rect", page)
        svg.extend(self._elements)
        for one in svg.iter():
            one.tail = None if one.tag == "tspan" else "\n"
        svg.text = "\n"
        return tostring(svg, "unicode")
