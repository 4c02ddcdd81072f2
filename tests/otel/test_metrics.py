"""Metrics: durations, waits, what is left, and what nobody knows."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from opentelemetry import metrics

from frontpay_async import (
    NotFoundError,
    OutcomeUnknownError,
    Priority,
    RateBudgetExceededError,
    RateLimit,
    Timeouts,
)
from frontpay_async.otel import Telemetry
from frontpay_async.sandbox import Sandbox
from tests.support.builders import invoice
from tests.support.fakes import FakeClock, create, read
from tests.support.sandboxes import NO_RETRY
from tests.support.telemetry import Recorded
from tests.support.virtual_time import VirtualTime

if TYPE_CHECKING:
    from frontpay_async._transport.instrumentation import Gauge

pytestmark = pytest.mark.integration

PAGE = Path(__file__).parents[2] / "docs/observability.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
BASE = "/api/v1/connect"
SERVER = {"server.address": "sandbox.localhost", "server.port": 80}
REMAINING = "frontpay.client.rate_limit.remaining"
WAIT = "frontpay.client.rate_limit.wait"


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


async def test_requests_are_measured_by_the_conventions(recorded: Recorded) -> None:
    """Name, unit, boundaries and attributes; a failed one is told from the one that follows."""
    sandbox = Sandbox(clock=FakeClock().clock())
    sandbox.fail("500-before")
    async with sandbox.client(telemetry=recorded.telemetry()) as client:
        await create(client)
    metric = recorded.metrics()["http.client.request.duration"]
    assert metric.unit == "s"
    common = {**SERVER, "http.request.method": "POST", "url.template": f"{BASE}/orders/invoice/create"}
    assert {(point.count, *sorted(point.attributes.items())) for point in metric.data.data_points} == {
        (1, *sorted({**common, "http.response.status_code": 500, "error.type": "500"}.items())),
        (1, *sorted({**common, "http.response.status_code": 201}.items())),
    }
    assert metric.data.data_points[0].explicit_bounds[:3] == (0.005, 0.01, 0.025)


async def test_calls_are_measured_with_their_waits(recorded: Recorded) -> None:
    clock = FakeClock()
    sandbox = Sandbox(clock=clock.clock())
    sandbox.fail("500-before")
    async with sandbox.client(telemetry=recorded.telemetry()) as client:
        await create(client)
    (point,) = recorded.points("frontpay.client.call.duration")
    assert (point.count, point.sum) == (1, sum(clock.slept))
    assert dict(point.attributes) == {
        **SERVER,
        "frontpay.operation": "orders.send_invoice",
        "frontpay.outcome": "succeeded",
    }


@pytest.mark.parametrize(
    ("call", "fault", "outcome", "kind"),
    [
        (create, "drop-after", "unknown", "OutcomeUnknownError"),
        (create, "502-after", "unknown", "ServerError"),
        (create, None, "succeeded", None),
        (read, None, "rejected", "NotFoundError"),
        (read, "drop-before", "unknown", "OutcomeUnknownError"),
    ],
)
async def test_only_unknown_outcomes_are_counted_as_such(
    recorded: Recorded, call: Any, fault: str | None, outcome: str, kind: str | None
) -> None:
    """With the safety class: of a read that was lost, nothing needs to be looked up."""
    sandbox = Sandbox(clock=FakeClock().clock())
    if fault:
        sandbox.fail(fault)
    async with sandbox.client(telemetry=recorded.telemetry(), retry=NO_RETRY) as client:
        if kind is None:
            await call(client)
        else:
            with pytest.raises(Exception, match="orders") as raised:
                await call(client)
            assert type(raised.value).__name__ == kind
    counted = recorded.points("frontpay.client.unknown_outcomes")
    assert [point.value for point in counted] == ([1] if outcome == "unknown" else [])
    assert {point.attributes["frontpay.safety"] for point in counted} <= {
        "read" if call is read else "unsafe"
    }
    (point,) = recorded.points("frontpay.client.call.duration")
    assert (point.attributes["frontpay.outcome"], point.attributes.get("error.type")) == (outcome, kind)


async def test_waits_for_the_rate_are_measured_by_priority(recorded: Recorded) -> None:
    """And stand on the request's span, which begins after the wait."""
    time = VirtualTime()
    sandbox = Sandbox(clock=time.clock(), rate_limit=None)
    limit = RateLimit(requests=2, window=60.0)
    async with sandbox.client(telemetry=recorded.telemetry(), rate_limit=limit) as client:
        batch = client.with_options(priority=Priority.BATCH)
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(create, batch)
            await time.advance(180.0)
    (point,) = recorded.points(WAIT)
    spans = recorded.kind("CLIENT")
    waits = [dict(span.attributes or {})["frontpay.rate_limit.wait"] for span in spans]
    assert dict(point.attributes) == {**SERVER, "frontpay.priority": "batch"}
    assert (point.count, point.sum) == (2, sum(map(float, map(str, waits))))
    assert waits[0] == 0.0
    assert float(str(waits[1])) > 1.0


