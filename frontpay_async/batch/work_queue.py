"""The queue between leased rows and workers.

*Model*: a worker takes a row and waits for the rate window. Only a few rows wait there at a time, whatever
the concurrency: a waiting call holds an order, a request and a task, and more waiting calls would not be sent
any sooner.

*Cost*: workers are started on demand, so a batch that waits for the rate limit costs two tasks instead of one
per possible request. An anyio memory stream would cost two event-loop passes per row (about 10 % of a row).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontpay_async.batch.store import LeasedRow

# The number of rows that wait for the rate window: the second is built while the first waits.
_MOST_AHEAD = 2


@define(eq=False)
class WorkQueue:
    """The queue from the feeder, which leases rows, to the workers, which send them.

    Args:
        most: The maximum number of workers. If there are fewer rows, more are requested.
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
        """Add rows, in order."""
        self._rows.extend(rows)
        self._call()

    async def take(self) -> LeasedRow:
        """Return the next row; wait while there is none, or while enough rows wait for the rate window."""
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
        """Record that a taken row no longer waits for the rate window."""
        self._ahead -= 1
        self._call()

    async def until_low(self) -> None:
        """Wait until more rows should be added."""
        while len(self._rows) >= self.most:
            self._few = anyio.Event()
            await self._few.wait()

    def _may_take(self) -> bool:
        return bool(self._rows) and self._ahead < _MOST_AHEAD

    def _call(self) -> None:
        """Wake or start a worker if a row may be taken."""
        if not self._may_take():
            return
        if self._idle:
            self._idle.pop().set()
        elif self._workers < self.most:
            self._workers += 1
            self.add_worker()
