"""What the operations on card terminals do."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from frontpay_async.models.statuses import OrderStatus, RefundStatus
from frontpay_async.sandbox.answers import broken_rule, invalid, not_found, success
from frontpay_async.sandbox.handlers.visit import already
from frontpay_async.sandbox.state import Decision, ForbiddenEventError, RefundRequest

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import Json
    from frontpay_async.sandbox.answers import Answer
    from frontpay_async.sandbox.handlers.visit import Visit

__all__ = [
    "cancel_refund",
    "create_order",
    "list_terminals",
    "payment_status",
    "refund",
    "refund_status",
    "resend_order",
]

_ACTIVE = 1
_UNPAID = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})


def list_terminals(visit: Visit) -> Answer:
    """List an organisation's active terminals."""
    rows: list[Json] = [
        {
            "uuid": each.uuid,
            "name": each.name,
            "status": each.status,
            "organization_uuid": each.organization_uuid,
        }
        for each in visit.settings.terminals
        if each.organization_uuid == visit.uuid and each.status == _ACTIVE
    ]
    return success(visit.operation, rows)


def create_order(visit: Visit) -> Answer:
    """Show an order on a terminal."""
    terminal = visit.body["terminalUuid"]
    if not isinstance(terminal, str) or terminal not in {each.uuid for each in visit.settings.terminals}:
        raise invalid(["The selected terminal uuid is invalid."])
    order = visit.new_order(terminal_uuid=terminal)
    holder = visit.settings.cardholder
    if holder.after is not None:
        decision = Decision.APPROVE if holder.pays else Decision.DECLINE
        visit.state.later(holder.after, partial(order.decide_payment, decision))
    return visit.done(order, {"orderUuid": order.uuid})


def resend_order(visit: Visit) -> Answer:
    """Show an order on its terminal again."""
    order = visit.order()
    if order.status is not OrderStatus.SENT:
        raise already(order)
    return visit.done(order, {"orderUuid": order.uuid}, body_status=200)


def payment_status(visit: Visit) -> Answer:
    """Tell whether the cardholder has paid; a refund later does not undo that."""
    order = visit.order()
    if order.status is OrderStatus.SENT:
        return _undecided(visit, "order_status", "orderPaymentPending")
    if order.status in _UNPAID:
        return success(visit.operation, message="orderPaymentFailed", beside={"order_status": "CANCELLED"})
    return success(visit.operation, beside={"order_status": "PAID"})


def refund(visit: Visit) -> Answer:
    """Ask the cardholder to take a refund."""
    order = visit.order()
    amount, by_line = visit.refund(order)
    asked = order.refund_request
    if (asked and asked.waits) or order.status not in (OrderStatus.PAID, OrderStatus.PARTIAL_REFUNDED):
        raise broken_rule("refundRejectionForProductAmountExceed")
    request = RefundRequest(amount=amount, by_line=by_line)
    order.ask_refund(request)
    holder = visit.settings.cardholder
    if holder.after is not None:
        decision = Decision.APPROVE if holder.takes_refund else Decision.DECLINE
        visit.state.later(holder.after, partial(order.decide_refund, request, decision))
    return visit.done(order)


def refund_status(visit: Visit) -> Answer:
    """Tell whether the cardholder has taken the last refund."""
    status = _asked_refund(visit).status
    if status is RefundStatus.UNKNOWN:
        return _undecided(visit, "refund_status", "refundRequestPending")
    message = None if status is RefundStatus.REFUNDED else "refundRequestRejectedSuccessfully"
    return success(visit.operation, message=message, beside={"refund_status": status.value})


def cancel_refund(visit: Visit) -> Answer:
    """Take back a refund that the cardholder has not taken; once more is as good as once."""
    order, request = visit.order(), _asked_refund(visit)
    try:
        order.decide_refund(request, Decision.CANCEL)
    except ForbiddenEventError:
        raise broken_rule("orderStatusAlreadyRefunded") from None
    return visit.done(order)


def _undecided(visit: Visit, name: str, message: str) -> Answer:
    pending = visit.settings.pending_status
    return success(visit.operation, message=message, beside={} if pending is None else {name: pending})


def _asked_refund(visit: Visit) -> RefundRequest:
    request = visit.order().refund_request
    if request is None:
        raise not_found(visit.operation)
    return request
