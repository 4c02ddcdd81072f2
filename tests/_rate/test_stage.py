"""The rate stage in the whole client, against the sandbox's throttle."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest

from frontpay_async import (
    Clock,
    Priority,
    RateBudgetExceededError,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
    Timeouts,
)
from tests.support.rated import LIMIT, WINDOW, Api, ask
from tests.support.virtual_time import settle

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration


def test_three_windows_are_used_up_without_a_429(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client(priority=Priority.BATCH) as client, anyio.create_task_group() as tasks:
            for _ in range(3 * LIMIT):
                tasks.start_soon(ask, client)
            await api.time.advance(3 * WINDOW - 0.1)
            assert api.statuses == [404] * (3 * LIMIT)

    run(scenario)


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
