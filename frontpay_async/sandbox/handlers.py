"""What each operation does: one handler per row of the operation table, by its name.

A handler gets the token's account, the id in the path, the body and the query, changes the state, and
returns the answer of a success; anything else leaves as a ``Refusal``.
"""

from __future__ import annotations

import time
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from attrs import frozen

from frontpay_async._protocol import operations
from frontpay_async.models.statuses import OrderStatus, RefundStatus
from frontpay_async.sandbox.answers import Answer, Refusal, failure, not_found, success
from frontpay_async.sandbox.state import ForbiddenEventError, Line, PendingRefund, SandboxOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._protocol.messages import Json, JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async.sandbox.settings import SandboxSettings
    from frontpay_async.sandbox.state import Account, State

__all__ = ["HANDLERS", "Visit"]

_WEEK = 7 * 24 * 3600.0
_WITH_INVOICE_NUMBER = frozenset(
    {OrderStatus.INVOICED, OrderStatus.INKASSO, OrderStatus.PURRING, OrderStatus.PAID, OrderStatus.REFUNDED}
)


@frozen
class Visit:
    """Hold one request, as a handler sees it.

    Args:
        operation: The row of the operation table.
        account: What the token sees.
        state: Everything.
        settings: How the sandbox behaves.
        uuid: The id in the path, or "".
        body: The JSON body, checked against the rules.
        query: The query parameters.
    """

    operation: Operation[object]
    account: Account
    state: State
    settings: SandboxSettings
    uuid: str
    body: JsonObject
    query: Mapping[str, str]

    def order(self) -> SandboxOrder:
        """Return the order that the path names.

        Raises:
            Refusal: 404.
        """
        order = self.account.orders.get(self.uuid)
        if order is None:
            raise not_found()
        return order

    def done(
        self, order: SandboxOrder, data: Json = None, *, body_status: int | None = None, **beside: Json
    ) -> Answer:
        """Return the operation's documented success, and remember what was done."""
        self.state.note_effect(self.operation, order, self.body)
        row = self.operation
        return success(row.success, row.message, data, body_status=body_status, **beside)


Handler: TypeAlias = "Callable[[Visit], Answer]"


def number(value: Json) -> Decimal:
    """Read a number that the rules have let through."""
    return Decimal(str(value))


def wire_number(value: Decimal) -> Json:
    """Write a number the way the API mixes them: whole ones as numbers, others as text."""
    return int(value) if value == value.to_integral_value() else format(value, "f")


def _objects(value: Json) -> list[JsonObject]:
    rows = list(value.values()) if isinstance(value, dict) else value
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _create(visit: Visit, status: OrderStatus) -> SandboxOrder:
    state = visit.state
    serial = state.number()
    order = SandboxOrder(
        uuid=f"ODR{3506700000 + serial}",
        customer_uuid=f"CSRT{3463000000 + serial}",
        operation=visit.operation.name,
        body=visit.body,
        status=status,
        lines=[
            Line(id=5400 + state.number(), amount=number(product["amount"]), product=product)
            for product in _objects(visit.body["products"])
        ],
        amount=number(_object(visit.body["orderSummary"])["grandTotal"]),
        invoice_number=str(99900000 + serial) if status is OrderStatus.INVOICED else None,
    )
    visit.account.orders[order.uuid] = order
    return order


def _send_order(visit: Visit, *, status: OrderStatus) -> Answer:
    order = _create(visit, status)
    return visit.done(order, {"uuid": order.uuid, "customerUuid": order.customer_uuid})


def _refuse_decided(order: SandboxOrder, event: str) -> Refusal:
    decided = order.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
    return Refusal(failure(400, f"orderStatusAlready{'Cancelled' if decided else 'Paid'}", f"cannot {event}"))


def _happen(order: SandboxOrder, event: str) -> None:
    try:
        order.happen(event)
    except ForbiddenEventError:
        raise _refuse_decided(order, event) from None


def _resend(visit: Visit) -> Answer:
    order = visit.order()
    if order.status not in (OrderStatus.SENT, OrderStatus.INVOICED):
        raise _refuse_decided(order, "be sent again")
    return visit.done(order)


def _cancel(visit: Visit) -> Answer:
    order = visit.order()
    _happen(order, "cancel")
    return visit.done(order)


def _charge(visit: Visit) -> Answer:
    order = visit.order()
    _happen(order, "pay")
    return visit.done(order)


