"""Many small connection pools behind one limit: httpx's transport without its weak spots.

Measured on httpx 0.28.1 with httpcore 1.0.9: every pass over a pool costs the square of what is in
flight, so one pool of a hundred collapses; and a task that is cancelled while it waits in a pool can
leave its slot taken for good. Hence:

- A semaphore bounds what is in flight over all pools, in order of arrival, so no request ever waits
  inside httpcore.
- A request goes to the first pool with a free place. At low load that is always the same pool and
  its connections are reused; more pools are opened as the load asks for them.
- A pool in which a task was cancelled is retired: it gets no new request, and is closed when its last
  request has ended. Its places move to a new pool at once, so a cancelled task costs no capacity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio
import httpx
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["PooledTransport"]

# Closing says goodbye to the peer, which may not answer.
_CLOSE_WITHIN = 2.0


@define(eq=False)
class _Pool:
    transport: httpx.AsyncBaseTransport
    in_flight: int = 0
    retired: bool = False


@define(eq=False)
class PooledTransport(httpx.AsyncBaseTransport):
    """Spread requests over small pools.

    Args:
        open_pool: Opens a pool that can serve ``per_pool`` requests at once.
        connections: The most requests in flight, and so the most connections in use.
        per_pool: The most requests in flight in one pool.
    """

    open_pool: Callable[[], httpx.AsyncBaseTransport]
    connections: int = 100
    per_pool: int = 10
    _pools: list[_Pool] = field(init=False, factory=list)
    _free: anyio.Semaphore | None = field(init=False, default=None)

    @property
    def pools(self) -> int:
        """How many pools take requests."""
        return len(self._pools)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request through a pool with a free place.

        Raises:
            httpx.PoolTimeout: No place became free in time.
            httpx.TransportError: What the pool raised.
        """
        await self._take_place(request)
        pool = self._pick()
        try:
            response = await pool.transport.handle_async_request(request)
        except httpx.TransportError:
            await self.give_back(pool)
            raise
        except BaseException:
            await self.give_back(pool, retire=True)
            raise
        response.stream = _PlaceHolder(self, pool, cast("httpx.AsyncByteStream", response.stream))
        return response

    async def give_back(self, pool: _Pool, *, retire: bool = False) -> None:
        """Free a place in a pool; close the pool if it is retired and was the last to be used."""
        pool.in_flight -= 1
        if self._free is not None:
            self._free.release()
        if retire and not pool.retired:
            pool.retired = True
            # A client that was closed meanwhile has let go of all its pools.
            if pool in self._pools:
                self._pools.remove(pool)
        if pool.retired and pool.in_flight == 0:
            await _close(pool)

    async def aclose(self) -> None:
        """Close all pools."""
        pools, self._pools = self._pools, []
        for pool in pools:
            await _close(pool)

    async def _take_place(self, request: httpx.Request) -> None:
        if self._free is None:
            # Made here, because a client may be built before there is an event loop.
            self._free = anyio.Semaphore(self.connections, fast_acquire=True)
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            timeout = request.extensions.get("timeout", {}).get("pool")
            with anyio.move_on_after(timeout) as scope:
                await self._free.acquire()
            if scope.cancelled_caught:
                raise httpx.PoolTimeout(
                    f"all {self.connections} connections are in use", request=request
                ) from None

    def _pick(self) -> _Pool:
        for pool in self._pools:
            if pool.in_flight < self.per_pool:
                pool.in_flight += 1
                return pool
        pool = _Pool(self.open_pool(), in_flight=1)
        self._pools.append(pool)
        return pool


async def _close(pool: _Pool) -> None:
    # Also when the caller was cancelled, or the connections would stay open.
    with anyio.move_on_after(_CLOSE_WITHIN, shield=True):
        await pool.transport.aclose()


@define(eq=False)
class _PlaceHolder(httpx.AsyncByteStream):
    """Keep the place until the answer has been read."""

    owner: PooledTransport
    pool: _Pool
    stream: httpx.AsyncByteStream
    interrupted: bool = False
    closed: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self.stream:
                yield chunk
        except httpx.TransportError:
            raise
        except BaseException:
            self.interrupted = True
            raise

    async def aclose(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            await self.stream.aclose()
        except BaseException:
            self.interrupted = True
            raise
        finally:
            await self.owner.give_back(self.pool, retire=self.interrupted)
