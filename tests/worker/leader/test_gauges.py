"""Gauges of the record: what they say of jobs, emails, connections and conditions, and what reading them costs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import redis
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from handlers.operations.housekeeping import keep_house
from handlers.schedule import control
from portal_db.directory import schedules
from portal_db.states import ConnectionState, ErrorClass, JobState, Lane
from portal_db.tables import MalformedMessage, XpmConnection
from portal_db.types import db_now
from portal_db.work import outages, workers
from tests.handlers.given import link_entity
from tests.handlers.operations.given import operator
from tests.handlers.schedule.given import FULL, Office, add_sync, office_of
from tests.making import add, add_practice, claimed, new_job, pause, set_job, set_newer_lane
from tests.portal_db.work.test_job_growth import FINISHED, add_many, rows_read
from tests.servers.fixtures import NEW
from tests.servers.statements import executed
from tests.world import World
from worker.leader.gauges import GAUGES, Gauges, Sight, Values, of_record, read
from xpm.quota import Limits
from xpm.quota.ledger import Status

FREE = Status(1, 6, 500, 100, 4, True, False, 0.0, None, 0.0, 0.0)
postgresql = pytest.mark.parametrize("database_url", [NEW], indirect=True)


def sight(world: World, quota: Status = FREE, **more: Any) -> Sight:
    return Sight(
        **{
            "database": world.database,
            "lengths": dict,
            "quota": lambda _: quota,
            "limits": Limits(),
            "found": dict,
            **more,
        }
    )


def positive(values: Values, name: str) -> dict[tuple[str, ...], float]:
    return {key: value for key, value in values[name].items() if value}


def test_an_idle_portal_has_every_gauge_at_zero(world: World) -> None:
    values = read(sight(world))
    assert values.keys() == GAUGES.keys()
    assert positive(values, "jobs") == {}
    assert set(values["jobs"]) == {(lane, state) for lane in Lane for state in ("queued", "running", "waiting", "dead")}
    assert positive(values, "connections") == {("connected",): 1}
    assert positive(values, "oldest_due_job_age_seconds") == {}
    missing = {f"no_worker_{lane}" for lane in Lane}
    assert {code for (code,) in positive(values, "needs_person")} == missing
    assert values["xpm_quota_used_ratio_max"]["minute",] == 0.1


def test_jobs_are_counted_by_what_holds_them_back(world: World) -> None:
    # Given jobs that run, wait for their turn and for something, are paused, and are dead
    running, rung, quota, retry, away, dead, paused, _ = add(
        world,
        *(new_job(world) for _ in range(6)),
        new_job(world, lane=Lane.RESYNC, kind="sync_directory"),
        new_job(world, lane=Lane.EMAIL, kind="send_welcome_email"),
    )
    claimed(world, running)
    set_job(world, rung, rung_at=db_now())
    waits: dict[str, Any] = {"state": JobState.WAITING, "next_attempt_at": db_now(600), "parked_at": db_now()}
    set_job(world, quota, **waits, error_code="xpm_quota", error_class=ErrorClass.DEFERRED)
    set_job(world, retry, **waits, error_code="xpm_server_error", error_class=ErrorClass.TRANSIENT)
    set_job(world, away, **waits, error_code="mail_outage", error_class=ErrorClass.DEFERRED)
    set_job(world, dead, state=JobState.DEAD, error_class=ErrorClass.PERMANENT, finished_at=db_now())
    pause(world, lane=Lane.RESYNC)
    # When the gauges are read
    values = read(sight(world))
    # Then each is where it belongs
    assert positive(values, "jobs") == {
        ("import", "queued"): 1,
        ("import", "running"): 1,
        ("import", "waiting"): 3,
        ("import", "dead"): 1,
        ("resync", "queued"): 1,
        ("email", "queued"): 1,
    }
    assert positive(values, "jobs_waiting") == {
        ("import", "quota"): 1,
        ("import", "retry"): 1,
        ("import", "outage"): 1,
        ("resync", "paused"): 1,
    }
    assert positive(values, "dead_letters") == {("validate_import", "permanent"): 1}
    assert paused


def test_the_oldest_due_job_is_one_that_nothing_holds_back(world: World) -> None:
    # Given old jobs: of a paused practice, of a kind that the quota holds back, one that waits until later, one that is rung
    other = add_practice(world, "Other")
    add(world, new_job(world, practice_id=other), new_job(world, lane=Lane.RESYNC, kind="sync_directory"))
    held, later, rung = add(
        world,
        new_job(world, lane=Lane.RESYNC, kind="sync_directory"),
        new_job(world, lane=Lane.EMAIL, kind="send_welcome_email"),
        new_job(world, lane=Lane.WEBHOOKS, kind="deliver_webhook"),
    )
    world.pass_time(100)
    pause(world, practice_id=other)
    waits: dict[str, Any] = {"state": JobState.WAITING, "parked_at": db_now()}
    set_job(world, held, **waits, next_attempt_at=db_now(600), error_code="xpm_quota")
    set_job(world, later, **waits, next_attempt_at=db_now(600), error_code="smtp_unreachable")
    set_job(world, rung, rung_at=db_now(-5))
    # And younger ones that are free: one for a person who waits, one in the background
    add(world, new_job(world, lane=Lane.INTERACTIVE, interactive=True), new_job(world))
    world.pass_time(40)
    # Then those count, and the one that no worker takes
    ages = positive(read(sight(world)), "oldest_due_job_age_seconds")
    assert {lane: round(age, -1) for (lane,), age in ages.items()} == {"interactive": 40, "import": 40, "webhooks": 140}


def test_conditions_that_need_a_person_are_counted(world: World) -> None:
    # Given workers for some lanes, an outage, a message that nobody can read, a held directory, a broken connection
    with world.database.write() as tx:
        workers.report(tx, "w", lanes=[Lane.INTERACTIVE, Lane.IMPORT], kinds=["create_client"], lasts_seconds=60)
        for _ in range(3):
            outages.count_failure(tx, "xpm", reason="cannot be reached", holder="a", of_all=True)
        message = {"queue": "import_requests", "reason": "x", "payload": b"x", "digest": "d", "received_at": db_now()}
        tx.session.execute(insert(MalformedMessage).values(id=tx.new_id(), **message))
        tx.session.execute(update(XpmConnection).values(state=ConnectionState.BROKEN))
    add(world, new_job(world, kind="a_newer_kind"))
    # When reconcile has left two codes to people, and Redis is away
    values = read(sight(world, found=lambda: {"email_abandoned": 2, "job_not_taken": 9}, lengths=_away))
    # Then all of it is counted, and the quota is not known
    assert positive(values, "needs_person") == {
        ("no_worker_resync",): 1,
        ("no_worker_email",): 1,
        ("no_worker_webhooks",): 1,
        ("xpm_away",): 1,
        ("redis_away",): 1,
        ("kind_unknown",): 1,
        ("message_malformed",): 1,
        ("email_abandoned",): 2,
    }
    assert positive(values, "connections") == {("broken",): 1}
    assert "xpm_quota_used_ratio_max" not in values


def _away() -> None:
    raise redis.ConnectionError


def test_jobs_of_a_lane_that_only_a_newer_release_knows_are_counted_under_its_name(world: World) -> None:
    # Given, while an older relay still leads, such jobs: free, paused, and dead
    _, held, dead = add(world, new_job(world), new_job(world, kind="sync_directory"), new_job(world))
    set_job(world, dead, state=JobState.DEAD, error_class=ErrorClass.PERMANENT, finished_at=db_now())
    pause(world, kind="sync_directory")
    set_newer_lane(world)
    world.pass_time(100)
    # When the gauges are read
    values = read(sight(world))
    # Then they are counted beside those of the known lanes
    assert held
    assert positive(values, "jobs") == {("moon", "queued"): 2, ("moon", "dead"): 1}
    assert positive(values, "jobs_waiting") == {("moon", "paused"): 1}
    assert positive(values, "dead_letters") == {("validate_import", "permanent"): 1}
    ages = {lane: round(age, -1) for (lane,), age in values["oldest_due_job_age_seconds"].items()}
    assert ages == dict.fromkeys(Lane, 0) | {"moon": 100}


def successes(world: World) -> dict[str, float]:
    """When each sort of recurring work last succeeded."""
    return {name: at for (name,), at in read(sight(world))["schedule_last_success_timestamp_seconds"].items()}


def unused_office(world: World, last_sync: datetime) -> Office:
    """A directory that nobody has used for 31 days, when house is kept the night after its last full sync."""
    office = office_of(world)
    add_sync(world, office.directory.id, last_sync)
    office.set_directory(last_full_at=last_sync, last_used_at=db_now(-31 * 86_400))
    keep_house(world.database, world.services.settings)
    assert office.directory.last_full_at is None
    return office


def test_a_directory_that_nobody_uses_is_late_only_while_it_is_synced_for_its_links(world: World) -> None:
    # Given one through which a client is linked
    yesterday = datetime.now(UTC) - timedelta(days=1)
    link_entity(world, uuid4())
    office = unused_office(world, yesterday)
    # Then its last full sync was yesterday, also once the next one has begun
    assert successes(world) == {"full_sync": yesterday.timestamp()}
    office.only(FULL)
    office.look()
    assert office.skipped() is None
    assert successes(world) == {"full_sync": yesterday.timestamp()}


def test_a_directory_that_nobody_uses_and_that_has_no_links_is_not_late(world: World) -> None:
    office = unused_office(world, datetime.now(UTC) - timedelta(days=9))
    office.only(FULL)
    office.look()
    assert office.skipped() == "not_used"
    assert successes(world) == {}


def test_nightly_work_counts_from_its_planning_until_it_succeeds(world: World) -> None:
    # Given work that was planned and then failed
    due_at, name = datetime.now(UTC), "reconcile"
    with world.database.write() as tx:
        schedules.add(tx, name, due_at)
    with world.database.read() as tx:
        planned = schedules.get(tx, name)
    assert planned is not None
    ended(world, name, due_at, succeeded=False)
    # Then it counts from its planning; and once it succeeds, from then
    assert successes(world)[name] == planned.created_at.timestamp()
    ended(world, name, due_at + timedelta(days=1), succeeded=True)
    assert successes(world)[name] > planned.created_at.timestamp()
    # Unless it is paused
    control.pause(world.database, operator(world), name)
    assert name not in successes(world)


def ended(world: World, name: str, due_at: datetime, *, succeeded: bool) -> None:
    """A due time of nightly work was claimed, and the work has ended."""
    with world.database.write() as tx:
        assert schedules.claim(tx, name, due_at, "relay-1")
        schedules.note_ended(tx, name, due_at, succeeded=succeeded)


def samples(gauges: Gauges) -> int:
    return sum(len(family.samples) for family in gauges.collect())


def test_only_the_leader_reads_the_record(sqlite_world: World) -> None:
    leads = False
    gauges = Gauges(sight(sqlite_world), lambda: leads)
    with executed(sqlite_world.database.engine) as statements:
        gauges.refresh()
    assert (samples(gauges), statements) == (0, [])
    leads = True
    gauges.refresh()
    assert samples(gauges) > 50
    leads = False
    gauges.refresh()
    assert samples(gauges) == 0


def test_a_mistake_of_ours_leaves_no_old_values_and_does_not_end_the_thread(sqlite_world: World) -> None:
    # Given gauges that were read once, and then cannot be for a reason that nobody thought of
    found: dict[str, int] | None = {}

    def counts() -> dict[str, int]:
        if found is None:
            raise KeyError("moon")
        return found

    gauges = Gauges(sight(sqlite_world, found=counts), lambda: True)
    gauges.refresh()
    assert samples(gauges) > 50
    found = None
    # When they are read again and again
    with capture_logs() as logs:
        for _ in range(3):
            gauges.refresh()
    # Then there are none, which is said once
    assert samples(gauges) == 0
    assert [line["event"] for line in logs] == ["gauges.not_read"]
    # And there are again, once it is over
    found = {}
    gauges.refresh()
    assert samples(gauges) > 50


@postgresql
def test_reading_costs_no_more_with_finished_work(world: World) -> None:
    # Given 550 open jobs
    add_many(world, 500, JobState.QUEUED)
    add_many(world, 50, JobState.RUNNING)
    before = rows_read(world, of_record)
    # When there are many finished ones beside them
    add_many(world, FINISHED, JobState.SUCCEEDED)
    # Then reading the gauges reads no more than it did
    assert rows_read(world, of_record) <= before + 50
    assert before <= 6 * 550
    with executed(world.database.engine) as statements:
        read(sight(world))
    assert len(statements) <= 25
