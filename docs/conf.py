"""The configuration of the documentation site. `tox -e docs` builds it."""

from __future__ import annotations

import re
import subprocess
from itertools import cycle
from pathlib import Path

from sphinx.application import Sphinx

_REPOSITORY = Path(__file__).parents[1]
_HOME = "https://github.com/hatch-trusted-publish/hatch-trusted-publish"

project = "hatch-trusted-publish"
author = "The hatch-trusted-publish maintainers"
extensions = ["myst_parser", "sphinx_copybutton", "sphinx_design"]
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4  # as on GitHub, so that links work in both places
highlight_language = "none"  # untagged blocks are commands
copybutton_selector = "div.highlight:not(.highlight-text > *, .highlight-diff > *) > pre"  # logs are for reading

# The pages of a release name it; those of another commit do not.
_DESCRIBE = ("git", "describe", "--tags", "--exact-match")
_TAG = subprocess.run(_DESCRIBE, cwd=_REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
html_title = f"{project} {_TAG.removeprefix('v')}".rstrip()
html_theme = "furo"
html_show_copyright = False
html_copy_source = False
html_use_index = False
html_baseurl = "https://hatch-trusted-publish.github.io/hatch-trusted-publish/stable/"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo-light.svg"
html_theme_options = {
    "light_logo": "logo-light.svg",
    "dark_logo": "logo-dark.svg",
    "light_css_variables": {"color-brand-primary": "#0f6b4a", "color-brand-content": "#0f6b4a"},
    "dark_css_variables": {"color-brand-primary": "#6fd6ab", "color-brand-content": "#6fd6ab"},
    "source_repository": _HOME,
    "source_branch": "main",
    "source_directory": "docs/",
}


def _for_the_site(app: Sphinx, page: str, source: list[str]) -> None:
    """Add to a page what GitHub shows without it, or does not show."""
    text = _with_links_to_github(source[0], Path(app.srcdir), page)
    # Each picture, in the colors of the page.
    picture = r"!(\[[^]]+\]\(\S+)-light\.svg\)"
    text = re.sub(picture, r"!\1-light.svg){.only-light}!\1-dark.svg){.only-dark}", text)
    source[0] = _with_anchors(text) if page == "reference/index" else text


def _with_links_to_github(text: str, docs: Path, page: str) -> str:
    """Make links to other files of the repository point to GitHub."""

    def moved(link: re.Match[str]) -> str:
        target = Path(docs, page, "..", link[1]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        return f"]({_HOME}/blob/main/{target.relative_to(_REPOSITORY).as_posix()}"

    return re.sub(r"\]\((\.\./[^)#\s]+)", moved, text)


def _with_anchors(text: str) -> str:
    """Give each name in the first column of a table an anchor, such as `publisher-keys-repo`."""
    before, *sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    for number, section in enumerate(sections):
        slug = section.splitlines()[0].removeprefix("## ").lower().replace(" ", "-")

        def anchored(name: re.Match[str], slug: str = slug) -> str:
            return f"[{name[0]}]{{#{slug}-{name[1].replace('.', '-')}}}"

        sections[number] = re.sub(
            r"^\| .*?(?<!\\)\|",
            lambda cell, anchored=anchored: re.sub(r"`([\w.-]+)`", anchored, cell[0]),
            section,
            flags=re.MULTILINE,
        )
    return before + "".join(sections)


def _for_readers(_app: Sphinx, _page: str, _template: str, context: dict[str, str], _tree: object) -> None:
    """Add to the HTML what screen readers and phones need."""
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')
    if "body" in context:
        # The picture in the other colors is hidden. A lazy one is then not loaded.
        body = context["body"].replace('class="only-', 'loading="lazy" class="only-')
        context["body"] = re.sub(r"<table.*?</table>", _labeled, body, flags=re.DOTALL)


def _labeled(table: re.Match[str]) -> str:
    """Repeat the header of its column in each cell. site.css shows it where a row is a card."""
    heads = re.findall(r"<th\b[^>]*>(.*?)</th>", table[0], re.DOTALL)
    labels = cycle(re.sub("<[^>]+>", "", head) for head in heads)
    return re.sub(r"<td\b", lambda _: f'<td data-label="{next(labels)}"', table[0])


def setup(app: Sphinx) -> None:
    """Connect the event handlers; Sphinx calls this."""
    app.connect("source-read", _for_the_site)
    app.connect("html-page-context", _for_readers, priority=900)  # after furo has made the tree
