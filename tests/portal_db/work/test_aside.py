"""Jobs that wait aside are looked for among open jobs only."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from portal_db.work.aside import waiting_aside
from tests.world import World


def test_jobs_that_wait_aside_are_found_in_the_indexes_of_open_jobs(sqlite_world: World) -> None:
    """SQLite plans for any parameter, as PostgreSQL does for a statement that is repeated."""
    seen: list[tuple[str, Any]] = []
    event.listen(sqlite_world.database.engine, "before_cursor_execute", lambda *told: seen.append((told[2], told[3])))
    with sqlite_world.database.read() as tx:
        assert waiting_aside(tx) == []
    plans = []
    with sqlite_world.database.read() as tx:
        for statement, parameters in [each for each in seen if "FROM jobs" in each[0]]:
            plan = tx.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            plans.append([row[3] for row in plan if " jobs" in row[3] or " job " in row[3]])
    assert len(plans) == 3
    assert [
        step
        for plan in plans
        for step in plan
        if "INDEX ix_jobs_unrung" not in step and "INDEX ix_jobs_rung" not in step
    ] == []
