"""How the watch hub polls: shared, few at a time, told by callbacks and by the list of orders."""

from __future__ import annotations

import json
from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from frontpay_async import (
    PaymentStatus,
    Priority,
    WatchTimeoutError,
)
from frontpay_async.sandbox import Cardholder
from tests.support.simulated_time import BACKENDS, passes, simulate
from tests.support.watching import Slow, Waiter, world

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration


@pytest.fixture(params=BACKENDS)
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    return lambda scenario, *arguments: simulate(scenario, *arguments, backend=request.param)


def test_what_is_left_of_the_rate_is_spread(run: Callable[..., None]) -> None:
    """Half a window without a call leaves 120 requests: they are not spent in the first second."""

    async def scenario() -> None:
        async with world(list_terminal_orders=False) as here:
            await here.client.orders.list_statuses()
            uuids = [await here.order() for _ in range(100)]
            await passes(30)
            since = anyio.current_time()
            async with anyio.create_task_group() as tasks:
                for uuid in uuids:
                    tasks.start_soon(Waiter().wait, here.client, uuid)
                await passes(1)
                assert 4 <= len(here.polls(since)) <= 15
                await passes(28)
                assert len(here.polls(since)) > 200
                tasks.cancel_scope.cancel()

    run(scenario)


def test_two_waiters_share_their_polls(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world(cardholder=Cardholder(after=20)) as here:
            uuid, waiters = await here.order(), [Waiter() for _ in range(10)]
            clients = [here.client, here.client.with_options()]
            async with anyio.create_task_group() as tasks:
                for number, waiter in enumerate(waiters):
                    tasks.start_soon(waiter.wait, clients[number % 2], uuid)
            assert [waiter.result for waiter in waiters] == [PaymentStatus.PAID] * 10
            assert len({waiter.ended_at for waiter in waiters}) == 1
            assert len(here.polls()) <= 20 / 0.25 + 2
            assert here.client.watch.statistics().decided == 1

    run(scenario)


def test_polls_are_few_at_a_time_and_rank_below_other_calls(run: Callable[..., None]) -> None:
    """At most one waits for the rate, at most eight are under way, and interactive calls overtake all."""

    async def scenario() -> None:
        async with world(latency=2.5) as here:
            uuids = [await here.order() for _ in range(100)]
            till = here.client.with_options(priority=Priority.INTERACTIVE)
            async with anyio.create_task_group() as tasks:
                for uuid in uuids:
                    tasks.start_soon(Waiter().wait, here.client, uuid)
                most_waiting = most_under_way = 0
                for _ in range(400):
                    await passes(0.25)
                    most_waiting = max(most_waiting, here.client.rate.statistics().waiting[Priority.WATCH])
                    under_way = len(here.wire.sent) - len(here.wire.ended)
                    most_under_way = max(most_under_way, under_way)
                assert (most_waiting, most_under_way) == (1, 8)
                begun = anyio.current_time()
                await till.terminals.get_payment_status(uuids[0])
                assert anyio.current_time() - begun == pytest.approx(2.5)
                tasks.cancel_scope.cancel()

    run(scenario)


def test_a_callback_is_confirmed_at_once(run: Callable[..., None]) -> None:
    """By one poll: a forged one ends nothing."""

    async def scenario() -> None:
        async with world() as here:
            uuids = [await here.order() for _ in range(100)]
            waiters = [Waiter() for _ in uuids]
            async with anyio.create_task_group() as tasks:
                for waiter, uuid in zip(waiters, uuids, strict=True):
                    tasks.start_soon(waiter.wait, here.client, uuid)
                await passes(30)
                assert here.client.watch.notify(uuids[5])
                await passes(10)
                assert waiters[5].ended_at is None
                here.sandbox.approve(uuids[7])
                told_at = anyio.current_time()
                assert here.client.watch.notify(here.sandbox.orders[uuids[7]].uuid)
                await passes(0.5)
                assert waiters[7].result is PaymentStatus.PAID
                assert waiters[7].ended_at - told_at < 0.45
                tasks.cancel_scope.cancel()
            assert not here.client.watch.notify(uuids[7])

    run(scenario)


def test_a_callback_may_be_any_object_with_an_order(run: Callable[..., None]) -> None:
    class Callback:
        order_uuid = "ODR1"

    async def scenario() -> None:
        async with world() as here:
            assert here.client.watch.notify(Callback()) is False
            assert here.client.watch.notify("ODR1") is False

    run(scenario)


def test_sweeps_find_what_is_confirmed_by_one_poll(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world(latency=0.05) as here:
            uuids = [await here.order() for _ in range(60)]
            waiters = [Waiter() for _ in uuids]
            async with anyio.create_task_group() as tasks:
                for waiter, uuid in zip(waiters, uuids, strict=True):
                    tasks.start_soon(waiter.wait, here.client, uuid)
                await passes(20)
                since, statistics = anyio.current_time(), here.client.watch.statistics()
                assert statistics.sweeping
                assert statistics.staleness < 1.1
                delays = []
                for waiter, uuid in zip(waiters[:30], uuids, strict=False):
                    here.sandbox.approve(uuid)
                    paid_at = anyio.current_time()
                    await passes(1.5)
                    assert waiter.result is PaymentStatus.PAID
                    delays.append(waiter.ended_at - paid_at)
                polls = here.polls(since)
                assert sum(delays) / len(delays) < 0.9
                assert polls.count("orders/status") == pytest.approx(45, abs=2)
                # Of the others some were asked for in case that the list lags, once in a minute.
                assert len(polls) - polls.count("orders/status") <= 30 + 60
                tasks.cancel_scope.cancel()

    run(scenario)


def test_a_list_without_terminal_orders_is_found_out(run: Callable[..., None]) -> None:
    """After a few sweeps the hub polls, and everybody is served all the same."""

    async def scenario() -> None:
        async with world(list_terminal_orders=False, cardholder=Cardholder(after=60)) as here:
            uuids = [await here.order() for _ in range(40)]
            waiters = [Waiter() for _ in uuids]
            async with anyio.create_task_group() as tasks:
                for waiter, uuid in zip(waiters, uuids, strict=True):
                    tasks.start_soon(waiter.wait, here.client, uuid)
            assert {waiter.result for waiter in waiters} == {PaymentStatus.PAID}
            assert here.client.watch.statistics().sweeps < 6

    run(scenario)


@pytest.mark.parametrize("forged", [1, 2])
def test_a_flood_of_forged_callbacks_leaves_the_others_their_polls(
    run: Callable[..., None], forged: int
) -> None:
    """A callback every 20 ms: the others are polled at least half as often as without."""

    async def scenario() -> None:
        async with world(list_terminal_orders=False) as here, anyio.create_task_group() as tasks:
            uuids = [await here.order() for _ in range(3)]
            for uuid in uuids:
                tasks.start_soon(Waiter().wait, here.client, uuid)
            await passes(10)
            quiet = [path.endswith(uuids[2]) for path in here.polls(anyio.current_time() - 8)].count(True)
            for step in range(600):
                if step == 200:
                    # The first ones were doubted, as a callback may be early.
                    since = anyio.current_time()
                for uuid in uuids[:forged]:
                    here.client.watch.notify(uuid)
                await passes(0.02)
            assert [path.endswith(uuids[2]) for path in here.polls(since)].count(True) >= quiet / 2 - 1
            tasks.cancel_scope.cancel()

    run(scenario)


def test_a_callback_between_two_waits_is_not_forgotten(run: Callable[..., None]) -> None:
    """A handler that waits a little and calls again hears of it at once."""

    async def scenario() -> None:
        async with world(cardholder=Cardholder(after=400)) as here:
            uuid = await here.order()
            with pytest.raises(WatchTimeoutError):
                await here.client.watch.payment(uuid, timeout=300)
            here.sandbox.approve(uuid)
            assert not here.client.watch.notify(uuid)
            begun = anyio.current_time()
            assert await here.client.watch.payment(uuid, timeout=300) is PaymentStatus.PAID
            assert anyio.current_time() - begun < 0.2

    run(scenario)


def test_a_handler_that_waits_two_seconds_and_calls_again_keeps_its_age(run: Callable[..., None]) -> None:
    """So it is polled no more often than one that stays: after ten minutes every second and a half."""

    async def scenario() -> None:
        async with world() as here:
            uuid = await here.order()
            until = anyio.current_time() + 600
            while anyio.current_time() < until:
                with pytest.raises(WatchTimeoutError):
                    await here.client.watch.payment(uuid, timeout=2)
            since = anyio.current_time()
            for _ in range(15):
                with pytest.raises(WatchTimeoutError):
                    await here.client.watch.payment(uuid, timeout=2)
            assert 15 <= len(here.polls(since)) <= 30 / 1.5 + 2

    run(scenario)


caller: ContextVar[str] = ContextVar("caller", default="nobody")


def test_polls_run_in_a_context_of_their_own(run: Callable[..., None]) -> None:
    """What the caller that leads has set is not seen by the polls, nor by what they call."""
    seen: set[str] = set()

    async def scenario() -> None:
        async with world(cardholder=Cardholder(after=5), on_attempt=lambda _: seen.add(caller.get())) as here:
            caller.set("the leader")
            assert await here.client.watch.payment(await here.order(), timeout=60) is PaymentStatus.PAID
            assert caller.get() == "the leader"
        assert seen == {"nobody"}

    run(scenario)


def test_payments_are_found_in_time_though_no_response_shows_where_the_window_begins(
    run: Callable[..., None],
) -> None:
    """Headers show the count when the response is written: the first one shows four requests, not one."""

    async def scenario() -> None:
        async with world(rate_headers_when_written=True, list_terminal_orders=False) as here:
            here.sandbox.fail("latency", seconds=0.5, times=None)
            uuids, waiters = [await here.order() for _ in range(4)], [Waiter() for _ in range(4)]
            async with anyio.create_task_group() as tasks:
                for waiter, uuid in zip(waiters, uuids, strict=True):
                    tasks.start_soon(waiter.wait, here.client, uuid)
                await passes(75)
                ended = anyio.current_time()
                for uuid in uuids:
                    here.sandbox.approve(uuid)
            assert {waiter.result for waiter in waiters} == {PaymentStatus.PAID}
            assert max(waiter.ended_at for waiter in waiters) - ended < 3
            assert here.client.rate.statistics().refusals == 0

    run(scenario)


@pytest.mark.parametrize(("before", "calls"), [(2, 200), (2, 240), (30, 120), (30, 500)])
def test_a_burst_does_not_blind_the_watch(run: Callable[..., None], before: float, calls: int) -> None:
    """However many calls come just before a payment ends: they leave a part of the window to the polls."""

    async def scenario() -> None:
        async with world(list_terminal_orders=False) as here, anyio.create_task_group() as tasks:
            uuid, waiter = await here.order(), Waiter()
            tasks.start_soon(waiter.wait, here.client, uuid)
            await passes(before)
            for _ in range(calls):
                tasks.start_soon(here.client.orders.list_statuses)
            await passes(1)
            ended = anyio.current_time()
            here.sandbox.approve(uuid)
            await passes(5)
            assert waiter.result is PaymentStatus.PAID
            assert waiter.ended_at - ended < 3.5
            tasks.cancel_scope.cancel()

    run(scenario)


def test_an_order_that_is_missing_from_a_list_with_unreadable_rows_is_not_news(
    run: Callable[..., None],
) -> None:
    """Its row may be the one that could not be read: it is not polled for that."""

    class Spoilt(Slow):
        spoil = False

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            if self.spoil and request.url.path.endswith("orders/status"):
                body = json.loads(await response.aread())
                body["data"] = [{**row, "uuid": None} for row in body["data"][:20]] + body["data"][20:]
                response = httpx.Response(200, headers=response.headers, json=body)
            return response

    async def scenario() -> None:
        async with world(wire=Spoilt) as here, anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(Waiter().wait, here.client, await here.order())
            await passes(10)
            assert here.client.watch.statistics().sweeping
            here.wire.spoil, since = True, anyio.current_time()
            await passes(4)
            polls = [path for path in here.polls(since) if not path.endswith("orders/status")]
            assert len(polls) < 10
            tasks.cancel_scope.cancel()

    run(scenario)
