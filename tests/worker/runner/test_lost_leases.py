"""A worker that lost its lease, whenever that happens, leaves nothing behind; the job is done once all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.errors import Rejected, Transient
from handlers.imports.settle import settle
from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.states import ImportState, JobState
from portal_db.tables import Job
from portal_db.work import imports, jobs
from tests.handlers.one_job import fetch_one
from tests.making import importable, job, set_job, take_back
from tests.worker.runner.running import changed, count, only_job, outcomes, runner, stub
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

TABLES = ("clients", "logins", "xpm_links", "client_visibility", "import_events")


def counts(world: World) -> list[object]:
    return [count(world, table) for table in TABLES]


def interrupted(world: World, kind: str, interruption: Callable[[UUID], object]) -> Any:
    """A runner whose fetch of this kind is cut short by something that happens elsewhere; then it goes on."""

    def fetch(services: Services, row: Job) -> Any:
        fetched = fetch_one(HANDLERS[kind], services, row)
        interruption(row.id)
        return fetched

    return runner(world, owner="slow", kinds=changed(**{kind: {"fetch": fetch}}))


def lose_lease(world: World) -> None:
    world.pass_time(11)
    assert len(take_back(world)) == 1


def test_an_effect_without_a_lease_is_rolled_back(world: World, simulator: SimulatorHandle) -> None:
    import_id = world.ask(importable(simulator)[0].uuid)
    before = counts(world)
    slow = interrupted(world, "create_client", lambda _: lose_lease(world))
    slow.run(only_job(world, import_id).id)
    assert counts(world) == before
    create = world.jobs_of(import_id)["create_client"]
    assert (create.state, create.lost_leases, create.attempts) == (JobState.QUEUED, 1, 0)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert counts(world) == [1, 2, 1, 1, 1]
    assert outcomes(world, create.id) == ["lease_lost", "succeeded"]


def test_a_late_finish_after_the_job_was_done_elsewhere_changes_nothing(
    world: World, simulator: SimulatorHandle
) -> None:
    def done_elsewhere(_: UUID) -> None:
        lose_lease(world)
        world.run_due()

    import_id = world.ask(importable(simulator)[0].uuid)
    interrupted(world, "create_client", done_elsewhere).run(only_job(world, import_id).id)
    assert counts(world) == [1, 2, 1, 1, 1]
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert outcomes(world, world.jobs_of(import_id)["create_client"].id) == ["lease_lost", "succeeded"]
    assert world.run_due() == 0


@pytest.mark.parametrize("error", [Transient("slow", "Too slow."), Rejected("no", "No."), RuntimeError("bug")])
def test_a_late_failure_changes_nothing(world: World, error: Exception) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id

    def fetch(*_: object) -> None:
        lose_lease(world)
        runner(world, owner="quick", kinds=stub()).run(job_id)
        raise error

    runner(world, owner="slow", kinds=stub(fetch)).run(job_id)
    assert (job(world, job_id).state, job(world, job_id).error_code) == (JobState.SUCCEEDED, None)
    assert outcomes(world, job_id) == ["lease_lost", "succeeded"]
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_a_cancel_while_a_job_runs_wins(world: World, simulator: SimulatorHandle) -> None:
    def cancel(_: UUID) -> None:
        with world.database.write() as tx:
            row = imports.lock(tx, import_id)
            jobs.cancel_open(tx, import_id)
            settle(tx, row)

    import_id = world.ask(importable(simulator)[0].uuid)
    interrupted(world, "create_client", cancel).run(only_job(world, import_id).id)
    assert counts(world) == [0, 1, 0, 0, 1]
    row = world.import_row(import_id)
    assert (row.state, row.outcome_code) == (ImportState.CANCELLED, "cancelled")
    assert world.run_due() == 0


def test_a_worker_that_dies_after_its_claim_loses_nothing(world: World, simulator: SimulatorHandle) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt  # leaves the runner as a killed process would: nothing is recorded

    import_id = world.ask(importable(simulator)[0].uuid)
    with pytest.raises(KeyboardInterrupt):
        runner(world, kinds=changed(create_client={"fetch": die})).run(only_job(world, import_id).id)
    assert world.run_due() == 0, "its lease still runs"
    lose_lease(world)
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED


def test_a_job_that_lost_its_lease_twice_is_run_alone(world: World) -> None:
    alone: list[UUID] = []
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    set_job(world, job_id, lost_leases=2)
    runner(world, kinds=stub(), run_isolated=alone.append).run(job_id)
    assert alone == [job_id]
    assert job(world, job_id).state is JobState.QUEUED, "not run here"


def test_a_job_that_lost_its_lease_once_is_not(world: World) -> None:
    alone: list[UUID] = []
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    set_job(world, job_id, lost_leases=1)
    runner(world, kinds=stub(), run_isolated=alone.append).run(job_id)
    assert alone == []
    assert job(world, job_id).state is JobState.SUCCEEDED
