"""Laravel's throttle, exactly, for tests of the ledger."""

from __future__ import annotations

import math

from attrs import Factory, define

__all__ = ["Server"]


@define(eq=False)
class Server:
    """A counter that starts with the first request and is dropped a window later."""

    limit: int
    window: float = 60.0
    began: float = -math.inf
    count: int = 0
    refusals: int = 0
    ended: list[int] = Factory(list[int])

    def open(self, now: float) -> bool:
        return now < self.began + self.window

    def work_on(self, now: float) -> int | None:
        """Count a request and return its number in the window, or refuse it."""
        if not self.open(now):
            self.ended.append(self.count)
            self.began, self.count = now, 0
        if self.count >= self.limit:
            self.refusals += 1
            return None
        self.count += 1
        return self.count

    def counted(self, now: float) -> int:
        """Return the open window's count, as in headers that are made when a response is written."""
        return self.count if self.open(now) else 0
