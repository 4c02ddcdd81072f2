"""Callbacks received by Starlette or FastAPI: one route, which answers so that nothing is lost or done twice.

| what came | answer |
|---|---|
| a new callback, handled | 200 |
| a callback that was handled before | 200, and nothing is done |
| one that is being handled at this moment, or for which there is no room | 503 with ``Retry-After`` |
| a wrong checksum or token | 403 |
| anything else, such as a callback that is too old | 400 |
| the handler raised, or the request was cancelled | 500, or what the app makes of it; it is as new again |

No answer repeats anything of the request. Needs ``starlette``, which this package does not install by itself.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio

try:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
except ModuleNotFoundError as error:
    needs = "frontpay_async.callbacks.starlette needs the extra: pip install 'frontpay_async[starlette]'"
    raise ModuleNotFoundError(needs, name=error.name) from error

from frontpay_async.errors import CallbackError, InvalidChecksumError, ReplayedCallbackError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from frontpay_async.callbacks import Callback, CallbackGuard

__all__ = ["callback_route"]

_RETRY_AFTER = 5
_STORE_PATIENCE = 5


def callback_route(
    guard: CallbackGuard, handler: Callable[[Callback], object], *, path: str = "/frontpay/callback"
) -> Route:
    """Return a route that checks callbacks and hands each of them to a handler once.

    Args:
        guard: What lets callbacks through.
        handler: Called with the callback; it may be asynchronous. When it raises, the callback is not done,
            and is accepted when it comes again.
        path: The path of the route.
    """

    async def endpoint(request: Request) -> Response:
        # Not request.query_params: what came twice, and the order, are to be seen as they are.
        query: bytes = request.scope["query_string"]
        try:
            acceptance = await guard.claim(query)
        except CallbackError as error:
            return _answer(error)
        try:
            result = handler(acceptance.callback)
            if isawaitable(result):
                await result
        except BaseException:
            # A cancelled request, too, has not handled it: it must be as new again.
            await _settle(acceptance.release)
            raise
        await _settle(acceptance.commit)
        return _plain("ok", 200)

    route = Route(path, endpoint, methods=["GET"])
    # Starlette adds HEAD, and a HEAD must not use a callback up.
    route.methods = {"GET"}
    return route


async def _settle(step: Callable[[], Awaitable[None]]) -> None:
    """Tell the store, even where the request is being cancelled: a mark stands until its time is over."""
    with anyio.fail_after(_STORE_PATIENCE, shield=True):
        await step()


def _answer(error: CallbackError) -> Response:
    if error.is_retryable:
        return _plain("try again later", 503, {"Retry-After": str(_RETRY_AFTER)})
    if isinstance(error, ReplayedCallbackError):
        return _plain("ok", 200)
    if isinstance(error, InvalidChecksumError):
        return _plain("not authentic", 403)
    return _plain("not acceptable", 400)


def _plain(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text, status, {"Cache-Control": "no-store", **(headers or {})})
