"""What the documentation derives from the package, so that the two cannot disagree."""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging as python_logging
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from docutils.nodes import reference
from sphinx.addnodes import download_reference, pending_xref
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import frontpay_async
import frontpay_async.batch
import frontpay_async.callbacks
import frontpay_async.callbacks.starlette
import frontpay_async.otel
import frontpay_async.sandbox
from docs._ext.error_catalogue import catalogue
from docs._ext.links import broken
from docs._ext.messages import index
from docs._ext.provoked import raised
from docs._ext.retry_safety import class_of, evidence_table, safety_table
from frontpay_async import FrontPayError
from frontpay_async._protocol.operations import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docutils import nodes
    from sphinx.application import Sphinx
    from sphinx.domains.python import PythonDomain
    from sphinx.environment import BuildEnvironment
    from sphinx.util.typing import ExtensionMetadata

logger = logging.getLogger(__name__)

SOURCE = "https://github.com/frontpay-async/frontpay-async/blob/main"
PUBLIC = (
    frontpay_async,
    frontpay_async.batch,
    frontpay_async.callbacks,
    frontpay_async.callbacks.starlette,
    frontpay_async.otel,
    frontpay_async.sandbox,
)
PLUGIN = Path(frontpay_async.__file__).with_name("pytest_plugin.py")


class OperationsDirective(SphinxDirective):
    """Show the rows of the operation table that belong to one resource, such as ``orders``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the rows as a Markdown table and have it parsed."""
        resource = self.arguments[0]
        rows = [row for row in OPERATIONS.values() if row.name.startswith(f"{resource}.")]
        if not rows:
            raise self.error(f"no operation belongs to {resource!r}")
        table = [
            "| Method | Request | Success | Safety | Evidence | Page |",
            "|---|---|---|---|---|---|",
        ]
        for row in rows:
            method = row.name.removeprefix(f"{resource}.")
            link = f"{{py:meth}}`~frontpay_async.resources.{resource}.{class_of(resource)}.{method}`"
            steps = "".join(f"/{{{step}}}" for step in row.steps)
            others = [f"`{each}`" for each in (row.other_method, row.other_path) if each]
            request = " or ".join([f"`{row.method} {row.path}{steps}`", *others])
            cells = link, request, row.success, row.safety.name, row.evidence.value, row.reference
            table.append(f"| {' | '.join(map(str, cells))} |")
        return self.parse_text_to_nodes("\n".join(table))


class RetrySafetyDirective(SphinxDirective):
    """Show what is sent again, for the operations of one resource, such as ``orders``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Have the table parsed."""
        return self.parse_text_to_nodes(safety_table(self.arguments[0]))


class WhereToLookDirective(SphinxDirective):
    """Show what tells, after a lost answer, whether an operation was carried out."""

    def run(self) -> list[nodes.Node]:
        """Have the table parsed."""
        return self.parse_text_to_nodes(evidence_table())


class ErrorTreeDirective(SphinxDirective):
    """Show the errors as a tree, each with the first line of its docstring."""

    def run(self) -> list[nodes.Node]:
        """Write the tree as nested Markdown lists and have it parsed."""
        return self.parse_text_to_nodes("\n".join(_branch(FrontPayError, 0)))


def _branch(error: type[FrontPayError], depth: int) -> Iterator[str]:
    summary = (error.__doc__ or "").partition("\n")[0]
    home = next(module.__name__ for module in PUBLIC if error.__name__ in module.__all__)
    yield f"{'  ' * depth}- {{py:exc}}`~{home}.{error.__name__}`: {summary}"
    for child in error.__subclasses__():
        if not child.__name__.startswith("_"):
            yield from _branch(child, depth + 1)


class ErrorCatalogueDirective(SphinxDirective):
    """Show every error, with words of one that was raised."""

    def run(self) -> list[nodes.Node]:
        """Provoke them all, write about each, and have it parsed."""
        examples = asyncio.run(raised())
        return self.parse_text_to_nodes(catalogue(examples), allow_section_headings=True)


class MessageIndexDirective(SphinxDirective):
    """Show every error message of the package, with a link to its error."""

    def run(self) -> list[nodes.Node]:
        """Read the messages from the source, and have the table parsed."""
        return self.parse_text_to_nodes(index())


