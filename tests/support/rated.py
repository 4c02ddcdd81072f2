"""A client and a sandbox with a rate limit, in one virtual time."""

from __future__ import annotations

import httpx
import pytest

from frontpay_async import (
    FrontPayClient,
    NotFoundError,
    RateLimit,
)
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.virtual_time import VirtualTime

__all__ = ["LIMIT", "WINDOW", "Api", "ask"]

LIMIT, WINDOW = 12, 60.0


class Api:
    """A client and a sandbox in one virtual time."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.clock = self.time.clock()
        self.sandbox = Sandbox(rate_limit=LIMIT, rate_window=WINDOW, clock=self.clock)
        self.statuses: list[int] = []
        # What replaces the answers' headers; and the headers of the 429 that the next request gets.
        self.headers: dict[str, str] | None = None
        self.refuse_next: dict[str, str] | None = None
        # How many requests get through before nothing listens any more.
        self.reachable_for = 1_000_000

    def client(self, token: object = DEFAULT_TOKEN, **settings: object) -> FrontPayClient:
        inner = self.sandbox.transport()
        statuses, api = self.statuses, self

        class Counting(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if len(statuses) >= api.reachable_for:
                    raise httpx.ConnectError("refused")
                if api.refuse_next is not None:
                    response = httpx.Response(429, headers=api.refuse_next)
                    api.refuse_next = None
                else:
                    response = await inner.handle_async_request(request)
                if api.headers is not None:
                    response.headers = httpx.Headers(api.headers)
                statuses.append(response.status_code)
                return response

        settings.setdefault("rate_limit", RateLimit(requests=LIMIT, window=WINDOW))
        return FrontPayClient(
            token,  # type: ignore[arg-type]
            base_url="http://localhost/api/v1/connect",
            transport=Counting(),
            clock=self.clock,
            **settings,  # type: ignore[arg-type]
        )


async def ask(client: FrontPayClient) -> None:
    with pytest.raises(NotFoundError):
        await client.orders.get_status("ODR1")
