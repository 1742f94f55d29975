"""The way of a job: claimed, fetched outside any transaction, applied in one, its follow-ups run on or rung."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import OperationalError

from handlers import refusals
from handlers.jobs.enqueue import FollowUp
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.database import Tx
from portal_db.states import ImportState, JobState, Lane
from portal_db.tables import Job
from portal_db.work import jobs
from tests.handlers.directory.given import synced
from tests.handlers.given import find
from tests.handlers.one_job import apply_one, fetch_one
from tests.making import importable, job, note, notes, pause, set_job
from tests.racing import at_once, failures
from tests.servers.statements import committed
from tests.worker.runner.running import Clock, changed, count, only_job, outcomes, runner, stub, watched
from tests.world import RememberingBell, World
from worker.runner import runner as runner_module
from worker.runner.leases import Leases
from worker.runner.runner import Runner
from xpm.simulator.serve import SimulatorHandle


def test_xpm_and_the_mail_server_are_talked_to_outside_any_transaction(
    world: World, simulator: SimulatorHandle
) -> None:
    services, xpm, mailer = watched(world)
    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    for name in HANDLERS:
        if name in world.jobs_of(import_id):
            runner(world, services=services).run(world.jobs_of(import_id)[name].id)
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert (xpm.calls, mailer.calls) == ([0], [0])


def test_others_write_while_a_job_fetches(world: World) -> None:
    def fetch(*_: object) -> None:
        with world.database.write() as tx:
            note(tx)

    import_id = world.ask(uuid4())
    runner(world, kinds=stub(fetch)).run(only_job(world, import_id).id)
    assert notes(world) == 1
    assert only_job(world, import_id).state is JobState.SUCCEEDED


def test_what_apply_writes_and_the_jobs_end_are_one_transaction(world: World) -> None:
    def apply(tx: Any, *_: object) -> Any:
        note(tx)
        raise RuntimeError

    import_id = world.ask(uuid4())
    runner(world, kinds=stub(apply=apply)).run(only_job(world, import_id).id)
    assert notes(world) == 0
    assert only_job(world, import_id).state is JobState.DEAD


def test_one_run_goes_on_with_all_follow_ups_of_the_lane_and_rings_the_others(
    world: World, simulator: SimulatorHandle
) -> None:
    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    world.bell.rung.clear()
    runner(world).run(only_job(world, import_id).id)
    done = [name for name, state in world.states_of(import_id).items() if state is JobState.SUCCEEDED]
    assert done == ["validate_import", "create_client", "import_details", "import_relationships"]
    assert world.bell.rung == [(Lane.EMAIL, world.jobs_of(import_id)["send_welcome_email"].id)]
    assert world.import_row(import_id).state is ImportState.IN_PROGRESS


def test_one_import_is_validated_and_created_by_one_transaction_and_completed_by_another(
    world: World, simulator: SimulatorHandle
) -> None:
    import_id = world.ask(importable(simulator)[0].uuid)
    with committed(world.database.engine) as found:
        runner(world).run(only_job(world, import_id).id)
    assert len(found) == 3, "claimed, created, and completed"
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert all(outcomes(world, each.id) == ["succeeded"] for each in world.jobs_of(import_id).values())


def test_an_import_of_which_nothing_else_is_brought_ends_with_its_creation(
    world: World, simulator: SimulatorHandle
) -> None:
    import_id = world.ask(importable(simulator)[0].uuid, bring_details=False, bring_relationships=False)
    runner(world).run(only_job(world, import_id).id)
    assert world.states_of(import_id) == {"validate_import": JobState.SUCCEEDED, "create_client": JobState.SUCCEEDED}
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert all(outcomes(world, each.id) == ["succeeded"] for each in world.jobs_of(import_id).values())


def test_a_creation_that_fails_leaves_its_validation_done(world: World, simulator: SimulatorHandle) -> None:
    def apply(tx: Tx, *_: object) -> Sequence[FollowUp]:
        note(tx)
        raise RuntimeError

    import_id = world.ask(importable(simulator)[0].uuid)
    runner(world, kinds=changed(create_client={"apply": apply})).run(only_job(world, import_id).id)
    assert world.states_of(import_id) == {
        "validate_import": JobState.SUCCEEDED,
        "create_client": JobState.DEAD,
    }
    assert notes(world) == 0
    assert world.import_row(import_id).state is ImportState.FAILED


def test_a_validation_that_fails_is_tried_once(world: World) -> None:
    tried: list[None] = []

    def apply(*_: object) -> Sequence[FollowUp]:
        tried.append(None)
        raise refusals.NAME_TOO_LONG(max_length=1)

    import_id = world.ask(uuid4())
    runner(world, kinds=stub(apply=apply)).run(only_job(world, import_id).id)
    assert tried == [None]
    assert world.import_row(import_id).state is ImportState.REJECTED


def test_while_the_database_fails_an_import_is_created_by_the_next_try(
    world: World, simulator: SimulatorHandle
) -> None:
    tried: list[None] = []

    def create(tx: Tx, row: Job, subject: Any, fetched: Any) -> Sequence[FollowUp]:
        tried.append(None)
        if len(tried) == 1:
            raise OperationalError("INSERT", None, Exception())
        return apply_one(HANDLERS["create_client"].apply, tx, row, subject, fetched)

    import_id = world.ask(importable(simulator)[0].uuid)
    with committed(world.database.engine) as found:
        runner(world, kinds=changed(create_client={"apply": create})).run(only_job(world, import_id).id)
    assert (len(tried), len(found)) == (2, 3)
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert all(outcomes(world, each.id) == ["succeeded"] for each in world.jobs_of(import_id).values())


def test_what_may_have_ended_a_worker_shares_no_transaction(world: World, simulator: SimulatorHandle) -> None:
    """P14: if it is the creation that ends workers, only that must answer for it."""
    import_id = world.ask(importable(simulator)[0].uuid)
    set_job(world, only_job(world, import_id).id, lost_leases=1)
    with committed(world.database.engine) as found:
        runner(world).run(only_job(world, import_id).id)
    assert len(found) == 4, "claimed, validated, created, and completed"


@pytest.mark.parametrize("culprit", ["import_details", "import_relationships"])
def test_of_details_and_relationships_only_the_one_that_fails_is_not_done(
    world: World, simulator: SimulatorHandle, culprit: str
) -> None:
    def apply(tx: Tx, *_: object) -> Sequence[FollowUp]:
        note(tx)
        raise RuntimeError

    import_id = world.ask(importable(simulator)[0].uuid)
    runner(world, kinds=changed(**{culprit: {"apply": apply}})).run(only_job(world, import_id).id)
    states = world.states_of(import_id)
    assert states.pop(culprit) is JobState.DEAD
    assert set(states.values()) == {JobState.SUCCEEDED}
    assert notes(world) == 0
    assert world.import_row(import_id).state is ImportState.PARTLY_SUCCEEDED


def test_of_details_and_relationships_the_one_whose_lease_is_lost_is_left_out(
    world: World, simulator: SimulatorHandle
) -> None:
    def lose(lost: Job) -> None:
        set_job(world, lost.id, lease_token=uuid4(), lease_owner="worker-2")

    def create(tx: Tx, row: Job, subject: Any, fetched: Any) -> Sequence[FollowUp]:
        tx.after_commit(lambda: lose(world.jobs_of(import_id)["import_details"]))
        return apply_one(HANDLERS["create_client"].apply, tx, row, subject, fetched)

    import_id = world.ask(importable(simulator)[0].uuid)
    runner(world, kinds=changed(create_client={"apply": create})).run(only_job(world, import_id).id)
    found = world.jobs_of(import_id)
    assert (found["import_details"].state, found["import_details"].lease_owner) == (JobState.RUNNING, "worker-2")
    assert outcomes(world, found["import_details"].id) == []
    assert outcomes(world, found["import_relationships"].id) == ["succeeded"]


def test_in_a_batch_the_other_follow_ups_are_left_to_the_relay(world: World, simulator: SimulatorHandle) -> None:
    [import_id] = world.ask_batch([world.request(importable(simulator)[0].uuid, send_welcome_email=True)])
    runner(world).run(only_job(world, import_id).id)
    assert world.bell.rung == []
    left = {name: row.rung_at for name, row in world.jobs_of(import_id).items() if row.state is not JobState.SUCCEEDED}
    assert left == {"send_welcome_email": None}


def test_what_is_not_begun_before_a_stop_goes_back_to_the_queue_uncounted(
    world: World, simulator: SimulatorHandle
) -> None:
    def apply(tx: Tx, row: Job, subject: Any, fetched: Any) -> Sequence[FollowUp]:
        world.stopping.set()
        return apply_one(HANDLERS["import_details"].apply, tx, row, subject, fetched)

    [import_id] = world.ask_batch([world.request(importable(simulator)[0].uuid)])
    runner(world, kinds=changed(import_details={"apply": apply})).run(only_job(world, import_id).id)
    left = world.jobs_of(import_id)["import_relationships"]
    assert (left.state, left.attempts, left.lost_leases, left.lease_until) == (JobState.QUEUED, 0, 0, None)


def test_what_cannot_begin_in_time_goes_back_to_the_queue_uncounted(
    world: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()

    def apply(tx: Tx, row: Job, subject: Any, fetched: Any) -> Sequence[FollowUp]:
        clock.now += 31
        return apply_one(HANDLERS["import_details"].apply, tx, row, subject, fetched)

    monkeypatch.setattr(runner_module, "time", clock)
    [import_id] = world.ask_batch([world.request(importable(simulator)[0].uuid)])
    runner(world, kinds=changed(import_details={"apply": apply})).run(only_job(world, import_id).id)
    left = world.jobs_of(import_id)["import_relationships"]
    assert (left.state, left.attempts, left.lost_leases, left.lease_until) == (JobState.QUEUED, 0, 0, None)


def test_all_that_cannot_begin_in_time_goes_back_at_once(
    world: World, simulator: SimulatorHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only what comes next: the follow-ups of a set run before the sets that wait beside it."""

    clock = Clock()
    seen: list[JobState] = []
    monkeypatch.setattr(runner_module, "time", clock)
    synced(world)
    # Given a batch of a company and a person, the first of which takes longer than half of the other's deadline
    company = find(simulator, lambda each: each.business_structure == "Company" and not each.is_archived)
    ids = world.ask_batch([world.request(company.uuid, "entity"), world.request(importable(simulator)[0].uuid)])

    def create(tx: Tx, row: Job, subject: Any, fetched: Any) -> Sequence[FollowUp]:
        clock.now += 16
        return apply_one(HANDLERS["create_entity"].apply, tx, row, subject, fetched)

    def details(tx: Tx, row: Job, subject: Any, fetched: Any) -> Sequence[FollowUp]:
        seen.extend(world.jobs_of(each)["create_client"].state for each in ids[1:])
        return apply_one(HANDLERS["import_details"].apply, tx, row, subject, fetched)

    # When their set runs
    kinds = changed(create_entity={"apply": create}, import_details={"apply": details})
    runner(world, kinds=kinds).run(*(world.jobs_of(each)["validate_import"].id for each in ids))
    # Then the person went back before the follow-ups of the company began, with nothing counted against them
    left = world.jobs_of(ids[1])["create_client"]
    assert seen[:1] == [JobState.QUEUED]
    assert (left.state, left.attempts, left.lost_leases, left.lease_until) == (JobState.QUEUED, 0, 0, None)


