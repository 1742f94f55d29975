"""One line of the log for each job's outcome, with its import, however the job ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
import structlog
from structlog.testing import capture_logs

from config.tracing import TRACE
from handlers.errors import Transient
from tests.counts import growth
from tests.handlers.directory.given import synced
from tests.logging_restored import logging_restored
from tests.making import importable, take_back
from tests.worker.runner.running import only_job, raising, runner, stub
from tests.worker.runner.test_sets import ask, first_jobs
from tests.world import World
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def logged() -> Iterator[Sequence[dict[str, Any]]]:
    """The log's events, each row of a set's as an event of its own."""
    found: list[dict[str, Any]] = []

    def keep(_: object, __: str, event: Any) -> Any:
        rows = event.pop("_rows", None)
        found.extend({**event, **row} for row in rows or [{}])
        raise structlog.DropEvent

    with logging_restored():
        structlog.configure(processors=[structlog.contextvars.merge_contextvars, keep])
        yield found


def outcomes_of(logged: Sequence[dict[str, Any]], kind: str) -> list[tuple[str, UUID, UUID]]:
    return [
        (event["event"], UUID(event["job"]), UUID(event["import_id"]))
        for event in logged
        if event["event"] in ("job.succeeded", "job.failed") and event["kind"] == kind
    ]


def test_each_job_of_a_set_has_its_line(
    sqlite_world: World, simulator: SimulatorHandle, logged: Sequence[dict[str, Any]]
) -> None:
    # Given a set in which one request is refused: it asks for the first one's record
    world = sqlite_world
    synced(world)
    people = importable(simulator)
    import_ids = ask(world, [people[0], people[0], people[1]])
    job_ids = first_jobs(world, import_ids)
    # When it runs
    runner(world).run(*job_ids)
    # Then each job is named once, with its import, and the reason of a refusal
    said = outcomes_of(logged, "validate_import")
    assert said == [
        ("job.succeeded", job_ids[0], import_ids[0]),
        ("job.succeeded", job_ids[2], import_ids[2]),
        ("job.failed", job_ids[1], import_ids[1]),
    ]
    [refused] = [event for event in logged if event["event"] == "job.failed"]
    assert (refused["code"], refused["error_class"]) == ("already_being_imported", "rejected")
    assert len(outcomes_of(logged, "create_client")) == 2


def test_a_failure_is_said_once_it_is_recorded(
    sqlite_world: World, simulator: SimulatorHandle, logged: Sequence[dict[str, Any]]
) -> None:
    world = sqlite_world
    import_id = world.ask(importable(simulator)[0].uuid)
    job = only_job(world, import_id)
    runner(world, kinds=stub(raising(Transient("xpm_down", "It did not answer.")))).run(job.id)
    assert outcomes_of(logged, "validate_import") == [("job.failed", job.id, import_id)]


def test_each_email_of_a_set_has_its_line(
    sqlite_world: World, simulator: SimulatorHandle, logged: Sequence[dict[str, Any]]
) -> None:
    # Given three clients whose emails wait, one of them for an address that does not exist
    world = sqlite_world
    synced(world)
    people = importable(simulator)[:3]
    import_ids = ask(world, people, send_welcome_email=True)
    runner(world).run(*first_jobs(world, import_ids))
    emails = [world.jobs_of(import_id)["send_welcome_email"].id for import_id in import_ids]
    world.mail.behave(Behaviour(refuse={people[1].email: "550 5.1.1 No such mailbox"}))
    # When they are sent as a set
    runner(world).run(*emails)
    # Then each is named once
    said = sorted(outcomes_of(logged, "send_welcome_email"), key=lambda outcome: emails.index(outcome[1]))
    events = ["job.succeeded", "job.failed", "job.succeeded"]
    assert said == [(event, *ids) for event, ids in zip(events, zip(emails, import_ids, strict=True), strict=True)]


def test_a_failure_that_is_not_ours_to_record_is_not_said(
    sqlite_world: World, simulator: SimulatorHandle, logged: Sequence[dict[str, Any]]
) -> None:
    # Given a job that is taken back while it fetches
    world = sqlite_world
    job = only_job(world, world.ask(importable(simulator)[0].uuid))

    def fetch(*_: object) -> None:
        world.pass_time(11)
        take_back(world)
        raise Transient("xpm_down", "It did not answer.")

    # When the late worker finds that it fails
    runner(world, kinds=stub(fetch)).run(job.id)
    # Then only the lost lease is said
    assert [event["event"] for event in logged if event.get("job") == str(job.id)] == ["job.lease_lost"]


def test_a_set_costs_one_event_of_the_log(sqlite_world: World, simulator: SimulatorHandle) -> None:
    synced(sqlite_world)
    import_ids = ask(sqlite_world, importable(simulator)[:6])
    with capture_logs() as events:
        runner(sqlite_world).run(*first_jobs(sqlite_world, import_ids))
    assert [event["event"] for event in events].count("job.succeeded") == 4  # a set for each of the four kinds


def test_jobs_that_share_a_transaction_are_each_said_and_counted_by_their_kind(
    sqlite_world: World, simulator: SimulatorHandle, logged: Sequence[dict[str, Any]]
) -> None:
    kinds = ["validate_import", "create_client", "import_details", "import_relationships"]
    counts = [growth("job_attempts_total", kind=kind, outcome="succeeded") for kind in kinds]
    job = only_job(sqlite_world, sqlite_world.ask(importable(simulator)[0].uuid))
    runner(sqlite_world).run(job.id)
    assert [event["kind"] for event in logged if event["event"] == "job.succeeded"] == kinds
    assert [count() for count in counts] == [1, 1, 1, 1]


def test_an_import_is_one_trace_from_its_request_through_every_job(
    sqlite_world: World, simulator: SimulatorHandle, logged: Sequence[dict[str, Any]]
) -> None:
    # Given two requests, one of which belongs to a caller's trace
    world = sqlite_world
    people = importable(simulator)
    token = TRACE.set("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    traced = world.ask(people[0].uuid, send_welcome_email=True)
    TRACE.reset(token)
    other = world.ask(people[1].uuid)
    # When all their jobs have run
    world.run_due()
    # Then each import has one trace, and every line about its jobs names it
    found = {
        import_id: {job.trace_context for job in world.jobs_of(import_id).values()} for import_id in (traced, other)
    }
    assert found[traced] == {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
    assert len(found[other]) == 1
    assert found[other] != found[traced]
    said = [event for event in logged if event["event"] == "job.succeeded" and event["import_id"] == str(traced)]
    assert len(said) == len(world.jobs_of(traced))
    assert {event["trace"] for event in said} == {"4bf92f3577b34da6a3ce929d0e0e4736"}
