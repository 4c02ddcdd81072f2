"""What a type checker knows of telemetry. Checked, not run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async import FrontPayClient
from frontpay_async.otel import Telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from frontpay_async._transport.instrumentation import TelemetryProvider as Protocol
    from frontpay_async.sandbox import Sandbox


def it_is_given_to_a_client(traces: TracerProvider, metrics: MeterProvider, sandbox: Sandbox) -> None:
    telemetry = Telemetry(
        tracer_provider=traces,
        meter_provider=metrics,
        attributes={"app.tenant": "oslo"},
        order_uuid=True,
        propagate=True,
    )
    FrontPayClient(environment="demo", telemetry=telemetry)
    FrontPayClient(environment="demo", telemetry=None)
    sandbox.client(telemetry=telemetry)
    it_follows: Protocol = telemetry
    it_follows.follow("https://api.example/v1")


def what_is_none_is_refused() -> None:
    FrontPayClient(telemetry="on")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Telemetry(attributes={"app.shard": 7})  # type: ignore[dict-item] # pyright: ignore[reportArgumentType]
    Telemetry(order_uuids=True)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    Telemetry().propagate = True  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
