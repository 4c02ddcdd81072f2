"""``frontpay demo`` and ``frontpay sandbox``: what runs on this machine alone, with the extra ``sandbox``."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import webbrowser
from threading import Thread
from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, PlainCommand, Seconds, extra

if TYPE_CHECKING:
    from frontpay_async.cli.output import Output

_LAST_PORT = 65535


class _Aloud(io.TextIOBase):
    """Write to standard output, and go on where that is not possible any more."""

    def __init__(self, output: Output, stream: TextIO | None) -> None:
        self._output, self._stream = output, stream

    def write(self, text: str) -> int:
        if self._stream is not None:
            try:
                self._stream.write(text)
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
    help="How long the simulated cardholder takes.",
)
@click.pass_obj
def demo(command: CommandContext, *, cardholder_after: float) -> int:
    """Run the main job against a sandbox of its own, over real sockets."""
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
        sys.stderr.write(told)
    if output.as_json:
        output.result({"held": status == Exit.OK})
    return status


@click.command(cls=PlainCommand)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, _LAST_PORT),
    default=8123,
    show_default=True,
    help="The port; 0 takes a free one.",
)
@click.option("--rate-limit", type=click.IntRange(min=0), default=240, show_default=True, help="0 for none.")
@click.option(
    "--cardholder",
    type=click.Choice(["pays", "declines", "waits"]),
    default="pays",
    show_default=True,
    help="What happens at the terminals.",
)
@click.option(
    "--cardholder-after",
    type=Seconds(or_none=True),
    default=1.0,
    metavar="SECONDS",
    show_default=True,
    help="How long the cardholder takes.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND[:SECONDS][@OPERATION][xTIMES]",
    help="A fault on demand, such as 510-after@orders.send_invoicex2.",
)
@click.option(
    "--callback-host",
    "callback_hosts",
    multiple=True,
    metavar="HOST",
    help="A host beside this machine that callbacks may be sent to.",
)
@click.option(
    "--page-host",
    "page_hosts",
    multiple=True,
    metavar="HOST",
    help="A name beside this machine's by which the page is reached.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser, to decide at the terminals.")
@click.pass_obj
def sandbox(
    command: CommandContext,
    *,
    host: str,
    port: int,
    rate_limit: int,
    cardholder: str,
    cardholder_after: float,
    faults: tuple[str, ...],
    callback_hosts: tuple[str, ...],
    page_hosts: tuple[str, ...],
    opens: bool,
) -> int:
    """Run the sandbox until Ctrl-C, and print its URL. With a page on which a person is the cardholder.

    It takes the token in FRONTPAY_SANDBOX_TOKEN, and signs callbacks with the secret in
    FRONTPAY_SANDBOX_CALLBACK_SECRET; each has a default.
    """
    with extra("sandbox", "starlette", "uvicorn"):
        from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, DEFAULT_TOKEN, Cardholder, Sandbox
        from frontpay_async.sandbox.app import BASE_PATH
        from frontpay_async.sandbox.faults import read_fault
        from frontpay_async.sandbox.server import base_url, bind, run
    own_token = os.environ.get("FRONTPAY_SANDBOX_TOKEN")
    simulated = Sandbox(
        tokens=(own_token or DEFAULT_TOKEN,),
        rate_limit=rate_limit or None,
        cardholder=Cardholder(
            after=None if cardholder == "waits" else cardholder_after, pays=cardholder != "declines"
        ),
        callback_secret=os.environ.get("FRONTPAY_SANDBOX_CALLBACK_SECRET") or DEFAULT_CALLBACK_SECRET,
        callback_hosts=callback_hosts,
        page_hosts=page_hosts,
    )
    try:
        for text in faults:
            simulated.faults.add(read_fault(text))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        listener = bind(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    url = base_url(listener)
    page = url.removesuffix(BASE_PATH) + "/"
    output = command.output

    def ready() -> None:
        if output.as_json:
            output.result({"base_url": url, "page": page})
        else:
            output.text(url)
        # The default opens nothing but the sandbox; one of your own is not shown.
        token = "(yours)" if own_token else DEFAULT_TOKEN
        output.note(f"FRONTPAY_BASE_URL={url} FRONTPAY_TOKEN={token}")
        output.note(f"the page: {page}; Ctrl-C stops it")
        if opens:
            # A browser on the text terminal runs until it is left.
            Thread(target=_open, args=(output, page), daemon=True).start()

    with contextlib.suppress(KeyboardInterrupt):
        run(simulated.app, listener, ready, simulated.callback_sender.run)
    return Exit.OK


def _open(output: Output, page: str) -> None:
    if not webbrowser.open(page):
        output.tell(f"no browser could be started: open {page} yourself")
