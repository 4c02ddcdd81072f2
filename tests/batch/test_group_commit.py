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
from frontpay_async.batch.group_commit import GroupCommit, Lane, Written
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


def shared(journal: FakeJournal) -> GroupCommit:
    return GroupCommit(partial(to_thread.run_sync, journal.apply))


def commits(journal: FakeJournal) -> Lane:
    return shared(journal).lane()


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


async def test_batches_of_one_journal_share_a_transaction() -> None:
    """What several runs put in line while one group is written is the next group, whoever writes it."""
    journal, told = FakeJournal(), list[int]()
    group = shared(journal)
    lanes = [group.lane() for _ in range(3)]
    async with anyio.create_task_group() as tasks:
        for lane in lanes:
            tasks.start_soon(lane.run)
        lanes[0].put(move(1, RowEvent.CLAIM), then=lambda _: told.append(1))
        await settle()
        for row, lane in enumerate(lanes, start=2):
            lane.put(move(row, RowEvent.CLAIM), then=lambda _, row=row: told.append(row))
        await settle()
        journal.gate.release(2)
        while len(told) < 4:
            await anyio.lowlevel.checkpoint()
        for lane in lanes:
            lane.close()
    assert [[row for row, _ in each] for each in journal.groups] == [[1], [2, 3, 4]]
    assert told == [1, 2, 3, 4]


async def test_a_run_ends_when_its_own_rows_are_written() -> None:
    """Another run of the journal may still be at work."""
    journal, told = FakeJournal(), list[Written]()
    group = shared(journal)
    ending, other = group.lane(), group.lane()
    ending.put(move(1, RowEvent.CONFIRM), then=told.append)
    ending.close()
    journal.gate.release()
    await ending.run()
    assert told == [Written(moved=True)]
    other.put(move(2, RowEvent.CLAIM), then=told.append)
    other.close()
    journal.gate.release()
    await other.run()
    assert [[row for row, _ in each] for each in journal.groups] == [[1], [2]]


async def test_the_rows_of_a_run_that_broke_off_are_given_up_and_no_others() -> None:
    journal, told = FakeJournal(error=KeyboardInterrupt()), dict[int, Written]()
    group = shared(journal)
    broken, other = group.lane(), group.lane()

    async def write() -> None:
        with pytest.raises(KeyboardInterrupt):
            await broken.run()

    async with anyio.create_task_group() as tasks:
        broken.put(move(1, RowEvent.CLAIM), then=lambda written: told.update({1: written}))
        tasks.start_soon(write)
        await settle()
        for row, lane in ((2, broken), (3, other)):
            lane.put(move(row, RowEvent.CLAIM), then=lambda written, row=row: told.update({row: written}))
        journal.gate.release()
    assert {row: written.error is not None for row, written in told.items()} == {1: True, 2: True}
    journal.error = None
    other.close()
    journal.gate.release()
    await other.run()
    assert told[3] == Written(moved=True)
