"""``client.request``: the same pipeline for what this package has no method for."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import (
    AuthenticationError,
    ConfigurationError,
    FrontPayError,
    InvalidOrderError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimit,
    RawResponse,
    RefundRejectedError,
    RequestRejectedError,
    RetryPolicy,
    Safety,
    ServerError,
)
from frontpay_async.sandbox import Sandbox
from tests.support.fakes import TOKEN, Hooks
from tests.support.wire_steps import answer, close, envelope, failed

if TYPE_CHECKING:
    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration

# What the API demanded of every invoice in July 2025, beside what its reference names.
JULY_2025: dict[str, Any] = {
    "isCreditCheckAvailable": False,
    "invoiceAsPaymentOption": False,
    "sendOrderBy": {"sms": True, "email": False, "invoice": True},
    "dueDateForPaymentLink": "30 Jul, 2025",
    "products": [{"name": "x", "rate": Decimal("640.00"), "quantity": "1"}],
}


async def test_a_request_goes_out_as_it_was_given(server: WireServer, connect: Connect) -> None:
    server.script(envelope(200, ("X-Request-Id", "r-1"), data={"amount": 1}))
    client = connect(server)
    response = await client.request(
        "post", "orders/invoice/create", json=JULY_2025, query={"a": "b c"}, safety="unsafe"
    )
    (received,) = server.requests
    assert (received.method, received.target.endswith("/orders/invoice/create?a=b%20c")) == ("POST", True)
    assert {name.lower(): value for name, value in received.headers}["authorization"] == f"Bearer {TOKEN}"
    assert b'"rate":640.00' in received.body
    assert json.loads(received.body, parse_float=Decimal) == JULY_2025
    assert isinstance(response, RawResponse)
    assert (response.status, response.request_id) == (200, "r-1")
    assert response.json == {**response.json, "data": {"amount": 1}}  # type: ignore[dict-item]
    again = pickle.loads(pickle.dumps(response))  # noqa: S301 - our own
    assert (again.status, dict(again.headers), again.json) == (200, dict(response.headers), response.json)


async def test_what_it_holds_is_not_shown(server: WireServer, connect: Connect) -> None:
    server.script(envelope(200, data={"name": "Eva"}))
    response = await connect(server).request("GET", "orders/x", safety="read")
    assert repr(response).startswith("RawResponse(status=200, headers=<")
    assert "Eva" not in repr(response)


@pytest.mark.parametrize("failure", [failed(502), close, answer(204)], ids=["502", "lost", "204"])
@pytest.mark.parametrize("safety", Safety)
async def test_the_stated_safety_decides_what_is_sent_again(
    server: WireServer, connect: Connect, safety: Safety, failure: Any
) -> None:
    server.script(failure, envelope(200))
    hooks = Hooks()
    client = connect(server, **hooks.settings())
    if safety is Safety.UNSAFE:
        with pytest.raises(FrontPayError) as caught:
            await client.request("GET", "orders/x", safety=safety)
        assert (caught.value.outcome, len(server.requests)) == (Outcome.UNKNOWN, 1)
    else:
        response = await client.request("POST", "orders/x", safety=safety.value)
        assert (response.status, len(server.requests)) == (200, 2)
    assert {record.operation for record in hooks.results} == {"client.request"}


@pytest.mark.parametrize(
    ("step", "error", "outcome"),
    [
        (failed(401, "Unauthenticated."), AuthenticationError, Outcome.REJECTED),
        (failed(404, "orderNotFound"), NotFoundError, Outcome.REJECTED),
        (failed(417, "payloadValidationErrors"), RequestRejectedError, Outcome.REJECTED),
        (failed(510, "personCurrentStatusIsWrong"), ServerError, Outcome.UNKNOWN),
        (failed(200, "refundRejectionForProductAmountExceed"), RefundRejectedError, Outcome.REJECTED),
        (envelope(200, is_error=True), OutcomeUnknownError, Outcome.UNKNOWN),
        (envelope(200, message="somethingWasRejected"), OutcomeUnknownError, Outcome.UNKNOWN),
        (answer(200, b"<html>"), OutcomeUnknownError, Outcome.UNKNOWN),
        (answer(200, b"{}"), OutcomeUnknownError, Outcome.UNKNOWN),
    ],
    ids=["401", "404", "417", "510", "200 of a refusal", "200 is_error", "200 reject", "200 HTML", "200 {}"],
)
async def test_errors_are_those_of_every_other_call(
    server: WireServer, connect: Connect, step: Any, error: type[FrontPayError], outcome: Outcome
) -> None:
    server.otherwise = step
    with pytest.raises(error) as caught:
        await connect(server).request("POST", "orders/x", json={}, safety="unsafe")
    assert (type(caught.value), caught.value.outcome, caught.value.operation) == (
        error,
        outcome,
        "client.request",
    )


async def test_what_cannot_be_sent_is_refused_before(server: WireServer, connect: Connect) -> None:
    client = connect(server)
    with pytest.raises(InvalidOrderError, match="path"):
        await client.request("GET", "../admin", safety="read")
    with pytest.raises(ConfigurationError, match="safety must be one of read, idempotent, unsafe"):
        await client.request("GET", "orders", safety="harmless")
    with pytest.raises(TypeError, match="safety"):
        await client.request("GET", "orders")  # type: ignore[call-arg]
    assert server.connections == 0
    await client.aclose()
    with pytest.raises(NotSentError, match="closed"):
        await client.request("GET", "orders", safety="read")


async def test_it_is_counted_against_the_tokens_budget() -> None:
    sandbox = Sandbox()
    async with sandbox.client(rate_limit=RateLimit(requests=240), retry=RetryPolicy(attempts=1)) as client:
        await client.orders.list_statuses()
        before = client.rate.statistics()
        listed = await client.request("GET", "terminal/lists/ORG2074299506", safety="read")
        after = client.rate.statistics()
        assert listed.status == 200
        assert before is not None
        assert after is not None
        assert after.remaining == before.remaining - 1
