"""What the observer hooks are told: frozen records, whose reprs show nothing personal. Pure."""

from __future__ import annotations

from attrs import field, frozen

from frontpay_async.errors import Outcome
from frontpay_async.models.raw import RawResponse
from frontpay_async.models.value import Value


@frozen(kw_only=True)
class AttemptRecord(Value):
    """Tell an observer of one attempt; carries no body, header or personal data.

    Args:
        operation: The operation's name.
        order_uuid: The order that the call named, if it named one.
        attempt: 1 for the first.
        status: The HTTP status; None where no answer came.
        elapsed: Seconds that the attempt took, waiting for the rate window included.
        outcome: None when it succeeded, else what is known.
    """

    operation: str
    order_uuid: str | None
    attempt: int
    status: int | None
    elapsed: float
    outcome: Outcome | None


@frozen(kw_only=True)
class ResultRecord(Value):
    """How a whole call ended; its repr shows no body, header or personal data.

    Args:
        operation: The operation's name.
        order_uuid: The order that the call named, if it named one.
        attempts: How many attempts were made.
        status: The last attempt's HTTP status; None where no answer came.
        elapsed: Seconds that the call took, waits included.
        outcome: None when it succeeded, else what is known of the whole call.
        error: The class of what was raised, such as ``ServerError``; None when it succeeded.
        may_have_happened_twice: It succeeded, but an earlier attempt was answered with a server error after
            which this operation may already have been done.
        response: The response of a success, with its headers and request id; None for a failure. It may hold
            personal data and stays out of reprs.
    """

    operation: str
    order_uuid: str | None
    attempts: int
    status: int | None
    elapsed: float
    outcome: Outcome | None
    error: str | None = None
    may_have_happened_twice: bool = False
    response: RawResponse | None = field(default=None, repr=False, eq=False)
