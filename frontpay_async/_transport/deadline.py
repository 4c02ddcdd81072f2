"""The deadline of a call, from the grant of the rate window to the complete response.

``Timeouts.total`` bounds the whole call. What a stage before this one waits for, it bounds itself: the retry
stage begins no attempt and no pause that the deadline does not allow, and the governor bounds its queue. So
a response that is there is never given up while it is recorded.

*Cost*: under asyncio, all calls of a client share one timer of the event loop, which is set for the earliest
deadline and looks at every call when it fires. Nearly all calls end long before, and cost two operations on a
set: a tenth of what ``asyncio.timeout`` takes.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING
from weakref import WeakMethod

import anyio
from attrs import define, field

from frontpay_async._transport.loop_guard import asyncio_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage
    from frontpay_async._transport.clock import Clock


@define(eq=False, repr=False)
class _Bounded:
    """A call in flight, and the event loop's time by which it must end."""

    task: Task[object]
    end: float
    is_over: bool = False


@define(eq=False, repr=False)
class Deadline:
    """The stage that ends a call whose time is over.

    Args:
        following: The next stage.
        clock: Time.
    """

    following: Stage
    clock: Clock
    _in_flight: set[_Bounded] = field(init=False, factory=set["_Bounded"])
    _wakes_at: float = field(init=False, default=inf)

    async def send(self, call: Call) -> HttpResponse:
        """Send the attempt, if there is time, and wait no longer than that."""
        if call.deadline is None:
            return await self.following.send(call)
        seconds = call.deadline - self.clock.now()
        if seconds > 0:
            loop = asyncio_loop()
            if loop is not None:
                response = await self._within(seconds, call, loop)
                if response is not None:
                    return response
            else:
                with anyio.move_on_after(seconds):
                    return await self.following.send(call)
        # Raised out here, so that the cancellation is not its context.
        raise call.past_deadline()

    async def _within(self, seconds: float, call: Call, loop: AbstractEventLoop) -> HttpResponse | None:
        """Send the attempt; return None if it was cancelled because the time is over."""
        # Imported here: it takes a fifth of the package's import, and trio does not need it.
        import asyncio  # noqa: PLC0415

        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checkers
        cancelling = task.cancelling()
        bounded = _Bounded(task, loop.time() + seconds)
        self._in_flight.add(bounded)
        if bounded.end < self._wakes_at:
            self._wake_at(bounded.end, loop)
        try:
            response = await self.following.send(call)
        except asyncio.CancelledError:
            # The caller may have cancelled as well, which takes precedence.
            if not bounded.is_over or task.uncancel() > cancelling:
                raise
            return None
        except BaseException:
            # Another error came first: the task is not left cancelled.
            if bounded.is_over:
                task.uncancel()
            raise
        finally:
            self._in_flight.discard(bounded)
        if bounded.is_over:
            task.uncancel()
        return response

    def _wake_at(self, time: float, loop: AbstractEventLoop) -> None:
        # The event loop keeps a timer until it fires, long after the client may have been closed.
        weakly = WeakMethod(self._end_calls)

        def wake() -> None:
            end_calls = weakly()
            if end_calls is not None:
                end_calls(time, loop)

        self._wakes_at = time
        loop.call_at(time, wake)

    def _end_calls(self, time: float, loop: AbstractEventLoop) -> None:
        """Cancel the calls whose time is over, and wake again for the next."""
        if time != self._wakes_at:
            # An earlier timer has replaced this one.
            return
        following = inf
        for bounded in self._in_flight:
            if bounded.is_over:
                continue
            if bounded.end <= time:
                bounded.is_over = True
                bounded.task.cancel()
            else:
                following = min(following, bounded.end)
        self._wakes_at = inf
        if following < inf:
            self._wake_at(following, loop)
