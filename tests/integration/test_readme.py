"""The README's code is run as it stands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(
    r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
)


def test_there_are_examples() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("code", BLOCKS, ids=["terminal order", "outcomes", "priorities", "your tests"])
def test_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A reader who copies a block gets what its comments promise."""
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own README
    promised = re.search(r"print\(created\.order_uuid, status\)  # (.*)", code)
    if promised:
        assert capsys.readouterr().out.strip() == promised[1]


def test_the_demo_command_is_what_the_readme_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for session in ("demo", "tests"):
        assert f"python3 -m pip install nox && python3 -m nox -s {session}\n" in text