async def test_without_a_limit_no_wait_is_measured(recorded: Recorded) -> None:
    sandbox = Sandbox()
    async with sandbox.client(telemetry=recorded.telemetry(), rate_limit=RateLimit.unlimited()) as client:
        await create(client)
        assert recorded.points(WAIT) == []
        assert recorded.points(REMAINING) == []
    assert "frontpay.rate_limit.wait" not in dict(recorded.kind("CLIENT")[0].attributes or {})


async def test_a_call_whose_wait_is_too_long_is_told_by_its_error(recorded: Recorded) -> None:
    clock = FakeClock()
    sandbox = Sandbox(clock=clock.clock(), rate_limit=None)
    limit = RateLimit(requests=1, window=60.0)
    async with sandbox.client(telemetry=recorded.telemetry(), rate_limit=limit) as client:
        await create(client)
        with pytest.raises(RateBudgetExceededError):
            await create(client.with_options(timeouts=Timeouts(total=5.0)))
    errors = [
        point.attributes.get("error.type") for point in recorded.points("frontpay.client.call.duration")
    ]
    assert errors == [None, "RateBudgetExceededError"]


async def test_what_is_left_of_the_window_is_read_in_the_exporters_thread(recorded: Recorded) -> None:
    """There is no event loop there."""
    async with Sandbox().client(telemetry=recorded.telemetry()) as client:
        assert recorded.points(REMAINING) == []
        await create(client)
        await create(client)
        found: list[Any] = []
        thread = Thread(target=lambda: found.extend(recorded.points(REMAINING)))
        thread.start()
        thread.join()
        assert [(point.value, dict(point.attributes)) for point in found] == [(238, SERVER)]
    assert recorded.points(REMAINING) == []


async def test_of_several_tokens_the_least_is_told_unless_attributes_tell_them_apart(
    recorded: Recorded,
) -> None:
    sandbox = Sandbox(tokens=["one", "two", "three"])
    telemetry = recorded.telemetry()
    other = recorded.telemetry(attributes={"app.tenant": "bergen"})
    async with (
        sandbox.client("one", telemetry=telemetry) as one,
        sandbox.client("two", telemetry=telemetry) as two,
        sandbox.client("three", telemetry=other) as three,
    ):
        for client in (one, two, two, three):
            await create(client)
        told = {point.attributes.get("app.tenant"): point.value for point in recorded.points(REMAINING)}
    assert told == {None: 238, "bergen": 239}


async def test_a_client_that_is_gone_is_not_read_any_more(recorded: Recorded) -> None:
    """Even if it was never closed; telemetry keeps no client alive."""
    telemetry = recorded.telemetry()
    client = Sandbox().client(telemetry=telemetry)
    await create(client)
    assert len(recorded.points(REMAINING)) == 1
    del client
    gc.collect()
    assert recorded.points(REMAINING) == []


