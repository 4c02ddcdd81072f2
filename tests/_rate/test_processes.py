"""Four real processes on one token, in real time: slow, so run by ``nox -s rate``, not with the others.

What is asserted is what was refused, never how long it took: that is measured in ``benchmarks/rate/run.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

LIMIT, WINDOW, CALLS, PROCESSES = 60, 1.0, 60, 4

# Makes so many calls as batch work, four at a time, with a call at the till now and then.
WORKER = """
import sys
import anyio, httpx
from frontpay_async import FrontPayClient, NotFoundError, Priority, RateLimit

async def main(url, limit, window, calls, redis):
    statuses = []
    class Counting(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            response = await super().handle_async_request(request)
            statuses.append(response.status_code)
            return response
    rate = RateLimit(requests=limit, window=window, redis=redis or None)
    async with FrontPayClient("sandbox-token", base_url=url, transport=Counting(), rate_limit=rate) as client:
        todo = iter(range(calls))
        async def work():
            for number in todo:
                priority = Priority.BATCH if number % 20 else Priority.INTERACTIVE
                try:
                    await client.with_options(priority=priority).orders.get_status("ODR1")
                except NotFoundError:
                    pass
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(work)
    print(statuses.count(404), statuses.count(429))

url, limit, window, calls, redis = sys.argv[1:]
anyio.run(main, url, int(limit), float(window), int(calls), redis)
"""


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


def work(url: str, redis: str) -> tuple[int, int]:
    """Return the requests that passed, and the 429s."""
    command = [sys.executable, "-c", WORKER, url, str(LIMIT), str(WINDOW), str(CALLS), redis]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    workers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603
        for _ in range(PROCESSES)
    ]
    told = [worker.communicate(timeout=100)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    return sum(int(each[0]) for each in told), sum(int(each[1]) for each in told)


@pytest.mark.slow
def test_four_processes_on_redis(sandbox: str, redis: RedisServer) -> None:
    assert work(sandbox, redis.url) == (PROCESSES * CALLS, 0)


@pytest.mark.slow
def test_four_processes_by_headers_alone(sandbox: str) -> None:
    passed, refused = work(sandbox, "")
    assert passed == PROCESSES * CALLS
    assert refused <= PROCESSES * CALLS // 20
