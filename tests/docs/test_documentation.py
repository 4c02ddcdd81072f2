"""Every block of code in the documentation and the README is run, or checked, exactly as shown."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from anyio.from_thread import start_blocking_portal

from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support.pages import Story, blocks, indented
from tests.support.shell_lines import check_command, commands

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
SUITES = "docs/testing.md"  # its blocks are test suites: test_pytest_plugin.py runs them
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if "_build" not in path.parts
}
# Whatever else a block may be called would hide a program from the tests.
KNOWN = frozenset({"python", "sh", "console", "json", "text"})
WITH_CODE = frozenset({"{code}", "{code-block}", "{code-cell}", "{sourcecode}"})


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox over a socket, named by the environment variables; other hosts cannot be reached."""
    sandbox = Sandbox(cardholder=Cardholder(after=0.02))
    for example in (ROOT / "docs" / "batch-files").iterdir():
        shutil.copy(example, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    imported = set(sys.modules)
    monkeypatch.setenv("FRONTPAY_TOKEN", DEFAULT_TOKEN)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(sandbox.serve()) as url:
        monkeypatch.setenv("FRONTPAY_BASE_URL", url)
        yield sandbox
    for name in set(sys.modules) - imported:
        if (tmp_path / f"{name}.py").is_file():
            del sys.modules[name]


@pytest.mark.parametrize("name", [name for name in PAGES if name != SUITES])
@pytest.mark.usefixtures("served")
def test_the_python_of_a_page_runs(name: str) -> None:
    """From top to bottom, exactly as shown; it prints what it promises, and no block is skipped."""
    page = PAGES[name]
    with asyncio.Runner() as runner:
        story = Story(page, runner)
        story.tell()
    assert story.ran == [line for line, info, _ in blocks(page.read_text("utf-8")) if info == "python"]


@pytest.mark.parametrize("name", PAGES)
def test_no_program_hides_under_another_name(name: str) -> None:
    text = PAGES[name].read_text("utf-8")
    infos = [info for _, info, _ in blocks(text)]
    directives = {info for info in infos if info.startswith("{")}
    assert {info for info in infos if info not in directives} <= KNOWN
    assert {info.split()[0] for info in directives}.isdisjoint(WITH_CODE)
    assert indented(text) == []


def test_the_programs_that_pages_include_are_run_by_tests() -> None:
    included = {
        (path.parent / info.split()[1]).resolve()
        for path in PAGES.values()
        for _, info, _ in blocks(path.read_text("utf-8"))
        if info.startswith("{literalinclude}")
    }
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert included
    assert all(path.is_file() for path in included)
    assert [path.name for path in included if path.stem not in tests] == []


@pytest.mark.parametrize("name", PAGES)
def test_what_a_shell_is_told_is_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands, options, extras, sessions, variables and files."""
    monkeypatch.chdir(tmp_path)
    text = PAGES[name].read_text("utf-8")
    scripts = frozenset(re.findall(r"^# (\w+\.py)$", text, re.MULTILINE))
    for _, info, block in blocks(text):
        if info in {"sh", "console"}:
            for command in commands(block, prompted=info == "console"):
                for variable, value in check_command(command, scripts=scripts):
                    monkeypatch.setenv(variable, value)
        elif info == "json":
            assert json.loads(block)
