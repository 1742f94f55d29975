"""A database that goes away at the worst moment: an unknown COMMIT is asked about, a failed one tried again."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from handlers.registry import HANDLERS
from handlers.services import Services
from portal_db.states import ImportState, JobState
from portal_db.tables import Job
from tests.handlers.one_job import fetch_one
from tests.making import claimed, importable, job, note, notes, take_back
from tests.worker.runner.running import FlakyDatabase, changed, count, flaky, only_job, outcomes, runner, stub
from tests.world import World
from worker.runner.runner import DATABASE_TRIES
from xpm.simulator.serve import SimulatorHandle


def arming(database: FlakyDatabase, **breaks: int) -> Any:
    """A fetch after which the database breaks so often: the next thing written is the effect."""

    def fetch(services: Services, row: Job) -> Any:
        fetched = fetch_one(HANDLERS["create_client"], services, row)
        for name, number in breaks.items():
            setattr(database, name, number)
        return fetched

    return changed(create_client={"fetch": fetch})


def test_a_commit_whose_answer_was_lost_is_not_repeated(world: World, simulator: SimulatorHandle) -> None:
    import_id = world.ask(importable(simulator)[0].uuid)
    with flaky(world) as (database, services), capture_logs() as logs:
        runner(world, kinds=arming(database, lost_answers=1), services=services).run(only_job(world, import_id).id)
        assert database.lost_answers == 0, "the answer was lost"
    create = world.jobs_of(import_id)["create_client"]
    assert outcomes(world, create.id) == ["succeeded"]
    assert [count(world, table) for table in ("clients", "xpm_links")] == [1, 1]
    events = {line["event"] for line in logs}
    assert not events & {"job.lease_lost", "job.failed"}, "what was committed is neither lost nor failed"


@pytest.mark.parametrize("refuses_then", [0, 1])
def test_after_a_lost_answer_the_import_goes_on(world: World, simulator: SimulatorHandle, refuses_then: int) -> None:
    import_id = world.ask(importable(simulator)[0].uuid)
    with flaky(world) as (database, services):
        breaks = arming(database, lost_answers=1, refuses_then=refuses_then)
        runner(world, kinds=breaks, services=services).run(only_job(world, import_id).id)
    assert world.states_of(import_id)["import_details"] is JobState.SUCCEEDED, "the follow-up that it claimed was run"
    world.run_due()
    assert world.import_row(import_id).state is ImportState.SUCCEEDED
    assert [count(world, table) for table in ("clients", "import_events")] == [1, 1]


def test_a_commit_that_failed_is_tried_again(world: World, simulator: SimulatorHandle) -> None:
    import_id = world.ask(importable(simulator)[0].uuid)
    with flaky(world) as (database, services):
        breaks = arming(database, lost_commits=DATABASE_TRIES - 1)
        runner(world, kinds=breaks, services=services).run(only_job(world, import_id).id)
    create = world.jobs_of(import_id)["create_client"]
    assert (create.state, create.attempts) == (JobState.SUCCEEDED, 0)
    assert outcomes(world, create.id) == ["succeeded"]
    assert count(world, "clients") == 1


def test_a_database_that_stays_away_for_long_costs_an_attempt(world: World) -> None:
    tried: list[None] = []

    def apply(tx: Any, *_: object) -> Any:
        note(tx)
        tried.append(None)
        return []

    import_id = world.ask(uuid4())
    with flaky(world) as (database, services):

        def fetch(*_: object) -> None:
            database.lost_commits = DATABASE_TRIES

        runner(world, kinds=stub(fetch, apply), services=services).run(only_job(world, import_id).id)
    found = only_job(world, import_id)
    assert len(tried) == DATABASE_TRIES
    assert notes(world) == 0
    assert (found.state, found.error_code, found.attempts) == (JobState.WAITING, "database_unavailable", 1)


def test_a_failure_that_cannot_be_recorded_is_left_to_the_lease(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    with flaky(world) as (database, services):

        def fetch(*_: object) -> None:
            database.lost_commits = 2 * DATABASE_TRIES

        runner(world, kinds=stub(fetch), services=services).run(job_id)
        assert database.lost_commits == 0
    assert job(world, job_id).state is JobState.RUNNING
    world.pass_time(11)
    assert take_back(world) == [job_id]
    runner(world, kinds=stub()).run(job_id)
    assert outcomes(world, job_id) == ["lease_lost", "succeeded"]


def test_a_failure_whose_answer_was_lost_is_recorded_once(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    with flaky(world) as (database, services):

        def fetch(*_: object) -> None:
            database.lost_answers = 1
            raise RuntimeError

        runner(world, kinds=stub(fetch), services=services).run(job_id)
    assert outcomes(world, job_id) == ["permanent"]
    assert job(world, job_id).attempts == 1
    assert count(world, "import_events") == 1


def test_a_claim_whose_answer_was_lost_is_read_back_and_the_job_run(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    with flaky(world) as (database, services):
        database.lost_answers = 1
        runner(world, kinds=stub(), services=services).run(job_id)
    assert outcomes(world, job_id) == ["succeeded"]


def test_a_claim_without_an_answer_that_somebody_else_won_is_left_alone(world: World) -> None:
    import_id = world.ask(uuid4())
    job_id = only_job(world, import_id).id
    with flaky(world) as (database, services):
        database.lost_commits = 1
        claimed(world, job_id, owner="other")
        runner(world, kinds=stub(), services=services).run(job_id)
    assert outcomes(world, job_id) == []
    assert job(world, job_id).lease_owner == "other"


def test_an_intent_whose_answer_was_lost_does_not_leave_the_email_unknown(
    world: World, simulator: SimulatorHandle
) -> None:
    """Nothing was sent before it, so there is nothing that nobody can know."""
    import_id = world.ask(importable(simulator)[0].uuid, send_welcome_email=True)
    runner(world).run(only_job(world, import_id).id)
    with flaky(world) as (database, services):

        def fetch(services: Services, row: Job) -> Any:
            database.lost_answers = 1
            return fetch_one(HANDLERS["send_welcome_email"], services, row)

        kinds = changed(send_welcome_email={"fetch": fetch})
        runner(world, kinds=kinds, services=services).run(world.jobs_of(import_id)["send_welcome_email"].id)
        assert database.lost_answers == 0
    assert len(world.mail.deliveries()) == 1
    assert world.states_of(import_id)["send_welcome_email"] is JobState.SUCCEEDED
