"""Taking a payment on a terminal, in simulated time: what is known of it at each turn that it can take."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define, field

from frontpay_async import (
    FrontPayClient,
    NotSentError,
    OutcomeUnknownError,
    PaymentStatus,
    RequestRejectedError,
    WatchTimeoutError,
)
from frontpay_async.cli.payments import TakenPayment, take_payment
from frontpay_async.sandbox import DEFAULT_TOKEN
from tests.support.sandboxes import terminal_order
from tests.support.simulated_time import simulate
from tests.support.watching import world

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async.sandbox import Sandbox

pytestmark = pytest.mark.integration

STATUS = "terminals.get_payment_status"
CANCEL = "terminals.cancel_payment"


@define
class Teller:
    """Do something when something is told."""

    turns: dict[str, Callable[[], object]]
    told: list[str] = field(factory=list)

    def __call__(self, text: str) -> None:
        self.told.append(text)
        for start, turn in self.turns.items():
            if text.startswith(start):
                turn()


def play(scenario: Callable[[Sandbox, FrontPayClient], Awaitable[None]], **settings: Any) -> None:
    """Play a scenario with a sandbox whose cardholder waits to be told."""

    async def inside() -> None:
        async with world(**settings) as one:
            await scenario(one.sandbox, one.client)

    simulate(inside)


async def take(
    client: FrontPayClient, stop: asyncio.Event, **turns: Callable[[], object]
) -> tuple[TakenPayment, list[str]]:
    """Take a payment of 102.00; a turn is named by the beginning of what is told."""
    teller = Teller(turns)
    taken = await take_payment(client, terminal_order(), wait=60, stop=stop, tell=teller)
    return taken, teller.told


def approve(sandbox: Sandbox) -> None:
    (uuid,) = sandbox.orders
    sandbox.approve(uuid)


def test_it_is_watched_until_it_is_paid() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        taken, told = await take(client, asyncio.Event(), payment=lambda: told_once(sandbox))
        (uuid,) = sandbox.orders
        assert taken == TakenPayment(
            order_uuid=uuid, payment_status=PaymentStatus.PAID, amount=Decimal("102.00"), stopped=False
        )
        assert told == [f"order {uuid} is on the terminal", "payment: SENT", "payment: PAID"]

    play(scenario)


def told_once(sandbox: Sandbox) -> None:
    """The cardholder pays when the payment is first seen to wait."""
    (order,) = sandbox.orders.values()
    if order.status == "SENT":
        approve(sandbox)


def test_stopped_it_is_cancelled() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()
        taken, told = await take(client, stop, payment=stop.set)
        assert (taken.payment_status, taken.stopped) == (PaymentStatus.CANCELLED, True)
        assert told[-1] == "stopping: the payment is being cancelled"
        (order,) = sandbox.orders.values()
        assert order.status == "CANCELLED"

    play(scenario)


def test_stopped_before_it_was_created_it_is_cancelled_all_the_same() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()
        stop.set()
        taken, _ = await take(client, stop)
        assert (taken.payment_status, taken.stopped) == (PaymentStatus.CANCELLED, True)
        assert [order.status for order in sandbox.orders.values()] == ["CANCELLED"]

    play(scenario)


def test_a_cardholder_who_was_faster_has_paid() -> None:
    """The cancellation is refused, and the payment's own status has the last word."""

    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()
        taken, _ = await take(client, stop, payment=stop.set, stopping=lambda: approve(sandbox))
        assert (taken.payment_status, taken.stopped) == (PaymentStatus.PAID, True)

    play(scenario)


def test_a_refusal_tells_that_it_was_paid_where_the_status_cannot_be_had() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()

        def cross() -> None:
            approve(sandbox)
            sandbox.fail("502-before", operation=STATUS, times=None)

        taken, _ = await take(client, stop, payment=stop.set, stopping=cross)
        assert (taken.payment_status, taken.stopped) == (PaymentStatus.PAID, True)

    play(scenario)


def test_a_payment_that_another_has_cancelled_is_cancelled() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()

        def decline() -> None:
            (uuid,) = sandbox.orders
            sandbox.decline(uuid)

        taken, _ = await take(client, stop, payment=stop.set, stopping=decline)
        assert (taken.payment_status, taken.stopped) == (PaymentStatus.CANCELLED, True)

    play(scenario)


@pytest.mark.parametrize(
    ("fault", "struck", "why"),
    [("drop-before", CANCEL, "could not be cancelled"), ("502-before", STATUS, "was accepted")],
)
def test_what_cannot_be_found_out_is_unknown_and_names_the_order(fault: str, struck: str, why: str) -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()
        with pytest.raises(OutcomeUnknownError, match=why) as caught:
            await take(
                client,
                stop,
                payment=stop.set,
                stopping=lambda: sandbox.fail(fault, operation=struck, times=None),
            )
        (uuid,) = sandbox.orders
        assert caught.value.order_uuid == uuid
        assert f"Order {uuid} may still be paid" in str(caught.value)

    play(scenario)


def test_a_payment_that_is_not_decided_in_time_may_still_be_paid() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        with pytest.raises(WatchTimeoutError) as caught:
            await take(client, asyncio.Event())
        assert caught.value.outcome == "unknown"

    play(scenario)


def test_a_refused_look_says_nothing_of_the_payment() -> None:
    """The token is taken away when the order stands on the terminal; a 401 says nothing of that."""
    token = DEFAULT_TOKEN

    async def current() -> str:
        return token

    def revoke() -> None:
        nonlocal token
        token = "revoked"

    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        with pytest.raises(OutcomeUnknownError, match="is on the terminal and may be paid") as caught:
            await take(client, asyncio.Event(), order=revoke)
        (uuid,) = sandbox.orders
        assert caught.value.order_uuid == uuid

    play(scenario, token=current)


def test_an_order_that_was_not_created_is_told_as_it_is() -> None:
    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        with pytest.raises(RequestRejectedError):
            await take_payment(
                client, terminal_order(terminal_uuid="TRML0"), wait=60, stop=asyncio.Event(), tell=print
            )
        assert sandbox.orders == {}
        await client.aclose()
        with pytest.raises(NotSentError):
            await take(client, asyncio.Event())

    play(scenario)


def test_given_up_while_it_is_cancelled_it_is_unknown() -> None:
    """As the second Ctrl-C does it."""

    async def scenario(sandbox: Sandbox, client: FrontPayClient) -> None:
        stop = asyncio.Event()
        turns = {"payment": stop.set, "stopping": lambda: task.cancel()}  # noqa: PLW0108 - not yet there
        task = asyncio.create_task(take(client, stop, **turns))
        with pytest.raises(OutcomeUnknownError, match="may still be paid") as caught:
            await task
        assert caught.value.operation == CANCEL
        assert list(sandbox.orders) == [caught.value.order_uuid]

    play(scenario)
