"""The routes below ``/_sandbox``, by which another process looks into a sandbox and steers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontpay_async import OrderStatus
from tests.support.builders import EMAIL, NAME, invoice
from tests.support.sandboxes import call, paid, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async import FrontPayClient
    from frontpay_async.sandbox import Sandbox

pytestmark = pytest.mark.integration


@pytest.fixture
async def control(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://sandbox.localhost/_sandbox", trust_env=False
    ) as control:
        yield control


async def told(control: httpx.AsyncClient, what: str) -> Any:
    """Return what a route tells."""
    answer = await control.get(what)
    assert answer.status_code == 200
    return answer.json()


async def test_orders_and_requests_are_told_without_personal_data(
    client: FrontPayClient, sandbox: Sandbox, control: httpx.AsyncClient
) -> None:
    uuid = await paid(client, sandbox)
    orders, requests = await told(control, "orders"), await told(control, "requests")
    assert orders == [
        {
            "uuid": uuid,
            "operation": "orders.send_payment_link",
            "status": "PAID",
            "amount": "102.00",
            "refunded": "0",
        }
    ]
    assert requests == [
        {
            "operation": "orders.send_payment_link",
            "method": "POST",
            "path": "/api/v1/connect/orders/payment-link/create",
            "status": 201,
            "fault": None,
        }
    ]
    assert not [secret for secret in (EMAIL, NAME, "token") if secret in str([orders, requests])]


async def test_duplicates_are_told(client: FrontPayClient, control: httpx.AsyncClient) -> None:
    assert await told(control, "duplicates") == []
    sent = [(await client.orders.send_invoice(invoice())).order_uuid for _ in range(2)]
    assert await told(control, "duplicates") == [
        {"operation": "orders.send_invoice", "order_uuids": sent, "times": 2}
    ]


@pytest.mark.parametrize("event", ["pay", "cancel", "expire", "invoice"])
async def test_events_are_caused(
    client: FrontPayClient, sandbox: Sandbox, control: httpx.AsyncClient, event: str
) -> None:
    uuid = await waiting(client)
    answer = await control.post(f"orders/{uuid}/{event}")
    assert answer.json() == {"status": sandbox.orders[uuid].status}
    assert sandbox.orders[uuid].status is not OrderStatus.SENT
    assert (await control.post(f"orders/{uuid}/{event}")).status_code == 409


@pytest.mark.parametrize(("decision", "status"), [("approve", "PAID"), ("decline", "CANCELLED")])
async def test_payments_are_decided(
    client: FrontPayClient, control: httpx.AsyncClient, decision: str, status: str
) -> None:
    uuid = await waiting(client)
    assert (await control.post(f"orders/{uuid}/{decision}")).json() == {"status": status}
    again = await control.post(f"orders/{uuid}/{decision}")
    assert (again.status_code, f"an order that is {status}" in again.json()["error"]) == (409, True)


@pytest.mark.parametrize(("decision", "refunded"), [("approve-refund", 10), ("decline-refund", 0)])
async def test_refunds_are_decided(
    client: FrontPayClient, sandbox: Sandbox, control: httpx.AsyncClient, decision: str, refunded: int
) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    assert (await control.post(f"orders/{uuid}/{decision}")).status_code == 409
    await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    assert (await control.post(f"orders/{uuid}/{decision}")).status_code == 200
    assert sandbox.orders[uuid].refunded == refunded


@pytest.mark.parametrize(("path", "status"), [("ODR1/pay", 404), ("ODR1/approve", 404)])
async def test_an_order_that_is_not_there_is_not_found(
    control: httpx.AsyncClient, path: str, status: int
) -> None:
    assert (await control.post(f"orders/{path}")).status_code == status


@pytest.mark.parametrize("event", ["dance", "refund a part"])
async def test_an_event_that_cannot_be_caused_is_refused(
    client: FrontPayClient, control: httpx.AsyncClient, event: str
) -> None:
    uuid = await waiting(client)
    assert (await control.post(f"orders/{uuid}/{event}")).status_code == 422


async def test_faults_are_added(raw: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    asked = {"kind": "500-before", "operation": "orders.*", "times": 2, "skip": 1}
    assert (await control.post("faults", json=asked)).status_code == 200
    assert [(await raw.get("orders/status")).status_code for _ in range(4)] == [404, 500, 500, 404]


async def test_random_faults_are_added(raw: httpx.AsyncClient, control: httpx.AsyncClient) -> None:
    asked = {"rates": {"510-before": 1.0}, "seed": 4}
    assert (await control.post("faults", json=asked)).status_code == 200
    assert (await raw.get("orders/status")).status_code == 510


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"7",
        b"{}",
        b'{"kind": "flood"}',
        b'{"kind": "busy", "speed": 1}',
        b'{"kind": "busy", "times": "many"}',
        b'{"kind": "busy", "operation": 7}',
        b'{"rates": {"busy": 0.1}}',
        b'{"rates": [], "seed": 1}',
        b'{"rates": {"busy": "often"}, "seed": 1}',
        b'{"rates": {"busy": 0.1}, "seed": {}}',
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    sandbox: Sandbox, control: httpx.AsyncClient, raw: httpx.AsyncClient, content: bytes
) -> None:
    """Its error speaks of the body, not of the functions behind it."""
    answer = await control.post("faults", content=content)
    assert answer.status_code == 422
    assert answer.json()["error"]
    assert "()" not in answer.json()["error"]
    assert (await raw.get("orders/status")).status_code == 404


async def test_a_reset_forgets_everything(
    client: FrontPayClient, sandbox: Sandbox, control: httpx.AsyncClient
) -> None:
    await waiting(client)
    assert (await control.post("reset")).status_code == 200
    assert (len(sandbox.orders), len(sandbox.requests)) == (0, 0)


async def test_steering_is_neither_limited_nor_recorded(sandbox: Sandbox, control: httpx.AsyncClient) -> None:
    for _ in range(250):
        await control.get("orders")
    assert sandbox.requests == ()
