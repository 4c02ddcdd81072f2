"""Mixed traffic for a long time: memory, tasks and descriptors stay flat.

``nox -s soak`` runs it for thirty minutes; with the other tests it runs for a few seconds.
"""

from __future__ import annotations

import asyncio
import os
import random
from typing import TYPE_CHECKING

import psutil
import pytest

from frontpay_async import FrontPayClient, FrontPayError, RateLimit, RetryPolicy
from frontpay_async.batch import InvoiceBatch
from frontpay_async.callbacks import CallbackGuard, answer_callback
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support import builders, callbacks
from tests.support.batches import item
from tests.support.sandboxes import terminal_order
from tests.support.soak import keep_marks, wait_for_the_end

if TYPE_CHECKING:
    from pathlib import Path

    from frontpay_async._transport.engines import Engine

pytestmark = [pytest.mark.integration, pytest.mark.search]

FAULTS = {"drop-after": 0.05, "500-before": 0.03, "502-after": 0.02, "cut-body": 0.02}
SECONDS = float(os.environ.get("FRONTPAY_SOAK", "5"))


async def traffic(
    client: FrontPayClient, guard: CallbackGuard, draw: random.Random, done: asyncio.Event
) -> int:
    """Make calls, wait for payments and receive callbacks until it is over; count the steps."""
    steps = 0
    while not done.is_set():
        steps += 1
        try:
            match draw.randrange(5):
                case 0:
                    await client.orders.send_payment_link(builders.payment_link())
                case 1:
                    uuid = (await client.terminals.create_order(terminal_order())).order_uuid
                    await client.watch.payment(uuid, timeout=2)
                case 2:
                    await client.orders.get_status("ODR1")
                case 3:
                    async with asyncio.timeout(draw.random() / 50):
                        await client.orders.send_invoice(builders.invoice())
                case _:
                    fields = callbacks.signed(orderUuid=f"ODR{draw.randrange(50)}")
                    await answer_callback(guard, callbacks.query(fields), lambda _: None)
        except (FrontPayError, TimeoutError):
            await asyncio.sleep(0)
    return steps


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
async def test_a_long_run_stays_flat(engine: Engine, tmp_path: Path) -> None:
    sandbox = Sandbox(rate_limit=None, cardholder=Cardholder(after=0.05), request_history=100)
    sandbox.fail_randomly(FAULTS, seed=7)
    draw, done = random.Random(7), asyncio.Event()  # noqa: S311 - which calls
    guard = CallbackGuard(callbacks.SECRET, now=lambda: callbacks.NOW)
    async with sandbox.serve() as url:
        tasks, descriptors = asyncio.all_tasks(), psutil.Process().num_fds()
        async with FrontPayClient(
            DEFAULT_TOKEN, base_url=url, engine=engine, retry=RetryPolicy(attempts=2, base_delay=0.01),
            rate_limit=RateLimit.unlimited(), trust_env=False,
        ) as client:  # fmt: skip
            async with InvoiceBatch(client, journal=tmp_path / "journal.db", name="soak") as batch:
                await batch.submit([item(number) for number in range(20)])
            workers = [asyncio.create_task(traffic(client, guard, draw, done)) for _ in range(6)]
            marks = await keep_marks(sandbox, SECONDS, FAULTS)
            done.set()
            steps = await asyncio.gather(*workers)
        await wait_for_the_end(tasks, descriptors, within=20)
    assert min(steps) > 0
    half = len(marks) // 2
    assert max(mark.tasks for mark in marks[half:]) < 200
    assert max(mark.descriptors for mark in marks[half:]) < descriptors + 100
    if SECONDS >= 60:
        assert marks[-1].memory - marks[half].memory < 30_000_000, marks
    print(f"{engine}: {sum(steps)} steps, memory {marks[half].memory} to {marks[-1].memory}")  # noqa: T201
