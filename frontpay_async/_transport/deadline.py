"""The deadline of a call, from the grant of the rate window to the complete response.

``Timeouts.total`` bounds the whole call. What a stage before this one waits for, it bounds itself: the retry
stage begins no attempt and no pause that the deadline does not allow, and the governor bounds its queue. So
a response that is there is never given up while it is recorded.

*Cost*: under asyncio, its own time-out, which takes half the time of a cancel scope of anyio's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from attrs import define

from frontpay_async._transport.loop_guard import asyncio_loop

if TYPE_CHECKING:
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
            if asyncio_loop() is None:
                with anyio.move_on_after(seconds):
                    return await self.following.send(call)
            else:
                # Imported here: it takes a fifth of the package's import, and trio does not need it.
                from asyncio import timeout  # noqa: PLC0415

                bound = timeout(seconds)
                try:
                    async with bound:
                        return await self.following.send(call)
                except TimeoutError:
                    # A hook of the caller's may raise one, too.
                    if not bound.expired():
                        raise
        # Raised out here, so that the cancellation is not its context.
        raise call.past_deadline()
