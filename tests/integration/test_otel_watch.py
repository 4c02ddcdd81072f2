"""What the watch hub does, in spans and metrics."""

from __future__ import annotations

import anyio

from frontpay_async import PaymentStatus
from tests.simulated_time import passes, simulate
from tests.telemetry import Recorded
from tests.watching import Waiter, world

STALENESS = "frontpay.client.watch.staleness"


async def follow_a_payment(recorded: Recorded) -> None:
    async with world(telemetry=recorded.telemetry()) as here, anyio.create_task_group() as tasks:
        assert recorded.points(STALENESS) == []
        waiter, uuid = Waiter(), await here.order()
        tasks.start_soon(waiter.wait, here.client, uuid)
        await passes(4)
        (stale,) = recorded.points(STALENESS)
        assert 0 <= stale.value <= 4
        here.sandbox.approve(uuid)
        await passes(30)
        assert waiter.result is PaymentStatus.PAID
        assert recorded.points(STALENESS) == []
        # The permit that nobody had a use for in the end has no span.
        assert len(recorded.kind("INTERNAL")) == len(recorded.kind("CLIENT")) == len(here.wire.sent)


def test_each_poll_has_its_spans_and_the_oldest_news_its_gauge() -> None:
    """A poll's span is of the operation that was chosen, and begins when it was."""
    recorded = Recorded()
    simulate(follow_a_payment, recorded)
    calls, requests = recorded.kind("INTERNAL"), recorded.kind("CLIENT")
    assert {span.name for span in calls} <= {
        "frontpay terminals.get_payment_status",
        "frontpay orders.list_statuses",
    }
    assert calls
    assert all(
        request.parent is not None and request.parent.span_id == call.context.span_id
        for call, request in zip(calls, requests, strict=True)
    )
