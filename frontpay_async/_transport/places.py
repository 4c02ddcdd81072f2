"""Places for the requests in flight, given out first come, first served; one keeper for every engine.

Guarantee: a request that waits is overtaken by none that came after it. The engines have a queue of their
own each, in front of which this one stands, so that theirs is never joined: aiohttp's lets newcomers
pass those that wait, and httpcore's costs the square of its length.
"""

from __future__ import annotations

import anyio
import httpx
from attrs import Factory, define, field


@define(eq=False, repr=False)
class Places:
    """The places of one engine.

    Args:
        count: How many there are: the most requests in flight, and so the most connections in use.
    """

    count: int
    closed: bool = field(init=False, default=False)
    _free: anyio.Semaphore = field(
        init=False,
        default=Factory(lambda self: anyio.Semaphore(self.count, fast_acquire=True), takes_self=True),
    )

    async def take(self, within: float | None) -> None:
        """Wait for a place."""
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(within) as scope:
                await self._free.acquire()
            if scope.cancelled_caught:
                raise httpx.PoolTimeout(f"all {self.count} connections are in use") from None
        if self.closed:
            self._free.release()
            raise httpx.PoolTimeout("the client was closed")

    def release(self) -> None:
        """Give a place back; the request that has waited longest gets it."""
        self._free.release()
