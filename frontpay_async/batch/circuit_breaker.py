"""The circuit breaker that pauses a batch during an outage. Pure; the time is an argument.

    closed ──failures in a row──▶ open ──pause over, a read was answered──▶ one order at a time
      ▲                             ▲                                            │
      └──────────an answer──────────┼────────────────────────────────────────────┤
                                    └───────────────a failure, longer pause──────┘

Each order that is sent during an outage may become unresolved, so few must be sent.
"""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class Breaker:
    """A counter of consecutive failures.

    Args:
        threshold: The number of failures that opens it.
        first_pause: Seconds; doubled by each further failure.
        longest_pause: Seconds.
    """

    threshold: int = 5
    first_pause: float = 1.0
    longest_pause: float = 60.0
    _failures: int = field(init=False, default=0)
    _opened: int = field(init=False, default=0)
    _closed_until: float = field(init=False, default=0.0)

    @property
    def is_open(self) -> bool:
        """Whether orders must wait."""
        return self._opened > 0

    def pause(self, now: float) -> float:
        """Return the seconds until the next try."""
        return max(0.0, self._closed_until - now)

    def succeed(self) -> None:
        """Record a response."""
        self._failures = self._opened = 0

    def fail(self, now: float) -> bool:
        """Record a failure at a time in seconds; return whether it opened the breaker."""
        self._failures += 1
        if self.is_open and now < self._closed_until:
            # The request was in flight when the breaker opened.
            return False
        if not self.is_open and self._failures < self.threshold:
            return False
        self._opened += 1
        pause = self.first_pause * 2.0 ** min(self._opened - 1, 16)
        self._closed_until = now + min(self.longest_pause, pause)
        return self._opened == 1
