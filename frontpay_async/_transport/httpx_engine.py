"""One pool for each connection, behind one limit: httpx's transport without its weak spots.

Measured on httpx 0.28.1 with httpcore 1.0.9: every pass over a pool costs the square of what is in flight,
and looks at the socket of each idle connection, so one pool of a hundred collapses; and a task that is
cancelled while it waits in a pool can leave its slot taken for good. Hence:

- ``ConcurrencyLimit`` bounds what is in flight, in order of arrival: no request ever waits inside httpcore.
- Each pool serves one request at a time, over one connection: a pass over it costs next to nothing.
- The pool that was used last is taken first. So at low load one connection is reused, and what a burst has
  opened grows old at the bottom, where it is closed.
- A pool in which a task was cancelled is closed, and takes no other request with it. Its place is free at
  once, so a cancelled task costs no capacity. So is a pool with bytes left over after an answer.

What httpcore does on the network is seen by ``Network``, which also calls the request's ``leaving``
extension when the request is about to be written.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Literal, cast

import anyio
import httpx
from attrs import Factory, define, field

from frontpay_async._transport.concurrency_limit import ConcurrencyLimit
from frontpay_async._transport.network_backend import Network

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

# Closing says goodbye to the peer, which may not answer.
_CLOSE_WITHIN = 2.0


@define(eq=False, repr=False)
class _Pool:
    transport: httpx.AsyncBaseTransport
    network: Network
    idle_since: float = 0.0


@define(eq=False, repr=False)
class PooledTransport(httpx.AsyncBaseTransport):
    """A transport with a separate pool for each request in flight.

    Args:
        open_pool: Opens a pool of one connection over a network.
        http: httpx or httpx2, whichever the pools are of.
        core: httpcore or httpcore2, likewise.
        connections: The most requests in flight, and so the most connections in use.
        keepalive: Seconds after which an idle pool is closed.
    """

    open_pool: Callable[[Network], httpx.AsyncBaseTransport]
    http: ModuleType
    core: ModuleType
    connections: int
    keepalive: float
    # The one used last at the end.
    _idle: deque[_Pool] = field(init=False, factory=deque["_Pool"])
    _busy: set[_Pool] = field(init=False, factory=set["_Pool"])
    _limit: ConcurrencyLimit = field(
        init=False, default=Factory(lambda self: ConcurrencyLimit(self.connections), takes_self=True)
    )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request through an idle pool, or a new one."""
        # Before anything leaves: a cancellation while they close leaves nothing in doubt.
        if self._idle and self._is_old(self._idle[0]):
            await self._close_old()
        await self._limit.acquire(request.extensions["timeout"]["pool"])
        try:
            pool = self._pick()
            pool.network.leaving = request.extensions["leaving"]
            pool.network.has_body = bool(request.content)
        except BaseException:
            # Whatever kept the pool from opening, the place is free again.
            self._limit.release()
            raise
        try:
            response = await pool.transport.handle_async_request(request)
        except self.http.TransportError as error:
            await self.give_back(pool)
            connecting = (self.http.ConnectError, self.http.ConnectTimeout)
            if pool.network.in_tunnel and not isinstance(error, connecting):
                raise httpx.ProxyError(str(error)) from error
            raise
        except BaseException:
            # A cancellation, or a state that httpcore does not expect: its bookkeeping is no longer reliable.
            await self.give_back(pool, retire=True)
            raise
        response.stream = _PlaceHolder(self, pool, cast("httpx.AsyncByteStream", response.stream))
        return response

    async def give_back(self, pool: _Pool, *, retire: bool = False) -> None:
        """Free a pool's place; keep the pool unless its bookkeeping is unreliable."""
        self._busy.discard(pool)
        self._limit.release()
        if retire or self._limit.closed or pool.network.has_leftover():
            await _close(pool)
        else:
            pool.idle_since = anyio.current_time()
            self._idle.append(pool)

    async def aclose(self) -> None:
        """Close all pools, and cut off what is still in flight; new requests are refused."""
        self._limit.closed = True
        while self._idle:
            await _close(self._idle.pop())
        while self._busy:
            await _close(self._busy.pop())

    def _is_old(self, pool: _Pool) -> bool:
        return pool.idle_since + self.keepalive < anyio.current_time()

    async def _close_old(self) -> None:
        while self._idle and self._is_old(self._idle[0]):
            await _close(self._idle.popleft())

    def _pick(self) -> _Pool:
        if self._idle:
            pool = self._idle.pop()
        else:
            network = Network(self.core)
            pool = _Pool(self.open_pool(network), network)
        self._busy.add(pool)
        return pool


async def _close(pool: _Pool) -> None:
    # In a task of its own, which no cancellation of the caller's reaches: httpcore forgets the connections
    # that it had no time to close.
    async with anyio.create_task_group() as group:
        group.start_soon(_close_unhindered, pool)


async def _close_unhindered(pool: _Pool) -> None:
    # What goes wrong here must not cost an answer that is there already.
    with anyio.move_on_after(_CLOSE_WITHIN, shield=True), suppress(Exception):
        await pool.transport.aclose()


@define(eq=False, repr=False)
class _PlaceHolder(httpx.AsyncByteStream):
    """A response body that keeps its place until it has been read."""

    owner: PooledTransport
    pool: _Pool
    stream: httpx.AsyncByteStream
    interrupted: bool = False
    closed: bool = False
    _unread: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._unread = aiter(self.stream)
        return self

    async def __anext__(self) -> bytes:
        unread, self._unread = cast("AsyncIterator[bytes]", self._unread), None
        try:
            chunk = await anext(unread)
        except (StopAsyncIteration, self.owner.http.TransportError):
            raise
        except BaseException:
            # A cancellation, above all: what httpcore holds of this answer cannot be trusted any more.
            self.interrupted = True
            raise
        self._unread = unread
        return chunk

    async def aclose(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            await self.stream.aclose()
            # An answer that was not read to its end is, over the closed connection, until that fails:
            # httpcore's generators would be left to the garbage collector, of which trio warns.
            if self._unread is not None:
                with suppress(self.owner.http.TransportError):
                    async for _ in self._unread:
                        pass
        except BaseException:
            # As above.
            self.interrupted = True
            raise
        finally:
            await self.owner.give_back(self.pool, retire=self.interrupted)


def open_pools(
    name: Literal["httpx", "httpx2"],
    tls: ssl.SSLContext,
    proxy: httpx.Proxy | None,
    connections: int,
    keepalive: float,
) -> PooledTransport:
    """Open the engine of one of the two libraries; no connection is made yet."""
    http, core = import_module(name), import_module("httpcore" if name == "httpx" else "httpcore2")
    limits = http.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive)
    through = proxy and http.Proxy(str(proxy.url), auth=proxy.auth, headers=proxy.headers)

    def open_pool(network: Network) -> httpx.AsyncBaseTransport:
        pool: httpx.AsyncBaseTransport = http.AsyncHTTPTransport(verify=tls, limits=limits, proxy=through)
        network.plug_in(pool)
        return pool

    return PooledTransport(open_pool, http, core, connections, keepalive)
