"""Cancelling: before creation nothing is created, after it what was created stays; an email that is being sent goes out."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest

from handlers.access.invitation import LINK_VALID_SECONDS
from handlers.errors import RequestRefused
from handlers.imports.cancel import cancel
from portal_db import welcome_emails
from portal_db.states import EmailState, ImportState, JobState
from portal_db.welcome_emails import Intent
from portal_db.work import jobs
from tests.handlers.given import run_only, run_with_interruption, take_back_lost
from tests.handlers.operations import given as ops
from tests.making import claimed, importable
from tests.racing import at_once
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


def created(world: World, simulator: SimulatorHandle, **fields: Any) -> UUID:
    """An import whose client exists, and nothing else of it yet."""
    import_id = ops.ask(world, simulator, **fields)
    for kind in ("validate_import", "create_client"):
        run_only(world, import_id, kind)
    return import_id


def test_before_anything_was_created(world: World, simulator: SimulatorHandle) -> None:
    act = ops.operator(world)
    import_id = ops.ask(world, simulator)
    done = cancel(world.database, act, import_id)
    assert (done.state, done.jobs, done.email_goes_out) == (ImportState.CANCELLED, 1, False)
    assert ops.holds_together(world, import_id) is ImportState.CANCELLED
    world.run_due()
    assert world.scalar("select count(*) from clients") == 0
    assert ("import.cancel", "accepted", "cancelled", "ticket 7") in ops.history_of(world, "import", import_id)
    ops.refused(lambda: cancel(world.database, act, import_id), "import_closed")
    ops.refused(lambda: cancel(world.database, act, uuid4()), "unknown_import")


def test_after_creation_what_exists_stays(world: World, simulator: SimulatorHandle) -> None:
    act = ops.operator(world)
    import_id = created(world, simulator, send_welcome_email=True)
    assert cancel(world.database, act, import_id).state is ImportState.PARTLY_SUCCEEDED
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.PARTLY_SUCCEEDED
    assert world.scalar("select count(*) from clients") == 1
    assert ops.email_of(world, import_id).state is EmailState.CANCELLED
    assert world.mail.deliveries() == []
    assert {job.lease_token for job in world.jobs_of(import_id).values() if job.state is JobState.CANCELLED} == {None}


@pytest.mark.parametrize("kind", ["validate_import", "create_client"])
def test_whoever_runs_a_job_of_it_writes_nothing(world: World, simulator: SimulatorHandle, kind: str) -> None:
    """Cancelled between fetch and apply."""
    act = ops.operator(world)
    import_id = ops.ask(world, simulator)
    if kind == "create_client":
        run_only(world, import_id, "validate_import")
    run_with_interruption(world, import_id, kind, lambda: cancel(world.database, act, import_id))
    world.run_due()
    assert ops.holds_together(world, import_id) is ImportState.CANCELLED
    assert world.scalar("select count(*) from clients") == 0


def test_a_cancel_and_a_job_s_finish_at_once(world: World, simulator: SimulatorHandle) -> None:
    """Either the client exists and the rest is cancelled, or there is none and nothing was created."""
    act = ops.operator(world)
    for person in range(4):
        import_id = ops.ask(world, simulator, person=person)
        run_only(world, import_id, "validate_import")
        job_id = world.jobs_of(import_id)["create_client"].id
        _, cancelled = at_once(partial(world.runner().run, job_id), partial(cancel, world.database, act, import_id))
        if isinstance(cancelled, RequestRefused):
            assert cancelled.code == "import_closed"
        state = ops.holds_together(world, import_id)
        is_created = world.import_row(import_id).client_id is not None
        assert (state is ImportState.CANCELLED) is not is_created
        assert not state.is_open


def begin_to_send(world: World, import_id: UUID) -> Intent:
    """A worker has committed its intent, and talks to the mail server."""
    email = ops.email_of(world, import_id)
    lease = claimed(world, world.jobs_of(import_id)[ops.EMAIL].id)
    intent = Intent(email.id, lease.job_id, lease.token)
    address = ops.address_of(world, email)
    with world.database.write() as tx:
        assert welcome_emails.begin_sending(
            tx, intent, token_hash="0" * 64, valid_seconds=LINK_VALID_SECONDS, address=address
        )
    return intent


def test_an_email_that_is_being_sent_goes_out_and_the_rest_is_cancelled(
    world: World, simulator: SimulatorHandle
) -> None:
    act = ops.operator(world)
    import_id = created(world, simulator, send_welcome_email=True)
    begin_to_send(world, import_id)
    done = cancel(world.database, act, import_id)
    assert (done.state, done.email_goes_out) == (ImportState.IN_PROGRESS, True)
    assert world.states_of(import_id)[ops.EMAIL] is JobState.RUNNING
    assert world.states_of(import_id)["import_details"] is JobState.CANCELLED
    # All that is left of it is the email, and it says so
    ops.refused(lambda: cancel(world.database, act, import_id), "email_being_sent")
    # Its worker dies: unknown, as ever, and nothing is hidden
    take_back_lost(world)
    world.run_due()
    assert ops.email_of(world, import_id).state is EmailState.UNKNOWN
    assert ops.holds_together(world, import_id) is ImportState.PARTLY_SUCCEEDED


def test_a_cancel_and_the_begin_of_sending_at_once(world: World, simulator: SimulatorHandle) -> None:
    """Either it is called off and never begun, or it is begun and not called off."""
    act = ops.operator(world)
    import_id = created(world, simulator, send_welcome_email=True)
    for kind in ("import_details", "import_relationships"):
        run_only(world, import_id, kind)
    email = ops.email_of(world, import_id)
    lease = claimed(world, world.jobs_of(import_id)[ops.EMAIL].id)
    intent, address = Intent(email.id, lease.job_id, lease.token), ops.address_of(world, email)

    def begin() -> bool:
        with world.database.write() as tx:
            return welcome_emails.begin_sending(tx, intent, token_hash="0" * 64, valid_seconds=60, address=address)

    begun, cancelled = at_once(begin, lambda: cancel(world.database, act, import_id))
    assert ops.email_of(world, import_id).state is (EmailState.SENDING if begun else EmailState.CANCELLED)
    assert isinstance(cancelled, RequestRefused) is begun
    assert ops.holds_together(world, import_id).is_open is begun


@pytest.mark.parametrize("is_begun", [False, True])
def test_an_import_of_items_leaves_the_welcome_email_of_the_import_before_alone(
    sqlite_world: World, simulator: SimulatorHandle, *, is_begun: bool
) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    made = created(world, simulator, send_welcome_email=True)
    brought = ops.bring_details(world, made)
    if is_begun:
        begin_to_send(world, made)
    done = cancel(world.database, act, brought)
    assert (done.email_goes_out, done.state.is_open) == (False, False)
    assert ops.email_of(world, made).state is (EmailState.SENDING if is_begun else EmailState.PENDING)
    if not is_begun:
        world.run_due()
        assert len(world.mail.deliveries()) == 1


def test_a_cancelled_row_lets_the_next_row_of_its_batch_have_the_email(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    rows = [world.request(importable(simulator)[number].uuid, email="one@moss.example") for number in range(2)]
    first, second = world.ask_batch(rows)
    cancel(world.database, act, first)
    world.run_due()
    assert ops.holds_together(world, first) is ImportState.CANCELLED
    assert ops.holds_together(world, second) is ImportState.SUCCEEDED


def test_a_cancelled_import_is_not_amended_but_asked_for_again(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator)
    cancel(world.database, act, import_id)
    again = ops.ask(world, simulator)
    world.run_due()
    assert ops.holds_together(world, again) is ImportState.SUCCEEDED
    with world.database.read() as tx:
        assert [job.state for job in jobs.of_import(tx, import_id)] == [JobState.CANCELLED]
