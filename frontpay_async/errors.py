"""The error classes. Pure.

Every error states whether the operation took effect, in ``outcome``:

    FrontPayError                    .outcome  .operation  .order_uuid
    ├── ConfigurationError           the client is configured or used incorrectly; NOT_SENT; also a ValueError
    ├── InvalidOrderError            a documented rule is violated; NOT_SENT, .violations; also a ValueError
    ├── NotSentError                 the request never left this machine; NOT_SENT
    │   └── RateBudgetExceededError  the wait for the rate window would pass the deadline; .retry_after
    ├── OutcomeUnknownError          the request was sent, without a usable response; UNKNOWN
    ├── WatchTimeoutError            no final status in time, which proves nothing; UNKNOWN, .last_status
    ├── APIError                     a valid response of the API; .status .code .message .errors .request_id
    │   ├── AuthenticationError      401
    │   ├── PermissionDeniedError    403
    │   ├── NotFoundError            404
    │   │   └── CycleNotFoundError   the subscription has no such cycle; .cycle
    │   ├── RequestRejectedError     417, 422; .messages, the server's sentences
    │   ├── BusinessRuleError        400; .code
    │   │   ├── AlreadyPaidError
    │   │   ├── AlreadyCancelledError
    │   │   ├── AlreadyPaidOrCancelledError
    │   │   ├── AlreadyInvoicedError
    │   │   ├── AlreadyCompletedError
    │   │   ├── PrerequisiteFailedError
    │   │   ├── CycleRejectedError
    │   │   └── RefundRejectedError  .reason
    │   ├── RateLimitedError         429; .retry_after
    │   └── ServerError              5xx; UNKNOWN when the operation changes something
    │       ├── TerminalBusyError    the terminal was busy; nothing was done
    │       └── CreditCheckRejectedError  the number cannot be checked; nothing was done
    └── CallbackError                a rejected callback; UNKNOWN; .is_retryable
        ├── InvalidChecksumError     not made with the secret
        ├── StaleCallbackError       too old, or from the future
        └── ReplayedCallbackError    already accepted before

An error is about the whole call, not only its last attempt: if an earlier attempt may have taken effect and a
later one was rejected, ``outcome`` is UNKNOWN. A rejected callback proves nothing about its order, so its
``outcome`` is UNKNOWN, too.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontpay_async._exact_json import Json
    from frontpay_async.models.statuses import Status


class Outcome(StrEnum):
    """What is known about a failed call."""

    NOT_SENT = "not_sent"
    """Nothing reached the API: nothing happened, and it is safe to send again."""
    REJECTED = "rejected"
    """The API answered that it did not do it: nothing happened."""
    UNKNOWN = "unknown"
    """It may have happened: look it up before sending again."""


@frozen
class Violation:
    """One violated rule.

    Args:
        path: The field's path on the wire, such as ``customerDetails.personalNumber`` or ``products.0.name``.
        message: The requirement, without the invalid value.
    """

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}"


class FrontPayError(Exception):
    """Base class of all errors raised by this package.

    Args:
        message: What happened, whether anything changed, and what to do next.
        outcome: What is known about the call.
        operation: The operation's name, such as ``orders.send_invoice``.
        order_uuid: The order that the call was about, if any.
    """

    outcome: Outcome
    operation: str | None
    order_uuid: str | None

    def __init__(
        self,
        message: str,
        *,
        outcome: Outcome = Outcome.NOT_SENT,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.operation = operation
        self.order_uuid = order_uuid

    def __reduce__(self) -> tuple[object, ...]:
        # The default would call the class with the positional arguments alone, and the
        # keyword-only ones of the subclasses would be missing.
        return _restore, (type(self), self.args, dict(self.__dict__))


def _restore(cls: type[FrontPayError], args: tuple[object, ...], state: dict[str, object]) -> FrontPayError:
    """Rebuild a pickled error without running its constructor."""
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class ConfigurationError(FrontPayError, ValueError):
    """Error for a client that is configured or used incorrectly, such as without a token or environment."""


class InvalidOrderError(FrontPayError, ValueError):
    """Error for a request that violates documented rules; nothing was sent.

    Args:
        violations: All broken rules, in the order of the reference's table.
        operation: The operation's name; None if the value could not be constructed.
        order_uuid: The order that the call was about, if any.
    """

    violations: tuple[Violation, ...]

    def __init__(
        self,
        violations: Sequence[Violation],
        *,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        where = f"{operation}: " if operation else ""
        listed = "; ".join(map(str, violations))
        super().__init__(f"{where}nothing was sent. {listed}.", operation=operation, order_uuid=order_uuid)
        self.violations = tuple(violations)


class NotSentError(FrontPayError):
    """Error for a request that was not sent: DNS, connect, TLS, no free connection, closed client."""


class RateBudgetExceededError(NotSentError):
    """Error for a call whose wait for the rate window would exceed its deadline.

    Args:
        message: What happened.
        retry_after: Seconds until a retry can succeed.
        operation: The operation's name.
        order_uuid: The order that the call was about, if any.
    """

    retry_after: float

    def __init__(
        self,
        message: str,
        *,
        retry_after: float,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        super().__init__(message, operation=operation, order_uuid=order_uuid)
        self.retry_after = retry_after


class OutcomeUnknownError(FrontPayError):
    """Error for a request without a usable response: timeout, reset, incomplete body, not JSON."""

    def __init__(self, message: str, *, operation: str | None = None, order_uuid: str | None = None) -> None:
        super().__init__(message, outcome=Outcome.UNKNOWN, operation=operation, order_uuid=order_uuid)


class WatchTimeoutError(FrontPayError):
    """Error for a watch that saw no final status in time; the payment has not failed and may still be made.

    Args:
        message: What the call waited for, and what to do next.
        last_status: The last status from the API; None if there was none.
        operation: The method of the hub, such as ``watch.payment``.
        order_uuid: The order.
    """

    last_status: Status | None

    def __init__(
        self,
        message: str,
        *,
        last_status: Status | None,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        super().__init__(message, outcome=Outcome.UNKNOWN, operation=operation, order_uuid=order_uuid)
        self.last_status = last_status


class APIError(FrontPayError):
    """Error for a response that was understood and is not a success.

    Args:
        text: What happened, whether anything changed, and what to do next.
        status: The HTTP status.
        message: The response's ``message``, as sent: a code such as ``orderNotFound``, or a sentence.
        errors: The response's ``errors``, as sent, with personal data masked.
        request_id: The response's ``x-request-id`` header, if any.
        retry_after: Seconds to wait, if the response states them.
        outcome: What is known about the call.
        operation: The operation's name.
        order_uuid: The order that the call was about, if any.
    """

    status: int
    message: str | None
    errors: Json
    request_id: str | None
    retry_after: float | None

    def __init__(
        self,
        text: str,
        *,
        status: int,
        message: str | None = None,
        errors: Json = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        outcome: Outcome = Outcome.REJECTED,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        super().__init__(text, outcome=outcome, operation=operation, order_uuid=order_uuid)
        self.status = status
        self.message = message
        self.errors = errors
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def code(self) -> str | None:
        """The response's ``message`` as a camelCase code; None if it is a sentence or missing.

        Some routes send the code as words: ``Order Not Found`` becomes ``orderNotFound``.
        """
        return to_code(self.message)

    @property
    def messages(self) -> tuple[str, ...]:
        """The server's sentences from ``errors``, which may be a list, a map of lists, or text."""
        return tuple(sentences(self.errors))


