"""Group commit: one transaction and one fsync for many callers.

A caller queues its transition and waits. One task takes the whole queue, writes it in one transaction in a
worker thread, and notifies all waiters; meanwhile the next group forms. A single caller waits for one fsync,
and a thousand callers share one.

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


@frozen
class _Entry:
    transition: Transition
    then: Callable[[Written], object]


@define(eq=False)
class GroupCommit:
    """A writer of transitions for many callers.

    Args:
        apply: Writes transitions in one transaction, and returns for each whether the row was moved.
    """

    apply: Callable[[Sequence[Transition]], Awaitable[Sequence[bool]]]
    _line: list[_Entry] = field(init=False, factory=list[_Entry])
    _wake: anyio.Event = field(init=False, factory=anyio.Event)
    _closed: bool = field(init=False, default=False)

    def put(self, transition: Transition, *, then: Callable[[Written], object]) -> None:
        """Queue a transition."""
        if self._closed:
            raise JournalError("the journal is closed")
        self._line.append(_Entry(transition, then))
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
            while self._line or not self._closed:
                await self._wake.wait()
                self._wake = anyio.Event()
                line, self._line = self._line, []
                if line:
                    await self._write(line)
                if self._line or self._closed:
                    self._wake.set()
        finally:
            # If the writer fails, no task may keep waiting for it.
            self._closed = True
            left, self._line = self._line, []
            for entry in left:
                entry.then(Written(error=JournalError("the writer has ended")))

    async def _write(self, line: list[_Entry]) -> None:
        try:
            moved = await self.apply([entry.transition for entry in line])
        except BaseException as error:
            # Tell each waiter that, as far as known, nothing of this group was written.
            why = JournalError(f"not written: {error}")
            why.__cause__ = error
            for entry in line:
                entry.then(Written(error=why))
            if not isinstance(error, JournalError):
                raise
        else:
            for entry, was_moved in zip(line, moved, strict=True):
                entry.then(Written(moved=was_moved))

    def close(self) -> None:
        """Accept no more transitions; ``run`` ends when the queue is empty."""
        self._closed = True
        self._wake.set()
