"""The limit on requests in flight: first come, first served, the same for every engine.

*Guarantee*: no request overtakes an earlier one. The engines have their own queues, which this one keeps
empty: aiohttp's lets later requests overtake waiting ones, and the cost of httpcore's is quadratic in its
length.
"""

from __future__ import annotations

import anyio
import httpx
from attrs import Factory, define, field


@define(eq=False, repr=False)
class ConcurrencyLimit:
    """The limit of one engine.

    Args:
        count: The maximum number of requests in flight, and of connections in use.
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
        """End a request; the one that has waited longest continues."""
        self._free.release()
