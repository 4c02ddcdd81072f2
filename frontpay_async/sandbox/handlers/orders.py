"""What the operations on orders do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async.models.statuses import OrderStatus
from frontpay_async.sandbox.answers import broken_rule, not_found, success, wire_number
from frontpay_async.sandbox.handlers.visit import json_object, number
from frontpay_async.sandbox.state import Event, ForbiddenEventError

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import Json, JsonObject
    from frontpay_async.sandbox.answers import Answer
    from frontpay_async.sandbox.handlers.visit import Visit
    from frontpay_async.sandbox.state import Line, SandboxOrder

__all__ = [
    "cancel",
    "charge",
    "details",
    "invoice_number",
    "list_statuses",
    "refund",
    "resend",
    "send_invoice",
    "send_payment_link",
    "status",
]

_DAY = 24 * 3600
_WEEK = 7 * _DAY
_LINK_IS_GOOD_FOR = 14 * _DAY
_WITH_INVOICE_NUMBER = frozenset(
    {OrderStatus.INVOICED, OrderStatus.INKASSO, OrderStatus.PURRING, OrderStatus.PAID, OrderStatus.REFUNDED}
)
_TOLD_OF_CUSTOMER = (
    "countryCode",
    "msisdn",
    "email",
    "name",
    "preferredLanguage",
    "personalNumber",
    "organizationId",
    "address",
)
# The tables of e-faktura and EHF have no customer type: the route says it.
_TYPE_BY_ROUTE = {"orders.send_efaktura": "private", "orders.send_ehf_invoice": "corporate"}


def send_payment_link(visit: Visit) -> Answer:
    """Create an order that the customer pays through a link."""
    order = visit.new_order()
    return visit.done(order, {"uuid": order.uuid, "customerUuid": order.customer_uuid})


def send_invoice(visit: Visit) -> Answer:
    """Create an order that is invoiced."""
    order = visit.new_order()
    order.happen(Event.INVOICE)
    return visit.done(order, {"uuid": order.uuid, "customerUuid": order.customer_uuid})


def resend(visit: Visit) -> Answer:
    """Send a payment link again; one that has run out is good again."""
    order = visit.order()
    visit.happen(order, Event.RESEND)
    return visit.done(order)


def cancel(visit: Visit) -> Answer:
    """Cancel an order that is not paid, on a terminal or not."""
    order = visit.order()
    visit.happen(order, Event.CANCEL)
    return visit.done(order)


def charge(visit: Visit) -> Answer:
    """Charge an order that is not paid."""
    order = visit.order()
    visit.happen(order, Event.PAY)
    return visit.done(order)


def refund(visit: Visit) -> Answer:
    """Pay an order back, wholly or in part."""
    order = visit.order()
    amount, by_line = visit.refund(order)
    most, most_weekly = visit.settings.refund_request_threshold, visit.settings.refund_weekly_threshold
    if most is not None and amount > most:
        raise broken_rule("refundRejectionForRequestAmountThresholdExceed")
    now = visit.state.now()
    if most_weekly is not None and visit.account.refunded_since(now - _WEEK) + amount > most_weekly:
        raise broken_rule("refundRejectionForWeeklyThresholdExceed")
    try:
        order.pay_back(amount, by_line)
    except ForbiddenEventError:
        # What was never paid has nothing that could be paid back.
        raise broken_rule("refundRejectionForRefundRequestGreaterThanOrderAmount") from None
    visit.account.note_refund(now, amount)
    return visit.done(order)


def list_statuses(visit: Visit) -> Answer:
    """List the account's orders; to have none is a 404."""
    wanted = visit.query.get("type", "").replace("_", " ").upper()
    rows: list[Json] = [
        {"uuid": order.uuid, "status": order.status.value}
        for order in visit.account.orders.values()
        if (not wanted or order.status == wanted)
        and (visit.settings.list_terminal_orders or order.terminal_uuid is None)
    ]
    if not rows:
        raise not_found(visit.operation, "Order Not Found")
    return success(visit.operation, rows)


def status(visit: Visit) -> Answer:
    """Tell an order's status and amounts."""
    order = visit.order()
    return success(
        visit.operation,
        {
            "uuid": order.uuid,
            "status": order.status.value,
            "orderAmount": wire_number(order.amount),
            "refundedAmount": wire_number(order.refunded),
        },
    )


def details(visit: Visit) -> Answer:
    """Tell an order as it was sent; the totals as text, the lines with numbers."""
    order = visit.order()
    summary = json_object(order.body["orderSummary"])
    return success(
        visit.operation,
        {
            "type": "terminal" if order.terminal_uuid else order.operation.removeprefix("orders.send_"),
            "orderUuid": order.uuid,
            "invoiceNumber": order.invoice_number,
            "status": order.status.value,
            "orderDate": order.body["orderDate"],
            "paymentLinkDueDate": str(int(order.created_at) + _LINK_IS_GOOD_FOR),
            "productList": [_line(line) for line in order.lines],
            "orderSummary": {
                "subTotal": summary["subTotal"],
                "tax": summary["totalTax"],
                "discount": summary["totalDiscount"],
                "grandTotal": summary["grandTotal"],
            },
            "customerDetails": _customer(order),
        },
    )


def _customer(order: SandboxOrder) -> JsonObject:
    sent = json_object(order.body["customerDetails"])
    told = {name: sent.get(name) for name in _TOLD_OF_CUSTOMER}
    return {
        **told,
        "type": _TYPE_BY_ROUTE.get(order.operation) or sent.get("type"),
        "uuid": order.customer_uuid,
        "preferredLanguage": sent.get("preferredLanguage") or "no",
    }


def _line(line: Line) -> JsonObject:
    product = line.product
    return {
        "id": line.id,
        "name": product["name"],
        "productId": product.get("productId"),
        "quantity": wire_number(number(product["quantity"])),
        "rate": wire_number(number(product["rate"])),
        "discount": wire_number(number(product.get("discount") or 0)),
        "tax": wire_number(number(product["tax"])),
        "amount": wire_number(line.amount),
    }


def invoice_number(visit: Visit) -> Answer:
    """Tell an invoice's number."""
    order = visit.order()
    if order.invoice_number is None or order.status not in _WITH_INVOICE_NUMBER:
        raise not_found(visit.operation)
    return success(
        visit.operation,
        {"orderUuid": order.uuid, "invoiceNumber": order.invoice_number, "status": order.status.value},
    )
