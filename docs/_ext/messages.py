"""The index of the package's error messages, read from its source, each with a link to its error.

A search of the documentation for the words of an error leads here. Values that are filled in when it is
raised are shown as "…".
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import frontpay_async
from docs._ext.error_catalogue import classes

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["index", "messages"]

_PACKAGE = Path(frontpay_async.__file__).parent
# Methods of a call that build an error from the reason they are given.
_BUILDERS = {"not_sent": "NotSentError", "outcome_unknown": "OutcomeUnknownError"}
_WORDS = re.compile(r"[a-z]{2,}")


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
        case _:
            return "…"


def _name(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _BUILDERS.get(name, name)
        case _:
            return ""


def messages() -> Iterator[tuple[str, str]]:
    """Yield each message with the name of its error, in the order of the source."""
    public = {error.__name__ for error in classes()}
    for path in sorted(_PACKAGE.rglob("*.py")):
        if "sandbox" in path.relative_to(_PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args and _name(node) in public:
                text = _text(node.args[0])
                if len(_WORDS.findall(text)) > 1:
                    yield text, _name(node)


def index() -> str:
    """Return the index, in Markdown, by alphabet."""
    rows = sorted(set(messages()), key=lambda row: row[0].lstrip("… '`").lower())
    table = ["| Message | Error |", "|---|---|"]
    for text, error in rows:
        shown = " ".join(text.split()).replace("|", "\\|").replace("`", "'")
        table.append(f"| `{shown}` | [{error}](errors.md#{error.lower()}) |")
    return "\n".join(table)
