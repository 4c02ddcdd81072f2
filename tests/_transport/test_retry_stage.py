"""The retry stage alone: what it counts, and what remains of an earlier error."""

from __future__ import annotations

import pytest
from attrs import define, evolve

from frontpay_async import (
    FrontPayError,
    NotSentError,
    Outcome,
    RateBudgetExceededError,
    RateLimitedError,
    RetryPolicy,
)
from frontpay_async._protocol.messages import HttpRequest, HttpResponse
from frontpay_async._protocol.operations import CANCEL_ORDER, GET_ORDER_STATUS
from frontpay_async._protocol.retry_policy import RetryBudget
from frontpay_async._transport.call import Call, CallOptions
from frontpay_async._transport.retry import Retry
from tests.support.fakes import FakeClock

OPTIONS = evolve(CallOptions(), retry=RetryPolicy(attempts=9))


@define
class Failing:
    """The stage after the retries; it fails with each error in turn, and then with the last again."""

    errors: list[FrontPayError]

    async def send(self, call: Call) -> HttpResponse:
        call.attempt.may_have_left = True
        raise self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]


def call() -> Call:
    return Call(HttpRequest(GET_ORDER_STATUS, "GET", "/orders/ODR1/status"), OPTIONS)


async def test_each_call_earns_its_share_of_retries() -> None:
    stage = Retry(
        Failing([NotSentError("x")]), FakeClock().clock(), RetryBudget(share=1, free=0), governed=False
    )
    for _ in range(3):
        sent = call()
        with pytest.raises(NotSentError):
            await stage.send(sent)
        assert sent.attempt.number == 2


async def test_a_governor_that_waits_too_long_says_when_after_a_429() -> None:
    """The 429 is the error: it was the API's; how long to wait, the governor knows better."""
    limited = RateLimitedError("limited", status=429, retry_after=3)
    stage = Retry(
        Failing([limited, RateBudgetExceededError("too long", retry_after=40)]),
        FakeClock().clock(),
        RetryBudget(),
        governed=True,
    )
    with pytest.raises(RateLimitedError) as caught:
        await stage.send(call())
    assert caught.value.retry_after == 40
    assert caught.value.__notes__ == ["A further attempt was not sent: too long"]


@pytest.mark.parametrize(("governed", "slept"), [(True, [0.0]), (False, [3.25])])
async def test_after_a_429_either_the_governor_waits_or_the_retry(governed: bool, slept: list[float]) -> None:
    clock = FakeClock()
    limited = RateLimitedError("limited", status=429, retry_after=3)
    stage = Retry(
        Failing([limited, RateBudgetExceededError("x", retry_after=1)]),
        clock.clock(),
        RetryBudget(),
        governed=governed,
    )
    with pytest.raises(RateLimitedError):
        await stage.send(call())
    assert clock.slept == slept


@define
class Answering:
    """The stage after the retries; it answers with a status."""

    status: int

    async def send(self, call: Call) -> HttpResponse:
        call.attempt.may_have_left = True
        return HttpResponse(self.status, {"content-type": "application/json"}, b'{"message": "x"}')


@pytest.mark.parametrize(("status", "rejected"), [(400, True), (404, True), (408, False), (500, False)])
async def test_only_a_rejection_shows_that_an_attempt_did_nothing(status: int, rejected: bool) -> None:
    request = HttpRequest(CANCEL_ORDER, "PUT", "/orders/ODR1/cancel")
    sent = Call(request, evolve(OPTIONS, retry=RetryPolicy(attempts=1)))
    stage = Retry(Answering(status), FakeClock().clock(), RetryBudget(), governed=False)
    with pytest.raises(FrontPayError) as caught:
        await stage.send(sent)
    assert sent.attempt.did_nothing is rejected
    assert sent.attempt.is_unresolved is not rejected
    assert caught.value.outcome is (Outcome.REJECTED if rejected else Outcome.UNKNOWN)
