"""The stage before the wire: the caller's hook may replace the request, or record that it is about to leave.

It is after the rate stage, because a request may wait there for minutes, and a crash in that time should
leave nothing unresolved. If the hook fails or is cancelled, nothing was sent: the rate stage gets its permit
back, and the call's outcome is NOT_SENT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage


@define(eq=False, repr=False)
class BeforeSend:
    """Await the ``before_send`` hook before each attempt.

    Args:
        following: The next stage.
    """

    following: Stage

    async def send(self, call: Call) -> HttpResponse:
        """Send the request that the hook returns."""
        if call.options.before_send is not None:
            attempt = call.attempt
            attempt.request = await call.options.before_send(attempt.request)
            # A tentative call starts here.
            call.report.begin(attempt.request.operation)
        return await self.following.send(call)
