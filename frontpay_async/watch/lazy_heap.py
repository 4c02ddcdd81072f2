"""A heap with removal of any item: the removed entry stays behind and is skipped later. Pure."""

from __future__ import annotations

import heapq
import itertools
from typing import Generic, Protocol, TypeVar

from attrs import define, field

_FEW = 16
# One counter for all heaps, so a stale entry of one heap never matches an item in another.
_arrivals = itertools.count(1)


class Placed(Protocol):
    """An item that is in at most one heap; ``place`` is 0 when it is in none."""

    place: int


ItemT = TypeVar("ItemT", bound=Placed)


@define(eq=False, repr=False)
class LazyHeap(Generic[ItemT]):
    """A heap of items by key; equal keys in the order of arrival.

    All operations are O(log n), amortised. An item can be dropped only from the heap that contains it.
    """

    _heap: list[tuple[float, int, ItemT]] = field(init=False, factory=list[tuple[float, int, ItemT]])
    _stale: int = field(init=False, default=0)

    def __len__(self) -> int:
        return len(self._heap) - self._stale

    def push(self, item: ItemT, key: float) -> None:
        """Add an item that is in no heap."""
        item.place = next(_arrivals)
        heapq.heappush(self._heap, (key, item.place, item))

    def drop(self, item: ItemT) -> None:
        """Remove an item that is in this heap."""
        item.place = 0
        self._stale += 1
        if self._stale > _FEW and self._stale * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].place == entry[1]]
            heapq.heapify(self._heap)
            self._stale = 0

    def first(self) -> tuple[float, ItemT] | None:
        """Return the smallest key and its item; None if the heap is empty."""
        heap = self._heap
        while heap:
            key, arrival, item = heap[0]
            if item.place == arrival:
                return key, item
            heapq.heappop(heap)
            self._stale -= 1
        return None

    def pop(self) -> ItemT:
        """Remove the item with the smallest key; there must be one."""
        found = self.first()
        if found is None:
            raise IndexError("an empty heap")
        heapq.heappop(self._heap)
        found[1].place = 0
        return found[1]
