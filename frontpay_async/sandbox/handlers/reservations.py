"""The operations on reservations."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import reservations as rows
from frontpay_async.models.statuses import ReservationStatus
from frontpay_async.sandbox.handlers.context import handles, json_object, json_objects, number, ordinary_lines
from frontpay_async.sandbox.reservations import (
    CHARGEABLE_FOR,
    DAY,
    FIRST_PAYMENT,
    ReservationEvent,
    SandboxReservation,
    Taken,
)
from frontpay_async.sandbox.responses import broken_rule, invalid, not_found, success, wire_number
from frontpay_async.sandbox.state import ForbiddenEventError

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer

_FIRST = 3506700000
_ZERO = Decimal(0)
_ENDED = frozenset({ReservationStatus.COMPLETED, ReservationStatus.CANCELLED})


def _found(context: RequestContext) -> SandboxReservation:
    reservation = context.account.reservations.get(context.uuid)
    if reservation is None:
        raise not_found(context.operation)
    return reservation


@handles(rows.SUBMIT_RESERVATION, rows.CREATE_RESERVATION_SESSION)
def submit(context: RequestContext) -> Answer:
    """Create a reservation that the customer accepts on a page."""
    state = context.state
    serial = len(state.reservations) + 1
    reservation = SandboxReservation(
        uuid=f"RES{_FIRST + serial}",
        customer_uuid=context.new_customer(),
        serial=serial,
        operation=context.operation.name,
        body=context.body,
        created_at=state.wall(),
        lines=ordinary_lines(context),
        amount=number(json_object(context.body["orderSummary"])["grandTotal"]),
        report=state.report,
        note=state.note,
    )
    reservation.log.append(("reservation-sent", state.wall(), reservation.amount, ""))
    state.keep(context.account, reservation)
    return context.did(
        reservation.uuid,
        {
            "reservationUuid": reservation.uuid,
            "customerUuid": reservation.customer_uuid,
            "paymentUrl": context.payment_url(reservation.uuid),
        },
    )


@handles(rows.GET_RESERVATION_DETAILS)
def details(context: RequestContext) -> Answer:
    """Show a reservation."""
    reservation = _found(context)
    body = reservation.body
    customer = json_object(body["customerDetails"])
    shown: JsonObject = {
        "reservationUuid": reservation.uuid,
        "status": reservation.status.value,
        "isPaid": reservation.reserved_at is not None,
        "productList": [_line(reservation, index) for index in range(len(reservation.lines))],
        "grandTotal": wire_number(reservation.amount),
        "reservationDate": body["orderDate"],
        "paymentLinkDueDate": body["dueDateForPaymentLink"],
        "sendOrderBy": body["sendOrderBy"],
        "customerDetails": {
            **{name: value for name, value in customer.items() if name != "type"},
            "uuid": reservation.customer_uuid,
        },
        "referenceNumber": body.get("referenceNo"),
        "chargeValidity": body.get("chargeValidity"),
        "customerReference": body.get("customerReference"),
        "customerNotes": body.get("customerNotes"),
        "termsAndCondition": body.get("tnc"),
        "paymentDetails": {
            "reservedAt": None if reservation.reserved_at is None else str(int(reservation.reserved_at)),
            "reservedAmount": wire_number(reservation.amount if reservation.reserved_at else _ZERO),
            "capturedAmount": wire_number(reservation.total_captured),
            "chargedAmount": wire_number(reservation.total_charged),
            "amountRefunded": {
                "fromCaptured": wire_number(reservation.refunded("captured")),
                "fromCharge": wire_number(reservation.refunded("charged")),
            },
        },
        "paymentHistory": {
            "reserved": []
            if reservation.reserved_at is None
            else [{"at": str(int(reservation.reserved_at)), "amount": wire_number(reservation.amount)}],
            **{
                source: [
                    {"uuid": each.uuid, "at": str(int(each.at)), "amount": wire_number(each.amount)}
                    for each in reservation.taken
                    if each.source == source
                ]
                for source in ("captured", "charged")
            },
        },
    }
    return success(context.operation, shown)


def _line(reservation: SandboxReservation, index: int) -> JsonObject:
    line = reservation.lines[index]
    product = line.product
    is_reserved = index < len(json_objects(reservation.body["products"]))
    return {
        "id": line.id,
        "name": product["name"],
        "productId": product.get("productId"),
        "quantity": 1,
        "rate": wire_number(number(product["rate"])),
        "discount": 0,
        "tax": wire_number(number(product["tax"])),
        "amount": wire_number(line.amount),
        "reserved": wire_number(line.amount if is_reserved else _ZERO),
        "captured": wire_number(reservation.captured.get(Decimal(line.id), _ZERO)),
    }


@handles(rows.CAPTURE_RESERVATION)
def capture(context: RequestContext) -> Answer:
    """Capture reserved money, at most the remaining amount of each line."""
    reservation = _found(context)
    total, by_line = _positive(context)
    now = context.state.wall()
    known = {Decimal(line.id): line.amount for line in reservation.lines}
    if reservation.status is not ReservationStatus.RESERVED:
        raise invalid(["The selected reservation uuid is invalid."])
    if not by_line.keys() <= known.keys():
        raise invalid(["The selected products.0.id is invalid."])
    left = {line_id: known[line_id] - reservation.captured.get(line_id, _ZERO) for line_id in by_line}
    if total > reservation.capturable or any(amount > left[line_id] for line_id, amount in by_line.items()):
        raise invalid(["The grand total may not be greater than the reserved amount."])
    taken = Taken(
        uuid=f"CAP{FIRST_PAYMENT + next(context.state.payment_ids)}",
        source="captured",
        at=now,
        amount=total,
        refundable=dict(by_line),
    )
    reservation.take(taken, by_line)
    return context.did(reservation.uuid, {"uuid": taken.uuid})


@handles(rows.CHARGE_RESERVATION)
def charge(context: RequestContext) -> Answer:
    """Charge beyond the reservation, within its validity."""
    reservation = _found(context)
    now = context.state.wall()
    days = number(reservation.body.get("chargeValidity") or CHARGEABLE_FOR)
    total = number(context.body["grandTotal"])
    if total <= 0:
        raise invalid(["The grand total must be greater than 0."])
    if reservation.reserved_at is None or now > reservation.reserved_at + float(days) * DAY:
        raise invalid(["The selected reservation uuid is invalid."])
    lines = ordinary_lines(context)
    taken = Taken(
        uuid=f"CHA{FIRST_PAYMENT + next(context.state.payment_ids)}",
        source="charged",
        at=now,
        amount=total,
        refundable={Decimal(line.id): line.amount for line in lines},
    )
    try:
        reservation.take(taken, {})
    except ForbiddenEventError:
        raise invalid(["The selected reservation uuid is invalid."]) from None
    reservation.lines += lines
    return context.did(reservation.uuid, {"uuid": taken.uuid})


def _positive(context: RequestContext) -> tuple[Decimal, dict[Decimal, Decimal]]:
    """Return a total and the amounts by line id; all are positive."""
    total = number(context.body["grandTotal"])
    by_line: dict[Decimal, Decimal] = {}
    amounts = [total]
    for line in json_objects(context.body["products"]):
        line_id, amount = number(line["id"]), number(line["amount"])
        by_line[line_id] = by_line.get(line_id, _ZERO) + amount
        amounts.append(amount)
    if any(amount <= 0 for amount in amounts):
        raise invalid(["The grand total must be greater than 0."])
    return total, by_line


@handles(rows.CANCEL_RESERVATION)
def cancel(context: RequestContext) -> Answer:
    """Cancel a reservation without captures and charges."""
    reservation = _found(context)
    if reservation.status is ReservationStatus.COMPLETED:
        raise broken_rule("reservationStatusAlreadyCompleted")
    if reservation.status is ReservationStatus.CANCELLED:
        raise broken_rule("reservationStatusAlreadyCancelled")
    return _move(context, reservation, ReservationEvent.CANCEL, "prerequisiteFailedToCancelReservation")


@handles(rows.COMPLETE_RESERVATION)
def complete(context: RequestContext) -> Answer:
    """Complete a reservation, which releases the rest."""
    reservation = _found(context)
    if reservation.status is ReservationStatus.COMPLETED:
        raise broken_rule("reservationStatusAlreadyCompleted")
    return _move(context, reservation, ReservationEvent.COMPLETE, "prerequisiteFailedToCompleteReservation")


def _move(
    context: RequestContext, reservation: SandboxReservation, event: ReservationEvent, refusal: str
) -> Answer:
    try:
        reservation.apply_event(event, context.state.wall(), note=str(context.body["note"]))
    except ForbiddenEventError:
        raise broken_rule(refusal) from None
    return context.did(reservation.uuid)


@handles(rows.RESEND_RESERVATION)
def resend(context: RequestContext) -> Answer:
    """Send the link again."""
    reservation = _found(context)
    if reservation.status in _ENDED:
        done = reservation.status is ReservationStatus.COMPLETED
        raise broken_rule(f"reservationStatusAlready{'Completed' if done else 'Cancelled'}")
    reservation.log.append(("reservation-resent", context.state.wall(), reservation.amount, ""))
    return context.did(reservation.uuid)


@handles(rows.REFUND_RESERVATION)
def refund(context: RequestContext) -> Answer:
    """Refund a capture or a charge, at most the remaining amount of each line."""
    reservation = _found(context)
    total, by_line = _positive(context)
    taken = next(
        (
            each
            for each in reservation.taken
            if each.uuid == context.body["reference"] and each.source == context.body["source"]
        ),
        None,
    )
    if taken is None:
        raise not_found(context.operation, "refundRejectionForTransactionNotFound")
    if taken.refunded >= taken.amount:
        raise broken_rule("refundRejectionForRefundedCancelledInvoicedOrderParamRefunded")
    if not by_line.keys() <= taken.refundable.keys():
        raise broken_rule("requestProductIdNotAvailable")
    if total > taken.amount - taken.refunded or any(
        amount > taken.refundable[line_id] for line_id, amount in by_line.items()
    ):
        raise broken_rule("refundRejectionForProductAmountExceed")
    reservation.pay_back(taken, total, by_line, context.state.wall())
    return context.did(reservation.uuid)


@handles(rows.LIST_RESERVATION_HISTORY)
def history(context: RequestContext) -> Answer:
    """List the events of a period, by default of the last 24 hours."""
    end = context.state.wall()
    start = end - DAY
    if len(context.steps) == len(rows.LIST_RESERVATION_HISTORY.steps):
        try:
            start, end = (float(step) for step in context.steps)
        except ValueError:
            raise invalid(["The start date is not a valid timestamp."]) from None
    shown: list[Json] = [
        {
            "uuid": reservation.uuid,
            "title": title,
            "datetime": datetime.fromtimestamp(at, UTC).strftime("%d.%m.%Y %H:%M"),
            "sentTo": json_object(reservation.body["customerDetails"]).get("msisdn"),
            "actionBy": "sandbox",
            "note": note,
            "paymentMethod": "visa",
            "isRefundable": bool(reservation.taken),
            "amount": f"{amount:f}",
        }
        for reservation in context.account.reservations.values()
        for title, at, amount, note in reservation.log
        if start <= at <= end
    ]
    return success(context.operation, shown)
