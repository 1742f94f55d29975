"""How pages word times and what the history holds."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from web.pages.frame import filters

SYDNEY = ZoneInfo("Australia/Sydney")


@pytest.mark.parametrize(
    ("hour", "minute", "shown"),
    [
        (3, 10, "27 Nov 2026, 2:10 pm"),
        (13, 5, "28 Nov 2026, 12:05 am"),
        (1, 0, "27 Nov 2026, 12:00 pm"),
        (0, 59, "27 Nov 2026, 11:59 am"),
    ],
)
def test_times_are_written_as_people_do_in_the_practices_time_zone(hour: int, minute: int, shown: str) -> None:
    at = datetime(2026, 11, 27, hour, minute, tzinfo=UTC)
    written = filters.date_time(at, SYDNEY)
    assert written == f'<time datetime="2026-11-27T{hour:02}:{minute:02}:00+00:00">{shown}</time>'


def test_a_day_is_the_practices_day() -> None:
    assert (
        filters.day(datetime(2026, 11, 27, 13, 5, tzinfo=UTC), SYDNEY)
        == '<time datetime="2026-11-28">28 Nov 2026</time>'
    )


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ("Spouse: Stuart Jardine", ("Stuart Jardine", "spouse")),
        ("Director Of: Blue: Reef", ("Blue: Reef", "director of")),
        ("Stuart Jardine", ("Stuart Jardine", "")),
    ],
)
def test_a_reviewed_item_is_named_by_the_other_side_and_the_relationship(about: str, shown: tuple[str, str]) -> None:
    assert filters.reviewed_item(about) == shown


def test_what_a_table_lacks_reads_as_it_is_written() -> None:
    assert [filters.FILTERS["import_state"](state) for state in ("rejected", "partly_succeeded")] == [
        "Not imported",
        "Partly succeeded",
    ]
