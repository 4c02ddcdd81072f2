"""``frontpay customers``: look at what the API has on file."""

from __future__ import annotations

import click

from frontpay_async.cli.options import CommandContext, LookingCommand


@click.group()
def customers() -> None:
    """Look at customers."""


@customers.command(cls=LookingCommand)
@click.argument("customer_uuid", metavar="CUSTOMER")
@click.pass_obj
def details(command: CommandContext, customer_uuid: str) -> None:
    """Show what is on file about a customer; personal data is masked."""
    command.output.result(command.call(lambda client: client.customers.get_details(customer_uuid)))
