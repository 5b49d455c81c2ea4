"""Every page of the site works in a real browser, on a desktop and on a phone, in light and dark colors."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent
from typing import Final
from urllib.parse import unquote, urldefrag

import pytest

from tests.support.pages import ROOT, blocks_of

from .conftest import Browser

pytestmark = pytest.mark.browser

DOCS: Final = ROOT / "docs"
PAGES: Final = (*sorted(page.relative_to(DOCS).with_suffix("").as_posix() for page in DOCS.rglob("*.md")), "search")
VIEWS: Final = ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark"))

AXE: Final = """
axe.run({resultTypes: ["violations"], preload: false, runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]})
.then(found => found.violations.filter(each => ["serious", "critical"].includes(each.impact))
               .flatMap(each => each.nodes.map(node => `${each.id}: ${node.html}`)))
"""
TOO_WIDE: Final = """
[...document.querySelectorAll("html, .content")]
.filter(each => each.scrollWidth > each.clientWidth).map(each => each.localName)
"""
"""The theme hides or scrolls what is too wide at one of these, depending on the width of the window."""
LOST_PICTURES: Final = """
Promise.all([...document.images].map(image => Object.assign(image, {loading: "eager"}).decode().then(() => null, () => image.src)))
.then(sources => sources.filter(source => source))
"""
LOADED: Final = "performance.getEntriesByType('resource').map(each => each.name)"
LINKS: Final = "[...document.links].map(link => link.href)"
COPIED: Final = """
(async () => {
  const copied = [];
  for (const button of document.querySelectorAll("button.copybtn")) {
    await navigator.clipboard.writeText("");
    button.click();
    copied.push(await navigator.clipboard.readText());
  }
  return copied;
})()
"""


@pytest.fixture(scope="module", params=PAGES)
def page(browser: Browser, origin: str, request: pytest.FixtureRequest) -> str:
    """Open a page for the tests below, and return its name."""
    name: str = request.param
    browser.open(f"{origin}{name}.html")
    return name


def test_page(browser: Browser, origin: str, page: str) -> None:
    """Nothing scrolls sideways or is missing, nothing comes from another host, and axe finds no serious problem."""
    for width, scheme in VIEWS:
        browser.resize(width, scheme)
        assert [] == browser.run(TOO_WIDE), width
        assert [] == browser.run(AXE), (width, scheme)
    assert [] == browser.run(LOST_PICTURES)
    assert [] == [url for url in browser.run(LOADED) if not url.startswith(origin)]
    assert [] == browser.console()


def test_links(browser: Browser, origin: str, site: Path, page: str) -> None:
    """Each link leads to a page and a heading of the site, or to another site through HTTPS."""
    lost = []
    for link in browser.run(LINKS):
        url, anchor = urldefrag(link)
        target = site / url.removeprefix(origin)
        if url.startswith(origin):
            known = target.is_file() and (not anchor or f'id="{unquote(anchor)}"' in target.read_text("utf-8"))
        else:
            known = url.startswith("https://")
        if not known:
            lost.append(link)
    assert page
    assert [] == lost


def test_copies(browser: Browser, page: str) -> None:
    """Each button copies a block as the page's source has it, which is what the test of a recipe runs."""
    sources = SOURCES.get(page, (DOCS / f"{page}.md",))
    texts = "\n".join(source.read_text("utf-8") for source in sources)
    fences = re.findall(r"^( *)```(\w*)\n(.*?)\n\1```$", texts, re.MULTILINE | re.DOTALL)
    written = {dedent(text) for _, language, text in fences if language not in SHOWN} | EXAMPLES
    copied = browser.run(COPIED)
    assert [] == [text for text in copied if text not in written]
    blocks = [block for source in sources for block in blocks_of(source) if block.language not in SHOWN]
    # The home page has the recipes of the README, and nothing else of it.
    own = [block for block in blocks if block.page.name != "README.md" or block.language == "yaml"]
    assert set() == {block.text.rstrip("\n") for block in own} - set(copied)


EXAMPLES: Final = {path.read_text("utf-8").rstrip("\n") for path in (DOCS / "examples").rglob("*.y*ml")}
"""The files that a page includes."""
SHOWN: Final = frozenset({"diff", "text"})
"""The languages of blocks that are to read, not to copy."""
SOURCES: Final = {"index": (DOCS / "index.md", ROOT / "README.md"), "search": ()}
"""The sources of pages that do not have one of their own."""


def test_one_picture_of_each_pair(browser: Browser, origin: str) -> None:
    """A page loads its pictures in the colors that it shows."""
    browser.resize(1280, "light")
    browser.open(f"{origin}index.html")
    browser.run("document.querySelector('img.only-light').decode()")
    assert {"demo-light.svg"} == {url.rpartition("/")[2] for url in browser.run(LOADED) if "/_images/" in url}


def test_problems_are_found(browser: Browser, origin: str) -> None:
    """The checks report a wide page, a picture without a description, a lost picture, and an error of a script."""
    browser.open(f"{origin}search.html")
    browser.resize(390, "light")
    lost = "<img src='/lost.png'><p style='width: 500px; color: #ccc'>faint</p>"
    browser.run(f'document.querySelector("article").insertAdjacentHTML("beforeend", "{lost}")')
    script = "document.head.append(Object.assign(document.createElement('script'), {text: 'throw Error(1234)'}))"
    browser.run(script)
    assert [f"{origin}lost.png"] == browser.run(LOST_PICTURES)
    assert ["div"] == browser.run(TOO_WIDE)
    found = {each.partition(":")[0] for each in browser.run(AXE)}
    assert {"color-contrast", "image-alt"} == found
    said = "\n".join(browser.console())
    assert ["404", "1234"] == [sign for sign in ("404", "1234") if sign in said]
