"""What another runner leaves behind, and the public building block of looking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async.batch import InvoiceBatch, State
from frontpay_async.batch.encryption import NoCipher
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import Store
from frontpay_async.batch.transitions import Transition
from frontpay_async.sandbox import FaultKind
from tests.support.batches import CREATE, Night, Rewriting, assert_each_sent_once, item, order, rows_of
from tests.support.builders import product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration


SETTLING = 60.0


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "journal.db")


@pytest.fixture
async def batch(night: Night) -> AsyncIterator[InvoiceBatch]:
    async with night.client() as client, night.batch(client) as batch:
        yield batch


# What another runner leaves behind, made by hand in the journal.


def claimed(night: Night, key: str, *, lease: float = 100.0) -> tuple[Store, Transition]:
    """Take the first pending row in hand as another runner and claim it; return its answer to come."""
    journal = Store.open(night.journal, NoCipher(), night.time.now)
    batch = journal.join("night", "http://sandbox.localhost/api/v1/connect")
    (held,) = journal.lease_rows(batch, "another", 1, lease)
    assert held.key == key
    claim = Transition(row=held.id, fence=held.fence, event=RowEvent.CLAIM, owner="another", lease=lease)
    assert journal.apply([claim]) == [True]
    answer = Transition(row=held.id, fence=held.fence, event=RowEvent.CONFIRM, order_uuid="ODR-late")
    return journal, answer


@pytest.mark.parametrize("was_stored", [True, False])
async def test_what_a_dead_runner_had_in_flight_is_looked_for_after_its_lease(
    night: Night, batch: InvoiceBatch, was_stored: bool
) -> None:
    await batch.submit([item(1), item(2)])
    claimed(night, "I-1")[0].close()
    if was_stored:
        async with night.client() as dead:
            await dead.orders.send_invoice(order(1))
    await batch.run()
    assert_each_sent_once(night, await rows_of(batch), [item(1), item(2)])
    assert night.requests("orders.send_invoice") == 2
    assert night.time.time > 1000 + 100


async def test_an_answer_after_the_lease_still_counts_while_nobody_has_taken_over(
    night: Night, batch: InvoiceBatch
) -> None:
    """The runner stood still, its row was put in doubt, and then its answer came."""
    await batch.submit([item(1)])
    journal, answer = claimed(night, "I-1")
    night.time.time += 101
    assert journal.expire(1) == 1
    assert (await batch.status()).counts == {State.UNKNOWN: 1}
    assert journal.apply([answer]) == [True]
    assert (await rows_of(batch))["I-1"].order_uuid == "ODR-late"
    journal.close()


async def test_an_answer_that_comes_after_somebody_took_over_changes_nothing(
    night: Night, batch: InvoiceBatch
) -> None:
    await batch.submit([item(1)])
    journal, answer = claimed(night, "I-1")
    night.time.time += 101
    await batch.run()
    assert journal.apply([answer]) == [False]
    assert (await rows_of(batch))["I-1"].order_uuid in night.sandbox.orders
    journal.close()


async def test_an_order_that_a_row_in_flight_may_own_is_not_given_to_another(night: Night) -> None:
    """A twin is in flight at another runner, with its answer still to come."""
    twins = [item(1, key="a"), item(1, key="b")]
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(twins)
        journal, answer = claimed(night, "a", lease=500.0)
        async with night.client() as other:
            uuid = (await other.orders.send_invoice(order(1))).order_uuid
        night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE)
        looks = night.requests("orders.list_statuses")

        def done_at_last(path: str, data: Any) -> Any:
            nonlocal looks
            looks += path == "orders/status"
            if looks == 4:
                assert journal.apply([Transition(**{**_fields(answer), "order_uuid": uuid})]) == [True]
            return data

        batch._client = night.client(Rewriting(night, done_at_last))
        await batch.run()
        assert_each_sent_once(night, await rows_of(batch), twins)
    journal.close()


def _fields(transition: Transition) -> dict[str, Any]:
    return {"row": transition.row, "fence": transition.fence, "event": transition.event}


async def test_orders_find_is_the_public_building_block(night: Night) -> None:
    async with night.client() as client:
        ours = (await client.orders.send_invoice(order(1))).order_uuid
        other = (await client.orders.send_invoice(order(2))).order_uuid
        listed = [entry.order_uuid for entry in await client.orders.list_statuses()]
        matches = await client.orders.find(order(1), among=listed)
        assert (matches.same, matches.unclear) == ((ours,), ())
        # Another customer's, with the same goods.
        others = await client.orders.find(order(1), among=[other])
        assert (others.same, others.unclear) == ((), ())
        changed = await client.orders.find(order(1, products=(product(quantity=3),)), among=listed)
        assert (changed.same, changed.unclear) == ((), (ours,))
        nothing = await client.orders.find(order(3), among=[])
        assert (nothing.same, nothing.unclear) == ((), ())
        unknown = await client.orders.find(order(1), among=["ODR9", "ODR9"])
        assert unknown.unclear == ("ODR9",)
