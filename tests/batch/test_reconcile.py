"""Rows in doubt: found, sent again, or left to a person; never sent blindly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontpay_async import AuthenticationError, ConfigurationError, NotFoundError
from frontpay_async.batch import InvoiceBatch, State
from frontpay_async.sandbox import FaultKind
from tests.support.batches import CREATE, Night, Rewriting, assert_each_sent_once, item, order, rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from frontpay_async.batch import BatchItem, BatchRow

pytestmark = pytest.mark.integration

SETTLING = 60.0


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "journal.db")


@pytest.fixture
async def batch(night: Night) -> AsyncIterator[InvoiceBatch]:
    async with night.client() as client, night.batch(client) as batch:
        yield batch


async def settled(batch: InvoiceBatch, *items: BatchItem) -> dict[str, BatchRow]:
    await batch.submit(items)
    await batch.run(concurrency=1)
    return await rows_of(batch)


@pytest.mark.parametrize(
    "fault",
    [
        FaultKind.ERROR_500_AFTER,
        FaultKind.ERROR_510_AFTER,
        FaultKind.HTML_502_AFTER,
        FaultKind.DROP_AFTER,
        FaultKind.CUT_BODY,
    ],
)
async def test_what_was_stored_is_found_and_not_sent_again(
    night: Night, batch: InvoiceBatch, fault: FaultKind
) -> None:
    night.sandbox.fail(fault, operation=CREATE)
    rows = await settled(batch, item(1), item(2))
    assert_each_sent_once(night, rows, [item(1), item(2)])
    assert night.requests("orders.send_invoice") == 2
    assert (rows["I-1"].attempts, rows["I-1"].error) == (1, None)


@pytest.mark.parametrize(
    "fault", [FaultKind.ERROR_500_BEFORE, FaultKind.HTML_502_BEFORE, FaultKind.DROP_BEFORE]
)
async def test_what_was_not_stored_is_sent_again_after_two_looks(
    night: Night, batch: InvoiceBatch, fault: FaultKind
) -> None:
    night.sandbox.fail(fault, operation=CREATE)
    begun = night.time.time
    rows = await settled(batch, item(1), item(2))
    assert_each_sent_once(night, rows, [item(1), item(2)])
    assert (rows["I-1"].attempts, night.requests("orders.send_invoice")) == (2, 3)
    # One list before anything was sent, and two looks.
    assert night.requests("orders.list_statuses") == 3
    assert night.time.time - begun >= 2 * SETTLING


async def test_an_order_that_is_stored_late_is_found_in_the_second_look(night: Night) -> None:
    """The request was still at work at the API when it was looked for first."""
    lists = 0

    def late(path: str, data: Any) -> Any:
        nonlocal lists
        if path == "orders/status":
            lists += 1
            return [row for row in data if lists > 1 or row["uuid"] != stored]
        return data

    stored = ""
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, skip=1)
    async with night.client(Rewriting(night, late)) as client, night.batch(client) as batch:
        await batch.submit([item(1), item(2)])
        stored = "ODR3506700002"
        await batch.run(concurrency=1)
        rows = await rows_of(batch)
    assert_each_sent_once(night, rows, [item(1), item(2)])
    assert rows["I-2"].order_uuid == stored
    assert night.requests("orders.send_invoice") == 2


@pytest.mark.parametrize(("stored", "creates"), [(0, 6), (1, 5), (2, 4), (3, 3)])
async def test_of_identical_orders_just_the_missing_ones_are_sent_again(
    night: Night, batch: InvoiceBatch, stored: int, creates: int
) -> None:
    triplets = [item(1, key=key) for key in "abc"]
    night.sandbox.fail(
        FaultKind.ERROR_510_AFTER, operation=CREATE, times=stored or 1, skip=0 if stored else 99
    )
    night.sandbox.fail(
        FaultKind.ERROR_510_BEFORE, operation=CREATE, times=3 - stored or 1, skip=0 if stored < 3 else 99
    )
    assert_each_sent_once(night, await settled(batch, *triplets), triplets)
    assert night.requests("orders.send_invoice") == creates


async def test_an_identical_order_of_yesterday_is_not_taken_for_ours(night: Night) -> None:
    """What was listed before the request was made cannot be its order."""
    async with night.client() as shop:
        yesterday = (await shop.orders.send_invoice(order(1))).order_uuid
    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE)
    async with night.client() as client, night.batch(client) as batch:
        rows = await settled(batch, item(1))
    assert rows["I-1"].order_uuid != yesterday
    assert len(night.sandbox.orders) == 2
    assert night.requests("orders.get_details") == 0


async def stranger_during_the_batch(night: Night, **settings: Any) -> tuple[InvoiceBatch, Any]:
    """Run a batch whose only order is stored with its answer lost, while somebody sends the same."""
    shop = night.client()
    client = night.client()
    batch = night.batch(client, **settings)
    await batch.submit([item(1), item(2)])
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, skip=1)
    inner = night.sandbox.transport()
    sent = False

    class Meanwhile(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal sent
            if request.method == "POST" and not sent:
                sent = True
                await shop.orders.send_invoice(order(1))
            return await inner.handle_async_request(request)

    batch._client = night.client(Meanwhile())
    await batch.run(concurrency=1)
    return batch, (shop, client)


async def test_more_identical_orders_than_were_sent_are_left_to_a_person(night: Night) -> None:
    batch, _ = await stranger_during_the_batch(night)
    row = (await rows_of(batch))["I-1"]
    assert (row.state, row.order_uuid) == (State.PARKED, None)
    assert "another program sends identical orders" in str(row.error)
    assert set(row.candidates) <= night.sandbox.orders.keys()
    assert len(row.candidates) == 2
    await batch.resolve("I-1", as_sent=row.candidates[1])
    assert (await rows_of(batch))["I-1"].order_uuid == row.candidates[1]
    assert (await batch.run()).sent == 0
    await batch.aclose()


async def test_a_person_may_have_it_sent_again(night: Night) -> None:
    batch, _ = await stranger_during_the_batch(night)
    await batch.resolve("I-1", resend=True)
    assert (await batch.run()).sent == 1
    assert (await rows_of(batch))["I-1"].state is State.DONE
    assert len(night.sandbox.orders) == 4
    await batch.aclose()


async def test_what_a_person_may_not_decide(night: Night) -> None:
    batch, _ = await stranger_during_the_batch(night)
    other = (await rows_of(batch))["I-2"].order_uuid
    with pytest.raises(ConfigurationError, match="no order 'I-9'"):
        await batch.resolve("I-9", resend=True)
    with pytest.raises(ConfigurationError, match="'I-2' is done"):
        await batch.resolve("I-2", resend=True)
    with pytest.raises(ConfigurationError, match="either as_sent"):
        await batch.resolve("I-1")
    with pytest.raises(ConfigurationError, match="either as_sent"):
        await batch.resolve("I-1", as_sent="ODR1", resend=True)
    with pytest.raises(NotFoundError):
        await batch.resolve("I-1", as_sent="ODR1")
    with pytest.raises(ConfigurationError, match="already belongs to another row"):
        await batch.resolve("I-1", as_sent=other)
    assert (await rows_of(batch))["I-1"].state is State.PARKED
    await batch.aclose()


async def test_orders_that_differ_only_in_what_is_not_shown_are_left_to_a_person(
    night: Night, batch: InvoiceBatch
) -> None:
    """One of the two was created, and nothing shows which."""
    # A new account's first order is sent alone.
    assert (await settled(batch, item(2)))["I-2"].state is State.DONE
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE)
    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE)
    rows = await settled(batch, item(1, reference_no="R-1"), item(1, key="I-1b", reference_no="R-2"))
    del rows["I-2"]
    assert {row.state for row in rows.values()} == {State.PARKED}
    assert all("does not show" in str(row.error) for row in rows.values())


async def test_if_none_of_them_stands_there_all_are_sent_again(night: Night, batch: InvoiceBatch) -> None:
    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE, times=2)
    rows = await settled(batch, item(1, reference_no="R-1"), item(1, key="I-1b", reference_no="R-2"))
    assert {row.state for row in rows.values()} == {State.DONE}
    assert len(night.sandbox.orders) == 2


async def test_an_api_that_shows_orders_in_another_form_gets_nothing_twice(night: Night) -> None:
    """Then no order can be recognised, and absence proves nothing: it is left to a person."""

    def in_cents(path: str, data: Any) -> Any:
        if path.startswith("orders/details"):
            for line in data["productList"]:
                line["amount"] = line["amount"] * 100
        return data

    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, skip=1)
    async with night.client(Rewriting(night, in_cents)) as client, night.batch(client) as batch:
        rows = await settled(batch, item(1), item(2))
    assert {key: row.state for key, row in rows.items()} == {"I-1": State.DONE, "I-2": State.PARKED}
    assert rows["I-2"].candidates == ("ODR3506700002",)
    assert night.requests("orders.send_invoice") == 2


async def test_a_list_that_lacks_known_orders_proves_nothing(night: Night) -> None:
    def frozen(path: str, data: Any) -> Any:
        return data[:1] if path == "orders/status" else data

    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, skip=2)
    async with night.client() as shop:
        await shop.orders.send_invoice(order(99))
    async with night.client(Rewriting(night, frozen)) as client, night.batch(client) as batch:
        rows = await settled(batch, item(1), item(2))
    assert {key: row.state for key, row in rows.items()} == {"I-1": State.DONE, "I-2": State.PARKED}
    assert "does not show orders that were confirmed" in str(rows["I-2"].error)
    assert night.requests("orders.send_invoice") == 3


async def test_details_that_are_not_there_are_left_to_a_person(night: Night) -> None:
    inner = night.sandbox.transport()

    class Forgetful(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if "orders/details" in request.url.path:
                return httpx.Response(404, json={"message": "orderNotFound"})
            return await inner.handle_async_request(request)

    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE)
    async with night.client(Forgetful()) as client, night.batch(client) as batch:
        rows = await settled(batch, item(1))
    assert (rows["I-1"].state, len(rows["I-1"].candidates)) == (State.PARKED, 1)


async def test_looking_goes_on_when_the_api_fails_meanwhile(night: Night, batch: InvoiceBatch) -> None:
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE)
    night.sandbox.fail(FaultKind.HTML_502_BEFORE, operation="orders.get_details", times=6)
    night.sandbox.fail(FaultKind.HTML_502_BEFORE, operation="orders.list_statuses", times=6, skip=1)
    rows = await settled(batch, item(1))
    assert_each_sent_once(night, rows, [item(1)])
    assert night.requests("orders.send_invoice") == 1


async def test_fifty_rows_in_doubt_among_a_thousand_orders_cost_few_requests(night: Night) -> None:
    items = [item(number) for number in range(200)]
    async with night.client() as shop:
        for number in range(300):
            await shop.orders.send_invoice(order(10_000 + number))
    before = len(night.sandbox.requests)
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, times=4)
    for start in range(10, 200, 4):
        night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, skip=start)
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(items)
        report = await batch.run(concurrency=1)
        rows = await rows_of(batch)
    arrived = [each.operation for each in night.sandbox.requests[before:]]
    assert report.reconciled >= 50
    assert {row.state for row in rows.values()} == {State.DONE}
    assert arrived.count("orders.send_invoice") == 200
    assert len(arrived) - 200 <= report.reconciled + 10


async def test_what_was_found_is_written_down_while_others_are_still_read(night: Night) -> None:
    """A runner that dies in a long look has not looked in vain."""
    inner = night.sandbox.transport()
    read: list[str] = []
    alive = True

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if "orders/details" in request.url.path:
                night.time.time += 5
                read.append(request.url.path)
                # Enough for two times some: a confirmed order is read with each, and two orders once more.
                if alive and len(read) > 34:
                    return httpx.Response(401, json={"message": "Unauthenticated."})
            return await inner.handle_async_request(request)

    items = [item(number) for number in range(30)]
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, times=30)
    async with night.client(Slow()) as client, night.batch(client) as batch:
        await batch.submit(items)
        with pytest.raises(AuthenticationError):
            await batch.run()
        assert 16 <= (await batch.status()).done < 30
        alive = False
        await batch.run()
        assert_each_sent_once(night, await rows_of(batch), items)
    assert night.requests("orders.send_invoice") == 30


async def test_only_looks_that_began_after_the_settling_delay_count(night: Night) -> None:
    """One row is in doubt for a minute when the other's answer has just been lost."""
    inner = night.sandbox.transport()

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                night.time.time += 45
            return await inner.handle_async_request(request)

    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE, times=2)
    async with night.client(Slow()) as client, night.batch(client) as batch:
        rows = await settled(batch, item(1), item(2))
    assert_each_sent_once(night, rows, [item(1), item(2)])
    # Lost at 45 and 90 s: each is looked for twice, by looks of its own, and sent again after that.
    assert night.requests("orders.list_statuses") == 5
    assert night.time.time - 1000 >= 90 + 2 * SETTLING + 45


