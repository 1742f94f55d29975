"""Jobs that wait aside are looked for among open jobs only."""

from __future__ import annotations

from portal_db.work.aside import waiting_aside
from tests.portal_db.work.test_job_growth import plans_of
from tests.world import World


def test_jobs_that_wait_aside_are_found_in_the_indexes_of_open_jobs(sqlite_world: World) -> None:
    with sqlite_world.database.read() as tx:
        assert waiting_aside(tx) == []
    plans = [plan for statement, plan in plans_of(sqlite_world, waiting_aside) if "FROM jobs" in statement]
    assert len(plans) == 3
    of_jobs = [step for plan in plans for step in plan if " jobs" in step or " job " in step]
    assert [step for step in of_jobs if "INDEX ix_jobs_unrung" not in step and "INDEX ix_jobs_rung" not in step] == []
