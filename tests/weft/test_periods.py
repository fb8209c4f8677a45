from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weft.errors import RequestError
from weft.periods import CADENCES, CALENDARS, key_of, name_of, window

FIRST, LAST = datetime(1901, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), LAST - FIRST).map(lambda since: FIRST + since)


@pytest.mark.parametrize(
    ("calendar", "key", "start", "end"),
    [
        ("day", "2018-12-31", "2018-12-31", "2019-01-01"),
        ("day", "2020-02-29", "2020-02-29", "2020-03-01"),
        ("dekad", "2018-03-01", "2018-03-01", "2018-03-11"),
        ("dekad", "2018-03-11", "2018-03-11", "2018-03-21"),
        ("dekad", "2018-02-21", "2018-02-21", "2018-03-01"),
        ("dekad", "2020-02-21", "2020-02-21", "2020-03-01"),
        ("dekad", "2018-12-21", "2018-12-21", "2019-01-01"),
        ("month", "2018-02", "2018-02-01", "2018-03-01"),
        ("month", "2018-12", "2018-12-01", "2019-01-01"),
        ("quarter", "2018-04", "2018-04-01", "2018-07-01"),
        ("quarter", "2018-10", "2018-10-01", "2019-01-01"),
        ("year", "2018-01", "2018-01-01", "2019-01-01"),
        ("glad-seasons", "2018-12", "2018-12-02", "2019-03-21"),
        ("glad-seasons", "2018-03", "2018-03-21", "2018-06-25"),
        ("glad-seasons", "2018-06", "2018-06-25", "2018-09-13"),
        ("glad-seasons", "2018-09", "2018-09-13", "2018-12-02"),
        ("glad-seasons", "2999-12", "2999-12-02", "3000-03-21"),
        ("year", "1900-01", "1900-01-01", "1901-01-01"),
    ],
)
def test_windows(calendar, key, start, end):
    found = window(calendar, key)
    assert found.start == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert found.end == datetime.fromisoformat(end).replace(tzinfo=UTC)
    assert found.start.tzinfo is found.end.tzinfo is UTC


@pytest.mark.parametrize(
    ("calendar", "key", "message"),
    [
        ("week", "2018-03", "calendar 'week' is unknown; use one of day, dekad"),
        ("month", "2018-3", "'2018-3' is not a key of calendar month; write it like 2018-03"),
        ("month", "2018-03-01", "write it like 2018-03"),
        ("month", "2018-03\n", "write it like 2018-03"),
        ("month", "\u0662\u0660\u0661\u0668-03", "write it like 2018-03"),
        ("month", "", "write it like 2018-03"),
        ("month", "2018-13", "'2018-13' is not a date"),
        ("day", "2018-03", "write it like 2018-03-21"),
        ("day", "2018-02-29", "'2018-02-29' is not a date"),
        ("day", "20180321", "write it like 2018-03-21"),
        ("dekad", "2018-03-02", "does not start on day 01, 11 or 21"),
        ("dekad", "2018-03-31", "does not start on day 01, 11 or 21"),
        ("quarter", "2018-03", "starts no quarter; its months are 01, 04, 07, 10"),
        ("year", "2018-02", "starts no year; its months are 01"),
        ("glad-seasons", "2018-01", "starts no glad-seasons; its months are 03, 06, 09, 12"),
        ("year", "9999-01", "outside the years 1900 to 2999"),
        ("day", "9999-12-31", "outside the years 1900 to 2999"),
        ("dekad", "9999-12-21", "outside the years 1900 to 2999"),
        ("glad-seasons", "9999-12", "outside the years 1900 to 2999"),
        ("month", "0001-01", "outside the years 1900 to 2999"),
        ("month", "0000-01", "is not a date"),
    ],
)
def test_wrong_keys_are_refused(calendar, key, message):
    with pytest.raises(RequestError) as error:
        window(calendar, key)
    assert message in str(error.value)


@given(calendar=st.sampled_from(CALENDARS), key=st.text(max_size=12) | st.from_regex(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?"))
def test_any_text_is_a_period_or_refused(calendar, key):
    try:
        found = window(calendar, key)
    except RequestError:
        return
    assert found.start < found.end


@given(calendar=st.sampled_from(CALENDARS), moment=MOMENTS)
@example(calendar="glad-seasons", moment=datetime(2018, 3, 20, 23, 59, 59, tzinfo=UTC))
@example(calendar="glad-seasons", moment=datetime(2018, 3, 21, tzinfo=UTC))
@example(calendar="glad-seasons", moment=datetime(2019, 1, 1, tzinfo=UTC))
@example(calendar="dekad", moment=datetime(2018, 1, 31, tzinfo=UTC))
def test_every_moment_lies_in_the_period_of_its_key(calendar, moment):
    key = key_of(calendar, moment)
    found = window(calendar, key)
    assert found.start <= moment < found.end
    assert CADENCES[calendar].key_format == ("%Y-%m-%d" if len(key) == 10 else "%Y-%m")


@given(calendar=st.sampled_from(CALENDARS), moment=MOMENTS)
def test_periods_follow_each_other_without_gap_or_overlap(calendar, moment):
    key = key_of(calendar, moment)
    start, end = window(calendar, key)
    assert key_of(calendar, start) == key
    assert key_of(calendar, end - timedelta(microseconds=1)) == key
    if end.year < 3000:
        assert window(calendar, key_of(calendar, end)).start == end


def test_a_moment_of_another_zone_counts_in_utc():
    evening_in_lima = datetime(2018, 3, 20, 20, tzinfo=timezone(timedelta(hours=-5)))
    assert key_of("day", evening_in_lima) == "2018-03-21"
    assert key_of("glad-seasons", evening_in_lima) == "2018-03"


@pytest.mark.parametrize("calendar", CALENDARS)
@pytest.mark.parametrize("year", [1899, 3000, 9999])
def test_moments_of_unknown_years_are_refused(calendar, year):
    with pytest.raises(RequestError, match="outside the years 1900 to 2999"):
        key_of(calendar, datetime(year, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("calendar", "key", "name"),
    [
        ("glad-seasons", "2018-12", "winter"),
        ("glad-seasons", "2018-03", "spring"),
        ("glad-seasons", "2018-06", "summer"),
        ("glad-seasons", "2018-09", "autumn"),
        ("quarter", "2018-07", "2018-07"),
        ("dekad", "2018-07-21", "2018-07-21"),
    ],
)
def test_seasons_have_names(calendar, key, name):
    assert name_of(calendar, key) == name


def test_only_periods_have_names():
    with pytest.raises(RequestError, match="starts no glad-seasons"):
        name_of("glad-seasons", "2018-04")
