"""The sandbox as an httpx transport: the whole client runs, and no socket is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from frontpay_async.sandbox.app import ConnectionDroppedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["SandboxTransport"]


class SandboxTransport(httpx.AsyncBaseTransport):
    """Send requests straight into the sandbox's app.

    Args:
        app: The sandbox's app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._inner = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request.

        Raises:
            httpx.RemoteProtocolError: The sandbox dropped the connection.
        """
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionDroppedError:
            raise httpx.RemoteProtocolError("the sandbox dropped the connection", request=request) from None
