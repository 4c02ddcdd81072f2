"""The waiting of the soak test, which goes on in real time: what grows with time is what it looks for."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import psutil
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async.sandbox import Sandbox

__all__ = ["Mark", "keep_marks", "wait_for_the_end"]

_MARKS = 20


@frozen
class Mark:
    """What the process held at a moment: bytes of memory, tasks, descriptors."""

    memory: int
    tasks: int
    descriptors: int


async def keep_marks(sandbox: Sandbox, seconds: float, faults: Mapping[str, float]) -> list[Mark]:
    """Let traffic go on for so many seconds, and note at even distances what the process holds."""
    process, loop = psutil.Process(), asyncio.get_running_loop()
    marks: list[Mark] = []
    end = loop.time() + seconds
    while loop.time() < end:
        await asyncio.sleep(seconds / _MARKS)
        # The sandbox keeps every order; what is measured is the client.
        sandbox.reset()
        sandbox.fail_randomly(faults, seed=len(marks))
        gc.collect()
        marks.append(Mark(process.memory_info().rss, len(asyncio.all_tasks()), process.num_fds()))
    return marks


async def wait_for_the_end(tasks: set[asyncio.Task[object]], descriptors: int, within: float) -> None:
    """Wait until no more tasks and descriptors are there than these.

    Raises:
        TimeoutError: Some are left.
    """
    process = psutil.Process()
    async with asyncio.timeout(within):
        while asyncio.all_tasks() - tasks or process.num_fds() > descriptors:
            gc.collect()
            await asyncio.sleep(0.01)
