"""The map of the package names files that exist, and the layers that are enforced."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_architecture import LAYERS, PACKAGE

PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
TREE = PAGE.split("## The tree")[1].split("## ")[0]


def test_every_file_on_the_map_exists() -> None:
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", PAGE.split("## The life of a call")[1])
    ours = [name for name in named if not name.startswith(("frontpay_async/", "tests/"))]
    assert len(ours) > 30
    assert [name for name in ours if not (PACKAGE / name).exists()] == []


def test_every_file_of_a_folder_on_the_map_exists() -> None:
    rows = re.findall(r"^\| `(\w+)/` \| (.*) \|$", TREE, re.MULTILINE)
    missing = [
        f"{folder}/{name}"
        for folder, words in rows
        for name in re.findall(r"`([a-z_]+\.(?:py|lua))`", words)
        if not (PACKAGE / folder / name).is_file()
    ]
    assert missing == []
    folders = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert folders == {folder for folder, _ in rows}


def test_the_layers_on_the_page_are_those_of_the_test() -> None:
    table = re.findall(r"^\| (\d+) \| (.*) \|$", PAGE, re.MULTILINE)
    shown = [set(re.findall(r"`(\w+)`", words)) for _, words in reversed(table)]
    assert shown == [set(layer) - {"_version"} for layer in LAYERS]
