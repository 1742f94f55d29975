"""Ids: unique, of version 7, and in the order in which they were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from config.sources import Sources

TIMES = st.integers(0, 4 * 10**15).map(lambda n: datetime(2020, 1, 1, tzinfo=UTC) + timedelta(microseconds=n))


@given(TIMES)
def test_ids_of_one_millisecond_are_in_order(start: datetime) -> None:
    """On SQLite a time is exact to a millisecond, so lists are sorted by time and then by id."""
    ticks = count()
    sources = Sources(now=lambda: start + timedelta(microseconds=next(ticks)))
    ids = [sources.new_id() for _ in range(20)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 20


@given(TIMES)
def test_an_id_is_of_version_7_and_has_its_time(at: datetime) -> None:
    made = Sources(now=lambda: at).new_id()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert abs((made.int >> 80) - at.timestamp() * 1000) <= 1
