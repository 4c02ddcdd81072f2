"""The watch hub in the whole client, against the sandbox, in simulated time."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from frontpay_async import (
    FrontPayClient,
    InvalidOrderError,
    NotSentError,
    OrderStatus,
    Outcome,
    PaymentStatus,
    RefundLine,
    RefundStatus,
    TerminalRefund,
    WatchKind,
    WatchTimeoutError,
)
from frontpay_async.sandbox import Cardholder
from tests.support import builders
from tests.support.simulated_time import BACKENDS, passes, simulate
from tests.support.watching import Slow, Waiter, World, world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.integration


@pytest.fixture(params=BACKENDS)
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    return lambda scenario, *arguments: simulate(scenario, *arguments, backend=request.param)


@pytest.mark.parametrize(("pays", "end"), [(True, PaymentStatus.PAID), (False, PaymentStatus.CANCELLED)])
def test_a_payment_is_watched_to_its_end(run: Callable[..., None], pays: bool, end: PaymentStatus) -> None:
    async def scenario() -> None:
        async with world(cardholder=Cardholder(after=20, pays=pays)) as here:
            uuid = await here.order()
            begun = anyio.current_time()
            assert await here.client.watch.payment(uuid, timeout=60) is end
            assert 20 <= anyio.current_time() - begun < 20.5
            assert len(here.polls()) < 90
            assert here.client.watch.statistics().watches == 0

    run(scenario)


@pytest.mark.parametrize(("takes", "end"), [(True, RefundStatus.REFUNDED), (False, RefundStatus.REJECTED)])
def test_a_refund_is_watched_to_its_end(run: Callable[..., None], takes: bool, end: RefundStatus) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = await here.order()
            here.sandbox.approve(uuid)
            lines = [RefundLine(id=here.sandbox.orders[uuid].lines[0].id, amount=10)]
            await here.client.terminals.refund(uuid, TerminalRefund(grand_total=10, lines=lines))
            waiter = Waiter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(waiter.wait, here.client, uuid, "refund")
                await passes(5)
                (here.sandbox.approve_refund if takes else here.sandbox.decline_refund)(uuid)
            assert waiter.result is end

    run(scenario)


def test_an_order_is_watched_to_its_end_or_to_what_is_asked_for(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = (await here.client.orders.send_payment_link(builders.payment_link())).order_uuid
            ends, invoiced, either = Waiter(), Waiter(), Waiter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ends.wait, here.client, uuid, "order")
                tasks.start_soon(lambda: invoiced.wait(here.client, uuid, "order", until="invoiced"))
                wanted = {OrderStatus.INVOICED, OrderStatus.PURRING}
                tasks.start_soon(lambda: either.wait(here.client, uuid, "order", until=wanted))
                await passes(5)
                here.sandbox.apply_event(uuid, "invoice")
                await passes(5)
                assert (invoiced.result, either.result) == (OrderStatus.INVOICED, OrderStatus.INVOICED)
                assert ends.ended_at is None
                here.sandbox.apply_event(uuid, "pay")
            assert ends.result is OrderStatus.PAID

    run(scenario)


def test_an_end_that_is_not_asked_for_is_waited_through(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = (await here.client.orders.send_payment_link(builders.payment_link())).order_uuid
            refunded, paid = Waiter(), Waiter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: refunded.wait(here.client, uuid, "order", until="REFUNDED"))
                tasks.start_soon(paid.wait, here.client, uuid, "order")
                await passes(3)
                here.sandbox.apply_event(uuid, "pay")
                await passes(3)
                assert (paid.result, refunded.ended_at) == (OrderStatus.PAID, None)
                order = here.sandbox.orders[uuid]
                order.pay_back(order.amount, {})
            assert refunded.result is OrderStatus.REFUNDED
            assert here.client.watch.statistics().decided == 1

    run(scenario)


def test_an_end_that_is_there_already_is_found_at_once(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = await here.order()
            here.sandbox.approve(uuid)
            begun = anyio.current_time()
            assert await here.client.watch.payment(uuid, timeout=60) is PaymentStatus.PAID
            assert anyio.current_time() - begun < 0.2
            assert len(here.polls()) == 1

    run(scenario)


@pytest.mark.parametrize("pending", [None, "SENT", "ON HOLD"])
def test_a_status_that_is_not_known_or_missing_is_not_an_end(
    run: Callable[..., None], pending: str | None
) -> None:
    async def scenario() -> None:
        async with world(pending_status=pending, cardholder=Cardholder(after=10)) as here:
            assert await here.client.watch.payment(await here.order(), timeout=60) is PaymentStatus.PAID

    run(scenario)


def test_every_kind_of_watch_times_out(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            for kind in WatchKind:
                with pytest.raises(WatchTimeoutError, match="may still be") as caught:
                    await anext(here.client.watch.updates("ODR1", kind=kind, timeout=5))
                assert caught.value.operation == f"watch.{kind}"

    run(scenario)


def test_a_time_out_says_what_is_known(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = await here.order()
            begun = anyio.current_time()
            with pytest.raises(WatchTimeoutError) as caught:
                await here.client.watch.payment(uuid, timeout=12.5)
            assert anyio.current_time() - begun == pytest.approx(12.5, abs=0.001)
            error = caught.value
            assert (error.last_status, error.order_uuid) == (PaymentStatus("SENT"), uuid)
            assert (error.outcome, error.operation) == (Outcome.UNKNOWN, "watch.payment")
            assert "may still be paid" in str(error)
            assert here.client.watch.statistics().watches == 0

    run(scenario)


def test_each_waiter_has_its_own_time(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid, other = await here.order(), await here.order()
            waiters = [Waiter() for _ in range(6)]
            begun = anyio.current_time()
            async with anyio.create_task_group() as tasks:
                for number, waiter in enumerate(waiters):
                    order, timeout = (uuid, other)[number % 2], 3.0 + number
                    tasks.start_soon(lambda w=waiter, o=order, t=timeout: w.wait(here.client, o, timeout=t))
            ended = [round(waiter.ended_at - begun, 2) for waiter in waiters]
            assert ended == [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
            assert {type(waiter.error) for waiter in waiters} == {WatchTimeoutError}

    run(scenario)


@pytest.mark.parametrize("leaves", range(3))
def test_one_who_leaves_does_not_take_the_others_along(run: Callable[..., None], leaves: int) -> None:
    """Whoever it is: the one who polls for all is among them. And while a poll is under way."""

    async def scenario() -> None:
        async with world(latency=2.0, cardholder=Cardholder(after=10)) as here:
            uuids = [await here.order() for _ in range(3)]
            waiters = [Waiter() for _ in uuids]
            async with anyio.create_task_group() as tasks:
                for waiter, uuid in zip(waiters, uuids, strict=True):
                    tasks.start_soon(waiter.wait, here.client, uuid)
                await passes(9.5)
                waiters[leaves].scope.cancel()
                left_at = anyio.current_time()
            others = [waiter for number, waiter in enumerate(waiters) if number != leaves]
            assert [waiter.result for waiter in others] == [PaymentStatus.PAID] * 2
            assert max(waiter.ended_at for waiter in others) - left_at < 5
            assert waiters[leaves].ended_at is None
            assert here.client.watch.statistics().watches == 0

    run(scenario)


def test_asyncio_cancels_whoever_polls_for_all() -> None:
    """By its own means, without a scope of anyio: the next one goes on."""

    async def scenario() -> None:
        async with world(latency=2.0, cardholder=Cardholder(after=10)) as here:
            uuids = [await here.order() for _ in range(3)]
            tasks = [asyncio.create_task(here.client.watch.payment(uuid, timeout=60)) for uuid in uuids]
            async with asyncio.timeout(9):
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(tasks[2]), 5)
                for task in tasks[:2]:
                    await passes(1)
                    task.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await task
            assert await tasks[2] is PaymentStatus.PAID
            assert here.client.watch.statistics().watches == 0

    simulate(scenario)


def test_a_closed_client_ends_all_waits_at_once(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world(latency=4.0) as here:
            uuids, waiters = [await here.order() for _ in range(5)], [Waiter() for _ in range(5)]
            async with anyio.create_task_group() as tasks:
                for waiter, uuid in zip(waiters, uuids, strict=True):
                    tasks.start_soon(waiter.wait, here.client, uuid)
                await passes(2)
                closed_at = anyio.current_time()
                await here.client.aclose()
            assert [type(waiter.error) for waiter in waiters] == [NotSentError] * 5
            assert [waiter.error.order_uuid for waiter in waiters] == uuids
            assert {waiter.error.operation for waiter in waiters} == {"watch.payment"}
            assert {waiter.ended_at for waiter in waiters} == {closed_at}
            with pytest.raises(NotSentError):
                await here.client.watch.payment(uuids[0], timeout=5)

    run(scenario)


def test_watches_outlive_the_process(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuids = [await here.order() for _ in range(3)]
            async with anyio.create_task_group() as tasks:
                for uuid in uuids:
                    tasks.start_soon(Waiter().wait, here.client, uuid)
                await passes(30)
                snapshot = here.client.watch.snapshot()
                tasks.cancel_scope.cancel()
            async with here.sandbox.client() as again:
                restored = again.watch.restore(snapshot, elapsed=5)
                assert sorted(restored) == [(WatchKind.PAYMENT, uuid) for uuid in uuids]
                assert (again.watch.statistics().restored, again.watch.statistics().watches) == (3, 0)
                before = again.watch.snapshot()
                assert [row["age"] for row in before["watches"]] == [pytest.approx(35)] * 3  # type: ignore[attr-defined]
                here.sandbox.approve(uuids[1])
                assert await again.watch.payment(uuids[1], timeout=5) is PaymentStatus.PAID
                assert again.watch.statistics().restored == 2

    run(scenario)


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_time_out_is_a_time(timeout: float) -> None:
    async def scenario() -> None:
        async with world() as here:
            with pytest.raises(ValueError, match="timeout"):
                await here.client.watch.payment("ODR1", timeout=timeout)

    simulate(scenario)


def test_what_cannot_be_watched_is_refused_at_once(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            with pytest.raises(InvalidOrderError):
                await here.client.watch.payment("../etc", timeout=5)
            with pytest.raises(InvalidOrderError):
                here.client.watch.updates("")
            with pytest.raises(ValueError, match="invoice"):
                here.client.watch.updates("ODR1", kind="invoice")
            with pytest.raises(ValueError, match="until"):
                await here.client.watch.order("ODR1", until=(), timeout=5)
            assert here.polls() == []

    run(scenario)


def test_a_hub_needs_no_event_loop_until_it_is_waited_on() -> None:
    client = FrontPayClient("token", environment="demo")
    assert client.watch.statistics().watches == 0
    assert client.watch.restore(client.watch.snapshot()) == ()
    assert client.with_options().watch is client.watch


def test_the_hub_shows_what_it_does(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world(latency=0.0) as here:
            uuids = [await here.order() for _ in range(2)]
            async with anyio.create_task_group() as tasks:
                for uuid in uuids:
                    tasks.start_soon(Waiter().wait, here.client, uuid)
                await passes(10)
                shown = here.client.watch.statistics()
                assert (shown.watches, shown.restored, shown.sweeps, shown.decided) == (2, 0, 0, 0)
                assert shown.polls == len(here.polls())
                assert shown.mean_age == pytest.approx(10)
                assert 0 <= shown.staleness < 0.6
                assert not shown.sweeping
                here.sandbox.approve(uuids[0])
                await passes(2)
                assert here.client.watch.statistics().decided == 1
                tasks.cancel_scope.cancel()

    run(scenario)


async def refunded_once(here: World, *, takes: bool = True) -> str:
    """Return a paid order whose first refund, of 10, has ended."""
    uuid = await here.order()
    here.sandbox.approve(uuid)
    await ask_for_refund(here, uuid)
    (here.sandbox.approve_refund if takes else here.sandbox.decline_refund)(uuid)
    return uuid


async def ask_for_refund(here: World, uuid: str) -> None:
    lines = [RefundLine(id=here.sandbox.orders[uuid].lines[0].id, amount=10)]
    await here.client.terminals.refund(uuid, TerminalRefund(grand_total=10, lines=lines))


class FirstRefundOnly(Slow):
    """Goes on showing the end of the first refund until the next one is decided, as the API does."""

    shown: bytes | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if "refund-status" in request.url.path:
            body = await response.aread()
            if b'"SENT"' in body and self.shown is not None:
                body = self.shown
            self.shown = body
            response = httpx.Response(response.status_code, headers=response.headers, content=body)
        return response


@asynccontextmanager
async def first_refund_only() -> AsyncIterator[World]:
    async with world(wire=FirstRefundOnly) as here:
        yield here


def test_a_second_refund_is_not_taken_for_the_first(run: Callable[..., None]) -> None:
    """Without ``after`` the first one's end is returned at once; with it, the second one's end."""

    async def scenario() -> None:
        async with first_refund_only() as here:
            uuid = await refunded_once(here)
            assert await here.client.watch.refund(uuid, timeout=60) is RefundStatus.REFUNDED
            before = (await here.client.orders.get_status(uuid)).refunded_amount
            assert before == 10
            await ask_for_refund(here, uuid)
            assert await here.client.watch.refund(uuid, timeout=60) is RefundStatus.REFUNDED
            waiter = Waiter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: waiter.wait(here.client, uuid, "refund", after=before))
                await passes(20)
                assert waiter.ended_at is None
                here.sandbox.approve_refund(uuid)
            assert waiter.result is RefundStatus.REFUNDED
            assert here.client.watch.statistics().watches == 0

    run(scenario)


@pytest.mark.parametrize("first_taken", [True, False])
def test_a_second_refund_that_is_declined_is_seen_to_turn(
    run: Callable[..., None], first_taken: bool
) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = await refunded_once(here, takes=first_taken)
            before = 10 if first_taken else 0
            await ask_for_refund(here, uuid)
            waiter = Waiter()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: waiter.wait(here.client, uuid, "refund", after=before))
                await passes(20)
                assert waiter.ended_at is None
                here.sandbox.decline_refund(uuid)
            assert waiter.result is RefundStatus.REJECTED

    run(scenario)


def test_an_old_rejection_proves_nothing(run: Callable[..., None]) -> None:
    """Nor does it end the wait: the next refund may be pending."""

    async def scenario() -> None:
        async with first_refund_only() as here:
            uuid = await refunded_once(here, takes=False)
            assert await here.client.watch.refund(uuid, timeout=60) is RefundStatus.REJECTED
            await ask_for_refund(here, uuid)
            with pytest.raises(WatchTimeoutError, match="may still be refunded") as caught:
                await here.client.watch.refund(uuid, timeout=30, after=0)
            assert caught.value.last_status is None
            assert caught.value.outcome is Outcome.UNKNOWN

    run(scenario)


@pytest.mark.parametrize(("after", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_after_is_an_amount(run: Callable[..., None], after: object, error: type[Exception]) -> None:
    async def scenario() -> None:
        async with world() as here:
            with pytest.raises(error):
                await here.client.watch.refund("ODR1", timeout=1, after=after)  # type: ignore[arg-type]

    run(scenario)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"learnt": {"payment": [5.0, 3.0, 1.0], "order": [1.0, 2.0]}},
        {"learnt": {"payment": [5.0, 3.0, 1.0], "order": [1.0, 1e308, 0.0]}},
        {"learnt": {"payment": [5.0, 3.0, 1.0], "order": [1.0, 2.0, 1e300]}},
        {"learnt": {"payment": [5.0, 3.0, 1.0], "order": [10**400, 2.0, 1.0]}},
        {"watches": [{"kind": "payment", "order_uuid": "ODR2", "age": 10**400, "status": None}]},
        {"watches": [{"kind": "payment", "order_uuid": "ODR2", "age": -1.0, "status": None}]},
        {"watches": [{"kind": "payment", "order_uuid": "ODR2", "age": math.nan, "status": None}]},
        {"watches": [{"kind": "payment", "order_uuid": "../ODR2", "age": 1.0, "status": None}]},
    ],
)
def test_a_snapshot_is_taken_up_as_a_whole_or_not_at_all(
    run: Callable[..., None], spoilt: dict[str, object]
) -> None:
    good = {
        "version": 1,
        "watches": [{"kind": "payment", "order_uuid": "ODR1", "age": 5.0, "status": None}],
        "learnt": {"payment": [5.0, 3.0, 1.0]},
    }

    async def scenario() -> None:
        async with world() as here:
            untouched = here.client.watch.snapshot()
            with pytest.raises(ValueError, match=r"snapshot|orderUuid"):
                here.client.watch.restore({**good, **spoilt})
            for elapsed in (-1.0, math.nan, math.inf):
                with pytest.raises(ValueError, match="elapsed"):
                    here.client.watch.restore(good, elapsed=elapsed)
            assert here.client.watch.snapshot() == untouched
            assert here.client.watch.restore(good) == ((WatchKind.PAYMENT, "ODR1"),)

    run(scenario)
