"""Group commit: one transaction and one fsync for many callers.

*Model*: the batches of a journal share one queue of transitions, and each run has a lane to it. One lane at a
time takes the whole queue and writes it in one transaction in a worker thread; meanwhile the next group
forms. A single caller waits for one fsync, and a thousand callers share one, whatever their batch or account.

*Invariant*: groups are written one after the other, in the order of the queue: a withdrawal never overtakes
the claim before it.

The result of a request is queued without waiting. The worker continues with the next order and waits for that
order's claim, which is behind the result in the queue. Each order therefore costs one wait, and there are
never more unresolved orders than callers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from attrs import define, field, frozen

from frontpay_async.batch.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from frontpay_async.batch.transitions import Transition


@frozen
class Written:
    """The result of a transition.

    Args:
        moved: Whether the row was moved, durably.
        error: Why nothing was written.
    """

    moved: bool = False
    error: JournalError | None = None


@frozen(eq=False)
class _Entry:
    transition: Transition
    then: Callable[[Written], object]
    lane: Lane


@define(eq=False)
class GroupCommit:
    """The queue of the transitions of all batches of a journal.

    Args:
        apply: Writes transitions in one transaction, and returns for each whether the row was moved.
    """

    apply: Callable[[Sequence[Transition]], Awaitable[Sequence[bool]]]
    _queue: list[_Entry] = field(init=False, factory=list[_Entry])
    # One writer at a time.
    _turn: anyio.Lock = field(init=False, factory=lambda: anyio.Lock(fast_acquire=True))

    def lane(self) -> Lane:
        """Return a lane, for one run."""
        return Lane(self)

    def add(self, entry: _Entry) -> None:
        """Queue an entry; called by lanes."""
        self._queue.append(entry)

    def remove(self, lane: Lane) -> list[_Entry]:
        """Remove a lane's entries from the queue; called by lanes."""
        mine = [entry for entry in self._queue if entry.lane is lane]
        self._queue = [entry for entry in self._queue if entry.lane is not lane]
        return mine

    async def write(self) -> None:
        """Write the queue, after the group that is being written; called by lanes."""
        async with self._turn:
            entries, self._queue = self._queue, []
            if entries:
                await self._write(entries)

    async def _write(self, entries: list[_Entry]) -> None:
        try:
            moved = await self.apply([entry.transition for entry in entries])
        except BaseException as error:
            # Tell each waiter that, as far as known, nothing of this group was written.
            why = JournalError(f"not written: {error}")
            why.__cause__ = error
            for entry in entries:
                entry.lane.settle(entry, Written(error=why))
            if not isinstance(error, JournalError):
                raise
        else:
            for entry, was_moved in zip(entries, moved, strict=True):
                entry.lane.settle(entry, Written(moved=was_moved))


@define(eq=False)
class Lane:
    """One run's access to the queue; its transitions are written while ``run`` runs.

    Args:
        group: The queue.
    """

    group: GroupCommit
    _unwritten: int = field(init=False, default=0)
    _wake: anyio.Event = field(init=False, factory=anyio.Event)
    _closed: bool = field(init=False, default=False)

    def put(self, transition: Transition, *, then: Callable[[Written], object]) -> None:
        """Queue a transition."""
        if self._closed:
            raise JournalError("the journal is closed")
        self._unwritten += 1
        self.group.add(_Entry(transition, then, self))
        self._wake.set()

    async def commit(self, transition: Transition) -> bool:
        """Write a transition durably; return whether the row was moved."""
        # A cancelled caller leaves, but its queued transition is still written.
        written = anyio.Event()
        came_of_it = Written()

        def note(told: Written) -> None:
            nonlocal came_of_it
            came_of_it = told
            written.set()

        self.put(transition, then=note)
        await written.wait()
        if came_of_it.error is not None:
            # Each caller raises its own copy, because tracebacks cannot be shared.
            raise JournalError(str(came_of_it.error)) from came_of_it.error.__cause__
        return came_of_it.moved

    async def run(self) -> None:
        """Write until ``close``, and then the rest of the queue."""
        try:
            while self._unwritten or not self._closed:
                await self._wake.wait()
                self._wake = anyio.Event()
                if self._unwritten:
                    # Another lane may write it while this one waits for its turn.
                    await self.group.write()
                if self._closed:
                    self._wake.set()
        finally:
            # If the writer fails, no task may keep waiting for it.
            self._closed = True
            for entry in self.group.remove(self):
                self.settle(entry, Written(error=JournalError("the writer has ended")))

    def settle(self, entry: _Entry, written: Written) -> None:
        """Pass on the result of an entry of this lane; called by the queue."""
        self._unwritten -= 1
        entry.then(written)

    def close(self) -> None:
        """Accept no more transitions; ``run`` ends when those of this lane are written."""
        self._closed = True
        self._wake.set()
