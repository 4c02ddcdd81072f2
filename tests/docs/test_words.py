"""The project's prose keeps to the words of its field.

Checked are the Markdown pages without their code, and the docstrings, comments and strings of the package.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Each word, and what to write instead.
WORDS = {
    r"manyeth": "ordinal",
    r"shall": "must, will",
    r"anew": "again",
    r"mend(?:s|ed|ing)?": "fix, correct",
    r"(?:is|was|are|were|been|be) told(?! apart)": "is reported, receives",
    r"tells": "shows, states, reports",
    r"in hand": "leased",
    r"looked for": "searched for, reconciled",
    r"the books": "accounting",
    r"the till": "point of sale, interactive traffic",
    r"strangers?": "unrelated order, other program",
    r"(?:bad )?weather": "faults",
    r"twins?": "identical order",
    r"speaks of": "is about",
    r"whoever": "a noun",
    r"somebody": "a noun",
    r"nobody": "a noun",
    r"everybody": "all",
    r"anybody": "anyone",
    r"(?<!there )is no(?= (?!longer)\w)": "is not a",
    r"must hold": "must pass",
    r"unless given": "Defaults to",
    r"(?:came|comes|become|became) of": "the result",
    r"spoken for": "reserved",
    r"tak(?:es?|en) along": "includes, stores",
    r"vouch(?:es|ed)?": "verify",
    r"wholly": "fully",
    r"what stands": "a noun",
    r"files? of JSON": "JSON file",
}
FORBIDDEN = re.compile("|".join(rf"\b(?:{word})(?!\w)" for word in WORDS), re.IGNORECASE)
FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?^[ \t]*\1`*[ \t]*$", re.MULTILINE | re.DOTALL)
PAGES = [
    ROOT / "README.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in path.parts),
]
MODULES = sorted((ROOT / "frontpay_async").rglob("*.py"))


def prose_of(source: str) -> list[str]:
    """Return the comments and strings of a module, the docstrings among them."""
    found = [
        token.string
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type in {tokenize.COMMENT, tokenize.STRING}
    ]
    if not hasattr(tokenize, "FSTRING_MIDDLE"):
        return found
    # From Python 3.12 on an f-string is several tokens.
    return found + [
        part.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.JoinedStr)
        for part in node.values
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_keeps_to_the_words(path: Path) -> None:
    text = FENCE.sub("", path.read_text("utf-8"))
    assert [match[0] for match in FORBIDDEN.finditer(re.sub(r"`[^`]*`", "", text))] == []


def test_the_package_keeps_to_the_words() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {match[0]!r} in {text[max(0, match.start() - 40) : match.end() + 40]!r}"
        for path in MODULES
        for text in prose_of(path.read_text("utf-8"))
        for match in FORBIDDEN.finditer(text)
    ]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("text", ["nobody knows", "uuid is no id", "The till goes first", "Nobody"])
def test_a_forbidden_word_is_found(text: str) -> None:
    assert FORBIDDEN.search(text)
