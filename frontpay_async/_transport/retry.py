"""Repeating failed attempts; the only user of tenacity.

The first attempt runs without tenacity, which costs more than the rest of this stage. After a failure,
tenacity drives the waits and the further attempts; ``_protocol.retry_policy`` decides which failures are
retried, and ``_protocol.retry_delay`` the delays.

An error is about the whole call. An attempt that may have taken effect is recorded (``call.unresolved``), and
corrects a later error with the outcome "not sent" or "rejected". For idempotent operations, two rejections
that do not name another order resolve the outcome, as listed in the operation's row: "already cancelled"
after an unresolved cancel is a success, "already paid" shows that no attempt cancelled the order. A read that
the API received is recorded as well, so that it is not reported as "not sent".
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from attrs import define

from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import consequence, problem
from frontpay_async._protocol.retry_delay import delay
from frontpay_async._protocol.retry_policy import classify, may_retry
from frontpay_async._protocol.success import is_about_another
from frontpay_async._transport.auth import CredentialRenewed
from frontpay_async._transport.call import Attempt
from frontpay_async._transport.instrumentation import logger
from frontpay_async._transport.worker_thread import LARGE, in_worker_thread
from frontpay_async.errors import (
    APIError,
    BusinessRuleError,
    FrontPayError,
    NotSentError,
    Outcome,
    RateBudgetExceededError,
    RateLimitedError,
    folded,
)

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.retry_policy import RetryBudget
    from frontpay_async._transport.call import Call, Stage
    from frontpay_async._transport.clock import Clock


@define(eq=False, repr=False)
class Retry:
    """The stage that repeats a call until it succeeds or must not be repeated.

    Args:
        following: The next stage.
        clock: Time and randomness.
        budget: The retry budget.
        governed: Whether the rate stage delays attempts after a 429, so that no wait is needed here.
    """

    following: Stage
    clock: Clock
    budget: RetryBudget
    governed: bool

    async def send(self, call: Call) -> HttpResponse:
        """Send the call and return its successful response."""
        self.budget.count_request(self.clock.now())
        try:
            return await self._attempt(call)
        except FrontPayError as error:
            failure = error
        wait = self._plan(call, failure)
        if wait is not None:
            try:
                return await self._repeat(call, wait)
            except FrontPayError as error:
                failure = error
        # Raised here, so that earlier attempts are not its context.
        return _conclude(call, failure)

    async def _repeat(self, call: Call, wait: float) -> HttpResponse:
        """Make further attempts, the first of them after a number of seconds."""
        # Imported here: it takes a tenth of the package's import, and most processes never need it.
        from tenacity import AsyncRetrying, retry_if_exception  # noqa: PLC0415

        def goes_on(error: BaseException) -> bool:
            nonlocal wait
            planned = self._plan(call, error) if isinstance(error, FrontPayError) else None
            wait = planned or 0.0
            return planned is not None

        retrying = AsyncRetrying(
            retry=retry_if_exception(goes_on),
            wait=lambda _: wait,
            sleep=self.clock.sleep,
            reraise=True,
        )
        await self.clock.sleep(wait)
        return await retrying(self._attempt, call)

    def _plan(self, call: Call, error: FrontPayError) -> float | None:
        """Return the seconds to wait before the next attempt, or None to stop."""
        operation, policy, last = call.request.operation, call.options.retry, call.attempt
        if isinstance(error, NotSentError):
            _note_received(call)
        if (
            call.final
            or isinstance(error, RateBudgetExceededError)
            or not may_retry(operation.safety, classify(error, last.response), policy, last.number)
        ):
            return None
        if error.outcome is Outcome.UNKNOWN or (
            operation.safety is Safety.READ and not isinstance(error, NotSentError)
        ):
            call.unresolved = error
        if self.governed and isinstance(error, RateLimitedError):
            # The governor delays it until the gate opens.
            return 0.0
        wait = delay(policy, last.number, self.clock.chance(), error)
        now = self.clock.now()
        if wait is None or (call.deadline is not None and now + wait >= call.deadline):
            return None
        if not self.budget.take_retry(now):
            logger.warning("%s: not retried: the retry budget is used up", operation.name)
            return None
        logger.info(
            "%s: attempt %d of %d failed (%s); the next follows in %.2f s",
            operation.name,
            last.number,
            policy.attempts,
            error.status if isinstance(error, APIError) else type(error).__name__,
            wait,
        )
        return wait

    async def _attempt(self, call: Call) -> HttpResponse:
        number = 1 if call.last is None else call.last.number + 1
        call.last = Attempt(number, call.request)
        started = self.clock.now()
        outcome: Outcome | None = Outcome.NOT_SENT
        try:
            response = await self._renewing(call)
            last = call.last
            last.response = response
            sent = last.request
            details = (sent.operation, response, sent.order_uuid, last.sent_values, sent.asked)
            if len(response.body) < LARGE:
                failure = problem(*details)
            else:
                failure = await in_worker_thread(partial(problem, *details))
            outcome = failure.outcome if failure else None
            last.did_nothing = outcome is Outcome.REJECTED
        except FrontPayError as error:
            outcome = error.outcome
            raise
        except BaseException:
            # The caller cancelled: a request in flight may have taken effect.
            outcome = Outcome.UNKNOWN if call.last.is_unresolved else Outcome.NOT_SENT
            raise
        finally:
            call.report.attempted(call.last, outcome, started)
        if failure is not None:
            raise failure
        return response

    async def _renewing(self, call: Call) -> HttpResponse:
        try:
            return await self.following.send(call)
        except CredentialRenewed as renewed:
            successor = renewed.credential
        call.renewed = True
        _note_received(call)
        call.last = Attempt(call.attempt.number, call.request, successor)
        return await self.following.send(call)


def _note_received(call: Call) -> None:
    """Record, for a read, that the API answered its latest attempt, even if only to reject the token."""
    last = call.attempt
    if call.request.operation.safety is Safety.READ and last.response is not None and call.unresolved is None:
        sent = last.request
        call.unresolved = problem(
            sent.operation, last.response, sent.order_uuid, last.sent_values, sent.asked
        )


def _conclude(call: Call, last: FrontPayError) -> HttpResponse:
    """Raise the error of the whole call, considering an earlier attempt that may have taken effect."""
    earlier = call.unresolved
    if earlier is None or last is earlier:
        raise last.with_traceback(None)
    operation, response = call.request.operation, call.last.response if call.last else None
    if (
        operation.safety is Safety.IDEMPOTENT
        and isinstance(last, BusinessRuleError)
        and response is not None
        and not is_about_another(operation, response, call.sent.asked or call.sent.order_uuid)
    ):
        code = folded(last.message)
        if code is not None and code == folded(operation.done_code):
            return response
        if code is not None and code == folded(operation.undone_code):
            raise last.with_traceback(None)
    if isinstance(last, NotSentError):
        if isinstance(last, RateBudgetExceededError) and isinstance(earlier, RateLimitedError):
            earlier.retry_after = last.retry_after
        earlier.add_note(f"A further attempt was not sent: {last}")
        raise earlier.with_traceback(None)
    if operation.safety is not Safety.READ and last.outcome is not Outcome.UNKNOWN:
        last.outcome = Outcome.UNKNOWN
        # That nothing was changed, and what to do then, holds for the last attempt only.
        said = str(last).partition(consequence(operation, Outcome.REJECTED))[0].rstrip()
        last.args = (
            f"{said} This attempt was rejected, but an earlier attempt may have taken effect ({earlier})",
        )
    raise last.with_traceback(None)
