"""``frontpay demo``: an end-to-end demo against a temporary sandbox, with the extra ``sandbox``."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, PlainCommand, Seconds, extra
from frontpay_async.cli.output import clean

if TYPE_CHECKING:
    from frontpay_async.cli.output import Output


class _Aloud(io.TextIOBase):
    """An output that continues when standard output is closed."""

    def __init__(self, output: Output, stream: TextIO | None) -> None:
        self._output, self._stream = output, stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            try:
                self._stream.write(clean(text, keep="\n\t"))
                self._stream.flush()
            except OSError as error:
                self._output.lose(self._stream, error)
                self._stream = None
        return len(text)


@click.command(cls=PlainCommand)
@click.option(
    "--cardholder-after",
    type=Seconds(or_none=True),
    default=2.0,
    metavar="SECONDS",
    show_default=True,
    help="The time that the simulated cardholder takes.",
)
@click.pass_obj
def demo(command: CommandContext, *, cardholder_after: float) -> int:
    """Run every kind of order against a temporary sandbox, over real sockets."""
    with extra("sandbox", "starlette", "uvicorn"):
        from frontpay_async.sandbox.demo import main
    output = command.output
    if not (output.as_json or output.quiet):
        with contextlib.redirect_stdout(_Aloud(output, sys.stdout)):
            return main(["--cardholder-after", str(cardholder_after)])
    story = io.StringIO()
    with contextlib.redirect_stdout(story):
        status = main(["--cardholder-after", str(cardholder_after)])
    told = story.getvalue()
    if status != Exit.OK:
        output.block(told.rstrip("\n"))
    if output.as_json:
        output.result({"held": status == Exit.OK})
    return status
