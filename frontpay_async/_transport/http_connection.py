"""An HTTP/1.1 connection: one request at a time; responses are read by ``whole_response``, or by h11.

It takes the place of httpcore's connection, and does what that does not:

- *Leaving*: the request's ``leaving`` extension is called when the connection is open and the first byte of
  the request is about to be written.
- *One write*: the headers of a request and its body are written together.
- *Early response*: if the server responds before the request was written completely, the writing ends and the
  response is read.
- *Surplus bytes*: a connection on which data follows a response is not used again.
- *Interrupted connecting*: the connection is closed, at whatever step.

Each exchange has its own reader, so nothing of a response is left for the next one.

Errors are httpx's (or httpx2's). Their text may quote the response, as h11's does.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import h11
import httpx
from attrs import define, field, frozen

from frontpay_async._transport.loop_guard import asyncio_loop
from frontpay_async._transport.whole_response import whole_response
from frontpay_async._transport.wire import connect_anyio

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from types import ModuleType

    from frontpay_async._transport.whole_response import WholeResponse
    from frontpay_async._transport.wire import Wire

# The most of a response's head, or of a chunk's, that is kept while its end has not arrived.
_LONGEST_HEAD = 100 * 1024
_OK = range(200, 300)
_REQUEST = re.compile(
    rb"[A-Z]+ [!-~]+ HTTP/1\.1\r\n(?:[-!#$%&'*+.^_`|~0-9A-Za-z]+: [\t -~\x80-\xff]*\r\n)+\r\n"
)
# Those whose responses have no form of their own.
_USUAL = frozenset({b"GET", b"POST", b"PUT", b"PATCH", b"DELETE"})


@define(eq=False, repr=False)
class HttpConnection:
    """A connection to one origin, opened by its first request.

    Args:
        http: httpx or httpx2, whose errors are raised.
        core: httpcore or httpcore2, whose responses are returned.
        tls: The verification of servers, and of a proxy that is spoken to by TLS.
        proxy: The proxy, if any.
        body: The body of the last response; None if it never had a response.
    """

    http: ModuleType
    core: ModuleType
    tls: ssl.SSLContext
    proxy: httpx.Proxy | None
    body: ResponseBody | None = field(init=False, default=None)
    _wire: Wire | None = field(init=False, default=None)
    # The last one of which something may have been written.
    _exchange: _Exchange | None = field(init=False, default=None)

    async def handle_async_request(self, request: Any) -> Any:  # noqa: ANN401 - of either library
        """Send a request of httpcore's, and return its response when its headers have arrived."""
        self.body = None
        timeouts: Mapping[str, float | None] = request.extensions["timeout"]
        content = b"".join([piece async for piece in request.stream])
        headers: list[tuple[bytes, bytes]] = request.headers
        target: bytes = request.url.target
        if self.proxy is not None and request.url.scheme == b"http":
            headers = [*headers, *_proxy_authorization(self.proxy)]
            target = bytes(request.url)
        wire = self._wire
        if wire is None:
            wire = self._wire = await self._connect(request.url.origin, timeouts["connect"])
        written = self._write(request.method, target, headers, content)
        exchange = _Exchange(self.http, wire, request.method, timeouts["read"])
        request.extensions["leaving"]()
        self._exchange = exchange
        try:
            await wire.write(written, timeouts["write"])
        except TimeoutError as error:
            raise self.http.WriteTimeout("the request could not be written in time") from error
        except OSError:
            # The server may have responded before it closed.
            pass
        head = await exchange.read_head()
        self.body = ResponseBody(exchange)
        return self.core.Response(
            head.status,
            headers=head.headers,
            content=self.body,
            extensions={"http_version": head.version, "reason_phrase": head.reason},
        )

    def is_closed(self) -> bool:
        """Return True: httpcore's pool, which is made for one request, is not to keep it after an error."""
        return True

    def is_usable(self) -> bool:
        """Return whether another request can be sent."""
        if self._exchange is not None and not self._exchange.is_complete():
            return False
        return self._wire is None or self._wire.is_quiet()

    async def aclose(self) -> None:
        """Close it; a cancellation does not prevent it."""
        if self._wire is not None:
            await self._wire.aclose()

    async def _connect(self, origin: Any, within: float | None) -> Wire:  # noqa: ANN401 - of either library
        # Calls that begin together are all prepared before their time to connect begins.
        await anyio.lowlevel.checkpoint()
        try:
            with anyio.fail_after(within):
                return await self._open(origin)
        except TimeoutError as error:
            raise self.http.ConnectTimeout("no connection was made in time") from error
        except (OSError, UnicodeError) as error:
            raise self.http.ConnectError(str(error)) from error

    async def _open(self, origin: Any) -> Wire:  # noqa: ANN401 - of either library
        host, proxy = origin.host.decode("ascii"), self.proxy
        if proxy is None:
            wire = await _connect(host, origin.port)
        else:
            secure = proxy.url.scheme == "https"
            wire = await _connect(proxy.url.host, proxy.url.port or (443 if secure else 80))
        try:
            if proxy is not None and proxy.url.scheme == "https":
                await wire.start_tls(self.tls, proxy.url.host)
            if origin.scheme == b"https":
                if proxy is not None:
                    await self._open_tunnel(wire, proxy, host, origin.port)
                await wire.start_tls(self.tls, host)
        except BaseException:
            await wire.aclose()
            raise
        return wire

    async def _open_tunnel(self, wire: Wire, proxy: httpx.Proxy, host: str, port: int) -> None:
        place = (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
        headers = [(b"Host", place), (b"Accept", b"*/*"), *_proxy_authorization(proxy)]
        exchange = _Exchange(self.http, wire, b"CONNECT", None)
        try:
            await wire.write(self._write(b"CONNECT", place, headers, b""), None)
            head = await exchange.read_head()
        except (OSError, self.http.TransportError) as error:
            raise self.http.ProxyError(str(error)) from error
        if head.status not in _OK:
            raise self.http.ProxyError(f"{head.status} {head.reason.decode('ascii', 'ignore')}")
        if not wire.is_quiet() or exchange.has_surplus():
            raise self.http.ProxyError("the proxy sent data into the tunnel")

    def _write(
        self, method: bytes, target: bytes, headers: list[tuple[bytes, bytes]], content: bytes
    ) -> bytes:
        lines = [b"%b %b HTTP/1.1" % (method, target), *[b"%b: %b" % each for each in headers], b"", b""]
        head = b"\r\n".join(lines)
        # A line break in a header would make another one of its rest.
        if _REQUEST.fullmatch(head) is None or head.count(b"\n") != len(lines) - 1:
            raise self.http.LocalProtocolError("a header of the request has a character that is not allowed")
        return head + content


@frozen(eq=False, repr=False)
class _Head:
    """The head of a response."""

    status: int
    version: bytes
    reason: bytes
    headers: list[tuple[bytes, bytes]]


@define(eq=False, repr=False)
class _Exchange:
    """The response to a request of a method, read with seconds for each piece."""

    http: ModuleType
    wire: Wire
    method: bytes
    within: float | None
    _whole: WholeResponse | None = field(init=False, default=None)
    _is_read: bool = field(init=False, default=False)
    # Reads what ``_whole`` could not.
    _h11: h11.Connection | None = field(init=False, default=None)

    async def read_head(self) -> _Head:
        """Read the response until its headers are complete."""
        received = await self._receive()
        self._whole = whole = whole_response(received) if self.method in _USUAL else None
        if whole is not None:
            return _Head(whole.status, b"HTTP/1.1", whole.reason, whole.headers)
        self._h11 = _reader(self.method)
        self._h11.receive_data(received)
        while not isinstance(event := await self._next_event(self._h11), h11.Response):
            # An informational response precedes it.
            pass
        version = b"HTTP/" + event.http_version
        return _Head(event.status_code, version, event.reason, event.headers.raw_items())

    async def read(self) -> bytes | None:
        """Read a piece of the response's body; None at its end."""
        if self._h11 is not None:
            event = await self._next_event(self._h11)
            return bytes(event.data) if isinstance(event, h11.Data) else None
        if self._whole is None or self._is_read:
            return None
        self._is_read = True
        # As h11, which has no piece for an empty body.
        return self._whole.body or None

    def is_complete(self) -> bool:
        """Return whether the response was read, nothing follows it, and the server keeps the connection."""
        if self._h11 is None:
            return self._whole is not None
        return self._h11.their_state is h11.DONE and not self.has_surplus()

    def has_surplus(self) -> bool:
        """Return whether data follows the response."""
        return self._h11 is not None and bool(self._h11.trailing_data[0])

    async def _receive(self) -> bytes:
        try:
            return await self.wire.read(self.within)
        except TimeoutError as error:
            raise self.http.ReadTimeout("no response arrived in time") from error
        except OSError as error:
            raise self.http.ReadError(str(error)) from error

    async def _next_event(self, reader: h11.Connection) -> h11.Event | type[h11.PAUSED]:
        while True:
            if reader.trailing_data[1] and reader.their_state is h11.SEND_RESPONSE:
                # Clearer than h11's error.
                raise self.http.RemoteProtocolError("Server disconnected without sending a response.")
            try:
                event = reader.next_event()
            except h11.RemoteProtocolError as error:
                raise self.http.RemoteProtocolError(str(error)) from error
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value] # pyright: ignore[reportReturnType] - not narrowed
            reader.receive_data(await self._receive())


@define(eq=False, repr=False)
class ResponseBody(httpx.AsyncByteStream):
    """The body of a response, in pieces as they arrive."""

    _exchange: _Exchange

    def __aiter__(self) -> ResponseBody:
        return self

    async def __anext__(self) -> bytes:
        piece = await self._exchange.read()
        if piece is None:
            raise StopAsyncIteration
        return piece


def _reader(method: bytes) -> h11.Connection:
    """Return a reader for the response to a request that was written."""
    reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=_LONGEST_HEAD)
    # Of the request, only the method matters.
    reader.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"-")]))
    reader.send(h11.EndOfMessage())
    return reader


def _proxy_authorization(proxy: httpx.Proxy) -> list[tuple[bytes, bytes]]:
    if proxy.raw_auth is None:
        return []
    return [(b"Proxy-Authorization", b"Basic " + b64encode(b":".join(proxy.raw_auth)))]


async def _connect(host: str, port: int) -> Wire:
    if asyncio_loop() is None:
        return await connect_anyio(host, port)
    # Imported here: it imports asyncio, which trio does not need.
    from frontpay_async._transport.asyncio_wire import connect_asyncio  # noqa: PLC0415

    return await connect_asyncio(host, port)
