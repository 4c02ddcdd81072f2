"""``frontpay reservations``: create, show, capture, charge, refund and end reservations."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, TextIO

import click

from frontpay_async._protocol.operations import reservations as rows
from frontpay_async.cli.bodies import (
    body_argument,
    change,
    created,
    read_body,
    show_url_option,
    strict_totals_option,
)
from frontpay_async.cli.options import CommandContext, LookingCommand, MoneyCommand
from frontpay_async.cli.orders import named_lines
from frontpay_async.cli.output import counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.operations import Operation
    from frontpay_async.client import FrontPayClient
    from frontpay_async.models.reservations import Charge, ReservationOrder, ReservationSession


@click.group()
def reservations() -> None:
    """Create, show, capture, charge, refund and end reservations."""


_RESERVATION = click.argument("reservation_uuid", metavar="RESERVATION")
_NOTE = click.option("--note", required=True, help="The reason; required by the API.")
_LINES = click.option(
    "--line",
    "named",
    multiple=True,
    required=True,
    callback=named_lines,
    metavar="ID=AMOUNT",
    help="The amount of a line, by the line's id in the reservation's details.",
)


@reservations.command(cls=MoneyCommand)
@body_argument("order")
@show_url_option
@strict_totals_option
@click.pass_obj
def submit(command: CommandContext, order: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Send the customer a link to accept a reservation: ORDER is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    operation = rows.SUBMIT_RESERVATION
    value: ReservationOrder = read_body(operation, order, strict=strict_totals)
    return change(
        command,
        f"Submit a reservation of {value.summary.grand_total:.2f}?",
        lambda client: client.reservations.submit(value),
        created(operation, show_url=show_url),
    )


@reservations.command("create-session", cls=MoneyCommand)
@body_argument("session")
@show_url_option
@strict_totals_option
@click.pass_obj
def create_session(command: CommandContext, session: TextIO, *, show_url: bool, strict_totals: bool) -> int:
    """Create a reservation that is accepted on a page: SESSION is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    operation = rows.CREATE_RESERVATION_SESSION
    value: ReservationSession = read_body(operation, session, strict=strict_totals)
    return change(
        command,
        f"Create a reservation session of {value.summary.grand_total:.2f}?",
        lambda client: client.reservations.create_session(value),
        created(operation, show_url=show_url),
    )


@reservations.command(cls=LookingCommand)
@_RESERVATION
@click.pass_obj
def details(command: CommandContext, reservation_uuid: str) -> None:
    """Show a reservation in detail; personal data is masked."""
    command.output.result(command.call(lambda client: client.reservations.get_details(reservation_uuid)))


@reservations.command(cls=LookingCommand)
@click.pass_obj
def history(command: CommandContext) -> None:
    """List what happened in the last 24 hours."""
    found = command.call(lambda client: client.reservations.list_history())
    command.output.rows(found, ("reservation_uuid", "title", "at", "amount"))
    command.output.note(counted(len(found), "event"))


@reservations.command(cls=MoneyCommand)
@_RESERVATION
@_LINES
@click.pass_obj
def capture(command: CommandContext, reservation_uuid: str, named: tuple[tuple[int, Decimal], ...]) -> int:
    """Capture reserved money, fully or partly."""
    from frontpay_async.models.reservations import Capture, CaptureLine

    lines = [CaptureLine(id=line, amount=amount) for line, amount in named]
    total = sum((line.amount for line in lines), Decimal(0))
    order = Capture(grand_total=total, lines=lines)
    return _change(
        command,
        reservation_uuid,
        f"Capture {total:.2f} of",
        rows.CAPTURE_RESERVATION,
        lambda client: client.reservations.capture(reservation_uuid, order),
        amount=total,
    )


