"""The record of handled callbacks.

*Model.* A mark is claimed, and then committed or released. A claimed mark is neither new nor done: its
handling may still fail, so a second delivery in the meantime is neither handled nor answered with success.

*Keys.* ``order:…`` is a callback signed by the API; ``terminal:…`` is one that anyone with a callback URL
can forge. Each kind has separate capacity, so a flood of forged callbacks does not displace genuine ones.

*Limit.* Beyond the capacity, callbacks are accepted without being recorded: a callback is only a reason to
poll, and polling twice does no harm, while a rejected callback may be lost.
"""

from __future__ import annotations

import heapq
from enum import StrEnum
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from attrs import define, field

from frontpay_async import _checks

if TYPE_CHECKING:
    from attrs import Attribute


class Claim(StrEnum):
    """The result of claiming a callback."""

    NEW = "new"
    """It is claimed by the caller, until ``commit`` or ``release``."""
    BUSY = "busy"
    """Another task is handling it."""
    DONE = "done"
    """It was already handled."""
    FULL = "full"
    """Accepted, but not recorded: the capacity is used up."""


class ReplayStore(Protocol):
    """The record of handled callbacks; asynchronous, so that several processes can share one.

    A mark may be deleted after its expiry, but never before, not even to free capacity.
    """

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        """Claim a free key, atomically for all processes that share the store.

        Args:
            key: The callback's kind, a colon, and text without secrets.
            now: The time, in Unix seconds.
            until: The expiry, in Unix seconds.
        """
        ...

    async def commit(self, key: str) -> None:
        """Record that a claimed key was handled."""
        ...

    async def release(self, key: str) -> None:
        """Release a claimed key: it was not handled."""
        ...


@define(eq=False)
class _Room:
    """The marks of one kind."""

    # None: released, but still in the queue of expiries.
    marks: dict[str, Claim | None] = field(factory=dict[str, "Claim | None"])
    expiries: list[tuple[float, str]] = field(factory=list[tuple[float, str]])

    def claim(self, key: str, now: float, until: float, capacity: int) -> Claim:
        while self.expiries and self.expiries[0][0] < now:
            del self.marks[heapq.heappop(self.expiries)[1]]
        mark = self.marks.get(key)
        if mark is not None:
            return mark
        if key not in self.marks:
            if len(self.marks) >= capacity:
                return Claim.FULL
            heapq.heappush(self.expiries, (until, key))
        self.marks[key] = Claim.BUSY
        return Claim.NEW

    def settle(self, key: str, mark: Claim | None) -> None:
        # It may have expired by now.
        if key in self.marks:
            self.marks[key] = mark


def _positive(_: MemoryReplayStore, __: Attribute[int], value: object) -> None:
    _checks.whole("MemoryReplayStore.capacity", value, "a whole number of at least 1")


@define(eq=False)
class MemoryReplayStore:
    """A record of handled callbacks in this process, for any number of threads and event loops.

    Args:
        capacity: The maximum number of recorded callbacks of each kind, signed and unsigned. Further ones are
            accepted without being recorded; none is deleted early.

    Raises:
        ConfigurationError: The capacity is not a whole number of at least 1.
    """

    capacity: int = field(default=100_000, validator=_positive)
    _rooms: dict[str, _Room] = field(init=False, factory=dict[str, _Room], repr=False)
    _lock: Lock = field(init=False, factory=Lock, repr=False)

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        """Claim a free key; see ``ReplayStore``."""
        with self._lock:
            return self._room(key).claim(key, now, until, self.capacity)

    async def commit(self, key: str) -> None:
        """Record that a claimed key was handled."""
        with self._lock:
            self._room(key).settle(key, Claim.DONE)

    async def release(self, key: str) -> None:
        """Release a claimed key: it was not handled."""
        with self._lock:
            self._room(key).settle(key, None)

    def _room(self, key: str) -> _Room:
        return self._rooms.setdefault(key.partition(":")[0], _Room())


@define(eq=False)
class TokenAllowance:
    """The number of recorded callbacks of each token.

    A token is part of a URL, so it may leak from an access log, and anyone who has it can forge callbacks.
    This limits their part of a store that all tokens share.

    Args:
        capacity: The maximum number of recorded callbacks per token.
    """

    capacity: int
    # By reference: the number of used places, until the expiry of the first.
    _taken: dict[str, int] = field(init=False, factory=dict[str, int], repr=False)
    _expiries: list[tuple[float, str]] = field(init=False, factory=list[tuple[float, str]], repr=False)
    _lock: Lock = field(init=False, factory=Lock, repr=False)

    def take(self, reference: str, *, now: float, until: float) -> bool:
        """Take one of a token's places, if any is left."""
        with self._lock:
            while self._expiries and self._expiries[0][0] < now:
                del self._taken[heapq.heappop(self._expiries)[1]]
            if reference not in self._taken:
                heapq.heappush(self._expiries, (until, reference))
            taken = self._taken.get(reference, 0)
            if taken >= self.capacity:
                return False
            self._taken[reference] = taken + 1
            return True

    def give_back(self, reference: str) -> None:
        """Return a place that was not used."""
        with self._lock:
            if self._taken.get(reference):
                self._taken[reference] -= 1
