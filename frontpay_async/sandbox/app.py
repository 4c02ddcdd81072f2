"""The ASGI app: routes from the operation table, and what happens to a request on its way to a handler.

In order, as in the real thing: throttle, token, body, rules, handler. Faults strike around the handler:
"before" ones keep it from running, "after" ones let it run and then spoil the answer.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

import anyio
from attrs import define, field, frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async._protocol.rules import check
from frontpay_async.sandbox.answers import Answer, Refusal, failure, write_json
from frontpay_async.sandbox.faults import FaultKind
from frontpay_async.sandbox.handlers import HANDLERS, Visit
from frontpay_async.sandbox.validation import validate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from starlette.types import Receive, Scope, Send

    from frontpay_async._protocol.messages import Json, JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._transport.clock import Clock
    from frontpay_async.sandbox.faults import Fault, Faults
    from frontpay_async.sandbox.settings import SandboxSettings
    from frontpay_async.sandbox.state import State
    from frontpay_async.sandbox.throttle import Throttle

__all__ = ["BASE_PATH", "Api", "ConnectionDroppedError", "RecordedRequest", "api_routes"]

BASE_PATH = "/api/v1/connect"
_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
_BUSY = failure(510, "terminalIsBusy", "Array")
_FAILED = {
    "500": failure(
        500,
        "internalErrorOccurredPleaseTryAgainLater",
        {"happenedAt": "sandbox", "internalErrorDetails": ["a fault on demand"]},
    ),
    "510": failure(510, "somethingWentWrong", None),
}


class ConnectionDroppedError(Exception):
    """Leave the app to say that the connection is dropped here, without or amid an answer."""


@frozen(kw_only=True)
class RecordedRequest:
    """Tell of one request that reached the sandbox.

    Args:
        operation: The operation's name.
        method: The HTTP method.
        path: The path and query.
        token: The bearer token; hidden in reprs.
        body: The JSON body, or None; hidden in reprs.
        status: The HTTP status of the answer; None where the connection was dropped.
        fault: What struck it, if anything.
    """

    operation: str
    method: str
    path: str
    token: str = field(repr=lambda _: "'***'")
    body: JsonObject | None = field(repr=False)
    status: int | None
    fault: FaultKind | None


def api_routes(
    endpoint: Callable[[Sequence[Operation[object]]], Callable[[Request], Awaitable[Response]]],
) -> list[Route]:
    """Derive the routes from the operation table; rows that share a path share a route.

    Args:
        endpoint: Makes the endpoint of one or more rows.
    """
    rows: dict[tuple[str, str], list[Operation[object]]] = defaultdict(list)
    for operation in OPERATIONS.values():
        # Rows may name the id in their paths differently and still share one.
        path = f"{BASE_PATH}/" + re.sub(r"{\w+}", "{uuid}", operation.path)
        for method in filter(None, (operation.method, operation.other_method)):
            rows[method, path].append(operation)
    return [Route(path, endpoint(shared), methods=[method]) for (method, path), shared in rows.items()]


@define(eq=False)
class Api:
    """Answer requests as the API does."""

    settings: SandboxSettings
    state: State
    throttle: Throttle | None
    faults: Faults
    clock: Clock
    requests: list[RecordedRequest] = field(init=False, factory=list)
    router: Router = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.router = Router(api_routes(self._endpoint), redirect_slashes=False, default=self._no_route)

    def _endpoint(self, rows: Sequence[Operation[object]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            content = await request.body()
            body = _read_body(content)
            operation = _choose(rows, body)
            struck, slowed = self.faults.strike(operation.name)
            kind = struck.kind if struck else None
            status: int | None = None
            try:
                answer, headers = self._respond(operation, request, body, kind)
                status = 502 if kind in _HTML_KINDS else None if kind in _DROP_KINDS else answer.status
            finally:
                self._record(operation, request, body if content else None, status, kind)
            for fault in slowed:
                if fault.kind is FaultKind.LATENCY:
                    await self.clock.sleep(fault.seconds)
            if kind in _DROP_KINDS:
                raise ConnectionDroppedError
            if kind in _HTML_KINDS:
                return _WireResponse(502, _HTML, {**headers, "content-type": "text/html"})
            drip = next((fault for fault in slowed if fault.kind is FaultKind.DRIP), None)
            return _WireResponse(
                answer.status,
                write_json(answer.body),
                {**headers, **answer.headers, "content-type": "application/json"},
                cut=kind is FaultKind.CUT_BODY,
                drip=self._drip(drip) if drip else None,
            )

        return endpoint

    def _respond(
        self, operation: Operation[object], request: Request, body: JsonObject | None, kind: FaultKind | None
    ) -> tuple[Answer, dict[str, str]]:
        token = _token(request)
        headers: dict[str, str] = {}
        if self.throttle is not None:
            verdict = self.throttle.hit(token, self.clock.now())
            headers = verdict.headers(time.time())
            if verdict.retry_after is not None:
                return Answer(429, {"message": "Too Many Attempts."}), headers
        if token not in self.settings.tokens:
            return Answer(401, {"message": "Unauthenticated."}), headers
        if kind is FaultKind.BUSY:
            return _BUSY, headers
        if kind in _BEFORE_KINDS:
            return _spoilt(kind, _FAILED["510"]), headers
        self.state.catch_up()
        try:
            answer = self._handle(operation, token, request, body)
        except Refusal as refusal:
            answer = refusal.answer
        return _spoilt(kind, answer), headers

    def _handle(
        self, operation: Operation[object], token: str, request: Request, body: JsonObject | None
    ) -> Answer:
        body = body or {}
        date_format = operation.date_format and (self.settings.order_date_format or operation.date_format)
        validate(operation, body, date_format)
        visit = Visit(
            operation,
            self.state.accounts[token],
            self.state,
            self.settings,
            str(request.path_params.get("uuid", "")),
            body,
            request.query_params,
        )
        return HANDLERS[operation.name](visit)

    def _record(
        self,
        operation: Operation[object],
        request: Request,
        body: JsonObject | None,
        status: int | None,
        kind: FaultKind | None,
    ) -> None:
        query = f"?{request.url.query}" if request.url.query else ""
        self.requests.append(
            RecordedRequest(
                operation=operation.name,
                method=request.method,
                path=request.url.path + query,
                token=_token(request),
                body=body,
                status=status,
                fault=kind,
            )
        )

    def _drip(self, fault: Fault) -> Callable[[int], Awaitable[None]]:
        async def pause(pieces: int) -> None:
            await self.clock.sleep(fault.seconds / pieces)

        return pause

    async def _no_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = write_json({"message": "The route could not be found."})
        await _WireResponse(404, body, {"content-type": "application/json"})(scope, receive, send)


_HTML_KINDS = frozenset({FaultKind.HTML_502_BEFORE, FaultKind.HTML_502_AFTER})
_DROP_KINDS = frozenset({FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER})
_BEFORE_KINDS = frozenset(
    {FaultKind.ERROR_500_BEFORE, FaultKind.ERROR_510_BEFORE, FaultKind.HTML_502_BEFORE, FaultKind.DROP_BEFORE}
)


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _read_body(content: bytes) -> JsonObject | None:
    try:
        body = json.loads(content, parse_float=Decimal) if content else None
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _choose(rows: Sequence[Operation[object]], body: JsonObject | None) -> Operation[object]:
    """Return the row whose rules the body keeps; the first where none fits, so that it is told what is wrong."""
    fitting = (
        row for row in rows if len(rows) > 1 and row.rules is not None and not check(row.rules, body or {})
    )
    return next(fitting, rows[0])


def _spoilt(kind: FaultKind | None, answer: Answer) -> Answer:
    if kind in (FaultKind.ERROR_500_BEFORE, FaultKind.ERROR_500_AFTER):
        return _FAILED["500"]
    if kind in (FaultKind.ERROR_510_BEFORE, FaultKind.ERROR_510_AFTER):
        return _FAILED["510"]
    if kind is FaultKind.UNKNOWN_STATUS:
        return Answer(answer.status, {name: _renamed(name, value) for name, value in answer.body.items()})
    return answer


def _renamed(name: str, value: Json) -> Json:
    if name in ("status", "order_status", "refund_status"):
        return "ON_HOLD"
    if isinstance(value, dict):
        return {each: _renamed(each, inner) for each, inner in value.items()}
    return [_renamed("", inner) for inner in value] if isinstance(value, list) else value


class _WireResponse(Response):
    """Write an answer in chunks, as nginx does before Laravel, whole or spoilt."""

    def __init__(
        self,
        status: int,
        content: bytes,
        headers: dict[str, str],
        *,
        cut: bool = False,
        drip: Callable[[int], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__(content, status, headers)
        # Without a length the server has to write chunks.
        del self.headers["content-length"]
        self._cut = cut
        self._drip = drip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        content = bytes(self.body)
        if self._cut:
            await send(
                {"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True}
            )
            # Let what was written leave before the connection goes.
            await anyio.lowlevel.checkpoint()
            raise ConnectionDroppedError
        if self._drip is not None:
            for index in range(len(content)):
                await send(
                    {"type": "http.response.body", "body": content[index : index + 1], "more_body": True}
                )
                await self._drip(len(content))
            content = b""
        await send({"type": "http.response.body", "body": content})
