"""The last stage before the wire: whoever keeps a journal writes down that the request is about to leave.

It stands after the rate stage, because a request may wait there for minutes, and a crash in that time should
leave nothing in doubt. The stages before it see that nothing was sent when the hook fails or is cancelled:
the rate stage takes its permit back, and the call's outcome is NOT_SENT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage


@define(eq=False)
class BeforeSend:
    """Let the caller's hook go before each attempt.

    Args:
        following: The next stage.
    """

    following: Stage

    async def send(self, call: Call) -> HttpResponse:
        """Await the hook, then send the call on."""
        before_send = call.options.before_send
        if before_send is not None:
            await before_send()
        return await self.following.send(call)
