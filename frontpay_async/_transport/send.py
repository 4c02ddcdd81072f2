"""Sending one attempt through an httpx transport; no other stage uses httpx.

The transport is called directly with a prepared request, without redirects, cookies and merging of headers,
which take a third to a half of httpx's time.

All outcomes depend on whether the request may have left. Our engines report it: they call the request's
``leaving`` extension when they have a connection and are about to write. From then on, the request may have
left; before that, a cancelled request did not leave. A caller's transport does not report it, so its requests
may have left from the start.

An error proves that nothing left only if it is also a connection error, which keeps the outcome correct if a
test's mock replaces an engine. httpx-aiohttp's own transport reports connections lost *after* the request was
written as connection errors as well: there, the underlying aiohttp error decides.

An engine's message is passed on if there was no connection. A later message may quote the response, which may
be personal: such messages are cut before the first quotation.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

import anyio
import anyio.lowlevel
import httpx
from attrs import define, field

from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.redact import redact
from frontpay_async._transport.connection_pool import ConnectionPool
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    from frontpay_async._transport.auth import Secret
    from frontpay_async._transport.call import Attempt, Call
    from frontpay_async._transport.connection_pool import Route
    from frontpay_async.errors import FrontPayError

# The aiohttp errors that are raised only while connecting.
_AIOHTTP_CONNECTING = frozenset(
    {"ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError", "InvalidURL"}
)
_QUOTATION = re.compile(r"""[\s:(]*(?:b?["'<]|bytearray).*""", re.DOTALL)
_URLS_KEPT = 512
_LENGTHS_KEPT = 256
_TOO_LATE = "it was too late to send it"
_GZIP_OR_ZLIB = 47
_PIECE = 256 * 1024
_PIECES_AT_ONCE = 16
# Empty if the transport does not report it.
_VERSIONS = frozenset({"", "1.0", "1.1", "2", "3"})


class TransportFailure(Exception):  # noqa: N818 - the cause of errors, never raised by itself
    """The message of an engine's error, without the request and its frames.

    Args:
        reason: The text.
        kind: The class of its error.
    """

    def __init__(self, reason: str, kind: str) -> None:
        super().__init__(reason)
        self.kind = kind


class _HeldBackError(Exception):
    """An exception for a request that is not written: the client was closed, or it is too late."""


class _UnreadableError(Exception):
    """An exception for a response that cannot be read completely; the text has the reason."""


# By name, because httpx2 has its own classes.
_NEVER_LEFT = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol", "InvalidURL"}
)
_LIBRARIES = ("httpx", "httpx2")
_CONNECTING = frozenset({"ConnectError", "ConnectTimeout", "ProxyError"})


@define(eq=False, repr=False)
class Send:
    """The stage that sends attempts through a transport.

    Args:
        source: The function that opens the engine at the first attempt, or a caller's transport.
        shared: Whether other clients use the source, so that it is not closed here.
        base_url: The base URL.
        url_source: The setting with the base URL, for errors.
        headers: The headers of every request.
        max_body: The maximum size of a decoded response, in bytes.
    """

    source: ConnectionPool | httpx.AsyncBaseTransport
    shared: bool
    base_url: str
    url_source: str
    headers: tuple[tuple[bytes, bytes], ...]
    max_body: int
    _closed: bool = field(init=False, default=False)
    _let_go: bool = field(init=False, default=False)
    _transport: httpx.AsyncBaseTransport | None = field(init=False, default=None)
    _open: Callable[[], httpx.AsyncBaseTransport] = field(init=False)
    _route: Route | None = field(init=False)
    _tells_when_leaving: bool = field(init=False)
    # Cached: building them costs as much as encoding an order, and they rarely change.
    _url: Callable[[str], httpx.URL] = field(init=False)
    _fixed: Callable[[Secret | None], Callable[[int | None], httpx.Headers]] = field(init=False)
    # httpx or httpx2: requests must be of the transport's own library.
    _http: ModuleType = field(init=False)
    _body: Callable[[bytes], httpx.ByteStream] = field(init=False)

    def __attrs_post_init__(self) -> None:
        source, base_url, fixed = self.source, self.base_url, self.headers
        self._tells_when_leaving = isinstance(source, ConnectionPool)
        if isinstance(source, ConnectionPool):
            self._route = source.route(base_url)
            self._open = partial(source.open, self._route)
        else:
            self._route = None
            self._open = lambda: source
        self._http = http = import_module(_library(source))
        # httpx2 closes its generators itself.
        self._body = _Body if http is httpx else http.ByteStream
        try:
            host = httpx.URL(base_url).netloc
        except httpx.InvalidURL:
            raise ConfigurationError(f"the base URL {base_url!r} is not usable") from None

        def parse(path: str) -> httpx.URL:
            return cast("httpx.URL", http.URL(f"{base_url}/{path}"))

        def authorize(credential: Secret | None) -> Callable[[int | None], httpx.Headers]:
            bearer = b"Bearer " + (credential.text.encode() if credential else b"")
            headers = [(b"Host", host), *fixed, (b"Authorization", bearer)]

            def announce(length: int | None) -> httpx.Headers:
                size = () if length is None else ((b"Content-Length", b"%d" % length),)
                return cast("httpx.Headers", http.Headers([*headers, *size]))

            return lru_cache(_LENGTHS_KEPT)(announce)

        self._url = lru_cache(_URLS_KEPT)(parse)
        # By the token, then by the length of the body; a former token is not kept.
        self._fixed = lru_cache(1)(authorize)

    async def send(self, call: Call) -> HttpResponse:
        """Send one attempt and read the complete response."""
        within = call.options.attempt_within
        if within is None:
            return await self._send(call)
        with anyio.move_on_after(within):
            return await self._send(call)
        if call.attempt.may_have_left:
            raise call.outcome_unknown(f"no complete response arrived within {within:g} s")
        raise call.not_sent(f"no connection was made within {within:g} s")

    async def _send(self, call: Call) -> HttpResponse:
        self._check_open(call)
        if not self._tells_when_leaving and not _may_leave(call):
            raise call.not_sent(_TOO_LATE)
        attempt = call.attempt
        transport = self._transport
        if transport is None:
            transport = self._transport = self._open()
        try:
            # Not in a local variable: a request's repr has the query.
            response = await transport.handle_async_request(self._request(call, attempt))
            attempt.may_have_left = True
            version = _version(response)
            attempt.head = (response.status_code, version)
            return await self._read(response, version)
        except Exception as error:  # noqa: BLE001 - a transport may raise anything; all of it is translated here
            attempt.may_have_left = attempt.may_have_left or not _never_left(error)
            reason, kind = _reason(error, attempt), type(error).__name__.lstrip("_")
        except BaseException as error:  # noqa: BLE001 - a cancellation, which goes on
            # A transport that does not report writing may have been writing.
            attempt.may_have_left = attempt.may_have_left or not self._tells_when_leaving
            # The engine's frames contain the token and the body, so the traceback ends here.
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None)  # noqa: B904 - the same, without what is behind it
        call.final = call.final or self.closed
        if attempt.may_have_left:
            translated: FrontPayError = call.outcome_unknown(f"no complete response arrived ({reason})")
        else:
            where = f" (connecting to {self._route}, from {self.url_source})"
            connecting = kind in _CONNECTING and self._route is not None
            translated = call.not_sent(self._closed_by() or reason + where * connecting)
        # Raised here, so that the engine's exception, which contains the request, is not its context.
        raise translated from TransportFailure(reason, kind)

    async def aclose(self) -> None:
        """Reject further requests, and close the source unless it is shared."""
        self._closed = True
        if not (self.shared or self._let_go):
            await self.source.aclose()
            self._let_go = True

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._closed_by() is not None

    def _closed_by(self) -> str | None:
        if self._closed:
            return "the client was closed"
        if isinstance(self.source, ConnectionPool) and self.source.closed:
            return "the connection pool was closed"
        return None

    def _check_open(self, call: Call) -> None:
        why = self._closed_by()
        if why is not None:
            call.final = True
            raise call.not_sent(why)

    def _request(self, call: Call, attempt: Attempt) -> httpx.Request:
        timeouts = call.options.timeouts
        extensions: dict[str, object] = {
            "timeout": {
                "connect": timeouts.connect,
                "read": timeouts.read,
                "write": timeouts.write,
                "pool": timeouts.pool,
            }
        }
        if self._tells_when_leaving:

            def leaving() -> None:
                if self.closed or not _may_leave(call):
                    raise _HeldBackError(_TOO_LATE)
                attempt.may_have_left = True

            extensions["leaving"] = leaving
        method, body = attempt.request.method, attempt.request.body or b""
        length = len(body) if body or method != "GET" else None
        # Passed as a stream, because with content httpx would prepare headers that are already set.
        request: httpx.Request = self._http.Request(
            method,
            self._url(attempt.request.path),
            headers=self._fixed(attempt.credential)(length),
            stream=self._body(body),
            extensions=extensions,
        )
        if attempt.headers:
            request.headers.update(attempt.headers)
        # Transports may use the content or the stream.
        request.read()
        return request

    async def _read(self, response: httpx.Response, version: str) -> HttpResponse:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw
        }
        chunks: list[bytes] = []
        size = 0
        # Read without the response's own methods, which are for streams of its own library.
        stream = cast("httpx.AsyncByteStream", response.stream)
        try:
            if version not in _VERSIONS:
                raise _UnreadableError("its HTTP version is not valid")
            # httpx's decoders are not used, because they inflate a whole chunk before its size is known.
            inflate = _decompressor(headers.get("content-encoding", "identity"))
            pieces = 0
            async for received in stream:
                for chunk in inflate.pieces(received) if inflate else (received,):
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > self.max_body:
                        raise _UnreadableError(f"it is longer than {self.max_body} bytes")
                    pieces += 1
                    if not pieces % _PIECES_AT_ONCE:
                        # However much has been received, the event loop may turn to other things.
                        await anyio.lowlevel.checkpoint()
        finally:
            await stream.aclose()
        if inflate and chunks and not inflate.decompressor.eof:
            raise _UnreadableError("its compressed body is incomplete")
        return HttpResponse(response.status_code, headers, b"".join(chunks))