async def test_one_telemetry_and_many_share_their_instruments(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """A meter takes each gauge once: a second would be dropped."""
    sandbox = Sandbox(tokens=[f"t{i}" for i in range(3)])
    clients = [
        sandbox.client(f"t{i}", telemetry=recorded.telemetry(attributes={"n": str(i)})) for i in range(3)
    ]
    for client in clients:
        await create(client)
    assert sorted(point.attributes["n"] for point in recorded.points(REMAINING)) == ["0", "1", "2"]
    for client in clients:
        await client.aclose()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("gauge", "name", "worst"),
    [("rate.remaining", REMAINING, 0.0), ("watch.staleness", "frontpay.client.watch.staleness", 19.0)],
)
def test_a_gauge_tells_the_worst_of_those_that_have_something_to_tell(
    recorded: Recorded, gauge: Gauge, name: str, worst: float
) -> None:
    """Where nobody watches, nothing is stale."""
    telemetry = recorded.telemetry()
    followers = [telemetry.follow("https://api.example/v1") for _ in range(21)]
    assert recorded.points(name) == []
    values: list[float | None] = [*map(float, range(20)), None]
    for follower, value in zip(followers, values, strict=True):
        follower.observe(gauge, lambda value=value: value)
    (point,) = recorded.points(name)
    assert point.value == worst
    assert dict(point.attributes) == {"server.address": "api.example", "server.port": 443}


async def test_no_metric_has_a_series_for_each_order(recorded: Recorded) -> None:
    async with Sandbox().client(telemetry=recorded.telemetry(order_uuid=True)) as client:
        for _ in range(5):
            created = await client.orders.send_invoice(invoice())
            await client.orders.get_status(created.order_uuid)
    for name in ("http.client.request.duration", "frontpay.client.call.duration"):
        assert [point.count for point in recorded.points(name)] == [5, 5]


async def test_the_documentation_names_every_metric_and_attribute(recorded: Recorded) -> None:
    sandbox = Sandbox(clock=FakeClock().clock())
    sandbox.fail("500-before")
    sandbox.fail("drop-after")
    async with sandbox.client(telemetry=recorded.telemetry(order_uuid=True)) as client:
        with pytest.raises(OutcomeUnknownError):
            await create(client)
        await create(client)
        with pytest.raises(NotFoundError):
            await read(client)
        follower = client._session.follower
        assert follower is not None
        follower.observe("watch.staleness", lambda: 1.0)
        measured = recorded.metrics()
    assert len(measured) == 6
    told = {name for span in recorded.spans for name in span.attributes or {}}
    told |= {
        name for each in measured.values() for point in each.data.data_points for name in point.attributes
    }
    assert len(told) > 12
    page = PAGE.read_text("utf-8")
    assert [name for name in {*measured, *told} if f"`{name}`" not in page] == []


@pytest.mark.parametrize("code", BLOCKS)
def test_the_documentations_examples_run(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And print what their comments promise."""
    exec(compile(code, "observability.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own page
    assert capsys.readouterr().out == "".join(re.findall(r"^# (.*\n)", code, re.MULTILINE))


def test_a_global_provider_that_is_named_is_the_global_provider() -> None:
    """Whichever way it is reached, its instruments are made once."""
    first = Telemetry().follow("https://api.example/v1")
    second = Telemetry(meter_provider=metrics.get_meter_provider()).follow("https://api.example/v1")
    assert first.instruments is second.instruments  # type: ignore[attr-defined]


def test_global_providers_may_be_set_after_the_client_was_built() -> None:
    """In a process of its own, because they are set once; the gauges are read there, too."""
    script = """
import asyncio
from opentelemetry import metrics, trace
from tests.support.telemetry import Recorded
from frontpay_async.otel import Telemetry
from frontpay_async.sandbox import Sandbox

recorded = Recorded()

async def main():
    async with Sandbox().client(telemetry=Telemetry()) as client:
        metrics.set_meter_provider(recorded.meter_provider)
        trace.set_tracer_provider(recorded.tracer_provider)
        await client.orders.list_statuses()
        async with Sandbox().client(telemetry=Telemetry(attributes={"n": "2"})) as second:
            await second.orders.list_statuses()
            print(sorted(recorded.metrics()), len(recorded.spans))
            print(len(recorded.points("frontpay.client.rate_limit.remaining")))

asyncio.run(main())
"""
    root = str(PAGE.parents[1])
    ran = subprocess.run(  # noqa: S603
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=root
    )
    names = ["frontpay.client.call.duration", REMAINING, WAIT, "http.client.request.duration"]
    assert ran.stdout.splitlines() == [f"{names} 4", "2"]
    assert ran.stderr == ""
