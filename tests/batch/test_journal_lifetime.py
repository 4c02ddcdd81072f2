"""How a journal ends: whatever was cancelled, none of its connections stays open."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import ConfigurationError
from frontpay_async.batch import Journal, JournalError
from frontpay_async.batch.store import Store

if TYPE_CHECKING:
    from frontpay_async.batch.encryption import Cipher

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted there")


def _open_files(folder: Path) -> int:
    """Count this process's descriptors below a folder."""
    places = list(Path("/proc/self/fd").iterdir())
    return sum(folder in place.readlink().parents for place in places if place.is_symlink())


async def _begun(event: threading.Event) -> None:
    while not event.is_set():  # noqa: ASYNC110 - a thread sets it
        await asyncio.sleep(0)


async def test_one_of_many_runs_reports_that_the_process_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on if the journal fails for a while, and another run continues when that one ends."""
    monkeypatch.setattr("frontpay_async.batch.journal._REPORT_EVERY", 0.0)
    reports: list[threading.Thread] = []

    def report(self: Store) -> None:
        assert self is store
        reports.append(threading.current_thread())
        if len(reports) == 1:
            raise JournalError("the database is restarting")

    monkeypatch.setattr(Store, "report_alive", report)
    async with Journal.open(tmp_path / "journal.db") as journal:
        store = await journal.opened()
        runs = [asyncio.create_task(journal.keep_alive(store)) for _ in range(3)]
        for run in runs:
            before = len(reports)
            while len(reports) < before + 3:  # noqa: ASYNC110 - a thread reports
                await asyncio.sleep(0)
            run.cancel()
            await asyncio.wait([run])
        count = len(reports)
        await asyncio.sleep(0)
        assert len(reports) == count


async def test_a_process_that_has_just_leased_rows_need_not_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    reported_after: list[int] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(anyio, "sleep", sleep)
    monkeypatch.setattr(Store, "report_alive", lambda _: reported_after.append(len(waits)))
    async with Journal.open(tmp_path / "journal.db") as journal:
        store = await journal.opened()
        store.lease_rows(store.join("night", "http://localhost"), store.runner, 1, 60.0)
        with pytest.raises(asyncio.CancelledError):
            await journal.keep_alive(store)
    assert waits == [2.5, 2.5, 2.5]
    assert reported_after == [2]


async def test_closing_is_not_cut_off_by_a_cancellation(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db")
    await journal.opened()
    assert _open_files(tmp_path) > 0
    with anyio.CancelScope() as scope:
        scope.cancel()
        await journal.aclose()
    assert _open_files(tmp_path) == 0


async def test_closing_waits_for_a_transaction_whose_caller_was_cancelled(tmp_path: Path) -> None:
    """A thread cannot be cancelled, and gives its connection back when it ends."""
    journal = Journal.open(tmp_path / "journal.db")
    store = await journal.opened()
    began, may_end = threading.Event(), threading.Event()

    def write() -> None:
        with store.writing():
            began.set()
            assert may_end.wait(10)

    writing = asyncio.create_task(journal.run(write))
    await _begun(began)
    writing.cancel()
    await asyncio.wait([writing])
    closing = asyncio.create_task(journal.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    may_end.set()
    await closing
    assert _open_files(tmp_path) == 0
    with pytest.raises(ConfigurationError, match="closed"):
        await journal.run(write)


async def test_a_journal_whose_opening_was_cancelled_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_open = threading.Event(), threading.Event()
    open_it = Store.open

    def open_slowly(target: str, cipher: Cipher, clock: None, *, connections: int) -> Store:
        began.set()
        assert may_open.wait(10)
        return open_it(target, cipher, clock, connections=connections)

    monkeypatch.setattr(Store, "open", open_slowly)
    journal = Journal.open(tmp_path / "journal.db")
    opening = asyncio.create_task(journal.opened())
    await _begun(began)
    opening.cancel()
    await asyncio.wait([opening])
    may_open.set()
    await journal.aclose()
    assert _open_files(tmp_path) == 0
