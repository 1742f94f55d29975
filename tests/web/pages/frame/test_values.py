"""How pages write values, over the whole range that the record can hold."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from portal_db.clients.history import text_of
from web.pages.frame import values

SYDNEY = ZoneInfo("Australia/Sydney")


def test_no_percentage_has_an_exponent_or_ends_in_zeros_and_each_reads_back_as_it_was() -> None:
    for hundredths in range(100_01):
        exact = Decimal(hundredths) / 100
        for stored in (exact, exact.normalize(), exact.quantize(Decimal("0.0001"))):
            shown = values.percentage(stored)
            assert re.fullmatch(r"(0|[1-9]\d*)(\.\d*[1-9])?%", shown), (stored, shown)
            assert Decimal(shown.removesuffix("%")) == exact
            assert values.field_value(text_of(stored) or "", "percentage") == shown


@pytest.mark.parametrize(
    ("percentage", "shown"),
    [("5E+1", "50%"), ("1E+2", "100%"), ("0", "0%"), ("33.3300", "33.33%"), ("1E-4", "0.0001%")],
)
def test_a_percentage_is_written_as_people_do(percentage: str, shown: str) -> None:
    assert values.percentage(Decimal(percentage)) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 shares"), (1, "1 share"), (2, "2 shares"), (2_147_483_647, "2,147,483,647 shares")]
)
def test_shares_are_counted(count: int, shown: str) -> None:
    assert values.shares(count) == shown


@pytest.mark.parametrize(
    ("on", "shown"),
    [(date(1, 1, 1), "1 Jan 1"), (date(1931, 2, 9), "9 Feb 1931"), (date(9999, 12, 31), "31 Dec 9999")],
)
def test_a_day_of_any_year_is_written_in_words(on: date, shown: str) -> None:
    assert values.calendar_day(on) == f'<time datetime="{on.isoformat()}">{shown}</time>'


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
    written = values.date_time(at, SYDNEY)
    assert written == f'<time datetime="2026-11-27T{hour:02}:{minute:02}:00+00:00">{shown}</time>'


def test_a_day_is_the_practices_day() -> None:
    written = values.day(datetime(2026, 11, 27, 13, 5, tzinfo=UTC), SYDNEY)
    assert written == '<time datetime="2026-11-28">28 Nov 2026</time>'


@pytest.mark.parametrize(
    ("field", "stored", "shown"),
    [
        ("date_of_birth", "1980-02-09", '<time datetime="1980-02-09">9 Feb 1980</time>'),
        (
            "gone_at",
            "2026-11-27T03:10:00+00:00",
            '<time datetime="2026-11-27T03:10:00+00:00">27 Nov 2026, 2:10 pm</time>',
        ),
        ("percentage", "50", "50%"),
        ("number_of_shares", "12000", "12,000"),
        ("label", "Director Of", "Director of"),
        ("name", "5E+1", "5E+1"),
        ("date_of_birth", "<b>soon</b>", "<b>soon</b>"),
        ("percentage", "half", "half"),
    ],
)
def test_a_stored_value_is_written_as_its_field_is(field: str, stored: str, shown: str) -> None:
    assert values.field_value(stored, field, SYDNEY) == shown


@pytest.mark.parametrize(
    ("label", "shown"), [("Director Of", "Director of"), ("Of Counsel", "Of Counsel"), ("Spouse", "Spouse"), ("", "")]
)
def test_a_relationship_is_in_sentence_case(label: str, shown: str) -> None:
    assert values.relationship(label) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "less than a minute"), (60, "about 1 minute"), (61, "about 2 minutes"), (7_200, "about 2 hours"),
     (90_000, "about 2 days"), (10**8, "about 1,158 days")],
)  # fmt: skip
def test_how_long_something_takes_is_rounded_up(seconds: int, shown: str) -> None:
    assert values.duration(seconds) == shown
