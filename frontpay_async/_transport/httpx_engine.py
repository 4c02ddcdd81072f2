"""The httpx engine: one pool for each connection, behind one limit.

Measured on httpx 0.28.1 with httpcore 1.0.9: the cost of each pass over a pool is quadratic in the number of
requests in flight, and each pass checks the socket of every idle connection, so one pool of a hundred
connections collapses. A task that is cancelled while it waits in a pool can occupy its slot permanently.
Therefore:

- ``ConcurrencyLimit`` limits the requests in flight, in order of arrival: no request waits inside httpcore.
- Each pool serves one request at a time, over one connection, so passes are cheap.
- The last used pool is used first. At low load one connection is reused, and connections of an earlier burst
  grow idle and are closed.
- A pool in which a task was cancelled is closed, without effect on other requests. Its place is free at once,
  so a cancelled task costs no capacity. A pool with surplus bytes after a response is closed, too.

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
from frontpay_async._transport.engine_log import OWN_REQUEST, quieten
from frontpay_async._transport.network_backend import Network

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

# Closing waits for the peer, which may not respond.
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
        http: httpx or httpx2.
        core: httpcore or httpcore2, likewise.
        connections: The maximum number of requests in flight, and of connections in use.
        keepalive: Seconds after which an idle pool is closed.
    """

    open_pool: Callable[[Network], httpx.AsyncBaseTransport]
    http: ModuleType
    core: ModuleType
    connections: int
    keepalive: float
    # The last used pool is last.
    _idle: deque[_Pool] = field(init=False, factory=deque["_Pool"])
    _busy: set[_Pool] = field(init=False, factory=set["_Pool"])
    _limit: ConcurrencyLimit = field(
        init=False, default=Factory(lambda self: ConcurrencyLimit(self.connections), takes_self=True)
    )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request through an idle pool, or a new one."""
        # Before anything is sent, so that a cancellation while they close leaves nothing unresolved.
        if self._idle and self._is_old(self._idle[0]):
            await self._close_old()
        await self._limit.acquire(request.extensions["timeout"]["pool"])
        try:
            pool = self._pick()
            pool.network.leaving = request.extensions["leaving"]
            pool.network.has_body = bool(request.content)
        except BaseException:
            # Whatever the failure, the place is free again.
            self._limit.release()
            raise
        OWN_REQUEST.set(True)
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
        finally:
            OWN_REQUEST.set(False)
        response.stream = _PlaceHolder(self, pool, cast("httpx.AsyncByteStream", response.stream))
        return response

    async def give_back(self, pool: _Pool, *, retire: bool = False) -> None:
        """Release a pool's place; keep the pool unless its bookkeeping is unreliable."""
        self._busy.discard(pool)
        self._limit.release()
        if retire or self._limit.closed or pool.network.has_leftover():
            await _close(pool)
        else:
            pool.idle_since = anyio.current_time()
            self._idle.append(pool)

    async def aclose(self) -> None:
        """Close all pools, and abort requests in flight; new requests are rejected."""
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
    # In a separate task, which the caller's cancellation does not reach: httpcore forgets connections whose
    # closing was interrupted.
    async with anyio.create_task_group() as group:
        group.start_soon(_close_unhindered, pool)


async def _close_unhindered(pool: _Pool) -> None:
    # An error here must not discard a complete response.
    with anyio.move_on_after(_CLOSE_WITHIN, shield=True), suppress(Exception):
        await pool.transport.aclose()


@define(eq=False, repr=False)
class _PlaceHolder(httpx.AsyncByteStream):
    """A response body that occupies its place until it has been read."""

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
        OWN_REQUEST.set(True)
        try:
            chunk = await anext(unread)
        except (StopAsyncIteration, self.owner.http.TransportError):
            raise
        except BaseException:
            # After a cancellation, httpcore's state of this response is no longer reliable.
            self.interrupted = True
            raise
        finally:
            OWN_REQUEST.set(False)
        self._unread = unread
        return chunk

    async def aclose(self) -> None:
        if self.closed:
            return
        self.closed = True
        try:
            await self.stream.aclose()
            # An incomplete response is read on over the closed connection until that fails: otherwise
            # httpcore's generators would be left to the garbage collector, about which trio warns.
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
    """Open the engine of one of the two libraries, without connecting."""
    http, core = import_module(name), import_module("httpcore" if name == "httpx" else "httpcore2")
    quieten(core.__name__)
    limits = http.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive)
    through = proxy and http.Proxy(str(proxy.url), auth=proxy.auth, headers=proxy.headers)

    def open_pool(network: Network) -> httpx.AsyncBaseTransport:
        pool: httpx.AsyncBaseTransport = http.AsyncHTTPTransport(verify=tls, limits=limits, proxy=through)
        network.plug_in(pool)
        return pool

    return PooledTransport(open_pool, http, core, connections, keepalive)
