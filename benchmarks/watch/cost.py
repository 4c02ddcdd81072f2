"""What 10,000 watches cost: the memory that the hub holds for each, and the CPU of a decision.

Memory is told in two ways. What the hub holds is found by walking from the hub over everything that it refers
to, up to the tasks that wait; what a watch takes in all, with the task that waits for it and the coroutines
in which it does, is traced by `tracemalloc`. A decision is what the schedule does for each poll: choose whom
to ask, take in that it has not ended, and tell when to wake next.

Run as `python -m benchmarks.watch.cost`; prints JSON.
"""

import asyncio
import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any, Final

from benchmarks.common.payloads import BASE_PATH, TOKEN
from benchmarks.watch.time import loop_clock, simulate
from benchmarks.watch.world import BUDGET, Api, ApiTransport, Payment
from frontpay_async import FrontPayClient, PaymentStatus

WATCHES: Final = 10_000
NUMBERS: Final = (100, 1_000, 10_000)
DECISIONS: Final = 2_000
ROUNDS: Final = 9
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


_NOT_HELD: Final = (type, ModuleType, FunctionType, MethodType, asyncio.Future, asyncio.AbstractEventLoop)


def _reach(start: object, without: object) -> int:
    """Return the bytes of all that an object refers to, directly or not, up to tasks, classes and code."""
    seen, size, waiting = {id(without)}, 0, [start]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, _NOT_HELD):
            continue
        seen.add(id(each))
        size += sys.getsizeof(each)
        waiting += gc.get_referents(each)
    return size


async def _watched() -> tuple[float, float]:
    """Return the bytes of a watch: what the hub holds, and all, with the task that waits."""
    async with _client(WATCHES) as client:
        # What the first watch brings with it does not count.
        tasks = [asyncio.create_task(client.watch.payment(_uuid(0), timeout=_LONG))]
        await asyncio.sleep(1.0)
        session = client._session  # noqa: SLF001 - the pipeline is no part of the hub
        names = [_uuid(place) for place in range(1, WATCHES)]
        reached, before = _reach(client.watch, session), _held()
        tasks += [asyncio.create_task(client.watch.payment(name, timeout=_LONG)) for name in names]
        # Long enough for every stage that a watch can be in.
        await asyncio.sleep(60.0)
        traced = _held() - before
        reached = _reach(client.watch, session) - reached
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return reached / len(names), traced / len(names)


async def _bare() -> float:
    """Return the bytes of a task that waits for an event and does nothing else."""
    before = _held()
    tasks = [asyncio.create_task(asyncio.Event().wait()) for _ in range(WATCHES)]
    await asyncio.sleep(1.0)
    taken = _held() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return taken / WATCHES


def _sizes() -> dict[str, float]:
    tracemalloc.start()
    try:
        held, traced = simulate(_watched())
        return {"hub": held, "waited": traced, "task": simulate(_bare())}
    finally:
        tracemalloc.stop()


def _decisions(number: int) -> Iterator[float]:
    """Give the CPU µs of a decision among so many, round after round."""
    from frontpay_async.watch.kinds import WatchKind  # noqa: PLC0415
    from frontpay_async.watch.schedule import Schedule, Sweep  # noqa: PLC0415 - what is measured

    schedule: Any = Schedule()
    now, status = 0.0, PaymentStatus.UNKNOWN
    for place in range(number):
        now += 60.0 / number
        schedule.begin(WatchKind.PAYMENT, _uuid(place), now)
    while True:
        begun = time.process_time()
        for _ in range(DECISIONS):
            now += 1 / BUDGET
            watch = schedule.take(now, BUDGET)
            if isinstance(watch, Sweep):
                schedule.swept({}, now)
            elif watch is not None:
                schedule.looked(watch, status, now)
            schedule.wakes(now, BUDGET)
        yield (time.process_time() - begun) / DECISIONS * 1e6


def main() -> None:
    """Measure and print."""
    # They take turns, so that the machine's moods fall on all alike.
    rounds = {str(number): _decisions(number) for number in NUMBERS}
    decisions: dict[str, list[float]] = {number: [] for number in rounds}
    for _ in range(ROUNDS):
        for number, costs in rounds.items():
            decisions[number].append(next(costs))
    cost = {"watches": WATCHES, "decision_us": decisions, "bytes": _sizes()}
    sys.stdout.write(json.dumps(cost) + "\n")


if __name__ == "__main__":
    main()
