"""The leased rows that wait for a worker, and the workers that wait for a row.

*Model*: a row that was taken waits for its turn in the rate window; when that has come, it makes room for the
next. Only a few rows wait there at a time, whatever the concurrency: a waiting call holds an order, a request
and a task, and one behind the first two is not sent any sooner.

*Cost*: workers are added when one is needed, so a batch that waits for its token costs two tasks, not as many
as it may have requests in flight. An anyio memory stream would cost two event-loop passes per row (about 10 %
of a row).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontpay_async.batch.store import LeasedRow

# Rows that wait for their turn: the next one is built while the first is asked for.
_MOST_AHEAD = 2


@define(eq=False)
class WorkQueue:
    """The queue from the feeder, which leases rows, to the workers, which send them.

    Args:
        most: The most workers. With fewer rows than this, more rows are asked for.
        add_worker: Starts one more worker.
    """

    most: int
    add_worker: Callable[[], object]
    _rows: deque[LeasedRow] = field(init=False, factory=deque["LeasedRow"])
    _workers: int = field(init=False, default=0)
    _idle: list[anyio.Event] = field(init=False, factory=list[anyio.Event])
    _ahead: int = field(init=False, default=0)
    _few: anyio.Event = field(init=False, factory=anyio.Event)

    def put(self, rows: Iterable[LeasedRow]) -> None:
        """Add rows, in their order."""
        self._rows.extend(rows)
        self._call()

    async def take(self) -> LeasedRow:
        """Return the next row; wait while there is none, or while enough rows wait for their turn."""
        while not self._may_take():
            called = anyio.Event()
            self._idle.append(called)
            await called.wait()
        self._ahead += 1
        if len(self._rows) <= self.most:
            self._few.set()
        row = self._rows.popleft()
        self._call()
        return row

    def had_turn(self) -> None:
        """Make room: a row that was taken has had its turn, or will have none."""
        self._ahead -= 1
        self._call()

    async def until_low(self) -> None:
        """Wait until so few rows are left that more should be put in."""
        while len(self._rows) >= self.most:
            self._few = anyio.Event()
            await self._few.wait()

    def _may_take(self) -> bool:
        return bool(self._rows) and self._ahead < _MOST_AHEAD

    def _call(self) -> None:
        """Call one worker, or add one, if a row may be taken."""
        if not self._may_take():
            return
        if self._idle:
            self._idle.pop().set()
        elif self._workers < self.most:
            self._workers += 1
            self.add_worker()
