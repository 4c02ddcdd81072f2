"""``frontpay credit-checks``: check the credit of persons and companies, and list the checks."""

from __future__ import annotations

from typing import TextIO

import click

from frontpay_async._protocol.operations import credit_checks as rows
from frontpay_async.cli.bodies import body_argument, change, read_body
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand
from frontpay_async.cli.output import counted


@click.group("credit-checks")
def credit_checks() -> None:
    """Check the credit of persons and companies."""


@credit_checks.command(cls=MoneyCommand)
@body_argument("person")
@click.pass_obj
def private(command: CommandContext, person: TextIO) -> int:
    """Check the credit of a person. It costs money, and the person is notified.

    PERSON is a JSON file, - for standard input, with personal_id, and country_code and msisdn where they
    are known. Other users of the machine could read an argument.
    """
    operation = rows.CHECK_PRIVATE
    value: rows.PrivateCreditCheck = read_body(operation, person)
    return change(
        command,
        "Check the credit of this person? It costs money, and the person is notified.",
        lambda client: client.credit_checks.check_private(
            value.personal_id, country_code=value.country_code, msisdn=value.msisdn
        ),
        lambda _: {"operation": operation.name},
    )


@credit_checks.command(cls=MoneyCommand)
@click.argument("organization_id", metavar="ORGANIZATION")
@click.pass_obj
def corporate(command: CommandContext, organization_id: str) -> int:
    """Check the credit of a company, by its organisation number. It costs money."""
    operation = rows.CHECK_CORPORATE
    return change(
        command,
        f"Check the credit of {organization_id}? It costs money.",
        lambda client: client.credit_checks.check_corporate(organization_id),
        lambda _: {"operation": operation.name},
    )


@credit_checks.command("list", cls=LookingCommand)
@click.pass_obj
def list_(command: CommandContext) -> None:
    """List the account's credit checks; personal data and results are masked."""
    found = command.call(lambda client: client.credit_checks.list())
    command.output.rows(found, ("checked_on", "type", "company_type"))
    command.output.note(counted(len(found), "credit check"))
