"""The wait that a response asks for, read without a clock. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_DIGITS = 10


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of wait that a response asks for, or None."""
    # `Retry-After` counts in seconds or names a date; `X-RateLimit-Reset` names Unix seconds. Dates are
    # relative to the response's own `Date`, so a wrong local clock does no harm.
    now = _date(headers.get("date", ""))
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:_MOST_DIGITS])
    until = _date(asked)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if until is None and reset.isascii() and reset.isdigit() and len(reset) <= _MOST_DIGITS:
        until = datetime.fromtimestamp(int(reset), UTC)
    if until is None or now is None:
        return None
    return max(0.0, (until - now).total_seconds())


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
