"""How the documentation is built."""

import sys
from pathlib import Path

from frontpay_async._version import __version__

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "frontpay_async"
author = "The frontpay_async authors"
project_copyright = "2026, The frontpay_async authors"
release = version = __version__

extensions = ["docs._ext.frontpay_tables", "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
add_function_parentheses = False  # the table of operations is wide enough

html_theme = "furo"
html_title = f"frontpay_async {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
