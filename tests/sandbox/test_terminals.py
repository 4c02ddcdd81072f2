"""The operations on card terminals against the sandbox: payments, refunds, a cardholder who takes time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyPaidError,
    APIError,
    BusinessRuleError,
    FrontPayClient,
    NotFoundError,
    OrderStatus,
    PaymentStatus,
    Refund,
    RefundLine,
    RefundRejectedError,
    RefundStatus,
    RequestRejectedError,
    SendOrderBy,
    Terminal,
    TerminalRefund,
)
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox import (
    DEFAULT_ORGANIZATION,
    DEFAULT_TERMINAL,
    Cardholder,
    ForbiddenEventError,
    Sandbox,
)
from tests.support.builders import customer, payment_link
from tests.support.sandboxes import NO_RETRY, call, terminal_order, waiting

if TYPE_CHECKING:
    import httpx

    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

TERMINAL_ROUTES = [
    name for name, row in OPERATIONS.items() if name.startswith("terminals.") and "{order_uuid}" in row.path
]


async def paid_at_terminal(client: FrontPayClient, sandbox: Sandbox) -> str:
    """Have an order of 102.00 paid on a terminal."""
    uuid = await waiting(client)
    sandbox.approve(uuid)
    return uuid


def refund_of(sandbox: Sandbox, uuid: str, amount: int) -> TerminalRefund:
    """Refund an amount of the order's only line."""
    line = RefundLine(id=sandbox.orders[uuid].lines[0].id, amount=amount)
    return TerminalRefund(grand_total=amount, lines=[line])


async def test_the_list_names_an_organisations_active_terminals() -> None:
    def terminal(uuid: str, status: int, organization: str) -> Terminal:
        return Terminal(uuid=uuid, name=uuid, status=status, organization_uuid=organization)

    sandbox = Sandbox(
        terminals=[terminal("TRML1", 1, "ORG1"), terminal("TRML2", 0, "ORG1"), terminal("TRML3", 1, "ORG2")]
    )
    async with sandbox.client() as client:
        assert [each.uuid for each in await client.terminals.list("ORG1")] == ["TRML1"]
        assert await client.terminals.list("ORG3") == ()


async def test_two_terminals_are_there_from_the_start(client: FrontPayClient) -> None:
    first, second = await client.terminals.list(DEFAULT_ORGANIZATION)
    assert (first.uuid, first.name, first.status) == (DEFAULT_TERMINAL, "Oslo Terminal", 1)
    assert second.organization_uuid == DEFAULT_ORGANIZATION


async def test_an_unknown_terminal_is_refused(client: FrontPayClient, sandbox: Sandbox) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        await client.terminals.create_order(terminal_order(terminal_uuid="TRML1"))
    assert caught.value.messages == ("The selected terminal uuid is invalid.",)
    assert not sandbox.orders


async def test_an_order_keeps_the_customer_that_it_names(client: FrontPayClient, sandbox: Sandbox) -> None:
    order = terminal_order(
        customer=customer(customer_uuid="CSRT1"), send_order_by=SendOrderBy(sms=True, email=False)
    )
    uuid = (await client.terminals.create_order(order)).order_uuid
    assert sandbox.orders[uuid].customer_uuid == "CSRT1"
    details = await client.orders.get_details(uuid)
    assert details.customer is not None
    assert (details.type, details.customer.customer_uuid) == ("terminal", "CSRT1")


@pytest.mark.parametrize("operation", TERMINAL_ROUTES)
async def test_the_terminal_routes_know_only_terminal_orders(client: FrontPayClient, operation: str) -> None:
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    with pytest.raises(NotFoundError):
        await call(client, operation, uuid)


@pytest.mark.parametrize(
    ("pending", "expected"), [("SENT", "SENT"), ("IN_PROGRESS", "IN_PROGRESS"), (None, PaymentStatus.UNKNOWN)]
)
async def test_an_undecided_payment_is_not_final(pending: str | None, expected: str) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=None), pending_status=pending)
    async with sandbox.client() as client:
        uuid = await waiting(client)
        status = await client.terminals.get_payment_status(uuid)
        assert status == expected
        assert not status.is_final
        sandbox.approve(uuid)
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
        refund_status = await client.terminals.get_refund_status(uuid)
        assert refund_status == expected
        assert not refund_status.is_final


async def test_a_cardholder_pays_and_takes_a_refund_in_time(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=5), clock=fake_clock.clock())
    async with sandbox.client() as client:
        uuid = await waiting(client)
        fake_clock.time += 4.9
        assert not (await client.terminals.get_payment_status(uuid)).is_final
        fake_clock.time += 0.1
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.PAID
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, 100))
        fake_clock.time += 4.9
        assert not (await client.terminals.get_refund_status(uuid)).is_final
        assert sandbox.orders[uuid].refunded == 0
        fake_clock.time += 0.1
        assert await client.terminals.get_refund_status(uuid) is RefundStatus.REFUNDED
        report = await client.orders.get_status(uuid)
    assert (report.status, report.refunded_amount) == (OrderStatus.PARTIAL_REFUNDED, 100)


