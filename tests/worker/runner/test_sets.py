"""Sets: jobs of one kind and practice that run at once, and never at each other's expense."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers import refusals
from handlers.errors import Rejected
from handlers.imports.settle import settle
from handlers.jobs.handler import BY_ITSELF, Handler, Result, Task
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.database import Tx
from portal_db.states import ImportState, JobState
from portal_db.tables import Job
from portal_db.work import imports, jobs
from tests.handlers.directory.given import synced
from tests.handlers.given import find, link_entity
from tests.making import importable, job, set_job, take_back
from tests.servers.statements import executed
from tests.worker.runner.running import count, flaky, outcomes, runner
from tests.world import World
from xpm.simulator.practice.model import Client
from xpm.simulator.serve import SimulatorHandle

KIND = "validate_import"
DONE = {
    KIND: JobState.SUCCEEDED,
    "create_client": JobState.SUCCEEDED,
    "import_details": JobState.SUCCEEDED,
    "import_relationships": JobState.SUCCEEDED,
}


def ask(world: World, people: Sequence[Client], **fields: Any) -> list[UUID]:
    """A batch of people."""
    return list(world.ask_batch([world.request(each.uuid, **fields) for each in people], key=uuid4().hex))


def first_jobs(world: World, import_ids: Sequence[UUID]) -> list[UUID]:
    return [world.jobs_of(import_id)[KIND].id for import_id in import_ids]


def run_counting(world: World, import_ids: Sequence[UUID]) -> int:
    """Run the imports' first jobs as a set. Returns the number of statements, one for each execution."""
    job_ids = first_jobs(world, import_ids)
    with executed(world.database.engine) as seen:
        runner(world).run(*job_ids)
    return len(seen)


def spoiled(job_id: UUID, error: Exception) -> dict[str, Any]:
    """A table in which the validation of one job raises an error that nobody foresees."""

    def apply(tx: Tx, tasks: Sequence[Task]) -> Sequence[Result]:
        if job_id in {task.job.id for task in tasks}:
            raise error
        return HANDLERS[KIND].apply(tx, tasks)

    return {**HANDLERS, KIND: replace(HANDLERS[KIND], apply=apply)}


def test_a_set_runs_on_as_a_set_to_its_end_in_the_lane(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:6])
    runner(world).run(*first_jobs(world, import_ids))
    assert [world.states_of(import_id) for import_id in import_ids] == 6 * [DONE]
    creations = [world.jobs_of(import_id)["create_client"] for import_id in import_ids]
    assert [outcomes(world, creation.id) for creation in creations] == 6 * [["succeeded"]]
    assert len({creation.lease_token for creation in creations}) == 6, "each job has its own lease"
    world.run_due()
    assert {world.import_row(import_id).state for import_id in import_ids} == {ImportState.SUCCEEDED}
    assert count(world, "import_events") == 6


def test_what_follows_a_set_is_done_before_the_next_begins(world: World, simulator: SimulatorHandle) -> None:
    """So that the first imports of a batch are through soon."""
    synced(world)
    ran: list[str] = []

    def noted(kind: str, handler: Handler) -> Handler:
        def apply(tx: Tx, tasks: Sequence[Task]) -> Sequence[Result]:
            ran.append(kind)
            return handler.apply(tx, tasks)

        return replace(handler, apply=apply)

    # Given a batch with a person and a company
    person = importable(simulator)[0]
    company = find(simulator, lambda each: each.business_structure == "Company" and not each.is_archived)
    rows = [world.request(person.uuid), world.request(company.uuid, "entity")]
    import_ids = world.ask_batch(rows, key=uuid4().hex)
    # When their set runs, which falls into two
    kinds = {kind: noted(kind, handler) for kind, handler in HANDLERS.items()}
    runner(world, kinds=kinds).run(*first_jobs(world, import_ids))
    # Then one is through before the other begins: first the company, whose import then closes, since it has no email
    items = ["import_details", "import_relationships"]
    assert ran == [KIND, "create_entity", *items, "create_client", *items]