def test_a_follow_up_stays_ours_while_the_others_are_rung(sqlite_world: World, simulator: SimulatorHandle) -> None:
    """Redis may take longer to answer than a lease lasts."""
    world = sqlite_world
    leases = Leases(world.database, "worker-1", lease_seconds=10, every_seconds=3)
    running: list[UUID] = []

    class SlowBell(RememberingBell):
        def ring(self, lane: Lane, job_ids: Sequence[UUID]) -> None:
            super().ring(lane, job_ids)
            world.pass_time(8)
            leases.renew()
            world.pass_time(8)
            with world.database.write() as tx:
                running.extend(jobs.take_back_expired(tx))

    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    working = Runner(world.services, SlowBell(), leases, HANDLERS, run_isolated=None, stopping=world.stopping)
    working.run(only_job(world, import_id).id)
    assert running == []
    assert {row.lost_leases for row in world.jobs_of(import_id).values()} == {0}


def test_nothing_is_run_on_while_stopping(world: World, simulator: SimulatorHandle) -> None:
    def fetch(services: Services, row: Job) -> Any:
        world.stopping.set()
        return fetch_one(HANDLERS["validate_import"], services, row)

    import_id = world.ask(importable(simulator)[0].uuid)
    world.bell.rung.clear()
    runner(world, kinds=changed(validate_import={"fetch": fetch})).run(only_job(world, import_id).id)
    states = {"validate_import": JobState.SUCCEEDED, "create_client": JobState.QUEUED}
    assert world.states_of(import_id) == states
    create = world.jobs_of(import_id)["create_client"].id
    assert world.bell.rung == [(Lane.INTERACTIVE, create)], "for another process"
    assert job(world, create).rung_at is not None
    runner(world).run(create)
    assert world.states_of(import_id) == states, "nothing more is claimed"
    assert job(world, create).rung_at is None, "and the relay rings at once what this process does not begin"


