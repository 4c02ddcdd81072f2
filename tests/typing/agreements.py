"""What a type checker knows of the resources beyond orders and terminals. Checked, not run."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_type

from frontpay_async import (
    Capture,
    Charge,
    CheckoutLink,
    CheckoutSession,
    CompanyCheck,
    CorporateCustomerUpdate,
    CreatedReservation,
    CreatedSubscription,
    CreditCheck,
    CustomerRecord,
    FailedOrderDetails,
    FailedOrderEntry,
    FrontPayClient,
    HostedCheckout,
    InvoiceSession,
    OrderStatus,
    Page,
    Pages,
    PrivateCustomerUpdate,
    Refund,
    ReservationDetails,
    ReservationHistoryEntry,
    ReservationOrder,
    ReservationPayment,
    ReservationRefund,
    ReservationSession,
    ReservationStatus,
    StartedCompanyCheck,
    SubscriptionDetails,
    SubscriptionEntry,
    SubscriptionOrder,
    SubscriptionSession,
    SubscriptionStatus,
)


async def checked_out(
    client: FrontPayClient, session: CheckoutSession, invoice: InvoiceSession, hosted: HostedCheckout
) -> None:
    assert_type(await client.checkout.create_session(session), CheckoutLink)
    assert_type(await client.checkout.create_invoice_session(invoice), CheckoutLink)
    link = await client.checkout.create_hosted_link(hosted)
    assert_type(link.order_uuid, str)
    assert_type(link.payment_url, str | None)
    assert_type(await client.watch.checkout(link.order_uuid, timeout=60), OrderStatus)


async def reserved(
    client: FrontPayClient,
    *,
    order: ReservationOrder,
    session: ReservationSession,
    capture: Capture,
    charge: Charge,
    refund: ReservationRefund,
) -> None:
    assert_type(await client.reservations.submit(order), CreatedReservation)
    assert_type(await client.reservations.create_session(session), CreatedReservation)
    assert_type(await client.reservations.get_details("RES1"), ReservationDetails)
    assert_type(await client.reservations.capture("RES1", capture), ReservationPayment)
    assert_type(await client.reservations.charge("RES1", charge), ReservationPayment)
    await client.reservations.refund("RES1", refund)
    await client.reservations.resend("RES1", email="kari@example.com")
    now = datetime.now(UTC)
    assert_type(await client.reservations.list_history(now, now), tuple[ReservationHistoryEntry, ...])
    assert_type(await client.watch.reservation("RES1", until="RESERVED", timeout=60), ReservationStatus)


async def subscribed(client: FrontPayClient, order: SubscriptionOrder, session: SubscriptionSession) -> None:
    assert_type(await client.subscriptions.submit(order), CreatedSubscription)
    assert_type(await client.subscriptions.create_session(session), CreatedSubscription)
    assert_type(await client.subscriptions.get_details("SUB1"), SubscriptionDetails)
    assert_type(await client.subscriptions.get_failed_details("ODR1"), FailedOrderDetails)
    pages = client.subscriptions.list(status=SubscriptionStatus.ONGOING)
    assert_type(pages, Pages[SubscriptionEntry])
    assert_type(await pages.page(2), Page[SubscriptionEntry])
    async for each in pages:
        assert_type(each, SubscriptionEntry)
    async for failed in client.subscriptions.list_failed(status="paid"):
        assert_type(failed, FailedOrderEntry)
    await client.subscriptions.refund_cycles("SUB1", cycles=["Cycle 1"], amount="10.00")
    assert_type(await client.watch.subscription("SUB1", timeout=60), SubscriptionStatus)


async def on_file(
    client: FrontPayClient, private: PrivateCustomerUpdate, corporate: CorporateCustomerUpdate
) -> None:
    assert_type(await client.customers.get_details("CSRT1"), CustomerRecord)
    await client.customers.update_private("CSRT1", private)
    await client.customers.update_corporate("CSRT1", corporate)
    await client.credit_checks.check_private("01017012345")
    assert_type(await client.credit_checks.list(), tuple[CreditCheck, ...])
    url = "https://shop.example/x"
    started = await client.company_checks.start(1, success_url=url, failure_url=url, callback_url=url)
    assert_type(started, StartedCompanyCheck)
    assert_type(await client.company_checks.get_details(1), tuple[CompanyCheck, ...])


async def refused(client: FrontPayClient, refund: Refund, capture: Capture) -> None:
    await client.reservations.refund("RES1", refund)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.reservations.charge("RES1", capture)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.subscriptions.refund_cycles("SUB1", cycles=["Cycle 1"], amount=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
