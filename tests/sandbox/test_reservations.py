"""Reservations in the sandbox, through the client: each refusal is a typed error, and the money adds up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyCompletedError,
    FrontPayClient,
    InvalidOrderError,
    NotFoundError,
    Outcome,
    PrerequisiteFailedError,
    RefundRejectedError,
    RequestRejectedError,
    ReservationStatus,
)
from frontpay_async.sandbox import Sandbox
from tests.support import more_builders as more
from tests.support.fakes import FakeClock
from tests.support.sandboxes import NO_RETRY, line_of, reserved

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration
DAY = 86400.0


@pytest.fixture
def fake() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sandbox(fake: FakeClock) -> Sandbox:
    return Sandbox(clock=fake.clock(), rate_limit=None)


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[FrontPayClient]:
    async with sandbox.client(retry=NO_RETRY) as client:
        yield client


async def test_reserve_capture_a_part_and_the_rest(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await reserved(client, sandbox)
    line = line_of(sandbox, uuid)
    first = await client.reservations.capture(uuid, more.capture(line, "40.00"))
    shown = await client.reservations.get_details(uuid)
    assert shown.status is ReservationStatus.RESERVED
    assert shown.payments is not None
    assert (shown.payments.reserved, shown.payments.captured) == (Decimal(102), Decimal(40))
    assert shown.products[0].captured == 40
    second = await client.reservations.capture(uuid, more.capture(line, "62.00"))
    shown = await client.reservations.get_details(uuid)
    assert shown.status is ReservationStatus.CAPTURED
    assert [(each.kind, each.uuid) for each in shown.history] == [
        ("reserved", None),
        ("captured", first.uuid),
        ("captured", second.uuid),
    ]


async def test_a_capture_above_what_is_reserved(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await reserved(client, sandbox)
    with pytest.raises(RequestRejectedError, match="reserved amount"):
        await client.reservations.capture(uuid, more.capture(line_of(sandbox, uuid), "102.01"))
    assert sandbox.reservations[uuid].total_captured == 0


async def test_a_refund_by_its_source(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await reserved(client, sandbox)
    line = line_of(sandbox, uuid)
    captured = await client.reservations.capture(uuid, more.capture(line, "102.00"))
    charged = await client.reservations.charge(uuid, more.charge("25.00"))
    wrong = more.reservation_refund(line, source="charged", reference=captured.uuid)
    with pytest.raises(InvalidOrderError, match="reference must be the id of a charged payment") as refused:
        await client.reservations.refund(uuid, wrong)
    assert refused.value.outcome is Outcome.NOT_SENT
    assert sandbox.requests[-1].operation == "reservations.charge", "nothing was sent"
    # What the API says where the client lets it through, or cannot know.
    async with sandbox.client(strict_totals=False) as lax:
        with pytest.raises(RefundRejectedError) as caught:
            await lax.reservations.refund(uuid, wrong)
    assert caught.value.reason == "refundRejectionForTransactionNotFound"
    await client.reservations.refund(uuid, more.reservation_refund(line, 60, reference=captured.uuid))
    with pytest.raises(RefundRejectedError):
        await client.reservations.refund(uuid, more.reservation_refund(line, 60, reference=captured.uuid))
    late = sandbox.reservations[uuid].lines[-1].id
    await client.reservations.refund(
        uuid, more.reservation_refund(late, 25, source="charged", reference=charged.uuid)
    )
    payments = (await client.reservations.get_details(uuid)).payments
    assert payments is not None
    assert (payments.refunded_from_captured, payments.refunded_from_charged) == (Decimal(60), Decimal(25))


async def test_cancelling_and_completing(client: FrontPayClient, sandbox: Sandbox) -> None:
    sent = (await client.reservations.submit(more.reservation())).reservation_uuid
    with pytest.raises(PrerequisiteFailedError):
        await client.reservations.complete(sent, note="too early")
    await client.reservations.cancel(sent, note="no")
    with pytest.raises(AlreadyCancelledError):
        await client.reservations.cancel(sent, note="again")
    uuid = await reserved(client, sandbox)
    await client.reservations.capture(uuid, more.capture(line_of(sandbox, uuid), "40.00"))
    with pytest.raises(PrerequisiteFailedError):
        await client.reservations.cancel(uuid, note="captured in part")
    await client.reservations.complete(uuid, note="shipped")
    with pytest.raises(AlreadyCompletedError):
        await client.reservations.cancel(uuid, note="over")
    assert sandbox.reservations[uuid].released == 62
    with pytest.raises(NotFoundError):
        await client.reservations.get_details("RES1")


async def test_time_releases_and_ends_the_validity(
    client: FrontPayClient, sandbox: Sandbox, fake: FakeClock
) -> None:
    uuid = await reserved(client, sandbox, charge_validity=40)
    fake.time += 32 * DAY
    assert (await client.reservations.get_details(uuid)).status is ReservationStatus.EXPIRED
    with pytest.raises(RequestRejectedError):
        await client.reservations.capture(uuid, more.capture(line_of(sandbox, uuid)))
    with pytest.raises(RequestRejectedError):
        await client.reservations.charge(uuid, more.charge())


async def test_the_history_of_a_period(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await reserved(client, sandbox)
    now = datetime.fromtimestamp(sandbox.reservations[uuid].created_at, UTC)
    entries = await client.reservations.list_history(now - timedelta(hours=1), now + timedelta(hours=1))
    assert [(each.reservation_uuid, each.title, each.amount) for each in entries] == [
        (uuid, "reservation-sent", Decimal(102)),
        (uuid, "accept", Decimal(0)),
    ]
    assert await client.reservations.list_history(now - timedelta(days=9), now - timedelta(days=8)) == ()
    assert len(await client.reservations.list_history()) == 2
    before = len(sandbox.requests)
    with pytest.raises(InvalidOrderError, match="zone"):
        await client.reservations.list_history(now.replace(tzinfo=None), now)
    with pytest.raises(InvalidOrderError, match="end must not be before start"):
        await client.reservations.list_history(now, now - timedelta(days=1))
    with pytest.raises(InvalidOrderError, match="both"):
        await client.reservations.list_history(now)
    assert len(sandbox.requests) == before


def test_a_line_has_no_quantity() -> None:
    with pytest.raises(InvalidOrderError, match=r"products\.0\.quantity must be 1"):
        more.reservation(products=(more.reserved_product(quantity=2),))
    with pytest.raises(InvalidOrderError, match=r"products\.0\.discount must be 0"):
        more.charge(products=[more.reserved_product(discount=2)])
