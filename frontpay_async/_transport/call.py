"""The state of a call and of its attempts in the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import consequence
from frontpay_async._protocol.redact import values_in, values_in_query
from frontpay_async._protocol.spellings import spellings
from frontpay_async._transport.instrumentation import CallReport
from frontpay_async.errors import NotSentError, Outcome, OutcomeUnknownError, RateBudgetExceededError
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from frontpay_async._protocol.messages import HttpRequest, HttpResponse
    from frontpay_async._transport.auth import Secret
    from frontpay_async.errors import FrontPayError


@frozen(kw_only=True)
class CallOptions:
    """The options of a call.

    Args:
        timeouts: The time limits.
        attempt_within: Seconds from an attempt's admission until its complete response; None for no limit.
            For calls without ``Timeouts.total``, which may wait long for the rate window.
        before_send: Awaited with the request before each attempt leaves, after the rate limit and the token.
            Returns the request to send, which may be another one. If it raises, the call ends and nothing was
            sent.
        may_leave: Called again when a connection is open and the first byte is about to be written, because
            the process may have been suspended since. If it returns False, nothing is sent. With a caller's
            transport it is called before the transport connects.
    """

    timeouts: Timeouts = field(factory=Timeouts)
    retry: RetryPolicy = field(factory=RetryPolicy)
    priority: Priority = Priority.NORMAL
    attempt_within: float | None = None
    before_send: Callable[[HttpRequest], Awaitable[HttpRequest]] | None = None
    may_leave: Callable[[], bool] | None = None


@define(eq=False, repr=False)
class Call:
    """One call: its request, and the results of its attempts so far.

    *Invariant*: the fields below ``report`` only move forward; no field is set in one stage and cleared in
    another. The state of a single request is in ``Attempt``.

    Args:
        request: The initial request of each attempt.
        options: The caller's options.
        deadline: The clock's time by which the call must end; None for no limit.
        report: Reports to the observers.
        last: The latest attempt; None before the first. Written by the retry stage.
        unresolved: The error of an earlier attempt that may have taken effect, or, for a read, that the API
            received. Written by the retry stage.
        final: Whether no further attempt is allowed, regardless of the retry table: the client was closed, or
            the deadline has passed. Written by the rate, send and retry stages.
        renewed: Whether a rejected token was replaced, which happens once; written by the retry stage.
        requests: The number of requests sent; more than the attempts if a token was renewed. Counted by the
            instrumentation stage.
    """

    request: HttpRequest
    options: CallOptions
    deadline: float | None = None
    report: CallReport = field(factory=CallReport)
    last: Attempt | None = None
    unresolved: FrontPayError | None = None
    final: bool = False
    renewed: bool = False
    requests: int = 0

    @property
    def attempt(self) -> Attempt:
        """The latest attempt; for the stages after the retry stage, which makes it."""
        assert self.last is not None  # noqa: S101 - for the type checkers
        return self.last

    @property
    def sent(self) -> HttpRequest:
        """The request of the latest attempt."""
        return self.request if self.last is None else self.last.request

    @property
    def given_up(self) -> Outcome:
        """The outcome of the call if it is cancelled now."""
        last = self.last
        if last is not None and last.is_unresolved:
            return Outcome.UNKNOWN
        if self.unresolved is not None:
            return self.unresolved.outcome
        if last is not None and last.may_have_left and self.request.operation.safety is Safety.READ:
            return Outcome.REJECTED
        return Outcome.NOT_SENT

    def not_sent(self, why: str) -> NotSentError:
        """Return the error of a call that was not sent, for a reason in words."""
        name = self.request.operation.name
        text = f"{name}: not sent: {why}. It is safe to try again."
        return NotSentError(text, operation=name, order_uuid=self.request.order_uuid)

    def budget_exceeded(self, retry_after: float) -> RateBudgetExceededError:
        """Return the error of a call that would wait for the rate window beyond its deadline, in seconds."""
        name = self.request.operation.name
        return RateBudgetExceededError(
            f"{name}: not sent: the token's rate limit is used up, and the wait would exceed the call's"
            f" deadline. It is safe to try again in {retry_after:.1f} s.",
            retry_after=retry_after,
            operation=name,
            order_uuid=self.request.order_uuid,
        )

    def past_deadline(self) -> FrontPayError:
        """Return the error of a call whose deadline has passed; no attempt may follow."""
        self.final = True
        total = self.options.timeouts.total
        if self.last is not None and self.last.is_unresolved:
            return self.outcome_unknown(
                f"no complete response arrived within the {total} s of Timeouts.total"
            )
        return self.not_sent(f"the {total} s of Timeouts.total passed before it could be sent")

    def outcome_unknown(self, why: str) -> OutcomeUnknownError:
        """Return the error of a call without a usable response, for a reason in words."""
        operation = self.request.operation
        text = f"{operation.name}: the request was sent, but {why}. {consequence(operation, Outcome.UNKNOWN)}"
        return OutcomeUnknownError(text, operation=operation.name, order_uuid=self.request.order_uuid)


@define(eq=False, repr=False)
class Attempt:
    """One request of a call, made by the retry stage.

    A request that is repeated with a renewed token is a separate ``Attempt`` with the same number.
    *Invariant*: every field is written once.

    It does not hold its call: that would be a cycle, which only the garbage collector frees.

    Args:
        number: 1 for the first; a repetition with a renewed token keeps its number.
        request: The request; written by the before_send stage.
        successor: The token that replaces a rejected one, if this attempt repeats the request with it.
        credential: The token; written by the auth stage.
        waited: Seconds of waiting for the rate window; None without a limit. Written by the rate stage.
        headers: Additional headers; written by the instrumentation stage.
        may_have_left: Whether bytes of it may have reached the API; written by the send stage.
        head: The HTTP status and the protocol version (empty if the transport does not report it), as soon as
            the headers have arrived; written by the send stage.
        response: The response; written by the retry stage, or by the auth stage if it rejects the token.
        did_nothing: Whether the response shows that nothing was changed; written by the auth and retry
            stages.
    """

    number: int
    request: HttpRequest
    successor: Secret | None = None
    credential: Secret | None = None
    waited: float | None = None
    headers: Mapping[str, str] | None = None
    may_have_left: bool = False
    head: tuple[int, str] | None = None
    response: HttpResponse | None = None
    did_nothing: bool = False

    def sent_values(self) -> frozenset[str]:
        """Return the sent values that errors must not contain: the token and personal data."""
        token = "" if self.credential is None else self.credential.text
        # A token of Laravel consists of a number, a bar and the secret.
        credential = {part for part in (token, token.rpartition("|")[2]) if part}
        return spellings(credential | values_in(self.request.body) | values_in_query(self.request.path))

    @property
    def is_unresolved(self) -> bool:
        """Whether it may have taken effect, as far as known."""
        return self.may_have_left and not self.did_nothing


class Stage(Protocol):
    """A stage of the pipeline: sends a call on, or its latest attempt, and returns the response."""

    async def send(self, call: Call) -> HttpResponse:
        """Send the call."""
        ...
