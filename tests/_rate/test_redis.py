"""Several governors on one token, together on a real Redis, in a virtual time that Redis is told."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from attrs import Factory, define

from frontpay_async import Clock, ConfigurationError, FrontPayClient, NotFoundError, Priority, RateLimit
from frontpay_async._protocol.messages import HttpRequest
from frontpay_async._protocol.operations import GET_ORDER_STATUS
from frontpay_async._rate.governor import Governor
from frontpay_async._rate.ledger import Ledger
from frontpay_async._rate.rate_headers import Quota
from frontpay_async._transport.call import Call, CallOptions
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.redis_server import RedisServer
from tests.support.virtual_time import VirtualTime, settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


pytest.importorskip("redis")
from redis import Redis

from frontpay_async._rate.redis import RedisLedger

pytestmark = pytest.mark.integration


LIMIT, WINDOW = 60, 60.0


@define(eq=False)
class Town:
    """Clients, each as if in a process of its own, a sandbox, and a Redis, all in one virtual time."""

    redis: RedisServer
    time: VirtualTime = Factory(lambda self: VirtualTime(settle=self.settle), takes_self=True)
    sandbox: Sandbox = Factory(
        lambda self: Sandbox(rate_limit=LIMIT, rate_window=WINDOW, clock=self.time.clock()), takes_self=True
    )
    ledgers: list[RedisLedger] = Factory(list)

    async def settle(self) -> None:
        """Wait for Redis, too, who is no task of this loop."""
        await settle()
        while any(ledger._asking for ledger in self.ledgers):
            for ledger in self.ledgers:
                await ledger.settle()
            await settle()

    def ledger(self, limit: int = LIMIT) -> RedisLedger:
        return self.told(RedisLedger.open(self.redis.url, "token", Ledger(limit, WINDOW), self.time.clock()))

    def told(self, ledger: RedisLedger) -> RedisLedger:
        """Have it go by the virtual time; a busy machine may take as long as it likes."""
        ledger.time = lambda: self.time.time
        ledger.patience = 60.0
        self.ledgers.append(ledger)
        return ledger

    def process(self, statuses: list[int], **settings: Any) -> FrontPayClient:
        """Return a client with a governor of its own, that notes its answers' statuses."""
        inner = self.sandbox.transport()

        class Counting(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await inner.handle_async_request(request)
                statuses.append(response.status_code)
                return response

        settings = {
            "token": DEFAULT_TOKEN,
            # Another clock makes another governor.
            "clock": self.time.clock(),
            "rate_limit": RateLimit(requests=LIMIT, window=WINDOW, redis=self.redis.url),
            **settings,
        }
        client = FrontPayClient(
            **settings,
            base_url="http://localhost/api/v1/connect",
            transport=Counting(),
        )
        governor = client._session.rate._find()
        if governor is not None and governor.shared is not None:
            self.told(governor.shared)
        return client


async def ask(client: FrontPayClient) -> None:
    with pytest.raises(NotFoundError):
        await client.orders.get_status("ODR1")


async def ask_on(client: FrontPayClient) -> None:
    while True:
        await ask(client)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def town(redis: RedisServer) -> Town:
    return Town(redis)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


async def test_four_processes_use_each_window_up_without_a_429(town: Town) -> None:
    """And the till of each passes at once, whatever the others' batch has used."""
    statuses: list[list[int]] = [[], [], [], []]
    windows, at_the_till = 3, 0
    async with anyio.create_task_group() as tasks:
        clients = [town.process(each, priority=Priority.BATCH) for each in statuses]
        for client in clients:
            for _ in range(3):
                tasks.start_soon(ask_on, client)
        for second in range(int(windows * WINDOW)):
            await town.time.advance(1.0)
            if second % 7 == 3 and 5 < second % WINDOW < 55:
                # Time stands still meanwhile: it would never pass if it had to wait.
                with anyio.fail_after(30):
                    await ask(clients[at_the_till % 4].with_options(priority=Priority.INTERACTIVE))
                at_the_till += 1
        tasks.cancel_scope.cancel()
    for client in clients:
        await client.aclose()
    assert at_the_till > 15
    assert set().union(*statuses) == {404}
    assert sum(map(len, statuses)) >= 0.99 * windows * LIMIT
    assert min(map(len, statuses)) > LIMIT / 4, "nobody starves"


async def test_a_429_gates_every_process(town: Town) -> None:
    """A stranger has used the token up: one process meets the 429, and nobody sends until the gate opens."""
    statuses: list[list[int]] = [[], []]
    async with town.process([], rate_limit=RateLimit.unlimited()) as stranger:
        for _ in range(LIMIT):
            await ask(stranger)
    await town.time.advance(20)
    async with town.process(statuses[0]) as one, town.process(statuses[1]) as two:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, one)
            await town.settle()
            assert statuses == [[429], []]
            for _ in range(10):
                tasks.start_soon(ask, one)
                tasks.start_soon(ask, two)
            await town.time.advance(39)
            assert statuses == [[429], []]
            await town.time.advance(WINDOW)
        assert statuses == [[429] + [404] * 11, [404] * 10]
        refusals = [client.rate.statistics() for client in (one, two)]
        assert [each and each.refusals for each in refusals] == [1, 0]


