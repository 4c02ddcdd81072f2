"""The two state machines, cell by cell: what each event does in each state, and what it does not do."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from frontpay_async import OrderStatus, Refund, RefundLine, RefundStatus
from frontpay_async.errors import APIError, BusinessRuleError
from frontpay_async.sandbox import Event, ForbiddenEventError, Sandbox
from frontpay_async.sandbox.state import NEXT_REFUND, NEXT_STATUS, Decision
from tests.support.builders import invoice, payment_link
from tests.support.sandboxes import call, waiting

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration

STATUSES = [status for status in OrderStatus if status is not OrderStatus.UNKNOWN]
FROM_OUTSIDE = [Event.PAY, Event.CANCEL, Event.EXPIRE, Event.INVOICE, Event.REMIND, Event.COLLECT]
WAYS = {
    OrderStatus.SENT: [],
    OrderStatus.PAID: [Event.PAY],
    OrderStatus.CANCELLED: [Event.CANCEL],
    OrderStatus.EXPIRED: [Event.EXPIRE],
    OrderStatus.INVOICED: [Event.INVOICE],
    OrderStatus.PURRING: [Event.INVOICE, Event.REMIND],
    OrderStatus.INKASSO: [Event.INVOICE, Event.REMIND, Event.COLLECT],
    OrderStatus.PARTIAL_REFUNDED: [Event.PAY, Event.REFUND_PART],
    OrderStatus.REFUNDED: [Event.PAY, Event.REFUND_REST],
}
# What the documentation says about orders that are over: no event leads out of these states.
OVER = [OrderStatus.CANCELLED, OrderStatus.REFUNDED]


async def cause(client: FrontPayClient, sandbox: Sandbox, uuid: str, event: Event) -> None:
    """Let an event happen to an order in the way that it happens."""
    order = sandbox.orders[uuid]
    rest = max(1, int(order.amount - order.refunded))
    match event:
        case Event.REFUND_PART | Event.REFUND_REST:
            amount = 1 if event is Event.REFUND_PART else rest
            lines = [RefundLine(id=order.lines[0].id, amount=amount)]
            await client.orders.refund(uuid, Refund(grand_total=amount, lines=lines))
        case Event.RESEND:
            await call(client, "orders.resend_payment_link", uuid)
        case _:
            sandbox.apply_event(uuid, event)


async def in_status(client: FrontPayClient, sandbox: Sandbox, status: OrderStatus) -> str:
    """Lead an order into a state."""
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    for event in WAYS[status]:
        await cause(client, sandbox, uuid, event)
    assert sandbox.orders[uuid].status is status
    return uuid


def test_every_status_has_a_way_and_every_event_a_place() -> None:
    assert WAYS.keys() == set(STATUSES)
    assert {event for _, event in NEXT_STATUS} == set(Event)


@pytest.mark.parametrize("status", OVER)
def test_nothing_leads_out_of_the_end(status: OrderStatus) -> None:
    assert not [event for event in Event if (status, event) in NEXT_STATUS]


@pytest.mark.parametrize(
    ("status", "event"), list(product(STATUSES, Event)), ids=lambda value: value.value.replace(" ", "-")
)
async def test_each_event_in_each_state(
    client: FrontPayClient, sandbox: Sandbox, status: OrderStatus, event: Event
) -> None:
    uuid = await in_status(client, sandbox, status)
    following = NEXT_STATUS.get((status, event))
    if following is not None:
        await cause(client, sandbox, uuid, event)
        assert (await client.orders.get_status(uuid)).status is following
        return
    before = sandbox.orders[uuid].refunded
    # A refund of what was never paid is a 404.
    with pytest.raises((ForbiddenEventError, APIError)):
        await cause(client, sandbox, uuid, event)
    assert (sandbox.orders[uuid].status, sandbox.orders[uuid].refunded) == (status, before)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("operation", "event"), [("orders.cancel", Event.CANCEL), ("orders.charge_delayed", Event.PAY)]
)
async def test_the_api_may_do_what_the_table_allows(
    client: FrontPayClient, sandbox: Sandbox, operation: str, event: Event, status: OrderStatus
) -> None:
    uuid = await in_status(client, sandbox, status)
    following = NEXT_STATUS.get((status, event))
    if following is None:
        with pytest.raises(BusinessRuleError) as caught:
            await call(client, operation, uuid)
        over = status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
        assert caught.value.code == f"orderStatusAlready{'Cancelled' if over else 'Paid'}"
    else:
        await call(client, operation, uuid)
    assert sandbox.orders[uuid].status is (following or status)


@pytest.mark.parametrize("event", sorted(set(Event) - set(FROM_OUTSIDE)))
async def test_what_carries_amounts_or_a_message_goes_through_the_api(
    client: FrontPayClient, sandbox: Sandbox, event: Event
) -> None:
    """Otherwise an order could be REFUNDED with nothing paid back."""
    uuid = await in_status(client, sandbox, OrderStatus.PAID)
    with pytest.raises(ValueError, match="through the API"):
        sandbox.apply_event(uuid, event)
    assert sandbox.orders[uuid].status is OrderStatus.PAID


async def test_an_unknown_event_or_order_is_an_error(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await in_status(client, sandbox, OrderStatus.SENT)
    with pytest.raises(ValueError, match="dance"):
        sandbox.apply_event(uuid, "dance")
    with pytest.raises(KeyError):
        sandbox.apply_event("ODR1", "pay")


async def test_an_invoice_starts_as_invoiced(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = (await client.orders.send_invoice(invoice())).order_uuid
    assert sandbox.orders[uuid].status is OrderStatus.INVOICED


@pytest.mark.parametrize(
    ("status", "decision"), list(product(RefundStatus, Decision)), ids=lambda value: value.value
)
async def test_each_decision_about_a_refund_in_each_state(
    client: FrontPayClient, sandbox: Sandbox, status: RefundStatus, decision: Decision
) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    order = sandbox.orders[uuid]
    await call(client, "terminals.refund", uuid, line_id=order.lines[0].id)
    if status is RefundStatus.REFUNDED:
        sandbox.approve_refund(uuid)
    elif status is RefundStatus.REJECTED:
        sandbox.decline_refund(uuid)
    decide = {
        Decision.APPROVE: sandbox.approve_refund,
        Decision.DECLINE: sandbox.decline_refund,
    }
    following = NEXT_REFUND.get((status, decision))
    try:
        if decision is Decision.CANCEL:
            await client.terminals.cancel_refund(uuid)
        else:
            decide[decision](uuid)
        refused = False
    except (BusinessRuleError, ForbiddenEventError):
        refused = True
    assert order.refund_request is not None
    assert (refused, order.refund_request.status) == (following is None, following or status)
    assert order.refunded == (10 if order.refund_request.status is RefundStatus.REFUNDED else 0)
