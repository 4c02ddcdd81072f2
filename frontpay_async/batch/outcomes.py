"""The consequences of a call's result for its row and for the run. Pure.

    the call ended in                     row         run
    CreatedOrder                          confirm     goes on
    InvalidOrderError                     refuse      goes on; it was never sent
    417, 422, 400 and other refusals      refuse      goes on, with the server's sentences in the row
    429                                   withdraw    goes on, later
    not sent                              withdraw    goes on, later; counts as a sign of an outage
    5xx, 408, 499, lost answer            lose        goes on; counts as a sign of an outage
    401, 403, 404, 405                    withdraw    stops: not this order is wrong, but the token or the URL
    ConfigurationError                    withdraw    stops

A 500 or 510 means that the API failed, not that it did nothing: the event is ``lose``, never ``withdraw``.
"""

from __future__ import annotations

from attrs import frozen

from frontpay_async._protocol.parse import CUT_OFF
from frontpay_async.batch.states import RowEvent
from frontpay_async.errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    FrontPayError,
    InvalidOrderError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateBudgetExceededError,
    RateLimitedError,
    ServerError,
)

_METHOD_NOT_ALLOWED = 405
_LONGEST_ERROR = 2000


@frozen
class Judgement:
    """The consequences of an error.

    Args:
        event: The event of the row.
        error: The error text of the row.
        stops: Whether the run must stop.
        is_outage: Whether it is a sign that the API is down.
        retry_after: Seconds that the API asked to wait.
    """

    event: RowEvent
    error: str
    stops: bool = False
    is_outage: bool = False
    retry_after: float = 0.0


def judge(error: FrontPayError) -> Judgement:  # noqa: PLR0911 - a table
    """Return the consequences of an error for its row and for the run."""
    told = _told(error)
    match error:
        case InvalidOrderError():
            return Judgement(RowEvent.REFUSE, told)
        case RateBudgetExceededError(retry_after=wait):
            return Judgement(RowEvent.WITHDRAW, told, retry_after=wait)
        case RateLimitedError(retry_after=asked):
            return Judgement(RowEvent.WITHDRAW, told, retry_after=asked or 0.0)
        case NotSentError():
            return Judgement(RowEvent.WITHDRAW, told, is_outage=True)
        case _ if error.outcome is Outcome.UNKNOWN:
            return Judgement(RowEvent.LOSE, told, is_outage=True)
        case AuthenticationError() | PermissionDeniedError() | NotFoundError() | ConfigurationError():
            return Judgement(RowEvent.WITHDRAW, told, stops=True)
        case APIError(status=status) if status != _METHOD_NOT_ALLOWED:
            return Judgement(RowEvent.REFUSE, told)
        case _:
            return Judgement(RowEvent.WITHDRAW, told, stops=True)


def is_outage(error: FrontPayError) -> bool:
    """Return whether a read failed because the API is unavailable."""
    if isinstance(error, APIError) and error.status in CUT_OFF:
        return True
    return isinstance(error, (NotSentError, OutcomeUnknownError, RateLimitedError, ServerError))


def _told(error: FrontPayError) -> str:
    said = str(error)
    if isinstance(error, APIError) and error.messages:
        said = f"{error.status}: {' '.join(error.messages)}"
    # Text that databases reject: a lone surrogate, which is possible in JSON, and NUL on PostgreSQL.
    return said[:_LONGEST_ERROR].encode("utf-8", "replace").decode().replace("\0", "?")
