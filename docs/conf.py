"""The configuration of the documentation site. `tox -e docs` builds it."""

from __future__ import annotations

import re
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
copybutton_selector = "div.highlight:not(.highlight-text > *, .highlight-diff > *) > pre"  # logs are to read

html_title = project
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
    """Make links to other files of the repository point to GitHub, and show each picture in the colors of the page."""

    def moved(link: re.Match[str]) -> str:
        target = Path(app.srcdir, page, "..", link[1]).resolve()
        if target.is_relative_to(app.srcdir):
            return link[0]
        return f"]({_HOME}/blob/main/{target.relative_to(_REPOSITORY).as_posix()}"

    source[0] = re.sub(r"\]\((\.\./[^)#\s]+)", moved, source[0])
    source[0] = re.sub(
        r"!(\[[^]]+\]\(\S+)-light\.svg\)", r"!\1-light.svg){.only-light}\n!\1-dark.svg){.only-dark}", source[0]
    )


def _name_levels(_app: Sphinx, _page: str, _template: str, context: dict[str, str], _tree: object) -> None:
    """Give the headings of the navigation a level. Without one, screen readers ignore them."""
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace('role="heading"', 'role="heading" aria-level="2"')


def setup(app: Sphinx) -> None:
    """Connect the event handlers; Sphinx calls this."""
    app.connect("source-read", _for_the_site)
    app.connect("html-page-context", _name_levels, priority=900)  # after furo has made the tree
