"""The operations on card terminals."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from frontpay_async._protocol import operations
from frontpay_async.models.statuses import OrderStatus, RefundStatus
from frontpay_async.sandbox.handlers.context import already, handles, json_object, number
from frontpay_async.sandbox.responses import (
    Refusal,
    broken_rule,
    busy,
    invalid,
    not_found,
    something_wrong,
    success,
)
from frontpay_async.sandbox.state import Decision, ForbiddenEventError, RefundRequest
from frontpay_async.sandbox.terminal_behaviour import BUSY, OFFLINE, WAITS, DeclineReason

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer
    from frontpay_async.sandbox.state import SandboxOrder


_ACTIVE = 1
_UNPAID = frozenset({OrderStatus.CANCELLED, OrderStatus.EXPIRED})


@handles(operations.LIST_TERMINALS)
def list_terminals(context: RequestContext) -> Answer:
    """List an organisation's active terminals."""
    rows: list[Json] = [
        {
            "uuid": each.uuid,
            "name": each.name,
            "status": each.status,
            "organization_uuid": each.organization_uuid,
        }
        for each in context.settings.terminals
        if each.organization_uuid == context.uuid
        and each.status == _ACTIVE
        and each.uuid not in context.state.behaviour.offline
    ]
    return success(context.operation, rows)


@handles(operations.CREATE_TERMINAL_ORDER)
def create_order(context: RequestContext) -> Answer:
    """Show an order on a terminal."""
    terminal = context.body["terminalUuid"]
    if not isinstance(terminal, str) or terminal not in {each.uuid for each in context.settings.terminals}:
        raise invalid(["The selected terminal uuid is invalid."])
    outcome = context.state.behaviour.outcome(number(json_object(context.body["orderSummary"])["grandTotal"]))
    _reach(context, terminal, outcome)
    order = context.new_order(terminal_uuid=terminal)
    holder = context.settings.cardholder
    if isinstance(outcome, DeclineReason):
        context.state.later(holder.after or 0.0, partial(order.decide_payment, Decision.DECLINE, outcome))
    elif holder.after is not None and outcome != WAITS:
        decision = Decision.APPROVE if holder.pays else Decision.DECLINE
        context.state.later(holder.after, partial(order.decide_payment, decision))
    return context.done(order, {"orderUuid": order.uuid})


@handles(operations.RESEND_TERMINAL_ORDER)
def resend_order(context: RequestContext) -> Answer:
    """Show an order on its terminal again."""
    order = context.order()
    if order.status is not OrderStatus.SENT:
        raise already(order)
    _reach(context, order.terminal_uuid, but=order)
    return context.done(order, {"orderUuid": order.uuid}, body_status=200)


@handles(operations.GET_PAYMENT_STATUS)
def payment_status(context: RequestContext) -> Answer:
    """Return whether the cardholder has paid, also if the order was refunded later."""
    order = context.order()
    if order.status is OrderStatus.SENT:
        return _undecided(context, "order_status", "orderPaymentPending")
    if order.status in _UNPAID:
        by_cardholder = order.decline_reason is DeclineReason.CANCELLED
        message = "cancelledOrderSuccessfully" if by_cardholder else "orderPaymentFailed"
        return success(context.operation, message=message, beside={"order_status": "CANCELLED"})
    return success(context.operation, beside={"order_status": "PAID"})


@handles(operations.REFUND_TERMINAL_ORDER)
def refund(context: RequestContext) -> Answer:
    """Show a refund on the terminal."""
    order = context.order()
    asked = order.refund_request
    if asked and asked.waits:
        raise broken_rule("orderRefundRequestAlreadySubmitted")
    if order.status not in (OrderStatus.PAID, OrderStatus.PARTIAL_REFUNDED, OrderStatus.REFUNDED):
        raise not_found(context.operation, "refundRejectionForTransactionNotFound")
    amount, by_line = context.refund(order)
    _reach(context, order.terminal_uuid, but=order)
    request = RefundRequest(amount=amount, by_line=by_line)
    order.ask_refund(request)
    holder = context.settings.cardholder
    if holder.after is not None:
        decision = Decision.APPROVE if holder.takes_refund else Decision.DECLINE
        context.state.later(holder.after, partial(order.decide_refund, request, decision))
    return context.done(order)


@handles(operations.GET_REFUND_STATUS)
def refund_status(context: RequestContext) -> Answer:
    """Return whether the cardholder has accepted the last refund."""
    status = _asked_refund(context).status
    if status is RefundStatus.UNKNOWN:
        return _undecided(context, "refund_status", "refundRequestPending")
    message = None if status is RefundStatus.REFUNDED else "refundRequestRejectedSuccessfully"
    return success(context.operation, message=message, beside={"refund_status": status.value})


@handles(operations.CANCEL_TERMINAL_REFUND)
def cancel_refund(context: RequestContext) -> Answer:
    """Cancel a refund that the cardholder has not accepted; idempotent."""
    order, request = context.order(), _asked_refund(context)
    try:
        order.decide_refund(request, Decision.CANCEL)
    except ForbiddenEventError:
        raise broken_rule("orderStatusAlreadyRefunded") from None
    return context.done(order)


def _reach(
    context: RequestContext,
    terminal_uuid: str | None,
    outcome: str | None = None,
    *,
    but: SandboxOrder | None = None,
) -> None:
    """Reject an operation whose terminal is offline or busy with another order."""
    behaviour = context.state.behaviour
    if outcome == OFFLINE or terminal_uuid in behaviour.offline:
        raise Refusal(something_wrong(context.operation))
    is_busy = behaviour.one_at_a_time and any(
        each.terminal_uuid == terminal_uuid and each.waits_for and each is not but
        for each in context.state.orders.values()
    )
    if outcome == BUSY or is_busy:
        raise Refusal(busy())


def _undecided(context: RequestContext, name: str, message: str) -> Answer:
    pending = context.settings.pending_status
    return success(context.operation, message=message, beside={} if pending is None else {name: pending})


def _asked_refund(context: RequestContext) -> RefundRequest:
    request = context.order().refund_request
    if request is None:
        raise not_found(context.operation)
    return request
