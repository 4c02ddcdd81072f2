"""The check of links finds what is broken, and finds nothing in the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs._ext.links import anchors, broken, links

ROOT = Path(__file__).parents[2]


def test_no_link_of_the_project_leads_nowhere() -> None:
    """README, CHANGELOG, SECURITY, the pages and the results of benchmarks."""
    assert list(broken(ROOT)) == []


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# A page\n\n## What is `left`?\n\n## What is left\n", "utf-8")
    (tmp_path / "code.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "[page](docs/page.md)",
        "[heading](docs/page.md#a-page)",
        "[code in a heading](docs/page.md#what-is-left)",
        "[the second of a name](docs/page.md#what-is-left-1)",
        "[here](#here)\n\n# Here",
        "[file](code.py)",
        "![picture](docs/page.md)",
        "[out](https://example.com/a_(b)?c#d)",
        "<https://example.com>",
        "`[code](nowhere.md)`",
        "```\n[code](nowhere.md)\n```",
        '[titled](code.py "A title")',
    ],
)
def test_a_link_that_leads_somewhere(project: Path, text: str) -> None:
    (project / "README.md").write_text(text, "utf-8")
    assert list(broken(project)) == []


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("[page](docs/pages.md)", "no such file"),
        ("[heading](docs/page.md#page)", "no such heading"),
        ("[here](#there)\n\n# Here", "no such heading"),
        ("[`code`](codes.py)", "no such file"),
        ("![picture](docs/page.png)", "no such file"),
        ('<img src="docs/page.png">', "no such file"),
        ("[outside](../secret.md)", "no such file"),
        ("[defined][1]\n\n[1]: nowhere.md", "no such file"),
        ("[plain](http://example.com)", "https"),
        ("<http://example.com>", "https"),
        ("[no host](https:///path)", "https"),
        ("[no name](https://example)", "https"),
        ("[credentials](https://me@example.com)", "https"),
        ("[script](javascript:alert)", "https"),
    ],
)
def test_a_link_that_leads_nowhere(project: Path, text: str, flaw: str) -> None:
    """It is named with its file, and with what is wrong."""
    (project / "README.md").write_text(text, "utf-8")
    (sentence,) = broken(project)
    assert sentence.startswith("README.md: ")
    assert flaw in sentence


def test_links_and_anchors_of_a_text() -> None:
    """Both are taken from the prose, not from code."""
    text = "# One\n\n[a](b.md) and [c](d.md#e)\n\n```sh\n# Two\n[f](g.md)\n```\n"
    assert links(text) == ["b.md", "d.md#e"]
    assert anchors(text) == {"one"}
