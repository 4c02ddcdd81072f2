from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, strategies as st

from frontpay_async import FrontPayError, NotSentError, RateLimitedError, RetryPolicy
from frontpay_async._protocol.operations import OPERATIONS, Operation, Safety
from frontpay_async._protocol.parse import problem
from frontpay_async._protocol.retry_delay import delay
from frontpay_async._protocol.retry_policy import Failure, RetryBudget, classify, may_retry
from tests.support.wire import answer

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse

POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 2000),
    base_delay=st.floats(0, 100),
    max_delay=st.floats(0, 100),
    retry_unsafe_server_errors=st.booleans(),
    max_retry_after=st.floats(0, 1000),
)
ANSWERS = st.builds(
    answer,
    st.integers(300, 999),
    st.sampled_from([b"", b"<html>", {"message": "terminalIsBusy"}, {"message": "somethingWentWrong"}]),
    content_type=st.sampled_from(["application/json", "text/html"]),
)


@given(
    row=st.sampled_from(list(OPERATIONS.values())),
    response=ANSWERS,
    policy=POLICIES,
    attempt=st.integers(1, 2000),
)
def test_what_may_have_happened_is_never_sent_again_by_an_unsafe_operation(
    row: Operation[object], response: HttpResponse, policy: RetryPolicy, attempt: int
) -> None:
    """Every answer is classed; and but for the 500 and 510 that the policy accepts, doubt stops a change."""
    error = problem(row, response, None)
    if error is None:
        assert row.empty_when_not_found
        return
    failure = classify(error, response)
    again = may_retry(row.safety, failure, policy, attempt)
    assert failure in Failure
    if row.safety is Safety.UNSAFE and failure is Failure.NO_USABLE_ANSWER:
        assert not again
    if row.safety is Safety.UNSAFE and failure is Failure.SERVER_FAILED and again:
        assert policy.retry_unsafe_server_errors
        assert response.status in (500, 510)
    if attempt >= policy.attempts:
        assert not again


@given(
    policy=POLICIES,
    attempt=st.integers(1, 5000),
    chance=st.floats(0, 1, exclude_max=True),
    asked=st.none() | st.floats(0, 2000),
)
def test_the_wait_is_bounded(policy: RetryPolicy, attempt: int, chance: float, asked: float | None) -> None:
    error: FrontPayError = (
        RateLimitedError("x", status=429, retry_after=asked) if asked else NotSentError("x")
    )
    wait = delay(policy, attempt, chance, error)
    if wait is None:
        assert asked is not None
        assert asked > policy.max_retry_after
    else:
        assert (asked or 0) <= wait <= (asked or 0) + policy.max_delay


@given(
    share=st.sampled_from([0.0, 0.1, 0.2, 0.5]),
    free=st.integers(0, 5),
    events=st.lists(st.tuples(st.floats(0, 20), st.integers(0, 30), st.integers(0, 30)), max_size=12),
)
def test_retries_stay_within_their_share_of_any_window(
    share: float, free: int, events: list[tuple[float, int, int]]
) -> None:
    """Counted by hand at each retry; an entry covers a second, which the window may be wider or narrower."""
    budget = RetryBudget(share=share, window=60.0, free=free)
    now = 0.0
    requests: list[float] = []
    retries: list[float] = []
    for passed, calls, wishes in events:
        now += passed
        for _ in range(calls):
            budget.count_request(now)
        requests += [now] * calls
        retries += [now for _ in range(wishes) if budget.take_retry(now)]
        if retries and retries[-1] == now:
            recent = sum(moment > now - 59 for moment in retries)
            assert recent <= max(free, share * sum(moment > now - 61 for moment in requests))
