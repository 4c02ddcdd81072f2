"""The documentation's shell blocks, checked against what they call: options, extras, sessions, files."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from frontpay_async.cli.app import root
from frontpay_async.sandbox.__main__ import _command as sandbox_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["check_command", "commands"]

ROOT = Path(__file__).parents[2]
EXTRAS = frozenset(
    tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
)
SESSIONS = frozenset(
    node.name
    for node in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body
    if isinstance(node, ast.FunctionDef) and any("session" in ast.unparse(by) for by in node.decorator_list)
)
VARIABLES = frozenset(
    name
    for path in (ROOT / "frontpay_async").rglob("*.py")
    for name in re.findall(r"FRONTPAY_\w+", path.read_text("utf-8"))
)
# What is not ours to check.
OTHERS = frozenset({".", "cd", "curl", "eval", "git", "jq", "unset"})


def commands(block: str, *, prompted: bool) -> Iterator[list[str]]:
    """Take a block apart into simple commands; where it is prompted, only what follows ``$`` is one."""
    lines = block.replace("\\\n", " ").splitlines()
    if prompted:
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        for inner in re.findall(r"\$\((.*?)\)", line):
            yield from _simple(inner)
        yield from _simple(line)


def _simple(line: str) -> Iterator[list[str]]:
    words = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    words.whitespace_split = True
    command: list[str] = []
    redirected = False
    for word in words:
        if set(word) <= set("|&;"):
            yield command
            command = []
        elif set(word) <= set("<>"):
            redirected = True
        elif redirected:
            redirected = False
        else:
            command.append(word)
    if command:
        yield command


def check_command(command: Sequence[str], *, scripts: frozenset[str]) -> list[tuple[str, str]]:
    """Fail if a command calls something that is not there; return the variables that it exports.

    Args:
        command: Its words.
        scripts: The names of the Python files that the page has the reader write.
    """
    program, *arguments = command
    while re.fullmatch(r"[A-Z_]+=.*", program):
        _checked_variable(program)
        program, *arguments = arguments
    match program:
        case "frontpay":
            _check_frontpay(arguments)
        case "export":
            return [_checked_variable(each) for each in arguments]
        case "python" | "python3":
            _check_python(arguments, scripts)
        case "pip" | "nox":
            _check_python(["-m", program, *arguments], scripts)
        case "uvicorn":
            assert _application(arguments).is_file(), f"no such app: {arguments}"
        case _:
            assert program in OTHERS, f"not known: {program}"
    return []


def _check_python(arguments: Sequence[str], scripts: frozenset[str]) -> None:
    match arguments:
        case ["-m", "frontpay_async.sandbox", *rest]:
            sandbox_command.make_context("sandbox", rest)
        case ["-m", "pip", "install", *packages]:
            for each in packages:
                named = re.search(r"\[(.*)\]", each)
                assert not named or set(named[1].split(",")) <= EXTRAS, f"no such extra: {each}"
        case ["-m", "nox", "-s", *sessions]:
            assert set(sessions) <= SESSIONS, f"no such session: {sessions}"
        case ["-m", "asyncio"] | ["-m", "venv", _]:
            pass
        case ["-c", code]:
            compile(code, "python -c", "exec")
        case [script, *_]:
            assert script in scripts or (ROOT / script).is_file(), f"no such script: {script}"


def _application(arguments: Sequence[str]) -> Path:
    module = arguments[-1].partition(":")[0]
    folder = arguments[arguments.index("--app-dir") + 1] if "--app-dir" in arguments else "."
    return ROOT / folder / f"{module}.py"


def _checked_variable(assignment: str) -> tuple[str, str]:
    name, _, value = assignment.partition("=")
    assert not name.startswith("FRONTPAY_") or name in VARIABLES, f"nothing reads {name}"
    return name, value


def _check_frontpay(arguments: list[str]) -> None:
    """Parse as click would. A file that is named is there, empty, in the working directory."""
    for each in arguments:
        if re.fullmatch(r"[\w-]+\.(csv|json|jsonl)", each):
            Path(each).touch()
    command: click.Command = root
    context = click.Context(root, info_name="frontpay")
    while isinstance(command, click.Group):
        assert arguments, f"{context.command_path} is no whole command"
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"no such command: {context.command_path} {name}"
        command, parent = found, context
        context = click.Context(command, info_name=name, parent=parent)
    with command.make_context(context.info_name, arguments, context.parent):
        pass
