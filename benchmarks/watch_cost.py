"""What 10,000 watches cost: the memory that the hub holds for each, and the CPU of a decision.

Memory is traced by `tracemalloc`: once with watches that were restored, for which nobody waits yet, and once with
a task for each that waits with a time-out, as a program has it. A decision is what the schedule does for each
poll: choose whom to ask, take in that it has not ended, and tell when to wake next.

Run as `python -m benchmarks.watch_cost`; prints JSON.
"""

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from typing import Any, Final

from benchmarks.payloads import BASE_PATH, TOKEN
from benchmarks.watch_time import loop_clock, simulate
from benchmarks.watch_world import BUDGET, Api, ApiTransport, Payment
from frontpay_async import FrontPayClient, PaymentStatus

WATCHES: Final = 10_000
NUMBERS: Final = (100, 1_000, 10_000)
DECISIONS: Final = 4_000
ROUNDS: Final = 5
_LONG: Final = 36_000.0


def _uuid(place: int) -> str:
    return f"ODR{2210000000 + place}"


def _client(number: int) -> Any:  # noqa: ANN401 - see watch_peers
    payments = {_uuid(place): Payment(_uuid(place), 0.0, _LONG, "PAID") for place in range(number)}
    return FrontPayClient(
        TOKEN,
        base_url=f"https://simulated.invalid{BASE_PATH}",
        transport=ApiTransport(Api(payments, lists_terminals=False, seed="cost")),
        clock=loop_clock(),
        trust_env=False,
    )


def _held() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


async def _bare(uuid: str) -> None:
    async with asyncio.timeout(_LONG):
        await asyncio.get_running_loop().create_future()
    raise AssertionError(uuid)


async def _waiting(client: Any | None) -> float:  # noqa: ANN401
    """Return the bytes of a watch and its waiter; of a bare task without a client."""
    uuids = [_uuid(place) for place in range(WATCHES)]
    if client is not None:
        # What the first watch brings with it does not count.
        first = asyncio.create_task(client.watch.payment(uuids[-1], timeout=_LONG))
        await asyncio.sleep(1.0)
    before = _held()
    tasks = [
        asyncio.create_task(_bare(uuid) if client is None else client.watch.payment(uuid, timeout=_LONG))
        for uuid in uuids[:-1]
    ]
    # Long enough for every stage that a watch can be in: asked once, resting, waiting for its turn.
    await asyncio.sleep(60.0)
    taken = (_held() - before) / len(tasks)
    if client is not None:
        tasks.append(first)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return taken


async def _with_waiters() -> float:
    async with _client(WATCHES) as client:
        return await _waiting(client)


async def _restored() -> float:
    """Return the bytes of a watch for which nobody waits."""
    async with _client(WATCHES) as client:
        tasks = [
            asyncio.create_task(client.watch.payment(_uuid(place), timeout=_LONG)) for place in range(WATCHES)
        ]
        await asyncio.sleep(60.0)
        snapshot = client.watch.snapshot()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    # As it comes out of a file.
    text = json.dumps(snapshot)
    del tasks, snapshot
    async with _client(WATCHES) as client:
        snapshot = json.loads(text)
        before = _held()
        client.watch.restore(snapshot)
        await asyncio.sleep(60.0)
        return (_held() - before) / WATCHES


def _traced(measure: Any) -> float:  # noqa: ANN401 - a coroutine function
    tracemalloc.start()
    try:
        return simulate(measure)
    finally:
        tracemalloc.stop()


def _decisions(number: int) -> list[float]:
    """Return the CPU µs of a decision among so many, for each round."""
    from frontpay_async._protocol.schedule import Schedule, Sweep  # noqa: PLC0415 - what is measured
    from frontpay_async._protocol.watches import WatchKind  # noqa: PLC0415

    schedule: Any = Schedule()
    now, status = 0.0, PaymentStatus.UNKNOWN
    for place in range(number):
        now += 60.0 / number
        schedule.begin(WatchKind.PAYMENT, _uuid(place), now)
    costs = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(DECISIONS):
            now += 1 / BUDGET
            watch = schedule.take(now, BUDGET)
            if isinstance(watch, Sweep):
                schedule.swept({}, now)
            elif watch is not None:
                schedule.looked(watch, status, now)
            schedule.wakes(now, BUDGET)
        costs.append((time.process_time() - begun) / DECISIONS * 1e6)
    return costs


def main() -> None:
    """Measure and print."""
    decisions = {str(number): _decisions(number) for number in NUMBERS}
    sizes = {
        "hub": _traced(_restored()),
        "waited": _traced(_with_waiters()),
        "task": _traced(_waiting(None)),
    }
    sys.stdout.write(json.dumps({"watches": WATCHES, "decision_us": decisions, "bytes": sizes}) + "\n")


if __name__ == "__main__":
    main()
