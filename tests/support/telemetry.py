"""OpenTelemetry's SDK with exporters in memory, and clients that are followed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.otel import Telemetry
from tests.support.fakes import TOKEN, FakeClock

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.wire_server import WireServer

__all__ = ["Recorded", "connect"]


@define(eq=False)
class Recorded:
    """What was traced and measured."""

    exporter: InMemorySpanExporter = field(factory=InMemorySpanExporter)
    reader: InMemoryMetricReader = field(factory=InMemoryMetricReader)
    tracer_provider: TracerProvider = field(init=False)
    meter_provider: MeterProvider = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.meter_provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def telemetry(self, **settings: Any) -> Telemetry:
        """Telemetry that is recorded here."""
        return Telemetry(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **settings)

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """All spans that have ended, in that order."""
        return self.exporter.get_finished_spans()

    def kind(self, kind: str) -> list[ReadableSpan]:
        """The spans of a kind, such as CLIENT."""
        return [span for span in self.spans if span.kind.name == kind]

    def points(self, metric: str) -> list[Any]:
        """The data points of a metric, collected now; none where it has none."""
        data = self.reader.get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for each in scope.metrics
            if each.name == metric
            for point in each.data.data_points
        ]

    def metrics(self) -> dict[str, Any]:
        """All metrics by name, collected now."""
        data = self.reader.get_metrics_data()
        return {
            each.name: each
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for each in scope.metrics
        }


def connect(server: WireServer, recorded: Recorded, **settings: Any) -> FrontPayClient:
    """A client of a server, followed, without waits."""
    defaults = {
        "token": TOKEN,
        "base_url": server.url,
        "telemetry": recorded.telemetry(),
        "rate_limit": RateLimit.unlimited(),
        "clock": FakeClock().clock(),
    }
    return FrontPayClient(**{**defaults, **settings})
