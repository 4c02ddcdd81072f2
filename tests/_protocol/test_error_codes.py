"""The error class of each code that the API is known to answer."""

from __future__ import annotations

import pytest

from frontpay_async import errors
from frontpay_async._protocol.error_codes import is_generic_failure, named_error

# Copied from the reference, so that a code that is lost or given another meaning is noticed.
CODES = {
    "orderStatusAlreadyPaid": errors.AlreadyPaidError,
    "orderStatusAlreadyCancelled": errors.AlreadyCancelledError,
    "orderStatusAlreadyPaidOrCancelled": errors.AlreadyPaidOrCancelledError,
    "orderStatusAlreadyInvoiced": errors.AlreadyInvoicedError,
    "orderRefundRequestAlreadySubmitted": errors.RefundRejectedError,
    "requestProductIdNotAvailable": errors.RefundRejectedError,
    "refundRejectionAmountExceeded": errors.RefundRejectedError,
    "reservationStatusAlreadyCompleted": errors.AlreadyCompletedError,
    "subscriptionStatusAlreadyCompleted": errors.AlreadyCompletedError,
    "reservationStatusAlreadyCancelled": errors.AlreadyCancelledError,
    "subscriptionStatusAlreadyCancelled": errors.AlreadyCancelledError,
    "prerequisiteFailedToCancelReservation": errors.PrerequisiteFailedError,
    "prerequisiteFailedToCompleteReservation": errors.PrerequisiteFailedError,
    "someCyclesFailedToPassValidation": errors.CycleRejectedError,
    "cycleNotFound#3": errors.CycleNotFoundError,
    "cycleNotFound": errors.CycleNotFoundError,
    "payloadValidationErrors": errors.RequestRejectedError,
    "terminalIsBusy": errors.TerminalBusyError,
    "personCurrentStatusIsWrong": errors.ServerError,
    "orderNotFound": errors.NotFoundError,
    "terminalNotFound": errors.NotFoundError,
    "somethingWentWrong": errors.ServerError,
    "internalErrorOccurredPleaseTryAgainLater": errors.ServerError,
}


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_its_class(code: str) -> None:
    assert named_error(code.casefold()) is CODES[code]


@pytest.mark.parametrize(
    "code", [None, "", "orderStatus", "notFoundYet", "isRefundRejection", "aCycleNotFound#1"]
)
def test_another_code_has_none(code: str | None) -> None:
    assert named_error(None if code is None else code.casefold()) is None


@pytest.mark.parametrize(
    "code", ["somethingWentWrong", "internalError", "serverError", "internalServerError"]
)
def test_a_generic_failure_states_no_reason(code: str) -> None:
    assert is_generic_failure(code)
    assert is_generic_failure(code.casefold())
    assert not is_generic_failure(f"{code}:terminal")
    assert not is_generic_failure(None)
