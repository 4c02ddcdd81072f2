"""The operations on orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol import operations
from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.models.statuses import OrderStatus
from frontpay_async.sandbox.handlers.context import handles, json_object, number
from frontpay_async.sandbox.responses import broken_rule, not_found, success, wire_number
from frontpay_async.sandbox.state import Event

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer
    from frontpay_async.sandbox.state import Line, SandboxOrder


_DAY = 24 * 3600
_WEEK = 7 * _DAY
_LINK_IS_GOOD_FOR = 14 * _DAY
_WITH_INVOICE_NUMBER = frozenset(
    {OrderStatus.INVOICED, OrderStatus.INKASSO, OrderStatus.PURRING, OrderStatus.PAID, OrderStatus.REFUNDED}
)
_OVER = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUNDED})
_NEVER_PAID = frozenset({OrderStatus.SENT, OrderStatus.EXPIRED})
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
_KINDS = {kind.operation.name: kind for kind in ORDER_KINDS.values()}


@handles(operations.SEND_PAYMENT_LINK)
def send_payment_link(context: RequestContext) -> Answer:
    """Create an order that the customer pays through a link."""
    order = context.new_order()
    return context.done(order, {"uuid": order.uuid, "customerUuid": order.customer_uuid})


@handles(operations.SEND_INVOICE, operations.SEND_EFAKTURA, operations.SEND_EHF_INVOICE)
def send_invoice(context: RequestContext) -> Answer:
    """Create an order that is invoiced."""
    order = context.new_order()
    order.apply_event(Event.INVOICE)
    return context.done(order, {"uuid": order.uuid, "customerUuid": order.customer_uuid})


@handles(operations.RESEND_PAYMENT_LINK)
def resend(context: RequestContext) -> Answer:
    """Send a payment link again; an expired link becomes valid."""
    order = context.order()
    context.apply_event(order, Event.RESEND)
    return context.done(order)


@handles(operations.CANCEL_ORDER, operations.CANCEL_TERMINAL_PAYMENT)
def cancel(context: RequestContext) -> Answer:
    """Cancel an order that is not paid, on a terminal or not."""
    order = context.order()
    context.apply_event(order, Event.CANCEL)
    return context.done(order)


@handles(operations.CHARGE_DELAYED)
def charge(context: RequestContext) -> Answer:
    """Charge an order that is not paid."""
    order = context.order()
    context.apply_event(order, Event.PAY)
    return context.done(order)


@handles(operations.REFUND_ORDER)
def refund(context: RequestContext) -> Answer:
    """Refund an order, fully or partly."""
    order = context.order()
    if order.status in _OVER:
        raise broken_rule("refundRejectionForRefundedCancelledInvoicedOrderParamRefunded")
    if order.status in _NEVER_PAID:
        raise not_found(context.operation, "refundRejectionForTransactionNotFound")
    amount, by_line = context.refund(order)
    most, most_weekly = context.settings.refund_request_threshold, context.settings.refund_weekly_threshold
    if most is not None and amount > most:
        raise broken_rule("refundRejectionForRequestAmountThresholdExceed")
    now = context.state.now()
    if most_weekly is not None and context.account.refunded_since(now - _WEEK) + amount > most_weekly:
        raise broken_rule("refundRejectionForWeeklyThresholdExceed")
    order.pay_back(amount, by_line)
    context.account.note_refund(now, amount)
    return context.done(order)


@handles(operations.REQUEST_REFUND_APPROVAL)
def request_refund_approval(context: RequestContext) -> Answer:
    """Record a request to approve a refund; one at a time for each order or reservation."""
    known = context.account.orders.keys() | context.account.reservations.keys()
    if context.uuid not in known:
        raise not_found(context.operation)
    if context.uuid in context.account.approvals:
        raise broken_rule("orderRefundRequestAlreadySubmitted")
    context.account.approvals[context.uuid] = context.body
    return context.did(context.uuid)


@handles(operations.LIST_ORDER_STATUSES)
def list_statuses(context: RequestContext) -> Answer:
    """List the account's orders; an account without orders gets a 404."""
    wanted = context.query.get("type", "").replace("_", " ").upper()
    rows: list[Json] = [
        {"uuid": order.uuid, "status": context.status_of(order)}
        for order in context.account.orders.values()
        if (not wanted or context.status_of(order).upper() == wanted)
        and (context.settings.list_terminal_orders or order.terminal_uuid is None)
    ]
    if not rows:
        raise not_found(context.operation)
    return success(context.operation, rows)


@handles(operations.GET_ORDER_STATUS)
def status(context: RequestContext) -> Answer:
    """Return an order's status and amounts."""
    order = context.order()
    return success(
        context.operation,
        {
            "uuid": order.uuid,
            "status": context.status_of(order),
            "orderAmount": wire_number(order.amount),
            "refundedAmount": wire_number(order.refunded),
        },
    )


@handles(operations.GET_ORDER_DETAILS)
def details(context: RequestContext) -> Answer:
    """Return an order as it was sent; totals are strings, amounts of lines are numbers."""
    order = context.order()
    summary = json_object(order.body["orderSummary"])
    return success(
        context.operation,
        {
            "type": "terminal" if order.terminal_uuid else _KINDS[order.operation].name,
            "orderUuid": order.uuid,
            "invoiceNumber": order.invoice_number,
            "status": context.status_of(order),
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
    kind = _KINDS.get(order.operation)
    return {
        **told,
        # The tables of e-faktura and EHF have no customer type: it follows from the route.
        "type": (kind and kind.customer_type) or sent.get("type"),
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


@handles(operations.GET_INVOICE_NUMBER)
def invoice_number(context: RequestContext) -> Answer:
    """Return an invoice's number."""
    order = context.order()
    if order.invoice_number is None or order.status not in _WITH_INVOICE_NUMBER:
        raise not_found(context.operation)
    return success(
        context.operation,
        {"orderUuid": order.uuid, "invoiceNumber": order.invoice_number, "status": context.status_of(order)},
    )
