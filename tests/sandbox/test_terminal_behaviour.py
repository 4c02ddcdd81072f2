"""Terminals as a person wants them at the moment: declines, magic amounts, offline, one payment at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from frontpay_async import (
    OrderSummary,
    PaymentStatus,
    Product,
    RefundStatus,
    ServerError,
    TerminalBusyError,
    TerminalOrder,
)
from frontpay_async.sandbox import (
    DEFAULT_ORGANIZATION,
    DEFAULT_TERMINAL,
    MAGIC_AMOUNTS,
    Cardholder,
    DeclineReason,
    Sandbox,
)
from tests.support.sandboxes import NO_RETRY, call, raw_client, terminal_order, waiting

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration

OTHER = "TRML1216693970"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(cardholder=Cardholder(after=None))


def priced(amount: str) -> TerminalOrder:
    products = [Product(name="Ski wax", quantity=1, rate=amount, tax=25)]
    return terminal_order(products=products, summary=OrderSummary.of(products))


@pytest.mark.parametrize("reason", DeclineReason)
async def test_a_decline_has_a_reason(
    client: FrontPayClient, sandbox: Sandbox, reason: DeclineReason
) -> None:
    uuid = await waiting(client)
    sandbox.decline(uuid, reason.value)
    assert sandbox.orders[uuid].decline_reason is reason
    async with raw_client(sandbox) as raw:
        told = (await raw.get(f"terminal/orders/payment-status/{uuid}")).json()
    stopped = reason is DeclineReason.CANCELLED
    assert told["message"] == ("cancelledOrderSuccessfully" if stopped else "orderPaymentFailed")
    assert told["order_status"] == "CANCELLED"


async def test_a_declined_refund_has_a_reason(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    with pytest.raises(ValueError, match="unknown decline reason 'moon'"):
        sandbox.decline_refund(uuid, "moon")
    sandbox.decline_refund(uuid, "blocked-card")
    assert sandbox.orders[uuid].decline_reason is DeclineReason.BLOCKED_CARD
    assert await client.terminals.get_refund_status(uuid) is RefundStatus.REJECTED


@pytest.mark.parametrize("end", MAGIC_AMOUNTS)
async def test_magic_amounts_decide_payments(end: int) -> None:
    sandbox = Sandbox(magic_amounts=True)
    outcome = MAGIC_AMOUNTS[end]
    async with sandbox.client(retry=NO_RETRY) as client:
        if outcome in ("busy", "offline"):
            with pytest.raises(TerminalBusyError if outcome == "busy" else ServerError):
                await client.terminals.create_order(priced(f"149.{end:02}"))
            assert sandbox.orders == {}
            return
        uuid = (await client.terminals.create_order(priced(f"149.{end:02}"))).order_uuid
        status = await client.terminals.get_payment_status(uuid)
        if outcome == "waits":
            assert not status.is_final
        else:
            assert status is PaymentStatus.CANCELLED
            assert sandbox.orders[uuid].decline_reason is outcome
        paid = (await client.terminals.create_order(priced("149.50"))).order_uuid
        assert await client.terminals.get_payment_status(paid) is PaymentStatus.PAID


async def test_amounts_are_ordinary_unless_asked() -> None:
    async with Sandbox().client() as client:
        uuid = (await client.terminals.create_order(priced("149.01"))).order_uuid
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.PAID


async def test_a_terminal_takes_one_payment_at_a_time() -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=None), one_payment_at_a_time=True)
    async with sandbox.client(retry=NO_RETRY) as client:
        first = await waiting(client)
        with pytest.raises(TerminalBusyError):
            await waiting(client)
        await client.terminals.resend_order(first)
        await client.terminals.create_order(terminal_order(terminal_uuid=OTHER))
        sandbox.approve(first)
        second = await waiting(client)
        with pytest.raises(TerminalBusyError):
            await call(client, "terminals.refund", first, line_id=sandbox.orders[first].lines[0].id)
        sandbox.decline(second)
        await call(client, "terminals.refund", first, line_id=sandbox.orders[first].lines[0].id)
        with pytest.raises(TerminalBusyError):
            await waiting(client)
    assert len(sandbox.orders) == 3


async def test_an_offline_terminal_is_not_listed_and_takes_nothing(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    careful = client.with_options(retry=NO_RETRY)
    uuid = await waiting(client)
    sandbox.set_terminal(DEFAULT_TERMINAL, offline=True)
    with pytest.raises(ServerError, match="510"):
        await careful.terminals.resend_order(uuid)
    with pytest.raises(ServerError, match="510"):
        await careful.terminals.create_order(terminal_order())
    assert [each.uuid for each in await client.terminals.list(DEFAULT_ORGANIZATION)] == [OTHER]
    assert list(sandbox.orders) == [uuid]
    sandbox.set_terminal(DEFAULT_TERMINAL, offline=False)
    await careful.terminals.resend_order(uuid)
    with pytest.raises(KeyError):
        sandbox.set_terminal("TRML0", offline=True)


@pytest.fixture
async def control(sandbox: Sandbox) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://sandbox.localhost/_sandbox", trust_env=False
    )


async def test_all_of_it_is_controlled_from_another_process(
    sandbox: Sandbox, control: httpx.AsyncClient
) -> None:
    sale = {"terminal": DEFAULT_TERMINAL, "item": "Ski wax", "amount": "149.50"}
    sold = await control.post("sales", json=sale)
    uuid = sold.json()["order_uuid"]
    assert (sold.status_code, str(sandbox.orders[uuid].amount)) == (201, "149.50")
    assert (await control.post("behaviour", json={"one_at_a_time": True})).status_code == 200
    busy = await control.post("sales", json=sale)
    assert (busy.status_code, "terminalIsBusy" in busy.json()["error"]) == (409, True)
    wrong = await control.post(f"orders/{uuid}/decline", json={"reason": "moon"})
    assert (wrong.status_code, "decline reason" in wrong.json()["error"]) == (422, True)
    assert (await control.post(f"orders/{uuid}/decline", json={"reason": "wrong-pin"})).status_code == 200
    assert (await control.post(f"terminals/{DEFAULT_TERMINAL}", json={"offline": True})).status_code == 200
    assert (await control.post("sales", json=sale)).status_code == 409
    known = (await control.get(f"orders/{uuid}")).json()
    assert (known["reason"], known["all_lines"][0]["amount"]) == ("wrong-pin", "149.50")
    assert "till@example.com" not in json_text(known)
    assert (await control.get("orders/ODR0")).status_code == 404
    for path, body in (
        ("sales", {}),
        ("sales", {**sale, "amount": "much"}),
        ("sales", []),
        ("terminals/TRML0", {"offline": True}),
        ("terminals/TRML0", []),
        (f"terminals/{DEFAULT_TERMINAL}", {}),
        ("behaviour", []),
    ):
        assert (await control.post(path, json=body)).status_code == 422, (path, body)
    assert (await control.post("reset")).status_code == 200
    assert sandbox.behaviour.offline == set()
    assert not sandbox.behaviour.one_at_a_time


def json_text(value: object) -> str:
    return json.dumps(value)


def test_the_documentation_lists_every_magic_amount() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox-page.md").read_text("utf-8")
    listed = {int(end) for end in re.findall(r"^\| …,(\d\d) \|", page, re.MULTILINE)}
    assert listed == set(MAGIC_AMOUNTS)
