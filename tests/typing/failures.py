"""What a type checker knows of the errors. Checked, not run."""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never, assert_type

from frontpay_async import (
    AlreadyPaidError,
    APIError,
    BusinessRuleError,
    FrontPayError,
    InvalidOrderError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateBudgetExceededError,
    RateLimitedError,
    RefundRejectedError,
    RequestRejectedError,
    ServerError,
    TerminalBusyError,
    Violation,
)


def every_error_answers(error: FrontPayError) -> str:
    assert_type(error.operation, str | None)
    assert_type(error.order_uuid, str | None)
    match error.outcome:
        case Outcome.NOT_SENT:
            return "nothing happened"
        case Outcome.REJECTED:
            return "nothing happened"
        case Outcome.UNKNOWN:
            return "look before you send again"
        case _ as never:
            assert_never(never)


def what_each_tells(
    *,
    invalid: InvalidOrderError,
    budget: RateBudgetExceededError,
    answer: APIError,
    rejected: RequestRejectedError,
    refund: RefundRejectedError,
    limited: RateLimitedError,
) -> None:
    assert_type(invalid.violations, tuple[Violation, ...])
    assert_type(invalid.violations[0].path, str)
    assert_type(budget.retry_after, float)
    assert_type(answer.status, int)
    assert_type(answer.code, str | None)
    assert_type(answer.message, str | None)
    assert_type(answer.request_id, str | None)
    assert_type(rejected.messages, tuple[str, ...])
    assert_type(refund.reason, str)
    assert_type(limited.retry_after, float | None)


def what_the_server_said(answer: APIError) -> None:
    match answer.errors:
        case list() | dict() | str() | bool() | int() | Decimal() | None:
            return
        case _ as never:
            assert_never(never)


def the_tree(
    invalid: InvalidOrderError,
    budget: RateBudgetExceededError,
    unknown: OutcomeUnknownError,
    paid: AlreadyPaidError,
    busy: TerminalBusyError,
) -> None:
    _value_error: ValueError = invalid
    _not_sent: NotSentError = budget
    _root: FrontPayError = unknown
    _rule: BusinessRuleError = paid
    _server: ServerError = busy
    _answer: APIError = busy
    _other: APIError = unknown  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


def built() -> None:
    APIError("x", status=400, errors={"a": ["b", 1, Decimal("1.5"), None]})
    APIError("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RateBudgetExceededError("x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    InvalidOrderError(["a is required"])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
