"""Jobs without a permit wait in the record, say for what and until when, and are let go as permits come free."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import fakeredis
import pytest
from sqlalchemy import update

from handlers.errors import from_xpm
from handlers.registry import HANDLERS
from portal_db.states import ConnectionState, ErrorClass, JobState, Lane
from portal_db.tables import Job, XpmConnection
from portal_db.types import database_time, db_now
from portal_db.work import ringing
from portal_db.work.candidates import QUOTA_CODE
from portal_db.work.ringing import Permits
from tests.making import add, add_practice, claimed, job, new_job, pause, set_job
from tests.world import TENANT, World, connect_practice
from tests.xpm.quota.desk import NO_PATIENCE, Desk
from worker.runner.failures import record
from xpm.client import XpmApi
from xpm.errors import QuotaDeferred, QuotaWait, XpmError, XpmRateLimited
from xpm.quota import Limits

# ---- what a job that is put off says ----


def put_off(world: World, error: XpmError) -> Job:
    """A job that failed with this, as the record then has it."""
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    record(world.services, job(world, job_id), lease, HANDLERS["validate_import"].on_failure, from_xpm(error))
    return job(world, job_id)


@pytest.mark.parametrize(
    ("error", "words", "seconds"),
    [
        (QuotaDeferred("minute", 20), "XPM minute limit", 20),
        (QuotaDeferred("day", 30), "XPM day limit", 30),
        (QuotaDeferred("concurrent", 2), "XPM concurrent limit", 2),
        (QuotaDeferred("appminute", 20), "XPM app-wide minute limit", 20),
        (QuotaDeferred("recovering", 6), "XPM limits being counted again", 6),
        (QuotaDeferred("unavailable", 5), "XPM limiter unavailable", 5),
        (XpmRateLimited("minute", 27), "XPM minute limit", 27),
        (XpmRateLimited("minute"), "XPM minute limit", 60),
        (XpmRateLimited("concurrent"), "XPM concurrent limit", 2),
        (XpmRateLimited("unknown"), "XPM limit", 30),
    ],
)
def test_it_waits_in_the_record_and_says_for_what_and_until_when(
    world: World, error: XpmError, words: str, seconds: float
) -> None:
    row = put_off(world, error)
    assert (row.state, row.error_class, row.error_code) == (JobState.WAITING, ErrorClass.DEFERRED, QUOTA_CODE)
    assert (row.attempts, row.deferrals) == (0, 1), "nobody's fault: it uses up no attempt (P11)"
    assert row.next_attempt_at is not None
    with world.database.read() as tx:
        assert seconds - 2 < (row.next_attempt_at - database_time(tx.session)).total_seconds() <= seconds
    end = row.next_attempt_at.astimezone(ZoneInfo("Australia/Sydney"))
    shown = [f"{words}, until {end - timedelta(seconds=early):%H:%M:%S}" for early in (0, 1)]
    assert row.error_message is not None
    assert row.error_message.startswith(tuple(shown)), "on the practice's clock"


def test_the_day_is_named_when_it_is_another(world: World) -> None:
    row = put_off(world, XpmRateLimited("day", 2 * 86_400))
    assert row.next_attempt_at is not None
    end = row.next_attempt_at.astimezone(ZoneInfo("Australia/Sydney"))
    assert row.error_message is not None
    assert row.error_message.endswith(f" on {end.day} {end:%B}")


def test_an_unknown_time_zone_is_no_reason_to_fail(sqlite_world: World) -> None:
    with sqlite_world.database.write() as tx:
        tx.connection.exec_driver_sql("UPDATE practices SET time_zone = 'Atlantis/Capital'")
    message = put_off(sqlite_world, QuotaDeferred("minute", 20)).error_message
    assert message is not None
    assert " UTC" in message


@pytest.mark.parametrize("limit", ["minute", "unavailable"])
def test_an_import_is_put_off_by_the_limiter_and_runs_when_it_may(sqlite_world: World, limit: QuotaWait) -> None:
    """The whole way, through a real limiter whose Redis is new, or away."""
    server = fakeredis.FakeServer()
    desk = Desk(fakeredis.FakeRedis(server=server), Limits(minute=2), NO_PATIENCE)
    desk.open(TENANT)
    desk.spend(2, tenant=TENANT)
    server.connected = limit != "unavailable"
    world = sqlite_world
    api = XpmApi(world.services.settings.xpm_api_url, desk.limiter)
    world.services = replace(world.services, xpm=api)
    import_id = world.ask(uuid4())
    world.run_due()
    row = world.jobs_of(import_id)["validate_import"]
    assert row.error_message is not None
    assert row.error_message.startswith({"minute": "XPM minute limit, until ", "unavailable": "XPM limiter un"}[limit])
    server.connected = True
    desk.hands.now += 60
    world.pass_time(60)
    world.run_due()
    assert world.jobs_of(import_id)["validate_import"].error_code == "xpm_client_unknown"
    desk.close()
    api.close()


# ---- how such jobs are let go ----


def waiting(world: World, count: int, *, practice_id: UUID | None = None, interactive: bool = False) -> list[UUID]:
    """Jobs that the quota put off and that are due, oldest first."""
    lane = Lane.INTERACTIVE if interactive else Lane.IMPORT
    ids = add(
        world,
        *(
            new_job(world, lane=lane, interactive=interactive, practice_id=practice_id, position=number)
            for number in range(count)
        ),
    )
    for job_id in ids:
        set_job(world, job_id, state=JobState.WAITING, error_code=QUOTA_CODE, next_attempt_at=db_now(-1))
    return ids


def rung(world: World, permits: Permits | None, *, limit: int = 32, full: Collection[Lane] = ()) -> list[UUID]:
    with world.database.write() as tx:
        return [ring.job_id for ring in ringing.pick(tx, limit=limit, full_lanes=full, permits=permits)]


class Free:
    """So many permits for each tenant; remembers whose were asked for."""

    def __init__(self, permits: int) -> None:
        self.permits = permits
        self.asked: list[tuple[str, Lane]] = []

    def __call__(self, tenant_id: str, lane: Lane) -> int:
        self.asked.append((tenant_id, lane))
        return self.permits


@pytest.mark.parametrize("interactive", [False, True])
def test_as_many_are_rung_as_permits_are_free_the_oldest_first(world: World, interactive: bool) -> None:
    ids = waiting(world, 10, interactive=interactive)
    assert rung(world, Free(3)) == ids[:3]
    assert rung(world, Free(3)) == [], "those three are on their way to their permits"
    assert rung(world, Free(4)) == ids[3:4]
    assert rung(world, Free(0)) == []


@pytest.mark.parametrize("interactive", [False, True])
def test_those_that_wait_in_a_long_queue_are_still_on_their_way(world: World, interactive: bool) -> None:
    ids = waiting(world, 10, interactive=interactive)
    long = [Lane.INTERACTIVE, Lane.IMPORT]
    assert rung(world, Free(3), full=long) == ids[:3]
    world.pass_time(11)
    assert rung(world, Free(3), full=long) == []
    assert rung(world, Free(3)) == ids[:3], "in a short one they would be running"


def test_a_herd_that_waits_is_not_put_off_again_and_again(world: World) -> None:
    ids = waiting(world, 20)
    for _ in range(30):
        assert rung(world, Free(0)) == []
    assert {job(world, job_id).deferrals for job_id in ids} == {0}


def test_jobs_never_tried_do_not_overtake_those_that_wait(world: World) -> None:
    """Nor are all of a batch's thousands put off once each, before the first one runs."""
    old = waiting(world, 2)
    new = add(world, *(new_job(world, position=5 + number) for number in range(5)))
    assert rung(world, Free(0)) == []
    assert rung(world, Free(3)) == [*old, new[0]]


