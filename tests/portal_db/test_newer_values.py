"""Values of an enumeration that only a newer release knows: they are read as the text that they are."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, select, update

from portal_db import states
from portal_db.database import Database
from portal_db.states import ImportState, JobState, Lane, Role
from portal_db.tables import Base, Job
from portal_db.types import Choice
from tests.making import add, new_job
from tests.world import World

ENUMERATIONS = sorted({column.type.values.__name__ for table in Base.metadata.sorted_tables for column in table.columns
                       if isinstance(column.type, Choice)})  # fmt: skip


def read(column_type: Choice, database: Database, value: str | None) -> Any:
    return column_type.result_processor(database.engine.dialect, None)(value)


@pytest.mark.parametrize("name", ENUMERATIONS)
def test_an_unknown_value_equals_no_known_one_and_is_shown_as_it_is(sqlite_world: World, name: str) -> None:
    values = getattr(states, name)
    column = Choice(values, name)
    found = read(column, sqlite_world.database, "of_a_newer_release")
    assert isinstance(found, values)
    assert (found.value, str(found), f"{found}") == ("of_a_newer_release",) * 3
    assert found not in tuple(values)
    assert found not in frozenset(values)
    assert read(column, sqlite_world.database, "of_a_newer_release") is found
    assert read(column, sqlite_world.database, None) is None
    assert [read(column, sqlite_world.database, member.value) for member in values] == list(values)
    assert all(read(column, sqlite_world.database, member.value) is member for member in values)


def test_an_unknown_role_may_do_nothing_that_a_known_one_must_be_allowed(sqlite_world: World) -> None:
    role: Role = read(Choice(Role, "role"), sqlite_world.database, "auditor")
    assert (role.may_import, role.may_manage) == (False, False)
    state: ImportState = read(Choice(ImportState, "state"), sqlite_world.database, "archived")
    assert not state.is_open


def test_it_can_be_written_back_and_searched_for(sqlite_world: World) -> None:
    [job_id] = add(sqlite_world, new_job(sqlite_world))
    with sqlite_world.database.engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        connection.exec_driver_sql("UPDATE jobs SET lane = 'moon'")
    with sqlite_world.database.write() as tx:
        lane = tx.session.scalars(select(Job.lane)).one()
        assert tx.session.scalars(select(Job.id).where(Job.lane == lane)).all() == [job_id]
        tx.session.execute(update(Job).values(lane=Lane.IMPORT))
        tx.session.execute(update(Job).values(lane=lane))
        assert tx.session.scalars(select(Job.id).where(Job.lane == lane, Job.state == JobState.QUEUED)).all() == [
            job_id
        ]


def columns() -> list[Column[Any]]:
    return [column for table in Base.metadata.sorted_tables for column in table.columns]


def test_every_column_of_values_is_one_of_these() -> None:
    """An Enum of SQLAlchemy's own raises LookupError, which ends a whole list."""
    assert len(ENUMERATIONS) > 20
    assert [str(column) for column in columns() if type(column.type).__name__ == "Enum"] == []
