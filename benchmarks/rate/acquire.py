"""What an acquire costs in memory, with room in the window: CPU µs, over and above an empty coroutine's.

Run as `python -m benchmarks.rate.acquire`; the costs are printed as JSON, a list of rounds per name.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from benchmarks.rate.peers import CONTENDERS, Terms

CALLS: Final = 4000
ROUNDS: Final = 9
_ROOM: Final = 900_000


async def _empty() -> None:
    pass


async def _cost(acquire: Callable[[], Awaitable[object]]) -> float:
    begun = time.process_time()
    for _ in range(CALLS):
        await acquire()
    return (time.process_time() - begun) / CALLS * 1e6


async def _ours() -> dict[str, Callable[[], Awaitable[object]]]:
    from frontpay_async import Priority  # noqa: PLC0415 - a contender imports what it measures
    from frontpay_async._rate.governor import Governor  # noqa: PLC0415
    from frontpay_async._rate.ledger import Ledger  # noqa: PLC0415
    from frontpay_async._transport.call import Call, CallOptions  # noqa: PLC0415
    from frontpay_async._transport.clock import Clock  # noqa: PLC0415

    request: Any = None
    call = Call(request, CallOptions(priority=Priority.INTERACTIVE))
    headers = {"x-ratelimit-limit": str(_ROOM), "x-ratelimit-remaining": str(_ROOM - 1)}

    async def opened() -> Governor:
        # It knows its window, as it does after the first answer.
        governor = Governor(Ledger(_ROOM, 600.0, 0.6), Clock())
        await governor.answered(await governor.acquire(call), 200, headers, None)
        return governor

    one, other, place = await opened(), await opened(), 1

    async def acquire() -> None:
        await one.acquire(call)

    async def and_answered() -> None:
        nonlocal place
        place += 1
        permit = await other.acquire(call)
        answer = headers | {"x-ratelimit-remaining": str(_ROOM - place)}
        await other.answered(permit, 200, answer, None)

    return {"frontpay": acquire, "frontpay-answered": and_answered}


async def _measure() -> dict[str, list[float]]:
    acquires = await _ours()
    terms = Terms(limit=_ROOM, window=600.0)
    for row in CONTENDERS:
        # Without a burst it would wait for its pace.
        if row.limiter is not None and row.name != "aiolimiter-paced":
            acquires[row.name] = await row.limiter(terms)
    costs: dict[str, list[float]] = {name: [] for name in acquires}
    for _ in range(ROUNDS):
        empty = await _cost(_empty)
        for name, acquire in acquires.items():
            costs[name].append(await _cost(acquire) - empty)
    return costs


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_measure())) + "\n")
