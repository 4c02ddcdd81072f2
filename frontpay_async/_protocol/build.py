"""From an operation and its value to the request: checked, encoded, quoted. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from frontpay_async._json import merged, write_exact
from frontpay_async._protocol.codec import encode, number_text
from frontpay_async._protocol.messages import HttpRequest
from frontpay_async._protocol.rules import check, check_totals
from frontpay_async.errors import InvalidOrderError, Violation

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from frontpay_async._protocol.operations import DateFormat, Operation

# Ids look like ODR3506777330; nothing that could leave the path segment is let through.
_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
_SLOT = re.compile(r"\{(\w+)_uuid\}")
# A Decimal is only met where a model has an int; callers without a type checker may pass one.
_write_json = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=number_text
).encode


def build(
    operation: Operation[object],
    *,
    uuid: str | None = None,
    value: object = None,
    method: str | None = None,
    query: Mapping[str, str] | None = None,
    date_format: DateFormat | None = None,
    strict_totals: bool = True,
    now: datetime | None = None,
) -> HttpRequest:
    """Build the request for an operation.

    Args:
        operation: The row of the operation table.
        uuid: The id that stands in the path.
        value: What the body is written from.
        method: The HTTP method, where it is not the operation's own.
        query: The query parameters.
        date_format: The form of the order date, where it is not the operation's own.
        strict_totals: Whether amounts that contradict each other are refused.
        now: The time, zone-aware, so that an order date of today is not written as a past moment.

    Raises:
        TypeError: The value is not of the operation's class.
        InvalidOrderError: A documented rule is broken; lists all of them.
    """
    violations: list[Violation] = []
    order_uuid: str | None = None
    path = operation.path
    slot = _SLOT.search(path)
    if slot is not None:
        if isinstance(uuid, str) and _UUID.fullmatch(uuid):
            path = path.replace(slot[0], quote(uuid, safe=""))
            order_uuid = uuid if slot[1] == "order" else None
        else:
            violations.append(Violation(f"{slot[1]}Uuid", "must be an id such as ODR3506777330"))
    if query:
        path = f"{path}?{urlencode(query, quote_via=quote)}"
    content: bytes | None = None
    if operation.request is not None and operation.rules is not None:
        if not isinstance(value, operation.request):
            raise TypeError(
                f"{operation.name} takes a value of {operation.request.__name__}, not {type(value).__name__}"
            )
        body = encode(value, operation.rules, date_format or operation.date_format, now)
        breaches = check(operation.rules, body)
        if strict_totals:
            breaches += check_totals(operation.rules, body)
        violations += [Violation(breach.path, breach.demand) for breach in breaches]
        if not violations:
            extra = getattr(value, "extra", None)
            content = (write_exact(merged(body, extra)) if extra else _write_json(body)).encode()
    if violations:
        raise InvalidOrderError(violations, operation=operation.name, order_uuid=order_uuid)
    return HttpRequest(operation, method or operation.method, path, content, order_uuid)
