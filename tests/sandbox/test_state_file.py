"""A sandbox that survives a restart: its orders in a file."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import anyio.to_thread
import pytest

from frontpay_async import OrderStatus, PaymentStatus
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support import more_builders as more
from tests.support.builders import ORGANIZATION_ID, invoice, payment_link
from tests.support.sandboxes import call, client_of, reserved, subscribed, waiting

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


async def test_everything_else_survives_a_restart(file: Path) -> None:
    """All goes on where it was, and new ids follow those that are kept."""
    first = Sandbox(state_file=file)
    async with first.serve() as url, client_of(url) as client:
        reserved_uuid = await reserved(client, first)
        line = first.reservations[reserved_uuid].lines[0].id
        taken = await client.reservations.capture(reserved_uuid, more.capture(line, 40))
        await client.reservations.refund(
            reserved_uuid, more.reservation_refund(line, 15, reference=taken.uuid)
        )
        before = await client.reservations.get_details(reserved_uuid)
        history = await client.reservations.list_history()
        subscribed_uuid = await subscribed(client, first, failing=1)
        cycles = (await client.subscriptions.get_details(subscribed_uuid)).cycles
        customer = str((await client.orders.send_payment_link(payment_link())).customer_uuid)
        await client.customers.update_private(customer, more.private_update(name="Kari Ny"))
        await client.credit_checks.check_corporate(ORGANIZATION_ID)
        check = await call(client, "company_checks.start", "")
        first.apply_event(check.company_check_uuid, "confirm")
    second = Sandbox(state_file=file)
    async with second.serve() as url, client_of(url) as client:
        assert await client.reservations.get_details(reserved_uuid) == before
        assert await client.reservations.list_history() == history
        assert (await client.subscriptions.get_details(subscribed_uuid)).cycles == cycles
        assert (await client.customers.get_details(customer)).name == "Kari Ny"
        assert len(await client.credit_checks.list()) == 1
        assert [each.score for each in await client.company_checks.get_details(987654321)] == [87]
        await client.reservations.capture(reserved_uuid, more.capture(line, 62))
        payments = [each.uuid for each in second.reservations[reserved_uuid].taken]
        assert len(set(payments)) == len(payments) == 2
        made = await client.reservations.submit(more.reservation())
        assert made.reservation_uuid != reserved_uuid
        assert made.customer_uuid not in {before.customer and before.customer.customer_uuid, customer}


async def test_what_fell_due_in_between_happens_at_the_start(file: Path) -> None:
    """The hold of a reservation ends, and a subscription is billed, as if the sandbox had been there."""
    first = Sandbox(state_file=file)
    async with first.serve() as url, client_of(url) as client:
        reserved_uuid, uuid = await reserved(client, first), await subscribed(client, first)
    age = 35 * 86400
    kept = json.loads(await anyio.to_thread.run_sync(file.read_text))
    kept["reservations"][0]["reserved_at"] -= age
    kept["subscriptions"][0]["cycles"][0]["at"] -= age
    await anyio.to_thread.run_sync(file.write_text, json.dumps(kept))
    second = Sandbox(state_file=file)
    assert len(second.subscriptions[uuid].cycles) == 2
    assert second.reservations[reserved_uuid].status == "EXPIRED"


def test_a_file_of_the_older_format_is_read(file: Path) -> None:
    file.write_text('{"format": "frontpay_async sandbox 1", "orders": []}', "utf-8")
    assert Sandbox(state_file=file).orders == {}


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
