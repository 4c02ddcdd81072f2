"""Group commit: many callers, one transaction at a time, one fsync for all who wait.

Whoever has something to write puts it in line and waits. One task takes the whole line at once, writes it in
one transaction in a worker thread, and wakes all who stood in it; meanwhile the next line forms. So a lone
caller waits for one fsync, and a thousand callers share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from attrs import define, field

from frontpay_async.batch.errors import JournalError

if TYPE_CHECKING:
    from frontpay_async.batch.journal import Journal
    from frontpay_async.batch.transitions import Transition

__all__ = ["Commits"]


@define(eq=False)
class _Entry:
    transition: Transition
    written: anyio.Event = field(factory=anyio.Event)
    moved: bool = False
    error: BaseException | None = None


@define(eq=False)
class Commits:
    """Write transitions for many callers.

    Args:
        journal: Where they are written.
    """

    journal: Journal
    _line: list[_Entry] = field(init=False, factory=list[_Entry])
    _wake: anyio.Event = field(init=False, factory=anyio.Event)
    _closed: bool = field(init=False, default=False)

    async def commit(self, transition: Transition) -> bool:
        """Write a transition; return, when it is on disk, whether the row was moved.

        A caller that is cancelled leaves the line; what it put there may be written all the same.

        Raises:
            JournalError: It could not be written.
        """
        if self._closed:
            raise JournalError("the journal is closed")
        entry = _Entry(transition)
        self._line.append(entry)
        self._wake.set()
        await entry.written.wait()
        if entry.error is not None:
            raise JournalError(f"not written: {entry.error}") from entry.error
        return entry.moved

    async def run(self) -> None:
        """Write until ``close``, and then what is left."""
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
            # Where it ends otherwise, nobody may wait for it any more.
            self._closed = True
            for entry in self._line:
                entry.error = JournalError("the writer has ended")
                entry.written.set()

    async def _write(self, line: list[_Entry]) -> None:
        transitions = [entry.transition for entry in line]
        try:
            moved = await to_thread.run_sync(self.journal.apply, transitions)
            for entry, was_moved in zip(line, moved, strict=True):
                entry.moved = was_moved
        except BaseException as error:
            # Told to each who waits: nothing of this line was written, as far as anybody knows.
            for entry in line:
                entry.error = error
            if not isinstance(error, JournalError):
                raise
        finally:
            for entry in line:
                entry.written.set()

    def close(self) -> None:
        """Take nothing more; ``run`` ends when the line is empty."""
        self._closed = True
        self._wake.set()
