"""Take the screenshots of the command: ``python -m docs.command_screenshots``.

The real command runs on a pseudo-terminal against a real sandbox. A terminal emulator reads its output, and
the final screen is drawn as SVG, for a wide and for a narrow terminal. The orders are made up.
"""

from __future__ import annotations

import asyncio
import csv
import re
import shlex
import sys
import tempfile
from html import escape
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support.command import on_terminal, order_json, settings

if TYPE_CHECKING:
    from tests.support.command import Screen

HERE = Path(__file__).parent
COLUMNS, LINES = {".svg": 92, ".phone.svg": 56}, 90
ORDERS = 24
HEXADECIMAL = re.compile("[0-9a-f]{6}")
# Rich's template, without its web font.
FORM = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>WORDS</title>
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, "DejaVu Sans", sans-serif }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def _style(character: pyte.screens.Char) -> Style:
    def colour(name: str) -> str | None:
        if name == "default":
            return None
        # pyte writes brown for yellow, and a colour beyond the sixteen as six digits.
        plain = name.replace("brown", "yellow").replace("bright", "bright_")
        return f"#{plain}" if HEXADECIMAL.fullmatch(plain) else plain

    return Style(
        color=colour(character.fg),
        bgcolor=colour(character.bg),
        bold=character.bold,
        italic=character.italics,
        underline=character.underscore,
        reverse=character.reverse,
    )


def shown(written: str, columns: int) -> Text:
    """Return the final screen, without the empty lines at its end."""
    screen = pyte.Screen(columns, LINES)
    pyte.Stream(screen).feed(written)
    lines: list[Text] = []
    for row in range(LINES):
        line = Text()
        characters = (screen.buffer[row][column] for column in range(columns))
        for style, alike in groupby(characters, key=_style):
            line.append("".join(character.data for character in alike), style)
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return Text("\n").join(lines)


def shoot(name: str, form: str, command: tuple[str, ...], written: str) -> None:
    """Draw the output of a command."""
    columns = COLUMNS[form]
    console = Console(record=True, width=columns, file=open("/dev/null", "w"), force_terminal=True)  # noqa: PTH123, SIM115
    typed = f"frontpay {shlex.join(command)}"
    console.print(Text.assemble(("$ ", "dim"), (typed, "bold")), shown(written, columns), sep="\n")
    title = " ".join(typed.split()[:3]) if command[0] != "demo" else typed
    path = HERE / f"{name}{form}"
    words = (
        escape(f"{title}: {shown(written, columns).plain.splitlines()[0]}")
        .replace("{", "{{")
        .replace("}", "}}")
    )
    drawn = console.export_svg(title=title, code_format=FORM.replace("WORDS", words), unique_id="frontpay")
    path.write_text("\n".join(filter(None, map(str.strip, drawn.splitlines()))) + "\n", encoding="utf-8")
    print(f"{path.name}: {path.stat().st_size // 1024} KB")


def _variables(form: str, base_url: str | None = None) -> dict[str, str]:
    return settings(base_url, TERM="xterm-256color", COLUMNS=str(COLUMNS[form]), LINES=str(LINES))


async def _demo(form: str) -> None:
    async with on_terminal("demo", env=_variables(form)) as screen:
        await _succeeded(screen)
        shoot("cli-demo", form, ("demo",), screen.shown)


async def _succeeded(screen: Screen) -> None:
    """Wait for the command to end, and read the rest of its output."""
    status, before = await screen.ended(), None
    while before != screen.shown:
        before = screen.shown
        await asyncio.sleep(0.2)
    if status != 0:
        raise RuntimeError(screen.shown)


async def _pay(form: str, base_url: str, folder: Path) -> None:
    (folder / "order.json").write_text(order_json(), encoding="utf-8")
    command = ("terminals", "pay", "order.json", "--yes")
    arguments = (*command[:2], str(folder / "order.json"), *command[3:])
    async with on_terminal(*arguments, env=_variables(form, base_url)) as screen:
        await screen.until("SENT")
        await asyncio.sleep(2.5)  # as long as a cardholder takes to find the card
        shoot("cli-pay", form, command, screen.shown)


async def _send(form: str, base_url: str, folder: Path) -> None:
    first, *records = csv.reader((HERE / "batch-files" / "invoices.csv").read_text("utf-8").splitlines())
    invoice = next(record for record in records if record[1] == "invoice")
    with (folder / "invoices.csv").open("w", encoding="utf-8", newline="") as file:
        written = csv.writer(file)
        written.writerow(first)
        written.writerows([str(1001 + number), *invoice[1:]] for number in range(ORDERS))
    command = ("invoices", "send", "invoices.csv", "--journal", "invoices.db", "--name", "2026-12", "--yes")
    arguments = [str(folder / each) if each in ("invoices.csv", "invoices.db") else each for each in command]
    async with on_terminal(*arguments, env=_variables(form, base_url)) as screen:
        await _succeeded(screen)
        shoot("cli-send", form, command, screen.shown)


async def main() -> int:
    """Take all of them."""
    for form in COLUMNS:
        sandbox = Sandbox(cardholder=Cardholder(after=None))
        with tempfile.TemporaryDirectory() as folder:
            async with sandbox.serve() as base_url:
                await _pay(form, base_url, Path(folder))
                await _send(form, base_url, Path(folder))
        await _demo(form)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
