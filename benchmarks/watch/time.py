"""Simulated time: an event loop that never waits, and jumps to the next timer when nothing is left to do.

So everything that asks the loop for the time or sleeps on it (asyncio, anyio, tenacity, the client with its
`Clock`) lives in simulated time, a minute takes as long as its work, and the same input gives the same run to
the last bit. Nothing that needs a socket or a thread can run here.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from frontpay_async import Clock

_STANDSTILL = 1_000_000
"""Rounds of the loop without a second passing: more than any benchmark needs."""

ResultT = TypeVar("ResultT")


class _Jump(selectors.DefaultSelector):
    """Lets time pass instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._idle = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Return at once; the time that would have been waited for is over."""
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else: no timer is left")
        self._idle = self._idle + 1 if timeout <= 0 else 0
        if self._idle > _STANDSTILL:
            raise RuntimeError(f"time stands still at {self.now:.3f} s: somebody is busy without end")
        self.now += max(0.0, timeout)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop in simulated time, in seconds from zero."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        # A timer is due when it is reached; the sum of the jumps is off by a rounding error.
        self._clock_resolution = 1e-9

    def time(self) -> float:
        """Return the simulated time."""
        return self._jump.now


def simulate(main: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine to its end in simulated time."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(main)


def loop_clock() -> Clock:
    """Return the client's clock on the running loop; chance is always one half."""
    return Clock(now=asyncio.get_running_loop().time, sleep=asyncio.sleep, chance=lambda: 0.5)