@reservations.command(cls=MoneyCommand)
@_RESERVATION
@body_argument("charge")
@strict_totals_option
@click.pass_obj
def charge(command: CommandContext, reservation_uuid: str, charge: TextIO, *, strict_totals: bool) -> int:
    """Charge beyond the reservation: CHARGE is a JSON file, - for standard input."""
    command.strict_totals = strict_totals
    value: Charge = read_body(rows.CHARGE_RESERVATION, charge, uuid=reservation_uuid, strict=strict_totals)
    return _change(
        command,
        reservation_uuid,
        f"Charge {value.grand_total:.2f} beyond",
        rows.CHARGE_RESERVATION,
        lambda client: client.reservations.charge(reservation_uuid, value),
        amount=value.grand_total,
    )


@reservations.command(cls=MoneyCommand)
@_RESERVATION
@click.option("--email", help="The recipient of the link.")
@click.option("--country-code", help="The country code of the phone number, such as +47.")
@click.option("--msisdn", help="The phone number without country code.")
@click.pass_obj
def resend(
    command: CommandContext,
    reservation_uuid: str,
    *,
    email: str | None,
    country_code: str | None,
    msisdn: str | None,
) -> int:
    """Send the link of a reservation again."""
    return _change(
        command,
        reservation_uuid,
        "Send the customer the link again of",
        rows.RESEND_RESERVATION,
        lambda client: client.reservations.resend(
            reservation_uuid, country_code=country_code, msisdn=msisdn, email=email
        ),
    )


@reservations.command(cls=MoneyCommand)
@_RESERVATION
@_LINES
@click.option(
    "--source",
    type=click.Choice(["captured", "charged"]),
    required=True,
    help="Whether to refund a capture or a charge.",
)
@click.option("--reference", required=True, help="The id of that capture (CAP…) or charge (CHA…).")
@click.pass_obj
def refund(
    command: CommandContext,
    reservation_uuid: str,
    named: tuple[tuple[int, Decimal], ...],
    source: str,
    reference: str,
) -> int:
    """Refund a capture or a charge, fully or partly."""
    from frontpay_async.models.orders import RefundLine
    from frontpay_async.models.reservations import ReservationRefund

    lines = [RefundLine(id=line, amount=amount) for line, amount in named]
    total = sum((line.amount for line in lines), Decimal(0))
    order = ReservationRefund(
        grand_total=total,
        lines=lines,
        source="captured" if source == "captured" else "charged",
        reference=reference,
    )
    return _change(
        command,
        reservation_uuid,
        f"Refund {total:.2f} of",
        rows.REFUND_RESERVATION,
        lambda client: client.reservations.refund(reservation_uuid, order),
        amount=total,
    )


@reservations.command(cls=MoneyCommand)
@_RESERVATION
@_NOTE
@click.pass_obj
def complete(command: CommandContext, reservation_uuid: str, note: str) -> int:
    """Complete a reservation, which releases the remaining money."""
    return _change(
        command,
        reservation_uuid,
        "Complete",
        rows.COMPLETE_RESERVATION,
        lambda client: client.reservations.complete(reservation_uuid, note=note),
    )


@reservations.command(cls=MoneyCommand)
@_RESERVATION
@_NOTE
@click.pass_obj
def cancel(command: CommandContext, reservation_uuid: str, note: str) -> int:
    """Cancel a reservation, which releases the money."""
    return _change(
        command,
        reservation_uuid,
        "Cancel",
        rows.CANCEL_RESERVATION,
        lambda client: client.reservations.cancel(reservation_uuid, note=note),
    )


def _change(
    command: CommandContext,
    reservation_uuid: str,
    what: str,
    operation: Operation[object],
    work: Callable[[FrontPayClient], Awaitable[object]],
    *,
    amount: Decimal | None = None,
) -> int:
    """Ask for confirmation, execute, and report the result."""

    def question() -> str:
        found = command.call(lambda client: client.reservations.get_details(reservation_uuid))
        return f"{what} reservation {reservation_uuid} ({found.status})?"

    done: dict[str, object] = {"reservation_uuid": reservation_uuid, "operation": operation.name}
    result = done if amount is None else {**done, "amount": amount}
    return change(command, question, work, lambda _: result)
