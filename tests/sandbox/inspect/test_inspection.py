"""Looking into a sandbox: orders, requests, duplicates, accounts, and starting over."""

from __future__ import annotations

from decimal import localcontext
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from frontpay_async import (
    AuthenticationError,
    NotFoundError,
    OrderStatus,
    OutcomeUnknownError,
    RateLimit,
    RateLimitedError,
    Refund,
    RefundLine,
    TerminalRefund,
    Timeouts,
)
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Duplicate, Sandbox
from tests.support.builders import EMAIL, NAME, invoice, payment_link, product
from tests.support.sandboxes import NO_RETRY, call, paid, raw_client, waiting

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient
    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

FINGERPRINTS = [EMAIL, NAME, DEFAULT_TOKEN]


async def test_orders_stand_in_the_order_of_their_creation(client: FrontPayClient, sandbox: Sandbox) -> None:
    sent = [(await client.orders.send_invoice(invoice())).order_uuid for _ in range(5)]
    assert list(sandbox.orders) == sent
    assert len(set(sent)) == 5


async def test_orders_are_a_live_view_that_cannot_be_written(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    orders = sandbox.orders
    uuid = (await client.orders.send_invoice(invoice())).order_uuid
    assert orders[uuid].status is OrderStatus.INVOICED
    with pytest.raises(TypeError):
        orders[uuid] = orders[uuid]  # type: ignore[index]


async def test_requests_tell_what_came_and_what_was_answered(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await paid(client, sandbox)
    await client.orders.list_statuses(status="PARTIAL REFUNDED")
    first, second = sandbox.requests
    assert (first.operation, first.method, first.path) == (
        "orders.send_payment_link",
        "POST",
        "/api/v1/connect/orders/payment-link/create",
    )
    assert (first.token, first.status, first.fault) == (DEFAULT_TOKEN, 201, None)
    assert first.body == sandbox.orders[uuid].body
    assert (second.path, second.body) == ("/api/v1/connect/orders/status?type=PARTIAL%20REFUNDED", None)


async def test_reprs_show_neither_token_nor_personal_data(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    shown = repr((sandbox.requests, dict(sandbox.orders), sandbox.duplicates()))
    assert uuid in shown
    assert "token='***'" in shown
    assert not [secret for secret in FINGERPRINTS if secret in shown]


async def test_the_same_order_sent_twice_is_a_duplicate(client: FrontPayClient, sandbox: Sandbox) -> None:
    await client.orders.send_invoice(invoice())
    await client.orders.send_invoice(invoice(products=[product(quantity=3)]))
    await client.orders.send_payment_link(payment_link())
    assert sandbox.duplicates() == ()
    await client.orders.send_invoice(invoice())
    first, _, _, last = sandbox.orders
    assert sandbox.duplicates() == (Duplicate("orders.send_invoice", (first, last), 2),)


async def test_the_same_refund_of_one_order_is_a_duplicate(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid, other = await paid(client, sandbox), await paid(client, sandbox)
    for order in (uuid, other):
        await call(client, "orders.refund", order, line_id=sandbox.orders[order].lines[0].id)
    refunds = [each for each in sandbox.duplicates() if each.operation == "orders.refund"]
    assert refunds == []
    await call(client, "orders.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    refunds = [each for each in sandbox.duplicates() if each.operation == "orders.refund"]
    assert refunds == [Duplicate("orders.refund", (uuid,), 2)]


async def test_what_was_refused_or_may_be_repeated_is_no_duplicate(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await waiting(client)
    for _ in range(2):
        await client.terminals.get_payment_status(uuid)
        with pytest.raises(NotFoundError):
            await call(client, "orders.refund", "ODR1")
    await client.terminals.cancel_payment(uuid)
    assert sandbox.duplicates() == ()


async def test_an_answer_that_was_lost_and_asked_for_again_is_a_duplicate(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    """The API has no idempotency key: a retry of a 510 that came after the commit bills twice."""
    sandbox.fail("510-after")
    await client.orders.send_invoice(invoice())
    (found,) = sandbox.duplicates()
    assert (found.operation, found.times, found.order_uuids) == (
        "orders.send_invoice",
        2,
        tuple(sandbox.orders),
    )


async def test_two_tokens_are_two_accounts() -> None:
    sandbox = Sandbox(tokens=("one", "two"))
    async with sandbox.client("one") as one, sandbox.client("two") as two:
        mine = (await one.orders.send_invoice(invoice())).order_uuid
        theirs = (await two.orders.send_invoice(invoice())).order_uuid
        assert [entry.order_uuid for entry in await one.orders.list_statuses()] == [mine]
        assert [entry.order_uuid for entry in await two.orders.list_statuses()] == [theirs]
        with pytest.raises(NotFoundError):
            await one.orders.get_status(theirs)
    assert list(sandbox.orders) == [mine, theirs]
    assert sandbox.duplicates() == ()


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer wrong", f"Basic {DEFAULT_TOKEN}", DEFAULT_TOKEN]
)
async def test_a_missing_or_wrong_token_is_refused(sandbox: Sandbox, authorization: str | None) -> None:
    async with raw_client(sandbox) as raw:
        del raw.headers["authorization"]
        headers = {} if authorization is None else {"authorization": authorization}
        answer = await raw.post("orders/invoice/create", json={}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthenticated."})


async def test_a_wrong_token_is_an_error_that_nothing_came_of(sandbox: Sandbox) -> None:
    async with sandbox.client("wrong") as client:
        with pytest.raises(AuthenticationError):
            await client.orders.send_invoice(invoice())
    assert not sandbox.orders


async def test_a_reset_forgets_everything(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(rate_limit=2, clock=fake_clock.clock())
    async with sandbox.client(retry=NO_RETRY, rate_limit=RateLimit.unlimited()) as client:
        await client.orders.send_invoice(invoice())
        await client.orders.send_invoice(invoice())
        with pytest.raises(RateLimitedError):
            await client.orders.send_invoice(invoice())
        sandbox.fail("510-before", times=None)
        sandbox.fail_randomly({"510-before": 1}, seed=1)
        sandbox.reset()
        assert (dict(sandbox.orders), sandbox.requests, sandbox.duplicates()) == ({}, (), ())
        assert await client.orders.list_statuses() == ()
        await client.orders.send_invoice(invoice())
    assert len(sandbox.orders) == 1


async def test_a_sandbox_without_a_limit_can_be_reset() -> None:
    sandbox = Sandbox(rate_limit=None)
    async with sandbox.client() as client:
        await client.orders.send_invoice(invoice())
    sandbox.reset()
    assert not sandbox.orders


async def test_a_reset_calls_off_what_a_cardholder_was_about_to_do(fake_clock: FakeClock) -> None:
    """Ids start over, so an old decision would meet a new order."""
    sandbox = Sandbox(clock=fake_clock.clock(), cardholder=Cardholder(after=5))
    async with sandbox.client() as client:
        before = await waiting(client)
        sandbox.reset()
        fake_clock.time += 3
        assert await waiting(client) == before
        fake_clock.time += 2
        assert not (await client.terminals.get_payment_status(before)).is_final


@pytest.mark.parametrize(("kind", "is_in_time"), [("latency", False), ("drip", True)])
def test_in_process_it_runs_under_trio(kind: str, is_in_time: bool) -> None:
    """The read timeout bounds the wait for each piece, on trio's own simulated clock."""
    sandbox = Sandbox()
    sandbox.fail(kind, seconds=60)

    async def send() -> bool:
        async with sandbox.client(retry=NO_RETRY, timeouts=Timeouts(read=10)) as client:
            try:
                await client.orders.send_invoice(invoice())
            except OutcomeUnknownError:
                return False
            return True

    assert trio.run(send, clock=trio.testing.MockClock(autojump_threshold=0)) is is_in_time
    assert len(sandbox.orders) == 1


async def test_sums_do_not_depend_on_the_hosts_decimal_context(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await paid(client, sandbox)
    line_id = sandbox.orders[uuid].lines[0].id
    with localcontext(prec=2):
        for amount in ("1.11", "100.88"):
            lines = [RefundLine(id=line_id, amount=amount)]
            await client.orders.refund(uuid, Refund(grand_total=amount, lines=lines))
    assert str(sandbox.orders[uuid].refunded) == "101.99"
    assert sandbox.orders[uuid].status is OrderStatus.PARTIAL_REFUNDED


async def test_sums_decided_from_outside_do_not_depend_on_it_either(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    line_id = sandbox.orders[uuid].lines[0].id
    with localcontext(prec=2):
        for amount in ("1.11", "100.88"):
            lines = [RefundLine(id=line_id, amount=amount)]
            await client.terminals.refund(uuid, TerminalRefund(grand_total=amount, lines=lines))
            sandbox.approve_refund(uuid)
    assert str(sandbox.orders[uuid].refunded) == "101.99"


async def test_the_history_of_requests_is_bounded() -> None:
    sandbox = Sandbox(request_history=3, rate_limit=None)
    async with raw_client(sandbox) as raw:
        for number in range(5):
            await raw.get(f"orders/status/ODR{number}")
    assert [request.path[-4:] for request in sandbox.requests] == ["ODR2", "ODR3", "ODR4"]


async def test_a_body_that_nginx_refuses_is_not_kept() -> None:
    sandbox = Sandbox()
    async with raw_client(sandbox) as raw:
        answer = await raw.post("orders/invoice/create", content=b"x" * (1024 * 1024 + 1))
    assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
    assert sandbox.requests == ()