class _Inflate:
    """The decompression of a body, in pieces of limited size."""

    def __init__(self) -> None:
        self.decompressor = zlib.decompressobj(_GZIP_OR_ZLIB)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Decompress the next data."""
        unfinished = True
        while unfinished:
            piece = self.decompressor.decompress(data, _PIECE)
            if self.decompressor.unused_data:
                # A second compressed part, or anything else: the first part alone may mean something else.
                raise _UnreadableError("its compressed body is followed by other data")
            data = self.decompressor.unconsumed_tail
            unfinished = len(piece) == _PIECE
            yield piece


def _decompressor(coding: str) -> _Inflate | None:
    match coding.strip().lower():
        case "identity" | "":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate()
        case _:
            raise _UnreadableError("its content coding was not requested")


def _version(response: httpx.Response) -> str:
    told: object = response.extensions.get("http_version")
    return told.decode("ascii", "replace").removeprefix("HTTP/") if isinstance(told, bytes) else ""


def _library(source: ConnectionPool | httpx.AsyncBaseTransport) -> str:
    if isinstance(source, ConnectionPool):
        return "httpx2" if source.engine == "httpx2" else "httpx"
    roots = {cls.__module__.partition(".")[0] for cls in type(source).__mro__}
    return "httpx2" if "httpx2" in roots else "httpx"


class _Body(httpx.ByteStream):
    """A request body that is not a generator, so an abandoned one leaves nothing to the garbage collector."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._pieces = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


def _may_leave(call: Call) -> bool:
    may_leave = call.options.may_leave
    return may_leave is None or may_leave()


def _never_left(error: Exception) -> bool:
    if isinstance(error, _HeldBackError):
        return True
    if not any(
        cls.__name__ in _NEVER_LEFT and cls.__module__.partition(".")[0] in _LIBRARIES
        for cls in type(error).__mro__
    ):
        return False
    cause = error.__cause__
    if cause is None or not type(cause).__module__.startswith("aiohttp"):
        return True
    return not _AIOHTTP_CONNECTING.isdisjoint(cls.__name__ for cls in type(cause).__mro__)


def _reason(error: Exception, attempt: Attempt) -> str:
    if isinstance(error, _UnreadableError):
        return str(error)
    if isinstance(error, _HeldBackError):
        return str(error)
    said = redact(str(error))
    if attempt.may_have_left:
        said = _QUOTATION.sub("", said)
    return f"{type(error).__name__}: {said}".rstrip(": ")
