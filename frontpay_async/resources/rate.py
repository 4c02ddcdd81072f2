"""``client.rate``: the state of the token's rate window."""

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
        """Return the state of the window; None with ``RateLimit.unlimited()`` or a closed client."""
        return self._stage.statistics()

    def estimate(self, calls: int) -> float:
        """Return the seconds until more batch calls have been sent; 0 with ``RateLimit.unlimited()``.

        Args:
            calls: The number of calls.
        """
        return self._stage.estimate(calls)
