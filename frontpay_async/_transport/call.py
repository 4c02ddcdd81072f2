"""The state of one call on its way through the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from frontpay_async._protocol.parse import consequence
from frontpay_async.errors import NotSentError, Outcome, OutcomeUnknownError, RateBudgetExceededError
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from frontpay_async._protocol.messages import HttpRequest, HttpResponse
    from frontpay_async.errors import FrontPayError


@frozen
class Secret:
    """Hold text that no repr shows."""

    text: str = field(repr=lambda _: "'***'")


@frozen(kw_only=True)
class CallOptions:
    """Hold what a caller may choose for each call.

    Args:
        timeouts: Bounds, in seconds.
        retry: How failed attempts are repeated.
        priority: The rank among those that share the token.
        before_send: Awaited before each attempt leaves, when the rate is granted and the credential is there.
            What it raises ends the call, and nothing was sent.
    """

    timeouts: Timeouts = field(factory=Timeouts)
    retry: RetryPolicy = field(factory=RetryPolicy)
    priority: Priority = Priority.NORMAL
    before_send: Callable[[], Awaitable[None]] | None = None


@define(eq=False)
class Call:
    """Carry one call through the stages; each stage writes only its own part.

    Args:
        request: What is sent.
        options: What the caller chose.
        deadline: The clock's time by which the call must end; None for no bound.
        attempt: How many attempts were begun; written by the retry stage.
        credential: The token of this attempt; written by the auth stage.
        successor: The token that follows a refused one; written by the auth stage.
        renewed: Whether a refused token was followed by another; written by the auth stage.
        response: The attempt's answer; written by the retry stage.
        doubt: An earlier attempt's error after which it may have happened; written by the retry stage.
        may_have_left: Whether bytes of this attempt may have reached the API, and no answer says that they
            did nothing; written by the send stage, taken back by the others.
        counted: Whether an answer says that this attempt did nothing, though the API counted it against the
            token's budget; written by the auth stage, cleared by the rate stage.
        final: Whether no attempt may follow, whatever the retry table says: the client was closed, or the
            deadline has passed; written by the send and retry stages.
        waited: Seconds that the last request waited for the rate window; None without one; written by the
            rate stage.
        requests: How many requests were sent; more than attempts where a token was renewed; counted by the
            follow stage.
        headers: What this request carries beside what every request does; written by the follow stage.
        head: The HTTP status and the protocol's version (empty where the transport does not tell) of this
            request's answer, as soon as its head is there; written by the send stage, cleared by the follow
            stage.
        choose: Decides what is sent as soon as it may be sent; None once it is decided. Of a call that never
            came so far observers are not told. Asked by the rate stage.
    """

    request: HttpRequest
    options: CallOptions
    deadline: float | None = None
    attempt: int = 0
    credential: Secret | None = None
    successor: Secret | None = None
    renewed: bool = False
    response: HttpResponse | None = None
    doubt: FrontPayError | None = None
    may_have_left: bool = False
    counted: bool = False
    final: bool = False
    waited: float | None = None
    requests: int = 0
    headers: Mapping[str, str] | None = None
    head: tuple[int, str] | None = None
    choose: Callable[[], HttpRequest] | None = None

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


class Stage(Protocol):
    """Send a call on and return its answer; every stage of the pipeline is one of these."""

    async def send(self, call: Call) -> HttpResponse:
        """Send the call."""
        ...
