"""The rate stage in the whole client, against the sandbox's throttle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import httpx
import pytest

from frontpay_async import (
    FrontPayClient,
    NotFoundError,
    Priority,
    RateBudgetExceededError,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    Timeouts,
)
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.virtual_time import VirtualTime

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT, WINDOW = 12, 60.0


class Api:
    """A client and a sandbox in one virtual time."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.clock = self.time.clock()
        self.sandbox = Sandbox(rate_limit=LIMIT, rate_window=WINDOW, clock=self.clock)
        self.statuses: list[int] = []

    def client(self, token: str = DEFAULT_TOKEN, **settings: object) -> FrontPayClient:
        inner = self.sandbox.transport()
        statuses = self.statuses

        class Counting(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await inner.handle_async_request(request)
                statuses.append(response.status_code)
                return response

        settings.setdefault("rate_limit", RateLimit(requests=LIMIT, window=WINDOW))
        return FrontPayClient(
            token,
            base_url="http://localhost/api/v1/connect",
            transport=Counting(),
            clock=self.clock,
            **settings,  # type: ignore[arg-type]
        )


async def ask(client: FrontPayClient) -> None:
    with pytest.raises(NotFoundError):
        await client.orders.get_status("ODR1")


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    return lambda scenario: anyio.run(scenario, backend=request.param)


def test_three_windows_are_used_up_without_a_429(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client(priority=Priority.BATCH) as client, anyio.create_task_group() as tasks:
            for _ in range(3 * LIMIT):
                tasks.start_soon(ask, client)
            await api.time.advance(3 * WINDOW - 0.1)
            assert api.statuses == [404] * (3 * LIMIT)

    run(scenario)


def test_clients_of_one_token_share_a_governor() -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client() as one, api.client() as two, api.client("another") as other:
            await ask(one)
            await ask(two.with_options(priority=Priority.INTERACTIVE))
            assert one.rate.statistics() == two.rate.statistics()
            assert one.rate.statistics().used == 2
            assert other.rate.statistics().used == 0

    anyio.run(scenario)


def test_a_429_is_waited_for_by_the_governor_alone(run: Callable[..., None]) -> None:
    """Somebody else has used the token up: everybody gets through all the same, and few 429s are drawn."""

    async def scenario() -> None:
        api = Api()
        async with api.client(rate_limit=RateLimit.unlimited()) as stranger:
            for _ in range(LIMIT):
                await ask(stranger)
        await api.time.advance(10)
        api.statuses.clear()
        async with api.client() as client, anyio.create_task_group() as tasks:
            for _ in range(LIMIT):
                tasks.start_soon(ask, client)
            await api.time.advance(49)
            assert set(api.statuses) == {429}
            refused = len(api.statuses)
            assert refused <= 9
            await api.time.advance(2 * WINDOW)
            assert api.statuses[refused:] == [404] * LIMIT

    run(scenario)


def test_a_web_backend_learns_at_once_that_it_is_too_late(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client(timeouts=Timeouts(total=5.0)) as client:
            for _ in range(LIMIT):
                await ask(client)
            with pytest.raises(RateBudgetExceededError) as caught:
                await client.orders.get_status("ODR1")
            assert caught.value.retry_after == pytest.approx(WINDOW, abs=1)
            assert api.time.sleeps == 0
            assert len(api.statuses) == LIMIT

    run(scenario)


def test_without_a_limit_a_429_is_the_callers() -> None:
    async def scenario() -> None:
        api = Api()
        settings = {"rate_limit": RateLimit.unlimited(), "retry": RetryPolicy(attempts=1)}
        async with api.client(**settings) as client:
            assert client.rate.statistics() is None
            assert client.rate.estimate(1000) == 0
            for _ in range(LIMIT):
                await ask(client)
            with pytest.raises(RateLimitedError):
                await client.orders.get_status("ODR1")

    anyio.run(scenario)


def test_a_call_that_is_given_up_gives_its_place_back(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client() as client:
            for _ in range(LIMIT):
                await ask(client)
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(ask, client)
                await anyio.wait_all_tasks_blocked()
                assert client.rate.statistics().waiting[Priority.NORMAL] == 50
                assert client.rate.estimate(1) > WINDOW
                tasks.cancel_scope.cancel()
            assert sum(client.rate.statistics().waiting.values()) == 0
            await api.time.advance(WINDOW + 1)
            await ask(client)

    run(scenario)
