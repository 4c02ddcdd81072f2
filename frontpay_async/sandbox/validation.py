"""The API's own validation: the documented rules, told in the sentences of a 417."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import DateFormat
from frontpay_async._protocol.rules import check
from frontpay_async.sandbox.answers import Refusal, failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._protocol.messages import JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._protocol.rules import Breach

__all__ = ["validate"]

_SENTENCES = {
    "required": "The {field} field is required.",
    "required_without": "The {field} field is required when {other} is not present.",
    "required_with": "The {field} field is required when {other} is present.",
    "required_if": "The {field} field is required when {other} is {value}.",
    "string": "The {field} must be a string.",
    "numeric": "The {field} must be a number.",
    "boolean": "The {field} field must be true or false.",
    "email": "The {field} must be a valid email address.",
    "url": "The {field} format is invalid.",
    "digits": "The {field} must be 11 digits.",
    "digits_only": "The {field} may only contain numbers.",
    "country": "The {field} must be a valid ISO alpha-2 country code.",
    "date": "The {field} is not a valid date.",
    "in": "The selected {field} is invalid.",
    "one_of": "The {field} needs sms or email.",
    "array": "The {field} must be an array.",
}
_DATE_SENTENCES = {
    DateFormat.UNIX: "The order date is not a valid timestamp.",
    DateFormat.DAY: "The order date does not match the format d M, Y.",
}


def validate(operation: Operation[object], body: JsonObject, date_format: DateFormat | None) -> None:
    """Refuse a body that breaks the operation's rules.

    Args:
        operation: The row of the operation table.
        body: The JSON body that arrived.
        date_format: The form of the order date that is demanded.

    Raises:
        Refusal: 417, with a sentence for every broken rule.
    """
    if operation.rules is None:
        return
    sentences = [_sentence(breach) for breach in check(operation.rules, body)]
    sentences += _date_sentences(body.get("orderDate"), date_format)
    if sentences:
        raise Refusal(failure(417, "payloadValidationErrors", list(sentences)))


def _sentence(breach: Breach) -> str:
    return _SENTENCES[breach.code].format(
        field=_words(breach.path), other=_words(breach.other or ""), value=breach.value
    )


def _date_sentences(moment: object, date_format: DateFormat | None) -> Iterator[str]:
    if (
        isinstance(moment, str)
        and date_format is not None
        and moment.isdigit() is (date_format is DateFormat.DAY)
    ):
        yield _DATE_SENTENCES[date_format]


def _words(path: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path).lower()
