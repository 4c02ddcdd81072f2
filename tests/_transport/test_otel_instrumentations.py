"""The instrumentations of httpx and aiohttp beside this package's own spans: none is there twice."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor

from tests.support.builders import ORDER_UUID
from tests.support.fakes import cancel
from tests.support.telemetry import Recorded
from tests.support.wire_steps import failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from frontpay_async._transport.engines import Engine
    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration


@pytest.fixture
def recorded(engine: Engine) -> Iterator[Recorded]:
    """Recording, with the engine's instrumentation switched on."""
    recorded = Recorded()
    instrumentor = HTTPXClientInstrumentor() if engine == "httpx" else AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=recorded.tracer_provider, meter_provider=recorded.meter_provider)
    yield recorded
    instrumentor.uninstrument()


@asynccontextmanager
async def bare(engine: Engine) -> AsyncIterator[Any]:
    """A client of the engine itself."""
    async with httpx.AsyncClient() if engine == "httpx" else aiohttp.ClientSession() as client:
        yield client


async def test_each_request_has_one_span_and_no_trace_context(
    server: WireServer, connect: Connect, recorded: Recorded
) -> None:
    server.script(failed(503))
    await cancel(connect(server, telemetry=recorded.telemetry()))
    assert [span.kind.name for span in recorded.spans] == ["CLIENT", "CLIENT", "INTERNAL"]
    assert {span.instrumentation_scope.name for span in recorded.spans if span.instrumentation_scope} == {
        "frontpay_async"
    }
    (point,) = [
        point
        for point in recorded.points("http.client.request.duration")
        if point.attributes["http.response.status_code"] == 201
    ]
    assert point.count == 1
    for request in server.requests:
        assert request.header("traceparent") is None


async def test_other_requests_of_the_process_are_still_instrumented(
    server: WireServer, connect: Connect, recorded: Recorded, engine: Engine
) -> None:
    """Before, between and after; so the test above can fail."""
    client = connect(server, telemetry=recorded.telemetry())
    for _ in range(2):
        async with bare(engine) as others:
            await others.get(server.url)
        await cancel(client)
    scopes = [span.instrumentation_scope.name for span in recorded.spans if span.instrumentation_scope]
    assert [name.startswith("opentelemetry.instrumentation") for name in scopes] == [
        True,
        False,
        False,
    ] * 2


async def test_a_token_that_is_fetched_is_traced_below_the_call(
    server: WireServer, connect: Connect, recorded: Recorded, engine: Engine
) -> None:
    """What the caller's own code sends meanwhile is not kept still."""

    async def token() -> str:
        async with bare(engine) as others:
            await others.get(server.url)
        return "fetched"

    await cancel(connect(server, telemetry=recorded.telemetry(), token=token))
    fetch, request, whole = recorded.spans
    assert [span.parent.span_id for span in (fetch, request) if span.parent] == [whole.context.span_id] * 2


async def test_without_telemetry_the_instrumentation_sees_what_is_sent(
    server: WireServer, connect: Connect, recorded: Recorded, engine: Engine
) -> None:
    """With the order's id and the trace's: what the documentation warns of."""
    if engine == "httpx2":
        pytest.skip("there is no instrumentation of httpx2 yet")
    await cancel(connect(server))
    (span,) = recorded.spans
    assert ORDER_UUID in span.to_json()
    assert server.requests[0].header("traceparent") is not None