class FixturesDirective(SphinxDirective):
    """Show the fixtures of the pytest plugin; read from its source, for pytest is not needed here."""

    def run(self) -> list[nodes.Node]:
        """Write each as an item of a list and have it parsed."""
        functions = [
            node for node in ast.parse(PLUGIN.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)
        ]
        items = [
            f"- `{each.name}`: {(ast.get_docstring(each) or '').replace('``', '`')}"
            for each in functions
            if "pytest.fixture" in map(ast.unparse, each.decorator_list)
        ]
        return self.parse_text_to_nodes("\n".join(items))


class ModuleDocstringDirective(SphinxDirective):
    """Show a module's docstring, which reads as Markdown."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Have the docstring parsed."""
        return self.parse_text_to_nodes(inspect.getdoc(import_module(self.arguments[0])) or "")


def link_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.TextElement
) -> nodes.Element | None:
    """Link a name, spelled as where it is defined, to the public name under which it is documented."""
    if node.get("refdomain") != "py":
        return None
    name = node["reftarget"].rpartition(".")[2]
    for module in PUBLIC:
        if name in module.__all__:
            target = f"{module.__name__}.{name}"
            domain: PythonDomain = env.domains.python_domain
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, node["reftype"], target, node, contnode
            )
    # An annotation may name a type that is not ours to document; a role that somebody wrote may not.
    return contnode if node["reftype"] == "class" and "refwarn" not in node else None


def check_all_documented(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of a public name that no page documents."""
    del app
    for module in PUBLIC:
        for name in module.__all__:
            public = f"{module.__name__}.{name}"
            if name != "__version__" and public not in env.domains.python_domain.objects:
                logger.warning("no page in docs/api documents %s", public)


def check_links(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of each link in the project that leads nowhere."""
    del env
    for sentence in broken(Path(app.srcdir).parent):
        logger.warning("%s", sentence)


def link_to_source(app: Sphinx, doctree: nodes.document) -> None:
    """Let links to files of the project that are no pages lead to where the source is read."""
    root = Path(app.srcdir).parent
    for node in [*doctree.findall(download_reference), *doctree.findall(pending_xref)]:
        if isinstance(node, pending_xref) and node["refdomain"] != "doc":
            continue
        # To MyST a Markdown file is a page, wherever it is, and a page has no suffix.
        suffix = "" if isinstance(node, download_reference) else ".md"
        file = Path(app.srcdir, Path(app.env.docname).parent, f"{node['reftarget']}{suffix}").resolve()
        if file.is_relative_to(root) and not file.is_relative_to(app.srcdir):
            place = file.relative_to(root).as_posix()
            node.replace_self(reference("", "", *node.children, refuri=f"{SOURCE}/{place}"))


def keep_colons(*event: object) -> None:
    """Keep Napoleon from taking the words before a colon in an attribute's docstring for its type."""
    _, what, _, _, _, lines = event
    if what in {"attribute", "property"} and isinstance(lines, list) and lines:
        lines[0] = f": {lines[0]}"  # an empty type


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register the directives and the checks."""
    app.setup_extension("sphinx.ext.autodoc")
    # A package that furo brings sets up logging for all, and every provoked error would be told of.
    for name in ("frontpay_async", "httpx"):
        python_logging.getLogger(name).setLevel(python_logging.ERROR)
    app.add_directive("operations", OperationsDirective)
    app.add_directive("retry-safety", RetrySafetyDirective)
    app.add_directive("where-to-look", WhereToLookDirective)
    app.add_directive("error-tree", ErrorTreeDirective)
    app.add_directive("error-catalogue", ErrorCatalogueDirective)
    app.add_directive("message-index", MessageIndexDirective)
    app.add_directive("fixtures", FixturesDirective)
    app.add_directive("module-docstring", ModuleDocstringDirective)
    app.connect("missing-reference", link_public_name)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # before Napoleon
    app.connect("doctree-read", link_to_source, priority=100)  # before downloads are collected
    app.connect("env-check-consistency", check_all_documented)
    app.connect("env-check-consistency", check_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
