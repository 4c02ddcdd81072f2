"""``frontpay callbacks``: verify callbacks, and repeat one."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TextIO
from urllib.parse import urlsplit

import click

from frontpay_async.cli.options import CommandContext, PlainCommand, Seconds, is_interactive, sandbox_option

_MAX_AGE = 300.0
# A hundred years: any callback from a log.
_ANY_AGE = 3.2e9


@click.group()
def callbacks() -> None:
    """Verify callbacks, and repeat one of the sandbox."""


@callbacks.command(cls=PlainCommand)
@click.argument("query", default="-")
@click.option("--any-age", is_flag=True, help="Accept an old callback, such as one from a log.")
@click.option(
    "--max-age",
    type=Seconds(),
    default=_MAX_AGE,
    metavar="SECONDS",
    show_default=True,
    help="The maximum age.",
)
@click.pass_obj
def verify(command: CommandContext, query: str, *, any_age: bool, max_age: float) -> None:
    """Verify a callback with the secret, and show its content.

    QUERY is its query string or whole URL; defaults to standard input. The secret comes from
    FRONTPAY_CALLBACK_SECRET, or from a prompt. A terminal callback needs the token of sign_callback_url.
    """
    from frontpay_async.callbacks import CallbackGuard

    text = (_standard_input() if query == "-" else query).strip()
    if "://" in text:
        try:
            text = urlsplit(text).query
        except ValueError:
            raise click.UsageError("the callback's URL cannot be read") from None
    if not text:
        raise click.UsageError("the query is empty")
    guard = CallbackGuard(_secret(), max_age=_ANY_AGE if any_age else max_age)
    callback = asyncio.run(guard.check(text))
    command.output.result(callback)
    command.output.note("genuine; ask the API for the order's status before you deliver")


@callbacks.command(cls=PlainCommand)
@click.argument("order_uuid", metavar="ORDER")
@sandbox_option
@click.pass_obj
def resend(command: CommandContext, order_uuid: str, *, sandbox: str) -> None:
    """Make the sandbox repeat the last callback of an ORDER, unchanged."""
    from frontpay_async.cli import listen

    sent = asyncio.run(listen.resend(sandbox, order_uuid))
    if sent is not None and sent["status"] is None:
        raise click.ClickException(f"the callback of {order_uuid} did not arrive: {sent['problem']}")
    answer = None if sent is None else sent["status"]
    command.output.result({"order_uuid": order_uuid, "resent": True, "answer": answer})


def _standard_input() -> str:
    stream: TextIO | None = sys.stdin
    return "" if stream is None else stream.read()


def _secret() -> str:
    secret = os.environ.get("FRONTPAY_CALLBACK_SECRET")
    if secret:
        return secret
    if not is_interactive():
        raise click.UsageError("no secret: set FRONTPAY_CALLBACK_SECRET")
    return str(click.prompt("Callback secret", hide_input=True, err=True))
