"""The limit on requests in flight: first come, first served, the same for every engine.

Guarantee: no request overtakes one that came before it. The engines have queues of their own, which this one
keeps empty: aiohttp's lets newcomers pass those that wait, and httpcore's costs the square of its length.
"""

from __future__ import annotations

import anyio
import httpx
from attrs import Factory, define, field


@define(eq=False, repr=False)
class ConcurrencyLimit:
    """The limit of one engine.

    Args:
        count: The most requests in flight, and so the most connections in use.
    """

    count: int
    closed: bool = field(init=False, default=False)
    _free: anyio.Semaphore = field(
        init=False,
        default=Factory(lambda self: anyio.Semaphore(self.count, fast_acquire=True), takes_self=True),
    )

    async def acquire(self, within: float | None) -> None:
        """Wait until one more request may be in flight."""
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
        """End a request; the one that has waited longest goes on."""
        self._free.release()
