"""The stage that lets telemetry follow each request; composed only where there is telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from frontpay_async._transport.instrumentation import tell
from frontpay_async._transport.send import TransportFailure

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Attempt, Stage
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.instrumentation import Follower


@define(eq=False, repr=False)
class Follow:
    """Tell when a request begins and how it ends: what is sent, without any wait for the rate or a token.

    Args:
        following: The next stage.
        follower: Told of each request.
        clock: Time.
    """

    following: Stage
    follower: Follower
    clock: Clock

    async def send(self, attempt: Attempt) -> HttpResponse:
        """Send the attempt on."""
        attempt.call.requests += 1
        response = None
        kind: str | None = None
        end = tell(self.follower.request, attempt)
        started = self.clock.now()
        try:
            response = await self.following.send(attempt)
        except BaseException as error:
            kind = _kind(error)
            raise
        else:
            return response
        finally:
            if end is not None:
                tell(end, response, self.clock.now() - started, kind)


def _kind(error: BaseException) -> str:
    """Name what went wrong on the wire: the engine's error, where ours has one for its cause."""
    cause = error.__cause__
    return cause.kind if isinstance(cause, TransportFailure) else type(error).__name__