async def test_a_cardholder_may_decline_both() -> None:
    sandbox = Sandbox(cardholder=Cardholder(pays=False, takes_refund=False))
    async with sandbox.client() as client:
        uuid = await waiting(client)
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.CANCELLED
        other = Sandbox(cardholder=Cardholder(takes_refund=False))
        async with other.client() as payer:
            uuid = await waiting(payer)
            assert await payer.terminals.get_payment_status(uuid) is PaymentStatus.PAID
            await payer.terminals.refund(uuid, refund_of(other, uuid, 10))
            assert await payer.terminals.get_refund_status(uuid) is RefundStatus.REJECTED
            assert other.orders[uuid].refunded == 0


async def test_a_payment_stays_paid_when_it_is_refunded(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await paid_at_terminal(client, sandbox)
    for amount in (2, 100):
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, amount))
        sandbox.approve_refund(uuid)
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.PAID
    assert sandbox.orders[uuid].status is OrderStatus.REFUNDED


async def test_an_order_that_ran_out_is_not_paid(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    sandbox.apply_event(uuid, "expire")
    assert await client.terminals.get_payment_status(uuid) is PaymentStatus.CANCELLED


async def test_a_payment_can_be_cancelled_once(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    await client.terminals.cancel_payment(uuid)
    assert await client.terminals.get_payment_status(uuid) is PaymentStatus.CANCELLED
    with pytest.raises(AlreadyCancelledError):
        await client.terminals.cancel_payment(uuid)
    with pytest.raises(AlreadyCancelledError):
        await client.terminals.resend_order(uuid)
    with pytest.raises(AlreadyPaidError):
        await client.terminals.cancel_payment(await paid_at_terminal(client, sandbox))


async def test_a_cancelled_payment_is_not_paid_by_a_late_cardholder(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=5), clock=fake_clock.clock())
    async with sandbox.client() as client:
        uuid = await waiting(client)
        await client.terminals.cancel_payment(uuid)
        fake_clock.time += 5
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.CANCELLED


@pytest.mark.parametrize(
    ("line", "amount", "reason"),
    [
        (1, 10, "requestProductIdNotAvailable"),
        (None, 103, "refundRejectionForProductAmountExceed"),
    ],
)
async def test_a_refund_is_refused_for_each_documented_reason(
    client: FrontPayClient, sandbox: Sandbox, line: int | None, amount: int, reason: str
) -> None:
    uuid = await paid_at_terminal(client, sandbox)
    lines = [RefundLine(id=line or sandbox.orders[uuid].lines[0].id, amount=amount)]
    with pytest.raises(RefundRejectedError) as caught:
        await client.terminals.refund(uuid, TerminalRefund(grand_total=amount, lines=lines))
    assert caught.value.reason == reason


async def test_a_refund_needs_a_payment_and_no_other_refund_that_waits(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    unpaid, uuid = await waiting(client), await paid_at_terminal(client, sandbox)
    with pytest.raises(APIError, match="404: refundRejectionForTransactionNotFound"):
        await client.terminals.refund(unpaid, refund_of(sandbox, unpaid, 10))
    await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
    with pytest.raises(APIError, match="400: orderRefundRequestAlreadySubmitted"):
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
    sandbox.decline_refund(uuid)
    await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))


@pytest.mark.parametrize(
    ("waits", "asked", "reason"),
    [
        ((100, 1), (3, 3), "refundRejectionForRefundRequestGreaterThanOrderAmount"),
        ((1, 100), (3, 3), "refundRejectionForProductAmountExceed"),
    ],
    ids=["in-all", "on-a-line"],
)
async def test_what_waits_on_the_terminal_cannot_be_refunded_otherwise(
    sandbox: Sandbox, waits: tuple[int, int], asked: tuple[int, int], reason: str
) -> None:
    """Of 102, in all and on the line, an amount waits; what is asked beside it is too much."""
    client = sandbox.client(retry=NO_RETRY, strict_totals=False)
    uuid = await paid_at_terminal(client, sandbox)
    line_id = sandbox.orders[uuid].lines[0].id
    lines = [RefundLine(id=line_id, amount=waits[1])]
    await client.terminals.refund(uuid, TerminalRefund(grand_total=waits[0], lines=lines))
    beside = Refund(grand_total=asked[0], lines=[RefundLine(id=line_id, amount=asked[1])])
    with pytest.raises(RefundRejectedError) as caught:
        await client.orders.refund(uuid, beside)
    assert caught.value.reason == reason
    sandbox.decline_refund(uuid)
    await client.orders.refund(uuid, beside)


