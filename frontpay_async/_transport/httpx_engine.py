"""One pool for each connection, behind one limit: httpx's transport without its weak spots.

Measured on httpx 0.28.1 with httpcore 1.0.9: every pass over a pool costs the square of what is in flight,
and looks at the socket of each idle connection, so one pool of a hundred collapses; and a task that is
cancelled while it waits in a pool can leave its slot taken for good. Hence:

- A semaphore bounds what is in flight, in order of arrival, so no request ever waits inside httpcore.
- Each pool serves one request at a time, over one connection: a pass over it costs next to nothing.
- The pool that was used last is taken first. So at low load one connection is reused, and what a burst has
  opened grows old at the bottom, where it is closed.
- A pool in which a task was cancelled is closed, and takes no other request with it. Its place is free at
  once, so a cancelled task costs no capacity.
- A connection whose handshake was cut short by a cancellation is closed here: httpcore forgets it.

httpcore tells of its steps through the ``trace`` extension; that it begins to write a request is passed
on to the request's ``leaving`` extension.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import httpx
from attrs import Factory, define, field

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from httpcore import AsyncNetworkStream

# Closing says goodbye to the peer, which may not answer.
_CLOSE_WITHIN = 2.0


@define(eq=False)
class _Pool:
    transport: httpx.AsyncBaseTransport
    idle_since: float = 0.0


@define(eq=False)
class PooledTransport(httpx.AsyncBaseTransport):
    """Give each request in flight a pool of its own.

    Args:
        open_pool: Opens a pool of one connection.
        connections: The most requests in flight, and so the most connections in use.
        keepalive: Seconds after which an idle pool is closed.
    """

    open_pool: Callable[[], httpx.AsyncBaseTransport]
    connections: int
    keepalive: float
    # The one used last at the end.
    _idle: deque[_Pool] = field(init=False, factory=deque["_Pool"])
    _busy: set[_Pool] = field(init=False, factory=set["_Pool"])
    _free: anyio.Semaphore = field(
        init=False,
        default=Factory(lambda self: anyio.Semaphore(self.connections, fast_acquire=True), takes_self=True),
    )
    _closed: bool = field(init=False, default=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request through an idle pool, or a new one.

        Raises:
            httpx.PoolTimeout: None became free in time.
            httpx.TransportError: What the pool raised.
        """
        steps = _Steps(request.extensions["leaving"])
        request.extensions["trace"] = steps.told
        # Before anything leaves: a cancellation while they close leaves nothing in doubt.
        await self._close_old()
        await self._take_place(request)
        try:
            pool = self._pick()
        except BaseException:
            # Whatever kept the pool from opening, the place is free again.
            self._free.release()
            raise
        try:
            response = await pool.transport.handle_async_request(request)
        except httpx.TransportError as error:
            await self.give_back(pool)
            if steps.in_tunnel and not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
                raise httpx.ProxyError(str(error)) from error
            raise
        except BaseException:
            # A cancellation, or what httpcore does not expect: its books cannot be trusted any more.
            await self.give_back(pool, retire=True)
            raise
        response.stream = _PlaceHolder(self, pool, cast("httpx.AsyncByteStream", response.stream))
        return response

    async def give_back(self, pool: _Pool, *, retire: bool = False) -> None:
        """Free a pool's place; keep the pool unless its books cannot be trusted."""
        self._busy.discard(pool)
        self._free.release()
        if retire or self._closed:
            await _close(pool)
        else:
            pool.idle_since = anyio.current_time()
            self._idle.append(pool)

    async def aclose(self) -> None:
        """Close all pools, and cut off what is still in flight; new requests are refused."""
        self._closed = True
        while self._idle:
            await _close(self._idle.pop())
        while self._busy:
            await _close(self._busy.pop())

    async def _take_place(self, request: httpx.Request) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            timeout = request.extensions.get("timeout", {}).get("pool")
            with anyio.move_on_after(timeout) as scope:
                await self._free.acquire()
            if scope.cancelled_caught:
                raise httpx.PoolTimeout(f"all {self.connections} connections are in use") from None

    async def _close_old(self) -> None:
        while self._idle and self._idle[0].idle_since + self.keepalive < anyio.current_time():
            await _close(self._idle.popleft())

    def _pick(self) -> _Pool:
        if self._closed:
            raise httpx.PoolTimeout("the client was closed")
        pool = self._idle.pop() if self._idle else _Pool(self.open_pool())
        self._busy.add(pool)
        return pool


@define(eq=False)
class _Steps:
    """Follow what httpcore does for one request.

    Args:
        leaving: Told when the request itself is about to be written.
        in_tunnel: Whether the last thing written was the question to a proxy for a tunnel.
    """

    leaving: Callable[[], None]
    in_tunnel: bool = False
    _connected: AsyncNetworkStream | None = field(init=False, default=None)

    async def told(self, event: str, about: Mapping[str, Any]) -> None:
        """Take a step."""
        match event:
            case "http11.send_request_headers.started":
                self.in_tunnel = about["request"].method == b"CONNECT"
                if not self.in_tunnel:
                    self.leaving()
            case "connection.connect_tcp.complete":
                self._connected = about["return_value"]
            case "connection.start_tls.failed" if self._connected is not None:
                with anyio.CancelScope(shield=True):
                    await self._connected.aclose()
            case _:
                pass


async def _close(pool: _Pool) -> None:
    # In a task of its own, which no cancellation of the caller's reaches: httpcore forgets the connections
    # that it had no time to close.
    async with anyio.create_task_group() as group:
        group.start_soon(_close_unhindered, pool)


async def _close_unhindered(pool: _Pool) -> None:
    # What goes wrong here must not cost an answer that is there already.
    with anyio.move_on_after(_CLOSE_WITHIN, shield=True), suppress(Exception):
        await pool.transport.aclose()


@define(eq=False)
class _PlaceHolder(httpx.AsyncByteStream):
    """Keep the place until the answer has been read."""

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
        except (StopAsyncIteration, httpx.TransportError):
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
                with suppress(httpx.TransportError):
                    async for _ in self._unread:
                        pass
        except BaseException:
            # As above.
            self.interrupted = True
            raise
        finally:
            await self.owner.give_back(self.pool, retire=self.interrupted)
