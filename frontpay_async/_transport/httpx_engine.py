"""The httpx engine: httpx's transport over connections of our own, behind one limit.

Measured on httpx 0.28.1 with httpcore 1.0.9: the cost of each pass over httpcore's pool is quadratic in the
number of requests in flight, and each pass checks the socket of every idle connection, so a pool of a hundred
connections collapses. A task that is cancelled while it waits in a pool can occupy its slot permanently.
Therefore the pool and the connections are ours; ``http_connection`` lists what these do differently.

- ``ConcurrencyLimit`` limits the requests in flight, in order of arrival.
- The last used connection is used first. At low load one connection is reused, and connections of an earlier
  burst grow idle and are closed.
- A response occupies its place until it has been read. A connection whose response was not read completely is
  closed, without effect on other requests.

A request passes httpx's ``AsyncHTTPTransport`` and httpcore's ``AsyncConnectionPool`` on its way, which only
convert it: respx, pytest-httpx, vcrpy, guards against network access in tests, and instrumentations replace
their methods. *Cost*: about a tenth of a call.

*Limit*: a private member is used, ``_pool`` of httpx's transport.
"""

from __future__ import annotations

from collections import deque
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import anyio
import httpx
from attrs import Factory, define, field, frozen

from frontpay_async._transport.concurrency_limit import ConcurrencyLimit
from frontpay_async._transport.http_connection import HttpConnection
from frontpay_async._transport.tls import no_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

    from frontpay_async._transport.http_connection import ResponseBody

Origin = tuple[bytes, bytes, int | None]


@define(eq=False, repr=False)
class PooledConnection:
    """A connection in the pool.

    Args:
        origin: The scheme, host and port that it leads to.
        http: The connection.
        transport: The way to it through the layers of httpx and httpcore.
    """

    origin: Origin
    http: HttpConnection
    transport: httpx.AsyncBaseTransport
    idle_since: float = 0.0


@define(eq=False, repr=False)
class PooledTransport(httpx.AsyncBaseTransport):
    """A transport with a separate connection for each request in flight.

    Args:
        open_connection: Makes a connection to an origin, which connects at its first request.
        connections: The maximum number of requests in flight, and of connections.
        keepalive: Seconds after which an idle connection is closed.
    """

    open_connection: Callable[[Origin], PooledConnection]
    connections: int
    keepalive: float
    # The last used connection is last.
    _idle: deque[PooledConnection] = field(init=False, factory=deque[PooledConnection])
    _busy: set[PooledConnection] = field(init=False, factory=set[PooledConnection])
    _limit: ConcurrencyLimit = field(
        init=False, default=Factory(lambda self: ConcurrencyLimit(self.connections), takes_self=True)
    )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request over an idle connection, or a new one."""
        await self._limit.acquire(request.extensions["timeout"]["pool"])
        try:
            # Before anything is sent, so that a cancellation while others close leaves nothing unresolved.
            connection = await self._pick(request.url)
        except BaseException:
            # Whatever the failure, the place is free again.
            self._limit.release()
            raise
        self._busy.add(connection)
        try:
            response = await connection.transport.handle_async_request(request)
        except BaseException:
            await self.give_back(connection)
            raise
        body = connection.http.body
        if body is None:
            # The response is of a test's mock.
            await self.give_back(connection)
        else:
            response.stream = _PlaceHolder(self, connection, body)
        return response

    async def give_back(self, connection: PooledConnection) -> None:
        """Release a connection's place; keep the connection if it can be used again."""
        self._busy.discard(connection)
        self._limit.release()
        if connection.http.is_usable() and not self._limit.closed:
            connection.idle_since = anyio.current_time()
            self._idle.append(connection)
        else:
            await connection.http.aclose()

    async def aclose(self) -> None:
        """Close all connections, and abort requests in flight; new requests are rejected."""
        self._limit.closed = True
        while self._idle:
            await self._idle.pop().http.aclose()
        while self._busy:
            await self._busy.pop().http.aclose()

    async def _pick(self, url: httpx.URL) -> PooledConnection:
        oldest = anyio.current_time() - self.keepalive
        while self._idle and self._idle[0].idle_since < oldest:
            await self._idle.popleft().http.aclose()
        origin = (url.raw_scheme, url.raw_host, url.port)
        while (connection := self._take(origin)) is not None:
            if connection.http.is_usable():
                return connection
            await connection.http.aclose()
        if self._idle and len(self._idle) + len(self._busy) >= self.connections:
            # Those left lead elsewhere.
            await self._idle.popleft().http.aclose()
        return self.open_connection(origin)

    def _take(self, origin: Origin) -> PooledConnection | None:
        for index in reversed(range(len(self._idle))):
            connection = self._idle[index]
            if connection.origin == origin:
                del self._idle[index]
                return connection
        return None


@define(eq=False, repr=False)
class _PlaceHolder(httpx.AsyncByteStream):
    """A response body that occupies its place until it has been read."""

    owner: PooledTransport
    connection: PooledConnection
    body: ResponseBody
    closed: bool = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.body

    async def aclose(self) -> None:
        if not self.closed:
            self.closed = True
            await self.owner.give_back(self.connection)


def open_pool(
    name: Literal["httpx", "httpx2"],
    tls: ssl.SSLContext,
    proxy: httpx.Proxy | None,
    connections: int,
    keepalive: float,
) -> PooledTransport:
    """Open the engine of one of the two libraries, without connecting."""
    http, core = import_module(name), import_module("httpcore" if name == "httpx" else "httpcore2")
    # Some servers choose a newer protocol if none is named.
    tls.set_alpn_protocols(["http/1.1"])

    def open_connection(origin: Origin) -> PooledConnection:
        connection = HttpConnection(http, core, tls, proxy)
        transport: Any = http.AsyncHTTPTransport(verify=no_tls())
        # Deleted first, so that it is an error here if it has another name.
        del transport._pool  # noqa: SLF001 - see the module's Limit
        transport._pool = _NewPool(core, connection)  # noqa: SLF001 - the same
        return PooledConnection(origin, connection, transport)

    return PooledTransport(open_connection, connections, keepalive)


@frozen(eq=False, repr=False)
class _NewPool:
    """A pool of httpcore for each request, so that nothing has to be reported to it afterwards."""

    core: ModuleType
    connection: HttpConnection

    async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401 - of either library
        pool = self.core.AsyncConnectionPool()
        pool.create_connection = self._connect
        return await pool.handle_async_request(request)

    def _connect(self, origin: object) -> HttpConnection:
        del origin
        return self.connection