def _refund_amounts(visit: Visit, order: SandboxOrder) -> dict[int, Decimal]:
    amounts: dict[int, Decimal] = {}
    for row in _objects(visit.body["products"]):
        line_id = int(number(row["id"]))
        amounts[line_id] = amounts.get(line_id, Decimal(0)) + number(row["amount"])
    lines = {line.id: line for line in order.lines}
    if not amounts.keys() <= lines.keys():
        raise Refusal(failure(400, "requestProductIdNotAvailable"))
    total = number(visit.body["grandTotal"])
    if total > order.amount - order.refunded:
        raise Refusal(failure(400, "refundRejectionForRefundRequestGreaterThanOrderAmount"))
    if any(amount > lines[line_id].amount - lines[line_id].refunded for line_id, amount in amounts.items()):
        raise Refusal(failure(400, "refundRejectionForProductAmountExceed", []))
    return amounts


def _refund(visit: Visit) -> Answer:
    order = visit.order()
    amounts = _refund_amounts(visit, order)
    total, now = sum(amounts.values(), Decimal(0)), visit.state.now()
    refunds = visit.account.refunds
    most, weekly = visit.settings.refund_request_threshold, visit.settings.refund_weekly_threshold
    if most is not None and total > most:
        raise Refusal(failure(400, "refundRejectionForRequestAmountThresholdExceed"))
    this_week = sum((amount for moment, amount in refunds if moment > now - _WEEK), Decimal(0))
    if weekly is not None and this_week + total > weekly:
        raise Refusal(failure(400, "refundRejectionForWeeklyThresholdExceed"))
    try:
        order.pay_back(amounts)
    except ForbiddenEventError:
        # What was never paid has nothing that could be paid back.
        raise Refusal(failure(400, "refundRejectionForRefundRequestGreaterThanOrderAmount")) from None
    refunds.append((now, total))
    return visit.done(order)


def _list_statuses(visit: Visit) -> Answer:
    wanted = visit.query.get("type", "").replace("_", " ").upper()
    rows: list[Json] = [
        {"uuid": order.uuid, "status": order.status.value}
        for order in visit.account.orders.values()
        if (not wanted or order.status == wanted)
        and (visit.settings.list_terminal_orders or order.terminal_uuid is None)
    ]
    if not rows:
        raise not_found("Order Not Found")
    return success(200, visit.operation.message, rows)


def _status(visit: Visit) -> Answer:
    order = visit.order()
    amounts = {"orderAmount": wire_number(order.amount), "refundedAmount": wire_number(order.refunded)}
    return success(
        200, visit.operation.message, {"uuid": order.uuid, "status": order.status.value, **amounts}
    )


def _details(visit: Visit) -> Answer:
    order = visit.order()
    summary, customer = _object(order.body["orderSummary"]), dict(_object(order.body["customerDetails"]))
    customer.pop("customerUuid", None)
    products: list[Json] = [{"id": line.id, **line.product} for line in order.lines]
    return success(
        200,
        visit.operation.message,
        {
            "type": order.operation.rpartition("_")[2].capitalize(),
            "orderUuid": order.uuid,
            "invoiceNumber": order.invoice_number,
            "status": order.status.value,
            "orderDate": order.body["orderDate"],
            "paymentLinkDueDate": str(int(time.time()) + 14 * 24 * 3600),
            "productList": products,
            "orderSummary": {
                "subTotal": summary["subTotal"],
                "tax": summary["totalTax"],
                "discount": summary["totalDiscount"],
                "grandTotal": summary["grandTotal"],
            },
            "customerDetails": {"uuid": order.customer_uuid, **customer},
        },
    )


def _invoice_number(visit: Visit) -> Answer:
    order = visit.order()
    if order.invoice_number is None or order.status not in _WITH_INVOICE_NUMBER:
        raise not_found()
    return success(
        200,
        visit.operation.message,
        {"orderUuid": order.uuid, "invoiceNumber": order.invoice_number, "status": order.status.value},
    )


def _list_terminals(visit: Visit) -> Answer:
    rows: list[Json] = [
        {
            "uuid": each.uuid,
            "name": each.name,
            "status": each.status,
            "organization_uuid": each.organization_uuid,
        }
        for each in visit.state.terminals
        if each.organization_uuid == visit.uuid
    ]
    return success(200, visit.operation.message, rows)


def _create_terminal_order(visit: Visit) -> Answer:
    if visit.body["terminalUuid"] not in {terminal.uuid for terminal in visit.state.terminals}:
        raise Refusal(failure(417, "payloadValidationErrors", ["The selected terminal uuid is invalid."]))
    order = _create(visit, OrderStatus.SENT)
    holder = visit.settings.cardholder
    if holder.after is not None:
        visit.state.later(holder.after, partial(decide_payment, order, approved=holder.pays))
    return visit.done(order, {"orderUuid": order.uuid})


