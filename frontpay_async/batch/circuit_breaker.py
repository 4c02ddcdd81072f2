"""How a batch pauses in an outage: a circuit breaker. Pure; the time is an argument.

    closed ──failures in a row──▶ open ──pause over, a read was answered──▶ one order at a time
      ▲                             ▲                                            │
      └──────────an answer──────────┼────────────────────────────────────────────┤
                                    └───────────────a failure, longer pause──────┘

Each order that is sent into an outage may come out in doubt, so an outage must cost few of them.
"""

from __future__ import annotations

from attrs import define, field


@define(eq=False)
class Breaker:
    """A counter of consecutive failures.

    Args:
        threshold: How many open it.
        first_pause: Seconds; doubled by each failure that follows.
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
        """Take in an answer."""
        self._failures = self._opened = 0

    def fail(self, now: float) -> bool:
        """Take in a failure at a time in seconds; tell whether it opened the breaker."""
        self._failures += 1
        if self.is_open and now < self._closed_until:
            # One that was on its way when the breaker opened.
            return False
        if not self.is_open and self._failures < self.threshold:
            return False
        self._opened += 1
        pause = self.first_pause * 2.0 ** min(self._opened - 1, 16)
        self._closed_until = now + min(self.longest_pause, pause)
        return self._opened == 1
