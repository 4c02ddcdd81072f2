"""Phone forms of charts: ``chart.svg`` with a ``chart.phone.svg`` beside it becomes a ``<picture>``.

A chart drawn for 760 pixels has 6-pixel letters on a phone. The narrow form of the same chart is drawn by the
same script and replaces it on screens up to 640 pixels wide.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from docutils.nodes import image

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

__all__ = ["phone_form", "setup"]

_IMAGE = re.compile(r'<img [^>]*src="(?P<folder>[^"]*_images/)(?P<name>[\w-]+)\.svg"[^>]*>')


def phone_form(path: Path) -> Path:
    """Return the path of a chart's narrow form."""
    return path.with_suffix(".phone.svg")


def find_phone_forms(app: Sphinx, doctree: nodes.document) -> None:
    """Record the narrow form of each chart on a page."""
    found: dict[str, str] = app.env.__dict__.setdefault("phone_charts", {})
    for node in doctree.findall(image):
        narrow = phone_form(Path(app.srcdir, node["uri"]))
        if narrow.is_file():
            found[Path(node["uri"]).stem] = str(narrow.resolve())


def offer_phone_forms(
    app: Sphinx, page: str, template: str, context: dict[str, object], doctree: nodes.document | None
) -> None:
    """Wrap each chart that has a narrow form in a ``<picture>``."""
    del page, template, doctree
    found: dict[str, str] = app.env.__dict__.get("phone_charts", {})

    def with_phone_form(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in found:
            return match[0]
        source = f'<source media="(max-width: 640px)" srcset="{match["folder"]}{name}.phone.svg">'
        return f"<picture>{source}{match[0]}</picture>"

    if isinstance(body := context.get("body"), str):
        context["body"] = _IMAGE.sub(with_phone_form, body)


def copy_phone_forms(app: Sphinx, error: Exception | None) -> None:
    """Copy the narrow forms beside the images that Sphinx copies."""
    found: dict[str, str] = app.env.__dict__.get("phone_charts", {})
    if error is None and app.builder.format == "html":
        for path in found.values():
            shutil.copy(path, Path(app.outdir, "_images"))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the steps."""
    app.connect("doctree-read", find_phone_forms)
    app.connect("html-page-context", offer_phone_forms)
    app.connect("build-finished", copy_phone_forms)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
