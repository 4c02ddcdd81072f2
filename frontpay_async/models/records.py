"""The records for the observer hooks: frozen, with reprs that show nothing personal. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from attrs import field, frozen

from frontpay_async.errors import Outcome
from frontpay_async.models.raw import RawResponse
from frontpay_async.models.value import Value

T_co = TypeVar("T_co", covariant=True)


@frozen(kw_only=True, eq=False, repr=False)
class AttemptRecord(Value):
    """The record of one attempt for an observer; without body, headers or personal data.

    Args:
        operation: The operation's name.
        order_uuid: The order that the call was about, if any.
        attempt: 1 for the first.
        status: The HTTP status; None without a response.
        elapsed: The duration in seconds, including the wait for the rate window.
        outcome: The outcome; None if it succeeded.
    """

    operation: str
    order_uuid: str | None
    attempt: int
    status: int | None
    elapsed: float
    outcome: Outcome | None


@frozen(kw_only=True, eq=False, repr=False)
class ResultRecord(Value):
    """The record of a whole call; its repr contains no body, header or personal data.

    Args:
        operation: The operation's name.
        order_uuid: The order that the call was about, if any.
        attempts: How many attempts were made.
        status: The last attempt's HTTP status; None without a response.
        elapsed: The duration in seconds, including waits.
        outcome: The outcome of the whole call; None if it succeeded.
        error: The class of the error, such as ``ServerError``; None when it succeeded.
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
    """The result of a call with its response; ``client.with_raw_response`` returns it.

    Args:
        value: The result of the call.
        response: The response, with its status, headers, request id and JSON; masked in reprs.
        attempts: How many attempts were made.
        elapsed: The duration in seconds, including waits.
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
