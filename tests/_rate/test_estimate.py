"""What the client says of the rate window, compared with what then happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import NotFoundError, Priority, RateLimit, Timeouts
from tests.support.simulated_time import passes, simulate
from tests.support.watching import world

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient

pytestmark = [pytest.mark.integration, pytest.mark.search]

LIMIT, WINDOW = 60, 60.0
RATE = RateLimit(requests=LIMIT, window=WINDOW)
# Hundreds of calls wait for their turn for longer than one call may take by default.
PATIENT = Timeouts(total=None)


async def calls(client: FrontPayClient, count: int, priority: Priority) -> None:
    """Make so many calls, all at once, and wait for their responses."""
    client = client.with_options(priority=priority)

    async def call() -> None:
        with pytest.raises(NotFoundError):
            await client.orders.get_status("ODR1")

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(call)


@pytest.mark.parametrize("count", [1, 10, 59, 60, 61, 150, 400])
@pytest.mark.parametrize(
    ("before", "burst", "idle"),
    [(0, 0, 0.0), (0, 0, 20.0), (12, 0, 0.0), (12, 0, 30.0), (0, 30, 0.0), (12, 30, 7.0), (0, 55, 0.0)],
)
def test_the_estimate_is_what_happens(before: int, burst: int, idle: float, count: int) -> None:
    """Within 5 %, or half a second: of batch calls on an idle token, behind others, and after a burst."""

    async def scenario() -> None:
        async with world(rate_limit=LIMIT, client_rate_limit=RATE, timeouts=PATIENT) as here:
            await calls(here.client, 1 if idle else 0, Priority.NORMAL)
            await calls(here.client, before, Priority.BATCH)
            await calls(here.client, burst, Priority.NORMAL)
            await passes(idle)
            estimate, begun = here.client.rate.estimate(count), anyio.current_time()
            await calls(here.client, count, Priority.BATCH)
            took = anyio.current_time() - begun - here.wire.latency
            assert estimate == pytest.approx(took, rel=0.05, abs=0.5)
            assert here.client.rate.statistics().refusals == 0

    simulate(scenario)


def test_the_estimate_counts_those_that_wait() -> None:
    async def scenario() -> None:
        async with (
            world(rate_limit=LIMIT, client_rate_limit=RATE, timeouts=PATIENT) as here,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(calls, here.client, 100, Priority.BATCH)
            await passes(20)
            waiting = here.client.rate.statistics().waiting[Priority.BATCH]
            assert waiting > 0
            estimate, begun = here.client.rate.estimate(30), anyio.current_time()
            await calls(here.client, 30, Priority.BATCH)
            assert estimate == pytest.approx(anyio.current_time() - begun - here.wire.latency, rel=0.05)

    simulate(scenario)


def test_the_estimate_leaves_others_their_share() -> None:
    """Other processes take half of the budget, as this one has seen."""

    async def scenario() -> None:
        async with (
            world(rate_limit=LIMIT, client_rate_limit=RATE, timeouts=PATIENT) as here,
            anyio.create_task_group() as tasks,
        ):

            async def others() -> None:
                async with here.sandbox.client(rate_limit=RateLimit.unlimited()) as other:
                    while True:
                        await calls(other, 1, Priority.NORMAL)
                        await passes(2 * WINDOW / LIMIT)

            tasks.start_soon(others)
            await calls(here.client, 45, Priority.BATCH)
            estimate, begun = here.client.rate.estimate(90), anyio.current_time()
            await calls(here.client, 90, Priority.BATCH)
            assert estimate == pytest.approx(anyio.current_time() - begun, rel=0.05, abs=WINDOW / 4)
            tasks.cancel_scope.cancel()

    simulate(scenario)


def test_the_statistics_are_what_the_server_counts() -> None:
    """At any time of three windows: what is used, what is left, and when the window ends."""

    async def scenario() -> None:
        async with (
            world(rate_limit=LIMIT, client_rate_limit=RATE, timeouts=PATIENT) as here,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(calls, here.client, 150, Priority.BATCH)
            looks = 0
            for _ in range(60):
                await passes(2.7)
                ((_, counted, ends_in),) = here.sandbox._api.throttle.open_windows(anyio.current_time()) or [
                    (1, 0, 0.0)
                ]
                shown = here.client.rate.statistics()
                if shown is None or shown.window_ends_in is None or ends_in < 1:
                    continue
                looks += 1
                under_way = len(here.wire.sent) - len(here.wire.ended)
                assert counted <= shown.used <= counted + under_way
                assert shown.remaining == LIMIT - shown.used
                assert shown.window_ends_in == pytest.approx(ends_in, rel=0.05, abs=0.25)
            assert looks > 40

    simulate(scenario)
