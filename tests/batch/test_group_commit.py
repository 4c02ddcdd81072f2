"""Group commit and the feed: who waits for what."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from anyio import to_thread
from attrs import define, field

from frontpay_async.batch.errors import JournalError
from frontpay_async.batch.group_commit import GroupCommit, Written
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.transitions import Transition
from tests.support.virtual_time import settle

if TYPE_CHECKING:
    from collections.abc import Sequence


@define(eq=False)
class FakeJournal:
    """Remembers what was written together; a write begins when the test lets it."""

    groups: list[list[tuple[int, RowEvent]]] = field(factory=list)
    gate: threading.Semaphore = field(factory=lambda: threading.Semaphore(0))
    error: BaseException | None = None

    def apply(self, transitions: Sequence[Transition]) -> list[bool]:
        self.gate.acquire()
        if self.error is not None:
            raise self.error
        self.groups.append([(each.row, each.event) for each in transitions])
        return [each.row != 13 for each in transitions]


def move(row: int, event: RowEvent) -> Transition:
    return Transition(row=row, fence=1, event=event)


def commits(journal: FakeJournal) -> GroupCommit:
    return GroupCommit(partial(to_thread.run_sync, journal.apply))


async def test_an_end_is_written_with_the_claim_that_follows_it() -> None:
    """Who has an answer goes on at once; its next request leaves when both are on disk."""
    journal, told, claimed = FakeJournal(), list[Written](), list[bool]()
    line = commits(journal)

    async def work() -> None:
        line.put(move(1, RowEvent.CONFIRM), then=told.append)
        claimed.append(await line.commit(move(2, RowEvent.CLAIM)))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await settle()
        tasks.start_soon(line.run)
        await settle()
        assert (told, claimed) == ([], [])
        journal.gate.release()
        while not claimed:
            await anyio.lowlevel.checkpoint()
        line.close()
    assert journal.groups == [[(1, RowEvent.CONFIRM), (2, RowEvent.CLAIM)]]
    assert (told, claimed) == ([Written(moved=True)], [True])


async def test_what_comes_while_others_are_written_is_written_together_next() -> None:
    journal = FakeJournal()
    line = commits(journal)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(line.run)
        tasks.start_soon(line.commit, move(1, RowEvent.CLAIM))
        await settle()
        for row in (2, 3, 4):
            tasks.start_soon(line.commit, move(row, RowEvent.CLAIM))
        await settle()
        journal.gate.release(2)
        while len(journal.groups) < 2:
            await anyio.lowlevel.checkpoint()
        line.close()
    assert [[row for row, _ in group] for group in journal.groups] == [[1], [2, 3, 4]]


async def test_a_row_that_was_not_moved_is_told_to_its_own_caller() -> None:
    journal, told = FakeJournal(), dict[int, Written]()
    line = commits(journal)
    for row in (12, 13):
        line.put(move(row, RowEvent.CONFIRM), then=lambda written, row=row: told.update({row: written}))
    line.close()
    journal.gate.release()
    await line.run()
    assert told == {12: Written(moved=True), 13: Written(moved=False)}


@pytest.mark.parametrize("error", [JournalError("the disk is full"), KeyboardInterrupt()])
async def test_a_write_that_fails_is_told_to_all_who_stood_in_line(error: BaseException) -> None:
    journal, told, raised = FakeJournal(error=error), list[Written](), list[JournalError]()
    line = commits(journal)

    async def work() -> None:
        try:
            await line.commit(move(2, RowEvent.CLAIM))
        except JournalError as failure:
            raised.append(failure)

    async def write() -> None:
        try:
            await line.run()
        except KeyboardInterrupt:
            assert not isinstance(error, JournalError)

    line.put(move(1, RowEvent.CONFIRM), then=told.append)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await settle()
        journal.gate.release()
        tasks.start_soon(write)
        while not raised:
            await anyio.lowlevel.checkpoint()
        line.close()
    assert str(error) in str(told[0].error)
    assert str(error) in str(raised[0])
    with pytest.raises(JournalError, match="closed"):
        line.put(move(3, RowEvent.CLAIM), then=told.append)
