from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from frontpay_async import DateFormat
from frontpay_async._protocol.dates import read_date, write_date

OSLO = ZoneInfo("Europe/Oslo")
# The rule of today has held since 1996.
MOMENTS = st.datetimes(datetime(1996, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
SWITCHES = [
    datetime(year, month, 31, 1, tzinfo=UTC)
    - timedelta(days=datetime(year, month, 31, tzinfo=UTC).isoweekday() % 7)
    for year in range(1996, 2038)
    for month in (3, 10)
]
DAYS = st.dates(date(1970, 1, 1), date(2199, 12, 31))


@given(MOMENTS)
def test_the_day_is_the_day_in_norway(moment: datetime) -> None:
    assert read_date(write_date(moment, DateFormat.DAY)) == moment.astimezone(OSLO).date()


@given(switch=st.sampled_from(SWITCHES), seconds=st.integers(-90_000, 90_000))
def test_the_day_is_right_around_the_switches(switch: datetime, seconds: int) -> None:
    moment = switch + timedelta(seconds=seconds)
    assert read_date(write_date(moment, DateFormat.DAY)) == moment.astimezone(OSLO).date()


def test_the_clock_is_switched_when_the_zone_database_says() -> None:
    second = timedelta(seconds=1)
    assert all(
        switch.astimezone(OSLO).utcoffset() != (switch - second).astimezone(OSLO).utcoffset()
        for switch in SWITCHES
    )


@given(moment=MOMENTS, zone=ZONES)
def test_the_callers_zone_does_not_matter(moment: datetime, zone: timezone) -> None:
    for form in DateFormat:
        assert write_date(moment.astimezone(zone), form) == write_date(moment, form)


@given(DAYS)
def test_a_day_stays_the_day_in_both_forms(day: date) -> None:
    assert read_date(write_date(day, DateFormat.DAY)) == day
    moment = read_date(write_date(day, DateFormat.UNIX))
    assert isinstance(moment, datetime)
    assert moment.astimezone(OSLO).date() == day


@given(MOMENTS)
def test_a_moment_survives_to_the_second(moment: datetime) -> None:
    assert read_date(write_date(moment, DateFormat.UNIX)) == moment.replace(microsecond=0)


@given(
    st.text(max_size=30) | st.from_regex(r"[0-9]{1,4}[-/. ][A-Z0-9a-z]{1,3}[-,/. ]{0,2}[0-9]{0,4}T?[0-9:+Z]*")
)
def test_any_text_is_read_as_a_date_or_kept(text: str) -> None:
    read = read_date(text)
    assert read == text or (isinstance(read, date) and not isinstance(read, str))
    assert not isinstance(read, datetime) or read.utcoffset() is not None
