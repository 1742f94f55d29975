"""When syncs are due: by real zones' clocks, also on the days they change; spread; never above the share of the quota."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from config.settings import Settings
from handlers.schedule import times as schedule_times
from handlers.schedule.times import Times

#: Clocks that are moved by an hour, by half an hour, and not at all.
ZONES = ("Australia/Sydney", "Pacific/Auckland", "Europe/London", "Asia/Kolkata", "Australia/Adelaide",
         "Australia/Lord_Howe")  # fmt: skip
YEAR = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
SOME = [UUID(int=number << 64 | 7) for number in range(40)]
SETTINGS = Settings()


def between(times: Times, start: datetime, end: datetime) -> Iterator[datetime]:
    """Due times as they follow each other."""
    due = times.next_after(start)
    while due < end:
        yield due
        due = times.next_after(due)


@pytest.mark.parametrize("zone", ZONES)
def test_a_full_sync_is_due_once_each_night_of_the_year(zone: str) -> None:
    for directory in SOME[:3]:
        due = [at.astimezone(ZoneInfo(zone)) for at in between(schedule_times.full_sync(directory, zone), *YEAR)]
        # Each night has one, at night, and none has two: not even those in which the clocks are changed
        assert all(following.date() - night.date() == timedelta(days=1) for night, following in pairwise(due))
        assert all(1 <= at.hour <= 5 for at in due)


@pytest.mark.parametrize(
    ("zone", "night", "wanted", "due"),
    [
        # Clocks go from 2 to 3: half past two does not exist, and is an hour later
        ("Australia/Sydney", date(2026, 10, 4), "02:30", "03:30+1100"),
        ("Australia/Adelaide", date(2026, 10, 4), "02:30", "03:30+1030"),
        ("Pacific/Auckland", date(2026, 9, 27), "02:30", "03:30+1300"),
        ("Europe/London", date(2026, 3, 29), "01:30", "02:30+0100"),
        # Clocks go back from 3 to 2: half past two comes twice, and the first is taken
        ("Australia/Sydney", date(2026, 4, 5), "02:30", "02:30+1100"),
        ("Australia/Adelaide", date(2026, 4, 5), "02:30", "02:30+1030"),
        ("Pacific/Auckland", date(2026, 4, 5), "02:30", "02:30+1300"),
        ("Europe/London", date(2026, 10, 25), "01:30", "01:30+0100"),
        # On Lord Howe Island it is half an hour, from 2 to half past and back to half past one
        ("Australia/Lord_Howe", date(2026, 10, 4), "02:15", "02:45+1100"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "01:45", "01:45+1100"),
    ],
)
def test_a_night_in_which_the_clocks_are_changed(
    zone: str, night: date, wanted: str, due: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hour, minute = map(int, wanted.split(":"))
    monkeypatch.setattr(schedule_times, "spread", lambda *_: (hour - 1) * 3600 + minute * 60)
    noon_before = datetime(night.year, night.month, night.day, 12, tzinfo=ZoneInfo(zone)) - timedelta(days=1)
    times = schedule_times.full_sync(SOME[0], zone)
    first, second = [*between(times, noon_before.astimezone(UTC), noon_before.astimezone(UTC) + timedelta(days=2))]
    assert f"{first.astimezone(ZoneInfo(zone)):%F %H:%M%z}" == f"{night} {due}"
    assert second.astimezone(ZoneInfo(zone)).date() == night + timedelta(days=1)


@pytest.mark.parametrize("zone", ZONES)
def test_incremental_syncs_are_due_every_quarter_of_an_hour_in_working_hours(zone: str) -> None:
    times = schedule_times.incremental_sync(SOME[0], zone, SETTINGS, directories=1)
    begin, end = (datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC) for month in (9, 12))
    local = [at.astimezone(ZoneInfo(zone)) for at in between(times, begin, end)]
    days = Counter(at.date() for at in local)
    # Twelve hours of each weekday, also where the clocks were changed that week
    assert set(days.values()) == {48}
    assert {day.weekday() for day in days} == {0, 1, 2, 3, 4}
    assert {at.hour for at in local} == set(range(7, 19))
    assert {(later - at).total_seconds() for at, later in pairwise(local) if at.date() == later.date()} == {900}


def test_what_comes_twice_within_working_hours_is_due_both_times() -> None:
    always = Settings(sync_hours="0-24", sync_days="mon,sun")
    times = schedule_times.incremental_sync(SOME[0], "Europe/London", always, directories=1)
    sunday = datetime(2026, 10, 25, tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)
    assert len([*between(times, sunday, sunday + timedelta(hours=25))]) == 100


def test_practices_do_not_start_together() -> None:
    start = datetime(2026, 11, 24, 22, 30, tzinfo=UTC)
    for times in (
        [schedule_times.full_sync(one, "Australia/Sydney") for one in SOME],
        [schedule_times.incremental_sync(one, "Australia/Sydney", SETTINGS, directories=1) for one in SOME],
    ):
        due = [each.next_after(start) for each in times]
        assert len(set(due)) > len(due) - 3
        quarters = Counter(int((at - min(due)) / (max(due) - min(due)) * 3.99) for at in due)
        assert set(quarters) == {0, 1, 2, 3}
    # And each keeps its time
    assert schedule_times.full_sync(SOME[0], "UTC").next_after(start) == schedule_times.full_sync(
        SOME[0], "UTC"
    ).next_after(start)


@pytest.mark.parametrize(("day_limit", "directories", "every"), [(5000, 1, 15), (5000, 10, 15), (5000, 11, 20),
                                                                 (1000, 2, 15), (1000, 3, 30), (1000, 14, 120)])  # fmt: skip
def test_syncs_are_stretched_to_stay_within_a_tenth_of_the_day(day_limit: int, directories: int, every: int) -> None:
    settings = Settings(xpm_day_limit=day_limit)
    assert schedule_times.every_minutes(day_limit, settings.working_hours, directories) == every
    start = datetime(2026, 11, 23, tzinfo=UTC)
    calls = 0
    for directory in SOME[:directories]:
        for times in (
            schedule_times.full_sync(directory, "UTC"),
            schedule_times.incremental_sync(directory, "UTC", settings, directories=directories),
        ):
            calls += len([*between(times, start, start + timedelta(days=1))])
    assert calls <= day_limit * 0.1


def test_hours_that_are_none_are_refused() -> None:
    for hours in ("19-7", "7-25", "7", "all day"):
        with pytest.raises(ValidationError):
            Settings(sync_hours=hours)
    with pytest.raises(ValidationError):
        Settings(sync_days="weekdays")
