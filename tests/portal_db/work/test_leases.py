"""Leases: kept by their holder only, taken back when they run out, and every write of a stale one undone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, event, select, update
from structlog.testing import capture_logs

from portal_db.database import Tx
from portal_db.states import AttemptOutcome, ErrorClass, JobState
from portal_db.tables import Job
from portal_db.types import db_now
from portal_db.work import jobs
from portal_db.work.jobs import Lease, LeaseLost
from tests.making import add, claimed, fails, failure, job, new_job, note, notes, take_back
from tests.servers.waiting import wait_until
from tests.world import World
from worker.runner.leases import Leases


def succeed(tx: Tx, lease: Lease) -> None:
    """As the runner does."""
    jobs.require_held(tx, lease)
    jobs.succeed(tx, lease)


FINISHES: dict[str, Callable[[Tx, Lease], None]] = {
    "succeed": succeed,
    "end as rejected": lambda tx, lease: jobs.end(tx, lease, JobState.REJECTED, failure(ErrorClass.REJECTED)),
    "end as dead": lambda tx, lease: jobs.end(tx, lease, JobState.DEAD, failure(ErrorClass.PERMANENT)),
    "park": lambda tx, lease: jobs.park(tx, lease, failure(), seconds=1, counts_as_attempt=True),
    "release": jobs.release,
}


def renew(world: World, owner: str, *tokens: UUID) -> set[UUID]:
    with world.database.write() as tx:
        return jobs.renew(tx, owner, tokens, 10)


def seconds_left(world: World, job_id: UUID) -> float:
    row = job(world, job_id)
    assert row.lease_until is not None
    now = world.services.sources.now()
    return (row.lease_until - now).total_seconds()


def test_one_statement_renews_all_of_a_process_and_of_nobody_else(world: World) -> None:
    ours = [claimed(world, job_id, owner="ours") for job_id in add(world, new_job(world), new_job(world))]
    [theirs] = [claimed(world, job_id, owner="theirs") for job_id in add(world, new_job(world))]
    world.pass_time(6)
    before = [job(world, lease.job_id).lease_until for lease in [*ours, theirs]]
    kept = renew(world, "ours", *[lease.token for lease in [*ours, theirs]], uuid4())
    assert kept == {lease.token for lease in ours}
    gained = [
        job(world, lease.job_id).lease_until - until  # type: ignore[operator]  # a running job has both
        for lease, until in zip([*ours, theirs], before, strict=True)
    ]
    assert [seconds.total_seconds() >= 6 for seconds in gained] == [True, True, False]
    assert gained[2] == timedelta(0)


def test_a_lease_is_never_renewed_past_the_hard_deadline(world: World) -> None:
    [job_id] = add(world, new_job(world, deadline_seconds=15))
    lease = claimed(world, job_id)
    world.pass_time(9)
    assert renew(world, lease.owner, lease.token) == {lease.token}
    row = job(world, job_id)
    assert row.lease_until == row.deadline_at
    world.pass_time(7)
    assert renew(world, lease.owner, lease.token) == {lease.token}, "it still runs, but gains no time"
    assert take_back(world) == [job_id]


def test_a_finished_job_is_not_renewed(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        jobs.succeed(tx, lease)
    assert renew(world, lease.owner, lease.token) == set()


def test_a_process_renews_while_a_job_runs_and_stops_after(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id, owner="ours")
    leases = Leases(world.database, "ours", lease_seconds=10, every_seconds=3)
    with leases.held(lease):
        world.pass_time(8)
        leases.renew()
        assert seconds_left(world, job_id) > 5
    world.pass_time(8)
    leases.renew()
    assert seconds_left(world, job_id) < 5


def test_a_job_that_has_just_ended_is_not_reported_as_lost_and_one_that_was_taken_back_is(world: World) -> None:
    ended, taken = (claimed(world, job_id, owner="ours") for job_id in add(world, new_job(world), new_job(world)))
    leases = Leases(world.database, "ours", lease_seconds=10, every_seconds=3)
    with leases.held(taken), capture_logs() as logs:
        with leases.held(ended):
            with world.database.write() as tx:
                jobs.succeed(tx, ended)
            leases.renew()  # between the end of the job and that of the block
        world.pass_time(11)
        assert take_back(world) == [taken.job_id]
        leases.renew()
        assert logs == []
        leases.renew()
    assert [(line["event"], line["count"]) for line in logs] == [("leases.lost", 1)]


def test_the_heartbeat_renews_by_itself(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id, owner="ours")
    leases = Leases(world.database, "ours", lease_seconds=10, every_seconds=0.01)
    world.pass_time(8)
    leases.start()
    try:
        with leases.held(lease):
            wait_until(lambda: seconds_left(world, job_id) > 5, "the heartbeat renewed the lease")
    finally:
        leases.stop()


def test_an_expired_lease_is_taken_back_and_its_attempt_kept(world: World) -> None:
    [job_id, steady_id] = add(world, new_job(world), new_job(world))
    lease = claimed(world, job_id, owner="gone")
    steady = claimed(world, steady_id, owner="steady")
    assert take_back(world) == []
    world.pass_time(11)
    renew(world, "steady", steady.token)
    assert take_back(world) == [job_id]
    assert take_back(world) == []
    row = job(world, job_id)
    assert (row.state, row.lost_leases, row.attempts, row.rung_at) == (JobState.QUEUED, 1, 0, None)
    with world.database.read() as tx:
        [attempt] = jobs.attempts_of(tx, job_id)
    assert (attempt.outcome, attempt.token, attempt.owner) == (AttemptOutcome.LEASE_LOST, lease.token, "gone")
    assert job(world, steady_id).state is JobState.RUNNING


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_job_that_a_stopped_process_has_locked_does_not_delay_the_others(world: World) -> None:
    locked_id, other_id = add(world, new_job(world), new_job(world))
    claimed(world, locked_id)
    claimed(world, other_id)
    world.pass_time(11)
    with world.database.engine.connect() as stopped:
        stopped.execute(select(Job.id).where(Job.id == locked_id).with_for_update())
        assert take_back(world) == [other_id]
    assert take_back(world) == [locked_id]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_job_that_is_being_finished_does_not_delay_the_renewal_of_others(world: World) -> None:
    finishing_id, other_id = add(world, new_job(world), new_job(world))
    leases = [claimed(world, job_id, owner="ours") for job_id in (finishing_id, other_id)]
    world.pass_time(6)
    with world.database.engine.connect() as finishing:
        finishing.execute(select(Job.id).where(Job.id == finishing_id).with_for_update())
        assert renew(world, "ours", *(lease.token for lease in leases)) == {lease.token for lease in leases}
    assert seconds_left(world, finishing_id) < 5
    assert seconds_left(world, other_id) > 5


def test_a_lease_renewed_between_the_look_and_the_taking_is_kept(sqlite_world: World) -> None:
    """What another process commits right after the relay's look is put there by a hook on that look."""
    world = sqlite_world
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    world.pass_time(11)
    renewed: list[str] = []

    def renew_meanwhile(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and "jobs" in statement and not renewed:
            renewed.append(statement)
            connection.execute(update(Job).where(Job.id == job_id).values(lease_until=db_now(10)))

    event.listen(world.database.engine, "after_cursor_execute", renew_meanwhile)
    assert take_back(world) == []
    assert renewed, "the relay looked"
    row = job(world, job_id)
    assert (row.state, row.lease_token, row.lost_leases) == (JobState.RUNNING, lease.token, 0)


def after_note(finish: Callable[[Tx, Lease], None], lease: Lease) -> Callable[[Tx], None]:
    def step(tx: Tx) -> None:
        note(tx)
        finish(tx, lease)

    return step


def test_a_stale_lease_writes_nothing(world: World) -> None:
    [job_id] = add(world, new_job(world))
    stale = claimed(world, job_id, owner="gone")
    world.pass_time(11)
    take_back(world)
    for finish in FINISHES.values():
        fails(world, LeaseLost, after_note(finish, stale))
    assert job(world, job_id).state is JobState.QUEUED
    current = claimed(world, job_id, owner="here")
    for finish in FINISHES.values():
        fails(world, LeaseLost, after_note(finish, stale))
    assert notes(world) == 0
    row = job(world, job_id)
    assert (row.state, row.lease_token) == (JobState.RUNNING, current.token)


def test_a_job_that_is_not_held_does_not_succeed(world: World) -> None:
    """Who marks a job done holds its lease; if that was forgotten, a job of somebody else stays as it is."""
    [taken_id, ours_id] = add(world, new_job(world), new_job(world))
    stale = claimed(world, taken_id, owner="gone")
    world.pass_time(11)
    take_back(world)
    current, ours = claimed(world, taken_id, owner="here"), claimed(world, ours_id)
    with world.database.write() as tx:
        jobs.succeed(tx, stale, ours)
    assert [job(world, each).state for each in (taken_id, ours_id)] == [JobState.RUNNING, JobState.SUCCEEDED]
    with world.database.write() as tx:
        jobs.succeed(tx, ours)
        tx.send_waiting()
        recorded = {each: [one.outcome for one in jobs.attempts_of(tx, each)] for each in (taken_id, ours_id)}
    assert recorded == {taken_id: [AttemptOutcome.LEASE_LOST], ours_id: [AttemptOutcome.SUCCEEDED]}
    assert job(world, taken_id).lease_token == current.token


def test_what_succeeds_now_counts_for_its_import(world: World) -> None:
    import_id = world.ask(uuid4())
    [row] = world.jobs_of(import_id).values()
    lease = claimed(world, row.id)
    with world.database.write() as tx:
        succeed(tx, lease)
        [standing] = jobs.standings(tx, [import_id], succeeded={row.id})[import_id]
    assert standing.state is JobState.SUCCEEDED
    assert job(world, row.id).state is JobState.SUCCEEDED


def test_a_job_ends_once(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        jobs.succeed(tx, lease)
    for finish in FINISHES.values():
        fails(world, LeaseLost, after_note(finish, lease))
    assert job(world, job_id).state is JobState.SUCCEEDED
    assert notes(world) == 0


def test_a_late_renewal_before_anyone_took_it_back_keeps_the_job(world: World) -> None:
    """Being late is not being gone: only who takes a job back ends a lease."""
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    world.pass_time(11)
    assert renew(world, lease.owner, lease.token) == {lease.token}
    assert take_back(world) == []


def test_a_cancelled_job_has_lost_its_lease(world: World) -> None:
    import_id = world.ask(uuid4())
    [job_id] = [row.id for row in world.jobs_of(import_id).values()]
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        assert jobs.cancel_open(tx, import_id) == [job_id]
    fails(world, LeaseLost, after_note(succeed, lease))
    assert notes(world) == 0
    assert renew(world, lease.owner, lease.token) == set()
    assert job(world, job_id).state is JobState.CANCELLED
    with world.database.read() as tx:
        assert [attempt.outcome for attempt in jobs.attempts_of(tx, job_id)] == [AttemptOutcome.CANCELLED]


def test_cancelling_leaves_what_it_is_told_to_and_what_has_ended(world: World) -> None:
    import_id = world.ask(uuid4())
    [first] = world.jobs_of(import_id).values()
    lease = claimed(world, first.id)
    with world.database.write() as tx:
        jobs.succeed(tx, lease)
    add(
        world,
        new_job(world, kind="import_details", import_id=import_id),
        new_job(world, kind="send_welcome_email", import_id=import_id),
    )
    with world.database.write() as tx:
        jobs.cancel_open(tx, import_id, except_kinds=["send_welcome_email"])
    assert world.states_of(import_id) == {
        "validate_import": JobState.SUCCEEDED,
        "import_details": JobState.CANCELLED,
        "send_welcome_email": JobState.QUEUED,
    }


def test_whether_an_attempt_was_recorded_can_be_asked(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    with world.database.read() as tx:
        assert not jobs.was_recorded(tx, [lease.token])
    with world.database.write() as tx:
        jobs.succeed(tx, lease)
    with world.database.read() as tx:
        assert jobs.was_recorded(tx, [lease.token])


def test_who_takes_a_job_back_or_cancels_it_records_nothing_for_its_worker(world: World) -> None:
    [taken, cancelled] = add(world, new_job(world), new_job(world, import_id=(import_id := world.ask(uuid4()))))
    leases = [claimed(world, taken), claimed(world, cancelled)]
    world.pass_time(11)
    with world.database.write() as tx:
        jobs.cancel_open(tx, import_id)
        jobs.take_back_expired(tx)
        assert {one.outcome for one in jobs.attempts_of(tx, taken)} == {AttemptOutcome.LEASE_LOST}
        assert {one.outcome for one in jobs.attempts_of(tx, cancelled)} == {AttemptOutcome.CANCELLED}
        assert not jobs.was_recorded(tx, [lease.token for lease in leases])


def test_what_still_runs_goes_back_to_the_queue_with_nothing_counted(world: World) -> None:
    [running, done] = add(world, new_job(world), new_job(world))
    leases = Leases(world.database, "ours", lease_seconds=10, every_seconds=3)
    ours, ended = claimed(world, running, owner="ours"), claimed(world, done, owner="ours")
    [others] = add(world, new_job(world))
    claimed(world, others, owner="theirs")
    with leases.held(ours), leases.held(ended):
        with world.database.write() as tx:
            jobs.succeed(tx, ended)
        assert leases.release_all() == 1
    row = job(world, running)
    assert (row.state, row.attempts, row.lost_leases, row.rung_at) == (JobState.QUEUED, 0, 0, None)
    assert [job(world, other).state for other in (done, others)] == [JobState.SUCCEEDED, JobState.RUNNING]
    fails(world, LeaseLost, lambda tx: succeed(tx, ours))


def test_a_job_that_is_just_being_written_keeps_no_other_from_going_back(world: World) -> None:
    [written, free] = add(world, new_job(world), new_job(world))
    leases = Leases(world.database, "ours", lease_seconds=10, every_seconds=3)
    held = [claimed(world, job_id, owner="ours") for job_id in (written, free)]
    with leases.held(*held), world.database.write() as tx:
        jobs.require_held(tx, held[0])
        released = leases.release_all() if tx.is_postgresql else None
    if released is not None:
        assert released == 1
        assert [job(world, each).state for each in (written, free)] == [JobState.RUNNING, JobState.QUEUED]


@pytest.mark.parametrize("how", FINISHES)
def test_a_commit_happened_if_what_only_its_worker_records_is_there(world: World, how: str) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        FINISHES[how](tx, lease)
    with world.database.read() as tx:
        assert jobs.was_recorded(tx, [lease.token, uuid4()]) is (how in ("succeed", "end as rejected"))
