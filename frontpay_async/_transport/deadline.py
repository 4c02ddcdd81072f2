"""The deadline of a call, from the grant of the rate window to the complete response.

``Timeouts.total`` bounds the whole call. What a stage before this one waits for, it bounds itself: the retry
stage begins no attempt and no pause that the deadline does not allow, and the governor bounds its queue. So
a response that is there is never given up while it is recorded.

*Cost*: under asyncio, a timer that cancels the task, like ``asyncio.timeout`` but without its coroutines and
states; it takes a quarter of the time of a cancel scope of anyio's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from attrs import define

from frontpay_async._transport.loop_guard import asyncio_loop

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage
    from frontpay_async._transport.clock import Clock


@define(eq=False, repr=False)
class Deadline:
    """The stage that ends a call whose time is over.

    Args:
        following: The next stage.
        clock: Time.
    """

    following: Stage
    clock: Clock

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
        is_over = False

        def cancel() -> None:
            nonlocal is_over
            is_over = True
            task.cancel()

        timer = loop.call_at(loop.time() + seconds, cancel)
        try:
            response = await self.following.send(call)
        except asyncio.CancelledError:
            # The caller may have cancelled as well, which takes precedence.
            if not is_over or task.uncancel() > cancelling:
                raise
            return None
        except BaseException:
            # Another error came first: the task is not left cancelled.
            if is_over:
                task.uncancel()
            raise
        finally:
            timer.cancel()
        if is_over:
            task.uncancel()
        return response