_WORDS = re.compile(r"[A-Za-z]\w*(?: \w+)*(?:#\w[\w ]*)?", re.ASCII)


_GAP = re.compile(r"[\s_-]+")


def to_code(message: str | None) -> str | None:
    """Return a message as a camelCase code, or None if it is neither a code nor plain words."""
    if message is None or _WORDS.fullmatch(message) is None:
        return None
    words, mark, about = message.partition("#")
    first, *more = words.split(" ")
    code = first[0].lower() + first[1:] + "".join(word[0].upper() + word[1:] for word in more)
    return f"{code}{mark}{about}"


def folded(message: str | None) -> str | None:
    """Return a code in a normalised form for comparison: revisions of the API spell codes differently."""
    text = _GAP.sub(" ", message or "").strip()
    code = to_code(text.lower() if text.isupper() else text)
    return None if code is None else code.casefold()


def sentences(errors: Json) -> list[str]:
    """List the sentences in a response's ``errors``."""
    match errors:
        # The reference has the placeholder "Array" instead of an array.
        case None | "" | "Array":
            return []
        case list():
            return [sentence for item in errors for sentence in sentences(item)]
        case dict():
            return [sentence for item in errors.values() for sentence in sentences(item)]
        case _:
            return [str(errors)]


class AuthenticationError(APIError):
    """Error for a missing, wrong or expired token (401)."""


