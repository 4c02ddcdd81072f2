from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest

from frontpay_async import errors
from frontpay_async.errors import (
    APIError,
    CallbackError,
    ConfigurationError,
    FrontPayError,
    InvalidOrderError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateBudgetExceededError,
    RefundRejectedError,
    Violation,
    WatchTimeoutError,
)
from frontpay_async.models.statuses import PaymentStatus

NAMED: dict[str, Any] = {"operation": "orders.refund", "order_uuid": "ODR7"}
ANSWERED: dict[str, Any] = {
    "status": 417,
    "message": "payloadValidationErrors",
    "errors": {"a": ["b", Decimal("1.5")]},
    "request_id": "r-1",
    "retry_after": 3.5,
    "outcome": Outcome.UNKNOWN,
    **NAMED,
}
API_ERRORS = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, APIError)]
CALLBACK_ERRORS = [
    cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, CallbackError)
]
ERRORS = [
    FrontPayError("what happened", outcome=Outcome.UNKNOWN, **NAMED),
    ConfigurationError("what happened", **NAMED),
    InvalidOrderError([Violation("a.b", "is required"), Violation("c", "must be text")], **NAMED),
    NotSentError("what happened", **NAMED),
    RateBudgetExceededError("what happened", retry_after=12.5, **NAMED),
    OutcomeUnknownError("what happened", **NAMED),
    WatchTimeoutError("what happened", last_status=PaymentStatus("ON HOLD"), **NAMED),
    *(cls("what happened", **ANSWERED) for cls in API_ERRORS),
    *(cls("what happened", is_retryable=True, **NAMED) for cls in CALLBACK_ERRORS),
]
PARENTS = {
    "ConfigurationError": "FrontPayError",
    "InvalidOrderError": "FrontPayError",
    "NotSentError": "FrontPayError",
    "RateBudgetExceededError": "NotSentError",
    "OutcomeUnknownError": "FrontPayError",
    "WatchTimeoutError": "FrontPayError",
    "APIError": "FrontPayError",
    "AuthenticationError": "APIError",
    "PermissionDeniedError": "APIError",
    "NotFoundError": "APIError",
    "CycleNotFoundError": "NotFoundError",
    "RequestRejectedError": "APIError",
    "BusinessRuleError": "APIError",
    "AlreadyPaidError": "BusinessRuleError",
    "AlreadyCancelledError": "BusinessRuleError",
    "AlreadyPaidOrCancelledError": "BusinessRuleError",
    "AlreadyInvoicedError": "BusinessRuleError",
    "AlreadyCompletedError": "BusinessRuleError",
    "PrerequisiteFailedError": "BusinessRuleError",
    "CycleRejectedError": "BusinessRuleError",
    "RefundRejectedError": "BusinessRuleError",
    "RateLimitedError": "APIError",
    "ServerError": "APIError",
    "TerminalBusyError": "ServerError",
    "CreditCheckRejectedError": "ServerError",
    "CallbackError": "FrontPayError",
    "InvalidChecksumError": "CallbackError",
    "StaleCallbackError": "CallbackError",
    "ReplayedCallbackError": "CallbackError",
}


def test_the_hierarchy() -> None:
    classes = {
        name: cls.__bases__[0].__name__
        for name, cls in vars(errors).items()
        if isinstance(cls, type) and issubclass(cls, FrontPayError) and cls is not FrontPayError
    }
    assert classes == PARENTS


def test_every_class_stands_in_the_tree_of_the_docstring() -> None:
    assert errors.__doc__ is not None
    assert [name for name in PARENTS if f"── {name} " not in f"{errors.__doc__} ".replace("\n", " ")] == []


def test_every_class_is_tried_here() -> None:
    assert {type(error).__name__ for error in ERRORS} == {"FrontPayError", *PARENTS}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_pickle_with_every_field(error: FrontPayError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - our own
    assert type(again) is type(error)
    assert (again.args, str(again), vars(again)) == (error.args, str(error), vars(error))


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_copy_with_every_field(error: FrontPayError) -> None:
    for again in (copy.copy(error), copy.deepcopy(error)):
        assert (type(again), again.args, vars(again)) == (type(error), error.args, vars(error))


def test_notes_are_pickled() -> None:
    error = NotSentError("what happened")
    error.add_note("while invoicing")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while invoicing"]  # noqa: S301 - our own


def test_an_error_of_a_caller_pickles() -> None:
    again = pickle.loads(pickle.dumps(ShopError("B-1")))  # noqa: S301 - our own
    assert (type(again), str(again), again.basket) == (ShopError, "basket B-1", "B-1")


class ShopError(NotSentError):
    def __init__(self, basket: str) -> None:
        super().__init__(f"basket {basket}")
        self.basket = basket


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_names_its_call(error: FrontPayError) -> None:
    assert (error.operation, error.order_uuid) == ("orders.refund", "ODR7")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (FrontPayError("x"), Outcome.NOT_SENT),
        (ConfigurationError("x"), Outcome.NOT_SENT),
        (InvalidOrderError([]), Outcome.NOT_SENT),
        (NotSentError("x"), Outcome.NOT_SENT),
        (RateBudgetExceededError("x", retry_after=1), Outcome.NOT_SENT),
        (OutcomeUnknownError("x"), Outcome.UNKNOWN),
        (WatchTimeoutError("x", last_status=None), Outcome.UNKNOWN),
        (APIError("x", status=400), Outcome.REJECTED),
        (CallbackError("x"), Outcome.UNKNOWN),
    ],
    ids=repr,
)
def test_what_is_known_unless_told_otherwise(error: FrontPayError, outcome: Outcome) -> None:
    assert error.outcome is outcome


def test_outcomes_are_text() -> None:
    assert [str(outcome) for outcome in Outcome] == ["not_sent", "rejected", "unknown"]


def test_violations_are_listed_in_words() -> None:
    error = InvalidOrderError([Violation("a.b", "is required"), Violation("c", "must be text")])
    assert str(error) == "nothing was sent. a.b is required; c must be text."
    assert [str(violation) for violation in error.violations] == ["a.b is required", "c must be text"]


def test_an_invalid_order_can_be_caught_as_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"orders\.refund: nothing was sent\. a is required\."):
        raise InvalidOrderError([Violation("a", "is required")], operation="orders.refund")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("orderNotFound", "orderNotFound"),
        ("Order Not Found", "orderNotFound"),
        ("Order not found", "orderNotFound"),
        ("order_not_found", "order_not_found"),
        ("Unauthenticated.", None),
        ("Too Many Attempts.", None),
        ("Order  Not", None),
        (" order", None),
        ("404", None),
        ("Ordre Ø", None),
        ("", None),
        (None, None),
    ],
)
def test_a_code_is_a_code_however_it_is_spelled(message: str | None, code: str | None) -> None:
    assert APIError("x", status=400, message=message).code == code


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("refundRejectionForProductAmountExceed", "refundRejectionForProductAmountExceed"),
        ("Refund Rejection For Product Amount Exceed", "refundRejectionForProductAmountExceed"),
        ("Not today.", "Not today."),
        (None, "unknown"),
    ],
)
def test_a_refused_refund_always_has_a_reason(message: str | None, reason: str) -> None:
    assert RefundRejectedError("x", status=400, message=message).reason == reason
