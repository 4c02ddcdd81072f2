"""The contenders of the rate benchmark, each behind one shape: call the server, whatever it takes.

Ours is the client as it comes. A peer is a limiter in front of a bare httpx call, and obeys Retry-After when
it is refused, then asks its limiter again. In several processes without a common store, a peer gets its
share of the budget, limit / processes, since it cannot know of the others; ours is not told of them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

import httpx
from attrs import field, frozen

from benchmarks.common.payloads import BASE_PATH

Acquire: TypeAlias = Callable[[], Awaitable[object]]
Call: TypeAlias = Callable[[str, bool], Awaitable[None]]
"""Make a call for an order's id; the flag says whether somebody waits for it."""


@frozen(kw_only=True)
class Terms:
    """What a contender is told: the budget, its share of the processes, and where everything is."""

    origin: str = ""
    token: str = ""
    limit: int = 240
    window: float = 60.0
    processes: int = 1
    redis: str | None = None

    @property
    def share(self) -> int:
        """The requests of one process, where nobody keeps common books."""
        return self.limit // self.processes


async def _none(_: Terms) -> Acquire:
    async def acquire() -> None:
        pass

    return acquire


async def _aiolimiter(terms: Terms) -> Acquire:
    from aiolimiter import AsyncLimiter  # noqa: PLC0415 - a contender imports what it measures

    return AsyncLimiter(terms.share, terms.window).acquire


async def _aiolimiter_paced(terms: Terms) -> Acquire:
    from aiolimiter import AsyncLimiter  # noqa: PLC0415

    return AsyncLimiter(1, terms.window / terms.share).acquire


async def _pyrate(terms: Terms) -> Acquire:
    from pyrate_limiter import InMemoryBucket, Limiter, Rate  # noqa: PLC0415

    limiter = Limiter(InMemoryBucket([Rate(terms.share, round(terms.window * 1000))]))
    return lambda: limiter.try_acquire_async("api")


async def _pyrate_redis(terms: Terms) -> Acquire:
    from pyrate_limiter import Limiter, Rate, RedisBucket  # noqa: PLC0415
    from redis.asyncio import Redis  # noqa: PLC0415

    rates = [Rate(terms.limit, round(terms.window * 1000))]
    bucket: Any = RedisBucket.init(rates, Redis.from_url(str(terms.redis)), f"pyrate:{terms.token}")
    limiter = Limiter(await bucket)
    return lambda: limiter.try_acquire_async("api")


def _limits(strategy: str, *, shared: bool = False) -> Callable[[Terms], Awaitable[Acquire]]:
    async def build(terms: Terms) -> Acquire:
        from limits import RateLimitItemPerSecond  # noqa: PLC0415
        from limits.aio import storage, strategies  # noqa: PLC0415

        store: Any = (
            storage.RedisStorage(f"async+{terms.redis}", implementation="redispy")
            if shared
            else storage.MemoryStorage()
        )
        limiter = getattr(strategies, strategy)(store)
        item = RateLimitItemPerSecond(terms.limit if shared else terms.share, round(terms.window))

        async def acquire() -> None:
            # It has no wait of its own: the stats tell when there is room again.
            while not await limiter.hit(item, terms.token):
                stats = await limiter.get_window_stats(item, terms.token)
                await asyncio.sleep(max(0.001, stats.reset_time - time.time()))

        return acquire

    return build


def _behind(build: Callable[[Terms], Awaitable[Acquire]]) -> Callable[[Terms], Awaitable[Call]]:
    async def opened(terms: Terms) -> Call:
        acquire = await build(terms)
        client = httpx.AsyncClient(
            base_url=terms.origin + BASE_PATH,
            headers={"Authorization": f"Bearer {terms.token}"},
            timeout=600.0,
            trust_env=False,
        )

        async def call(order: str, interactive: bool) -> None:  # noqa: ARG001, FBT001 - no peer has ranks
            while True:
                await acquire()
                answer = await client.get(f"/orders/status/{order}")
                if answer.status_code != 429:
                    answer.raise_for_status()
                    answer.json()
                    return
                await asyncio.sleep(float(answer.headers["retry-after"]))

        return call

    return opened


def _ours(*, shared: bool) -> Callable[[Terms], Awaitable[Call]]:
    async def opened(terms: Terms) -> Call:
        from frontpay_async import FrontPayClient, Priority, RateLimit  # noqa: PLC0415

        client = FrontPayClient(
            terms.token,
            base_url=terms.origin + BASE_PATH,
            rate_limit=RateLimit(
                requests=terms.limit, window=terms.window, redis=terms.redis if shared else None
            ),
            trust_env=False,
        )
        batch = client.with_options(priority=Priority.BATCH)
        till = client.with_options(priority=Priority.INTERACTIVE)

        async def call(order: str, interactive: bool) -> None:  # noqa: FBT001
            await (till if interactive else batch).orders.get_status(order)

        return call

    return opened


@frozen
class Contender:
    """One row of the table."""

    name: str
    label: str
    settings: str
    open: Callable[[Terms], Awaitable[Call]] = field(repr=False)
    limiter: Callable[[Terms], Awaitable[Acquire]] | None = field(default=None, repr=False)
    """The bare limiter, for the cost of an acquire; None for ours, and where it would cost a round trip."""
    distributions: tuple[str, ...] = ()

    @property
    def redis(self) -> bool:
        """Whether it needs a Redis."""
        return self.name.endswith("-redis")


def _peer(
    name: str, label: str, settings: str, build: Callable[[Terms], Awaitable[Acquire]], *needs: str
) -> Contender:
    costs = None if name.endswith("-redis") or name == "none" else build
    return Contender(name, label, settings, _behind(build), costs, needs)


CONTENDERS: Final = (
    Contender("frontpay", "frontpay_async", "`RateLimit`, told of no other process", _ours(shared=False)),
    Contender(
        "frontpay-redis",
        "frontpay_async, Redis",
        "`RateLimit(redis=…)`",
        _ours(shared=True),
        None,
        ("redis",),
    ),
    _peer(
        "limits-fixed",
        "limits, fixed window",
        "`MemoryStorage`; its share in each process; sleeps until `reset_time`",
        _limits("FixedWindowRateLimiter"),
        "limits",
    ),
    _peer(
        "limits-moving",
        "limits, moving window",
        "the same with its other strategy",
        _limits("MovingWindowRateLimiter"),
        "limits",
    ),
    _peer(
        "limits-moving-redis",
        "limits, moving window, Redis",
        "`RedisStorage` on redis-py",
        _limits("MovingWindowRateLimiter", shared=True),
        "limits",
        "redis",
    ),
    _peer(
        "pyrate",
        "pyrate-limiter",
        "`InMemoryBucket`, its share in each process",
        _pyrate,
        "pyrate-limiter",
    ),
    _peer(
        "pyrate-redis",
        "pyrate-limiter, Redis",
        "`RedisBucket` on asyncio's redis-py",
        _pyrate_redis,
        "pyrate-limiter",
        "redis",
    ),
    _peer(
        "aiolimiter",
        "aiolimiter",
        "`AsyncLimiter(limit, window)`, its share in each process",
        _aiolimiter,
        "aiolimiter",
    ),
    _peer(
        "aiolimiter-paced",
        "aiolimiter, no burst",
        "`AsyncLimiter(1, window / limit)`, its share in each process",
        _aiolimiter_paced,
        "aiolimiter",
    ),
    _peer("none", "no limiter", "obeys Retry-After, call by call", _none),
)


def contender(name: str) -> Contender:
    """Return the contender of this name."""
    return next(each for each in CONTENDERS if each.name == name)
