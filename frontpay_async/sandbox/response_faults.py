"""Reading request bodies, and writing responses: in chunks, as a whole, or damaged by a fault."""

from __future__ import annotations

import json
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

import anyio.lowlevel
from attrs import evolve
from starlette.responses import Response

from frontpay_async.sandbox.faults import FaultKind
from frontpay_async.sandbox.responses import (
    Answer,
    busy,
    internal_error,
    refused_for_good,
    something_wrong,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Receive, Scope, Send

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import Operation

_HTML_502 = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
_STATUS_MEMBERS = frozenset({"status", "order_status", "refund_status"})
_UNLISTED_STATUS = "ON_HOLD"
_MOST_DIGITS = 30
_SPOILERS: Mapping[FaultKind | None, Callable[[Operation[object]], Answer]] = MappingProxyType(
    {
        FaultKind.ERROR_500_BEFORE: lambda _: internal_error(),
        FaultKind.ERROR_500_AFTER: lambda _: internal_error(),
        FaultKind.ERROR_510_BEFORE: something_wrong,
        FaultKind.ERROR_510_AFTER: something_wrong,
        FaultKind.HTML_502_BEFORE: lambda _: Answer(502, _HTML_502),
        FaultKind.HTML_502_AFTER: lambda _: Answer(502, _HTML_502),
        FaultKind.BUSY: lambda _: busy(),
        FaultKind.REFUSED_510: lambda _: refused_for_good(),
    }
)


class ConnectionDroppedError(Exception):
    """An exception by which the app drops the connection, before or during a response."""


class WireResponse(Response):
    """A body in chunks, as nginx writes it for Laravel.

    Args:
        status: The HTTP status.
        content: The body.
        headers: The headers, except those that the server adds.
        is_cut: Whether the connection is dropped in the middle of the body.
        pause: Awaited after each byte; None to write the body at once.
    """

    def __init__(
        self,
        status: int,
        content: bytes,
        headers: Mapping[str, str],
        *,
        is_cut: bool = False,
        pause: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(content, status, headers)
        # Without a length the server has to write chunks.
        del self.headers["content-length"]
        self._content = content
        self._is_cut = is_cut
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the answer; see ``starlette.responses.Response``."""
        del scope, receive
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        rest = self._content
        if self._is_cut:
            half = rest[: len(rest) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            # Flush the written bytes before the connection is dropped.
            await anyio.lowlevel.checkpoint()
            raise ConnectionDroppedError
        if self._pause is not None:
            for byte in rest:
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
                await self._pause()
            rest = b""
        await send({"type": "http.response.body", "body": rest})


def read_json(content: bytes) -> JsonObject | None:
    """Read a body; None if it is not a JSON object."""
    try:
        body: Json = json.loads(content, parse_float=_exact) if content else None
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _exact(text: str) -> Decimal:
    number = Decimal(text)
    if abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError("a number of absurd size")
    return number


def spoilt(kind: FaultKind | None, operation: Operation[object], answer: Answer | None) -> Answer | None:
    """Return the response after a fault; None if there is no response."""
    if kind is FaultKind.DROP_BEFORE or kind is FaultKind.DROP_AFTER:
        return None
    if kind in _SPOILERS:
        return _SPOILERS[kind](operation)
    if kind is FaultKind.UNKNOWN_STATUS and answer is not None and isinstance(answer.body, dict):
        return evolve(answer, body=_renamed_members(answer.body))
    return answer


def _renamed_members(members: JsonObject) -> JsonObject:
    return {
        name: _UNLISTED_STATUS if name in _STATUS_MEMBERS else _renamed(value)
        for name, value in members.items()
    }


def _renamed(value: Json) -> Json:
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    return _renamed_members(value) if isinstance(value, dict) else value
