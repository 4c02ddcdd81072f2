"""Dates in the wire format, without a locale and a time zone database. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import Enum

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2}),? (\d{4})", re.ASCII)
_ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_UNIX = re.compile(r"\d{1,11}", re.ASCII)


class DateFormat(Enum):
    """A format of ``orderDate``."""

    UNIX = "unix"
    """Unix seconds, as text."""
    DAY = "day"
    """A day such as ``07 Apr, 2024``."""


def write_date(value: date, date_format: DateFormat, now: datetime | None = None) -> str:
    """Write an order date in the format of the operation."""
    # The day of a datetime is the day in Norway at that time. The time of a date is noon UTC, which is on
    # that day in Norway in summer and in winter. But the API requires a current or future date, so today's
    # date is never written as a time, or a day, in the past.
    if now is not None and not isinstance(value, datetime):
        value = _not_past(value, now)
    if date_format is DateFormat.UNIX:
        moment = (
            value
            if isinstance(value, datetime)
            else datetime(value.year, value.month, value.day, 12, tzinfo=UTC)
        )
        # Unlike ``timestamp``, this cannot leave the range of years.
        return str((moment - _EPOCH) // _SECOND)
    try:
        day = norwegian_day(value) if isinstance(value, datetime) else value
    except OverflowError:
        # The year 10000 begins in Norway before it does in UTC; the rules reject this form.
        return value.isoformat()
    return f"{day.day:02d} {_MONTHS[day.month - 1]}, {day.year:04d}"


def _not_past(day: date, now: datetime) -> date:
    """Return a date, or a time later today in Norway if the date is today and its noon has passed."""
    # Today may be the caller's day, the day in UTC, or the day in Norway, where the next day may already have
    # begun.
    utc = now.astimezone(UTC)
    today = norwegian_day(utc)
    if day not in (now.date(), utc.date(), today) or utc <= datetime(
        day.year, day.month, day.day, 12, tzinfo=UTC
    ):
        return day
    # The last second of the day in Norway, so that it is not in the past after waits and retries.
    end = datetime(today.year, today.month, today.day, 22, 59, 59, tzinfo=UTC)
    return end if norwegian_day(end) == today else end - timedelta(hours=1)


def read_date(text: str) -> datetime | date | str:
    """Read a date in any of the API's formats; other text is returned unchanged."""
    if _UNIX.fullmatch(text):
        return datetime.fromtimestamp(int(text), UTC)
    match = _DAY.fullmatch(text)
    try:
        if match and match[2] in _MONTHS:
            return date(int(match[3]), _MONTHS.index(match[2]) + 1, int(match[1]))
        if _ISO_DAY.fullmatch(text):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    # Without a zone the time is ambiguous, and a guess could move it by a day.
    return text if moment.utcoffset() is None else moment


def norwegian_day(moment: datetime) -> date:
    """Return the day in Norway."""
    # UTC+1, and UTC+2 between the last Sundays of March and October at 01:00 UTC.
    utc = moment.astimezone(UTC)
    summer = _last_sunday(utc.year, 3) <= utc < _last_sunday(utc.year, 10)
    return (utc + timedelta(hours=2 if summer else 1)).date()


def _last_sunday(year: int, month: int) -> datetime:
    # Both months have 31 days.
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=last.isoweekday() % 7)
