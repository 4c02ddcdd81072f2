"""How the documentation is built."""

import sys
from pathlib import Path

from frontpay_async._version import __version__

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "frontpay_async"
author = "The frontpay_async authors"
project_copyright = "2026, The frontpay_async authors"
release = version = __version__

extensions = [
    "docs._ext.frontpay_tables",
    "docs._ext.phone_charts",
    "myst_parser",
    "notfound.extension",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
add_function_parentheses = False  # the table of operations is wide enough

html_theme = "furo"
html_title = f"frontpay_async {release}"
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["tables.js"]
html_search_scorer = str(Path(__file__).with_name("_ext") / "scorer.js")
html_theme_options = {
    "source_repository": "https://github.com/frontpay-async/frontpay-async/",
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": ["edit"],
}

# Copied from a console block: the commands, without the prompt and without the output.
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"
# Read the Docs serves the 404 page for any path, so its links start at the root of this version.
notfound_urls_prefix = "/en/latest/"

myst_heading_anchors = 3

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False
# Signatures longer than a line of code get one line per argument.
maximum_signature_line_length = 88
