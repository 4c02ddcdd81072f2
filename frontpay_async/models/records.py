"""The records for the observer hooks: frozen, with reprs that show nothing personal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from attrs import field, frozen

from frontpay_async.errors import Outcome
from frontpay_async.models.raw import RawResponse
from frontpay_async.models.value import Value

T_co = TypeVar("T_co", covariant=True)


@frozen(kw_only=True)
class AttemptRecord(Value):
    """The record of one attempt for an observer; without body, headers or personal data.

    Args:
        operation: The operation's name.
        order_uuid: The order that the call named, if it named one.
        attempt: 1 for the first.
        status: The HTTP status; None if no answer came.
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
        status: The last attempt's HTTP status; None if no answer came.
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


@frozen(kw_only=True)
class CallResult(Generic[T_co]):
    """What a call returned, with the response that it was read from; ``client.with_raw_response`` returns it.

    Args:
        value: What the call returned.
        response: The response, with its status, headers, request id and JSON; masked in reprs.
        attempts: How many attempts were made.
        elapsed: Seconds that the call took, waits included.
    """

    value: T_co
    response: RawResponse
    attempts: int
    elapsed: float

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case."""
        return self.response.headers

    @property
    def request_id(self) -> str | None:
        """The ``x-request-id`` header, if the API sent one."""
        return self.response.request_id
