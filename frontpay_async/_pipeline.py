"""The pipeline: the order of the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._rate.stage import Rate
from frontpay_async._transport.auth import Auth
from frontpay_async._transport.before_send import BeforeSend
from frontpay_async._transport.deadline import Deadline
from frontpay_async._transport.instrumentation import Instrumentation
from frontpay_async._transport.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.retry_policy import RetryBudget
    from frontpay_async._transport.auth import Secret
    from frontpay_async._transport.call import Stage
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.instrumentation import Follower
    from frontpay_async.settings import RateLimit


@frozen(eq=False, repr=False)
class Pipeline:
    """The composed stages.

    Args:
        first: The first stage of every call.
        rate: The rate stage, for statistics; closed with the client.
    """

    first: Retry
    rate: Rate


def compose(
    *,
    clock: Clock,
    budget: RetryBudget,
    follower: Follower | None,
    credential: Secret | Callable[[], Awaitable[str]],
    base_url: str,
    rate_limit: RateLimit,
    send: Stage,
) -> Pipeline:
    """Compose the stages: each attempt waits for the rate window and carries a fresh credential."""
    wire = send if follower is None else Instrumentation(send, follower, clock)
    rate = Rate(
        Deadline(Auth(BeforeSend(wire), source=credential), clock),
        limit=rate_limit,
        credential=credential,
        base_url=base_url,
        clock=clock,
    )
    if follower is not None:
        follower.observe("rate.remaining", rate.remaining)
    governed = rate_limit.requests is not None
    return Pipeline(Retry(rate, clock=clock, budget=budget, governed=governed), rate)
