"""The delay before the next attempt of a call. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async.errors import APIError

if TYPE_CHECKING:
    from frontpay_async.errors import FrontPayError
    from frontpay_async.settings import RetryPolicy


def delay(policy: RetryPolicy, attempt: int, chance: float, error: FrontPayError) -> float | None:
    """Return the seconds to wait before the next attempt, or None if the API asks for too long a wait."""
    # Full jitter: callers that failed together do not retry together. The exponent is capped so that a policy
    # of a thousand attempts does not overflow a float.
    wait = chance * min(policy.max_delay, policy.base_delay * 2.0 ** min(attempt - 1, 60))
    asked = error.retry_after if isinstance(error, APIError) else None
    if asked is None:
        return wait
    return None if asked > policy.max_retry_after else asked + wait
