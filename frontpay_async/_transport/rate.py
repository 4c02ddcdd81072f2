"""The place of the rate governor; for now every call passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage

__all__ = ["Rate"]


@define(eq=False)
class Rate:
    """Let every attempt pass.

    Args:
        following: The next stage.
    """

    following: Stage

    async def send(self, call: Call) -> HttpResponse:
        """Send the call on."""
        return await self.following.send(call)
