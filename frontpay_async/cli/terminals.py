"""``frontpay terminals``: list card terminals, and take payments."""

from __future__ import annotations

import contextlib
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async.cli.bodies import body_argument, read_text, strict_totals_option
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand, Seconds
from frontpay_async.cli.output import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from frontpay_async.cli.output import Output
    from frontpay_async.cli.payments import TakenPayment
    from frontpay_async.client import FrontPayClient

_WAIT = 300.0


@click.group()
def terminals() -> None:
    """List card terminals, and take payments on them."""


@terminals.command("list", cls=LookingCommand)
@click.argument("organization_uuid", metavar="[ORGANIZATION]", envvar="FRONTPAY_ORGANIZATION", required=False)
@click.pass_obj
def list_(command: CommandContext, organization_uuid: str | None) -> None:
    """List an organisation's active terminals.

    ORGANIZATION defaults to FRONTPAY_ORGANIZATION.
    """
    if organization_uuid is None:
        raise click.UsageError("pass the ORGANIZATION, or set FRONTPAY_ORGANIZATION")
    found = command.call(lambda client: client.terminals.list(organization_uuid))
    if not found:
        raise click.ClickException(f"{organization_uuid} has no active terminal; check the organisation's id")
    command.output.rows(found, ("uuid", "name", "status"))
    command.output.note(counted(len(found), "terminal"))


@terminals.command(cls=MoneyCommand)
@body_argument("order")
@click.option("--terminal", "terminal_uuid", metavar="TERMINAL", help="The terminal. Defaults to the file's.")
@click.option(
    "--wait",
    type=Seconds(),
    default=_WAIT,
    metavar="SECONDS",
    show_default=True,
    help="The cardholder's time limit.",
)
@strict_totals_option
@click.pass_obj
def pay(
    command: CommandContext, order: TextIO, *, terminal_uuid: str | None, wait: float, strict_totals: bool
) -> int:
    """Take a payment: send the ORDER (a JSON file; - for standard input) to a terminal, and watch it.

    Ctrl-C cancels the payment, and reports if it was already paid.
    """
    from frontpay_async.order_files.json_objects import read_terminal_order

    text = read_text(order)
    command.strict_totals = strict_totals
    value = read_terminal_order(
        text, terminal_uuid=terminal_uuid, today=datetime.now(UTC), strict_totals=strict_totals
    )
    amount = value.summary.grand_total
    if not command.confirm(lambda: f"Take {amount:.2f} on terminal {value.terminal_uuid}?"):
        return Exit.NOT_SENT
    output = command.output

    async def work(client: FrontPayClient) -> TakenPayment:
        from frontpay_async.cli.payments import stop_on_signals, take_payment

        with stop_on_signals() as stop, _live(output, f"{amount:.2f} on {value.terminal_uuid}", wait) as tell:
            return await take_payment(client, value, wait=wait, stop=stop, tell=tell)

    taken = command.call(work)
    output.result(taken)
    return _conclude(output, taken)


def _conclude(output: Output, taken: TakenPayment) -> int:
    paid = taken.payment_status == "PAID"
    if taken.stopped and paid:
        output.tell(
            f"It was paid before it could be cancelled: {taken.amount:.2f} was charged."
            f" To refund it: frontpay orders refund {taken.order_uuid} --terminal --all"
        )
    elif not paid:
        output.note(f"The payment is {taken.payment_status}: no money moved.")
    return Exit.OK if paid else Exit.FAILED


@contextlib.contextmanager
def _live(output: Output, title: str, wait: float) -> Generator[Callable[[str], object]]:
    """Show the progress: with a running clock on a terminal, otherwise line by line."""
    from frontpay_async.cli.output import clean, clock, console_of

    console = console_of(sys.stderr)
    if output.quiet or not console.is_terminal or console.is_dumb_terminal:
        yield output.note
        return
    from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Elapsed(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{clock(task.elapsed or 0.0)} of {clock(wait)}", style="cyan")

    # On a narrow terminal the text is wrapped, not cut.
    said = TextColumn("{task.description}", markup=False, table_column=Column(overflow="fold"))
    with Progress(SpinnerColumn(), Elapsed(), said, console=console, transient=True) as progress:
        task = progress.add_task(f"{clean(title)}. Ctrl-C cancels", total=None)

        def tell(text: str) -> None:
            output.note(text)
            hint = "Ctrl-C gives up" if text.startswith("stopping") else "Ctrl-C cancels"
            progress.update(task, description=f"{clean(title)}: {clean(text)}. {hint}")

        yield tell
