"""Time and randomness as a value, so that tests can control both."""

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
        now: Seconds on a monotonic clock.
        sleep: Waits for a number of seconds.
        chance: Draws a number in [0, 1).
        wall: Unix seconds, for order dates of today.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    chance: Callable[[], float] = random.random
    wall: Callable[[], float] = time.time
