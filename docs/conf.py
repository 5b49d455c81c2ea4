"""The configuration of the documentation site. `tox -e docs` builds it."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "hatch-trusted-publish"
author = "The hatch-trusted-publish maintainers"
html_title = project
html_theme = "furo"
html_show_copyright = False
extensions = ["myst_parser"]
myst_heading_anchors = 4  # as on GitHub, so that links work in both places
highlight_language = "none"  # untagged blocks are commands

_REPOSITORY = Path(__file__).parents[1]
_BROWSED = "https://github.com/hatch-trusted-publish/hatch-trusted-publish/blob/main"


def _link_out(app: Sphinx, page: str, source: list[str]) -> None:
    """Make links to other files of the repository point to GitHub."""

    def moved(link: re.Match[str]) -> str:
        target = Path(app.srcdir, page, "..", link[1]).resolve()
        if target.is_relative_to(app.srcdir):
            return link[0]
        return f"]({_BROWSED}/{target.relative_to(_REPOSITORY).as_posix()}"

    source[0] = re.sub(r"\]\((\.\./[^)#\s]+)", moved, source[0])


def setup(app: Sphinx) -> None:
    """Connect the event handlers; Sphinx calls this."""
    app.connect("source-read", _link_out)
