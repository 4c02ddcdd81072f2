"""Callbacks received by Starlette or FastAPI; ``answer_callback`` has the responses.

Needs ``starlette``, which FastAPI or the extra ``starlette`` installs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
except ModuleNotFoundError as error:
    needs = "frontpay_async.callbacks.starlette needs the extra: pip install 'frontpay_async[starlette]'"
    raise ModuleNotFoundError(needs, name=error.name) from error

from frontpay_async.callbacks.answer import answer_callback, check_route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from frontpay_async.callbacks import Callback, CallbackGuard

__all__ = ["callback_route"]


def callback_route(
    guard: CallbackGuard, handler: Callable[[Callback], object], *, path: str = "/frontpay/callback"
) -> Route:
    """Return a route that checks callbacks and hands each of them to a handler once.

    Args:
        guard: The check.
        handler: Called with the callback; it may be asynchronous. If it raises, the callback is released
            and can be handled again.
        path: The path of the route, with its leading slash.

    Raises:
        ConfigurationError: An argument is of another type, or the path has no leading slash.
    """
    check_route(guard, handler, path, start="/")

    async def endpoint(request: Request) -> Response:
        # Not request.query_params, which does not preserve repeated parameters and their order.
        query: bytes = request.scope["query_string"]
        answer = await answer_callback(guard, query, handler)
        return PlainTextResponse(answer.text, answer.status, dict(answer.headers))

    route = Route(path, endpoint, methods=["GET"])
    # Starlette adds HEAD, which must not consume a callback.
    route.methods = {"GET"}
    return route
