"""One client's process of the rate benchmark: `python -m benchmarks.rate.worker`, a job as JSON on stdin.

So many batch callers each make one call after the other, so that there is always a queue. Beside them, calls
that somebody waits for come at random times, whatever the queue does. A line on stdin begins the load; the
times at which calls were made are printed as JSON, to be joined with the server's log.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any

from attrs import define, field, frozen

from benchmarks.rate.peers import Call, Terms, contender


@frozen(kw_only=True)
class Job:
    """What one process has to do. Times are in seconds."""

    contender: str
    index: int
    seconds: float
    batch: int
    """Batch callers."""
    pause: float
    """Mean time between calls that somebody waits for."""
    terms: dict[str, Any]


@define(eq=False)
class Made:
    """The calls that were made: when, by the order's id."""

    batch: dict[str, float] = field(factory=dict)
    interactive: dict[str, float] = field(factory=dict)
    failed: dict[str, int] = field(factory=dict)

    async def make(self, call: Call, order: str, *, interactive: bool) -> None:
        """Make a call and count what goes wrong."""
        (self.interactive if interactive else self.batch)[order] = time.monotonic()
        try:
            await call(order, interactive)
        except Exception as error:  # noqa: BLE001 - the report shows it
            name = type(error).__name__
            self.failed[name] = self.failed.get(name, 0) + 1
            await asyncio.sleep(0.01)


async def _run(job: Job) -> dict[str, Any]:
    call = await contender(job.contender).open(Terms(**job.terms))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    made, chance, numbers = Made(), random.Random(job.index), iter(range(10**8))  # noqa: S311 - no secret
    end = time.monotonic() + job.seconds

    def order() -> str:
        return f"ODR{job.index}{next(numbers):09d}"

    async def saturate() -> None:
        while time.monotonic() < end:
            await made.make(call, order(), interactive=False)

    async def serve() -> None:
        calls: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(chance.expovariate(1 / job.pause))
            calls.add(task := asyncio.create_task(made.make(call, order(), interactive=True)))
            task.add_done_callback(calls.discard)

    cpu = time.process_time()
    tasks = [asyncio.create_task(saturate()) for _ in range(job.batch)]
    tasks.append(asyncio.create_task(serve()))
    await asyncio.sleep(job.seconds)
    cpu = time.process_time() - cpu
    for task in tasks:
        task.cancel()
    return {
        "batch": made.batch,
        "interactive": made.interactive,
        "failed": made.failed,
        "cpu_s": cpu,
    }


def _main() -> None:
    job = Job(**json.loads(sys.stdin.readline()))
    result = asyncio.run(_run(job))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    _main()
