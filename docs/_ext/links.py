"""What links lead to, checked without a network.

Sphinx checks the links between its pages. This checks the rest, and the same once more as GitHub reads it: in
every Markdown file of the project a relative link leads to a file that is there, its anchor to a heading, and
any other address is a well-formed https URL, which is not fetched.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["anchors", "broken", "links", "markdown_files"]

_FOLDERS = (".github", "benchmarks/results", "docs", "examples")
_CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*\s*$|(?<!`)(`+)(?!`).+?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
_LINKS = (
    re.compile(r"\]\(<?([^()\s<>]+(?:\([^()\s]*\))?)>?(?:\s+\"[^\"]*\")?\)"),
    re.compile(r"^\[[^\]]+\]:\s+<?(\S+?)>?\s*$", re.MULTILINE),
    re.compile(r"<(https?://[^>\s]+)>"),
    re.compile(r"\b(?:src|href)=\"([^\"]+)\""),
)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*\s*$", re.MULTILINE)
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}", re.IGNORECASE)


def markdown_files(root: Path) -> list[Path]:
    """Return the Markdown files of the project: those in its root, and those of the folders that have some.

    Args:
        root: The project's folder.
    """
    found = [*root.glob("*.md")]
    for folder in _FOLDERS:
        found += (root / folder).rglob("*.md")
    return sorted(path for path in found if "_build" not in path.parts)


def links(text: str) -> list[str]:
    """Return the targets of all links in a Markdown text, without those in code."""
    prose = _CODE.sub("", text)
    return [target for pattern in _LINKS for target in pattern.findall(prose)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a text's headings, as GitHub and MyST make them."""
    found: set[str] = set()
    # Headings may hold code, but code may hold no headings.
    prose = re.sub(r"^(`{3,}|~{3,}).*?^\1`*\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    for heading in _HEADING.findall(prose):
        words = re.sub(r"\]\([^)]*\)|[^\w\- ]", "", heading.lower()).replace(" ", "-")
        repeated = sum(1 for each in found if re.fullmatch(rf"{re.escape(words)}(-\d+)?", each))
        found.add(f"{words}-{repeated}" if repeated else words)
    return found


def broken(root: Path) -> Iterator[str]:
    """Yield a sentence for each link that leads nowhere.

    Args:
        root: The project's folder.
    """
    for path in markdown_files(root):
        for target in links(path.read_text(encoding="utf-8")):
            flaw = _flaw(root, path, target)
            if flaw is not None:
                yield f"{path.relative_to(root)}: {target}: {flaw}"


def _flaw(root: Path, path: Path, target: str) -> str | None:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        well_formed = (
            parts.scheme == "https" and _HOST.fullmatch(parts.hostname or "") and parts.username is None
        )
        return None if well_formed else "not a well-formed https URL"
    file = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    if not file.is_relative_to(root) or not file.exists():
        return "there is no such file in the project"
    if (
        parts.fragment
        and file.suffix == ".md"
        and parts.fragment not in anchors(file.read_text(encoding="utf-8"))
    ):
        return "there is no such heading"
    return None
