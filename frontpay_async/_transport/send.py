"""Sending one attempt through an httpx transport; here httpx's world ends.

The transport is called directly with a request of our own: no redirects, no cookies, no merging of
headers, which is where a third to a half of httpx's time goes.

Whether the request left is the fact that everything else is built on, so it is told apart with care.
A refused connection, a failed name look-up or handshake, and a full pool mean that nothing left; any
other failure of a transport counts as "it may have left". httpx-aiohttp reports a connection that was
lost *after* the request had been written as ``ConnectTimeout``, so for it the aiohttp error behind is
asked. With the default engine httpcore tells when it begins to write; with others it is assumed from
the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import httpx
from attrs import define, field

from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.redact import redact

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Mapping

    from frontpay_async._protocol.messages import HttpRequest
    from frontpay_async._transport.call import Call

__all__ = ["Send", "TransportFailure"]

_NEVER_LEFT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
# The aiohttp errors that are raised while a connection is made, and only then.
_AIOHTTP_CONNECTING = frozenset(
    {"ClientConnectorError", "ConnectionTimeoutError", "ClientHttpProxyError", "InvalidURL"}
)


class TransportFailure(Exception):  # noqa: N818 - the cause of errors, never raised by itself
    """Say what the engine said, without the request and the frames that hold it."""


class _TooLargeError(Exception):
    """The answer is longer than the cap."""


@define(eq=False)
class Send:
    """Send attempts through a transport.

    Args:
        open_transport: Opens the transport, once, at the first attempt.
        base_url: What all paths are below.
        headers: What every request carries.
        max_body: The most bytes of an answer, decoded.
        tells_when_writing: Whether the transport reports to httpx's ``trace`` extension.
    """

    open_transport: Callable[[], httpx.AsyncBaseTransport]
    base_url: str
    headers: tuple[tuple[bytes, bytes], ...]
    max_body: int
    tells_when_writing: bool
    _transport: httpx.AsyncBaseTransport | None = field(init=False, default=None)
    _urls: dict[str, httpx.URL] = field(init=False, factory=dict)

    async def send(self, call: Call) -> HttpResponse:
        """Send one attempt and read the whole answer.

        Raises:
            NotSentError: It did not leave.
            OutcomeUnknownError: It left, or may have, and no whole answer came.
        """
        transport = self._transport
        if transport is None:
            transport = self._transport = self.open_transport()
        request = self._request(call)
        call.may_have_left = not self.tells_when_writing
        answered = False
        failure: Exception | None = None
        try:
            response = await transport.handle_async_request(request)
            answered = call.may_have_left = True
            return await self._read(response)
        except _TooLargeError:
            reason = f"the answer is longer than {self.max_body} bytes"
        except Exception as error:  # noqa: BLE001 - a transport may raise anything; all of it is translated here
            failure = error
            reason = f"{type(error).__name__}: {redact(str(error))}".rstrip(": ")
        call.may_have_left = answered or (call.may_have_left and not _never_left(failure))
        translated = (
            call.outcome_unknown(f"no whole answer came ({reason})")
            if call.may_have_left
            else call.not_sent(reason)
        )
        # Raised out here, so that the engine's exception, which holds the request, is not its context.
        raise translated from (TransportFailure(reason) if failure is not None else None)

    async def aclose(self) -> None:
        """Close the transport, if it was opened."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def _request(self, call: Call) -> httpx.Request:
        request, timeouts = call.request, call.options.timeouts
        extensions: dict[str, object] = {
            "timeout": {
                "connect": timeouts.connect,
                "read": timeouts.read,
                "write": timeouts.write,
                "pool": timeouts.pool,
            }
        }
        if self.tells_when_writing:

            async def trace(event: str, _: Mapping[str, object]) -> None:
                if event.endswith("send_request_headers.started"):
                    call.may_have_left = True

            extensions["trace"] = trace
        return httpx.Request(
            request.method,
            self._url(request),
            headers=[*self.headers, (b"Authorization", b"Bearer " + _text(call).encode())],
            content=request.body,
            extensions=extensions,
        )

    def _url(self, request: HttpRequest) -> httpx.URL:
        if request.path != request.operation.path:
            return httpx.URL(f"{self.base_url}/{request.path}")
        # Parsing a URL costs as much as encoding an order; the paths without an id are few.
        url = self._urls.get(request.path)
        if url is None:
            url = self._urls[request.path] = httpx.URL(f"{self.base_url}/{request.path}")
        return url

    async def _read(self, response: httpx.Response) -> HttpResponse:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw
        }
        plain = headers.get("content-encoding", "identity") == "identity"
        chunks: list[bytes] = []
        size = 0
        try:
            stream = cast("AsyncIterable[bytes]", response.stream) if plain else response.aiter_bytes()
            async for chunk in stream:
                chunks.append(chunk)
                size += len(chunk)
                if size > self.max_body:
                    raise _TooLargeError
        finally:
            await response.aclose()
        return HttpResponse(response.status_code, headers, b"".join(chunks))


def _text(call: Call) -> str:
    return call.credential.text if call.credential is not None else ""


def _never_left(error: Exception | None) -> bool:
    if not isinstance(error, _NEVER_LEFT):
        return False
    cause = error.__cause__
    if cause is None or not type(cause).__module__.startswith("aiohttp"):
        return True
    return not _AIOHTTP_CONNECTING.isdisjoint(cls.__name__ for cls in type(cause).__mro__)