async def test_who_looks_reads_each_candidate_once(night: Night) -> None:
    """Also where an order stays unaccounted for through several looks."""
    async with night.client() as shop:
        unrelated_order = order(77)
        inner = night.sandbox.transport()

        class Meanwhile(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.method == "POST":
                    await shop.orders.send_invoice(unrelated_order)
                return await inner.handle_async_request(request)

        night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE, skip=3)
        async with night.client(Meanwhile()) as client, night.batch(client) as batch:
            rows = await settled(batch, item(1), item(2))
    assert {row.state for row in rows.values()} == {State.DONE}
    read = [each.path for each in night.sandbox.requests if each.operation == "orders.get_details"]
    assert len(read) == len(set(read))


async def test_strangers_are_read_once_whoever_looks(night: Night) -> None:
    """What a colleague sent meanwhile is no news to the next process, nor to another runner."""
    inner, shop = night.sandbox.transport(), night.client()

    class Meanwhile(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and night.sandbox.orders:
                await shop.orders.send_invoice(order(77))
                return httpx.Response(510, json={"message": "internalServerError"})
            if "orders/details" not in request.url.path and night.requests("orders.list_statuses") == 2:
                # The second look has no list.
                return httpx.Response(401, json={"message": "Unauthenticated."})
            return await inner.handle_async_request(request)

    def read() -> list[str]:
        return [each.path for each in night.sandbox.requests if each.operation == "orders.get_details"]

    async with night.client(Meanwhile()) as client, night.batch(client) as batch:
        await batch.submit([item(1), item(2), item(3)])
        with pytest.raises(AuthenticationError):
            await batch.run(concurrency=1)
        assert (await batch.status()).counts == {State.DONE: 1, State.UNKNOWN: 2}
        # With the confirmed order, which shows whether the details are right.
        assert len(read()) == 3
    async with night.client() as client, night.batch(client) as batch:
        assert (await batch.run()).done == 3
    assert len(read()) == len(set(read())) == 3
    await shop.aclose()
