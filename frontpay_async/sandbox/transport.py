"""The sandbox as an httpx transport: the complete client runs without a socket."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
import httpx

from frontpay_async.sandbox.response_faults import ConnectionDroppedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SandboxTransport(httpx.AsyncBaseTransport):
    """A transport that calls the sandbox's app directly.

    Of the timeouts only ``read`` has a meaning here: between two pieces of the answer.

    Args:
        app: The sandbox's app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        read_timeout: float | None = request.extensions.get("timeout", {}).get("read")
        patience = math.inf if read_timeout is None else read_timeout
        with anyio.CancelScope(deadline=anyio.current_time() + patience) as scope:

            async def app(asgi_scope: Scope, receive: Receive, send: Send) -> None:
                async def send_piece(message: Message) -> None:
                    scope.deadline = anyio.current_time() + patience
                    await send(message)

                await self._app(asgi_scope, receive, send_piece)

            try:
                return await httpx.ASGITransport(app).handle_async_request(request)
            except ConnectionDroppedError:
                raise httpx.RemoteProtocolError(
                    "the sandbox dropped the connection", request=request
                ) from None
        raise httpx.ReadTimeout("the sandbox did not respond in time", request=request)
