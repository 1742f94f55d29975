"""Outages are counted and ended by many processes at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text

from portal_db.work import outages
from tests.world import World


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_failure_is_counted_though_somebody_ends_the_outage_meanwhile(world: World) -> None:
    """Who reached the server again deletes the row whenever they like: here, before each further statement of the count."""
    database = world.database

    def count() -> int:
        with database.write() as tx:
            return outages.count_failure(tx, "xpm", reason="cannot be reached", holder="a job", of_all=True)

    assert [count(), count()] == [1, 2]
    mine: list[Any] = []

    def end_it(*given: Any) -> None:
        statement = given[2]
        if "outages" not in statement or statement.startswith("DELETE"):
            return
        if mine:
            with database.engine.begin() as other:
                other.execute(text("DELETE FROM outages"))
        mine.append(statement)

    event.listen(database.engine, "before_cursor_execute", end_it)
    assert count() == 3
    event.remove(database.engine, "before_cursor_execute", end_it)
    assert len(mine) == 1, "nobody can come between"
