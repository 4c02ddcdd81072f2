"""What runs the documentation's code: it finds each block, and what is wrong in one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click
import pytest

from tests.support.pages import Story, blocks, indented, promised
from tests.support.shell_lines import check_command, commands

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
```python
from asyncio import sleep

number = 2
```

- In a list:

  ```python
  await sleep(0)
  print(number, [number])  # 2 […]
  ```
"""


def tell(tmp_path: Path, text: str) -> list[int]:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    with asyncio.Runner() as runner:
        story = Story(page, runner)
        story.tell()
    return story.ran


def test_a_page_is_one_story(tmp_path: Path) -> None:
    """Its blocks share names and may await, and they are counted."""
    assert tell(tmp_path, PAGE) == [line for line, _, _ in blocks(PAGE)] == [1, 9]


@pytest.mark.parametrize(
    ("block", "error"),
    [
        ("print(1)  # 2", AssertionError),
        ("for n in range(2):\n    print(n)\n# 1\n# 0", AssertionError),
        ("print(\n    1\n)  # 1", AssertionError),
        ("undefined", NameError),
        ("client", NameError),
        ("return 1", SyntaxError),
    ],
)
def test_a_block_that_is_wrong_fails(tmp_path: Path, block: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        tell(tmp_path, f"```python\n{block}\n```\n")


def test_a_hidden_block_is_not_allowed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="hidden"):
        tell(tmp_path, "<!-- invisible-code-block: python\nnumber = 1\n-->\n")


def test_comments_behind_and_below_a_print_are_its_promise() -> None:
    code = "print(1)  # one\nx = 2  # two\n# three\nfor x in y:\n    print(x)\n# four\n# five"
    assert promised(code) == ["one", "four", "five"]


def test_fences_are_found_whatever_their_form() -> None:
    text = "~~~ python\n```sh\n~~~\n\n````text\n```python\n````\n> ```{code-block} python\n> ```\n"
    assert [(line, info) for line, info, _ in blocks(text)] == [
        (1, "python"),
        (5, "text"),
        (8, "{code-block} python"),
    ]


def test_code_that_is_only_indented_is_found() -> None:
    assert indented(PAGE + "\n- List\n\n    hidden = 1\n") == ["    hidden = 1"]


def test_lines_are_taken_apart() -> None:
    block = '$ A=1 frontpay x \\\n  --y | jq . > z\nits answer\n$ eval "$(pip list)" && cd d # why\n'
    assert list(commands(block, prompted=True)) == [
        ["A=1", "frontpay", "x", "--y"],
        ["jq", "."],
        ["pip", "list"],
        ["eval", "$(pip list)"],
        ["cd", "d"],
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("frontpay orders", AssertionError),
        ("frontpay orders pay ODR1", AssertionError),
        ("frontpay orders status", click.UsageError),
        ("frontpay orders status ODR1 --colour", click.UsageError),
        ("frontpay doctor --environment moon", click.UsageError),
        ("python3 -m frontpay_async.sandbox --cardholder dreams", click.UsageError),
        ("python3 -m nox -s nonsense", AssertionError),
        ("pip install 'frontpay_async[nonsense]'", AssertionError),
        ("export FRONTPAY_NONSENSE=1", AssertionError),
        ("FRONTPAY_NONSENSE=1 frontpay doctor", AssertionError),
        ("python nonsense.py", AssertionError),
        ("uvicorn --app-dir examples --factory nonsense:app", AssertionError),
        ("nonsense", AssertionError),
    ],
)
def test_a_line_that_is_wrong_fails(line: str, error: type[BaseException]) -> None:
    (command,) = commands(line, prompted=False)
    with pytest.raises(error):
        check_command(command, scripts=frozenset())


@pytest.mark.parametrize(
    "line",
    ["frontpay orders status ODR1 --json", "python shop.py", "FRONTPAY_TOKEN=t frontpay doctor -e demo"],
)
def test_a_line_that_is_right_passes(line: str) -> None:
    (command,) = commands(line, prompted=False)
    assert check_command(command, scripts=frozenset({"shop.py"})) == []
