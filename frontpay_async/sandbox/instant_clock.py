"""A clock that skips waits, for tests of programs that use the client."""

from __future__ import annotations

from anyio.lowlevel import checkpoint
from attrs import define, field

from frontpay_async._transport.clock import Clock


@define(eq=False)
class _InstantClock:
    real: Clock
    ahead: float = field(init=False, default=0.0)

    def now(self) -> float:
        return self.real.now() + self.ahead

    async def sleep(self, seconds: float) -> None:
        self.ahead += seconds
        await checkpoint()


def instant_clock() -> Clock:
    """Return a clock on which no wait takes time."""
    # A sleep returns at once and advances the time. Real time also advances the clock, so that a program that
    # polls with its own sleeps eventually sees the cardholder's decision. Random numbers are one half.
    skipping = _InstantClock(Clock())
    return Clock(now=skipping.now, sleep=skipping.sleep, chance=lambda: 0.5)
