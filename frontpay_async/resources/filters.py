"""Filters of lists: the query and path segments made from a method's arguments. Pure."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, cast

from frontpay_async.errors import InvalidOrderError, Violation

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import Operation


def to_unix(operation: Operation[Any], start: datetime | None, end: datetime | None) -> tuple[str, ...]:
    """Return a period as the segments of a path: Unix seconds, or nothing where no period is given."""
    if start is None and end is None:
        return ()
    violations = [
        Violation(name, "must be a zone-aware datetime; give both start and end, or neither")
        for name, value in (("start", start), ("end", end))
        if not isinstance(value, datetime) or value.utcoffset() is None
    ]
    if not violations and start is not None and end is not None:
        if start <= end:
            return (str(int(start.timestamp())), str(int(end.timestamp())))
        violations.append(Violation("end", "must not be before start"))
    raise InvalidOrderError(violations, operation=operation.name)


def subscription_filter(
    operation: Operation[Any],
    *,
    status: str | None,
    phone: str | None,
    customer_name: str | None,
    start_date: date | None,
    end_date: date | None,
    subscription_uuid: str | None = None,
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the query and the path's last segment that a list of subscriptions is filtered by."""
    violations: list[Violation] = []
    days = {"startDate": start_date, "endDate": end_date}
    if status is not None and not (str(status).strip() and str(status).isascii()):
        violations.append(Violation("status", "must be a status, such as ONGOING"))
    texts: dict[str, object] = {
        "phone": phone, "customerName": customer_name, "subscriptionUuid": subscription_uuid,
    }  # fmt: skip
    violations += [
        Violation(name, "must be text")
        for name, value in texts.items()
        if value is not None and not isinstance(value, str)
    ]
    if (start_date is None) is not (end_date is None):
        violations.append(Violation("startDate", "must be given together with endDate"))
    for name, day in days.items():
        if day is not None and type(day) is not date:
            violations.append(Violation(name, "must be a date"))
    if not violations and start_date is not None and end_date is not None and start_date > end_date:
        violations.append(Violation("endDate", "must not be before startDate"))
    if violations:
        raise InvalidOrderError(violations, operation=operation.name)
    query = {
        **cast("dict[str, str | None]", texts),
        **{name: None if day is None else day.isoformat() for name, day in days.items()},
    }
    steps = () if status is None else (str(status),)
    return {name: text for name, text in query.items() if text}, steps
