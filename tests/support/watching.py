"""What the tests of the watch hub share: a sandbox and a client in simulated time, and who waits there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpx
from attrs import Factory, define

from frontpay_async import FrontPayClient, FrontPayError, RateLimit
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support.sandboxes import BASE_URL, terminal_order
from tests.support.simulated_time import CLOCK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async.models.statuses import Status

__all__ = ["Slow", "Waiter", "World", "world"]


class Slow(httpx.AsyncBaseTransport):
    """Pass requests on, half of the latency before and half after; remembers each one's time and path."""

    def __init__(self, inner: httpx.AsyncBaseTransport, latency: float) -> None:
        self.inner = inner
        self.latency = latency
        self.sent: list[tuple[float, str]] = []
        self.statuses: list[int] = []
        self.ended: list[float] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((anyio.current_time(), request.url.path.partition("/connect/")[2]))
        try:
            await anyio.sleep(self.latency / 2)
            response = await self.inner.handle_async_request(request)
            self.statuses.append(response.status_code)
            await anyio.sleep(self.latency / 2)
        finally:
            self.ended.append(anyio.current_time())
        return response


@define(eq=False)
class Waiter:
    """Waits for one end, and remembers what came of it and when."""

    result: Status | None = None
    error: FrontPayError | None = None
    ended_at: float | None = None
    scope: anyio.CancelScope = Factory(anyio.CancelScope)

    async def wait(self, client: FrontPayClient, uuid: str, kind: str = "payment", **how: Any) -> None:
        how.setdefault("timeout", 300)
        with self.scope:
            try:
                self.result = await getattr(client.watch, kind)(uuid, **how)
            except FrontPayError as error:
                self.error = error
            self.ended_at = anyio.current_time()


@define(eq=False)
class World:
    """A sandbox, and a client of it."""

    sandbox: Sandbox
    client: FrontPayClient
    wire: Slow

    async def order(self) -> str:
        """Put an order on a terminal, past the client and the rate."""
        throttle = self.sandbox._api.throttle
        self.sandbox._api.throttle = None
        async with self.sandbox.client(rate_limit=RateLimit.unlimited()) as other:
            created = await other.terminals.create_order(terminal_order())
        self.sandbox._api.throttle = throttle
        return created.order_uuid

    def polls(self, since: float = 0.0) -> list[str]:
        return [path for at, path in self.wire.sent if at >= since]


@asynccontextmanager
async def world(latency: float = 0.1, **settings: Any) -> AsyncIterator[World]:
    of_client = {
        name: settings.pop(name)
        for name in ("retry", "timeouts", "on_attempt", "on_result", "telemetry", "token")
        if name in settings
    }
    if "client_rate_limit" in settings:
        of_client["rate_limit"] = settings.pop("client_rate_limit")
    of_wire = settings.pop("wire", Slow)
    settings = {"cardholder": Cardholder(after=None), **settings}
    sandbox = Sandbox(clock=CLOCK, **settings)
    wire = of_wire(sandbox.transport(), latency)
    token = of_client.pop("token", DEFAULT_TOKEN)
    async with FrontPayClient(token, base_url=BASE_URL, transport=wire, clock=CLOCK, **of_client) as client:
        yield World(sandbox, client, wire)
