"""The output of commands: results on standard output, everything else on standard error.

On a terminal, results are tables. Otherwise they are lines for programs: ``name: value``, or a tab-separated
row per line. With ``--json``, each result or error is one object on one line.

*Invariant*: text from outside (the API, a file, an argument, names as well as values) cannot control the
terminal or forge a line: ``clean`` escapes unprintable characters. It is applied to each cell, message and
question, and again to everything written, where only our own tabs and line breaks remain.

A result for a closed pipe is dropped, and the exit status still states what
happened; a result that cannot be written is reported.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, TextIO

from attrs import define, field

from frontpay_async._protocol.to_dict import plain
from frontpay_async.cli.exit_codes import Exit, exit_of, money_of, next_step
from frontpay_async.cli.serialise import flat
from frontpay_async.errors import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import click
    from rich.console import Console

    from frontpay_async._protocol.to_dict import Plain
    from frontpay_async.errors import FrontPayError

_COLOURS = {
    "PAID": "green",
    "REFUNDED": "green",
    "ok": "green",
    "CANCELLED": "red",
    "EXPIRED": "red",
    "REJECTED": "red",
    "done": "green",
    "unknown": "yellow",
    "parked": "yellow",
    "failed": "red",
    "SENT": "yellow",
}
_OWN = "\n\t"
_LONGEST_ID = 60


def clean(text: str, *, keep: str = "") -> str:
    """Return text with control, format and unpaired surrogate characters escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else ascii(each)[1:-1] for each in text)


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number and its noun, such as ``1 order``; the plural has an s unless it is given."""
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def clock(seconds: float) -> str:
    """Return a duration for display, such as ``2:31`` or ``1:02:31``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def console_of(stream: TextIO) -> Console:
    """Return a rich console that prints text unchanged; it obeys NO_COLOR and TERM."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


@define(eq=False)
class Output:
    """The output of results, notes and errors.

    Args:
        as_json: Whether to print one object per line.
        quiet: Whether to suppress notes and progress.
    """

    as_json: bool = False
    quiet: bool = False
    _unwritten: OSError | None = field(init=False, default=None)

    def result(
        self, value: object, *, table: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    ) -> None:
        """Print one result."""
        shown = plain(value)
        if self.as_json:
            self._line(json.dumps(shown))
        elif table is not None and _is_terminal(sys.stdout):
            columns, rows = table
            self._table(rows, columns)
        else:
            self._pairs(list(flat(shown)))

    def rows(self, values: Iterable[object], columns: Sequence[str]) -> None:
        """Print a list of results."""
        shown = [plain(value) for value in values]
        if self.as_json:
            for each in shown:
                self._line(json.dumps(each))
            return
        cells = [[_cell(row, name) for name in columns] for row in shown]
        if _is_terminal(sys.stdout):
            self._table(cells, columns)
        else:
            for row in cells:
                self._line("\t".join(row))

    def text(self, text: str) -> None:
        """Print text that is the result itself, such as a script."""
        self._line(text)

    def note(self, text: str) -> None:
        """Print a note; not with ``--quiet``."""
        if not self.quiet:
            self.tell(text)

    def tell(self, text: str) -> None:
        """Print an important message."""
        _say(clean(text))

    def error(self, error: FrontPayError, *, money: str | None = None, step: str | None = None) -> Exit:
        """Print the error, whether money moved and the next step; return the exit status."""
        status = exit_of(error)
        money, step = money or money_of(error), step or next_step(error)
        if self.as_json:
            said: dict[str, Plain] = {
                "error": type(error).__name__,
                "outcome": error.outcome.value,
                "operation": error.operation,
                "order_uuid": error.order_uuid,
                "message": str(error),
                "money": money,
                "next": step,
                "exit_status": int(status),
            }
            _say(json.dumps(said))
        else:
            lines = (f"error: {error}", f"money: {money}", f"next:  {step}")
            _say("\n".join(map(clean, lines)))
        return status

    def wrong_usage(self, error: click.ClickException) -> int:
        """Print a usage error; return the exit status."""
        if self.as_json:
            said: dict[str, Plain] = {
                "error": type(error).__name__,
                "outcome": Outcome.NOT_SENT.value,
                "operation": None,
                "order_uuid": None,
                "message": error.format_message(),
                "money": "None moved: nothing was done.",
                "next": "Correct the command, then run it again.",
                "exit_status": error.exit_code,
            }
            _say(json.dumps(said))
            return error.exit_code
        told = io.StringIO()
        error.show(told)
        message = error.format_message()
        _say(told.getvalue().rstrip("\n").replace(message, clean(message)))
        return error.exit_code

    def crash(self) -> None:
        """Print the traceback of the exception that is being handled."""
        error = sys.exception()
        parts = [] if error is None else traceback.format_exception(error)
        # A frame has several lines; a message may contain line breaks from outside.
        own = ("  File ", "Traceback ", "\n")
        _say(
            "\n".join(
                each.rstrip("\n") if each.startswith(own) else clean(each.rstrip("\n")) for each in parts
            )
        )

    def block(self, text: str) -> None:
        """Print lines on standard error, even with ``--quiet``."""
        _say(text)

    def finish(self, status: int) -> int:
        """Flush; return the exit status, which is FAILED if a successful result could not be written."""
        self._write("")
        if self._unwritten is None:
            return status
        self.tell(f"error: the result could not be written ({self._unwritten.strerror}).")
        self.tell(f"Otherwise the exit status would have been {status}.")
        return status or Exit.FAILED

    def _pairs(self, pairs: list[tuple[str, str]]) -> None:
        if not _is_terminal(sys.stdout):
            for name, value in pairs:
                self._line(f"{clean(name)}: {clean(value)}")
            return
        self._table(pairs, ("", ""), header=False)

    def _table(self, cells: Sequence[Sequence[str]], columns: Sequence[str], *, header: bool = True) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=header, pad_edge=False)
        rows = [[_cut(clean(first)), *map(clean, others)] for first, *others in cells]
        # Ids and names stay on one line, because a wrapped line would look like a new row.
        for index, name in enumerate(columns):
            no_wrap, style = (False, "") if index else (True, "bold")
            table.add_column(name, overflow="fold", no_wrap=no_wrap, style=style)
        for row in rows:
            table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
        console = console_of(sys.stdout)
        with console.capture() as captured:
            console.print(table)
        self._write(captured.get())

    def _line(self, text: str) -> None:
        self._write(f"{clean(text, keep=_OWN)}\n")

    def _write(self, text: str) -> None:
        stream: TextIO | None = sys.stdout
        if stream is None:
            # Standard output was closed by the parent process.
            return
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            self.lose(stream, error)

    def lose(self, stream: TextIO, error: OSError) -> None:
        """Stop writing results, because a closed pipe is not an error."""
        if not isinstance(error, BrokenPipeError):
            self._unwritten = error
        _discard(stream)


def _say(text: str) -> None:
    """Write to standard error; if it is closed, the command continues."""
    # A payment is still watched and cancelled if standard error is closed. The progress display replaces the
    # stream by one that writes above the bar.
    stream: TextIO | None = sys.stderr
    if stream is None:
        return
    try:
        stream.write(f"{clean(text, keep=_OWN)}\n")
        stream.flush()
    except OSError:
        if sys.__stderr__ is not None:
            _discard(sys.__stderr__)


def _discard(stream: TextIO) -> None:
    """Discard further output, including Python's final flush."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_ID else f"{text[: _LONGEST_ID - 1]}…"


def _cell(row: Plain, name: str) -> str:
    value = row.get(name) if isinstance(row, dict) else row
    return "" if value is None else clean(str(value))
