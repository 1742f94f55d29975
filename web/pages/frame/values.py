"""How values are written on pages: times, dates, numbers, percentages, relationships and the fields of a client.

Everything that a page shows passes through here, so that one value looks the same everywhere. Words for states are in
`filters.py`.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation

from markupsafe import Markup

from handlers.practice_time import written


def date_time(at: datetime, zone: tzinfo = UTC) -> Markup:
    """A time as people here write it, and exactly for machines: 27 Nov 2026, 2:10 pm."""
    shown = written(at.astimezone(zone))
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(timespec="seconds"), shown)


def day(at: datetime, zone: tzinfo = UTC) -> Markup:
    """The day of a time."""
    return calendar_day(at.astimezone(zone).date())


def calendar_day(on: date) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(on.isoformat(), _day(on))


def _day(on: date) -> str:
    return f"{on.day} {on:%b} {on.year}"  # %Y pads years before 1000 on some platforms only


def duration(seconds: int) -> str:
    """Roughly how long something takes."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"about {counted(-(-seconds // size), name)}"
    return "less than a minute"


def number(count: int) -> str:
    """A count with its thousands apart: 15,000."""
    return f"{count:,}"


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun: 1 share, 2,500 shares."""
    return f"{number(count)} {singular if count == 1 else plural or f'{singular}s'}"


def percentage(value: Decimal) -> str:
    """A percentage without an exponent and without zeros at its end: 50%, 33.33%."""
    plain = f"{value:f}"
    return f"{plain.rstrip('0').rstrip('.') if '.' in plain else plain}%"


def shares(count: int) -> str:
    return counted(count, "share")


def relationship(label: str) -> str:
    """A relationship in sentence case: “Director Of” is shown as “Director of”."""
    return re.sub(r"(?<=\w )Of\b", "of", label)


def field_value(value: str, field: str, zone: tzinfo = UTC) -> Markup | str:
    """A stored value of a client, a relationship or a team member. One that does not fit its field is shown as it is."""
    with suppress(ValueError, InvalidOperation):
        match field:
            case "date_of_birth" | "start_date" | "end_date":
                return calendar_day(date.fromisoformat(value))
            case "gone_at":
                return date_time(datetime.fromisoformat(value), zone)
            case "percentage":
                return percentage(Decimal(value))
            case "number_of_shares":
                return number(int(value))
            case "label" | "relationship":
                return relationship(value)
    return value
