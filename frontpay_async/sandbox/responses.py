"""The API's responses in their envelope, byte for byte as the API writes them, including escaped slashes.

The pages of the reference disagree on details: which successes have ``is_data`` (creating an order does not,
although it has data), and whether a 510 has ``somethingWentWrong`` or ``Something Went Wrong``. The sandbox
reproduces both, because clients must handle both. A 404 is as observed from the demo API, with ``is_data``
and ``data`` on every route, although some pages of the reference show ``is_error``.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import Operation

_NOTHING: Mapping[str, Json] = MappingProxyType({})
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_OF_DATA: Mapping[str, Json] = MappingProxyType({"is_data": False, "data": None})
_OF_NO_ERRORS: Mapping[str, Json] = MappingProxyType({"is_error": False, "errors": None})
_OF_ERRORS: Mapping[str, Json] = MappingProxyType({"is_error": True, "errors": None})
_BROKEN_RULES: Mapping[str, Mapping[str, Json]] = MappingProxyType(
    {
        "requestProductIdNotAvailable": _OF_DATA,
        "refundRejectionForProductAmountExceed": MappingProxyType({"is_error": True, "errors": []}),
        "refundRejectionForWeeklyThresholdExceed": _OF_ERRORS,
        "refundRejectionForRequestAmountThresholdExceed": _OF_ERRORS,
        "someCyclesFailedToPassValidation": MappingProxyType(
            {"is_data": False, "data": None, "is_error": True, "errors": None}
        ),
    }
)
_MOST_DIGITS = 15


@frozen
class Answer:
    """A response before it is written.

    Args:
        status: The HTTP status.
        body: The JSON body; or the HTML of a proxy.
        headers: Headers in addition to those of every response.
    """

    status: int
    body: JsonObject | str
    headers: Mapping[str, str] = _NO_HEADERS


class Refusal(Exception):  # noqa: N818 - an answer, raised to leave a handler early
    """An exception that ends a handler with a rejection.

    Args:
        answer: The response.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def success(
    operation: Operation[object],
    data: Json = None,
    *,
    message: str | None = None,
    body_status: int | None = None,
    beside: Mapping[str, Json] = _NOTHING,
) -> Answer:
    """Return a documented success."""
    status = operation.success
    return Answer(
        status,
        {
            "status_code": body_status or status,
            "status_message": "OK",
            **beside,
            "message": message or operation.message,
            "is_data": operation.has_data,
            "data": data,
        },
    )


def not_found(operation: Operation[object], message: str | None = None) -> Refusal:
    """Return the rejection of an unknown id."""
    return Refusal(_failure(404, "Not Found", message or operation.not_found, _OF_DATA))


def broken_rule(code: str) -> Refusal:
    """Return the rejection by a business rule."""
    return Refusal(_failure(400, "Conflict of Business Logic", code, _BROKEN_RULES.get(code, _OF_NO_ERRORS)))


def cycle_not_found(name: str) -> Refusal:
    """Return the rejection of an unknown cycle: marked as an error and as without data."""
    code = f"cycleNotfound#{name.lower().replace(' ', '')}"
    form: JsonObject = {"is_data": False, "data": None, "is_error": True, "errors": None}
    return Refusal(_failure(404, "Not Found", code, form))


def invalid(sentences: list[str]) -> Refusal:
    """Return the rejection of a body that violates rules, with one sentence for each violation."""
    form: JsonObject = {"is_error": True, "errors": [*sentences]}
    return Refusal(_failure(417, "Client Error", "payloadValidationErrors", form))


def internal_error() -> Answer:
    """Return the documented 500."""
    found: JsonObject = {"happenedAt": "sandbox", "internalErrorDetails": ["a fault on demand"]}
    message = "internalErrorOccurredPleaseTryAgainLater"
    return _failure(500, "Internal Dependency Error", message, {"is_error": True, "errors": found})


def something_wrong(operation: Operation[object]) -> Answer:
    """Return the documented 510."""
    return _failed(operation.failure, [] if " " in operation.failure else None)


def busy() -> Answer:
    """Return the 510 of a terminal that is busy."""
    return _failed("terminalIsBusy", "Array")


def refused_for_good() -> Answer:
    """Return the 510 of a credit check with a rejected identity number."""
    return _failed("personCurrentStatusIsWrong", [])


def bare(status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
    """Return a response of the framework Laravel, without the envelope."""
    return Answer(status, {"message": message}, headers)


def write(answer: Answer) -> tuple[bytes, str]:
    """Return the body as the API writes it, and its content type."""
    if isinstance(answer.body, str):
        return answer.body.encode(), "text/html"
    # A fraction becomes a double, as in PHP.
    text = json.dumps(answer.body, ensure_ascii=True, separators=(",", ":"), default=float)
    return text.replace("/", "\\/").encode(), "application/json"


def wire_number(value: Decimal) -> Json:
    """Return a value that is written as a JSON number; whole numbers have no decimal point."""
    if value.adjusted() >= _MOST_DIGITS:
        # A double cannot represent it.
        return str(value)
    return int(value) if value == value.to_integral_value() else value


def _failed(message: str, errors: Json) -> Answer:
    form: JsonObject = {"is_error": True, "errors": errors}
    return _failure(510, "Execution Exception Occurred", message, form)


def _failure(status: int, phrase: str, message: str, form: Mapping[str, Json]) -> Answer:
    return Answer(status, {"status_code": status, "status_message": phrase, "message": message, **form})
