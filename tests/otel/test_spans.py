"""Spans: one per call, one per request below it, and what they say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from frontpay_async import (
    InvalidOrderError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
)
from frontpay_async.sandbox import Sandbox
from tests.support.builders import ORDER_UUID, customer, invoice
from tests.support.fakes import cancel, create, read
from tests.support.sandboxes import NO_RETRY
from tests.support.telemetry import Recorded, connect
from tests.support.wire_server import serving
from tests.support.wire_steps import close, cut, envelope, failed, never

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


async def test_a_call_is_a_span_with_its_request_below(server: WireServer, recorded: Recorded) -> None:
    """Every attribute of both; nothing else is there."""
    async with connect(server, recorded) as client:
        await create(client)
    request, whole = recorded.spans
    assert (whole.name, whole.kind.name, whole.parent) == (
        "frontpay orders.send_invoice",
        "INTERNAL",
        None,
    )
    assert dict(whole.attributes or {}) == {
        "frontpay.operation": "orders.send_invoice",
        "frontpay.safety": "unsafe",
        "frontpay.priority": "normal",
        "frontpay.outcome": "succeeded",
        "frontpay.attempts": 1,
    }
    assert (request.name, request.kind.name) == (f"POST {BASE}/orders/invoice/create", "CLIENT")
    assert request.parent is not None
    assert request.parent.span_id == whole.context.span_id
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 201,
        "network.protocol.version": "1.1",
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "url.template": f"{BASE}/orders/invoice/create",
        "url.full": f"{server.url}/orders/invoice/create",
        "frontpay.operation": "orders.send_invoice",
    }
    for span in recorded.spans:
        assert span.status.status_code is StatusCode.UNSET
        assert span.instrumentation_scope is not None
        assert span.instrumentation_scope.name == "frontpay_async"


async def test_the_callers_span_is_the_parent(server: WireServer, recorded: Recorded) -> None:
    """And it is the current one again when the call has ended."""
    async with connect(server, recorded) as client:
        with recorded.tracer_provider.get_tracer("shop").start_as_current_span("checkout") as checkout:
            await create(client)
            assert trace.get_current_span() is checkout
    (whole,) = recorded.kind("INTERNAL")[:1]
    assert whole.parent == checkout.get_span_context()


async def test_each_attempt_is_a_span_and_counts_as_resent(server: WireServer, recorded: Recorded) -> None:
    """The conventions count what was sent again: nothing on the first, 1 on the second."""
    server.script(failed(503), close, failed(429))
    async with connect(server, recorded) as client:
        await cancel(client)
    requests = recorded.kind("CLIENT")
    assert [
        (
            dict(span.attributes or {}).get("http.request.resend_count"),
            dict(span.attributes or {}).get("http.response.status_code"),
            dict(span.attributes or {}).get("error.type"),
            span.status.status_code.name,
        )
        for span in requests
    ] == [
        (None, 503, "503", "ERROR"),
        (1, None, "RemoteProtocolError", "ERROR"),
        (2, 429, "429", "ERROR"),
        (3, 201, None, "UNSET"),
    ]
    (whole,) = recorded.kind("INTERNAL")
    assert dict(whole.attributes or {})["frontpay.attempts"] == 4
    assert whole.status.status_code is StatusCode.UNSET
    assert {span.parent.span_id for span in requests if span.parent} == {whole.context.span_id}


async def test_a_renewed_token_is_a_request_of_its_own(server: WireServer, recorded: Recorded) -> None:
    """One attempt, two requests."""
    server.script(failed(401))
    tokens = iter(["old", "new"])

    async def token() -> str:
        return next(tokens)

    async with connect(server, recorded, token=token) as client:
        await create(client)
    first, second = recorded.kind("CLIENT")
    assert dict(first.attributes or {})["http.response.status_code"] == 401
    assert dict(second.attributes or {})["http.request.resend_count"] == 1
    assert dict(recorded.kind("INTERNAL")[0].attributes or {})["frontpay.attempts"] == 1


async def test_the_other_method_counts_as_resent(server: WireServer, recorded: Recorded) -> None:
    server.script(failed(405))
    server.otherwise = envelope(refund_status="REFUNDED")
    async with connect(server, recorded) as client:
        await client.terminals.get_refund_status(ORDER_UUID)
    first, second = recorded.kind("CLIENT")
    assert [span.name.split()[0] for span in (first, second)] == ["POST", "GET"]
    assert dict(second.attributes or {})["http.request.resend_count"] == 1


async def test_a_lost_answer_is_an_unknown_outcome(server: WireServer, recorded: Recorded) -> None:
    server.otherwise = close
    async with connect(server, recorded) as client:
        with pytest.raises(OutcomeUnknownError):
            await create(client)
    (whole,) = recorded.kind("INTERNAL")
    attributes = dict(whole.attributes or {})
    assert (attributes["frontpay.outcome"], attributes["error.type"]) == ("unknown", "OutcomeUnknownError")
    assert whole.status.status_code is StatusCode.ERROR


async def test_a_success_that_may_have_happened_twice_says_so(server: WireServer, recorded: Recorded) -> None:
    server.script(failed(500))
    async with connect(server, recorded) as client:
        await create(client)
    (whole,) = recorded.kind("INTERNAL")
    assert dict(whole.attributes or {})["frontpay.may_have_happened_twice"] is True


async def test_an_answer_that_cannot_be_read_is_an_error(server: WireServer, recorded: Recorded) -> None:
    """Whatever its status says."""
    server.otherwise = envelope(data=None)
    async with connect(server, recorded, retry=NO_RETRY) as client:
        with pytest.raises(OutcomeUnknownError):
            await create(client)
    (whole,) = recorded.kind("INTERNAL")
    assert dict(whole.attributes or {})["frontpay.outcome"] == "unknown"


async def test_an_answer_that_is_cut_has_its_status_and_the_engines_error(
    server: WireServer, recorded: Recorded
) -> None:
    """The conventions ask for the status wherever one came; the error is what happened after it."""
    server.script(cut(), close)
    async with connect(server, recorded) as client:
        await cancel(client)
    told = [
        (attributes.get("http.response.status_code"), attributes.get("network.protocol.version"))
        for attributes in (dict(span.attributes or {}) for span in recorded.kind("CLIENT"))
    ]
    assert told == [(201, "1.1"), (None, None), (201, "1.1")]
    assert dict(recorded.kind("CLIENT")[0].attributes or {})["error.type"] == "RemoteProtocolError"


async def test_a_refused_connection_names_the_engines_error(server: WireServer, recorded: Recorded) -> None:
    """On the request's span; the call's has ours."""
    server.listener.close()
    async with connect(server, recorded, retry=NO_RETRY) as client:
        with pytest.raises(NotSentError):
            await create(client)
    (request,) = recorded.kind("CLIENT")
    assert dict(request.attributes or {})["error.type"] == "ConnectError"
    (whole,) = recorded.kind("INTERNAL")
    assert dict(whole.attributes or {})["frontpay.outcome"] == "not_sent"
    assert dict(whole.attributes or {})["error.type"] == "NotSentError"


async def test_an_order_that_breaks_a_rule_is_a_call_without_a_request(
    server: WireServer, recorded: Recorded
) -> None:
    async with connect(server, recorded) as client:
        with pytest.raises(InvalidOrderError):
            await client.orders.send_invoice(invoice(customer=customer(email=None)))
    (whole,) = recorded.spans
    attributes = dict(whole.attributes or {})
    assert (attributes["frontpay.attempts"], attributes["error.type"]) == (0, "InvalidOrderError")


async def test_a_cancelled_call_ends_its_spans(server: WireServer, recorded: Recorded) -> None:
    server.otherwise = never
    async with connect(server, recorded) as client:
        task = asyncio.ensure_future(create(client))
        await server.received(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    request, whole = recorded.spans
    assert dict(request.attributes or {})["error.type"] == "CancelledError"
    assert dict(whole.attributes or {})["frontpay.outcome"] == "unknown"
    assert {span.status.status_code for span in recorded.spans} == {StatusCode.ERROR}


async def test_an_empty_list_is_no_error_though_it_is_a_404(recorded: Recorded) -> None:
    """The conventions let those who know better say so."""
    async with Sandbox().client(telemetry=recorded.telemetry()) as client:
        assert await client.orders.list_statuses() == ()
        with pytest.raises(NotFoundError):
            await read(client)
    empty, missing = recorded.kind("CLIENT")
    assert [dict(span.attributes or {})["http.response.status_code"] for span in (empty, missing)] == [
        404
    ] * 2
    assert [span.status.status_code.name for span in (empty, missing)] == ["UNSET", "ERROR"]


async def test_calls_at_once_keep_their_spans_apart(server: WireServer, recorded: Recorded) -> None:
    async with connect(server, recorded) as client:
        await asyncio.gather(*(create(client) for _ in range(20)))
    requests, wholes = recorded.kind("CLIENT"), recorded.kind("INTERNAL")
    parents = [span.parent.span_id for span in requests if span.parent]
    assert sorted(parents) == sorted(span.context.span_id for span in wholes)
    assert len(set(parents)) == 20


async def test_fixed_attributes_are_on_every_span(server: WireServer, recorded: Recorded) -> None:
    telemetry = recorded.telemetry(attributes={"app.tenant": "oslo"})
    async with connect(server, recorded, telemetry=telemetry) as client:
        await create(client)
    assert [dict(span.attributes or {})["app.tenant"] for span in recorded.spans] == ["oslo", "oslo"]


async def test_the_base_url_gives_the_address(recorded: Recorded) -> None:
    """The port is there even where the URL leaves it out."""
    async with Sandbox().client(telemetry=recorded.telemetry()) as client:
        await create(client)
    attributes = dict(recorded.kind("CLIENT")[0].attributes or {})
    assert (attributes["server.address"], attributes["server.port"]) == ("sandbox.localhost", 80)


async def test_a_derived_client_is_followed_too(server: WireServer, recorded: Recorded) -> None:
    async with connect(server, recorded) as client:
        await create(client.with_options())
    assert len(recorded.spans) == 2
