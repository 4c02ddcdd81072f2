"""A batch against the sandbox: what is sent, what is refused, what stops it, and what it tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontpay_async import (
    AuthenticationError,
    ConfigurationError,
    NotFoundError,
    NotSentError,
    RateLimit,
)
from frontpay_async.batch import AlreadySubmittedError, BatchItem, ContentMismatchError, InvoiceBatch, State
from frontpay_async.sandbox import FaultKind, Sandbox
from tests.support import builders
from tests.support.batches import CREATE, Night, assert_each_sent_once, item, order, rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from frontpay_async import FrontPayClient
    from frontpay_async.batch import BatchStatus

pytestmark = pytest.mark.integration

ITEMS = [item(number) for number in range(12)]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "journal.db")


@pytest.fixture
async def client(night: Night) -> AsyncIterator[FrontPayClient]:
    async with night.client() as client:
        yield client


@pytest.fixture
async def batch(night: Night, client: FrontPayClient) -> AsyncIterator[InvoiceBatch]:
    async with night.batch(client) as batch:
        yield batch


async def test_all_four_kinds_are_sent_once(night: Night, batch: InvoiceBatch) -> None:
    kinds = (builders.payment_link(), builders.invoice(), builders.efaktura(), builders.ehf())
    await batch.submit(BatchItem(key=str(number), order=each) for number, each in enumerate(kinds))
    report = await batch.run()
    assert (report.total, report.done, report.sent, report.reconciled) == (4, 4, 4, 0)
    assert report.is_settled
    assert sorted(each.operation for each in night.sandbox.orders.values()) == [
        "orders.send_efaktura",
        "orders.send_ehf_invoice",
        "orders.send_invoice",
        "orders.send_payment_link",
    ]
    rows = await rows_of(batch)
    assert {row.order_uuid for row in rows.values()} == night.sandbox.orders.keys()
    assert all(row.customer_uuid and row.attempts == 1 and row.error is None for row in rows.values())
    assert [row.kind.removeprefix("orders.send_") for row in rows.values()] == [
        "payment_link",
        "invoice",
        "efaktura",
        "ehf_invoice",
    ]


async def test_running_again_sends_nothing(night: Night, batch: InvoiceBatch) -> None:
    await batch.submit(ITEMS)
    await batch.run()
    arrived = len(night.sandbox.requests)
    report = await batch.run()
    assert (report.sent, len(night.sandbox.requests)) == (0, arrived)


async def test_submitting_again_adds_nothing(night: Night, batch: InvoiceBatch) -> None:
    """Also after the orders were sent and their content was removed."""
    first = await batch.submit(ITEMS)
    await batch.run()
    again = await batch.submit([*ITEMS, item(99)])
    assert (first.added, first.known, again.added, again.known) == (12, 0, 1, 12)
    await batch.run()
    assert_each_sent_once(night, await rows_of(batch), [*ITEMS, item(99)])


async def test_items_may_come_from_an_async_iterable_in_any_number(batch: InvoiceBatch) -> None:
    async def items() -> AsyncIterator[BatchItem]:
        for number in range(1201):
            yield item(number)

    assert (await batch.submit(items())).added == 1201
    assert (await batch.status()).counts == {State.PENDING: 1201}


@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_key_with_another_order_is_an_error_that_names_both(
    batch: InvoiceBatch, is_sent: bool
) -> None:
    await batch.submit([item(1)])
    if is_sent:
        await batch.run()
    with pytest.raises(ContentMismatchError) as caught:
        await batch.submit([item(2), item(1, reference_no="R-2")])
    assert caught.value.key == "I-1"
    assert "'I-1' was already submitted with different content" in str(caught.value)
    assert ("done as ODR" if is_sent else "send_invoice that is pending") in str(caught.value)
    assert len(set(re.findall(r"(?:was|now) ([0-9a-f]{8})", str(caught.value)))) == 2
    assert builders.NAME not in str(caught.value)
    # Nothing of that piece was added.
    assert (await batch.status()).total == 1


async def test_a_key_twice_in_one_submission(batch: InvoiceBatch) -> None:
    assert (await batch.submit([item(1), item(1)])).added == 1
    with pytest.raises(ContentMismatchError, match="an earlier item of this submission"):
        await batch.submit([item(2), item(2, reference_no="R-2")])


async def test_two_identical_orders_both_go_out(night: Night, batch: InvoiceBatch) -> None:
    twins = [item(1, key="a"), item(1, key="b")]
    await batch.submit(twins)
    await batch.run()
    assert_each_sent_once(night, await rows_of(batch), twins)


async def test_batches_of_one_journal_have_keys_of_their_own(night: Night, client: FrontPayClient) -> None:
    for name in ("May", "June"):
        async with night.batch(client, name=name) as batch:
            await batch.submit([item(1, reference_no=name)])
            await batch.run()
    assert len(night.sandbox.orders) == 2


@pytest.mark.parametrize("is_sent", [False, True])
async def test_the_same_orders_under_another_name_are_refused_unless_it_is_meant(
    night: Night, client: FrontPayClient, is_sent: bool
) -> None:
    """The name of a batch is mistyped: 2026-5 for 2026-05."""
    async with night.batch(client, name="2026-05") as batch:
        await batch.submit([item(1)])
        if is_sent:
            await batch.run()
    async with night.batch(client, name="2026-5") as batch:
        with pytest.raises(AlreadySubmittedError, match=r"'2026-05', where it is (done|pending)") as caught:
            await batch.submit([item(2), item(1)])
        assert (caught.value.key, caught.value.name) == ("I-1", "2026-05")
        assert builders.NAME not in str(caught.value)
        assert (await batch.status()).total == 0
        await batch.submit([item(2), item(1)], again=True)
        assert (await batch.run()).done == 2
    assert len(night.sandbox.orders) == (3 if is_sent else 2)


async def test_what_failed_under_another_name_may_be_sent_under_this_one(
    night: Night, client: FrontPayClient
) -> None:
    async with night.batch(client, name="2026-05") as batch:
        await batch.submit([item(1, products=())])
        assert (await batch.run()).failed == 1
    async with night.batch(client, name="2026-06") as batch:
        assert (await batch.submit([item(1, products=())])).added == 1


async def test_a_key_is_one_however_its_letters_are_composed(night: Night, client: FrontPayClient) -> None:
    composed, decomposed = "FÅ-1", "FA\u030a-1"
    async with night.batch(client, name=f"b{composed}") as batch:
        await batch.submit([item(1, key=composed)])
        assert (await batch.submit([item(1, key=decomposed)])).added == 0
        assert (await batch.run()).done == 1
        with pytest.raises(ConfigurationError, match="is done"):
            await batch.resolve(decomposed, resend=True)
    async with night.batch(client, name=f"b{decomposed}") as batch:
        assert (await batch.status()).done == 1


@pytest.mark.parametrize("key", [" I-1", "I-1 ", "I-1\n", "\u3000I-1", "I\u200b-1", "I-1\ufeff", ""])
def test_white_space_around_a_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"white space|printable"):
        item(1, key=key) if key else BatchItem(key=key, order=order(1))


async def test_what_the_api_refuses_fails_with_its_sentences(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")
    night.sandbox = Sandbox(rate_limit=None, order_date_format="day", clock=night.time.clock())
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(ITEMS[:3])
        report = await batch.run()
        rows = await rows_of(batch)
    assert report.counts == {State.FAILED: 3}
    assert {row.error for row in rows.values()} == {"417: The order date does not match the format d M, Y."}
    assert night.requests("orders.send_invoice") == 3


async def test_what_breaks_a_documented_rule_is_never_sent(night: Night, batch: InvoiceBatch) -> None:
    await batch.submit([item(1, invoice_maturity=11), item(2)])
    report = await batch.run()
    rows = await rows_of(batch)
    assert report.counts == {State.FAILED: 1, State.DONE: 1}
    assert "invoiceMaturity" in str(rows["I-1"].error)
    assert (rows["I-1"].attempts, night.requests("orders.send_invoice")) == (0, 1)


async def test_a_refused_token_stops_the_batch_and_leaves_it_as_it_was(night: Night) -> None:
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
    night.sandbox = Sandbox(rate_limit=None, tokens=["another"], clock=night.time.clock())
    async with night.client() as client, night.batch(client) as batch:
        with pytest.raises(AuthenticationError):
            await batch.run()
        assert (await batch.status()).counts == {State.PENDING: len(ITEMS)}
    assert len(night.sandbox.requests) <= 1


async def test_a_token_that_is_revoked_in_the_middle_stops_it(night: Night) -> None:
    inner = night.sandbox.transport()
    creates = 0

    class Revoking(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal creates
            creates += request.method == "POST"
            if creates > 5:
                return httpx.Response(401, json={"message": "Unauthenticated."})
            return await inner.handle_async_request(request)

    async with night.client(Revoking()) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        with pytest.raises(AuthenticationError):
            await batch.run(concurrency=1)
        assert (await batch.status()).counts == {State.DONE: 5, State.PENDING: 7}
    async with night.client() as client, night.batch(client) as batch:
        await batch.resume()
        assert_each_sent_once(night, await rows_of(batch), ITEMS)


async def test_a_wrong_base_url_stops_it_and_fails_no_order(night: Night) -> None:
    """A 404 of every order says that the URL is wrong, not that the orders are."""

    class Elsewhere(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            status, words = (404, "Order Not Found") if request.method == "GET" else (404, "Not Found")
            return httpx.Response(status, json={"message": words})

    async with night.client(Elsewhere()) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        with pytest.raises(NotFoundError):
            await batch.run()
        assert (await batch.status()).counts == {State.PENDING: len(ITEMS)}


async def test_what_did_not_leave_is_sent_later(night: Night) -> None:
    inner = night.sandbox.transport()
    failures = iter([True, False, True, True] + [False] * 100)

    class Flaky(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and next(failures):
                raise httpx.ConnectError("no route to host")
            return await inner.handle_async_request(request)

    async with night.client(Flaky()) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        report = await batch.run(concurrency=2)
        rows = await rows_of(batch)
    assert_each_sent_once(night, rows, ITEMS)
    assert (report.sent, report.reconciled, night.requests("orders.list_statuses")) == (12, 0, 1)
    assert sum(row.attempts for row in rows.values()) == 12 + 3


async def test_what_is_answered_with_429_is_sent_later(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")
    night.sandbox = Sandbox(rate_limit=5, rate_window=60.0, clock=night.time.clock())
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        await batch.run(concurrency=3)
        assert_each_sent_once(night, await rows_of(batch), ITEMS)
    assert night.time.time >= 1000 + 120


async def test_it_keeps_within_the_rate_without_a_429(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")
    night.sandbox = Sandbox(rate_limit=5, rate_window=60.0, clock=night.time.clock())
    limit = RateLimit(requests=5, window=60.0)
    async with night.client(rate_limit=limit) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        await batch.run(concurrency=3)
        assert_each_sent_once(night, await rows_of(batch), ITEMS)
    assert [each.status for each in night.sandbox.requests if each.status == 429] == []


async def test_an_outage_pauses_it_and_puts_few_orders_in_doubt(night: Night) -> None:
    """A read that is answered shows its end; then one order at a time, until one is answered."""
    items = [item(number) for number in range(30)]
    # The first request, for the list, is answered.
    night.sandbox.fail(FaultKind.HTML_502_BEFORE, skip=1, times=40)
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(items)
        begun = night.time.time
        await batch.run(concurrency=4)
        rows = await rows_of(batch)
    assert_each_sent_once(night, rows, items)
    attempts = sum(row.attempts for row in rows.values())
    assert attempts - len(items) <= 10
    assert night.time.time - begun > 60


async def test_progress_and_report(batch: InvoiceBatch, night: Night) -> None:
    seen: list[BatchStatus] = []
    await batch.submit(ITEMS)
    await batch.run(on_progress=seen.append)
    assert seen[0].counts == {State.PENDING: 12}
    assert seen[-1].counts == {State.DONE: 12}
    assert {status.name for status in seen} == {"night"}
    assert seen[-1].is_settled
    assert night.sandbox.orders


async def test_an_empty_batch_asks_nothing(night: Night, batch: InvoiceBatch) -> None:
    report = await batch.run()
    assert (report.total, report.is_settled, len(night.sandbox.requests)) == (0, True, 0)


async def test_resume_wants_a_batch_that_is_there(batch: InvoiceBatch) -> None:
    with pytest.raises(ConfigurationError, match="no batch 'night'"):
        await batch.resume()
    await batch.submit(ITEMS)
    assert (await batch.resume()).done == len(ITEMS)


async def test_a_journal_belongs_to_one_base_url(night: Night, batch: InvoiceBatch) -> None:
    """What was begun on demo must not be continued in production."""
    await batch.submit(ITEMS)
    async with night.client(base_url="https://api.example.no") as other, night.batch(other) as elsewhere:
        with pytest.raises(ConfigurationError, match=r"belongs to orders at http://sandbox\.localhost"):
            await elsewhere.run()


async def test_a_journal_belongs_to_one_account(night: Night, batch: InvoiceBatch) -> None:
    """The token of another account shows other orders: nothing is sent there."""
    await batch.submit([item(1)])
    await batch.run()
    await batch.submit([item(2)])
    night.sandbox = Sandbox(rate_limit=None, clock=night.time.clock())
    async with night.client() as other, night.batch(other) as elsewhere:
        with pytest.raises(ConfigurationError, match="belong to another account"):
            await elsewhere.run()
        assert (await elsewhere.status()).counts == {State.DONE: 1, State.PENDING: 1}
    assert not night.sandbox.orders


async def test_a_client_that_is_closed_meanwhile_ends_the_run(night: Night) -> None:
    """It will not come back: to wait for it as in an outage would never end."""
    inner = night.sandbox.transport()

    class Closing(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if len(night.sandbox.orders) == 3:
                client._session.closed = True
            return await inner.handle_async_request(request)

    async with night.client(Closing()) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        with pytest.raises(NotSentError, match="the client is closed"):
            await batch.run(concurrency=1)
        assert (await batch.status()).counts == {State.DONE: 4, State.PENDING: 8}


async def test_a_closed_batch(batch: InvoiceBatch) -> None:
    await batch.aclose()
    await batch.aclose()
    with pytest.raises(ConfigurationError, match="closed"):
        await batch.submit(ITEMS)


@pytest.mark.parametrize(
    "settings", [{"name": ""}, {"name": "a\nb"}, {"lease": 0}, {"settling": -1}, {"drain": -1}]
)
async def test_settings_that_cannot_work(
    night: Night, client: FrontPayClient, settings: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        night.batch(client, **settings)


async def test_concurrency_must_be_at_least_one(batch: InvoiceBatch) -> None:
    with pytest.raises(ConfigurationError, match="at least 1"):
        await batch.run(concurrency=0)


def test_building_a_batch_does_nothing(night: Night, tmp_path: Path) -> None:
    """Neither I/O nor an event loop is needed."""
    batch = night.batch(night.client())
    assert repr(batch) == "<InvoiceBatch 'night'>"
    assert list(tmp_path.iterdir()) == []


async def test_a_create_is_never_sent_again_by_the_transport(night: Night) -> None:
    """The client's own policy would send a 510 again; the batch's calls go by another."""
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE)
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit([item(1)])
        await batch.run()
        assert_each_sent_once(night, await rows_of(batch), [item(1)])
    assert night.requests("orders.send_invoice") == 1


async def test_the_clients_own_calls_keep_their_settings(night: Night, client: FrontPayClient) -> None:
    async with night.batch(client) as batch:
        await batch.submit([item(1)])
        await batch.run()
    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE)
    await client.orders.send_invoice(order(2))
    assert night.requests("orders.send_invoice") == 3
