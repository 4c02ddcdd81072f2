"""``frontpay subscriptions``: create, show, refund and cancel subscriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async._protocol.operations import subscriptions as rows
from frontpay_async.cli.bodies import (
    body_argument,
    change,
    created,
    read_body,
    show_url_option,
    strict_totals_option,
)
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand
from frontpay_async.cli.output import counted

if TYPE_CHECKING:
    from decimal import Decimal

    from frontpay_async._protocol.operations import Operation
    from frontpay_async.client import FrontPayClient
    from frontpay_async.models.subscriptions import (
        FailedOrderEntry,
        SubscriptionEntry,
        SubscriptionOrder,
        SubscriptionSession,
    )


@click.group()
def subscriptions() -> None:
    """Create, show, refund and cancel subscriptions."""


_SUBSCRIPTION = click.argument("subscription_uuid", metavar="SUBSCRIPTION")


@subscriptions.command(cls=MoneyCommand)
@body_argument("order")
@show_url_option
@strict_totals_option
@click.pass_obj
def submit(command: CommandContext, order: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Send the customer a link to accept a subscription: ORDER is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    operation = rows.SUBMIT_SUBSCRIPTION
    value: SubscriptionOrder = read_body(operation, order, strict=strict_totals)
    return change(
        command,
        _question("Submit a subscription of", value),
        lambda client: client.subscriptions.submit(value),
        created(operation, show_url=show_url),
    )


@subscriptions.command("create-session", cls=MoneyCommand)
@body_argument("session")
@show_url_option
@strict_totals_option
@click.pass_obj
def create_session(command: CommandContext, session: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Create a subscription that is accepted on a page: SESSION is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    operation = rows.CREATE_SUBSCRIPTION_SESSION
    value: SubscriptionSession = read_body(operation, session, strict=strict_totals)
    return change(
        command,
        _question("Create a subscription session of", value),
        lambda client: client.subscriptions.create_session(value),
        created(operation, show_url=show_url),
    )


def _question(what: str, value: SubscriptionOrder) -> str:
    return f"{what} {value.repeats} times {value.payable_per_cycle:.2f}?"


@subscriptions.command(cls=LookingCommand)
@_SUBSCRIPTION
@click.pass_obj
def details(command: CommandContext, subscription_uuid: str) -> None:
    """Show a subscription and its cycles; personal data is masked."""
    command.output.result(command.call(lambda client: client.subscriptions.get_details(subscription_uuid)))


@subscriptions.command("list", cls=LookingCommand)
@click.option("--status", help="Only subscriptions with this status, such as ONGOING.")
@click.pass_obj
def list_(command: CommandContext, status: str | None) -> None:
    """List the account's subscriptions."""

    async def all_of(client: FrontPayClient) -> list[SubscriptionEntry]:
        return [each async for each in client.subscriptions.list(status=status)]

    found = command.call(all_of)
    command.output.rows(found, ("subscription_uuid", "status", "amount", "frequency"))
    command.output.note(counted(len(found), "subscription"))


@subscriptions.command(cls=LookingCommand)
@click.option("--status", help="Only cycles with this status: paid, invoiced or debtCollection.")
@click.option("--subscription", "subscription_uuid", help="Only cycles of this subscription.")
@click.pass_obj
def failed(command: CommandContext, status: str | None, subscription_uuid: str | None) -> None:
    """List the cycles whose payment failed."""

    async def all_of(client: FrontPayClient) -> list[FailedOrderEntry]:
        pages = client.subscriptions.list_failed(status=status, subscription_uuid=subscription_uuid)
        return [each async for each in pages]

    found = command.call(all_of)
    command.output.rows(found, ("order_uuid", "status", "amount", "order_date"))
    command.output.note(counted(len(found), "failed cycle"))


@subscriptions.command("failed-details", cls=LookingCommand)
@click.argument("order_uuid", metavar="ORDER")
@click.pass_obj
def failed_details(command: CommandContext, order_uuid: str) -> None:
    """Show the order of a cycle whose payment failed; personal data is masked."""
    command.output.result(command.call(lambda client: client.subscriptions.get_failed_details(order_uuid)))


def _amount(context: click.Context, parameter: click.Parameter, value: str) -> Decimal:
    from frontpay_async.order_files.assemble import read_number

    amount = read_number(value)
    if amount is None:
        raise click.BadParameter("an amount is a plain number, such as 100.00", context, parameter)
    return amount


@subscriptions.command(cls=MoneyCommand)
@_SUBSCRIPTION
@click.option("--cycle", "cycles", multiple=True, required=True, help='A cycle, such as "Cycle 1".')
@click.option("--amount", required=True, callback=_amount, help="The total refund.")
@click.pass_obj
def refund(command: CommandContext, subscription_uuid: str, cycles: tuple[str, ...], amount: Decimal) -> int:
    """Refund cycles of a subscription."""
    return change(
        command,
        f"Refund {amount:.2f} of {', '.join(cycles)} of subscription {subscription_uuid}?",
        lambda client: client.subscriptions.refund_cycles(subscription_uuid, cycles=cycles, amount=amount),
        lambda _: {**_done(subscription_uuid, rows.REFUND_CYCLES), "amount": amount},
    )


@subscriptions.command(cls=MoneyCommand)
@_SUBSCRIPTION
@click.option("--order", "order_uuid", required=True, help="The subscription's order whose link is sent.")
@click.option("--email", help="The recipient of the link.")
@click.option("--country-code", help="The country code of the phone number, such as +47.")
@click.option("--msisdn", help="The phone number without country code.")
@click.pass_obj
def resend(
    command: CommandContext,
    subscription_uuid: str,
    *,
    order_uuid: str,
    email: str | None,
    country_code: str | None,
    msisdn: str | None,
) -> int:
    """Send the link of a subscription again."""
    return change(
        command,
        f"Send the customer the link again of subscription {subscription_uuid}?",
        lambda client: client.subscriptions.resend(
            subscription_uuid, order_uuid=order_uuid, country_code=country_code, msisdn=msisdn, email=email
        ),
        lambda _: _done(subscription_uuid, rows.RESEND_SUBSCRIPTION),
    )


@subscriptions.command(cls=MoneyCommand)
@_SUBSCRIPTION
@click.option("--note", required=True, help="The reason; required by the API.")
@click.pass_obj
def cancel(command: CommandContext, subscription_uuid: str, note: str) -> int:
    """Cancel a subscription."""
    return change(
        command,
        f"Cancel subscription {subscription_uuid}?",
        lambda client: client.subscriptions.cancel(subscription_uuid, note=note),
        lambda _: _done(subscription_uuid, rows.CANCEL_SUBSCRIPTION),
    )


def _done(subscription_uuid: str, operation: Operation[None]) -> dict[str, object]:
    return {"subscription_uuid": subscription_uuid, "operation": operation.name}
