"""Traces and metrics by OpenTelemetry; the only user of its API, with the extra ``otel``.

    client = FrontPayClient(environment="demo", telemetry=Telemetry())

A call is a span (INTERNAL), and each of its requests is a child span (CLIENT), by the semantic conventions
for HTTP. The call's span has what the conventions do not cover: waits, retries and the outcome. A request's
span starts when it may be sent and ends with the last byte of the response.

The content of spans and metrics:
- Attributes come from the operation table, the settings and the records of the hooks, never from a body, a
  header, a query or a URL, so they cannot contain personal data or secrets.
- ``url.full`` is required by the conventions, with sensitive parts redacted: it is derived from the row's
  path, with ``REDACTED`` instead of the id. An order's id identifies a purchase, and more people can read
  traces than orders.
- Exceptions are not recorded: their messages may quote the API's, which may quote the request. ``error.type``
  and the outcome are enough for alerts.

The instrumentations of httpx and aiohttp would create a second span for each request, with the id in its URL,
and send trace context to the payment provider. They are suppressed while a request is in flight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

from attrs import define, field, frozen

try:
    from opentelemetry import context, metrics, trace

    # The instrumentations check these two keys; the API has no public name for them.
    from opentelemetry.context import (
        _SUPPRESS_HTTP_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
        _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
    )
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError as error:
    raise ImportError(
        "frontpay_async.otel needs the extra: pip install 'frontpay_async[otel]'", name=error.name
    ) from error

from frontpay_async import _checks
from frontpay_async._protocol.parse import problem
from frontpay_async._version import __version__
from frontpay_async.errors import APIError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableMapping

    from attrs import Attribute
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation
    from opentelemetry.trace import Span, Tracer, TracerProvider

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._transport.call import Attempt, Call
    from frontpay_async._transport.instrumentation import Follower, Gauge
    from frontpay_async.models.records import ResultRecord
    from frontpay_async.priority import Priority

__all__ = ["Telemetry"]

Attributes: TypeAlias = "dict[str, str | int | float | bool]"

_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
_SUCCEEDED = "succeeded"
_SLOT = re.compile(r"\{\w+\}")
# The conventions' boundaries for request durations; and longer ones for waits, up to a few windows.
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_CALL_SECONDS = (*_REQUEST_SECONDS, 30, 60, 120, 300)
_WAIT_SECONDS = (0, *_CALL_SECONDS)


@frozen(eq=False)
class _GaugeSettings:
    name: str
    unit: str
    description: str
    # How a gauge combines several clients.
    worst: Callable[[Iterable[float]], float]


_GAUGES: Mapping[Gauge, _GaugeSettings] = MappingProxyType(
    {
        "rate.remaining": _GaugeSettings(
            "frontpay.client.rate_limit.remaining",
            "{request}",
            "Requests that the token's rate window has left; of several tokens, the least.",
            min,
        ),
        "watch.staleness": _GaugeSettings(
            "frontpay.client.watch.staleness",
            "s",
            "Age of the oldest news of an order that is watched; of several clients, the greatest.",
            max,
        ),
    }
)


@define(eq=False)
class _Instruments:
    """The instruments of one meter provider."""

    meter: Meter
    requests: metrics.Histogram = field(init=False)
    calls: metrics.Histogram = field(init=False)
    waits: metrics.Histogram = field(init=False)
    unknown: metrics.Counter = field(init=False)
    # Read in the exporter's thread.
    _lock: Lock = field(init=False, factory=Lock)
    _followers: WeakSet[_Follower] = field(init=False, factory=WeakSet["_Follower"])

    def __attrs_post_init__(self) -> None:
        self.requests = self.meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=_REQUEST_SECONDS,
        )
        self.calls = self.meter.create_histogram(
            "frontpay.client.call.duration",
            "s",
            "Duration of calls, with all their attempts and waits.",
            explicit_bucket_boundaries_advisory=_CALL_SECONDS,
        )
        self.waits = self.meter.create_histogram(
            "frontpay.client.rate_limit.wait",
            "s",
            "Time that a request waited for the token's rate window.",
            explicit_bucket_boundaries_advisory=_WAIT_SECONDS,
        )
        self.unknown = self.meter.create_counter(
            "frontpay.client.unknown_outcomes",
            "{call}",
            "Calls with an unknown outcome.",
        )
        for gauge, settings in _GAUGES.items():
            self.meter.create_observable_gauge(
                settings.name, [self._reader(gauge, settings)], settings.unit, settings.description
            )

    def add(self, follower: _Follower) -> None:
        """Add the gauges of a client while it exists."""
        with self._lock:
            self._followers.add(follower)

    def _reader(
        self, gauge: Gauge, settings: _GaugeSettings
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            with self._lock:
                followers = tuple(self._followers)
            seen: dict[frozenset[tuple[str, object]], tuple[Attributes, list[float]]] = {}
            for follower in followers:
                value = follower.read(gauge)
                if value is not None:
                    attributes = follower.server
                    seen.setdefault(frozenset(attributes.items()), (attributes, []))[1].append(value)
            return [
                metrics.Observation(settings.worst(values), attributes)
                for attributes, values in seen.values()
            ]

        return read


# A meter accepts each gauge once, so clients of one provider share them. None is the global provider, which
# may be set after the first client was built.
_of_providers: MutableMapping[MeterProvider, _Instruments] = WeakKeyDictionary()
_of_the_global_provider: list[_Instruments] = []
_making = Lock()


def _instruments(provider: MeterProvider | None) -> _Instruments:
    with _making:
        if provider is None or provider is metrics.get_meter_provider():
            if not _of_the_global_provider:
                _of_the_global_provider.append(_Instruments(_meter(None)))
            return _of_the_global_provider[0]
        found = _of_providers.get(provider)
        if found is None:
            found = _of_providers[provider] = _Instruments(_meter(provider))
        return found


def _meter(provider: MeterProvider | None) -> Meter:
    return metrics.get_meter("frontpay_async", __version__, provider, _SCHEMA)


def _copy(attributes: Mapping[str, str]) -> Mapping[str, str]:
    if not isinstance(cast("object", attributes), Mapping):
        raise _checks.refusal("Telemetry.attributes", "a mapping of text to text", attributes)
    given = cast("Mapping[object, object]", attributes)
    return MappingProxyType(
        {
            _checks.text("each name of Telemetry.attributes", name): _checks.text(
                "each value of Telemetry.attributes", value
            )
            for name, value in given.items()
        }
    )


def _provider(method: str) -> Callable[[Telemetry, Attribute[Any], object], None]:
    def check(_: Telemetry, attribute: Attribute[Any], value: object) -> None:
        if value is not None:
            name = f"Telemetry.{attribute.name}"
            _checks.offers(name, value, [method], "a provider of OpenTelemetry's API")

    return check


def _flag(_: Telemetry, attribute: Attribute[Any], value: object) -> None:
    _checks.flag(f"Telemetry.{attribute.name}", value)


@frozen(kw_only=True, eq=False)
class Telemetry:
    """OpenTelemetry traces and metrics, passed to clients as ``telemetry``. One serves any number of clients.

    Args:
        tracer_provider: The provider of spans. Defaults to the global provider.
        meter_provider: The provider of metrics. Defaults to the global provider.
        attributes: Added to every span and metric, such as the tenant of the token; no personal data.
        order_uuid: Whether spans have the order's id as ``frontpay.order_uuid``. Metrics never have it.
        propagate: Whether requests have ``traceparent`` and ``tracestate``. Baggage is never sent.

    Raises:
        ConfigurationError: An argument has the wrong type; also a ``ValueError``.
    """

    tracer_provider: TracerProvider | None = field(default=None, validator=_provider("get_tracer"))
    meter_provider: MeterProvider | None = field(default=None, validator=_provider("get_meter"))
    attributes: Mapping[str, str] = field(factory=dict[str, str], converter=_copy)
    order_uuid: bool = field(default=False, validator=_flag)
    propagate: bool = field(default=False, validator=_flag)

    def follow(self, base_url: str) -> Follower:
        """Return the follower of a client's calls; called by the client.

        Args:
            base_url: The client's base URL.
        """
        instruments = _instruments(self.meter_provider)
        tracer = trace.get_tracer("frontpay_async", __version__, self.tracer_provider, _SCHEMA)
        follower = _Follower(self, base_url, tracer, instruments)
        instruments.add(follower)
        return follower


@define(eq=False)
class _Follower:
    settings: Telemetry
    base_url: str
    tracer: Tracer
    instruments: _Instruments
    server: Attributes = field(init=False)
    # The constant attributes of a request's span and metrics, by operation and method.
    _of_request: Callable[[Operation[object], str], tuple[str, Attributes, Attributes]] = field(init=False)
    _reads: dict[Gauge, Callable[[], float | None]] = field(
        init=False, factory=dict["Gauge", "Callable[[], float | None]"]
    )

    def __attrs_post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self.server = {
            **self.settings.attributes,
            "server.address": parts.hostname or "",
            "server.port": port,
        }
        self._of_request = cache(self._request_attributes)

    def observe(self, gauge: Gauge, read: Callable[[], float | None]) -> None:
        """Add a gauge of this client."""
        self._reads[gauge] = read

    def read(self, gauge: Gauge) -> float | None:
        """Read a gauge; None while it has no value."""
        read = self._reads.get(gauge)
        return None if read is None else read()

    def call(
        self, operation: Operation[object], priority: Priority
    ) -> Callable[[ResultRecord], object] | None:
        """Begin the span of a call."""
        if context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return None
        attributes: Attributes = {
            **self.settings.attributes,
            "frontpay.operation": operation.name,
            "frontpay.safety": operation.safety.value,
            "frontpay.priority": priority.name.lower(),
        }
        span = self.tracer.start_span(f"frontpay {operation.name}", attributes=attributes)
        token = context.attach(trace.set_span_in_context(span))

        def end(record: ResultRecord) -> None:
            try:
                self._measure_call(operation, record)
                _describe_call(span, record, named=self.settings.order_uuid)
            finally:
                context.detach(token)
                span.end()

        return end

    def request(self, call: Call) -> Callable[[HttpResponse | None, float, str | None], object] | None:
        """Begin the span of a request."""
        if context.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
            return None
        attempt, request = call.attempt, call.attempt.request
        operation = request.operation
        name, of_span, of_metric = self._of_request(operation, request.method)
        span = self.tracer.start_span(name, kind=trace.SpanKind.CLIENT, attributes=of_span)
        if call.requests > 1:
            span.set_attribute("http.request.resend_count", call.requests - 1)
        if self.settings.order_uuid and request.order_uuid is not None:
            span.set_attribute("frontpay.order_uuid", request.order_uuid)
        if attempt.waited is not None:
            span.set_attribute("frontpay.rate_limit.wait", attempt.waited)
            priority = call.options.priority.name.lower()
            self.instruments.waits.record(attempt.waited, {**self.server, "frontpay.priority": priority})
        current = trace.set_span_in_context(span)
        if self.settings.propagate:
            headers: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(headers, current)
            attempt.headers = headers
        # Older instrumentations of aiohttp check only the second key.
        for key in (_SUPPRESS_HTTP_INSTRUMENTATION_KEY, _SUPPRESS_INSTRUMENTATION_KEY):
            current = context.set_value(key, value=True, context=current)
        token = context.attach(current)

        def end(response: HttpResponse | None, elapsed: float, raised: str | None) -> None:
            try:
                result = _answer_attributes(attempt)
                if response is not None:
                    raised = _error_type(operation, response)
                if raised is not None:
                    result["error.type"] = raised
                    span.set_status(trace.StatusCode.ERROR)
                span.set_attributes(result)
                self.instruments.requests.record(elapsed, {**of_metric, **result})
            finally:
                context.detach(token)
                span.end()

        return end

    def _request_attributes(
        self, operation: Operation[object], method: str
    ) -> tuple[str, Attributes, Attributes]:
        template = f"{urlsplit(self.base_url).path}/{operation.path}"
        of_metric: Attributes = {**self.server, "http.request.method": method, "url.template": template}
        full = f"{self.base_url}/{_SLOT.sub('REDACTED', operation.path)}"
        of_span: Attributes = {**of_metric, "url.full": full, "frontpay.operation": operation.name}
        return f"{method} {template}", of_span, of_metric

    def _measure_call(self, operation: Operation[object], record: ResultRecord) -> None:
        attributes: Attributes = {**self.server, "frontpay.operation": operation.name}
        if record.outcome is Outcome.UNKNOWN:
            self.instruments.unknown.add(1, {**attributes, "frontpay.safety": operation.safety.value})
        attributes["frontpay.outcome"] = record.outcome or _SUCCEEDED
        if record.error is not None:
            attributes["error.type"] = record.error
        self.instruments.calls.record(record.elapsed, attributes)


def _describe_call(span: Span, record: ResultRecord, *, named: bool) -> None:
    attributes: Attributes = {
        "frontpay.outcome": record.outcome or _SUCCEEDED,
        "frontpay.attempts": record.attempts,
    }
    if record.may_have_happened_twice:
        attributes["frontpay.may_have_happened_twice"] = True
    if named and record.order_uuid is not None:
        attributes["frontpay.order_uuid"] = record.order_uuid
    if record.error is not None:
        attributes["error.type"] = record.error
        span.set_status(trace.StatusCode.ERROR)
    span.set_attributes(attributes)


def _answer_attributes(attempt: Attempt) -> Attributes:
    if attempt.head is None:
        return {}
    status, version = attempt.head
    result: Attributes = {"http.response.status_code": status}
    if version:
        result["network.protocol.version"] = version
    return result


def _error_type(operation: Operation[object], response: HttpResponse) -> str | None:
    """Return the error type of a response; a 404 that means an empty list is not an error."""
    failure = problem(operation, response, None)
    if failure is None:
        return None
    return str(response.status) if isinstance(failure, APIError) else type(failure).__name__
