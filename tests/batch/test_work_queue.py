"""The queue between the feeder and the workers: who takes a row, and when a worker is added."""

from __future__ import annotations

import anyio
import anyio.abc
from anyio.lowlevel import checkpoint
from attrs import define, field

from frontpay_async.batch.store import LeasedRow
from frontpay_async.batch.work_queue import WorkQueue


def _rows(count: int) -> list[LeasedRow]:
    return [LeasedRow(id=n, key=str(n), kind="x", payload=b"", fence=1, attempts=0) for n in range(count)]


@define(eq=False)
class _Crew:
    """Workers that take a row, wait for its turn, and then until it is answered."""

    tasks: anyio.abc.TaskGroup
    most: int
    added: int = 0
    taken: list[int] = field(factory=list[int])
    turns: list[anyio.Event] = field(factory=list[anyio.Event])
    answers: list[anyio.Event] = field(factory=list[anyio.Event])
    queue: WorkQueue = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.queue = WorkQueue(self.most, self.add)

    def add(self) -> None:
        self.added += 1
        self.tasks.start_soon(self.work)

    async def work(self) -> None:
        while True:
            row = await self.queue.take()
            self.taken.append(row.id)
            turn, answer = anyio.Event(), anyio.Event()
            self.turns.append(turn)
            self.answers.append(answer)
            await turn.wait()
            self.queue.had_turn()
            await answer.wait()


async def _settle() -> None:
    for _ in range(20):
        await checkpoint()


async def test_two_rows_wait_for_their_turn_and_two_workers_do_it() -> None:
    """A batch whose token has nothing left holds two calls, not as many as may be in flight."""
    async with anyio.create_task_group() as tasks:
        crew = _Crew(tasks, most=16)
        crew.queue.put(_rows(32))
        await _settle()
        assert (crew.taken, crew.added) == ([0, 1], 2)
        crew.turns[0].set()
        await _settle()
        assert (crew.taken, crew.added) == ([0, 1, 2], 3)
        tasks.cancel_scope.cancel()


async def test_as_many_are_in_flight_as_may_be() -> None:
    async with anyio.create_task_group() as tasks:
        crew = _Crew(tasks, most=4)
        crew.queue.put(_rows(10))
        for number in range(4):
            await _settle()
            crew.turns[number].set()
        await _settle()
        assert (crew.taken, crew.added) == ([0, 1, 2, 3], 4)
        crew.answers[2].set()
        await _settle()
        assert (crew.taken, crew.added) == ([0, 1, 2, 3, 4], 4)
        tasks.cancel_scope.cancel()


async def test_each_row_is_taken_once_in_their_order_whoever_is_idle() -> None:
    """Rows that come while workers are idle, busy or missing wake one for each free place."""
    async with anyio.create_task_group() as tasks:
        crew = _Crew(tasks, most=3)
        for first in (0, 1, 5):
            crew.queue.put(_rows(9)[first : {0: 1, 1: 5, 5: 9}[first]])
            for _ in range(12):
                await _settle()
                for each in crew.turns[:] + crew.answers[:]:
                    each.set()
        assert crew.taken == list(range(9))
        with anyio.fail_after(1):
            await crew.queue.until_low()
        tasks.cancel_scope.cancel()


async def test_more_rows_are_asked_for_before_the_last_is_taken() -> None:
    """No worker waits for the journal while there are rows that could be sent."""
    queue, asked = WorkQueue(2, lambda: None), list[bool]()
    queue.put(_rows(3))

    async def ask() -> None:
        await queue.until_low()
        asked.append(True)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        await queue.take()
        await _settle()
        assert asked == []
        await queue.take()
        await _settle()
        assert asked == [True]
