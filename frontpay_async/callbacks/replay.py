"""Which callbacks were handled already. Pure.

A mark is claimed, and then committed or released. What is claimed is neither new nor done: its handling may
yet fail, so a second delivery in the meantime is neither handled nor told that all is well.
"""

from __future__ import annotations

import heapq
from enum import StrEnum
from typing import Protocol

from attrs import define, field


class Claim(StrEnum):
    """Answer whether a callback may be handled now."""

    NEW = "new"
    """It may, and it is the caller's until ``commit`` or ``release``."""
    BUSY = "busy"
    """Somebody else is handling it."""
    DONE = "done"
    """It was handled before."""
    FULL = "full"
    """There is no room to remember it."""


class ReplayStore(Protocol):
    """Remember which callbacks were handled; asynchronous, so that several processes can share one.

    A mark may be forgotten when its time is over, and never before: not even to make room.
    """

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        """Take a key, unless it is taken; at once for all who share the store.

        Args:
            key: Names the callback: text without any secret.
            now: The time, in Unix seconds.
            until: How long it must be remembered, in Unix seconds.
        """
        ...

    async def commit(self, key: str) -> None:
        """Remember that a claimed key was handled."""
        ...

    async def release(self, key: str) -> None:
        """Give a claimed key back: it was not handled."""
        ...


@define(eq=False)
class MemoryReplayStore:
    """Remember callbacks in this process.

    Args:
        capacity: The most that are remembered. Only verified callbacks come here, and when there is no room
            left they are refused until there is; none is forgotten early.
    """

    capacity: int = 100_000
    # None: given back, but still in the queue of expiries.
    _marks: dict[str, Claim | None] = field(init=False, factory=dict[str, "Claim | None"], repr=False)
    _expiries: list[tuple[float, str]] = field(init=False, factory=list[tuple[float, str]], repr=False)

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        """Take a key, unless it is taken; see ``ReplayStore``."""
        while self._expiries and self._expiries[0][0] < now:
            del self._marks[heapq.heappop(self._expiries)[1]]
        mark = self._marks.get(key)
        if mark is not None:
            return mark
        if key not in self._marks:
            if len(self._marks) >= self.capacity:
                return Claim.FULL
            heapq.heappush(self._expiries, (until, key))
        self._marks[key] = Claim.BUSY
        return Claim.NEW

    async def commit(self, key: str) -> None:
        """Remember that a claimed key was handled."""
        # Its time may be over by now.
        if key in self._marks:
            self._marks[key] = Claim.DONE

    async def release(self, key: str) -> None:
        """Give a claimed key back: it was not handled."""
        if key in self._marks:
            self._marks[key] = None
