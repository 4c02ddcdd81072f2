"""``client.rate``: where the token's rate window stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from frontpay_async._rate.governor import RateStatistics
    from frontpay_async._rate.stage import Rate


@define(eq=False, repr=False)
class RateView:
    """The token's rate window; reached as ``client.rate``, inside the event loop."""

    _stage: Rate

    def statistics(self) -> RateStatistics | None:
        """Show where the window stands; None with ``RateLimit.unlimited()``, or once the client is closed."""
        return self._stage.statistics()

    def estimate(self, calls: int) -> float:
        """Return the seconds until so many more batch calls are through; 0 with ``RateLimit.unlimited()``.

        Args:
            calls: How many.
        """
        return self._stage.estimate(calls)
