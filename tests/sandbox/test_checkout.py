"""Checkout and subscriptions in the sandbox: the payment page, callbacks, watches and pages of a list."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx
import pytest

from frontpay_async import (
    CreditCheckRejectedError,
    CycleNotFoundError,
    CycleRejectedError,
    FrontPayClient,
    InvalidOrderError,
    NotFoundError,
    Outcome,
    SubscriptionStatus,
)
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.callbacks import verify_checksum
from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, DEFAULT_TOKEN, Sandbox
from frontpay_async.sandbox.app import BASE_PATH
from tests.support import builders, more_builders as more
from tests.support.fakes import FakeClock
from tests.support.sandboxes import NO_RETRY, call, subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration
MONTH = 30 * 86400.0
CALLBACK = "https://shop.example.no/hook"


@pytest.fixture
def fake() -> FakeClock:
    return FakeClock()


@pytest.fixture
def called() -> list[str]:
    return []


@pytest.fixture
def sandbox(fake: FakeClock, called: list[str]) -> Sandbox:
    def receive(request: httpx.Request) -> httpx.Response:
        called.append(request.url.query.decode())
        return httpx.Response(200)

    return Sandbox(
        clock=fake.clock(),
        rate_limit=None,
        callback_hosts=["shop.example.no"],
        callback_transport=httpx.MockTransport(receive),
    )


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[FrontPayClient]:
    async with sandbox.client(retry=NO_RETRY) as client:
        yield client


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=sandbox.transport(), trust_env=False) as browser:
        yield browser


@pytest.mark.parametrize(
    ("button", "url", "status"), [("pay", more.SUCCESS, "PAID"), ("cancel", more.FAILURE, "CANCELLED")]
)
async def test_a_person_pays_or_cancels_on_the_page(
    client: FrontPayClient, browser: httpx.AsyncClient, button: str, url: str, status: str
) -> None:
    """The page shows what is paid; each button leads to the merchant's page, and the watch ends."""
    link = await client.checkout.create_session(more.checkout_session())
    assert link.payment_url is not None
    assert link.payment_url not in repr(link)
    page = await browser.get(link.payment_url)
    assert (page.status_code, "102.00" in page.text) == (200, True)
    answer = await browser.post(f"{link.payment_url}/{button}")
    assert (answer.status_code, answer.headers["location"]) == (303, url)
    assert (await client.orders.get_status(link.order_uuid)).status == status
    again = await browser.post(f"{link.payment_url}/{button}")
    assert again.status_code == 409