async def test_a_refund_can_be_cancelled_until_it_is_taken(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await paid_at_terminal(client, sandbox)
    with pytest.raises(NotFoundError):
        await client.terminals.cancel_refund(uuid)
    with pytest.raises(NotFoundError):
        await client.terminals.get_refund_status(uuid)
    await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
    await client.terminals.cancel_refund(uuid)
    await client.terminals.cancel_refund(uuid)
    assert await client.terminals.get_refund_status(uuid) is RefundStatus.REJECTED
    await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
    sandbox.approve_refund(uuid)
    with pytest.raises(BusinessRuleError) as caught:
        await client.terminals.cancel_refund(uuid)
    assert caught.value.code == "orderStatusAlreadyRefunded"


async def test_a_late_cardholder_decides_only_the_refund_that_was_shown(fake_clock: FakeClock) -> None:
    """A refund that is cancelled and asked again waits its own time."""
    sandbox = Sandbox(cardholder=Cardholder(after=5), clock=fake_clock.clock())
    async with sandbox.client() as client:
        uuid = await waiting(client)
        fake_clock.time += 5
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
        await client.terminals.cancel_refund(uuid)
        fake_clock.time += 2
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, 20))
        fake_clock.time += 3
        assert not (await client.terminals.get_refund_status(uuid)).is_final
        fake_clock.time += 2
        assert await client.terminals.get_refund_status(uuid) is RefundStatus.REFUNDED
    assert sandbox.orders[uuid].refunded == 20


async def test_the_status_of_a_refund_can_be_asked_by_get_too(
    client: FrontPayClient, sandbox: Sandbox, raw: httpx.AsyncClient
) -> None:
    uuid = await paid_at_terminal(client, sandbox)
    await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
    sandbox.approve_refund(uuid)
    path = f"terminal/orders/refund-status/{uuid}"
    asked, posted = await raw.get(path), await raw.post(path)
    assert asked.status_code == posted.status_code == 200
    assert asked.json() == posted.json()
    assert asked.json()["refund_status"] == "REFUNDED"


async def test_a_cardholder_can_only_decide_what_waits(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await paid_at_terminal(client, sandbox)
    link = (await client.orders.send_payment_link(payment_link())).order_uuid
    for decide in (sandbox.approve, sandbox.decline):
        for order in (uuid, link):
            with pytest.raises(ForbiddenEventError):
                decide(order)
        with pytest.raises(KeyError):
            decide("ODR1")
    for decide in (sandbox.approve_refund, sandbox.decline_refund):
        with pytest.raises(ForbiddenEventError, match="without a requested refund"):
            decide(uuid)
    await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
    sandbox.approve_refund(uuid)
    with pytest.raises(ForbiddenEventError, match="REFUNDED"):
        sandbox.decline_refund(uuid)


async def test_a_busy_terminal_is_asked_again(sandbox: Sandbox, fake_clock: FakeClock) -> None:
    async with sandbox.client() as client:
        sandbox.fail("busy", times=2)
        uuid = await waiting(client)
    assert [request.status for request in sandbox.requests] == [510, 510, 201]
    assert list(sandbox.orders) == [uuid]
    assert len(fake_clock.slept) == 2


async def test_reading_a_status_is_not_disturbed_by_a_busy_terminal(sandbox: Sandbox) -> None:
    async with sandbox.client(retry=NO_RETRY) as client:
        uuid = await waiting(client)
        sandbox.fail("busy")
        assert not (await client.terminals.get_payment_status(uuid)).is_final
        assert sandbox.requests[-1].fault is None


async def test_the_status_of_an_order_whose_refund_waits_may_be_another() -> None:
    """``Refund Pending`` is among the statuses that exist; whether the routes show it is not known."""
    sandbox = Sandbox(cardholder=Cardholder(after=None), pending_refund_status="Refund Pending")
    async with sandbox.client() as client:
        uuid = await paid_at_terminal(client, sandbox)
        await client.terminals.refund(uuid, refund_of(sandbox, uuid, 10))
        assert (await client.orders.get_status(uuid)).status == "Refund Pending"
        assert [each.status for each in await client.orders.list_statuses()] == ["Refund Pending"]
        sandbox.approve_refund(uuid)
        assert (await client.orders.get_status(uuid)).status == "PARTIAL REFUNDED"


async def test_a_decision_that_comes_too_late_says_how_the_order_is(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    with pytest.raises(ForbiddenEventError, match="'approve' cannot happen to an order that is PAID"):
        sandbox.approve(uuid)
    link = (await client.orders.send_payment_link(payment_link())).order_uuid
    with pytest.raises(ForbiddenEventError, match="an order that was not sent to a terminal"):
        sandbox.decline(link)
