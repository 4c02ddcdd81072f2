"""Client, watch and batch against two servers that share no code: the sandbox and the other API."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import anyio
import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyPaidError,
    FrontPayClient,
    NotFoundError,
    OrderStatus,
    Outcome,
    OutcomeUnknownError,
    PaymentStatus,
    Refund,
    RefundLine,
    RefundRejectedError,
    RefundStatus,
    RetryPolicy,
    TerminalRefund,
)
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.batch import InvoiceBatch, State
from tests.support import builders
from tests.support.accounts import OtherAccount, SandboxAccount
from tests.support.batches import item
from tests.support.builders import ORGANIZATION_UUID
from tests.support.fakes import FakeClock
from tests.support.other_api import ODD_IDS, Listing
from tests.support.sandboxes import terminal_order
from tests.support.simulated_time import BACKENDS, CLOCK, passes, simulate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from frontpay_async import Clock
    from tests.support.accounts import Account

Server: TypeAlias = "Callable[[Clock], Account]"
UNKNOWN = "ODR1234567890"


@pytest.fixture(params=[SandboxAccount, OtherAccount], ids=["sandbox", "other"])
def server(request: pytest.FixtureRequest) -> Server:
    chosen: Server = request.param
    return chosen


@pytest.fixture
def account(server: Server) -> Account:
    return server(FakeClock().clock())


ORDERS = {
    "orders.send_payment_link": builders.payment_link,
    "orders.send_invoice": builders.invoice,
    "orders.send_efaktura": builders.efaktura,
    "orders.send_ehf_invoice": builders.ehf,
}


@pytest.mark.parametrize("operation", ORDERS)
async def test_an_order_comes_back_as_it_was_sent(account: Account, operation: str) -> None:
    order = ORDERS[operation]()
    async with account.client() as client:
        created = await getattr(client.orders, operation.partition(".")[2])(order)
        details = await client.orders.get_details(created.order_uuid)
        found = await client.orders.find(order, among=[UNKNOWN, created.order_uuid])
        report = await client.orders.get_status(created.order_uuid)
        listed = await client.orders.list_statuses()
    assert details.order_uuid == created.order_uuid
    assert [(line.name, line.quantity, line.rate, line.tax) for line in details.products] == [
        (line.name, line.quantity, line.rate, line.tax) for line in order.products
    ]
    assert details.summary.grand_total == order.summary.grand_total
    assert details.customer.email == order.customer.email
    assert list(found.same) == [created.order_uuid]
    assert (report.order_amount, report.refunded_amount) == (Decimal("102.00"), 0)
    assert [each.order_uuid for each in listed] == [created.order_uuid]


async def test_an_empty_account_has_an_empty_list(account: Account) -> None:
    async with account.client() as client:
        assert await client.orders.list_statuses() == ()
        assert await client.orders.list_statuses(status="PAID") == ()


@pytest.mark.parametrize(
    "operation",
    [name for name in OPERATIONS if name.startswith("orders.get_") or name == "terminals.get_payment_status"],
)
async def test_an_unknown_order_is_not_found(account: Account, operation: str) -> None:
    resource, method = operation.split(".")
    async with account.client() as client:
        with pytest.raises(NotFoundError) as caught:
            await getattr(getattr(client, resource), method)(UNKNOWN)
    assert caught.value.order_uuid == UNKNOWN


async def test_an_invoice_has_a_number_and_its_link_can_be_resent(account: Account) -> None:
    async with account.client() as client:
        invoice = await client.orders.send_invoice(builders.invoice())
        assert (await client.orders.get_invoice_number(invoice.order_uuid)).invoice_number
        link = await client.orders.send_payment_link(builders.payment_link())
        await client.orders.resend_payment_link(link.order_uuid, email=builders.EMAIL)
        await client.orders.charge_delayed(link.order_uuid)
    assert account.status(link.order_uuid) == "PAID"


async def test_a_cancelled_order_cannot_be_cancelled_twice_or_once_it_is_paid(account: Account) -> None:
    async with account.client() as client:
        first, second = [
            (await client.orders.send_payment_link(builders.payment_link())).order_uuid for _ in range(2)
        ]
        await client.orders.cancel(first, note="a mistake")
        with pytest.raises(AlreadyCancelledError):
            await client.orders.cancel(first, note="a mistake")
        account.happen(second, "pay")
        with pytest.raises(AlreadyPaidError) as caught:
            await client.orders.cancel(second, note="a mistake")
    assert caught.value.outcome is Outcome.REJECTED


async def test_a_cancellation_whose_answer_was_lost_is_done(account: Account) -> None:
    async with account.client() as client:
        uuid = (await client.orders.send_payment_link(builders.payment_link())).order_uuid
        account.lose("orders/cancel", 1)
        await client.orders.cancel(uuid, note="a mistake")
    assert account.status(uuid) == "CANCELLED"
    assert account.count("orders/cancel") == 2


async def test_a_refund_is_told_by_the_status(account: Account) -> None:
    async with account.client() as client:
        uuid = (await client.orders.send_payment_link(builders.payment_link())).order_uuid
        account.happen(uuid, "pay")
        line = (await client.orders.get_details(uuid)).products[0]
        assert isinstance(line.id, int)
        refund = Refund(grand_total=10, lines=[RefundLine(id=line.id, amount=10)])
        await client.orders.refund(uuid, refund)
        report = await client.orders.get_status(uuid)
        assert (report.status, report.refunded_amount) == (OrderStatus.PARTIAL_REFUNDED, 10)
        with pytest.raises(RefundRejectedError):
            await client.orders.refund(
                uuid, Refund(grand_total=100, lines=[RefundLine(id=line.id, amount=100)])
            )


async def test_a_create_whose_answer_was_lost_is_unknown_and_sent_once(account: Account) -> None:
    account.lose("orders/invoice/create", 1)
    async with account.client() as client:
        with pytest.raises(OutcomeUnknownError) as caught:
            await client.orders.send_invoice(builders.invoice())
        assert caught.value.outcome is Outcome.UNKNOWN
        listed = [each.order_uuid for each in await client.orders.list_statuses()]
        found = await client.orders.find(builders.invoice(), among=listed)
    assert account.count("orders/invoice/create") == 1
    assert len(found.same) == 1


async def shown(client: FrontPayClient) -> str:
    return (await client.terminals.create_order(terminal_order())).order_uuid


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_payment_and_its_refund_are_watched_to_their_ends(server: Server, backend: str) -> None:
    async def scenario() -> None:
        account = server(CLOCK)
        async with account.client() as client:
            uuid = await shown(client)
            assert await client.watch.payment(uuid, timeout=60) is PaymentStatus.PAID
            line = (await client.orders.get_details(uuid)).products[0]
            assert isinstance(line.id, int)
            refund = TerminalRefund(grand_total=10, lines=[RefundLine(id=line.id, amount=10)])
            await client.terminals.refund(uuid, refund)
            assert await client.watch.refund(uuid, timeout=60) is RefundStatus.REFUNDED
            assert (await client.orders.get_status(uuid)).refunded_amount == 10

    simulate(scenario, backend=backend)


def test_a_declined_payment_ends_the_watch(server: Server) -> None:
    async def scenario() -> PaymentStatus:
        account = server(CLOCK)
        async with account.client() as client:
            uuid = await shown(client)
            account.happen(uuid, "decline")
            return await client.watch.payment(uuid, timeout=60)

    assert simulate(scenario) is PaymentStatus.CANCELLED


def test_many_watches_share_the_lists(server: Server) -> None:
    """Each watch ends, with fewer requests than single polls would take."""
    ended: list[OrderStatus] = []

    async def scenario() -> Account:
        account = server(CLOCK)
        async with account.client() as client, anyio.create_task_group() as tasks:
            uuids = [
                (await client.orders.send_payment_link(builders.payment_link())).order_uuid for _ in range(12)
            ]

            async def wait(uuid: str) -> None:
                ended.append(await client.watch.order(uuid, timeout=600))

            for uuid in uuids:
                tasks.start_soon(wait, uuid)
            await passes(60)
            for uuid in uuids:
                account.happen(uuid, "pay")
        return account

    account = simulate(scenario)
    assert ended == [OrderStatus.PAID] * 12
    assert 0 < account.count("orders/status") < 240


LISTINGS = {
    "cut": Listing(newest=2),
    "late": Listing(lag=20.0),
    "unsorted": Listing(shuffled=True),
    "pages": Listing(page=2),
    "odd ids": Listing(odd=ODD_IDS),
    "rows of junk": Listing(junk=[None, 7, "ODR1", [], {}, {"status": "PAID"}, {"uuid": {}}]),
    "all hidden": Listing(hidden=lambda _: True),
    "a gateway": Listing(gateway=True),
}


@pytest.mark.parametrize("listing", LISTINGS)
def test_no_list_keeps_a_watch_from_its_end(listing: str) -> None:
    """Orders that the list never shows are asked about one by one."""
    ended: list[OrderStatus] = []

    async def scenario() -> None:
        account = OtherAccount(CLOCK, listing=LISTINGS[listing])
        async with account.client() as client, anyio.create_task_group() as tasks:
            uuids = [
                (await client.orders.send_payment_link(builders.payment_link())).order_uuid for _ in range(6)
            ]

            async def wait(uuid: str) -> None:
                ended.append(await client.watch.order(uuid, timeout=900))

            for uuid in uuids:
                tasks.start_soon(wait, uuid)
            await passes(30)
            for uuid in uuids:
                account.happen(uuid, "pay")

    simulate(scenario)
    assert ended == [OrderStatus.PAID] * 6


async def test_the_terminals_of_an_organization_are_listed(account: Account) -> None:
    async with account.client() as client:
        organization = getattr(account, "organization", ORGANIZATION_UUID)
        assert all(terminal.uuid for terminal in await client.terminals.list(organization))
        uuid = await shown(client)
        await client.terminals.resend_order(uuid)
        await client.terminals.cancel_payment(uuid)
    assert account.status(uuid) == "CANCELLED"


async def run(account: Account, journal: Path, count: int) -> Counter[State]:
    """Send orders by a batch, as often as it takes, and return what became of its rows."""
    states: Counter[State] = Counter()
    for _ in range(4):
        async with account.client(retry=RetryPolicy(attempts=1)) as client:
            batch = InvoiceBatch(client, journal=journal, name="night")
            batch._journal._clock = account.clock.now
            async with batch:
                await batch.submit([item(number) for number in range(count)])
                await batch.run(concurrency=4)
                states = Counter([row.state async for row in batch.rows()])
        if set(states) <= {State.DONE, State.PARKED}:
            break
    return states


async def test_a_batch_whose_answers_are_lost_sends_each_order_once(account: Account, tmp_path: Path) -> None:
    account.lose("orders/invoice/create", 3)
    states = await run(account, tmp_path / "journal.db", 12)
    assert Counter(account.emails()) == Counter(f"c{number}@example.no" for number in range(12))
    assert states == {State.DONE: 12}
