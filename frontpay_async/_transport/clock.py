"""Time and chance, behind one small value, so that tests decide both."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import anyio
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@frozen
class Clock:
    """Time, waiting and randomness.

    Args:
        now: Seconds on a clock that never jumps.
        sleep: Wait for some seconds.
        chance: Draw a number in [0, 1).
        wall: Seconds since 1970, by which an order date of today is written.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time