@pytest.mark.parametrize("what", ["kind", "lane", "practice"])
def test_nothing_is_run_on_that_is_paused(sqlite_world: World, simulator: SimulatorHandle, what: str) -> None:
    world = sqlite_world
    pauses: dict[str, Any] = {
        "kind": {"kind": "create_client"},
        "lane": {"lane": Lane.INTERACTIVE},
        "practice": {"practice_id": world.practice_id},
    }

    def fetch(services: Services, row: Job) -> Any:
        pause(world, **pauses[what])
        return fetch_one(HANDLERS["validate_import"], services, row)

    import_id = world.ask(importable(simulator)[0].uuid)
    runner(world, kinds=changed(validate_import={"fetch": fetch})).run(only_job(world, import_id).id)
    assert world.states_of(import_id)["validate_import"] is JobState.SUCCEEDED, "a pause stops claims, not applies"
    assert world.states_of(import_id)["create_client"] is JobState.QUEUED


def test_messages_without_a_job_to_claim_are_dropped(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    for asked_for in (job_id, job_id, uuid4(), job_id):
        runner(world, kinds=stub()).run(asked_for)
    assert outcomes(world, job_id) == ["succeeded"]
    assert count(world, "import_events") == 1


def test_a_message_that_comes_many_times_at_once_is_one_run(world: World, simulator: SimulatorHandle) -> None:
    import_id = world.ask(importable(simulator)[0].uuid)
    job_id = only_job(world, import_id).id

    def run() -> None:
        runner(world).run(job_id)

    assert failures(at_once(run, run, run, run)) == []
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert [count(world, table) for table in ("clients", "xpm_links", "import_events")] == [1, 1, 1]
    assert outcomes(world, job_id) == ["succeeded"]


def test_a_job_is_shown_in_progress_while_it_runs(world: World) -> None:
    seen = []
    import_id = world.ask(uuid4())
    assert world.import_row(import_id).state is ImportState.ACCEPTED
    fetch = lambda *_: seen.append(world.import_row(import_id).state)  # noqa: E731
    runner(world, kinds=stub(fetch)).run(only_job(world, import_id).id)
    assert seen == [ImportState.IN_PROGRESS]


def test_a_jobs_lease_is_renewed_while_it_fetches(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    left = []
    one = runner(world)

    def fetch(*_: object) -> None:
        world.pass_time(8)
        one._leases.renew()
        row = job(world, job_id)
        assert row.lease_until is not None
        left.append((row.lease_until - world.services.sources.now()).total_seconds())

    one._handlers = stub(fetch)
    one.run(job_id)
    one._leases.renew()
    assert len(left) == 1
    assert left[0] > 5
