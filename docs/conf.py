"""How the site is built: the Markdown pages as they are, and the library's own docstrings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, List, Match

from pygments.lexers.special import TextLexer

import opendr_har_core

HERE = Path(__file__).resolve().parent
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#\s]+)[^)]*\)")

project = "opendr_har_ros"
author = "opendr_har_ros maintainers"
release = opendr_har_core.__version__
version = release
html_title = f"{project} {release}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["conf.py"]

# The anchors that git hosts make, too, so that one link works on both.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]

# Sphinx makes a link of each name under "Attributes:"; several classes have a label or a width.
suppress_warnings = ["ref.python"]
default_role = "code"  # `name` in a docstring means what it means on a page
napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True, "footer_icons": []}
# No fonts, scripts or badges of other sites: the pages are read on robots without internet.
pygments_style = "default"
pygments_dark_style = "monokai"


def name_what_lies_outside(app: Any, page: str, source: List[str]) -> None:
    """Links to files of the repository that are no pages become their names: a site has no such files."""
    here = (HERE / page).parent

    def told(link: Match[str]) -> str:
        target = (here / link[2]).resolve()
        if HERE in target.parents or not target.exists():  # a page; or dead, which MyST reports
            return link[0]
        return f"{link[1]} (`{target.relative_to(HERE.parent)}` in the repository)"

    source[0] = LINK.sub(told, source[0])


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.add_lexer("csv", TextLexer)  # Pygments has none for tables
    app.connect("source-read", name_what_lies_outside)
