"""The time at a practice, by the database's clock, and how dates are written there."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from portal_db.access import people
from portal_db.database import Tx
from portal_db.tables import Practice
from portal_db.types import database_time

#: Where XPM is sold and where everybody writes the day before the month: Australia, New Zealand, the United Kingdom and its
#: neighbours, Singapore.
_DAY_FIRST = ("Australia/", "Europe/", "Pacific/Auckland", "Pacific/Chatham", "Asia/Singapore", "NZ", "GB")


def day_first(time_zone: str) -> bool:
    """Whether 3/4/1970 is surely 3 April in the country of a time zone."""
    return time_zone.startswith(_DAY_FIRST)


def now_at(tx: Tx, practice_id: UUID) -> datetime:
    """The current time in the practice's time zone; in UTC on a machine that does not know its time zone."""
    practice, now = people.get_practice(tx, practice_id), database_time(tx.session)
    return at_practice(practice, now) if practice is not None else now


def at_practice(practice: Practice, at: datetime) -> datetime:
    """A time in the practice's time zone; in UTC on a machine that does not know its time zone."""
    with suppress(ZoneInfoNotFoundError, ValueError):
        return at.astimezone(ZoneInfo(practice.time_zone))
    return at.astimezone(UTC)


def written(local: datetime) -> str:
    """A time as people there write it: 27 Nov 2026, 2:10 pm."""
    return (
        f"{local.day} {local:%b} {local.year}, {local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"
    )


def clock_in(tx: Tx, practice_id: UUID, seconds: float) -> str:
    """The practice's clock in so many seconds: `10:42:05`, with the date if that is another day."""
    now = now_at(tx, practice_id)
    zone_name = " UTC" if now.tzinfo is UTC else ""
    end = now + timedelta(seconds=seconds)
    on_day = "" if end.date() == now.date() else f" on {end.day} {end:%B}"
    return f"{end:%H:%M:%S}{zone_name}{on_day}"
