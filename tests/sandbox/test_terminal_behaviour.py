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
from frontpay_async.callbacks import CallbackGuard, sign_callback_url
from frontpay_async.sandbox import (
    DEFAULT_CALLBACK_SECRET,
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
        ("behaviour", {"one_at_a_tim": True}),
        ("behaviour", {"one_at_a_time": "false"}),
        ("behaviour", {"magic_amounts": 1}),
        ("behaviour", {"one_at_a_time": False, "magic_amounts": None}),
        (f"terminals/{DEFAULT_TERMINAL}", {"offline": "false"}),
        (f"terminals/{DEFAULT_TERMINAL}", {"offline": False, "online": True}),
        ("sales", {**sale, "price": "1"}),
        ("sales", {**sale, "amount": True}),
        ("sales", {**sale, "item": ["Ski wax"]}),
        ("sales", {**sale, "callback_url": 7}),
        (f"orders/{uuid}/approve", {"because": "wrong-pin"}),
        (f"orders/{uuid}/decline", {"reason": 7}),
        ("callbacks/listener", {"url": 7}),
        ("callbacks/listener", {"url": None, "uri": "http://127.0.0.1"}),
        ("faults", {"kind": "drop-after", "times": "2"}),
        ("faults", {"kind": "drop-after", "tmes": 2}),
        ("faults", {"rates": {"drop-after": "0.5"}}),
        ("faults", {"kind": "drop-after", "times": True}),
        ("faults", {"rates": {"drop-after": True}}),
        ("callbacks/faults", {"kind": "drop", "times": True}),
        ("callbacks/faults", {"kind": "drop", "seconds": "3"}),
    ):
        refused = await control.post(path, json=body)
        assert (refused.status_code, bool(refused.json()["error"])) == (422, True), (path, body)
    assert sandbox.behaviour.one_at_a_time
    assert (await control.post("reset")).status_code == 200
    assert sandbox.behaviour.offline == set()
    assert not sandbox.behaviour.one_at_a_time


async def test_the_callback_of_a_sale_is_accepted_by_a_guard(
    sandbox: Sandbox, control: httpx.AsyncClient
) -> None:
    """The page signs the URL, as the merchant does who creates an order; a token that is there stays."""
    own = sign_callback_url("https://shop.example/cb", "B-1", DEFAULT_CALLBACK_SECRET)
    references: list[str | None] = []
    for url in ("https://shop.example/cb?shop=7", own):
        sale = {"terminal": DEFAULT_TERMINAL, "item": "Ski wax", "amount": 10, "callback_url": url}
        uuid = (await control.post("sales", json=sale)).json()["order_uuid"]
        sandbox.approve(uuid)
        (sent,) = await sandbox.deliver_callbacks()
        callback = await CallbackGuard(DEFAULT_CALLBACK_SECRET).check(sent.url.partition("?")[2])
        references.append(callback.order_reference)
    assert references == ["page sale", "B-1"]
    wrong = await control.post("sales", json={**sale, "callback_url": "ftp://shop.example"})
    assert (wrong.status_code, "callbackUrl" in wrong.json()["error"]) == (422, True)


def json_text(value: object) -> str:
    return json.dumps(value)


def test_the_documentation_lists_every_magic_amount() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sandbox-page.md").read_text("utf-8")
    listed = {int(end) for end in re.findall(r"^\| …,(\d\d) \|", page, re.MULTILINE)}
    assert listed == set(MAGIC_AMOUNTS)
