"""What ten thousand watches cost: memory by tracemalloc, and CPU for each decision of the schedule."""

import asyncio
import gc
import random
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Final

import httpx

from benchmarks.watch_api import BUDGET, clock, simulate
from frontpay_async import FrontPayClient, PaymentStatus, WatchKind
from frontpay_async._protocol.schedule import Schedule
from frontpay_async._protocol.watches import Watch

WATCHES: Final = 10_000
SIZES: Final = (100, 1_000, 10_000, 100_000)
_STEPS: Final = 4_000


class _Silent(httpx.AsyncBaseTransport):
    """Never answer."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Wait for ever."""
        del request
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def _per_task(begin: Callable[[int], Awaitable[object]]) -> float:
    """Return the bytes that each of many waiting tasks takes."""
    loop = asyncio.get_running_loop()
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tasks = [loop.create_task(_wrapped(begin, number)) for number in range(WATCHES)]
    await asyncio.sleep(0.01)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return (after - before) / WATCHES


async def _wrapped(begin: Callable[[int], Awaitable[object]], number: int) -> None:
    await begin(number)


async def _memory() -> dict[str, float]:
    uuids = [f"ODR{3_500_000_000 + number}" for number in range(WATCHES)]
    futures = [asyncio.get_running_loop().create_future() for _ in uuids]

    async def bare(number: int) -> None:
        await futures[number]

    idle = await _per_task(bare)
    async with FrontPayClient(
        "token", base_url="http://localhost/api/v1/connect", transport=_Silent(), clock=clock()
    ) as client:
        watching = await _per_task(lambda number: client.watch.payment(uuids[number], timeout=1e6))
    return {"bytes_per_waiting_task": idle, "bytes_per_watch": watching - idle}


def _decision(size: int) -> float:
    """Return the CPU microseconds of one decision and its outcome, among so many watches."""
    schedule, chance = Schedule(), random.Random(size)  # noqa: S311 - no secret
    schedule.sweeps._has[WatchKind.PAYMENT] = False  # noqa: SLF001 - single polls are what is measured
    schedule.sweeps._missed_at[WatchKind.PAYMENT] = 1e12  # noqa: SLF001
    for number in range(size):
        schedule.begin(WatchKind.PAYMENT, f"ODR{number}", 0.0, age=chance.uniform(0, 180))
    moment, least = 1.0, float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(_STEPS // 5):
            moment += 1 / BUDGET
            schedule.wakes(moment, BUDGET)
            asked = schedule.take(moment, BUDGET)
            if isinstance(asked, Watch):
                schedule.looked(asked, PaymentStatus.UNKNOWN, moment)
        least = min(least, (time.process_time() - begun) / (_STEPS // 5))
    return least * 1e6


def measure() -> dict[str, object]:
    """Measure both."""
    return {
        "watches": WATCHES,
        "decision_us": {str(size): round(_decision(size), 1) for size in SIZES},
        **{name: round(value) for name, value in simulate(_memory()).items()},
    }
