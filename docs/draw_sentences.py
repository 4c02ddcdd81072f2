"""Draw sentences at random, to review how they read: ``python docs/draw_sentences.py SEED``.

Prints 100 sentences with their files: 40 from the pages, 45 from docstrings and 15 from messages.
"""

from __future__ import annotations

import ast
import inspect
import random
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "frontpay_async").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHARES = {"page": 40, "docstring": 45, "message": 15}
_LEAST_WORDS = 4
_END = re.compile(r"(?<=[.!?:])\s+(?=[A-Z`*])|\n\s*\n|\n\s*[-*] |\n\s+(?=\w+: )|\|")


def _sentences(text: str) -> Iterator[str]:
    for part in _END.split(text):
        sentence = " ".join(part.split())
        if len(sentence.split()) >= _LEAST_WORDS:
            yield sentence


def _pages() -> Iterator[tuple[str, str]]:
    for path in PAGES:
        if "_build" not in path.parts:
            text = re.sub(
                r"^[ \t]*```.*?^[ \t]*```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL
            )
            yield from ((str(path.relative_to(ROOT)), each) for each in _sentences(text))


def _strings(*, docstrings: bool) -> Iterator[tuple[str, str]]:
    for path in PACKAGE:
        tree = ast.parse(path.read_text("utf-8"))
        statements = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
                continue
            if (node in statements) is not docstrings:
                continue
            text = inspect.cleandoc(node.value) if docstrings else node.value
            place = f"{path.relative_to(ROOT)}:{node.lineno}"
            yield from ((place, each) for each in _sentences(text))


def main() -> int:
    """Print the sentences."""
    chance = random.Random(sys.argv[1])  # noqa: S311 - a sample, not a secret
    sources = {
        "page": list(_pages()),
        "docstring": list(_strings(docstrings=True)),
        "message": list(_strings(docstrings=False)),
    }
    for kind, share in SHARES.items():
        for place, sentence in chance.sample(sources[kind], share):
            print(f"{place}: {sentence}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
