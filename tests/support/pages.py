"""The documentation's pages as programs.

A page is one program: its Python blocks run from top to bottom, exactly as shown, in one namespace and one
event loop, and a block may await at its top level. The namespace is empty at first: a page shows or imports
all that it uses, and hidden blocks are not allowed.

``FrontPayClient()`` uses a sandbox over a socket, named by environment variables. No other host is reachable.
The working directory contains the example files that the pages link to.

A block that begins with ``# name.py`` is also written to that file in the working directory. A comment behind
a ``print``, or on the lines below it, is what it prints; "…" stands for anything.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field
from sybil import Document
from sybil.evaluators.python import pad
from sybil.parsers.myst import CodeBlockParser

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from sybil import Example

__all__ = ["Story", "blocks", "indented", "promised"]

_FENCE = re.compile(r"^[ \t>*+-]*(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)$", re.MULTILINE)
_PRINTED = re.compile(r"^\s*print\(.*\)(?:  # (?P<beside>.+)|(?P<below>(?:\n[ \t]*# .+)+))$", re.MULTILINE)

_BROKEN = re.compile(r"^(?P<indent> *)print\(\n(?:(?P=indent) +.*\n)+(?P=indent)\)  # ", re.MULTILINE)
_NAMED = re.compile(r"# (\w+\.py)\n")


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Find the fenced blocks of a page, without sybil: the line each begins at, its info string, its text."""
    opened: re.Match[str] | None = None
    for match in _FENCE.finditer(text):
        if opened is None:
            opened = match
        elif match["fence"].startswith(opened["fence"]) and not match["info"].strip():
            line = text.count("\n", 0, opened.start()) + 1
            yield line, opened["info"].strip(), text[opened.end() + 1 : match.start()]
            opened = None


def indented(text: str) -> list[str]:
    """List the lines that Markdown takes for code because of their indentation."""
    for _, _, content in blocks(text):
        text = text.replace(content, "")
    text = re.sub(r"^<!--.*?^-->", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"^ {4,}\S.*", text, re.MULTILINE)


def promised(code: str) -> list[str]:
    """List the lines that a block's comments say it prints."""
    assert not _BROKEN.search(code), "only a print on one line can be held to its promise"
    told = (match["beside"] or match["below"] for match in _PRINTED.finditer(code))
    return [line.strip().removeprefix("# ") for lines in told for line in lines.strip().split("\n")]


def _is_printed(line: str) -> re.Pattern[str]:
    return re.compile(re.escape(line).replace("…", ".*?"), re.DOTALL)


@define
class Story:
    """A page and the runner of its blocks that await."""

    page: Path
    runner: asyncio.Runner
    ran: list[int] = field(init=False, factory=list)
    """The first lines of the blocks that were run."""

    def tell(self) -> None:
        """Run the page."""
        document = Document.parse(str(self.page), CodeBlockParser("python", self._run))
        document.namespace.update(__name__="__main__", __file__=str(self.page))
        for example in document.examples():
            assert not document.text.startswith("<!--", example.start), "a hidden block"
            example.evaluate()
            self.ran.append(example.line)

    def _run(self, example: Example) -> None:
        source = pad(example.parsed, example.line + example.parsed.line_offset)
        code = compile(source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        namespace: dict[str, Any] = example.namespace
        if named := _NAMED.match(example.parsed):
            Path(named[1]).write_text(example.parsed, "utf-8")
        with redirect_stdout(io.StringIO()) as written:
            if code.co_flags & inspect.CO_COROUTINE:
                self.runner.run(eval(code, namespace))  # noqa: S307 - our own pages
            else:
                exec(code, namespace)  # noqa: S102 - our own pages
        self._check(example, written.getvalue())

    @staticmethod
    def _check(example: Example, written: str) -> None:
        at = 0
        for line in promised(example.parsed):
            found = _is_printed(line).search(written, at)
            assert found, f"{example.path}:{example.line} promises {line!r}, and prints {written!r}"
            at = found.end()
