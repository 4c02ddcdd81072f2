"""The second half of the demo: a reservation, a subscription, and a checkout without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import httpx

from frontpay_async import (
    Capture,
    CaptureLine,
    CheckoutSession,
    OrderStatus,
    OrderSummary,
    Product,
    RefundLine,
    ReservationOrder,
    ReservationRefund,
    ReservationStatus,
    SendOrderBy,
    SubscriptionOrder,
    SubscriptionStatus,
)
from frontpay_async.sandbox.demo_shop import BASKET, KARI

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient
    from frontpay_async.sandbox.demo import Story

_DECIDED_WITHIN = 20.0
_SOFA = Product(name="Sofa", quantity=1, rate="4990.00", tax=25)
_SHOP = "https://shop.example"
_BY_MAIL = SendOrderBy(sms=False, email=True)


async def _press(payment_url: str | None, button: str) -> str:
    """Press a button of a payment page; return the URL to which the browser is redirected."""
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.post(f"{payment_url}/{button}")
    return str(answer.headers.get("location", ""))


async def reserve(client: FrontPayClient, story: Story) -> None:
    """Reserve, capture a part, refund a part of that, and complete."""
    story.chapter("A reservation: reserved, captured, refunded, completed")
    now, products = datetime.now(UTC), (_SOFA,)
    created = await client.reservations.submit(
        ReservationOrder(
            products=products,
            summary=OrderSummary.of(products),
            order_date=now,
            payment_link_due_date=now + timedelta(days=3),
            customer=KARI,
            send_order_by=_BY_MAIL,
        )
    )
    uuid = created.reservation_uuid
    await _press(created.payment_url, "pay")
    status = await client.watch.reservation(uuid, until="RESERVED", timeout=_DECIDED_WITHIN)
    story.check(status == ReservationStatus.RESERVED, f"reservation {uuid}: {status}")
    line = (await client.reservations.get_details(uuid)).products[0].id or 0
    captured = await client.reservations.capture(
        uuid, Capture(grand_total=3000, lines=[CaptureLine(id=line, amount=3000)])
    )
    await client.reservations.refund(
        uuid,
        ReservationRefund(
            grand_total=500,
            lines=[RefundLine(id=line, amount=500)],
            source="captured",
            reference=captured.uuid or "",
        ),
    )
    await client.reservations.complete(uuid, note="shipped")
    details = await client.reservations.get_details(uuid)
    paid = details.payments
    amounts = None if paid is None else (paid.reserved, paid.captured, paid.refunded_from_captured)
    story.check(
        amounts == (Decimal(4990), Decimal(3000), Decimal(500)) and details.status == "COMPLETED",
        f"3000.00 of 4990.00 NOK captured, 500.00 of that refunded; it is {details.status}",
    )


async def subscribe(client: FrontPayClient, story: Story) -> None:
    """Subscribe, pay the first cycle, refund it, and cancel."""
    story.chapter("A subscription: accepted, a cycle refunded, cancelled")
    now = datetime.now(UTC)
    created = await client.subscriptions.submit(
        SubscriptionOrder(
            products=BASKET,
            summary=OrderSummary.of(BASKET),
            payable_per_cycle=OrderSummary.of(BASKET).grand_total,
            billing_frequency="month",
            repeats=12,
            start_date=now,
            end_date=now + timedelta(days=365),
            payment_link_due_date=now + timedelta(days=3),
            send_order_by=_BY_MAIL,
            customer=KARI,
        )
    )
    uuid = created.subscription_uuid
    await _press(created.payment_url, "pay")
    status = await client.watch.subscription(uuid, until="ONGOING", timeout=_DECIDED_WITHIN)
    cycle = (await client.subscriptions.get_details(uuid)).cycles[0]
    story.check(status == SubscriptionStatus.ONGOING, f"subscription {uuid}: {status}, {cycle.name} is paid")
    await client.subscriptions.refund_cycles(uuid, cycles=[cycle.name], amount=cycle.amount or 0)
    await client.subscriptions.cancel(uuid, note="moved abroad")
    details = await client.subscriptions.get_details(uuid)
    refunded = details.cycles[0].is_refunded
    story.check(
        bool(refunded) and details.status == "CANCELLED", f"{cycle.name} refunded; it is {details.status}"
    )


async def check_out(client: FrontPayClient, story: Story) -> str:
    """Create a checkout session and pay it on its page; return the order's id."""
    story.chapter("A checkout in a web shop")
    link = await client.checkout.create_session(
        CheckoutSession(
            products=BASKET,
            summary=OrderSummary.of(BASKET),
            order_date=datetime.now(UTC),
            customer=KARI,
            via="visa",
            success_url=f"{_SHOP}/thanks",
            failure_url=f"{_SHOP}/basket",
        )
    )
    story.check("/checkout/" in (link.payment_url or ""), "the browser is redirected to the payment page")
    back = await _press(link.payment_url, "pay")
    status = await client.watch.checkout(link.order_uuid, timeout=_DECIDED_WITHIN)
    story.check(
        status is OrderStatus.PAID and back == f"{_SHOP}/thanks",
        f"order {link.order_uuid}: {status}; the browser is redirected to {back}",
    )
    return link.order_uuid
