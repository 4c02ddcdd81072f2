"""The example app by uvicorn, against the sandbox: real sockets both ways, and real callbacks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import frozen

from frontpay_async.sandbox import (
    DEFAULT_CALLBACK_SECRET,
    DEFAULT_TERMINAL,
    Cardholder,
    Fault,
    FaultKind,
    Sandbox,
)
from frontpay_async.sandbox.server import bind
from tests.support.callbacks import origin
from tests.support.examples import load, open_shop, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytestmark = pytest.mark.integration

pytest.importorskip("fastapi")


@frozen
class Till:
    """What stands in the shop: a way to sell, and the sandbox behind it."""

    sandbox: Sandbox
    shop: httpx.AsyncClient

    async def sell(self, reference: str = "B-1001") -> httpx.Response:
        sale = {"reference": reference, "terminal": DEFAULT_TERMINAL, "item": "Ski wax", "price": "149.50"}
        return await self.shop.post("/sales", json=sale)

    async def shown(self) -> str:
        """Wait until an order is on the terminal."""
        await until(lambda: self.sandbox.orders)
        return next(iter(self.sandbox.orders))

    async def called_back(self, times: int = 1) -> None:
        """Wait until callbacks have come back from the shop."""
        await until(lambda: len(self.sandbox.callbacks) >= times)


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, **changes: Any) -> AsyncIterator[Till]:
    """Serve the sandbox and the shop, whose settings stand in the environment."""
    example = load("fastapi_app", monkeypatch, **changes)
    listener = bind("127.0.0.1", 0)
    monkeypatch.setenv("SHOP_CALLBACK_URL", f"{origin(listener)}/frontpay/callback")
    monkeypatch.setenv("SHOP_CALLBACK_SECRET", DEFAULT_CALLBACK_SECRET)
    async with open_shop(example, sandbox, monkeypatch, listener) as shop:
        yield Till(sandbox, shop)


@pytest.mark.parametrize(("decision", "status"), [("approve", "PAID"), ("decline", "CANCELLED")])
async def test_a_sale_waits_for_the_cardholder(
    monkeypatch: pytest.MonkeyPatch, decision: str, status: str
) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=None))
    answers: list[httpx.Response] = []
    async with opened(monkeypatch, sandbox) as till:

        async def sell() -> None:
            answers.append(await till.sell())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sell)
            uuid = await till.shown()
            getattr(sandbox, decision)(uuid)
        await till.called_back()
    assert (answers[0].status_code, answers[0].json()) == (200, {"order": uuid, "status": status})
    assert [sent.status for sent in sandbox.callbacks] == [200]


async def test_a_sale_is_decided_without_any_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=0.05))
    sandbox.callback_sender.fail("lose", times=None)
    async with opened(monkeypatch, sandbox) as till:
        answer = await till.sell()
    assert (answer.status_code, answer.json()["status"]) == (200, "PAID")
    assert [sent.problem for sent in sandbox.callbacks] == ["lost"]


async def test_callbacks_that_come_twice_are_answered_with_200(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=0.05))
    sandbox.callback_sender.fail("twice")
    async with opened(monkeypatch, sandbox) as till:
        assert (await till.sell()).json()["status"] == "PAID"
        await till.called_back(2)
    assert [sent.status for sent in sandbox.callbacks] == [200, 200]


async def test_a_made_up_callback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(monkeypatch, Sandbox()) as till:
        made_up = "orderUuid=ODR1&status=Approved&type=Payment&totalAmount=42&currency=NOK"
        assert (await till.shop.get(f"/frontpay/callback?{made_up}")).status_code == 403


async def test_a_cardholder_who_takes_too_long_is_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=None))
    async with opened(monkeypatch, sandbox, PATIENCE=0.05) as till:
        answer = await till.sell()
    assert answer.status_code == 202
    assert answer.json()["order"] in sandbox.orders


async def test_a_token_that_is_used_up_is_503_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    """The window of the token is a minute, and the till waits ten seconds at most."""
    sandbox = Sandbox(rate_limit=3, cardholder=Cardholder(after=None))
    async with opened(monkeypatch, sandbox, PATIENCE=0.01) as till:
        answers = [await till.sell(f"B-{number}") for number in range(4)]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert refused
    assert int(refused[0].headers["retry-after"]) > 0
    # The server never had to say so itself.
    assert [request.status for request in sandbox.requests if request.status == 429] == []


SLOW = {"latency": 0.05, "drip": 0.05}
CREATE, CHECK = "terminals.create_order", "terminals.get_payment_status"
FAULTS = [
    (kind, operation)
    for kind in FaultKind
    for operation in (CREATE, CHECK)
    if Fault(kind=kind, seconds=SLOW.get(kind, 0)).strikes(operation)
]


@pytest.mark.parametrize(("kind", "operation"), FAULTS)
async def test_each_fault_is_answered_by_what_is_known(
    monkeypatch: pytest.MonkeyPatch, kind: FaultKind, operation: str
) -> None:
    """Never a 500, never "nothing was done" of an order that is on the terminal, and never two orders."""
    sandbox = Sandbox(cardholder=Cardholder(after=0.05))
    sandbox.fail(kind, operation=operation, seconds=SLOW.get(kind, 0))
    async with opened(monkeypatch, sandbox, PATIENCE=5.0) as till:
        answer = await till.sell()
    assert sandbox.duplicates() == ()
    if operation == CHECK or kind.is_slowness:
        assert (answer.status_code, answer.json()["status"]) == (200, "PAID")
    elif kind is FaultKind.BUSY:
        # A busy terminal did not take the order, and the client asked again by itself.
        assert answer.status_code == 200
    else:
        assert answer.status_code == 202
        assert "look at the terminal" in answer.json()["detail"]
        assert len(sandbox.orders) == (0 if kind.prevents else 1)


async def test_what_is_refused_is_told_apart_from_what_was_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox()
    async with opened(monkeypatch, sandbox) as till:
        sale = {"reference": "B-1", "terminal": "TRML0", "item": "Ski wax", "price": "149.50"}
        assert (await till.shop.post("/sales", json=sale)).status_code == 409
        assert (await till.shop.post("/sales", json={**sale, "item": " "})).status_code == 422
    assert sandbox.orders == {}
