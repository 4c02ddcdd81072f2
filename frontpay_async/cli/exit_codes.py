"""The exit status of an error, whether money moved, and the next step.

The exit status follows from the error's outcome. Pure.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import (
    CANCEL_TERMINAL_PAYMENT,
    LIST_ORDER_STATUSES,
    OPERATIONS,
    Safety,
)
from frontpay_async.errors import (
    AlreadyCancelledError,
    AlreadyPaidError,
    AuthenticationError,
    BusinessRuleError,
    CallbackError,
    ConfigurationError,
    FrontPayError,
    NotFoundError,
    NotSentError,
    Outcome,
    PermissionDeniedError,
    RateBudgetExceededError,
    RateLimitedError,
    ServerError,
    WatchTimeoutError,
)

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import Operation


class Exit(IntEnum):
    """The exit statuses."""

    OK = 0
    """The command succeeded; a payment was paid."""
    FAILED = 1
    """The command completed, but a payment was cancelled or a check failed."""
    USAGE = 2
    """The arguments or settings were invalid; nothing was sent."""
    UNKNOWN = 3
    """The outcome is unknown: the operation may have taken effect."""
    REJECTED = 4
    """The API rejected the operation."""
    NOT_SENT = 5
    """Nothing reached the API."""
    INTERRUPTED = 130
    """The command was stopped (Ctrl-C) before it changed anything."""


_EXITS = {
    Outcome.NOT_SENT: Exit.NOT_SENT,
    Outcome.REJECTED: Exit.REJECTED,
    Outcome.UNKNOWN: Exit.UNKNOWN,
}


def exit_of(error: FrontPayError) -> Exit:
    """Return the exit status of an error."""
    match error:
        case CallbackError():
            # A failed check, not a call with an unknown outcome.
            return Exit.FAILED
        case ConfigurationError():
            return Exit.USAGE
        case _:
            return _EXITS[error.outcome]


def money_of(error: FrontPayError) -> str:  # noqa: PLR0911 - a case for each kind
    """Return a sentence on whether money moved."""
    if isinstance(error, CallbackError):
        return "A rejected callback proves nothing about money."
    if _reads(error):
        return "None moved: this is a read."
    if error.operation == _BATCH and error.outcome is Outcome.UNKNOWN:
        return "Orders were sent before; the journal shows which."
    if isinstance(error, WatchTimeoutError):
        return "Not yet, as far as known: it is not decided, and money may still move."
    match error.outcome:
        case Outcome.NOT_SENT:
            return "None moved: nothing was done."
        case Outcome.REJECTED:
            return "None moved: the API rejected it."
        case Outcome.UNKNOWN:
            return "Unknown: it may have been done."


def next_step(error: FrontPayError) -> str:  # noqa: PLR0911 - a case for each kind
    """Return a sentence with the next step."""
    if isinstance(error, CallbackError):
        return "Ask the API for the order's status; do not trust the callback."
    if error.outcome is Outcome.UNKNOWN:
        return _look(error)
    match error:
        case AuthenticationError():
            return "Check FRONTPAY_TOKEN, and that it belongs to this environment."
        case PermissionDeniedError():
            return "Ask Front Payment for the permission, or use another token."
        case RateLimitedError(retry_after=float(seconds)) | RateBudgetExceededError(retry_after=seconds):
            return f"Run it again in {seconds:.0f} s."
        case BusinessRuleError():
            return _about(error)
        case NotFoundError():
            return "Check the id, and the environment."
        case ServerError():
            return "Run it again later."
        case NotSentError():
            return "Find the cause (try frontpay doctor), then run it again."
        case _:
            return "Correct the errors above, then run it again."


def _about(error: BusinessRuleError) -> str:
    """Return the next step for an order whose status did not allow the operation."""
    uuid = error.order_uuid or "ORDER"
    if isinstance(error, AlreadyCancelledError):
        return "It is cancelled; no operation is possible."
    if isinstance(error, AlreadyPaidError):
        row = OPERATIONS.get(error.operation or "")
        where = " --terminal" if row is not None and row.resource == "terminals" else ""
        return f"It is paid. To refund it: frontpay orders refund {uuid}{where} --all"
    row = OPERATIONS.get(error.operation or "")
    if row is not None and row.id_name in _WITH_DETAILS:
        return f"To see what its status allows: frontpay {row.resource} details {uuid}"
    return f"To see what its status allows: frontpay orders details {uuid}"


def _look(error: FrontPayError) -> str:
    """Return the command that shows whether the operation took effect."""
    if _reads(error):
        return "Run it again."
    if error.operation == _BATCH:
        return "Fix the problem above, then run: frontpay invoices resume. Nothing is sent twice."
    row = OPERATIONS.get(error.operation or "")
    if row is not None and row.id_name in _WITH_DETAILS and error.order_uuid is not None:
        return f"Check before you run it again: frontpay {row.resource} details {error.order_uuid}"
    if error.order_uuid is None:
        return f"Search for it before you run it again: frontpay {_list_of(row)}"
    if error.operation in _AT_THE_TERMINAL:
        return f"Check, or cancel it: frontpay orders cancel {error.order_uuid} --terminal"
    return f"Check before you run it again: frontpay orders status {error.order_uuid}"


def _list_of(row: Operation[object] | None) -> str:
    """Return the command that shows whether an operation without an id took effect."""
    look_at = OPERATIONS[row.look_at if row is not None and row.look_at else LIST_ORDER_STATUSES.name]
    if look_at is LIST_ORDER_STATUSES:
        return "orders list"
    command = look_at.name.partition(".")[2].removeprefix("list_").removeprefix("get_")
    words = f"{look_at.resource.replace('_', '-')} {command}"
    return words if look_at.id_name is None else f"{words} {look_at.id_name.partition('_')[0].upper()}"


_BATCH = "batch.run"
_WITH_DETAILS = frozenset({"reservation_uuid", "subscription_uuid", "customer_uuid"})
_AT_THE_TERMINAL = frozenset({"watch.payment", CANCEL_TERMINAL_PAYMENT.name})


def _reads(error: FrontPayError) -> bool:
    operation = OPERATIONS.get(error.operation or "")
    return operation is not None and operation.safety is Safety.READ
