"""``frontpay subscriptions``: look at subscriptions, refund cycles and cancel them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from frontpay_async._protocol.operations import subscriptions as rows
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand
from frontpay_async.cli.output import counted

if TYPE_CHECKING:
    from frontpay_async.client import FrontPayClient
    from frontpay_async.models.subscriptions import SubscriptionEntry


@click.group()
def subscriptions() -> None:
    """Look at subscriptions, and change them."""


_SUBSCRIPTION = click.argument("subscription_uuid", metavar="SUBSCRIPTION")


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


@subscriptions.command(cls=MoneyCommand)
@_SUBSCRIPTION
@click.option("--cycle", "cycles", multiple=True, required=True, help='A cycle, such as "Cycle 1".')
@click.option("--amount", required=True, help="What is paid back in all.")
@click.pass_obj
def refund(command: CommandContext, subscription_uuid: str, cycles: tuple[str, ...], amount: str) -> int:
    """Refund cycles of a subscription."""
    question = f"Refund {amount} of {', '.join(cycles)} of subscription {subscription_uuid}?"
    if not command.confirm(lambda: question):
        return Exit.NOT_SENT
    command.call(
        lambda client: client.subscriptions.refund_cycles(subscription_uuid, cycles=cycles, amount=amount)
    )
    command.output.result(
        {
            "subscription_uuid": subscription_uuid,
            "operation": rows.REFUND_CYCLES.name,
            "amount": amount,
        }
    )
    return Exit.OK


@subscriptions.command(cls=MoneyCommand)
@_SUBSCRIPTION
@click.option("--note", required=True, help="Why; the API requires it.")
@click.pass_obj
def cancel(command: CommandContext, subscription_uuid: str, note: str) -> int:
    """Cancel a subscription."""
    if not command.confirm(lambda: f"Cancel subscription {subscription_uuid}?"):
        return Exit.NOT_SENT
    command.call(lambda client: client.subscriptions.cancel(subscription_uuid, note=note))
    command.output.result(
        {"subscription_uuid": subscription_uuid, "operation": rows.CANCEL_SUBSCRIPTION.name}
    )
    return Exit.OK
