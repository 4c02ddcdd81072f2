"""Callbacks received by aiohttp.web; ``answer_callback`` has the responses.

Needs ``aiohttp``, which is installed by the extra of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from aiohttp import web
except ModuleNotFoundError as error:
    needs = "frontpay_async.callbacks.aiohttp needs the extra: pip install 'frontpay_async[aiohttp]'"
    raise ModuleNotFoundError(needs, name=error.name) from error

from frontpay_async.callbacks.answer import answer_callback, check_route

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.callbacks import Callback, CallbackGuard


def callback_route(
    guard: CallbackGuard, handler: Callable[[Callback], object], *, path: str = "/frontpay/callback"
) -> web.RouteDef:
    """Return a route, for ``app.add_routes``, that checks callbacks and hands each of them to a handler once.

    Args:
        guard: The check.
        handler: Called with the callback; it may be asynchronous. If it raises, the callback is released
            and can be handled again.
        path: The path of the route, with its leading slash.

    Raises:
        ConfigurationError: An argument is of another type, or the path has no leading slash.
    """
    check_route(guard, handler, path, start="/")

    async def endpoint(request: web.Request) -> web.Response:
        # Not request.query, which does not preserve repeated parameters and their order.
        query = request.raw_path.partition("?")[2].encode(errors="surrogateescape")
        answer = await answer_callback(guard, query, handler)
        return web.Response(text=answer.text, status=answer.status, headers=answer.headers)

    # A HEAD must not consume a callback.
    return web.get(path, endpoint, allow_head=False)
