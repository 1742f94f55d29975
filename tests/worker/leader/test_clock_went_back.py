"""The database's clock goes back by an hour while leases run: nothing stands still until it has caught up."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from handlers.operations.reconcile import reconcile
from handlers.outages import PROBE_SECONDS
from handlers.schedule.due import Plan
from handlers.schedule.times import nightly
from portal_db.states import JobState, Lane
from portal_db.upkeep import discrepancies
from portal_db.work import jobs, leaders, outages
from portal_db.xero import connections, logins
from tests.handlers.operations.conftest import queues_of
from tests.making import add, claim, claimed, failure, job, new_job, take_back
from tests.worker.queue.desk import Desk
from tests.world import World
from worker.leader.relay import LEADER_SECONDS, ROLE
from worker.leader.scheduler import Scheduler
from xpm.oauth import LEASE_SECONDS, MAX_COOLING_SECONDS

HOUR = 3600.0

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgresql
@pytest.mark.parametrize("back", [HOUR, 24 * HOUR])
def test_a_role_held_from_the_future_is_free(world: World, back: float) -> None:
    with world.database.write() as tx:
        assert leaders.hold(tx, ROLE, "killed", LEADER_SECONDS)
    world.pass_time(-back)
    with world.database.write() as tx:
        assert not leaders.is_held(tx, ROLE)
        assert not leaders.is_held(tx, ROLE, by="killed")
        assert leaders.hold(tx, ROLE, "new", LEADER_SECONDS)
        assert leaders.is_held(tx, ROLE, by="new")
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


def back_off(world: World, job_id: UUID) -> None:
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        jobs.park(tx, lease, failure(), seconds=600, counts_as_attempt=True)


def wait_in_turn(world: World, job_id: UUID) -> None:
    with world.database.write() as tx:
        jobs.wait_in_turn(tx, job_id, 3 * HOUR, "One after the other.")


@on_postgresql
@pytest.mark.parametrize("wait", [back_off, wait_in_turn])
def test_a_job_parked_in_the_future_is_due(desk: Desk, wait: Callable[[World, UUID], None]) -> None:
    world = desk.world
    [job_id] = add(world, new_job(world))
    wait(world, job_id)
    assert claim(world, job_id) is None
    # When the clock goes back, then reconcile names and rings it, and a worker takes it
    world.pass_time(-HOUR)
    report = reconcile(desk.services, queues_of(desk), dry_run=False, max_links=0)
    assert {(one.code, one.subject) for one in report.findings} == {("no_relay", ROLE), ("job_overdue", str(job_id))}
    assert desk.rung(Lane.IMPORT) == [job_id]
    claimed(world, job_id)


@on_postgresql
def test_the_relay_rings_what_was_parked_in_the_future(desk: Desk) -> None:
    [job_id] = add(desk.world, new_job(desk.world))
    back_off(desk.world, job_id)
    assert desk.relay().tick() == 0
    desk.world.pass_time(-HOUR)
    assert desk.relay().tick() == 1
    assert desk.rung(Lane.IMPORT) == [job_id]


@on_postgresql
def test_an_overdue_job_of_before_is_named_beside_one_that_started_in_the_future(desk: Desk) -> None:
    """What was created, started or rung in the future is neither young nor under way."""
    world = desk.world
    done, late = add(world, new_job(world), new_job(world, position=1))
    lease = claimed(world, done)
    with world.database.write() as tx:
        jobs.succeed(tx, lease)
    world.pass_time(-HOUR)
    with world.database.read() as tx:
        assert [one.job_id for one in discrepancies.overdue(tx, per_group=9)] == [late]


@on_postgresql
@pytest.mark.parametrize("back", [HOUR, 40 * 24 * HOUR])
def test_a_schedule_planned_in_the_future_is_named_and_planned_again(desk: Desk, back: float) -> None:
    # Given a nightly schedule that has just run, so that its next due time is tomorrow
    world, ran = desk.world, list[str]()
    plan = Plan(world.services.settings, lambda _: None, {"tidy": nightly(0)})
    scheduler = Scheduler(world.database, ROLE, plan, {"tidy": lambda: ran.append("tidy")})

    def look() -> None:
        with world.database.write() as tx:
            assert leaders.hold(tx, ROLE, ROLE, LEADER_SECONDS)
        scheduler.tick()

    def ahead() -> list[str]:
        report = reconcile(desk.services, queues_of(desk), dry_run=False, max_links=0)
        return [one.subject for one in report.findings if one.code == "schedule_ahead"]

    look()
    world.pass_time(24 * HOUR)
    look()
    assert (ran, ahead()) == (["tidy"], [])
    # When the clock goes back, then it is named until the leader looks, and has no night to wait for in vain
    world.pass_time(-back)
    assert ahead() == ["tidy"]
    look()
    assert ahead() == []
    world.pass_time(24 * HOUR)
    look()
    assert len(ran) == 2
    # And a clock that was put right by a moment changes nothing
    world.pass_time(-30)
    assert ahead() == []
    look()
    assert len(ran) == 2


@on_postgresql
def test_a_probe_planned_in_the_future_is_made(world: World) -> None:
    with world.database.write() as tx:
        outages.count_failure(tx, "mail", reason="is away", holder="a", of_all=True)
        assert outages.take_probe(tx, "mail", seconds=PROBE_SECONDS)
        assert not outages.take_probe(tx, "mail", seconds=PROBE_SECONDS)
    world.pass_time(-HOUR)
    with world.database.write() as tx:
        assert outages.take_probe(tx, "mail", seconds=PROBE_SECONDS)
        assert not outages.take_probe(tx, "mail", seconds=PROBE_SECONDS)


@on_postgresql
def test_a_refresh_leased_or_put_off_in_the_future_is_made(world: World) -> None:
    with world.database.read() as tx:
        login_id = connections.get_one(tx, world.connection_id).xero_login_id

    def takes(lease: UUID) -> bool:
        longest = MAX_COOLING_SECONDS
        with world.database.write() as tx:
            return logins.lease_refresh(tx, login_id, lease, version=1, seconds=LEASE_SECONDS, longest_cooling=longest)

    first, second, third = (world.services.sources.new_id() for _ in range(3))
    assert [takes(first), takes(second)] == [True, False]
    world.pass_time(-HOUR)
    assert takes(second)
    with world.database.write() as tx:
        assert logins.cool_down(tx, login_id, second, seconds=MAX_COOLING_SECONDS)
    assert not takes(third)
    world.pass_time(-HOUR)
    assert takes(third)
