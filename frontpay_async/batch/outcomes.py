"""What the end of a call means for its row and for the run. Pure.

    the call ended in                     row         run
    CreatedOrder                          confirm     goes on
    InvalidOrderError                     refuse      goes on; it was never sent
    417, 422, 400 and other refusals      refuse      goes on, with the server's sentences in the row
    429                                   withdraw    goes on, later
    not sent                              withdraw    goes on, later; counts as a sign of an outage
    5xx, 408, 499, lost answer            lose        goes on; counts as a sign of an outage
    401, 403, 404, 405                    withdraw    stops: not this order is wrong, but the token or the URL
    ConfigurationError                    withdraw    stops

A 500 or 510 says that the API failed, not that it did nothing: it loses, it never withdraws.
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
    """The meaning of an error for a row.

    Args:
        event: What happens to the row.
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
    """Say what an error means for its row and for the run."""
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
    """Return whether a request that only reads failed because the API is not there, or not itself."""
    if isinstance(error, APIError) and error.status in CUT_OFF:
        return True
    return isinstance(error, (NotSentError, OutcomeUnknownError, RateLimitedError, ServerError))


def _told(error: FrontPayError) -> str:
    said = str(error)
    if isinstance(error, APIError) and error.messages:
        said = f"{error.status}: {' '.join(error.messages)}"
    # What no database takes as text: a lone surrogate, which JSON can spell, and on PostgreSQL a NUL.
    return said[:_LONGEST_ERROR].encode("utf-8", "replace").decode().replace("\0", "?")
