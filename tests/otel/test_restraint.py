"""What telemetry does not do: tell what is personal, write to the provider, break a call, cost anything."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation
from opentelemetry.sdk.trace import SpanProcessor

from frontpay_async import (
    FrontPayClient,
    NotFoundError,
    ServerError,
)
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.otel import Telemetry
from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support.builders import EMAIL, MSISDN, NAME, ORDER_UUID, PERSONAL_NUMBER, STREET
from tests.support.fakes import TOKEN, cancel, create, read
from tests.support.sandboxes import NO_RETRY, call, line_of, prepare
from tests.support.telemetry import Recorded, connect
from tests.support.wire_server import serving
from tests.support.wire_steps import failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration

BASE = "/api/v1/connect"


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with serving() as wire:
        yield wire


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_no_span_and_no_metric_holds_an_id_or_personal_data(recorded: Recorded, operation: str) -> None:
    """By every operation, over all names, attributes, events and data points."""
    sandbox = Sandbox(cardholder=Cardholder(after=None))
    async with sandbox.client() as plain:
        uuid = await prepare(plain, sandbox, operation)
    line = line_of(sandbox, uuid)
    async with sandbox.client(telemetry=recorded.telemetry()) as client:
        await call(client, operation, uuid, line_id=line)
    request, whole = recorded.spans
    row = OPERATIONS[operation]
    attributes = dict(request.attributes or {})
    assert (request.name, attributes["url.template"]) == (
        f"{row.method} {BASE}/{row.path}",
        f"{BASE}/{row.path}",
    )
    assert str(attributes["url.full"]).count("REDACTED") == row.path.count("{")
    told = " ".join([request.to_json(), whole.to_json(), str(recorded.reader.get_metrics_data())])
    ids = {*sandbox.orders, *(each.customer_uuid for each in sandbox.orders.values())}
    for secret in (*ids, "sandbox-token", "ORG2074299506", NAME, STREET, EMAIL, MSISDN, PERSONAL_NUMBER):
        assert secret not in told


async def test_an_errors_words_are_not_written(server: WireServer, recorded: Recorded) -> None:
    """They may quote the API, which may quote what was sent."""
    server.otherwise = failed(500, "nobody knows Kari")
    async with connect(server, recorded, retry=NO_RETRY) as client:
        with pytest.raises(ServerError):
            await create(client)
    for span in recorded.spans:
        assert span.events == ()
        assert span.status.description is None
        assert "Kari" not in span.to_json()


async def test_the_order_is_named_only_on_request(recorded: Recorded) -> None:
    """On spans alone: in metrics it would be a series for each order."""
    async with Sandbox().client(telemetry=recorded.telemetry(order_uuid=True)) as client:
        with pytest.raises(NotFoundError):
            await read(client)
        await create(client)
    named = [dict(span.attributes or {}).get("frontpay.order_uuid") for span in recorded.spans]
    assert named == [ORDER_UUID, ORDER_UUID, None, None]
    assert ORDER_UUID not in str(recorded.reader.get_metrics_data())
    assert all(
        ORDER_UUID not in str(dict(span.attributes or {})["url.full"]) for span in recorded.kind("CLIENT")
    )


async def test_no_trace_context_is_sent_unless_asked(server: WireServer, recorded: Recorded) -> None:
    async with connect(server, recorded) as client:
        await create(client)
    (request,) = server.requests
    assert {name.lower() for name, _ in request.headers}.isdisjoint({"traceparent", "tracestate", "baggage"})


async def test_trace_context_is_sent_when_asked_and_baggage_never(
    server: WireServer, recorded: Recorded
) -> None:
    """Each request names its own span."""
    server.script(failed(503))
    token = context.attach(baggage.set_baggage("customer", "Kari"))
    async with connect(server, recorded, telemetry=recorded.telemetry(propagate=True)) as client:
        await cancel(client)
    context.detach(token)
    for request, span in zip(server.requests, recorded.kind("CLIENT"), strict=True):
        ids = f"{span.context.trace_id:032x}-{span.context.span_id:016x}"
        assert (request.header("traceparent") or "")[:-3] == f"00-{ids}"
        assert request.header("baggage") is None


async def test_where_instrumentation_is_suppressed_nothing_is_traced(
    server: WireServer, recorded: Recorded
) -> None:
    async with connect(server, recorded) as client:
        with suppress_instrumentation():
            await create(client)
        assert recorded.spans == ()
        await create(client)
    assert len(recorded.spans) == 2


async def test_a_broken_exporter_does_not_cost_the_answer(
    server: WireServer, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    """The SDK lets what a processor raises through to whoever starts or ends a span."""

    class Broken(SpanProcessor):
        def on_start(self, *_: Any, **__: Any) -> None:
            if self.fails_at_start:
                raise RuntimeError(TOKEN)

        def on_end(self, _: Any) -> None:
            raise RuntimeError(TOKEN)

        fails_at_start = False

    broken = Broken()
    recorded.tracer_provider.add_span_processor(broken)
    before = trace.get_current_span()
    async with connect(server, recorded) as client:
        await create(client)
        assert trace.get_current_span() is before
        broken.fails_at_start = True
        await create(client)
    assert trace.get_current_span() is before
    assert len(server.requests) == 2
    assert {record.getMessage() for record in caplog.records} == {
        "an observer hook raised RuntimeError; the call continues"
    }


async def test_global_providers_are_used_by_default(server: WireServer, recorded: Recorded) -> None:
    """Without an SDK that is the API's own, which does nothing; the client works all the same."""
    async with connect(server, recorded, telemetry=Telemetry()) as client:
        await create(client)
    assert len(server.requests) == 1
    assert recorded.spans == ()


async def test_without_telemetry_no_stage_is_composed(recorded: Recorded) -> None:
    def stages(client: FrontPayClient) -> list[str]:
        found, stage = [], client._session.pipeline
        while stage is not None:
            found.append(type(stage).__name__)
            stage = getattr(stage, "following", None)
        return found

    async with Sandbox().client() as plain, Sandbox().client(telemetry=recorded.telemetry()) as followed:
        assert stages(plain) == ["Retry", "Rate", "Deadline", "Auth", "BeforeSend", "Send"]
        assert stages(followed) == [
            "Retry",
            "Rate",
            "Deadline",
            "Auth",
            "BeforeSend",
            "Instrumentation",
            "Send",
        ]


def test_the_client_imports_nothing_of_it() -> None:
    script = "import sys, frontpay_async.client; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0  # noqa: S603


def test_without_the_extra_the_import_says_what_to_install() -> None:
    """As an ImportError, so that who treats telemetry as optional can."""
    script = "import sys; sys.modules['opentelemetry'] = None; import frontpay_async.otel"
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)  # noqa: S603
    assert (
        "ImportError: frontpay_async.otel needs the extra: pip install 'frontpay_async[otel]'" in run.stderr
    )