def decide_payment(order: SandboxOrder, *, approved: bool) -> None:
    """Let the cardholder pay or decline, unless it has been decided."""
    if order.status is OrderStatus.SENT:
        order.happen("pay" if approved else "cancel")


def decide_refund(order: SandboxOrder, *, approved: bool) -> None:
    """Let the cardholder take the refund or decline it, unless it has been decided."""
    refund = order.terminal_refund
    if refund is not None and refund.status is RefundStatus.UNKNOWN:
        refund.status = RefundStatus.REFUNDED if approved else RefundStatus.REJECTED
        if approved:
            order.pay_back(refund.amounts)


def _resend_terminal_order(visit: Visit) -> Answer:
    order = visit.order()
    if order.terminal_uuid is None:
        raise not_found()
    if order.status is not OrderStatus.SENT:
        raise _refuse_decided(order, "be sent again")
    return visit.done(order, {"orderUuid": order.uuid}, body_status=200)


def _payment_status(visit: Visit) -> Answer:
    order = visit.order()
    if order.terminal_uuid is None:
        raise not_found()
    if order.status is OrderStatus.SENT:
        pending = visit.settings.pending_status
        return success(200, "orderPaymentPending", **({} if pending is None else {"order_status": pending}))
    paid = order.status is not OrderStatus.CANCELLED
    message = "orderPaymentConfirmed" if paid else "orderPaymentFailed"
    return success(200, message, order_status="PAID" if paid else "CANCELLED")


def _refund_terminal_order(visit: Visit) -> Answer:
    order = visit.order()
    pending = order.terminal_refund
    if order.terminal_uuid is None:
        raise not_found()
    if order.status not in (OrderStatus.PAID, OrderStatus.PARTIAL_REFUNDED) or (
        pending is not None and pending.status is RefundStatus.UNKNOWN
    ):
        raise Refusal(failure(400, "refundRejectionForProductAmountExceed", []))
    order.terminal_refund = PendingRefund(amounts=_refund_amounts(visit, order))
    holder = visit.settings.cardholder
    if holder.after is not None:
        visit.state.later(holder.after, partial(decide_refund, order, approved=holder.takes_refund))
    return visit.done(order)


def _asked_refund(visit: Visit) -> PendingRefund:
    refund = visit.order().terminal_refund
    if refund is None:
        raise not_found()
    return refund


def _refund_status(visit: Visit) -> Answer:
    status = _asked_refund(visit).status
    if status is RefundStatus.UNKNOWN:
        pending = visit.settings.pending_status
        return success(200, "refundRequestPending", **({} if pending is None else {"refund_status": pending}))
    message = "orderRefundedSuccessfully" if status == "REFUNDED" else "refundRequestRejectedSuccessfully"
    return success(200, message, refund_status=status.value)


def _cancel_refund(visit: Visit) -> Answer:
    refund = _asked_refund(visit)
    if refund.status is RefundStatus.REFUNDED:
        raise Refusal(failure(400, "orderStatusAlreadyRefunded"))
    refund.status = RefundStatus.REJECTED
    return visit.done(visit.order())


HANDLERS: Mapping[str, Handler] = {
    operations.SEND_PAYMENT_LINK.name: partial(_send_order, status=OrderStatus.SENT),
    operations.SEND_INVOICE.name: partial(_send_order, status=OrderStatus.INVOICED),
    operations.SEND_EFAKTURA.name: partial(_send_order, status=OrderStatus.INVOICED),
    operations.SEND_EHF_INVOICE.name: partial(_send_order, status=OrderStatus.INVOICED),
    operations.RESEND_PAYMENT_LINK.name: _resend,
    operations.CANCEL_ORDER.name: _cancel,
    operations.REFUND_ORDER.name: _refund,
    operations.LIST_ORDER_STATUSES.name: _list_statuses,
    operations.GET_ORDER_STATUS.name: _status,
    operations.GET_ORDER_DETAILS.name: _details,
    operations.GET_INVOICE_NUMBER.name: _invoice_number,
    operations.CHARGE_DELAYED.name: _charge,
    operations.LIST_TERMINALS.name: _list_terminals,
    operations.CREATE_TERMINAL_ORDER.name: _create_terminal_order,
    operations.CANCEL_TERMINAL_PAYMENT.name: _cancel,
    operations.RESEND_TERMINAL_ORDER.name: _resend_terminal_order,
    operations.GET_PAYMENT_STATUS.name: _payment_status,
    operations.REFUND_TERMINAL_ORDER.name: _refund_terminal_order,
    operations.GET_REFUND_STATUS.name: _refund_status,
    operations.CANCEL_TERMINAL_REFUND.name: _cancel_refund,
}
