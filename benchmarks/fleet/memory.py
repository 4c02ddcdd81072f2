"""What an open batch costs in memory: `python -m benchmarks.fleet.memory PLAN N`; prints KiB a batch as JSON.

One process opens N batches, then 2N, each with a client of its own, one connection pool, one journal and one
Redis. They wait for their tokens. What the second N added to the resident size is the cost of a batch; the
imports and what all batches share are not in it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.fleet.worker import Plan, Worker, account, items
from frontpay_async.batch import InvoiceBatch

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient

_CONCURRENCY = 16


def _resident() -> int:
    """Return this process's resident size in KiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def _waits(client: FrontPayClient) -> bool:
    window = client.rate.statistics()
    return window is not None and sum(window.waiting.values()) > 0


async def _measure(plan: Plan, count: int) -> None:
    worker = Worker(plan)
    sizes: list[int] = []
    clients: list[FrontPayClient] = []
    async with worker.journal, AsyncExitStack() as stack, asyncio.TaskGroup() as runs:
        tasks: list[asyncio.Task[object]] = []
        for _ in range(2):
            for number in range(len(clients), len(clients) + count):
                client = await stack.enter_async_context(worker.client(account(number)))
                batch = InvoiceBatch(client, journal=worker.journal, account=account(number), name="night")
                await batch.submit(items(plan.invoices))
                clients.append(client)
                tasks.append(runs.create_task(batch.run(concurrency=_CONCURRENCY)))
            while not all(map(_waits, clients)):  # noqa: ASYNC110 - the governor has no event for this
                await asyncio.sleep(0.2)
            await asyncio.sleep(2.0)
            gc.collect()
            sizes.append(_resident())
        for task in tasks:
            task.cancel()
    print(json.dumps((sizes[1] - sizes[0]) / count))


if __name__ == "__main__":
    asyncio.run(_measure(Plan(**json.loads(sys.argv[1])), int(sys.argv[2])))
