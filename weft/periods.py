"""Calendars and the acquisition window of a period.

Belongs here: the one place that knows when a period starts and ends. Not here: Dagster's partition windows, which only
name a period and say when it has closed.

Keys are the strings Dagster's time windows use: ``YYYY-MM-DD`` for days and dekads (first day), ``YYYY-MM`` for months,
quarters (first month), years (January) and GLAD seasons (month in which the season starts: 12, 03, 06, 09).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple, get_args

from weft.errors import RequestError

Calendar = Literal["day", "dekad", "month", "quarter", "year", "glad-seasons"]
CALENDARS: tuple[Calendar, ...] = get_args(Calendar)


class TimeWindow(NamedTuple):
    """Start and end of a period, UTC; the end is exclusive."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Cadence:
    """How a calendar is named as Dagster time windows.

    Attributes:
        cron: opens one window per period. For seasons it fires on a day after the season before has closed.
        key_format: ``strftime`` format of a key.
    """

    cron: str
    key_format: str


CADENCES: dict[Calendar, Cadence] = {
    "day": Cadence("0 0 * * *", "%Y-%m-%d"),
    "dekad": Cadence("0 0 1,11,21 * *", "%Y-%m-%d"),
    "month": Cadence("0 0 1 * *", "%Y-%m"),
    "quarter": Cadence("0 0 1 1,4,7,10 *", "%Y-%m"),
    "year": Cadence("0 0 1 1 *", "%Y-%m"),
    # A cron cannot pair four days with four months. Day 25 lies after every season's start (2 Dec, 21 Mar, 25 Jun,
    # 13 Sep) and so after the end of the season before it; the day itself means nothing more.
    "glad-seasons": Cadence("0 0 25 3,6,9,12 *", "%Y-%m"),
}

# Start days of GLAD 16-day intervals 22, 6, 12 and 17 in a leap year, used as fixed month-days (research section 2).
_SEASON_STARTS = {12: 2, 3: 21, 6: 25, 9: 13}
_SEASON_NAMES = {12: "winter", 3: "spring", 6: "summer", 9: "autumn"}
_FIRST_MONTHS: dict[Calendar, tuple[int, ...]] = {
    "month": tuple(range(1, 13)),
    "quarter": (1, 4, 7, 10),
    "year": (1,),
    "glad-seasons": tuple(sorted(_SEASON_STARTS)),
}
_YEARS = range(1900, 3000)  # keeps every end within datetime's range


def window(calendar: str, key: str) -> TimeWindow:
    """Acquisition window of one period.

    Args:
        calendar: ``day``, ``dekad``, ``month``, ``quarter``, ``year`` or ``glad-seasons``.
        key: period key, see the module docstring.

    Returns:
        Start and end, UTC, end exclusive.

    Raises:
        RequestError: unknown calendar, malformed key, a key that no period of the calendar starts with, or a year
            outside 1900 to 2999.
    """
    if calendar not in CALENDARS:
        raise RequestError(f"calendar {calendar!r} is unknown; use one of {', '.join(CALENDARS)}")
    first = _parse(calendar, key)
    if calendar == "day":
        return _span(first, first + timedelta(days=1))
    if calendar == "dekad":
        if first.day not in (1, 11, 21):
            raise RequestError(f"dekad {key!r} does not start on day 01, 11 or 21")
        end = _next_month(first, 1) if first.day == 21 else first + timedelta(days=10)
        return _span(first, end)
    months = _FIRST_MONTHS[calendar]
    if first.month not in months:
        raise RequestError(
            f"period {key!r} starts no {calendar}; its months are {', '.join(f'{m:02d}' for m in months)}"
        )
    following = _next_month(first, 12 // len(months))
    if calendar == "glad-seasons":
        return _span(
            first.replace(day=_SEASON_STARTS[first.month]), following.replace(day=_SEASON_STARTS[following.month])
        )
    return _span(first, following)


def name_of(calendar: Calendar, key: str) -> str:
    """What people call a period: ``summer`` and so on for GLAD seasons, of the northern hemisphere; else its key.

    Raises:
        RequestError: see :func:`window`.
    """
    start = window(calendar, key).start
    return _SEASON_NAMES[start.month] if calendar == "glad-seasons" else key


def key_of(calendar: Calendar, moment: datetime) -> str:
    """Key of the period that contains ``moment``, an aware datetime of any zone.

    Raises:
        RequestError: the period starts outside the years 1900 to 2999.
    """
    day = _known(moment.astimezone(UTC).date())
    if calendar == "day":
        return day.isoformat()
    if calendar == "dekad":
        return day.replace(day=min(21, (day.day - 1) // 10 * 10 + 1)).isoformat()
    months = _FIRST_MONTHS[calendar]
    for back in range(13):
        index = day.year * 12 + day.month - 1 - back
        year, month = divmod(index, 12)
        key = f"{year:04d}-{month + 1:02d}"
        if month + 1 in months and window(calendar, key).start.date() <= day:
            return key
    raise AssertionError("every day lies in a period")


def _parse(calendar: Calendar, key: str) -> date:
    daily = calendar in ("day", "dekad")
    pattern, example = ("[0-9]{4}-[0-9]{2}-[0-9]{2}", "2018-03-21") if daily else ("[0-9]{4}-[0-9]{2}", "2018-03")
    if not re.fullmatch(pattern, key):
        raise RequestError(f"period {key!r} is not a key of calendar {calendar}; write it like {example}")
    try:
        return _known(date.fromisoformat(key if daily else f"{key}-01"))
    except ValueError as error:
        raise RequestError(f"period {key!r} is not a date: {error}") from error


def _known(day: date) -> date:
    if day.year not in _YEARS:
        raise RequestError(f"{day} is outside the years {_YEARS.start} to {_YEARS.stop - 1}")
    return day


def _next_month(first: date, months: int) -> date:
    year, month = divmod(first.year * 12 + first.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _span(start: date, end: date) -> TimeWindow:
    return TimeWindow(
        datetime(start.year, start.month, start.day, tzinfo=UTC), datetime(end.year, end.month, end.day, tzinfo=UTC)
    )
