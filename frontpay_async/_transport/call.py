"""The state of one call, and of each of its attempts, on their way through the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import consequence
from frontpay_async._protocol.redact import spellings, values_in
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
    """What a caller may choose for each call.

    Args:
        timeouts: Bounds, in seconds.
        retry: How failed attempts are repeated.
        priority: The rank among the calls that share the token.
        attempt_within: Seconds from the moment that an attempt may be sent until its whole response is there;
            None for no bound. For calls without ``Timeouts.total``, which may wait long for their turn.
        before_send: Awaited with the request before each attempt leaves, when the rate is granted and the
            credential is there. Returns the request to send, which may be another one. What it raises ends
            the call, and nothing was sent.
        may_leave: Asked again when a connection is there and the first byte is about to be written: the
            process may have stood still since. Where it says no, nothing was sent. With a transport of the
            caller's it is asked before that connects.
    """

    timeouts: Timeouts = field(factory=Timeouts)
    retry: RetryPolicy = field(factory=RetryPolicy)
    priority: Priority = Priority.NORMAL
    attempt_within: float | None = None
    before_send: Callable[[HttpRequest], Awaitable[HttpRequest]] | None = None
    may_leave: Callable[[], bool] | None = None


@define(eq=False, repr=False)
class Call:
    """One call: what was asked for, and what its attempts have shown so far.

    Invariant: every field below ``report`` only ever moves forward; none is set in one stage and cleared in
    another. What belongs to a single request is in ``Attempt``.

    Args:
        request: What each attempt begins with.
        options: What the caller chose.
        deadline: The clock's time by which the call must end; None for no bound.
        report: Reports to the observers.
        last: The latest attempt; None before the first. Written by the retry stage.
        unresolved: The error of an earlier attempt that may have taken effect, or that the API received, if
            the operation only reads. Written by the retry stage.
        final: Whether no attempt may follow, whatever the retry table says: the client was closed, or the
            deadline has passed. Written by the rate, send and retry stages.
        renewed: Whether a refused token was followed by another, which happens once; written by the retry
            stage.
        requests: How many requests were sent; more than attempts where a token was renewed. Counted by the
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
    def sent(self) -> HttpRequest:
        """What the latest attempt sends, or would send."""
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
        """Return the error of a call that did not leave, for a reason in words."""
        name = self.request.operation.name
        text = f"{name}: not sent: {why}. It is safe to try again."
        return NotSentError(text, operation=name, order_uuid=self.request.order_uuid)

    def budget_exceeded(self, retry_after: float) -> RateBudgetExceededError:
        """Return the error of a call that would wait for the rate window beyond its deadline, in seconds."""
        name = self.request.operation.name
        return RateBudgetExceededError(
            f"{name}: not sent: the token's requests are used up, and the call's deadline ends before the"
            f" wait would. It is safe to try again in {retry_after:.1f} s.",
            retry_after=retry_after,
            operation=name,
            order_uuid=self.request.order_uuid,
        )

    def outcome_unknown(self, why: str) -> OutcomeUnknownError:
        """Return the error of a call that left and got no usable answer, for a reason in words."""
        operation = self.request.operation
        text = f"{operation.name}: the request left, but {why}. {consequence(operation, Outcome.UNKNOWN)}"
        return OutcomeUnknownError(text, operation=operation.name, order_uuid=self.request.order_uuid)


@define(eq=False, repr=False)
class Attempt:
    """One request of a call, made by the retry stage.

    A request that is repeated with a renewed token is an ``Attempt`` of its own, with the same number.
    Invariant: every field is written once.

    Args:
        call: The call.
        number: 1 for the first; a repetition with a renewed token keeps its number.
        request: What is sent; written by the before_send stage.
        successor: The token that follows a refused one, where this attempt repeats the request with it.
        credential: The token that is sent; written by the auth stage.
        waited: Seconds that it waited for the rate window; None without one. Written by the rate stage.
        headers: What it carries beside what every request does; written by the instrumentation stage.
        may_have_left: Whether bytes of it may have reached the API; written by the send stage.
        head: The HTTP status and the protocol's version (empty if the transport does not report it), as
            soon as the head of the response is there; written by the send stage.
        response: The response; written by the retry stage.
        did_nothing: Whether the response says that it changed nothing; written by the auth and retry stages.
    """

    call: Call
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
        """Return what it sent that no error may show, however spelt: the token, and what is personal."""
        token = "" if self.credential is None else self.credential.text
        # Laravel's tokens are a number, a bar and the secret.
        credential = {part for part in (token, token.rpartition("|")[2]) if part}
        return spellings(credential | values_in(self.request.body))

    @property
    def is_unresolved(self) -> bool:
        """Whether it may have taken effect, as far as is known now."""
        return self.may_have_left and not self.did_nothing


class Stage(Protocol):
    """A stage of the pipeline: sends an attempt on, and returns the response."""

    async def send(self, attempt: Attempt) -> HttpResponse:
        """Send the attempt."""
        ...