@pytest.mark.parametrize("sends_email", [True, False])
def test_the_emails_of_a_set_wake_the_relay(world: World, simulator: SimulatorHandle, sends_email: bool) -> None:
    """Otherwise it would ring them up to a tenth of a second later."""
    # Given a batch, with emails or without any
    synced(world)
    import_ids = ask(world, importable(simulator)[:3], send_welcome_email=sends_email)
    woken = world.bell.wakes
    # When its jobs have run as a set
    runner(world).run(*first_jobs(world, import_ids))
    # Then the relay is woken once if there is an email to ring
    assert world.bell.wakes - woken == sends_email


def test_a_set_costs_as_many_statements_whatever_its_size_and_no_call(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    people = importable(simulator)
    calls = dict(simulator.simulator.counters.calls)
    few = run_counting(world, ask(world, people[:3]))
    many = run_counting(world, ask(world, people[3:17]))
    assert many <= few
    assert dict(simulator.simulator.counters.calls) == calls
    assert count(world, "clients") == 17


def test_a_refusal_is_one_job_s(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    people = importable(simulator)
    import_ids = ask(world, [people[0], people[0], people[1]])  # the second row asks for the first one's record
    job_ids = first_jobs(world, import_ids)
    runner(world).run(*job_ids)
    states = [world.import_row(import_id).state for import_id in import_ids]
    assert states == [ImportState.SUCCEEDED, ImportState.REJECTED, ImportState.SUCCEEDED]
    assert world.import_row(import_ids[1]).outcome_code == "already_being_imported"
    refused = job(world, job_ids[1])
    assert (refused.state, refused.attempts, refused.error_code) == (JobState.REJECTED, 1, "already_being_imported")
    assert [outcomes(world, job_id) for job_id in job_ids] == [["succeeded"], ["rejected"], ["succeeded"]]


def test_of_two_rows_of_a_set_that_want_one_email_the_first_gets_it(world: World, simulator: SimulatorHandle) -> None:
    """b.10, whatever order the message names them in."""
    synced(world)
    import_ids = ask(world, importable(simulator)[:3], email="family@mail.example")
    runner(world).run(*reversed(first_jobs(world, import_ids)))
    world.run_due()
    ends = [(row.state, row.outcome_code) for row in (world.import_row(import_id) for import_id in import_ids)]
    assert ends == [
        (ImportState.SUCCEEDED, None),
        (ImportState.REJECTED, "email_taken"),
        (ImportState.REJECTED, "email_taken"),
    ]


def test_something_unforeseen_is_one_job_s(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:4])
    job_ids = first_jobs(world, import_ids)
    runner(world, kinds=spoiled(job_ids[2], RuntimeError())).run(*job_ids)
    assert [job(world, job_id).state for job_id in job_ids] == [
        JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.DEAD, JobState.SUCCEEDED,
    ]  # fmt: skip
    assert [outcomes(world, job_id) for job_id in job_ids] == [
        ["succeeded"],
        ["succeeded"],
        ["permanent"],
        ["succeeded"],
    ]
    assert count(world, "clients") == 3


def test_a_record_that_was_linked_meanwhile_costs_the_others_nothing(world: World, simulator: SimulatorHandle) -> None:
    """The unique index refuses one link of the set: run by itself, its job is refused, and the others are done."""
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    runner(world, kinds={KIND: HANDLERS[KIND]}).run(*first_jobs(world, import_ids))
    job_ids = [world.jobs_of(import_id)["create_client"].id for import_id in import_ids]
    link_entity(world, world.import_row(import_ids[1]).xpm_uuid)
    runner(world).run(*job_ids)
    assert [job(world, job_id).state for job_id in job_ids] == [
        JobState.SUCCEEDED, JobState.REJECTED, JobState.SUCCEEDED,
    ]  # fmt: skip
    assert world.import_row(import_ids[1]).outcome_code == "already_linked"


def test_a_job_whose_lease_is_lost_is_left_out_with_its_effect(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)

    def fetch(services: Services, jobs: Sequence[Job]) -> Sequence[Any]:
        found = HANDLERS[KIND].fetch(services, jobs)
        if len(jobs) == 3:
            set_job(world, job_ids[2], lease_token=uuid4())
        return found

    kinds = {**HANDLERS, KIND: replace(HANDLERS[KIND], fetch=fetch)}
    runner(world, kinds=kinds).run(*job_ids)
    states = [job(world, job_id).state for job_id in job_ids]
    assert states == [JobState.SUCCEEDED, JobState.SUCCEEDED, JobState.RUNNING]
    assert world.states_of(import_ids[2]) == {KIND: JobState.RUNNING}
    assert count(world, "clients") == 2


def test_a_commit_that_failed_is_tried_again_though_another_job_of_the_set_was_cancelled(
    world: World, simulator: SimulatorHandle
) -> None:
    """The cancel is recorded under the token of our lease: it is not our COMMIT."""
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)
    with flaky(world) as (database, services):

        def fetch(services: Services, rows: Sequence[Job]) -> Sequence[Any]:
            found = HANDLERS[KIND].fetch(services, rows)
            with world.database.write() as tx:
                row = imports.lock(tx, import_ids[2])
                jobs.cancel_open(tx, import_ids[2])
                settle(tx, row)
            database.lost_commits = 1
            return found

        kinds = {KIND: replace(HANDLERS[KIND], fetch=fetch)}
        runner(world, kinds=kinds, services=services).run(*job_ids)
    assert [outcomes(world, job_id) for job_id in job_ids] == [["succeeded"], ["succeeded"], ["cancelled"]]


