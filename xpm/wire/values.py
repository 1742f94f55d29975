"""Texts of XPM to typed values: what is unambiguous is read, what means "no value" is `None`, all else is a `ValueError`.

The error quotes the value, which may be personal, so whoever catches it must not pass it on.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal

_TIME = r"(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?\s?(?:Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})([-/.]?)(\d{{2}})\2(\d{{2}}){_TIME}", re.ASCII)
_DAY_FIRST = re.compile(rf"(\d{{1,2}})([-/.])(\d{{1,2}})\2(\d{{4}}){_TIME}", re.ASCII)
_TICKS = re.compile(r"/Date\((-?\d{1,15})([+-]\d{4})?\)/", re.ASCII)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- the date as written counts, in whatever zone that was

_NUMBER = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?", re.ASCII)
_FLAGS = {
    **dict.fromkeys(("yes", "y", "true", "t", "1"), True),
    **dict.fromkeys(("no", "n", "false", "f", "0"), False),
}

NO_BIRTHS = frozenset({date(1900, 1, 1)})
"""The birth date that old programs write for an unknown one."""
_NO_DAYS = frozenset({date(1753, 1, 1)})
_NO_YEARS = frozenset({1, 9999})


def as_date(text: str, *, day_first: bool) -> date | None:
    """A date, with or without a time and a zone: the date as written counts. `None` for the first and the last that
    databases have (in the years 0, 1, 1753 and 9999), which mean that there is none.

    Args:
        day_first: the practice is in a country where 3/4/1970 is 3 April.
    """
    if text.startswith("0000-00-00"):
        return None
    found = _written_date(text, day_first=day_first)
    return None if found.year in _NO_YEARS or found in _NO_DAYS else found


def _written_date(text: str, *, day_first: bool) -> date:
    if match := _YEAR_FIRST.fullmatch(text):
        return date(int(match[1]), int(match[3]), int(match[4]))
    if day_first and (match := _DAY_FIRST.fullmatch(text)):
        return date(int(match[4]), int(match[3]), int(match[1]))
    if match := _TICKS.fullmatch(text):
        return _date_of_ticks(int(match[1]), match[2])
    raise ValueError(text)


def _date_of_ticks(milliseconds: int, zone: str | None) -> date:
    """The date of `/Date(…)/`: milliseconds since 1970 in UTC, and the zone in which it was written."""
    try:
        written = _EPOCH + timedelta(milliseconds=milliseconds)
        if zone is not None:
            minutes = int(zone[1:3]) * 60 + int(zone[3:])
            written += timedelta(minutes=-minutes if zone[0] == "-" else minutes)
    except OverflowError:
        raise ValueError(milliseconds) from None
    if zone is None and written.time() != _EPOCH.time():
        raise ValueError(milliseconds)  # The day depends on a zone that was not written.
    return written.date()


def as_flag(text: str) -> bool:
    flag = _FLAGS.get(text.lower())
    if flag is None:
        raise ValueError(text)
    return flag


def as_percentage(text: str) -> Decimal | None:
    """A number from 0 to 100; 0 means that there is none."""
    number = _as_decimal(text)
    if not 0 <= number <= 100:
        raise ValueError(text)
    return number or None


def as_count(text: str) -> int | None:
    """A whole number of shares; 0 means that there is none."""
    number = _as_decimal(text)
    if number < 0 or number != number.to_integral_value():
        raise ValueError(text)
    return int(number) or None


def _as_decimal(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return Decimal(text)
