"""The rate stage in the whole client, against the sandbox's throttle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define

from frontpay_async import (
    Clock,
    FrontPayClient,
    NotFoundError,
    NotSentError,
    Priority,
    RateBudgetExceededError,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    Timeouts,
)
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.virtual_time import VirtualTime, settle

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


@pytest.mark.parametrize(("gives", "used"), [(["wrong"], 1), ([], 0)], ids=["refused", "never sent"])
def test_a_failing_token_callable_costs_what_was_sent_before(
    run: Callable[..., None], gives: list[str], used: int
) -> None:
    """A refused token was counted by the API, whatever becomes of its successor."""
    tokens = iter(gives)

    async def token() -> str:
        await anyio.lowlevel.checkpoint()
        for each in tokens:
            return each
        raise OSError("the vault is down")

    async def scenario() -> None:
        api = Api()
        async with api.client(token, retry=RetryPolicy(attempts=1)) as client:
            with pytest.raises(NotSentError, match="OSError"):
                await client.orders.get_status("ODR1")
            assert len(api.statuses) == used
            assert client.rate.statistics().used == used

    run(scenario)


def test_a_renewed_token_that_is_not_sent_costs_nothing_more(run: Callable[..., None]) -> None:
    tokens = iter(["wrong", DEFAULT_TOKEN])

    async def token() -> str:
        await anyio.lowlevel.checkpoint()
        return next(tokens)

    async def scenario() -> None:
        api = Api()
        api.reachable_for = 1
        async with api.client(token, retry=RetryPolicy(attempts=1)) as client:
            with pytest.raises(NotSentError):
                await client.orders.get_status("ODR1")
            assert api.statuses == [401]
            assert client.rate.statistics().used == 1

    run(scenario)


def test_who_gives_up_while_a_refused_token_is_renewed_has_spent_a_request(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        tokens = iter(["wrong"])

        async def token() -> str:
            for each in tokens:
                return each
            await anyio.sleep_forever()
            raise AssertionError

        async with api.client(token) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.orders.get_status, "ODR1")
                await settle()
                tasks.cancel_scope.cancel()
            assert api.statuses == [401]
            assert client.rate.statistics().used == 1

    run(scenario)


def test_clients_of_one_token_callable_share_a_governor_however_it_compares() -> None:
    """Even one that has no hash."""

    @define
    class Vault:
        name: str

        async def __call__(self) -> str:
            return DEFAULT_TOKEN

    async def scenario() -> None:
        api, vault = Api(), Vault("a")
        async with api.client(vault) as one, api.client(vault) as two, api.client(Vault("a")) as other:
            await ask(one)
            assert two.rate.statistics().used == 1
            assert other.rate.statistics().used == 0

    anyio.run(scenario)


def test_a_closed_client_holds_no_governor() -> None:
    """Not even one that is looked at: the last client of a token closes what they shared."""

    async def scenario() -> None:
        api = Api()
        async with api.client() as one:
            async with api.client() as two:
                await ask(two)
                await ask(one)
            assert two.rate.statistics() is None
            governor = one._session.rate._find()
            assert governor is not None
            assert governor.users == 1
        assert governor.users == 0

    anyio.run(scenario)


def test_the_system_clock_may_jump(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the clock that never jumps decides; in the middle of a window the other goes back a year."""
    assert Clock().now is time.monotonic

    async def scenario() -> None:
        api = Api()
        async with api.client(priority=Priority.BATCH) as client, anyio.create_task_group() as tasks:
            for _ in range(2 * LIMIT):
                tasks.start_soon(ask, client)
            for jump in (-365 * 86400.0, 365 * 86400.0, 0.0):
                monkeypatch.setattr(time, "time", lambda jump=jump: jump + 1.8e9)
                await api.time.advance(0.7 * WINDOW)
            assert api.statuses == [404] * (2 * LIMIT)

    run(scenario)


def test_a_host_that_was_suspended_goes_on_with_a_new_window(run: Callable[..., None]) -> None:
    """Ten minutes pass at once: whoever waited is served, and nobody draws a 429."""

    async def scenario() -> None:
        api = Api()
        async with api.client() as client, anyio.create_task_group() as tasks:
            for _ in range(2 * LIMIT):
                tasks.start_soon(ask, client)
            await settle()
            api.time.time += 600.0
            await api.time.advance(WINDOW)
            assert api.statuses == [404] * (2 * LIMIT)

    run(scenario)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-ratelimit-limit": "-12", "x-ratelimit-remaining": "-1"},
        {"x-ratelimit-limit": "many", "x-ratelimit-remaining": "few"},
        {"x-ratelimit-limit": "9" * 400, "x-ratelimit-remaining": "9" * 400},
    ],
    ids=["none", "negative", "text", "huge"],
)
def test_a_server_that_tells_nothing_of_use_is_held_to_the_setting(
    run: Callable[..., None], headers: dict[str, str]
) -> None:
    async def scenario() -> None:
        api = Api()
        api.headers = headers
        async with api.client() as client, anyio.create_task_group() as tasks:
            for _ in range(2 * LIMIT):
                tasks.start_soon(ask, client)
            await settle()
            assert LIMIT // 2 < len(api.statuses) <= LIMIT
            await api.time.advance(3 * WINDOW)
            assert api.statuses == [404] * (2 * LIMIT)

    run(scenario)


@pytest.mark.parametrize(
    ("retry_after", "most"),
    [
        (None, WINDOW),
        ("20", 21.0),
        ("1000000000", WINDOW),
        ("Fri, 05 Jun 2026 10:00:30 GMT", 31.0),
    ],
    ids=["none", "seconds", "10^9", "date"],
)
def test_a_429_is_never_waited_for_longer_than_a_window(
    run: Callable[..., None], retry_after: str | None, most: float
) -> None:
    async def scenario() -> None:
        api = Api()
        api.refuse_next = {"date": "Fri, 05 Jun 2026 10:00:00 GMT"}
        if retry_after is not None:
            api.refuse_next["retry-after"] = retry_after
        async with api.client() as client, anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask, client)
            await api.time.advance(most * 0.9)
            assert set(api.statuses[1:]) <= {404}
            refused = api.statuses.count(429)
            await api.time.advance(most * 0.1 + 1)
            assert (refused, api.statuses.count(404)) == (1, 3)

    run(scenario)


def test_a_call_that_is_given_up_gives_its_place_back(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client() as client:
            for _ in range(LIMIT):
                await ask(client)
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(ask, client)
                await settle()
                assert client.rate.statistics().waiting[Priority.NORMAL] == 50
                assert client.rate.estimate(1) > WINDOW
                tasks.cancel_scope.cancel()
            assert sum(client.rate.statistics().waiting.values()) == 0
            await api.time.advance(WINDOW + 1)
            await ask(client)

    run(scenario)