async def test_another_site_cannot_pay(client: FrontPayClient, browser: httpx.AsyncClient) -> None:
    link = await client.checkout.create_session(more.checkout_session())
    answer = await browser.post(f"{link.payment_url}/pay", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403


async def test_a_companys_invoice_needs_no_page(client: FrontPayClient) -> None:
    company = builders.customer(type="corporate", personal_number=None, organization_id="987654321")
    link = await client.checkout.create_invoice_session(more.invoice_session(customer=company))
    assert link.payment_url is None
    assert (await client.orders.get_status(link.order_uuid)).status == "INVOICED"


async def test_an_invoice_session_of_a_person_needs_the_number() -> None:
    sandbox = Sandbox()
    async with sandbox.client() as client:
        session = more.checkout_session(via="invoice", customer=builders.customer(personal_number=None))
        with pytest.raises(InvalidOrderError, match="personalNumber is required"):
            await client.checkout.create_session(session)
    assert sandbox.requests == ()


async def test_callbacks_of_reservations_wake_their_watch(
    client: FrontPayClient, sandbox: Sandbox, called: list[str], browser: httpx.AsyncClient
) -> None:
    """The id, the status and the checksum are those of the reservation."""
    created = await client.reservations.submit(more.reservation(callback_url=CALLBACK))
    assert created.payment_url is not None
    await browser.post(f"{created.payment_url}/pay")
    (sent,) = await sandbox.deliver_callbacks()
    assert (sent.order_uuid, sent.status) == (created.reservation_uuid, 200)
    callback = verify_checksum(called[0], DEFAULT_CALLBACK_SECRET)
    assert (callback.order_uuid, callback.status) == (created.reservation_uuid, "RESERVED")
    assert client.watch.notify(callback) is False


@pytest.mark.parametrize(
    ("button", "url", "says", "score"),
    [("pay", more.SUCCESS, "success", 87), ("cancel", more.FAILURE, "failure", None)],
)
async def test_a_company_check_has_its_page_and_its_callback(  # noqa: PLR0917 - fixtures and parameters
    client: FrontPayClient,
    sandbox: Sandbox,
    called: list[str],
    browser: httpx.AsyncClient,
    button: str,
    url: str,
    says: str,
    score: int | None,
) -> None:
    """It has no score until a person of the company has confirmed it; the callback's checksum is right."""
    started = await client.company_checks.start(
        987654321, success_url=more.SUCCESS, failure_url=more.FAILURE, callback_url=CALLBACK
    )
    assert started.url is not None
    (row,) = await client.company_checks.get_details(987654321)
    assert row.score is None
    page = await browser.get(started.url)
    assert "Confirm with BankID" in page.text
    answer = await browser.post(f"{started.url}/{button}")
    assert (answer.status_code, answer.headers["location"]) == (303, url)
    assert (await browser.post(f"{started.url}/{button}")).status_code == 409
    (sent,) = await sandbox.deliver_callbacks()
    assert (sent.order_uuid, sent.says, sent.status) == (started.company_check_uuid, says, 200)
    callback = verify_checksum(called[0], DEFAULT_CALLBACK_SECRET)
    assert callback.order_uuid == started.company_check_uuid
    (row,) = await client.company_checks.get_details(987654321)
    assert row.score == score
    with pytest.raises(ValueError, match="not an event of a company check"):
        sandbox.apply_event(started.company_check_uuid, "pay")


OTHERS = [row.name for row in OPERATIONS.values() if row.other_path is not None]


@pytest.mark.parametrize("name", OTHERS)
async def test_the_other_path_of_a_row_is_served_too(name: str) -> None:
    """An API that has only the other path: the client finds it, and the same handler answers."""
    row, sandbox, tried = OPERATIONS[name], Sandbox(), list[str]()

    class Elsewhere(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            tried.append(request.url.path)
            if request.url.path == f"{BASE_PATH}/{row.path}":
                return httpx.Response(404, html="<h1>404</h1>")
            return await sandbox.transport().handle_async_request(request)

    base_url = f"http://sandbox.localhost{BASE_PATH}"
    async with FrontPayClient(DEFAULT_TOKEN, base_url=base_url, transport=Elsewhere()) as client:
        await call(client, name, "")
    assert len(tried) == 2
    assert sandbox.requests[0].operation == name


async def test_cycles_pass_on_the_sandboxs_clock(
    client: FrontPayClient, sandbox: Sandbox, fake: FakeClock
) -> None:
    """One is paid at once; the second fails and is invoiced; after the last it is COMPLETED."""
    uuid = await subscribed(client, sandbox)
    sandbox.fail_cycles(uuid)
    fake.time += MONTH + 1
    shown = await client.subscriptions.get_details(uuid)
    assert shown.status is SubscriptionStatus.ONGOING
    assert [(each.name, each.status) for each in shown.cycles] == [
        ("Cycle 1", "paid"),
        ("Cycle 2", "invoiced"),
    ]
    (failed,) = [each async for each in client.subscriptions.list_failed(subscription_uuid=uuid)]
    assert (await client.subscriptions.get_failed_details(failed.order_uuid)).subscription_uuid == uuid
    with pytest.raises(CycleRejectedError):
        await client.subscriptions.refund_cycles(uuid, cycles=["Cycle 2"], amount=102)
    with pytest.raises(CycleNotFoundError) as caught:
        await client.subscriptions.refund_cycles(uuid, cycles=["Cycle 9"], amount=102)
    assert (caught.value.cycle, caught.value.outcome) == ("cycle9", Outcome.REJECTED)
    await client.subscriptions.refund_cycles(uuid, cycles=["Cycle 1"], amount="102.00")
    fake.time += 2 * MONTH
    shown = await client.subscriptions.get_details(uuid)
    assert (shown.status, len(shown.cycles)) == (SubscriptionStatus.COMPLETED, 3)
    assert shown.amount_refunded == Decimal(102)


async def test_a_list_in_pages(client: FrontPayClient, sandbox: Sandbox) -> None:
    """All pages are read one after the other; a page beyond the last is refused without a request."""
    made = [(await client.subscriptions.submit(more.subscription())).subscription_uuid for _ in range(23)]
    before = len(sandbox.requests)
    pages = client.subscriptions.list(status="SENT")
    assert [each.subscription_uuid async for each in pages] == made
    assert len(sandbox.requests) == before + 3
    second = await pages.page(2)
    assert (second.number, second.last, second.total, len(second.items)) == (2, 3, 23, 10)
    for number in (0, 4, True):
        with pytest.raises(InvalidOrderError, match="page must be"):
            await pages.page(number)
    assert len(sandbox.requests) == before + 4
    with pytest.raises(NotFoundError, match="the last page is 3"):
        await client.subscriptions.list().page(9)
    assert [each async for each in client.subscriptions.list(status="CANCELLED")] == []
    with pytest.raises(InvalidOrderError, match="endDate"):
        client.subscriptions.list(start_date=builders.ORDER_DATE.date())


async def test_customers_and_checks(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = (await client.orders.send_payment_link(builders.payment_link())).customer_uuid
    assert uuid is not None
    record = await client.customers.get_details(uuid)
    assert (record.type, record.name) == ("private", builders.NAME)
    assert builders.NAME not in repr(record)
    await client.customers.update_private(uuid, more.private_update(name="Kari Nordmann"))
    assert (await client.customers.get_details(uuid)).name == "Kari Nordmann"
    before = len(sandbox.requests)
    with pytest.raises(InvalidOrderError, match=r"addresses\.billing\.street is required"):
        await client.customers.update_private(uuid, more.private_update(billing_address=None))
    assert len(sandbox.requests) == before
    with pytest.raises(CreditCheckRejectedError) as caught:
        await client.credit_checks.check_private("00000000000")
    assert caught.value.outcome is Outcome.REJECTED
    await client.credit_checks.check_private(builders.PERSONAL_NUMBER)
    (check,) = await client.credit_checks.list()
    assert (check.type, check.score) == ("private", Decimal(87))
    assert "87" not in repr(check)


async def test_watches_end_with_what_is_watched() -> None:
    """Checkout sessions, reservations and subscriptions on one hub; the clock is the real one here."""
    sandbox = Sandbox()
    async with sandbox.client() as client:
        link = await client.checkout.create_session(more.checkout_session())
        sandbox.apply_event(link.order_uuid, "pay")
        assert await client.watch.checkout(link.order_uuid, timeout=60) == "PAID"
        reservation = (await client.reservations.submit(more.reservation())).reservation_uuid
        sandbox.apply_event(reservation, "accept")
        assert await client.watch.reservation(reservation, until="RESERVED", timeout=60) == "RESERVED"
        sandbox.apply_event(reservation, "release")
        assert await client.watch.reservation(reservation, timeout=60) == "EXPIRED"
        subscription = (await client.subscriptions.submit(more.subscription())).subscription_uuid
        await client.subscriptions.cancel(subscription, note="no")
        assert await client.watch.subscription(subscription, timeout=60) == "CANCELLED"
        with pytest.raises(ValueError, match="until"):
            await client.watch.reservation(reservation, until=[], timeout=60)
        snapshot = client.watch.snapshot()
    async with sandbox.client() as client:
        assert client.watch.restore(snapshot) == ()


async def test_a_callback_wakes_the_watch_of_a_reservation() -> None:
    sandbox = Sandbox()
    async with sandbox.client() as client, anyio.create_task_group() as tasks:
        uuid = (await client.reservations.submit(more.reservation())).reservation_uuid
        seen: list[str] = []

        async def wait() -> None:
            seen.append(await client.watch.reservation(uuid, until="RESERVED", timeout=60))

        tasks.start_soon(wait)
        with anyio.fail_after(30):
            while client.watch.statistics().polls == 0:
                await anyio.lowlevel.checkpoint()
            sandbox.apply_event(uuid, "accept")
            assert client.watch.notify(uuid)
    assert seen == ["RESERVED"]
