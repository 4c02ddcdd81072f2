"""``frontpay checkout``: create orders that the customer pays on a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async._protocol.operations import checkout as rows
from frontpay_async.cli.bodies import (
    body_argument,
    change,
    created,
    read_body,
    show_url_option,
    strict_totals_option,
)
from frontpay_async.cli.options import CommandContext, MoneyCommand

if TYPE_CHECKING:
    from frontpay_async.models.checkout import CheckoutSession, HostedCheckout, InvoiceSession


@click.group()
def checkout() -> None:
    """Create orders that the customer pays on a page."""


@checkout.command(cls=MoneyCommand)
@body_argument("session")
@show_url_option
@strict_totals_option
@click.pass_obj
def session(command: CommandContext, session: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Create an order that is paid on a payment page: SESSION is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    operation = rows.CREATE_CHECKOUT_SESSION
    value: CheckoutSession = read_body(operation, session, strict=strict_totals)
    return change(
        command,
        f"Create a checkout session of {value.summary.grand_total:.2f}?",
        lambda client: client.checkout.create_session(value),
        created(operation, show_url=show_url),
    )


@checkout.command("invoice-session", cls=MoneyCommand)
@body_argument("session")
@show_url_option
@strict_totals_option
@click.pass_obj
def invoice_session(command: CommandContext, session: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Create an order that is invoiced from a checkout: SESSION is a JSON file, - for standard input.

    A company's order is invoiced at once.
    """
    command.strict_totals = strict_totals
    operation = rows.CREATE_INVOICE_SESSION
    value: InvoiceSession = read_body(operation, session, strict=strict_totals)
    return change(
        command,
        f"Create an invoice session of {value.summary.grand_total:.2f}?",
        lambda client: client.checkout.create_invoice_session(value),
        created(operation, show_url=show_url),
    )


@checkout.command("hosted-link", cls=MoneyCommand)
@body_argument("order")
@show_url_option
@strict_totals_option
@click.pass_obj
def hosted_link(command: CommandContext, order: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Create an order on the vendor's checkout page: ORDER is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    operation = rows.CREATE_HOSTED_LINK
    value: HostedCheckout = read_body(operation, order, strict=strict_totals)
    return change(
        command,
        f"Create a hosted checkout of {value.summary.grand_total:.2f}?",
        lambda client: client.checkout.create_hosted_link(value),
        created(operation, show_url=show_url),
    )
