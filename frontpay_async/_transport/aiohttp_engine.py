"""The aiohttp engine: aiohttp's session as an httpx transport, with the guarantees of this client.

By default, aiohttp violates six of them:

- It does not report when it starts to write. Here the connector does: a request leaves when it gets its
  connection.
- It repeats a GET when the connection is lost. An attempt must be one request, charged once: the loss is
  converted into an error that aiohttp does not retry.
- It has no write timeout: a server that does not read would block a call for ever. A request with a
  connection has ``write`` plus ``read`` seconds until the response's headers arrive.
- It reuses idle connections without checking them. The peer may have closed the connection, and the request
  would be lost; or unexpected data may have arrived, which would be mistaken for the response. A connection
  that received anything while idle is closed instead.
- It drops surplus bytes at the end of a response, and reuses the connection: the continuation of these bytes
  would be mistaken for the next response. Such a connection is closed.
- Requests that wait for a connection are overtaken by later ones. ``ConcurrencyLimit`` keeps that queue
  empty.

A request that waits for a connection when the engine is closed gets an error; it is not cancelled.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from attrs import define, field
from yarl import URL

from frontpay_async._transport.concurrency_limit import ConcurrencyLimit
from frontpay_async._transport.wire import is_readable
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_leaving: ContextVar[Callable[[], None]] = ContextVar("leaving")
_URLS_KEPT = 512


class _Protocol(ResponseHandler):
    """A connection that is closed if data follows the end of a response.

    The last byte of each chunk is parsed separately: if the response was complete without it, it is surplus.
    """

    _former: object = None

    def set_response_params(self, **settings: Any) -> None:  # noqa: ANN401 - aiohttp's
        """Prepare for a response."""
        self._former = self._payload
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        """Process a chunk of a response."""
        if len(data) > 1:
            super().data_received(data[:-1])
        payload = self._payload
        if data and payload is not None and payload is not self._former and payload.is_eof():
            self.force_close()
        if self.exception() is None:
            super().data_received(data[-1:])


class _Connector(aiohttp.TCPConnector):
    """A connector that reports assigned connections, and drops idle connections that received data."""

    def __init__(self, *, limit: int, keepalive_timeout: float, ssl: ssl.SSLContext) -> None:
        super().__init__(  # pyright: ignore[reportUnknownMemberType] - its socket factory is half typed
            limit=limit, keepalive_timeout=keepalive_timeout, ssl=ssl
        )
        self._used: WeakSet[object] = WeakSet()
        # If aiohttp renames it, its connections are used unchanged.
        self._factory = partial(_Protocol, loop=self._loop)  # type: ignore[assignment]

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's signature
    ) -> Connection:
        while True:
            try:
                connection = await super().connect(req, traces, timeout)
            except TimeoutError:
                raise httpx.ConnectTimeout("no connection was made in time") from None
            except aiohttp.ClientProxyConnectionError as error:
                raise httpx.ProxyError(str(error)) from None
            except aiohttp.ClientError as error:
                # Also if a proxy closed instead of opening a tunnel, which aiohttp reports as a lost
                # response.
                raise httpx.ConnectError(str(error)) from None
            if connection.protocol not in self._used or not _has_news(connection):
                break
            connection.close()
        self._used.add(connection.protocol)
        try:
            _leaving.get()()
        except BaseException:
            # The client was closed, but others share the engine: the connection stays open for them.
            connection.release()
            raise
        return connection


def _has_news(connection: Connection) -> bool:
    """Return whether an idle connection received anything: a close, or unexpected bytes."""
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None or protocol.should_close:
        return True
    return is_readable(transport.get_extra_info("socket"))


@define(eq=False, repr=False)
class _Transport(httpx.AsyncBaseTransport):
    session: aiohttp.ClientSession
    limit: ConcurrencyLimit
    proxy: URL | None
    proxy_headers: Mapping[str, str] | None
    _url: Callable[[str], URL] = field(init=False)

    def __attrs_post_init__(self) -> None:
        # The path is quoted already, and must stay as it is.
        def parse(text: str) -> URL:
            return URL(text, encoded=True)

        self._url = lru_cache(_URLS_KEPT)(parse)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions["timeout"]
        await self.limit.acquire(timeouts["pool"])
        try:
            response = await self._request(request, timeouts, request.extensions["leaving"])
        except BaseException:
            # However it ended, even by cancellation, the request is no longer in flight.
            self.limit.release()
            raise
        return httpx.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response, self.limit),
            extensions={"http_version": _version(response)},
        )

    async def _request(
        self, request: httpx.Request, timeouts: Mapping[str, float | None], tell: Callable[[], None]
    ) -> aiohttp.ClientResponse:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as bound:

                def leaving() -> None:
                    tell()
                    if timeouts["write"] is not None and timeouts["read"] is not None:
                        bound.reschedule(loop.time() + timeouts["write"] + timeouts["read"])

                token = _leaving.set(leaving)
                try:
                    return await self.session.request(
                        request.method,
                        self._url(str(request.url)),
                        headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                        data=request.content or None,
                        allow_redirects=False,
                        timeout=aiohttp.ClientTimeout(
                            total=None, connect=timeouts["connect"], sock_read=timeouts["read"]
                        ),
                        proxy=self.proxy,
                        proxy_headers=self.proxy_headers,
                    )
                except aiohttp.SocketTimeoutError as error:
                    raise httpx.ReadTimeout(str(error)) from error
                except aiohttp.ClientError as error:
                    raise httpx.ReadError(str(error)) from error
                finally:
                    _leaving.reset(token)
        except TimeoutError as error:
            raise httpx.WriteTimeout("the request could not be written in time") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            # The task was not cancelled: aiohttp cancels what waits for a connection when it is closed.
            raise httpx.PoolTimeout("the client was closed") from None

    async def aclose(self) -> None:
        self.limit.closed = True
        await self.session.close()


def _version(response: aiohttp.ClientResponse) -> bytes:
    # aiohttp accepts any two digits.
    told = response.version
    return b"HTTP/1.1" if told is None else b"HTTP/%d.%d" % told


@define(eq=False, repr=False)
class _Body(httpx.AsyncByteStream):
    """A response body, which releases its place when it has been read or closed."""

    response: aiohttp.ClientResponse
    limit: ConcurrencyLimit
    closed: bool = field(init=False, default=False)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self.response.content.readany()
        except aiohttp.SocketTimeoutError as error:
            raise httpx.ReadTimeout(str(error)) from error
        except aiohttp.ClientError as error:
            raise httpx.ReadError(str(error)) from error
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if not self.closed:
            self.closed = True
            # If the response was not read completely, its connection is closed as well.
            self.response.close()
            self.limit.release()


async def _once(
    request: aiohttp.ClientRequest,
    send: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise httpx.ReadError(str(error)) from error


def open_aiohttp(
    tls: ssl.SSLContext, proxy: httpx.Proxy | None, connections: int, keepalive: float
) -> httpx.AsyncBaseTransport:
    """Open the engine, without connecting."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError("engine='aiohttp' runs under asyncio only") from None
    proxy_headers: dict[str, str] | None = None
    if proxy is not None and proxy.raw_auth is not None:
        credentials = b64encode(b":".join(proxy.raw_auth)).decode()
        proxy_headers = {"Proxy-Authorization": f"Basic {credentials}"}
    session = aiohttp.ClientSession(
        connector=_Connector(limit=connections, keepalive_timeout=keepalive, ssl=tls),
        # The default jar would return the API's session cookies.
        cookie_jar=aiohttp.DummyCookieJar(),
        # Decoded later, where the size of the response is limited.
        auto_decompress=False,
        middlewares=(_once,),
    )
    through = None if proxy is None else URL(str(proxy.url))
    return _Transport(session, ConcurrencyLimit(connections), through, proxy_headers)
