"""The ASGI app: routes from the operation table, and the steps between a request and its handler.

The steps are, in this order: throttle, token, route, faults, rules, handler. "Before" faults prevent the
handler from running; "after" faults let it run and then damage the response.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from decimal import localcontext
from functools import cache, partial
from posixpath import normpath
from typing import TYPE_CHECKING

from attrs import define, field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from frontpay_async._protocol.operations import OPERATIONS, RESOURCES
from frontpay_async._protocol.rules import check
from frontpay_async.models._fields import EXACT
from frontpay_async.sandbox.faults import FaultKind, Strike
from frontpay_async.sandbox.handlers import handler_of
from frontpay_async.sandbox.handlers.context import RequestContext
from frontpay_async.sandbox.inspect.feed import RecordedRequest
from frontpay_async.sandbox.response_faults import ConnectionDroppedError, WireResponse, read_json, spoilt
from frontpay_async.sandbox.responses import Answer, Refusal, bare, write
from frontpay_async.sandbox.validation import validate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from frontpay_async._exact_json import JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._transport.clock import Clock
    from frontpay_async.sandbox.faults import Faults
    from frontpay_async.sandbox.inspect.feed import Feed
    from frontpay_async.sandbox.settings import SandboxSettings
    from frontpay_async.sandbox.state import SandboxState
    from frontpay_async.sandbox.throttle import Throttle

BASE_PATH = "/api/v1/connect"
# The scope's member with the sandbox's Api, by which the shared routes find it.
_API = "frontpay_async.sandbox.api"
# All methods, so that a wrong one gets the API's 405 and not Starlette's.
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")

# The rows of the others, and their models, are loaded when a request has none of the usual paths, which no
# other resource has.
_USUAL, _OTHERS = RESOURCES[:2], RESOURCES[2:]

# The headers of every response, as observed from nginx and Laravel.
_HEADERS = {
    "server": "nginx/1.24.0 (Ubuntu)",
    "cache-control": "no-cache, private",
    "access-control-allow-origin": "*",
}
# nginx's default.
_LARGEST_BODY = 1024 * 1024
_TOO_LARGE = "<html><head><title>413 Request Entity Too Large</title></head></html>"


@define(eq=False)
class Api:
    """The simulated API as an ASGI app.

    Args:
        settings: The settings of the operations.
        state: The state.
        throttle: Counts requests; None for no limit.
        faults: The active faults.
        clock: Time.
        feed: Receives every request.
        requests: The newest requests; limited by its ``maxlen``.
    """

    settings: SandboxSettings
    state: SandboxState
    throttle: Throttle | None
    faults: Faults
    clock: Clock
    feed: Feed
    requests: deque[RecordedRequest]
    request_count: int = field(init=False, default=0)

    def app(self, otherwise: ASGIApp) -> ASGIApp:
        """Return the ASGI app of all operations; the other one gets requests with other paths."""
        router = Router(_routes(_USUAL), redirect_slashes=False)

        @cache
        def others() -> Router:
            router = Router(_routes(_OTHERS), redirect_slashes=False)
            router.default = otherwise
            return router

        async def load_others(scope: Scope, receive: Receive, send: Send) -> None:
            await others()(scope, receive, send)

        router.default = load_others

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope[_API] = self
            await router(scope, receive, send)

        return app

    async def no_route(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to paths without an operation (an ASGI app)."""
        response = await self.respond(Request(scope, receive), {})
        await response(scope, receive, send)

    async def respond(self, request: Request, rows: Mapping[str, Sequence[Operation[object]]]) -> Response:
        """Respond to a request, given the rows of its path by method."""
        content = await _read(request)
        if content is None:
            return Response(_TOO_LARGE, 413, _HEADERS, "text/html")
        body = read_json(content)
        operation = _choose(rows.get(request.method, ()), body)
        headers, answer = self._admit(request, operation, allowed=rows.keys())
        strike = Strike()
        if answer is None and operation is not None:
            strike = self.faults.strike(operation.name)
            if strike.kind is None or not strike.kind.prevents:
                answer = self._handle(operation, request, body or {})
            answer = spoilt(strike.kind, operation, answer)
        self._record(operation, request, body, answer, strike)
        return await self._send(request, answer, headers, strike)

    def _admit(
        self, request: Request, operation: Operation[object] | None, *, allowed: Collection[str]
    ) -> tuple[dict[str, str], Answer | None]:
        """Return the throttle's headers, and the response if the request is rejected here."""
        headers: dict[str, str] = {}
        token = _token(request)
        if self.throttle is not None:
            verdict = self.throttle.hit(token, self.clock.now())
            headers = verdict.headers(self.state.wall())
            if verdict.wait is not None:
                return headers, bare(429, "Too Many Attempts.")
        if token not in self.settings.tokens:
            return headers, bare(401, "Unauthenticated.")
        if operation is None and allowed:
            return headers, bare(
                405, "The method is not supported for this route.", {"allow": ", ".join(allowed)}
            )
        return headers, None if operation else bare(404, "The route could not be found.")

    def _handle(self, operation: Operation[object], request: Request, body: JsonObject) -> Answer:
        self.state.catch_up()
        context = RequestContext(
            operation,
            self.state.accounts[_token(request)],
            self.state,
            self.settings,
            str(request.path_params.get("uuid", "")),
            body,
            request.query_params,
            tuple(filter(None, str(request.path_params.get("steps", "")).split("/"))),
            str(request.base_url),
        )
        try:
            validate(operation, body, self.settings.order_date_format)
            # The host's decimal context may have any precision.
            with localcontext(EXACT):
                return handler_of(operation)(context)
        except Refusal as refusal:
            return refusal.answer

    def _record(
        self,
        operation: Operation[object] | None,
        request: Request,
        body: JsonObject | None,
        answer: Answer | None,
        strike: Strike,
    ) -> None:
        query = f"?{request.url.query}" if request.url.query else ""
        recorded = RecordedRequest(
            operation=operation.name if operation else None,
            method=request.method,
            path=request.url.path + query,
            token=_token(request),
            body=body,
            status=answer.status if answer else None,
            fault=strike.kind,
        )
        self.requests.append(recorded)
        self.request_count += 1
        self.feed.note_exchange(self.state.wall(), recorded, answer)

    async def _send(
        self, request: Request, answer: Answer | None, headers: Mapping[str, str], strike: Strike
    ) -> Response:
        if strike.latency:
            await self.clock.sleep(strike.latency)
        if answer is None:
            raise ConnectionDroppedError
        if self.throttle is not None and self.throttle.when_written and "retry-after" not in headers:
            headers = self.throttle.shown(_token(request), self.clock.now()).headers(self.state.wall())
        content, content_type = write(answer)
        return WireResponse(
            answer.status,
            content,
            {**_HEADERS, **headers, **answer.headers, "content-type": content_type},
            is_cut=strike.kind is FaultKind.CUT_BODY,
            pause=partial(self.clock.sleep, strike.drip / len(content)) if strike.drip else None,
        )


