from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from frontpay_async import (
    APIError,
    AuthenticationError,
    BusinessRuleError,
    ConfigurationError,
    FrontPayError,
    InvalidOrderError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateBudgetExceededError,
    RateLimitedError,
    RequestRejectedError,
    RetryPolicy,
    ServerError,
    TerminalBusyError,
)
from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.retry_delay import delay
from frontpay_async._protocol.retry_policy import Failure, RetryBudget, classify, may_pass, may_retry

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=utf-8"}
# The table of the design: who may be sent again after what.
TABLE = {
    Failure.DID_NOT_HAPPEN: {Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE},
    Failure.SERVER_FAILED: {Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE},
    Failure.NO_USABLE_ANSWER: {Safety.READ, Safety.IDEMPOTENT},
    Failure.DECIDED: set(),
}


def failed(status: int, message: str | None = "somethingWentWrong") -> ServerError:
    return ServerError("x", status=status, message=message)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (NotSentError("x"), Failure.DID_NOT_HAPPEN),
        (RateLimitedError("x", status=429), Failure.DID_NOT_HAPPEN),
        (TerminalBusyError("x", status=510), Failure.DID_NOT_HAPPEN),
        (RateBudgetExceededError("x", retry_after=1), Failure.DECIDED),
        (OutcomeUnknownError("x"), Failure.NO_USABLE_ANSWER),
        (failed(500), Failure.SERVER_FAILED),
        (failed(510), Failure.SERVER_FAILED),
        (failed(510, "Something Went Wrong"), Failure.SERVER_FAILED),
        (failed(500, "internalErrorOccurredPleaseTryAgainLater"), Failure.SERVER_FAILED),
        (failed(500, "Server Error"), Failure.SERVER_FAILED),
        (failed(510, "personCurrentStatusIsWrong"), Failure.NO_USABLE_ANSWER),
        (failed(500, "orderCouldNotBeSentToKravia"), Failure.NO_USABLE_ANSWER),
        (failed(500, "Undefined index: foo."), Failure.NO_USABLE_ANSWER),
        (failed(510, None), Failure.NO_USABLE_ANSWER),
        (failed(501), Failure.NO_USABLE_ANSWER),
        (failed(502), Failure.NO_USABLE_ANSWER),
        (failed(503), Failure.NO_USABLE_ANSWER),
        (failed(504), Failure.NO_USABLE_ANSWER),
        (failed(599), Failure.NO_USABLE_ANSWER),
        (AuthenticationError("x", status=401), Failure.DECIDED),
        (PermissionDeniedError("x", status=403), Failure.DECIDED),
        (NotFoundError("x", status=404), Failure.DECIDED),
        (BusinessRuleError("x", status=400), Failure.DECIDED),
        (RequestRejectedError("x", status=417), Failure.DECIDED),
        (APIError("x", status=408), Failure.NO_USABLE_ANSWER),
        (APIError("x", status=409), Failure.DECIDED),
        (APIError("x", status=499), Failure.NO_USABLE_ANSWER),
        (ConfigurationError("x"), Failure.DECIDED),
        (InvalidOrderError([]), Failure.DECIDED),
    ],
    ids=lambda each: (
        f"{type(each).__name__} {getattr(each, 'status', '')} {getattr(each, 'message', '')}"
        if isinstance(each, Exception)
        else ""
    ),
)
def test_what_a_failure_tells(error: FrontPayError, failure: Failure) -> None:
    status = error.status if isinstance(error, APIError) else 200
    assert classify(error, HttpResponse(status, JSON, b"{}")) is failure


@pytest.mark.parametrize("status", [500, 510])
@pytest.mark.parametrize("response", [HttpResponse(500, HTML, b"<html>"), None], ids=repr)
def test_a_500_in_html_is_a_proxys_word(status: int, response: HttpResponse | None) -> None:
    assert classify(failed(status), response) is Failure.NO_USABLE_ANSWER


@pytest.mark.parametrize("headers", [{}, {"content-type": ""}])
def test_a_500_of_no_type_is_the_apis_word(headers: dict[str, str]) -> None:
    assert classify(failed(500), HttpResponse(500, headers, b"{}")) is Failure.SERVER_FAILED


