"""The API's own validation: the documented rules, in the sentences of a 417."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from frontpay_async._protocol.dates import read_date
from frontpay_async._protocol.operations import DateFormat
from frontpay_async._protocol.rules import DATE, Breach, check, is_missing
from frontpay_async.sandbox.responses import invalid

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import Operation

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
    "in": "The selected {field} is invalid.",
    "one_of": "The {field} needs sms or email.",
    "array": "The {field} must be an array.",
    "integer": "The {field} must be an integer.",
    "max": "The {field} may not be greater than 25 characters.",
    "date": "The {field} is not a valid date.",
}
_DATE_SENTENCES = {
    DateFormat.UNIX: "The order date is not a valid timestamp.",
    DateFormat.DAY: "The order date does not match the format d M, Y.",
}


def validate(operation: Operation[object], body: JsonObject, demanded: DateFormat | None) -> None:
    """Reject a body that violates the operation's rules."""
    if operation.rules is None:
        return
    # The rules accept both date formats; the setting requires one of them.
    breaches = [
        breach
        for breach in check(operation.rules, body)
        if (breach.path, breach.code) != ("orderDate", DATE.code)
    ]
    form, moment = demanded or operation.date_format, body.get("orderDate")
    if form is not None and not is_missing(moment) and not _is_written(moment, form):
        breaches.append(Breach("orderDate", DATE.code, DATE.demand))
    places = {member.name: index for index, member in enumerate(operation.rules.fields)}

    def place(breach: Breach) -> tuple[bool, int]:
        return breach.path.startswith("products."), places.get(breach.path.partition(".")[0], len(places))

    # In the order of the fields, as in Laravel, lines last.
    breaches.sort(key=place)
    if breaches:
        raise invalid([_sentence(each, form) for each in breaches])


def _is_written(moment: Json, form: DateFormat) -> bool:
    if not isinstance(moment, str) or not DATE.accepts(moment):
        return False
    read = read_date(moment)
    return not isinstance(read, str) and isinstance(read, datetime) is (form is DateFormat.UNIX)


def _sentence(breach: Breach, form: DateFormat | None) -> str:
    if breach.path == "orderDate" and breach.code == DATE.code and form is not None:
        return _DATE_SENTENCES[form]
    return _SENTENCES[breach.code].format(
        field=_words(breach.path), other=_words(breach.other or ""), value=breach.value
    )


def _words(path: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path).lower()
