"""How a run is stopped, and shared."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import evolve

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import InvoiceBatch, State
from frontpay_async.sandbox import FaultKind, Sandbox
from tests.support.batches import CREATE, Night, assert_each_sent_once, item, rows_of

pytestmark = pytest.mark.integration

ITEMS = [item(number) for number in range(12)]


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    """An account that has an order of the batch: only of a new one, orders go one at a time."""
    night = Night(tmp_path / "journal.db")
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(ITEMS[:1])
        await batch.run()
    return night


class LeasedRow(httpx.AsyncBaseTransport):
    """Holds the answers to orders until it is told; counts what has left."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.left = 0
        self.some_left = anyio.Event()
        self.go_on = anyio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        if request.method == "POST":
            self.left += 1
            if self.left == 3:
                self.some_left.set()
            await self.go_on.wait()
        return response


async def test_cancelled_it_lets_requests_in_flight_have_their_answers(night: Night) -> None:
    held = LeasedRow(night.sandbox.transport())
    async with night.client(held) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await batch.run(concurrency=3)

            tasks.start_soon(run)
            await held.some_left.wait()
            tasks.cancel_scope.cancel()
            held.go_on.set()
        assert (await batch.status()).counts == {State.DONE: 4, State.PENDING: 8}
        report = await batch.run()
        assert_each_sent_once(night, await rows_of(batch), ITEMS)
    assert (held.left, report.reconciled) == (len(ITEMS) - 1, 0)


async def test_closing_stops_a_run_which_returns_its_report(night: Night) -> None:
    held = LeasedRow(night.sandbox.transport())
    async with night.client(held) as client:
        batch = night.batch(client)
        await batch.submit(ITEMS)
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await batch.run(concurrency=3)

            tasks.start_soon(run)
            await held.some_left.wait()
            tasks.start_soon(batch.aclose)
            await anyio.wait_all_tasks_blocked()
            held.go_on.set()
    async with night.client() as client, night.batch(client) as batch:
        assert (await batch.status()).counts == {State.DONE: 4, State.PENDING: 8}


async def test_what_is_not_answered_while_draining_is_in_doubt_and_found(night: Night) -> None:
    held = LeasedRow(night.sandbox.transport())
    async with night.client(held) as client, night.batch(client, drain=0.0) as batch:
        await batch.submit(ITEMS)
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await batch.run(concurrency=3)

            tasks.start_soon(run)
            await held.some_left.wait()
            tasks.cancel_scope.cancel()
        assert (await batch.status()).counts == {State.DONE: 1, State.UNKNOWN: 3, State.PENDING: 8}
    async with night.client() as client, night.batch(client) as batch:
        report = await batch.run()
        assert_each_sent_once(night, await rows_of(batch), ITEMS)
    assert report.reconciled == 3


async def test_what_waits_for_the_rate_is_called_back_and_nothing_of_it_is_in_doubt(tmp_path: Path) -> None:
    night = Night(tmp_path / "journal.db")

    class Standing:
        """A clock on which nobody's sleep ends."""

        async def sleep(self, _: float) -> None:
            await anyio.sleep_forever()

    clock = evolve(night.time.clock(), sleep=Standing().sleep)
    limit = RateLimit(requests=4, window=60.0)
    async with night.client(clock=clock, rate_limit=limit) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:

                async def run() -> None:
                    await batch.run(concurrency=6)

                tasks.start_soon(run)
                while night.requests("orders.list_statuses") == 0 or not any(
                    client.rate.statistics().waiting.values()  # type: ignore[union-attr]
                ):
                    await anyio.lowlevel.checkpoint()
                await anyio.wait_all_tasks_blocked()
                scope.cancel()
        counts = (await batch.status()).counts
    assert counts.get(State.UNKNOWN, 0) == counts.get(State.SENDING, 0) == 0
    assert counts[State.PENDING] == len(ITEMS) - len(night.sandbox.orders)


async def test_two_runners_share_a_batch(night: Night) -> None:
    items = [item(number) for number in range(60)]
    async with (
        night.client() as one,
        night.client() as two,
        night.batch(one) as first,
        night.batch(two) as second,
    ):
        await first.submit(items)
        reports = []
        async with anyio.create_task_group() as tasks:

            async def run(batch: InvoiceBatch) -> None:
                reports.append(await batch.run(concurrency=4))

            tasks.start_soon(run, first)
            tasks.start_soon(run, second)
        assert_each_sent_once(night, await rows_of(first), items)
    assert sum(report.sent for report in reports) == 59
    assert all(report.sent > 0 for report in reports)


RUNNER = """
import asyncio, sys
from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import InvoiceBatch
from tests.support.batches import item

async def main():
    limit = RateLimit.unlimited()
    async with FrontPayClient("sandbox-token", base_url=sys.argv[1], rate_limit=limit) as client:
        async with InvoiceBatch(client, journal=sys.argv[2], name="night") as batch:
            await batch.submit(item(number) for number in range(80))
            await batch.run(concurrency=4, on_progress=lambda _: print("runs", flush=True))

asyncio.run(main())
"""


async def test_ctrl_c_lets_requests_in_flight_have_their_answers(tmp_path: Path) -> None:
    """A process that gets SIGINT ends soon and in order, and the next one continues."""
    sandbox = Sandbox(rate_limit=None)
    sandbox.fail(FaultKind.LATENCY, operation=CREATE, times=None, seconds=0.1)
    journal = tmp_path / "journal.db"
    async with sandbox.serve() as url:
        command = [sys.executable, "-c", RUNNER, url, str(journal)]
        root = Path(__file__).parents[2]
        async with await anyio.open_process(command, cwd=root, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert (await process.stdout.receive()).startswith(b"runs")
            while not sandbox.orders:
                await anyio.lowlevel.checkpoint()
            process.send_signal(signal.SIGINT)
            with anyio.fail_after(30):
                await process.wait()
        assert process.returncode != 0
        client = FrontPayClient("sandbox-token", base_url=url, rate_limit=RateLimit.unlimited())
        batch = InvoiceBatch(client, journal=journal, name="night", settling=0.1)
        async with client, batch:
            counts = (await batch.status()).counts
            assert counts[State.DONE] > 0
            assert counts[State.PENDING] > 0
            assert State.SENDING not in counts
            assert (await batch.run(concurrency=16)).done == 80
    assert len(sandbox.orders) == 80
    assert sandbox.duplicates() == ()


def test_it_runs_under_trio(tmp_path: Path) -> None:
    sandbox = Sandbox(rate_limit=None)
    sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, times=3)

    async def run() -> None:
        client = sandbox.client(rate_limit=RateLimit.unlimited())
        batch = InvoiceBatch(client, journal=tmp_path / "journal.db", name="x", settling=0.0)
        async with client, batch:
            await batch.submit(ITEMS)
            assert (await batch.run(concurrency=4)).done == len(ITEMS)

    anyio.run(run, backend="trio")
    assert len(sandbox.orders) == len(ITEMS)
    assert sandbox.duplicates() == ()
