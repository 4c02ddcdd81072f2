"""Repeating failed attempts; the only user of tenacity.

The first attempt runs plainly: tenacity costs more than everything else in this stage, so it comes in
only when a first attempt has failed. It is handed that failure and then drives the waits and the
further attempts; what may be repeated, and after how long, is decided in ``_protocol.decisions``.

An error speaks for the whole call. An attempt after which the operation may have happened leaves its
mark (``call.doubt``), and a later error that says "not sent" or "refused" is corrected by it. Two refusals of
an idempotent operation settle the doubt, and its row names them: "already cancelled" after a doubtful cancel
is the success that was asked for, "already paid" shows that no attempt cancelled it. A read leaves its mark
wherever it was received, so that "not sent" is not said of it.

The deadline bounds everything from here inwards: the wait for the rate, the token callable, the pool,
the send, and the reading of a slow answer.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from attrs import define
from tenacity import AsyncRetrying, retry_if_exception

from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import problem
from frontpay_async._protocol.retry import classify, delay, may_retry
from frontpay_async._transport.auth import CredentialRenewed
from frontpay_async._transport.instrumentation import logger, tell
from frontpay_async.errors import (
    APIError,
    BusinessRuleError,
    FrontPayError,
    NotSentError,
    Outcome,
    RateBudgetExceededError,
    RateLimitedError,
)
from frontpay_async.models.records import AttemptRecord

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.retry import RetryBudget
    from frontpay_async._transport.call import Call, Stage
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.instrumentation import Observers


@define(eq=False)
class Retry:
    """Send a call until it succeeds or must not be sent again.

    Args:
        following: The next stage.
        clock: Time and chance.
        budget: The share of retries that this client grants itself.
        observers: Told of each attempt.
        governed: Whether the rate stage holds back what follows a 429, so that no wait is needed here.
    """

    following: Stage
    clock: Clock
    budget: RetryBudget
    observers: Observers
    governed: bool = False

    async def send(self, call: Call) -> HttpResponse:
        """Send the call and return its successful answer.

        Raises:
            FrontPayError: It failed, and the retry table or a limit says stop.
        """
        self.budget.count_request(self.clock.now())
        try:
            return await self._attempt(call)
        except FrontPayError as error:
            failure = error
        try:
            return await self._repeat(call, failure)
        except FrontPayError as error:
            failure = error
        # Raised out here, so that the attempts before it do not hang on as its context.
        return _conclude(call, failure)

    async def _repeat(self, call: Call, first: FrontPayError) -> HttpResponse:
        failures = [first]
        wait = 0.0

        async def attempt() -> HttpResponse:
            if failures:
                raise failures.pop()
            return await self._attempt(call)

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
        return await retrying(attempt)

    def _plan(self, call: Call, error: FrontPayError) -> float | None:
        """Return the seconds to wait before the next attempt, or None to stop."""
        operation, policy = call.request.operation, call.options.retry
        if (
            call.final
            or isinstance(error, RateBudgetExceededError)
            or not may_retry(operation.safety, classify(error, call.response), policy, call.attempt)
        ):
            return None
        if error.outcome is Outcome.UNKNOWN or (
            operation.safety is Safety.READ and not isinstance(error, NotSentError)
        ):
            call.doubt = error
        if self.governed and isinstance(error, RateLimitedError):
            # The governor holds it back until the gate opens.
            call.may_have_left = False
            return 0.0
        wait = delay(policy, call.attempt, self.clock.chance(), error)
        now = self.clock.now()
        if wait is None or (call.deadline is not None and now + wait >= call.deadline):
            return None
        if not self.budget.take_retry(now):
            logger.warning("%s: not retried: the share of retries is used up", operation.name)
            return None
        # What the attempt left in doubt is noted; while waiting, nothing more is on its way.
        call.may_have_left = False
        logger.info(
            "%s: attempt %d of %d failed (%s); the next follows in %.2f s",
            operation.name,
            call.attempt,
            policy.attempts,
            error.status if isinstance(error, APIError) else type(error).__name__,
            wait,
        )
        return wait

    async def _attempt(self, call: Call) -> HttpResponse:
        call.attempt += 1
        call.response, call.may_have_left = None, False
        started = self.clock.now()
        outcome: Outcome | None = Outcome.NOT_SENT
        try:
            response = call.response = await self._within_deadline(call)
            failure = problem(call.request.operation, response, call.request.order_uuid)
            outcome = failure.outcome if failure else None
        except FrontPayError as error:
            outcome = error.outcome
            raise
        except BaseException:
            # The caller gave up: what left may have happened.
            outcome = Outcome.UNKNOWN if call.may_have_left else Outcome.NOT_SENT
            raise
        finally:
            if self.observers.on_attempt is not None and call.choose is None:
                tell(self.observers.on_attempt, self._record(call, outcome, started))
        if failure is not None:
            raise failure
        return response

    async def _within_deadline(self, call: Call) -> HttpResponse:
        if call.deadline is None:
            return await self._renewing(call)
        remaining = call.deadline - self.clock.now()
        if remaining > 0:
            with anyio.move_on_after(remaining):
                return await self._renewing(call)
        call.final = True
        total = call.options.timeouts.total
        if call.may_have_left:
            raise call.outcome_unknown(f"no whole answer came within the {total} s of Timeouts.total")
        raise call.not_sent(f"the {total} s of Timeouts.total passed before it could leave")

    async def _renewing(self, call: Call) -> HttpResponse:
        with suppress(CredentialRenewed):
            return await self.following.send(call)
        return await self.following.send(call)

    def _record(self, call: Call, outcome: Outcome | None, started: float) -> AttemptRecord:
        return AttemptRecord(
            operation=call.request.operation.name,
            order_uuid=call.request.order_uuid,
            attempt=call.attempt,
            status=call.response.status if call.response else None,
            elapsed=self.clock.now() - started,
            outcome=outcome,
        )


def _conclude(call: Call, last: FrontPayError) -> HttpResponse:
    """Say what is known of the whole call, in the light of an earlier attempt that may have happened."""
    doubt = call.doubt
    if doubt is None or last is doubt:
        raise last
    operation = call.request.operation
    if operation.safety is Safety.IDEMPOTENT and isinstance(last, BusinessRuleError):
        if last.code == operation.done_code and call.response is not None:
            return call.response
        if last.code == operation.undone_code:
            raise last
    if isinstance(last, NotSentError):
        if isinstance(last, RateBudgetExceededError) and isinstance(doubt, RateLimitedError):
            doubt.retry_after = last.retry_after
        doubt.add_note(f"A further attempt did not leave: {last}")
        raise doubt
    if operation.safety is not Safety.READ and last.outcome is not Outcome.UNKNOWN:
        last.outcome = Outcome.UNKNOWN
        last.args = (f"{last} But an earlier attempt may have happened ({doubt})",)
    raise last
