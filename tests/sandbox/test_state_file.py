"""A sandbox that survives a restart: its orders in a file."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from frontpay_async import OrderStatus, PaymentStatus
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support.builders import invoice, payment_link
from tests.support.sandboxes import call, client_of, waiting

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.json"


async def test_orders_and_refunds_survive_a_restart(file: Path) -> None:
    """They go on where they were, and new orders get new ids."""
    holder = Cardholder(after=None)
    first = Sandbox(cardholder=holder, state_file=file)
    async with first.serve() as url, client_of(url) as client:
        link = (await client.orders.send_payment_link(payment_link())).order_uuid
        await client.orders.send_invoice(invoice())
        at_terminal = await waiting(client)
        first.approve(at_terminal)
        await call(client, "terminals.refund", at_terminal, line_id=first.orders[at_terminal].lines[0].id)
    second = Sandbox(cardholder=holder, state_file=str(file))
    fields = (
        "uuid",
        "serial",
        "body",
        "status",
        "amount",
        "lines",
        "terminal_uuid",
        "invoice_number",
        "created_at",
    )
    for uuid, order in first.orders.items():
        one, other = ([str(getattr(each, name)) for name in fields] for each in (order, second.orders[uuid]))
        assert one == other
    async with second.serve() as url, client_of(url) as client:
        assert len(await client.orders.list_statuses()) == 3
        second.approve_refund(at_terminal)
        assert second.orders[at_terminal].refunded == 10
        second.apply_event(link, "pay")
        assert (await client.orders.get_status(link)).status is OrderStatus.PAID
        new = (await client.orders.send_payment_link(payment_link())).order_uuid
        assert new not in first.orders
        ids = [line.id for order in second.orders.values() for line in order.lines]
        assert len(set(ids)) == len(ids)
    assert set(Sandbox(state_file=file).orders) == {*first.orders, new}


async def test_a_payment_that_waited_for_the_cardholder_is_decided_after_the_restart(file: Path) -> None:
    first = Sandbox(cardholder=Cardholder(after=3600), state_file=file)
    async with first.serve() as url, client_of(url) as client:
        uuid = await waiting(client)
    second = Sandbox(cardholder=Cardholder(after=0), state_file=file)
    async with second.client() as client:
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.PAID


async def test_the_file_is_its_owners_and_holds_no_token(file: Path) -> None:
    sandbox = Sandbox(state_file=file)
    async with sandbox.serve() as url, client_of(url) as client:
        await client.orders.send_invoice(invoice())
    mode, text, names = await anyio.to_thread.run_sync(
        lambda: (file.stat().st_mode, file.read_text("utf-8"), [each.name for each in file.parent.iterdir()])
    )
    assert stat.S_IMODE(mode) == 0o600
    assert DEFAULT_TOKEN not in text
    assert names == ["state.json"]


async def test_the_orders_of_a_token_that_is_not_accepted_stay_in_the_file(file: Path) -> None:
    first = Sandbox(state_file=file)
    async with first.serve() as url, client_of(url) as client:
        await client.orders.send_invoice(invoice())
    other = Sandbox(tokens=["another"], state_file=file)
    async with other.serve() as url, client_of(url, "another") as client:
        assert await client.orders.list_statuses() == ()
        await client.orders.send_invoice(invoice())
    async with Sandbox(state_file=file).client() as client:
        assert len(await client.orders.list_statuses()) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x", "orders": []}', '{"format": 1}', "\x00"])
def test_another_file_is_refused_and_left_as_it_is(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"state\.json is not a state file"):
        Sandbox(state_file=file)
    assert file.read_text("utf-8") == text
