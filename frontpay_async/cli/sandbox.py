"""``frontpay sandbox``: ``python3 -m frontpay_async.sandbox`` as a command, with the extra ``sandbox``."""

from __future__ import annotations

from typing import Any

import click

from frontpay_async.cli.options import CommandContext, PlainCommand, extra

with extra("sandbox", "starlette", "uvicorn"):
    from frontpay_async.sandbox.command import HELP, Printer, options, serve


@click.command(cls=PlainCommand, help=HELP, params=options())
@click.pass_obj
def sandbox(command: CommandContext, /, **given: Any) -> None:
    """Run the sandbox until Ctrl-C, and print its base URL."""
    output = command.output

    def result(url: str, page: str) -> None:
        if output.as_json:
            output.result({"base_url": url, "page": page})
        else:
            output.text(url)

    serve(given, Printer(result, note=output.note, warn=output.tell))
