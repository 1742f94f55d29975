"""A due time is taken on once, by who leads, with the sync's job in the same transaction; or passed over, and why."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from config.settings import Settings
from handlers.jobs.kinds import JobKind
from handlers.operations import pauses
from handlers.schedule import control
from handlers.schedule import due as schedule_due
from handlers.schedule.due import SKIP_REASONS
from portal_db.directory import schedules
from portal_db.states import ConnectionState, JobState
from portal_db.tables import Directory, Job, XpmConnection
from portal_db.work.pauses import Scope
from portal_db.xero import connections
from tests.handlers.given import connect_colleague, link_entity, set_connection
from tests.handlers.operations.given import operator
from tests.handlers.schedule.given import EVENING, FULL, HOUR, INCREMENTAL, Office, add_sync, office_of
from tests.making import set_all_jobs
from tests.world import World, connect_practice


def jobs_of(office: Office) -> list[Job]:
    with office.world.database.read() as tx:
        return list(tx.session.scalars(select(Job).where(Job.kind == JobKind.SYNC_DIRECTORY)))


def test_a_due_sync_is_inserted_with_its_job_once(world: World) -> None:
    office = office_of(world)
    office.look()
    assert office.syncs() == []
    # When the night's time has come, whoever leads takes it on, and nobody does so again
    office.until_due()
    for owner in ("relay-2", "relay-1", "relay-1"):
        office.look(owner)
    [run], [sync], [job] = office.runs(), office.syncs(), jobs_of(office)
    assert (sync.mode, sync.asked_by, run.job_id, job.args) == (FULL, "schedule", job.id, {"sync_id": str(sync.id)})
    assert run.due_at == office.now
    assert timedelta(hours=23) < office.schedule().next_due_at - office.now < timedelta(hours=25)


def test_of_two_who_saw_it_due_one_takes_it_on(world: World) -> None:
    office = office_of(world)
    office.until_due()
    plan = office.scheduler().plan
    [due] = schedule_due.due(world.database, plan)
    assert [schedule_due.take_on(world.database, plan, due, "relay-1") for _ in range(2)] == [True, False]
    # Not even when it looks due again, such as after a restore
    office.finish_syncs()
    with world.database.write() as tx:
        assert schedules.advance(tx, due.schedule.name, due_at=office.schedule().next_due_at, next_due_at=office.now)
    assert not schedule_due.take_on(world.database, plan, due, "relay-1")
    assert len(jobs_of(office)) == 1


def test_who_does_not_lead_any_more_takes_nothing_on(sqlite_world: World) -> None:
    office = office_of(sqlite_world)
    office.until_due()
    plan = office.scheduler().plan
    [due] = schedule_due.due(sqlite_world.database, plan)
    office.lead("relay-2")
    assert not schedule_due.take_on(sqlite_world.database, plan, due, "relay-1")
    assert (office.runs(), office.schedule().next_due_at) == ([], office.now)


def test_missed_times_are_made_good_by_one_run(sqlite_world: World) -> None:
    office = office_of(sqlite_world)
    # When nobody leads for three days
    office.now += timedelta(days=3)
    missed = office.schedule(FULL).next_due_at, office.schedule(INCREMENTAL).next_due_at
    office.look()
    office.finish_syncs()
    office.look()
    # Then there is one run of each that was due, under its first missed time; the next ones are ahead
    assert [run.due_at for mode in (FULL, INCREMENTAL) for run in office.runs(mode)] == [min(missed)]
    assert office.skipped(INCREMENTAL) == "still_running"
    assert min(office.schedule(mode).next_due_at for mode in (FULL, INCREMENTAL)) > office.now
    assert office.ran == ["tidy"]


def test_the_nights_full_sync_waits_for_a_sync_of_changes_that_is_under_way(sqlite_world: World) -> None:
    """Nobody led from the evening before, say: then both are due in the morning, the sync of changes for longer."""
    office = office_of(sqlite_world)
    office.until_due(INCREMENTAL)
    office.now = max(office.now, office.schedule(FULL).next_due_at)
    due_at = office.schedule(FULL).next_due_at
    with sqlite_world.database.write() as tx:
        earlier = schedules.advance(
            tx,
            office.schedule(INCREMENTAL).name,
            due_at=office.schedule(INCREMENTAL).next_due_at,
            next_due_at=due_at - HOUR,
        )
    assert earlier
    # When the sync of changes has begun
    office.look()
    office.look()
    assert [sync.mode for sync in office.syncs()] == [INCREMENTAL]
    # Then the full one is not skipped
    assert (office.skipped(FULL), office.schedule(FULL).next_due_at) == (None, due_at)
    # And begins once that has ended, once
    for _ in range(2):
        office.finish_syncs()
        office.look()
    assert sorted(sync.mode for sync in office.syncs()) == sorted([INCREMENTAL, FULL])
    assert office.schedule(FULL).next_due_at > office.now


def test_a_directory_of_several_practices_is_synced_once_by_the_clock_of_the_first(sqlite_world: World) -> None:
    _, _, other = connect_practice(sqlite_world.database, sqlite_world.services.settings, "token", name="Second")
    with sqlite_world.database.write() as tx:
        login = select(XpmConnection.xero_login_id).where(XpmConnection.id == sqlite_world.connection_id)
        shared = update(XpmConnection).where(XpmConnection.id == other)
        tx.session.execute(shared.values(xero_login_id=login.scalar_subquery()))
    office = office_of(sqlite_world)
    with sqlite_world.database.read() as tx:
        assert [entry.practices for entry in schedules.listing(tx) if entry.practices] == [
            ["Harbour Accounting", "Second"]
        ] * 2
    office.until_due()
    assert 1 <= (office.now + 11 * HOUR).hour < 5  # at Sydney, in summer
    office.look()
    assert len(office.syncs()) == 1


def pause_its_schedule(office: Office) -> None:
    control.pause(office.world.database, operator(office.world), office.schedule().name)


def pause_practice(office: Office) -> None:
    pauses.pause(office.world.database, operator(office.world), Scope(office.world.practice_id))


def begin_another(office: Office) -> None:
    office.until_due()
    office.look()
    office.now += timedelta(days=1)
    office.until_due()


def use_up_the_share(office: Office) -> None:
    for _ in range(500):
        add_sync(office.world, office.directory.id, datetime.now(UTC))


def use_up_the_day(office: Office) -> None:
    office.calls_left = 499


SKIPS = {
    "schedule_paused": pause_its_schedule,
    "work_paused": pause_practice,
    "disconnected": lambda office: set_connection(office.world, ConnectionState.DISCONNECTED),
    "connection_broken": lambda office: set_connection(office.world, ConnectionState.BROKEN),
    "not_used": lambda office: office.set_directory(last_used_at=datetime.now(UTC) - timedelta(days=31)),
    "still_running": begin_another,
    "share_used": use_up_the_share,
    "short_of_quota": use_up_the_day,
}


@pytest.mark.parametrize("code", SKIPS)
def test_a_due_time_is_passed_over_with_the_reason(sqlite_world: World, code: str) -> None:
    assert SKIPS.keys() == SKIP_REASONS.keys()
    office = office_of(sqlite_world, SKIPS[code])
    office.until_due()
    syncs, due_at = len(office.syncs()), office.now
    office.look()
    assert (office.skipped(), len(office.syncs())) == (code, syncs)
    assert office.schedule().next_due_at > due_at
    assert due_at not in {run.due_at for run in office.runs()}


def test_a_practice_that_is_paused_holds_up_nobody_who_reads_the_same_directory(sqlite_world: World) -> None:
    # Given a directory that two practices read, of which the longer connected one is paused
    office = office_of(sqlite_world, pause_practice)
    other, _, connection_id = connect_practice(
        sqlite_world.database, sqlite_world.services.settings, "token", name="Other"
    )
    with sqlite_world.database.write() as tx:
        theirs = connections.get_one(tx, connection_id)
        theirs.xero_login_id = connections.get_one(tx, sqlite_world.connection_id).xero_login_id
    # When its sync is due, then it begins, as a job of the other one
    office.only(FULL)
    office.look()
    assert (office.skipped(), [job.practice_id for job in jobs_of(office)]) == (None, [other])


def test_a_run_ends_the_reason_of_the_time_before(sqlite_world: World) -> None:
    office = office_of(sqlite_world, use_up_the_day)
    office.only(FULL)
    office.look()
    assert office.skipped() == "short_of_quota"
    office.calls_left = 500
    office.only(FULL)
    office.look()
    assert (office.skipped(), len(office.syncs())) == (None, 1)


def test_a_sync_whose_job_was_dismissed_holds_nothing_up(sqlite_world: World) -> None:
    office = office_of(sqlite_world, begin_another)
    set_all_jobs(sqlite_world, state=JobState.DISMISSED)
    office.only(FULL)
    office.look()
    assert (office.skipped(), [sync.reason for sync in office.syncs()]) == (None, ["abandoned", None])


def test_what_nobody_uses_is_read_at_night_as_long_as_clients_hang_on_it(sqlite_world: World) -> None:
    office = office_of(sqlite_world, SKIPS["not_used"])
    link_entity(sqlite_world, sqlite_world.practice_id)
    office.only(INCREMENTAL)
    office.look()
    office.only(FULL)
    office.look()
    assert (office.skipped(INCREMENTAL), office.skipped(FULL)) == ("not_used", None)


def test_logins_of_one_tenant_share_its_tenth_of_the_day(sqlite_world: World) -> None:
    office = office_of(sqlite_world)
    office.until_due(INCREMENTAL)
    office.look()
    alone = office.schedule(INCREMENTAL).next_due_at - office.now
    # When ten more logins are connected to the tenant
    for _ in range(10):
        connect_colleague(sqlite_world, "token")
    with sqlite_world.database.write() as tx:
        rows = tx.session.execute(select(XpmConnection.xero_login_id, XpmConnection.tenant_id)).all()
        for login_id, tenant_id in rows[1:]:
            tx.session.add(
                Directory(id=tx.new_id(), xero_login_id=login_id, tenant_id=tenant_id, last_used_at=EVENING,
                          created_at=EVENING)
            )  # fmt: skip
    office.until_due(INCREMENTAL)
    office.look()
    after = office.schedule(INCREMENTAL)
    office.until_due(INCREMENTAL)
    office.look()
    stretched = office.schedule(INCREMENTAL).next_due_at - after.next_due_at
    assert (alone, stretched) == (timedelta(minutes=15), timedelta(minutes=20))
    assert Settings().xpm_day_limit == 5000