@pytest.mark.parametrize(
    ("error", "may"),
    [
        (NotSentError("x"), True),
        (OutcomeUnknownError("x"), True),
        (RateLimitedError("x", status=429), True),
        (failed(502), True),
        (NotFoundError("x", status=404), False),
        (RateBudgetExceededError("x", retry_after=1), False),
    ],
    ids=repr,
)
def test_a_failed_read_may_succeed_later_unless_it_was_decided(error: FrontPayError, may: bool) -> None:
    assert may_pass(error) is may


@pytest.mark.parametrize(("failure", "safety"), list(product(Failure, Safety)), ids=str)
def test_the_retry_table(failure: Failure, safety: Safety) -> None:
    assert may_retry(safety, failure, RetryPolicy(), 1) is (safety in TABLE[failure])


@pytest.mark.parametrize(("failure", "safety"), list(product(Failure, Safety)), ids=str)
def test_server_errors_of_unsafe_operations_can_be_left_alone(failure: Failure, safety: Safety) -> None:
    policy = RetryPolicy(retry_unsafe_server_errors=False)
    left_alone = failure is Failure.SERVER_FAILED and safety is Safety.UNSAFE
    assert may_retry(safety, failure, policy, 1) is (safety in TABLE[failure] and not left_alone)


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_attempts_are_counted(attempts: int) -> None:
    policy = RetryPolicy(attempts=attempts)
    tried = [may_retry(Safety.READ, Failure.DID_NOT_HAPPEN, policy, attempt) for attempt in range(1, 6)]
    assert tried == [attempt < attempts for attempt in range(1, 6)]


@pytest.mark.parametrize(
    ("attempt", "most"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (5000, 8.0)]
)
@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_the_wait_is_full_jitter_with_a_cap(attempt: int, most: float, chance: float) -> None:
    assert delay(RetryPolicy(), attempt, chance, NotSentError("x")) == chance * most


@pytest.mark.parametrize("asked", [0.0, 3.0, 120.0])
def test_an_answers_wait_is_obeyed_and_jittered(asked: float) -> None:
    error = RateLimitedError("x", status=429, retry_after=asked)
    assert delay(RetryPolicy(), 1, 0.5, error) == asked + 0.25


def test_an_answer_that_asks_for_too_long_a_wait_ends_it() -> None:
    error = RateLimitedError("x", status=429, retry_after=120.1)
    assert delay(RetryPolicy(), 1, 0.5, error) is None
    assert delay(RetryPolicy(max_retry_after=121), 1, 0.0, error) == 120.1


def granted(budget: RetryBudget, now: float, most: int = 10_000) -> int:
    return next(taken for taken in range(most + 1) if not budget.take_retry(now))


def test_a_few_retries_are_always_free() -> None:
    assert granted(RetryBudget(), 0.0) == 10


@pytest.mark.parametrize(("requests", "retries"), [(50, 10), (54, 10), (55, 11), (100, 20), (1000, 200)])
def test_retries_are_at_most_a_fifth_of_the_requests(requests: int, retries: int) -> None:
    budget = RetryBudget()
    for _ in range(requests):
        budget.count_request(0.0)
    assert granted(budget, 0.0) == retries


def test_the_window_slides() -> None:
    budget = RetryBudget(window=60.0, free=2)
    assert granted(budget, 0.0) == 2
    assert granted(budget, 59.0) == 0
    assert granted(budget, 60.0) == 2


def test_the_window_is_a_minute_unless_another_is_given() -> None:
    budget = RetryBudget()
    assert [granted(budget, now) for now in (0.0, 59.0, 60.0)] == [10, 0, 10]


def test_old_requests_no_longer_count() -> None:
    budget = RetryBudget(window=60.0, free=0)
    for _ in range(100):
        budget.count_request(0.0)
    assert granted(budget, 59.9) == 20
    assert granted(budget, 60.0) == 0


def test_memory_does_not_grow_with_the_load() -> None:
    budget = RetryBudget(window=60.0)
    for moment in range(10_000):
        budget.count_request(moment / 10)
    assert len(budget._seconds) <= 61


def test_a_clock_that_steps_back_does_no_harm() -> None:
    budget = RetryBudget(free=1)
    budget.count_request(100.0)
    assert [budget.take_retry(50.0), budget.take_retry(50.0)] == [True, False]


def test_a_share_of_nothing_grants_nothing() -> None:
    budget: Any = RetryBudget(share=0.0, free=0)
    budget.count_request(0.0)
    assert not budget.take_retry(0.0)