async def test_a_run_goes_on_when_redis_is_killed_and_returns_to_it(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of a window the own ledger takes over, charged along: nothing is refused.

    It is said once that Redis is gone, and once that it is back; then the books are shared again.
    """
    caplog.set_level(logging.INFO)
    statuses: list[int] = []
    async with town.process(statuses, priority=Priority.BATCH) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(ask_on, client)
            await town.time.advance(0.5 * WINDOW)
            town.redis.stop()
            await town.time.advance(1.0 * WINDOW)
            without_redis = len(statuses)
            town.redis.start()
            await town.time.advance(1.5 * WINDOW)
            tasks.cancel_scope.cancel()
        with Redis.from_url(town.redis.url) as books:
            assert len(books.keys()) == 1
    assert set(statuses) == {404}
    assert without_redis >= 1.4 * LIMIT
    # Empty books do not know what is used of the window, nor when it ends: that costs a part of it, once.
    assert len(statuses) >= 2.5 * LIMIT
    told = [each.getMessage() for each in caplog.records if "Redis" in each.getMessage()]
    assert ["is available again" in each for each in told] == [False, True]
    assert len(warnings_of(caplog)) == 1


async def test_whoever_comes_after_the_last_has_closed_shares_the_books_again(town: Town) -> None:
    """Also where something still holds the governor whose connections were closed."""
    clock = town.time.clock()
    one = town.process([], clock=clock)
    await ask(one)
    held = one._session.rate._find()
    await one.aclose()
    async with town.process([], clock=clock) as two:
        await ask(two)
        governor = two._session.rate._find()
        assert governor is not held
        assert governor is not None
        assert governor.shared is not None
        assert isinstance(await governor.shared.acquire(Priority.NORMAL), str)


def call(priority: Priority = Priority.INTERACTIVE) -> Call:
    request = HttpRequest(GET_ORDER_STATUS, "GET", "/orders/ODR1/status")
    return Call(request, CallOptions(priority=priority))


@pytest.mark.parametrize("native", [True, False], ids=["asyncio", "anyio"])
async def test_who_is_cancelled_while_redis_is_asked_leaves_at_once_and_costs_nothing(
    town: Town, native: bool
) -> None:
    """What Redis grants afterwards is given back, and whoever comes next is served."""
    shared = town.ledger(limit=5)
    governor = Governor(Ledger(5, WINDOW), town.time.clock(), shared)
    first = await governor.acquire(call())
    headers = {"x-ratelimit-limit": "5", "x-ratelimit-remaining": "4"}
    await governor.answered(first, 200, headers, None)
    town.redis.freeze()
    if native:
        task = asyncio.create_task(governor.acquire(call()))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(governor.acquire, call())
            await settle()
            tasks.cancel_scope.cancel()
    assert sum(governor.statistics().waiting.values()) == 0
    next_in_line = asyncio.create_task(governor.acquire(call()))
    await settle()
    town.redis.thaw()
    await governor.give_back(await next_in_line)
    await shared.settle()
    assert governor.ledger.unanswered == 0
    verdicts = [await shared.acquire(Priority.INTERACTIVE) for _ in range(5)]
    assert [isinstance(verdict, str) for verdict in verdicts] == [True] * 4 + [False]
    await shared.aclose()


async def test_a_queue_of_normal_calls_in_one_process_does_not_hold_up_the_polls_of_two(town: Town) -> None:
    """The one leaves requests to the polls of all, and hands its own polls theirs."""
    busy, other = (Governor(Ledger(100, WINDOW), town.time.clock(), town.ledger(limit=100)) for _ in range(2))
    passed: list[tuple[Governor, Priority]] = []
    used = 0

    async def take(governor: Governor, priority: Priority) -> None:
        nonlocal used
        permit = await governor.acquire(call(priority))
        used += 1
        passed.append((governor, priority))
        headers = {"x-ratelimit-limit": "100", "x-ratelimit-remaining": str(100 - used)}
        await governor.answered(permit, 200, headers, None)

    await take(other, Priority.WATCH)
    async with anyio.create_task_group() as tasks:
        for _ in range(110):
            tasks.start_soon(take, busy, Priority.NORMAL)
        await town.settle()
        assert passed.count((busy, Priority.NORMAL)) == 85
        for governor in (busy, other):
            tasks.start_soon(take, governor, Priority.WATCH)
        await town.time.advance(WINDOW / 2)
        assert passed.count((busy, Priority.NORMAL)) < 100
        assert passed.count((busy, Priority.WATCH)) == passed.count((other, Priority.WATCH)) - 1 == 1
        tasks.cancel_scope.cancel()
    for governor in (busy, other):
        assert governor.shared is not None
        await governor.shared.aclose()


async def test_a_storm_of_cancellations_leaves_nothing_in_the_books(town: Town) -> None:
    shared = town.ledger(limit=5)
    governor = Governor(Ledger(5, WINDOW), town.time.clock(), shared)
    for number in range(30):
        tasks = [asyncio.create_task(governor.acquire(call(list(Priority)[each % 4]))) for each in range(8)]
        for _ in range(number):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(outcome, BaseException):
                await governor.give_back(outcome)
        await town.settle()
    assert governor.ledger.unanswered == governor.ledger.used == 0
    assert sum(governor.statistics().waiting.values()) == 0
    with Redis.from_url(town.redis.url) as books:
        look = (
            "local s = cmsgpack.unpack(redis.call('GET', KEYS[1])) return {s.own, next(s.calls) and 1 or 0}"
        )
        assert books.eval(look, 1, shared.key) == [0, 0]
    await shared.aclose()


async def test_redis_frozen_gone_and_back(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    """It is missed once, tried again after a while by one call, and then used again."""
    caplog.set_level(logging.INFO)
    shared, commands, script = town.ledger(limit=10), [], None

    async def counting(*, keys: list[str], args: tuple[object, ...]) -> object:
        commands.append(args[0])
        return await script(keys=keys, args=args)

    script, shared._script = shared._script, counting
    first = await shared.acquire(Priority.INTERACTIVE)
    assert isinstance(first, str)
    await shared.report(first, Quota(10, 1))

    town.redis.freeze()
    shared.patience = 0.05
    commands.clear()
    for _ in range(50):
        assert await shared.acquire(Priority.INTERACTIVE) is None
    await shared.report(first, Quota(10, 1))
    assert commands == ["acquire"], "only the first waits for it"
    town.redis.thaw()
    shared.patience = 60.0
    assert await shared.acquire(Priority.INTERACTIVE) is None, "not before it is time to try again"
    await town.time.advance(5)
    await shared.lost(first)
    again, meanwhile = await asyncio.gather(*(shared.acquire(Priority.BATCH) for _ in range(2)))
    assert isinstance(again, str)
    assert meanwhile is None, "one tries again"
    assert commands == ["acquire", "resume", "acquire"], "what is told late does not bring it back"
    assert isinstance(await shared.acquire(Priority.BATCH), float), "its books are stale: one, then look"

    town.redis.stop()
    await shared.report(again, Quota(10, 7))
    assert await shared.acquire(Priority.INTERACTIVE) is None
    await town.time.advance(5)
    assert await shared.acquire(Priority.INTERACTIVE) is None
    town.redis.start()
    await town.time.advance(5)
    assert isinstance(await shared.acquire(Priority.INTERACTIVE), str)
    await shared.lost(again)
    await shared.aclose()
    assert await shared.acquire(Priority.INTERACTIVE) is None
    told = [each.getMessage() for each in caplog.records if "Redis" in each.getMessage()]
    assert ["is available again" in each for each in told] == [False, True, False, True]


async def test_the_accounts_of_a_process_share_a_bounded_number_of_connections(town: Town) -> None:
    """Each keeps its own books; the last that closes closes the connections, and the next opens new ones."""
    with Redis.from_url(town.redis.url) as books:
        for _ in range(2):
            ledgers = [
                town.told(RedisLedger.open(town.redis.url, f"token {each}", Ledger(1, WINDOW), Clock()))
                for each in range(40)
            ]
            verdicts = await asyncio.gather(
                *(ledger.acquire(Priority.INTERACTIVE) for ledger in ledgers for _ in range(2))
            )
            granted = [isinstance(verdict, str) for verdict in verdicts]
            assert [sum(granted[each : each + 2]) for each in range(0, 80, 2)] == [1] * 40
            assert 1 < len(books.client_list()) - 1 <= 16
            assert len(books.keys()) == 40
            for ledger in ledgers[1:]:
                await ledger.aclose()
            assert isinstance(await ledgers[0].acquire(Priority.INTERACTIVE), float)
            await ledgers[0].aclose()
            while len(books.client_list()) > 1:
                await settle()
            books.flushall()


async def test_answers_that_came_too_late_are_never_those_of_another_account(town: Town) -> None:
    """A connection on which an answer is missing is not used again."""
    full, free = (
        town.told(RedisLedger.open(town.redis.url, name, Ledger(limit, WINDOW), Clock()))
        for name, limit in (("full", 1), ("free", 100))
    )
    for ledger in (full, free):
        assert isinstance(await ledger.acquire(Priority.INTERACTIVE), str)
    town.redis.freeze()
    full.patience = free.patience = 0.02
    late = await asyncio.gather(*(ledger.acquire(Priority.INTERACTIVE) for ledger in (full, free) * 10))
    assert late == [None] * 20
    town.redis.thaw()
    for ledger in (full, free):
        ledger.patience, ledger._gone = 60.0, False
    verdicts = await asyncio.gather(*(ledger.acquire(Priority.INTERACTIVE) for ledger in (full, free) * 5))
    assert [isinstance(verdict, float) for verdict in verdicts[::2]] == [True] * 5
    await full.aclose()
    await free.aclose()


def test_redis_needs_asyncio() -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="asyncio"):
            RedisLedger.open("redis://localhost", "token", Ledger(), Clock())

    anyio.run(scenario, backend="trio")


async def test_a_url_that_cannot_be_used_is_not_shown() -> None:
    with pytest.raises(ConfigurationError, match="not a usable URL") as caught:
        RedisLedger.open("redis://:pass/word@cache:6379/0", "token", Ledger(), Clock())
    assert "pass" not in str(caught.value)


async def test_redis_is_told_nothing_of_the_token(town: Town) -> None:
    async with town.process([]) as client:
        await ask(client)
    with Redis.from_url(town.redis.url) as books:
        keys = books.keys()
    assert len(keys) == 1
    assert re.fullmatch(rb"frontpay:rate:[0-9a-f]{64}", keys[0])
    assert sha256(DEFAULT_TOKEN.encode()).hexdigest().encode() not in keys[0]


async def test_token_callables_of_one_account_share_its_books(town: Town) -> None:
    """By the name that they are given: the callables are others in each process, and so may the tokens be."""

    async def one() -> str:
        return DEFAULT_TOKEN

    async def two() -> str:
        return DEFAULT_TOKEN

    settings = RateLimit(requests=LIMIT, window=WINDOW, redis=town.redis.url, account="shop 7")
    for token in (one, two):
        async with town.process([], token=token, rate_limit=settings) as client:
            await ask(client)
    with Redis.from_url(town.redis.url) as books:
        assert len(books.keys()) == 1
    with pytest.raises(ConfigurationError, match="account"):
        town.process([], token=one)


def test_a_missing_extra_shows_when_the_client_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "frontpay_async._rate.redis")
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"frontpay_async\[redis\]"):
        FrontPayClient(
            DEFAULT_TOKEN,
            environment="demo",
            rate_limit=RateLimit(redis="redis://localhost"),
            trust_env=False,
        )