class PermissionDeniedError(APIError):
    """Error for a token without the required permission (403)."""


class NotFoundError(APIError):
    """Error for an order, terminal or organisation that the API does not know (404)."""


class CycleNotFoundError(NotFoundError):
    """Error for a cycle that the subscription does not have (``cycleNotfound#cycle1``); see ``cycle``."""

    @property
    def cycle(self) -> str | None:
        """The cycle as the API names it, such as ``cycle1``; None if it names none."""
        return (self.code or "").partition("#")[2] or None


class RequestRejectedError(APIError):
    """Error for a body that the API's validation rejected (417, 422); see ``messages``."""


class BusinessRuleError(APIError):
    """Error for a request that a business rule forbids (400); see ``code``."""


class AlreadyPaidError(BusinessRuleError):
    """Error for an order that is already paid (``orderStatusAlreadyPaid``)."""


class AlreadyCancelledError(BusinessRuleError):
    """Error for an order that is already cancelled (``orderStatusAlreadyCancelled``)."""


class AlreadyPaidOrCancelledError(BusinessRuleError):
    """Error for an order that is already paid or cancelled; the API does not say which.

    The code is ``orderStatusAlreadyPaidOrCancelled``. Read the order's status to find out.
    """


class AlreadyInvoicedError(BusinessRuleError):
    """Error for an order that is already invoiced (``orderStatusAlreadyInvoiced``)."""


class AlreadyCompletedError(BusinessRuleError):
    """Error for a reservation that is already completed (``reservationStatusAlreadyCompleted``)."""


class PrerequisiteFailedError(BusinessRuleError):
    """Error for an operation that the reservation's status does not allow (``prerequisiteFailedTo…``)."""


class CycleRejectedError(BusinessRuleError):
    """Error for cycles of a subscription that cannot be refunded (``someCyclesFailedToPassValidation``)."""


class RefundRejectedError(BusinessRuleError):
    """Error for a rejected refund; see ``reason``."""

    @property
    def reason(self) -> str:
        """The server's code, such as ``refundRejectionForProductAmountExceed``, or its sentence."""
        return self.code or self.message or "unknown"


class RateLimitedError(APIError):
    """Error for a token that has used up its rate limit (429); see ``retry_after`` (seconds)."""


class ServerError(APIError):
    """Error for a failure of the API (5xx); UNKNOWN if the operation changes something."""


class TerminalBusyError(ServerError):
    """Error for a busy terminal (510 ``terminalIsBusy``); nothing was done."""


class CreditCheckRejectedError(ServerError):
    """Error for an identity number that cannot be checked (``personCurrentStatusIsWrong``)."""


class CallbackError(FrontPayError):
    """Error for a rejected callback; it proves nothing about its order, so ask the API.

    The message never contains the query. ``order_uuid`` is the callback's claim, and may be forged.

    Args:
        message: The reason.
        is_retryable: Whether the same callback may be accepted when it is sent again.
        operation: None; a callback belongs to no call.
        order_uuid: The order that the callback named, if it named one.
    """

    is_retryable: bool

    def __init__(
        self,
        message: str,
        *,
        is_retryable: bool = False,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        super().__init__(message, outcome=Outcome.UNKNOWN, operation=operation, order_uuid=order_uuid)
        self.is_retryable = is_retryable


class InvalidChecksumError(CallbackError):
    """Error for a callback with a wrong checksum or token, or with an ambiguous text.

    Args:
        message: The reason.
        is_ambiguous: Whether the checksum is valid, but its text has several readings,
            which leave the order or its status uncertain.
        is_retryable: See ``CallbackError``.
        operation: See ``CallbackError``.
        order_uuid: See ``CallbackError``.
    """

    is_ambiguous: bool

    def __init__(
        self,
        message: str,
        *,
        is_ambiguous: bool = False,
        is_retryable: bool = False,
        operation: str | None = None,
        order_uuid: str | None = None,
    ) -> None:
        super().__init__(message, is_retryable=is_retryable, operation=operation, order_uuid=order_uuid)
        self.is_ambiguous = is_ambiguous


class StaleCallbackError(CallbackError):
    """Error for a callback that is too old or from the future."""


class ReplayedCallbackError(CallbackError):
    """Error for a callback that was accepted before: answer 200 and do nothing.

    If ``is_retryable``, its first delivery is still being handled and may fail.
    """
