"""``frontpay customers``: show and replace customer records."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async._protocol.operations import customers as rows
from frontpay_async.cli.bodies import body_argument, change, read_body
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand

if TYPE_CHECKING:
    from frontpay_async.models.customers import CorporateCustomerUpdate, PrivateCustomerUpdate


@click.group()
def customers() -> None:
    """Show and replace customer records."""


_CUSTOMER = click.argument("customer_uuid", metavar="CUSTOMER")


@customers.command(cls=LookingCommand)
@_CUSTOMER
@click.pass_obj
def details(command: CommandContext, customer_uuid: str) -> None:
    """Show a customer's record; personal data is masked."""
    command.output.result(command.call(lambda client: client.customers.get_details(customer_uuid)))


@customers.command("update-private", cls=MoneyCommand)
@_CUSTOMER
@body_argument("record")
@click.pass_obj
def update_private(command: CommandContext, customer_uuid: str, record: TextIO) -> int:
    """Replace a private customer's whole record: RECORD is a JSON file, - for standard input."""
    operation = rows.UPDATE_PRIVATE_CUSTOMER
    value: PrivateCustomerUpdate = read_body(operation, record, uuid=customer_uuid)
    return change(
        command,
        f"Replace the whole record of customer {customer_uuid}?",
        lambda client: client.customers.update_private(customer_uuid, value),
        lambda _: {"customer_uuid": customer_uuid, "operation": operation.name},
    )


@customers.command("update-corporate", cls=MoneyCommand)
@_CUSTOMER
@body_argument("record")
@click.pass_obj
def update_corporate(command: CommandContext, customer_uuid: str, record: TextIO) -> int:
    """Replace a corporate customer's whole record: RECORD is a JSON file, - for standard input."""
    operation = rows.UPDATE_CORPORATE_CUSTOMER
    value: CorporateCustomerUpdate = read_body(operation, record, uuid=customer_uuid)
    return change(
        command,
        f"Replace the whole record of customer {customer_uuid}?",
        lambda client: client.customers.update_corporate(customer_uuid, value),
        lambda _: {"customer_uuid": customer_uuid, "operation": operation.name},
    )
