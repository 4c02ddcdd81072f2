"""The leased rows that wait for a worker: put in in groups, taken out one by one.

A stream of anyio's would do; it costs two passes of the event loop for each row, a tenth of what a row costs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import anyio
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontpay_async.batch.store import LeasedRow


@define(eq=False)
class WorkQueue:
    """The queue from the feeder, which leases rows, to the workers, which send them.

    Args:
        low: With fewer rows than this, more are asked for.
    """

    low: int
    _rows: deque[LeasedRow] = field(init=False, factory=deque["LeasedRow"])
    _more: anyio.Event = field(init=False, factory=anyio.Event)
    _few: anyio.Event = field(init=False, factory=anyio.Event)

    def put(self, rows: Iterable[LeasedRow]) -> None:
        """Add rows, in their order."""
        self._rows.extend(rows)
        self._more.set()
        self._more = anyio.Event()

    async def take(self) -> LeasedRow:
        """Return the next row, and wait for it if there is none."""
        while not self._rows:
            await self._more.wait()
        if len(self._rows) <= self.low:
            self._few.set()
        return self._rows.popleft()

    async def until_low(self) -> None:
        """Wait until so few rows are left that more should be put in."""
        while len(self._rows) >= self.low:
            self._few = anyio.Event()
            await self._few.wait()
