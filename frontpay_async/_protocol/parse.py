"""From the response to the value or the error. Pure.

Two steps, because retrying needs only the first: ``problem`` says whether the answer is a success,
``result`` reads its value. The HTTP status decides; the ``status_code`` in the body can differ.
"""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, cast

from frontpay_async import errors
from frontpay_async._protocol.codec import UnreadableError, decode
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.redact import redact
from frontpay_async._protocol.retry_after import retry_after
from frontpay_async.errors import Outcome
from frontpay_async.models.statuses import PaymentStatus, RefundStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._json import Json, JsonObject
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation

T = TypeVar("T")

CUT_OFF = frozenset({408, 499})
"""A proxy's words for a request that was cut off: they do not say how far it had come."""
_SUCCESSES = range(200, 300)
_BUSY_CODE = "terminalIsBusy"
_NO_ORDER_CODE = "orderNotFound"
# The reference's errors nest three deep; what nests deeper than this is masked as a whole.
_DEEPEST = 16
_BY_CODE: Mapping[str, type[errors.BusinessRuleError]] = MappingProxyType(
    {
        "orderStatusAlreadyPaid": errors.AlreadyPaidError,
        "orderStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "requestProductIdNotAvailable": errors.RefundRejectedError,
    }
)
_BY_STATUS: Mapping[int, type[errors.APIError]] = MappingProxyType(
    {
        400: errors.BusinessRuleError,
        401: errors.AuthenticationError,
        403: errors.PermissionDeniedError,
        404: errors.NotFoundError,
        417: errors.RequestRejectedError,
        422: errors.RequestRejectedError,
        429: errors.RateLimitedError,
    }
)
_NEXT_STEP: Mapping[int, str] = MappingProxyType(
    {
        401: "Check the token and that it belongs to this environment",
        403: "Ask Front Payment what this token may do",
        404: "Check the id and the environment",
        417: "Correct the order and send it again",
        422: "Correct the order and send it again",
        429: "Wait until the window has passed",
    }
)
_STATUS_KEYS: Mapping[type[object], str] = MappingProxyType(
    {PaymentStatus: "order_status", RefundStatus: "refund_status"}
)


def problem(
    operation: Operation[object], response: HttpResponse, order_uuid: str | None
) -> errors.FrontPayError | None:
    """Return the error that the response stands for, or None for a success.

    Args:
        operation: The row of the operation table.
        response: The whole response.
        order_uuid: The order that the call named, if it named one.
    """
    status = response.status
    if status in _SUCCESSES:
        return None if is_json_object(response) else _unusable(operation, response, order_uuid)
    if operation.empty_when_not_found and _says_no_order(response):
        return None
    if status < HTTPStatus.BAD_REQUEST:
        return _unusable(operation, response, order_uuid)
    envelope = response.envelope()
    said = _text(envelope.get("message"))
    cls = _error_class(status, errors.to_code(said))
    outcome = Outcome.REJECTED
    if (
        (status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in CUT_OFF)
        and cls is not errors.TerminalBusyError
        and operation.safety is not Safety.READ
    ):
        outcome = Outcome.UNKNOWN
    found = _redacted(envelope.get("errors"))
    return cls(
        _explain(operation, cls, status=status, said=said, found=found, outcome=outcome),
        status=status,
        message=redact(said) if said else None,
        errors=found,
        request_id=response.headers.get("x-request-id"),
        retry_after=retry_after(response.headers),
        outcome=outcome,
        operation=operation.name,
        order_uuid=order_uuid,
    )