@cache
def _routes(resources: tuple[str, ...]) -> tuple[Route, ...]:
    """Derive the routes of resources from the operation table; rows that share a path share a route."""
    # All sandboxes of a process share them, because compiling them takes longer than a call.
    by_path: dict[str, dict[str, list[Operation[object]]]] = defaultdict(lambda: defaultdict(list))
    for operation in (row for resource in resources for row in OPERATIONS.of(resource).values()):
        paths = [_route(path) for path in (operation.path, operation.other_path) if path is not None]
        if operation.steps:
            paths += [f"{path}/{{steps:path}}" for path in paths]
        for method in filter(None, (operation.method, operation.other_method)):
            for each in paths:
                by_path[each][method].append(operation)
    return tuple(Route(path, _endpoint(rows), methods=_METHODS) for path, rows in by_path.items())


def _endpoint(rows: Mapping[str, Sequence[Operation[object]]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        api: Api = request.scope[_API]
        return await api.respond(request, rows)

    return endpoint


def _route(path: str) -> str:
    """Return the route of a row's path; rows may name the id differently and still share one."""
    path = f"{BASE_PATH}/" + re.sub(r"{\w+}", "{uuid}", path)
    # Two slashes in a row are a path of their own.
    return normpath(path) if ".." in path else path


async def _read(request: Request) -> bytes | None:
    """Return the body; None if it exceeds nginx's limit."""
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > _LARGEST_BODY:
            return None
    return bytes(content)


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _choose(rows: Sequence[Operation[object]], body: JsonObject | None) -> Operation[object] | None:
    """Return the row whose rules the body satisfies, or the first row, whose violations are reported."""
    if len(rows) > 1:
        for row in rows:
            if row.rules is not None and not check(row.rules, body or {}):
                return row
    return rows[0] if rows else None
