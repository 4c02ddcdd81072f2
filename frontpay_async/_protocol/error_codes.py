"""The error classes of the API's codes. Pure."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from frontpay_async import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

# Codes that say only that the API failed: internalErrorOccurredPleaseTryAgainLater, Laravel's "Server Error".
_GENERIC_FAILURE = re.compile(
    r"somethingWentWrong|internalError(?:Occurred\w*)?|(?:internalS|s)erverError", re.IGNORECASE
)
_BY_CODE: Mapping[str, type[errors.APIError]] = MappingProxyType(
    {
        "orderStatusAlreadyPaid": errors.AlreadyPaidError,
        "orderStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "orderStatusAlreadyPaidOrCancelled": errors.AlreadyPaidOrCancelledError,
        "orderStatusAlreadyInvoiced": errors.AlreadyInvoicedError,
        "orderRefundRequestAlreadySubmitted": errors.RefundRejectedError,
        "requestProductIdNotAvailable": errors.RefundRejectedError,
        "reservationStatusAlreadyCompleted": errors.AlreadyCompletedError,
        "subscriptionStatusAlreadyCompleted": errors.AlreadyCompletedError,
        "reservationStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "subscriptionStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "prerequisiteFailedToCancelReservation": errors.PrerequisiteFailedError,
        "prerequisiteFailedToCompleteReservation": errors.PrerequisiteFailedError,
        "someCyclesFailedToPassValidation": errors.CycleRejectedError,
        "payloadValidationErrors": errors.RequestRejectedError,
        "terminalIsBusy": errors.TerminalBusyError,
        "personCurrentStatusIsWrong": errors.ServerError,
    }
)
_BY_FOLDED_CODE = {code.casefold(): cls for code, cls in _BY_CODE.items()}


def is_generic_failure(code: str | None) -> bool:
    """Return whether a code states only that the API failed, without a reason."""
    return code is not None and _GENERIC_FAILURE.fullmatch(code) is not None


def named_error(code: str | None) -> type[errors.APIError] | None:
    """Return the error class of a case-folded code; None if there is none."""
    if code is None:
        return None
    if code.startswith("refundrejection"):
        return errors.RefundRejectedError
    if is_generic_failure(code):
        return errors.ServerError
    if code.partition("#")[0] == "cyclenotfound":
        return errors.CycleNotFoundError
    return errors.NotFoundError if code.endswith("notfound") else _BY_FOLDED_CODE.get(code)