def test_a_failure_of_a_set_is_recorded_though_all_other_leases_are_lost(
    world: World, simulator: SimulatorHandle
) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)

    def fetch(services: Services, rows: Sequence[Job]) -> Sequence[Any]:
        found = HANDLERS[KIND].fetch(services, rows)
        for job_id in job_ids[1:]:
            set_job(world, job_id, lease_token=uuid4())
        return [Rejected("no", "No."), *found[1:]]

    runner(world, kinds={**HANDLERS, KIND: replace(HANDLERS[KIND], fetch=fetch)}).run(*job_ids)
    states = [job(world, job_id).state for job_id in job_ids]
    assert states == [JobState.REJECTED, JobState.RUNNING, JobState.RUNNING]


def test_a_job_that_has_lost_a_lease_is_not_claimed_in_a_set(world: World, simulator: SimulatorHandle) -> None:
    """It may be the one that ended its worker, and must not put others under suspicion (P14)."""
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)
    set_job(world, job_ids[0], lost_leases=1)
    runner(world).run(*job_ids)
    assert [job(world, job_id).state for job_id in job_ids] == [
        JobState.QUEUED, JobState.SUCCEEDED, JobState.SUCCEEDED,
    ]  # fmt: skip
    runner(world).run(job_ids[0])
    assert job(world, job_ids[0]).state is JobState.SUCCEEDED


def test_a_worker_that_dies_with_a_set_costs_each_job_one_lease_and_no_work(
    world: World, simulator: SimulatorHandle
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> Any:
        raise Killed

    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    kinds = {**HANDLERS, "create_client": replace(HANDLERS["create_client"], apply=die)}
    with pytest.raises(Killed):
        runner(world, owner="doomed", kinds=kinds).run(*first_jobs(world, import_ids))
    world.pass_time(11)
    assert len(take_back(world)) == 3
    world.run_due()
    assert {world.import_row(import_id).state for import_id in import_ids} == {ImportState.SUCCEEDED}
    creations = [world.jobs_of(import_id)["create_client"].id for import_id in import_ids]
    assert [outcomes(world, job_id) for job_id in creations] == 3 * [["lease_lost", "succeeded"]]


def test_a_job_that_must_call_xpm_does_not_hold_up_the_others(world: World, simulator: SimulatorHandle) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)

    def fetch(services: Services, jobs: Sequence[Job]) -> Sequence[Any]:
        found = list(HANDLERS[KIND].fetch(services, jobs))
        return [*found[:2], BY_ITSELF] if len(jobs) == 3 else found

    kinds = {**HANDLERS, KIND: replace(HANDLERS[KIND], fetch=fetch)}
    runner(world, kinds=kinds).run(*job_ids)
    assert [world.states_of(import_id) for import_id in import_ids] == [DONE, DONE, {KIND: JobState.QUEUED}]


