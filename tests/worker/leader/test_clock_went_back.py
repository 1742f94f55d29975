"""The database's clock goes back by an hour while leases run: nothing stands still until it has caught up."""

from __future__ import annotations

import pytest

from portal_db.states import JobState, Lane
from portal_db.upkeep import discrepancies
from portal_db.work import jobs, leaders
from tests.making import add, claimed, job, new_job, take_back
from tests.worker.queue.desk import Desk
from tests.world import World
from worker.leader.relay import LEADER_SECONDS, ROLE

HOUR = 3600.0

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgresql
@pytest.mark.parametrize("back", [HOUR, 24 * HOUR])
def test_a_role_held_from_the_future_is_free(world: World, back: float) -> None:
    with world.database.write() as tx:
        assert leaders.hold(tx, ROLE, "killed", LEADER_SECONDS)
    world.pass_time(-back)
    with world.database.write() as tx:
        assert leaders.hold(tx, ROLE, "new", LEADER_SECONDS)
        assert not leaders.hold(tx, ROLE, "another", LEADER_SECONDS)


@on_postgresql
@pytest.mark.parametrize("back", [120.0, HOUR, 24 * HOUR])
def test_a_job_leased_from_the_future_is_named_and_taken_back(world: World, back: float) -> None:
    [job_id] = add(world, new_job(world))
    claimed(world, job_id, owner="killed")
    world.pass_time(-back)
    with world.database.read() as tx:
        assert discrepancies.expired_leases(tx) == [job_id]
    take_back(world)
    assert job(world, job_id).state is JobState.QUEUED


@on_postgresql
def test_a_lease_of_now_is_not_taken_for_one_from_the_future(world: World) -> None:
    [job_id] = add(world, new_job(world))
    claimed(world, job_id, owner="alive")
    with world.database.write() as tx:
        assert jobs.take_back_expired(tx) == []
    assert job(world, job_id).state is JobState.RUNNING


@on_postgresql
def test_what_was_rung_in_the_future_is_rung_again_and_counts_as_nothing_under_way(desk: Desk) -> None:
    rung = add(desk.world, new_job(desk.world), new_job(desk.world, position=1))
    relay = desk.relay(limit=2)
    assert relay.tick() == 2
    desk.world.pass_time(-HOUR)
    assert relay.tick() == 2
    assert set(desk.rung(Lane.IMPORT)) == set(rung)
    # And not once more at each tick
    assert relay.tick() == 0
