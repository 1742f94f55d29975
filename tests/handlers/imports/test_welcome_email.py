"""Emails of unknown outcome: exactly one more with a new link, or counted as delivered; either lets the import succeed."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from handlers.access.activation import activation_token
from handlers.access.tokens import hashed
from handlers.errors import RequestRefused
from handlers.imports.welcome_email import mark_delivered, resend
from handlers.operations.dead_letters import dismiss
from portal_db import welcome_emails
from portal_db.states import EmailState, ImportState, JobState
from portal_db.welcome_emails import Intent
from portal_db.work import jobs
from tests.handlers.given import run_only
from tests.handlers.operations import given as ops
from tests.making import claimed, set_job
from tests.racing import at_once
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


def test_one_more_email_goes_out_with_a_link_of_its_own(world: World, simulator: SimulatorHandle) -> None:
    # Given an email that did arrive, although nobody here knows
    act = ops.operator(world)
    import_id, email_id = ops.unknown_email(world, simulator, delivered=True)
    old_hash = ops.email_of(world, import_id).token_hash
    # When it is sent once more
    done = resend(world.database, act, email_id)
    assert (done.import_id, done.version, done.state) == (import_id, 2, ImportState.IN_PROGRESS)
    world.run_due()
    for _ in range(3):
        world.pass_time(24 * 3600)
        world.run_due()
    # Then exactly one more arrived, with another Message-ID and another link, and the old one is dead
    first, second = world.mail.deliveries()
    assert first.message_id != second.message_id
    email = ops.email_of(world, import_id)
    assert (email.state, email.version) == (EmailState.SENT, 2)
    assert email.token_hash == hashed(activation_token(world.services, email_id, 2)) != old_hash
    # And the import succeeded, in a new epoch, with its dead letter out
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert ops.events_of(world, import_id)[-1] == (2, ImportState.SUCCEEDED)
    assert world.scalar("select count(*) from jobs where state = 'dead'") == 0
    assert ops.history_of(world, "email", email_id) == [
        ("email.resend", "unknown, version 1", "pending, version 2", "ticket 7")
    ]


def test_an_email_that_arrived_lets_its_import_succeed(world: World, simulator: SimulatorHandle) -> None:
    act = ops.operator(world)
    import_id, email_id = ops.unknown_email(world, simulator, delivered=True)
    before = ops.email_of(world, import_id)
    done = mark_delivered(world.database, act, email_id)
    assert done.state is ImportState.SUCCEEDED
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    world.run_due()
    assert len(world.mail.deliveries()) == 1
    # Its link still works, and it counts as sent when it was begun
    after = ops.email_of(world, import_id)
    assert (after.state, after.token_hash) == (EmailState.SENT, before.token_hash)
    assert after.sent_at is not None
    assert after.token_expires_at is not None
    assert after.token_expires_at - after.sent_at == timedelta(days=30)
    job = world.jobs_of(import_id)[ops.EMAIL]
    assert (job.state, job.error_code) == (JobState.SUCCEEDED, None)
    assert ops.history_of(world, "job", job.id) == [("job.done", "dead", "succeeded", "ticket 7")]
    # And it is decided for good
    ops.refused(lambda: mark_delivered(world.database, act, email_id), "not_unknown")
    ops.refused(lambda: resend(world.database, act, email_id), "email_sent")


def test_another_dead_letter_keeps_the_import_partly_done_for_its_own_reason(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    """It stays in the state it was closed in: no second close, but the reason is the one that is left."""
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id, email_id = ops.unknown_email(world, simulator)
    details = world.jobs_of(import_id)["import_details"]
    set_job(world, details.id, state=JobState.DEAD, error_code="bug", error_message="Something broke.")
    mark_delivered(world.database, act, email_id)
    assert ops.holds_together(world, import_id) is ImportState.PARTLY_SUCCEEDED
    assert world.import_row(import_id).outcome_code == "bug"
    assert len(ops.events_of(world, import_id)) == 1


def test_a_dismissed_dead_letter_leaves_its_email_to_be_decided(
    sqlite_world: World, simulator: SimulatorHandle
) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id, email_id = ops.unknown_email(world, simulator, delivered=True)
    dismiss(world.database, act, world.jobs_of(import_id)[ops.EMAIL].id)
    assert ops.email_of(world, import_id).state is EmailState.UNKNOWN
    assert mark_delivered(world.database, act, email_id).state is ImportState.SUCCEEDED
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED


def test_of_two_who_resend_one_email_one_is_told_and_one_email_goes_out(
    world: World, simulator: SimulatorHandle
) -> None:
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    import_id, email_id = ops.unknown_email(world, simulator)
    results = at_once(lambda: resend(world.database, ada, email_id), lambda: resend(world.database, bo, email_id))
    [refusal] = [result for result in results if isinstance(result, Exception)]
    assert isinstance(refusal, RequestRefused)
    assert refusal.code == "email_under_way"
    world.run_due()
    assert len(world.mail.deliveries()) == 1
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED


def test_resending_and_marking_at_once(world: World, simulator: SimulatorHandle) -> None:
    ada, bo = ops.operator(world, "Ada"), ops.operator(world, "Bo")
    import_id, email_id = ops.unknown_email(world, simulator)
    results = at_once(
        lambda: resend(world.database, ada, email_id), lambda: mark_delivered(world.database, bo, email_id)
    )
    assert sum(isinstance(result, RequestRefused) for result in results) == 1
    world.run_due()
    assert len(world.mail.deliveries()) == (0 if isinstance(results[0], RequestRefused) else 1)
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED


def test_what_is_not_to_be_sent_again(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    for kind in ops.BEFORE_EMAIL:
        run_only(world, import_id, kind)
    email_id = ops.email_of(world, import_id).id
    ops.refused(lambda: resend(world.database, act, email_id), "email_under_way")
    ops.refused(lambda: mark_delivered(world.database, act, email_id), "not_unknown")
    world.run_due()
    ops.refused(lambda: resend(world.database, act, email_id), "email_sent")
    ops.refused(lambda: resend(world.database, act, uuid4()), "unknown_email")
    # After 30 days its link leads nowhere, and one more may go out
    world.pass_time(31 * 24 * 3600)
    ops.activate(world)
    ops.refused(lambda: resend(world.database, act, email_id), "login_activated")


def test_a_link_that_ran_out_may_be_sent_again(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world, act = sqlite_world, ops.operator(sqlite_world)
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    world.run_due()
    world.pass_time(31 * 24 * 3600)
    resend(world.database, act, ops.email_of(world, import_id).id)
    world.run_due()
    assert len(world.mail.deliveries()) == 2
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED


@pytest.mark.parametrize("what", ["cancelled", "taken back"])
def test_a_worker_whose_job_is_gone_does_not_begin_to_send(
    sqlite_world: World, simulator: SimulatorHandle, what: str
) -> None:
    """It had read the letter; the intent is committed under the lease, so it finds that out before it sends."""
    world = sqlite_world
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    for kind in ops.BEFORE_EMAIL:
        run_only(world, import_id, kind)
    lease = claimed(world, world.jobs_of(import_id)[ops.EMAIL].id)
    email = ops.email_of(world, import_id)
    intent, address = Intent(email.id, lease.job_id, lease.token), ops.address_of(world, email)
    if what == "cancelled":
        with world.database.write() as tx:
            jobs.cancel_open(tx, import_id)
    else:
        set_job(world, lease.job_id, state=JobState.QUEUED)
    with world.database.write() as tx:
        assert not welcome_emails.begin_sending(tx, intent, token_hash="0" * 64, valid_seconds=60, address=address)
    assert ops.email_of(world, import_id).state is EmailState.PENDING