def test_what_was_given_back_for_its_own_call_is_not_run_apart(world: World, simulator: SimulatorHandle) -> None:
    # Given a set in which one job must call XPM by itself, and something unforeseen in the others
    synced(world)
    job_ids = first_jobs(world, ask(world, importable(simulator)[:3]))
    fetched: list[UUID] = []

    def fetch(services: Services, jobs: Sequence[Job]) -> Sequence[Any]:
        fetched.extend(each.id for each in jobs)
        found = list(HANDLERS[KIND].fetch(services, jobs))
        return [*found[:2], BY_ITSELF] if len(jobs) == 3 else found

    def apply(tx: Tx, tasks: Sequence[Task]) -> Sequence[Result]:
        if len(tasks) > 1:
            raise RuntimeError
        return HANDLERS[KIND].apply(tx, tasks)

    # When the set has run
    kinds = {**HANDLERS, KIND: replace(HANDLERS[KIND], fetch=fetch, apply=apply)}
    runner(world, kinds=kinds).run(*job_ids)
    # Then that job, which another worker may have by now, was not fetched for again
    assert fetched == [*job_ids, *job_ids[:2]]
    assert job(world, job_ids[2]).state is JobState.QUEUED


def test_what_is_not_run_apart_before_a_stop_goes_back_to_the_queue_uncounted(
    world: World, simulator: SimulatorHandle
) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)

    def apply(tx: Tx, tasks: Sequence[Task]) -> Sequence[Result]:
        if len(tasks) > 1:
            raise RuntimeError
        world.stopping.set()
        return HANDLERS[KIND].apply(tx, tasks)

    kinds = {**HANDLERS, KIND: replace(HANDLERS[KIND], apply=apply)}
    runner(world, kinds=kinds).run(*job_ids)
    world.stopping.clear()
    assert [job(world, job_id).state for job_id in job_ids] == [JobState.SUCCEEDED, JobState.QUEUED, JobState.QUEUED]
    assert [outcomes(world, job_id) for job_id in job_ids] == [["succeeded"], [], []]
    assert [job(world, job_id).lost_leases for job_id in job_ids] == [0, 0, 0]


@pytest.mark.parametrize("lost", ["lost_answers", "lost_commits"])
def test_a_commit_of_a_set_without_an_answer_is_read_back(world: World, simulator: SimulatorHandle, lost: str) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:3])
    job_ids = first_jobs(world, import_ids)
    with flaky(world) as (database, services):

        def fetch(_: Services, jobs: Sequence[Job]) -> Sequence[Any]:
            found = HANDLERS[KIND].fetch(world.services, jobs)
            setattr(database, lost, 1)
            return found

        kinds = {**HANDLERS, KIND: replace(HANDLERS[KIND], fetch=fetch)}
        runner(world, kinds=kinds, services=services).run(*job_ids)
    assert [world.states_of(import_id) for import_id in import_ids] == 3 * [DONE]
    assert [outcomes(world, job_id) for job_id in job_ids] == 3 * [["succeeded"]]


def test_a_message_that_mixes_practices_and_kinds_runs_each_by_itself(world: World, simulator: SimulatorHandle) -> None:
    """Nobody of ours writes one, but whoever can write to Redis can."""
    synced(world)
    people = importable(simulator)
    entity = next(c for c in simulator.simulator.practices[simulator.config.tenant_id].clients.values()
                  if c.business_structure == "Company" and not c.is_archived and not c.is_deleted)  # fmt: skip
    [done_id] = ask(world, people[:1])
    runner(world, kinds={KIND: HANDLERS[KIND]}).run(*first_jobs(world, [done_id]))
    [company_id] = world.ask_batch([world.request(entity.uuid, kind="entity")], key="company")
    runner(world).run(world.jobs_of(done_id)["create_client"].id, *first_jobs(world, [company_id]), uuid4())
    assert world.import_row(done_id).client_id is not None
    assert world.import_row(company_id).client_id is not None


def test_a_refusal_that_is_known_before_anything_is_written_is_one_job_s(
    world: World, simulator: SimulatorHandle
) -> None:
    synced(world)
    import_ids = ask(world, importable(simulator)[:2])
    job_ids = first_jobs(world, import_ids)

    def fetch(services: Services, jobs: Sequence[Job]) -> Sequence[Any]:
        found = list(HANDLERS[KIND].fetch(services, jobs))
        if len(jobs) == 2:
            found[0] = refusals.PERSON_ERASED()
        return found

    kinds = {**HANDLERS, KIND: replace(HANDLERS[KIND], fetch=fetch)}
    runner(world, kinds=kinds).run(*job_ids)
    assert [job(world, job_id).state for job_id in job_ids] == [JobState.REJECTED, JobState.SUCCEEDED]
    assert world.import_row(import_ids[0]).outcome_code == refusals.PERSON_ERASED().code
