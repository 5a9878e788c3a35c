"""How Sphinx builds the manual: `make docs`. Pages are plain Markdown, so that GitHub shows the same ones."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

from srekv import __version__

HERE = Path(__file__).parent
SECTIONS = ("Tutorial", "How to", "Reference", "Explanation")
"""Headings of index.md: captions of the sidebar, with the pages in the order in which the index links them."""

project = "srekv"
release = version = __version__
html_title = f"srekv {release}"
html_theme = "furo"
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False

smartquotes = False  # `--` in an option stays as it is

extensions = ["myst_parser"]
myst_heading_anchors = 4  # the anchors that GitHub gives to headings
nitpicky = True
exclude_patterns = ["pictures"]
suppress_warnings = ["myst.xref_ambiguous"]

linkcheck_timeout = 20
linkcheck_ignore = [r"https?://(127\.|localhost)"]


def add_sidebar(_app: Sphinx, page: str, text: list[str]) -> None:
    """Append the sidebar's tables of contents to index.md, which on GitHub is a list of links and nothing else."""
    if page == "index":
        text[0] += "".join(_toctree(caption, text[0]) for caption in SECTIONS)


def link_outside(app: Sphinx, page: str, text: list[str]) -> None:
    """Let a link to Markdown beside docs, which GitHub shows, give the file itself: here it is no page."""

    def outside(link: re.Match[str]) -> str:
        target = Path(app.env.doc2path(page)).parent.joinpath(link["path"]).resolve()
        return link[0] if target.is_relative_to(HERE) or not target.is_file() else f"](path:{link['path']})"

    text[0] = re.sub(r"\]\((?P<path>\.\./[^)#]*\.md)(#[^)]*)?\)", outside, text[0])


def _toctree(caption: str, index: str) -> str:
    section = index.partition(f"\n## {caption}\n")[2].partition("\n## ")[0]
    pages = re.findall(r"\]\(([^)#]+)\.md\)", section)
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("source-read", add_sidebar)
    app.connect("source-read", link_outside)
