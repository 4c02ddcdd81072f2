from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from frontpay_async import DateFormat
from frontpay_async._protocol.dates import read_date, write_date

OSLO_SUMMER = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (date(2024, 4, 7), "07 Apr, 2024"),
        (date(2024, 12, 24), "24 Dec, 2024"),
        (datetime(2024, 4, 7, 21, 59, 59, tzinfo=UTC), "07 Apr, 2024"),
        (datetime(2024, 4, 7, 22, tzinfo=UTC), "08 Apr, 2024"),
        (datetime(2024, 1, 7, 22, 59, 59, tzinfo=UTC), "07 Jan, 2024"),
        (datetime(2024, 1, 7, 23, tzinfo=UTC), "08 Jan, 2024"),
        (datetime(2024, 4, 8, 1, tzinfo=OSLO_SUMMER), "08 Apr, 2024"),
        (datetime(2024, 4, 7, 12, tzinfo=timezone(timedelta(hours=-11))), "08 Apr, 2024"),
    ],
    ids=str,
)
def test_a_moment_is_written_as_its_day_in_norway(value: date, written: str) -> None:
    assert write_date(value, DateFormat.DAY) == written


@pytest.mark.parametrize(
    ("last_of_yesterday", "summer"),
    [
        # On both Sundays the clock is changed at 01:00 UTC, long after the day began.
        (datetime(2024, 3, 30, 22, 59, 59, tzinfo=UTC), False),
        (datetime(2024, 3, 31, 21, 59, 59, tzinfo=UTC), True),
        (datetime(2024, 10, 26, 21, 59, 59, tzinfo=UTC), True),
        (datetime(2024, 10, 27, 22, 59, 59, tzinfo=UTC), False),
        (datetime(2027, 10, 31, 22, 59, 59, tzinfo=UTC), False),
    ],
    ids=str,
)
def test_the_day_changes_at_midnight_in_norway(last_of_yesterday: datetime, summer: bool) -> None:
    second = timedelta(seconds=1)
    days = [write_date(last_of_yesterday + each, DateFormat.DAY) for each in (-second, 0 * second, second)]
    assert days[0] == days[1] != days[2]
    assert (last_of_yesterday + second).hour == (22 if summer else 23)


@pytest.mark.parametrize("month", range(1, 13))
def test_months_are_written_in_english(month: int) -> None:
    names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    assert write_date(date(2024, month, 1), DateFormat.DAY) == f"01 {names[month - 1]}, 2024"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (datetime(2023, 12, 20, 2, 53, 32, tzinfo=UTC), "1703040812"),
        (datetime(2023, 12, 20, 2, 53, 32, 999_999, tzinfo=UTC), "1703040812"),
        (datetime(1970, 1, 1, tzinfo=UTC), "0"),
        (date(1970, 1, 1), "43200"),
        (datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), "-1"),
    ],
    ids=str,
)
def test_a_moment_is_written_in_unix_seconds(value: date, written: str) -> None:
    assert write_date(value, DateFormat.UNIX) == written


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("1703040812", datetime(2023, 12, 20, 2, 53, 32, tzinfo=UTC)),
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("07 Apr, 2024", date(2024, 4, 7)),
        ("7 Apr 2024", date(2024, 4, 7)),
        ("2024-04-07", date(2024, 4, 7)),
        ("2024-04-07T10:30:00+02:00", datetime(2024, 4, 7, 8, 30, tzinfo=UTC)),
        ("2024-04-07T08:30:00Z", datetime(2024, 4, 7, 8, 30, tzinfo=UTC)),
        ("2024-04-07T08:30:00.000000Z", datetime(2024, 4, 7, 8, 30, tzinfo=UTC)),
    ],
)
def test_dates_are_read_in_every_form(text: str, read: date) -> None:
    assert read_date(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "31 Feb, 2024",
        "07 Mai, 2024",
        "07 apr, 2024",
        "2024-02-30",
        "2024-04-07 10:30:00",
        "2024-04-07T10:30",
        "999999999999",
        "\u0667 Apr, 2024",
    ],
)
def test_what_cannot_be_read_as_a_moment_or_day_is_kept_as_text(text: str) -> None:
    """A time without a zone names no moment, and guessing one could move it by a day."""
    assert read_date(text) == text
