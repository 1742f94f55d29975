"""Claiming: one of many gets a job, and only a job that is due, known, in turn and not paused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from uuid import UUID, uuid4

import pytest

from handlers.imports.settle import settle_all
from handlers.registry import HANDLERS
from portal_db.states import AttemptOutcome, ErrorClass, ImportState, JobState, Lane
from portal_db.tables import Import, Job
from portal_db.work import imports, jobs
from portal_db.work.jobs import Lease
from tests.making import add, add_practice, claim, claimed, failure, job, new_job, pause, set_job, unpause
from tests.racing import at_once, failures
from tests.servers.statements import waits_for_a_lock
from tests.servers.waiting import wait_until
from tests.world import World


def test_one_of_several_claimers_gets_the_job(world: World) -> None:
    for _ in range(5):
        [job_id] = add(world, new_job(world))
        claims = [partial(claim, world, job_id, owner=f"worker-{number}") for number in range(4)]
        leases = at_once(*claims)
        [won] = [lease for lease in leases if isinstance(lease, Lease)]
        row = job(world, job_id)
        assert (row.state, row.lease_token, row.lease_owner) == (JobState.RUNNING, won.token, won.owner)


def test_a_claim_starts_the_lease_and_the_deadline(world: World) -> None:
    [job_id] = add(world, new_job(world, deadline_seconds=60))
    claimed(world, job_id)
    row = job(world, job_id)
    assert row.started_at is not None
    assert row.lease_until is not None
    assert row.deadline_at is not None
    assert (row.lease_until - row.started_at).total_seconds() == pytest.approx(10, abs=0.5)
    assert (row.deadline_at - row.started_at).total_seconds() == pytest.approx(60, abs=0.5)


def test_a_lease_never_begins_longer_than_the_deadline(world: World) -> None:
    [job_id] = add(world, new_job(world, deadline_seconds=4))
    claimed(world, job_id)
    row = job(world, job_id)
    assert row.lease_until is not None
    assert row.deadline_at is not None
    assert abs(row.lease_until - row.deadline_at) < timedelta(seconds=0.5)


def test_only_what_is_open_and_due_is_claimed(world: World) -> None:
    [job_id] = add(world, new_job(world))
    for state in set(JobState) - {JobState.QUEUED}:
        set_job(world, job_id, state=state)
        assert claim(world, job_id) is None, state
        assert job(world, job_id).state is state


def test_a_job_that_waits_is_claimed_when_its_time_has_come(world: World) -> None:
    [job_id] = add(world, new_job(world))
    with world.database.write() as tx:
        lease = Lease(job_id, uuid4(), "worker-1")
        assert jobs.claim_all(tx, [lease], kinds=["validate_import"], lease_seconds=10)
        jobs.park(tx, lease, failure(), seconds=300, counts_as_attempt=True)
    assert claim(world, job_id) is None
    world.pass_time(200)
    assert claim(world, job_id) is None
    world.pass_time(101)
    assert claim(world, job_id) is not None
    assert job(world, job_id).next_attempt_at is None


def test_a_kind_this_process_does_not_know_is_left_for_a_newer_one(world: World) -> None:
    [job_id] = add(world, new_job(world, kind="sing"))
    assert claim(world, job_id) is None
    assert job(world, job_id).state is JobState.QUEUED


def test_a_job_that_does_not_exist_is_nobodys(world: World) -> None:
    assert claim(world, uuid4()) is None


PAUSES: dict[str, Callable[[World], None]] = {
    "everything": lambda world: pause(world),
    "practice": lambda world: pause(world, practice_id=world.practice_id),
    "lane": lambda world: pause(world, lane=Lane.IMPORT),
    "kind": lambda world: pause(world, kind="validate_import"),
    "all three": lambda world: pause(world, practice_id=world.practice_id, lane=Lane.IMPORT, kind="validate_import"),
}


def test_what_is_paused_is_not_claimed(world: World) -> None:
    [job_id] = add(world, new_job(world))
    for what, stop in PAUSES.items():
        stop(world)
        assert claim(world, job_id) is None, what
        unpause(world)
    assert claim(world, job_id) is not None


def test_a_pause_holds_nothing_else_up(world: World) -> None:
    [job_id] = add(world, new_job(world))
    other = add_practice(world, "Quay Partners")
    pause(world, practice_id=other)
    pause(world, lane=Lane.EMAIL)
    pause(world, kind="create_client")
    pause(world, practice_id=world.practice_id, lane=Lane.RESYNC)
    pause(world, practice_id=other, lane=Lane.IMPORT, kind="validate_import")
    assert claim(world, job_id) is not None


def test_a_row_waits_for_the_earlier_rows_of_its_batch(world: World) -> None:
    first, second = world.ask_batch([world.request(uuid4()), world.request(uuid4())])
    other, _ = world.ask_batch([world.request(uuid4()), world.request(uuid4())], key="another batch")
    one = new_job(world, kind="create_client", import_id=first, in_batch_order=True)
    two = new_job(world, kind="create_client", import_id=second, in_batch_order=True, position=1)
    elsewhere = new_job(world, kind="create_client", import_id=other, in_batch_order=True)
    unordered = new_job(world, kind="import_details", import_id=second, position=1)
    add(world, one, two, elsewhere, unordered)
    assert claim(world, two.id) is None, "the first row's email is not known yet"
    assert claim(world, elsewhere.id) is not None
    assert claim(world, unordered.id) is not None
    assert claim(world, one.id) is not None
    with world.database.write() as tx:
        imports.resolve(tx, {first}, {first: "first@example.com"})
    assert claim(world, two.id) is not None


def test_a_job_given_back_has_nothing_counted_against_it(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        jobs.release(tx, lease)
        assert jobs.attempts_of(tx, job_id) == []
    row = job(world, job_id)
    assert (row.state, row.attempts, row.deferrals, row.lost_leases) == (JobState.QUEUED, 0, 0, 0)
    assert claim(world, job_id) is not None


def test_every_attempt_is_kept_in_order(world: World) -> None:
    [job_id] = add(world, new_job(world))
    leases = []
    for error_class, counts in ((ErrorClass.DEFERRED, False), (ErrorClass.TRANSIENT, True)):
        leases.append(claimed(world, job_id))
        with world.database.write() as tx:
            jobs.park(tx, leases[-1], failure(error_class, "slow"), seconds=1, counts_as_attempt=counts)
        world.pass_time(2)
    leases.append(claimed(world, job_id, owner="worker-2"))
    with world.database.write() as tx:
        jobs.succeed(tx, leases[-1])
    with world.database.read() as tx:
        kept = jobs.attempts_of(tx, job_id)
    assert [attempt.number for attempt in kept] == [1, 2, 3]
    assert [attempt.token for attempt in kept] == [lease.token for lease in leases]
    assert [attempt.owner for attempt in kept] == ["worker-1", "worker-1", "worker-2"]
    outcomes = [AttemptOutcome.DEFERRED, AttemptOutcome.TRANSIENT, AttemptOutcome.SUCCEEDED]
    assert [attempt.outcome for attempt in kept] == outcomes
    assert [attempt.error_code for attempt in kept] == ["slow", "slow", None]
    row = job(world, job_id)
    assert (row.attempts, row.deferrals, row.error_code, row.error_message) == (1, 1, None, None)


def test_a_dead_job_comes_back_once(world: World) -> None:
    [job_id] = add(world, new_job(world))
    lease = claimed(world, job_id)
    with world.database.write() as tx:
        jobs.end(tx, lease, JobState.DEAD, failure(ErrorClass.PERMANENT, "bug"))

    def bring_back() -> bool:
        with world.database.write() as tx:
            return jobs.requeue(tx, job_id, 2)

    assert sorted(at_once(bring_back, bring_back), key=bool) == [False, True]
    row = job(world, job_id)
    assert (row.state, row.epoch, row.attempts, row.lost_leases) == (JobState.QUEUED, 2, 0, 0)
    assert claim(world, job_id) is not None
    assert not bring_back(), "it is not dead any more"


def test_one_of_several_claimers_gets_the_job_of_an_import_that_has_not_begun(world: World) -> None:
    def claim_it(job_id: UUID, owner: str) -> tuple[list[Job], list[Import]]:
        with world.database.write() as tx:
            lease = Lease(job_id, uuid4(), owner)
            claimed, begun = imports.claim_all(tx, [lease], kinds=HANDLERS.keys(), lease_seconds=10)
            settle_all(tx, begun, running={row.id for row in begun})
            return claimed, begun

    for _ in range(5):
        import_id = world.ask(uuid4())
        [found] = world.jobs_of(import_id).values()
        results = at_once(*(partial(claim_it, found.id, f"worker-{number}") for number in range(4)))
        assert failures(results) == []
        [won] = [result for result in results if result != ([], [])]
        assert isinstance(won, tuple)
        assert [[row.id for row in rows] for rows in won] == [[found.id], [import_id]]
        assert world.import_row(import_id).state is ImportState.IN_PROGRESS


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_claim_locks_the_import_before_the_job(world: World) -> None:
    """As everything else does. A claim that locked the job first, and a cancel of the import, would wait for each other."""
    # Given an import that somebody else holds
    import_id = world.ask(uuid4())
    [found] = world.jobs_of(import_id).values()
    lease = Lease(found.id, uuid4(), "worker-1")

    def claim_it() -> list[Job]:
        with world.database.write() as tx:
            return imports.claim_all(tx, [lease], kinds=HANDLERS.keys(), lease_seconds=10)[0]

    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as tx:
            imports.lock(tx, import_id)
            # When its job is claimed, and the claim waits
            claiming = pool.submit(claim_it)
            wait_until(lambda: waits_for_a_lock(tx), "the claim waits")
            # Then it does not hold the job, and finds it cancelled
            assert jobs.cancel_open(tx, import_id) == [found.id]
        assert claiming.result() == []
    assert job(world, found.id).state is JobState.CANCELLED