def result(operation: Operation[T], response: HttpResponse, order_uuid: str | None) -> T:
    """Read the value of a response that ``problem`` found to be a success.

    Args:
        operation: The row of the operation table.
        response: The whole response.
        order_uuid: The order that the call named, if it named one.

    Raises:
        OutcomeUnknownError: The value lacks a documented member, or it has another form.
    """
    if operation.result is None:
        return cast("T", None)
    if response.status == HTTPStatus.NOT_FOUND:
        return cast("T", ())
    unreadable = ""
    try:
        return cast("T", _read(operation, response.envelope()))
    except UnreadableError as error:
        unreadable = str(error)
    raise errors.OutcomeUnknownError(
        f"{operation.name}: the API answered {response.status}, but not in the documented form"
        f" ({unreadable}). {consequence(operation, Outcome.UNKNOWN)}",
        operation=operation.name,
        order_uuid=order_uuid,
    )


def _read(operation: Operation[object], envelope: JsonObject) -> object:
    kind = cast("type[object]", operation.result)
    data = envelope.get("data")
    if kind in _STATUS_KEYS:
        key = _STATUS_KEYS[kind]
        return decode(kind, envelope.get(key) or (data.get(key) if isinstance(data, dict) else None))
    if operation.listed:
        rows = list(data.values()) if isinstance(data, dict) else data
        if rows is not None and not isinstance(rows, list):
            raise UnreadableError("not a list @ $.data")
        return tuple(decode(kind, row) for row in rows or ())
    return decode(kind, data)


def _says_no_order(response: HttpResponse) -> bool:
    # A 404 of a proxy or of a wrong base URL is no empty list.
    if response.status != HTTPStatus.NOT_FOUND:
        return False
    return errors.to_code(_text(response.envelope().get("message"))) == _NO_ORDER_CODE


def is_json_object(response: HttpResponse) -> bool:
    """Tell whether the body is a JSON object, as all that the API itself says."""
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def _unusable(
    operation: Operation[object], response: HttpResponse, order_uuid: str | None
) -> errors.OutcomeUnknownError:
    kind = redact(response.headers.get("content-type", "no content type").split(";")[0])
    return errors.OutcomeUnknownError(
        f"{operation.name}: the answer ({response.status}, {kind}, {len(response.body)} bytes)"
        f" is not the API's JSON. {consequence(operation, Outcome.UNKNOWN)}",
        operation=operation.name,
        order_uuid=order_uuid,
    )


def _error_class(status: int, code: str | None) -> type[errors.APIError]:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.TerminalBusyError if code == _BUSY_CODE else errors.ServerError
    if status == HTTPStatus.BAD_REQUEST and code is not None:
        if code.startswith("refundRejection"):
            return errors.RefundRejectedError
        return _BY_CODE.get(code, errors.BusinessRuleError)
    return _BY_STATUS.get(status, errors.APIError)


def _explain(
    operation: Operation[object],
    cls: type[errors.APIError],
    *,
    status: int,
    said: str | None,
    found: Json,
    outcome: Outcome,
) -> str:
    sentences = [redact(said)] if said else []
    if cls is errors.RequestRejectedError:
        sentences += errors.sentences(found)
    # Some are sentences with a full stop of their own.
    told = "; ".join(sentence.rstrip(". ") for sentence in sentences)
    told = f": {told}" if told else ""
    step = _NEXT_STEP.get(status)
    ending = f" {step}." if step else ""
    return f"{operation.name}: the API answered {status}{told}. {consequence(operation, outcome)}{ending}"


def consequence(operation: Operation[object], outcome: Outcome) -> str:
    """Say in words whether anything changed, and whether it is safe to send again."""
    if operation.safety is Safety.READ:
        return "Nothing was changed: this only reads."
    if outcome is Outcome.REJECTED:
        return "It was not done, and nothing was changed."
    if operation.safety is Safety.IDEMPOTENT:
        return "It may or may not have been done; it is safe to send it again."
    return "It may or may not have been done: look before you send it again."


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _redacted(value: Json, depth: int = 0) -> Json:
    match value:
        case str():
            return redact(value)
        case list() | dict() if depth == _DEEPEST:
            return "***"
        case list():
            return [_redacted(item, depth + 1) for item in value]
        case dict():
            return {redact(name): _redacted(item, depth + 1) for name, item in value.items()}
        case _:
            return value
