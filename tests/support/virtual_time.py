"""A clock whose time a test moves: sleepers wake in order, and everybody settles before the next does."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
from attrs import define, field

from frontpay_async import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

__all__ = ["VirtualTime", "settle"]


async def settle() -> None:
    """Let everybody run until all are blocked."""
    # Under asyncio, anyio looks every tenth of a second: have most done before it looks.
    for _ in range(50):
        await anyio.lowlevel.checkpoint()
    await anyio.wait_all_tasks_blocked()


@define(eq=False)
class VirtualTime:
    """Time that stands still until ``advance``.

    Args:
        time: Where it starts, in seconds.
        settle: How to wait until all that is due has happened; others than the sleepers may be waited for.
    """

    time: float = 1000.0
    settle: Callable[[], Awaitable[None]] = settle
    sleeps: int = 0
    _sleepers: list[tuple[float, int, anyio.Event]] = field(factory=list)
    _order: Iterator[int] = field(factory=itertools.count)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.time, sleep=self.sleep, chance=lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        event = anyio.Event()
        heapq.heappush(self._sleepers, (self.time + seconds, next(self._order), event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, and everything happen that is due in it."""
        until = self.time + seconds
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            self.time, _, event = heapq.heappop(self._sleepers)
            event.set()
            await self.settle()
        self.time = until
