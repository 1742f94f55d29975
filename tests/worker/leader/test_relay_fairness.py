"""Whom the relay rings: so many per practice, practices in turn, highest lane and oldest first."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from handlers.jobs.enqueue import FollowUp, import_job
from handlers.jobs.kinds import KINDS
from handlers.outages import XPM
from portal_db.states import JobState, Lane
from portal_db.work import jobs, outages, workers
from tests.making import add, add_practice, claimed, importable, job, new_job, pause, set_all_jobs, set_job
from tests.worker.queue.desk import Desk
from xpm.simulator.serve import SimulatorHandle

K = 4


def add_many(desk: Desk, number: int, lane: Lane = Lane.IMPORT, practice_id: UUID | None = None) -> list[UUID]:
    """Jobs of one batch, in order."""
    new = [new_job(desk.world, lane=lane, practice_id=practice_id, position=place) for place in range(number)]
    return add(desk.world, *new)


def test_so_many_jobs_of_a_practice_are_rung_at_once(desk: Desk) -> None:
    jobs = add_many(desk, 10)
    relay = desk.relay(limit=K)
    assert relay.tick() == K
    assert desk.rung(Lane.IMPORT) == jobs[:K]
    assert relay.tick() == 0
    claimed(desk.world, jobs[0])
    assert relay.tick() == 0, "a running job still counts"
    set_job(desk.world, jobs[0], state=JobState.SUCCEEDED)
    set_job(
        desk.world, jobs[1], state=JobState.WAITING, next_attempt_at=desk.world.services.sources.now(), rung_at=None
    )
    assert relay.tick() == 2
    assert desk.rung(Lane.IMPORT)[K:] == [jobs[1], jobs[K]]


def test_email_and_webhooks_have_limits_of_their_own(desk: Desk) -> None:
    add_many(desk, 2, Lane.RESYNC)
    imports, letters, calls = (add_many(desk, 10, lane) for lane in (Lane.IMPORT, Lane.EMAIL, Lane.WEBHOOKS))
    assert desk.relay(limit=K).tick() == 3 * K
    assert desk.rung(Lane.IMPORT) == imports[:K]
    assert desk.rung(Lane.EMAIL) == letters[:K]
    assert desk.rung(Lane.WEBHOOKS) == calls[:K]
    assert desk.rung(Lane.RESYNC) == [], "imports and re-syncs share one limit"


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_of_any_kind_is_rung_whether_or_not_a_person_waits(desk: Desk, kind: str) -> None:
    # Given a worker that knows the kind, and jobs of it whose first ring was lost: for a person who waits, and for none
    with desk.world.database.write() as tx:
        workers.report(tx, "worker-1", lanes=list(Lane), kinds=[kind], lasts_seconds=30)
        for interactive in (True, False):
            one = import_job(
                tx, FollowUp(kind), None, desk.world.practice_id, interactive=interactive, dedupe_key=f"{interactive}"
            )
            jobs.add(tx, [one])
    # When the relay looks, then it rings both
    assert desk.relay(limit=K).tick() == 2


def test_the_higher_lane_goes_first_and_the_older_job_within_it(desk: Desk) -> None:
    oldest = add_many(desk, 2, Lane.RESYNC)
    desk.world.pass_time(60)
    newer = add(desk.world, new_job(desk.world, position=5), new_job(desk.world, position=4))
    older = add(desk.world, new_job(desk.world, position=9))
    now = desk.world.services.sources.now()
    for job_id, age in ((older[0], 30), (newer[0], 20), (newer[1], 20)):
        set_job(desk.world, job_id, asked_at=now - timedelta(seconds=age))
    assert desk.relay(limit=K).tick() == K
    assert desk.rung(Lane.IMPORT) == [older[0], newer[1], newer[0]], "by age, then by place in the batch"
    assert desk.rung(Lane.RESYNC) == oldest[:1]


def test_a_big_batch_delays_another_practice_by_no_more_than_a_tick(desk: Desk) -> None:
    requests = [desk.world.request(uuid4()) for _ in range(200)]
    desk.world.ask_batch(requests)
    relay = desk.relay(limit=K)
    relay.tick()
    [late] = add_many(desk, 1, practice_id=add_practice(desk.world, "Quay Partners"))
    relay.tick()
    assert late in desk.rung(Lane.IMPORT)
    assert len(desk.rung(Lane.IMPORT)) == K + 1


def test_practices_take_turns_in_one_round(desk: Desk) -> None:
    practices = [desk.world.practice_id, *(add_practice(desk.world, name) for name in ("Quay", "Dock"))]
    owner = {job_id: practice for practice in practices for job_id in add_many(desk, 120, practice_id=practice)}
    desk.relay(limit=110).tick()
    sets = desk.sets(Lane.IMPORT)
    assert [len(job_ids) for job_ids in sets] == 3 * [50] + 3 * [50] + 3 * [10]
    for start in (0, 3, 6):
        assert {owner[job_ids[0]] for job_ids in sets[start : start + 3]} == set(practices)
    assert all(len({owner[job_id] for job_id in job_ids}) == 1 for job_ids in sets)


def test_a_job_that_was_tried_before_is_rung_by_itself(desk: Desk) -> None:
    jobs = add_many(desk, 6)
    for number, values in enumerate(({"attempts": 1}, {"deferrals": 1}, {"lost_leases": 1})):
        set_job(desk.world, jobs[2 * number], **values)
    desk.relay(limit=10).tick()
    assert desk.sets(Lane.IMPORT) == [[jobs[0]], [jobs[1], jobs[3], jobs[5]], [jobs[2]], [jobs[4]]]


def test_jobs_that_must_call_xpm_are_rung_each_by_itself(desk: Desk, simulator: SimulatorHandle) -> None:
    """So that their calls are made side by side. The directory knows none of these records yet."""
    world = desk.world
    people = importable(simulator)[:3]
    import_ids = world.ask_batch([world.request(person.uuid) for person in people])
    job_ids = [world.jobs_of(import_id)["validate_import"].id for import_id in import_ids]
    world.runner().run(*job_ids)
    rows = [job(world, job_id) for job_id in job_ids]
    assert [(row.state, row.attempts, row.deferrals, row.lost_leases) for row in rows] == 3 * [
        (JobState.QUEUED, 0, 1, 0)
    ]
    desk.relay().tick()
    assert desk.sets(Lane.IMPORT) == [[job_id] for job_id in job_ids]
    world.run_due()
    assert world.scalar("SELECT count(*) FROM clients") == 3


def test_a_set_holds_jobs_of_one_kind(desk: Desk) -> None:
    kinds = ("create_client", "create_entity", "leave_xero")
    new = [new_job(desk.world, kind=kind, position=place) for place, kind in enumerate(kinds * 2)]
    jobs = add(desk.world, *new)
    desk.relay(limit=10).tick()
    assert desk.sets(Lane.IMPORT) == [[jobs[0], jobs[3]], [jobs[1], jobs[4]], [jobs[2]], [jobs[5]]]


def test_a_practice_at_its_limit_does_not_hold_up_its_interactive_work(desk: Desk) -> None:
    add_many(desk, 10)
    relay = desk.relay(limit=K)
    relay.tick()
    [urgent] = add(desk.world, new_job(desk.world, lane=Lane.INTERACTIVE, interactive=True))
    assert relay.tick() == 1
    assert desk.rung(Lane.INTERACTIVE) == [urgent]


def test_interactive_work_whose_ring_was_lost_is_rung_again(desk: Desk) -> None:
    import_id = desk.world.ask(uuid4())
    [first] = desk.world.jobs_of(import_id).values()
    relay = desk.relay()
    relay.tick()
    desk.take_all()
    assert relay.tick() == 0, "it was rung a moment ago"
    desk.world.pass_time(11)
    assert relay.tick() == 1
    assert desk.rung(Lane.INTERACTIVE) == [first.id]


def test_what_was_rung_is_left_alone_for_ten_seconds(desk: Desk) -> None:
    jobs = add_many(desk, 2)
    relay = desk.relay()
    assert relay.tick() == 2
    desk.world.pass_time(9)
    assert relay.tick() == 0
    desk.world.pass_time(2)
    assert relay.tick() == 2
    assert desk.rung(Lane.IMPORT) == [*jobs, *jobs]


def test_a_long_queue_is_not_rung_again_but_takes_what_is_new(desk: Desk) -> None:
    [known] = add_many(desk, 1)
    relay = desk.relay()
    relay.tick()
    desk.world.pass_time(11)
    desk.client.rpush(desk.key(Lane.IMPORT.value), *["somebody-elses"] * 1000)
    assert relay.tick() == 0
    [new] = add_many(desk, 1)
    assert relay.tick() == 1
    assert job(desk.world, new).rung_at is not None
    desk.client.ltrim(desk.key(Lane.IMPORT.value), 0, 0)
    assert relay.tick() == 1
    assert desk.rung(Lane.IMPORT) == [known, known]


def test_a_practice_puts_no_more_into_a_long_queue_than_its_limit(desk: Desk) -> None:
    # Given more emails of a practice than may be rung at once, and a long queue
    emails = add_many(desk, 3 * K, Lane.EMAIL)
    desk.client.rpush(desk.key(Lane.EMAIL.value), *["somebody-elses"] * 1000)
    relay = desk.relay(limit=K)
    assert relay.tick() == K
    length = desk.bell.lengths()[Lane.EMAIL]
    # When no worker gets to them for a minute, then no more are put there
    for _ in range(6):
        desk.world.pass_time(11)
        assert relay.tick() == 0
    assert desk.bell.lengths()[Lane.EMAIL] == length
    # And when one of them is done, one more is
    set_job(desk.world, emails[0], state=JobState.SUCCEEDED)
    assert relay.tick() == 1


def test_what_cannot_be_claimed_is_not_rung(desk: Desk) -> None:
    [due, later, running, done] = add_many(desk, 4)
    now = desk.world.services.sources.now()
    set_job(desk.world, later, state=JobState.WAITING, next_attempt_at=now.replace(year=now.year + 1))
    set_job(desk.world, done, state=JobState.SUCCEEDED)
    claimed(desk.world, running)
    [paused] = add(desk.world, new_job(desk.world, kind="create_client"))
    pause(desk.world, kind="create_client")
    first, second = desk.world.ask_batch([desk.world.request(uuid4()), desk.world.request(uuid4())])
    for import_id in (first, second):
        [validate] = desk.world.jobs_of(import_id).values()
        set_job(desk.world, validate.id, state=JobState.SUCCEEDED)
    in_turn = new_job(desk.world, import_id=first, kind="create_entity", in_batch_order=True)
    out_of_turn = new_job(desk.world, import_id=second, kind="create_entity", in_batch_order=True, position=1)
    add(desk.world, in_turn, out_of_turn)
    desk.relay(limit=100).tick()
    assert set(desk.rung(Lane.IMPORT)) == {due, in_turn.id}
    assert job(desk.world, paused).rung_at is None
    assert job(desk.world, out_of_turn.id).rung_at is None


def test_a_wait_that_is_over_is_rung(desk: Desk) -> None:
    [job_id] = add_many(desk, 1)
    set_all_jobs(desk.world, state=JobState.WAITING, next_attempt_at=desk.world.services.sources.now())
    desk.world.pass_time(1)
    assert desk.relay().tick() == 1
    assert desk.rung(Lane.IMPORT) == [job_id]


def test_jobs_go_on_at_a_pace_when_the_outage_ends_that_they_waited_for(desk: Desk) -> None:
    # Given more jobs than are rung at once, of which all wait for XPM, and an outage that has ended
    waiting = add_many(desk, 3 * K)
    later = desk.world.services.sources.now() + timedelta(minutes=9)
    set_all_jobs(desk.world, state=JobState.WAITING, error_code=XPM.code, next_attempt_at=later)
    with desk.world.database.write() as tx:
        outages.count_failure(tx, XPM.name, reason="cannot be reached", holder="", of_all=True)
    relay = desk.relay(limit=K)
    assert relay.tick() == 0
    with desk.world.database.write() as tx:
        assert outages.end(tx, XPM.name, XPM.code) == 3 * K
    # When the relay looks, then it rings as many as it may, and more only as these are done
    for done in range(3):
        assert (relay.tick(), relay.tick()) == (K, 0)
        for job_id in waiting[done * K : (done + 1) * K]:
            set_job(desk.world, job_id, state=JobState.SUCCEEDED)
    assert relay.tick() == 0
    assert sorted(desk.rung(Lane.IMPORT)) == sorted(waiting)
