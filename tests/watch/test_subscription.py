"""Updates of a watch: the status as it is, then each change."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import OrderStatus, PaymentStatus, WatchTimeoutError
from tests.support import builders
from tests.support.simulated_time import BACKENDS, passes, simulate
from tests.support.watching import Waiter, world

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration


@pytest.fixture(params=BACKENDS)
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    return lambda scenario, *arguments: simulate(scenario, *arguments, backend=request.param)


def test_updates_are_the_status_and_each_change(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = (await here.client.orders.send_payment_link(builders.payment_link())).order_uuid
            seen = []

            async def read() -> None:
                seen.extend([s async for s in here.client.watch.updates(uuid, kind="order", timeout=100)])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                for event in ("invoice", "remind", "pay"):
                    await passes(5)
                    here.sandbox.apply_event(uuid, event)
            assert seen == ["SENT", "INVOICED", "PURRING", "PAID"]
            assert [type(status) for status in seen] == [OrderStatus] * 4

    run(scenario)


def test_updates_wait_for_a_slow_reader(run: Callable[..., None]) -> None:
    """What changes while the reader is busy, and somebody else polls, is there when it comes back."""

    async def scenario() -> None:
        async with world() as here:
            uuid, waiter = await here.order(), Waiter()
            async with (
                anyio.create_task_group() as tasks,
                aclosing(here.client.watch.updates(uuid)) as updates,
            ):
                assert await anext(updates) == "SENT"
                tasks.start_soon(waiter.wait, here.client, uuid)
                await passes(3)
                here.sandbox.approve(uuid)
                await passes(3)
                assert waiter.result is PaymentStatus.PAID
                assert await anext(updates) is PaymentStatus.PAID
                with pytest.raises(StopAsyncIteration):
                    await anext(updates)

    run(scenario)


def test_updates_that_are_left_early_are_not_watched_any_more(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            uuid = await here.order()
            async with aclosing(here.client.watch.updates(uuid)) as updates:
                async for status in updates:
                    assert status == "SENT"
                    assert here.client.watch.statistics().watches == 1
                    break
            assert here.client.watch.statistics().watches == 0

    run(scenario)


def test_updates_time_out(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with world() as here:
            updates, seen = here.client.watch.updates(await here.order(), timeout=5), []
            with pytest.raises(WatchTimeoutError):  # noqa: PT012 - the error comes between two steps of a loop
                async for status in updates:
                    seen.append(status)  # noqa: PERF401 - what came before the error counts
            assert seen == ["SENT"]

    run(scenario)
