"""What the watch hub does, in spans and metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from frontpay_async import PaymentStatus
from frontpay_async.otel import Telemetry
from frontpay_async.sandbox import DEFAULT_ORGANIZATION
from tests.support.simulated_time import passes, simulate
from tests.support.telemetry import Recorded
from tests.support.watching import Waiter, world

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs/observability.md"
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


def test_each_poll_has_its_spans_and_the_oldest_update_its_gauge() -> None:
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


async def follow_a_payment_without_polls(recorded: Recorded) -> None:
    (code,) = re.findall(r"^```python\n([^`]*WithoutPolls[^`]*)^```", PAGE.read_text("utf-8"), re.MULTILINE)
    documented: dict[str, Any] = {}
    exec(compile(code, PAGE.name, "exec"), documented)  # noqa: S102 - our own page
    provider = documented["provider"]
    provider.add_span_processor(SimpleSpanProcessor(recorded.exporter))
    telemetry = Telemetry(tracer_provider=provider, meter_provider=recorded.meter_provider)
    async with world(telemetry=telemetry) as here, anyio.create_task_group() as tasks:
        uuid = await here.order()
        with provider.get_tracer("shop").start_as_current_span("checkout"):
            tasks.start_soon(Waiter().wait, here.client, uuid)
            await passes(30)
            here.sandbox.approve(uuid)
            await passes(30)
            assert len(here.wire.sent) > 5
            await here.client.terminals.list(DEFAULT_ORGANIZATION)
    provider.shutdown()


def test_the_documented_sampler_leaves_the_polls_out() -> None:
    """It sees the priority when the call's span begins; the request's goes with it. All are measured."""
    recorded = Recorded()
    simulate(follow_a_payment_without_polls, recorded)
    assert [span.name for span in recorded.kind("INTERNAL")] == ["frontpay terminals.list", "checkout"]
    assert len(recorded.kind("CLIENT")) == 1
    assert sum(point.count for point in recorded.points("http.client.request.duration")) > 5
