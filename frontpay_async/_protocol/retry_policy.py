"""The retry decision, from the operation's safety class and the failure. Pure.

    failure                          READ    IDEMPOTENT   UNSAFE
    not sent; 429; busy terminal     retry   retry        retry
    500, 510 with a generic message  retry   retry        retry, unless the policy says no
    500, 510 with any other message  retry   retry        stop: it may have happened
    502, 503, 504; lost answer       retry   retry        stop: it may have happened
    a 2xx that is not a success      retry   retry        stop: it may have happened
    any other answer                 stop    stop         stop

The HTTP method is irrelevant: the refund status check is a POST, but a read. A 500 or 510 with a specific
code (``personCurrentStatusIsWrong``) may be a final rejection, after work was done. A 500 that is not the
API's JSON, such as a proxy's page or an empty body, does not prove that the API failed: it counts as a 502,
and so do 408 and 499, which proxies send for interrupted requests.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import define, field

from frontpay_async._protocol.error_codes import is_generic_failure
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import CUT_OFF
from frontpay_async._protocol.success import is_json_object
from frontpay_async.errors import (
    APIError,
    CreditCheckRejectedError,
    NotSentError,
    OutcomeUnknownError,
    RateBudgetExceededError,
    RateLimitedError,
    ServerError,
    TerminalBusyError,
    folded,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async.errors import FrontPayError
    from frontpay_async.settings import RetryPolicy


class Failure(Enum):
    """The meaning of a failed attempt."""

    DID_NOT_HAPPEN = "did not happen"
    SERVER_FAILED = "the API says that it failed"
    NO_USABLE_ANSWER = "no usable answer"
    DECIDED = "decided"


_MAY_RETRY: Mapping[Failure, frozenset[Safety]] = MappingProxyType(
    {
        Failure.DID_NOT_HAPPEN: frozenset({Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE}),
        Failure.SERVER_FAILED: frozenset({Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE}),
        Failure.NO_USABLE_ANSWER: frozenset({Safety.READ, Safety.IDEMPOTENT}),
        Failure.DECIDED: frozenset(),
    }
)


def classify(error: FrontPayError, response: HttpResponse | None) -> Failure:  # noqa: PLR0911 - a table
    """Return the meaning of a failed attempt."""
    match error:
        case RateBudgetExceededError() | CreditCheckRejectedError():
            # The governor decided that waiting is useless, or the API's rejection is final.
            return Failure.DECIDED
        case NotSentError() | RateLimitedError() | TerminalBusyError():
            return Failure.DID_NOT_HAPPEN
        case OutcomeUnknownError():
            return Failure.NO_USABLE_ANSWER
        case ServerError(status=500 | 510, message=said) if response is not None and is_json_object(response):
            return Failure.SERVER_FAILED if is_generic_failure(folded(said)) else Failure.NO_USABLE_ANSWER
        case ServerError():
            return Failure.NO_USABLE_ANSWER
        case APIError(status=status) if status in CUT_OFF:
            return Failure.NO_USABLE_ANSWER
        case _:
            return Failure.DECIDED


def may_retry(safety: Safety, failure: Failure, policy: RetryPolicy, attempt: int) -> bool:
    """Decide whether another attempt may follow."""
    if attempt >= policy.attempts or safety not in _MAY_RETRY[failure]:
        return False
    return (
        failure is not Failure.SERVER_FAILED
        or safety is not Safety.UNSAFE
        or policy.retry_unsafe_server_errors
    )


def may_pass(error: FrontPayError) -> bool:
    """Return whether a failed read may succeed when repeated, by the same table."""
    return Safety.READ in _MAY_RETRY[classify(error, None)]


@define(eq=False, repr=False)
class _Second:
    start: float
    requests: int = 0
    retries: int = 0


@define(eq=False, repr=False)
class RetryBudget:
    """The retry limit: a share of the requests in a sliding window, so that retries do not amplify an outage.

    A few retries are always allowed: a client with one call a minute may still repeat it.

    Args:
        share: Retries per request.
        window: Seconds.
        free: Retries per window that are always allowed.
    """

    share: float = 0.2
    window: float = 60.0
    free: int = 10
    # One entry per second, so that memory does not grow with the load.
    _seconds: deque[_Second] = field(init=False, factory=deque[_Second])

    def count_request(self, now: float) -> None:
        """Record a call's first attempt, at a time in seconds."""
        self._second(now).requests += 1

    def take_retry(self, now: float) -> bool:
        """Take one retry at a time in seconds, unless the share is used up."""
        second = self._second(now)
        retries = sum(each.retries for each in self._seconds)
        if retries + 1 > max(self.free, self.share * sum(each.requests for each in self._seconds)):
            return False
        second.retries += 1
        return True

    def _second(self, now: float) -> _Second:
        seconds = self._seconds
        if not seconds or now >= seconds[-1].start + 1:
            seconds.append(_Second(now))
            while seconds[0].start <= now - self.window:
                seconds.popleft()
        return seconds[-1]
