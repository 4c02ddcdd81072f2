"""The pipeline: the order of the stages, as one literal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._transport.auth import Auth
from frontpay_async._transport.rate import Rate
from frontpay_async._transport.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.decisions import RetryBudget
    from frontpay_async._transport.call import Secret, Stage
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.observe import Observers

__all__ = ["compose"]


def compose(
    *,
    clock: Clock,
    budget: RetryBudget,
    observers: Observers,
    credential: Secret | Callable[[], Awaitable[str]],
    send: Stage,
) -> Stage:
    """Compose the stages: each attempt pays the rate and carries a fresh credential."""
    return Retry(Rate(Auth(send, source=credential)), clock=clock, budget=budget, observers=observers)
