"""``frontpay orders``: show, cancel, charge and refund orders."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from frontpay_async._protocol import operations
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand
from frontpay_async.cli.output import clean, counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.operations import Operation
    from frontpay_async.client import FrontPayClient
    from frontpay_async.models.orders import OrderStatusReport, RefundLine


@click.group()
def orders() -> None:
    """Show, cancel, charge and refund orders."""


_LINE = re.compile(r"\d{1,18}=\d{1,15}(?:\.\d{1,4})?", re.ASCII)
_ORDER = click.argument("order_uuid", metavar="ORDER")
_ON_TERMINAL = click.option("--terminal", is_flag=True, help="The order was paid, or waits, on a terminal.")


@orders.command(cls=LookingCommand)
@_ORDER
@click.pass_obj
def status(command: CommandContext, order_uuid: str) -> None:
    """Show an order's status and amounts."""
    command.output.result(command.call(lambda client: client.orders.get_status(order_uuid)))


@orders.command(cls=LookingCommand)
@_ORDER
@click.pass_obj
def details(command: CommandContext, order_uuid: str) -> None:
    """Show an order in detail; personal data is masked."""
    command.output.result(command.call(lambda client: client.orders.get_details(order_uuid)))


def _statuses(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from frontpay_async.resources.orders import FILTERS

    return [CompletionItem(each.value) for each in FILTERS if each.startswith(incomplete.upper())]


@orders.command("list", cls=LookingCommand)
@click.option("--status", shell_complete=_statuses, help="Only orders with this status, such as PAID.")
@click.pass_obj
def list_(command: CommandContext, status: str | None) -> None:
    """List the account's orders with their status."""
    found = command.call(lambda client: client.orders.list_statuses(status=status))
    command.output.rows(found, ("order_uuid", "status"))
    command.output.note(counted(len(found), "order"))


@orders.command("invoice-number", cls=LookingCommand)
@_ORDER
@click.pass_obj
def invoice_number(command: CommandContext, order_uuid: str) -> None:
    """Show an invoiced order's invoice number."""
    command.output.result(command.call(lambda client: client.orders.get_invoice_number(order_uuid)))


@orders.command(cls=MoneyCommand)
@_ORDER
@_ON_TERMINAL
@click.option("--note", help="The reason; required by the API, except for a payment on a terminal.")
@click.pass_obj
def cancel(command: CommandContext, order_uuid: str, *, terminal: bool, note: str | None) -> int:
    """Cancel an order, or a payment that waits on a terminal."""
    if terminal:
        return _change(
            command,
            order_uuid,
            "Cancel the payment of",
            operations.CANCEL_TERMINAL_PAYMENT,
            lambda client: client.terminals.cancel_payment(order_uuid),
        )
    if not note:
        raise click.UsageError("the API requires a note: pass --note, or --terminal for a terminal payment")
    return _change(
        command,
        order_uuid,
        "Cancel",
        operations.CANCEL_ORDER,
        lambda client: client.orders.cancel(order_uuid, note=note),
    )


@orders.command(cls=MoneyCommand)
@_ORDER
@click.pass_obj
def charge(command: CommandContext, order_uuid: str) -> int:
    """Charge an order with a delayed charge."""
    return _change(
        command,
        order_uuid,
        "Charge the customer for",
        operations.CHARGE_DELAYED,
        lambda client: client.orders.charge_delayed(order_uuid),
    )


@orders.command(cls=MoneyCommand, short_help="Send a link again, or show an order on its terminal again.")
@_ORDER
@_ON_TERMINAL
@click.option("--email", help="The recipient of the link.")
@click.option("--country-code", help="The country code of the phone number, such as +47.")
@click.option("--msisdn", help="The phone number without country code.")
@click.pass_obj
def resend(
    command: CommandContext,
    order_uuid: str,
    *,
    terminal: bool,
    email: str | None,
    country_code: str | None,
    msisdn: str | None,
) -> int:
    """Send a payment link again, or show an order on its terminal again."""
    if terminal:
        if email or country_code or msisdn:
            raise click.UsageError("--terminal takes no address: the order is shown on the terminal")
        return _change(
            command,
            order_uuid,
            "Show on its terminal again",
            operations.RESEND_TERMINAL_ORDER,
            lambda client: client.terminals.resend_order(order_uuid),
        )
    return _change(
        command,
        order_uuid,
        "Send the customer the link again of",
        operations.RESEND_PAYMENT_LINK,
        lambda client: client.orders.resend_payment_link(
            order_uuid, country_code=country_code, msisdn=msisdn, email=email
        ),
    )


def named_lines(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[int, Decimal], ...]:
    """Read ``ID=AMOUNT`` options."""
    if not all(map(_LINE.fullmatch, values)):
        raise click.BadParameter("a line is written as ID=AMOUNT, such as 5410=100.00", context, parameter)
    parted = [each.partition("=") for each in values]
    lines = tuple((int(line), Decimal(amount)) for line, _, amount in parted)
    if len({line for line, _ in lines}) < len(lines):
        raise click.BadParameter("each line may be passed only once", context, parameter)
    return lines


@orders.command(cls=MoneyCommand)
@_ORDER
@click.option(
    "--terminal/--no-terminal",
    default=None,
    help="Whether the order was paid on a terminal. Detected by default.",
)
@click.option(
    "--line",
    "named",
    multiple=True,
    callback=named_lines,
    metavar="ID=AMOUNT",
    help="The amount to refund on a line, by the line's id in the order's details.",
)
@click.option("--all", "everything", is_flag=True, help="Refund all lines of the order.")
@click.option("--invoiced", is_flag=True, help="The order was invoiced.")
@click.option("--reversal", is_flag=True, help="Reverse a payment on a terminal instead.")
@click.pass_obj
def refund(
    command: CommandContext,
    order_uuid: str,
    *,
    terminal: bool | None,
    named: tuple[tuple[int, Decimal], ...],
    everything: bool,
    invoiced: bool,
    reversal: bool,
) -> int:
    """Refund an order, fully or partly. The API accepts the refund, and processes it later."""
    if everything == bool(named):
        raise click.UsageError("pass what to refund: --line ID=AMOUNT, once or more, or --all")
    if reversal and terminal is False:
        raise click.UsageError("--reversal requires --terminal")
    if invoiced and (terminal or reversal):
        raise click.UsageError("--invoiced cannot be combined with --terminal or --reversal")
    from frontpay_async.models.orders import Refund, RefundLine
    from frontpay_async.models.terminals import TerminalRefund

    if everything:
        lines = _all_lines(command, order_uuid)
    else:
        lines = [RefundLine(id=line, amount=amount) for line, amount in named]
    total = sum((line.amount for line in lines), Decimal(0))
    if terminal is None:
        terminal = reversal or (not invoiced and _was_paid_on_terminal(command, order_uuid))
    if terminal:
        on_terminal = TerminalRefund(grand_total=total, lines=lines, is_reversal=reversal)
        return _change(
            command,
            order_uuid,
            f"{'Reverse' if reversal else 'Refund'} {total:.2f} on the terminal of",
            operations.REFUND_TERMINAL_ORDER,
            lambda client: client.terminals.refund(order_uuid, on_terminal),
            amount=total,
        )
    regular = Refund(grand_total=total, lines=lines, type="invoiced" if invoiced else "regular")
    return _change(
        command,
        order_uuid,
        f"Refund {total:.2f} of",
        operations.REFUND_ORDER,
        lambda client: client.orders.refund(order_uuid, regular),
        amount=total,
    )


def _was_paid_on_terminal(command: CommandContext, order_uuid: str) -> bool:
    """Query the terminal route, which does not know other orders."""
    from frontpay_async.errors import NotFoundError
    from frontpay_async.models.statuses import PaymentStatus

    async def look(client: FrontPayClient) -> PaymentStatus | None:
        try:
            return await client.terminals.get_payment_status(order_uuid)
        except NotFoundError:
            return None

    status = command.call(look)
    if status not in (None, PaymentStatus.PAID):
        raise click.UsageError(
            f"the terminal's payment is {clean(str(status))}: pass --terminal or --no-terminal to state how"
            " the order was paid"
        )
    return status is not None


def _all_lines(command: CommandContext, order_uuid: str) -> list[RefundLine]:
    from frontpay_async.models.orders import RefundLine

    products = command.call(lambda client: client.orders.get_details(order_uuid)).products
    lines = [
        RefundLine(id=each.id, amount=each.amount)
        for each in products
        if each.id is not None and each.amount is not None
    ]
    if not lines or len(lines) < len(products):
        raise click.UsageError("the API does not show the ids of this order's lines: pass them with --line")
    return lines


def _change(
    command: CommandContext,
    order_uuid: str,
    what: str,
    operation: Operation[None],
    work: Callable[[FrontPayClient], Awaitable[None]],
    *,
    amount: Decimal | None = None,
) -> int:
    """Ask for confirmation, execute, and report the result."""

    def question() -> str:
        report = command.call(lambda client: client.orders.get_status(order_uuid))
        return f"{what} order {order_uuid} ({_known(report)})?"

    if not command.confirm(question):
        return Exit.NOT_SENT
    # A new client, because the connections of the first may have become stale during the prompt.
    command.call(work)
    done = {"order_uuid": order_uuid, "operation": operation.name}
    command.output.result(done if amount is None else {**done, "amount": amount})
    return Exit.OK


def _known(report: OrderStatusReport) -> str:
    known = [str(report.status)]
    if report.order_amount is not None:
        known.append(f"amount {report.order_amount:.2f}")
    if report.refunded_amount:
        known.append(f"{report.refunded_amount:.2f} refunded so far")
    return ", ".join(known)
