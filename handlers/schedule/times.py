"""When directories are synced: due times by the wall clock of a practice's time zone, spread, and within the day's quota.

APScheduler's CronTrigger does the arithmetic. What it leaves open is decided here: a wall-clock time skipped by a
clock change is due that much later; of a time that occurs twice, a nightly one is due at the first occurrence, while times
in working hours are due at both. Every time that goes in or out is an instant in UTC.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.cron import CronTrigger

from config.settings import Settings
from portal_db.states import SyncMode

#: Part of the day's quota that a tenant's syncs may use up.
SHARE = 0.1
#: Calls of a directory's full sync each night.
FULL_CALLS = 1
#: Minutes between incremental syncs: the first if all fits into the share, else the next that does.
EVERY_MINUTES = (15, 20, 30, 60, 120, 180, 240, 360, 720)
#: The night, by the wall clock. Not from midnight: that is when some zones change their clocks.
NIGHT_HOURS = range(1, 5)

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Times:
    """An endless series of due times. `once`: of a wall-clock time that occurs twice, only the first."""

    trigger: CronTrigger
    zone: ZoneInfo
    once: bool

    def next_after(self, moment: datetime) -> datetime:
        """The first due time after a moment, in UTC."""
        while True:
            # Compare in UTC: two readings of a clock that is put back do not compare as instants.
            found = self.trigger.get_next_fire_time(None, (moment.astimezone(UTC) + _MOMENT).astimezone(self.zone))
            moment = found.astimezone(UTC)
            if not (self.once and moment.astimezone(self.zone).fold):
                return moment


def nightly(hour: int) -> Times:
    """Every day at a full hour, UTC."""
    return Times(CronTrigger(hour=hour, minute=0, second=0, timezone=UTC), ZoneInfo("UTC"), once=True)


def full_sync(directory_id: UUID, time_zone: str) -> Times:
    """Once a night, at a time of the directory's own."""
    second = spread(directory_id, "full", len(NIGHT_HOURS) * 3600)
    return _times(time_zone, once=True, hour=str(NIGHT_HOURS[second // 3600]), **_minute_and_second(second))


def incremental_sync(directory_id: UUID, time_zone: str, settings: Settings, *, directories: int) -> Times:
    """In working hours, at minutes of the directory's own.

    Args:
        directories: how many directories there are of the tenant: they share its quota.
    """
    hours = settings.working_hours
    every = every_minutes(settings.xpm_day_limit, hours, directories)
    second = spread(directory_id, "incremental", min(every * 60, len(hours) * 3600))
    if every >= 60:
        wanted = {"hour": _list(range(hours.start + second // 3600, hours.stop, every // 60))}
        wanted |= _minute_and_second(second)
    else:
        wanted = {"hour": f"{hours.start}-{hours.stop - 1}"}
        wanted |= {"minute": _list(range(second // 60, 60, every)), "second": str(second % 60)}
    return _times(time_zone, once=False, day_of_week=settings.sync_days, **wanted)


def due_times(mode: SyncMode, directory_id: UUID, time_zone: str, settings: Settings, *, directories: int) -> Times:
    """The due times of a directory's syncs of one mode."""
    if mode is SyncMode.FULL:
        return full_sync(directory_id, time_zone)
    return incremental_sync(directory_id, time_zone, settings, directories=directories)


def every_minutes(day_limit: int, hours: range, directories: int) -> int:
    """How far apart incremental syncs are, so that all directories of a tenant stay within its share of the day."""
    for every in EVERY_MINUTES:
        calls = -(-len(hours) * 60 // every) + FULL_CALLS
        if directories * calls <= share_of(day_limit):
            return every
    return EVERY_MINUTES[-1]


def share_of(day_limit: int) -> int:
    """How many calls in a day the syncs of a tenant may make."""
    return int(day_limit * SHARE)


def spread(directory_id: UUID, purpose: str, within: int) -> int:
    """A number below `within` that is the directory's own, the same everywhere and always."""
    digest = hashlib.sha256(f"{purpose}:{directory_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % within


def _times(time_zone: str, *, once: bool, **wanted: str) -> Times:
    zone = _zone(time_zone)
    return Times(CronTrigger(timezone=zone, **wanted), zone, once)


def _zone(name: str) -> ZoneInfo:
    """The zone; UTC if this machine does not know the name, which is better than no sync at all."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _minute_and_second(second: int) -> dict[str, str]:
    return {"minute": str(second // 60 % 60), "second": str(second % 60)}


def _list(numbers: range) -> str:
    return ",".join(map(str, numbers))
