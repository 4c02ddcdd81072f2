"""Whole scenarios in simulated time: when everybody waits, the loop's own clock jumps to the next timer.

Unlike ``VirtualTime`` nobody moves it by hand, so that a scenario of an hour is written as it is told. It is
exact, and the same on each run, under asyncio and under trio.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

import anyio
import trio.testing

from frontpay_async import Clock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["BACKENDS", "CLOCK", "passes", "simulate"]

T = TypeVar("T")

BACKENDS = ("asyncio", "trio")
CLOCK = Clock(now=anyio.current_time, sleep=anyio.sleep, chance=lambda: 0.5)


class _Jumping(selectors.DefaultSelector):
    """Instead of waiting, tell the loop that the time has passed."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if timeout is None:
            raise RuntimeError("everybody waits, and for nothing that will come")
        if not ready:
            self.passed += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1000.0 + self._jumping.passed


async def passes(seconds: float) -> None:
    """Let so much simulated time pass; really, none does."""
    await anyio.sleep(seconds)


def simulate(scenario: Callable[..., Awaitable[T]], *arguments: object, backend: str = "asyncio") -> T:
    """Run a scenario to its end and return what it returns; its clock is ``CLOCK``."""
    options: dict[str, object] = (
        {"loop_factory": _Loop}
        if backend == "asyncio"
        else {"clock": trio.testing.MockClock(autojump_threshold=0)}
    )
    return anyio.run(scenario, *arguments, backend=backend, backend_options=options)
