"""The operations on checkout sessions: orders that are paid on the sandbox's checkout page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import checkout as rows
from frontpay_async.sandbox.handlers.context import handles, json_object
from frontpay_async.sandbox.state import Event

if TYPE_CHECKING:
    from frontpay_async._exact_json import JsonObject
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer


@handles(rows.CREATE_CHECKOUT_SESSION, rows.CREATE_HOSTED_LINK)
def create(context: RequestContext) -> Answer:
    """Create an order that is paid on a page."""
    order = context.new_order()
    return context.done(order, _link(context, order.uuid, order.customer_uuid))


@handles(rows.CREATE_INVOICE_SESSION)
def create_invoice(context: RequestContext) -> Answer:
    """Create an order that is invoiced: for a company at once, for a person after the page."""
    order = context.new_order()
    data = _link(context, order.uuid, order.customer_uuid)
    if json_object(context.body["customerDetails"]).get("type") == "corporate":
        order.apply_event(Event.INVOICE)
        del data["paymentUrl"]
    return context.done(order, data)


def _link(context: RequestContext, order_uuid: str, customer_uuid: str) -> JsonObject:
    return {
        "orderUuid": order_uuid,
        "customerUuid": customer_uuid,
        "paymentUrl": context.payment_url(order_uuid),
    }
