"""Old and new releases side by side: jobs of a kind that no running worker knows wait aside, and cost the others nothing."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from handlers.jobs.explain import explain
from handlers.jobs.kinds import KINDS
from handlers.operations.housekeeping import keep_house
from handlers.operations.reconcile import reconcile
from handlers.registry import HANDLERS
from portal_db.states import JobState, Lane
from portal_db.work import jobs
from portal_db.work.aside import waiting_aside
from portal_db.work.workers import KINDS_OF_EVERY_WORKER
from tests.handlers.operations.conftest import queues_of
from tests.making import add, job, new_job, set_all_jobs, set_job
from tests.worker.queue.desk import Desk
from worker.runner.presence import Presence

K = 4
NEW = "import_notes"


def add_new(desk: Desk, number: int, *, lane: Lane = Lane.IMPORT, interactive: bool = False) -> list[UUID]:
    """Jobs of the new kind, older than any that are added afterwards."""
    new = [new_job(desk.world, kind=NEW, lane=lane, interactive=interactive, position=n) for n in range(number)]
    return add(desk.world, *new)


def presence(desk: Desk, *, lanes: Collection[str] = tuple(Lane), owner: str = "newer") -> Presence:
    """A worker of the newer release."""
    kinds = {*HANDLERS, NEW}
    return Presence(desk.world.database, owner, lanes=lambda: lanes, kinds=kinds, lasts_seconds=10, every_seconds=60)


def aside(desk: Desk) -> list[tuple[str, str, int]]:
    with desk.world.database.read() as tx:
        return [(each.lane.value, each.kind, each.jobs) for each in waiting_aside(tx)]


def test_kinds_that_no_running_worker_knows_take_no_places(desk: Desk) -> None:
    # Given more jobs of a new kind than a practice may have in flight, and younger ones that every worker knows
    new = add_new(desk, 2 * K)
    known = add(desk.world, *(new_job(desk.world, position=n) for n in range(2 * K)))
    relay = desk.relay(limit=K)
    # When the relay looks, only those are rung
    assert relay.tick() == K
    assert desk.rung(Lane.IMPORT) == known[:K]
    # And the others go on as soon as a worker that knows them is running
    set_all_jobs(desk.world, rung_at=None)
    desk.take_all()
    with presence(desk):
        assert relay.tick() == K
        assert desk.rung(Lane.IMPORT) == new[:K]


def test_interactive_ones_wait_aside_too(desk: Desk) -> None:
    new = add_new(desk, 2, lane=Lane.INTERACTIVE, interactive=True)
    assert desk.relay().tick() == 0
    with presence(desk):
        assert desk.relay().tick() == 2
    assert set(desk.rung(Lane.INTERACTIVE)) == set(new)


def test_what_was_rung_before_its_last_worker_went_is_not_rung_again(desk: Desk) -> None:
    add_new(desk, 1)
    add_new(desk, 1, lane=Lane.INTERACTIVE, interactive=True)
    with presence(desk):
        assert desk.relay().tick() == 2
    desk.world.pass_time(60)
    assert desk.relay().tick() == 0


def test_a_worker_of_other_lanes_does_not_count(desk: Desk) -> None:
    add_new(desk, 1)
    with presence(desk, lanes=[Lane.EMAIL, Lane.INTERACTIVE]):
        assert desk.relay().tick() == 0
        with presence(desk, lanes=["import", "a lane of later"], owner="another"):
            assert desk.relay().tick() == 1


@pytest.mark.parametrize("seconds", [11.0, -3600.0], ids=["killed", "the clock went back"])
def test_a_worker_that_was_not_seen_lately_does_not_count(desk: Desk, seconds: float) -> None:
    if seconds < 0 and desk.world.database.engine.dialect.name == "sqlite":
        pytest.skip("SQLite's clock is the machine's")
    add_new(desk, 1)
    killed = presence(desk)
    killed._report()
    desk.world.pass_time(seconds)
    assert desk.relay().tick() == 0
    killed._report()
    assert desk.relay().tick() == 1


def test_a_worker_that_stops_is_forgotten_at_once_and_a_killed_one_after_a_day(sqlite_desk: Desk) -> None:
    count = "SELECT (SELECT count(*) FROM workers) + (SELECT count(*) FROM worker_kinds)"
    with presence(sqlite_desk):
        assert sqlite_desk.world.scalar(count) == 1 + len(Lane) * (len(HANDLERS) + 1)
    assert sqlite_desk.world.scalar(count) == 0
    presence(sqlite_desk)._report()
    keep_house(sqlite_desk.world.database, sqlite_desk.settings)
    assert sqlite_desk.world.scalar(count) != 0
    sqlite_desk.world.pass_time(86_401)
    keep_house(sqlite_desk.world.database, sqlite_desk.settings)
    assert sqlite_desk.world.scalar(count) == 0


def test_operations_are_told(sqlite_desk: Desk) -> None:
    [waiting, *_] = add_new(sqlite_desk, 3)
    sqlite_desk.world.pass_time(3600)
    # The relay's log
    with capture_logs() as logs:
        sqlite_desk.relay().tick()
    said = [line for line in logs if line["event"] == "relay.kind_unknown"]
    assert [(line["lane"], line["kind"], line["count"], line["log_level"]) for line in said] == [
        ("import", NEW, 3, "error")
    ]
    # Reconcile names them, and does not take them for overdue
    report = reconcile(sqlite_desk.services, queues_of(sqlite_desk), dry_run=False, max_links=0)
    assert [(one.code, one.subject) for one in report.findings] == [("kind_unknown", f"import/{NEW}: 3 waiting")]
    assert report.needs_person
    # The explanation of a job
    with sqlite_desk.world.database.read() as tx:
        row = jobs.get(tx, waiting)
        assert row is not None
        explained = explain(tx, row, ring_limit=K)
    assert [hold.code for hold in explained.holds] == ["unknown_kind"]
    assert f"jobs of kind {NEW}" in explained.holds[0].words
    # And once a worker that knows them is running, nobody is told any more
    with presence(sqlite_desk):
        assert aside(sqlite_desk) == []


def test_a_worker_that_gets_one_all_the_same_leaves_it_without_an_attempt(sqlite_desk: Desk) -> None:
    """And it is rung again at once, for a worker that knows it."""
    [job_id] = add_new(sqlite_desk, 1)
    with presence(sqlite_desk):
        assert sqlite_desk.relay().tick() == 1
        sqlite_desk.world.runner().run(job_id)
        found = job(sqlite_desk.world, job_id)
        assert (found.state, found.attempts, found.deferrals, found.lost_leases) == (JobState.QUEUED, 0, 0, 0)
        assert sqlite_desk.relay().tick() == 1


def test_workers_of_releases_that_report_nothing_know_what_those_releases_knew(sqlite_desk: Desk) -> None:
    """No worker is in the record, and everything of before is rung."""
    add(sqlite_desk.world, *(new_job(sqlite_desk.world, kind=kind) for kind in KINDS_OF_EVERY_WORKER))
    assert sqlite_desk.relay(limit=100).tick() == len(KINDS_OF_EVERY_WORKER)
    assert KINDS.keys() >= set(KINDS_OF_EVERY_WORKER)


def test_jobs_of_a_lane_that_only_a_newer_release_knows_stop_nobody(desk: Desk) -> None:
    # Given such jobs, rung and not, interactive and not, that also wait for the quota
    new = [new_job(desk.world, interactive=number % 2 == 0, kind="validate_import") for number in range(6)]
    ids = add(desk.world, *new)
    for number, job_id in enumerate(ids):
        late = desk.world.services.sources.now() if number < 2 else None
        code = "xpm_quota" if number > 3 else None
        state = JobState.WAITING if number > 3 else JobState.QUEUED
        set_job(desk.world, job_id, rung_at=late, error_code=code, state=state, next_attempt_at=late and None)
    with desk.world.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            connection.execute(text("ALTER TABLE jobs DROP CONSTRAINT ck_jobs_lane"))
        connection.exec_driver_sql("UPDATE jobs SET lane = 'moon'")
    desk.world.pass_time(3600)
    # When the relay looks, it rings the others
    [known] = add(desk.world, new_job(desk.world))
    relay = desk.relay(limit=K)
    relay._permits = lambda *_: 10
    assert relay.tick() == 1
    assert desk.rung(Lane.IMPORT) == [known]
    # And reconcile names the lane
    report = reconcile(desk.services, queues_of(desk), dry_run=True, max_links=0)
    assert ("kind_unknown", "moon/validate_import: 6 waiting") in [(one.code, one.subject) for one in report.findings]
    with desk.world.database.read() as tx:
        for job_id in ids:
            row = jobs.get(tx, job_id)
            assert row is not None
            assert explain(tx, row, ring_limit=K).holds[0].code == "unknown_kind"