def test_other_kinds_of_job_are_not_held_back(world: World) -> None:
    waiting(world, 2)
    [other] = add(world, new_job(world, kind="create_client"))
    assert rung(world, Free(0)) == [other]


def test_jobs_that_are_not_due_are_not_rung_and_hold_back_the_others_of_their_kind(world: World) -> None:
    for job_id in waiting(world, 2):
        set_job(world, job_id, next_attempt_at=db_now(60))
    [new] = add(world, new_job(world))
    assert rung(world, Free(0)) == []
    assert rung(world, Free(1)) == [new]


def test_other_practices_are_not_held_back(world: World) -> None:
    waiting(world, 5)
    elsewhere = add_practice(world, "Elsewhere")
    [other] = add(world, new_job(world, practice_id=elsewhere))
    assert rung(world, Free(0)) == [other]


def test_two_practices_of_one_tenant_share_its_permits(world: World) -> None:
    settings = world.services.settings
    second, _, _ = connect_practice(world.database, settings, "token", name="Second")
    mine, theirs = waiting(world, 5), waiting(world, 5, practice_id=second)
    assert len(rung(world, Free(4))) == 4
    assert len(set(mine) | set(theirs)) == 10


def test_the_practices_limit_holds_as_well(world: World) -> None:
    assert len(waiting(world, 10)) == 10
    assert len(rung(world, Free(9), limit=2)) == 2


def test_paused_jobs_are_not_rung(world: World) -> None:
    waiting(world, 2)
    pause(world, practice_id=world.practice_id)
    assert rung(world, Free(9)) == []


def test_without_a_connection_they_are_rung_to_learn_of_it(world: World) -> None:
    ids = waiting(world, 2)
    with world.database.write() as tx:
        tx.session.execute(update(XpmConnection).values(state=ConnectionState.DISCONNECTED))
    assert rung(world, Free(0)) == ids


def test_without_a_limiter_they_are_rung_as_others_are(world: World) -> None:
    assert rung(world, None) == []
    ids = waiting(world, 3)
    assert rung(world, None) == ids


def test_the_limiter_is_asked_only_when_jobs_wait_for_it(world: World) -> None:
    permits = Free(1)
    add(world, new_job(world))
    assert len(rung(world, permits)) == 1
    assert permits.asked == []
    waiting(world, 1)
    waiting(world, 1, interactive=True)
    rung(world, permits)
    assert sorted(permits.asked) == [(TENANT, Lane.IMPORT), (TENANT, Lane.INTERACTIVE)]
