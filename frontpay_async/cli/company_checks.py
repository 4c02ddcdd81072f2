"""``frontpay company-checks``: start the check of a company, and list its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from frontpay_async._protocol.operations import company_checks as rows
from frontpay_async.cli.bodies import change, show_url_option
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand
from frontpay_async.cli.output import counted

if TYPE_CHECKING:
    from frontpay_async.models.checks import StartedCompanyCheck


@click.group("company-checks")
def company_checks() -> None:
    """Check companies."""


_COMPANY = click.argument("company_id", metavar="COMPANY", type=click.IntRange(min=1))


@company_checks.command(cls=MoneyCommand)
@_COMPANY
@click.option("--success-url", required=True, help="The URL to which the browser returns.")
@click.option("--failure-url", required=True, help="The URL after a failure.")
@click.option("--callback-url", required=True, help="The URL for the result.")
@show_url_option
@click.pass_obj
def start(
    command: CommandContext,
    company_id: int,
    *,
    success_url: str,
    failure_url: str,
    callback_url: str,
    show_url: bool,
) -> int:
    """Start a check of a company, which a person of the company confirms with BankID. It costs money."""
    operation = rows.START_COMPANY_CHECK

    def started(check: StartedCompanyCheck) -> dict[str, object]:
        from frontpay_async._protocol.to_dict import MASK

        url = check.url if show_url or not check.url else MASK
        return {"company_check_uuid": check.company_check_uuid, "operation": operation.name, "url": url}

    return change(
        command,
        f"Start the check of company {company_id}? It costs money.",
        lambda client: client.company_checks.start(
            company_id, success_url=success_url, failure_url=failure_url, callback_url=callback_url
        ),
        started,
    )


@company_checks.command(cls=LookingCommand)
@_COMPANY
@click.pass_obj
def details(command: CommandContext, company_id: int) -> None:
    """List the checks of a company; the results are masked."""
    found = command.call(lambda client: client.company_checks.get_details(company_id))
    command.output.rows(found, ("company_check_uuid", "company_name", "company_type"))
    command.output.note(counted(len(found), "company check"))
