"""The database's clock and the instants it keeps, alike on both engines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import StatementError

from portal_db.tables import Job, Practice
from portal_db.types import database_time, db_now
from tests.making import add, job, new_job, set_job
from tests.world import World

SYDNEY = timezone(timedelta(hours=10))


def seconds_from_now(world: World, seconds: float) -> float:
    with world.database.read() as tx:
        now, later = tx.session.execute(select(db_now(), db_now(seconds))).one()
    assert isinstance(now, datetime)
    assert isinstance(later, datetime)
    return (later - now).total_seconds()


def test_the_clock_can_be_moved_by_seconds(world: World) -> None:
    for seconds in (0, 1, 90, -90, 0.25, -0.25, 259_200.0, 1e-7, 9.87654321e-05, 0.1 + 0.2):
        # SQLite counts in thousandths, and PostgreSQL looks at the clock twice.
        assert seconds_from_now(world, seconds) == pytest.approx(seconds, abs=0.1)


def test_the_clock_can_be_moved_by_a_column(world: World) -> None:
    [job_id] = add(world, new_job(world, deadline_seconds=37))
    with world.database.read() as tx:
        now, later = tx.session.execute(select(db_now(), db_now(Job.deadline_seconds)).where(Job.id == job_id)).one()
    assert (later - now).total_seconds() == pytest.approx(37, abs=0.1)


def test_the_clock_is_in_utc(world: World) -> None:
    with world.database.read() as tx:
        now = database_time(tx.session)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


def test_an_instant_comes_back_as_it_was_in_utc(world: World) -> None:
    [job_id] = add(world, new_job(world))
    for moment in (
        datetime(2026, 11, 22, 9, 30, 0, 123456, tzinfo=UTC),
        datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        datetime(2026, 4, 5, 2, 30, tzinfo=SYDNEY),
    ):
        set_job(world, job_id, next_attempt_at=moment)
        found = job(world, job_id).next_attempt_at
        assert found == moment
        assert found is not None
        assert found.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(world: World) -> None:
    [job_id] = add(world, new_job(world))
    with pytest.raises(StatementError, match="without a zone"):
        set_job(world, job_id, next_attempt_at=datetime(2026, 11, 22))  # noqa: DTZ001 -- that is the point


def test_stored_instants_and_the_clock_compare(world: World) -> None:
    [job_id] = add(world, new_job(world))
    for zone, hours in ((UTC, 1), (SYDNEY, 1), (UTC, -1), (SYDNEY, -1)):
        set_job(world, job_id, next_attempt_at=datetime.now(zone) + timedelta(hours=hours))
        with world.database.read() as tx:
            is_past = tx.session.scalar(select(Job.next_attempt_at < db_now()).where(Job.id == job_id))
        assert bool(is_past) is (hours < 0)


def test_the_clock_and_python_write_one_format(sqlite_world: World) -> None:
    """SQLite compares times as text, so both ways of writing them must sort together."""
    with sqlite_world.database.write() as tx:
        tx.session.execute(update(Practice).values(created_at=db_now()))
    by_the_clock = sqlite_world.scalar("SELECT created_at FROM practices")
    with sqlite_world.database.write() as tx:
        tx.session.execute(update(Practice).values(created_at=datetime(2026, 11, 22, tzinfo=UTC)))
    by_python = sqlite_world.scalar("SELECT created_at FROM practices")
    shape = str.maketrans("0123456789", "d" * 10)
    assert str(by_the_clock).translate(shape) == str(by_python).translate(shape) == "dddd-dd-dd dd:dd:dd.dddddd"


def test_a_world_can_let_time_pass(world: World) -> None:
    [job_id] = add(world, new_job(world))
    before = job(world, job_id).created_at
    world.pass_time(3600)
    assert before - job(world, job_id).created_at == timedelta(hours=1)
